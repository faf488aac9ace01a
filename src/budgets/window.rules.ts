import { DateTime } from 'luxon';
import type { LimitPer } from './limit.rules.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The stretch in which a limit counts. */
export interface LimitWindow {
  readonly start: Date;
  /** The first instant that is not in it; null for never. */
  readonly end: Date | null;
}

/**
 * The window of a limit that holds an instant, by the calendar of a zone; weeks begin on Monday. Hours are counted from the
 * beginning of the day, so that they follow each other: where a clock moves by half an hour, those of that day's rest begin
 * at half past, and its last is a short one.
 */
export function windowAt(per: LimitPer, at: Date, timeZone: string): LimitWindow {
  switch (per) {
    case null:
      return { start: new Date(0), end: null };

    case 'MINUTE': {
      const start = Math.floor(at.getTime() / MINUTE_MS) * MINUTE_MS;

      return { start: new Date(start), end: new Date(start + MINUTE_MS) };
    }

    case 'HOUR': {
      const day = between(at, timeZone, 'day');
      const start = at.getTime() - ((at.getTime() - day.start.getTime()) % HOUR_MS);

      return { start: new Date(start), end: new Date(Math.min(start + HOUR_MS, day.end.getTime())) };
    }

    case 'DAY':
      return between(at, timeZone, 'day');

    case 'WEEK':
      return between(at, timeZone, 'week');

    case 'MONTH':
      return between(at, timeZone, 'month');

    default:
      return per satisfies never;
  }
}

/** The window that was asked for last, by its zone and unit: calls ask for the same one thousands of times a second. */
const asked = new Map<string, { readonly start: Date; readonly end: Date }>();

function between(
  at: Date,
  timeZone: string,
  unit: 'day' | 'week' | 'month',
): { readonly start: Date; readonly end: Date } {
  const name = `${unit} ${timeZone}`;
  const last = asked.get(name);

  if (last && at >= last.start && at < last.end) {
    return last;
  }

  const window = reckoned(at, timeZone, unit);
  asked.set(name, window);

  return window;
}

/** Where the clock goes back over a midnight, a day begins at the earlier of the two, from whichever instant one asks. */
function reckoned(at: Date, timeZone: string, unit: 'day' | 'week' | 'month'): { start: Date; end: Date } {
  const local = DateTime.fromJSDate(at, { zone: timeZone }).startOf(unit);
  const start = midnight(local);

  return at < start
    ? { start: midnight(local.minus({ [unit]: 1 })), end: start }
    : { start, end: midnight(local.plus({ [unit]: 1 })) };
}

function midnight({ year, month, day, zoneName }: DateTime): Date {
  const first = DateTime.fromObject({ year, month, day }, { zone: zoneName ?? 'UTC' });

  return new Date(Math.min(...first.getPossibleOffsets().map(candidate => candidate.toMillis())));
}
