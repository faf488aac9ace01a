import fc from 'fast-check';
import { decimal, formatDecimal, sum, ZERO, type Decimal } from '../../src/money/index.js';
import type { Discount } from '../../src/pricing/discount-terms.rules.js';
import { duesOf } from '../../src/rating/charge.rules.js';
import { discountBetween, discountSentence, isDiscounted } from '../../src/rating/discount.rules.js';
import { day, PERIOD, periodOf, perUnit, price, terms, used, version } from './period.js';

const tiers = (...given: readonly (readonly [string | null, string])[]) =>
  given.map(([upTo, percent]) => ({ upTo: upTo === null ? null : decimal(upTo), percent: decimal(percent) }));

const discount = (given: Partial<Discount> = {}): Discount => ({
  id: 'dsc_1',
  name: 'Volume discount',
  meterId: null,
  pattern: {},
  currency: 'USD',
  basis: 'SPEND',
  mode: 'GRADUATED',
  tiers: tiers(['1000', '0'], ['5000', '10'], [null, '20']),
  ...given,
});

const off = (given: Discount, to: string, commitment: string | null = null, from = '0') =>
  formatDecimal(
    discountBetween(given, commitment === null ? null : decimal(commitment), decimal(from), decimal(to)).amount,
  );

describe('a discount', () => {
  test.each([
    ['0', '0'],
    ['1000', '0'],
    ['1000.01', '-0.001'],
    ['5000', '-400'],
    ['6000', '-600'],
    ['-6000', '600'],
  ])('by slices of the spend takes of %s off %s', (spend, expected) => {
    expect(off(discount(), spend)).toBe(expected);
  });

  test.each([
    ['1000', '0'],
    ['1000.01', '-100.001'],
    ['5000', '-500'],
    ['5000.01', '-1000.002'],
    ['-6000', '1200'],
  ])('by the tier that all spend falls in takes of %s off %s', (spend, expected) => {
    expect(off(discount({ mode: 'VOLUME' }), spend)).toBe(expected);
  });

  test.each([
    [null, '0'],
    ['1000', '0'],
    ['1000.01', '-700'],
    ['5000', '-700'],
    ['1000000', '-1400'],
  ])('for a commitment of %s takes of 7000 off %s, however little or much is spent', (commitment, expected) => {
    expect(off(discount({ basis: 'COMMITMENT', mode: 'VOLUME' }), '7000', commitment)).toBe(expected);
  });

  test('explains itself by hand', () => {
    const between = discountBetween(discount(), null, decimal('4000'), decimal('6000'));
    expect(discountSentence(discount(), between, { spend: decimal('2000'), commitment: null, currency: 'USD' })).toBe(
      'Volume discount on 2000 USD of spend; tier 2 (1000 to 5000): 10 % off 1000: -100; tier 3 (5000 to any amount): 20 % off 1000: -200; in total -300 USD.',
    );
    const committed = discount({ name: 'Committed use', basis: 'COMMITMENT', mode: 'VOLUME' });
    expect(
      discountSentence(committed, discountBetween(committed, decimal('2000'), ZERO, decimal('50')), {
        spend: decimal('50'),
        commitment: decimal('2000'),
        currency: 'EUR',
      }),
    ).toBe(
      'Committed use for a commitment of 2000 EUR, on 50 EUR of spend; tier 2 (1000 to 5000): 10 % off 50: -5; in total -5 EUR.',
    );
  });

  test.each<[Partial<Discount>, boolean]>([
    [{}, true],
    [{ meterId: 'mtr' }, true],
    [{ meterId: 'other' }, false],
    [{ pattern: { model: 'gpt-*' } }, true],
    [{ pattern: { model: 'gpt-6', kind: 'input' } }, false],
  ])('of %j is taken off a price for gpt-6: %s', (given, expected) => {
    expect(isDiscounted(discount(given), { meterId: 'mtr', pattern: { model: 'gpt-6' } })).toBe(expected);
  });

  const money = fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }).map(n => decimal(n).shiftedBy(-4));
  const any = fc
    .tuple(
      fc.constantFrom('SPEND' as const, 'COMMITMENT' as const),
      fc.constantFrom('GRADUATED' as const, 'VOLUME' as const),
      fc.uniqueArray(fc.integer({ min: 1, max: 90_000 }), { minLength: 0, maxLength: 4 }),
      fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 5, maxLength: 5 }),
    )
    .map(([basis, mode, ends, rates]) =>
      discount({
        basis,
        mode,
        tiers: [...ends.sort((a, b) => a - b).map(String), null].map((upTo, index) => ({
          upTo: upTo === null ? null : decimal(upTo),
          percent: decimal(rates[index] ?? 0).shiftedBy(-2),
        })),
      }),
    );

  test('sums to the same however a period is cut, and its steps sum to it', () => {
    fc.assert(
      fc.property(
        any,
        fc.option(money.map(m => m.abs())),
        fc.array(money, { maxLength: 8 }),
        money,
        (d, commitment, cuts, end) => {
          const stops = [ZERO, ...cuts, end];
          const parts = stops.slice(1).map((stop, index) => discountBetween(d, commitment, stops[index] ?? ZERO, stop));
          const whole = discountBetween(d, commitment, ZERO, end);
          const total = (list: readonly { readonly amount: Decimal }[]) =>
            formatDecimal(sum(list.map(({ amount }) => amount)));
          expect(total(parts)).toBe(formatDecimal(whole.amount));
          expect(total(parts.flatMap(({ steps }) => steps))).toBe(formatDecimal(whole.amount));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('takes off no more than the rates say: nothing below zero of what is there, and never the wrong way', () => {
    fc.assert(
      fc.property(any, money, (d, spend) => {
        const { amount } = discountBetween(d, decimal('5'), ZERO, spend.abs());
        expect(amount.lte(ZERO) && amount.abs().lte(spend.abs())).toBe(true);
      }),
    );
  });
});

describe('the dues of a period', () => {
  const sol = price({ id: 'prc_sol', pattern: { model: 'sol' }, terms: perUnit('10') });
  const luna = price({ id: 'prc_luna', pattern: { model: 'luna' }, terms: perUnit('1') });
  const flat = price({ id: 'prc_flat', meterId: 'seat', terms: terms({ model: 'FLAT', flatAmount: '500' }) });
  const events = [
    used(day(2), '100', { model: 'sol' }),
    used(day(20), '50', { model: 'sol' }),
    used(day(20), '300', { model: 'luna' }),
  ];
  const told = (facts: Parameters<typeof periodOf>[0] & { readonly commitment?: string }) =>
    duesOf({ ...periodOf(facts), commitment: facts.commitment ? decimal(facts.commitment) : null })
      .dues.filter(due => due.discount)
      .map(({ priceId, versionId, meterId, amount, from, to, discount: on }) => ({
        priceId,
        versionId,
        meterId,
        amount: formatDecimal(amount),
        quantity: formatDecimal(to.minus(from)),
        spend: on && `${formatDecimal(on.spendFrom)} to ${formatDecimal(on.spendTo)}`,
      }));
  const held = (given: readonly Discount[], at = PERIOD.start, number = 1) => ({
    ...version(at, [sol, luna, flat], number),
    id: `pbv_${number}`,
    discounts: given,
  });

  test('hold a discount as a due of its own, off all prices that it covers', () => {
    expect(told({ versions: [held([discount()])], events })).toEqual([
      // 1500 of sol and 300 of luna: 10 % of 800.
      { priceId: 'dsc_1', versionId: 'pbv_1', meterId: null, amount: '-80', quantity: '0', spend: '0 to 1800' },
    ]);
    const only = discount({ meterId: 'mtr', pattern: { model: 'sol' } });
    expect(told({ versions: [held([only])], events })).toMatchObject([
      { meterId: 'mtr', amount: '-50', spend: '0 to 1500' },
    ]);
  });

  test('hold none where nothing is taken off, and none in another currency', () => {
    expect(told({ versions: [held([discount({ currency: 'EUR' })])], events })).toEqual([]);
    expect(told({ versions: [held([discount({ tiers: tiers(['5000', '0'], [null, '9']) })])], events })).toEqual([]);
    expect(told({ versions: [held([discount({ basis: 'COMMITMENT', mode: 'VOLUME' })])], events })).toEqual([]);
  });

  test('take the rate that the commitment reaches off all spend', () => {
    const committed = discount({ basis: 'COMMITMENT', mode: 'VOLUME' });
    expect(told({ versions: [held([committed])], events, commitment: '5000.01' })).toMatchObject([{ amount: '-360' }]);
  });

  test('take each discount off the same spend, not off what the other has left', () => {
    const two = [discount({ tiers: tiers([null, '10']) }), discount({ id: 'dsc_2', tiers: tiers([null, '5']) })];
    expect(told({ versions: [held(two)], events }).map(({ amount }) => amount)).toEqual(['-180', '-90']);
  });

  test('come after minimums, once the period is over', () => {
    const least = price({
      id: 'prc_least',
      meterId: 'least',
      terms: terms({ model: 'UNIT', unitAmount: '1', minimum: '250' }),
    });
    const all = [discount({ tiers: tiers([null, '10']) })];
    const with250 = { ...version(PERIOD.start, [sol, luna, least]), discounts: all };
    expect(told({ versions: [with250], events })).toMatchObject([{ amount: '-180' }]);
    expect(told({ versions: [with250], events, isOver: true })).toMatchObject([{ amount: '-205' }]);
  });

  test('count spend on over a change of version, so that publishing the same again changes nothing', () => {
    const same = [held([discount()]), held([discount({ id: 'dsc_2' })], day(15), 2)];
    // 1000 of sol before the cut falls in the free tier whole.
    expect(told({ versions: same, events })).toEqual([
      { priceId: 'dsc_2', versionId: 'pbv_2', meterId: null, amount: '-80', quantity: '0', spend: '1000 to 1800' },
    ]);
    const none = [held([]), held([discount({ id: 'dsc_2', tiers: tiers([null, '10']) })], day(15), 2)];
    expect(told({ versions: none, events })).toMatchObject([{ amount: '-80' }]);
  });

  test('are one where a version holds in several segments, of prices and discounts alike', () => {
    const one = held([discount()]);
    const again = { ...one, effectiveAt: day(10) };
    const facts = periodOf({ versions: [one, again, { ...one, effectiveAt: day(25) }], events });
    const { dues } = duesOf(facts);
    expect(dues.map(({ priceId, from, to, amount }) => [priceId, ...[from, to, amount].map(formatDecimal)])).toEqual([
      ['prc_sol', '0', '150', '1500'],
      ['prc_luna', '0', '300', '300'],
      ['dsc_1', '0', '0', '-80'],
    ]);
    expect(dues.map(({ steps, amount }) => sum(steps.map(step => step.amount)).eq(amount))).toEqual([true, true, true]);
    expect(dues[2]?.discount).toMatchObject({ spendFrom: ZERO, spendTo: decimal('1800') });
  });

  test('keep a price apart for each way it was taken over', () => {
    const [first, second] = ['pbv_p1', 'pbv_p2'].map(parent => ({ ...sol, takenBy: [parent, 'pbv_c'] }));
    const versions = [
      { ...version(PERIOD.start, first ? [first] : []), id: 'pbv_c' },
      { ...version(day(10), second ? [{ ...second, terms: perUnit('20') }] : []), id: 'pbv_c' },
    ];
    const { dues } = duesOf(periodOf({ versions, events: events.slice(0, 2) }));
    expect(dues.map(({ priceId, takenBy, amount }) => [priceId, takenBy, formatDecimal(amount)])).toEqual([
      ['prc_sol', ['pbv_p1', 'pbv_c'], '1000'],
      ['prc_sol', ['pbv_p2', 'pbv_c'], '1000'],
    ]);
  });
});
