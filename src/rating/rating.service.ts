import type { CatalogService } from '../catalog/index.js';
import { gapsWithin, periodsWithin, type Contract, type ContractsService, type Period } from '../contracts/index.js';
import type { Decimal } from '../money/index.js';
import {
  announce,
  asTenant,
  inTransaction,
  scopeFor,
  UNASKED,
  type Acknowledge,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { asksWithoutUsage } from '../pricing/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { lockRating, monthOf, touches, touchFrom, touchMonths } from '../usage/index.js';
import { bringCounted } from './counted.queries.js';
import type { Correction } from './counted.rules.js';
import { asksWithoutOutcomes, rateOutcomes, type OutcomesRating } from './outcome-rating.js';
import { PeriodRating, periodToRate } from './period-rating.js';
import {
  bringCharges,
  chargeById,
  chargePage,
  knownPeriods,
  markRated,
  openSpend,
  ratingMarks,
  replaceUnpriced,
  unpricedPage,
  type ChargeRow,
  type UnpricedRow,
} from './rating.queries.js';
import type { SoftCapExceeded } from './soft-caps.js';
import { fallbacksOf, replacementsOf } from './usage-relation.rules.js';
import { bucketsOf } from './usage-source.js';

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
  /** SOFT caps that its outcomes go beyond, of which nobody was told. */
  readonly exceededCaps: readonly SoftCapExceeded[];
  /** By how much more its usage is due than it was counted at when it came in, since it was rated last. */
  readonly corrections: readonly Correction[];
}

/** What the rooms above do in the same transaction when periods were rated (wired in `flow.ts`). */
export type WhenRated = (tx: Scope, rated: readonly RatedPeriod[], timeZone: string) => Promise<void>;

/** How far back months without usage are opened for a contract that begins in the past. */
const OPENED_MS = 400 * 86_400_000;

