import fc from 'fast-check';
import { decimal, formatDecimal, isCurrency, minorDigits, roundMoney } from '../../src/money/index.js';

test.each([
  ['JPY', 0],
  ['KRW', 0],
  ['VND', 0],
  ['CLP', 0],
  ['ISK', 0],
  ['XOF', 0],
  ['UGX', 0],
  ['USD', 2],
  ['EUR', 2],
  ['HUF', 2],
  ['MGA', 2],
  ['MRU', 2],
  ['BHD', 3],
  ['IQD', 3],
  ['JOD', 3],
  ['KWD', 3],
  ['LYD', 3],
  ['OMR', 3],
  ['TND', 3],
])('%s has %i minor digits', (currency, digits) => {
  expect(isCurrency(currency)).toBe(true);
  expect(minorDigits(currency)).toBe(digits);
});

test.each(['usd', 'BGN', 'HRK', 'XXX', 'XAU', 'US', '', ' USD', '__proto__', 'constructor'])(
  '%p is no active currency',
  code => {
    expect(isCurrency(code)).toBe(false);
    expect(() => minorDigits(code)).toThrow(RangeError);
    expect(() => roundMoney(decimal(1), code)).toThrow(RangeError);
  },
);

test.each([
  ['0.005', 'USD', '0'],
  ['0.015', 'USD', '0.02'],
  ['0.025', 'USD', '0.02'],
  ['0.0250000000000000000000000000000001', 'USD', '0.03'],
  ['-0.005', 'USD', '0'],
  ['-0.015', 'USD', '-0.02'],
  ['0.5', 'JPY', '0'],
  ['1.5', 'JPY', '2'],
  ['0.0005', 'KWD', '0'],
  ['0.0015', 'KWD', '0.002'],
  ['123456789012345678901234567890.125', 'EUR', '123456789012345678901234567890.12'],
])('%s %s rounds to %s', (amount, currency, expected) => {
  expect(formatDecimal(roundMoney(decimal(amount), currency))).toBe(expected);
});

test('rounding is symmetric, settles at once and moves by half a minor unit at most', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 20n }), fc.constantFrom('JPY', 'USD', 'KWD'), (units, currency) => {
      const amount = decimal(units).shiftedBy(-6);
      const rounded = roundMoney(amount, currency);
      expect(roundMoney(rounded, currency).eq(rounded)).toBe(true);
      expect(roundMoney(amount.negated(), currency).eq(rounded.negated())).toBe(true);
      expect(
        rounded
          .minus(amount)
          .abs()
          .lte(decimal(5).shiftedBy(-1 - minorDigits(currency))),
      ).toBe(true);
    }),
  );
});
