import { type Decimal, divide, formatDecimal, parseDecimal } from '../money/index.js';

/** Something that is compared: what it is, what it is called and what it says. */
export interface DiffItem {
  /** The same on both sides for what is the same thing. */
  readonly key: string;
  readonly name: string;
  /** Canonical JSON text: the same text says the same. */
  readonly terms: string;
}

/** Two sides of one thing that say something different. */
export interface Changed<T extends DiffItem> {
  readonly key: string;
  readonly before: T;
  readonly after: T;
  /**
   * After by before, a decimal of up to 6 significant digits, where both are prices per unit that differ in nothing else
   * (`{"model": "UNIT", "unitAmount": "2.5", "per": "1000000", ...}`) and the former is not 0; else `null`.
   */
  readonly ratio: string | null;
}

/** What becomes of one list when another takes its place. Every item of either is in exactly one part. */
export interface PriceDiff<T extends DiffItem> {
  readonly added: readonly T[];
  readonly changed: readonly Changed<T>[];
  readonly removed: readonly T[];
  /** As they stand in the new list. */
  readonly same: readonly T[];
}

const RATIO_DIGITS = 6;

/**
 * Compares two lists item by item: prices of two versions of a book, or those of a book with those of an import. Added,
 * changed and same are in the order of the new list, removed in that of the old one. Where a key stands several times
 * on a side, items that say the same are paired first, and the others in their order.
 */
export function diffPrices<T extends DiffItem>(current: readonly T[], proposed: readonly T[]): PriceDiff<T> {
  const left = new Map(Map.groupBy(current, ({ key }) => key));
  const take = (key: string, isIt: (item: T) => boolean): T | undefined => {
    const items = left.get(key) ?? [];
    const index = items.findIndex(isIt);

    return index < 0 ? undefined : items.splice(index, 1)[0];
  };

  const isSame = proposed.map(({ key, terms }) => take(key, item => item.terms === terms) !== undefined);
  const added: T[] = [];
  const changed: Changed<T>[] = [];

  for (const [index, after] of proposed.entries()) {
    const before = isSame[index] ? undefined : take(after.key, () => true);

    if (before) {
      changed.push({ key: after.key, before, after, ratio: ratioOf(before.terms, after.terms) });
    } else if (!isSame[index]) {
      added.push(after);
    }
  }

  const rest = new Set([...left.values()].flat());

  const removed = current.filter(item => rest.has(item));

  return { added, changed, removed, same: proposed.filter((_, index) => isSame[index]) };
}

function ratioOf(before: string, after: string): string | null {
  const [one, other] = [unitPriceOf(before), unitPriceOf(after)];

  if (!one || !other || one.amount.isZero() || one.rest !== other.rest) {
    return null;
  }

  // Cross-multiplied, so that only the last operation rounds.
  const ratio = divide(other.amount.times(one.per), one.amount.times(other.per));

  return formatDecimal(ratio.precision(RATIO_DIGITS));
}

interface UnitPrice {
  readonly amount: Decimal;
  readonly per: Decimal;
  /** All else that the terms say. */
  readonly rest: string;
}

function unitPriceOf(terms: string): UnitPrice | null {
  const json: unknown = JSON.parse(terms);

  if (typeof json !== 'object' || json === null || !('model' in json) || json.model !== 'UNIT') {
    return null;
  }

  const { unitAmount, per: units = '1', ...rest } = json as Readonly<Record<string, unknown>>;
  const [amount, per] = [parseDecimal(unitAmount), parseDecimal(units)];

  return amount && per?.gt(0) ? { amount, per, rest: JSON.stringify(rest) } : null;
}
