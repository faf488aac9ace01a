import { compare, type Decimal, decimal, sum, ZERO } from './decimal.js';

/**
 * Splits an amount by weights into parts of whole units of the last kept digit that sum to exactly the amount: each part is
 * rounded towards zero, and what is left over goes, one unit each, to the largest remainders, earlier parts first among
 * equals. `digits` are the fraction digits of a part (`minorDigits` of the currency); the amount has no more than those.
 * Throws RangeError on a finer amount, on a negative weight, or when the weights sum to zero.
 */
export function allocate(amount: Decimal, weights: readonly Decimal[], digits: number): Decimal[] {
  const total = sum(weights);
  const units = amount.shiftedBy(digits);

  if (!units.isInteger()) {
    throw new RangeError(`${amount.toString()} has more than ${digits} fraction digits`);
  }

  if (total.isZero() || weights.some(weight => weight.isNegative())) {
    throw new RangeError('weights are from 0 and not all of them 0');
  }

  const parts = weights.map((weight, index) => {
    const product = units.times(weight);
    const whole = product.idiv(total);

    return { index, whole, rest: product.minus(whole.times(total)).abs() };
  });
  const left = units.minus(sum(parts.map(({ whole }) => whole))).abs();
  const unit = decimal(units.isNegative() ? -1 : 1);
  const lucky = new Set(
    parts
      .toSorted((a, b) => compare(b.rest, a.rest) || a.index - b.index)
      .slice(0, left.toNumber())
      .map(({ index }) => index),
  );

  return parts.map(({ index, whole }) => decimal(whole.plus(lucky.has(index) ? unit : ZERO).shiftedBy(-digits)));
}
