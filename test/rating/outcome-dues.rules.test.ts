import { decimal, formatDecimal, roundMoney } from '../../src/money/index.js';
import { groupsOf, type BillableOutcome } from '../../src/outcomes/billable.rules.js';
import { allocateOutcomes } from '../../src/rating/outcome-allocation.rules.js';
import { cappedOf } from '../../src/rating/outcome-caps.rules.js';
import { groupedOutcomeDues, needsSingles, outcomeDues } from '../../src/rating/outcome-dues.rules.js';
import type { RuleToRate } from '../../src/rating/outcome-prices.rules.js';
import { PERIOD } from './period.js';
import {
  amounts,
  byItem,
  cap,
  each,
  minimum,
  money,
  outcome,
  outcomePrice,
  outcomes,
  rule,
  ruleVersion,
  totalOf,
} from './outcomes.js';

const REDO = outcomePrice({
  model: 'GRADUATED',
  tiers: [
    { upTo: '50', unitAmount: '0.95' },
    { upTo: '100', unitAmount: '0.90' },
    { upTo: null, unitAmount: '0.85' },
  ],
});

/** What the rule comes to, however it is rated; asserts that the allocation sums to each due. */
function total(given: RuleToRate, list: readonly BillableOutcome[]): string {
  const rated = outcomeDues(given, list);
  const sums = byItem(allocateOutcomes(given, list, rated));

  for (const due of rated.dues) {
    const item = [due.priceId, ...due.takenBy].join(' ');
    expect([item, formatDecimal(sums.get(item) ?? decimal(0))]).toEqual([item, formatDecimal(due.amount)]);
  }

  if (!needsSingles(given)) {
    expect(groupedOutcomeDues(given, groupsOf(list))).toEqual(rated);
  }

  return totalOf(rated.dues);
}

