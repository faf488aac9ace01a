import fc from 'fast-check';
import { decimal, formatDecimal } from '../../src/money/index.js';
import { indexPrices } from '../../src/pricing/price-index.rules.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import type { RatedPrice, RatedVersion } from '../../src/rating/facts.rules.js';
import { piecesOf, segmentsOf } from '../../src/rating/piece.rules.js';
import { changeOf, comparedItems, comparedLines, sideOf } from '../../src/simulation/comparison.rules.js';
import { stretchFor } from '../../src/simulation/event-density.rules.js';
import { cellEnd, cellOf, gridOf } from '../../src/simulation/grid.rules.js';
import { ReplayedUsage } from '../../src/simulation/replayed-usage.rules.js';
import { MOST_TENANTS, percentOf, refuseSimulation } from '../../src/simulation/simulation.rules.js';
import { foldMeasures, type FoldKind, type Measure } from '../../src/usage/fold.rules.js';
import { PERIOD, price, terms, window } from '../rating/period.js';

const QUARTER_HOUR_MS = 900_000;
const START = PERIOD.start.getTime();

const version = (effectiveAt: string, prices: readonly RatedPrice[]): RatedVersion => ({
  id: effectiveAt,
  number: 1,
  effectiveAt: new Date(effectiveAt),
  prices,
  index: indexPrices(prices),
});
const NIGHT = window({ daily: { start: '22:00', end: '06:00', timeZone: 'UTC', weekdays: null } });
const UNIT: PriceTermsJson = { model: 'UNIT', unitAmount: '1' };

describe('the grid of a period', () => {
  test('is the period itself where nothing changes in it', () => {
    const grid = gridOf(PERIOD, [[version('2020-01-01T00:00:00Z', [price({ terms: terms(UNIT) })])], []]);
    expect(grid).toEqual({ starts: [START], end: PERIOD.end.getTime() });
  });

  test('is cut where any of the versions takes effect and where a window of theirs turns', () => {
    const { starts } = gridOf(PERIOD, [
      [version('2020-01-01T00:00:00Z', [price({ terms: terms(UNIT), window: NIGHT })])],
      [version('2020-01-01T00:00:00Z', []), version('2026-11-16T10:15:00Z', [])],
    ]);
    const texts = starts.map(start => new Date(start).toISOString());
    expect(texts.slice(0, 3)).toEqual([
      '2026-11-01T00:00:00.000Z',
      '2026-11-01T06:00:00.000Z',
      '2026-11-01T22:00:00.000Z',
    ]);
    expect(texts).toContain('2026-11-16T10:15:00.000Z');
    expect(texts).toHaveLength(1 + 30 * 2 + 1);
  });

  test('is every quarter hour where a price follows costs', () => {
    const grid = gridOf(PERIOD, [[version('2020-01-01T00:00:00Z', [price({ terms: terms({ model: 'COST_PLUS' }) })])]]);
    expect(grid.starts).toHaveLength(30 * 96);
    expect(grid.starts.at(-1)).toBe(PERIOD.end.getTime() - QUARTER_HOUR_MS);
  });

  test('holds every quarter hour in the cell that begins last before it', () => {
    const grid = { starts: [0, 900, 1_800, 5_400].map(at => START + at * 1_000), end: PERIOD.end.getTime() };
    const cells = [0, 899, 900, 1_799, 1_800, 5_399, 5_400, 1e6].map(at => cellOf(grid, START + at * 1_000));
    expect(cells).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect([cellEnd(grid, 0), cellEnd(grid, 3)]).toEqual([START + 900_000, PERIOD.end.getTime()]);
  });
});

