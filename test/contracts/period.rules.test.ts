import fc from 'fast-check';
import { gapsWithin, monthOf, periodsWithin, type Period } from '../../src/contracts/period.rules.js';

const ZONES = Intl.supportedValuesOf('timeZone');
const QUARTER_HOUR_MS = 900_000;
const FIRST = Date.UTC(1972, 1, 1);
const LAST = Date.UTC(2100, 11, 31);
const zone = fc.constantFrom(...ZONES);
const instant = fc.integer({ min: FIRST, max: LAST }).map(ms => new Date(ms));
const quarterHour = fc
  .integer({ min: FIRST / QUARTER_HOUR_MS, max: LAST / QUARTER_HOUR_MS })
  .map(n => new Date(n * QUARTER_HOUR_MS));

const iso = ({ start, end }: Period): [string, string] => [start.toISOString(), end.toISOString()];
const month = (at: string, timeZone: string): [string, string] => iso(monthOf(new Date(at), timeZone));

function expectMonth(at: Date, timeZone: string): void {
  const period = monthOf(at, timeZone);
  expect([timeZone, period.start <= at && at < period.end]).toEqual([timeZone, true]);
  expect([timeZone, Number.isInteger(period.start.getTime() / QUARTER_HOUR_MS)]).toEqual([timeZone, true]);
  expect([timeZone, Number.isInteger(period.end.getTime() / QUARTER_HOUR_MS)]).toEqual([timeZone, true]);
  // Whoever asks from within gets the same month; whoever asks from its edges gets the neighbours, without gap or overlap.
  expect([timeZone, iso(monthOf(period.start, timeZone))]).toEqual([timeZone, iso(period)]);
  expect([timeZone, iso(monthOf(new Date(period.end.getTime() - 1), timeZone))]).toEqual([timeZone, iso(period)]);
  expect([timeZone, monthOf(period.end, timeZone).start.toISOString()]).toEqual([timeZone, period.end.toISOString()]);
  expect([timeZone, monthOf(new Date(period.start.getTime() - 1), timeZone).end.toISOString()]).toEqual([
    timeZone,
    period.start.toISOString(),
  ]);
}

