import fc from 'fast-check';
import { type Decimal, decimal, divide, formatDecimal, sum } from '../../src/money/index.js';
import type { PriceTerms, PriceTermsJson } from '../../src/pricing/price.rules.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';
import { exceeds, rate, rateBetween, type Rated, type Usage } from '../../src/pricing/rate.rules.js';
import type { RateStep } from '../../src/pricing/rate-step.rules.js';

const read = (json: unknown): PriceTerms => {
  const reading = readPriceTerms(json);

  if ('refusals' in reading) {
    throw new Error(JSON.stringify(reading.refusals));
  }

  return reading.terms;
};
const usage = (quantity: string | Decimal): Usage => ({ quantity: decimal(quantity) });
const eventsOf = (...amounts: readonly string[]): Usage => ({
  quantity: sum(amounts.map(amount => decimal(amount))),
  events: amounts.map(amount => ({ amount: decimal(amount) })),
});
const amountOf = (json: unknown, quantity: string) => formatDecimal(rate(read(json), usage(quantity)).amount);

const unit = (unitAmount: string, per = '1') => ({ model: 'UNIT', unitAmount, per });
const pack = (packageAmount: string, packageSize: string, freeUnits = '0') => ({
  model: 'PACKAGE',
  packageAmount,
  packageSize,
  freeUnits,
});
const tiered = (model: string, ...tiers: readonly (readonly [string | null, string, string])[]) => ({
  model,
  tiers: tiers.map(([upTo, unitAmount, flatAmount]) => ({ upTo, unitAmount, flatAmount })),
});
const GRADUATED = tiered('GRADUATED', ['10', '10', '2'], ['20', '5', '3'], [null, '1', '0']);
const VOLUME = tiered('VOLUME', ['10', '10', '2'], ['20', '5', '3'], [null, '1', '0']);
const FREE_THEN_PAID = tiered('GRADUATED', ['100', '0', '0'], [null, '0.5', '7']);
const STAIRS = {
  model: 'STAIRSTEP',
  tiers: [
    { upTo: '10', flatAmount: '5' },
    { upTo: '20', flatAmount: '9' },
    { upTo: null, flatAmount: '12' },
  ],
};
const PERCENTS = {
  model: 'GRADUATED_PERCENTAGE',
  tiers: [
    { upTo: '10', rate: '1', flatAmount: '200' },
    { upTo: null, rate: '2', flatAmount: '300' },
  ],
};
const THOUSANDS = { divideBy: '1000', rounding: 'CEILING' };

/** Steps in plain words, parts of zero left out. */
const explained = ({ steps }: Rated) =>
  steps.map(({ kind, tier, from, upTo, quantity, unitAmount, percent, flat, packages, amount }) =>
    [
      tier === null ? kind : `${kind} ${tier} (${formatDecimal(from)}, ${upTo ? formatDecimal(upTo) : '…'}]`,
      formatDecimal(quantity),
      ...(unitAmount ? [`at ${formatDecimal(unitAmount.amount)}/${formatDecimal(unitAmount.per)}`] : []),
      ...(percent ? [`${formatDecimal(percent)} %`] : []),
      ...(flat.isZero() ? [] : [`flat ${formatDecimal(flat)}`]),
      ...(packages ? [`${formatDecimal(packages)} packages`] : []),
      `= ${formatDecimal(amount)}`,
    ].join(' '),
  );

