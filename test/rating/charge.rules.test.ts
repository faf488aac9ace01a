import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decimal, formatDecimal, maxOf, sum, ZERO, type Decimal } from '../../src/money/index.js';
import { canonicalJson } from '../../src/platform/canonical-json.js';
import { compareSpecificity, matches, specificity } from '../../src/pricing/pattern.rules.js';
import type { PriceTerms } from '../../src/pricing/price.rules.js';
import { rate, type Usage } from '../../src/pricing/rate.rules.js';
import { isActive } from '../../src/pricing/window.rules.js';
import { duesOf } from '../../src/rating/charge.rules.js';
import type { CostOf, RatedPrice, RatedVersion } from '../../src/rating/facts.rules.js';
import type { Aggregation, Level } from '../../src/rating/series.rules.js';
import {
  day,
  PERIOD,
  periodOf,
  perUnit,
  price,
  terms,
  told,
  total,
  used,
  version,
  window,
  type Happened,
} from './period.js';

const FLAT = terms({ model: 'FLAT', flatAmount: '10' });
const GRADUATED = terms({
  model: 'GRADUATED',
  tiers: [
    { upTo: '100', unitAmount: '1' },
    { upTo: null, unitAmount: '0.5' },
  ],
});

/** One version from the 1st, or one more from each further day. */
const versions = (first: readonly RatedPrice[], ...later: readonly (readonly [number, readonly RatedPrice[]])[]) => [
  version(day(1), first, 1),
  ...later.map(([from, prices], index) => version(day(from), prices, index + 2)),
];

const amounts = (facts: Parameters<typeof duesOf>[0]): string[][] =>
  duesOf(facts).dues.map(({ priceId, amount }) => [priceId, formatDecimal(amount)]);

test('where nothing was used nothing is asked for', () => {
  const facts = periodOf({ versions: versions([price({ terms: perUnit('1') })]) });
  expect(duesOf(facts)).toEqual({ dues: [], unpriced: [] });
  expect(duesOf({ ...facts, isOver: true })).toEqual({ dues: [], unpriced: [] });
  expect(duesOf(periodOf({ versions: [] }))).toEqual({ dues: [], unpriced: [] });
});

test('one version prices the whole quantity', () => {
  const tokens = price({ terms: terms({ model: 'UNIT', unitAmount: '0.5', freeUnits: '2' }) });
  const { dues, unpriced } = duesOf(periodOf({ versions: versions([tokens]), events: [used(day(3), '12.5')] }));
  expect(unpriced).toEqual([]);
  expect(dues).toHaveLength(1);
  expect(dues[0]).toMatchObject({
    priceId: tokens.id,
    priceName: 'Tokens',
    versionNumber: 1,
    meterId: 'mtr',
    pattern: {},
    from: ZERO,
    to: decimal('12.5'),
    converted: decimal('12.5'),
    billable: decimal('10.5'),
    amount: decimal('5.25'),
  });
});

test('tiers carry on over a change of prices', () => {
  const old = price({ terms: GRADUATED });
  const fresh = price({
    terms: terms({
      model: 'GRADUATED',
      tiers: [
        { upTo: '100', unitAmount: '10' },
        { upTo: null, unitAmount: '5' },
      ],
    }),
  });
  const facts = periodOf({
    versions: versions([old], [15, [fresh]]),
    events: [used(day(2), '90'), used(day(15), '20')],
  });
  // 90 × 1, then ten more of the first tier at 10 and ten of the second at 5.
  expect(told(duesOf(facts).dues)).toEqual([
    [old.id, '0', '90', '90'],
    [fresh.id, '90', '110', '150'],
  ]);
});

test('the combinations of dimensions that a price matches are summed before they are rated', () => {
  const tokens = price({ terms: GRADUATED });
  const facts = periodOf({
    versions: versions([tokens]),
    events: [used(day(2), '60', { model: 'a' }), used(day(2), '60', { model: 'b' })],
  });
  expect(told(duesOf(facts).dues)).toEqual([[tokens.id, '0', '120', '110']]);
});

test('each combination goes to its most specific price', () => {
  const exact = price({ terms: perUnit('3'), pattern: { model: 'gpt-6' } });
  const prefix = price({ terms: perUnit('2'), pattern: { model: 'gpt-*' } });
  const any = price({ terms: perUnit('1') });
  const facts = periodOf({
    versions: versions([any, prefix, exact]),
    events: ['gpt-6', 'gpt-7', 'claude'].map(model => used(day(2), '10', { model })),
  });
  expect(new Set(amounts(facts))).toEqual(
    new Set([
      [exact.id, '30'],
      [prefix.id, '20'],
      [any.id, '10'],
    ]),
  );
});

test('what no price matches is told by meter and dimensions, once for the period', () => {
  const prices = () => [price({ terms: perUnit('1'), pattern: { model: 'a' } })];
  const facts = periodOf({
    versions: versions(prices(), [15, prices()]),
    events: [used(day(2), '3', { model: 'b' }), used(day(16), '4', { model: 'b' }), used(day(16), '1')],
  });
  const { dues, unpriced } = duesOf(facts);
  expect(dues).toEqual([]);
  expect(unpriced.map(row => ({ ...row, quantity: formatDecimal(row.quantity) }))).toEqual([
    { meterId: 'mtr', dimensions: '{"model":"b"}', quantity: '7', reason: 'NO_PRICE' },
    { meterId: 'mtr', dimensions: '{}', quantity: '1', reason: 'NO_PRICE' },
  ]);
});

