import { DateTime } from 'luxon';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';

/** A half-open stretch of time: `start` belongs to it, `end` does not. */
export interface Period {
  readonly start: Date;
  readonly end: Date;
}

/**
 * The calendar month of an IANA zone that holds an instant. It begins at the zone's midnight of the first, or at the first
 * instant after it where summer time skips midnight; on a quarter hour, as every zone's midnight has been since 1972.
 * Where the clock goes back over that midnight, it is the earlier of the two, from whichever instant one asks.
 */
export function monthOf(at: Date, timeZone: string): Period {
  const { year, month } = DateTime.fromJSDate(at, { zone: timeZone });
  const start = midnightOfFirst(year, month, timeZone);
  const end = midnightOfFirst(year, month + 1, timeZone);

  // The calendar's month is not always the one that holds the instant: not where the clock went back over its midnight,
  // nor before 1972, when an offset could cut a quarter hour.
  if (at < start) {
    return { start: midnightOfFirst(year, month - 1, timeZone), end: start };
  }

  return at < end ? { start, end } : { start: end, end: midnightOfFirst(year, month + 2, timeZone) };
}

/** Where a month of a zone begins. A month below 1 or above 12 belongs to the year before or after. */
function midnightOfFirst(year: number, month: number, timeZone: string): Date {
  const first = DateTime.utc(year, 1).plus({ months: month - 1 });
  const midnight = DateTime.fromObject({ year: first.year, month: first.month }, { zone: timeZone });

  return floor(new Date(Math.min(...midnight.getPossibleOffsets().map(candidate => candidate.toMillis()))));
}

/** The billing periods that touch a stretch of time: calendar months of the zone, clipped to the contract. */
export function periodsWithin(
  stretch: Period,
  contract: { readonly startsAt: Date; readonly endsAt: Date | null },
  timeZone: string,
): Period[] {
  const from = later(stretch.start, contract.startsAt);
  const until = contract.endsAt ? earlier(stretch.end, contract.endsAt) : stretch.end;
  const periods: Period[] = [];

  for (let at = from; at < until;) {
    const month = monthOf(at, timeZone);
    periods.push({
      start: later(month.start, contract.startsAt),
      end: contract.endsAt ? earlier(month.end, contract.endsAt) : month.end,
    });
    at = month.end;
  }

  return periods;
}

/** The parts of a stretch that none of the (non-overlapping) taken periods cover, in order. */
export function gapsWithin(stretch: Period, taken: readonly Period[]): Period[] {
  const gaps: Period[] = [];
  let from = stretch.start;

  for (const period of [...taken].sort((a, b) => a.start.getTime() - b.start.getTime())) {
    if (period.start > from) {
      gaps.push({ start: from, end: earlier(period.start, stretch.end) });
    }

    from = later(from, period.end);
  }

  if (from < stretch.end) {
    gaps.push({ start: from, end: stretch.end });
  }

  return gaps.filter(gap => gap.start < gap.end);
}

function later(a: Date, b: Date): Date {
  return a > b ? a : b;
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}

function floor(at: Date): Date {
  return new Date(Math.floor(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS);
}
