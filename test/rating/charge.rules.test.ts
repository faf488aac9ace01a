import fc from 'fast-check';
import { decimal, formatDecimal, maxOf, sum, ZERO, type Decimal } from '../../src/money/index.js';
import { matchPrice } from '../../src/pricing/pattern.rules.js';
import { readPricingModel, type PricingModel } from '../../src/pricing/price.rules.js';
import { rate } from '../../src/pricing/rate.rules.js';
import { duesOf, segmentsOf, type Aggregation, type RatedPrice, type Used } from '../../src/rating/charge.rules.js';

const AGGREGATIONS: readonly Aggregation[] = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT'];
const PERIOD = { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-12-01T00:00:00Z') };
const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));

function model(json: unknown): PricingModel {
  const read = readPricingModel(json);

  if ('refusals' in read) {
    throw new Error(JSON.stringify(read.refusals));
  }

  return read.model;
}

const perUnit = (amount: string): PricingModel => model({ kind: 'PER_UNIT', rate: { amount, per: '1' } });
const GRADUATED = model({
  kind: 'GRADUATED',
  tiers: [
    { upTo: '100', rate: { amount: '1', per: '1' } },
    { upTo: null, rate: { amount: '0.5', per: '1' } },
  ],
});

const MODELS: readonly PricingModel[] = [
  model({ kind: 'FLAT', amount: '9.99' }),
  perUnit('0.0375'),
  model({ kind: 'PACKAGE', amount: '3', size: '7', free: '5' }),
  GRADUATED,
  model({
    kind: 'GRADUATED',
    tiers: [
      { upTo: '10', rate: { amount: '0', per: '1' }, flat: '1' },
      { upTo: '50', rate: { amount: '0.25', per: '1' } },
      { upTo: null, rate: { amount: '0.125', per: '1' }, flat: '2' },
    ],
  }),
  model({
    kind: 'VOLUME',
    tiers: [
      { upTo: '20', rate: { amount: '2', per: '1' } },
      { upTo: null, rate: { amount: '1', per: '1' }, flat: '4' },
    ],
  }),
];

let serial = 0;
const price = (given: Partial<RatedPrice> & { readonly model: PricingModel }): RatedPrice => ({
  id: `prc_${String(serial++).padStart(6, '0')}`,
  meterId: 'mtr',
  name: 'Tokens',
  pattern: {},
  ...given,
});
const version = (effectiveAt: Date, prices: readonly RatedPrice[], number = 1) => ({
  id: `pbv_${number}_${effectiveAt.getTime()}`,
  number,
  effectiveAt,
  prices,
});

const row = (segment: number, value: Partial<Used> = {}): Used => ({
  meterId: 'mtr',
  dimensions: '{}',
  segment,
  sum: '0',
  max: '0',
  latest: null,
  unique: '0',
  ...value,
});

const always = (aggregation: Aggregation) => (): Aggregation => aggregation;

const total = (dues: readonly { readonly amount: Decimal }[]): string =>
  formatDecimal(sum(dues.map(due => due.amount)));

/** The fields that a segment's usage says for one value under any aggregation. */
const said = (value: string): Partial<Used> => ({ sum: value, max: value, latest: value, unique: value });

/** The running quantity after each segment, written down once more as plainly as it can be. */
function naiveRunning(rows: readonly Used[], segments: number, aggregation: Aggregation): Decimal[] {
  const running = [ZERO];

  for (let segment = 0; segment < segments; segment++) {
    const upTo = rows.filter(candidate => candidate.segment <= segment);
    const latest = upTo.filter(candidate => candidate.latest !== null).at(-1)?.latest ?? '0';
    running.push(
      {
        SUM: () => sum(upTo.map(used => decimal(used.sum))),
        COUNT: () => sum(upTo.map(used => decimal(used.sum))),
        MAX: () => maxOf(ZERO, ...upTo.map(used => decimal(used.max))),
        LATEST: () => decimal(latest),
        UNIQUE_COUNT: () => sum(upTo.map(used => decimal(used.unique))),
      }[aggregation](),
    );
  }

  return running;
}

