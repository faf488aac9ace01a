import { decimal, formatDecimal, maxOf, ZERO, type Decimal } from '../money/index.js';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';
import type { Piece } from '../rating/piece.rules.js';
import type { EventValue, Used } from '../rating/series.rules.js';
import { type Fold, isAfter, type Measure } from '../usage/fold.rules.js';
import { cellEnd, cellOf, type Grid } from './grid.rules.js';

/** The fold of one cell. */
interface Cell {
  quantity: Decimal;
  /** For LEVEL: Σ change × milliseconds from its time to the end of the cell; else 0. */
  moment: Decimal;
  latestTime: number;
}

/** The usage of one meter and combination of dimensions. */
interface Entry {
  readonly meterId: string;
  readonly dimensions: string;
  readonly kind: Fold['kind'];
  readonly cells: Map<number, Cell>;
  /** For UNIQUE: each value, with the first cell that has seen it. */
  readonly firsts: Map<string, number>;
}

/**
 * The usage of one period as its events are replayed, in memory: what the buckets would hold, in the cells of a grid, and
 * the values of single events for the meters whose prices ask for them. Takes folds in the order of their events.
 */
export class ReplayedUsage {
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #values: EventValue[] = [];

  /** `keptMeters` are those whose single events are asked for later. */
  constructor(
    private readonly grid: Grid,
    private readonly keptMeters: ReadonlySet<string>,
  ) {}

  /** Adds what a page of events came to. Pages come in the order of time, and folds of a page are one per quarter hour. */
  add(folds: readonly Fold[]): void {
    for (const fold of folds) {
      const entry = this.#entryOf(fold);
      const index = cellOf(this.grid, fold.slot);
      const cell = entry.cells.get(index);
      const moment = momentOf(fold, cellEnd(this.grid, index));

      for (const value of fold.uniques) {
        entry.firsts.set(value, Math.min(entry.firsts.get(value) ?? index, index));
      }

      if (!cell) {
        entry.cells.set(index, { quantity: fold.quantity, moment, latestTime: fold.latestTime });
        continue;
      }

      switch (fold.kind) {
        case 'ADD':
        case 'LEVEL':
          cell.quantity = cell.quantity.plus(fold.quantity);
          cell.moment = cell.moment.plus(moment);
          break;

        case 'MAX':
          cell.quantity = maxOf(cell.quantity, fold.quantity);
          break;

        case 'LATEST':
          // Of several events of one instant the latest has the greatest id, and so comes on the later page.
          if (fold.latestTime >= cell.latestTime) {
            cell.quantity = fold.quantity;
            cell.latestTime = fold.latestTime;
          }
          break;

        case 'UNIQUE':
          break;

        default:
          fold.kind satisfies never;
      }
    }
  }

  /** Keeps the value of a single event where somebody asks for it later. Events come in the order of time, id and source. */
  keep({ meterId, dimensions, time, quantity, isKept }: Measure): void {
    if (isKept && this.keptMeters.has(meterId)) {
      this.#values.push({ meterId, dimensions, time, value: formatDecimal(quantity) });
    }
  }

  /** The usage in the pieces of a rating, in the order of meter, dimensions (by code point) and piece. */
  used(pieces: readonly Piece[]): Used[] {
    const pieceOf = this.grid.starts.map(start => pieces.findLastIndex(piece => piece.start.getTime() <= start));
    const entries = [...this.#entries.values()].flatMap(byDimensions => [...byDimensions.values()]);
    entries.sort((a, b) => compare(a.meterId, b.meterId) || compare(a.dimensions, b.dimensions));

    return entries.flatMap(entry => this.#usedOf(entry, pieces, pieceOf));
  }

  /** The values of single events of these meters, in the order in which they came. */
  events(meterIds: readonly string[]): EventValue[] {
    const asked = new Set(meterIds);

    return this.#values.filter(({ meterId }) => asked.has(meterId));
  }

  #entryOf({ meterId, dimensions, kind }: Fold): Entry {
    let byDimensions = this.#entries.get(meterId);

    if (!byDimensions) {
      byDimensions = new Map();
      this.#entries.set(meterId, byDimensions);
    }

    let entry = byDimensions.get(dimensions);

    if (!entry) {
      entry = { meterId, dimensions, kind, cells: new Map(), firsts: new Map() };
      byDimensions.set(dimensions, entry);
    }

    return entry;
  }

  #usedOf(entry: Entry, pieces: readonly Piece[], pieceOf: readonly number[]): Used[] {
    const { meterId, dimensions, kind, cells, firsts } = entry;
    const firstsOf = Map.groupBy(firsts.values(), cell => pieceOf[cell] ?? 0);
    const byPiece = Map.groupBy(
      [...cells].sort(([a], [b]) => a - b),
      ([cell]) => pieceOf[cell] ?? 0,
    );

    return [...byPiece].map(([segment, own]) => {
      const end = pieces[segment]?.end.getTime() ?? this.grid.end;
      let [total, most, integral] = [ZERO, ZERO, ZERO];

      for (const [index, { quantity, moment }] of own) {
        total = total.plus(quantity);
        most = maxOf(most, quantity);
        integral = integral.plus(moment).plus(quantity.times(end - cellEnd(this.grid, index)));
      }

      const last = own.at(-1)?.[1].quantity ?? ZERO;

      return {
        meterId,
        dimensions,
        segment,
        // What another way of folding asks for is told of no other.
        sum: kind === 'ADD' || kind === 'LEVEL' ? formatDecimal(total) : '0',
        max: kind === 'MAX' ? formatDecimal(most) : '0',
        latest: kind === 'LATEST' ? formatDecimal(last) : null,
        unique: String(firstsOf.get(segment)?.length ?? 0),
        integral: kind === 'LEVEL' ? formatDecimal(integral) : null,
      };
    });
  }
}

/** What the changes of a fold come to until an instant: their own quarter hour, and from its end on. */
function momentOf({ kind, quantity, moment, slot }: Fold, end: number): Decimal {
  return kind === 'LEVEL' ? moment.plus(quantity.times(decimal(end - slot - QUARTER_HOUR_MS))) : ZERO;
}

function compare(a: string, b: string): number {
  return a === b ? 0 : isAfter(a, b) ? 1 : -1;
}