test('what follows on unpriced usage is priced from the running quantity', () => {
  const tokens = price({ terms: GRADUATED });
  const facts = periodOf({
    versions: [version(day(15), [tokens])],
    events: [used(day(2), '95'), used(day(16), '10')],
  });
  const { dues, unpriced } = duesOf(facts);
  expect(unpriced.map(({ quantity }) => formatDecimal(quantity))).toEqual(['95']);
  expect(told(dues)).toEqual([[tokens.id, '95', '105', '7.5']]);
});

describe('an amount that is due at zero quantity', () => {
  const FIRST_TIER = terms({
    model: 'GRADUATED',
    tiers: [
      { upTo: '10', unitAmount: '1', flatAmount: '7' },
      { upTo: null, unitAmount: '0.5', flatAmount: '3' },
    ],
  });

  test('is asked for once, by the first version, when the same prices are published again', () => {
    const [first, second, third] = [FLAT, FLAT, FLAT].map(flat => price({ terms: flat }));

    if (!first || !second || !third) {
      throw new Error('three prices were made');
    }

    const facts = periodOf({
      versions: versions([first], [10, [second]], [20, [third]]),
      events: [used(day(2), '5'), used(day(11), '5'), used(day(21), '5')],
    });
    expect(told(duesOf(facts).dues)).toEqual([
      [first.id, '0', '5', '10'],
      [second.id, '5', '10', '0'],
      [third.id, '10', '15', '0'],
    ]);
  });

  test('is asked for by the first version also where only a later one saw usage', () => {
    const [old, fresh] = [price({ terms: FLAT }), price({ terms: FLAT })];
    const facts = periodOf({ versions: versions([old], [15, [fresh]]), events: [used(day(20), '5')] });
    expect(told(duesOf(facts).dues)).toEqual([
      [old.id, '0', '0', '10'],
      [fresh.id, '0', '5', '0'],
    ]);
  });

  test('stays what the first version said when a later one says another', () => {
    const old = price({ terms: FLAT });
    const fresh = price({ terms: terms({ model: 'FLAT', flatAmount: '25' }) });
    const facts = periodOf({
      versions: versions([old], [15, [fresh]]),
      events: [used(day(2), '1'), used(day(20), '5')],
    });
    expect(amounts(facts)).toEqual([
      [old.id, '10'],
      [fresh.id, '0'],
    ]);
  });

  test('is asked for by a later version that brings the price', () => {
    const added = price({ terms: FLAT, pattern: { model: 'a' } });
    const facts = periodOf({
      versions: versions([], [15, [added]]),
      events: [used(day(20), '5', { model: 'a' })],
    });
    expect(amounts(facts)).toEqual([[added.id, '10']]);
  });

  test('follows a price by what it binds, in whatever order it names that', () => {
    const prices = (pattern: Record<string, string>) => [price({ terms: FLAT, pattern })];
    const events = [used(day(2), '1', { model: 'a', tier: 'b' }), used(day(20), '1', { model: 'a', tier: 'b' })];
    const amountOf = (pattern: Record<string, string>): string =>
      total(
        duesOf(periodOf({ versions: versions(prices({ model: 'a', tier: 'b' }), [15, prices(pattern)]), events })).dues,
      );
    expect(amountOf({ tier: 'b', model: 'a' })).toBe('10');
    expect(amountOf({ model: 'a' })).toBe('20');
  });

  test('is that of the first tier; the others ask for theirs once they are entered, under whatever version', () => {
    const [old, fresh] = [price({ terms: FIRST_TIER }), price({ terms: FIRST_TIER })];
    const facts = periodOf({
      versions: versions([old], [15, [fresh]]),
      events: [used(day(2), '4'), used(day(20), '8')],
    });
    // 7 + 4 × 1, then 6 × 1 + 3 + 2 × 0.5.
    expect(told(duesOf(facts).dues)).toEqual([
      [old.id, '0', '4', '11'],
      [fresh.id, '4', '12', '10'],
    ]);
  });

  test('waits for usage while the period runs, and is asked for without any when it is over', () => {
    const [flat, tiered] = [
      price({ terms: FLAT, pattern: { model: 'a' } }),
      price({ terms: FIRST_TIER, pattern: { model: 'b' } }),
    ];
    const running = periodOf({ versions: versions([flat, tiered]) });
    expect(amounts(running)).toEqual([]);
    expect(told(duesOf({ ...running, isOver: true }).dues)).toEqual([
      [flat.id, '0', '0', '10'],
      [tiered.id, '0', '0', '7'],
    ]);
    const begun = periodOf({ versions: versions([flat, tiered]), events: [used(day(2), '3', { model: 'b' })] });
    expect(amounts(begun)).toEqual([[tiered.id, '10']]);
    expect(amounts({ ...begun, isOver: true })).toEqual([
      [flat.id, '10'],
      [tiered.id, '10'],
    ]);
  });

  test('is asked for once without usage, though the period is over and has versions', () => {
    const [old, fresh, added] = [
      price({ terms: FLAT }),
      price({ terms: FLAT }),
      price({ terms: FLAT, pattern: { model: 'a' } }),
    ];
    const facts = periodOf({ versions: versions([old], [15, [fresh, added]]), isOver: true });
    expect(amounts(facts)).toEqual([
      [old.id, '10'],
      [added.id, '10'],
    ]);
  });

  test('is not asked for where no version had taken effect, and not by one that begins after the period', () => {
    const facts = periodOf({ versions: [version(PERIOD.end, [price({ terms: FLAT })])], isOver: true });
    expect(amounts(facts)).toEqual([]);
  });

  test('takes its discount and its maximum once, too', () => {
    const json = { model: 'FLAT', flatAmount: '10', discountRate: '20', maximum: '7.5' } as const;
    const [old, fresh] = [price({ terms: terms(json) }), price({ terms: terms(json) })];
    const facts = periodOf({
      versions: versions([old], [15, [fresh]]),
      events: [used(day(2), '4'), used(day(20), '8')],
    });
    const { dues } = duesOf(facts);
    expect(dues.map(({ amount, steps }) => [formatDecimal(amount), total(steps)])).toEqual([
      ['7.5', '7.5'],
      ['0', '0'],
    ]);
  });
});

