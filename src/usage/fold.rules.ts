import type { Aggregation } from '../catalog/meter.rules.js';
import { decimal, maxOf, ZERO, type Decimal } from '../money/index.js';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';

/** The quarter hour an instant belongs to, as its beginning: every real time zone's midnight falls on one. */
export function slotOf(time: Date): number {
  return Math.floor(time.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
}

/** LEVEL adds changes, and what each of them comes to until its quarter hour ends. */
export type FoldKind = 'ADD' | 'MAX' | 'LATEST' | 'UNIQUE' | 'LEVEL';

/** What one event adds to one bucket. */
export interface Measure {
  readonly meterId: string;
  readonly kind: FoldKind;
  /** Canonical JSON of the dimensions: the text is the key. */
  readonly dimensions: string;
  readonly time: Date;
  /** Which of several events of one instant is the latest: the greatest, by code point. */
  readonly order: string;
  /** For UNIQUE: 0, and the value below. */
  readonly quantity: Decimal;
  readonly unique: string | null;
  /** Whether the value is also kept by itself. */
  readonly isKept: boolean;
}

/** A bucket's share of one batch. */
export interface Fold {
  readonly meterId: string;
  readonly kind: FoldKind;
  readonly slot: number;
  readonly dimensions: string;
  quantity: Decimal;
  /** For LEVEL: Σ change × milliseconds from its time to the end of the quarter hour; else 0. */
  moment: Decimal;
  events: number;
  latestTime: number;
  latestId: string;
  readonly uniques: Set<string>;
  /** At what its events are counted against limits of money. */
  counted: Decimal;
}

/**
 * Folds measures into one row per bucket, in the order of the buckets' keys, so that concurrent batches lock rows in the
 * same order. Adding is exact; the latest value is the one with the greatest (time, order). `countedAt` says at what a
 * measure is counted against limits of money.
 */
export function foldMeasures(
  measures: Iterable<Measure>,
  countedAt: (measure: Measure) => Decimal = () => ZERO,
): Fold[] {
  // Nested, because one key text for each event would cost more than the sums.
  const byMeter = new Map<string, Map<string, Map<number, Fold>>>();
  const folds: Fold[] = [];

  for (const measure of measures) {
    const slot = slotOf(measure.time);
    const bySlot = inner(inner(byMeter, measure.meterId), measure.dimensions);
    const fold = bySlot.get(slot);

    if (!fold) {
      const made: Fold = {
        meterId: measure.meterId,
        kind: measure.kind,
        slot,
        dimensions: measure.dimensions,
        quantity: measure.quantity,
        moment: measure.kind === 'LEVEL' ? momentOf(measure, slot) : ZERO,
        events: 1,
        latestTime: measure.time.getTime(),
        latestId: measure.order,
        uniques: new Set(measure.unique === null ? [] : [measure.unique]),
        counted: countedAt(measure),
      };
      bySlot.set(slot, made);
      folds.push(made);
      continue;
    }

    fold.events++;
    fold.counted = fold.counted.plus(countedAt(measure));

    switch (measure.kind) {
      case 'ADD':
        fold.quantity = fold.quantity.plus(measure.quantity);
        break;

      case 'MAX':
        fold.quantity = maxOf(fold.quantity, measure.quantity);
        break;

      case 'LATEST':
        if (isLater(measure, fold)) {
          fold.quantity = measure.quantity;
          fold.latestTime = measure.time.getTime();
          fold.latestId = measure.order;
        }
        break;

      case 'UNIQUE':
        fold.uniques.add(measure.unique ?? '');
        break;

      case 'LEVEL':
        fold.quantity = fold.quantity.plus(measure.quantity);
        fold.moment = fold.moment.plus(momentOf(measure, slot));
        break;

      default:
        measure.kind satisfies never;
    }
  }

  return folds.sort((a, b) => order(a.meterId, b.meterId) || a.slot - b.slot || order(a.dimensions, b.dimensions));
}

function momentOf({ quantity, time }: Measure, slot: number): Decimal {
  return quantity.times(decimal(slot + QUARTER_HOUR_MS - time.getTime()));
}

function inner<K, L, V>(outer: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let found = outer.get(key);

  if (!found) {
    found = new Map();
    outer.set(key, found);
  }

  return found;
}

/** How a meter's aggregation folds, and what an event without a value of its own adds. */
export function foldKindOf(aggregation: Aggregation): FoldKind {
  switch (aggregation) {
    case 'SUM':
    case 'COUNT':
      return 'ADD';

    case 'MAX':
    case 'LATEST':
      return aggregation;

    case 'UNIQUE_COUNT':
      return 'UNIQUE';

    case 'TIME_WEIGHTED':
      return 'LEVEL';

    default:
      return aggregation satisfies never;
  }
}

function isLater(measure: Measure, fold: Fold): boolean {
  const time = measure.time.getTime();

  return time > fold.latestTime || (time === fold.latestTime && isAfter(measure.order, fold.latestId));
}

/** Compares by code point, as `collate "C"` does in the database; `>` compares UTF-16 units, which puts emoji too early. */
export function isAfter(a: string, b: string): boolean {
  let at = 0;

  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) {
    at++;
  }

  const [left, right] = [a.charCodeAt(at), b.charCodeAt(at)];

  return at < a.length && (at >= b.length || rankOf(left) > rankOf(right));
}

/** A UTF-16 unit's place by code point: surrogates stand for what lies above all other units. */
function rankOf(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
