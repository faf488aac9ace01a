/*
 * The independent sum of the replay: written against the price list alone, in whole numbers, without the product's
 * decimals, rate engine or rounding. That is its point: do not share code with them.
 */

/** One row of a trace. */
export interface TraceRequest {
  /** The line in the file, from 2. */
  readonly line: number;
  /** RFC 3339 in UTC. */
  readonly time: string;
  readonly input: number;
  readonly output: number;
}

/** A price of so much for so many tokens, as the API gives it. */
export interface TokenRate {
  readonly amount: string;
  readonly per: string;
}

const TIME = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(\.\d+)?Z?$/;

/** Reads a row of `TIMESTAMP,ContextTokens,GeneratedTokens`. Throws a sentence that names the line. */
export function fitsTrace(row: Readonly<Record<string, string>>, line: number): TraceRequest {
  const time = TIME.exec(row['TIMESTAMP'] ?? '');
  const [input, output] = [row['ContextTokens'] ?? '', row['GeneratedTokens'] ?? ''];

  if (!time || !/^\d{1,12}$/.test(input) || !/^\d{1,12}$/.test(output)) {
    throw new Error(`line ${line} is not TIMESTAMP,ContextTokens,GeneratedTokens in UTC and whole tokens`);
  }

  return {
    line,
    time: `${time[1]}T${time[2]}${(time[3] ?? '').slice(0, 7)}Z`,
    input: Number(input),
    output: Number(output),
  };
}

/**
 * What a tenant's requests come to: an invoice total for each calendar month (UTC), each line (input, output) rounded once,
 * half-even, to cents; all tokens; and half of the exact sum as an alert threshold.
 */
export function expectedTotals(
  requests: readonly TraceRequest[],
  rates: { readonly input: TokenRate; readonly output: TokenRate },
): { totals: string[]; tokens: bigint; alertAt: string } {
  const months = new Map<string, { input: bigint; output: bigint }>();

  for (const request of requests) {
    const month = request.time.slice(0, 7);
    const sums = months.get(month) ?? { input: 0n, output: 0n };
    sums.input += BigInt(request.input);
    sums.output += BigInt(request.output);
    months.set(month, sums);
  }

  const cents = [...months.values()].map(
    sums => lineCents(sums.input, rates.input) + lineCents(sums.output, rates.output),
  );
  const all = [...months.values()];

  return {
    totals: cents.map(centsText),
    tokens: all.reduce((sum, { input, output }) => sum + input + output, 0n),
    alertAt: centsText(cents.reduce((sum, amount) => sum + amount, 0n) / 2n),
  };
}

/** quantity × amount ÷ per in cents, half-even. */
function lineCents(quantity: bigint, rate: TokenRate): bigint {
  const [whole = '0', fraction = ''] = rate.amount.split('.');
  const [perWhole = '1', perFraction = ''] = rate.per.split('.');
  const scale = BigInt(Math.max(fraction.length, perFraction.length));
  const amount = BigInt(whole + fraction.padEnd(Number(scale), '0'));
  const per = BigInt(perWhole + perFraction.padEnd(Number(scale), '0'));
  const numerator = quantity * amount * 100n;
  const floor = numerator / per;
  const twice = (numerator % per) * 2n;

  return twice > per || (twice === per && floor % 2n === 1n) ? floor + 1n : floor;
}

function centsText(cents: bigint): string {
  const text = `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;

  return text.replace(/0+$/, '').replace(/\.$/, '');
}
