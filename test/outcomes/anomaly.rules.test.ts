import { decimal, formatDecimal } from '../../src/money/index.js';
import { anomalyOf, calendarWeek, shownFactor, weekEnd, weeksKnown } from '../../src/outcomes/anomaly.rules.js';

const terms = (factor: string, leastClaims: number) => ({ factor: decimal(factor), leastClaims });
const NOW = new Date('2026-11-20T12:00:00Z');
const DAY = 86_400_000;

/** `baseline factor shown`, or none. */
const told = (claims: number, before: readonly number[], factor = '3', leastClaims = 100): string => {
  const anomaly = anomalyOf(terms(factor, leastClaims), claims, before);

  return anomaly
    ? [anomaly.baseline, anomaly.factor, shownFactor(anomaly.factor)].map(formatDecimal).join(' ')
    : 'none';
};

describe('claims of a week', () => {
  test.each([
    ['9.2 times the weeks before', 1_847, [200, 200, 200, 200, 200, 200, 200, 200], '200 9.235 9.2'],
    ['three times the median, exactly', 600, [100, 200, 300], '200 3 3'],
    ['a little less than that', 599, [100, 200, 300], 'none'],
    ['compared with the median and not with the mean', 600, [100, 200, 90_000], '200 3 3'],
    [
      'compared halfway between the two middle weeks',
      603,
      [1, 200, 201, 9_000],
      '200.5 3.007481296758104738154613466334164589 3',
    ],
    ['out of line after two weeks', 600, [200, 200], '200 3 3'],
    ['never out of line after one', 60_000, [200], 'none'],
    ['never out of line in the first week', 60_000, [], 'none'],
    ['told of from the least number on', 100, [10, 10], '10 10 10'],
    ['not told of below it', 99, [10, 10], 'none'],
    ['compared with one claim where most weeks had none', 100, [0, 0, 40], '0 100 100'],
    ['compared with one claim where the median is a half', 100, [0, 1], '0.5 100 100'],
  ])('are %s', (_what, claims, before, expected) => {
    expect(told(claims, before)).toBe(expected);
  });
});

test('the shown factor is rounded half to even', () => {
  expect(['9.25', '9.35', '9.250000001', '10'].map(text => formatDecimal(shownFactor(decimal(text))))).toEqual([
    '9.2',
    '9.4',
    '9.3',
    '10',
  ]);
});

test('whole weeks since the first claim are known, up to eight, and not the one that ends now', () => {
  const known = (days: number) => weeksKnown(new Date(NOW.getTime() - days * DAY), NOW);
  expect([0, 6, 13.99, 14, 20.99, 21, 63, 700].map(known)).toEqual([0, 0, 0, 1, 1, 2, 8, 8]);
  expect(weeksKnown(null, NOW)).toBe(0);
});

test('a week of claims ends with the hour that holds now', () => {
  expect(
    ['2026-11-20T12:00:00Z', '2026-11-20T12:59:59.999Z', '2026-11-20T13:00:00Z'].map(text =>
      weekEnd(new Date(text)).toISOString(),
    ),
  ).toEqual(['2026-11-20T13:00:00.000Z', '2026-11-20T13:00:00.000Z', '2026-11-20T14:00:00.000Z']);
});

test('a week of the calendar begins on Monday', () => {
  expect(
    ['2026-11-16T00:00:00Z', '2026-11-20T12:00:00Z', '2026-11-22T23:59:59.999Z', '2026-11-23T00:00:00Z'].map(text =>
      calendarWeek(new Date(text)).toISOString().slice(0, 10),
    ),
  ).toEqual(['2026-11-16', '2026-11-16', '2026-11-16', '2026-11-23']);
});