describe('a minimum', () => {
  const MINIMUM = terms({ model: 'UNIT', unitAmount: '1', minimum: '10' });

  test.each([
    ['0', '0', '10'],
    ['3', '3', '10'],
    ['12', '12', '12'],
  ])('of 10 for usage of %s asks for %s while the period runs and for %s when it is over', (quantity, live, over) => {
    const facts = periodOf({
      versions: versions([price({ terms: MINIMUM })]),
      events: quantity === '0' ? [] : [used(day(2), quantity)],
    });
    expect(total(duesOf(facts).dues)).toBe(live);
    expect(total(duesOf({ ...facts, isOver: true }).dues)).toBe(over);
  });

  test('counts for the period, not for each version of it', () => {
    const prices = () => [price({ terms: MINIMUM })];
    const over = (...quantities: readonly [string, string, string]): string =>
      total(
        duesOf(
          periodOf({
            versions: versions(prices(), [10, prices()], [20, prices()]),
            events: quantities.map((quantity, index) => used(day(index * 10 + 2), quantity)),
            isOver: true,
          }),
        ).dues,
      );
    expect(over('1', '2', '3')).toBe('10');
    expect(over('4', '4', '4')).toBe('12');
  });

  test('and a maximum bound the period together; the maximum holds while it runs', () => {
    const bound = price({ terms: terms({ model: 'UNIT', unitAmount: '1', minimum: '5', maximum: '8' }) });
    const facts = (quantity: string) => periodOf({ versions: versions([bound]), events: [used(day(2), quantity)] });
    expect(['1', '6', '9'].map(quantity => total(duesOf(facts(quantity)).dues))).toEqual(['1', '6', '8']);
    expect(['1', '6', '9'].map(quantity => total(duesOf({ ...facts(quantity), isOver: true }).dues))).toEqual([
      '5',
      '6',
      '8',
    ]);
  });
});

describe('windows', () => {
  const DAY = window({ daily: { start: '08:00', end: '20:00', timeZone: 'Europe/Berlin' } });
  const NIGHT = window({ daily: { start: '20:00', end: '08:00', timeZone: 'Europe/Berlin' } });

  test('of two times of the day split a day’s usage at their hours, in their zone', () => {
    const [byDay, byNight] = [
      price({ terms: perUnit('2'), window: DAY }),
      price({ terms: perUnit('1'), window: NIGHT }),
    ];
    const facts = periodOf({
      versions: versions([byDay, byNight]),
      events: [
        // Berlin is an hour ahead of UTC in November.
        used('2026-11-05T06:59:59Z', '1'),
        used('2026-11-05T07:00:00Z', '10'),
        used('2026-11-05T18:59:59Z', '100'),
        used('2026-11-05T19:00:00Z', '1000'),
      ],
    });
    expect(told(duesOf(facts).dues)).toEqual([
      [byDay.id, '0', '110', '220'],
      [byNight.id, '0', '1001', '1001'],
    ]);
    expect(duesOf(facts).unpriced).toEqual([]);
  });

  test('count their own usage for their tiers, over all their hours of the period', () => {
    const [byDay, byNight] = [price({ terms: GRADUATED, window: DAY }), price({ terms: GRADUATED, window: NIGHT })];
    const facts = periodOf({
      versions: versions([byDay, byNight]),
      events: [5, 6, 7].flatMap(number => [
        used(new Date(day(number).getTime() + 12 * 3_600_000), '60'),
        used(day(number), '20'),
      ]),
    });
    // 180 by day: 100 × 1 + 80 × 0.5; 60 by night, within the first tier.
    expect(amounts(facts)).toEqual([
      [byDay.id, '140'],
      [byNight.id, '60'],
    ]);
  });

  test('carry on over a change of prices', () => {
    const prices = () => [price({ terms: GRADUATED, window: DAY }), price({ terms: FLAT })];
    const [old, fresh] = [prices(), prices()];
    const facts = periodOf({
      versions: versions(old, [15, fresh]),
      events: [used('2026-11-05T12:00:00Z', '90'), used('2026-11-20T12:00:00Z', '20'), used(day(20), '5')],
    });
    expect(told(duesOf(facts).dues)).toEqual([
      [old[0]?.id, '0', '90', '90'],
      [old[1]?.id, '0', '0', '10'],
      [fresh[0]?.id, '90', '110', '15'],
      [fresh[1]?.id, '0', '5', '0'],
    ]);
  });

  test('of a promotion take its usage out of the price around it, which counts on as if there had been none', () => {
    const PROMOTION = window({ from: '2026-11-10T00:00:00Z', until: '2026-11-12T00:00:00Z' });
    const [list, promotion] = [price({ terms: GRADUATED }), price({ terms: perUnit('0.1'), window: PROMOTION })];
    const facts = periodOf({
      versions: versions([list, promotion]),
      events: [
        used(day(2), '90'),
        used('2026-11-09T23:59:59Z', '5'),
        used(day(10), '1000'),
        used('2026-11-11T23:59:59Z', '1000'),
        used(day(12), '15'),
      ],
    });
    expect(told(duesOf(facts).dues)).toEqual([
      [list.id, '0', '110', '105'],
      [promotion.id, '0', '2000', '200'],
    ]);
  });

  test('that leave usage without a price leave it unpriced', () => {
    const byDay = price({ terms: perUnit('2'), window: DAY });
    const facts = periodOf({
      versions: versions([byDay]),
      events: [
        used('2026-11-05T12:00:00Z', '10'),
        used('2026-11-05T23:00:00Z', '3'),
        used('2026-11-06T23:00:00Z', '4'),
      ],
    });
    const { dues, unpriced } = duesOf(facts);
    expect(told(dues)).toEqual([[byDay.id, '0', '10', '20']]);
    expect(unpriced.map(({ quantity, reason }) => [formatDecimal(quantity), reason])).toEqual([['7', 'NO_PRICE']]);
  });

  test('that do not open in the period ask for nothing, though it is over; those that do ask once', () => {
    const MINIMUM = terms({ model: 'UNIT', unitAmount: '1', minimum: '10' });
    const overWith = (from: string, until: string): string[][] => {
      const prices = (id: string) => [price({ id, terms: MINIMUM, window: window({ from, until }) })];

      return amounts(periodOf({ versions: versions(prices('old'), [15, prices('new')]), isOver: true }));
    };
    expect(overWith('2026-12-01T00:00:00Z', '2026-12-02T00:00:00Z')).toEqual([]);
    expect(overWith('2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z')).toEqual([]);
    expect(overWith('2026-11-05T00:00:00Z', '2026-11-06T00:00:00Z')).toEqual([['old', '10']]);
    expect(overWith('2026-11-20T00:00:00Z', '2026-12-10T00:00:00Z')).toEqual([['new', '10']]);
    expect(overWith('2026-10-20T00:00:00Z', '2026-12-10T00:00:00Z')).toEqual([['new', '10']]);
  });
});

