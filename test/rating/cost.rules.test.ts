import { formatDecimal } from '../../src/money/index.js';
import { costAt, type CostAt } from '../../src/rating/cost.rules.js';
import { day } from './period.js';

const cost = (from: number, rates: CostAt['rates'], currency = 'USD'): CostAt => ({
  effectiveAt: day(from),
  currency,
  rates,
});
const input = (amount: string, dimensions?: CostAt['rates'][number]['dimensions']): CostAt['rates'][number] => ({
  kind: 'input_tokens',
  amount,
  per: '1000',
  ...(dimensions ? { dimensions } : {}),
});

function found(
  costs: readonly CostAt[],
  usage: Partial<Parameters<typeof costAt>[1]> = {},
  at = day(15),
): string | null {
  const rate = costAt(costs, { kind: 'input_tokens', dimensions: {}, currency: 'USD', ...usage }, at);

  return rate && `${formatDecimal(rate.amount)} per ${formatDecimal(rate.per)}`;
}

test('the newest cost by then counts, from its very instant on', () => {
  const costs = [cost(1, [input('2')]), cost(15, [input('3')]), cost(20, [input('4')])];
  expect([day(0), day(1), day(14), day(15), day(19), day(40)].map(at => found(costs, {}, at))).toEqual([
    null,
    '2 per 1000',
    '2 per 1000',
    '3 per 1000',
    '3 per 1000',
    '4 per 1000',
  ]);
});

test('another kind has no cost, also where an older cost knew it', () => {
  const older = cost(1, [{ kind: 'images', amount: '1', per: '1' }]);
  expect(found([older], { kind: 'images' })).toBe('1 per 1');
  expect(found([older, cost(2, [input('2')])], { kind: 'images' })).toBeNull();
});

test('a cost in another currency is none: nothing is converted silently', () => {
  expect(found([cost(1, [input('2')], 'EUR')])).toBeNull();
  expect(found([cost(1, [input('2')]), cost(2, [input('2')], 'EUR')])).toBeNull();
});

test('the rate that names most of the dimensions of the usage counts, whatever their order', () => {
  const batch = { name: 'service_tier', value: 'batch' };
  const long = { name: 'context_band', value: 'long' };
  const rates = [input('2'), input('1', [batch]), input('4', [long]), input('3', [batch, long])];

  for (const order of [rates, rates.toReversed()]) {
    const costs = [cost(1, order)];
    expect(found(costs)).toBe('2 per 1000');
    expect(found(costs, { dimensions: { service_tier: 'batch' } })).toBe('1 per 1000');
    expect(found(costs, { dimensions: { service_tier: 'batch', context_band: 'long', model: 'm' } })).toBe(
      '3 per 1000',
    );
    expect(found(costs, { dimensions: { service_tier: 'flex', context_band: 'long' } })).toBe('4 per 1000');
  }

  expect(found([cost(1, [input('1', [batch])])])).toBeNull();
});

test('a rate binds the beginning of a value as a price does: the exact one before the longest beginning', () => {
  const [any, family, exact] = [
    input('1', [{ name: 'service_tier', value: '*' }]),
    input('2', [{ name: 'service_tier', value: 'ba*' }]),
    input('3', [{ name: 'service_tier', value: 'batch' }]),
  ];
  const costs = [cost(1, [any, family, exact])];
  expect(
    ['batch', 'basic', 'flex', ''].map(value => found(costs, { dimensions: value ? { service_tier: value } : {} })),
  ).toEqual(['3 per 1000', '2 per 1000', '1 per 1000', null]);
});
