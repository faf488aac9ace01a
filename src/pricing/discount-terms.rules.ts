import { type Decimal, type FieldRefusal, decimal, formatDecimal, parseDecimal, ZERO } from '../money/index.js';
import type { DimensionPattern } from './pattern.rules.js';

/** What decides a discount: what the period comes to, or what the contract commits to. */
export const DISCOUNT_BASES = ['SPEND', 'COMMITMENT'] as const;
export type DiscountBasis = (typeof DISCOUNT_BASES)[number];

/** GRADUATED: each tier takes its rate off its own slice of the spend. VOLUME: one tier's rate is taken off all of it. */
export const DISCOUNT_MODES = ['GRADUATED', 'VOLUME'] as const;
export type DiscountMode = (typeof DISCOUNT_MODES)[number];

/** A stretch of money with its rate. It begins where the one before it ends, the first one at zero. */
export interface DiscountTier {
  /** The last amount that is still in it; null in the last one only, which is open. */
  readonly upTo: Decimal | null;
  /** Per cent off, from 0 to 100. */
  readonly percent: Decimal;
}

/** Per cent off what the prices that it covers come to in a period. */
export interface Discount {
  readonly id: string;
  readonly name: string;
  /** Null for the prices of any meter. */
  readonly meterId: string | null;
  readonly pattern: DimensionPattern;
  /** Of the amounts that the tiers name; it is for contracts in this currency. */
  readonly currency: string;
  readonly basis: DiscountBasis;
  readonly mode: DiscountMode;
  readonly tiers: readonly DiscountTier[];
}

/** `Discount` as jsonb stores it, with decimal strings. */
export interface DiscountJson {
  readonly id: string;
  readonly name: string;
  readonly meterId: string | null;
  readonly dimensions: DimensionPattern;
  readonly currency: string;
  readonly basis: DiscountBasis;
  readonly mode: DiscountMode;
  readonly tiers: readonly { readonly upTo: string | null; readonly rate: string }[];
}

const MAX_TIERS = 100;
const DIGITS = { integerDigits: 16, fractionDigits: 12 };

/**
 * Reads the tiers of a discount and names every field at fault, with paths inside the discount: 1 to 100, rates from 0 to
 * 100 per cent, ends above zero and ascending, null in the last one and only there.
 */
export function readDiscountTiers(
  given: readonly { readonly upTo?: string | null; readonly rate: string }[],
): { readonly tiers: readonly DiscountTier[] } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] } {
  const refusals: FieldRefusal[] = [];
  const tiers: DiscountTier[] = [];
  let floor = ZERO;

  if (given.length < 1 || given.length > MAX_TIERS) {
    refusals.push({ field: ['tiers'], message: `a discount has 1 to ${MAX_TIERS} tiers` });
  }

  for (const [index, { upTo = null, rate }] of given.slice(0, MAX_TIERS).entries()) {
    const field = ['tiers', String(index)];
    const percent = parseDecimal(rate, DIGITS);
    const end = upTo === null ? null : parseDecimal(upTo, DIGITS);
    const isLast = index === given.length - 1;

    if (!percent || percent.isNegative() || percent.gt(100)) {
      const message = 'rate is a decimal string from 0 to 100, in per cent, such as "7.5"';
      refusals.push({ field: [...field, 'rate'], message });
    }

    if (isLast !== (upTo === null)) {
      const message = 'the last tier is open (upTo null), and no other is';
      refusals.push({ field: [...field, 'upTo'], message });
    } else if (upTo !== null && !end?.gt(floor)) {
      const message = `upTo is a decimal string above ${formatDecimal(floor)}, where the tier before it ends`;
      refusals.push({ field: [...field, 'upTo'], message });
    }

    floor = end ?? floor;
    tiers.push({ upTo: end, percent: percent ?? ZERO });
  }

  const [first, ...rest] = refusals;

  return first ? { refusals: [first, ...rest] } : { tiers };
}

/** The JSON form of a discount. */
export function discountJson({ pattern, tiers, ...rest }: Discount): DiscountJson {
  return {
    ...rest,
    dimensions: pattern,
    tiers: tiers.map(({ upTo, percent }) => ({ upTo: upTo && formatDecimal(upTo), rate: formatDecimal(percent) })),
  };
}

/** The discount of a JSON form that was accepted once. */
export function discountOf({ dimensions, tiers, ...rest }: DiscountJson): Discount {
  return {
    ...rest,
    pattern: dimensions,
    tiers: tiers.map(({ upTo, rate }) => ({ upTo: upTo === null ? null : decimal(upTo), percent: decimal(rate) })),
  };
}
