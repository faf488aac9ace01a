import type { BillableOutcome } from '../outcomes/index.js';
import { sum, type Decimal } from '../money/index.js';
import { allocateOutcomes, type AllocatedOutcome } from './outcome-allocation.rules.js';
import { outcomeDues } from './outcome-dues.rules.js';
import type { RuleToRate } from './outcome-prices.rules.js';
import { ruleToRate, type OutcomePeriod } from './outcome-rating.js';

/** What outcomes that are at hand come to. */
export interface RatedOnTrial {
  /** Of all charges of the rule, its minimum and what else it asks for or pays back; exact. */
  readonly amount: Decimal;
  /** What each outcome has in them. */
  readonly allocated: readonly AllocatedOutcome[];
  /** Those that a cap keeps out. */
  readonly capped: readonly { readonly id: string; readonly mode: 'HARD' | 'FREE' }[];
  /** How many combinations of attributes have no price. */
  readonly unpriced: number;
}

/**
 * Rates the outcomes of a rule in a period, which nobody has stored, as charges are rated: what would be due if they were
 * the period's. A period that has ended by `now` is over.
 */
export function rateOnTrial(
  asked: OutcomePeriod & { readonly now: Date; readonly audit: RuleToRate['audit'] },
  ruleId: string,
  outcomes: readonly BillableOutcome[],
): RatedOnTrial {
  const rule = ruleToRate(asked, asked, ruleId, asked.audit);
  const rated = outcomeDues(rule, outcomes);

  return {
    amount: sum(rated.dues.map(({ amount }) => amount)),
    allocated: allocateOutcomes(rule, outcomes, rated),
    capped: rated.capped,
    unpriced: rated.unpriced.length,
  };
}
