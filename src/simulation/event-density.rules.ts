import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';

/** How many events lie in the quarter hour from `start` (in milliseconds) on, about. */
export interface QuarterHourCount {
  readonly start: number;
  readonly events: number;
}

/**
 * How many milliseconds from an instant on hold so many events, about, so that a page of them is looked for there and no
 * further. Quarter hours ascend; those that are missing hold none. Never beyond `end`, and at least one millisecond.
 */
export function stretchFor(density: readonly QuarterHourCount[], from: number, end: number, wanted: number): number {
  let left = wanted;
  let at = from;

  for (const { start, events } of density) {
    const slotEnd = start + QUARTER_HOUR_MS;

    if (slotEnd <= at) {
      continue;
    }

    at = Math.max(at, start);
    const here = (events * (slotEnd - at)) / QUARTER_HOUR_MS;

    if (here >= left) {
      return Math.max(1, Math.min(end, at + Math.ceil(((slotEnd - at) * left) / here)) - from);
    }

    left -= here;
    at = slotEnd;
  }

  return Math.max(1, end - from);
}
