import { type Decimal, decimal, parseDecimal } from '../money/index.js';

/** An event's properties: JSON, in which a number that JavaScript cannot hold arrives as an exact decimal string. */
export type Properties = Readonly<Record<string, unknown>>;

/** Why an event cannot be metered, and the property at fault (`properties.tokens`). */
export interface ValueRefusal {
  readonly field: string;
  readonly reason: string;
}

const MAX_FRACTION_DIGITS = 12;
const MAX_QUANTITY = decimal('1000000000000000');
/** Wide enough to tell "too large" and "too fine" from "no number". */
const ANY_DECIMAL = { integerDigits: 400, fractionDigits: 400 };

/**
 * The exact value of a property: a JSON number or a plain decimal string from 0 to 10^15 with at most 12 fraction digits.
 * A JSON number stands for the decimal that JavaScript prints for it. A change of a level may also be negative.
 */
export function readNumber(
  value: unknown,
  property: string,
  mayBeNegative = false,
): { readonly quantity: Decimal } | ValueRefusal {
  switch (typeof value) {
    case 'number':
      if (Number.isSafeInteger(value) && value >= 0 && value <= 1e15) {
        return { quantity: decimal(value) };
      }

      return Number.isFinite(value)
        ? readDecimal(plainText(value), property, mayBeNegative)
        : refusal(property, 'is not a finite number');

    case 'string':
      return readDecimal(value, property, mayBeNegative);

    case 'undefined':
      return refusal(property, 'is missing');

    default:
      return refusal(property, `is ${kindOf(value)}, not a number or a decimal string`);
  }
}

function readDecimal(
  text: string,
  property: string,
  mayBeNegative: boolean,
): { readonly quantity: Decimal } | ValueRefusal {
  const quantity = parseDecimal(text, ANY_DECIMAL);

  if (quantity === null) {
    return refusal(property, `is ${excerpt(text)}, not a plain decimal such as 12 or 0.5`);
  }

  if (quantity.isNegative() && !mayBeNegative) {
    return refusal(property, `is ${excerpt(text)}; a quantity is not negative`);
  }

  const fault = limitFault(quantity);

  return fault === null ? { quantity } : refusal(property, `is ${excerpt(text)}, ${fault}`);
}

/** Why a number is no quantity of an event: it lies beyond 10^15 or has more than 12 fraction digits. Null when it may be. */
export function limitFault(quantity: Decimal): string | null {
  if (quantity.abs().gt(MAX_QUANTITY)) {
    return 'larger than 10^15';
  }

  return (quantity.decimalPlaces() ?? 0) > MAX_FRACTION_DIGITS
    ? `with more than ${MAX_FRACTION_DIGITS} fraction digits; round it first`
    : null;
}

/** The value at a path: the key of that very name first (`gen_ai.usage.tokens` is a common flat key), then part by part. */
export function propertyAt(properties: Properties, path: string): unknown {
  if (Object.hasOwn(properties, path)) {
    return properties[path];
  }

  if (!path.includes('.')) {
    return undefined;
  }

  let value: unknown = properties;

  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, part)) {
      return undefined;
    }

    value = (value as Properties)[part];
  }

  return value;
}

/** A text, a finite number without an exponent, or `true` and `false`; `null` for anything else. */
export function scalarText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;

    case 'number':
      return Number.isFinite(value) ? plainText(value) : null;

    case 'boolean':
      return value ? 'true' : 'false';

    default:
      return null;
  }
}

/** The decimal that JavaScript prints for a finite number, without an exponent. */
function plainText(value: number): string {
  const text = String(value);
  const at = text.indexOf('e');

  if (at < 0) {
    return text;
  }

  const sign = value < 0 ? '-' : '';
  const digits = text.slice(sign.length, at).replace('.', '');
  const exponent = Number(text.slice(at + 1));

  return exponent < 0 ? `${sign}0.${'0'.repeat(-exponent - 1)}${digits}` : sign + digits.padEnd(exponent + 1, '0');
}

/** The refusal of a property: `fault` continues the sentence that its path begins. */
export function refusal(property: string, fault: string): ValueRefusal {
  const field = `properties.${property}`;

  return { field, reason: `${field} ${fault}` };
}

/** What a value that is no scalar is called in a refusal: `null`, `an array`, `an object`, `a boolean`. */
export function kindOf(value: unknown): string {
  if (value === null) {
    return 'null';
  }

  if (Array.isArray(value)) {
    return 'an array';
  }

  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** The beginning of a sender's text, quoted, as a refusal may repeat it. */
function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
