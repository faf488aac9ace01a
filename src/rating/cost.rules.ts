import { decimal, type Decimal } from '../money/index.js';

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
 * by its key) whose dimensions all hold, the one that names most of them. Null when there is none, or when the cost is in
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
    .filter(
      ({ kind, dimensions = [] }) =>
        kind === usage.kind && dimensions.every(({ name, value }) => usage.dimensions[name] === value),
    )
    .sort((a, b) => (b.dimensions?.length ?? 0) - (a.dimensions?.length ?? 0));

  return best ? { amount: decimal(best.amount), per: decimal(best.per) } : null;
}
