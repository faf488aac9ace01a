import { decimal, formatDecimal } from '../../src/money/index.js';
import type { Due } from '../../src/rating/charge.rules.js';
import { correctionsOf, countedGroups } from '../../src/rating/counted.rules.js';

describe('what is due beside what was counted', () => {
  const due = (amount: string, meterId: string | null, model?: string, isOutcome = false): Due =>
    ({
      meterId,
      pattern: model === undefined ? {} : { model },
      amount: decimal(amount),
      outcome: isOutcome ? { ruleId: 'orl_1', charge: 'PRICE', outcomes: 1 } : null,
    }) as unknown as Due;
  const used = (counted: string | undefined, meterId: string, dimensions: object = {}) => ({
    meterId,
    dimensions: JSON.stringify(dimensions),
    segment: 0,
    sum: '1',
    max: '1',
    latest: null,
    unique: '0',
    integral: null,
    ...(counted === undefined ? {} : { counted }),
  });
  const shown = (groups: ReturnType<typeof countedGroups>) =>
    groups.map(
      ({ meterId, model, due: owed, counted }) =>
        `${meterId ?? 'several'} ${model ?? 'any'}: ${formatDecimal(owed)} of ${formatDecimal(counted)}`,
    );

  test('is compared by meter, by the model where a price names it, and without outcomes', () => {
    expect(
      shown(
        countedGroups(
          [
            due('5', 'm1', 'large'),
            due('2', 'm1'),
            due('-1', null),
            due('3', 'm1'),
            due('9', 'orl_1', undefined, true),
          ],
          [
            used('4', 'm1', { model: 'large' }),
            used('1', 'm1', { model: 'small' }),
            used('0.5', 'm1', { model: 'tiny' }),
            used('0', 'm2', { model: 'large' }),
            used('7', 'm3'),
            used(undefined, 'm4'),
          ],
        ),
      ),
    ).toEqual(['m1 large: 5 of 4', 'm1 any: 5 of 1.5', 'several any: -1 of 0', 'm3 any: 0 of 7']);
  });

  test('is made up for as far as it was not known before, to the last digit, and once', () => {
    const group = (meterId: string, owed: string, counted: string) => ({
      meterId,
      model: null,
      due: decimal(owed),
      counted: decimal(counted),
    });
    const corrections = (...given: Parameters<typeof correctionsOf>) =>
      correctionsOf(...given).map(({ meterId, amount }) => `${meterId} ${formatDecimal(amount)}`);
    const now = [group('m1', '5.000000000000000000001', '4'), group('m2', '3', '3'), group('m3', '1', '2')];
    expect(corrections(now, [])).toEqual(['m1 1.000000000000000000001', 'm3 -1']);
    expect(corrections(now, now)).toEqual([]);
    // What is charged no more is taken back.
    expect(corrections([group('m1', '6', '5')], now)).toEqual(['m1 -0.000000000000000000001', 'm3 1']);
  });
});
