import { BigNumber } from 'bignumber.js';

/** A clone of our own, so that no other user of the library can change how money divides. */
const Exact = BigNumber.clone({ DECIMAL_PLACES: 36, ROUNDING_MODE: BigNumber.ROUND_HALF_EVEN, EXPONENTIAL_AT: 1e9 });

/** JSON's number grammar without the exponent: what Postgres prints for `numeric` and what the API accepts. */
const PLAIN = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;

/**
 * An exact decimal, immutable. `plus`, `minus`, `times` and comparisons are exact without limit; to divide, call
 * `divide`. Values leave the process by `formatDecimal` only.
 */
export type Decimal = BigNumber;

/** How many digits a decimal string may have before and after its point, as written. */
export interface DecimalLimits {
  readonly integerDigits: number;
  readonly fractionDigits: number;
}

/** Zero. */
export const ZERO: Decimal = new Exact(0);

/** One. */
export const ONE: Decimal = new Exact(1);

/** What a quantity may look like: as wide as any meter counts (byte-seconds of a petabyte-year have 23 digits). */
const QUANTITY_LIMITS: DecimalLimits = { integerDigits: 26, fractionDigits: 18 };

/**
 * The decimal of a value the code already trusts: a row, a literal, a count.
 * Throws TypeError on anything but a plain finite decimal; a `number` must be a safe integer. For input use `parseDecimal`.
 */
export function decimal(value: string | bigint | number | Decimal): Decimal {
  if (value instanceof Exact) {
    return finite(value);
  }

  switch (typeof value) {
    case 'string':
      if (PLAIN.test(value)) {
        return finite(new Exact(value));
      }

      break;

    case 'bigint':
      return finite(new Exact(value.toString()));

    case 'number':
      if (Number.isSafeInteger(value)) {
        return finite(new Exact(value));
      }

      break;

    default:
      if (BigNumber.isBigNumber(value)) {
        return finite(new Exact(value));
      }
  }

  throw new TypeError(`not a plain decimal: ${String(value).slice(0, 60)} (${typeof value})`);
}

/** Refuses NaN and infinities, and keeps a negative zero out of every comparison, hash and print. */
function finite(value: Decimal): Decimal {
  if (!value.isFinite()) {
    throw new TypeError(`not a finite decimal: ${value.toString()}`);
  }

  return value.isZero() ? ZERO : value;
}

/**
 * The decimal of an untrusted value, or `null` when it is not a string in plain notation (`-12`, `0.5`; no `+`, no
 * exponent, no leading zeros, no white space) within the limits. Digits count as written, so `1.000` has three
 * fraction digits.
 */
export function parseDecimal(text: unknown, limits: DecimalLimits = QUANTITY_LIMITS): Decimal | null {
  // The length goes first: the pattern must not walk through a megabyte.
  if (typeof text !== 'string' || text.length > limits.integerDigits + limits.fractionDigits + 2 || !PLAIN.test(text)) {
    return null;
  }

  const [integer = '', fraction = ''] = text.replace('-', '').split('.');

  return integer.length > limits.integerDigits || fraction.length > limits.fractionDigits ? null : decimal(text);
}

/** Plain notation: no trailing zeros, never an exponent, `0` for a negative zero. `decimal` reads it back. */
export function formatDecimal(value: Decimal): string {
  return decimal(value).toString();
}

/** The exact sum; zero for none. */
export function sum(values: Iterable<Decimal>): Decimal {
  let total = ZERO;

  for (const value of values) {
    total = total.plus(value);
  }

  return total;
}

/**
 * `a / b`. The only inexact operation of this room: a quotient is rounded half-even at 36 decimals, unless `b` has no
 * prime factors but 2 and 5 (every 'per 1,000,000' has not), in which case it is exact however long. So multiply
 * before you divide. Throws RangeError when `b` is zero.
 */
export function divide(a: Decimal, b: Decimal): Decimal {
  const [dividend, divisor] = [decimal(a), decimal(b)];

  if (divisor.isZero()) {
    throw new RangeError(`division of ${formatDecimal(dividend)} by zero`);
  }

  // divisor = ± digits × 10^shift, digits without trailing zeros and so never a multiple of both 2 and 5.
  const shift = (divisor.e ?? 0) - divisor.precision(false) + 1;
  const digits = divisor.abs().shiftedBy(-shift);
  const inverse = decimalInverse(digits);

  if (!inverse) {
    return finite(dividend.div(divisor));
  }

  const quotient = dividend.times(inverse).shiftedBy(-shift);

  return finite(divisor.isNegative() ? quotient.negated() : quotient);
}

/** The exact `1 / n` of a positive integer that is a power of 2 or of 5: `5^i / 10^i` or `2^i / 10^i`; else `null`. */
function decimalInverse(n: Decimal): Decimal | null {
  if (n.eq(ONE)) {
    return ONE;
  }

  const integer = BigInt(n.toString());

  for (const [prime, other] of [
    [2n, 5n],
    [5n, 2n],
  ] as const) {
    let [rest, power] = [integer, 0];

    while (rest % prime === 0n) {
      rest /= prime;
      power += 1;
    }

    if (rest === 1n) {
      return decimal(other ** BigInt(power)).shiftedBy(-power);
    }
  }

  return null;
}

/** The least of the values. */
export function minOf(first: Decimal, ...rest: readonly Decimal[]): Decimal {
  return rest.reduce((least, value) => (value.lt(least) ? value : least), first);
}

/** The greatest of the values. */
export function maxOf(first: Decimal, ...rest: readonly Decimal[]): Decimal {
  return rest.reduce((greatest, value) => (value.gt(greatest) ? value : greatest), first);
}

/** -1, 0 or 1, for sorting. */
export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  if (a.lt(b)) {
    return -1;
  }

  return a.gt(b) ? 1 : 0;
}
