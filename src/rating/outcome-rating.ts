import { monthOf, type Contract, type Period } from '../contracts/index.js';
import { billableGroups, billableOutcomes, finishedAudits, markCaps, type LiveRule } from '../outcomes/index.js';
import type { Scope } from '../platform/index.js';
import { allocateOutcomes, type AllocatedOutcome } from './outcome-allocation.rules.js';
import { groupedOutcomeDues, needsSingles, outcomeDues, ratedOneByOne, type RatedRule } from './outcome-dues.rules.js';
import type { RuleToRate } from './outcome-prices.rules.js';
import { softCapExceeded, toldRules, type SoftCapExceeded } from './soft-caps.js';
import { hasSoftCap } from './soft-caps.rules.js';
import { fallbacksOf } from './usage-relation.rules.js';

/** What rating asks of outcomes: which rules there are, and that all is judged that can be. */
export interface OutcomesRating {
  /** The rules that a contract's outcomes are judged and priced by. `tx` acts for the buyer. */
  rulesOf(tx: Scope, contract: Contract): Promise<readonly LiveRule[]>;
  /** Judges all that came in and all that is due, in as many transactions as it takes. */
  settle(scope: Scope): Promise<void>;
  /** The same in the caller's transaction, which holds the rating lock: what came in since. */
  settleWithin(tx: Scope): Promise<void>;
  /** Judges anew whatever may depend on the rules in force from an instant on; likewise. */
  rejudge(tx: Scope, from: Date): Promise<void>;
}

/** One period of one contract with the rules of its outcomes. */
export interface OutcomePeriod {
  readonly contract: Pick<Contract, 'id' | 'currency'>;
  readonly period: Period;
  readonly rules: readonly LiveRule[];
  /** Of the tenant. */
  readonly timeZone: string;
}

/** What outcomes ask for in a period. */
export interface RatedOutcomes extends Pick<RatedRule, 'dues' | 'unpriced'> {
  /** SOFT caps that outcomes go beyond, of which nobody was told. */
  readonly exceededCaps: readonly SoftCapExceeded[];
}

const NOTHING: RatedOutcomes = { dues: [], unpriced: [], exceededCaps: [] };

/**
 * Rates the outcomes of a period and marks those that a cap keeps out. The caller holds the rating lock. Outcomes of a rule
 * that the contract does not know any more are unpriced, not lost.
 */
export async function rateOutcomes(tx: Scope, asked: OutcomePeriod): Promise<RatedOutcomes> {
  const { contract, period, rules, timeZone } = asked;
  const place = { contractId: contract.id, ...period };
  const found = await billableGroups(tx, place);

  if (rules.length === 0 && found.length === 0) {
    return NOTHING;
  }

  const audits = await finishedAudits(tx, place);
  const known = new Map(found.map(row => [row.ruleId, row]));
  const ids = new Set([...rules.map(({ id }) => id), ...known.keys()]);
  const rated: RatedRule[] = [];
  const exceededCaps: SoftCapExceeded[] = [];
  let told: ReadonlySet<string> | null = null;

  for (const id of ids) {
    const rule = ruleToRate(tx, asked, id, audits.find(({ ruleId }) => ruleId === id) ?? null);
    const { groups = [], capped = 0 } = known.get(id) ?? {};
    const { rated: result, exceeded } =
      groups.length > 0 && needsSingles(rule)
        ? ratedOneByOne(rule, await billableOutcomes(tx, place, id, timeZone))
        : { rated: groupedOutcomeDues(rule, groups), exceeded: undefined };

    if (capped > 0 || result.capped.length > 0) {
      await markCaps(tx, place, id, result.capped, stoodFor(rules, id));
    }

    rated.push(result);

    if (groups.length > 0 && hasSoftCap(rule)) {
      told ??= await toldRules(tx, period.start);
      const asRated = { place, timeZone, groups, rated: result, exceeded };
      const soft = told.has(id) ? null : await softCapExceeded(tx, rule, asRated);
      exceededCaps.push(...(soft ? [soft] : []));
    }
  }

  return {
    dues: rated.flatMap(({ dues }) => dues),
    unpriced: rated.flatMap(({ unpriced }) => unpriced),
    exceededCaps,
  };
}

/**
 * What each outcome of a rule has in the charges of a period, as they come to now: for each charge (`item`) the amounts sum
 * to what the period was rated to, of which a charge on an earlier invoice may hold a part.
 */
export async function allocatePeriod(tx: Scope, asked: OutcomePeriod, ruleId: string): Promise<AllocatedOutcome[]> {
  const place = { contractId: asked.contract.id, ...asked.period };
  const audits = await finishedAudits(tx, place);
  const rule = ruleToRate(tx, asked, ruleId, audits.find(audit => audit.ruleId === ruleId) ?? null);
  const outcomes = await billableOutcomes(tx, place, ruleId, asked.timeZone);

  return allocateOutcomes(rule, outcomes, outcomeDues(rule, outcomes));
}

/** The meters whose usage outcomes of a rule stand for. */
function stoodFor(rules: readonly LiveRule[], id: string): string[] {
  return [...new Set(fallbacksOf(rules.filter(rule => rule.id === id)).map(({ meterId }) => meterId))];
}

/** A rule in a period as the engine takes it; a period that has ended by `now` is over. */
export function ruleToRate(
  { now }: Pick<Scope, 'now'>,
  { contract, period, rules, timeZone }: OutcomePeriod,
  id: string,
  audit: RuleToRate['audit'],
): RuleToRate {
  const rule = rules.find(known => known.id === id);
  const month = monthOf(period.start, timeZone);

  return {
    id,
    key: rule?.key ?? id,
    versions: rule?.versions ?? [],
    period,
    currency: contract.currency,
    isOver: period.end <= now,
    monthMs: month.end.getTime() - month.start.getTime(),
    audit,
  };
}

/** Whether a period of the contract comes to something without any outcome: some version asks for a minimum. */
export function asksWithoutOutcomes(rules: readonly LiveRule[], endsAt: Date | null): boolean {
  return rules.some(({ versions }) =>
    versions.some(
      ({ effectiveAt, terms: { minimum } }) => minimum !== null && (endsAt === null || effectiveAt < endsAt),
    ),
  );
}
