import fc from 'fast-check';
import { decimal, divide, formatDecimal } from '../../src/money/index.js';
import type { PriceTerms } from '../../src/pricing/price.rules.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';
import { rateBetween } from '../../src/pricing/rate.rules.js';
import { worstBetween } from '../../src/pricing/worst.rules.js';

const read = (json: unknown): PriceTerms => {
  const reading = readPriceTerms(json);

  if ('refusals' in reading) {
    throw new Error(JSON.stringify(reading.refusals));
  }

  return reading.terms;
};
const tiers = (...list: readonly (readonly [string | null, string, string])[]) =>
  list.map(([upTo, unitAmount, flatAmount]) => ({ upTo, unitAmount, flatAmount }));
const worst = (json: unknown, position: string, more: string) =>
  formatDecimal(worstBetween(read(json), decimal(position), decimal(more)));

describe('worstBetween', () => {
  test.each<[string, unknown, string, string, string]>([
    ['a unit price is the same everywhere', { model: 'UNIT', unitAmount: '2' }, '0', '5', '10'],
    ['free units may be used up', { model: 'UNIT', unitAmount: '2', freeUnits: '100' }, '0', '5', '10'],
    ['a maximum may not be reached', { model: 'UNIT', unitAmount: '2', maximum: '3' }, '0', '5', '10'],
    ['a minimum is not asked', { model: 'UNIT', unitAmount: '2', minimum: '90' }, '0', '5', '10'],
    [
      'the dearest tier may be ahead',
      { model: 'GRADUATED', tiers: tiers(['10', '1', '0'], ['20', '5', '7'], [null, '2', '0']) },
      '0',
      '4',
      '27',
    ],
    [
      'a dearer tier behind does not count',
      { model: 'GRADUATED', tiers: tiers(['10', '9', '0'], [null, '2', '0']) },
      '10',
      '4',
      '8',
    ],
    ['a package may begin', { model: 'PACKAGE', packageAmount: '15', packageSize: '10' }, '3', '5', '15'],
    [
      'a unit rounded up may begin',
      { model: 'UNIT', unitAmount: '10', conversion: { divideBy: '1000', rounding: 'CEILING' } },
      '1400',
      '10',
      '10',
    ],
    [
      'a volume bound may lift the price of everything',
      { model: 'VOLUME', tiers: tiers(['10', '1', '0'], [null, '5', '0']) },
      '0',
      '2',
      '50',
    ],
    [
      'an event may be at its minimum',
      { model: 'PERCENTAGE', rate: '1', perEventMinimum: '3', freeEvents: '5' },
      '0',
      '10',
      '3',
    ],
    [
      'halves that go to the even digit are one unit more',
      { model: 'UNIT', unitAmount: '10', conversion: { divideBy: '1000', rounding: 'HALF_EVEN' } },
      '0',
      '1000',
      '20',
    ],
    [
      'a bound may lie anywhere in a unit',
      { model: 'VOLUME', tiers: tiers(['10', '1', '0'], [null, '1', '5']) },
      '9.75',
      '0.5',
      '5.5',
    ],
    [
      'right above a bound it is rounded up to what can be read',
      { model: 'VOLUME', tiers: tiers(['10', '1', '0'], [null, '0', '50']) },
      '0',
      '0.5',
      '40.5',
    ],
    ['above a closed tier nothing has a price', { model: 'GRADUATED', tiers: tiers(['10', '2', '0']) }, '0', '4', '8'],
    ['what lowers the price costs nothing more', { model: 'FLAT', flatAmount: '9' }, '0', '10', '0'],
  ])('%s', (_, json, position, more, expected) => {
    expect(worst(json, position, more)).toBe(expected);
  });

  test.each([
    ['whole units', 1, 150],
    ['quarters', 4, 40],
  ])('no place ahead costs more, %s taken', (_, parts, numRuns) => {
    const bound = fc.integer({ min: 1, max: 40 });
    const tiered = fc
      .tuple(
        fc.constantFrom('GRADUATED', 'VOLUME'),
        fc.uniqueArray(bound, { maxLength: 3 }),
        fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }),
      )
      .map(([model, bounds, amounts]) => ({
        model,
        tiers: [...bounds.sort((a, b) => a - b).map(String), null].map((upTo, index) => ({
          upTo,
          unitAmount: String(amounts[index] ?? 0),
          flatAmount: String(amounts[index + 4] ?? 0),
        })),
      }));
    const packages = fc.record({
      model: fc.constant('PACKAGE'),
      packageAmount: fc.nat(50).map(String),
      packageSize: bound.map(String),
    });
    const converted = fc.record({
      divideBy: bound.map(String),
      rounding: fc.constantFrom('CEILING', 'FLOOR', 'HALF_UP', 'HALF_EVEN'),
      precision: fc.integer({ min: -1, max: 1 }),
    });
    fc.assert(
      fc.property(
        fc.oneof(tiered, packages),
        fc.option(converted, { nil: undefined }),
        fc.nat(30),
        fc.nat(40),
        fc.integer({ min: 1, max: 30 }),
        (json, conversion, free, position, more) => {
          const terms = read({ ...json, freeUnits: String(free), ...(conversion ? { conversion } : {}) });
          const of = (count: number) => ({ quantity: divide(decimal(count), decimal(parts)) });
          const most = worstBetween(terms, of(position).quantity, of(more).quantity);

          for (let place = position; place < position + 150 * parts; place++) {
            const { amount } = rateBetween(terms, of(place), of(place + more));
            expect([place, formatDecimal(amount), amount.lte(most)]).toEqual([place, formatDecimal(amount), true]);
          }
        },
      ),
      { numRuns },
    );
  });
});
