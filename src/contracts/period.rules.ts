import { DateTime } from 'luxon';

/** A half-open stretch of time: `start` belongs to it, `end` does not. */
export interface Period {
  readonly start: Date;
  readonly end: Date;
}

const QUARTER_HOUR_MS = 900_000;

/**
 * The calendar month of an IANA zone that holds an instant. It begins at the zone's midnight of the first, or at the first
 * instant after it where summer time skips midnight; on a quarter hour, as every zone's midnight has been since 1972.
 */
export function monthOf(at: Date, timeZone: string): Period {
  const local = DateTime.fromJSDate(at, { zone: timeZone });
  const start = floor(local.startOf('month').toJSDate());
  const end = floor(local.startOf('month').plus({ months: 1 }).toJSDate());

  // Before 1972 an offset could cut a quarter hour; rounding the edge must not leave the instant outside.
  return at < start
    ? { start: floor(local.startOf('month').minus({ months: 1 }).toJSDate()), end: start }
    : { start, end };
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
