import fc from 'fast-check';
import { decimal, divide, formatDecimal, sum, ZERO, type Decimal } from '../../src/money/index.js';
import { groupsOf, type BillableOutcome } from '../../src/outcomes/billable.rules.js';
import type { Cap, OutcomeMeasure } from '../../src/outcomes/outcome-terms.rules.js';
import { looksAtEvents, type PriceTerms, type PriceTermsJson } from '../../src/pricing/price.rules.js';
import { rate } from '../../src/pricing/rate.rules.js';
import { allocateOutcomes } from '../../src/rating/outcome-allocation.rules.js';
import { cappedOf } from '../../src/rating/outcome-caps.rules.js';
import { groupedOutcomeDues, needsSingles, outcomeDues } from '../../src/rating/outcome-dues.rules.js';
import type { RuleToRate } from '../../src/rating/outcome-prices.rules.js';
import { pricerAfter } from '../../src/rating/outcome-pricer.rules.js';
import { terms } from './period.js';
import { byItem, cap, minimum, outcome, outcomePrice, rule, ruleVersion } from './outcomes.js';

const PRICES: readonly PriceTermsJson[] = [
  { model: 'UNIT', unitAmount: '0.99' },
  { model: 'UNIT', unitAmount: '1', per: '3', freeUnits: '2', discountRate: '12.5' },
  { model: 'UNIT', unitAmount: '2', conversion: { multiplyBy: '1', divideBy: '3', rounding: 'CEILING', precision: 0 } },
  { model: 'PACKAGE', packageAmount: '1.7', packageSize: '3', freeUnits: '1' },
  {
    model: 'GRADUATED',
    tiers: [
      { upTo: '3', unitAmount: '0.95' },
      { upTo: '7', unitAmount: '0.9', per: '7', flatAmount: '2' },
      { upTo: null, unitAmount: '0.85' },
    ],
    freeUnits: '1.5',
    discountRate: '10',
  },
  {
    model: 'GRADUATED',
    tierBounds: 'INTEGER_STEPS',
    tiers: [
      { upTo: '4', unitAmount: '3' },
      { upTo: null, unitAmount: '1', flatAmount: '0.25' },
    ],
  },
  {
    model: 'VOLUME',
    tiers: [
      { upTo: '5', unitAmount: '2' },
      { upTo: null, unitAmount: '1', per: '3', flatAmount: '4' },
    ],
  },
  {
    model: 'STAIRSTEP',
    tiers: [
      { upTo: '0.5', flatAmount: '0' },
      { upTo: '6', flatAmount: '5' },
      { upTo: null, flatAmount: '9' },
    ],
  },
  { model: 'PERCENTAGE', rate: '0.8' },
  { model: 'PERCENTAGE', rate: '7', perEventMinimum: '0.3', perEventMaximum: '0.4', discountRate: '5' },
  { model: 'PERCENTAGE', rate: '3', fixedAmount: '0.1', freeEvents: '2' },
  { model: 'PERCENTAGE', rate: '3', fixedAmount: '0.1', freeEvents: '5', freeAmount: '4' },
  {
    model: 'GRADUATED_PERCENTAGE',
    tiers: [
      { upTo: '5', rate: '2.5' },
      { upTo: null, rate: '1', flatAmount: '1' },
    ],
    freeUnits: '2',
  },
];

const quantity = fc.integer({ min: 0, max: 40 }).map(n => formatDecimal(divide(decimal(n), decimal(16))));