describe('monthOf', () => {
  test('holds its instant, is half-open, and meets its neighbours without a gap or an overlap, in every zone', () => {
    fc.assert(
      fc.property(zone, instant, (timeZone, at) => expectMonth(at, timeZone)),
      { numRuns: 3_000 },
    );
  });

  test('is one and the same month for all instants in it, in every zone', () => {
    fc.assert(
      fc.property(zone, instant, fc.double({ min: 0, max: 1, noNaN: true }), (timeZone, at, share) => {
        const period = monthOf(at, timeZone);
        const length = period.end.getTime() - period.start.getTime();
        const other = new Date(period.start.getTime() + Math.floor(share * (length - 1)));
        expect([timeZone, other.toISOString(), iso(monthOf(other, timeZone))]).toEqual([
          timeZone,
          other.toISOString(),
          iso(period),
        ]);
      }),
      { numRuns: 3_000 },
    );
  });

  test('is the same from every hour around the first of the month where summer time ends on it', () => {
    const first = Date.UTC(2026, 10, 1);

    for (const timeZone of ZONES) {
      const months = new Set<string>();

      for (let hour = -15; hour <= 14; hour++) {
        months.add(iso(monthOf(new Date(first + hour * 3_600_000 + 60_000), timeZone)).join());
      }

      const [october, november, ...others] = [...months].map(known => known.split(','));
      expect([timeZone, october?.[1], others]).toEqual([timeZone, november?.[0], []]);
    }
  });

  test('lasts 27 to 32 days in every zone', () => {
    fc.assert(
      fc.property(zone, instant, (timeZone, at) => {
        const { start, end } = monthOf(at, timeZone);
        const days = (end.getTime() - start.getTime()) / 86_400_000;
        expect(days).toBeGreaterThan(27);
        expect(days).toBeLessThan(32);
      }),
      { numRuns: 1_000 },
    );
  });

  test('begins at the local midnight of the first', () => {
    expect(month('2026-11-20T12:00:00Z', 'UTC')).toEqual(['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z']);
    expect(month('2026-11-20T12:00:00Z', 'Europe/Berlin')).toEqual([
      '2026-10-31T23:00:00.000Z',
      '2026-11-30T23:00:00.000Z',
    ]);
    expect(month('2026-11-20T12:00:00Z', 'Asia/Kathmandu')).toEqual([
      '2026-10-31T18:15:00.000Z',
      '2026-11-30T18:15:00.000Z',
    ]);
    expect(month('2026-11-20T12:00:00Z', 'Pacific/Chatham')).toEqual([
      '2026-10-31T10:15:00.000Z',
      '2026-11-30T10:15:00.000Z',
    ]);
  });

  test('loses an hour in the month in which summer time begins', () => {
    expect(month('2026-03-15T00:00:00Z', 'America/New_York')).toEqual([
      '2026-03-01T05:00:00.000Z',
      '2026-04-01T04:00:00.000Z',
    ]);
    expect(month('2026-09-15T00:00:00Z', 'Pacific/Auckland')).toEqual([
      '2026-08-31T12:00:00.000Z',
      '2026-09-30T11:00:00.000Z',
    ]);
  });

  test('gains an hour in the month in which summer time ends', () => {
    expect(month('2026-11-15T00:00:00Z', 'America/New_York')).toEqual([
      '2026-11-01T04:00:00.000Z',
      '2026-12-01T05:00:00.000Z',
    ]);
    expect(month('2026-04-15T00:00:00Z', 'Pacific/Auckland')).toEqual([
      '2026-03-31T11:00:00.000Z',
      '2026-04-30T12:00:00.000Z',
    ]);
  });

  test('gains half an hour where summer time is half an hour', () => {
    expect(month('2026-04-15T00:00:00Z', 'Australia/Lord_Howe')).toEqual([
      '2026-03-31T13:00:00.000Z',
      '2026-04-30T13:30:00.000Z',
    ]);
  });

  test('begins with the first of two midnights where summer time ends at one o’clock on the first', () => {
    // Havana, 2026-11-01: 01:00 becomes 00:00 again, so midnight comes at 04:00Z and at 05:00Z.
    const november = ['2026-11-01T04:00:00.000Z', '2026-12-01T05:00:00.000Z'];
    expect(month('2026-11-01T04:00:00Z', 'America/Havana')).toEqual(november);
    expect(month('2026-11-01T04:59:59.999Z', 'America/Havana')).toEqual(november);
    expect(month('2026-11-01T05:00:00Z', 'America/Havana')).toEqual(november);
    expect(month('2026-11-20T00:00:00Z', 'America/Havana')).toEqual(november);
    expect(month('2026-11-01T03:59:59.999Z', 'America/Havana')[1]).toBe('2026-11-01T04:00:00.000Z');
  });

  test('is one month where the clock went back over the first midnight into the month before', () => {
    // St. John's, 2009-11-01: 00:01 became 23:01 of 31 October again.
    const [start] = month('2009-11-20T00:00:00Z', 'America/St_Johns');
    expect(month('2009-10-20T00:00:00Z', 'America/St_Johns')[1]).toBe(start);

    for (let minute = 0; minute < 180; minute++) {
      expectMonth(new Date(Date.UTC(2009, 10, 1, 1, minute)), 'America/St_Johns');
    }
  });

  test('begins at the first instant after midnight where summer time skips it', () => {
    // Asunción, 1990-10-01: 00:00 became 01:00.
    expect(month('1990-10-15T00:00:00Z', 'America/Asuncion')[0]).toBe('1990-10-01T04:00:00.000Z');
    expect(month('1990-09-30T23:00:00Z', 'America/Asuncion')[1]).toBe('1990-10-01T04:00:00.000Z');
  });

  test('goes over a day that a zone left out', () => {
    // Apia had no 30 December 2011; Kiritimati no 31 December 1994.
    expect(month('2011-12-15T00:00:00Z', 'Pacific/Apia')).toEqual([
      '2011-12-01T10:00:00.000Z',
      '2011-12-31T10:00:00.000Z',
    ]);
    expectMonth(new Date('1994-12-31T09:59:59Z'), 'Pacific/Kiritimati');
    expectMonth(new Date('1994-12-31T10:00:00Z'), 'Pacific/Kiritimati');
  });

  test('has 29 days in a February of a leap year and 28 otherwise, the centuries included', () => {
    const days = (at: string): number => {
      const { start, end } = monthOf(new Date(at), 'UTC');

      return (end.getTime() - start.getTime()) / 86_400_000;
    };
    expect(days('2024-02-29T23:59:59.999Z')).toBe(29);
    expect(days('2026-02-10T00:00:00Z')).toBe(28);
    expect(days('2000-02-10T00:00:00Z')).toBe(29);
    expect(days('2100-02-10T00:00:00Z')).toBe(28);
  });

  test('gives an instant on the edge to the later month', () => {
    expect(month('2026-12-01T00:00:00.000Z', 'UTC')[0]).toBe('2026-12-01T00:00:00.000Z');
    expect(month('2026-11-30T23:59:59.999Z', 'UTC')[0]).toBe('2026-11-01T00:00:00.000Z');
  });

  test('holds its instant before 1972 too, where offsets had seconds', () => {
    for (const at of ['1970-01-01T00:00:00Z', '1970-12-31T23:50:00Z', '1971-12-31T23:59:59Z', '1972-01-01T00:44:29Z']) {
      for (const timeZone of ['Africa/Monrovia', 'America/Paramaribo', 'Asia/Kolkata', 'UTC']) {
        expectMonth(new Date(at), timeZone);
      }
    }
  });
});

