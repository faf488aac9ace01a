import { periodsWithin, type Contract, type ContractsService, type Period } from '../contracts/index.js';
import { eventTypesOf, TenantRules, type LiveRule, type LiveRuleVersion } from '../outcomes/index.js';
import type { OutcomesService } from '../outcomes/index.js';
import type { Scope } from '../platform/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { lookBackMs, rulesConcerned, withVersionOnTrial } from './outcome-simulation.rules.js';

/** What is tried, the same for all tenants of a simulation. */
export interface OutcomePlan {
  readonly ruleId: string;
  readonly ruleKey: string;
  readonly priceBookId: string;
  /** The version on trial; it takes effect at `from`. */
  readonly version: LiveRuleVersion;
  readonly from: Date;
  readonly until: Date;
  /** As of when outcomes are judged. */
  readonly now: Date;
}

/** A billing period that is compared as a whole. */
export interface ComparedPeriod {
  readonly contract: Contract;
  readonly period: Period;
}

/** The rules of a tenant's contracts, as they are or with the version on trial among them. */
export interface Rulebook {
  readonly rules: TenantRules;
  readonly byContract: ReadonlyMap<string, readonly LiveRule[]>;
}

/** All that a comparison of one tenant stands on, but for the facts. */
export interface Ground {
  readonly tenant: Tenant;
  readonly periods: readonly ComparedPeriod[];
  readonly old: Rulebook;
  readonly new: Rulebook;
  /** The rules whose outcomes are compared. */
  readonly concerned: ReadonlySet<string>;
  /** The types of events that any of the rules names. */
  readonly types: readonly string[];
  /** From when on events are read. */
  readonly readFrom: Date;
}

/** Lays out which periods of the scope's tenant are compared, and by which rules. */
export async function groundOf(
  tx: Scope,
  services: {
    readonly tenants: TenantsService;
    readonly contracts: ContractsService;
    readonly outcomes: Pick<OutcomesService, 'rulesOf'>;
  },
  plan: OutcomePlan,
): Promise<Ground> {
  const tenant = await services.tenants.own(tx);
  const contracts = await services.contracts.all(tx);
  const before: (readonly LiveRule[])[] = [];

  for (const contract of contracts) {
    before.push(await services.outcomes.rulesOf(tx, contract));
  }

  const isOnBook = ({ priceBookId }: Contract): boolean => priceBookId === plan.priceBookId;
  const trial = { ruleId: plan.ruleId, key: plan.ruleKey, version: plan.version };
  const after = contracts.map((contract, place) => {
    const rules = before[place] ?? [];

    return isOnBook(contract) ? withVersionOnTrial<LiveRuleVersion, LiveRule>(rules, trial) : rules;
  });
  const rulebookOf = (lists: readonly (readonly LiveRule[])[]): Rulebook => ({
    rules: new TenantRules(contracts, lists),
    byContract: new Map(contracts.map(({ id }, place) => [id, lists[place] ?? []])),
  });
  const onBook = contracts.flatMap((contract, place) =>
    isOnBook(contract) ? [...(before[place] ?? []), ...(after[place] ?? [])] : [],
  );
  const versions = onBook.flatMap(rule => rule.versions);
  const stretch = { start: plan.from, end: plan.until };
  const periods = contracts
    .filter(isOnBook)
    .flatMap(contract =>
      periodsWithin(stretch, { startsAt: contract.startsAt, endsAt: contract.endsAt ?? null }, tenant.timeZone).map(
        period => ({ contract, period }),
      ),
    );
  const earliest = periods.reduce((least, { period }) => Math.min(least, period.start.getTime()), Infinity);

  return {
    tenant,
    periods,
    old: rulebookOf(before),
    new: rulebookOf(after),
    concerned: rulesConcerned(plan.ruleId, onBook),
    types: [...new Set(versions.flatMap(({ terms }) => [...eventTypesOf(terms)]))].sort(),
    readFrom: new Date(periods.length === 0 ? plan.until : Math.max(0, earliest - lookBackMs(versions))),
  };
}