describe('rate', () => {
  test.each<[string, unknown, string, string]>([
    ['flat, nothing used', { model: 'FLAT', flatAmount: '99' }, '0', '99'],
    ['flat, however much', { model: 'FLAT', flatAmount: '99' }, '1000000', '99'],
    ['per unit', unit('0.25'), '3', '0.75'],
    ['per million', unit('2.50', '1000000'), '1', '0.0000025'],
    ['per three', unit('1', '3'), '6', '2'],
    ['above free units', { ...unit('2'), freeUnits: '10' }, '12.5', '5'],
    ['within free units', { ...unit('2'), freeUnits: '10' }, '9', '0'],
    ['converted and rounded up', { ...unit('10'), conversion: THOUSANDS }, '1400', '20'],
    ['converted, rounded, then free', { ...unit('10'), conversion: THOUSANDS, freeUnits: '0.5' }, '1400', '15'],
    ['package, the first unit', pack('15', '10'), '1', '15'],
    ['package, exactly full', pack('15', '10'), '10', '15'],
    ['package, a crumb more', pack('15', '10'), '10.000000000000000001', '30'],
    ['package, the crumb of a third', pack('1', '3'), '9.000000000000000001', '4'],
    ['package, within the free units', pack('15', '10', '5'), '5', '0'],
    ['package, above the free units', pack('15', '10', '5'), '5.1', '15'],
    ['package of a fraction', pack('1', '0.1'), '0.3', '3'],
    ['graduated, nothing: the flat amount of the first tier', GRADUATED, '0', '2'],
    ['graduated, a crumb', GRADUATED, '0.1', '3'],
    ['graduated, at the first bound', GRADUATED, '10', '102'],
    ['graduated, above it', GRADUATED, '10.2', '106'],
    ['graduated, at the second bound', GRADUATED, '20', '155'],
    ['graduated, in the open tier', GRADUATED, '25', '160'],
    ['graduated, the flat amount of a tier waits for its first unit', FREE_THEN_PAID, '100', '0'],
    ['graduated, and then comes once', FREE_THEN_PAID, '102', '8'],
    ['graduated, tiers in converted units', { ...GRADUATED, conversion: THOUSANDS }, '10400', '110'],
    ['volume, nothing', VOLUME, '0', '2'],
    ['volume, at the first bound', VOLUME, '10', '102'],
    ['volume, above it', VOLUME, '10.2', '54'],
    ['volume, in the open tier', VOLUME, '25', '25'],
    ['volume, whole steps, a fraction above the bound', { ...VOLUME, tierBounds: 'INTEGER_STEPS' }, '10.5', '55.5'],
    ['graduated, whole steps, the exact quantity', { ...GRADUATED, tierBounds: 'INTEGER_STEPS' }, '10.5', '107.5'],
    ['stair-step, nothing: the first stair', STAIRS, '0', '5'],
    ['stair-step, on the first stair', STAIRS, '10', '5'],
    ['stair-step, on the second', STAIRS, '10.01', '9'],
    ['stair-step, on the last', STAIRS, '9999', '12'],
    ['graduated percentage, nothing', PERCENTS, '0', '200'],
    ['graduated percentage, in two tiers', PERCENTS, '11', '500.12'],
    ['percentage of one amount', { model: 'PERCENTAGE', rate: '2.99' }, '100', '2.99'],
    ['dynamic', { model: 'DYNAMIC', markup: '1.33333' }, '10', '13.3333'],
    ['cost plus', { model: 'COST_PLUS', markup: '1.2' }, '0.5', '0.6'],
    ['raised to the minimum, also from nothing', { ...unit('10'), minimum: '100' }, '0', '100'],
    ['above the minimum', { ...unit('10'), minimum: '100' }, '11', '110'],
    ['cut to the maximum', { ...unit('10'), maximum: '100' }, '11', '100'],
    ['discounted, then cut', { ...unit('10'), maximum: '100', discountRate: '50' }, '27', '100'],
    ['discounted, not cut', { ...unit('10'), maximum: '100', discountRate: '50' }, '19', '95'],
  ])('%s', (_, json, quantity, expected) => {
    expect(amountOf(json, quantity)).toBe(expected);
  });

  test.each<[string, unknown]>([
    ['per unit', unit('0.25')],
    ['package', pack('15', '10', '5')],
    ['graduated', GRADUATED],
    ['volume', VOLUME],
    ['graduated percentage', PERCENTS],
    ['conversion', { ...unit('10'), conversion: THOUSANDS }],
  ])('%s: a negative quantity gives back what its opposite adds', (_, json) => {
    const terms = read(json);
    const [minus, nothing, plus] = ['-23.5', '0', '23.5'].map(quantity => rate(terms, usage(quantity)).amount);
    expect(formatDecimal(decimal(plus ?? 0).plus(minus ?? 0))).toBe(formatDecimal(decimal(nothing ?? 0).times(2)));
  });

  test.each<[string, object, readonly string[], string]>([
    ['nothing happened', { rate: '1.3', fixedAmount: '2' }, [], '0'],
    ['a fixed amount for each', { rate: '1.3', fixedAmount: '2' }, ['50', '100', '250', '400'], '18.4'],
    ['free events first', { rate: '1.3', fixedAmount: '2', freeEvents: '3' }, ['50', '100', '250', '400'], '7.2'],
    [
      'what is free ends at the first limit reached',
      { rate: '1.3', fixedAmount: '2', freeEvents: '3', freeAmount: '250' },
      ['50', '100', '250', '400'],
      '11.15',
    ],
    ['an event that ends on the free amount is free', { rate: '10', fixedAmount: '1', freeAmount: '15' }, ['15'], '0'],
    ['no free events at all', { rate: '10', freeEvents: '0', freeAmount: '15' }, ['15'], '1.5'],
    [
      'each event within its bounds',
      { rate: '2.99', fixedAmount: '2', perEventMinimum: '1.75', perEventMaximum: '12' },
      ['10', '80', '10000'],
      '18.691',
    ],
    ['free events know no minimum', { rate: '1', perEventMinimum: '5', freeEvents: '1' }, ['10', '10'], '5'],
    ['an event that takes back', { rate: '1', fixedAmount: '2', perEventMinimum: '5' }, ['10', '10', '-10'], '5'],
    ['what was free is not taken back', { rate: '1', freeAmount: '250' }, ['300', '-300', '1'], '0.01'],
    [
      'no fixed amount is taken back of a free event',
      { rate: '1', fixedAmount: '2', freeEvents: '1' },
      ['100', '-99'],
      '0',
    ],
    ['no more is taken back than was paid', { rate: '1', freeAmount: '50' }, ['60', '20', '-35', '3'], '0.03'],
    ['a paid event is taken back in full', { rate: '1', fixedAmount: '2', freeEvents: '1' }, ['5', '10', '-10'], '0'],
    ['nothing paid, nothing taken back', { rate: '1', fixedAmount: '2' }, ['-10', '20'], '2.2'],
    ['the sum alone counts where nothing is free, fixed or bounded', { rate: '10' }, ['-10', '20'], '1'],
    ['nothing in total costs nothing', { rate: '1', fixedAmount: '2' }, ['10', '-4', '-6'], '0'],
  ])('percentage: %s', (_, json, amounts, expected) => {
    expect(formatDecimal(rate(read({ model: 'PERCENTAGE', ...json }), eventsOf(...amounts)).amount)).toBe(expected);
  });

  test('explains each model', () => {
    const steps = (json: unknown, quantity: string) => explained(rate(read(json), usage(quantity)));
    expect(steps({ model: 'FLAT', flatAmount: '9' }, '4')).toEqual(['FLAT 4 flat 9 = 9']);
    expect(steps(unit('2', '1000'), '500')).toEqual(['UNITS 500 at 2/1000 = 1']);
    expect(steps(pack('15', '10', '5'), '27')).toEqual(['PACKAGES 22 at 15/10 3 packages = 45']);
    expect(steps(pack('15', '10', '5'), '3')).toEqual([]);
    expect(steps(GRADUATED, '21')).toEqual([
      'TIER 1 (0, 10] 10 at 10/1 flat 2 = 102',
      'TIER 2 (10, 20] 10 at 5/1 flat 3 = 53',
      'TIER 3 (20, …] 1 at 1/1 = 1',
    ]);
    expect(steps(VOLUME, '11')).toEqual(['TIER 2 (10, 20] 11 at 5/1 flat 3 = 58']);
    expect(steps(GRADUATED, '-11')).toEqual([
      'TIER 1 (0, 10] -10 at 10/1 flat 2 = -98',
      'TIER 2 (10, 20] -1 at 5/1 flat -3 = -8',
    ]);
    expect(steps(STAIRS, '15')).toEqual(['TIER 2 (10, 20] 15 at 0/1 flat 9 = 9']);
    expect(steps(PERCENTS, '11')).toEqual([
      'TIER 1 (0, 10] 10 1 % flat 200 = 200.1',
      'TIER 2 (10, …] 1 2 % flat 300 = 300.02',
    ]);
    expect(steps({ ...unit('10'), discountRate: '50', maximum: '100' }, '27')).toEqual([
      'UNITS 27 at 10/1 = 270',
      'DISCOUNT 270 50 % = -135',
      'MAXIMUM 100 = -35',
    ]);
    expect(steps({ ...unit('10'), minimum: '100' }, '2')).toEqual(['UNITS 2 at 10/1 = 20', 'MINIMUM 100 = 80']);
  });

  test('explains a difference by the steps that differ', () => {
    const steps = (json: unknown, from: string | null, to: string) =>
      explained(rateBetween(read(json), from === null ? null : usage(from), usage(to)));
    expect(steps(GRADUATED, '8', '11')).toEqual([
      'TIER 1 (0, 10] 2 at 10/1 = 20',
      'TIER 2 (10, 20] 1 at 5/1 flat 3 = 8',
    ]);
    expect(steps(GRADUATED, '12', '9')).toEqual([
      'TIER 1 (0, 10] -1 at 10/1 = -10',
      'TIER 2 (10, 20] -2 at 5/1 flat -3 = -13',
    ]);
    expect(steps(VOLUME, '10', '11')).toEqual([
      'TIER 1 (0, 10] -10 at 10/1 flat -2 = -102',
      'TIER 2 (10, 20] 11 at 5/1 flat 3 = 58',
    ]);
    expect(steps(pack('15', '10'), '17', '22')).toEqual(['PACKAGES 5 at 15/10 1 packages = 15']);
    expect(steps({ model: 'FLAT', flatAmount: '9' }, null, '4')).toEqual(['FLAT 4 flat 9 = 9']);
    expect(steps({ model: 'FLAT', flatAmount: '9' }, '0', '4')).toEqual(['FLAT 4 = 0']);
    expect(steps(GRADUATED, '12', '12')).toEqual([]);
  });

  test('huge quantities at fine prices are exact', () => {
    const quantity = `${'9'.repeat(26)}.${'9'.repeat(18)}`;
    // (10^26 − 10^-18) × 10^-12 / 10^20
    expect(amountOf(unit('0.000000000001', `1${'0'.repeat(20)}`), quantity)).toBe(`0.000000${'9'.repeat(44)}`);
    // (10^15 − 10^-12) / 2^10 = 976562500000 − 9.765625 × 10^-16
    expect(amountOf(unit('999999999999999.999999999999', '1024'), '1')).toBe(`976562499999.${'9'.repeat(15)}0234375`);
  });

  test('a quantity above a closed last tier has no price, and asking for one anyway is a bug', () => {
    for (const model of ['GRADUATED', 'VOLUME']) {
      const terms = read(tiered(model, ['5', '1', '0']));
      expect([exceeds(terms, usage('5')), exceeds(terms, usage('5.01')), exceeds(terms, usage('-6'))]).toEqual([
        false,
        true,
        true,
      ]);
      expect(() => rate(terms, usage('6'))).toThrow(RangeError);
    }
  });
});