describe('periodsWithin', () => {
  const open = { startsAt: new Date('2020-01-01T00:00:00Z'), endsAt: null };

  test('lists the months that a stretch touches, whole', () => {
    const stretch = { start: new Date('2026-11-10T00:00:00Z'), end: new Date('2027-01-01T00:00:00Z') };
    expect(periodsWithin(stretch, open, 'UTC').map(iso)).toEqual([
      ['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
      ['2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ]);
  });

  test('lists both local months of a month in UTC', () => {
    const stretch = { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-12-01T00:00:00Z') };
    expect(periodsWithin(stretch, open, 'America/New_York').map(iso)).toEqual([
      ['2026-10-01T04:00:00.000Z', '2026-11-01T04:00:00.000Z'],
      ['2026-11-01T04:00:00.000Z', '2026-12-01T05:00:00.000Z'],
    ]);
  });

  test('clips the first and the last period to the contract', () => {
    const contract = { startsAt: new Date('2026-10-12T09:15:00Z'), endsAt: new Date('2026-12-24T18:00:00Z') };
    const stretch = { start: new Date('2026-01-01T00:00:00Z'), end: new Date('2027-06-01T00:00:00Z') };
    expect(periodsWithin(stretch, contract, 'UTC').map(iso)).toEqual([
      ['2026-10-12T09:15:00.000Z', '2026-11-01T00:00:00.000Z'],
      ['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
      ['2026-12-01T00:00:00.000Z', '2026-12-24T18:00:00.000Z'],
    ]);
  });

  test('is empty where the contract does not run', () => {
    const contract = { startsAt: new Date('2026-10-12T09:15:00Z'), endsAt: new Date('2026-12-24T18:00:00Z') };
    const before = { start: new Date('2026-01-01T00:00:00Z'), end: new Date('2026-10-12T09:15:00Z') };
    const after = { start: new Date('2026-12-24T18:00:00Z'), end: new Date('2027-01-01T00:00:00Z') };
    expect(periodsWithin(before, contract, 'UTC')).toEqual([]);
    expect(periodsWithin(after, contract, 'UTC')).toEqual([]);
  });

  test('covers the common part of stretch and contract without a gap or an overlap, in every zone', () => {
    fc.assert(
      fc.property(
        zone,
        quarterHour,
        fc.integer({ min: 0, max: 12_000 }),
        quarterHour,
        fc.option(fc.integer({ min: 1, max: 40_000 })),
        (timeZone, start, length, startsAt, run) => {
          const stretch = { start, end: new Date(start.getTime() + length * QUARTER_HOUR_MS) };
          const endsAt = run === null ? null : new Date(startsAt.getTime() + run * QUARTER_HOUR_MS);
          const periods = periodsWithin(stretch, { startsAt, endsAt }, timeZone);
          const from = Math.max(stretch.start.getTime(), startsAt.getTime());
          const until = Math.min(stretch.end.getTime(), endsAt?.getTime() ?? Infinity);

          if (from >= until) {
            expect(periods).toEqual([]);

            return;
          }

          const [first] = periods;
          expect(first && first.start.getTime() <= from).toBe(true);
          expect((periods.at(-1)?.end.getTime() ?? 0) >= until).toBe(true);

          for (const [index, period] of periods.entries()) {
            expect(period.start < period.end).toBe(true);
            expect(period.start >= startsAt && (endsAt === null || period.end <= endsAt)).toBe(true);
            expect(periods[index + 1]?.start.getTime() ?? period.end.getTime()).toBe(period.end.getTime());
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('names a period the same whichever stretch asks for it, in every zone', () => {
    fc.assert(
      fc.property(zone, instant, fc.integer({ min: 1, max: 70 }), (timeZone, at, days) => {
        const whole = { start: at, end: new Date(at.getTime() + days * 86_400_000) };
        const known = new Set(
          periodsWithin(whole, { ...open, startsAt: new Date(FIRST) }, timeZone).map(p => iso(p).join()),
        );

        for (let day = 0; day < days; day++) {
          const piece = {
            start: new Date(at.getTime() + day * 86_400_000),
            end: new Date(at.getTime() + (day + 1) * 86_400_000),
          };

          for (const period of periodsWithin(piece, { ...open, startsAt: new Date(FIRST) }, timeZone)) {
            expect(known.has(iso(period).join())).toBe(true);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('gapsWithin', () => {
  const at = (hour: number): Date => new Date(Date.UTC(2026, 10, 1, hour));
  const stretch = { start: at(0), end: at(24) };

  test('is the whole stretch when nothing is taken', () => {
    expect(gapsWithin(stretch, [])).toEqual([stretch]);
  });

  test('is nothing when all of it is taken', () => {
    expect(gapsWithin(stretch, [{ start: at(-5), end: at(30) }])).toEqual([]);
    expect(
      gapsWithin(stretch, [
        { start: at(12), end: at(24) },
        { start: at(0), end: at(12) },
      ]),
    ).toEqual([]);
  });

  test('is what lies before, between and after, whatever the order of the taken', () => {
    expect(
      gapsWithin(stretch, [
        { start: at(15), end: at(20) },
        { start: at(2), end: at(10) },
      ]),
    ).toEqual([
      { start: at(0), end: at(2) },
      { start: at(10), end: at(15) },
      { start: at(20), end: at(24) },
    ]);
  });

  test('ignores what lies beside the stretch', () => {
    expect(
      gapsWithin(stretch, [
        { start: at(-10), end: at(-2) },
        { start: at(30), end: at(40) },
      ]),
    ).toEqual([stretch]);
  });

  test('complements: every hour is either taken or in exactly one gap', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: -6, max: 30 }), { maxLength: 10 }), edges => {
        const sorted = edges.toSorted((a, b) => a - b);
        const taken: Period[] = [];

        for (let index = 0; index + 1 < sorted.length; index += 2) {
          taken.push({ start: at(sorted[index] ?? 0), end: at(sorted[index + 1] ?? 0) });
        }

        const gaps = gapsWithin(stretch, taken.toReversed());

        for (let hour = 0; hour < 24; hour++) {
          const holds = (period: Period): boolean => period.start <= at(hour) && at(hour) < period.end;
          expect(gaps.filter(holds).length + taken.filter(holds).length).toBe(1);
        }

        for (const gap of gaps) {
          expect(gap.start >= stretch.start && gap.end <= stretch.end && gap.start < gap.end).toBe(true);
        }
      }),
    );
  });
});
