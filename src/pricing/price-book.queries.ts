import { DomainError, isId, query, type Scope } from '../platform/index.js';
import { type BookEdge, refuseEdge } from './basis.rules.js';
import { FxSnapshot } from './fx-snapshot.entity.js';
import { PriceBook, PriceBookVersion } from './price-book.entity.js';

/** The book with this id of the scope's tenant; NOT_FOUND otherwise. */
export async function bookById(tx: Scope, id: string, field: readonly string[]): Promise<PriceBook> {
  const book = isId(id, 'pb') ? await tx.em.findOne(PriceBook, { id }) : null;

  if (!book) {
    throw DomainError.notFound('price book', id, field);
  }

  return book;
}

/** The version with this id of the scope's tenant; NOT_FOUND otherwise. */
export async function versionById(tx: Scope, id: string, field: readonly string[]): Promise<PriceBookVersion> {
  const version = isId(id, 'pbv') ? await tx.em.findOne(PriceBookVersion, { id }) : null;

  if (!version) {
    throw DomainError.notFound('price book version', id, field);
  }

  return version;
}

/**
 * The book with this id of the scope's tenant, with what is in it locked until the commit: its versions and its rules.
 * NOT_FOUND otherwise.
 */
export async function lockBook(tx: Scope, id: string, field: readonly string[] = ['priceBookId']): Promise<PriceBook> {
  // A book never changes, so it may be read before the lock, which is for what it holds.
  const book = await bookById(tx, id, field);
  // An advisory lock, not a row lock: the runtime role may not update books, and a row lock needs that right.
  await query(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [book.id]);

  return book;
}

/**
 * Refuses that a book takes prices over from another when it would take over its own in the end, or when too many books
 * stood above each other. Serialises with every other call for the tenant until the commit, so that two books that are
 * published at once cannot close a circle.
 */
export async function refuseBasis(tx: Scope, edge: BookEdge, field: readonly string[]): Promise<void> {
  await lockBases(tx);
  const known = await query<{ child: string; parent: string }>(
    tx,
    `select distinct price_book_id as child, basis_book_id as parent from price_book_version
     where tenant_id = $1 and status = 'PUBLISHED' and basis_book_id is not null`,
    [tx.tenantId],
  );
  const refusal = refuseEdge(known, edge);

  if (!refusal) {
    return;
  }

  const books = await tx.em.find(PriceBook, { id: { $in: [...refusal.path] } });
  const names = new Map(books.map(book => [book.id, book.name]));
  const path = refusal.path.map(id => names.get(id) ?? id).join(' → ');

  throw DomainError.invalid(
    refusal.reason === 'CYCLE'
      ? `the book would take over its own prices: ${path}; choose a book that stands on none of these`
      : `too many books would stand above each other: ${path}; take the prices over from a book further up`,
    field,
  );
}

/** Serialises what depends on which versions take prices over from which, until the commit. */
export async function lockBases(tx: Scope): Promise<void> {
  await query(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 2))', [tx.tenantId]);
}

/** The book and every book that takes prices over from it, through however many others. */
export async function booksOn(tx: Scope, priceBookId: string): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    `with recursive book (id) as (
       select $2::text
       union
       select v.price_book_id from price_book_version v join book b on v.basis_book_id = b.id
       where v.tenant_id = $1 and v.status = 'PUBLISHED'
     ) select id from book`,
    [tx.tenantId, priceBookId],
  );

  return rows.map(({ id }) => id);
}

/** How many published versions take exactly this version's prices over. */
export async function countTakers(tx: Scope, versionId: string): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from price_book_version
     where tenant_id = $1 and basis_version_id = $2 and status = 'PUBLISHED'`,
    [tx.tenantId, versionId],
  );

  return row?.n ?? 0;
}

/**
 * The currencies in which a book has prices, own and taken over, in versions that are published or drafts; of one version
 * where one is named.
 */
export async function currenciesOf(
  tx: Scope,
  priceBookId: string,
  versionId: string | null,
  seen = new Map<string, ReadonlySet<string>>(),
): Promise<ReadonlySet<string>> {
  const key = `${priceBookId} ${versionId ?? ''}`;
  const known = seen.get(key);

  // Drafts may stand on each other in a circle until they are published: what is being looked at already is nothing new.
  if (known !== undefined) {
    return known;
  }

  const found = new Set<string>();
  seen.set(key, found);
  const versions = await tx.em.find(PriceBookVersion, {
    priceBookId,
    status: { $in: ['PUBLISHED', 'DRAFT'] },
    ...(versionId === null ? {} : { id: versionId }),
  });

  for (const { currency } of await query<{ currency: string }>(
    tx,
    'select distinct currency from price where tenant_id = $1 and version_id = any ($2)',
    [tx.tenantId, versions.map(({ id }) => id)],
  )) {
    found.add(currency);
  }

  for (const { basis } of versions) {
    const taken = basis ? await currenciesOf(tx, basis.priceBookId, basis.versionId, seen) : [];
    const fx = basis?.fxSnapshotId ? await tx.em.findOneOrFail(FxSnapshot, { id: basis.fxSnapshotId }) : null;

    for (const currency of taken) {
      if (!fx || currency === fx.base) {
        found.add(fx?.quote ?? currency);
      }
    }
  }

  return found;
}
