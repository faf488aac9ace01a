import fc from 'fast-check';
import { type BurnUse, type GrantLeft, planBurns } from '../../src/credits/burn.rules.js';
import { besideHeld, planAround, planInTurn, stretchesOf, type TimedUse } from '../../src/credits/payment.rules.js';
import { type Decimal, decimal, formatDecimal, sum, ZERO } from '../../src/money/index.js';

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
const aUse = (amount: string, model = 'small'): BurnUse => ({
  meterId: 'mtr_a',
  dimensions: { model },
  amount: decimal(amount),
});
const held = (given: Readonly<Record<string, string>>) =>
  new Map(Object.entries(given).map(([id, amount]) => [id, decimal(amount)]));
const told = (parts: readonly { grantId: string; amount: Decimal }[]) =>
  parts.map(({ grantId, amount }) => [grantId, formatDecimal(amount)]);

describe('usage that has happened', () => {
  const grants = [aGrant('soon', { expiresAt: day(1) }), aGrant('later', { expiresAt: day(2) }), aGrant('never')];

  test('is paid with what nobody has set aside, in the order of burning', () => {
    const { parts, left } = planAround(grants, held({ soon: '7', later: '10' }), [aUse('12')], TERMS);

    expect(told(parts)).toEqual([
      ['soon', '3'],
      ['never', '9'],
    ]);
    expect(formatDecimal(left)).toBe('0');
  });

  test('and only what that leaves unpaid with what is set aside, in the same order', () => {
    const { parts, left } = planAround(grants, held({ soon: '7', later: '10' }), [aUse('9'), aUse('12')], TERMS);

    expect(told(parts)).toEqual([
      ['soon', '10'],
      ['never', '10'],
      ['later', '1'],
    ]);
    expect(formatDecimal(left)).toBe('0');
    expect(formatDecimal(planAround(grants, held({ soon: '7' }), [aUse('30.5')], TERMS).left)).toBe('0.5');
  });

  test('takes no more than there is of a grant of which more is set aside than it has', () => {
    expect(besideHeld(grants, held({ soon: '11' })).map(({ left }) => formatDecimal(left))).toEqual(['0', '10', '10']);
    expect(told(planAround(grants, held({ soon: '11' }), [aUse('25')], TERMS).parts)).toEqual([
      ['later', '10'],
      ['never', '10'],
      ['soon', '5'],
    ]);
  });

  test('in several burns sees what the ones before have left', () => {
    const burns = ['4', '9', '9'].map(amount => ({ ...TERMS, uses: [aUse(amount)] }));

    expect(planInTurn(grants, held({ soon: '8' }), burns).map(({ parts }) => told(parts))).toEqual([
      [
        ['soon', '2'],
        ['later', '2'],
      ],
      [
        ['later', '8'],
        ['never', '1'],
      ],
      [['never', '9']],
    ]);
  });
});

describe('the stretches of usage', () => {
  const timed = (at: Date, amount: string, model?: string): TimedUse => ({ at, ...aUse(amount, model) });
  const shown = (grants: readonly GrantLeft[], uses: readonly TimedUse[]) =>
    stretchesOf(grants, uses, 'USD').map(({ at, uses: own }) => [
      at,
      own.map(({ dimensions, amount }) => `${dimensions['model']} ${formatDecimal(amount)}`),
    ]);

  test('begin where a grant becomes effective or expires, and are one where none does', () => {
    const uses = [timed(day(1), '1'), timed(day(-3), '2'), timed(day(-1), '4'), timed(day(-2), '8')];
    const grant = aGrant('g', { effectiveAt: day(-1), expiresAt: day(1) });

    expect(shown([grant], uses)).toEqual([
      [day(-2), ['small 10']],
      [day(-1), ['small 4']],
      [day(1), ['small 1']],
    ]);
    expect(shown([aGrant('g')], uses)).toEqual([[day(1), ['small 15']]]);
    // A grant that pays in no such currency turns nothing.
    expect(shown([{ ...grant, unit: 'EUR' }], uses)).toEqual([[day(1), ['small 15']]]);
    expect(shown([], [])).toEqual([]);
  });

  test('hold one use of each kind, and none that does not come to more than 0', () => {
    const uses = [timed(AT, '1', 'a'), timed(AT, '5', 'b'), timed(AT, '2', 'a'), timed(AT, '-5', 'b')];

    expect(shown([aGrant('g')], uses)).toEqual([[AT, ['a 3']]]);
    expect(shown([aGrant('g')], [timed(AT, '0'), timed(AT, '-1', 'b')])).toEqual([]);
  });
});

