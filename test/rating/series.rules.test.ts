import { divide, formatDecimal, ZERO, type Decimal } from '../../src/money/index.js';
import { piecesOf, segmentsOf, type Piece } from '../../src/rating/piece.rules.js';
import { quantityAt, seriesOf, type Aggregation, type Level, type Series } from '../../src/rating/series.rules.js';
import { day, foldOf, PERIOD, used, version, window, type Happened } from './period.js';

const DAYTIME = window({ daily: { start: '08:00', end: '20:00', timeZone: 'UTC' } });

/** The period cut at these days. */
const cutAt = (...days: readonly number[]): Piece[] =>
  piecesOf(
    segmentsOf(
      PERIOD,
      days.map((from, index) => version(day(from), [], index + 1)),
    ),
    [],
  );

function seriesIn(
  pieces: readonly Piece[],
  aggregation: Aggregation,
  events: readonly Happened[],
  levels: readonly Level[] = [],
): Series[] {
  return seriesOf(pieces, { used: foldOf(pieces, events), levels, events: [], aggregationOf: () => aggregation });
}

/** The running quantities; of a level its average over the period. */
const quantitiesOf = ({ running, whole }: Series): Decimal[] =>
  running.map(quantity => (whole ? divide(quantity, whole) : quantity));
const runs = (series: readonly Series[]): string[][] => series.map(one => quantitiesOf(one).map(formatDecimal));
const level = (value: string, dimensions = '{}'): Level => ({ meterId: 'mtr', dimensions, level: value });

test.each<readonly [Aggregation, readonly (readonly [number, string])[], readonly string[]]>([
  // Each event as [day, value]; then the running quantity at the start, at the 15th and at the end.
  [
    'SUM',
    [
      [1, '5'],
      [15, '3'],
    ],
    ['0', '5', '8'],
  ],
  [
    'COUNT',
    [
      [1, '1'],
      [2, '1'],
      [15, '1'],
    ],
    ['0', '2', '3'],
  ],
  [
    'MAX',
    [
      [1, '5'],
      [15, '8'],
    ],
    ['0', '5', '8'],
  ],
  [
    'MAX',
    [
      [1, '5'],
      [15, '3'],
    ],
    ['0', '5', '5'],
  ],
  [
    'LATEST',
    [
      [1, '5'],
      [15, '8'],
    ],
    ['0', '5', '8'],
  ],
  [
    'LATEST',
    [
      [1, '5'],
      [2, '2'],
      [15, '3'],
    ],
    ['0', '2', '3'],
  ],
  ['LATEST', [[1, '5']], ['0', '5', '5']],
  [
    'LATEST',
    [
      [1, '5'],
      [15, '0'],
    ],
    ['0', '5', '0'],
  ],
  [
    'UNIQUE_COUNT',
    [
      [1, 'ada'],
      [2, 'bob'],
      [15, 'ada'],
      [16, 'cyd'],
    ],
    ['0', '2', '3'],
  ],
  // 30 days: 6 from the 1st on; 3 more for 16 of 30 days.
  [
    'TIME_WEIGHTED',
    [
      [1, '6'],
      [15, '3'],
    ],
    ['0', '2.8', '7.6'],
  ],
])('%s of %j runs on over a cut', (aggregation, events, expected) => {
  const given = events.map(([at, value]) => used(day(at), value));
  // A unique value is no number, and the plain fold of the tests reads one.
  const numbers = new Map(['ada', 'bob', 'cyd'].map((name, index) => [name, String(index + 1)]));
  const readable = given.map(event => ({ ...event, value: numbers.get(event.value) ?? event.value }));
  expect(runs(seriesIn(cutAt(15), aggregation, readable))).toEqual([expected]);
});