describe('outcomes at a price', () => {
  test('cost what the version that judged them asks for (O1)', () => {
    const given = rule([
      ruleVersion({ prices: each('0.99') }, 1),
      ruleVersion({ prices: each('1.10') }, 2, new Date('2026-06-01T00:00:00Z')),
    ]);
    const list = [outcome(1, { versionId: 'orv_1' }), outcome(0, { versionId: 'orv_2' })];
    const rated = outcomeDues(given, list);
    expect(amounts(rated.dues)).toEqual([
      ['orl:Each', '0.99'],
      ['orl:Each', '1.1'],
    ]);
    expect(
      rated.dues.map(({ versionId, takenBy, from, to, outcome: of }) => [
        versionId,
        takenBy,
        formatDecimal(from),
        formatDecimal(to),
        of,
      ]),
    ).toEqual([
      ['orv_1', ['orv_1'], '0', '1', { ruleId: 'orl', charge: 'PRICE', outcomes: 1 }],
      ['orv_2', ['orv_2'], '1', '2', { ruleId: 'orl', charge: 'PRICE', outcomes: 1 }],
    ]);
    expect(total(given, list)).toBe('2.09');
    expect(total(given, [outcome(0)])).toBe('0.99');
  });

  test('go through tiers together (O4)', () => {
    const given = rule(ruleVersion({ prices: [REDO] }));
    expect(total(given, outcomes(253))).toBe('222.55');
    expect(total(given, outcomes(240))).toBe('211.5');
  });

  test('are a percentage of their value, within bounds of each (O9)', () => {
    const percent = (rate: string, more = {}) =>
      rule(ruleVersion({ measure: 'VALUE', prices: [outcomePrice({ model: 'PERCENTAGE', rate, ...more })] }));
    const value = (text: string) => [outcome(0, { value: text })];
    expect(total(percent('25'), value('184.00'))).toBe('46');
    expect(total(percent('0.8', { perEventMaximum: '75' }), value('12500'))).toBe('75');
    expect(total(percent('0.8', { perEventMinimum: '0.30' }), value('20'))).toBe('0.3');
    expect(
      total(percent('0.8', { perEventMinimum: '0.30', perEventMaximum: '75' }), [
        outcome(0, { value: '12500' }),
        outcome(1, { value: '20' }),
        outcome(2, { value: '500' }),
      ]),
    ).toBe('79.3');
  });

  test('are found by attributes, the narrowest pattern first (O9)', () => {
    const given = rule(
      ruleVersion({
        prices: [
          outcomePrice({ model: 'UNIT', unitAmount: '0.99' }),
          outcomePrice(
            { model: 'UNIT', unitAmount: '9.99' },
            { name: 'Qualified', pattern: { kind: 'qualification' } },
          ),
        ],
      }),
    );
    const list = [outcome(0, { attributes: { kind: 'qualification' } }), outcome(1, { attributes: { kind: 'other' } })];
    expect(total(given, list)).toBe('10.98');
    expect(amounts(outcomeDues(given, list).dues)).toEqual([
      ['orl:Each', '0.99'],
      ['orl:Qualified', '9.99'],
    ]);
  });

  test('use an allowance of credits up (O10)', () => {
    const credits = outcomePrice({ model: 'UNIT', unitAmount: '10', per: '1000', freeUnits: '3000' });
    const given = rule(ruleVersion({ prices: [credits] }));
    expect(total(given, outcomes(100, { units: '50' }))).toBe('20');
    const list = outcomes(61, { units: '50' });
    expect(
      allocateOutcomes(given, list, outcomeDues(given, list))
        .slice(-2)
        .map(({ amount }) => formatDecimal(amount)),
    ).toEqual(['0', '0.5']);
  });

  test('count by units: windows, begun actions and voice (O22, O23)', () => {
    expect(total(rule(ruleVersion({ prices: each('2') })), outcomes(1))).toBe('2');
    expect(total(rule(ruleVersion({ prices: each('2') })), outcomes(2))).toBe('4');
    const credits = rule(ruleVersion({ prices: [outcomePrice({ model: 'UNIT', unitAmount: '500', per: '100000' })] }));
    expect(total(credits, [outcome(0, { units: '60' })])).toBe('0.3');
    expect(total(credits, [outcome(0, { units: '90' })])).toBe('0.45');
  });

  test('are recorded at a price of zero (O24)', () => {
    const given = rule(
      ruleVersion({
        prices: ['contained', 'assisted', 'resolved'].map(tier =>
          outcomePrice(
            { model: 'UNIT', unitAmount: tier === 'resolved' ? '1.50' : '0' },
            { name: tier, pattern: { tier } },
          ),
        ),
      }),
    );
    const list = [
      ...outcomes(300, { attributes: { tier: 'contained' } }),
      ...outcomes(80, { attributes: { tier: 'assisted' } }, 300),
      ...outcomes(120, { attributes: { tier: 'resolved' } }, 380),
    ];
    const rated = outcomeDues(given, list);
    expect(amounts(rated.dues)).toEqual([
      ['orl:contained', '0'],
      ['orl:assisted', '0'],
      ['orl:resolved', '180'],
    ]);
    expect(rated.dues.map(({ outcome: of }) => of?.outcomes)).toEqual([300, 80, 120]);
    expect(allocateOutcomes(given, list, rated)).toHaveLength(500);
    expect(total(given, list)).toBe('180');
  });

  test('cost half when people did half (O27)', () => {
    expect(total(rule(ruleVersion({ prices: each('1') })), [outcome(0, { units: '0.5' })])).toBe('0.5');
  });

  test('keep every digit and take the price of their currency (O28)', () => {
    const thirds = rule(ruleVersion({ prices: each('0.333333333') }));
    expect(total(thirds, outcomes(3))).toBe('0.999999999');
    expect(formatDecimal(roundMoney(decimal(total(thirds, outcomes(3))), 'USD'))).toBe('1');
    const both = ruleVersion({
      prices: [
        outcomePrice({ model: 'UNIT', unitAmount: '0.20' }),
        outcomePrice({ model: 'UNIT', unitAmount: '10' }, { name: 'Rupees', currency: 'INR' }),
      ],
    });
    expect(total(rule(both), outcomes(2))).toBe('0.4');
    expect(total(rule(both, { currency: 'INR' }), outcomes(2))).toBe('20');
    const rated = outcomeDues(rule(both, { currency: 'EUR' }), outcomes(2));
    expect(rated.dues).toEqual([]);
    expect(rated.unpriced).toEqual([{ meterId: 'orl', dimensions: '{}', quantity: decimal('2'), reason: 'NO_PRICE' }]);
  });

  test('of a version that nobody knows are unpriced, not lost', () => {
    const given = rule(ruleVersion({ prices: each('1') }));
    const rated = outcomeDues(given, [outcome(0), outcome(1, { versionId: 'orv_9' })]);
    expect(amounts(rated.dues)).toEqual([['orl:Each', '1']]);
    expect(rated.unpriced.map(({ quantity }) => formatDecimal(quantity))).toEqual(['1']);
  });

  test('say what they come to in a sentence and steps', () => {
    const [due] = outcomeDues(rule(ruleVersion({ prices: each('0.99') })), outcomes(500)).dues;
    expect(due?.sentence).toBe('500 × 0.99 = 495; in total 495 USD.');
    expect(due?.priceName).toBe('resolution: Each');
    expect(
      due?.steps.map(({ kind, quantity, amount }) => [kind, formatDecimal(quantity), formatDecimal(amount)]),
    ).toEqual([['UNITS', '500', '495']]);
  });

  test('carry the running quantity from version to version', () => {
    const given = rule([
      ruleVersion({ prices: [REDO] }, 1),
      ruleVersion({ prices: [REDO] }, 2, new Date('2026-11-10T00:00:00Z')),
    ]);
    const list = [...outcomes(40), ...outcomes(213, { versionId: 'orv_2' }, 40)];
    expect(total(given, list)).toBe('222.55');
    expect(amounts(outcomeDues(given, list).dues)).toEqual([
      ['orl:Each', '38'],
      ['orl:Each', '184.55'],
    ]);
  });

  test('of test environments cost nothing and count for nothing (O26)', () => {
    const given = rule(ruleVersion({ prices: [REDO] }));
    const list = [...outcomes(49), outcome(49, { isFree: true }), ...outcomes(2, {}, 50)];
    expect(total(given, list)).toBe('48.4');
    expect(allocateOutcomes(given, list, outcomeDues(given, list)).filter(({ waived }) => waived)).toEqual([
      {
        item: 'orl:Each orv_1',
        priceId: 'orl:Each',
        versionId: 'orv_1',
        charge: 'PRICE',
        outcomeId: 'out_000049',
        amount: decimal(0),
        waived: 'FREE',
      },
    ]);
  });
});