describe('replayed usage', () => {
  const kinds: readonly FoldKind[] = ['ADD', 'MAX', 'LATEST', 'UNIQUE', 'LEVEL'];
  const measure = fc.record({
    kind: fc.constantFrom(...kinds),
    dimensions: fc.constantFrom('{}', '{"model":"a"}', '{"model":"\uffee"}', '{"model":"😀"}'),
    time: fc.integer({ min: 0, max: 40 * 4 * QUARTER_HOUR_MS }),
    quantity: fc.tuple(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 12 })),
    unique: fc.integer({ min: 0, max: 4 }),
  });
  type Given = typeof measure extends fc.Arbitrary<infer T> ? T : never;
  const measuresOf = (given: readonly Given[]): Measure[] =>
    given
      .toSorted((a, b) => a.time - b.time)
      .map(({ kind, dimensions, time, quantity: [digits, shift], unique }, index) => ({
        meterId: `mtr_${kind}`,
        kind,
        dimensions,
        time: new Date(START + time),
        // As events are read: by time, and within an instant by id.
        order: `event ${String(index).padStart(5, '0')}`,
        quantity: kind === 'UNIQUE' ? decimal(0) : decimal(digits).shiftedBy(-shift),
        unique: kind === 'UNIQUE' ? `user ${unique}` : null,
        isKept: kind === 'ADD',
      }));

  test('is the same in the coarsest grid and by quarter hours, in one page and in many', () => {
    const versions = [
      version('2020-01-01T00:00:00Z', [price({ terms: terms(UNIT), window: NIGHT })]),
      version('2026-11-02T03:30:00Z', []),
    ];
    const segments = segmentsOf(PERIOD, versions);
    const pieces = piecesOf(segments, [NIGHT]);
    const coarse = gridOf(PERIOD, [versions]);
    const fine = gridOf(PERIOD, [[version('2020-01-01T00:00:00Z', [price({ terms: terms({ model: 'COST_PLUS' }) })])]]);
    expect(coarse.starts.length).toBeLessThan(fine.starts.length / 10);

    fc.assert(
      fc.property(fc.array(measure, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (given, size) => {
        const measures = measuresOf(given);
        const whole = new ReplayedUsage(fine, new Set(['mtr_ADD']));
        const paged = new ReplayedUsage(coarse, new Set(['mtr_ADD']));
        whole.add(foldMeasures(measures));

        for (let at = 0; at < measures.length; at += size) {
          paged.add(foldMeasures(measures.slice(at, at + size)));
        }

        for (const one of measures) {
          whole.keep(one);
          paged.keep(one);
        }

        expect(paged.used(pieces)).toEqual(whole.used(pieces));
        expect(paged.events(['mtr_ADD'])).toEqual(
          measures
            .filter(({ kind }) => kind === 'ADD')
            .map(({ meterId, dimensions, time, quantity }) => ({
              meterId,
              dimensions,
              time,
              value: formatDecimal(quantity),
            })),
        );
        expect(paged.events(['mtr_MAX'])).toEqual([]);
      }),
    );
  });

  test('says of each piece what the buckets would say', () => {
    const pieces = piecesOf(segmentsOf(PERIOD, [version('2026-11-01T00:30:00Z', [])]), []);
    const usage = new ReplayedUsage(
      { starts: pieces.map(({ start }) => start.getTime()), end: PERIOD.end.getTime() },
      new Set(),
    );
    const at = (kind: FoldKind, minute: number, quantity: string, unique: string | null = null): Measure => ({
      meterId: `mtr_${kind}`,
      kind,
      dimensions: '{}',
      time: new Date(START + minute * 60_000),
      order: `${minute}`,
      quantity: decimal(quantity),
      unique,
      isKept: true,
    });
    usage.add(
      foldMeasures([
        at('ADD', 1, '0.1'),
        at('ADD', 16, '0.2'),
        at('ADD', 31, '7'),
        at('MAX', 1, '3'),
        at('MAX', 16, '2'),
        at('MAX', 31, '1'),
        at('LATEST', 16, '5'),
        at('LATEST', 1, '9'),
        at('UNIQUE', 1, '0', 'ann'),
        at('UNIQUE', 31, '0', 'ann'),
        at('UNIQUE', 32, '0', 'bob'),
        at('LEVEL', 20, '2'),
        at('LEVEL', 45, '-1'),
      ]),
    );
    const used = usage.used(pieces).map(({ meterId, segment, sum, max, latest, unique, integral }) => {
      const kind = meterId.slice(4);
      const told = { ADD: sum, MAX: max, LATEST: latest, UNIQUE: unique, LEVEL: `${sum} ${integral}` };

      return `${segment} ${kind} ${told[kind as FoldKind]}`;
    });
    const minute = 60_000;
    const rest = 30 * 86_400_000 - 45 * minute;
    expect(used.sort()).toEqual([
      '0 ADD 0.3',
      '0 LATEST 5',
      `0 LEVEL 2 ${2 * 10 * minute}`,
      '0 MAX 3',
      '0 UNIQUE 1',
      '1 ADD 7',
      `1 LEVEL -1 ${-rest}`,
      '1 MAX 1',
      // Ann was seen before.
      '1 UNIQUE 1',
    ]);
    expect(usage.events(['mtr_ADD'])).toEqual([]);
  });
});

