import type { CatalogService } from '../catalog/index.js';
import { gapsWithin, periodsWithin, type Contract, type ContractsService, type Period } from '../contracts/index.js';
import type { Decimal } from '../money/index.js';
import { announce, asTenant, inTransaction, scopeFor, type PageArguments, type Scope } from '../platform/index.js';
import type { PricingService } from '../pricing/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { eventValues, levelsBefore, type EventValue, touches, touchFrom, usageBySegment } from '../usage/index.js';
import { PeriodRating, type UsageSource } from './period-rating.js';
import {
  bringCharges,
  chargeById,
  chargePage,
  knownPeriods,
  lockRating,
  markRated,
  openSpend,
  ratingMarks,
  replaceUnpriced,
  unpricedPage,
  type ChargeRow,
  type UnpricedRow,
} from './rating.queries.js';

/** A period whose charges were just brought up to date. */
export interface RatedPeriod {
  readonly contractId: string;
  readonly sellerId: string;
  readonly currency: string;
  readonly graceHours: number;
  readonly start: Date;
  readonly end: Date;
  /** What the usage of the period comes to, exact, whatever of it was billed already. */
  readonly spend: Decimal;
}

/** What the rooms above do in the same transaction when periods were rated (wired in `flow.ts`). */
export type WhenRated = (tx: Scope, rated: readonly RatedPeriod[], timeZone: string) => Promise<void>;

