import { decimal, formatDecimal } from '../../src/money/index.js';
import { heldAmounts, isChargedSingly, marginOf, usageCost } from '../../src/rating/outcome-figures.rules.js';
import { cap, each, outcomePrice, outcomes, rule, ruleVersion } from './outcomes.js';

const REDO = outcomePrice({
  model: 'GRADUATED',
  tiers: [
    { upTo: '50', unitAmount: '0.95' },
    { upTo: '100', unitAmount: '0.90' },
    { upTo: null, unitAmount: '0.85' },
  ],
});

describe('held outcomes', () => {
  test('would add, group after group, what all of them together would', () => {
    const given = rule(ruleVersion({ prices: [REDO] }));
    const groups = [outcomes(1, {}, 99), outcomes(1, {}, 100), outcomes(2, {}, 101)];
    expect(heldAmounts(given, outcomes(99), groups).map(formatDecimal)).toEqual(['0.9', '0.85', '1.7']);
    expect(heldAmounts(given, outcomes(99), [groups.flat()]).map(formatDecimal)).toEqual(['3.45']);
    expect(heldAmounts(given, outcomes(99), [])).toEqual([]);
  });

  test('would add nothing beyond a cap', () => {
    const given = rule(ruleVersion({ prices: each('1'), caps: [cap({ mode: 'HARD', count: '3' })] }));
    expect(heldAmounts(given, outcomes(2), [outcomes(2, {}, 2)]).map(formatDecimal)).toEqual(['1']);
  });
});

describe('outcomes are charged each by itself', () => {
  const isSingle = (terms: Parameters<typeof ruleVersion>[0]) => isChargedSingly([ruleVersion(terms)], 'USD');

  test('at so much for each, or per cent of each', () => {
    expect(isSingle({ prices: each('0.99') })).toBe(true);
    expect(isSingle({ prices: [outcomePrice({ model: 'UNIT', unitAmount: '2.5', per: '1000' })] })).toBe(true);
    expect(isSingle({ prices: [outcomePrice({ model: 'PERCENTAGE', rate: '25' })] })).toBe(true);
    expect(isSingle({ prices: each('1'), caps: [cap({ mode: 'SOFT', count: '3' })] })).toBe(true);
  });

  test('and not by tiers, with free units, at a division that does not end, with bounds on each, converted, or under a cap', () => {
    expect(isSingle({ prices: [REDO] })).toBe(false);
    expect(isSingle({ prices: [outcomePrice({ model: 'UNIT', unitAmount: '1', freeUnits: '3' })] })).toBe(false);
    expect(isSingle({ prices: [outcomePrice({ model: 'UNIT', unitAmount: '1', per: '3' })] })).toBe(false);
    expect(isSingle({ prices: [outcomePrice({ model: 'PERCENTAGE', rate: '1', perEventMinimum: '0.3' })] })).toBe(
      false,
    );
    expect(isSingle({ prices: each('1'), caps: [cap({ mode: 'FREE', count: '3' })] })).toBe(false);
    const begun = { divideBy: '10', multiplyBy: '1', rounding: 'CEILING', precision: 0 } as const;
    expect(isSingle({ prices: [outcomePrice({ model: 'UNIT', unitAmount: '1', conversion: begun })] })).toBe(false);
    // A price in another currency is none.
    expect(
      isSingle({ prices: [outcomePrice({ model: 'UNIT', unitAmount: '1', per: '3' }, { currency: 'EUR' })] }),
    ).toBe(true);
  });
});

test('a margin is rounded half to even, and there is none in per cent of nothing', () => {
  const margin = (revenue: string, cost: string, count: number) => {
    const { margin: left, percent, costPerOutcome } = marginOf(decimal(revenue), decimal(cost), count);

    return [left, percent, costPerOutcome].map(value => value && formatDecimal(value));
  };
  expect(margin('495', '120', 500)).toEqual(['375', '75.76', '0.24']);
  expect(margin('800', '99.9', 3)).toEqual(['700.1', '87.51', '33.3']);
  expect(margin('20000', '1', 0)).toEqual(['19999', '100', null]);
  expect(margin('80000', '3', 1)).toEqual(['79997', '100', '3']);
  expect(margin('100000', '5', 1)).toEqual(['99995', '100', '5']);
  expect(margin('100000', '15', 1)).toEqual(['99985', '99.98', '15']);
  expect(margin('0', '3', 0)).toEqual(['-3', null, null]);
});

test('usage costs what its parts do; a part without a known cost is counted, one of nothing is not', () => {
  const part = (quantity: string, amount: string | null) => ({
    quantity: decimal(quantity),
    unitCost: amount === null ? null : { amount: decimal(amount), per: decimal('1000') },
  });
  const { cost, unknown } = usageCost([part('1500', '0.12'), part('1', '3'), part('7', null), part('0', null)]);
  expect([formatDecimal(cost), unknown]).toEqual(['0.183', 1]);
});