const someOutcomes = fc
  .array(
    fc.record({
      version: fc.constantFrom(1, 2),
      kind: fc.constantFrom('a', 'b', 'c'),
      units: quantity,
      minute: fc.nat(20),
      isFree: fc.integer({ min: 0, max: 9 }).map(n => n === 0),
      isPaidBack: fc.integer({ min: 0, max: 9 }).map(n => n === 0),
      subject: fc.constantFrom('s', 't', null),
    }),
    { maxLength: 25 },
  )
  .map(list =>
    list.map(({ version, kind, units, minute, isFree, isPaidBack, subject }, place) =>
      outcome(place, {
        versionId: `orv_${version}`,
        attributes: kind === 'c' ? {} : { kind },
        units,
        value: units,
        occurredAt: new Date(Date.UTC(2026, 10, 1 + (minute % 3), 0, minute)),
        isFree,
        subject,
        ...(isPaidBack ? { reimbursement: '2', isFree: false } : {}),
      }),
    ),
  );

const index = fc.nat(PRICES.length - 1);
const given = fc
  .record({
    wide: index,
    narrow: index,
    later: index,
    measure: fc.constantFrom<OutcomeMeasure>('UNITS', 'VALUE'),
    least: fc.constantFrom(null, '4'),
    most: fc.constantFrom(null, { mode: 'HARD', amount: '3' }, { mode: 'FREE', per: 'SUBJECT', count: '2' } as const),
  })
  .map(({ wide, narrow, later, measure, least, most }): RuleToRate => {
    const price = (place: number, name: string, pattern = {}) =>
      outcomePrice(PRICES[place] ?? { model: 'UNIT', unitAmount: '1' }, { name, pattern });
    const rest = {
      measure,
      minimum: least === null ? null : minimum({ amount: least }),
      caps: most === null ? [] : [cap(most as Parameters<typeof cap>[0])],
    };

    return rule([
      ruleVersion({ ...rest, prices: [price(wide, 'Wide'), price(narrow, 'Narrow', { kind: 'a' })] }, 1),
      ruleVersion(
        { ...rest, prices: [price(later, 'Wide'), price(narrow, 'Narrow', { kind: 'b' })] },
        2,
        new Date('2026-11-15T00:00:00Z'),
      ),
    ]);
  });

/** What quantities cost together, by the engine, in their order. */
function costOf(price: PriceTerms, quantities: readonly Decimal[]): Decimal {
  const events = looksAtEvents(price) ? { events: quantities.map(amount => ({ amount })) } : {};

  return rate(price, { quantity: sum(quantities), ...events }).amount;
}

const shown = (rated: ReturnType<typeof outcomeDues>) => ({
  dues: rated.dues.map(({ priceId, versionId, amount, outcome: of, sentence, steps }) => [
    priceId,
    versionId,
    formatDecimal(amount),
    of,
    sentence,
    steps,
  ]),
  unpriced: rated.unpriced,
  capped: rated.capped,
});