describe('segmentsOf', () => {
  test('is one segment without a version where none has taken effect', () => {
    expect(segmentsOf(PERIOD, [])).toEqual([{ ...PERIOD, version: null }]);
    expect(segmentsOf(PERIOD, [version(PERIOD.end, [])])).toEqual([{ ...PERIOD, version: null }]);
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
        const versions = days.toSorted((a, b) => a - b).map((at, index) => version(day(at), [], index + 1));
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

describe('duesOf', () => {
  test('asks for nothing where nothing was used', () => {
    const segments = segmentsOf(PERIOD, [version(day(1), [price({ model: perUnit('1') })])]);
    expect(duesOf(segments, [], always('SUM'))).toEqual({ dues: [], unpriced: [] });
    expect(duesOf(segments, [row(0)], always('SUM'))).toEqual({ dues: [], unpriced: [] });
  });

  test('prices the whole quantity under one version', () => {
    const tokens = price({ model: perUnit('0.5'), name: 'Tokens', pattern: {} });
    const segments = segmentsOf(PERIOD, [version(day(1), [tokens])]);
    const { dues, unpriced } = duesOf(segments, [row(0, { sum: '12.5' })], always('SUM'));
    expect(unpriced).toEqual([]);
    expect(dues).toHaveLength(1);
    expect(dues[0]).toMatchObject({
      priceId: tokens.id,
      priceName: 'Tokens',
      versionNumber: 1,
      meterId: 'mtr',
      from: ZERO,
      to: decimal('12.5'),
      amount: decimal('6.25'),
    });
  });

  test('carries tiers on over a change of prices', () => {
    const [old, fresh] = [
      price({ model: GRADUATED }),
      price({
        model: model({
          kind: 'GRADUATED',
          tiers: [
            { upTo: '100', rate: { amount: '10', per: '1' } },
            { upTo: null, rate: { amount: '5', per: '1' } },
          ],
        }),
      }),
    ];
    const segments = segmentsOf(PERIOD, [version(day(1), [old], 1), version(day(15), [fresh], 2)]);
    const { dues } = duesOf(segments, [row(0, { sum: '90' }), row(1, { sum: '20' })], always('SUM'));
    // 90 × 1, then ten more of the first tier at 10 and ten of the second at 5.
    expect(dues.map(due => [due.priceId, due.from.toString(), due.to.toString(), due.amount.toString()])).toEqual([
      [old.id, '0', '90', '90'],
      [fresh.id, '90', '110', '150'],
    ]);
  });

  test('sums the combinations of dimensions that a price matches before it rates them', () => {
    const tokens = price({ model: GRADUATED });
    const segments = segmentsOf(PERIOD, [version(day(1), [tokens])]);
    const { dues } = duesOf(
      segments,
      [row(0, { dimensions: '{"model":"a"}', sum: '60' }), row(0, { dimensions: '{"model":"b"}', sum: '60' })],
      always('SUM'),
    );
    expect(dues.map(due => [due.to.toString(), due.amount.toString()])).toEqual([['120', '110']]);
  });

  test('gives each combination to its most specific price', () => {
    const [exact, prefix, any] = [
      price({ model: perUnit('3'), pattern: { model: 'gpt-6' } }),
      price({ model: perUnit('2'), pattern: { model: 'gpt-*' } }),
      price({ model: perUnit('1') }),
    ];
    const segments = segmentsOf(PERIOD, [version(day(1), [any, prefix, exact])]);
    const { dues } = duesOf(
      segments,
      ['gpt-6', 'gpt-7', 'claude'].map(name => row(0, { dimensions: JSON.stringify({ model: name }), sum: '10' })),
      always('SUM'),
    );
    expect(new Map(dues.map(due => [due.priceId, due.amount.toString()]))).toEqual(
      new Map([
        [exact.id, '30'],
        [prefix.id, '20'],
        [any.id, '10'],
      ]),
    );
  });

  test('reports what no price matches, by meter and dimensions, once for the period', () => {
    const segments = segmentsOf(PERIOD, [
      version(day(1), [price({ model: perUnit('1'), pattern: { model: 'a' } })], 1),
      version(day(15), [price({ model: perUnit('1'), pattern: { model: 'a' } })], 2),
    ]);
    const { dues, unpriced } = duesOf(
      segments,
      [
        row(0, { dimensions: '{"model":"b"}', sum: '3' }),
        row(1, { dimensions: '{"model":"b"}', sum: '4' }),
        row(1, { dimensions: '{}', sum: '1' }),
      ],
      always('SUM'),
    );
    expect(dues).toEqual([]);
    expect(unpriced.map(({ dimensions, quantity }) => [dimensions, quantity.toString()])).toEqual([
      ['{"model":"b"}', '7'],
      ['{}', '1'],
    ]);
  });

  test('prices from the running quantity what follows on unpriced usage', () => {
    const segments = segmentsOf(PERIOD, [version(day(15), [price({ model: GRADUATED })], 1)]);
    const { dues, unpriced } = duesOf(segments, [row(0, { sum: '95' }), row(1, { sum: '10' })], always('SUM'));
    expect(unpriced.map(({ quantity }) => quantity.toString())).toEqual(['95']);
    expect(dues.map(due => [due.from.toString(), due.to.toString(), due.amount.toString()])).toEqual([
      ['95', '105', '7.5'],
    ]);
  });

  test.each([
    // [aggregation, usage before the cut, usage after it, running before, running after]
    ['SUM', { sum: '5' }, { sum: '3' }, '5', '8'],
    ['COUNT', { sum: '5' }, { sum: '3' }, '5', '8'],
    ['MAX', { max: '5' }, { max: '8' }, '5', '8'],
    ['MAX', { max: '5' }, { max: '3' }, '5', '5'],
    ['LATEST', { latest: '5' }, { latest: '8' }, '5', '8'],
    ['LATEST', { latest: '5' }, { latest: '3' }, '5', '3'],
    ['LATEST', { latest: '5' }, { latest: null }, '5', '5'],
    ['LATEST', { latest: '5' }, { latest: '0' }, '5', '0'],
    ['UNIQUE_COUNT', { unique: '5' }, { unique: '3' }, '5', '8'],
  ] as const)('%s runs on over a cut: %j, then %j', (aggregation, before, after, first, second) => {
    const [old, fresh] = [price({ model: perUnit('1') }), price({ model: perUnit('10') })];
    const segments = segmentsOf(PERIOD, [version(day(1), [old], 1), version(day(15), [fresh], 2)]);
    const { dues } = duesOf(segments, [row(0, before), row(1, after)], always(aggregation));
    const asked = new Map(dues.map(due => [due.priceId, due]));
    expect(asked.get(old.id)?.amount.toString()).toBe(first);
    expect(asked.get(fresh.id)?.amount.toString()).toBe(
      first === second ? undefined : decimal(second).minus(first).times(10).toString(),
    );
  });

  test('throws on a meter that nobody knows', () => {
    const segments = segmentsOf(PERIOD, [version(day(1), [price({ model: perUnit('1') })])]);
    expect(() =>
      duesOf(segments, [row(0, { sum: '1' })], () => {
        throw new Error('bucket of unknown meter');
      }),
    ).toThrow('bucket of unknown meter');
  });
});

const usageOf = (segments: number): fc.Arbitrary<Used[]> =>
  fc
    .uniqueArray(
      fc.record({
        segment: fc.nat(segments - 1),
        dimensions: fc.constantFrom('{}', '{"model":"a"}', '{"model":"ab"}', '{"model":"b"}'),
        value: fc.integer({ min: 0, max: 4_000 }).map(n => formatDecimal(decimal(n).div(16))),
        hasLatest: fc.boolean(),
      }),
      { selector: ({ segment, dimensions }) => `${segment} ${dimensions}`, maxLength: 16 },
    )
    .map(rows =>
      rows
        .toSorted((a, b) => a.segment - b.segment)
        .map(({ segment, dimensions, value, hasLatest }) =>
          row(segment, { ...said(value), dimensions, latest: hasLatest ? value : null }),
        ),
    );

describe('duesOf, whatever the usage', () => {
  test('equals a naive computation', () => {
    const patterns: readonly Readonly<Record<string, string>>[] = [{}, { model: 'a' }, { model: 'a*' }];
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 29 }), { maxLength: 4 }),
        fc.array(fc.array(fc.constantFrom(...MODELS), { minLength: 3, maxLength: 3 }), { minLength: 5, maxLength: 5 }),
        fc.array(fc.subarray([0, 1, 2]), { minLength: 5, maxLength: 5 }),
        fc.constantFrom(...AGGREGATIONS),
        usageOf(5),
        (cuts, models, present, aggregation, used) => {
          const versions = [0, ...cuts.toSorted((a, b) => a - b)].map((at, index) =>
            version(
              day(at + 1),
              (present[index] ?? []).map(which =>
                price({ model: models[index]?.[which] ?? perUnit('1'), pattern: patterns[which] ?? {} }),
              ),
              index + 1,
            ),
          );
          const segments = segmentsOf(PERIOD, versions);
          const within = used.filter(({ segment }) => segment < segments.length);
          const { dues, unpriced } = duesOf(segments, within, always(aggregation));
          const expected = new Map<string, { from: Decimal; to: Decimal }>();
          const missing = new Map<string, Decimal>();

          for (const [dimensions, rows] of Map.groupBy(within, ({ dimensions: text }) => text)) {
            const running = naiveRunning(rows, segments.length, aggregation);

            for (const [index, segment] of segments.entries()) {
              const [from, to] = [running[index] ?? ZERO, running[index + 1] ?? ZERO];
              const found = matchPrice(
                segment.version?.prices ?? [],
                'mtr',
                JSON.parse(dimensions) as Record<string, string>,
              );

              if (found) {
                const before = expected.get(found.id) ?? { from: ZERO, to: ZERO };
                expected.set(found.id, { from: before.from.plus(from), to: before.to.plus(to) });
              } else if (!to.eq(from)) {
                missing.set(dimensions, (missing.get(dimensions) ?? ZERO).plus(to.minus(from)));
              }
            }
          }

          const priceById = new Map(versions.flatMap(({ prices }) => prices.map(known => [known.id, known.model])));
          const wanted = [...expected]
            .filter(([, { from, to }]) => !from.eq(to))
            .map(([id, { from, to }]) => {
              const known = priceById.get(id) ?? perUnit('1');

              return [id, formatDecimal(rate(known, to).amount.minus(rate(known, from).amount))];
            });
          expect(Object.fromEntries(dues.map(due => [due.priceId, formatDecimal(due.amount)]))).toEqual(
            Object.fromEntries(wanted),
          );
          expect(
            Object.fromEntries(unpriced.map(({ dimensions, quantity }) => [dimensions, formatDecimal(quantity)])),
          ).toEqual(Object.fromEntries([...missing].map(([text, quantity]) => [text, formatDecimal(quantity)])));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('has steps that add up to each amount', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MODELS),
        fc.constantFrom(...MODELS),
        fc.constantFrom(...AGGREGATIONS),
        usageOf(2),
        (one, other, aggregation, used) => {
          const segments = segmentsOf(PERIOD, [
            version(day(1), [price({ model: one })], 1),
            version(day(15), [price({ model: other })], 2),
          ]);

          for (const due of duesOf(segments, used, always(aggregation)).dues) {
            expect(total(due.steps)).toBe(formatDecimal(due.amount));
          }
        },
      ),
    );
  });

  test('asks for the same when the same prices are published again in the middle of the period', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MODELS),
        fc.constantFrom(...MODELS),
        fc.uniqueArray(fc.integer({ min: 2, max: 29 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...AGGREGATIONS),
        usageOf(5),
        (one, other, cuts, aggregation, used) => {
          const prices = () => [price({ model: one }), price({ model: other, pattern: { model: 'a*' } })];
          const once = segmentsOf(PERIOD, [version(day(1), prices())]);
          const again = segmentsOf(PERIOD, [
            version(day(1), prices()),
            ...cuts.toSorted((a, b) => a - b).map((at, index) => version(day(at), prices(), index + 2)),
          ]);
          const within = used.filter(({ segment }) => segment < again.length);
          // What the database says of the whole period where nothing cuts it.
          const whole = [...Map.groupBy(within, ({ dimensions }) => dimensions)].map(([dimensions, rows]) => {
            const [last] = naiveRunning(rows, again.length, aggregation).slice(-1);
            const value = formatDecimal(last ?? ZERO);
            const hasLatest = rows.some(({ latest }) => latest !== null);

            return row(0, { ...said(value), dimensions, latest: hasLatest ? value : null });
          });
          expect(total(duesOf(again, within, always(aggregation)).dues)).toBe(
            total(duesOf(once, whole, always(aggregation)).dues),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('does not depend on the order of the rows of the usage', () => {
    fc.assert(
      fc.property(usageOf(3), fc.constantFrom('SUM', 'COUNT', 'MAX', 'UNIQUE_COUNT'), (used, aggregation) => {
        const segments = segmentsOf(PERIOD, [
          version(day(1), [price({ model: GRADUATED, id: 'a' })], 1),
          version(day(10), [price({ model: perUnit('2'), id: 'b' })], 2),
          version(day(20), [price({ model: GRADUATED, id: 'c' })], 3),
        ]);
        const asked = (rows: readonly Used[]) =>
          Object.fromEntries(
            duesOf(segments, rows, always(aggregation)).dues.map(due => [due.priceId, formatDecimal(due.amount)]),
          );
        expect(asked(used.toReversed())).toEqual(asked(used));
      }),
    );
  });
});