/** Turns buckets, outcomes and prices into charges. */
export class RatingService {
  readonly #period: PeriodRating;

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly contracts: ContractsService,
    private readonly whenRated: WhenRated,
    private readonly outcomes: OutcomesRating,
  ) {
    this.#period = new PeriodRating(catalog);
  }

  /**
   * Rates everything of the scope's tenant that was touched since it was last rated: charge = rate(cumulative) − already
   * charged, in one transaction with all that follows from it. Does nothing when nothing was touched. Outcomes are judged
   * first, chunk by chunk: a backlog of them is no reason for one long transaction.
   */
  async rate(scope: Scope): Promise<void> {
    await this.outcomes.settle(scope);
    await inTransaction(scope, async tx => {
      await lockRating(tx);
      await this.rateTouched(tx);
    });
  }

  /** The same within the caller's transaction, which holds the rating lock. */
  async rateTouched(tx: Scope): Promise<void> {
    // What is judged now touches the months that it is charged in.
    await this.outcomes.settleWithin(tx);
    // Touches are read before buckets: what is touched in between is rated again, never missed.
    const marks = await ratingMarks(tx);
    const isDue = (month: string) => {
      const dueAt = marks.get(month)?.dueAt;

      return dueAt !== null && dueAt !== undefined && dueAt <= tx.now;
    };
    const touched = (await touches(tx)).filter(
      ({ month, n }) => BigInt(n) > BigInt(marks.get(month)?.n ?? '0') || isDue(month),
    );

    if (touched.length === 0) {
      return;
    }

    const tenant = await this.tenants.own(tx);
    const months = touched.map(({ month }) => month);
    const rated = await this.#rateMonths(tx, tenant, months);
    await this.whenRated(tx, rated, tenant.timeZone);
    await markRated(
      tx,
      touched.map(({ month, n }) => ({ month, n, dueAt: nextEnd(month, rated, tx.now) })),
    );
    const over = rated.filter(({ end }) => end <= tx.now).map(({ end }) => end.getTime());

    if (months.some(isDue) && over.length > 0) {
      await this.#open(tx, tenant, new Date(Math.max(...over)));
    }
  }

  /**
   * Has all usage and outcomes of the scope's tenant from an instant on rated anew, with the prices and rules of now. What
   * waits to be judged is judged first, chunk by chunk, as before every rating.
   */
  async rerate(scope: Scope, from: Date, acknowledge: Acknowledge = UNASKED): Promise<void> {
    await this.outcomes.settle(scope);
    await inTransaction(scope, async tx => {
      if (!(await acknowledge(tx))) {
        return;
      }

      await lockRating(tx);
      await this.outcomes.rejudge(tx, from);
      await touchFrom(tx, from);
      await this.#open(tx, await this.tenants.own(tx), from);
      await this.rateTouched(tx);
    });
  }

  /**
   * Has the months from an instant until now rated although they may hold no usage: for prices that ask for something
   * without any, and for levels that reach into them. Each month that ends opens the next.
   */
  async #open(tx: Scope, tenant: Tenant, from: Date): Promise<void> {
    const levels = await this.catalog.meterIdsOf(tx, tenant.ancestors, 'TIME_WEIGHTED');
    const known = new Set((await touches(tx)).map(({ month }) => month));
    const months = new Set<string>();

    for (const contract of await this.contracts.all(tx)) {
      // A contract that begins later opens its first month now, for nobody looks at it again when it begins.
      const latest = Math.max(tx.now.getTime(), contract.startsAt.getTime());
      const end = new Date(Math.min(latest, (contract.endsAt ?? new Date(latest)).getTime()));
      const start = new Date(
        Math.max(Math.min(from.getTime(), latest), contract.startsAt.getTime(), latest - OPENED_MS),
      );

      if (start <= end && (levels.length > 0 || (await this.#asksWithoutUsage(tx, contract, start)))) {
        monthsBetween(start, end).forEach(month => months.add(month));
      }
    }

    const unknown = [...months].filter(month => !known.has(month));

    if (unknown.length > 0) {
      await touchMonths(tx, unknown);
      await announce(tx, 'usage.accepted');
    }
  }

  async #asksWithoutUsage(tx: Scope, contract: Contract, start: Date): Promise<boolean> {
    const endsAt = contract.endsAt ?? null;
    const versions = await this.contracts.versionsOf(tx, contract, { start, end: endsAt });

    return (
      versions.some(({ prices }) => prices.some(({ terms }) => asksWithoutUsage(terms))) ||
      asksWithoutOutcomes(await this.outcomes.rulesOf(tx, contract), endsAt)
    );
  }

  /**
   * Tells every buyer on a book of the scope's tenant to have its usage from an instant on rated anew: all in one transaction,
   * so that none is left out when the change is acknowledged.
   */
  async reprice(scope: Scope, priceBookId: string, from: Date, acknowledge: Acknowledge = UNASKED): Promise<void> {
    await inTransaction(scope, async tx => {
      if (!(await acknowledge(tx))) {
        return;
      }

      for (const buyerId of await this.contracts.buyersOf(tx, priceBookId, from)) {
        await asTenant(tx, buyerId, own => announce(own, 'contract.changed', { from: from.toISOString() }));
      }
    });
  }

  /**
   * Has the usage rated anew that the costs concern which the scope's tenant has set from an instant on: that of the buyers
   * whose prices follow costs, in the months in which these costs hold. Months are touched, so that a rating is due from
   * then on whatever becomes of jobs. Outcomes have no prices that follow costs, so none is judged again.
   */
  async recost(scope: Scope, from: Date, acknowledge: Acknowledge = UNASKED): Promise<void> {
    const end = await this.catalog.costsEnd(scope, from);
    const first = monthOf(from.toISOString());

    for (const buyerId of await this.contracts.buyersByCost(scope, { start: from, end })) {
      await inTransaction(scopeFor(scope, buyerId), async tx => {
        const months = (await touches(tx))
          .map(({ month }) => month)
          .filter(month => month >= first && (end === null || new Date(`${month}T00:00:00Z`) < end));

        if (months.length > 0) {
          await touchMonths(tx, months);
          await announce(tx, 'usage.accepted');
        }
      });
    }

    // Last, and not with the touches: those of all buyers in one transaction would keep their usage from being accepted.
    await inTransaction(scope, tx => acknowledge(tx));
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
            rated.set(key, await this.#ratePeriod(tx, tenant, contract, period));
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
            left ? await this.#ratePeriod(tx, tenant, contract, left) : await this.#clearPeriod(tx, contract, known),
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

  async #ratePeriod(tx: Scope, tenant: Tenant, contract: Contract, period: Period): Promise<RatedPeriod> {
    const { id: contractId, sellerId, currency, graceHours } = contract;
    const { ancestors, timeZone } = tenant;
    const versions = await this.contracts.versionsOf(tx, contract, period);
    const rules = await this.outcomes.rulesOf(tx, contract);
    // Outcomes go first: one that a cap keeps out does not stand for usage.
    const outcomes = await rateOutcomes(tx, { contract, period, rules, timeZone });
    const usage = await this.#period.rate(
      tx,
      periodToRate(contract, period, { now: tx.now, ancestors, versions, replaced: replacementsOf(rules, period) }),
      bucketsOf(tx, period, await this.catalog.meterIdsOf(tx, ancestors, 'TIME_WEIGHTED'), fallbacksOf(rules)),
    );
    const place = { contractId, currency, start: period.start, end: period.end };
    const spend = await bringCharges(tx, place, [...usage.dues, ...outcomes.dues]);
    await replaceUnpriced(tx, place, [...usage.unpriced, ...outcomes.unpriced]);

    const corrections = await bringCounted(tx, place, usage.counted);
    const { exceededCaps } = outcomes;

    return { ...place, sellerId, graceHours, spend, exceededCaps, corrections };
  }

  async #clearPeriod(tx: Scope, contract: Contract, { start, end }: Period): Promise<RatedPeriod> {
    const { id: contractId, sellerId, currency, graceHours } = contract;
    const spend = await bringCharges(tx, { contractId, currency, start, end }, []);
    await replaceUnpriced(tx, { contractId, start, end }, []);

    const corrections = await bringCounted(tx, { contractId, start }, []);

    return { contractId, sellerId, currency, graceHours, start, end, spend, exceededCaps: [], corrections };
  }

  async #noteUnpriced(tx: Scope, ancestors: readonly string[], gap: Period): Promise<void> {
    const { unpriced } = await this.#period.rate(
      tx,
      { period: gap, currency: '', versions: [], ancestors, sellers: [], isOver: false },
      bucketsOf(tx, gap, await this.catalog.meterIdsOf(tx, ancestors, 'TIME_WEIGHTED')),
    );
    const rows = unpriced.map(row => ({ ...row, reason: 'NO_CONTRACT' as const }));
    await replaceUnpriced(tx, { contractId: '', ...gap }, rows);
  }
}

/** When the first period that reaches into a month ends, of those that are not over. */
function nextEnd(month: string, rated: readonly RatedPeriod[], now: Date): Date | null {
  const [start, after] = [new Date(`${month}T00:00:00Z`), new Date(`${month}T00:00:00Z`)];
  after.setUTCMonth(after.getUTCMonth() + 1);
  const ends = rated.filter(period => period.start < after && period.end > start && period.end > now);

  return ends.map(({ end }) => end).sort((a, b) => a.getTime() - b.getTime())[0] ?? null;
}

/** The months of UTC that a stretch touches, as `yyyy-mm-01`. */
function monthsBetween(start: Date, end: Date): string[] {
  const months: string[] = [];

  for (
    let at = Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), 1);
    at <= end.getTime();
    at = Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth() + 1, 1)
  ) {
    months.push(monthOf(new Date(at).toISOString()));
  }

  return months;
}
