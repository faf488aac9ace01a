import fc from 'fast-check';
import { BigNumber } from 'bignumber.js';
import {
  compare,
  decimal,
  divide,
  formatDecimal,
  maxOf,
  minOf,
  ONE,
  parseDecimal,
  sum,
  ZERO,
} from '../../src/money/index.js';

/** Plain decimals of up to 40 integer and 30 fraction digits, as integer and scale. */
const scaled = fc.record({
  units: fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }),
  scale: fc.integer({ min: 0, max: 30 }),
});

const textOf = (units: bigint, scale: number) => {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const cut = digits.length - scale;
  const text = `${digits.slice(0, cut)}.${digits.slice(cut)}`.replace(/\.?0*$/, '');

  return units < 0n ? `-${text}` : text;
};

describe('decimal', () => {
  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['-0.000', '0'],
    ['1.500', '1.5'],
    ['100', '100'],
    ['0.000000000000000000000000000001', '0.000000000000000000000000000001'],
    ['123456789012345678901234567890.5', '123456789012345678901234567890.5'],
    [10n ** 30n, '1000000000000000000000000000000'],
    [-7n, '-7'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    [-0, '0'],
    [new BigNumber('1e30'), '1000000000000000000000000000000'],
    [new BigNumber('1e-30'), '0.000000000000000000000000000001'],
  ])('%p is written %s', (value, text) => {
    expect(formatDecimal(decimal(value))).toBe(text);
  });

  test.each([
    ['1e3'],
    ['+1'],
    ['.5'],
    ['5.'],
    ['007'],
    [''],
    [' 1'],
    ['1\n'],
    ['1_000'],
    ['0x1'],
    ['NaN'],
    ['Infinity'],
    [1.5],
    [2 ** 53],
    [Number.NaN],
    [new BigNumber(Number.NaN)],
    [new BigNumber(Number.POSITIVE_INFINITY)],
    [null as unknown as string],
    [{} as unknown as string],
  ])('%p is not a decimal', value => {
    expect(() => decimal(value)).toThrow(TypeError);
  });

  test('a negative zero never comes out, nor do foreign division settings come in', () => {
    expect(Object.is(decimal('-0'), ZERO)).toBe(true);
    expect(divide(new BigNumber(1), new BigNumber(3)).toString()).toBe(`0.${'3'.repeat(36)}`);
    expect(decimal(new BigNumber(1)).div(3).toString()).toBe(`0.${'3'.repeat(36)}`);
  });

  test('strings survive the round trip and sums are those of integers', () => {
    fc.assert(
      fc.property(scaled, scaled, (a, b) => {
        const [x, y] = [decimal(textOf(a.units, a.scale)), decimal(textOf(b.units, b.scale))];
        const total = a.units * 10n ** BigInt(30 - a.scale) + b.units * 10n ** BigInt(30 - b.scale);
        expect(formatDecimal(x)).toBe(textOf(a.units, a.scale));
        expect(formatDecimal(sum([x, y]))).toBe(textOf(total, 30));
        expect(formatDecimal(x.times(y))).toBe(textOf(a.units * b.units, a.scale + b.scale));
      }),
    );
  });
});