describe('a minimum', () => {
  const fifty = ruleVersion({ prices: each('0.99'), minimum: minimum({ quantity: '50', isProrated: true }) });

  test('is made up for when the period is over, not before (O11)', () => {
    expect(amounts(outcomeDues(rule(fifty), outcomes(12)).dues)).toEqual([
      ['orl:Each', '11.88'],
      ['orl:minimum', '37.62'],
    ]);
    expect(total(rule(fifty), outcomes(12))).toBe('49.5');
    expect(total(rule(fifty, { isOver: false }), outcomes(12))).toBe('11.88');
    expect(total(rule(fifty), outcomes(50))).toBe('49.5');
    expect(total(rule(fifty), outcomes(51))).toBe('50.49');
  });

  test('is owed without any outcome, in part when the contract holds for a part of the month (O11)', () => {
    const half = rule(fifty, { period: { start: new Date('2026-11-16T00:00:00Z'), end: PERIOD.end } });
    const [due] = outcomeDues(half, []).dues;
    expect(amounts(outcomeDues(half, []).dues)).toEqual([['orl:minimum', '24.75']]);
    expect(due?.sentence).toBe(
      'The minimum of the period is 50 units, at resolution: Each 49.5 USD, for 360 of 720 hours of the month, which is ' +
        '24.75 USD; 0 USD of it is charged, which leaves 24.75 USD.',
    );
    expect(due?.outcome).toEqual({ ruleId: 'orl', charge: 'MINIMUM', outcomes: 0 });
    const whole = ruleVersion({ prices: each('0.99'), minimum: minimum({ quantity: '50' }) });
    expect(total(rule(whole, { period: half.period }), [])).toBe('49.5');
  });

  test('of an amount is that of the contract’s currency', () => {
    const given = ruleVersion({ prices: each('0.99'), minimum: minimum({ amount: '49', isProrated: true }) });
    expect(total(rule(given), outcomes(12))).toBe('49');
    expect(total(rule(given, { period: { start: new Date('2026-11-16T00:00:00Z'), end: PERIOD.end } }), [])).toBe(
      '24.5',
    );
    expect(total(rule(given, { currency: 'EUR' }), [])).toBe('0');
  });

  test('goes through tiers like outcomes do', () => {
    const given = ruleVersion({ prices: [REDO], minimum: minimum({ quantity: '100' }) });
    expect(total(rule(given), outcomes(10))).toBe('92.5');
  });

  test('of units without a price in the currency is unpriced', () => {
    const { dues, unpriced } = outcomeDues(rule(fifty, { currency: 'EUR' }), outcomes(2));
    expect(dues).toEqual([]);
    expect(unpriced.map(({ dimensions, quantity }) => [dimensions, formatDecimal(quantity)])).toEqual([['{}', '52']]);
  });

  test('is that of the last version which takes effect before the period ends', () => {
    const later = ruleVersion(
      { prices: each('2'), minimum: minimum({ quantity: '10' }) },
      2,
      new Date('2026-12-01T00:00:00Z'),
    );
    expect(total(rule([fifty, later]), [])).toBe('49.5');
    expect(total(rule([fifty, { ...later, effectiveAt: new Date('2026-11-30T23:59:59.999Z') }]), [])).toBe('20');
    expect(total(rule(later), [])).toBe('0');
  });

  test('is owed for the part of the month in which versions with it are in force', () => {
    const from = (number: number, instant: string, given: Parameters<typeof minimum>[0] | null, unitAmount = '0.99') =>
      ruleVersion(
        { prices: each(unitAmount), minimum: given && minimum({ isProrated: true, ...given }) },
        number,
        new Date(instant),
      );
    const [none, some, more] = [
      from(1, '2026-01-01T00:00:00Z', null),
      from(2, '2026-11-30T23:00:00Z', { amount: '720' }),
      from(3, '2026-11-30T12:00:00Z', { amount: '1440' }),
    ];
    expect(total(rule([none, some]), [])).toBe('1');
    expect(total(rule([none, more, some]), [])).toBe('23');
    expect(total(rule([some, more, from(4, '2026-11-30T23:30:00Z', null)]), [])).toBe('22.5');
    // A third of a month at 1 and two thirds at 4 are 3, to the last digit.
    const [third, rest] = [
      from(1, '2026-01-01T00:00:00Z', { amount: '1' }),
      from(2, '2026-11-11T00:00:00Z', { amount: '4' }),
    ];
    expect(total(rule([third, rest]), [])).toBe('3');
    // The same by two versions, and by two prices, are owed for the time of each.
    expect(total(rule([fifty, from(2, '2026-11-16T00:00:00Z', { quantity: '50' })]), [])).toBe('49.5');
    const [due] = outcomeDues(rule([fifty, from(2, '2026-11-16T00:00:00Z', { quantity: '50' }, '2')]), []).dues;
    expect(due?.sentence).toBe(
      'The minimum of the period is 50 units, at resolution: Each 49.5 USD, for 360 of 720 hours of the month, which is ' +
        '24.75 USD, and 50 units, at resolution: Each 100 USD, for 360 of 720 hours of the month, which is 50 USD; ' +
        '0 USD of it is charged, which leaves 74.75 USD.',
    );
    expect(due?.versionId).toBe('orv_2');
    // What is not prorated is asked for by the version at the end, and by it alone.
    expect(total(rule([from(1, '2026-01-01T00:00:00Z', { amount: '9', isProrated: false }), some]), [])).toBe('1');
    expect(total(rule([more, from(4, '2026-11-30T23:30:00Z', { amount: '9', isProrated: false })]), [])).toBe('9');
  });
});

