import type { UsageRelation } from '../../src/outcomes/outcome-terms.rules.js';
import { duesOf } from '../../src/rating/charge.rules.js';
import { piecesOf, segmentsOf } from '../../src/rating/piece.rules.js';
import { seriesOf, type Aggregation } from '../../src/rating/series.rules.js';
import { fallbacksOf, isReplaced, replacementsOf } from '../../src/rating/usage-relation.rules.js';
import { day, foldOf, perUnit, PERIOD, price, total, used, version } from './period.js';

const related = (id: string, effectiveAt: string, relation: UsageRelation | null, ...meterIds: string[]) => ({
  id,
  effectiveAt: new Date(effectiveAt),
  terms: { usage: relation && { relation, meterIds } },
});

const shown = (versions: readonly ReturnType<typeof related>[]): string[] =>
  replacementsOf([{ versions }], PERIOD).map(
    ({ meterId, start, end }) => `${meterId} ${start.toISOString().slice(0, 16)} ${end.toISOString().slice(0, 16)}`,
  );

describe('usage that rules replace', () => {
  test('is that of the whole period under a version from before it', () => {
    expect(shown([related('a', '2026-01-01T00:00:00Z', 'REPLACE', 'm1', 'm2')])).toEqual([
      'm1 2026-11-01T00:00 2026-12-01T00:00',
      'm2 2026-11-01T00:00 2026-12-01T00:00',
    ]);
  });

  test('is replaced while the version is in force, to whole quarter hours around it', () => {
    expect(
      shown([
        related('b', '2026-11-10T12:20:01Z', 'ADD', 'm'),
        related('a', '2026-11-05T12:20:01Z', 'REPLACE', 'm'),
        related('c', '2026-11-20T12:15:00Z', 'REPLACE', 'm'),
      ]),
    ).toEqual(['m 2026-11-05T12:15 2026-11-10T12:30', 'm 2026-11-20T12:15 2026-12-01T00:00']);
  });

  test('is none before, after and where usage is charged too', () => {
    expect(
      shown([
        related('a', '2026-01-01T00:00:00Z', 'REPLACE', 'm'),
        related('b', '2026-10-31T23:45:00Z', 'FALLBACK', 'm'),
        related('c', '2026-12-01T00:00:00Z', 'REPLACE', 'm'),
      ]),
    ).toEqual([]);
    expect(
      fallbacksOf([
        {
          versions: [related('a', '2026-01-01T00:00:00Z', 'FALLBACK', 'm'), related('b', '2026-01-01T00:00:00Z', null)],
        },
      ]),
    ).toEqual([{ meterId: 'm', versionId: 'a' }]);
  });

  test.each<readonly [Aggregation, string]>([
    // Of 4, 6 and 5 the one in the middle is replaced; 4 holds ten days, 15 the last ten.
    ['SUM', '9'],
    ['COUNT', '9'],
    ['MAX', '5'],
    ['LATEST', '5'],
    ['UNIQUE_COUNT', '2'],
    ['TIME_WEIGHTED', '6.333333333333333333333333333333333333'],
  ])('leaves what %s counts beside it', (aggregation, expected) => {
    const segments = segmentsOf(PERIOD, [version(day(1), [price({ terms: perUnit('1') })])]);
    const replaced = [{ meterId: 'mtr', start: day(11), end: day(21) }];
    const pieces = piecesOf(
      segments,
      [],
      replaced.flatMap(({ start, end }) => [start, end]),
    );
    const series = seriesOf(pieces, {
      used: foldOf(pieces, [used(day(1), '4'), used(day(11), '6'), used(day(21), '5')]),
      levels: [],
      events: [],
      aggregationOf: () => aggregation,
      isReplaced: (meterId, piece) => isReplaced(replaced, meterId, piece),
    });
    const facts = { period: PERIOD, currency: 'USD', segments, pieces, series, costOf: () => null, isOver: true };
    expect(total(duesOf(facts).dues)).toBe(expected);
  });
});
