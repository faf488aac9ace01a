import fc from 'fast-check';
import { allocate, decimal, formatDecimal, sum } from '../../src/money/index.js';

const split = (amount: string, weights: readonly string[], digits: number) =>
  allocate(
    decimal(amount),
    weights.map(weight => decimal(weight)),
    digits,
  ).map(formatDecimal);

describe('allocate', () => {
  test.each<[string, readonly string[], number, readonly string[]]>([
    ['6', ['10', '5'], 2, ['4', '2']],
    ['5', ['1', '1', '1'], 0, ['2', '2', '1']],
    ['0.0005', ['1', '1'], 4, ['0.0003', '0.0002']],
    ['0.01', ['100', '1'], 2, ['0.01', '0']],
    ['-5', ['1', '1', '1'], 0, ['-2', '-2', '-1']],
    ['10', ['0', '1'], 2, ['0', '10']],
    ['100', ['33.3', '33.3', '33.4'], 2, ['33.3', '33.3', '33.4']],
    ['0.05', ['1', '2', '3'], 2, ['0.01', '0.02', '0.02']],
  ])('%s by %j in %i digits is %j', (amount, weights, digits, parts) => {
    expect(split(amount, weights, digits)).toEqual(parts);
  });

  test('a finer amount, a negative weight and weights of nothing are refused', () => {
    expect(() => split('0.001', ['1'], 2)).toThrow(RangeError);
    expect(() => split('1', ['2', '-1'], 2)).toThrow(RangeError);
    expect(() => split('1', ['0', '0'], 2)).toThrow(RangeError);
    expect(() => split('1', [], 2)).toThrow(RangeError);
  });

  test('the parts sum to the whole, and none is more than a unit from its exact share', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
        fc.array(fc.bigInt({ min: 0n, max: 10n ** 9n }), { minLength: 1, maxLength: 20 }),
        fc.constantFrom(0, 2, 3),
        (units, weights, digits) => {
          fc.pre(weights.some(weight => weight > 0n));
          const amount = decimal(units).shiftedBy(-digits);
          const total = weights.reduce((all, weight) => all + weight, 0n);
          const parts = allocate(
            amount,
            weights.map(weight => decimal(weight)),
            digits,
          );
          expect(formatDecimal(sum(parts))).toBe(formatDecimal(amount));

          for (const [index, part] of parts.entries()) {
            const off = part
              .shiftedBy(digits)
              .times(decimal(total))
              .minus(decimal(units * (weights[index] ?? 0n)));
            expect(off.abs().lt(decimal(total))).toBe(true);
          }
        },
      ),
    );
  });
});