describe('COST_PLUS', () => {
  const PLUS = terms({ model: 'COST_PLUS', markup: '1.2' });
  /** Costs of a thousand units by day of the month from which they hold. */
  const costing =
    (...costs: readonly (readonly [number, string])[]): CostOf =>
    (_meterId, _dimensions, at) => {
      const found = costs.findLast(([from]) => day(from) <= at);

      return found ? { amount: decimal(found[1]), per: decimal(1_000) } : null;
    };

  test('prices what the usage costs us, by the cost of its time', () => {
    const plus = price({ terms: PLUS });
    const facts = periodOf({
      versions: versions([plus]),
      events: [used(day(2), '500'), used(day(9), '500'), used(day(10), '2000')],
      costOf: costing([1, '2'], [10, '3']),
      costsChange: [day(10)],
    });
    // 1,000 at 2 and 2,000 at 3 per thousand: 8, and a fifth on top.
    expect(told(duesOf(facts).dues)).toEqual([[plus.id, '0', '8', '9.6']]);
  });

  test('goes on over a change of prices, each by its own markup', () => {
    const [old, fresh] = [price({ terms: PLUS }), price({ terms: terms({ model: 'COST_PLUS', markup: '2' }) })];
    const facts = periodOf({
      versions: versions([old], [15, [fresh]]),
      events: [used(day(2), '1000'), used(day(12), '1000'), used(day(16), '1000')],
      costOf: costing([1, '2'], [10, '3']),
      costsChange: [day(10)],
    });
    expect(told(duesOf(facts).dues)).toEqual([
      [old.id, '0', '5', '6'],
      [fresh.id, '5', '8', '6'],
    ]);
  });

  test('leaves usage whose cost nobody has entered unpriced, for want of a cost, and prices the rest', () => {
    const plus = price({ terms: PLUS });
    const facts = periodOf({
      versions: versions([plus], [20, [price({ terms: PLUS, id: 'prc_again' })]]),
      events: [used(day(2), '700'), used(day(10), '1000'), used(day(21), '2000')],
      costOf: costing([10, '3']),
      costsChange: [day(10)],
    });
    const { dues, unpriced } = duesOf(facts);
    expect(told(dues)).toEqual([
      [plus.id, '0', '3', '3.6'],
      ['prc_again', '3', '9', '7.2'],
    ]);
    expect(unpriced.map(({ quantity, reason }) => [formatDecimal(quantity), reason])).toEqual([['700', 'NO_COST']]);
  });

  test('asks for its minimum when the period is over, also where nothing has a cost', () => {
    const plus = price({ terms: terms({ model: 'COST_PLUS', minimum: '4' }) });
    const facts = periodOf({ versions: versions([plus]), events: [used(day(2), '700')] });
    expect(duesOf(facts).dues).toEqual([]);
    expect(amounts({ ...facts, isOver: true })).toEqual([[plus.id, '4']]);
  });
});

