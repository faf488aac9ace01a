import { ForeignKeyConstraintViolationException } from '@mikro-orm/core';
import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import { isCurrency } from '../money/index.js';
import {
  announce,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  newId,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isCleanText, type TenantsService } from '../tenants/index.js';
import { discountOf } from './discount-terms.rules.js';
import { LivePrices, type LiveVersion, type Stretch } from './live-prices.js';
import {
  bookById,
  booksOn,
  countTakers,
  currenciesOf,
  lockBases,
  lockBook,
  versionById,
} from './price-book.queries.js';
import { Price, PriceBook, PriceBookVersion } from './price-book.entity.js';
import { readPriceDraft, type PriceDraft } from './price-draft.js';
import {
  metersNamed,
  readBasis,
  readDiscounts,
  refuseAmbiguous,
  refuseIdleDiscounts,
  refuseStaleBasis,
  type BasisDraft,
  type DiscountDraft,
} from './version-draft.js';
import { isQuarterHour, nextQuarterHour, refuseWithdrawal } from './version.rules.js';

export interface VersionDraft {
  readonly priceBookId: string;
  readonly prices: readonly PriceDraft[];
  /** What it takes over from another book; nothing when absent. */
  readonly basis?: BasisDraft | null;
  readonly discounts?: readonly DiscountDraft[];
  readonly idempotencyKey: string;
}

const MAX_PRICES = 10_000;

/** Price books: draft, publish, withdraw. */
export class PricingService {
  readonly #live = new LivePrices();

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

    if ((input.prices.length < 1 && !input.basis) || input.prices.length > MAX_PRICES) {
      throw DomainError.invalid(`a version has 1 to ${MAX_PRICES} prices, or takes over those of another book`, [
        'prices',
      ]);
    }

