import fc from 'fast-check';
import {
  compareSpecificity,
  type DimensionPattern,
  matches,
  type PriceBinding,
  refusePrices,
  specificity,
} from '../../src/pricing/pattern.rules.js';
import { indexPrices } from '../../src/pricing/price-index.rules.js';
import { isActive, type PriceWindow, windowKey } from '../../src/pricing/window.rules.js';

type Dimensions = Readonly<Record<string, string>>;

const NONE: ReadonlySet<string> = new Set();
const until = (text: string): PriceWindow => ({ from: null, until: new Date(text), daily: null });
const hours = (start: string, end: string): PriceWindow => ({
  from: null,
  until: null,
  daily: { start, end, timeZone: 'UTC', weekdays: null },
});
const price = (
  id: string,
  pattern: DimensionPattern,
  { meterId = 'tokens', currency = 'USD', window = null }: Partial<PriceBinding> = {},
): PriceBinding => ({ id, meterId, currency, pattern, window });

/** What the index promises, by trying each price. */
function linearMatch(
  prices: readonly PriceBinding[],
  meterId: string,
  dimensions: Dimensions,
  currency: string,
  active: ReadonlySet<string>,
): PriceBinding | null {
  let winner: PriceBinding | null = null;

  for (const rival of prices) {
    const applies = rival.window === null || active.has(windowKey(rival.window));

    if (rival.meterId !== meterId || rival.currency !== currency || !applies || !matches(rival.pattern, dimensions)) {
      continue;
    }

    const margin = winner ? compareSpecificity(specificity(rival), specificity(winner)) : 1;

    if (margin > 0 || (margin === 0 && winner && rival.id < winner.id)) {
      winner = rival;
    }
  }

  return winner;
}

