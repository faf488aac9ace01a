import { reached, refuseAlert, resolveThresholds, type Threshold } from '../../src/alerts/alert.rules.js';
import { decimal } from '../../src/money/index.js';

const resolved = (budget: string | null, thresholds: readonly Threshold[]): [string, string][] =>
  resolveThresholds(budget === null ? null : decimal(budget), thresholds).map(({ name, amount }) => [
    name,
    amount.toString(),
  ]);

describe('resolveThresholds', () => {
  test('takes per cent of the budget exactly, and sorts by amount', () => {
    expect(resolved('80', [{ percent: '100' }, { amount: '1' }, { percent: '33.333' }, { percent: '120' }])).toEqual([
      ['amount:1', '1'],
      ['percent:33.333', '26.6664'],
      ['percent:100', '80'],
      ['percent:120', '96'],
    ]);
    expect(resolved('0.000000000001', [{ percent: '0.000000000001' }])).toEqual([
      ['percent:0.000000000001', '0.00000000000000000000000001'],
    ]);
  });

  test('names a threshold by its value, however it was written', () => {
    expect(resolved('10', [{ amount: '5.00' }, { percent: '80.0' }])).toEqual([
      ['amount:5', '5'],
      ['percent:80', '8'],
    ]);
  });
});

describe('reached', () => {
  const thresholds = resolveThresholds(decimal('100'), [{ percent: '50' }, { amount: '80' }, { percent: '100' }]);
  const names = (spend: string): string[] => reached(decimal(spend), thresholds).map(({ name }) => name);

  test.each([
    ['-1', []],
    ['0', []],
    ['49.999999999999999999', []],
    ['50', ['percent:50']],
    ['80', ['percent:50', 'amount:80']],
    ['1000', ['percent:50', 'amount:80', 'percent:100']],
  ])('a spend of %s reaches %j', (spend, expected) => {
    expect(names(spend)).toEqual(expected);
  });
});

describe('refuseAlert', () => {
  const fields = (budget: string | null, thresholds: readonly Threshold[]): string[] =>
    refuseAlert({ budget, thresholds }).map(({ field }) => field.join('.'));

  test.each<[string, string | null, readonly Threshold[], string[]]>([
    ['an amount without a budget', null, [{ amount: '1' }], []],
    ['per cent of a budget', '10', [{ percent: '1' }], []],
    ['an amount and a per cent of the same number', '10', [{ amount: '5' }, { percent: '5' }], []],
    ['twenty thresholds', null, Array.from({ length: 20 }, (_, index) => ({ amount: String(index + 1) })), []],
    ['no threshold', '10', [], ['thresholds']],
    ['21 thresholds', null, Array.from({ length: 21 }, (_, index) => ({ amount: String(index + 1) })), ['thresholds']],
    ['per cent of nothing', null, [{ percent: '50' }], ['thresholds.0']],
    ['a threshold of 0', '10', [{ amount: '0' }], ['thresholds.0']],
    ['a threshold below 0', '10', [{ amount: '1' }, { percent: '-5' }], ['thresholds.1']],
    ['a threshold that is no number', '10', [{ amount: 'ten' }], ['thresholds.0']],
    ['a threshold with too many digits', '10', [{ amount: '0.0000000000001' }], ['thresholds.0']],
    ['a threshold twice', '10', [{ amount: '5' }, { amount: '5.0' }], ['thresholds.1']],
    ['a budget of 0', '0', [{ amount: '5' }], ['budget']],
    ['a budget below 0', '-10', [{ amount: '5' }], ['budget']],
    ['a budget that is no number', 'much', [{ amount: '5' }], ['budget']],
  ])('%s', (_what, budget, thresholds, expected) => {
    expect(fields(budget, thresholds)).toEqual(expected);
  });
});
