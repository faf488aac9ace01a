import fc from 'fast-check';
import {
  compareSpecificity,
  type DimensionPattern,
  matches,
  matchPrice,
  overlaps,
  refusePrices,
  specificity,
} from '../../src/pricing/pattern.rules.js';
import { pricingModelJson, readPricingModel } from '../../src/pricing/price.rules.js';

const tier = (upTo: string | null, amount = '1', flat = '0') => ({ upTo, rate: { amount, per: '1' }, flat });
const graduated = (...bounds: (string | null)[]) => ({ kind: 'GRADUATED', tiers: bounds.map(bound => tier(bound)) });

/** The refused fields, dotted; empty when the model is accepted. */
const refusedFields = (json: unknown) => {
  const reading = readPricingModel(json);

  return 'refusals' in reading ? reading.refusals.map(refusal => refusal.field.join('.')) : [];
};

describe('readPricingModel', () => {
  test.each([
    [{ kind: 'FLAT', amount: '10.5' }],
    [{ kind: 'FLAT', amount: '0' }],
    [{ kind: 'FLAT', amount: '1000000000000000' }],
    [{ kind: 'PER_UNIT', rate: { amount: '0.000000000001', per: '1000000' } }],
    [{ kind: 'PER_UNIT', rate: { amount: '1', per: '0.5' } }],
    [{ kind: 'PACKAGE', amount: '15', size: '10', free: '3' }],
    [graduated(null)],
    [graduated('0.000000000000000001', '1000', null)],
    [{ kind: 'VOLUME', tiers: [tier('10', '2', '5'), tier(null, '1', '7')] }],
  ])('%j is read and written back the same', json => {
    const reading = readPricingModel(json);
    expect('model' in reading && pricingModelJson(reading.model)).toEqual(json);
  });

  test('free units and flats are zero when absent, and null is absent', () => {
    const bare = { upTo: null, rate: { amount: '1', per: '1' } };
    const readings = [
      { kind: 'PACKAGE', amount: '1', size: '2', rate: null, tiers: undefined },
      { kind: 'VOLUME', tiers: [bare], amount: null },
    ].map(readPricingModel);
    expect(readings.map(reading => 'model' in reading && pricingModelJson(reading.model))).toEqual([
      { kind: 'PACKAGE', amount: '1', size: '2', free: '0' },
      { kind: 'VOLUME', tiers: [{ ...bare, flat: '0' }] },
    ]);
  });

  test.each<[string, unknown, string[]]>([
    ['no object', 'FLAT', ['']],
    ['a list', [], ['']],
    ['nothing', null, ['']],
    ['no kind', {}, ['kind']],
    ['an unknown kind', { kind: 'TIERED' }, ['kind']],
    ['a kind that every object has', { kind: 'constructor' }, ['kind']],
    ['a missing amount', { kind: 'FLAT' }, ['amount']],
    ['a number', { kind: 'FLAT', amount: 1 }, ['amount']],
    ['an exponent', { kind: 'FLAT', amount: '1e3' }, ['amount']],
    ['a negative amount', { kind: 'FLAT', amount: '-0.01' }, ['amount']],
    ['an amount above 1e15', { kind: 'FLAT', amount: '1000000000000000.01' }, ['amount']],
    ['thirteen fraction digits', { kind: 'FLAT', amount: '0.0000000000001' }, ['amount']],
    ['a misspelled field', { kind: 'FLAT', amount: '1', fre: '1' }, ['fre']],
    ['a field of another kind', { kind: 'FLAT', amount: '1', size: '1' }, ['size']],
    ['no rate', { kind: 'PER_UNIT' }, ['rate']],
    ['no per', { kind: 'PER_UNIT', rate: { amount: '1' } }, ['rate.per']],
    ['per zero', { kind: 'PER_UNIT', rate: { amount: '1', per: '0' } }, ['rate.per']],
    ['per below zero', { kind: 'PER_UNIT', rate: { amount: '1', per: '-1' } }, ['rate.per']],
    ['package size zero', { kind: 'PACKAGE', amount: '1', size: '0' }, ['size']],
    ['negative free units', { kind: 'PACKAGE', amount: '1', size: '1', free: '-1' }, ['free']],
    ['everything at once', { kind: 'PACKAGE', size: '-1', free: 'x' }, ['amount', 'size', 'free']],
    ['no tiers', { kind: 'VOLUME' }, ['tiers']],
    ['an empty list of tiers', graduated(), ['tiers']],
    ['101 tiers', graduated(...Array.from({ length: 100 }, (_, index) => String(index + 1)), null), ['tiers']],
    ['a tier that is none', { kind: 'VOLUME', tiers: ['x', tier(null)] }, ['tiers.0']],
    ['a first bound of zero', graduated('0', null), ['tiers.0.upTo']],
    ['a first bound below zero', graduated('-5', null), ['tiers.0.upTo']],
    ['bounds that repeat', graduated('5', '5.0', null), ['tiers.1.upTo']],
    ['bounds that fall', graduated('10', '5', null), ['tiers.1.upTo']],
    ['a bounded last tier', graduated('5', '10'), ['tiers.1.upTo']],
    ['an open tier before the last', graduated('5', null, null), ['tiers.1.upTo']],
    ['a negative flat', { kind: 'VOLUME', tiers: [tier(null, '1', '-1')] }, ['tiers.0.flat']],
    ['a tier without rate', { kind: 'VOLUME', tiers: [{ upTo: null }] }, ['tiers.0.rate']],
    ['a misspelled tier field', { kind: 'VOLUME', tiers: [{ ...tier(null), flatt: '3' }] }, ['tiers.0.flatt']],
    ['a bad rate in a tier', { kind: 'VOLUME', tiers: [tier(null, 'x')] }, ['tiers.0.rate.amount']],
  ])('refuses %s, naming the field', (_, json, fields) => {
    expect(refusedFields(json)).toEqual(fields);
  });

  test('a refusal says what was given and what would do', () => {
    expect(readPricingModel({ kind: 'FLAT', amount: '-1' })).toEqual({
      refusals: [
        {
          field: ['amount'],
          message:
            'amount must be a decimal string from 0 to 1000000000000000 with at most 12 fraction digits, not "-1"',
        },
      ],
    });
  });

  test('any JSON is answered, never thrown at', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('FLAT', 'PER_UNIT', 'PACKAGE', 'GRADUATED', 'VOLUME'),
        (json, kind) => {
          const reading = readPricingModel({ kind, amount: json, rate: json, tiers: [json, json], size: json });
          expect('model' in reading || reading.refusals.length > 0).toBe(true);
        },
      ),
    );
  });
});

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
    [{ model: 'sol', kind: 'in*' }, { model: 'sol', kind: 'output' }, false],
    [{ toString: '*' }, {}, false],
  ])('%j on %j: %p', (pattern, dimensions, expected) => {
    expect(matches(pattern, dimensions)).toBe(expected);
  });

  test.each<[DimensionPattern, DimensionPattern, boolean]>([
    [{}, {}, true],
    [{}, { model: 'a' }, true],
    [{ model: 'a' }, { kind: 'b' }, true],
    [{ model: 'a' }, { model: 'a' }, true],
    [{ model: 'a' }, { model: 'b' }, false],
    [{ model: 'a*' }, { model: 'ab' }, true],
    [{ model: 'a*' }, { model: 'b' }, false],
    [{ model: 'a*' }, { model: 'ab*' }, true],
    [{ model: 'a*' }, { model: 'b*' }, false],
    [{ model: '*' }, { model: 'b*' }, true],
    [{ model: 'a', kind: 'x' }, { model: 'a', kind: 'y' }, false],
  ])('%j and %j share usage: %p', (a, b, expected) => {
    expect(overlaps(a, b)).toBe(expected);
    expect(overlaps(b, a)).toBe(expected);
  });

  test('narrower is more exact values, then more globs, then longer globs', () => {
    const patterns: DimensionPattern[] = [
      {},
      { a: '*' },
      { a: 'x*' },
      { a: 'xy*' },
      { a: '*', b: '*' },
      { a: 'x' },
      { a: 'x', b: '*' },
      { a: 'x', b: 'y' },
    ];
    const shuffled = [...patterns].reverse();
    expect(shuffled.sort((a, b) => compareSpecificity(specificity(a), specificity(b)))).toEqual(patterns);
    expect(compareSpecificity(specificity({ a: 'x*' }), specificity({ b: 'y*' }))).toBe(0);
  });
});