describe('a book', () => {
  test('prices gpt-6.2-sol by token kind and context band, and leaves the rest to wider prices', () => {
    const book = [
      price('any', {}),
      price('gpt', { model: 'gpt-*', kind: '*' }),
      price('sol-in', { model: 'gpt-6.2-sol', kind: 'input' }),
      price('sol-in-long', { model: 'gpt-6.2-sol', kind: 'input', band: '>272k' }),
      price('sol-out', { model: 'gpt-6.2-sol', kind: 'output' }),
      price('images', {}, { meterId: 'images' }),
      price('euro', { model: 'gpt-6.2-sol' }, { currency: 'EUR' }),
    ];
    const index = indexPrices(book);
    const match = (dimensions: Dimensions, meterId = 'tokens', currency = 'USD') =>
      index.match(meterId, dimensions, currency, NONE)?.id ?? null;
    expect(refusePrices(book)).toEqual([]);
    expect(match({ model: 'gpt-6.2-sol', kind: 'input', band: '<=272k' })).toBe('sol-in');
    expect(match({ model: 'gpt-6.2-sol', kind: 'input', band: '>272k' })).toBe('sol-in-long');
    expect(match({ model: 'gpt-6.2-sol', kind: 'output', band: '>272k' })).toBe('sol-out');
    expect(match({ model: 'gpt-6-luna', kind: 'input' })).toBe('gpt');
    expect(match({ model: 'gpt-6-luna' })).toBe('any');
    expect(match({}, 'images')).toBe('images');
    expect(match({}, 'seconds')).toBeNull();
    expect(match({ model: 'gpt-6.2-sol', kind: 'input' }, 'tokens', 'EUR')).toBe('euro');
    expect(match({ model: 'gpt-6-luna' }, 'tokens', 'EUR')).toBeNull();
    expect(match({ model: 'gpt-6.2-sol' }, 'tokens', 'CHF')).toBeNull();
    expect(indexPrices([]).match('tokens', {}, 'USD', NONE)).toBeNull();
  });

  test('finds the longest glob, and of two dimensions the longer ones together', () => {
    const index = indexPrices([
      price('all', { model: '*' }),
      price('g', { model: 'g*' }),
      price('gpt', { model: 'gpt-*' }),
      price('gpt-6', { model: 'gpt-6*' }),
      price('long-region', { model: 'g*', region: 'eu-central*' }),
      price('long-model', { model: 'gpt-6*', region: 'e*' }),
    ]);
    const match = (dimensions: Dimensions) => index.match('tokens', dimensions, 'USD', NONE)?.id ?? null;
    expect(match({ model: 'gpt-6.2-sol' })).toBe('gpt-6');
    expect(match({ model: 'gpt-5' })).toBe('gpt');
    expect(match({ model: 'gpt-' })).toBe('gpt');
    expect(match({ model: 'gpt' })).toBe('g');
    expect(match({ model: '' })).toBe('all');
    expect(match({ region: 'eu' })).toBeNull();
    expect(match({ model: 'gpt-6', region: 'eu-central-1' })).toBe('long-region');
    expect(match({ model: 'gpt-6', region: 'eu-west-1' })).toBe('long-model');
    expect(match({ model: 'gpt-6', region: 'us' })).toBe('gpt-6');
  });

  test('takes the promotional price while its window is active, but never over a narrower one', () => {
    const promotion = until('2026-11-21T00:00:00Z');
    const model = { model: 'gpt-5.6-sol' };
    const index = indexPrices([
      price('ordinary', model),
      price('promotion', model, { window: promotion }),
      price('batch', { ...model, tier: 'batch' }),
    ]);
    const at = (text: string) => new Set([promotion].filter(window => isActive(window, new Date(text))).map(windowKey));
    const match = (dimensions: Dimensions, text: string) => index.match('tokens', dimensions, 'USD', at(text))?.id;
    expect(match(model, '2026-11-20T23:59:59Z')).toBe('promotion');
    expect(match(model, '2026-11-21T00:00:00Z')).toBe('ordinary');
    expect(match({ ...model, tier: 'batch' }, '2026-11-20T00:00:00Z')).toBe('batch');
    expect(match({ ...model, tier: 'flex' }, '2026-11-20T00:00:00Z')).toBe('promotion');
  });

  test('takes the price of the time of day, and falls to wider ones where none is on', () => {
    const [day, night, noon] = [hours('00:30', '16:30'), hours('16:30', '00:30'), hours('12:00', '13:00')];
    const index = indexPrices([
      price('full', { model: 'deepseek-chat' }, { window: day }),
      price('half', { model: 'deepseek-chat' }, { window: night }),
      price('lunch', { model: 'deepseek-reasoner' }, { window: noon }),
      price('rest', { model: 'deepseek-*' }),
    ]);
    const match = (model: string, text: string) =>
      index.match(
        'tokens',
        { model },
        'USD',
        new Set([day, night, noon].filter(window => isActive(window, new Date(text))).map(windowKey)),
      )?.id;
    expect(match('deepseek-chat', '2026-11-20T12:00:00Z')).toBe('full');
    expect(match('deepseek-chat', '2026-11-20T16:30:00Z')).toBe('half');
    expect(match('deepseek-reasoner', '2026-11-20T12:59:59Z')).toBe('lunch');
    expect(match('deepseek-reasoner', '2026-11-20T13:00:00Z')).toBe('rest');
  });

  test('that is a draft and ambiguous is priced by the least id, in any order', () => {
    const twins = [
      price('c', { kind: 'input' }),
      price('a', { kind: 'input' }),
      price('b', { model: 'sol' }),
      price('d', { model: 'sol' }, { window: hours('00:00', '12:00') }),
      price('e', { model: 'sol' }, { window: hours('06:00', '12:00') }),
    ];
    const usage = { model: 'sol', kind: 'input' };
    const active = new Set(twins.flatMap(({ window }) => (window ? [windowKey(window)] : [])));

    for (const book of [twins, twins.toReversed()]) {
      expect(indexPrices(book).match('tokens', usage, 'USD', NONE)?.id).toBe('a');
      expect(indexPrices(book).match('tokens', usage, 'USD', active)?.id).toBe('d');
    }
  });

  test('does not mistake what every object has for a dimension, a meter or a value', () => {
    const strange = JSON.parse('{"__proto__":"a","constructor":"b*"}') as Dimensions;
    const index = indexPrices([
      price('strange', strange),
      price('odd', { toString: '*' }, { meterId: '__proto__', currency: 'constructor' }),
    ]);
    expect(index.match('tokens', {}, 'USD', NONE)).toBeNull();
    expect(index.match('toString', {}, 'valueOf', NONE)).toBeNull();
    expect(index.match('__proto__', {}, 'constructor', NONE)).toBeNull();
    expect(index.match('__proto__', { toString: '' }, 'constructor', NONE)?.id).toBe('odd');
    expect(
      index.match('tokens', JSON.parse('{"__proto__":"a","constructor":"bc"}') as Dimensions, 'USD', NONE)?.id,
    ).toBe('strange');
  });
});

