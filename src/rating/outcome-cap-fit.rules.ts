import { type Decimal, sum, ZERO } from '../money/index.js';
import { type BillableOutcome, type CappedOutcome, isCharged } from '../outcomes/billable.rules.js';
import type { Cap } from '../outcomes/outcome-terms.rules.js';
import { allocateOutcomes } from './outcome-allocation.rules.js';
import { scopeKey } from './outcome-caps.rules.js';
import type { RatedRule } from './outcome-dues.rules.js';
import { asOccurred, RulePrices, type RuleToRate } from './outcome-prices.rules.js';

/** An outcome whose scope comes above a cap of its version with it, by what is charged. */
interface Violation {
  readonly outcome: BillableOutcome;
  readonly mode: CappedOutcome['mode'];
  /** What it has in the charges. */
  readonly amount: Decimal;
  /** By how much the scope is above. */
  readonly excess: Decimal;
}

/**
 * Whether what caps let in may be charged at other prices than those that they reckoned with. Outcomes are looked at as they
 * occurred and charged version by version; where there is one version these are the same.
 */
export function mayCostOtherwise(rule: RuleToRate, left: readonly BillableOutcome[]): boolean {
  const charged = left.filter(isCharged);
  const prices = new RulePrices(rule);

  return (
    charged.some(({ versionId }) => versionId !== charged[0]?.versionId) &&
    charged.some(({ versionId }) => moneyCaps(prices, versionId).length > 0)
  );
}

/**
 * The outcomes that have to be kept out, too, for the caps on money to hold on what is charged for `left`: in each scope
 * that is above a cap, the last of those with which it is, until what they have in the charges makes up for the excess.
 * Prices differ without them, so that what is left is rated and looked at again until none is above. Empty where all caps
 * hold.
 */
export function beyondCharged(
  rule: RuleToRate,
  left: readonly BillableOutcome[],
  dues: RatedRule['dues'],
): readonly CappedOutcome[] {
  const prices = new RulePrices(rule);
  const allocated = allocateOutcomes(rule, left, { dues, capped: [], unpaid: [] }).filter(
    ({ charge }) => charge === 'PRICE',
  );
  const amounts = new Map(allocated.map(({ outcomeId, amount }) => [outcomeId, amount]));
  // A flat amount of a version that priced none of the outcomes is the period's.
  const loose = sum(allocated.flatMap(({ outcomeId, amount }) => (outcomeId === null ? [amount] : [])));
  const spent = new Map<string, Decimal>([['PERIOD', loose]]);
  const violations = new Map<string, Violation[]>();

  for (const outcome of asOccurred(left.filter(isCharged))) {
    const amount = amounts.get(outcome.id) ?? ZERO;

    for (const per of ['PERIOD', 'DAY', 'SUBJECT'] as const) {
      const key = scopeKey(per, outcome);
      spent.set(key, (spent.get(key) ?? ZERO).plus(amount));
    }

    for (const { per, mode, most } of moneyCaps(prices, outcome.versionId)) {
      const key = scopeKey(per, outcome);
      const excess = (spent.get(key) ?? ZERO).minus(most);

      if (excess.gt(ZERO)) {
        const known = violations.get(key) ?? [];
        known.push({ outcome, mode, amount, excess });
        violations.set(key, known);
      }
    }
  }

  const out = new Map<string, CappedOutcome>();

  for (const scope of violations.values()) {
    lastOf(scope).forEach(one => out.set(one.id, out.get(one.id) ?? one));
  }

  return [...out.values()];
}

/** The last ones, until they make up for the excess. One that costs nothing makes up for nothing. */
function lastOf(violations: readonly Violation[]): CappedOutcome[] {
  const last = violations.at(-1);
  const out: CappedOutcome[] = [];
  let missing = last?.excess ?? ZERO;

  for (const { outcome, mode, amount } of violations.toReversed()) {
    if (!missing.gt(ZERO)) {
      break;
    }

    if (amount.gt(ZERO) || outcome === last?.outcome) {
      out.push({ id: outcome.id, mode });
      missing = missing.minus(amount);
    }
  }

  return out;
}

interface MoneyCap extends Pick<Cap, 'per'> {
  readonly mode: CappedOutcome['mode'];
  readonly most: Decimal;
}

/** The caps of a version that keep outcomes out by money in the currency. */
function moneyCaps(prices: RulePrices, versionId: string): readonly MoneyCap[] {
  const caps = prices.versions[prices.placeOf(versionId)]?.terms.caps ?? [];

  return caps.flatMap(({ per, mode, amount }) =>
    mode !== 'SOFT' && amount?.currency === prices.rule.currency ? [{ per, mode, most: amount.amount }] : [],
  );
}
