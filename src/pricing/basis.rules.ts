import { type Decimal, type FieldRefusal, decimal, formatDecimal, parseDecimal } from '../money/index.js';
import {
  compareSpecificity,
  type DimensionPattern,
  globPrefix,
  type PriceBinding,
  specificity,
} from './pattern.rules.js';
import type { Rate } from './price.rules.js';

/** What a version takes over from another book of its seller, as jsonb stores it. */
export interface BasisJson {
  readonly priceBookId: string;
  /** The version whose prices are taken over; null follows the book as it publishes. */
  readonly versionId: string | null;
  readonly adjustments: readonly AdjustmentJson[];
  /** The rate at which the prices are converted; null takes them over in their own currencies. */
  readonly fxSnapshotId: string | null;
}

/** `Adjustment` with decimal strings. */
export interface AdjustmentJson {
  readonly meterId?: string | null;
  readonly dimensions?: DimensionPattern;
  readonly percent: string;
  readonly floor?: { readonly unitAmount: string; readonly per?: string | null } | null;
}

/** How prices of the parent that it covers change: by per cent, down to a floor. */
export interface Adjustment {
  /** Null for the prices of any meter. */
  readonly meterId: string | null;
  readonly pattern: DimensionPattern;
  /** "-20" takes 20 % off; above -100. */
  readonly percent: Decimal;
  /** The least that a unit costs, in the currency of the price that is made; null for none. */
  readonly floor: Rate | null;
}

/** The adjustments, or every reason why there are none, with paths inside the list. */
export type AdjustmentsReading =
  { readonly adjustments: readonly Adjustment[] } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] };

/** Books above each other, the first and the last included. */
export const MAX_DEPTH = 5;
const HUNDRED = decimal(100);
const MAX_PERCENT = decimal(1_000_000);
const MAX_AMOUNT = decimal(10n ** 15n);
const DIGITS = { integerDigits: 16, fractionDigits: 12 };

/** Reads the decimals of adjustments, and refuses two for the same prices. Meters and dimensions are checked elsewhere. */
export function readAdjustments(given: readonly AdjustmentJson[]): AdjustmentsReading {
  const refusals: FieldRefusal[] = [];
  const seen = new Set<string>();
  const adjustments = given.map(({ meterId = null, dimensions = {}, percent, floor = null }, index) => {
    const path = [String(index)];
    const change = parseDecimal(percent, DIGITS);

    if (!change || change.lte(HUNDRED.negated()) || change.gt(MAX_PERCENT)) {
      const range = `a decimal string above -100 up to ${formatDecimal(MAX_PERCENT)}, such as "-20" for 20 % off`;
      refusals.push({ field: [...path, 'percent'], message: `percent is ${range}` });
    }

    const least = floor && readFloor(floor, [...path, 'floor'], refusals);
    const key = JSON.stringify([meterId, Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))]);

    if (seen.has(key)) {
      refusals.push({ field: path, message: 'another adjustment is for the same meter and dimensions; leave one out' });
    }

    seen.add(key);

    return { meterId, pattern: dimensions, percent: change ?? HUNDRED, floor: least };
  });
  const [first, ...rest] = refusals;

  return first ? { refusals: [first, ...rest] } : { adjustments };
}

function readFloor(
  { unitAmount, per = '1' }: NonNullable<AdjustmentJson['floor']>,
  path: readonly string[],
  refusals: FieldRefusal[],
): Rate {
  const amount = parseDecimal(unitAmount, DIGITS);
  const units = parseDecimal(per ?? '1');

  if (!amount || amount.isNegative() || amount.gt(MAX_AMOUNT)) {
    const range = `from 0 to ${formatDecimal(MAX_AMOUNT)} with at most ${DIGITS.fractionDigits} fraction digits`;
    refusals.push({ field: [...path, 'unitAmount'], message: `unitAmount is a decimal string ${range}` });
  }

  if (!units?.gt(0)) {
    refusals.push({ field: [...path, 'per'], message: 'per is a decimal string above 0' });
  }

  return { amount: amount ?? HUNDRED, per: units ?? HUNDRED };
}

