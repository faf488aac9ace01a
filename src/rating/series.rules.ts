import { decimal, divide, maxOf, sum, ZERO, type Decimal } from '../money/index.js';
import type { Piece } from './piece.rules.js';

/** How a meter folds. */
export type Aggregation = 'SUM' | 'COUNT' | 'MAX' | 'LATEST' | 'UNIQUE_COUNT' | 'TIME_WEIGHTED';

/** What the buckets say of one meter and combination of dimensions in one piece of a period. */
export interface Used {
  readonly meterId: string;
  /** Canonical JSON of the dimensions. */
  readonly dimensions: string;
  /** The index of the piece. */
  readonly segment: number;
  readonly sum: string;
  readonly max: string;
  readonly latest: string | null;
  /** Values seen for the first time in the period. */
  readonly unique: string;
  /** TIME_WEIGHTED: Σ change × (end of the piece − time), in milliseconds. */
  readonly integral: string | null;
  /** At what it was counted against limits of money when it came in; absent where nobody counts. */
  readonly counted?: string;
}

/** The level of a TIME_WEIGHTED meter with which a period begins. */
export interface Level {
  readonly meterId: string;
  readonly dimensions: string;
  readonly level: string;
}

/** An event's own value, for prices that look at single events. */
export interface EventValue {
  readonly meterId: string;
  readonly dimensions: string;
  readonly time: Date;
  readonly value: string;
}

/** The usage of one meter and combination of dimensions under the same windows. */
export interface Series {
  readonly meterId: string;
  readonly dimensions: string;
  readonly values: Readonly<Record<string, string>>;
  readonly active: ReadonlySet<string>;
  /** The running quantity before the first piece and after each; of a level the area under it, in units × milliseconds. */
  readonly running: readonly Decimal[];
  /** What an area is divided by: the length of the period in milliseconds; null of other quantities. */
  readonly whole: Decimal | null;
  /** How its quantity and those of the same combination under other windows become one. */
  readonly aggregation: Aggregation;
  /** The last piece, counted from 1, that had usage before the first piece and after each; 0 for none. */
  readonly latest: readonly number[];
  /** TIME_WEIGHTED: the level with which the period begins. */
  readonly level: Decimal;
  /** Its events, oldest first, where they are known. */
  readonly events: readonly EventValue[];
}

/** The usage of a period as series, each with its running quantity over the pieces. */
export function seriesOf(
  pieces: readonly Piece[],
  facts: {
    readonly used: readonly Used[];
    readonly levels: readonly Level[];
    readonly events: readonly EventValue[];
    readonly aggregationOf: (meterId: string) => Aggregation;
    /** Whether the usage of a meter in a piece is not charged, for outcomes are charged in its place; it is, when absent. */
    readonly isReplaced?: (meterId: string, piece: Piece) => boolean;
  },
): Series[] {
  const keyOf = ({ meterId, dimensions }: { meterId: string; dimensions: string }) => `${meterId} ${dimensions}`;
  const rows = Map.groupBy(facts.used, keyOf);
  const levels = new Map(facts.levels.map(level => [keyOf(level), level]));
  const events = Map.groupBy(facts.events, keyOf);
  const activeKeys = [...new Set(pieces.map(({ activeKey }) => activeKey))];
  const all: Series[] = [];

  for (const key of new Set([...rows.keys(), ...levels.keys()])) {
    const own = rows.get(key) ?? [];
    const [first] = own.length > 0 ? own : [levels.get(key)];

    if (!first) {
      continue;
    }

    const { meterId, dimensions } = first;
    const values = JSON.parse(dimensions) as Record<string, string>;
    const byPiece = new Map(own.map(row => [row.segment, row]));
    const aggregation = facts.aggregationOf(meterId);
    const level = decimal(levels.get(key)?.level ?? '0');
    const steps =
      aggregation === 'TIME_WEIGHTED'
        ? areas(pieces, byPiece, level)
        : pieces.map((_, index) => byPiece.get(index) ?? null);

    for (const activeKey of activeKeys) {
      const isActive = (piece: Piece | undefined) => piece?.activeKey === activeKey;
      const isIn = (piece: Piece | undefined) =>
        piece !== undefined && isActive(piece) && !facts.isReplaced?.(meterId, piece);
      const running = runningOf(steps, index => isIn(pieces[index]), aggregation);

      if (activeKeys.length === 1 || steps.some((step, index) => step !== null && isIn(pieces[index]))) {
        all.push({
          meterId,
          dimensions,
          values,
          active: pieces.find(isActive)?.active ?? new Set(),
          running,
          whole: aggregation === 'TIME_WEIGHTED' ? lengthOf(pieces) : null,
          aggregation,
          latest: latestOf(steps, index => isIn(pieces[index])),
          level,
          events: (events.get(key) ?? []).filter(({ time }) => isIn(pieces.findLast(({ start }) => start <= time))),
        });
      }
    }
  }

  return all;
}

