import type { CatalogService, Meter } from '../catalog/index.js';
import { periodsWithin, type Contract, type ContractsService, type Period } from '../contracts/index.js';
import { decimal, sum, ZERO, type Decimal } from '../money/index.js';
import { countCharged, usageOfSubject, Outcome, type LiveRule, type OccurredWithin } from '../outcomes/index.js';
import { inTransaction, type Scope } from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { usageBySegment } from '../usage/index.js';
import { modelCosts } from './model-costs.js';
import { marginOf, usageCost, type Margin, type UsageCost } from './outcome-figures.rules.js';
import type { OutcomesRating } from './outcome-rating.js';
import { insistStretch } from './outcome-stats.service.js';
import { sellersOf } from './period-rating.js';
import { piecesOf } from './piece.rules.js';
import { chargedByRule } from './rating.queries.js';

/** What the outcomes of a rule brought and cost in one currency. */
export interface OutcomeMargin extends Margin {
  readonly currency: string;
  /** How many are charged. */
  readonly outcomes: number;
  readonly revenue: Decimal;
  readonly cost: Decimal;
  /** Combinations of meter, dimensions and stretch of one cost that have usage and no cost; they are in no sum. */
  readonly unknownCosts: number;
}

/** Why nobody can say what one outcome cost. */
export type NoCostReason = 'NO_METERS' | 'NO_EVENTS_KEPT' | 'NO_SUBJECT' | 'NO_COST' | 'NOT_SOLD_BY_CALLER';

/** What the usage of one outcome cost, or why nobody can say. */
export type OutcomeCost =
  | { readonly cost: Decimal; readonly currency: string; readonly reason: null }
  | { readonly cost: null; readonly currency: string; readonly reason: NoCostReason };

/** How long before the start of its subject usage may lie that an outcome is put down to. */
const USAGE_BEFORE_MS = 31 * 86_400_000;

