import { decimal, type Decimal } from '../money/index.js';
import { compareSpecificity, matches, specificity } from '../pricing/pattern.rules.js';

/** What a model costs from an instant on. */
export interface CostAt {
  readonly effectiveAt: Date;
  readonly currency: string;
  readonly rates: readonly {
    readonly kind: string;
    readonly amount: string;
    readonly per: string;
    readonly dimensions?: readonly { readonly name: string; readonly value: string }[];
  }[];
}

/**
 * What one unit of some usage costs at an instant: of the newest cost by then, the rate of its token kind (or of the meter,
 * by its key) whose dimensions match as those of a price do, the most specific. Null when there is none, or when the cost is in
 * another currency: nothing is converted silently.
 */
export function costAt(
  costs: readonly CostAt[],
  usage: { readonly kind: string; readonly dimensions: Readonly<Record<string, string>>; readonly currency: string },
  at: Date,
): { readonly amount: Decimal; readonly per: Decimal } | null {
  const cost = costs.findLast(({ effectiveAt }) => effectiveAt <= at);

  if (cost?.currency !== usage.currency) {
    return null;
  }

  const [best] = cost.rates
    .filter(({ kind }) => kind === usage.kind)
    .map(rate => ({
      rate,
      pattern: Object.fromEntries((rate.dimensions ?? []).map(({ name, value }) => [name, value])),
    }))
    .filter(({ pattern }) => matches(pattern, usage.dimensions))
    .sort((a, b) => compareSpecificity(specificity({ ...b, window: null }), specificity({ ...a, window: null })));

  return best ? { amount: decimal(best.rate.amount), per: decimal(best.rate.per) } : null;
}
