import { BigNumber } from 'bignumber.js';
import { type Decimal, decimal, divide, formatDecimal, ONE, parseDecimal } from './decimal.js';

/** The ways a converted quantity may be rounded. HALF_UP rounds a half away from zero, HALF_EVEN to the even digit. */
const ROUNDINGS = ['NONE', 'CEILING', 'FLOOR', 'HALF_UP', 'HALF_EVEN'] as const;

/** One of `ROUNDINGS`. */
export type Rounding = (typeof ROUNDINGS)[number];

/** Units of one kind as units of another: quantity × multiplyBy / divideBy, rounded to `precision` fraction digits. */
export interface Conversion {
  readonly divideBy: Decimal;
  readonly multiplyBy: Decimal;
  readonly rounding: Rounding;
  /** Fraction digits that rounding leaves; negative for tens, hundreds … Without meaning when rounding is NONE. */
  readonly precision: number;
}

/** `Conversion` with decimal strings. */
export interface ConversionJson {
  readonly divideBy: string;
  readonly multiplyBy: string;
  readonly rounding: Rounding;
  readonly precision: number;
}

/** One fault of an input, with the path of the field, outermost first. */
export interface FieldRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

const MODES: Readonly<Record<Exclude<Rounding, 'NONE'>, BigNumber.RoundingMode>> = {
  CEILING: BigNumber.ROUND_CEIL,
  FLOOR: BigNumber.ROUND_FLOOR,
  HALF_UP: BigNumber.ROUND_HALF_UP,
  HALF_EVEN: BigNumber.ROUND_HALF_EVEN,
};

const FIELDS = ['divideBy', 'multiplyBy', 'rounding', 'precision'];
const LEAST_PRECISION = -9;
const MOST_PRECISION = 12;

/**
 * Reads a conversion: `divideBy` and `multiplyBy` decimal strings above 0 (1 when absent), `rounding` one of `ROUNDINGS`
 * (NONE when absent; in any case, and by the names CEIL, UP, DOWN and ROUND too), `precision` an integer from -9 to 12 (0 when absent).
 */
export function readConversion(
  json: unknown,
  path: readonly string[],
): { readonly conversion: Conversion } | { readonly refusals: readonly FieldRefusal[] } {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { refusals: [{ field: path, message: `${path.join('.')} must be an object with divideBy and rounding` }] };
  }

  const refusals: FieldRefusal[] = [];
  const given: Readonly<Record<string, unknown>> = { ...json };
  const refuse = (name: string, message: string) => {
    const field = [...path, name];
    refusals.push({ field, message: `${field.join('.')} ${message}` });
  };

  for (const name of Object.keys(given)) {
    if (!FIELDS.includes(name) && given[name] !== null && given[name] !== undefined) {
      refuse(name.slice(0, 60), `is not a field of a conversion: ${FIELDS.join(', ')} are`);
    }
  }

  const readFactor = (name: 'divideBy' | 'multiplyBy'): Decimal => {
    const text = given[name] ?? '1';
    const factor = parseDecimal(text);

    if (factor?.gt(0)) {
      return factor;
    }

    refuse(name, `must be a decimal string above 0, not ${JSON.stringify(text).slice(0, 40)}`);

    return ONE;
  };
  const [divideBy, multiplyBy] = [readFactor('divideBy'), readFactor('multiplyBy')];
  const rounding = readRounding(given['rounding'] ?? 'NONE');
  const precision = given['precision'] ?? 0;

  if (!rounding) {
    refuse('rounding', `must be one of ${ROUNDINGS.join(', ')}`);
  }

  if (!Number.isInteger(precision) || Number(precision) < LEAST_PRECISION || Number(precision) > MOST_PRECISION) {
    refuse('precision', `must be a whole number from ${LEAST_PRECISION} to ${MOST_PRECISION}`);
  }

  return refusals.length > 0 || !rounding
    ? { refusals }
    : { conversion: { divideBy, multiplyBy, rounding, precision: Number(precision) } };
}

/** The names that other billing systems give to the same roundings. */
const SYNONYMS: Readonly<Record<string, Rounding>> = {
  CEIL: 'CEILING',
  UP: 'CEILING',
  DOWN: 'FLOOR',
  ROUND: 'HALF_UP',
};

function readRounding(value: unknown): Rounding | null {
  const name = typeof value === 'string' ? value.toUpperCase() : '';

  return (
    ROUNDINGS.find(rounding => rounding === name) ?? (Object.hasOwn(SYNONYMS, name) ? SYNONYMS[name] : null) ?? null
  );
}

/** The JSON form of a conversion; `readConversion` reads the same one back. */
export function conversionJson({ divideBy, multiplyBy, rounding, precision }: Conversion): ConversionJson {
  return { divideBy: formatDecimal(divideBy), multiplyBy: formatDecimal(multiplyBy), rounding, precision };
}

/** The quantity in the other unit. Rounded as the conversion says; with NONE as exact as `divide` is. */
export function convert(quantity: Decimal, { divideBy, multiplyBy, rounding, precision }: Conversion): Decimal {
  const product = quantity.times(multiplyBy);

  if (rounding === 'NONE') {
    return divide(product, divideBy);
  }

  // By whole division and comparison: a quotient rounded at 36 decimals could hide the crumb that a ceiling is about.
  const scaled = product.shiftedBy(precision);
  const whole = scaled.idiv(divideBy);
  const rest = scaled.minus(whole.times(divideBy));
  const carry = carryOf(whole, rest, divideBy, rounding);

  return decimal((carry === 0 ? whole : whole.plus(carry)).shiftedBy(-precision));
}

/** What rounding adds to the whole part, which is the quotient cut towards zero: -1, 0 or 1. */
function carryOf(whole: Decimal, rest: Decimal, divisor: Decimal, rounding: Exclude<Rounding, 'NONE'>): number {
  if (rest.isZero()) {
    return 0;
  }

  // The rest as a fraction of a unit is only compared with a half, so any exact stand-in on the same side will do.
  const doubled = rest.abs().times(2);
  const fraction = doubled.lt(divisor) ? '0.25' : doubled.eq(divisor) ? '0.5' : '0.75';
  const near = decimal(whole.abs().modulo(2)).plus(fraction);
  const signed = rest.isNegative() ? near.negated() : near;

  return signed.integerValue(MODES[rounding]).minus(signed.integerValue(BigNumber.ROUND_DOWN)).toNumber();
}
