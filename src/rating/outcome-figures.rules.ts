import { decimal, divide, ONE, sum, ZERO, type Decimal } from '../money/index.js';
import type { BillableOutcome } from '../outcomes/billable.rules.js';
import { isLinear, type PriceTerms } from '../pricing/price.rules.js';
import { outcomeDues } from './outcome-dues.rules.js';
import type { RuleToRate, RuleVersionToRate } from './outcome-prices.rules.js';

const HUNDRED = decimal(100);
const PERCENT_DIGITS = 2;

/**
 * Whether what several outcomes come to is the sum of what each comes to by itself, to the last digit: no tiers, no free
 * units, and no division that does not end.
 */
function addsUp({ pricing, freeUnits, conversion }: PriceTerms): boolean {
  const isPlain =
    pricing.model === 'UNIT'
      ? divide(ONE, pricing.rate.per).times(pricing.rate.per).eq(ONE)
      : pricing.model === 'PERCENTAGE' && isLinear(pricing);

  return isPlain && freeUnits.isZero() && conversion === null;
}

/** Whether each outcome of a rule is charged by itself, whatever others there are: its prices add up and nothing caps them. */
export function isChargedSingly(versions: readonly Pick<RuleVersionToRate, 'terms'>[], currency: string): boolean {
  return versions.every(
    ({ terms }) =>
      terms.prices.every(price => price.currency !== currency || addsUp(price.terms)) &&
      terms.caps.every(({ mode }) => mode === 'SOFT'),
  );
}

/**
 * What groups of outcomes that are held would add to a period, one group after the other: what the period comes to with
 * them less what it comes to without. Groups sum to what all of them would add.
 */
export function heldAmounts(
  rule: RuleToRate,
  charged: readonly BillableOutcome[],
  held: readonly (readonly BillableOutcome[])[],
): Decimal[] {
  const all = [...charged];
  const totalOf = () => sum(outcomeDues(rule, all).dues.map(({ amount }) => amount));
  let before = totalOf();

  return held.map(group => {
    all.push(...group);
    const after = totalOf();
    const added = after.minus(before);
    before = after;

    return added;
  });
}

/** What outcomes brought, what they cost, and what is left. */
export interface Margin {
  readonly margin: Decimal;
  /** Of the revenue, with two digits after the point (half-even); null without revenue. */
  readonly percent: Decimal | null;
  /** Null without outcomes. */
  readonly costPerOutcome: Decimal | null;
}

/** The margin of a revenue over a cost. */
export function marginOf(revenue: Decimal, cost: Decimal, outcomes: number): Margin {
  const margin = revenue.minus(cost);

  return {
    margin,
    percent: revenue.isZero() ? null : divide(margin.times(HUNDRED), revenue).decimalPlaces(PERCENT_DIGITS),
    costPerOutcome: outcomes === 0 ? null : divide(cost, decimal(outcomes)),
  };
}

/** What a unit of some usage costs: an amount for so many units. */
export interface UnitCost {
  readonly amount: Decimal;
  readonly per: Decimal;
}

/** What usage costs, and how many parts of it have a cost that nobody knows. */
export interface UsageCost {
  readonly cost: Decimal;
  readonly unknown: number;
}

/** Adds up what parts of usage cost. A part of nothing costs nothing, whatever its model. */
export function usageCost(
  parts: readonly { readonly quantity: Decimal; readonly unitCost: UnitCost | null }[],
): UsageCost {
  const used = parts.filter(({ quantity }) => !quantity.isZero());
  const costs = used.flatMap(({ quantity, unitCost }) =>
    unitCost ? [divide(quantity.times(unitCost.amount), unitCost.per)] : [],
  );

  return { cost: costs.reduce((total, cost) => total.plus(cost), ZERO), unknown: used.length - costs.length };
}
