import fc from 'fast-check';
import { DateTime } from 'luxon';
import {
  changesWithin,
  type DailyWindow,
  isActive,
  type PriceWindow,
  priceWindowJson,
  readPriceWindow,
  windowKey,
  windowsOverlap,
} from '../../src/pricing/window.rules.js';

const QUARTER_HOUR_MS = 900_000;
const DAY_MS = 86_400_000;
const ZONES = Intl.supportedValuesOf('timeZone');
/** Zones with summer time of an hour, of half an hour and on odd days, with none, and far from UTC on both sides. */
const LIVELY = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Asia/Kathmandu',
  'Asia/Gaza',
  'Pacific/Apia',
  'Pacific/Niue',
];

const daily = (start: string, end: string, timeZone = 'UTC', weekdays: readonly number[] | null = null) => ({
  start,
  end,
  timeZone,
  weekdays,
});
const windowOf = (parts: {
  readonly from?: string;
  readonly until?: string;
  readonly daily?: DailyWindow;
}): PriceWindow => ({
  from: parts.from ? new Date(parts.from) : null,
  until: parts.until ? new Date(parts.until) : null,
  daily: parts.daily ?? null,
});
const read = (json: unknown): PriceWindow => {
  const reading = readPriceWindow(json, ['window']);

  if ('refusals' in reading) {
    throw new Error(JSON.stringify(reading.refusals));
  }

  return reading.window;
};
const refusedFields = (json: unknown): string[] => {
  const reading = readPriceWindow(json, ['window']);

  return 'refusals' in reading ? reading.refusals.map(({ field }) => field.join('.')) : [];
};
const changes = (window: PriceWindow, start: string, end: string): string[] =>
  changesWithin(window, { start: new Date(start), end: new Date(end) }).map(at => at.toISOString());

/** As a person with a calendar and a clock of the zone would say it; a quarter hour is as it starts. */
function naiveActive({ from, until, daily: hours }: PriceWindow, at: Date): boolean {
  if ((from && at.getTime() < from.getTime()) || (until && at.getTime() >= until.getTime())) {
    return false;
  }

  if (!hours) {
    return true;
  }

  const floor = Math.floor(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;
  const clock = DateTime.fromMillis(floor, { zone: hours.timeZone });
  const time = clock.toFormat('HH:mm:ss.SSS');
  const yesterday = clock.weekday === 1 ? 7 : clock.weekday - 1;
  const allowed = (weekday: number): boolean => !hours.weekdays || hours.weekdays.includes(weekday);

  if (hours.start < hours.end) {
    return time >= hours.start && time < hours.end && allowed(clock.weekday);
  }

  return (time >= hours.start && allowed(clock.weekday)) || (time < hours.end && allowed(yesterday));
}

function* quarterHours(start: Date, end: Date): Generator<Date> {
  const first = Math.ceil(start.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;

  for (let at = first; at < end.getTime(); at += QUARTER_HOUR_MS) {
    yield new Date(at);
  }
}

const dayTime = (most: number) =>
  fc
    .integer({ min: 0, max: most })
    .map(
      quarter => `${String(Math.floor(quarter / 4)).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`,
    );
const dailyWindow = (zones: readonly string[]) =>
  fc
    .record({
      start: dayTime(95),
      end: dayTime(96),
      timeZone: fc.constantFrom(...zones),
      weekdays: fc.option(fc.subarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1, maxLength: 6 })),
    })
    .filter(({ start, end, weekdays }) => start !== end && (start !== '00:00' || end < '24:00' || weekdays !== null));
const quarterHour = (first: number, last: number) =>
  fc
    .integer({ min: first / QUARTER_HOUR_MS, max: last / QUARTER_HOUR_MS })
    .map(count => new Date(count * QUARTER_HOUR_MS));
const FIRST = Date.UTC(1970, 0, 1);
const LAST = Date.UTC(2100, 0, 1);