describe('a time-weighted meter', () => {
  const level = (value: string): Level => ({ meterId: 'mtr', dimensions: '{}', level: value });

  test('is charged for the level that the period begins with, though nothing happens in it', () => {
    const seats = price({ terms: perUnit('3') });
    const facts = periodOf({ versions: versions([seats]), aggregation: 'TIME_WEIGHTED', levels: [level('10')] });
    expect(told(duesOf(facts).dues)).toEqual([[seats.id, '0', '10', '30']]);
  });

  test('splits its average where prices change, to the last digit', () => {
    const [old, mid, fresh] = [
      price({ terms: perUnit('3') }),
      price({ terms: perUnit('6') }),
      price({ terms: perUnit('3') }),
    ];
    const facts = periodOf({
      versions: versions([old], [11, [mid]], [16, [fresh]]),
      aggregation: 'TIME_WEIGHTED',
      levels: [level('1')],
      events: [used(day(16), '2')],
    });
    const { dues } = duesOf(facts);
    // A third of the month, a sixth at twice the price, and half a month of three.
    expect(dues.map(({ amount }) => amount.decimalPlaces(9).toString())).toEqual(['1', '1', '4.5']);
    expect(formatDecimal(dues.at(-1)?.to ?? ZERO)).toBe('2');
  });

  test('leaves a level without a price unpriced', () => {
    const { unpriced } = duesOf(periodOf({ versions: [], aggregation: 'TIME_WEIGHTED', levels: [level('10')] }));
    expect(unpriced.map(({ quantity, reason }) => [formatDecimal(quantity), reason])).toEqual([['10', 'NO_PRICE']]);
  });

  describe('whose price is prorated', () => {
    const prorated = (flatAmount: string): PriceTerms =>
      terms({
        model: 'GRADUATED',
        prorated: true,
        tiers: [
          { upTo: '5', unitAmount: '30' },
          { upTo: null, unitAmount: '15', flatAmount },
        ],
      });

    test('asks for each unit for the part of the period in which it was there', () => {
      const seats = price({ terms: prorated('0') });
      const facts = periodOf({
        versions: versions([seats]),
        aggregation: 'TIME_WEIGHTED',
        levels: [level('4')],
        events: [used(day(16), '3')],
      });
      // 4 seats at 30; for half a month one more at 30 and two at 15.
      expect(amounts(facts)).toEqual([[seats.id, '150']]);
    });

    test('asks for the flat amount of a tier that the level is in from the beginning', () => {
      const seats = price({ terms: prorated('100') });
      const facts = periodOf({ versions: versions([seats]), aggregation: 'TIME_WEIGHTED', levels: [level('7')] });
      // 5 seats at 30, 2 at 15, and 100 for the second tier.
      expect(amounts(facts)).toEqual([[seats.id, '280']]);
    });

    test('asks for the same when the same prices are published again', () => {
      const prices = () => [price({ terms: prorated('100') })];
      const given = {
        aggregation: 'TIME_WEIGHTED',
        levels: [level('4')],
        events: [used(day(7), '3'), used(day(22), '-5')],
      } as const;
      const once = total(duesOf(periodOf({ versions: versions(prices()), ...given })).dues);
      const again = total(
        duesOf(periodOf({ versions: versions(prices(), [4, prices()], [16, prices()]), ...given })).dues,
      );
      // 4 seats, for half a month one more at 30 and two at 15 with 100 for their tier, for 9 days two fewer.
      expect(once).toBe('232');
      expect(again).toBe(once);
    });
  });
});

describe('a percentage of each event', () => {
  const FEES = { model: 'PERCENTAGE', rate: '2', fixedAmount: '0.3', freeEvents: '1', perEventMaximum: '5' } as const;
  const events = [
    used(day(2), '1000'),
    used(day(3), '100'),
    used(day(14), '40'),
    used(day(16), '400'),
    used(day(20), '10'),
  ];

  test('comes to the same when the same prices are published again', () => {
    const prices = () => [price({ terms: terms(FEES) })];
    const facts = periodOf({ versions: versions(prices()), events });
    // The first is free; 2.3, 1.1, 8.3 cut to 5, 0.5.
    expect(total(duesOf(facts).dues)).toBe('8.9');

    for (const cut of [3, 10, 16, 17, 25]) {
      const { dues } = duesOf(periodOf({ versions: versions(prices(), [cut, prices()]), events }));
      expect(total(dues)).toBe('8.9');
    }
  });

  test('charges the events before a change by the old rate and those after it by the new one', () => {
    const [old, fresh] = [price({ terms: terms(FEES) }), price({ terms: terms({ ...FEES, rate: '1' }) })];
    const facts = periodOf({ versions: versions([old], [15, [fresh]]), events });
    // 2.3 + 1.1; then 4.3 and 0.4.
    expect(told(duesOf(facts).dues)).toEqual([
      [old.id, '0', '1140', '3.4'],
      [fresh.id, '1140', '1550', '4.7'],
    ]);
  });

  test('looks at the events of its own window', () => {
    const NIGHT = window({ daily: { start: '22:00', end: '06:00', timeZone: 'UTC' } });
    const [plain, byNight] = [price({ terms: terms(FEES) }), price({ terms: terms(FEES), window: NIGHT })];
    const facts = periodOf({
      versions: versions([plain, byNight]),
      events: [
        used('2026-11-02T12:00:00Z', '1000'),
        used('2026-11-02T23:00:00Z', '1000'),
        used('2026-11-03T12:00:00Z', '100'),
        used('2026-11-03T05:59:59Z', '50'),
      ],
    });
    // One is free in each.
    expect(amounts(facts)).toEqual([
      [plain.id, '2.3'],
      [byNight.id, '1.3'],
    ]);
  });
});

