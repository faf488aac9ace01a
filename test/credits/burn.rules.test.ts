import fc from 'fast-check';
import {
  afterParts,
  burnOrder,
  type BurnUse,
  type GrantLeft,
  planBurn,
  planBurns,
  planReversal,
  planTransfer,
  rateOf,
} from '../../src/credits/burn.rules.js';
import { decimal, formatDecimal, ONE, sum, ZERO } from '../../src/money/index.js';

const AT = new Date('2026-11-20T12:00:00Z');
const TERMS = { at: AT, currency: 'USD' };
const day = (n: number): Date => new Date(AT.getTime() + n * 86_400_000);

const aGrant = (id: string, over: Partial<GrantLeft> = {}): GrantLeft => ({
  id,
  unit: 'USD',
  worth: null,
  left: decimal('10'),
  priority: 0,
  effectiveAt: day(-10),
  expiresAt: null,
  createdAt: day(-10),
  meterIds: [],
  models: [],
  ...over,
});
const aUse = (amount: string, over: Partial<BurnUse> = {}): BurnUse => ({
  meterId: 'mtr_a',
  dimensions: { model: 'gpt-6-mini' },
  amount: decimal(amount),
  ...over,
});
const told = ({ parts, left }: ReturnType<typeof planBurn>) => ({
  parts: parts.map(({ grantId, amount, pays }) => [grantId, formatDecimal(amount), formatDecimal(pays)]),
  left: formatDecimal(left),
});

describe('a burn', () => {
  test('takes what expires first, then what has the lower priority, then what is older, then the lower id', () => {
    const grants = [
      aGrant('never', { priority: -5 }),
      aGrant('later', { expiresAt: day(9), priority: -5 }),
      aGrant('b', { expiresAt: day(3), priority: 1, createdAt: day(-2) }),
      aGrant('a', { expiresAt: day(3), priority: 1, createdAt: day(-2) }),
      aGrant('young', { expiresAt: day(3), priority: 1, createdAt: day(-1) }),
      aGrant('urgent', { expiresAt: day(3), priority: 0, createdAt: day(-1) }),
    ];

    expect(told(planBurn(grants, aUse('55.5'), TERMS))).toEqual({
      parts: [
        ['urgent', '10', '10'],
        ['a', '10', '10'],
        ['b', '10', '10'],
        ['young', '10', '10'],
        ['later', '10', '10'],
        ['never', '5.5', '5.5'],
      ],
      left: '0',
    });
  });

  test.each<readonly [what: string, over: Partial<GrantLeft>, pays: boolean]>([
    ['is effective at that instant', { effectiveAt: AT }, true],
    ['is effective later', { effectiveAt: new Date(AT.getTime() + 1) }, false],
    ['expires at that instant', { expiresAt: AT }, false],
    ['expires a moment later', { expiresAt: new Date(AT.getTime() + 1) }, true],
    ['is in another currency', { unit: 'EUR' }, false],
    ['is in a unit that is worth another currency', { unit: 'credit', worth: { amount: ONE, currency: 'EUR' } }, false],
    ['is in a unit that is worth nothing', { unit: 'credit', worth: { amount: ZERO, currency: 'USD' } }, false],
    ['is for the meter', { meterIds: ['mtr_b', 'mtr_a'] }, true],
    ['is for another meter', { meterIds: ['mtr_b'] }, false],
    ['is for the model', { models: ['x', 'gpt-6-mini'] }, true],
    ['is for models that begin so', { models: ['gpt-6*'] }, true],
    ['is for other models', { models: ['gpt-5*', 'gpt-6'] }, false],
    ['is empty', { left: ZERO }, false],
  ])('of a grant that %s', (_what, over, pays) => {
    const { left } = planBurn([aGrant('g', over)], aUse('4'), TERMS);

    expect(formatDecimal(left)).toBe(pays ? '0' : '4');
  });

  test('of a use without a model takes nothing of a grant for models', () => {
    expect(told(planBurn([aGrant('g', { models: ['*'] })], aUse('4', { dimensions: {} }), TERMS))).toEqual({
      parts: [],
      left: '4',
    });
  });

  test.each(['0', '-3'])('of %s takes nothing', amount => {
    expect(told(planBurn([aGrant('g')], aUse(amount), TERMS))).toEqual({ parts: [], left: amount });
  });

  test('takes units by their worth, and pays in the unit itself one for one', () => {
    const credits = aGrant('g', {
      unit: 'credit',
      worth: { amount: decimal('0.01'), currency: 'USD' },
      left: decimal('250'),
    });

    expect(told(planBurn([credits], aUse('1.005'), TERMS))).toEqual({ parts: [['g', '100.5', '1.005']], left: '0' });
    expect(told(planBurn([credits], aUse('4'), TERMS))).toEqual({ parts: [['g', '250', '2.5']], left: '1.5' });
    expect(told(planBurn([credits], aUse('3'), { at: AT, currency: 'credit' }))).toEqual({
      parts: [['g', '3', '3']],
      left: '0',
    });
  });

  test('of several uses sees what the earlier ones have left, and tells one part for each grant', () => {
    const grants = [aGrant('mini', { models: ['gpt-6*'], expiresAt: day(1) }), aGrant('any')];
    const uses = [aUse('6'), aUse('3', { dimensions: { model: 'big' } }), aUse('8')];

    expect(told(planBurns(grants, uses, TERMS))).toEqual({
      parts: [
        ['mini', '10', '10'],
        ['any', '7', '7'],
      ],
      left: '0',
    });
  });
});

const amounts = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 16n }), fc.integer({ min: 0, max: 12 }))
  .map(([digits, shift]) => decimal(digits).shiftedBy(-shift));