/** Lays what outcomes brought beside what the models cost that they took. Reads, and changes nothing. */
export class OutcomeMarginService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly contracts: ContractsService,
    private readonly outcomes: Pick<OutcomesRating, 'rulesOf'>,
  ) {}

  /**
   * What a rule brought over the billing periods that begin in a stretch of time, and what the models cost for the usage of
   * the meters that it names there: by the costs of the seller, as a price that marks costs up takes them. `scope` is the
   * buyer's. One entry for each currency of its contracts on the rule's book.
   */
  async margin(
    scope: Scope,
    rule: { readonly id: string; readonly priceBookId: string },
    stretch: OccurredWithin,
  ): Promise<OutcomeMargin[]> {
    insistStretch(stretch);

    return inTransaction(scope, async tx => {
      const { ancestors, timeZone } = await this.tenants.own(tx);
      const found: (Pick<OutcomeMargin, 'currency' | 'outcomes' | 'revenue'> & UsageCost)[] = [];

      for (const contract of await this.contracts.all(tx)) {
        const periods = contract.priceBookId === rule.priceBookId ? periodsBeginning(contract, timeZone, stretch) : [];
        const rules = periods.length > 0 ? await this.outcomes.rulesOf(tx, contract) : [];

        for (const period of periods) {
          const place = { contractId: contract.id, ...period };
          const meterIds = metersOf(rules, rule.id, period);
          found.push({
            currency: contract.currency,
            outcomes: await countCharged(tx, rule.id, place),
            revenue: await chargedByRule(tx, rule.id, place),
            ...(await this.#cost(tx, ancestors, contract, period, meterIds)),
          });
        }
      }

      return [...Map.groupBy(found, ({ currency }) => currency)]
        .map(([currency, own]) => {
          const outcomes = own.reduce((total, one) => total + one.outcomes, 0);
          const revenue = sum(own.map(one => one.revenue));
          const cost = sum(own.map(one => one.cost));
          const unknownCosts = own.reduce((total, one) => total + one.unknown, 0);

          return { currency, outcomes, revenue, cost, unknownCosts, ...marginOf(revenue, cost, outcomes) };
        })
        .sort((a, b) => (a.currency < b.currency ? -1 : 1));
    });
  }

  /**
   * What the models cost for the usage of an outcome's subject: of the meters that its rule names and that keep their
   * events, from 31 days before the subject started until the outcome matures. `scope` is the tenant's; `callerId` is who
   * asks: costs are the seller's, so only the seller and those above it are told.
   */
  async cost(scope: Scope, outcomeId: string, callerId: string): Promise<OutcomeCost> {
    return inTransaction(scope, async tx => {
      const outcome = await tx.em.findOneOrFail(Outcome, { id: outcomeId });
      const { ruleId, versionId, contractId, currency, subject = null, startedAt, maturesAt } = outcome;
      const nobody = (reason: NoCostReason): OutcomeCost => ({ cost: null, currency, reason });
      const { ancestors } = await this.tenants.own(tx);
      const contract = (await this.contracts.all(tx)).find(({ id }) => id === contractId);
      const sellers = sellersOf(ancestors, contract?.sellerId ?? '');

      if (!contract || !sellers.includes(callerId)) {
        return nobody('NOT_SOLD_BY_CALLER');
      }

      const rule = (await this.outcomes.rulesOf(tx, contract)).find(({ id }) => id === ruleId);
      const meterIds = rule?.versions.find(({ id }) => id === versionId)?.terms.usage?.meterIds ?? [];

      if (meterIds.length === 0) {
        return nobody('NO_METERS');
      }

      const meters = await this.catalog.metersById(tx, ancestors, meterIds);

      if (![...meters.values()].every(isKept)) {
        return nobody('NO_EVENTS_KEPT');
      }

      if (subject === null) {
        return nobody('NO_SUBJECT');
      }

      const start = new Date(Math.max(0, startedAt.getTime() - USAGE_BEFORE_MS));
      const end = new Date(maturesAt.getTime() + 1);
      const used = await usageOfSubject(tx, subject, meterIds, { start, end });
      const { costOf } = await modelCosts(tx, this.catalog, { ancestors, sellers, currency }, used);
      const { cost, unknown } = usageCost(
        used.map(({ meterId, dimensions, slot, quantity }) => ({
          quantity: decimal(quantity),
          unitCost: costOf(meterId, dimensionsOf(dimensions), slot, null),
        })),
      );

      return unknown > 0 ? nobody('NO_COST') : { cost, currency, reason: null };
    });
  }

  /** What the models cost for the usage of some meters in a period, by the buckets. */
  async #cost(
    tx: Scope,
    ancestors: readonly string[],
    { sellerId, currency }: Contract,
    { start, end }: Period,
    meterIds: readonly string[],
  ): Promise<UsageCost> {
    if (meterIds.length === 0) {
      return { cost: ZERO, unknown: 0 };
    }

    const isAsked = ({ meterId }: { readonly meterId: string }) => meterIds.includes(meterId);
    const whole = (await usageBySegment(tx, start, end, [])).filter(isAsked);
    const asked = { ancestors, sellers: sellersOf(ancestors, sellerId), currency };
    const { costOf, instantsWithin } = await modelCosts(tx, this.catalog, asked, whole);
    const pieces = piecesOf([{ start, end }], [], instantsWithin({ start, end }));
    const cuts = pieces.slice(1).map(piece => piece.start);
    const used = cuts.length === 0 ? whole : (await usageBySegment(tx, start, end, cuts)).filter(isAsked);
    const meters = await this.catalog.metersById(tx, ancestors, meterIds);

    return usageCost(
      used.map(({ meterId, dimensions, segment, sum: quantity }) => ({
        quantity: decimal(quantity),
        // What a level, a peak or a number of users costs nobody has said.
        unitCost: ['SUM', 'COUNT'].includes(meters.get(meterId)?.aggregation ?? '')
          ? costOf(meterId, dimensionsOf(dimensions), pieces[segment]?.start ?? start, null)
          : null,
      })),
    );
  }
}

/** Whether a meter adds up events that it keeps, so that those of one subject can be told from others. */
function isKept({ keepsEvents, aggregation }: Meter): boolean {
  return keepsEvents && (aggregation === 'SUM' || aggregation === 'COUNT');
}

/** The billing periods of a contract that begin in a stretch of time. */
function periodsBeginning(
  { startsAt, endsAt }: Contract,
  timeZone: string,
  { from, until }: OccurredWithin,
): readonly Period[] {
  return periodsWithin({ start: from, end: until }, { startsAt, endsAt: endsAt ?? null }, timeZone).filter(
    ({ start }) => start >= from,
  );
}

/** The meters whose usage the versions of a rule name that are in force in a period. */
function metersOf(rules: readonly LiveRule[], ruleId: string, { start, end }: Period): readonly string[] {
  const versions = rules.find(({ id }) => id === ruleId)?.versions ?? [];
  const inForce = versions.filter(
    ({ effectiveAt }, place) => effectiveAt < end && (versions[place + 1]?.effectiveAt ?? end) > start,
  );

  return [...new Set(inForce.flatMap(({ terms }) => terms.usage?.meterIds ?? []))];
}

function dimensionsOf(text: string): Readonly<Record<string, string>> {
  return JSON.parse(text) as Readonly<Record<string, string>>;
}
