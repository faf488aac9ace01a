import fc from 'fast-check';
import { decimal, formatDecimal, minorDigits, sum } from '../../src/money/index.js';
import {
  documentOf,
  dueAt,
  linesOf,
  numberText,
  refuseIssue,
  totalOf,
  type BillableCharge,
} from '../../src/invoicing/invoice.rules.js';

const START = new Date('2026-11-01T00:00:00Z');
const END = new Date('2026-12-01T00:00:00Z');
let serial = 0;

const charge = (given: Omit<Partial<BillableCharge>, 'amount'> & { readonly amount: string }): BillableCharge => ({
  id: `chg_${String(serial++).padStart(6, '0')}`,
  priceName: 'Tokens',
  quantity: decimal(1),
  periodStart: START,
  periodEnd: END,
  generation: 0,
  ...given,
  amount: decimal(given.amount),
});

const rounded = (amounts: readonly string[], currency: string): string[] =>
  linesOf(
    amounts.map(amount => charge({ amount })),
    { currency, periodStart: START, timeZone: 'UTC' },
  ).map(line => formatDecimal(line.amount));

describe('linesOf', () => {
  test.each([
    ['USD', '0.005', '0'],
    ['USD', '0.015', '0.02'],
    ['USD', '0.025', '0.02'],
    ['USD', '0.0250000000000000000000000000000001', '0.03'],
    ['USD', '0.02499999999999999999999999999999', '0.02'],
    ['USD', '-0.005', '0'],
    ['USD', '-0.015', '-0.02'],
    ['USD', '-0.025', '-0.02'],
    ['USD', '123456789012345678.125', '123456789012345678.12'],
    ['JPY', '0.5', '0'],
    ['JPY', '1.5', '2'],
    ['JPY', '2.5', '2'],
    ['JPY', '-2.5', '-2'],
    ['JPY', '2.51', '3'],
    ['KWD', '0.0005', '0'],
    ['KWD', '0.0015', '0.002'],
    ['KWD', '0.0025', '0.002'],
    ['KWD', '1.23451', '1.235'],
  ])('rounds %s %s half-even to %s', (currency, exact, expected) => {
    const [line] = linesOf([charge({ amount: exact })], { currency, periodStart: START, timeZone: 'UTC' });
    expect(formatDecimal(line?.amount ?? decimal(-1))).toBe(expected);
    expect(formatDecimal(line?.exactAmount ?? decimal(-1))).toBe(formatDecimal(decimal(exact)));
  });

  test('rounds each line by itself', () => {
    expect(rounded(['0.004', '0.004', '0.004'], 'USD')).toEqual(['0', '0', '0']);
    expect(rounded(['0.006', '0.006', '0.006'], 'USD')).toEqual(['0.01', '0.01', '0.01']);
  });

  test('leaves out what comes to nothing at all, and keeps what only comes to no money', () => {
    expect(
      linesOf([charge({ amount: '0', quantity: decimal(0) })], {
        currency: 'USD',
        periodStart: START,
        timeZone: 'UTC',
      }),
    ).toEqual([]);
    expect(
      linesOf([charge({ amount: '0', quantity: decimal(7) })], {
        currency: 'USD',
        periodStart: START,
        timeZone: 'UTC',
      }),
    ).toHaveLength(1);
    expect(
      linesOf([charge({ amount: '1', quantity: decimal(0) })], {
        currency: 'USD',
        periodStart: START,
        timeZone: 'UTC',
      }),
    ).toHaveLength(1);
  });

  test('marks what is of an earlier period, or came after its invoice, as an adjustment', () => {
    const earlier = { periodStart: new Date('2026-10-01T00:00:00Z'), periodEnd: START };
    const lines = linesOf(
      [
        charge({ id: 'own', amount: '1' }),
        charge({ id: 'earlier', amount: '2', ...earlier }),
        charge({ id: 'again', amount: '3', ...earlier, generation: 1 }),
        charge({ id: 'own again', amount: '4', generation: 1 }),
      ],
      { currency: 'USD', periodStart: START, timeZone: 'Europe/Zurich' },
    );
    expect(new Map(lines.map(line => [line.chargeId, line.description]))).toEqual(
      new Map([
        ['own', 'Tokens'],
        ['earlier', 'Oct 2026 adjustment: Tokens'],
        ['again', 'Oct 2026 adjustment: Tokens'],
        ['own again', 'Nov 2026 adjustment: Tokens'],
      ]),
    );
    expect(new Map(lines.map(line => [line.chargeId, line.isAdjustment]))).toEqual(
      new Map([
        ['own', false],
        ['earlier', true],
        ['again', true],
        ['own again', true],
      ]),
    );
  });

  test('prints the own period first, then adjustments by service period, name and charge', () => {
    const earlier = { periodStart: new Date('2026-10-01T00:00:00Z'), periodEnd: START };
    const earliest = { periodStart: new Date('2026-09-01T00:00:00Z'), periodEnd: earlier.periodStart };
    const charges = [
      charge({ id: '5', amount: '1', ...earlier }),
      charge({ id: '4', amount: '1', ...earliest, priceName: 'Z' }),
      charge({ id: '3', amount: '1', ...earliest, priceName: 'A' }),
      charge({ id: '2', amount: '1', priceName: 'B' }),
      charge({ id: '1', amount: '1', priceName: 'B' }),
      charge({ id: '0', amount: '1', priceName: 'A' }),
    ];
    const order = (given: readonly BillableCharge[]) =>
      linesOf(given, { currency: 'USD', periodStart: START, timeZone: 'UTC' }).map(line => line.chargeId);
    expect(order(charges)).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(order(charges.toReversed())).toEqual(['0', '1', '2', '3', '4', '5']);
  });
});