/** What each piece adds to the area under the level, in units × milliseconds; null where there is no level. */
function areas(pieces: readonly Piece[], byPiece: ReadonlyMap<number, Used>, before: Decimal): (Decimal | null)[] {
  let level = before;

  return pieces.map(({ start, end }, index) => {
    const row = byPiece.get(index);
    const area = level.times(end.getTime() - start.getTime()).plus(decimal(row?.integral ?? '0'));
    level = level.plus(decimal(row?.sum ?? '0'));

    return area.isZero() && !row ? null : area;
  });
}

/** How long the period is, in milliseconds. */
function lengthOf(pieces: readonly Piece[]): Decimal {
  return decimal((pieces.at(-1)?.end.getTime() ?? 0) - (pieces[0]?.start.getTime() ?? 0));
}

function runningOf(
  steps: readonly (Used | Decimal | null)[],
  isIn: (index: number) => boolean,
  aggregation: Aggregation,
): Decimal[] {
  const running: Decimal[] = [ZERO];
  let last = ZERO;

  for (const [index, step] of steps.entries()) {
    last = step !== null && isIn(index) ? advance(last, step, aggregation) : last;
    running.push(last);
  }

  return running;
}

function latestOf(steps: readonly (Used | Decimal | null)[], isIn: (index: number) => boolean): number[] {
  const latest = [0];
  let last = 0;

  for (const [index, step] of steps.entries()) {
    last = step !== null && isIn(index) ? index + 1 : last;
    latest.push(last);
  }

  return latest;
}

function advance(last: Decimal, step: Used | Decimal, aggregation: Aggregation): Decimal {
  if (!('meterId' in step)) {
    return last.plus(step);
  }

  switch (aggregation) {
    case 'SUM':
    case 'COUNT':
      return last.plus(decimal(step.sum));

    case 'MAX':
      return maxOf(last, decimal(step.max));

    case 'LATEST':
      return step.latest === null ? last : decimal(step.latest);

    case 'UNIQUE_COUNT':
      return last.plus(decimal(step.unique));

    case 'TIME_WEIGHTED':
      throw new TypeError('a time-weighted meter runs by areas');

    default:
      return aggregation satisfies never;
  }
}

/**
 * The sum over combinations of dimensions of their running quantities at one place. Of several series of one combination,
 * which a price has that holds under more than one set of windows, a maximum counts once and the latest value is the latest.
 */
export function quantityAt(series: readonly Series[], place: number): Decimal {
  const at = ({ running }: Series) => running[place] ?? ZERO;
  const groups = Map.groupBy(series, ({ meterId, dimensions }) => `${meterId} ${dimensions}`);

  const total = sum(
    [...groups.values()].map(([first, ...rest]) => {
      if (!first || rest.length === 0) {
        return first ? at(first) : ZERO;
      }

      switch (first.aggregation) {
        case 'MAX':
          return maxOf(at(first), ...rest.map(at));

        case 'LATEST': {
          const placeOf = (one: Series) => one.latest[place] ?? 0;

          return at(rest.reduce((last, one) => (placeOf(one) > placeOf(last) ? one : last), first));
        }

        default:
          return sum([at(first), ...rest.map(at)]);
      }
    }),
  );
  const whole = series[0]?.whole ?? null;

  // Areas are divided once: thirds of a period do not add up to it.
  return whole ? divide(total, whole) : total;
}

/** What one series adds between two places. */
export function usedBetween({ running, whole }: Series, from: number, to: number): Decimal {
  const used = (running[to] ?? ZERO).minus(running[from] ?? ZERO);

  return whole ? divide(used, whole) : used;
}
