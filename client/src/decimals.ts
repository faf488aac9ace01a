const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?$/;

/** A decimal as `units / 10^places`. */
interface Scaled {
  readonly units: bigint;
  readonly places: number;
}

/** Whether a text is a plain decimal, such as `12`, `-0.5` or `1.230`. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text);
}

/** The exact sum of two decimals, without zeros at its end. Throws a RangeError for what is no decimal. */
export function addDecimals(a: string, b: string): string {
  const { units, places, other } = aligned(a, b);

  return textOf(units + other, places);
}

/** Below, at or above 0 when `a` is less than, equal to or more than `b`. Throws a RangeError for what is no decimal. */
export function compareDecimals(a: string, b: string): -1 | 0 | 1 {
  const { units, other } = aligned(a, b);

  return units < other ? -1 : units > other ? 1 : 0;
}

function aligned(a: string, b: string): Scaled & { readonly other: bigint } {
  const [one, two] = [scaled(a), scaled(b)];
  const places = Math.max(one.places, two.places);

  return { units: unitsAt(one, places), other: unitsAt(two, places), places };
}

function scaled(text: string): Scaled {
  const match = DECIMAL.exec(text);

  if (!match) {
    throw new RangeError(`${JSON.stringify(text)} is no decimal, such as "12.50"`);
  }

  const [, sign = '', whole = '', fraction = ''] = match;
  const units = BigInt(whole + fraction);

  return { units: sign ? -units : units, places: fraction.length };
}

function unitsAt({ units, places }: Scaled, wanted: number): bigint {
  return units * 10n ** BigInt(wanted - places);
}

function textOf(units: bigint, places: number): string {
  const sign = units < 0n ? '-' : '';
  const digits = (units < 0n ? -units : units).toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const fraction = digits.slice(digits.length - places).replace(/0+$/, '');

  return sign + whole + (fraction && `.${fraction}`);
}
