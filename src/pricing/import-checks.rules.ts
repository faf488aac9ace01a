import type { TokenKind } from '../catalog/token-count.rules.js';
import { type Decimal, decimal, divide, formatDecimal } from '../money/index.js';
import type { Candidate, PriceFault } from './listed-price.rules.js';
import type { ProposalFlag } from './proposal.rules.js';

/** US dollars per million tokens. The dearest text model listed so far takes 600. */
const MOST_PER_MILLION = decimal('1000');
const LEAST_PER_MILLION = decimal('0.0001');
/** US dollars for one image, second, query or request. */
const MOST_EACH = decimal('1000');
/** A list that gives less for an image means a token of an image. */
const LEAST_PER_IMAGE = decimal('0.00001');
const MILLION = '1000000';

/** A price that goes with another one, and how it relates to it where providers are known to have set it. */
interface Proportion {
  readonly kinds: readonly TokenKind[];
  readonly to: TokenKind;
  readonly least: Decimal;
  readonly most: Decimal;
}

const READ = { least: decimal('0.01'), most: decimal('0.5') };
/** From as dear as input to two and a half times: writes that are kept for 12 hours. */
const WRITE = { least: decimal('1'), most: decimal('2.5') };

const PROPORTIONS: readonly Proportion[] = [
  { kinds: ['cache_read'], to: 'input', ...READ },
  { kinds: ['cache_read_audio'], to: 'input_audio', ...READ },
  { kinds: ['cache_read_image'], to: 'input_image', ...READ },
  {
    kinds: ['cache_write', 'cache_write_5m', 'cache_write_30m', 'cache_write_1h', 'cache_write_12h'],
    to: 'input',
    ...WRITE,
  },
];

/** Output that costs less than half of its input has usually lost a digit on one side. */
const OUTPUTS = [
  ['output', 'input'],
  ['output_audio', 'input_audio'],
  ['output_image', 'input_image'],
] as const;

/** How another tier's price relates to standard. */
const TIERS = {
  batch: { least: decimal('0.1'), most: decimal('1') },
  flex: { least: decimal('0.1'), most: decimal('1') },
  fast: { least: decimal('1'), most: decimal('10') },
  ultrafast: { least: decimal('1'), most: decimal('10') },
} as const;

/** How a longer band's price relates to the shortest. */
const BANDS = { least: decimal('1'), most: decimal('10') };

/** Modalities whose requests have input and output tokens. */
const TWO_SIDED: readonly string[] = ['text', 'multimodal'];

/** The prices of one model, each with what is odd about it beside the others. Zeros are told apart and not compared. */
export function findFaults(prices: readonly Candidate[], modality: string): readonly Candidate[] {
  const faults = new Map<Candidate, PriceFault[]>(prices.map(price => [price, []]));
  const flag = (price: Candidate, name: ProposalFlag, message: string): void => {
    faults.get(price)?.push({ flag: name, message });
  };

  for (const price of prices) {
    checkAmount(price, flag);
  }

  const tokens = prices.filter(({ unit }) => unit === 'token');
  const groups = [...Map.groupBy(tokens, ({ tier, band }) => JSON.stringify([tier, band])).values()];

  for (const group of groups) {
    checkProportions(group, flag);
  }

  if (TWO_SIDED.includes(modality)) {
    for (const group of groups) {
      checkSides(group, flag);
    }
  }

  checkTiers(prices, flag);
  checkBands(tokens, flag);
  checkSeconds(prices, flag);

  return prices.map(price => ({ ...price, faults: [...price.faults, ...(faults.get(price) ?? [])] }));
}

type Flag = (price: Candidate, name: ProposalFlag, message: string) => void;

function checkAmount(price: Candidate, flag: Flag): void {
  const { each, unit } = price;

  if (each.isZero()) {
    flag(price, 'ZERO_PRICE', 'the list says 0, which may be unknown as well as free');
  } else if (unit === 'token') {
    const amount = each.times(MILLION);

    if (amount.gt(MOST_PER_MILLION) || amount.lt(LEAST_PER_MILLION)) {
      flag(price, 'SUSPICIOUS', `${formatDecimal(amount)} for a million tokens is no price anybody asks`);
    }
  } else if (each.gt(MOST_EACH) || (unit === 'image' && each.lt(LEAST_PER_IMAGE))) {
    flag(price, 'SUSPICIOUS', `${formatDecimal(each)} for one ${unit} is no price anybody asks`);
  }
}