describe('a currency', () => {
  test('other than the contract’s leaves usage unpriced, and asks for nothing when the period is over', () => {
    const euro = price({ terms: FLAT, currency: 'EUR' });
    const facts = periodOf({ versions: versions([euro]), events: [used(day(2), '5')], isOver: true });
    const { dues, unpriced } = duesOf(facts);
    expect(dues).toEqual([]);
    expect(unpriced.map(({ quantity, reason }) => [formatDecimal(quantity), reason])).toEqual([['5', 'NO_PRICE']]);
    expect(amounts({ ...facts, currency: 'EUR' })).toEqual([[euro.id, '10']]);
  });

  test('chooses among prices for the same usage', () => {
    const [dollar, euro] = [price({ terms: perUnit('2') }), price({ terms: perUnit('3'), currency: 'EUR' })];
    const facts = periodOf({ versions: versions([dollar, euro]), events: [used(day(2), '5')], isOver: true });
    expect(amounts(facts)).toEqual([[dollar.id, '10']]);
    expect(amounts({ ...facts, currency: 'EUR' })).toEqual([[euro.id, '15']]);
  });
});

const AGGREGATIONS: readonly Aggregation[] = ['SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT', 'TIME_WEIGHTED'];
const MODELS: readonly PriceTerms[] = [
  FLAT,
  perUnit('0.0375'),
  terms({ model: 'PACKAGE', packageAmount: '3', packageSize: '7', freeUnits: '5' }),
  GRADUATED,
  terms({
    model: 'GRADUATED',
    tiers: [
      { upTo: '10', unitAmount: '0', flatAmount: '1' },
      { upTo: '50', unitAmount: '0.25' },
      { upTo: null, unitAmount: '0.125', flatAmount: '2' },
    ],
  }),
  terms({
    model: 'VOLUME',
    minimum: '3',
    tiers: [
      { upTo: '20', unitAmount: '2' },
      { upTo: null, unitAmount: '1', flatAmount: '4' },
    ],
  }),
  terms({
    model: 'STAIRSTEP',
    maximum: '40',
    tiers: [
      { upTo: '20', flatAmount: '10' },
      { upTo: null, flatAmount: '50' },
    ],
  }),
  terms({ model: 'PERCENTAGE', rate: '2.5', fixedAmount: '0.25', freeAmount: '12', perEventMinimum: '0.5' }),
  terms({
    model: 'UNIT',
    unitAmount: '0.5',
    discountRate: '12.5',
    conversion: { divideBy: '4', multiplyBy: '1', rounding: 'CEILING', precision: 0 },
  }),
];
const PROMOTION = window({ from: '2026-11-08T00:00:00Z', until: '2026-11-19T12:00:00Z' });
/** The three prices that a version may have: for all usage, for some, and for some of it at a time. */
const BINDINGS: readonly Pick<RatedPrice, 'pattern' | 'window'>[] = [
  { pattern: {}, window: null },
  { pattern: { model: 'a*' }, window: null },
  { pattern: { model: 'a' }, window: PROMOTION },
];

const eventOf: fc.Arbitrary<Happened> = fc
  .record({
    // Half days, so that events share pieces, and the last moments before a cut.
    at: fc
      .tuple(fc.nat(59), fc.boolean())
      .map(([half, late]) => new Date(day(1).getTime() + half * 43_200_000 + (late ? 43_199_999 : 0))),
    value: fc.integer({ min: 0, max: 640 }).map(n => formatDecimal(decimal(n).div(16))),
    dimensions: fc.constantFrom<Readonly<Record<string, string>>>({}, { model: 'a' }, { model: 'ab' }, { model: 'b' }),
  })
  .map(event => event);

/** At each instant one event, so that there is no doubt which is the latest. */
const eventsOf = fc.uniqueArray(eventOf, { selector: ({ at }) => at.getTime(), maxLength: 14 });
const cutsOf = fc
  .uniqueArray(fc.integer({ min: 2, max: 30 }), { maxLength: 4 })
  .map(days => days.toSorted((a, b) => a - b));

test('levels that come to whole units together begin no further package by thirds of a month', () => {
  const events = ['a', 'b', 'c'].map(model => used(day(11), '1', { model }));
  const held = [
    version(day(1), [price({ terms: terms({ model: 'PACKAGE', packageAmount: '1000', packageSize: '1' }) })], 1),
  ];
  const { dues } = duesOf(periodOf({ versions: held, events, aggregation: 'TIME_WEIGHTED' }));
  // Three levels of 1 for 20 of 30 days.
  expect(dues.map(({ to, amount }) => [formatDecimal(to), formatDecimal(amount)])).toEqual([['2', '2000']]);
});

test('the latest value is priced whole, by the version that holds last', () => {
  const unit = (unitAmount: string) => terms({ model: 'UNIT', unitAmount });
  const held = [version(day(1), [price({ terms: unit('1') })], 1), version(day(21), [price({ terms: unit('3') })], 2)];
  const events = [used(day(5), '100'), used(day(24), '50')];
  const { dues } = duesOf(periodOf({ versions: held, events, aggregation: 'LATEST' }));
  expect(
    dues.map(({ versionNumber, to, amount }) => [versionNumber, formatDecimal(to), formatDecimal(amount)]),
  ).toEqual([[2, '50', '150']]);
});