describe('how long a stretch holds a page of events', () => {
  const density = [
    { start: 0, events: 100 },
    { start: QUARTER_HOUR_MS, events: 10_000 },
    { start: 10 * QUARTER_HOUR_MS, events: 4_901 },
  ];
  const end = 100 * QUARTER_HOUR_MS;

  test.each([
    ['ends within a dense quarter hour', 0, 5_000, QUARTER_HOUR_MS + 441_000],
    ['begins within one', QUARTER_HOUR_MS + QUARTER_HOUR_MS / 2, 2_500, QUARTER_HOUR_MS / 4],
    ['leaps over what is empty', 3 * QUARTER_HOUR_MS, 4_901, 8 * QUARTER_HOUR_MS],
    ['ends with the period where there is not so much', 2 * QUARTER_HOUR_MS, 5_000, end - 2 * QUARTER_HOUR_MS],
    ['is a millisecond at the end', end, 5_000, 1],
  ])('%s', (_what, from, wanted, expected) => {
    expect(stretchFor(density, from, end, wanted)).toBe(expected);
  });

  test('is the whole period where nothing is known', () => {
    expect(stretchFor([], 5, end, 5_000)).toBe(end - 5);
  });
});

describe('old and new amounts', () => {
  const priced = (name: string, more: object = {}) => ({ name, meterId: 'mtr', pattern: {}, window: null, ...more });
  const charge = (id: string, amount: string, given = priced('Tokens'), generation = 0) => ({
    id,
    priceName: given.name,
    quantity: decimal('2'),
    amount: decimal(amount),
    periodStart: PERIOD.start,
    periodEnd: PERIOD.end,
    generation,
    price: given,
  });

  test('are rounded line by line, each charge a line', () => {
    const lines = comparedLines(
      [charge('a', '0.005'), charge('b', '0.015', undefined, 1), { ...charge('c', '0'), quantity: decimal(0) }],
      'USD',
      PERIOD.start,
    );
    const side = sideOf(lines);
    expect(lines).toHaveLength(2);
    expect([side.quantity, side.exactAmount, side.amount].map(formatDecimal)).toEqual(['4', '0.02', '0.02']);
    expect(formatDecimal(sideOf(comparedLines([charge('a', '0.025')], 'USD', PERIOD.start)).amount)).toBe('0.02');
  });

  test('meet by name, meter, dimensions and window, the greatest change first', () => {
    const lines = (...given: Parameters<typeof charge>[]) =>
      comparedLines(
        given.map(one => charge(...one)),
        'USD',
        PERIOD.start,
      );
    const items = comparedItems(
      lines(
        ['a', '5'],
        ['b', '7', priced('Tokens', { window: NIGHT })],
        ['c', '1', priced('Old')],
        ['d', '3', priced('Same')],
      ),
      lines(
        ['e', '6.5'],
        ['f', '1', priced('Tokens', { window: NIGHT })],
        ['g', '4', priced('Tokens', { pattern: { b: '1', a: '2' } })],
        ['h', '3', priced('Same')],
      ),
    );
    expect(
      items.map(({ price: { name, window: when, pattern }, old, new: now }) =>
        [name, when ? 'by night' : 'always', Object.keys(pattern).join(''), old.amount, now.amount]
          .map(String)
          .join(' '),
      ),
    ).toEqual([
      'Tokens by night  7 1',
      'Tokens always ba 0 4',
      'Tokens always  5 6.5',
      'Old always  1 0',
      'Same always  3 3',
    ]);
    expect(items.map(item => formatDecimal(changeOf(item)))).toEqual(['-6', '4', '1.5', '-1', '0']);
  });
});

