import fc from 'fast-check';
import { addDecimals, compareDecimals, isDecimal } from '../../client/src/decimals.js';
import { decimal, formatDecimal } from '../../src/money/index.js';

const digits = (least: number, most: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: least, maxLength: most }).map(all => all.join(''));
const texts = fc
  .tuple(fc.boolean(), digits(1, 24), digits(0, 24))
  .map(([isNegative, whole, fraction]) => `${isNegative ? '-' : ''}${BigInt(whole)}${fraction && `.${fraction}`}`);

describe('decimals of the client', () => {
  test('add as those of the product do', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(addDecimals(a, b)).toBe(formatDecimal(decimal(a).plus(decimal(b))));
      }),
    );
  });

  test('compare as those of the product do', () => {
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(compareDecimals(a, b)).toBe(decimal(a).comparedTo(decimal(b)));
        expect(compareDecimals(a, a)).toBe(0);
      }),
    );
  });

  test('come out the same in whatever order they are added, and go back', () => {
    fc.assert(
      fc.property(texts, texts, texts, (a, b, c) => {
        expect(addDecimals(addDecimals(a, b), c)).toBe(addDecimals(a, addDecimals(c, b)));
        const minus = b.startsWith('-') ? b.slice(1) : `-${b}`;
        expect(addDecimals(addDecimals(a, b), minus)).toBe(addDecimals(a, '0'));
      }),
    );
  });

  test.each([
    ['0.1', '0.2', '0.3'],
    ['0.10', '0.90', '1'],
    ['-0.5', '0.5', '0'],
    ['00', '-0', '0'],
    ['-0.05', '0', '-0.05'],
    ['9007199254740993', '0.000000000000000000000001', '9007199254740993.000000000000000000000001'],
  ])('%s + %s = %s', (a, b, total) => {
    expect(addDecimals(a, b)).toBe(total);
  });

  test.each(['', '.5', '5.', '1e3', '+1', ' 1', '1\n', 'NaN', '0x1', '1,5', '--1', '١'])('%j is none', text => {
    expect(isDecimal(text)).toBe(false);
    expect(() => addDecimals('1', text)).toThrow(RangeError);
  });
});