describe('outcomes', () => {
  test('cost the same in whatever order they come', () => {
    fc.assert(
      fc.property(given, someOutcomes, fc.array(fc.nat()), (asked, list, keys) => {
        const shuffled = list
          .map((one, place) => ({ one, key: keys[place % Math.max(1, keys.length)] ?? 0 }))
          .sort((a, b) => b.key - a.key)
          .map(({ one }) => one)
          .reverse();
        expect(shown(outcomeDues(asked, shuffled))).toEqual(shown(outcomeDues(asked, list)));
      }),
    );
  });

  test('have parts in each charge that sum to it exactly', () => {
    fc.assert(
      fc.property(given, someOutcomes, (asked, list) => {
        const rated = outcomeDues(asked, list);
        const allocated = allocateOutcomes(asked, list, rated);
        const sums = byItem(allocated);
        const dues = new Map(rated.dues.map(due => [[due.priceId, ...due.takenBy].join(' '), due.amount]));

        for (const item of new Set([...sums.keys(), ...dues.keys()])) {
          expect([item, formatDecimal(sums.get(item) ?? ZERO)]).toEqual([item, formatDecimal(dues.get(item) ?? ZERO)]);
        }

        // Every outcome is there once but those that a hard cap keeps out: every one has a price here.
        const hard = new Set([
          ...rated.capped.filter(({ mode }) => mode === 'HARD').map(({ id }) => id),
          ...rated.unpaid,
        ]);
        expect(allocated.flatMap(({ outcomeId }) => outcomeId ?? []).sort()).toEqual(
          list.map(({ id }) => id).filter(id => !hard.has(id)),
        );
      }),
    );
  });

  test('cost by their sums what they cost one by one', () => {
    fc.assert(
      fc.property(given, someOutcomes, (asked, list) => {
        fc.pre(!needsSingles(asked));
        expect(shown(groupedOutcomeDues(asked, groupsOf(list)))).toEqual(shown(outcomeDues(asked, list)));
      }),
    );
  });

  test('of one price come to its rate of all of them; without one, to that of the others', () => {
    fc.assert(
      fc.property(index, someOutcomes, fc.nat(), (place, list, without) => {
        const price = outcomePrice(PRICES[place] ?? { model: 'UNIT', unitAmount: '1' });
        const asked = rule(ruleVersion({ prices: [price] }));
        const own = list.map(one => ({ ...one, versionId: 'orv_1', isFree: false, reimbursement: ZERO }));
        const total = (some: readonly BillableOutcome[]) =>
          formatDecimal(sum(outcomeDues(asked, some).dues.map(({ amount }) => amount)));
        const oracle = (some: readonly BillableOutcome[]) => {
          const ordered = some.toSorted(
            (a, b) => a.occurredAt.getTime() - b.occurredAt.getTime() || (a.id < b.id ? -1 : 1),
          );
          const events = ordered.map(({ units }) => ({ amount: units }));

          return formatDecimal(rate(price.terms, { quantity: sum(some.map(({ units }) => units)), events }).amount);
        };
        const others = own.toSpliced(own.length === 0 ? 0 : without % own.length, 1);
        expect([total(own), total(others)]).toEqual([oracle(own), oracle(others)]);
        // Whatever an outcome added: without any, nothing is left.
        expect(total([])).toBe('0');
      }),
    );
  });

  test('keep a cap on money, and whatever was kept out would have come above it', () => {
    fc.assert(
      fc.property(given, someOutcomes, (asked, list) => {
        const prices = asked.versions[0]?.terms.prices ?? [];
        const measure = asked.versions[0]?.terms.measure ?? 'UNITS';
        const one = rule(ruleVersion({ measure, prices, caps: [cap({ mode: 'HARD', amount: '3' })] }));
        const free = rule(ruleVersion({ measure, prices }));
        const own = list.map(item => ({ ...item, versionId: 'orv_1', reimbursement: ZERO }));
        const rated = outcomeDues(one, own);
        const total = (dues: readonly { readonly amount: Decimal }[]) => sum(dues.map(({ amount }) => amount));
        expect(total(rated.dues).lte(decimal('3'))).toBe(true);

        if (rated.capped.length > 0) {
          const [kept] = rated.capped;
          const out = new Set(rated.capped.map(({ id }) => id));
          const ordered = own.toSorted(
            (a, b) => a.occurredAt.getTime() - b.occurredAt.getTime() || (a.id < b.id ? -1 : 1),
          );
          const until = ordered.slice(0, ordered.findIndex(({ id }) => id === kept?.id) + 1);
          const whole = outcomeDues(
            free,
            until.filter(({ id }) => id === kept?.id || !out.has(id)),
          ).dues;
          expect(total(whole).gt(decimal('3'))).toBe(true);
        }
      }),
    );
  });

  test('of several versions, in whatever order they occur, are charged no more than a cap on money', () => {
    fc.assert(
      fc.property(given, someOutcomes, fc.constantFrom<Cap['per']>('PERIOD', 'DAY', 'SUBJECT'), (asked, list, per) => {
        const caps = [cap({ mode: 'HARD', per, amount: '3' })];
        const capped = {
          ...asked,
          versions: asked.versions.map(one => ({ ...one, terms: { ...one.terms, caps, minimum: null } })),
        };
        const rated = outcomeDues(capped, list);
        const scopes = new Map<string | null, Decimal>();
        const byId = new Map(list.map(one => [one.id, one]));

        for (const { charge, outcomeId, amount } of allocateOutcomes(capped, list, rated)) {
          const one = byId.get(outcomeId ?? '');
          const scope = { PERIOD: 'all', DAY: one?.day ?? null, SUBJECT: one?.subject ?? outcomeId }[per];
          scopes.set(scope, (scopes.get(scope) ?? ZERO).plus(charge === 'PRICE' ? amount : ZERO));
        }

        // What no outcome adds is of no day and of no subject.
        scopes.delete(null);
        expect([...scopes.values()].filter(amount => amount.gt(decimal('3')))).toEqual([]);
      }),
    );
  });

  test('are kept out by the first cap that they would break, at what they add to all before them', () => {
    fc.assert(
      fc.property(given, someOutcomes, (asked, list) => {
        const caps = [cap({ mode: 'FREE', per: 'DAY', amount: '1.5' }), cap({ mode: 'HARD', amount: '4' })];
        const capped = { ...asked, versions: asked.versions.map(one => ({ ...one, terms: { ...one.terms, caps } })) };
        const taken: { readonly outcome: BillableOutcome; readonly added: Decimal }[] = [];
        const expected: { id: string; mode: string }[] = [];

        for (const one of list.toSorted((a, b) => a.occurredAt.getTime() - b.occurredAt.getTime())) {
          if (!one.isFree && one.reimbursement.isZero()) {
            const terms = capped.versions.find(({ id }) => id === one.versionId)?.terms;
            const priceOf = ({ attributes }: BillableOutcome) =>
              terms?.prices.find(
                ({ pattern }) => pattern['kind'] !== undefined && attributes === `{"kind":"${pattern['kind']}"}`,
              ) ?? terms?.prices[0];
            const price = priceOf(one)?.terms;
            const before = taken.filter(({ outcome: other }) => priceOf(other)?.terms === price);
            const quantities = (some: readonly BillableOutcome[]) => some.map(({ units }) => units);
            const added = price
              ? costOf(price, quantities([...before.map(({ outcome: other }) => other), one])).minus(
                  costOf(price, quantities(before.map(({ outcome: other }) => other))),
                )
              : ZERO;
            const spent = (same: (other: BillableOutcome) => boolean) =>
              sum(taken.filter(({ outcome: other }) => same(other)).map(row => row.added)).plus(added);

            if (spent(({ day }) => day === one.day).gt(decimal('1.5'))) {
              expected.push({ id: one.id, mode: 'FREE' });
            } else if (spent(() => true).gt(decimal('4'))) {
              expected.push({ id: one.id, mode: 'HARD' });
            } else {
              taken.push({ outcome: one, added });
            }
          }
        }

        expect(cappedOf(capped, list).capped).toEqual(expected);
      }),
    );
  });

  test('add, one after the other, what the engine says of those before with and without them', () => {
    fc.assert(
      fc.property(index, fc.array(quantity, { maxLength: 15 }), (place, texts) => {
        const price = terms(PRICES[place] ?? { model: 'UNIT', unitAmount: '1' });
        const quantities = texts.map(text => decimal(text));
        const pricer = pricerAfter(price, []);
        for (const [at, next] of quantities.entries()) {
          const before = quantities.slice(0, at);
          const peeked = pricer.peek(next);
          const exact = costOf(price, [...before, next]).minus(costOf(price, before));
          expect(pricer.take(next).eq(peeked)).toBe(true);
          expect([formatDecimal(peeked), formatDecimal(pricerAfter(price, before).peek(next))]).toEqual([
            formatDecimal(exact),
            formatDecimal(exact),
          ]);
        }
      }),
    );
  });
});