describe('totalOf', () => {
  test('is the sum of the rounded lines, and zero for none', () => {
    const lines = linesOf([charge({ amount: '0.006' }), charge({ amount: '0.006' })], {
      currency: 'USD',
      periodStart: START,
      timeZone: 'UTC',
    });
    expect(formatDecimal(totalOf(lines))).toBe('0.02');
    expect(formatDecimal(totalOf([]))).toBe('0');
  });

  test('is off the exact sum by at most half a minor unit a line, in every kind of currency', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('USD', 'JPY', 'KWD'),
        fc.array(fc.tuple(fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }), fc.nat(14)), { maxLength: 30 }),
        (currency, drawn) => {
          const exact = drawn.map(([digits, shift]) => formatDecimal(decimal(digits).shiftedBy(-shift)));
          const lines = linesOf(
            exact.map(amount => charge({ amount })),
            { currency, periodStart: START, timeZone: 'UTC' },
          );
          const total = totalOf(lines);
          const half = decimal(1).shiftedBy(-minorDigits(currency)).times(decimal('0.5'));
          expect(
            total
              .minus(sum(exact.map(decimal)))
              .abs()
              .lte(half.times(lines.length)),
          ).toBe(true);
          expect(total.eq(sum(lines.map(line => line.amount)))).toBe(true);
          expect((total.decimalPlaces() ?? 0) <= minorDigits(currency)).toBe(true);

          for (const line of lines) {
            expect(line.amount.minus(line.exactAmount).abs().lte(half)).toBe(true);
            expect((line.amount.decimalPlaces() ?? 0) <= minorDigits(currency)).toBe(true);
          }
        },
      ),
    );
  });
});

describe('refuseIssue', () => {
  test.each([
    // [now, unpriced, accepted, code]
    ['2026-11-30T23:59:59.999Z', 0, false, 'PERIOD_OPEN'],
    ['2026-11-30T23:59:59.999Z', 1, true, 'PERIOD_OPEN'],
    ['2026-12-01T00:00:00Z', 0, false, null],
    ['2026-12-01T00:00:00Z', 1, false, 'UNPRICED_USAGE'],
    ['2026-12-01T00:00:00Z', 1, true, null],
    ['2026-12-01T00:00:00Z', 0, true, null],
  ] as const)('at %s with %i unpriced (accepted: %s) says %s', (now, unpriced, accepted, code) => {
    expect(refuseIssue({ periodEnd: END }, new Date(now), unpriced, accepted)?.code ?? null).toBe(code);
  });
});

describe('dueAt', () => {
  test('is a grace after the period, or after the draft was made when that is later', () => {
    expect(dueAt(END, START, 24)).toEqual(new Date('2026-12-02T00:00:00Z'));
    expect(dueAt(END, new Date('2027-03-04T05:06:07Z'), 24)).toEqual(new Date('2027-03-05T05:06:07Z'));
    expect(dueAt(END, START, 0)).toEqual(END);
  });
});

describe('numberText', () => {
  test('has at least six digits and grows beyond them', () => {
    expect(numberText(1n)).toBe('INV-000001');
    expect(numberText(999_999n)).toBe('INV-999999');
    expect(numberText(12_345_678n)).toBe('INV-12345678');
  });
});

describe('documentOf', () => {
  test('says everything, with decimal strings and instants in UTC', () => {
    const lines = linesOf([charge({ id: 'chg_1', amount: '1.005', quantity: decimal('2.50') })], {
      currency: 'USD',
      periodStart: START,
      timeZone: 'UTC',
    });
    expect(
      documentOf({
        id: 'inv_1',
        number: 'INV-000001',
        issuer: { id: 'ten_1', name: 'Issuer' },
        customer: { id: 'ten_2', name: 'Customer' },
        currency: 'USD',
        periodStart: START,
        periodEnd: END,
        issuedAt: new Date('2026-12-02T00:00:00Z'),
        lines,
        seals: [],
      }),
    ).toEqual({
      id: 'inv_1',
      number: 'INV-000001',
      issuer: { id: 'ten_1', name: 'Issuer' },
      customer: { id: 'ten_2', name: 'Customer' },
      currency: 'USD',
      period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
      issuedAt: '2026-12-02T00:00:00.000Z',
      lines: [
        {
          position: 1,
          chargeId: 'chg_1',
          description: 'Tokens',
          quantity: '2.5',
          exactAmount: '1.005',
          amount: '1',
          service: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
          isAdjustment: false,
        },
      ],
      total: '1',
    });
  });

  test('names the seal of a line that has receipts', () => {
    const lines = linesOf([charge({ id: 'chg_1', amount: '2' }), charge({ id: 'chg_2', amount: '1' })], {
      currency: 'USD',
      periodStart: START,
      timeZone: 'UTC',
    });
    const party = { id: 'ten_1', name: 'Somebody' };
    const document = documentOf({
      id: 'inv_1',
      number: 'INV-000001',
      issuer: party,
      customer: party,
      currency: 'USD',
      periodStart: START,
      periodEnd: END,
      issuedAt: END,
      lines,
      seals: [{ chargeId: 'chg_2', receipts: 3, amount: decimal('1'), hash: 'abc' }],
    }) as { readonly lines: readonly object[] };
    expect(document.lines[0]).not.toHaveProperty('receipts');
    expect(document.lines[1]).toMatchObject({ chargeId: 'chg_2', receipts: 3, receiptsHash: 'abc' });
  });
});