describe('prorated prices', () => {
  const timeline = (level: string, ...changes: readonly (readonly [string, string])[]): Usage => ({
    quantity: decimal(0),
    prorated: {
      level: decimal(level),
      whole: decimal(30),
      changes: changes.map(([change, share]) => ({ change: decimal(change), share: decimal(share) })),
    },
  });
  const amount = (json: object, of: Usage) => formatDecimal(rate(read({ ...json, prorated: true }), of).amount);

  test.each<[string, object]>([
    ['UNIT', unit('1')],
    ['VOLUME', tiered('VOLUME', [null, '1', '0'])],
    ['GRADUATED', tiered('GRADUATED', [null, '1', '0'])],
  ])('%s: the first units of the level are free at any time, and a level below zero is none', (_, json) => {
    const free = { ...json, freeUnits: '5' };
    expect([
      // (10 − 5) for half of the period.
      amount(free, timeline('0', ['10', '15'])),
      amount(free, timeline('5', ['-5', '20'], ['10', '15'])),
      // Below zero for a third of the period, then 2 for half of it.
      amount(json, timeline('-6', ['8', '15'])),
    ]).toEqual(['2.5', '2.5', '1']);
  });

  test('the highest level has to have a tier, also when it was left again', () => {
    for (const model of ['GRADUATED', 'VOLUME']) {
      const terms = read({ ...tiered(model, ['5', '1', '0']), freeUnits: '2', prorated: true });
      expect([
        exceeds(terms, timeline('0', ['7', '20'], ['-7', '10'])),
        exceeds(terms, timeline('0', ['7.1', '20'], ['-7.1', '10'])),
        exceeds(terms, timeline('8', ['-8', '10'])),
        exceeds(terms, timeline('-9')),
      ]).toEqual([false, true, true, false]);
    }
  });

  test('a unit is charged for the part of the period in which it was there', () => {
    expect(amount(unit('30'), timeline('0', ['2', '21']))).toBe('42');
    expect(amount(unit('30'), timeline('1', ['2', '15'], ['-2', '5']))).toBe('50');
  });

  test('the flat amount of a tier that was left again stays due', () => {
    const tiers = tiered('GRADUATED', ['5', '10', '100'], [null, '5', '50']);
    // 5 × 10 for the whole month, 2 × 5 for a third of it and back.
    expect(amount(tiers, timeline('5', ['2', '20'], ['-2', '10']))).toBe('203.333333333333333333333333333333333333');
  });

  test('a model that is not prorated is refused when it is saved', () => {
    expect(readPriceTerms({ ...STAIRS, prorated: true })).toEqual({
      refusals: [expect.objectContaining({ field: ['prorated'] })],
    });
  });
});

