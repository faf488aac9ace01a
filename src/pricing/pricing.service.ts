import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import { isCurrency } from '../money/index.js';
import {
  announce,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  query,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isCleanText, type TenantsService } from '../tenants/index.js';
import { Price, PriceBook, PriceBookVersion } from './price-book.entity.js';
import { refusePrices } from './pattern.rules.js';
import { indexPrices, type PriceIndex } from './price-index.rules.js';
import { livePrice, readPriceDraft, type LivePrice, type PriceDraft } from './price-draft.js';
import { isQuarterHour, nextQuarterHour, refuseWithdrawal } from './version.rules.js';

export interface VersionDraft {
  readonly priceBookId: string;
  readonly prices: readonly PriceDraft[];
  readonly idempotencyKey: string;
}

/** A published version with its prices. It holds from `effectiveAt` until the next one. */
export interface LiveVersion {
  readonly id: string;
  readonly number: number;
  readonly effectiveAt: Date;
  readonly prices: readonly LivePrice[];
  readonly index: PriceIndex<LivePrice>;
}

/** The prices of a version, and how to find the one for some usage. */
type PriceList = Pick<LiveVersion, 'prices' | 'index'>;

const MAX_PRICES = 10_000;
const MAX_CACHED = 200;

/** Price books: draft, publish, withdraw. */
export class PricingService {
  // Prices of a published version never change, so they are read once a process.
  readonly #prices = new Map<string, PriceList>();

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
  ) {}

  async createBook(
    scope: Scope,
    input: { readonly name: string; readonly currency: string; readonly idempotencyKey: string },
  ) {
    if (input.name.trim().length < 1 || input.name.length > 200 || !isCleanText(input.name)) {
      throw DomainError.invalid('name has 1 to 200 characters and no control characters', ['name']);
    }

    if (!isCurrency(input.currency)) {
      throw DomainError.invalid('currency is an ISO 4217 currency in use', ['currency']);
    }

    return inTransaction(scope, async tx => {
      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'priceBookCreate', idempotencyKey, draft, async () => {
        if (await tx.em.findOne(PriceBook, { name: draft.name })) {
          throw new DomainError(ErrorCode.ALREADY_EXISTS, `a price book ${draft.name} exists`, ['name']);
        }

        const book = tx.em.create(PriceBook, {
          tenantId: tx.tenantId,
          id: newId('pb', tx.now),
          name: draft.name,
          currency: draft.currency,
          createdAt: tx.now,
        });
        await record(tx, { action: 'price_book.created', subjectId: book.id, after: draft });

        return book.id;
      });

      return { book: await tx.em.findOneOrFail(PriceBook, { id }), replayed };
    });
  }

  /** Writes a draft version with all its prices. Every price is checked; the first wrong field is named. */
  async createVersion(scope: Scope, input: VersionDraft) {
    const own = await this.tenants.own(scope);

    if (input.prices.length < 1 || input.prices.length > MAX_PRICES) {
      throw DomainError.invalid(`a version has 1 to ${MAX_PRICES} prices`, ['prices']);
    }

    return inTransaction(scope, async tx => {
      const book = await this.#lockBook(tx, input.priceBookId);
      const meters = await this.catalog.metersById(tx, own.ancestors, [
        ...new Set(input.prices.map(price => price.meterId)),
      ]);
      const rows = input.prices.map((price, index) => {
        const field = ['prices', String(index)];
        const meter = meters.get(price.meterId);

        if (!meter) {
          throw DomainError.notFound('meter', price.meterId.slice(0, 40), [...field, 'meterId']);
        }

        return readPriceDraft(price, meter, book.currency, field);
      });
      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'priceBookVersionCreate', idempotencyKey, draft, async () => {
        const [last] = await tx.em.find(
          PriceBookVersion,
          { priceBookId: book.id },
          { orderBy: { number: 'desc' }, limit: 1 },
        );
        const version = tx.em.create(PriceBookVersion, {
          tenantId: tx.tenantId,
          id: newId('pbv', tx.now),
          priceBookId: book.id,
          number: (last?.number ?? 0) + 1,
          status: 'DRAFT',
          effectiveAt: null,
          publishedAt: null,
          withdrawnAt: null,
          createdAt: tx.now,
        });
        await tx.em.flush();
        await tx.em.insertMany(
          Price,
          rows.map(row => ({ ...row, tenantId: tx.tenantId, id: newId('prc', tx.now), versionId: version.id })),
        );
        await record(tx, {
          action: 'price_book_version.created',
          subjectId: version.id,
          after: { priceBookId: book.id, number: version.number, prices: rows },
        });

        return version.id;
      });

      return { version: await tx.em.findOneOrFail(PriceBookVersion, { id }), replayed };
    });
  }

  /** Makes a draft hold from an instant on a quarter hour; the next one after now unless told otherwise. */
  async publish(
    scope: Scope,
    input: { readonly versionId: string; readonly effectiveAt: Date | null },
  ): Promise<PriceBookVersion> {
    const effectiveAt = input.effectiveAt ?? nextQuarterHour(scope.now);

    if (!isQuarterHour(effectiveAt)) {
      throw DomainError.invalid('effectiveAt falls on a quarter hour, such as 12:00, 12:15, 12:30 or 12:45', [
        'effectiveAt',
      ]);
    }

    return inTransaction(scope, async tx => {
      const version = await this.#lockVersion(tx, input.versionId);

      if (version.status !== 'DRAFT') {
        throw new DomainError(
          ErrorCode.INVALID_TRANSITION,
          `version ${version.number} is ${version.status} and only a draft can be published; make a new draft`,
          ['versionId'],
        );
      }

      const prices = await tx.em.find(Price, { versionId: version.id });
      const [pair] = refusePrices(prices.map(livePrice));

      if (pair) {
        throw new DomainError(
          ErrorCode.PRICES_AMBIGUOUS,
          `prices "${pair[0].name}" and "${pair[1].name}" match the same usage and neither is more specific; narrow one of them`,
          ['versionId'],
        );
      }

      if (
        await tx.em.findOne(PriceBookVersion, { priceBookId: version.priceBookId, status: 'PUBLISHED', effectiveAt })
      ) {
        throw new DomainError(ErrorCode.ALREADY_EXISTS, 'another version of this book takes effect at that instant', [
          'effectiveAt',
        ]);
      }

      version.status = 'PUBLISHED';
      version.effectiveAt = effectiveAt;
      version.publishedAt = tx.now;
      await record(tx, {
        action: 'price_book_version.published',
        subjectId: version.id,
        before: { status: 'DRAFT' },
        after: { status: 'PUBLISHED', effectiveAt },
      });
      await announce(tx, 'price_book.changed', { priceBookId: version.priceBookId, from: effectiveAt.toISOString() });

      return version;
    });
  }

  /** Takes back a published version that has not taken effect. */
  async withdraw(scope: Scope, versionId: string): Promise<PriceBookVersion> {
    return inTransaction(scope, async tx => {
      const version = await this.#lockVersion(tx, versionId);
      const refusal = refuseWithdrawal(version.status, version.effectiveAt ?? null, tx.now);

      if (refusal) {
        throw new DomainError(
          ErrorCode.INVALID_TRANSITION,
          `version ${version.number} cannot be withdrawn: ${refusal}`,
          ['versionId'],
        );
      }

      version.status = 'WITHDRAWN';
      version.withdrawnAt = tx.now;
      await record(tx, {
        action: 'price_book_version.withdrawn',
        subjectId: version.id,
        before: { status: 'PUBLISHED' },
        after: { status: 'WITHDRAWN' },
      });
      await announce(tx, 'price_book.changed', {
        priceBookId: version.priceBookId,
        from: (version.effectiveAt ?? tx.now).toISOString(),
      });

      return version;
    });
  }

  async books(scope: Scope, args: PageArguments): Promise<PriceBook[]> {
    return inTransaction(scope, tx => findPage(tx.em, PriceBook, {}, args));
  }

  /** The book with this id of the scope's tenant; NOT_FOUND otherwise. */
  async book(scope: Scope, id: string, field: readonly string[] = ['priceBookId']): Promise<PriceBook> {
    return inTransaction(scope, async tx => {
      const book = isId(id, 'pb') ? await tx.em.findOne(PriceBook, { id }) : null;

      if (!book) {
        throw DomainError.notFound('price book', id.slice(0, 40), field);
      }

      return book;
    });
  }

  async versions(scope: Scope, priceBookId: string, args: PageArguments): Promise<PriceBookVersion[]> {
    return inTransaction(scope, tx => findPage(tx.em, PriceBookVersion, { priceBookId }, args));
  }

  async prices(scope: Scope, versionId: string, args: PageArguments): Promise<Price[]> {
    return inTransaction(scope, tx => findPage(tx.em, Price, { versionId }, args));
  }

  /** The published versions of a book by effective instant, with their prices. `tx` acts for the book's owner. */
  async published(tx: Scope, priceBookId: string): Promise<LiveVersion[]> {
    const versions = await tx.em.find(
      PriceBookVersion,
      { priceBookId, status: 'PUBLISHED' },
      { orderBy: { effectiveAt: 'asc' } },
    );
    const live: LiveVersion[] = [];

    for (const version of versions) {
      if (version.effectiveAt) {
        const { id, number, effectiveAt } = version;
        live.push({ id, number, effectiveAt, ...(await this.#livePrices(tx, id)) });
      }
    }

    return live;
  }

  async #livePrices(tx: Scope, versionId: string): Promise<PriceList> {
    const known = this.#prices.get(versionId);

    if (known) {
      return known;
    }

    const rows = await tx.em.find(Price, { versionId }, { orderBy: { id: 'asc' } });
    const prices = rows.map(livePrice);

    if (this.#prices.size >= MAX_CACHED) {
      this.#prices.clear();
    }

    const list = { prices, index: indexPrices(prices) };
    this.#prices.set(versionId, list);

    return list;
  }

  async #lockBook(tx: Scope, id: string): Promise<PriceBook> {
    // A book never changes, so it may be read before the lock, which is for its versions.
    const book = await this.book(tx, id);
    // An advisory lock, not a row lock: the runtime role may not update books, and a row lock needs that right.
    await query(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [book.id]);

    return book;
  }

  async #lockVersion(tx: Scope, id: string): Promise<PriceBookVersion> {
    const version = isId(id, 'pbv') ? await tx.em.findOne(PriceBookVersion, { id }) : null;

    if (!version) {
      throw DomainError.notFound('price book version', id.slice(0, 40), ['versionId']);
    }

    await this.#lockBook(tx, version.priceBookId);
    await tx.em.refresh(version);

    return version;
  }
}
