import { convert, type Decimal, decimal, divide, maxOf, ONE, sum, ZERO } from '../money/index.js';
import { type EventAmount, percentageSteps } from './percentage.rules.js';
import type { PriceTerms, PricingModel, Rate } from './price.rules.js';
import { peakOf, type ProratedUsage, proratedSteps } from './prorated.rules.js';
import { baseSteps, differenceOf, type RateStep, simplified, step } from './rate-step.rules.js';
import { exceedsTiers, graduatedPercentSteps, graduatedSteps, volumeSteps } from './tier.rules.js';

/** What is priced: the period's quantity so far, and for prices that look at single events, the events in their order. */
export interface Usage {
  /** Metered units; money for PERCENTAGE, GRADUATED_PERCENTAGE, DYNAMIC (the events' amounts) and COST_PLUS (what it cost). */
  readonly quantity: Decimal;
  /** The amount of each event, oldest first. Absent, a percentage takes the quantity for one event. */
  readonly events?: readonly EventAmount[];
  /** The changes of a level and how long each lasted: what a prorated price needs. Absent, all lasts the whole period. */
  readonly prorated?: ProratedUsage;
}

/** What a quantity costs, exact and unrounded, and how. The amounts of the steps sum to the amount. */
export interface Rated {
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
  /** The quantity after conversion and rounding: what tiers and free units count. */
  readonly converted: Decimal;
  /** The part of it above the free units: what the model prices. */
  readonly billable: Decimal;
}

const HUNDRED = decimal(100);

/**
 * The one rate engine: what the usage of a period costs, counted from zero.
 *
 * First the quantity is converted and rounded, then free units are taken off; then
 * - FLAT: the amount once.
 * - UNIT: quantity × amount / per.
 * - PACKAGE: ⌈quantity / size⌉ × amount.
 * - GRADUATED: each tier prices its own slice of the quantity, plus its flat amount once the quantity is above its lower bound.
 * - VOLUME: the tier that contains the quantity prices all of it, plus its flat amount once.
 * - STAIRSTEP: the flat amount of the tier that contains the quantity.
 * - PERCENTAGE: see `percentage.rules.ts`.
 * - GRADUATED_PERCENTAGE: as GRADUATED, with per cents.
 * - DYNAMIC, COST_PLUS: quantity (which is money) × markup.
 * Last the discount is taken off, and the result is raised to the minimum or cut to the maximum.
 *
 * A flat amount, and that of a first tier, is due at zero quantity. A negative quantity, which corrections can leave
 * behind, gives back what its opposite adds: rate(−q) − rate(0) = rate(0) − rate(q), before the bounds; a PERCENTAGE gives
 * back at most what was paid.
 * Exact, but for a `per` that has other prime factors than 2 and 5 (see `divide`). Throws RangeError when no tier holds the
 * quantity; `exceeds` tells it beforehand.
 */
export function rate(terms: PriceTerms, usage: Usage): Rated {
  const { pricing, prorated } = terms;
  const converted = convertedOf(terms, usage.quantity);
  const billable = aboveFree(converted, terms.freeUnits);
  const steps =
    prorated && usage.prorated
      ? proratedSteps(pricing, usage.prorated, terms.freeUnits)
      : pricing.model === 'PERCENTAGE'
        ? percentageSteps(pricing, usage.events ?? oneEvent(usage.quantity))
        : signedSteps(pricing, billable);

  return bounded(terms, simplified(steps), converted, billable);
}

/**
 * What it costs to go from one cumulative usage to another, in either direction: rate(to) − rate(from), with the steps that
 * differ. `null` is where nothing has begun yet, so that flat amounts due at zero quantity are in the difference. However a
 * period is cut, the amounts of its pieces sum to rate(whole).
 */
export function rateBetween(terms: PriceTerms, from: Usage | null, to: Usage): Rated {
  const whole = rate(terms, to);

  if (!from) {
    return whole;
  }

  const before = rate(terms, from);
  const steps = differenceOf(whole.steps, before.steps);

  return {
    amount: whole.amount.minus(before.amount),
    steps,
    converted: whole.converted.minus(before.converted),
    billable: whole.billable.minus(before.billable),
  };
}

/** Whether a period without any usage comes to something: a flat amount or a minimum. */
export function asksWithoutUsage(terms: PriceTerms): boolean {
  return !rate(terms, { quantity: ZERO, events: [] }).amount.isZero();
}

