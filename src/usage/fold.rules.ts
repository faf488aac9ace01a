import { maxOf, type Decimal } from '../money/index.js';

const QUARTER_HOUR_MS = 900_000;

/** The quarter hour an instant belongs to: every real time zone's midnight falls on one. */
export function slotOf(time: Date): number {
  return Math.floor(time.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
}

export type FoldKind = 'ADD' | 'MAX' | 'LATEST' | 'UNIQUE';

/** What one event adds to one bucket. */
export interface Measure {
  readonly meterId: string;
  readonly kind: FoldKind;
  /** Canonical JSON of the dimensions: the text is the key. */
  readonly dimensions: string;
  readonly time: Date;
  readonly eventId: string;
  /** For UNIQUE: 0, and the value below. */
  readonly quantity: Decimal;
  readonly unique: string | null;
}

/** A bucket's share of one batch. */
export interface Fold {
  readonly meterId: string;
  readonly kind: FoldKind;
  readonly slot: number;
  readonly dimensions: string;
  quantity: Decimal;
  events: number;
  latestTime: number;
  latestId: string;
  readonly uniques: Set<string>;
}

/**
 * Folds measures into one row per bucket, in the order of the buckets' keys, so that concurrent batches lock rows in the
 * same order. Adding is exact; the latest value is the one with the greatest (time, event id).
 */
export function foldMeasures(measures: Iterable<Measure>): Fold[] {
  const folds = new Map<string, Fold>();

  for (const measure of measures) {
    const slot = slotOf(measure.time);
    const key = `${measure.meterId} ${slot} ${measure.dimensions}`;
    const fold = folds.get(key);

    if (!fold) {
      folds.set(key, {
        meterId: measure.meterId,
        kind: measure.kind,
        slot,
        dimensions: measure.dimensions,
        quantity: measure.quantity,
        events: 1,
        latestTime: measure.time.getTime(),
        latestId: measure.eventId,
        uniques: new Set(measure.unique === null ? [] : [measure.unique]),
      });
      continue;
    }

    fold.events++;

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
          fold.latestId = measure.eventId;
        }
        break;

      case 'UNIQUE':
        fold.uniques.add(measure.unique ?? '');
        break;

      default:
        measure.kind satisfies never;
    }
  }

  return [...folds.values()].sort(
    (a, b) => order(a.meterId, b.meterId) || a.slot - b.slot || order(a.dimensions, b.dimensions),
  );
}

/** How a meter's aggregation folds, and what an event without a value of its own adds. */
export function foldKindOf(aggregation: 'SUM' | 'COUNT' | 'MAX' | 'LATEST' | 'UNIQUE_COUNT'): FoldKind {
  switch (aggregation) {
    case 'SUM':
    case 'COUNT':
      return 'ADD';

    case 'MAX':
    case 'LATEST':
      return aggregation;

    case 'UNIQUE_COUNT':
      return 'UNIQUE';

    default:
      return aggregation satisfies never;
  }
}

function isLater(measure: Measure, fold: Fold): boolean {
  const time = measure.time.getTime();

  return time > fold.latestTime || (time === fold.latestTime && measure.eventId > fold.latestId);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