describe('any book', () => {
  const NAMES = ['model', 'kind', 'band', '__proto__', 'constructor'];
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'ba') },
    { weight: 1, arbitrary: fc.constantFrom('*', 'a*', '__proto__', 'a\u0000b', '"', '😀', '\ud83d') },
  );
  const wanted = fc.oneof(
    value,
    value.map(text => `${text}*`),
  );
  /** Each name is left out once in `freq` times. */
  const recordOf = (
    names: readonly string[],
    arbitrary: fc.Arbitrary<string>,
    freq: number,
  ): fc.Arbitrary<Dimensions> =>
    fc
      .tuple(
        ...names.map(name =>
          fc.option(
            arbitrary.map(text => [name, text] as const),
            { freq },
          ),
        ),
      )
      .map(entries => Object.fromEntries(entries.filter(entry => entry !== null)));
  const WINDOWS = [
    until('2026-11-21T00:00:00Z'),
    until('2026-12-01T00:00:00Z'),
    hours('00:30', '16:30'),
    hours('16:30', '00:30'),
  ];
  const meterId = fc.constantFrom('tokens', 'tokens', 'tokens', '__proto__');
  const currency = fc.constantFrom('USD', 'USD', 'USD', 'EUR');
  const window = fc.oneof(fc.constant(null), fc.constantFrom(...WINDOWS));
  const active = fc
    .subarray([...WINDOWS, until('2030-01-01T00:00:00Z'), hours('01:00', '02:00')])
    .map(windows => new Set(windows.map(windowKey)));
  const bookOf = (names: readonly string[], texts: fc.Arbitrary<string>, most: number) =>
    fc
      .array(fc.record({ meterId, currency, window, pattern: recordOf(names, texts, 2) }), {
        maxLength: most,
        size: 'max',
      })
      .chain(bindings =>
        // Ids in another order than the prices, so that the least is not the first.
        fc
          .shuffledSubarray(
            bindings.map((_, index) => index),
            { minLength: bindings.length },
          )
          .map(order =>
            bindings.map((binding, index) => ({ ...binding, id: `p${String(order[index]).padStart(3, '0')}` })),
          ),
      );
  const usageOf = (names: readonly string[]) =>
    fc.record({ meterId, currency, active, dimensions: recordOf(names, value, 6) });

  const expectSame = (most: number, names: readonly string[], texts: fc.Arbitrary<string>, runs: number) => {
    const seen = { missed: 0, byExact: 0, byGlob: 0, promoted: 0, rivals: 0 };
    fc.assert(
      fc.property(
        bookOf(names, texts, most),
        fc.array(usageOf(names), { minLength: 1, maxLength: 10 }),
        (book, usages) => {
          const index = indexPrices(book);

          for (const usage of usages) {
            const expected = linearMatch(book, usage.meterId, usage.dimensions, usage.currency, usage.active);
            expect(index.match(usage.meterId, usage.dimensions, usage.currency, usage.active)).toBe(expected);
            const narrow = expected ? specificity(expected) : null;
            seen.missed += narrow ? 0 : 1;
            seen.byExact += narrow?.exact ? 1 : 0;
            seen.byGlob += narrow?.globs ? 1 : 0;
            seen.promoted += narrow?.windows ? 1 : 0;
            seen.rivals += book.filter(({ pattern }) => matches(pattern, usage.dimensions)).length > 1 ? 1 : 0;
          }
        },
      ),
      { numRuns: runs },
    );

    return seen;
  };

  test('is matched as by trying each price', () => {
    const seen = expectSame(40, NAMES, wanted, 1_500);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(200);
  });

  test('is matched as by trying each price, where rivals crowd', () => {
    const seen = expectSame(60, ['model', 'kind'], fc.constantFrom('a', 'a*', 'ab*', 'abc*', 'b*', '*'), 1_500);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(200);
  });

  test('is matched the same in any order of its prices', () => {
    const books = bookOf(['model', 'kind'], wanted, 20).chain(book =>
      fc.tuple(fc.constant(book), fc.shuffledSubarray(book, { minLength: book.length })),
    );
    fc.assert(
      fc.property(books, usageOf(['model', 'kind']), ([book, other], { dimensions, active: on }) => {
        expect(indexPrices(other).match('tokens', dimensions, 'USD', on)).toBe(
          indexPrices(book).match('tokens', dimensions, 'USD', on),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('that is accepted leaves no usage between two equally specific prices that apply at one instant', () => {
    const instant = fc.integer({ min: Date.UTC(2026, 10, 19), max: Date.UTC(2026, 11, 3) }).map(ms => new Date(ms));
    let contested = 0;
    fc.assert(
      fc.property(
        bookOf(['model', 'kind'], fc.constantFrom('a', 'a*', 'ab*', 'b*'), 20),
        fc.array(fc.tuple(usageOf(['model', 'kind']), instant), { minLength: 1, maxLength: 20 }),
        (drafts, usages) => {
          const refused = new Set(refusePrices(drafts).map(([, second]) => second.id));
          const book = drafts.filter(({ id }) => !refused.has(id));
          expect(refusePrices(book)).toEqual([]);

          for (const [usage, at] of usages) {
            const ranks = book
              .filter(each => each.meterId === usage.meterId && each.currency === usage.currency)
              .filter(each => (!each.window || isActive(each.window, at)) && matches(each.pattern, usage.dimensions))
              .map(each => JSON.stringify(specificity(each)));
            contested += ranks.length > 1 ? 1 : 0;
            expect(new Set(ranks).size).toBe(ranks.length);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(contested).toBeGreaterThan(200);
  });
});

test('a match among ten thousand prices does not try each', () => {
  const book = Array.from({ length: 10_000 }, (_, index) =>
    price(String(index), { model: `model-${index % 2_500}`, kind: `kind-${Math.floor(index / 2_500)}` }),
  );
  const index = indexPrices(book);
  const elapsed = (match: (dimensions: Dimensions) => PriceBinding | null): number => {
    const started = performance.now();

    for (let number = 0; number < 50; number++) {
      expect(match({ model: `model-${number}`, kind: 'kind-2' })?.id).toBe(String(5_000 + number));
    }

    return performance.now() - started;
  };
  const linear = elapsed(dimensions => linearMatch(book, 'tokens', dimensions, 'USD', NONE));
  // In truth it is some thousand times faster; the rest is for a busy machine.
  expect(elapsed(dimensions => index.match('tokens', dimensions, 'USD', NONE))).toBeLessThan(linear / 5);
});