describe('a cap', () => {
  const capped = (...caps: Parameters<typeof cap>[0][]) =>
    rule(ruleVersion({ prices: each('0.99'), caps: caps.map(cap) }));

  test('on money keeps out what would come above it (O12)', () => {
    const hard = capped({ mode: 'HARD', amount: '500' });
    const rated = outcomeDues(hard, outcomes(506));
    expect(totalOf(rated.dues)).toBe('499.95');
    expect(rated.capped).toEqual([{ id: 'out_000505', mode: 'HARD' }]);
    expect(total(hard, outcomes(505))).toBe('499.95');
  });

  test('that is free has the rest recorded at nothing (O12)', () => {
    const free = capped({ mode: 'FREE', amount: '500' });
    const list = outcomes(600);
    const rated = outcomeDues(free, list);
    const waived = allocateOutcomes(free, list, rated).filter(row => row.waived === 'CAP_EXHAUSTED');
    expect(totalOf(rated.dues)).toBe('499.95');
    expect(waived).toHaveLength(95);
    expect(totalOf(waived)).toBe('0');
    expect(total(free, list)).toBe('499.95');
  });

  test('on money lets in what comes to exactly it, though a single one is no finite decimal', () => {
    const thirds = outcomePrice({ model: 'UNIT', unitAmount: '2', per: '3' });
    const given = rule(ruleVersion({ prices: [thirds], caps: [cap({ mode: 'HARD', amount: '2' })] }));
    expect(total(given, outcomes(4))).toBe('2');
    expect(outcomeDues(given, outcomes(4)).capped).toEqual([{ id: 'out_000003', mode: 'HARD' }]);
  });

  test('that is soft charges all and tells what is beyond', () => {
    const soft = capped({ mode: 'SOFT', count: '2' });
    expect(needsSingles(soft)).toBe(false);
    expect(total(soft, outcomes(3))).toBe('2.97');
    expect(cappedOf(soft, outcomes(3))).toEqual({ capped: [], beyond: ['out_000002'], unpaid: [] });
  });

  test.each([
    ['PERIOD', ['out_000002', 'out_000003', 'out_000004']],
    ['DAY', ['out_000004']],
    ['SUBJECT', ['out_000002']],
  ] as const)('on the count of a %s', (per, ids) => {
    const day = (date: string) => new Date(`${date}T12:00:00Z`);
    const list = [
      outcome(0, { subject: 'a', occurredAt: day('2026-11-01') }),
      outcome(1, { subject: 'a', occurredAt: day('2026-11-01') }),
      outcome(2, { subject: 'a', occurredAt: day('2026-11-02') }),
      outcome(3, { subject: null, occurredAt: day('2026-11-02') }),
      outcome(4, { subject: null, occurredAt: day('2026-11-02') }),
    ];
    expect(outcomeDues(capped({ mode: 'HARD', per, count: '2' }), list).capped.map(({ id }) => id)).toEqual(ids);
  });

  test('is not taken by what is free, paid back or kept out itself', () => {
    const list = [outcome(0, { isFree: true }), outcome(1, { reimbursement: '5' }), outcome(2), outcome(3)];
    expect(outcomeDues(capped({ mode: 'HARD', count: '2' }), list).capped).toEqual([]);
    const byValue = rule(
      ruleVersion({
        measure: 'VALUE',
        prices: [outcomePrice({ model: 'PERCENTAGE', rate: '10' })],
        caps: [cap({ mode: 'HARD', amount: '10' })],
      }),
    );
    const worth = ['60', '50', '40'].map((value, place) => outcome(place, { value }));
    expect(outcomeDues(byValue, worth).capped).toEqual([{ id: 'out_000001', mode: 'HARD' }]);
    expect(total(byValue, worth)).toBe('10');
  });

  test('is the first of the list that is broken', () => {
    const modes = (...caps: Parameters<typeof cap>[0][]) =>
      outcomeDues(capped(...caps), outcomes(4)).capped.map(({ mode }) => mode);
    expect(modes({ mode: 'FREE', count: '1' }, { mode: 'HARD', count: '1' })).toEqual(['FREE', 'FREE', 'FREE']);
    expect(modes({ mode: 'HARD', count: '1' }, { mode: 'FREE', count: '1' })).toEqual(['HARD', 'HARD', 'HARD']);
    // What is free does not count, so that the hard cap is never reached.
    expect(modes({ mode: 'HARD', count: '2' }, { mode: 'FREE', count: '1' })).toEqual(['FREE', 'FREE', 'FREE']);
    expect(modes({ mode: 'SOFT', count: '1' }, { mode: 'HARD', count: '2' })).toEqual(['HARD', 'HARD']);
  });

  test('takes outcomes as they occurred, whichever version judged them', () => {
    const caps = [cap({ mode: 'HARD', amount: '2.75' })];
    const given = rule([
      ruleVersion({ prices: [REDO], caps }, 1),
      ruleVersion({ prices: [REDO], caps }, 2, new Date('2026-11-10T00:00:00Z')),
    ]);
    const list = [
      outcome(0, { versionId: 'orv_2' }),
      outcome(1),
      outcome(2, { versionId: 'orv_2', units: '48' }),
      outcome(3, { versionId: 'orv_1' }),
    ];
    expect(outcomeDues(given, list).capped).toEqual([
      { id: 'out_000002', mode: 'HARD' },
      { id: 'out_000003', mode: 'HARD' },
    ]);
    expect(total(given, list)).toBe('1.9');
    expect(total(given, list.toSpliced(3, 1))).toBe('1.9');
  });

  test('on money holds on what is charged, though outcomes of a later version occur first', () => {
    const caps = [cap({ mode: 'HARD', amount: '2' })];
    const first = outcomePrice({
      model: 'GRADUATED',
      tiers: [
        { upTo: '1', unitAmount: '10' },
        { upTo: null, unitAmount: '1' },
      ],
    });
    const given = rule([
      ruleVersion({ prices: [first], caps }, 1),
      ruleVersion({ prices: each('1'), caps }, 2, new Date('2026-11-10T00:00:00Z')),
    ]);
    const list = [outcome(0, { versionId: 'orv_2' }), outcome(1)];
    expect(outcomeDues(given, list).capped).toEqual([{ id: 'out_000001', mode: 'HARD' }]);
    expect(total(given, list)).toBe('1');
  });

  test('on money keeps nothing out that costs nothing, when what is charged has to come down to it', () => {
    const caps = [cap({ mode: 'HARD', amount: '3' })];
    const dear = outcomePrice({
      model: 'GRADUATED',
      tiers: [
        { upTo: '1', unitAmount: '10' },
        { upTo: null, unitAmount: '1' },
      ],
    });
    const free = outcomePrice({ model: 'UNIT', unitAmount: '0' }, { name: 'Free', pattern: { kind: 'free' } });
    const given = rule([
      ruleVersion({ prices: [dear, free], caps }, 1),
      ruleVersion({ prices: each('1'), caps }, 2, new Date('2026-11-10T00:00:00Z')),
    ]);
    const list = [
      outcome(0, { versionId: 'orv_2' }),
      outcome(1),
      outcome(2, { attributes: { kind: 'free' } }),
      outcome(3),
    ];
    // As they occurred they come to 3; version by version the first two of version 1 cost 11.
    expect(outcomeDues(given, list).capped).toEqual([
      { id: 'out_000001', mode: 'HARD' },
      { id: 'out_000003', mode: 'HARD' },
    ]);
    expect(total(given, list)).toBe('1');
  });

  test('that is hard keeps what is paid back from being so, where it kept the outcome out', () => {
    const paid = outcome(1, { value: '50', reimbursement: '50' });
    const given = (mode: 'HARD' | 'FREE') => capped({ mode, count: '1' });
    const list = [outcome(0), paid, outcome(2)];
    expect(amounts(outcomeDues(given('HARD'), list).dues)).toEqual([['orl:Each', '0.99']]);
    expect(outcomeDues(given('HARD'), list)).toMatchObject({
      capped: [{ id: 'out_000002', mode: 'HARD' }],
      unpaid: ['out_000001'],
    });
    const left = allocateOutcomes(given('HARD'), list, outcomeDues(given('HARD'), list));
    expect(left.map(({ outcomeId }) => outcomeId)).toEqual(['out_000000']);
    // In its place there is room, of which it takes none.
    expect(amounts(outcomeDues(given('HARD'), [paid, outcome(2)]).dues)).toEqual([
      ['orl:Each', '0.99'],
      ['orl:guarantee', '-50'],
    ]);
    expect(amounts(outcomeDues(given('FREE'), list).dues)).toEqual([
      ['orl:Each', '0.99'],
      ['orl:guarantee', '-50'],
    ]);
  });

  test('on money in another currency is none', () => {
    const euros = rule(
      ruleVersion({ prices: each('0.99'), caps: [{ ...cap({ mode: 'HARD' }), amount: money('1', 'EUR') }] }),
    );
    expect(needsSingles(euros)).toBe(false);
    expect(total(euros, outcomes(5))).toBe('4.95');
  });
});

