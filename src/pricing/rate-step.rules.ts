import { type Decimal, decimal, ZERO } from '../money/index.js';
import type { Rate } from './price.rules.js';

/** What a step of the arithmetic is. */
export type RateStepKind =
  | 'FLAT'
  | 'UNITS'
  | 'PACKAGES'
  | 'TIER'
  | 'PERCENT'
  | 'FIXED'
  | 'EVENT_MINIMUM'
  | 'EVENT_MAXIMUM'
  | 'NOTHING_IN_TOTAL'
  | 'MARKUP'
  | 'DISCOUNT'
  | 'MINIMUM'
  | 'MAXIMUM';

/**
 * One line of the explanation. `amount = flat + quantity × unitAmount` (or `+ quantity × percent / 100`), or
 * `packages × unitAmount.amount` for packages. DISCOUNT takes `percent` off `quantity`, MINIMUM and MAXIMUM go to
 * `quantity`; EVENT_MINIMUM and EVENT_MAXIMUM say what the bounds of `quantity` single events add or take away;
 * NOTHING_IN_TOTAL gives back what events cost that come to nothing together. For a negative quantity, and in a difference,
 * `quantity`, `flat`, `packages` and `amount` carry the sign; the bounds are those of the price.
 */
export interface RateStep {
  readonly kind: RateStepKind;
  /** The tier, from 1; `null` in a model without tiers. */
  readonly tier: number | null;
  /** The step prices units above this: the tier's lower bound. */
  readonly from: Decimal;
  /** The tier's inclusive upper bound; `null` when it is open. */
  readonly upTo: Decimal | null;
  /** The units priced here: those in a graduated tier, the whole quantity otherwise. */
  readonly quantity: Decimal;
  /** Money per units; per package size in a package; the factor of a markup. */
  readonly unitAmount: Rate | null;
  readonly percent: Decimal | null;
  /** Money charged once, however many units. */
  readonly flat: Decimal;
  /** Whole packages, begun ones included; `null` in the other models. */
  readonly packages: Decimal | null;
  readonly amount: Decimal;
}

/** A step with what is given, and nothing else. */
export function step(given: Pick<RateStep, 'kind' | 'quantity' | 'amount'> & Partial<RateStep>): RateStep {
  return {
    tier: null,
    from: ZERO,
    upTo: null,
    unitAmount: null,
    percent: null,
    flat: ZERO,
    packages: null,
    ...given,
  };
}

/** Without the steps that say nothing. */
export function simplified(steps: readonly RateStep[]): readonly RateStep[] {
  return steps.filter(({ quantity, flat, amount }) => !(quantity.isZero() && flat.isZero() && amount.isZero()));
}

/** The steps of a quantity of zero, as they are in any quantity: only what is due once. */
export function baseSteps(steps: readonly RateStep[]): readonly RateStep[] {
  return steps.map(item => ({ ...item, quantity: ZERO, amount: item.flat }));
}

/** The step with the opposite sign. */
function negated(item: RateStep): RateStep {
  return {
    ...item,
    quantity: decimal(item.quantity.negated()),
    flat: decimal(item.flat.negated()),
    packages: item.packages && decimal(item.packages.negated()),
    amount: decimal(item.amount.negated()),
  };
}

/** Steps of one side less those of the other, those of one kind and tier as one; what cancels is left out. */
export function differenceOf(steps: readonly RateStep[], less: readonly RateStep[]): readonly RateStep[] {
  const merged = new Map<string, RateStep>();

  for (const item of [...steps, ...less.map(negated)]) {
    // The amounts that are bounded, discounted and marked up differ on both sides, but it is one line to the reader.
    const key = `${item.kind} ${item.tier ?? 0}`;
    const twin = merged.get(key);
    merged.set(key, twin ? together(twin, item) : item);
  }

  return simplified([...merged.values()]).toSorted((a, b) => (a.tier ?? 0) - (b.tier ?? 0));
}

function together(a: RateStep, b: RateStep): RateStep {
  return {
    ...a,
    quantity: a.quantity.plus(b.quantity),
    flat: a.flat.plus(b.flat),
    packages: a.packages && b.packages && a.packages.plus(b.packages),
    amount: a.amount.plus(b.amount),
  };
}
