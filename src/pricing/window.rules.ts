import type { FieldRefusal } from '../money/index.js';
import { QUARTER_HOUR_MS } from '../platform/quarter-hour.rules.js';
import {
  canonicalDaily,
  dailiesMeet,
  dailyTurns,
  type DailyWindow,
  type DailyWindowJson,
  END_OF_DAY,
  isDailyActive,
  MIDNIGHT,
  WEEKDAYS,
} from './daily-window.rules.js';
import { type Fields, isAbsent, isRecord, shown } from './fields.rules.js';
import { isQuarterHour } from './version.rules.js';

export type { DailyWindow, DailyWindowJson };

/** When a price applies. What is null does not limit it. Both instants are quarter hours; `until` is not in it. */
export interface PriceWindow {
  readonly from: Date | null;
  readonly until: Date | null;
  readonly daily: DailyWindow | null;
}

/** `PriceWindow` as jsonb stores it and the API carries it: instants are ISO 8601 in UTC. */
export interface PriceWindowJson {
  readonly from?: string | null;
  readonly until?: string | null;
  readonly daily?: DailyWindowJson | null;
}

/** The window, or every reason why there is none. */
export type PriceWindowReading =
  { readonly window: PriceWindow } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] };

/** The years in which usage can lie. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 2200;
const FIRST_MS = Date.UTC(FIRST_YEAR, 0, 1);
const END_MS = Date.UTC(LAST_YEAR + 1, 0, 1);

const INSTANT = /^(\d{4})-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?Z$/;
const TIME = /^([01]\d|2[0-3]):(00|15|30|45)$/;
/** Intl takes an offset such as +02:00 too, but that is no zone: it knows no summer time. */
const ZONE = /^[A-Za-z][A-Za-z0-9_+/-]{1,63}$/;

/**
 * Reads the JSON form and names every field at fault by its path, which begins with `path`; `null` counts as absent.
 * Refused: instants that are not quarter hours from 1970 to 2200 in ISO 8601 with a Z, `until` at or before `from`, times
 * that are not quarter hours, `start` equal to `end`, unknown zones, weekdays twice or outside 1 to 7, unknown fields, and
 * windows that never or always apply. The reading has one form for each window: zones in their own letter case, weekdays
 * ascending and null when they are all seven, an end at midnight as 24:00.
 */
export function readPriceWindow(json: unknown, path: readonly string[]): PriceWindowReading {
  const reader = new WindowReader(path);
  const window = reader.window(json);
  const [first, ...others] = reader.refusals;

  return first ? { refusals: [first, ...others] } : { window };
}

/** Reads on after a refusal, with something harmless in place of what is refused, to find them all. */
class WindowReader {
  readonly refusals: FieldRefusal[] = [];

  constructor(private readonly path: readonly string[]) {}

  window(json: unknown): PriceWindow {
    const nothing = { from: null, until: null, daily: null };

    if (!isRecord(json)) {
      this.#refuse([], `must be an object with from, until or daily, not ${shown(json)}`);

      return nothing;
    }

    this.#refuseUnknown(json, ['from', 'until', 'daily'], []);

    const window = {
      from: this.#instant(json['from'], 'from'),
      until: this.#instant(json['until'], 'until'),
      daily: this.#daily(json['daily']),
    };

    if (this.refusals.length > 0) {
      return nothing;
    }

    if (!window.from && !window.until && !window.daily) {
      this.#refuse([], 'must give from, until or daily; leave the window out where the price always applies');
    } else if (window.until && window.until <= (window.from ?? new Date(FIRST_MS))) {
      this.#refuse(['until'], `must be after ${window.from ? 'from' : 'the first day of usage, 1970-01-01'}`);
    } else if (!windowsOverlap(window, window)) {
      this.#refuse(['daily'], 'must come round between from and until, or the price never applies');
    }

    return window;
  }

  #instant(json: unknown, name: string): Date | null {
    if (isAbsent(json)) {
      return null;
    }

    const year = typeof json === 'string' ? INSTANT.exec(json)?.[1] : undefined;

    if (typeof json === 'string' && year !== undefined && year >= `${FIRST_YEAR}` && year <= `${LAST_YEAR}`) {
      const at = new Date(json);

      // Date reads 30 February as 2 March, and drops digits past the millisecond.
      const isReal = !Number.isNaN(at.getTime()) && at.toISOString().startsWith(json.slice(0, 16));

      if (isReal && isQuarterHour(at) && !/\.\d*[1-9]/.test(json)) {
        return at;
      }
    }

    const wanted = `an ISO 8601 instant in UTC on a quarter hour from ${FIRST_YEAR} to ${LAST_YEAR}`;
    this.#refuse([name], `must be ${wanted}, such as 2026-11-21T00:00:00Z, not ${shown(json)}`);

