import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';
import type { RatedVersion } from '../rating/facts.rules.js';
import { piecesOf, segmentsOf, type Stretch } from '../rating/piece.rules.js';

/** A period in cells: no price tells the usage of one cell apart in time. */
export interface Grid {
  /** Where each cell begins, in milliseconds, ascending; the first one with the period. All on quarter hours. */
  readonly starts: readonly number[];
  /** Where the last one ends. */
  readonly end: number;
}

/**
 * The coarsest grid on which a period can be rated by each of several lists of versions: cut where a version takes effect
 * and where a window opens or closes, and at other instants (from when on outcomes are charged in the place of usage). Costs
 * may change at any instant, so a version that follows costs asks for every quarter hour.
 */
export function gridOf(
  period: Stretch,
  lists: readonly (readonly RatedVersion[])[],
  instants: readonly Date[] = [],
): Grid {
  const starts = new Set<number>();

  for (const versions of lists) {
    const segments = segmentsOf(period, versions);
    const prices = segments.flatMap(({ version }) => version?.prices ?? []);

    if (prices.some(({ terms }) => terms.pricing.model === 'COST_PLUS')) {
      return quarterHours(period);
    }

    for (const { start } of piecesOf(
      segments,
      prices.flatMap(({ window }) => window ?? []),
      instants,
    )) {
      starts.add(start.getTime());
    }
  }

  return { starts: [...starts].sort((a, b) => a - b), end: period.end.getTime() };
}

function quarterHours({ start, end }: Stretch): Grid {
  const starts: number[] = [];

  for (let at = start.getTime(); at < end.getTime(); at += QUARTER_HOUR_MS) {
    starts.push(at);
  }

  return { starts, end: end.getTime() };
}

/** The index of the cell that holds a quarter hour of the period. */
export function cellOf({ starts }: Grid, slot: number): number {
  let [low, high] = [0, starts.length - 1];

  while (low < high) {
    const middle = (low + high + 1) >> 1;

    if ((starts[middle] ?? 0) <= slot) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }

  return low;
}

/** Where a cell ends, in milliseconds. */
export function cellEnd({ starts, end }: Grid, cell: number): number {
  return starts[cell + 1] ?? end;
}
