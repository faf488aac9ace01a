import fc from 'fast-check';
import {
  conversionJson,
  convert,
  decimal,
  formatDecimal,
  readConversion,
  type Conversion,
} from '../../src/money/index.js';

const read = (json: unknown): Conversion => {
  const reading = readConversion(json, ['conversion']);

  if ('refusals' in reading) {
    throw new Error(JSON.stringify(reading.refusals));
  }

  return reading.conversion;
};
const converted = (quantity: string, json: object) => formatDecimal(convert(decimal(quantity), read(json)));

describe('convert', () => {
  test.each<[string, object, string]>([
    ['1400', { divideBy: '1000' }, '1.4'],
    ['10', { multiplyBy: '1.2' }, '12'],
    ['1400', { divideBy: '1000', rounding: 'CEILING' }, '2'],
    ['2000', { divideBy: '1000', rounding: 'CEILING' }, '2'],
    ['0', { divideBy: '1000', rounding: 'CEILING' }, '0'],
    ['9.000000000000000001', { divideBy: '3', rounding: 'CEILING' }, '4'],
    ['8.999999999999999999', { divideBy: '3', rounding: 'FLOOR' }, '2'],
    ['1500', { divideBy: '1000', rounding: 'HALF_UP' }, '2'],
    ['1499', { divideBy: '1000', rounding: 'HALF_UP' }, '1'],
    ['2500', { divideBy: '1000', rounding: 'HALF_EVEN' }, '2'],
    ['3500', { divideBy: '1000', rounding: 'HALF_EVEN' }, '4'],
    ['-2500', { divideBy: '1000', rounding: 'HALF_UP' }, '-3'],
    ['-2500', { divideBy: '1000', rounding: 'CEILING' }, '-2'],
    ['-2500', { divideBy: '1000', rounding: 'FLOOR' }, '-3'],
    ['1247', { divideBy: '1000', rounding: 'CEILING', precision: 2 }, '1.25'],
    ['123.456', { rounding: 'HALF_UP', precision: -2 }, '100'],
    ['250', { divideBy: '100', rounding: 'ceil' }, '3'],
    ['250', { divideBy: '100', rounding: 'Down' }, '2'],
  ])('%s by %j is %s', (quantity, json, expected) => {
    expect(converted(quantity, json)).toBe(expected);
  });

  test.each<[string, unknown, string]>([
    ['no object', 'x', 'conversion'],
    ['a divisor of zero', { divideBy: '0' }, 'conversion.divideBy'],
    ['a number', { divideBy: 1000 }, 'conversion.divideBy'],
    ['a negative factor', { multiplyBy: '-1' }, 'conversion.multiplyBy'],
    ['an unknown rounding', { rounding: 'constructor' }, 'conversion.rounding'],
    ['a precision of a half', { precision: 0.5 }, 'conversion.precision'],
    ['a precision of 13', { precision: 13 }, 'conversion.precision'],
    ['a misspelled field', { divideby: '3' }, 'conversion.divideby'],
  ])('refuses %s, naming the field', (_, json, field) => {
    const reading = readConversion(json, ['conversion']);
    expect('refusals' in reading && reading.refusals.map(refusal => refusal.field.join('.'))).toEqual([field]);
  });

  test('what is read is written back the same', () => {
    const json = { divideBy: '60', multiplyBy: '1', rounding: 'CEILING', precision: 0 };
    expect(conversionJson(read(json))).toEqual(json);
  });

  test('ceiling and floor enclose the exact quotient, nearest is at most half a unit away', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
        fc.bigInt({ min: 1n, max: 10n ** 9n }),
        (a, b) => {
          const [quantity, divisor] = [decimal(a), formatDecimal(decimal(b))];
          const by = (rounding: string) => convert(quantity, read({ divideBy: divisor, rounding })).times(divisor);
          expect(by('CEILING').gte(quantity) && by('CEILING').minus(quantity).lt(divisor)).toBe(true);
          expect(by('FLOOR').lte(quantity) && quantity.minus(by('FLOOR')).lt(divisor)).toBe(true);
          expect(by('HALF_UP').minus(quantity).abs().times(2).lte(divisor)).toBe(true);
          expect(by('HALF_EVEN').minus(quantity).abs().times(2).lte(divisor)).toBe(true);
        },
      ),
    );
  });
});