/**
 * Whether the last tier is closed and the quantity lies above it, so that it has no price. Of a prorated usage it is the
 * highest level that counts, however short it lasted.
 */
export function exceeds(terms: PriceTerms, usage: Usage): boolean {
  const { pricing, freeUnits } = terms;

  return 'tiers' in pricing && exceedsTiers(pricing, aboveFree(highestOf(terms, usage), freeUnits).abs());
}

/** The quantity, in priced units, that has to have a tier. */
export function highestOf(terms: PriceTerms, usage: Usage): Decimal {
  return terms.prorated && usage.prorated ? peakOf(usage.prorated) : convertedOf(terms, usage.quantity);
}

/** The quantity in priced units. A negative one converts as its opposite does. */
function convertedOf({ conversion }: PriceTerms, quantity: Decimal): Decimal {
  if (!conversion) {
    return quantity;
  }

  return quantity.isNegative() ? convert(quantity.abs(), conversion).negated() : convert(quantity, conversion);
}

/** What is left of a quantity when the free units are taken off, towards zero. */
function aboveFree(quantity: Decimal, free: Decimal): Decimal {
  if (free.isZero()) {
    return quantity;
  }

  const left = maxOf(ZERO, quantity.abs().minus(free));

  return quantity.isNegative() ? decimal(left.negated()) : left;
}

function oneEvent(amount: Decimal): readonly EventAmount[] {
  return amount.isZero() ? [] : [{ amount }];
}

function signedSteps(pricing: Exclude<PricingModel, { model: 'PERCENTAGE' }>, quantity: Decimal): readonly RateStep[] {
  const steps = stepsOf(pricing, quantity.abs());

  if (!quantity.isNegative()) {
    return steps;
  }

  // What is due at zero stays; what comes on top of it turns round.
  const base = baseSteps(stepsOf(pricing, ZERO));

  return differenceOf([...base, ...base], steps);
}

/** The steps of a quantity from zero. */
function stepsOf(pricing: Exclude<PricingModel, { model: 'PERCENTAGE' }>, quantity: Decimal): readonly RateStep[] {
  switch (pricing.model) {
    case 'FLAT':
      return [step({ kind: 'FLAT', quantity, flat: pricing.amount, amount: pricing.amount })];

    case 'UNIT':
      return [step({ kind: 'UNITS', quantity, unitAmount: pricing.rate, amount: priceOf(quantity, pricing.rate) })];

    case 'PACKAGE': {
      const packages = packagesOf(quantity, pricing.size);
      const unitAmount = { amount: pricing.amount, per: pricing.size };

      return [step({ kind: 'PACKAGES', quantity, unitAmount, packages, amount: packages.times(pricing.amount) })];
    }

    case 'GRADUATED':
      return graduatedSteps(pricing, quantity);

    case 'VOLUME':
    case 'STAIRSTEP':
      return volumeSteps(pricing, quantity);

    case 'GRADUATED_PERCENTAGE':
      return graduatedPercentSteps(pricing, quantity);

    case 'DYNAMIC':
    case 'COST_PLUS':
      return [
        step({
          kind: 'MARKUP',
          quantity,
          unitAmount: { amount: pricing.markup, per: ONE },
          amount: quantity.times(pricing.markup),
        }),
      ];

    default:
      return pricing satisfies never;
  }
}

/** Takes the discount off, then raises to the minimum or cuts to the maximum. */
function bounded(
  { discount, minimum, maximum }: PriceTerms,
  steps: readonly RateStep[],
  converted: Decimal,
  billable: Decimal,
): Rated {
  const all = [...steps];
  let amount = sum(steps.map(item => item.amount));

  if (!discount.isZero() && !amount.isZero()) {
    const off = divide(amount.times(discount), HUNDRED).negated();
    all.push(step({ kind: 'DISCOUNT', quantity: amount, percent: discount, amount: off }));
    amount = amount.plus(off);
  }

  const bound = minimum && amount.lt(minimum) ? minimum : maximum && amount.gt(maximum) ? maximum : null;

  if (bound) {
    const kind = bound === minimum ? 'MINIMUM' : 'MAXIMUM';
    all.push(step({ kind, quantity: bound, amount: bound.minus(amount) }));
    amount = bound;
  }

  return { amount: decimal(amount), steps: all, converted, billable };
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