const grants = fc
  .array(
    fc.record({
      unit: fc.constantFrom('USD', 'credit', 'EUR'),
      worth: fc.constantFrom('0.01', '0.03', '7', '1', '0.00000000007'),
      left: amounts,
      priority: fc.integer({ min: -1, max: 1 }),
      effectiveAt: fc.integer({ min: -2, max: 1 }).map(day),
      expiresAt: fc.option(fc.integer({ min: -1, max: 3 }).map(day)),
      createdAt: fc.integer({ min: -2, max: 0 }).map(day),
      meterIds: fc.constantFrom([], ['mtr_a'], ['mtr_b']),
      models: fc.constantFrom([], ['gpt*'], ['x']),
    }),
    { maxLength: 8 },
  )
  .map(list =>
    list.map(({ worth, ...rest }, index): GrantLeft => ({
      ...rest,
      id: `crg_${index}`,
      worth: rest.unit === 'credit' ? { amount: decimal(worth), currency: 'USD' } : null,
    })),
  );
const uses = fc.array(
  fc.record({
    meterId: fc.constantFrom('mtr_a', 'mtr_b'),
    dimensions: fc.constantFrom<Record<string, string>>({}, { model: 'gpt-6' }, { model: 'x' }),
    amount: amounts,
  }),
  { minLength: 1, maxLength: 4 },
);

describe('whatever is burned', () => {
  test('the parts and what is left are what was asked, in order, and no grant gives more than it has', () => {
    fc.assert(
      fc.property(grants, uses, fc.integer(), (given, wanted, seed) => {
        const plan = planBurns(given, wanted, TERMS);
        const byId = new Map(given.map(grant => [grant.id, grant]));
        const asked = sum(wanted.map(({ amount }) => amount));

        expect(
          sum(plan.parts.map(({ pays }) => pays))
            .plus(plan.left)
            .eq(asked),
        ).toBe(true);
        expect(afterParts(given, plan.parts).every(({ left }) => left.gte(0))).toBe(true);
        expect(plan.parts.every(({ pays }) => pays.gt(0))).toBe(true);
        expect(plan.parts.every(({ grantId, unit }) => byId.get(grantId)?.unit === unit)).toBe(true);
        // Whatever the order in which they are given.
        const turned = given.map((grant, index) => given[(index + Math.abs(seed)) % given.length] ?? grant);
        expect(planBurns(turned, wanted, TERMS)).toEqual(plan);
      }),
    );
  });

  test('one use empties every grant before the next that could pay gives anything', () => {
    fc.assert(
      fc.property(grants, uses, (given, [use]) => {
        const { parts, left } = planBurn(given, use ?? aUse('1'), TERMS);
        const order = parts.map(({ grantId }) => given.find(({ id }) => id === grantId)).filter(grant => !!grant);

        expect(order).toEqual(order.toSorted(burnOrder));
        const isEmptied = parts.map(({ grantId, amount }) => given.find(({ id }) => id === grantId)?.left.eq(amount));
        expect(isEmptied.slice(0, left.gt(0) ? undefined : -1).every(Boolean)).toBe(true);
      }),
    );
  });

  test('reversed in whatever steps comes back whole to the grants it came from', () => {
    fc.assert(
      fc.property(grants, uses, fc.array(fc.integer({ min: 1, max: 99 }), { maxLength: 3 }), (given, wanted, cuts) => {
        const { parts } = planBurns(given, wanted, TERMS);
        const rates = new Map(given.map(grant => [grant.id, rateOf(grant, TERMS.currency) ?? ONE]));
        let burned = parts.map(part => ({ ...part, rate: rates.get(part.grantId) ?? ONE }));
        const back = new Map<string, ReturnType<typeof decimal>>();

        for (const cut of [...cuts, 100]) {
          const still = sum(burned.map(({ pays }) => pays));
          const given_back = planReversal(burned, still.times(cut).shiftedBy(-2)) ?? [];

          for (const { grantId, amount, pays } of given_back) {
            back.set(grantId, (back.get(grantId) ?? ZERO).plus(amount));
            burned = burned.map(part =>
              part.grantId === grantId
                ? { ...part, amount: part.amount.minus(amount), pays: part.pays.minus(pays) }
                : part,
            );
          }

          expect(burned.every(({ amount, pays }) => amount.gte(0) && pays.gte(0))).toBe(true);
        }

        expect(parts.every(({ grantId, amount }) => back.get(grantId)?.eq(amount))).toBe(true);
        expect(planReversal(burned, decimal('0.000000000001'))).toBeNull();
      }),
    );
  });
});

test('a reversal gives back what burned last', () => {
  const burned = ['a', 'b', 'c'].map(grantId => ({
    grantId,
    unit: 'USD',
    amount: decimal('4'),
    pays: decimal('4'),
    rate: ONE,
  }));

  expect(planReversal(burned, decimal('5'))?.map(({ grantId, amount }) => [grantId, formatDecimal(amount)])).toEqual([
    ['c', '4'],
    ['b', '1'],
  ]);
  expect(planReversal(burned, decimal('12.000000000001'))).toBeNull();
  expect(planReversal(burned, ZERO)).toEqual([]);
});

test('a transfer takes what is live of the unit, all or nothing', () => {
  const given = [
    aGrant('b', { expiresAt: day(1) }),
    aGrant('euro', { unit: 'EUR' }),
    aGrant('gone', { expiresAt: AT }),
    aGrant('a', { models: ['x'] }),
  ];
  const plan = (amount: string) => planTransfer(given, { unit: 'USD', amount: decimal(amount), at: AT });

  expect(plan('12').parts?.map(({ grantId, amount }) => [grantId, formatDecimal(amount)])).toEqual([
    ['b', '10'],
    ['a', '2'],
  ]);
  expect(plan('20.1')).toEqual({ parts: null, available: decimal('20') });
});
