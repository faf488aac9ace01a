import fc from 'fast-check';
import { diffPrices } from '../../src/pricing/diff.rules.js';

const flat = (amount: string) => JSON.stringify({ model: 'FLAT', flatAmount: amount });
const perUnit = (unitAmount: string, per = '1000000', more = {}) =>
  JSON.stringify({ model: 'UNIT', unitAmount, per, ...more });
const item = (key: string, terms: string) => ({ key, name: `price ${key}`, terms });

describe('diffPrices', () => {
  test('tells what is added, changed, removed and the same', () => {
    const current = [item('a', perUnit('2')), item('b', perUnit('3')), item('c', flat('1')), item('e', flat('9'))];
    const proposed = [item('d', flat('5')), item('b', perUnit('4.5')), item('a', perUnit('2')), item('e', flat('8'))];
    expect(diffPrices(current, proposed)).toEqual({
      added: [proposed[0]],
      changed: [
        { key: 'b', before: current[1], after: proposed[1], ratio: '1.5' },
        { key: 'e', before: current[3], after: proposed[3], ratio: null },
      ],
      removed: [current[2]],
      same: [proposed[2]],
    });
  });

  test.each([
    [perUnit('2'), perUnit('20'), '10'],
    [perUnit('2'), perUnit('0'), '0'],
    [perUnit('0'), perUnit('2'), null],
    [perUnit('3'), perUnit('2'), '0.666667'],
    [perUnit('2.5', '1000000'), perUnit('0.0025', '1000'), '1'],
    [perUnit('2', '1000'), perUnit('2', '1000000'), '0.001'],
    [perUnit('1'), perUnit('1234567'), '1234570'],
    [perUnit('2'), flat('2'), null],
    [flat('2'), perUnit('2'), null],
    [flat('2'), 'null', null],
    [flat('2'), '"text"', null],
    [perUnit('2', '1'), JSON.stringify({ model: 'UNIT', unitAmount: '3' }), '1.5'],
    [perUnit('2'), JSON.stringify({ model: 'UNIT', unitAmount: 3, per: '1' }), null],
    [perUnit('2'), JSON.stringify({ model: 'UNIT', unitAmount: '2', per: '0' }), null],
    [perUnit('2'), JSON.stringify({ model: 'UNIT' }), null],
    [perUnit('2', '1', { currency: 'EUR' }), perUnit('4', '1', { currency: 'EUR' }), '2'],
    [perUnit('2', '1', { currency: 'EUR' }), perUnit('4', '1', { currency: 'USD' }), null],
    [perUnit('2', '1'), perUnit('2', '1', { freeUnits: '5' }), null],
  ])('%s became %s: %s times', (before, after, ratio) => {
    expect(diffPrices([item('a', before)], [item('a', after)]).changed.map(change => change.ratio)).toEqual([ratio]);
  });

  test('keys that stand several times are paired by what they say, then in order', () => {
    const [one, two, three] = [item('a', flat('1')), item('a', flat('2')), item('a', flat('3'))];
    expect(diffPrices([one, two], [two, three])).toEqual({
      added: [],
      changed: [{ key: 'a', before: one, after: three, ratio: null }],
      removed: [],
      same: [two],
    });
    expect(diffPrices([one], [three, { ...one }])).toEqual({ added: [three], changed: [], removed: [], same: [one] });
  });

  test('every item is in one part, and a list beside itself is the same', () => {
    const lists = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b', 'c'), name: fc.constant('p'), terms: fc.constantFrom('1', '2', '3') }),
    );
    fc.assert(
      fc.property(lists, lists, (current, proposed) => {
        const { added, changed, removed, same } = diffPrices(current, proposed);
        expect(added.length + changed.length + same.length).toBe(proposed.length);
        expect(removed.length + changed.length + same.length).toBe(current.length);
        expect(changed.every(({ before, after }) => before.key === after.key && before.terms !== after.terms)).toBe(
          true,
        );
        expect(added.every(({ key }) => removed.every(other => other.key !== key))).toBe(true);
        expect(diffPrices(current, current)).toEqual({ added: [], changed: [], removed: [], same: current });
      }),
    );
  });
});
