import fc from 'fast-check';
import {
  compareSpecificity,
  type DimensionPattern,
  globPrefix,
  matches,
  type PriceBinding,
  refusePrices,
  specificity,
} from '../../src/pricing/pattern.rules.js';
import { type PriceWindow, windowsOverlap } from '../../src/pricing/window.rules.js';

const month = (number: number): Date => new Date(Date.UTC(2026, number - 1, 1));
const during = (from: number | null, until: number | null): PriceWindow => ({
  from: from === null ? null : month(from),
  until: until === null ? null : month(until),
  daily: null,
});
const hours = (start: string, end: string, timeZone = 'UTC'): PriceWindow => ({
  from: null,
  until: null,
  daily: { start, end, timeZone, weekdays: null },
});
const price = (
  id: string,
  pattern: DimensionPattern,
  { meterId = 'tokens', currency = 'USD', window = null }: Partial<PriceBinding> = {},
): PriceBinding => ({ id, meterId, currency, pattern, window });
const rank = (pattern: DimensionPattern, window: PriceWindow | null = null) => specificity({ pattern, window });
const ids = (pairs: readonly (readonly { id: string }[])[]) => pairs.map(pair => pair.map(({ id }) => id).join('-'));

/** Whether some usage satisfies both, one dimension at a time. One that only one of them names can always be had. */
function overlaps(a: DimensionPattern, b: DimensionPattern): boolean {
  return Object.keys(a)
    .filter(name => Object.hasOwn(b, name))
    .every(name => {
      const [one, other] = [a[name] ?? '', b[name] ?? ''];
      const [prefix, otherPrefix] = [globPrefix(one), globPrefix(other)];

      if (prefix !== null && otherPrefix !== null) {
        return prefix.startsWith(otherPrefix) || otherPrefix.startsWith(prefix);
      }

      if (prefix !== null) {
        return other.startsWith(prefix);
      }

      return otherPrefix === null ? one === other : one.startsWith(otherPrefix);
    });
}

describe('patterns', () => {
  test.each<[DimensionPattern, Record<string, string>, boolean]>([
    [{}, {}, true],
    [{}, { model: 'sol' }, true],
    [{ model: 'sol' }, { model: 'sol', kind: 'input' }, true],
    [{ model: 'sol' }, { model: 'Sol' }, false],
    [{ model: 'sol' }, {}, false],
    [{ model: '*' }, { model: 'sol' }, true],
    [{ model: '*' }, { model: '' }, true],
    [{ model: '*' }, { kind: 'input' }, false],
    [{ model: 'gpt-*' }, { model: 'gpt-6' }, true],
    [{ model: 'gpt-*' }, { model: 'gpt-' }, true],
    [{ model: 'gpt-*' }, { model: 'gpt' }, false],
    [{ model: 'a*b' }, { model: 'axb' }, false],
    [{ model: 'a*b' }, { model: 'a*b' }, true],
    [{ model: 'a**' }, { model: 'a*b' }, true],
    [{ model: 'a**' }, { model: 'ab' }, false],
    [{ model: 'sol', kind: 'in*' }, { model: 'sol', kind: 'output' }, false],
    [{ toString: '*' }, {}, false],
    [JSON.parse('{"__proto__":"*"}'), {}, false],
    [JSON.parse('{"__proto__":"a"}'), JSON.parse('{"__proto__":"a"}'), true],
    [JSON.parse('{"__proto__":"a"}'), JSON.parse('{"__proto__":"b"}'), false],
  ])('%j on %j: %p', (pattern, dimensions, expected) => {
    expect(matches(pattern, dimensions)).toBe(expected);
  });

  test('a glob is what ends in a star', () => {
    expect(['gpt-*', '*', 'a**', 'a*b', 'gpt', ''].map(globPrefix)).toEqual(['gpt-', '', 'a*', null, null, null]);
  });

  test('narrower is more exact values, then more globs, then longer globs, and a window last of all', () => {
    const window = during(1, 2);
    const ascending = [
      rank({}),
      rank({}, window),
      rank({ a: '*' }),
      rank({ a: '*' }, window),
      rank({ a: 'x*' }),
      rank({ a: 'xy*' }),
      rank({ a: 'xy*' }, window),
      rank({ a: '*', b: '*' }),
      rank({ a: 'x' }),
      rank({ a: 'x' }, window),
      rank({ a: 'x', b: '*' }),
      rank({ a: 'x', b: 'y' }),
    ];
    expect(ascending.toReversed().sort(compareSpecificity)).toEqual(ascending);
    expect(new Set(ascending.map(each => JSON.stringify(each))).size).toBe(ascending.length);
    expect(compareSpecificity(rank({ a: 'x*' }), rank({ b: 'y*' }))).toBe(0);
    expect(specificity({ pattern: { a: 'x', b: 'yz*', c: '*' }, window })).toEqual({
      exact: 1,
      globs: 2,
      literals: 2,
      windows: 1,
    });
  });
});