describe('readPriceWindow', () => {
  test('reads a promotion with an end and writes it back', () => {
    const window = read({ until: '2026-11-21T00:00:00Z' });
    expect(window).toEqual({ from: null, until: new Date('2026-11-21T00:00:00Z'), daily: null });
    expect(priceWindowJson(window)).toEqual({ from: null, until: '2026-11-21T00:00:00.000Z', daily: null });
  });

  test.each([
    [{ from: '1970-01-01T00:00:00.000Z', until: null, daily: null }],
    [{ from: '2026-08-21T00:15:00.000Z', until: '2200-12-31T23:45:00.000Z', daily: null }],
    [{ from: null, until: null, daily: daily('00:30', '16:30') }],
    [{ from: null, until: null, daily: daily('16:30', '00:30') }],
    [{ from: null, until: null, daily: daily('00:00', '24:00', 'Europe/Berlin', [6, 7]) }],
    [{ from: null, until: null, daily: daily('22:00', '06:00', 'Asia/Kolkata', [1]) }],
  ])('%j is read and written back the same', json => {
    expect(priceWindowJson(read(json))).toEqual(json);
  });

  test('brings what means the same into one form', () => {
    expect(priceWindowJson(read({ from: '2026-11-21T00:00Z' }))).toEqual(
      priceWindowJson(read({ from: '2026-11-21T00:00:00.000000000Z', until: undefined, daily: null })),
    );
    expect(
      read({ daily: { start: '22:00', end: '00:00', timeZone: 'europe/BERLIN', weekdays: [7, 1] } }).daily,
    ).toEqual(daily('22:00', '24:00', 'Europe/Berlin', [1, 7]));
    expect(read({ daily: { ...daily('09:00', '17:00'), weekdays: [7, 6, 5, 4, 3, 2, 1] } }).daily).toEqual(
      daily('09:00', '17:00'),
    );
  });

  test.each<[string, unknown, string[]]>([
    ['no object', 'today', ['window']],
    ['a list', [], ['window']],
    ['nothing', null, ['window']],
    ['no field at all', {}, ['window']],
    ['only null', { from: null, until: null, daily: null }, ['window']],
    ['an unknown field', { from: '2026-01-01T00:00Z', to: '2026-02-01T00:00Z' }, ['window.to']],
    ['an unknown field that every object has', JSON.parse('{"__proto__": 1}'), ['window.__proto__']],
    ['an instant off the quarter hour', { from: '2026-01-01T00:05:00Z' }, ['window.from']],
    ['an instant with seconds', { until: '2026-01-01T00:15:01Z' }, ['window.until']],
    ['an instant with less than a millisecond', { until: '2026-01-01T00:15:00.0001Z' }, ['window.until']],
    ['an instant with an offset', { from: '2026-01-01T00:00:00+00:00' }, ['window.from']],
    ['an instant without a zone', { from: '2026-01-01T00:00:00' }, ['window.from']],
    ['a date', { from: '2026-01-01' }, ['window.from']],
    ['a day that no calendar has', { from: '2026-02-30T00:00:00Z' }, ['window.from']],
    ['a month that no calendar has', { from: '2026-13-01T00:00:00Z' }, ['window.from']],
    ['an hour that no day has', { from: '2026-01-01T24:00:00Z' }, ['window.from']],
    ['a year before usage', { from: '1969-12-31T23:45:00Z' }, ['window.from']],
    ['a year after usage', { until: '2201-01-01T00:00:00Z' }, ['window.until']],
    ['a number', { from: 1_767_225_600_000 }, ['window.from']],
    ['an end at its start', { from: '2026-01-01T00:00Z', until: '2026-01-01T00:00Z' }, ['window.until']],
    ['an end before all usage', { until: '1970-01-01T00:00Z' }, ['window.until']],
    ['an end before its start', { from: '2026-01-02T00:00Z', until: '2026-01-01T00:00Z' }, ['window.until']],
    ['hours that are none', { daily: '09:00-17:00' }, ['window.daily']],
    ['hours without anything', { daily: {} }, ['window.daily.start', 'window.daily.end', 'window.daily.timeZone']],
    ['a start at 24:00', { daily: daily('24:00', '06:00') }, ['window.daily.start']],
    ['a time off the quarter hour', { daily: daily('00:10', '06:00') }, ['window.daily.start']],
    ['a time beyond the day', { daily: daily('09:00', '24:15') }, ['window.daily.end']],
    ['a time without a leading zero', { daily: daily('9:00', '17:00') }, ['window.daily.start']],
    ['a time with a line feed', { daily: daily('09:00\n', '17:00') }, ['window.daily.start']],
    ['hours of no length', { daily: daily('09:00', '09:00') }, ['window.daily.end']],
    ['midnight to midnight', { daily: daily('00:00', '00:00') }, ['window.daily.end']],
    ['all hours of all days', { daily: daily('00:00', '24:00') }, ['window.daily']],
    ['all hours of seven days', { daily: daily('00:00', '24:00', 'UTC', [1, 2, 3, 4, 5, 6, 7]) }, ['window.daily']],
    ['an unknown zone', { daily: daily('09:00', '17:00', 'Europe/Atlantis') }, ['window.daily.timeZone']],
    ['the zone of the machine', { daily: daily('09:00', '17:00', 'system') }, ['window.daily.timeZone']],
    ['the zone of whoever asks', { daily: daily('09:00', '17:00', 'local') }, ['window.daily.timeZone']],
    ['an offset for a zone', { daily: daily('09:00', '17:00', '+02:00') }, ['window.daily.timeZone']],
    ['no weekdays', { daily: daily('09:00', '17:00', 'UTC', []) }, ['window.daily.weekdays']],
    ['weekdays that are no list', { daily: { ...daily('09:00', '17:00'), weekdays: 1 } }, ['window.daily.weekdays']],
    ['eight weekdays', { daily: daily('09:00', '17:00', 'UTC', [1, 2, 3, 4, 5, 6, 7, 1]) }, ['window.daily.weekdays']],
    [
      'weekdays out of range',
      { daily: { ...daily('09:00', '17:00'), weekdays: [0, 3, 8, 1.5, '2'] } },
      ['0', '2', '3', '4'].map(index => `window.daily.weekdays.${index}`),
    ],
    ['a weekday twice', { daily: daily('09:00', '17:00', 'UTC', [5, 1, 5]) }, ['window.daily.weekdays.2']],
    ['an unknown field of hours', { daily: { ...daily('09:00', '17:00'), zone: 'UTC' } }, ['window.daily.zone']],
    [
      'everything at once',
      { from: 'x', until: 'y', daily: { start: 'z' } },
      ['window.from', 'window.until', 'window.daily.start', 'window.daily.end', 'window.daily.timeZone'],
    ],
    [
      'Mondays of a weekend',
      { from: '2026-11-21T00:00Z', until: '2026-11-23T00:00Z', daily: daily('09:00', '17:00', 'UTC', [1]) },
      ['window.daily'],
    ],
    [
      'an hour that summer time skips',
      { from: '2026-03-28T12:00Z', until: '2026-03-29T12:00Z', daily: daily('02:00', '03:00', 'Europe/Berlin') },
      ['window.daily'],
    ],
  ])('refuses %s, naming the field', (_, json, fields) => {
    expect(refusedFields(json)).toEqual(fields);
  });

  test('a refusal names the whole path and says what was given and what would do', () => {
    expect(readPriceWindow({ until: '2026-11-21' }, ['prices', '3', 'window'])).toEqual({
      refusals: [
        {
          field: ['prices', '3', 'window', 'until'],
          message:
            'prices.3.window.until must be an ISO 8601 instant in UTC on a quarter hour from 1970 to 2200, such as 2026-11-21T00:00:00Z, not "2026-11-21"',
        },
      ],
    });
    expect(readPriceWindow({}, [])).toEqual({
      refusals: [
        {
          field: [],
          message: 'the window must give from, until or daily; leave the window out where the price always applies',
        },
      ],
    });
  });

  test('any JSON is answered, never thrown at', () => {
    fc.assert(
      fc.property(fc.jsonValue(), json => {
        for (const given of [
          json,
          { from: json },
          { until: json, daily: { start: json, end: json, weekdays: [json] } },
        ]) {
          const reading = readPriceWindow(given, ['window']);
          expect('window' in reading || reading.refusals.length > 0).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('what is read is what was written, and it applies at some time', () => {
    const instants = fc.option(quarterHour(FIRST, LAST));
    fc.assert(
      fc.property(instants, instants, fc.option(dailyWindow(LIVELY)), (from, until, hours) => {
        const reading = readPriceWindow(priceWindowJson({ from, until, daily: hours }), []);

        if ('window' in reading) {
          expect(windowKey(reading.window)).toBe(windowKey({ from, until, daily: hours }));
          expect(readPriceWindow(priceWindowJson(reading.window), [])).toEqual(reading);
          expect(windowsOverlap(reading.window, reading.window)).toBe(true);
        } else {
          expect(from || until ? +(until ?? LAST) - +(from ?? FIRST) < (hours ? 15 * DAY_MS : 1) : !hours).toBe(true);
        }
      }),
    );
  });
});

describe('windowKey', () => {
  test('is the same for windows that are written differently, and another for each other window', () => {
    const alike = [
      windowOf({ daily: daily('22:00', '24:00', 'UTC', [7, 1]) }),
      windowOf({ daily: daily('22:00', '00:00', 'UTC', [1, 7]) }),
      windowOf({ daily: daily('22:00', '24:00', 'UTC', [1, 7, 1]) }),
    ];
    const others = [
      windowOf({ daily: daily('22:00', '24:00', 'UTC', [1]) }),
      windowOf({ daily: daily('22:00', '24:00', 'UTC') }),
      windowOf({ daily: daily('22:00', '23:45', 'UTC', [1, 7]) }),
      windowOf({ daily: daily('22:00', '24:00', 'Europe/Berlin', [1, 7]) }),
      windowOf({ from: '2026-01-01T00:00Z', daily: daily('22:00', '24:00', 'UTC', [1, 7]) }),
      windowOf({ from: '2026-01-01T00:00Z' }),
      windowOf({ until: '2026-01-01T00:00Z' }),
    ];
    expect(new Set(alike.map(windowKey)).size).toBe(1);
    expect(new Set([...alike, ...others].map(windowKey)).size).toBe(1 + others.length);
    expect(windowKey(windowOf({ daily: daily('22:00', '06:00', 'UTC', [1, 2, 3, 4, 5, 6, 7]) }))).toBe(
      windowKey(windowOf({ daily: daily('22:00', '06:00') })),
    );
  });
});

describe('isActive and changesWithin', () => {
  test('a promotion holds from its first instant up to, and not at, its last', () => {
    const window = windowOf({ from: '2026-08-21T00:00Z', until: '2026-11-21T00:00Z' });
    const at = (text: string) => isActive(window, new Date(text));
    expect(
      ['2026-08-20T23:59:59.999Z', '2026-08-21T00:00Z', '2026-11-20T23:59:59.999Z', '2026-11-21T00:00Z'].map(at),
    ).toEqual([false, true, true, false]);
    expect(changes(window, '2026-01-01T00:00Z', '2027-01-01T00:00Z')).toEqual([
      '2026-08-21T00:00:00.000Z',
      '2026-11-21T00:00:00.000Z',
    ]);
    expect(changes(window, '2026-08-21T00:00Z', '2026-11-21T00:00Z')).toEqual([]);
    expect(changes(window, '2026-08-20T23:59:59.999Z', '2026-08-21T00:00:00.001Z')).toEqual([
      '2026-08-21T00:00:00.000Z',
    ]);
  });

  test('the full and the half price of a day in UTC take turns and leave nothing out', () => {
    const [full, half] = [windowOf({ daily: daily('00:30', '16:30') }), windowOf({ daily: daily('16:30', '00:30') })];
    const turns = [
      '2026-11-20T00:30:00.000Z',
      '2026-11-20T16:30:00.000Z',
      '2026-11-21T00:30:00.000Z',
      '2026-11-21T16:30:00.000Z',
    ];
    expect(changes(full, '2026-11-20T00:00Z', '2026-11-22T00:00Z')).toEqual(turns);
    expect(changes(half, '2026-11-20T00:00Z', '2026-11-22T00:00Z')).toEqual(turns);
    expect(windowsOverlap(full, half)).toBe(false);

    for (const at of quarterHours(new Date('2026-11-20T00:00Z'), new Date('2026-11-22T00:00Z'))) {
      expect(isActive(full, at)).toBe(!isActive(half, at));
    }
  });

  test('a night belongs to the weekday on which it starts', () => {
    // 2026-11-20 is a Friday.
    const window = windowOf({ daily: daily('22:00', '06:00', 'UTC', [5]) });
    expect(changes(window, '2026-11-16T00:00Z', '2026-11-23T00:00Z')).toEqual([
      '2026-11-20T22:00:00.000Z',
      '2026-11-21T06:00:00.000Z',
    ]);
  });

  test('a weekend is one stretch, and its clock change does not cut it', () => {
    const window = windowOf({ daily: daily('00:00', '24:00', 'Europe/Berlin', [6, 7]) });
    expect(changes(window, '2026-03-23T00:00Z', '2026-03-31T00:00Z')).toEqual([
      '2026-03-27T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
    ]);
  });

  test('an hour that summer time skips does not come, and one that it repeats comes twice', () => {
    const window = windowOf({ daily: daily('02:15', '02:45', 'Europe/Berlin') });
    expect(changes(window, '2026-03-28T12:00Z', '2026-03-29T12:00Z')).toEqual([]);
    expect(changes(window, '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      '2026-10-25T00:15:00.000Z',
      '2026-10-25T00:45:00.000Z',
      '2026-10-25T01:15:00.000Z',
      '2026-10-25T01:45:00.000Z',
    ]);
  });

  test('hours that start in the hour that summer time skips start where the clock goes on', () => {
    const window = windowOf({ daily: daily('02:30', '05:00', 'America/New_York') });
    expect(changes(window, '2026-03-08T00:00Z', '2026-03-09T00:00Z')).toEqual([
      '2026-03-08T07:00:00.000Z',
      '2026-03-08T09:00:00.000Z',
    ]);
  });

  test('a clock that is moved within a quarter hour counts as moved after it', () => {
    // St. John's, 2009-11-01: 00:01 became 23:01 of 31 October again, at 02:31Z.
    const window = windowOf({ daily: daily('23:00', '24:00', 'America/St_Johns') });
    expect(changes(window, '2009-10-31T12:00Z', '2009-11-01T12:00Z')).toEqual([
      '2009-11-01T01:30:00.000Z',
      '2009-11-01T02:30:00.000Z',
      '2009-11-01T02:45:00.000Z',
      '2009-11-01T03:30:00.000Z',
    ]);
  });

  test('a quarter hour is never cut, even by a clock that is off by seconds', () => {
    // Monrovia was 44 minutes and 30 seconds behind UTC until 1972: at 01:00Z its clocks showed 00:15:30.
    const window = windowOf({ daily: daily('00:15', '01:00', 'Africa/Monrovia') });
    expect(isActive(window, new Date('1970-06-01T00:59:59.999Z'))).toBe(false);
    expect(isActive(window, new Date('1970-06-01T01:00:00Z'))).toBe(true);
    expect(changes(window, '1970-06-01T00:00Z', '1970-06-01T12:00Z')).toEqual([
      '1970-06-01T01:00:00.000Z',
      '1970-06-01T01:45:00.000Z',
    ]);
  });

  test('a day that a zone leaves out is left out', () => {
    // Apia had no Friday 2011-12-30: it went from 29 to 31 December.
    const window = windowOf({ daily: daily('09:00', '17:00', 'Pacific/Apia', [5]) });
    expect(changes(window, '2011-12-26T10:00Z', '2012-01-02T10:00Z')).toEqual([]);
  });

  test('hours are clipped to the dates', () => {
    const window = windowOf({ from: '2026-11-20T12:00Z', until: '2026-11-21T12:00Z', daily: daily('09:00', '17:00') });
    expect(changes(window, '2026-11-19T00:00Z', '2026-11-23T00:00Z')).toEqual([
      '2026-11-20T12:00:00.000Z',
      '2026-11-20T17:00:00.000Z',
      '2026-11-21T09:00:00.000Z',
      '2026-11-21T12:00:00.000Z',
    ]);
  });

  test('any instant that a Date can hold is answered', () => {
    const window = windowOf({ daily: daily('09:00', '17:00', 'Europe/Berlin') });
    fc.assert(fc.property(fc.date(), at => expect(typeof isActive(window, at)).toBe('boolean')));
    expect([8.64e15, -8.64e15, Number.NaN].map(ms => isActive(window, new Date(ms)))).toEqual([false, false, false]);
    expect(() => isActive(windowOf({ daily: daily('09:00', '17:00', 'Europe/Atlantis') }), new Date(0))).toThrow(
      RangeError,
    );
  });

  test('isActive is what a calendar and a clock of the zone say, in every zone', () => {
    fc.assert(
      fc.property(
        dailyWindow(ZONES),
        fc.integer({ min: FIRST, max: LAST }).map(ms => new Date(ms)),
        (hours, at) => {
          const window = windowOf({ daily: hours });
          expect([hours, at, isActive(window, at)]).toEqual([hours, at, naiveActive(window, at)]);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('the changes are those that looking at each quarter hour finds', () => {
    const periods = fc
      .tuple(fc.integer({ min: FIRST, max: LAST }), fc.integer({ min: 1, max: 9 * DAY_MS }))
      .map(([start, length]) => ({ start: new Date(start), end: new Date(start + length) }));
    const bound = fc.option(fc.integer({ min: -200, max: 800 }));
    fc.assert(
      fc.property(dailyWindow(ZONES), periods, bound, bound, (hours, period, from, until) => {
        expectChanges(hours, period, from, until);
      }),
      { numRuns: 200 },
    );
  });

  test('the changes are those that looking at each quarter hour finds, around clock changes', () => {
    const moves = LIVELY.flatMap(timeZone => clockMoves(timeZone, 2003, 2031).map(at => ({ timeZone, at })));
    expect(moves.length).toBeGreaterThan(200);
    fc.assert(
      fc.property(
        fc.constantFrom(...moves),
        dailyWindow(['UTC']),
        fc.integer({ min: -150, max: -48 }),
        ({ timeZone, at }, hours, ahead) => {
          const start = new Date(at.getTime() + ahead * QUARTER_HOUR_MS - 1);
          const end = new Date(start.getTime() + 1.5 * DAY_MS);
          expectChanges({ ...hours, timeZone }, { start, end }, null, null);
        },
      ),
      { numRuns: 400 },
    );
  });

  /** `from` and `until` count quarter hours from the start of the period. */
  function expectChanges(
    hours: DailyWindow,
    period: { readonly start: Date; readonly end: Date },
    from: number | null,
    until: number | null,
  ): void {
    const floor = Math.floor(period.start.getTime() / QUARTER_HOUR_MS);
    const bound = (quarters: number | null): Date | null =>
      quarters === null ? null : new Date((floor + quarters) * QUARTER_HOUR_MS);
    const window = { from: bound(from), until: bound(until), daily: hours };
    const expected = [...quarterHours(period.start, period.end)].filter(
      at =>
        at > period.start && naiveActive(window, at) !== naiveActive(window, new Date(at.getTime() - QUARTER_HOUR_MS)),
    );
    expect([hours, changesWithin(window, period)]).toEqual([hours, expected]);
  }

  /** Within a day after each time that a zone's clock is moved. */
  function clockMoves(timeZone: string, firstYear: number, lastYear: number): Date[] {
    const moves: Date[] = [];
    let before = DateTime.utc(firstYear).setZone(timeZone).offset;

    for (let ms = Date.UTC(firstYear, 0, 1); ms < Date.UTC(lastYear, 0, 1); ms += DAY_MS) {
      const { offset } = DateTime.fromMillis(ms, { zone: timeZone });
      moves.push(...(offset === before ? [] : [new Date(ms)]));
      before = offset;
    }

    return moves;
  }
});

describe('windowsOverlap', () => {
  const promotion = windowOf({ from: '2026-08-21T00:00Z', until: '2026-11-21T00:00Z' });

  test.each<[string, PriceWindow, PriceWindow, boolean]>([
    ['itself', promotion, promotion, true],
    ['what comes right after', promotion, windowOf({ from: '2026-11-21T00:00Z' }), false],
    ['what ends a quarter hour later', promotion, windowOf({ from: '2026-11-20T23:45Z' }), true],
    ['what came right before', promotion, windowOf({ until: '2026-08-21T00:00Z' }), false],
    ['hours of a day', promotion, windowOf({ daily: daily('00:30', '00:45', 'Asia/Kathmandu', [3]) }), true],
    [
      'hours that never come in it',
      windowOf({ from: '2026-11-21T00:00Z', until: '2026-11-23T00:00Z' }),
      windowOf({ daily: daily('09:00', '17:00', 'UTC', [1, 5]) }),
      false,
    ],
    [
      'hours that come in its last quarter hour',
      windowOf({ from: '2026-11-21T00:00Z', until: '2026-11-23T00:00Z' }),
      windowOf({ daily: daily('23:45', '24:00', 'UTC', [7]) }),
      true,
    ],
  ])('a window and %s', (_, a, b, expected) => {
    expect([windowsOverlap(a, b), windowsOverlap(b, a)]).toEqual([expected, expected]);
  });

  test('hours of one zone meet or not whatever its summer time', () => {
    const berlin = (start: string, end: string, weekdays: readonly number[] | null = null) =>
      windowOf({ daily: daily(start, end, 'Europe/Berlin', weekdays) });
    expect(windowsOverlap(berlin('06:00', '22:00'), berlin('22:00', '06:00'))).toBe(false);
    expect(windowsOverlap(berlin('06:00', '22:15'), berlin('22:00', '06:00'))).toBe(true);
    expect(windowsOverlap(berlin('22:00', '06:00', [5]), berlin('05:45', '22:00', [6]))).toBe(true);
    expect(windowsOverlap(berlin('22:00', '06:00', [5]), berlin('05:45', '22:00', [5]))).toBe(false);
  });

  test('hours of two zones meet when they do so in a few weeks of the year only', () => {
    // New York is five hours behind Berlin for two or three weeks in March and one in autumn, else six.
    const berlin = windowOf({ daily: daily('09:00', '09:15', 'Europe/Berlin') });
    const newYork = (parts: { readonly from?: string; readonly until?: string }) =>
      windowOf({ ...parts, daily: daily('04:00', '04:15', 'America/New_York') });
    expect(windowsOverlap(berlin, newYork({}))).toBe(true);
    expect(windowsOverlap(berlin, newYork({ from: '2026-04-01T00:00Z', until: '2026-10-25T00:00Z' }))).toBe(false);
    expect(windowsOverlap(berlin, newYork({ from: '2026-04-01T00:00Z', until: '2026-10-26T09:00Z' }))).toBe(true);
    expect(windowsOverlap(newYork({ from: '2026-03-28T08:00Z', until: '2026-03-28T08:15Z' }), berlin)).toBe(true);
    expect(windowsOverlap(newYork({ from: '2026-03-28T08:15Z', until: '2026-10-25T00:00Z' }), berlin)).toBe(false);
  });

  test('hours of two zones meet when they do so in half of the year only, whichever half comes first', () => {
    const utc = windowOf({ from: '2026-06-01T00:00Z', daily: daily('09:00', '09:15') });
    expect(windowsOverlap(utc, windowOf({ daily: daily('09:00', '09:15', 'Europe/London') }))).toBe(true);
    expect(windowsOverlap(utc, windowOf({ daily: daily('10:00', '10:15', 'Europe/London') }))).toBe(true);
    expect(windowsOverlap(utc, windowOf({ daily: daily('11:00', '11:15', 'Europe/London') }))).toBe(false);
    // The last hours of summer time hold no Monday; the next summer does.
    const mondays = windowOf({ from: '2026-10-24T00:00Z', daily: daily('10:00', '10:15', 'Europe/Berlin', [1]) });
    expect(windowsOverlap(mondays, windowOf({ daily: daily('08:00', '08:15') }))).toBe(true);
    expect(windowsOverlap(mondays, windowOf({ until: '2027-03-29T08:00Z', daily: daily('08:00', '08:15') }))).toBe(
      false,
    );
  });

  test('hours of two zones that never meet do not, in all the years', () => {
    // Kathmandu is three quarters of an hour off the hours of New York, in summer and winter, since 1986.
    const kathmandu = windowOf({ from: '1990-01-01T00:00Z', daily: daily('12:00', '12:15', 'Asia/Kathmandu') });
    expect(windowsOverlap(kathmandu, windowOf({ daily: daily('01:00', '01:15', 'America/New_York') }))).toBe(false);
    expect(windowsOverlap(kathmandu, windowOf({ daily: daily('01:15', '01:30', 'America/New_York') }))).toBe(true);
    expect(windowsOverlap(kathmandu, windowOf({ daily: daily('02:15', '02:30', 'America/New_York') }))).toBe(true);
  });

  test('is what looking at each quarter hour finds', () => {
    const stretch = fc.tuple(quarterHour(Date.UTC(2005, 0, 1), Date.UTC(2040, 0, 1)), fc.integer({ min: 1, max: 700 }));
    const zones = fc.constantFrom(...LIVELY);
    const hours = fc.option(
      fc.record({
        start: dayTime(92),
        length: fc.integer({ min: 1, max: 4 }),
        timeZone: zones,
        weekdays: fc.option(fc.subarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1, maxLength: 2 })),
      }),
      { freq: 6 },
    );
    const toDaily = (drawn: { start: string; length: number; timeZone: string; weekdays: number[] | null } | null) =>
      drawn && {
        ...daily(
          drawn.start,
          DateTime.fromISO(drawn.start)
            .plus({ minutes: 15 * drawn.length })
            .toFormat('HH:mm'),
        ),
        timeZone: drawn.timeZone,
        weekdays: drawn.weekdays,
      };
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(stretch, hours, hours, ([from, quarters], one, other) => {
        const until = new Date(from.getTime() + quarters * QUARTER_HOUR_MS);
        const a = { from, until: null, daily: toDaily(one) };
        const b = { from: null, until, daily: toDaily(other) };
        const expected = [...quarterHours(from, until)].some(at => naiveActive(a, at) && naiveActive(b, at));
        seen[`${expected}`] += 1;
        expect([windowsOverlap(a, b), windowsOverlap(b, a)]).toEqual([expected, expected]);
      }),
      { numRuns: 400 },
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(40);
  });

  test('is never false for windows that are both active at some instant', () => {
    const bound = fc.option(quarterHour(FIRST, LAST));
    const windows = fc.record({ from: bound, until: bound, daily: fc.option(dailyWindow(ZONES)) });
    fc.assert(
      fc.property(windows, windows, fc.integer({ min: FIRST, max: LAST }), (a, b, ms) => {
        const at = new Date(ms);
        fc.pre(naiveActive(a, at) && naiveActive(b, at));
        expect(windowsOverlap(a, b)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
