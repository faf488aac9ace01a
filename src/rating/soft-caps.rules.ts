import { type Decimal, decimal, sum } from '../money/index.js';
import type { OutcomeGroup } from '../outcomes/billable.rules.js';
import type { Cap } from '../outcomes/outcome-terms.rules.js';
import type { RatedRule } from './outcome-dues.rules.js';
import { RulePrices, type RuleToRate } from './outcome-prices.rules.js';

/** Prices that ask for more with each further outcome, or for as much. */
const GROWING: readonly string[] = ['UNIT', 'PACKAGE', 'GRADUATED', 'PERCENTAGE', 'GRADUATED_PERCENTAGE'];

/** What the sums of a period say of the SOFT caps of a rule. */
export interface SoftCaps {
  /** Of the versions that charged outcomes, in the order of their lists. */
  readonly caps: readonly Cap[];
  /** The version, where it is the only one that charged outcomes; else nobody knows which outcome comes before which. */
  readonly versionId: string | null;
  /** Whether a part of the period comes to no more than the whole. */
  readonly grows: boolean;
  /** How many outcomes are charged, and with what by their prices. */
  readonly count: number;
  readonly amount: Decimal;
}

/** Lays out the SOFT caps that may be exceeded in a period, by count or in its currency. */
export function softCapsOf(rule: RuleToRate, groups: readonly OutcomeGroup[], dues: RatedRule['dues']): SoftCaps {
  const prices = new RulePrices(rule);
  const charged = groups.filter(({ count }) => count > 0);
  const ids = [...new Set(charged.map(({ versionId }) => versionId))];
  const versions = prices.versions.filter(({ id }) => ids.includes(id));
  const count = charged.reduce((total, group) => total + group.count, 0);
  const amount = sum(dues.flatMap(due => (due.outcome?.charge === 'PRICE' ? [due.amount] : [])));
  const grows = versions.every(({ terms }) =>
    terms.prices.every(price => price.currency !== rule.currency || GROWING.includes(price.terms.pricing.model)),
  );
  const caps = versions
    .flatMap(({ terms }) => terms.caps)
    .filter(cap => isReachable(cap, { rule, grows, count, amount }));

  return { caps, versionId: ids.length === 1 ? (ids[0] ?? null) : null, grows, count, amount };
}

/** Whether some part of the period may be above a cap: where parts come to no more than the whole, the whole is above it. */
function isReachable(
  { mode, count, amount }: Cap,
  whole: Pick<SoftCaps, 'grows' | 'count' | 'amount'> & { readonly rule: RuleToRate },
): boolean {
  if (mode !== 'SOFT') {
    return false;
  }

  return count
    ? count.lt(decimal(whole.count))
    : amount?.currency === whole.rule.currency && (!whole.grows || amount.amount.lt(whole.amount));
}

/** Whether the rule has a SOFT cap at all. */
export function hasSoftCap({ versions }: RuleToRate): boolean {
  return versions.some(({ terms }) => terms.caps.some(({ mode }) => mode === 'SOFT'));
}
