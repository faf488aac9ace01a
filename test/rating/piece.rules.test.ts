import fc from 'fast-check';
import { isActive, windowKey } from '../../src/pricing/window.rules.js';
import { piecesOf, segmentsOf } from '../../src/rating/piece.rules.js';
import { day, PERIOD, version, window } from './period.js';

const WHOLE = [{ ...PERIOD, version: null }];
const at = (text: string): Date => new Date(text);

describe('segmentsOf', () => {
  test('is one segment without a version where none has taken effect', () => {
    expect(segmentsOf(PERIOD, [])).toEqual(WHOLE);
    expect(segmentsOf(PERIOD, [version(PERIOD.end, [])])).toEqual(WHOLE);
  });

  test('is one segment under the last version before the period', () => {
    const [first, second] = [version(day(-40), [], 1), version(day(-10), [], 2)];
    expect(segmentsOf(PERIOD, [first, second])).toEqual([{ ...PERIOD, version: second }]);
  });

  test('takes a version that begins with the period as the one that holds', () => {
    const [first, second] = [version(day(-40), [], 1), version(PERIOD.start, [], 2)];
    expect(segmentsOf(PERIOD, [first, second])).toEqual([{ ...PERIOD, version: second }]);
  });

  test('leaves out a version that begins with the end of the period', () => {
    const [first, second] = [version(day(-40), [], 1), version(PERIOD.end, [], 2)];
    expect(segmentsOf(PERIOD, [first, second])).toEqual([{ ...PERIOD, version: first }]);
  });

  test('cuts the period at each version within it', () => {
    const [first, second, third] = [version(day(-40), [], 1), version(day(10), [], 2), version(day(20), [], 3)];
    expect(segmentsOf(PERIOD, [first, second, third])).toEqual([
      { start: PERIOD.start, end: day(10), version: first },
      { start: day(10), end: day(20), version: second },
      { start: day(20), end: PERIOD.end, version: third },
    ]);
  });

  test('begins without a version where the first takes effect within the period', () => {
    const first = version(day(10), [], 1);
    expect(segmentsOf(PERIOD, [first])).toEqual([
      { start: PERIOD.start, end: day(10), version: null },
      { start: day(10), end: PERIOD.end, version: first },
    ]);
  });

  test('covers the period without a gap, whatever the versions', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: -30, max: 60 }), { maxLength: 12 }), days => {
        const versions = days.toSorted((a, b) => a - b).map((from, index) => version(day(from), [], index + 1));
        const segments = segmentsOf(PERIOD, versions);
        expect(segments[0]?.start).toEqual(PERIOD.start);
        expect(segments.at(-1)?.end).toEqual(PERIOD.end);

        for (const [index, segment] of segments.entries()) {
          expect(segment.start < segment.end).toBe(true);
          expect(segments[index + 1]?.start ?? PERIOD.end).toEqual(segment.end);
          expect(segment.version).toBe(versions.filter(known => known.effectiveAt <= segment.start).at(-1) ?? null);
        }
      }),
    );
  });
});

