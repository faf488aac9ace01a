// Exact fractions of the oracle's own, so that a mistake in `src/money` cannot be in both.

/** A fraction in lowest terms; the denominator is above zero. */
export interface Fraction {
  readonly top: bigint;
  readonly bottom: bigint;
}

const PLAIN = /^(-?)(\d+)(?:\.(\d+))?$/;

function reduced(top: bigint, bottom: bigint): Fraction {
  if (bottom === 0n) {
    throw new RangeError('a fraction over zero');
  }

  let [a, b] = [top < 0n ? -top : top, bottom < 0n ? -bottom : bottom];

  while (b !== 0n) {
    [a, b] = [b, a % b];
  }

  const sign = bottom < 0n ? -1n : 1n;
  const divisor = a === 0n ? 1n : a;

  return { top: (sign * top) / divisor, bottom: (sign * bottom) / divisor };
}

/** The fraction of a decimal text or a whole number. Throws on anything else. */
export function fraction(value: string | number | bigint): Fraction {
  const read = PLAIN.exec(String(value));

  if (!read) {
    throw new TypeError(`not a plain decimal: ${String(value)}`);
  }

  const [, sign, whole = '', decimals = ''] = read;
  const top = BigInt(whole + decimals);

  return reduced(sign === '-' ? -top : top, 10n ** BigInt(decimals.length));
}

export const NOTHING = fraction(0);
export const WHOLE = fraction(1);

export const plus = (a: Fraction, b: Fraction): Fraction =>
  reduced(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom);
export const negative = (a: Fraction): Fraction => ({ top: -a.top, bottom: a.bottom });
export const minus = (a: Fraction, b: Fraction): Fraction => plus(a, negative(b));
export const times = (a: Fraction, b: Fraction): Fraction => reduced(a.top * b.top, a.bottom * b.bottom);
export const over = (a: Fraction, b: Fraction): Fraction => reduced(a.top * b.bottom, a.bottom * b.top);
export const total = (parts: Iterable<Fraction>): Fraction => [...parts].reduce(plus, NOTHING);

/** Below zero when `a` is less than `b`, above when it is more. */
function order(a: Fraction, b: Fraction): number {
  const difference = a.top * b.bottom - b.top * a.bottom;

  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

export const isBelow = (a: Fraction, b: Fraction): boolean => order(a, b) < 0;
export const least = (a: Fraction, b: Fraction): Fraction => (isBelow(b, a) ? b : a);
export const greatest = (a: Fraction, b: Fraction): Fraction => (isBelow(a, b) ? b : a);

/** The least whole number that is not below the fraction. */
export function ceiling({ top, bottom }: Fraction): Fraction {
  const down = top / bottom;

  return { top: top % bottom > 0n ? down + 1n : down, bottom: 1n };
}

/** Plain notation where the fraction is a decimal; else cut off after `digits` with an ellipsis. */
export function text(value: Fraction, digits = 30): string {
  const scale = 10n ** BigInt(digits);
  const size = (value.top < 0n ? -value.top : value.top) * scale;
  const cut = String(size / value.bottom).padStart(digits + 1, '0');
  const plain = `${cut.slice(0, -digits)}.${cut.slice(-digits)}`.replace(/\.?0+$/, '');
  const isExact = size % value.bottom === 0n;

  return `${value.top < 0n && value.top !== 0n ? '-' : ''}${plain}${isExact ? '' : '…'}`;
}

/**
 * Whether a decimal is the fraction: to the last digit where the fraction is a decimal, else within 1e-30, for a division
 * that does not end is rounded somewhere.
 */
export function isSame(expected: Fraction, found: string): boolean {
  const difference = minus(expected, fraction(found));
  let rest = expected.bottom;

  for (const prime of [2n, 5n]) {
    while (rest % prime === 0n) {
      rest /= prime;
    }
  }

  return rest === 1n
    ? difference.top === 0n
    : isBelow(difference.top < 0n ? negative(difference) : difference, fraction(`0.${'0'.repeat(29)}1`));
}