const amount = fc
  .tuple(fc.integer({ min: 0, max: 99_999 }), fc.integer({ min: 0, max: 4 }))
  .map(([digits, shift]) => decimal(digits).shiftedBy(-shift));
const someGrants = fc
  .array(
    fc.record({
      unit: fc.constantFrom('USD', 'credit', 'EUR'),
      worth: fc.constantFrom('0.01', '0.03', '0.15', '7'),
      left: amount,
      expiresAt: fc.option(fc.integer({ min: 1, max: 3 }).map(day)),
      models: fc.constantFrom([], ['small'], ['big']),
      held: amount,
    }),
    { maxLength: 6 },
  )
  .map(list =>
    list.map(({ worth, held: taken, ...rest }, index) => ({
      taken,
      grant: aGrant(`crg_${index}`, {
        ...rest,
        worth: rest.unit === 'credit' ? { amount: decimal(worth), currency: 'USD' } : null,
      }),
    })),
  );
const someUses = fc.array(
  fc.record({
    meterId: fc.constant('mtr_a'),
    dimensions: fc.constantFrom({ model: 'small' }, { model: 'big' }),
    amount,
  }),
  { minLength: 1, maxLength: 4 },
);

describe('whatever is held', () => {
  test('what is paid and what is left are what was used, and no grant gives more than it has', () => {
    fc.assert(
      fc.property(someGrants, someUses, (given, uses) => {
        const grants = given.map(({ grant }) => grant);
        const holding = new Map(given.map(({ grant, taken }) => [grant.id, taken]));
        const { parts, left } = planAround(grants, holding, uses, TERMS);
        const used = sum(uses.map(use => use.amount));

        expect(
          sum(parts.map(({ pays }) => pays))
            .plus(left)
            .eq(used),
        ).toBe(true);
        expect(new Set(parts.map(({ grantId }) => grantId)).size).toBe(parts.length);

        for (const part of parts) {
          const grant = grants.find(({ id }) => id === part.grantId);
          expect(grant && part.amount.lte(grant.left)).toBe(true);
        }

        // Without holds it is what it always was.
        expect(planAround(grants, new Map(), uses, TERMS)).toEqual(planBurns(grants, uses, TERMS));
      }),
    );
  });

  test('nothing that is held is taken as long as something for that use is not', () => {
    fc.assert(
      fc.property(someGrants, someUses, (given, uses) => {
        const grants = given.map(({ grant }) => grant);
        const holding = new Map(given.map(({ grant, taken }) => [grant.id, taken]));
        const { parts } = planAround(grants, holding, uses, TERMS);
        const free = planBurns(besideHeld(grants, holding), uses, TERMS);
        const fromHeld = parts.some(({ grantId, amount: took }) =>
          took.gt(free.parts.find(part => part.grantId === grantId)?.amount ?? ZERO),
        );

        expect(fromHeld).toBe(fromHeld && free.left.gt(0));
      }),
    );
  });

  test('less of each use is paid for in full by what was set aside for more of it', () => {
    fc.assert(
      fc.property(
        someGrants,
        someUses,
        fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 4, maxLength: 4 }),
        (given, uses, cuts) => {
          const grants = given.filter(({ grant }) => grant.unit !== 'credit').map(({ grant }) => grant);
          const wanted = planBurns(grants, uses, TERMS);
          fc.pre(wanted.left.isZero());
          // The others hold all that this call does not.
          const others = new Map(
            grants.map(({ id, left }) => [
              id,
              left.minus(wanted.parts.find(({ grantId }) => grantId === id)?.amount ?? ZERO),
            ]),
          );
          const less = uses.map((use, index) => ({ ...use, amount: use.amount.times(cuts[index] ?? 0).shiftedBy(-2) }));
          const burned = planAround(grants, others, less, TERMS);

          expect(burned.left.isZero()).toBe(true);

          for (const { grantId, amount: took } of burned.parts) {
            expect(took.lte(wanted.parts.find(part => part.grantId === grantId)?.amount ?? ZERO)).toBe(true);
          }
        },
      ),
    );
  });

  test('a grant pays for as much in several calls as at once, also where its worth does not divide evenly', () => {
    const worth = { amount: decimal('0.15'), currency: 'USD' };
    let grants = [aGrant('g', { unit: 'credit', worth, left: decimal('20') })];

    for (const call of ['1', '1', '1']) {
      const { parts, left } = planBurns(grants, [aUse(call)], TERMS);
      expect(formatDecimal(left)).toBe('0');
      grants = grants.map(grant => ({ ...grant, left: grant.left.minus(sum(parts.map(part => part.amount))) }));
    }

    expect(formatDecimal(planBurns(grants, [aUse('1')], TERMS).left)).not.toBe('0');
  });
});