describe('parseDecimal', () => {
  test.each([
    [`${'9'.repeat(26)}.${'9'.repeat(18)}`, `${'9'.repeat(26)}.${'9'.repeat(18)}`],
    [`-${'9'.repeat(26)}.${'9'.repeat(18)}`, `-${'9'.repeat(26)}.${'9'.repeat(18)}`],
    ['-0', '0'],
    ['1.0', '1'],
  ])('%s is read as %s', (text, expected) => {
    const value = parseDecimal(text);
    expect(value && formatDecimal(value)).toBe(expected);
  });

  test.each([
    [`1${'0'.repeat(26)}`],
    [`0.${'0'.repeat(18)}1`],
    ['1'.repeat(1_000_000)],
    ['1e3'],
    ['1,5'],
    ['٣'],
    [''],
    [1],
    [1n],
    [null],
    [undefined],
    [['1']],
    [decimal('1')],
  ])('%p is refused', text => {
    expect(parseDecimal(text)).toBeNull();
  });

  test('limits are those of the caller', () => {
    const limits = { integerDigits: 2, fractionDigits: 1 };
    expect(['99.9', '100', '1.11', '-99.9'].map(text => parseDecimal(text, limits)?.toString() ?? null)).toEqual([
      '99.9',
      null,
      null,
      '-99.9',
    ]);
  });

  test('whatever is not refused is written back the same', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^-?[0-9]{1,4}(\.[0-9]{0,4})?$/)), text => {
        const value = parseDecimal(text);

        if (value) {
          expect(decimal(formatDecimal(value)).eq(decimal(text))).toBe(true);
        }
      }),
    );
  });
});

describe('divide', () => {
  test.each([
    ['1', '3', `0.${'3'.repeat(36)}`],
    ['2', '3', `0.${'6'.repeat(35)}7`],
    ['-2', '3', `-0.${'6'.repeat(35)}7`],
    ['1', '8', '0.125'],
    ['1', '-8', '-0.125'],
    ['1', '0.25', '4'],
    ['0', '7', '0'],
    ['1', `1${'0'.repeat(50)}`, `0.${'0'.repeat(49)}1`],
    [`1.${'0'.repeat(29)}1`, '1000000000000', `0.000000000001${'0'.repeat(29)}1`],
  ])('%s / %s = %s', (a, b, expected) => {
    expect(formatDecimal(divide(decimal(a), decimal(b)))).toBe(expected);
  });

  test('a tie at the 36th decimal goes to the even neighbour', () => {
    // 1.5e-36 / 3 = 0.5e-36, 4.5e-36 / 3 = 1.5e-36, 7.5e-36 / 3 = 2.5e-36
    const third = (digits: string) => formatDecimal(divide(decimal(`0.${'0'.repeat(35)}${digits}`), decimal(3)));
    expect([third('15'), third('45'), third('75')]).toEqual(['0', `0.${'0'.repeat(35)}2`, `0.${'0'.repeat(35)}2`]);
  });

  test('refuses to divide by zero', () => {
    expect(() => divide(ONE, ZERO)).toThrow(RangeError);
  });

  test('is exact for every divisor made of twos and fives', () => {
    const factors = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }));
    fc.assert(
      fc.property(scaled, factors, fc.integer({ min: 0, max: 20 }), fc.boolean(), (a, [twos, fives], scale, minus) => {
        const b = decimal(textOf((minus ? -1n : 1n) * 2n ** BigInt(twos) * 5n ** BigInt(fives), scale));
        const x = decimal(textOf(a.units, a.scale));
        expect(divide(x, b).times(b).eq(x)).toBe(true);
      }),
    );
  });

  test('is never further off than half of the 36th decimal', () => {
    fc.assert(
      fc.property(scaled, fc.bigInt({ min: 1n, max: 10n ** 20n }), (a, b) => {
        const x = decimal(textOf(a.units, a.scale));
        const error = divide(x, decimal(b)).times(b.toString()).minus(x).abs();
        expect(error.lte(decimal(b).times(`0.${'0'.repeat(36)}5`))).toBe(true);
      }),
    );
  });
});

test('least, greatest and order are by value', () => {
  const values = ['3', '-1', '2.5'].map(decimal);
  expect(formatDecimal(minOf(ZERO, ...values))).toBe('-1');
  expect(formatDecimal(maxOf(ZERO, ...values))).toBe('3');
  expect(values.sort(compare).map(formatDecimal)).toEqual(['-1', '2.5', '3']);
  expect(compare(decimal('1.0'), ONE)).toBe(0);
  expect(formatDecimal(sum([]))).toBe('0');
});
