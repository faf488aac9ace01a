import fc from 'fast-check';
import { decimal, formatDecimal, sum, ZERO, type Decimal } from '../../src/money/index.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';
import { priceTermsJson, type PriceTerms, type PriceTermsJson } from '../../src/pricing/price.rules.js';
import { rate, rateBetween, type Usage } from '../../src/pricing/rate.rules.js';
import { floorTerms, scaleTerms } from '../../src/pricing/scale.rules.js';

const read = (json: unknown): PriceTerms => {
  const reading = readPriceTerms(json);

  if ('refusals' in reading) {
    throw new Error(JSON.stringify(reading.refusals));
  }

  return reading.terms;
};
const scaled = (json: unknown, factor: string) => priceTermsJson(scaleTerms(read(json), decimal(factor)));
const floored = (json: unknown, unitAmount: string, per = '1') =>
  priceTermsJson(floorTerms(read(json), { amount: decimal(unitAmount), per: decimal(per) }));

describe('scaled terms', () => {
  test.each<[string, PriceTermsJson, PriceTermsJson]>([
    ['flat', { model: 'FLAT', flatAmount: '99' }, { model: 'FLAT', flatAmount: '79.2' }],
    [
      'per unit, with all around it',
      {
        model: 'UNIT',
        unitAmount: '2.5',
        per: '1000000',
        freeUnits: '10',
        discountRate: '5',
        minimum: '10',
        maximum: '100',
        conversion: { divideBy: '3', multiplyBy: '2', rounding: 'CEILING', precision: 1 },
      },
      {
        model: 'UNIT',
        unitAmount: '2',
        per: '1000000',
        freeUnits: '10',
        discountRate: '5',
        minimum: '8',
        maximum: '80',
        conversion: { divideBy: '3', multiplyBy: '2', rounding: 'CEILING', precision: 1 },
      },
    ],
    [
      'packages',
      { model: 'PACKAGE', packageAmount: '15', packageSize: '100' },
      { model: 'PACKAGE', packageAmount: '12', packageSize: '100' },
    ],
    [
      'graduated',
      {
        model: 'GRADUATED',
        tiers: [
          { upTo: '10', unitAmount: '1', flatAmount: '5' },
          { upTo: null, unitAmount: '0.5', per: '2' },
        ],
      },
      {
        model: 'GRADUATED',
        per: '1',
        tiers: [
          { upTo: '10', unitAmount: '0.8', flatAmount: '4' },
          { upTo: null, unitAmount: '0.4', per: '2', flatAmount: '0' },
        ],
        tierBounds: 'INCLUSIVE',
      },
    ],
    [
      'stairs',
      { model: 'STAIRSTEP', tiers: [{ upTo: null, flatAmount: '5' }] },
      { model: 'STAIRSTEP', tiers: [{ upTo: null, flatAmount: '4' }], tierBounds: 'INCLUSIVE' },
    ],
    [
      'a percentage',
      {
        model: 'PERCENTAGE',
        rate: '2.9',
        fixedAmount: '0.3',
        freeEvents: '5',
        freeAmount: '100',
        perEventMinimum: '0.5',
        perEventMaximum: '10',
      },
      {
        model: 'PERCENTAGE',
        rate: '2.32',
        fixedAmount: '0.24',
        freeEvents: '5',
        freeAmount: '100',
        perEventMinimum: '0.4',
        perEventMaximum: '8',
      },
    ],
    [
      'graduated percentages',
      { model: 'GRADUATED_PERCENTAGE', tiers: [{ upTo: null, rate: '3', flatAmount: '1' }] },
      {
        model: 'GRADUATED_PERCENTAGE',
        tiers: [{ upTo: null, rate: '2.4', flatAmount: '0.8' }],
        tierBounds: 'INCLUSIVE',
      },
    ],
    ['a markup', { model: 'COST_PLUS', markup: '1.25' }, { model: 'COST_PLUS', markup: '1' }],
  ])('of %s have every amount multiplied, and nothing that counts units', (_what, json, expected) => {
    expect(scaled(json, '0.8')).toEqual(expected);
  });

  test('keep every digit', () => {
    expect(scaled({ model: 'UNIT', unitAmount: '0.000000000001', per: '3' }, '0.920000000000000001')).toEqual({
      model: 'UNIT',
      unitAmount: '0.000000000000920000000000000001',
      per: '3',
    });
  });

  // Divisors of 2 and 5 alone, so that no quotient is rounded.
  const number = (most: bigint, scale: number, least = 0n) =>
    fc.bigInt({ min: least, max: most }).map(units => formatDecimal(decimal(units).shiftedBy(-scale)));
  const price = fc.oneof(number(10n ** 14n, 12), number(1_000n, 2));
  const per = fc.constantFrom('1', '1000', '1000000', '1024', '0.5');
  const bounded = <T extends object>(tier: fc.Arbitrary<T>) =>
    fc.array(fc.tuple(number(10n ** 6n, 2, 1n), tier), { minLength: 1, maxLength: 4 }).map(list => {
      const ends = [...new Set(list.map(([end]) => end))].sort((a, b) => decimal(a).comparedTo(decimal(b)) ?? 0);

      return [...ends, null].map((upTo, index) => ({ upTo, ...(list[index % list.length]?.[1] as T) }));
    });
  const tiers = bounded(fc.record({ unitAmount: price, flatAmount: price }));
  const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const models = fc.oneof(
    fc.record({ model: fc.constant('FLAT'), flatAmount: price }),
    fc.record({ model: fc.constant('UNIT'), unitAmount: price, per, freeUnits: number(10n ** 5n, 2) }),
    fc.record({ model: fc.constant('PACKAGE'), packageAmount: price, packageSize: number(10n ** 5n, 2, 1n) }),
    fc.record({ model: fc.constantFrom('GRADUATED', 'VOLUME'), tiers, per }),
    fc.record({ model: fc.constant('STAIRSTEP'), tiers: bounded(fc.record({ flatAmount: price })) }),
    fc.record({
      model: fc.constant('GRADUATED_PERCENTAGE'),
      tiers: bounded(fc.record({ rate: number(10_000n, 2), flatAmount: price })),
    }),
    fc.record({
      model: fc.constant('PERCENTAGE'),
      rate: number(10_000n, 2),
      fixedAmount: some(price),
      freeEvents: some(fc.constantFrom('0', '1', '3')),
      freeAmount: some(number(10n ** 5n, 2)),
      perEventMinimum: some(number(500n, 2)),
      perEventMaximum: some(number(10n ** 5n, 2, 500n)),
    }),
    fc.record({ model: fc.constantFrom('DYNAMIC', 'COST_PLUS'), markup: price }),
  );
  const terms = fc
    .tuple(
      models,
      fc.record({ discountRate: some(number(10_000n, 2)), minimum: some(number(10n ** 5n, 2)) }),
      some(number(10n ** 7n, 2, 10n ** 5n)),
    )
    .map(([model, around, maximum]) => read({ ...model, ...around, maximum }));
  const quantity = fc.oneof(
    number(10n ** 9n, 3),
    number(10n ** 9n, 3).map(text => `-${text}`.replace('-0', '0')),
  );
  const usage: fc.Arbitrary<Usage> = fc.array(quantity, { minLength: 1, maxLength: 5 }).map(list => {
    const amounts: readonly Decimal[] = list.map(text => decimal(text));

    return { quantity: sum(amounts), events: amounts.map(amount => ({ amount })) };
  });
  const factor = number(10n ** 14n, 12, 1n);

  test('rate factor times what the original rates, for any model and usage', () => {
    fc.assert(
      fc.property(terms, usage, factor, (original, used, text) => {
        const times = decimal(text);
        const expected = rate(original, used).amount.times(times);
        expect(formatDecimal(rate(scaleTerms(original, times), used).amount)).toBe(formatDecimal(expected));
      }),
      { numRuns: 500 },
    );
  });

  test('do so between two usages, too, and their steps still sum to the amount', () => {
    fc.assert(
      fc.property(terms, usage, usage, factor, (original, from, to, text) => {
        const times = decimal(text);
        const between = rateBetween(scaleTerms(original, times), from, to);
        const expected = rateBetween(original, from, to).amount.times(times);
        expect(formatDecimal(between.amount)).toBe(formatDecimal(expected));
        expect(formatDecimal(sum(between.steps.map(({ amount }) => amount)))).toBe(formatDecimal(expected));
      }),
      { numRuns: 300 },
    );
  });

  test('by one are the same terms, and twice is once by the product', () => {
    fc.assert(
      fc.property(terms, factor, factor, (original, one, other) => {
        expect(priceTermsJson(scaleTerms(original, decimal('1')))).toEqual(priceTermsJson(original));
        expect(priceTermsJson(scaleTerms(scaleTerms(original, decimal(one)), decimal(other)))).toEqual(
          priceTermsJson(scaleTerms(original, decimal(one).times(decimal(other)))),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('a floor', () => {
  test.each<[string, string, string]>([
    ['below', '0.07', '0.08'],
    ['at', '0.08', '0.08'],
    ['above', '0.09', '0.09'],
  ])('leaves a unit amount %s it no lower than itself', (_where, unitAmount, expected) => {
    expect(floored({ model: 'UNIT', unitAmount }, '0.08')).toEqual({ model: 'UNIT', unitAmount: expected, per: '1' });
  });

  test('compares amounts for different numbers of units exactly', () => {
    const third = { model: 'UNIT', unitAmount: '1', per: '3' };
    expect(floored(third, '0.333333333333')).toEqual(third);
    expect(floored(third, '333333333334', '1000000000000')).toEqual({
      model: 'UNIT',
      unitAmount: '333333333334',
      per: '1000000000000',
    });
  });

  test('raises the tiers below it, and keeps one that has a flat amount alone', () => {
    const tiers = [
      { upTo: '10', flatAmount: '5' },
      { upTo: '20', unitAmount: '0' },
      { upTo: '30', unitAmount: '0.05', flatAmount: '1' },
      { upTo: null, unitAmount: '0.2' },
    ];

    for (const model of ['GRADUATED', 'VOLUME']) {
      expect(floored({ model, tiers }, '0.1').tiers?.map(tier => [tier.unitAmount, tier.flatAmount])).toEqual([
        ['0', '5'],
        ['0.1', '0'],
        ['0.1', '1'],
        ['0.2', '0'],
      ]);
    }
  });

  test.each([
    { model: 'FLAT', flatAmount: '0.01' },
    { model: 'PACKAGE', packageAmount: '0.01', packageSize: '10' },
    { model: 'STAIRSTEP', tiers: [{ upTo: null, flatAmount: '0.01' }] },
    { model: 'PERCENTAGE', rate: '0.01' },
    { model: 'COST_PLUS', markup: '0.01' },
  ])('has nothing to raise in %j', json => {
    const terms = read(json);
    expect(floorTerms(terms, { amount: decimal('1'), per: decimal('1') })).toBe(terms);
  });

  test('changes nothing of a quantity that is priced above it', () => {
    const terms = floorTerms(read({ model: 'UNIT', unitAmount: '2' }), { amount: decimal('1'), per: decimal('1') });
    expect(formatDecimal(rate(terms, { quantity: decimal('3') }).amount)).toBe('6');
    expect(rate(terms, { quantity: ZERO }).amount.isZero()).toBe(true);
  });
});