/** A month of which the first part is under one price and the rest under another. */
describe('a change of prices within the month', () => {
  const spent = (before: PriceTerms, after: PriceTerms, first: string, then: string, isOver = true): string => {
    const held = [version(day(1), [price({ terms: before })], 1), version(day(21), [price({ terms: after })], 2)];
    const events = [used(day(5), first), used(day(24), then)];
    const { dues } = duesOf(periodOf({ versions: held, events, isOver }));

    return formatDecimal(sum(dues.map(({ amount }) => amount)));
  };
  const volume = terms({
    model: 'VOLUME',
    tiers: [
      { upTo: '100', unitAmount: '10' },
      { upTo: null, unitAmount: '1' },
    ],
  });
  const unit = (unitAmount: string, more: object = {}) => terms({ model: 'UNIT', unitAmount, ...more });
  const flat = (flatAmount: string) => terms({ model: 'FLAT', flatAmount });

  test.each<[string, PriceTerms, PriceTerms, string, string, string]>([
    ['a volume price prices what came under it, by the tier of the month', unit('1'), volume, '100', '1', '101'],
    ['and what came before by the one that held then', volume, unit('1'), '100', '1', '101'],
    ['the same volume price again changes nothing', volume, volume, '100', '1', '101'],
    [
      'a minimum is reached by both parts together',
      unit('1', { minimum: '100' }),
      unit('2', { minimum: '100' }),
      '50',
      '50',
      '150',
    ],
    [
      'also where the second part is cheaper',
      unit('2', { minimum: '100' }),
      unit('1', { minimum: '100' }),
      '10',
      '140',
      '160',
    ],
    [
      'a maximum holds for both parts together',
      unit('2', { maximum: '100' }),
      unit('1', { maximum: '100' }),
      '40',
      '50',
      '100',
    ],
    ['what it has cut stays cut when it is dropped', unit('2', { maximum: '100' }), unit('1'), '90', '10', '110'],
    ['and when it is another', unit('2', { maximum: '100' }), unit('1', { maximum: '150' }), '90', '60', '150'],
    [
      'a maximum that goes on cuts the sum of both',
      unit('2', { maximum: '100' }),
      unit('2', { maximum: '100' }),
      '90',
      '10',
      '100',
    ],
    ['a minimum that is dropped is not asked for', unit('1', { minimum: '100' }), unit('1'), '5', '90', '95'],
    ['one that is new is', unit('1'), unit('1', { minimum: '100' }), '5', '5', '100'],
    ['a flat amount that is new is due', unit('1'), flat('100'), '0.5', '1', '100.5'],
    ['one that was due already is not due again', flat('100'), flat('120'), '1', '1', '100'],
  ])('%s', (_, before, after, first, then, expected) => {
    expect(spent(before, after, first, then)).toBe(expected);
  });
});