describe('refusePrices', () => {
  test('names each pair that some usage would match equally well', () => {
    const prices = [
      price('a', { model: 'sol' }),
      price('b', { kind: 'input' }),
      price('c', { model: 'sol' }, { meterId: 'images' }),
      price('d', { model: 'astra' }),
      price('e', { model: 'sol', kind: 'input' }),
      price('f', { model: 'so*', region: 'eu*' }),
      price('g', { model: 'sol*', region: 'e*' }),
      price('h', { kind: 'input' }),
      price('i', { model: 'sol' }, { currency: 'EUR' }),
    ];
    expect(ids(refusePrices(prices))).toEqual(['a-b', 'a-h', 'b-d', 'b-h', 'd-h', 'f-g']);
  });

  test('finds globs of unequal length that meet, also across dimensions that only one of them names', () => {
    const prices = [
      price('a', { model: 'gpt-*', region: 'e*', kind: 'input' }),
      price('b', { model: 'gpt*', region: 'eu*', kind: 'input' }),
      price('c', { model: 'gem*', region: 'eu*', kind: 'input' }),
      price('d', { model: 'gpt-*', band: 'l*', kind: 'input' }),
      price('e', { model: 'gpt-*', band: 'l*', kind: 'output' }),
      price('f', { model: 'gpt-6', region: 'eu*', band: 'lon*' }),
      price('g', { model: 'gem-4', region: 'eur*', band: 'lo*' }),
      price('h', { model: 'gpt*', region: 'eu-*', band: '5' }),
    ];
    expect(ids(refusePrices(prices))).toEqual(['a-b', 'a-d', 'a-f', 'b-d', 'b-f', 'c-g', 'd-f', 'e-f']);
  });

  test('lets a promotion stand beside the ordinary price, and promotions that follow each other', () => {
    const model = { model: 'gpt-5.6-sol' };
    const book = [
      price('ordinary', model),
      price('autumn', model, { window: during(8, 11) }),
      price('winter', model, { window: during(11, null) }),
      price('day', { kind: 'input' }, { window: hours('00:30', '16:30') }),
      price('night', { kind: 'input' }, { window: hours('16:30', '00:30') }),
    ];
    expect(ids(refusePrices(book.slice(0, 3)))).toEqual([]);
    expect(ids(refusePrices(book.slice(3)))).toEqual([]);
    expect(ids(refusePrices(book))).toEqual(['autumn-day', 'autumn-night', 'winter-day', 'winter-night']);
  });

  test('refuses promotions that are on at once, and not those of other currencies', () => {
    const book = [
      price('a', {}, { window: during(1, 6) }),
      price('b', {}, { window: during(5, 8) }),
      price('c', {}, { window: during(5, 8), currency: 'EUR' }),
      price('d', {}, { window: hours('09:00', '17:00', 'Europe/Berlin') }),
      price('e', {}, { window: hours('17:00', '09:00', 'Europe/Berlin') }),
      price('f', {}, { window: hours('17:00', '08:00', 'Europe/London') }),
    ];
    // London is an hour behind Berlin, all year round.
    expect(ids(refusePrices(book))).toEqual(['a-b', 'a-d', 'a-e', 'a-f', 'b-d', 'b-e', 'b-f', 'e-f']);
  });

  test('ten thousand exact prices are checked without comparing all with all', () => {
    const prices = Array.from({ length: 10_000 }, (_, index) =>
      price(String(index), { model: `m${index % 2_500}`, kind: `k${Math.floor(index / 2_500)}` }),
    );
    expect(refusePrices(prices)).toEqual([]);
    expect(ids(refusePrices([...prices, price('twin', { kind: 'k3', model: 'm2499' })]))).toEqual(['9999-twin']);
  });

  test('ten thousand globs are checked without comparing all with all', () => {
    const prices = Array.from({ length: 10_000 }, (_, index) =>
      price(String(index), { model: `model-${String(index).padStart(5, '0')}*` }),
    );
    const started = performance.now();
    expect(refusePrices(prices)).toEqual([]);
    expect(ids(refusePrices([...prices, price('twin', { model: 'model-00007*' })]))).toEqual(['7-twin']);
    // Here it is a tenth of a second, twice; comparing all with all takes some four seconds, twice.
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test('a book in which all prices are the same is refused with some pairs, not with all fifty million', () => {
    const twins = Array.from({ length: 10_000 }, (_, index) => price(String(index), { model: 'sol' }));
    const pairs = ids(refusePrices(twins));
    expect([pairs.length, new Set(pairs).size]).toEqual([1_000, 1_000]);
    expect(pairs[0]).toBe('0-1');
  });
});

describe('any book', () => {
  const value = fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'bc');
  const wanted = fc.oneof(
    value.filter(text => text !== ''),
    value.map(text => `${text}*`),
  );
  const names = ['model', 'kind', '__proto__'] as const;
  const recordOf = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<Record<string, string>> =>
    fc
      .tuple(
        ...names.map(name =>
          fc.option(
            arbitrary.map(text => [name, text] as const),
            { freq: 2 },
          ),
        ),
      )
      .map(entries => Object.fromEntries(entries.filter(entry => entry !== null)));
  const pattern = recordOf(wanted);
  const dimensions = recordOf(value);
  const window = fc.constantFrom(
    null,
    null,
    during(1, 4),
    during(4, 7),
    during(3, null),
    hours('00:00', '12:00'),
    hours('12:00', '00:00'),
    hours('12:00', '00:00', 'Asia/Tokyo'),
  );
  // Few texts, so that rivals are common.
  const crowded = recordOf(fc.constantFrom('a', 'a*', 'ab*', 'b*'));
  const prices = fc
    .array(
      fc.record({
        meterId: fc.constantFrom('tokens', 'images'),
        currency: fc.constantFrom('USD', 'USD', 'EUR'),
        pattern: crowded,
        window,
      }),
      { maxLength: 30, size: 'max' },
    )
    .map(bindings => bindings.map((binding, index) => ({ ...binding, id: `p${index}` })));

  test('patterns overlap just when the narrower text of each dimension satisfies both', () => {
    const pair = (a: DimensionPattern, b: DimensionPattern) =>
      refusePrices([price('a', a), price('b', b)]).length === 1;
    let [alike, met] = [0, 0];
    fc.assert(
      fc.property(pattern, pattern, dimensions, (a, b, usage) => {
        const witness = Object.fromEntries(
          names.flatMap(name => {
            const texts = [a, b].flatMap(each => (Object.hasOwn(each, name) ? [each[name] ?? ''] : []));
            const exact = texts.find(text => globPrefix(text) === null);
            const [longest] = texts.toSorted((x, y) => y.length - x.length);

            return longest === undefined ? [] : [[name, exact ?? longest.slice(0, -1)]];
          }),
        );
        expect(matches(a, witness) && matches(b, witness)).toBe(overlaps(a, b));
        expect(overlaps(a, b) || !(matches(a, usage) && matches(b, usage))).toBe(true);

        if (compareSpecificity(rank(a), rank(b)) === 0) {
          alike += 1;
          met += overlaps(a, b) ? 1 : 0;
          expect([pair(a, b), pair(b, a)]).toEqual([overlaps(a, b), overlaps(a, b)]);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(met, alike - met)).toBeGreaterThan(20);
  });

  test('is refused for the pairs that comparing all with all finds', () => {
    let found = 0;
    fc.assert(
      fc.property(prices, book => {
        const expected = book.flatMap((a, index) =>
          book
            .slice(index + 1)
            .filter(b => a.meterId === b.meterId && a.currency === b.currency && overlaps(a.pattern, b.pattern))
            .filter(b => compareSpecificity(specificity(a), specificity(b)) === 0)
            .filter(b => !a.window || !b.window || windowsOverlap(a.window, b.window))
            .map(b => [a, b]),
        );
        found += expected.length;
        expect(refusePrices(book)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
    expect(found).toBeGreaterThan(100);
  });
});