describe('what is taken back', () => {
  test('partly leaves the fee on what remains (O14)', () => {
    const half = rule(ruleVersion({ measure: 'VALUE', prices: [outcomePrice({ model: 'PERCENTAGE', rate: '0.5' })] }));
    expect(total(half, [outcome(0, { value: '200' })])).toBe('1');
    expect(total(half, [outcome(0, { value: '150' })])).toBe('0.75');
  });

  test('under the guarantee is paid back with the fee (O14)', () => {
    const half = rule(ruleVersion({ measure: 'VALUE', prices: [outcomePrice({ model: 'PERCENTAGE', rate: '0.5' })] }));
    const list = [outcome(0, { value: '200', reimbursement: '200' })];
    expect(total(half, list)).toBe('-200');
    const [due] = outcomeDues(half, list).dues;
    expect([due?.priceId, due?.sentence, due?.outcome]).toEqual([
      'orl:guarantee',
      'The value of 1 outcome is paid back under the guarantee: -200 USD.',
      { ruleId: 'orl', charge: 'GUARANTEE', outcomes: 1 },
    ]);
  });

  test('under the guarantee is charged by the last version that it is of', () => {
    const value = { measure: 'VALUE', prices: [outcomePrice({ model: 'PERCENTAGE', rate: '0.5' })] } as const;
    const given = rule([
      ruleVersion(value, 1),
      ruleVersion(value, 2, new Date('2026-11-10T00:00:00Z')),
      ruleVersion(value, 3, new Date('2026-11-20T00:00:00Z')),
    ]);
    const paid = (place: number, versionId: string) =>
      outcome(place, { versionId, value: '200', reimbursement: '200' });
    const dues = (...list: BillableOutcome[]) =>
      outcomeDues(given, list).dues.map(({ versionId, outcome: of, amount }) => [
        versionId,
        of?.outcomes,
        formatDecimal(amount),
      ]);
    expect(dues(paid(0, 'orv_2'), paid(1, 'orv_1'))).toEqual([['orv_2', 2, '-400']]);
    expect(dues(paid(0, 'orv_1'))).toEqual([['orv_1', 1, '-200']]);
  });

  test('leaves the total as if it had never been (O15)', () => {
    const given = rule(ruleVersion({ prices: [REDO] }));
    const list = outcomes(101);
    expect(total(given, list)).toBe('93.35');
    expect(total(given, list.toSpliced(9, 1))).toBe('92.5');
  });

  test('in a dispute is held, credited or due (O17)', () => {
    const given = rule(ruleVersion({ prices: each('1') }));
    const list = outcomes(2_000);
    expect(total(given, list.slice(300))).toBe('1700');
    expect(total(given, list.slice(180))).toBe('1820');
  });

  test('by a sample audit is a part of the whole (O19)', () => {
    const tolerance = decimal('5');
    const given = (wrong: number) =>
      rule(ruleVersion({ prices: each('1') }), { audit: { sample: 100, wrong, tolerance } });
    expect(amounts(outcomeDues(given(8), outcomes(2_000)).dues)).toEqual([
      ['orl:Each', '2000'],
      ['orl:audit', '-160'],
    ]);
    expect(total(given(8), outcomes(2_000))).toBe('1840');
    expect(total(given(5), outcomes(2_000))).toBe('2000');
    expect(outcomeDues(given(8), outcomes(2_000)).dues[1]?.sentence).toBe(
      '8 of a sample of 100 are wrong, more than the 5 % that are tolerated; 8 / 100 of 2000 USD is taken off: -160 USD.',
    );
  });
});
