// Exact arithmetic on integers, by hand: nothing of the product's.

/** Every quantity, price and product of the scenario is a whole number of 10^-36; a remainder is an error. */
export const ONE = 10n ** 36n;

/** Half-even to the second decimal. */
export function roundToCents(amount: bigint): bigint {
  const cent = ONE / 100n;
  const size = amount < 0n ? -amount : amount;
  const [whole, rest] = [size / cent, size % cent];
  const up = rest * 2n > cent || (rest * 2n === cent && whole % 2n === 1n);
  const rounded = (whole + (up ? 1n : 0n)) * cent;

  return amount < 0n ? -rounded : rounded;
}

/** A plain decimal in units of 10^-36. */
export function units(decimal: string): bigint {
  const [whole = '0', fraction = ''] = decimal.replace('-', '').split('.');
  const size = BigInt(whole) * ONE + BigInt(fraction.padEnd(36, '0'));

  return decimal.startsWith('-') ? -size : size;
}

export function product(a: bigint, b: bigint): bigint {
  return exact(a * b, ONE);
}

export function exact(dividend: bigint, divisor: bigint): bigint {
  if (dividend % divisor !== 0n) {
    throw new Error('the scenario has a quotient that 36 decimals do not hold');
  }

  return dividend / divisor;
}

/** Back to a plain decimal without trailing zeros. */
export function text(amount: bigint): string {
  const size = amount < 0n ? -amount : amount;
  const fraction = (size % ONE).toString().padStart(36, '0').replace(/0+$/, '');

  return `${amount < 0n ? '-' : ''}${size / ONE}${fraction ? `.${fraction}` : ''}`;
}