describe('whatever the model and the quantities', () => {
  /** A decimal string of up to the given digits. */
  const number = (max: bigint, scale: number, min = 0n) =>
    fc.bigInt({ min, max }).map(units => formatDecimal(decimal(units).shiftedBy(-scale)));
  const price = fc.oneof(number(10n ** 14n, 12), number(1000n, 2));
  const percent = number(10_000n, 2);
  const per = fc.constantFrom('1', '1000', '1000000', '1024', '0.5', '86400', '3', '7', '1000000000000');
  const bounded = <T extends object>(tier: fc.Arbitrary<T>) =>
    fc.array(fc.tuple(number(10n ** 6n, 2, 1n), tier), { minLength: 1, maxLength: 5 }).map(list => {
      let floor = decimal(0);

      return list.map(([width, rest], index) => {
        floor = floor.plus(width);

        return { ...rest, upTo: index === list.length - 1 ? null : formatDecimal(floor) };
      });
    });
  const tiers = bounded(fc.record({ unitAmount: price, flatAmount: price }));
  const graduated = fc.record({ model: fc.constant('GRADUATED'), tiers, per });
  const models: fc.Arbitrary<PriceTermsJson> = fc.oneof(
    fc.record({ model: fc.constant('FLAT'), flatAmount: price }),
    fc.record({ model: fc.constant('UNIT'), unitAmount: price, per, freeUnits: number(10n ** 5n, 2) }),
    fc.record({
      model: fc.constant('PACKAGE'),
      packageAmount: price,
      packageSize: number(10n ** 5n, 3, 1n),
      freeUnits: number(10n ** 5n, 2),
    }),
    graduated,
    fc.record({ model: fc.constant('VOLUME'), tiers, per }),
    fc.record({ model: fc.constant('STAIRSTEP'), tiers: bounded(fc.record({ flatAmount: price })) }),
    fc.record({
      model: fc.constant('GRADUATED_PERCENTAGE'),
      tiers: bounded(fc.record({ rate: percent, flatAmount: price })),
    }),
    fc.record({ model: fc.constantFrom('DYNAMIC', 'COST_PLUS'), markup: price }),
  ) as fc.Arbitrary<PriceTermsJson>;
  /** Any model with everything that may come before and after it. */
  const prices = fc
    .tuple(
      models,
      fc.option(number(10n ** 6n, 2)),
      fc.option(number(10n ** 6n, 2)),
      fc.constantFrom('0', '10', '33.3'),
      fc.option(fc.constantFrom({ divideBy: '1000', rounding: 'CEILING' }, { divideBy: '7', rounding: 'HALF_UP' })),
    )
    .map(([json, a, b, discountRate, conversion]) => ({
      ...json,
      discountRate,
      minimum: a !== null && b !== null ? formatDecimal(decimal(a).lt(b) ? decimal(a) : decimal(b)) : a,
      maximum: a !== null && b !== null ? formatDecimal(decimal(a).lt(b) ? decimal(b) : decimal(a)) : null,
      ...(conversion && !['FLAT', 'DYNAMIC', 'COST_PLUS'].includes(json.model) ? { conversion } : {}),
    }));
  const positive = fc.oneof(number(10n ** 9n, 4), number(10n ** 44n, 18), number(3000n, 0));
  const quantities = fc.tuple(positive, fc.boolean()).map(([text, minus]) => decimal(text).times(minus ? -1 : 1));

  test('cuts telescope: rating in pieces, up and down, ends at the whole', () => {
    fc.assert(
      fc.property(prices, fc.array(quantities, { maxLength: 12 }), quantities, (json, cuts, end) => {
        const terms = read(json);
        const stops = [...cuts, end];
        const pieces = stops.map((stop, index) => {
          const from = stops[index - 1];

          return rateBetween(terms, from ? usage(from) : null, usage(stop));
        });
        const whole = formatDecimal(rate(terms, usage(end)).amount);
        expect(formatDecimal(sum(pieces.map(piece => piece.amount)))).toBe(whole);
        expect(formatDecimal(sum(pieces.flatMap(({ steps }) => steps.map(step => step.amount))))).toBe(whole);
      }),
      { numRuns: 500 },
    );
  });

  test('using and giving everything back comes to exactly nothing', () => {
    fc.assert(
      fc.property(prices, fc.array(quantities, { minLength: 1, maxLength: 8 }), (json, changes) => {
        const terms = read(json);
        let running = decimal(0);
        let charged = decimal(0);

        for (const change of [...changes, sum(changes).negated()]) {
          charged = charged.plus(rateBetween(terms, usage(running), usage(running.plus(change))).amount);
          running = running.plus(change);
        }

        expect(formatDecimal(charged)).toBe('0');
      }),
    );
  });

  test('the order of a percentage’s paid events does not matter, and cuts of its events telescope', () => {
    const terms = fc
      .record({
        rate: percent,
        fixedAmount: number(1000n, 2),
        perEventMinimum: number(100n, 2),
        perEventMaximum: number(9999n, 2, 101n),
      })
      .map(json => read({ model: 'PERCENTAGE', ...json }));
    fc.assert(
      fc.property(
        terms,
        fc.array(number(10n ** 6n, 2, 1n), { minLength: 2, maxLength: 20 }),
        fc.nat(),
        (price_, amounts, at) => {
          const cut = at % amounts.length;
          const rotated = [...amounts.slice(cut), ...amounts.slice(0, cut)];
          const whole = formatDecimal(rate(price_, eventsOf(...amounts)).amount);
          expect(formatDecimal(rate(price_, eventsOf(...rotated)).amount)).toBe(whole);
          const first = eventsOf(...amounts.slice(0, cut));
          const pieces = [rateBetween(price_, null, first), rateBetween(price_, first, eventsOf(...amounts))];
          expect(formatDecimal(sum(pieces.map(({ amount }) => amount)))).toBe(whole);
        },
      ),
    );
  });

  test('a percentage without fixed amounts, where no event is bounded, never gives back more than was paid', () => {
    const terms = fc
      .record({ rate: percent, freeEvents: fc.option(fc.nat(3).map(String)), freeAmount: fc.option(number(1000n, 2)) })
      .map(json => read({ model: 'PERCENTAGE', ...json, perEventMaximum: '1000000' }));
    const amounts = fc.array(fc.integer({ min: -2000, max: 2000 }).map(String), { maxLength: 12 });
    fc.assert(
      fc.property(terms, amounts, (price_, events) => {
        expect(rate(price_, eventsOf(...events)).amount.lt(0)).toBe(false);
      }),
    );
  });

  test('steps sum to the amount, and each is its own arithmetic', () => {
    const own = ({ kind, flat, packages, quantity, unitAmount, percent: share, amount }: RateStep): Decimal => {
      if (kind === 'MINIMUM' || kind === 'MAXIMUM') {
        return amount;
      }

      if (share) {
        return divide(quantity.times(share), decimal(kind === 'DISCOUNT' ? -100 : 100)).plus(flat);
      }

      if (packages && unitAmount) {
        return packages.times(unitAmount.amount);
      }

      return unitAmount ? flat.plus(divide(quantity.times(unitAmount.amount), unitAmount.per)) : flat;
    };
    fc.assert(
      fc.property(prices, positive, quantities, (json, to, from) => {
        const whole = rate(read(json), usage(to));
        const between = rateBetween(read(json), usage(from), usage(to));

        for (const { amount, steps } of [whole, between]) {
          expect(formatDecimal(sum(steps.map(step => step.amount)))).toBe(formatDecimal(amount));
        }

        expect(whole.steps.map(step => formatDecimal(step.amount))).toEqual(
          whole.steps.map(step => formatDecimal(own(step))),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('graduated, per unit and packages never cost less for more', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          graduated,
          models.filter(({ model }) => ['UNIT', 'PACKAGE'].includes(model)),
        ),
        quantities,
        quantities,
        (json, a, b) => {
          const [less, more] = a.lt(b) ? [a, b] : [b, a];
          expect(rateBetween(read(json), usage(less), usage(more)).amount.lt(0)).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('an amount is never below the minimum nor above the maximum', () => {
    fc.assert(
      fc.property(prices, quantities, (json, quantity) => {
        const terms = read(json);
        const { amount } = rate(terms, usage(quantity));
        expect(terms.minimum && amount.lt(terms.minimum)).not.toBe(true);
        expect(terms.maximum && amount.gt(terms.maximum)).not.toBe(true);
      }),
    );
  });

  /** Fractions of integers: nothing in common with the library under test but the strings. */
  type Fraction = readonly [numerator: bigint, denominator: bigint];
  const fraction = (text: string): Fraction => {
    const [integer = '', digits = ''] = text.replace('-', '').split('.');
    const numerator = BigInt(integer + digits);

    return [text.startsWith('-') ? -numerator : numerator, 10n ** BigInt(digits.length)];
  };
  const plus = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * d + c * b, b * d];
  const minus = (a: Fraction, [c, d]: Fraction): Fraction => plus(a, [-c, d]);
  const times = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * c, b * d];
  const over = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * d, b * c];
  const isAbove = ([a, b]: Fraction, [c, d]: Fraction) => a * d > c * b;
  const NOTHING: Fraction = [0n, 1n];
  const priced = (quantity: Fraction, amount = '0', units = '1') =>
    over(times(quantity, fraction(amount)), fraction(units));
  const withoutFree = (quantity: Fraction, free = '0'): Fraction =>
    isAbove(quantity, fraction(free)) ? minus(quantity, fraction(free)) : NOTHING;

  const oracle = (json: PriceTermsJson, all: Fraction): Fraction => {
    const quantity = withoutFree(all, json.freeUnits);
    const bounds = json.tiers ?? [];

    switch (json.model) {
      case 'FLAT':
        return fraction(json.flatAmount ?? '0');

      case 'UNIT':
        return priced(quantity, json.unitAmount, json.per);

      case 'PACKAGE': {
        const [a, b] = over(quantity, fraction(json.packageSize ?? '1'));

        return times([(a + b - 1n) / b, 1n], fraction(json.packageAmount ?? '0'));
      }

      case 'VOLUME':
      case 'STAIRSTEP': {
        const tier = bounds.find(({ upTo }) => upTo === null || !isAbove(quantity, fraction(upTo)));

        return plus(priced(quantity, tier?.unitAmount, json.per), fraction(tier?.flatAmount ?? '0'));
      }

      case 'GRADUATED':
      case 'GRADUATED_PERCENTAGE': {
        const entered = bounds
          .map((tier, index) => ({ ...tier, floor: fraction(bounds[index - 1]?.upTo ?? '0'), index }))
          .filter(({ floor, index }) => index === 0 || isAbove(quantity, floor));

        return entered.reduce<Fraction>((total, { upTo, unitAmount, rate: share, flatAmount = '0', floor }) => {
          const end = upTo !== null && isAbove(quantity, fraction(upTo)) ? fraction(upTo) : quantity;
          const slice = minus(end, floor);
          const part = share ? priced(slice, share, '100') : priced(slice, unitAmount, json.per);

          return plus(total, plus(part, fraction(flatAmount)));
        }, NOTHING);
      }

      case 'DYNAMIC':
      case 'COST_PLUS':
        return priced(quantity, json.markup);

      default:
        throw new TypeError(`no oracle for ${json.model}`);
    }
  };

  test('amounts are those of integer fractions: to the last digit, or half of the 36th decimal a step', () => {
    let exact = 0;
    fc.assert(
      fc.property(models, positive, (json, quantity) => {
        const { amount, steps } = rate(read(json), usage(quantity));
        const [a, b] = minus(fraction(formatDecimal(amount)), oracle(json, fraction(quantity)));

        if (['3', '7', '86400'].includes(json.per ?? '1')) {
          const error = (a < 0n ? -a : a) * 2n * 10n ** 36n;
          expect(error <= BigInt(steps.length) * (b < 0n ? -b : b)).toBe(true);
        } else {
          expect(a).toBe(0n);
          exact += 1;
        }
      }),
      { numRuns: 1_000 },
    );
    expect(exact).toBeGreaterThan(300);
  });
});
