import type { CatalogService } from '../catalog/index.js';
import { periodsWithin, type Contract, type ContractsService, type Period } from '../contracts/index.js';
import { decimal } from '../money/index.js';
import { replacedEvents, type OutcomesService } from '../outcomes/index.js';
import { asTenant, inTransaction, type Scope } from '../platform/index.js';
import { livePrice, looksAtEvents, Price, type LiveVersion } from '../pricing/index.js';
import { fallbacksOf, PeriodRating, periodToRate, replacementsOf, type Replacement } from '../rating/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { levelsBefore } from '../usage/index.js';
import {
  comparedItems,
  comparedLines,
  sideOf,
  type ComparedItem,
  type ComparedLine,
  type Side,
} from './comparison.rules.js';
import { EventReplay, valueKey, type ContextsOnTrial, type ReplayControl } from './event-replay.js';
import { gridOf } from './grid.rules.js';
import { ReplayedUsage } from './replayed-usage.rules.js';
import { chargesOf, countUnpricedUsage } from './simulation.queries.js';
import type { Baseline } from './simulation.rules.js';

/** What is tried, the same for all tenants of a simulation. */
export interface ReplayPlan {
  /** Whose book it is, and whose costs count. */
  readonly sellerId: string;
  /** The version on trial, as if it had held all the time, by effective instant. */
  readonly candidates: readonly LiveVersion[];
  readonly from: Date;
  readonly until: Date;
  /** Only the periods of contracts on this book; null for those of all contracts. */
  readonly priceBookId: string | null;
  readonly baseline: Baseline;
  readonly contexts: ContextsOnTrial;
}

/** A billing period that was replayed as a whole. */
export interface ReplayedPeriod {
  readonly contractId: string;
  readonly start: Date;
  readonly end: Date;
}

/** What a tenant has paid and would have paid in one currency. */
export interface TenantComparison {
  readonly currency: string;
  readonly name: string;
  readonly periods: readonly ReplayedPeriod[];
  readonly events: number;
  readonly old: Side;
  readonly new: Side;
  /** Combinations of meter and dimensions without a price, counted in each period. */
  readonly unpriced: { readonly old: number; readonly new: number };
  readonly items: readonly ComparedItem[];
}

interface ContractPeriod {
  readonly contract: Contract;
  readonly period: Period;
}

/** One side of a comparison of one period. */
interface Outcome {
  readonly lines: readonly ComparedLine[];
  readonly unpriced: number;
}

interface PeriodComparison extends ContractPeriod {
  readonly events: number;
  readonly old: Outcome;
  readonly new: Outcome;
}

/**
 * Replays the stored events of one tenant through the engine that bills them: measured, folded and rated as they came,
 * with other prices. Reads in short transactions and writes nothing. Levels with which a period begins are those of the
 * buckets.
 */