test('each combination of dimensions is a series of its own, and what they say is added up', () => {
  const series = seriesIn(cutAt(15), 'MAX', [
    used(day(1), '5', { model: 'a' }),
    used(day(2), '7', { model: 'b' }),
    used(day(16), '6', { model: 'a' }),
  ]);
  expect(series.map(({ values }) => values)).toEqual([{ model: 'a' }, { model: 'b' }]);
  expect([0, 1, 2].map(place => formatDecimal(quantityAt(series, place)))).toEqual(['0', '12', '13']);
});

test('usage under other windows is a series of its own', () => {
  const series = seriesIn(piecesOf([PERIOD], [DAYTIME]), 'SUM', [
    used('2026-11-05T07:59:59Z', '1'),
    used('2026-11-05T08:00:00Z', '10'),
    used('2026-11-05T20:00:00Z', '100'),
  ]);
  expect(series.map(({ active, running }) => [active.size, formatDecimal(running.at(-1) ?? ZERO)])).toEqual([
    [0, '101'],
    [1, '10'],
  ]);
});

test('windows under which nothing was used have no series', () => {
  const series = seriesIn(piecesOf([PERIOD], [DAYTIME]), 'SUM', [used('2026-11-05T12:00:00Z', '10')]);
  expect(series.map(({ active }) => active.size)).toEqual([1]);
});

test('a meter that nobody knows is refused', () => {
  expect(() =>
    seriesOf(cutAt(), {
      used: foldOf(cutAt(), [used(day(2), '1')]),
      levels: [],
      events: [],
      aggregationOf: () => {
        throw new Error('bucket of unknown meter');
      },
    }),
  ).toThrow('bucket of unknown meter');
});

describe('a time-weighted meter', () => {
  test('counts the level with which the period begins, though nothing happens in it', () => {
    const series = seriesIn(cutAt(), 'TIME_WEIGHTED', [], [level('10')]);
    expect(series.map(one => [one.dimensions, formatDecimal(one.level)])).toEqual([['{}', '10']]);
    expect(runs(series)).toEqual([['0', '10']]);
  });

  test('counts each change for the rest of the period', () => {
    // 10 for 30 days, 5 more for 15 of them, 15 fewer for the last 3.
    const events = [used(day(16), '5'), used(day(28), '-15')];
    expect(runs(seriesIn(cutAt(), 'TIME_WEIGHTED', events, [level('10')]))).toEqual([['0', '11']]);
  });

  test('carries the level over cuts, to the same average as without one', () => {
    const events = [used('2026-11-04T08:15:00Z', '2'), used('2026-11-20T17:45:00Z', '-1')];
    const whole = runs(seriesIn(cutAt(), 'TIME_WEIGHTED', events, [level('1')])).map(running => running.at(-1));

    for (const cuts of [[16], [11, 21], [2, 3, 5, 8, 13], [4, 20]]) {
      expect(
        runs(seriesIn(cutAt(...cuts), 'TIME_WEIGHTED', events, [level('1')])).map(running => running.at(-1)),
      ).toEqual(whole);
    }
  });

  test('comes to the whole level at the end, though the thirds of a month have no end', () => {
    expect(runs(seriesIn(cutAt(11, 21), 'TIME_WEIGHTED', [], [level('1')])).map(running => running.at(-1))).toEqual([
      '1',
    ]);
  });

  test('keeps the levels of dimensions apart', () => {
    const series = seriesIn(
      cutAt(),
      'TIME_WEIGHTED',
      [used(day(16), '4', { region: 'eu' })],
      [level('10', '{"region":"eu"}'), level('3', '{"region":"us"}')],
    );
    expect(series.map(one => [one.values['region'], formatDecimal(quantitiesOf(one).at(-1) ?? ZERO)])).toEqual([
      ['eu', '12'],
      ['us', '3'],
    ]);
  });

  test('is split by windows, and the parts sum to the whole', () => {
    const series = seriesIn(piecesOf([PERIOD], [DAYTIME]), 'TIME_WEIGHTED', [], [level('8')]);
    expect(runs(series).map(running => running.at(-1))).toEqual(['4', '4']);
  });
});