    return null;
  }

  #daily(json: unknown): DailyWindow | null {
    if (isAbsent(json)) {
      return null;
    }

    if (!isRecord(json)) {
      this.#refuse(['daily'], `must be an object with start, end and timeZone, not ${shown(json)}`);

      return null;
    }

    this.#refuseUnknown(json, ['start', 'end', 'timeZone', 'weekdays'], ['daily']);

    const before = this.refusals.length;
    const daily = canonicalDaily({
      start: this.#time(json['start'], 'start'),
      end: this.#time(json['end'], 'end'),
      timeZone: this.#zone(json['timeZone']),
      weekdays: this.#weekdays(json['weekdays']),
    });

    if (this.refusals.length > before) {
      return null;
    }

    if (json['start'] === json['end']) {
      this.#refuse(['daily', 'end'], `must differ from start; the whole day is ${MIDNIGHT} to ${END_OF_DAY}`);
    } else if (daily.start === MIDNIGHT && daily.end === END_OF_DAY && daily.weekdays === null) {
      this.#refuse(
        ['daily'],
        'must leave out some hours or weekdays; a window for all hours of all days needs no daily',
      );
    }

    return daily;
  }

  #time(json: unknown, name: 'start' | 'end'): string {
    if (typeof json === 'string' && (TIME.test(json) || (name === 'end' && json === END_OF_DAY))) {
      return json;
    }

    const last = name === 'end' ? END_OF_DAY : '23:45';
    this.#refuse(['daily', name], `must be a quarter hour from ${MIDNIGHT} to ${last}, not ${shown(json)}`);

    return MIDNIGHT;
  }

  #zone(json: unknown): string {
    const zone = typeof json === 'string' && ZONE.test(json) ? zoneNamed(json) : null;

    if (zone === null) {
      this.#refuse(['daily', 'timeZone'], `must be an IANA time zone such as Europe/Berlin, not ${shown(json)}`);
    }

    return zone ?? 'UTC';
  }

  #weekdays(json: unknown): readonly number[] | null {
    if (isAbsent(json)) {
      return null;
    }

    if (!Array.isArray(json) || json.length < 1 || json.length > WEEKDAYS.length) {
      this.#refuse(['daily', 'weekdays'], 'must be a list of 1 to 7 weekdays; leave it out for every day');

      return null;
    }

    const weekdays: readonly unknown[] = json;

    return weekdays.flatMap((weekday, index) => {
      const field = ['daily', 'weekdays', String(index)];

      if (typeof weekday !== 'number' || !WEEKDAYS.includes(weekday)) {
        this.#refuse(field, 'must be a whole number from 1 for Monday to 7 for Sunday');

        return [];
      }

      if (weekdays.indexOf(weekday) < index) {
        this.#refuse(field, `must not be ${weekday} again`);
      }

      return [weekday];
    });
  }

  #refuseUnknown(json: Fields, fields: readonly string[], path: readonly string[]): void {
    for (const name of Object.keys(json)) {
      if (!fields.includes(name) && !isAbsent(json[name])) {
        this.#refuse([...path, name.slice(0, 60)], `is not a field here: ${fields.join(', ')} are`);
      }
    }
  }

  #refuse(field: readonly string[], message: string): void {
    const whole = [...this.path, ...field];
    this.refusals.push({ field: whole, message: `${whole.join('.') || 'the window'} ${message}` });
  }
}

/** The zone's name in its own letter case, or null. An alias such as Asia/Kolkata stays as it is written. */
function zoneNamed(name: string): string | null {
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();

    return timeZone.toLowerCase() === name.toLowerCase() ? timeZone : name;
  } catch {
    return null;
  }
}

/** The JSON form of a window; `readPriceWindow` reads the same window back. */
export function priceWindowJson({ from, until, daily }: PriceWindow): PriceWindowJson {
  return {
    from: from?.toISOString() ?? null,
    until: until?.toISOString() ?? null,
    daily: daily && canonicalDaily(daily),
  };
}

/** A text that two windows share exactly when their fields mean the same. */
export function windowKey(window: PriceWindow): string {
  const { from, until, daily } = priceWindowJson(window);

  return JSON.stringify([from, until, daily && [daily.start, daily.end, daily.timeZone, daily.weekdays]]);
}

/** Whether the window holds at an instant. Its hours hold for whole quarter hours, as the clock shows when one starts. */
export function isActive({ from, until, daily }: PriceWindow, at: Date): boolean {
  if ((from && at < from) || (until && at >= until)) {
    return false;
  }

  return !daily || isDailyActive(daily, at.getTime());
}

/**
 * The instants strictly inside a period at which `isActive` turns, ascending: all of them quarter hours, and it is the
 * same for all instants from one to the next.
 */
export function changesWithin(window: PriceWindow, period: { readonly start: Date; readonly end: Date }): Date[] {
  const [start, end] = [period.start.getTime(), period.end.getTime()];
  const turns = [window.from, window.until].flatMap(at => (at ? [at.getTime()] : []));

  for (const instant of window.daily ? dailyTurns(window.daily, start, end) : []) {
    turns.push(instant);
  }

  return [...new Set(turns)]
    .filter(at => at > start && at < end)
    .sort((a, b) => a - b)
    .map(at => new Date(at))
    .filter(at => isActive(window, at) !== isActive(window, new Date(at.getTime() - QUARTER_HOUR_MS)));
}

/**
 * Whether some instant that usage can have, from 1970 to 2200, is in both windows. Exact,
 * also for the hours of two zones.
 */
export function windowsOverlap(a: PriceWindow, b: PriceWindow): boolean {
  const start = Math.max(a.from?.getTime() ?? FIRST_MS, b.from?.getTime() ?? FIRST_MS);
  const end = Math.min(a.until?.getTime() ?? END_MS, b.until?.getTime() ?? END_MS);
  const one = a.daily ?? b.daily;
  const other = b.daily ?? a.daily;

  return start < end && (!one || !other || dailiesMeet(one, other, start, end));
}