describe('whatever the usage', () => {
  test('what is due is that of one computation over its events', () => {
    fc.assert(
      fc.property(
        cutsOf,
        fc.array(fc.array(fc.constantFrom(...MODELS), { minLength: 3, maxLength: 3 }), { minLength: 5, maxLength: 5 }),
        fc.array(fc.subarray([0, 1, 2]), { minLength: 5, maxLength: 5 }),
        fc.boolean(),
        fc.constantFrom('SUM', 'MAX'),
        eventsOf,
        (cuts, models, present, isOver, aggregation, events) => {
          const held = [1, ...cuts].map((from, index) =>
            version(
              day(from),
              (present[index] ?? []).map(which => price({ terms: models[index]?.[which] ?? FLAT, ...BINDINGS[which] })),
              index + 1,
            ),
          );
          const { dues, unpriced } = duesOf(periodOf({ versions: held, events, isOver, aggregation }));
          const { asked, missing } = oneByOne(held, events, isOver, aggregation);
          expect(Object.fromEntries(dues.map(due => [due.priceId, formatDecimal(due.amount)]))).toEqual(asked);
          // The sentence ends at the amount that is charged.
          expect(dues.filter(due => !due.sentence.includes(formatDecimal(due.amount)))).toEqual([]);

          if (aggregation === 'SUM') {
            expect(Object.fromEntries(unpriced.map(row => [row.dimensions, formatDecimal(row.quantity)]))).toEqual(
              missing,
            );
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('the steps add up to each amount', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MODELS),
        fc.constantFrom(...MODELS),
        fc.constantFrom(...AGGREGATIONS),
        fc.boolean(),
        eventsOf,
        (one, other, aggregation, isOver, events) => {
          const facts = periodOf({
            versions: versions([price({ terms: one })], [15, [price({ terms: other })]]),
            aggregation,
            isOver,
            events,
          });

          for (const due of duesOf(facts).dues) {
            expect(total(due.steps)).toBe(formatDecimal(due.amount));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('the same prices published again in the middle of the period change nothing', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MODELS),
        fc.constantFrom(...MODELS),
        cutsOf,
        fc.constantFrom(...AGGREGATIONS),
        fc.boolean(),
        eventsOf,
        (one, other, cuts, aggregation, isOver, events) => {
          const prices = () => [price({ terms: one }), price({ terms: other, pattern: { model: 'a*' } })];
          const given = { aggregation, isOver, events };
          const once = duesOf(periodOf({ versions: versions(prices()), ...given })).dues;
          const again = duesOf(
            periodOf({ versions: versions(prices(), ...cuts.map(cut => [cut, prices()] as const)), ...given }),
          ).dues;
          expect(total(again)).toBe(total(once));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('the order in which usage is read does not matter', () => {
    fc.assert(
      fc.property(eventsOf, fc.constantFrom(...AGGREGATIONS), (events, aggregation) => {
        const held = versions(
          [price({ terms: GRADUATED, id: 'a' })],
          [10, [price({ terms: perUnit('2'), id: 'b' })]],
          [20, [price({ terms: GRADUATED, id: 'c' })]],
        );
        const asked = (given: readonly Happened[]) =>
          Object.fromEntries(amounts(periodOf({ versions: held, events: given, aggregation })));
        expect(asked(events.toReversed())).toEqual(asked(events));
      }),
    );
  });
});

/** The charges and the unpriced usage of a sum, event by event: no piece, no series and no index. */
function oneByOne(
  held: readonly RatedVersion[],
  events: readonly Happened[],
  isOver: boolean,
  aggregation: 'SUM' | 'MAX',
): { readonly asked: Readonly<Record<string, string>>; readonly missing: Readonly<Record<string, string>> } {
  const ordered = events.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const asked: Record<string, string> = {};
  const missing: Record<string, Decimal> = {};
  const begun = new Set<number>();
  // What each binding came to without its bounds and within them, and the version that has it last.
  const sums = new Map<number, { free: Decimal; bound: Decimal; maximum: Decimal | null }>();
  const bindingOf = (known: RatedPrice) =>
    BINDINGS.findIndex(({ pattern, window: limit }) =>
      isDeepStrictEqual([pattern, limit], [known.pattern, known.window]),
    );
  const untilOf = (index: number) => held[index + 1]?.effectiveAt ?? PERIOD.end;
  const isOpenIn = (known: RatedPrice, index: number) => {
    const start = held[index]?.effectiveAt ?? PERIOD.start;

    return (
      !known.window || (start < (known.window.until ?? PERIOD.end) && untilOf(index) > (known.window.from ?? start))
    );
  };
  const lastOf = (which: number) =>
    held.findLastIndex(({ prices }, index) =>
      prices.some(known => bindingOf(known) === which && isOpenIn(known, index)),
    );

  const quantityOf = (given: readonly Happened[]): Decimal =>
    sum(
      [...Map.groupBy(given, ({ dimensions }) => canonicalJson(dimensions)).values()].map(group => {
        const values = group.map(({ value }) => decimal(value));

        return {
          SUM: () => sum(values),
          MAX: () => maxOf(ZERO, ...values),
        }[aggregation]();
      }),
    );

  for (const [index, { effectiveAt, prices }] of held.entries()) {
    const until = held[index + 1]?.effectiveAt ?? PERIOD.end;
    const bestOf = ({ at, dimensions = {} }: Happened): RatedPrice | null =>
      prices
        .filter(({ pattern, window: limit }) => matches(pattern, dimensions) && (!limit || isActive(limit, at)))
        .toSorted((a, b) => compareSpecificity(specificity(b), specificity(a)))[0] ?? null;

    for (const known of prices) {
      const own = ordered.filter(event => bestOf(event) === known);
      const usage = (before: Date): Usage => {
        const amountsOf = own.filter(({ at }) => at < before).map(({ value }) => ({ amount: decimal(value) }));

        return { quantity: quantityOf(own.filter(({ at }) => at < before)), events: amountsOf };
      };
      const bare = { ...known.terms, minimum: null, maximum: null };
      const which = bindingOf(known);
      const isLast = lastOf(which) === index;
      const isAsked = own.length > 0 || (isOver && isOpenIn(known, index));

      if (!isAsked) {
        continue;
      }

      const [from, to, all] = [usage(effectiveAt), usage(until), usage(PERIOD.end)];
      const isWhole = ['VOLUME', 'STAIRSTEP'].includes(bare.pricing.model);
      const nothing = rate(bare, { quantity: ZERO, events: [] }).amount;
      let amount = rate(bare, to).amount.minus(rate(bare, from).amount);

      if (isWhole) {
        const [tier] = rate(bare, all).steps;
        const units = to.quantity.minus(from.quantity);
        amount = units.times(tier?.unitAmount?.amount ?? ZERO).plus(isLast ? (tier?.flat ?? ZERO) : ZERO);
      } else if (!begun.has(which)) {
        amount = amount.plus(nothing);

        if (!nothing.isZero()) {
          begun.add(which);
        }
      }

      const { minimum, maximum } = known.terms;
      const before = sums.get(which) ?? { free: ZERO, bound: ZERO, maximum };
      // What one maximum has cut stays cut under another.
      const goesOn = before.maximum?.toString() === maximum?.toString();
      const free = (goesOn ? before.free : before.bound).plus(amount);
      const bound =
        isOver && isLast && minimum && free.lt(minimum) ? minimum : maximum && free.gt(maximum) ? maximum : free;
      sums.set(which, { free, bound, maximum });
      amount = bound.minus(before.bound);

      if (!amount.isZero() || !usage(until).quantity.eq(usage(effectiveAt).quantity)) {
        asked[known.id] = formatDecimal(amount);
      }
    }

    for (const event of ordered.filter(({ at }) => at >= effectiveAt && at < until)) {
      if (!bestOf(event) && event.value !== '0') {
        const key = canonicalJson(event.dimensions);
        missing[key] = (missing[key] ?? ZERO).plus(event.value);
      }
    }
  }

  return {
    asked,
    missing: Object.fromEntries(Object.entries(missing).map(([key, quantity]) => [key, formatDecimal(quantity)])),
  };
}
