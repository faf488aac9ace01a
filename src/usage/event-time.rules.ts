const MAX_LENGTH = 40;
const LEAST_MS = 0;
/** The first moment after 2200, the last year an event may lie in. */
const YEAR_2201_MS = Date.UTC(2201, 0, 1);
const DAY_MS = 86_400_000;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

const EXPECTED = 'time is RFC 3339 with a zone, such as 2026-09-01T12:34:56.789Z';

/**
 * The moment of an RFC 3339 text in milliseconds since 1970, or the sentence that refuses it: another form, no zone, a date
 * that no calendar has, a year outside 1970 to 2200, more than 24 hours after `nowMs`. Digits past the millisecond are cut.
 * A leap second (`:60`) is refused, as no clock here has one.
 */
export function readEventTime(value: unknown, nowMs: number): number | string {
  if (typeof value !== 'string') {
    return value === undefined ? 'time is missing; send RFC 3339 with a zone' : `${EXPECTED}, as a string`;
  }

  if (value.length < 20 || value.length > MAX_LENGTH || !hasSeparators(value)) {
    return EXPECTED;
  }

  const year = pair(value, 0) * 100 + pair(value, 2);
  const month = pair(value, 5);
  const day = pair(value, 8);
  const hour = pair(value, 11);
  const minute = pair(value, 14);
  const second = pair(value, 17);

  let at = 19;
  let millisecond = 0;

  if (value.charCodeAt(at) === 0x2e) {
    const start = (at += 1);

    while (isDigit(value.charCodeAt(at))) {
      millisecond +=
        at - start < 3 ? (value.charCodeAt(at) - 0x30) * (at === start ? 100 : at === start + 1 ? 10 : 1) : 0;
      at += 1;
    }

    if (at === start) {
      return EXPECTED;
    }
  }

  const offsetMinutes = readZone(value, at);

  // NaN, the mark of a non-digit, travels through every sum above.
  if (Number.isNaN(year + month + day + hour + minute + second + offsetMinutes)) {
    return EXPECTED;
  }

  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month) || hour > 23 || minute > 59 || second > 59) {
    return 'time is no real date and time of day';
  }

  // A year below 1970 needs no Date.UTC, which reads 0 to 99 as 1900 to 1999.
  const ms =
    year < 1969 ? -1 : Date.UTC(year, month - 1, day, hour, minute, second, millisecond) - offsetMinutes * 60_000;

  if (ms < LEAST_MS || ms >= YEAR_2201_MS) {
    return 'time lies outside the years 1970 to 2200';
  }

  return ms > nowMs + DAY_MS ? 'time lies more than 24 hours in the future; check the clock of the sender' : ms;
}

/** `____-__-__T__:__:__` */
function hasSeparators(text: string): boolean {
  const t = text.charCodeAt(10);

  return (
    text.charCodeAt(4) === 0x2d &&
    text.charCodeAt(7) === 0x2d &&
    (t === 0x54 || t === 0x74) &&
    text.charCodeAt(13) === 0x3a &&
    text.charCodeAt(16) === 0x3a
  );
}

/** Minutes east of UTC of the zone that must fill the rest of the text; NaN for anything else. */
function readZone(text: string, at: number): number {
  const sign = text.charCodeAt(at);

  if (sign === 0x5a || sign === 0x7a) {
    return text.length === at + 1 ? 0 : NaN;
  }

  if ((sign !== 0x2b && sign !== 0x2d) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 0x3a) {
    return NaN;
  }

  const hours = pair(text, at + 1);
  const minutes = pair(text, at + 4);

  if (hours > 23 || minutes > 59) {
    return NaN;
  }

  return (sign === 0x2b ? 1 : -1) * (hours * 60 + minutes);
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/** The number of the two digits at `at`, or NaN. */
function pair(text: string, at: number): number {
  const tens = text.charCodeAt(at);
  const units = text.charCodeAt(at + 1);

  return isDigit(tens) && isDigit(units) ? (tens - 0x30) * 10 + units - 0x30 : NaN;
}

function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);

  return month === 2 && isLeap ? 29 : (DAYS[month - 1] ?? 0);
}