describe('a request', () => {
  const NOW = new Date('2026-11-20T12:00:00Z');
  const draft = {
    priceBookVersionId: 'pbv',
    from: new Date('2026-10-01T00:00:00Z'),
    until: NOW,
    tenantIds: null,
    baseline: 'CHARGED' as const,
    modelContexts: [],
  };

  test('is fine up to now', () => {
    expect(refuseSimulation(draft, NOW)).toEqual([]);
    expect(refuseSimulation({ ...draft, from: new Date(NOW.getTime() - 1_830 * 86_400_000) }, NOW)).toEqual([]);
  });

  test.each<[string, object, string[]]>([
    ['ends where it begins', { from: NOW }, ['until']],
    ['ends before it begins', { from: new Date('2026-11-21T00:00:00Z') }, ['until']],
    ['ends in the future', { until: new Date(NOW.getTime() + 1) }, ['until']],
    ['is too long', { from: new Date(NOW.getTime() - 1_830 * 86_400_000 - 1) }, ['until']],
    ['names no tenant', { tenantIds: [] }, ['tenantIds']],
    ['names too many', { tenantIds: Array.from({ length: MOST_TENANTS + 1 }, () => 'ten') }, ['tenantIds']],
    [
      'has too many models',
      { modelContexts: Array.from({ length: 101 }, (_, index) => ({ modelKey: `m${index}`, bands: [] })) },
      ['modelContexts'],
    ],
    [
      'has a model twice',
      {
        modelContexts: [
          { modelKey: 'm', bands: [] },
          { modelKey: 'm', bands: [] },
        ],
      },
      ['modelContexts', '1', 'modelKey'],
    ],
    [
      'has bands that do not ascend',
      {
        modelContexts: [
          {
            modelKey: 'm',
            bands: [
              { above: '2', name: 'long' },
              { above: '1', name: 'huge' },
            ],
          },
        ],
      },
      ['modelContexts', '0', 'bands', '1', 'above'],
    ],
  ])('that %s is refused at its field', (_what, given, field) => {
    expect(refuseSimulation({ ...draft, ...given }, NOW).map(refusal => refusal.field)).toEqual([field]);
  });
});

describe('progress', () => {
  const progress = { isDone: false, tenantsTotal: 8, tenantsDone: 3, eventsTotal: null, eventsDone: '5000' };

  test.each<[string, Partial<Parameters<typeof percentOf>[0]>, string]>([
    ['is by tenants where nobody knows the events', {}, '37.5'],
    ['is by tenants where there are no events', { eventsTotal: '0' }, '37.5'],
    ['is by events', { eventsTotal: '30000' }, '16.7'],
    ['is never whole before the end', { eventsTotal: '4000' }, '99.9'],
    ['is whole at the end', { isDone: true }, '100'],
    ['begins at nothing', { eventsTotal: '7', eventsDone: '0' }, '0'],
  ])('%s', (_what, given, expected) => {
    expect(percentOf({ ...progress, ...given })).toBe(expected);
  });
});