    return inTransaction(scope, async tx => {
      const book = await lockBook(tx, input.priceBookId);
      const { basis: basisDraft = null, discounts: discountDrafts = [] } = input;
      const meters = await this.catalog.metersById(tx, own.ancestors, [
        ...new Set([...input.prices.map(price => price.meterId), ...metersNamed(basisDraft, discountDrafts)]),
      ]);
      const rows = input.prices.map((price, index) => {
        const field = ['prices', String(index)];
        const meter = meters.get(price.meterId);

        if (!meter) {
          throw DomainError.notFound('meter', price.meterId.slice(0, 40), [...field, 'meterId']);
        }

        return readPriceDraft(price, meter, book.currency, field);
      });
      const discounts = readDiscounts(tx, book, discountDrafts, meters);
      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'priceBookVersionCreate', idempotencyKey, draft, async () => {
        const basis = basisDraft && (await readBasis(tx, book, basisDraft, meters, this.#live));
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
          basis,
          discounts,
          createdAt: tx.now,
        });
        await tx.em.flush();

        if (rows.length > 0) {
          await tx.em.insertMany(
            Price,
            rows.map(row => ({ ...row, tenantId: tx.tenantId, id: newId('prc', tx.now), versionId: version.id })),
          );
        }

        if (discounts.length > 0) {
          const slices = await this.#live.ofDraft(tx, version, { start: tx.now, end: null });
          refuseIdleDiscounts(discounts.map(discountOf), slices);
        }

        await record(tx, {
          action: 'price_book_version.created',
          subjectId: version.id,
          after: {
            priceBookId: book.id,
            number: version.number,
            prices: rows,
            ...(basis ? { basis } : {}),
            ...(discounts.length > 0 ? { discounts } : {}),
          },
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

      if (
        await tx.em.findOne(PriceBookVersion, { priceBookId: version.priceBookId, status: 'PUBLISHED', effectiveAt })
      ) {
        throw new DomainError(ErrorCode.ALREADY_EXISTS, 'another version of this book takes effect at that instant', [
          'effectiveAt',
        ]);
      }

      await refuseStaleBasis(tx, version);
      await refuseAmbiguous(tx, version, effectiveAt, this.#live);

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
      const refused = (why: string) =>
        new DomainError(ErrorCode.INVALID_TRANSITION, `version ${version.number} cannot be withdrawn: ${why}`, [
          'versionId',
        ]);
      const refusal = refuseWithdrawal(version.status, version.effectiveAt ?? null, tx.now);

      if (refusal) {
        throw refused(refusal);
      }

      await lockBases(tx);
      const takers = await countTakers(tx, version.id);

      if (takers > 0) {
        throw refused(`${takers} published versions of other books take its prices over; withdraw those first`);
      }

      version.status = 'WITHDRAWN';
      version.withdrawnAt = tx.now;
      // Which contracts name it only the database knows here: they belong to a room above.
      await tx.em.flush().catch((error: unknown) => {
        throw error instanceof ForeignKeyConstraintViolationException
          ? refused('contracts are pinned to it; move those to another version first')
          : error;
      });
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
    return inTransaction(scope, tx => bookById(tx, id, field));
  }

  async versions(scope: Scope, priceBookId: string, args: PageArguments): Promise<PriceBookVersion[]> {
    return inTransaction(scope, tx => findPage(tx.em, PriceBookVersion, { priceBookId }, args));
  }

  async prices(scope: Scope, versionId: string, args: PageArguments): Promise<Price[]> {
    return inTransaction(scope, tx => findPage(tx.em, Price, { versionId }, args));
  }

  /**
   * What a book asks for by effective instant, or one version of it where a contract is pinned to that: in a stretch of
   * time, ever unless told. `tx` acts for the book's owner.
   */
  async published(
    tx: Scope,
    priceBookId: string,
    options: { readonly versionId?: string | null; readonly within?: Stretch } = {},
  ): Promise<LiveVersion[]> {
    return options.versionId
      ? this.#live.ofVersion(tx, options.versionId, options.within)
      : this.#live.ofBook(tx, priceBookId, options.within);
  }

  /** What a version asks for at an instant, whatever its status; at its effective instant where that is later. */
  async live(scope: Scope, versionId: string, at: Date): Promise<LiveVersion> {
    return inTransaction(scope, async tx => this.#live.at(tx, await versionById(tx, versionId, ['versionId']), at));
  }

  /** What two versions ask for at one instant: now, or the later effective instant. */
  async both(scope: Scope, fromId: string, toId: string): Promise<{ from: LiveVersion; to: LiveVersion }> {
    return inTransaction(scope, async tx => {
      const from = await versionById(tx, fromId, ['fromId']);
      const to = await versionById(tx, toId, ['toId']);
      const at = new Date(Math.max(tx.now.getTime(), from.effectiveAt?.getTime() ?? 0, to.effectiveAt?.getTime() ?? 0));

      return { from: await this.#live.at(tx, from, at), to: await this.#live.at(tx, to, at) };
    });
  }

  /** The book and all that take prices over from it: whose buyers pay other prices when it changes. */
  async booksOn(tx: Scope, priceBookId: string): Promise<string[]> {
    return booksOn(tx, priceBookId);
  }

  /** The currencies of a book's prices, published or drafted, or of one version's; own and taken over. */
  async currenciesOf(tx: Scope, priceBookId: string, versionId: string | null): Promise<ReadonlySet<string>> {
    return currenciesOf(tx, priceBookId, versionId);
  }

  /**
   * A published version of a book that a contract may be pinned to. Holds off its withdrawal until the commit; refuses
   * what is no version of the book or not published.
   */
  async pinnable(
    tx: Scope,
    priceBookId: string,
    versionId: string,
    field: readonly string[],
  ): Promise<PriceBookVersion> {
    const book = await lockBook(tx, priceBookId);
    const version = await versionById(tx, versionId, field);
    await tx.em.refresh(version);

    if (version.priceBookId !== book.id) {
      throw DomainError.notFound(`version of ${book.name}`, versionId, field);
    }

    if (version.status !== 'PUBLISHED') {
      throw new DomainError(
        ErrorCode.INVALID_TRANSITION,
        `version ${version.number} is ${version.status}, and a contract is pinned to a published one`,
        field,
      );
    }

    return version;
  }

  async #lockVersion(tx: Scope, id: string): Promise<PriceBookVersion> {
    const version = await versionById(tx, id, ['versionId']);
    await lockBook(tx, version.priceBookId);
    await tx.em.refresh(version);

    return version;
  }
}
