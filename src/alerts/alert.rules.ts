import { decimal, formatDecimal, parseDecimal, type Decimal } from '../money/index.js';

export type Threshold = { readonly amount: string } | { readonly percent: string };

/** A threshold as an amount, with the name under which it fires once a period. */
export interface ResolvedThreshold {
  /** `amount:100` or `percent:80`. */
  readonly name: string;
  readonly amount: Decimal;
}

export interface Refusal {
  readonly field: readonly string[];
  readonly message: string;
}

const LIMITS = { integerDigits: 16, fractionDigits: 12 };

/** Why an alert cannot be made as described; empty when it can. */
export function refuseAlert(draft: {
  readonly budget: string | null;
  readonly thresholds: readonly Threshold[];
}): Refusal[] {
  const refusals: Refusal[] = [];
  const budget = draft.budget === null ? null : parseDecimal(draft.budget, LIMITS);

  if (draft.budget !== null && (!budget || budget.lte(0))) {
    refusals.push({ field: ['budget'], message: 'budget is an amount above 0' });
  }

  if (draft.thresholds.length < 1 || draft.thresholds.length > 20) {
    refusals.push({ field: ['thresholds'], message: 'an alert has 1 to 20 thresholds' });
  }

  const names = new Set<string>();

  for (const [index, threshold] of draft.thresholds.entries()) {
    const field = ['thresholds', String(index)];
    const value = parseDecimal('amount' in threshold ? threshold.amount : threshold.percent, LIMITS);

    if (!value || value.lte(0)) {
      refusals.push({ field, message: 'a threshold is above 0' });
      continue;
    }

    if ('percent' in threshold && draft.budget === null) {
      refusals.push({ field, message: 'a threshold in per cent needs a budget' });
    }

    const name = nameOf(threshold);

    if (names.has(name)) {
      refusals.push({ field, message: `the threshold ${name} is there twice` });
    }

    names.add(name);
  }

  return refusals;
}

/** The thresholds as amounts, lowest first. Per cent of the budget, exactly: budget × per cent ÷ 100. */
export function resolveThresholds(budget: Decimal | null, thresholds: readonly Threshold[]): ResolvedThreshold[] {
  return thresholds
    .map(threshold => ({
      name: nameOf(threshold),
      amount:
        'amount' in threshold
          ? decimal(threshold.amount)
          : (budget ?? decimal(0)).times(decimal(threshold.percent)).shiftedBy(-2),
    }))
    .sort((a, b) => a.amount.comparedTo(b.amount) ?? 0);
}

/** The thresholds that a spend has reached, lowest first: all of them, not only the highest. */
export function reached(spend: Decimal, thresholds: readonly ResolvedThreshold[]): ResolvedThreshold[] {
  return thresholds.filter(threshold => spend.gte(threshold.amount));
}

function nameOf(threshold: Threshold): string {
  return 'amount' in threshold
    ? `amount:${formatDecimal(decimal(threshold.amount))}`
    : `percent:${formatDecimal(decimal(threshold.percent))}`;
}