describe('a book', () => {
  const price = (id: string, pattern: DimensionPattern, meterId = 'tokens') => ({ id, meterId, pattern });
  const ids = (pairs: readonly (readonly { id: string }[])[]) => pairs.map(pair => pair.map(({ id }) => id).join('-'));

  test('is refused for each pair that some usage would match equally well', () => {
    const prices = [
      price('a', { model: 'sol' }),
      price('b', { kind: 'input' }),
      price('c', { model: 'sol' }, 'images'),
      price('d', { model: 'astra' }),
      price('e', { model: 'sol', kind: 'input' }),
      price('f', { model: 'so*', region: 'eu*' }),
      price('g', { model: 'sol*', region: 'e*' }),
      price('h', { kind: 'input' }),
    ];
    expect(ids(refusePrices(prices))).toEqual(['a-b', 'a-h', 'b-d', 'b-h', 'd-h', 'f-g']);
  });

  test('prices gpt-6.2-sol by token kind and context band, and leaves the rest to wider prices', () => {
    const book = [
      price('any', {}),
      price('gpt', { model: 'gpt-*', kind: '*' }),
      price('sol-in', { model: 'gpt-6.2-sol', kind: 'input' }),
      price('sol-in-long', { model: 'gpt-6.2-sol', kind: 'input', band: '>272k' }),
      price('sol-out', { model: 'gpt-6.2-sol', kind: 'output' }),
      price('images', {}, 'images'),
    ];
    const match = (dimensions: Record<string, string>, meterId = 'tokens') =>
      matchPrice(book, meterId, dimensions)?.id ?? null;
    expect(refusePrices(book)).toEqual([]);
    expect(match({ model: 'gpt-6.2-sol', kind: 'input', band: '<=272k' })).toBe('sol-in');
    expect(match({ model: 'gpt-6.2-sol', kind: 'input', band: '>272k' })).toBe('sol-in-long');
    expect(match({ model: 'gpt-6.2-sol', kind: 'output', band: '>272k' })).toBe('sol-out');
    expect(match({ model: 'gpt-6-luna', kind: 'input' })).toBe('gpt');
    expect(match({ model: 'gpt-6-luna' })).toBe('any');
    expect(match({}, 'images')).toBe('images');
    expect(match({}, 'seconds')).toBeNull();
    expect(matchPrice([], 'tokens', {})).toBeNull();
  });

  test('that is a draft and ambiguous is priced by the least id, in any order', () => {
    const [a, b] = [price('a', { kind: 'input' }), price('b', { model: 'sol' })];
    const usage = { model: 'sol', kind: 'input' };
    expect([matchPrice([a, b], 'tokens', usage), matchPrice([b, a], 'tokens', usage)]).toEqual([a, a]);
  });

  test('ten thousand exact prices are checked without comparing all with all', () => {
    const prices = Array.from({ length: 10_000 }, (_, index) =>
      price(String(index), { model: `m${index % 2_500}`, kind: `k${Math.floor(index / 2_500)}` }),
    );
    expect(refusePrices(prices)).toEqual([]);
    expect(ids(refusePrices([...prices, price('twin', { kind: 'k3', model: 'm2499' })]))).toEqual(['9999-twin']);
  });

  const value = fc.constantFrom('', 'a', 'ab', 'abc', 'b', 'bc');
  const wanted = fc.oneof(
    value.filter(text => text !== ''),
    value.map(text => `${text}*`),
  );
  const names = ['model', 'kind', 'band'] as const;
  const pattern = fc.record({ model: wanted, kind: wanted, band: wanted }, { requiredKeys: [] });
  const dimensions = fc.record({ model: value, kind: value, band: value }, { requiredKeys: [] });
  const prices = fc
    .array(fc.record({ meterId: fc.constantFrom('tokens', 'images'), pattern }), { maxLength: 12 })
    .map(bindings => bindings.map((binding, index) => ({ ...binding, id: `p${index}` })));

  test('overlap is symmetric and holds whenever some usage satisfies both', () => {
    fc.assert(
      fc.property(pattern, pattern, dimensions, (a, b, usage) => {
        expect(overlaps(a, b)).toBe(overlaps(b, a));

        if (matches(a, usage) && matches(b, usage)) {
          expect(overlaps(a, b)).toBe(true);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('overlap has a witness: the narrower value of each dimension satisfies both', () => {
    fc.assert(
      fc.property(pattern, pattern, (a, b) => {
        const witness: Record<string, string> = {};

        for (const name of names) {
          const values = [a[name], b[name]].filter(text => text !== undefined);
          const exact = values.find(text => !text.endsWith('*'));
          const longest = values.sort((x, y) => y.length - x.length)[0];

          if (longest !== undefined) {
            witness[name] = exact ?? longest.slice(0, -1);
          }
        }

        expect(matches(a, witness) && matches(b, witness)).toBe(overlaps(a, b));
      }),
      { numRuns: 2_000 },
    );
  });

  test('the pairs refused are those that comparing all with all finds', () => {
    fc.assert(
      fc.property(prices, book => {
        const expected = book.flatMap((a, index) =>
          book
            .slice(index + 1)
            .filter(b => a.meterId === b.meterId && overlaps(a.pattern, b.pattern))
            .filter(b => compareSpecificity(specificity(a.pattern), specificity(b.pattern)) === 0)
            .map(b => [a, b]),
        );
        expect(refusePrices(book)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('an accepted book never leaves usage between two equally specific prices', () => {
    let accepted = 0;
    fc.assert(
      fc.property(prices, fc.array(dimensions, { minLength: 1, maxLength: 20 }), (drafts, usages) => {
        const refused = new Set(refusePrices(drafts).map(([, second]) => second.id));
        const book = drafts.filter(({ id }) => !refused.has(id));
        expect(refusePrices(book)).toEqual([]);
        accepted += 1;

        for (const usage of usages) {
          const ranks = book
            .filter(({ meterId, pattern: wants }) => meterId === 'tokens' && matches(wants, usage))
            .map(({ pattern: wants }) => JSON.stringify(specificity(wants)));
          expect(new Set(ranks).size).toBe(ranks.length);
        }
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBe(500);
  });

  test('the winner does not depend on the order of the prices, and nothing that matches is narrower', () => {
    // Few values and dimensions that are always there, so that rivals and ties are common.
    const crowded = fc.record(
      { model: fc.constantFrom('a', 'a*', '*'), kind: fc.constantFrom('a', 'a*', '*') },
      { requiredKeys: [] },
    );
    const books = fc
      .array(crowded, { minLength: 1, maxLength: 8 })
      .map(patterns => patterns.map((wants, index) => price(`p${index}`, wants)));
    const shuffled = books.chain(book =>
      fc.tuple(fc.constant(book), fc.shuffledSubarray(book, { minLength: book.length })),
    );
    const usages = fc.record({ model: fc.constantFrom('a', 'ab'), kind: fc.constantFrom('a', 'ab') });
    fc.assert(
      fc.property(shuffled, usages, ([book, other], usage) => {
        const winner = matchPrice(book, 'tokens', usage);
        const rivals = book.filter(({ pattern: wants }) => matches(wants, usage));
        expect(matchPrice(other, 'tokens', usage)).toBe(winner);
        expect(winner === null).toBe(rivals.length === 0);

        if (winner) {
          const margins = rivals.map(rival =>
            compareSpecificity(specificity(winner.pattern), specificity(rival.pattern)),
          );
          expect(Math.min(...margins)).toBe(0);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