/** Turns buckets and prices into charges. */
export class RatingService {
  readonly #period: PeriodRating;

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly pricing: PricingService,
    private readonly contracts: ContractsService,
    private readonly whenRated: WhenRated,
  ) {
    this.#period = new PeriodRating(catalog);
  }

  /**
   * Rates everything of the scope's tenant that was touched since it was last rated: charge = rate(cumulative) − already
   * charged, in one transaction with all that follows from it. Does nothing when nothing was touched.
   */
  async rate(scope: Scope): Promise<void> {
    await inTransaction(scope, async tx => {
      await lockRating(tx);
      await this.rateTouched(tx);
    });
  }

  /** The same within the caller's transaction, which holds the rating lock. */
  async rateTouched(tx: Scope): Promise<void> {
    // Touches are read before buckets: what is touched in between is rated again, never missed.
    const marks = await ratingMarks(tx);
    const touched = (await touches(tx)).filter(({ month, n }) => BigInt(n) > (marks.get(month) ?? 0n));

    if (touched.length === 0) {
      return;
    }

    const tenant = await this.tenants.own(tx);
    const months = touched.map(({ month }) => month);
    await this.whenRated(tx, await this.#rateMonths(tx, tenant, months), tenant.timeZone);
    await markRated(tx, touched);
  }

  /** Has all usage of the scope's tenant from an instant on rated anew, with the prices of now. */
  async rerate(scope: Scope, from: Date): Promise<void> {
    await inTransaction(scope, async tx => {
      await lockRating(tx);
      await touchFrom(tx, from);
      await this.rateTouched(tx);
    });
  }

  /** Tells every buyer on a book of the scope's tenant to have its usage from an instant on rated anew. */
  async reprice(scope: Scope, priceBookId: string, from: Date): Promise<void> {
    for (const buyerId of await this.contracts.buyersOf(scope, priceBookId, from)) {
      await inTransaction(scopeFor(scope, buyerId), tx =>
        announce(tx, 'contract.changed', { from: from.toISOString() }),
      );
    }
  }

  /** What the tenant's periods that no invoice has closed come to, as rated last. */
  async openPeriods(tx: Scope): Promise<Pick<RatedPeriod, 'start' | 'end' | 'spend' | 'currency'>[]> {
    return openSpend(tx);
  }

  async charges(scope: Scope, args: PageArguments): Promise<ChargeRow[]> {
    return inTransaction(scope, tx => chargePage(tx, args));
  }

  async charge(scope: Scope, id: string): Promise<ChargeRow | null> {
    return inTransaction(scope, tx => chargeById(tx, id));
  }

  async unpriced(scope: Scope, args: PageArguments): Promise<UnpricedRow[]> {
    return inTransaction(scope, tx => unpricedPage(tx, args));
  }

  async #rateMonths(tx: Scope, tenant: Tenant, months: readonly string[]): Promise<RatedPeriod[]> {
    const contracts = await this.contracts.all(tx);
    const rated = new Map<string, RatedPeriod>();
    const gaps = new Map<number, Period>();

    for (const month of months) {
      const start = new Date(`${month}T00:00:00Z`);
      const stretch = { start, end: new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)) };

      for (const contract of contracts) {
        const window = { startsAt: contract.startsAt, endsAt: contract.endsAt ?? null };

        for (const period of periodsWithin(stretch, window, tenant.timeZone)) {
          const key = `${contract.id} ${period.start.getTime()}`;

          if (!rated.has(key)) {
            rated.set(key, await this.#ratePeriod(tx, tenant.ancestors, contract, period));
          }
        }
      }

      // A period that a later contract has cut short or taken over asks for less, or for nothing, any more.
      for (const known of await knownPeriods(tx, stretch.start, stretch.end)) {
        const key = `${known.contractId} ${known.start.getTime()}`;
        const contract = contracts.find(({ id }) => id === known.contractId);

        if (contract && !rated.has(key)) {
          const window = { startsAt: contract.startsAt, endsAt: contract.endsAt ?? null };
          const [left] = periodsWithin(known, window, tenant.timeZone);
          rated.set(
            key,
            left
              ? await this.#ratePeriod(tx, tenant.ancestors, contract, left)
              : await this.#clearPeriod(tx, contract, known),
          );
        }
      }

      for (const gap of gapsWithin(
        stretch,
        contracts.map(contract => ({ start: contract.startsAt, end: contract.endsAt ?? stretch.end })),
      )) {
        gaps.set(gap.start.getTime(), gap);
      }

      // What was unpriced for want of a contract may have one now.
      await replaceUnpriced(tx, { contractId: '', ...stretch }, []);
    }

    for (const gap of gaps.values()) {
      await this.#noteUnpriced(tx, tenant.ancestors, gap);
    }

    return [...rated.values()];
  }

  async #ratePeriod(tx: Scope, ancestors: readonly string[], contract: Contract, period: Period): Promise<RatedPeriod> {
    const { id: contractId, sellerId, currency, graceHours, priceBookId } = contract;
    const versions = await asTenant(tx, sellerId, seller => this.pricing.published(seller, priceBookId));
    const { dues, unpriced } = await this.#period.rate(
      tx,
      {
        period,
        currency,
        versions,
        ancestors,
        sellers: ancestors.slice(0, ancestors.indexOf(sellerId) + 1),
        isOver: period.end <= tx.now,
      },
      await this.#buckets(tx, ancestors, period),
    );
    const place = { contractId, currency, start: period.start, end: period.end };
    const spend = await bringCharges(tx, place, dues);
    await replaceUnpriced(tx, place, unpriced);

    return { contractId, sellerId, currency, graceHours, start: period.start, end: period.end, spend };
  }

  /** The usage of a period, from the buckets of the scope's tenant. */
  async #buckets(tx: Scope, ancestors: readonly string[], { start, end }: Period): Promise<UsageSource> {
    const timeWeighted = await this.catalog.meterIdsOf(tx, ancestors, 'TIME_WEIGHTED');

    return {
      used: pieces =>
        usageBySegment(
          tx,
          start,
          end,
          pieces.slice(1).map(piece => piece.start),
          timeWeighted,
        ),
      levels: async () => (timeWeighted.length === 0 ? [] : levelsBefore(tx, start, timeWeighted)),
      events: async meterIds => {
        const values: EventValue[] = [];

        for await (const value of eventValues(tx, meterIds, start, end)) {
          values.push(value);
        }

        return values;
      },
    };
  }

  async #clearPeriod(tx: Scope, contract: Contract, { start, end }: Period): Promise<RatedPeriod> {
    const { id: contractId, sellerId, currency, graceHours } = contract;
    const spend = await bringCharges(tx, { contractId, currency, start, end }, []);
    await replaceUnpriced(tx, { contractId, start, end }, []);

    return { contractId, sellerId, currency, graceHours, start, end, spend };
  }

  async #noteUnpriced(tx: Scope, ancestors: readonly string[], gap: Period): Promise<void> {
    const source = await this.#buckets(tx, ancestors, gap);
    const { unpriced } = await this.#period.rate(
      tx,
      { period: gap, currency: '', versions: [], ancestors, sellers: [], isOver: false },
      source,
    );
    const rows = unpriced.map(row => ({ ...row, reason: 'NO_CONTRACT' as const }));
    await replaceUnpriced(tx, { contractId: '', ...gap }, rows);
  }
}