export class TenantReplay {
  readonly #period: PeriodRating;
  readonly #events: EventReplay;

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly contracts: ContractsService,
    private readonly outcomes: Pick<OutcomesService, 'rulesOf'>,
  ) {
    this.#period = new PeriodRating(catalog);
    this.#events = new EventReplay(catalog);
  }

  /** Compares the scope's tenant, currency by currency; null when the signal stopped it. */
  async compare(scope: Scope, plan: ReplayPlan, control: ReplayControl): Promise<TenantComparison[] | null> {
    const { tenant, periods } = await inTransaction(scope, tx => this.#periods(tx, plan));
    const compared: PeriodComparison[] = [];

    for (const one of periods) {
      const comparison = await this.#comparePeriod(scope, tenant, one, plan, control);

      if (!comparison) {
        return null;
      }

      compared.push(comparison);
    }

    const byCurrency = Map.groupBy(compared, ({ contract }) => contract.currency);

    // Who has no period in the stretch is done too.
    return byCurrency.size === 0
      ? [summaryOf(tenant.name, tenant.currency, [])]
      : [...byCurrency].map(([currency, own]) => summaryOf(tenant.name, currency, own));
  }

  /** The billing periods that the stretch touches, whole: a tier depends on all of its month. */
  async #periods(tx: Scope, plan: ReplayPlan): Promise<{ tenant: Tenant; periods: ContractPeriod[] }> {
    const tenant = await this.tenants.own(tx);
    const contracts = (await this.contracts.all(tx)).filter(
      ({ priceBookId }) => plan.priceBookId === null || priceBookId === plan.priceBookId,
    );
    const periods = contracts.flatMap(contract =>
      periodsWithin(
        { start: plan.from, end: plan.until },
        { startsAt: contract.startsAt, endsAt: contract.endsAt ?? null },
        tenant.timeZone,
      ).map(period => ({ contract, period })),
    );

    return { tenant, periods };
  }

  async #comparePeriod(
    scope: Scope,
    tenant: Tenant,
    place: ContractPeriod,
    plan: ReplayPlan,
    control: ReplayControl,
  ): Promise<PeriodComparison | null> {
    const { contract, period } = place;
    const { candidates } = plan;
    const published =
      plan.baseline === 'PUBLISHED'
        ? await inTransaction(scope, tx => this.contracts.versionsOf(tx, contract, period))
        : null;
    const lists = published ? [candidates, published] : [candidates];
    const kept = new Set(
      lists.flat().flatMap(({ prices }) => prices.flatMap(price => (looksAtEvents(price.terms) ? price.meterId : []))),
    );
    const { replaced, without } = await inTransaction(scope, tx => this.#inItsPlace(tx, contract, period));
    const grid = gridOf(
      period,
      lists,
      replaced.flatMap(({ start, end }) => [start, end]),
    );
    const onTrial = new ReplayedUsage(grid, kept);
    // Measured twice only where the two can differ.
    const asItIs = published && plan.contexts.size > 0 ? new ReplayedUsage(grid, kept) : null;
    const events = await this.#events.replay(
      scope,
      { ancestors: tenant.ancestors, period, contexts: plan.contexts, without },
      { onTrial, asItIs },
      control,
    );

    return events === null
      ? null
      : inTransaction(scope, async tx => ({
          ...place,
          events,
          old: published
            ? await this.#rated(tx, tenant, { ...place, replaced }, published, contract.sellerId, asItIs ?? onTrial)
            : await this.#charged(tx, place),
          new: await this.#rated(tx, tenant, { ...place, replaced }, candidates, plan.sellerId, onTrial),
        }));
  }

  /** The usage of a period that is not charged, for outcomes are charged in its place: whatever prices it. */
  async #inItsPlace(
    tx: Scope,
    contract: Contract,
    period: Period,
  ): Promise<{ replaced: readonly Replacement[]; without: ReadonlySet<string> }> {
    const rules = await this.outcomes.rulesOf(tx, contract);
    const fallbacks = fallbacksOf(rules);
    const stoodFor = fallbacks.length === 0 ? [] : await replacedEvents(tx, period, fallbacks);

    return {
      replaced: replacementsOf(rules, period),
      without: new Set(stoodFor.map(value => valueKey(value.meterId, value))),
    };
  }

  async #rated(
    tx: Scope,
    { ancestors }: Tenant,
    { contract, period, replaced }: ContractPeriod & { readonly replaced: readonly Replacement[] },
    versions: readonly LiveVersion[],
    sellerId: string,
    usage: ReplayedUsage,
  ): Promise<Outcome> {
    const levelIds = await this.catalog.meterIdsOf(tx, ancestors, 'TIME_WEIGHTED');
    const { dues, unpriced } = await this.#period.rate(
      tx,
      periodToRate(contract, period, { now: tx.now, ancestors, versions, sellerId, replaced }),
      {
        used: async pieces => usage.used(pieces),
        levels: async () => (levelIds.length === 0 ? [] : levelsBefore(tx, period.start, levelIds)),
        events: async meterIds => usage.events(meterIds),
      },
    );
    const prices = new Map(versions.flatMap(version => version.prices.map(price => [price.id, price])));
    const charges = dues.map(due => ({
      id: [due.priceId, ...due.takenBy].join(' '),
      priceName: due.priceName,
      quantity: due.to.minus(due.from),
      amount: due.amount,
      periodStart: period.start,
      periodEnd: period.end,
      generation: 0,
      price: {
        name: due.priceName,
        meterId: due.meterId,
        pattern: due.pattern,
        window: prices.get(due.priceId)?.window ?? null,
      },
    }));

    return { lines: comparedLines(charges, contract.currency, period.start), unpriced: unpriced.length };
  }

  /** What the period was charged, whatever of it is on an invoice. */
  async #charged(tx: Scope, { contract, period }: ContractPeriod): Promise<Outcome> {
    const rows = await chargesOf(tx, contract.id, period.start);
    const ids = [...new Set(rows.map(row => row.price_id))];
    const prices = await asTenant(tx, contract.sellerId, async seller => {
      const found = await seller.em.find(Price, { id: { $in: ids } });

      return new Map(found.map(price => [price.id, livePrice(price)]));
    });
    const charges = rows.map(row => ({
      id: row.id,
      priceName: row.price_name,
      quantity: decimal(row.quantity),
      amount: decimal(row.amount),
      periodStart: row.period_start,
      periodEnd: row.period_end,
      generation: row.generation,
      price: {
        name: row.price_name,
        meterId: row.meter_id,
        // A discount is no price, and says itself what it is for.
        pattern: prices.get(row.price_id)?.pattern ?? row.pattern ?? {},
        window: prices.get(row.price_id)?.window ?? null,
      },
    }));

    return {
      lines: comparedLines(charges, contract.currency, period.start),
      unpriced: await countUnpricedUsage(tx, contract.id, period.start, period.end),
    };
  }
}

function summaryOf(name: string, currency: string, own: readonly PeriodComparison[]): TenantComparison {
  const lines = { old: own.flatMap(one => one.old.lines), new: own.flatMap(one => one.new.lines) };

  return {
    currency,
    name,
    periods: own.map(({ contract, period }) => ({ contractId: contract.id, start: period.start, end: period.end })),
    events: own.reduce((total, one) => total + one.events, 0),
    old: sideOf(lines.old),
    new: sideOf(lines.new),
    unpriced: {
      old: own.reduce((total, one) => total + one.old.unpriced, 0),
      new: own.reduce((total, one) => total + one.new.unpriced, 0),
    },
    items: comparedItems(lines.old, lines.new),
  };
}
