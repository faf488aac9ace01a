import { type Decimal, decimal, divide, formatDecimal, minOf, sum, ZERO } from '../money/index.js';
import { covers } from '../pricing/basis.rules.js';
import type { Discount, DiscountTier } from '../pricing/discount-terms.rules.js';
import type { DimensionPattern } from '../pricing/pattern.rules.js';
import { differenceOf, type RateStep, step } from '../pricing/rate-step.rules.js';

/** What a discount comes to between two cumulative amounts of spend: negative, exact, with the steps that sum to it. */
export interface Discounted {
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
}

const HUNDRED = decimal(100);

/** Whether a discount is taken off what a price comes to: it covers all usage that the price matches. */
export function isDiscounted(
  { meterId, pattern }: Pick<Discount, 'meterId' | 'pattern'>,
  price: { readonly meterId: string; readonly pattern: DimensionPattern },
): boolean {
  return (meterId === null || meterId === price.meterId) && covers(pattern, price.pattern);
}

/**
 * What a discount takes off when the spend of a period goes from one amount to another: off(to) − off(from), both counted
 * from zero, so that however a period is cut the parts sum to off(whole).
 * - SPEND, GRADUATED: each tier takes its per cent off its own slice of the spend.
 * - SPEND, VOLUME: the tier that contains the spend takes its per cent off all of it.
 * - COMMITMENT: the tier that contains the commitment takes its per cent off all spend; without a commitment nothing.
 * A tier up to 1000 contains 1000. Spend below zero gives back what its opposite takes off.
 */
export function discountBetween(
  discount: Discount,
  commitment: Decimal | null,
  from: Decimal,
  to: Decimal,
): Discounted {
  const steps = differenceOf(stepsOf(discount, commitment, to), stepsOf(discount, commitment, from));

  return { amount: sum(steps.map(({ amount }) => amount)), steps };
}

/** The arithmetic of a discount as one sentence that a customer can check by hand. */
export function discountSentence(
  { basis, name }: Discount,
  { amount, steps }: Discounted,
  facts: { readonly spend: Decimal; readonly commitment: Decimal | null; readonly currency: string },
): string {
  const money = (value: Decimal) => `${formatDecimal(value)} ${facts.currency}`;
  const why =
    basis === 'COMMITMENT' && facts.commitment
      ? `${name} for a commitment of ${money(facts.commitment)}, on ${money(facts.spend)} of spend`
      : `${name} on ${money(facts.spend)} of spend`;
  const parts = steps.map(item => {
    const end = item.upTo ? formatDecimal(item.upTo) : 'any amount';

    return (
      `tier ${item.tier ?? 1} (${formatDecimal(item.from)} to ${end}): ` +
      `${formatDecimal(item.percent ?? ZERO)} % off ${formatDecimal(item.quantity)}: ${formatDecimal(item.amount)}`
    );
  });

  return `${[why, ...parts, `in total ${money(amount)}`].join('; ')}.`;
}

/** The steps of an amount of spend from zero. */
function stepsOf(discount: Discount, commitment: Decimal | null, spend: Decimal): readonly RateStep[] {
  const size = spend.abs();
  const parts = partsOf(discount, commitment, size);

  return parts
    .filter(({ tier, slice }) => !tier.percent.isZero() && !slice.isZero())
    .map(({ tier: { upTo, percent }, index, from, slice }) => {
      const quantity = spend.isNegative() ? decimal(slice.negated()) : slice;
      const amount = decimal(divide(quantity.times(percent), HUNDRED).negated());

      return step({ kind: 'DISCOUNT', tier: index + 1, from, upTo, quantity, percent, amount });
    });
}

interface Part {
  readonly tier: DiscountTier;
  readonly index: number;
  /** The tier's lower bound. */
  readonly from: Decimal;
  /** The spend that its rate is taken off. */
  readonly slice: Decimal;
}

function partsOf({ basis, mode, tiers }: Discount, commitment: Decimal | null, spend: Decimal): readonly Part[] {
  const all = tiers.map((tier, index) => ({ tier, index, from: tiers[index - 1]?.upTo ?? ZERO }));
  const decides = basis === 'COMMITMENT' ? commitment : spend;

  if (!decides) {
    return [];
  }

  if (basis === 'SPEND' && mode === 'GRADUATED') {
    return all
      .filter(({ from }) => spend.gt(from))
      .map(part => ({ ...part, slice: minOf(spend, part.tier.upTo ?? spend).minus(part.from) }));
  }

  return all
    .filter(({ tier: { upTo }, from }, index) => (index === 0 || decides.gt(from)) && (!upTo || decides.lte(upTo)))
    .map(part => ({ ...part, slice: spend }));
}