/** The JSON form of an adjustment; `readAdjustments` reads the same one back. */
export function adjustmentJson({ meterId, pattern, percent, floor }: Adjustment): AdjustmentJson {
  return {
    meterId,
    dimensions: pattern,
    percent: formatDecimal(percent),
    floor: floor && { unitAmount: formatDecimal(floor.amount), per: formatDecimal(floor.per) },
  };
}

/**
 * Whether all usage that a price matches satisfies the pattern: the price names each of its dimensions, with the same
 * exact value or one that begins with the same prefix. A price that leaves a dimension free is not covered by a pattern
 * that names it, for a part of a price cannot be changed.
 */
export function covers(pattern: DimensionPattern, price: DimensionPattern): boolean {
  return Object.entries(pattern).every(([name, wanted]) => {
    const value = Object.hasOwn(price, name) ? price[name] : undefined;
    const prefix = globPrefix(wanted);

    if (value === undefined || prefix === null) {
      return value === wanted;
    }

    return (globPrefix(value) ?? value).startsWith(prefix);
  });
}

/** The narrowest adjustment that covers a price; a meter counts as one exact dimension, and of equals the first is taken. */
export function adjustmentFor(
  adjustments: readonly Adjustment[],
  price: Pick<PriceBinding, 'meterId' | 'pattern'>,
): Adjustment | null {
  let best: Adjustment | null = null;

  for (const adjustment of adjustments) {
    const isFor = adjustment.meterId === null || adjustment.meterId === price.meterId;

    if (isFor && covers(adjustment.pattern, price.pattern) && (!best || isNarrower(adjustment, best))) {
      best = adjustment;
    }
  }

  return best;
}

function isNarrower(one: Adjustment, other: Adjustment): boolean {
  const of = ({ meterId, pattern }: Adjustment) => {
    const narrow = specificity({ pattern, window: null });

    return { ...narrow, exact: narrow.exact + (meterId === null ? 0 : 1) };
  };

  return compareSpecificity(of(one), of(other)) > 0;
}

/** That one book takes prices over from another. */
export interface BookEdge {
  readonly child: string;
  readonly parent: string;
}

/**
 * Why a book cannot take prices over from another, or null: it would take over its own in the end, or there would be
 * more than `MAX_DEPTH` books above each other. `path` runs from the lowest book to the highest. The known edges have no
 * cycle.
 */
export function refuseEdge(
  known: readonly BookEdge[],
  { child, parent }: BookEdge,
): { readonly reason: 'CYCLE' | 'DEPTH'; readonly path: readonly string[] } | null {
  const parentsOf = Map.groupBy(known, edge => edge.child);
  const childrenOf = Map.groupBy(known, edge => edge.parent);
  const above = longest(parent, id => (parentsOf.get(id) ?? []).map(edge => edge.parent));
  const below = longest(child, id => (childrenOf.get(id) ?? []).map(edge => edge.child));
  const back = route(parent, child, id => (parentsOf.get(id) ?? []).map(edge => edge.parent));

  if (back) {
    return { reason: 'CYCLE', path: [child, ...back] };
  }

  const path = [...below.toReversed(), ...above];

  return path.length > MAX_DEPTH ? { reason: 'DEPTH', path } : null;
}

/** The longest way from a book on, itself first. */
function longest(from: string, next: (id: string) => readonly string[]): readonly string[] {
  const ways = new Map<string, readonly string[]>();
  const walk = (id: string): readonly string[] => {
    const known = ways.get(id);

    if (known) {
      return known;
    }

    const way = [
      id,
      ...next(id)
        .map(walk)
        .reduce<readonly string[]>((best, other) => (other.length > best.length ? other : best), []),
    ];
    ways.set(id, way);

    return way;
  };

  return walk(from);
}

/** A way from one book to another, both included; null when there is none. */
function route(from: string, to: string, next: (id: string) => readonly string[]): readonly string[] | null {
  if (from === to) {
    return [from];
  }

  for (const id of next(from)) {
    const rest = route(id, to, next);

    if (rest) {
      return [from, ...rest];
    }
  }

  return null;
}
