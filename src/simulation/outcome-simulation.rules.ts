import { decimal, divide, ZERO, type Decimal } from '../money/index.js';
import type { OutcomeTerms } from '../outcomes/outcome-terms.rules.js';
import type { SimulationRefusal } from './simulation.rules.js';
import { MOST_TENANTS } from './simulation.rules.js';

/** What a simulation of an outcome rule is asked to do. */
export interface OutcomeSimulationDraft {
  readonly outcomeRuleVersionId: string;
  readonly from: Date;
  readonly until: Date;
  /** Null for every tenant with a contract on the rule's book. */
  readonly tenantIds: readonly string[] | null;
}

const MOST_DAYS = 1_830;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const HUNDRED = decimal(100);
const PERCENT_DIGITS = 2;

/** Everything wrong with a draft that can be seen without looking at rows. */
export function refuseOutcomeSimulation(draft: OutcomeSimulationDraft, now: Date): SimulationRefusal[] {
  const { from, until, tenantIds } = draft;
  const refusals: SimulationRefusal[] = [];

  if (until <= from || until.getTime() - from.getTime() > MOST_DAYS * DAY_MS) {
    refusals.push({ field: ['until'], message: `until is after from, by at most ${MOST_DAYS} days` });
  } else if (until > now) {
    refusals.push({ field: ['until'], message: 'until is not after now: a simulation judges what has happened' });
  }

  if (tenantIds && (tenantIds.length < 1 || tenantIds.length > MOST_TENANTS)) {
    refusals.push({
      field: ['tenantIds'],
      message: `tenantIds has 1 to ${MOST_TENANTS} tenants; leave it out for all that are on the book`,
    });
  }

  return refusals;
}

/** A rule with its versions by effective instant. */
interface VersionedRule<V> {
  readonly id: string;
  readonly key: string;
  readonly versions: readonly V[];
}

/** The rules of a contract with a version on trial in the place of whatever its rule published from its instant on. */
export function withVersionOnTrial<V extends { readonly effectiveAt: Date }, R extends VersionedRule<V>>(
  rules: readonly R[],
  trial: { readonly ruleId: string; readonly key: string; readonly version: V },
): (R | VersionedRule<V>)[] {
  const { ruleId, key, version } = trial;
  const earlier = (rules.find(({ id }) => id === ruleId)?.versions ?? []).filter(
    ({ effectiveAt }) => effectiveAt < version.effectiveAt,
  );

  return [...rules.filter(({ id }) => id !== ruleId), { id: ruleId, key, versions: [...earlier, version] }].sort(
    (a, b) => (a.id < b.id ? -1 : 1),
  );
}

/** The rule on trial, and the rules whose outcomes it can exclude, or be excluded by: those of its exclusive groups. */
export function rulesConcerned(
  ruleId: string,
  rules: readonly VersionedRule<{ readonly terms: Pick<OutcomeTerms, 'exclusive'> }>[],
): ReadonlySet<string> {
  const groupsOf = ({ versions }: (typeof rules)[number]) =>
    versions.flatMap(({ terms }) => terms.exclusive?.group ?? []);
  const groups = new Set(rules.filter(({ id }) => id === ruleId).flatMap(groupsOf));
  const mates = rules.filter(rule => groupsOf(rule).some(group => groups.has(group))).map(({ id }) => id);

  return new Set([ruleId, ...mates]);
}

/**
 * How long before an instant facts may lie that decide about an outcome which is charged from that instant on: it may have
 * waited for its verification or maturation, and claims and touches before it count within their windows. Windows that
 * never end are not in it: what is known of the same subject is read besides, however old.
 */
export function lookBackMs(versions: readonly { readonly terms: OutcomeTerms }[]): number {
  const hours = versions.map(
    ({ terms: { maturationHours, verification, dedupe, attribution } }) =>
      Math.max(maturationHours, verification?.expiresAfterHours ?? 0) +
      // A claim that counts may itself stand where another one's window has just ended.
      2 * (dedupe.windowHours ?? 0) +
      (attribution?.windowHours ?? 0),
  );

  return Math.max(0, ...hours) * HOUR_MS;
}

/** Where an outcome stands on one side of a comparison, and what it costs there. */
export interface OutcomeSide {
  /** Null where there is no such outcome. */
  readonly state: string | null;
  readonly reason: string | null;
  /** What of the charges of the compared periods is for it; exact. */
  readonly amount: Decimal;
}

/** What nobody claims stands nowhere. */
export const NO_OUTCOME: OutcomeSide = { state: null, reason: null, amount: ZERO };

/** Whether an outcome stands elsewhere, for another reason or at another amount. */
export function isChanged(before: OutcomeSide, after: OutcomeSide): boolean {
  return before.state !== after.state || before.reason !== after.reason || !before.amount.eq(after.amount);
}

/** A difference in per cent of what it was, with two digits after the point (half-even); null where it was nothing. */
export function differencePercent(before: Decimal, after: Decimal): Decimal | null {
  return before.isZero()
    ? null
    : divide(after.minus(before).times(HUNDRED), before.abs()).decimalPlaces(PERCENT_DIGITS);
}
