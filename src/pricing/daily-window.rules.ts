import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';
import { DAY_MS, localTime, offsetStretches } from './local-time.rules.js';
import { nextQuarterHour } from './version.rules.js';

/** ISO numbers of the days of a week. */
export const WEEKDAYS: readonly number[] = [1, 2, 3, 4, 5, 6, 7];
export const MIDNIGHT = '00:00';
export const END_OF_DAY = '24:00';

const WEEK_MS = 7 * DAY_MS;

/**
 * The hours of a day, as the clocks of a zone show them: a clock that is put forward may skip them, one that is put back
 * may show them twice. When `start` is above `end` they go on over midnight.
 */
export interface DailyWindow {
  /** HH:MM on a quarter hour. */
  readonly start: string;
  /** HH:MM on a quarter hour, up to 24:00. Not in the window. */
  readonly end: string;
  /** An IANA time zone. */
  readonly timeZone: string;
  /** The days on which it starts, 1 for Monday to 7 for Sunday, ascending; null for every day. */
  readonly weekdays: readonly number[] | null;
}

/** `DailyWindow` as jsonb stores it and the API carries it. */
export interface DailyWindowJson {
  readonly start: string;
  readonly end: string;
  readonly timeZone: string;
  readonly weekdays?: readonly number[] | null;
}

/** The one form of all daily windows that are the same: an end at midnight is 24:00, weekdays ascend, all are null. */
export function canonicalDaily({ start, end, timeZone, weekdays }: DailyWindow): DailyWindow {
  const days = WEEKDAYS.filter(day => weekdays === null || weekdays.includes(day));

  return {
    start,
    end: end === MIDNIGHT ? END_OF_DAY : end,
    timeZone,
    weekdays: days.length === WEEKDAYS.length ? null : days,
  };
}

/** Whether an instant is in the window: its whole quarter hour is, when the clock shows so as it starts. */
export function isDailyActive(daily: DailyWindow, at: number): boolean {
  return shows(clockOf(daily), localTime(daily.timeZone, at));
}

/** Every quarter hour of a period at which the window may turn: where the clock shows its start or end or is moved. */
export function* dailyTurns(daily: DailyWindow, from: number, until: number): Generator<number> {
  const { start, end } = clockOf(daily);

  for (const stretch of offsetStretches(daily.timeZone, from, until)) {
    const firstDay = Math.floor((stretch.start + stretch.offset) / DAY_MS) * DAY_MS;

    yield stretch.start;

    for (let day = firstDay; day < stretch.end + stretch.offset; day += DAY_MS) {
      yield nextQuarterHour(new Date(day + start - stretch.offset)).getTime();
      yield nextQuarterHour(new Date(day + end - stretch.offset)).getTime();
    }
  }
}

/**
 * Whether some instant of a period, which is on quarter hours, is in both windows. Exact: it looks at a week of every
 * distance that the clocks of the two zones have from each other.
 */
export function dailiesMeet(one: DailyWindow, other: DailyWindow, start: number, end: number): boolean {
  const [clock, otherClock] = [clockOf(one), clockOf(other)];
  // Clocks that are so far apart never meet: with one distance, what happens in a week happens in every week.
  const vain = new Set<number>();

  for (const { from, until, offset, otherOffset } of stretchesOfBoth(one, other, start, end)) {
    const distance = offset - otherOffset;

    if (vain.has(distance)) {
      continue;
    }

    for (let at = from; at < Math.min(until, from + WEEK_MS); at += QUARTER_HOUR_MS) {
      if (shows(clock, at + offset) && shows(otherClock, at + otherOffset)) {
        return true;
      }
    }

    if (until - from >= WEEK_MS) {
      vain.add(distance);
    }

    if (one.timeZone === other.timeZone && vain.has(0)) {
      return false;
    }
  }

  return false;
}

/** The stretches of a period in which neither zone's clock is moved. */
function* stretchesOfBoth(one: DailyWindow, other: DailyWindow, start: number, end: number) {
  for (const stretch of offsetStretches(one.timeZone, start, end)) {
    for (const inner of offsetStretches(other.timeZone, stretch.start, stretch.end)) {
      yield { from: inner.start, until: inner.end, offset: stretch.offset, otherOffset: inner.offset };
    }
  }
}

/** A daily window in milliseconds of the day. */
interface Clock {
  readonly start: number;
  readonly end: number;
  readonly weekdays: readonly number[] | null;
}

function clockOf(daily: DailyWindow): Clock {
  const { start, end, weekdays } = canonicalDaily(daily);

  return { start: millisecondsOf(start), end: millisecondsOf(end), weekdays };
}

function millisecondsOf(time: string): number {
  const [hours, minutes] = time.split(':').map(Number);

  return ((hours ?? 0) * 60 + (minutes ?? 0)) * 60_000;
}

/** Whether a clock that shows this local time is within the hours. */
function shows({ start, end, weekdays }: Clock, local: number): boolean {
  const day = Math.floor(local / DAY_MS);
  const time = local - day * DAY_MS;
  const startsOn = (which: number) => weekdays === null || weekdays.includes(weekdayOf(which));

  if (start < end) {
    return time >= start && time < end && startsOn(day);
  }

  return (time >= start && startsOn(day)) || (time < end && startsOn(day - 1));
}

/** ISO weekday of a day counted from 1970-01-01, a Thursday. */
function weekdayOf(day: number): number {
  return ((((day + 3) % 7) + 7) % 7) + 1;
}