function checkProportions(group: readonly Candidate[], flag: Flag): void {
  const priceOf = (wanted: TokenKind) => group.find(({ kind, each }) => kind === wanted && !each.isZero());

  for (const [outputKind, inputKind] of OUTPUTS) {
    const [output, input] = [priceOf(outputKind), priceOf(inputKind)];

    if (output && input && output.each.times(2).lt(input.each)) {
      const message = `${outputKind} is less than half of ${inputKind}`;
      flag(output, 'SUSPICIOUS', message);
      flag(input, 'SUSPICIOUS', message);
    }
  }

  for (const { kinds, to, least, most } of PROPORTIONS) {
    const base = priceOf(to);

    for (const price of base ? kinds.flatMap(kind => priceOf(kind) ?? []) : []) {
      const message = ratioFault(price, base, `${price.kind ?? ''} is`, to, least, most);

      if (message) {
        flag(price, 'SUSPICIOUS', message);
      }

      if (base && price.kind?.startsWith('cache_read') && price.each.gt(base.each)) {
        flag(base, 'SUSPICIOUS', message ?? '');
      }
    }
  }
}

function ratioFault(
  price: Candidate,
  base: Candidate | undefined,
  subject: string,
  object: string,
  least: Decimal,
  most: Decimal,
): string | null {
  if (!base || price.each.isZero() || base.each.isZero()) {
    return null;
  }

  // Multiplied, not divided: a bound that is hit exactly is within.
  if (price.each.gte(base.each.times(least)) && price.each.lte(base.each.times(most))) {
    return null;
  }

  const ratio = formatDecimal(divide(price.each, base.each).precision(3));

  return `${subject} ${ratio} times ${object}, not ${formatDecimal(least)} to ${formatDecimal(most)} times`;
}

/** A tier and band with prices of input and none of output, or the other way round. */
function checkSides(group: readonly Candidate[], flag: Flag): void {
  for (const side of ['input', 'output']) {
    if (!group.some(({ kind }) => kind?.startsWith(side))) {
      for (const price of group) {
        flag(price, 'MISSING_PRICE', `the list has no price of ${side} beside this one`);
      }
    }
  }
}

function checkTiers(prices: readonly Candidate[], flag: Flag): void {
  for (const price of prices) {
    if (price.tier !== 'standard') {
      const isBase = ({ tier, kind, band, unit }: Candidate) =>
        tier === 'standard' && kind === price.kind && band === price.band && unit === price.unit;
      const { least, most } = TIERS[price.tier];
      const message = ratioFault(price, prices.find(isBase), `${price.tier} is`, 'standard', least, most);

      if (message) {
        flag(price, 'SUSPICIOUS', message);
      }
    }
  }
}

/** Tokens that have a price in one band of the model and none in another, and bands that get cheaper. */
function checkBands(tokens: readonly Candidate[], flag: Flag): void {
  const bands = new Set(tokens.flatMap(({ band }) => band ?? []));

  for (const price of tokens) {
    const same = tokens.filter(({ kind, tier }) => kind === price.kind && tier === price.tier);
    const missing = [...bands].filter(band => !same.some(other => other.band === band || other.band === null));

    if (missing.length > 0) {
      flag(price, 'MISSING_PRICE', `the list has no price of this in the band ${missing.join(' and ')}`);
    }

    const shortest = same.find(({ band }) => band === 'short');
    const message =
      price === shortest
        ? null
        : ratioFault(price, shortest, `${price.band ?? ''} context is`, 'short', BANDS.least, BANDS.most);

    if (message) {
      flag(price, 'SUSPICIOUS', message);
    }
  }
}

/** A second that costs the same as input and as output is usually one second, said twice. */
function checkSeconds(prices: readonly Candidate[], flag: Flag): void {
  const seconds = prices.filter(({ unit, kind }) => unit === 'second' && (kind === 'input' || kind === 'output'));
  const [one, other] = seconds;

  if (one && other && one.kind !== other.kind && one.each.eq(other.each) && !one.each.isZero()) {
    for (const price of seconds) {
      flag(price, 'SUSPICIOUS', 'the same amount for a second of input and of output: taken together, it doubles');
    }
  }
}
