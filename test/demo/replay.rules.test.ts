import { expectedTotals, fitsTrace } from '../../src/demo/replay.rules.js';

const rates = { input: { amount: '2.50', per: '1000000' }, output: { amount: '12.5', per: '1000000' } };
const request = (time: string, input: number, output: number) => ({ line: 2, time, input, output });

describe('fitsTrace', () => {
  test('reads a row of the public trace, seven digits of a second cut to six', () => {
    expect(
      fitsTrace({ TIMESTAMP: '2023-11-16 18:15:46.6805900', ContextTokens: '374', GeneratedTokens: '44' }, 2),
    ).toEqual({ line: 2, time: '2023-11-16T18:15:46.680590Z', input: 374, output: 44 });
  });

  test.each([
    [{ TIMESTAMP: 'yesterday', ContextTokens: '1', GeneratedTokens: '1' }],
    [{ TIMESTAMP: '2023-11-16 18:15:46', ContextTokens: '-1', GeneratedTokens: '1' }],
    [{ TIMESTAMP: '2023-11-16 18:15:46', ContextTokens: '1.5', GeneratedTokens: '1' }],
    [{ ContextTokens: '1', GeneratedTokens: '1' }],
  ])('refuses %j with its line', row => {
    expect(() => fitsTrace(row, 7)).toThrow('line 7 is not TIMESTAMP,ContextTokens,GeneratedTokens');
  });
});

describe('expectedTotals', () => {
  test('adds up a month, rounds each line once to cents, half-even', () => {
    // 2,000 × 2.50 ÷ 1,000,000 = 0.005 → 0.00 (even); 1,200 × 12.5 ÷ 1,000,000 = 0.015 → 0.02 (even).
    expect(expectedTotals([request('2023-11-16T18:15:46Z', 2_000, 1_200)], rates)).toEqual({
      totals: ['0.02'],
      tokens: 3_200n,
      alertAt: '0.01',
    });
  });

  test('makes an invoice of each calendar month', () => {
    expect(
      expectedTotals(
        [request('2023-11-30T23:59:59Z', 1_000_000, 0), request('2023-12-01T00:00:00Z', 2_000_000, 1_000_000)],
        rates,
      ),
    ).toEqual({ totals: ['2.5', '17.5'], tokens: 4_000_000n, alertAt: '10' });
  });
});
