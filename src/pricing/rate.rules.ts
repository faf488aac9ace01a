import { type Decimal, divide, maxOf, minOf, sum, ZERO } from '../money/index.js';
import type { PricingModel, Rate, Tier } from './price.rules.js';

/** What a quantity costs, exact and unrounded, and how. The amounts of the steps sum to the amount. */
export interface Rated {
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
}

/**
 * One line of the explanation: `amount = flat + quantity × unitAmount`, or `packages × unitAmount.amount` for a
 * package. For a negative quantity, and in a difference, `quantity`, `flat`, `packages` and `amount` carry the sign;
 * the bounds are those of the price.
 */
export interface RateStep {
  /** The tier, from 1; `null` in a model without tiers. */
  readonly tier: number | null;
  /** The step prices units above this: the tier's lower bound, or the free units of a package. */
  readonly from: Decimal;
  /** The tier's inclusive upper bound; `null` when it is open. */
  readonly upTo: Decimal | null;
  /** The units priced here: those above `from` in a graduated tier and in packages, the whole quantity otherwise. */
  readonly quantity: Decimal;
  /** Money per units; per package size in a package; `null` in a flat model. */
  readonly unitAmount: Rate | null;
  /** Money charged once, however many units. */
  readonly flat: Decimal;
  /** Whole packages, begun ones included; `null` in the other models. */
  readonly packages: Decimal | null;
  readonly amount: Decimal;
}

/**
 * The one rate engine: what `quantity` units cost, counted from zero.
 *
 * - FLAT: the amount once.
 * - PER_UNIT: quantity × amount / per.
 * - PACKAGE: ⌈max(0, quantity − free) / size⌉ × amount.
 * - GRADUATED: each tier prices its own slice of the quantity, plus its flat once the quantity is above its lower bound.
 * - VOLUME: the tier that contains the quantity (its upper bound included) prices all of it, plus its flat once.
 *
 * Nothing costs nothing, whatever the flats. A negative quantity, which corrections can leave behind, costs what
 * its opposite would, negated: rate(−q) = −rate(q); so reversing usage always gives back what it cost.
 * Exact, but for a `per` that has other prime factors than 2 and 5 (see `divide`). Throws RangeError when no tier holds
 * the quantity, which `readPricingModel` rules out.
 */
export function rate(model: PricingModel, quantity: Decimal): Rated {
  if (quantity.isZero()) {
    return { amount: ZERO, steps: [] };
  }

  const steps = stepsOf(model, quantity.abs());

  return rated(quantity.isNegative() ? steps.map(negated) : steps);
}

/**
 * What it costs to go from one cumulative quantity to another, in either direction: rate(to) − rate(from), with the
 * steps that differ. However [0, q] is cut, the amounts of the pieces sum to rate(q).
 */
export function rateBetween(model: PricingModel, from: Decimal, to: Decimal): Rated {
  const byTier = new Map<number | null, RateStep>();

  for (const step of [...rate(model, to).steps, ...rate(model, from).steps.map(negated)]) {
    const twin = byTier.get(step.tier);
    byTier.set(step.tier, twin ? merged(twin, step) : step);
  }

  return rated(
    [...byTier.values()]
      .filter(step => !(step.quantity.isZero() && step.amount.isZero()))
      .sort((a, b) => (a.tier ?? 0) - (b.tier ?? 0)),
  );
}

function rated(steps: readonly RateStep[]): Rated {
  return { amount: sum(steps.map(step => step.amount)), steps };
}

/** The steps of a quantity above zero. */
function stepsOf(model: PricingModel, quantity: Decimal): readonly RateStep[] {
  switch (model.kind) {
    case 'FLAT':
      return [{ ...untiered, quantity, flat: model.amount, amount: model.amount }];

    case 'PER_UNIT':
      return [{ ...untiered, quantity, unitAmount: model.rate, amount: priceOf(quantity, model.rate) }];

    case 'PACKAGE': {
      const billable = maxOf(ZERO, quantity.minus(model.free));
      const packages = packagesOf(billable, model.size);
      const unitAmount = { amount: model.amount, per: model.size };
      const amount = packages.times(model.amount);

      return [{ ...untiered, from: model.free, quantity: billable, unitAmount, packages, amount }];
    }

    case 'GRADUATED':
      return graduated(model.tiers, quantity);

    case 'VOLUME':
      return volume(model.tiers, quantity);

    default:
      return model satisfies never;
  }
}

const untiered = { tier: null, from: ZERO, upTo: null, unitAmount: null, flat: ZERO, packages: null } as const;

function graduated(tiers: readonly Tier[], quantity: Decimal): readonly RateStep[] {
  const steps: RateStep[] = [];
  let from = ZERO;

  for (const [index, tier] of tiers.entries()) {
    const end = tier.upTo ? minOf(tier.upTo, quantity) : quantity;
    steps.push(tierStep(tier, index, from, end.minus(from)));

    if (end.eq(quantity)) {
      return steps;
    }

    from = end;
  }

  throw new RangeError(`no tier holds the quantity ${quantity.toString()}`);
}

function volume(tiers: readonly Tier[], quantity: Decimal): readonly RateStep[] {
  let from = ZERO;

  for (const [index, tier] of tiers.entries()) {
    if (!tier.upTo || quantity.lte(tier.upTo)) {
      return [tierStep(tier, index, from, quantity)];
    }

    from = tier.upTo;
  }

  throw new RangeError(`no tier holds the quantity ${quantity.toString()}`);
}

function tierStep(tier: Tier, index: number, from: Decimal, quantity: Decimal): RateStep {
  const amount = priceOf(quantity, tier.rate).plus(tier.flat);

  const { upTo, rate: unitAmount, flat } = tier;

  return { tier: index + 1, from, upTo, quantity, unitAmount, flat, packages: null, amount };
}

/** Multiplies before it divides, so that only the last operation can round. */
function priceOf(quantity: Decimal, { amount, per }: Rate): Decimal {
  return divide(quantity.times(amount), per);
}

/** ⌈quantity / size⌉ by whole division and comparison: a rounded quotient could hide the last crumb of a package. */
function packagesOf(quantity: Decimal, size: Decimal): Decimal {
  const full = quantity.idiv(size);

  return full.times(size).lt(quantity) ? full.plus(1) : full;
}

function negated(step: RateStep): RateStep {
  return {
    ...step,
    quantity: ZERO.minus(step.quantity),
    flat: ZERO.minus(step.flat),
    packages: step.packages && ZERO.minus(step.packages),
    amount: ZERO.minus(step.amount),
  };
}

/** Two steps of one tier as one. */
function merged(a: RateStep, b: RateStep): RateStep {
  return {
    ...a,
    quantity: a.quantity.plus(b.quantity),
    flat: a.flat.plus(b.flat),
    packages: a.packages && b.packages && a.packages.plus(b.packages),
    amount: a.amount.plus(b.amount),
  };
}