describe('piecesOf', () => {
  const PROMOTION = window({ from: '2026-11-10T00:00:00Z', until: '2026-11-12T06:00:00Z' });
  const NIGHTS = window({ daily: { start: '22:00', end: '06:00', timeZone: 'UTC' } });

  test('is one piece for each segment where there is neither a window nor a change of costs', () => {
    const segments = [
      { start: PERIOD.start, end: day(10) },
      { start: day(10), end: PERIOD.end },
    ];
    expect(piecesOf(segments, [])).toEqual(
      segments.map((segment, index) => ({ ...segment, segment: index, active: new Set(), activeKey: '[]' })),
    );
    expect(piecesOf([], [PROMOTION])).toEqual([]);
  });

  test('cuts where a window opens and closes, and says in which pieces it is active', () => {
    expect(piecesOf([PERIOD], [PROMOTION]).map(({ start, end, active }) => [start, end, [...active]])).toEqual([
      [PERIOD.start, day(10), []],
      [day(10), at('2026-11-12T06:00:00Z'), [windowKey(PROMOTION)]],
      [at('2026-11-12T06:00:00Z'), PERIOD.end, []],
    ]);
  });

  test('cuts twice a day for hours of the day, and gives pieces of the same hours the same key', () => {
    const pieces = piecesOf([PERIOD], [NIGHTS]);
    // The first night began in October, the last one ends in December.
    expect(pieces).toHaveLength(61);
    expect(pieces.slice(0, 3).map(({ start, active }) => [start, active.size])).toEqual([
      [PERIOD.start, 1],
      [at('2026-11-01T06:00:00Z'), 0],
      [at('2026-11-01T22:00:00Z'), 1],
    ]);
    expect(new Set(pieces.map(({ activeKey }) => activeKey)).size).toBe(2);
  });

  test('cuts once for the same window twice, and keeps windows apart that overlap', () => {
    expect(piecesOf([PERIOD], [PROMOTION, { ...PROMOTION }])).toHaveLength(3);
    const pieces = piecesOf([PERIOD], [PROMOTION, NIGHTS]);
    const within = pieces.filter(({ active }) => active.has(windowKey(PROMOTION)));
    expect(within.map(({ start, active }) => [start, active.size])).toEqual([
      [day(10), 2],
      [at('2026-11-10T06:00:00Z'), 1],
      [at('2026-11-10T22:00:00Z'), 2],
      [at('2026-11-11T06:00:00Z'), 1],
      [at('2026-11-11T22:00:00Z'), 2],
    ]);
  });

  test('takes a cost that changes within a quarter hour at the next one, for usage is known by quarter hours', () => {
    const starts = (...instants: string[]): Date[] =>
      piecesOf([PERIOD], [], instants.map(at))
        .slice(1)
        .map(({ start }) => start);
    expect(starts('2026-11-10T10:15:00Z')).toEqual([at('2026-11-10T10:15:00Z')]);
    expect(starts('2026-11-10T10:15:00.001Z')).toEqual([at('2026-11-10T10:30:00Z')]);
    expect(starts('2026-11-10T10:16:00Z', '2026-11-10T10:29:59Z')).toEqual([at('2026-11-10T10:30:00Z')]);
    expect(starts('2026-11-30T23:59:00Z', '2026-10-31T00:00:00Z', '2026-12-01T00:00:00Z')).toEqual([]);
  });

  test('covers the segments without a gap, each piece in its segment and alike in all its quarter hours', () => {
    const clock = fc
      .tuple(fc.nat(23), fc.constantFrom('00', '15', '30', '45'))
      .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${minute}`);
    const anyWindow = fc
      .record({
        start: clock,
        end: clock,
        timeZone: fc.constantFrom('UTC', 'Asia/Kathmandu', 'America/New_York'),
        weekdays: fc.constantFrom(null, [1, 3], [6, 7]),
      })
      .filter(({ start, end }) => start !== end)
      .map(daily => window({ daily }));
    fc.assert(
      fc.property(
        fc.array(anyWindow, { maxLength: 3 }),
        fc.uniqueArray(fc.integer({ min: 2, max: 30 }), { maxLength: 3 }),
        fc.array(fc.date({ min: day(-2), max: day(35), noInvalidDate: true }), { maxLength: 3 }),
        (windows, cuts, instants) => {
          const segments = segmentsOf(
            PERIOD,
            cuts.toSorted((a, b) => a - b).map((from, index) => version(day(from), [], index + 1)),
          );
          const pieces = piecesOf(segments, windows, instants);
          expect(pieces[0]?.start).toEqual(PERIOD.start);
          expect(pieces.at(-1)?.end).toEqual(PERIOD.end);

          for (const [index, { start, end, segment, active }] of pieces.entries()) {
            expect(pieces[index + 1]?.start ?? PERIOD.end).toEqual(end);
            const held = segments[segment];
            expect(held && held.start <= start && end <= held.end).toBe(true);

            for (let time = start.getTime(); time < end.getTime(); time += 900_000) {
              const open = windows.filter(known => isActive(known, new Date(time))).map(windowKey);
              expect([...active].sort()).toEqual([...new Set(open)].sort());
            }
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
