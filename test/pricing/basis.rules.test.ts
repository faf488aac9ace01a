import fc from 'fast-check';
import { decimal, formatDecimal } from '../../src/money/index.js';
import {
  adjustmentFor,
  adjustmentJson,
  type AdjustmentJson,
  type BookEdge,
  covers,
  MAX_DEPTH,
  readAdjustments,
  refuseEdge,
} from '../../src/pricing/basis.rules.js';
import { readDiscountTiers } from '../../src/pricing/discount-terms.rules.js';
import { derivePrices, indexLivePrices, type LivePrice } from '../../src/pricing/live-price.rules.js';
import { type DimensionPattern, matches } from '../../src/pricing/pattern.rules.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';
import { priceTermsJson } from '../../src/pricing/price.rules.js';

const read = (...given: readonly AdjustmentJson[]) => {
  const reading = readAdjustments(given);

  if ('refusals' in reading) {
    throw new Error(JSON.stringify(reading.refusals));
  }

  return reading.adjustments;
};
const fields = (...given: readonly AdjustmentJson[]) => {
  const reading = readAdjustments(given);

  return 'refusals' in reading ? reading.refusals.map(({ field }) => field.join('.')) : [];
};

describe('a pattern', () => {
  test.each<[DimensionPattern, DimensionPattern, boolean]>([
    [{}, {}, true],
    [{}, { model: 'sol' }, true],
    [{ model: 'sol' }, {}, false],
    [{ model: '*' }, {}, false],
    [{ model: '*' }, { model: 'sol' }, true],
    [{ model: 'sol' }, { model: 'sol' }, true],
    [{ model: 'sol' }, { model: 'sol', kind: 'input' }, true],
    [{ model: 'sol' }, { model: 'sol*' }, false],
    [{ model: 'gpt-*' }, { model: 'gpt-6' }, true],
    [{ model: 'gpt-*' }, { model: 'gpt-6*' }, true],
    [{ model: 'gpt-*' }, { model: 'gpt*' }, false],
    [{ model: 'gpt-*' }, { model: 'gpt-*' }, true],
    [{ model: 'gpt-*', kind: 'input' }, { model: 'gpt-6' }, false],
  ])('%j covers a price for %j: %s', (pattern, price, expected) => {
    expect(covers(pattern, price)).toBe(expected);
  });

  test('that covers a price is satisfied by all usage that the price matches', () => {
    const text = fc.constantFrom('a', 'ab', 'abc', 'b', 'a*', 'ab*', '*', 'b*');
    const pattern = fc.dictionary(fc.constantFrom('model', 'kind'), text, { maxKeys: 2, noNullPrototype: true });
    const used = fc.dictionary(fc.constantFrom('model', 'kind'), fc.constantFrom('a', 'ab', 'abc', 'abd', 'b', 'ba'), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(pattern, pattern, used, (wide, narrow, dimensions) => {
        fc.pre(covers(wide, narrow) && matches(narrow, dimensions));
        expect(matches(wide, dimensions)).toBe(true);
      }),
    );
  });
});

describe('adjustments', () => {
  test('are read with exact decimals and written back', () => {
    const given: readonly AdjustmentJson[] = [
      { meterId: null, dimensions: {}, percent: '15', floor: null },
      { meterId: 'mtr_1', dimensions: { model: 'a*' }, percent: '-99.999999999999', floor: null },
      { meterId: null, dimensions: { kind: 'x' }, percent: '0', floor: { unitAmount: '0.08', per: '1000' } },
    ];
    expect(read(...given).map(adjustmentJson)).toEqual(given);
  });

  test.each([
    ['-100', ['0.percent']],
    ['-100.5', ['0.percent']],
    ['1000001', ['0.percent']],
    ['15 %', ['0.percent']],
    ['1e1', ['0.percent']],
    ['', ['0.percent']],
    ['1000000', []],
    ['-99.9', []],
  ])('by %j per cent are refused at %j', (percent, expected) => {
    expect(fields({ percent })).toEqual(expected);
  });

  test('are refused with every field at fault', () => {
    expect(
      fields(
        { percent: '1', floor: { unitAmount: '-1', per: '0' } },
        { percent: 'x', dimensions: { b: '1', a: '2' } },
        { percent: '2', dimensions: { a: '2', b: '1' } },
      ),
    ).toEqual(['0.floor.unitAmount', '0.floor.per', '1.percent', '2']);
  });

  test('the narrowest one that covers the price applies, and of equals the first', () => {
    const list = read(
      { percent: '1' },
      { percent: '2', meterId: 'm' },
      { percent: '3', dimensions: { model: 'gpt-*' } },
      { percent: '4', dimensions: { model: 'gpt-6*' } },
      { percent: '5', dimensions: { model: 'gpt-6' } },
      { percent: '6', meterId: 'm', dimensions: { model: 'gpt-6' } },
      { percent: '7', dimensions: { kind: 'input' } },
    );
    const of = (meterId: string, pattern: DimensionPattern) => {
      const found = adjustmentFor(list, { meterId, pattern });

      return found && formatDecimal(found.percent);
    };
    expect(of('other', {})).toBe('1');
    expect(of('m', {})).toBe('2');
    expect(of('other', { model: 'gpt-5' })).toBe('3');
    expect(of('other', { model: 'gpt-6.2' })).toBe('4');
    // A meter counts as one exact dimension, more than a glob.
    expect(of('m', { model: 'gpt-6.2' })).toBe('2');
    expect(of('other', { model: 'gpt-6' })).toBe('5');
    expect(of('m', { model: 'gpt-6' })).toBe('6');
    expect(of('other', { model: 'gpt-6', kind: 'input' })).toBe('5');
    expect(adjustmentFor(list.slice(1), { meterId: 'other', pattern: {} })).toBeNull();
  });
});

describe('books above each other', () => {
  const edge = (text: string): BookEdge => {
    const [child = '', parent = ''] = text.split('>');

    return { child, parent };
  };
  const refused = (known: string, added: string) => {
    const refusal = refuseEdge(known.split(' ').filter(Boolean).map(edge), edge(added));

    return refusal && `${refusal.reason} ${refusal.path.join('>')}`;
  };

  test('may stand on each other in a line, a tree or a diamond', () => {
    expect(refused('', 'a>b')).toBeNull();
    expect(refused('b>c c>d d>e', 'a>b')).toBeNull();
    expect(refused('a>b c>b', 'd>b')).toBeNull();
    expect(refused('a>b a>c b>d', 'c>d')).toBeNull();
  });

  test('never in a circle, and the refusal walks it', () => {
    expect(refused('', 'a>a')).toBe('CYCLE a>a');
    expect(refused('a>b', 'b>a')).toBe('CYCLE b>a>b');
    expect(refused('a>b b>c x>c', 'c>a')).toBe('CYCLE c>a>b>c');
  });

  test('five at most, counted through the new one in both directions', () => {
    expect(MAX_DEPTH).toBe(5);
    expect(refused('b>c c>d d>e e>f', 'a>b')).toBe('DEPTH a>b>c>d>e>f');
    expect(refused('x>y y>a b>c c>d', 'a>b')).toBe('DEPTH x>y>a>b>c>d');
    expect(refused('y>a b>c c>d', 'a>b')).toBeNull();
  });
});

describe('prices that are taken over', () => {
  const price = (id: string, given: Partial<LivePrice> & { readonly unitAmount?: string } = {}): LivePrice => {
    const { unitAmount = '10', ...rest } = given;
    const reading = readPriceTerms({ model: 'UNIT', unitAmount });

    if ('refusals' in reading) {
      throw new Error(JSON.stringify(reading.refusals));
    }

    return {
      id,
      meterId: 'm',
      name: id,
      currency: 'USD',
      pattern: {},
      window: null,
      terms: reading.terms,
      inheritedFrom: null,
      takenBy: [],
      costCurrency: null,
      ...rest,
    };
  };
  const derivation = { versionId: 'child', parentVersionId: 'parent', adjustments: read({ percent: '-20' }), fx: null };
  const told = (prices: readonly LivePrice[]) =>
    prices.map(({ id, currency, terms }) => [id, currency, priceTermsJson(terms).unitAmount]);

  test('come after the own ones, adjusted, and say where they are from', () => {
    const [own, taken] = derivePrices([price('own', { pattern: { a: 'x' } })], [price('old')], derivation);
    expect(own).toEqual(price('own', { pattern: { a: 'x' } }));
    expect(taken).toEqual({
      ...price('old', { unitAmount: '8' }),
      inheritedFrom: {
        priceBookVersionId: 'parent',
        percent: '-20',
        fxSnapshotId: null,
        isFloored: false,
        inheritedFrom: null,
      },
      takenBy: ['child'],
    });
  });

  test('an own price of the same meter, dimensions, window and currency replaces them, in whatever order it names these', () => {
    const parent = [
      price('same', { pattern: { a: 'x', b: 'y' } }),
      price('other meter', { meterId: 'n', pattern: { a: 'x', b: 'y' } }),
      price('other currency', { currency: 'EUR', pattern: { a: 'x', b: 'y' } }),
      price('other dimensions', { pattern: { a: 'x' } }),
      price('window', { pattern: { a: 'x', b: 'y' }, window: { from: new Date(0), until: null, daily: null } }),
    ];
    const own = price('own', { pattern: { b: 'y', a: 'x' } });
    expect(derivePrices([own], parent, derivation).map(({ id }) => id)).toEqual([
      'own',
      'other meter',
      'other currency',
      'other dimensions',
      'window',
    ]);
  });

  test('in the base of an exchange rate become prices in its quote, and no others come', () => {
    const fx = { fxSnapshotId: 'fxs', base: 'USD', quote: 'EUR', rate: decimal('0.92') };
    const taken = derivePrices([], [price('usd'), price('eur', { currency: 'EUR' })], { ...derivation, fx });
    expect(told(taken)).toEqual([['usd', 'EUR', '7.36']]);
    expect(taken[0]).toMatchObject({ costCurrency: 'USD', inheritedFrom: { fxSnapshotId: 'fxs', percent: '-20' } });
    // A second conversion still looks up costs where they were entered.
    const again = derivePrices([], taken, {
      versionId: 'third',
      parentVersionId: 'child',
      adjustments: [],
      fx: { fxSnapshotId: 'fxs2', base: 'EUR', quote: 'GBP', rate: decimal('0.5') },
    });
    expect(told(again)).toEqual([['usd', 'GBP', '3.68']]);
    expect(again[0]).toMatchObject({
      costCurrency: 'USD',
      takenBy: ['child', 'third'],
      inheritedFrom: { percent: '0', inheritedFrom: { percent: '-20' } },
    });
  });

  test('without an exchange rate keep their currencies', () => {
    const taken = derivePrices([], [price('usd'), price('eur', { currency: 'EUR' })], derivation);
    expect(told(taken)).toEqual([
      ['usd', 'USD', '8'],
      ['eur', 'EUR', '8'],
    ]);
  });

  test('say when a floor has raised them', () => {
    const adjustments = read({ percent: '-20', floor: { unitAmount: '9' } });
    const taken = derivePrices([], [price('low'), price('high', { unitAmount: '20' })], { ...derivation, adjustments });
    expect(
      taken.map(({ terms, inheritedFrom }) => [priceTermsJson(terms).unitAmount, inheritedFrom?.isFloored]),
    ).toEqual([
      ['9', true],
      ['16', false],
    ]);
  });

  test('lose against an own price that is equally specific, and against one taken over fewer times, whatever their ids', () => {
    const match = (...prices: readonly LivePrice[]) =>
      indexLivePrices(prices).match('m', { a: 'x', b: 'y' }, 'USD', new Set())?.id;
    const own = price('prc_9', { pattern: { a: 'x' } });
    const taken = price('prc_1', { pattern: { b: 'y' }, takenBy: ['child'] });
    const twice = price('prc_0', { pattern: { b: '*' }, takenBy: ['parent', 'child'] });
    expect(match(own, taken)).toBe('prc_9');
    expect(match(taken, own)).toBe('prc_9');
    expect(match({ ...twice, pattern: { a: 'x' } }, taken)).toBe('prc_1');
    // Narrower comes first all the same.
    expect(match(own, { ...taken, pattern: { a: 'x', b: 'y' } })).toBe('prc_1');
  });
});

describe('the tiers of a discount', () => {
  const refusals = (...tiers: readonly { upTo?: string | null; rate: string }[]) => {
    const reading = readDiscountTiers(tiers);

    return 'refusals' in reading ? reading.refusals.map(({ field }) => field.join('.')) : [];
  };

  test.each<[string, readonly { upTo?: string | null; rate: string }[], readonly string[]]>([
    ['one open tier', [{ rate: '5' }], []],
    ['ascending tiers', [{ upTo: '10', rate: '0' }, { upTo: '20.5', rate: '100' }, { rate: '7.25' }], []],
    ['no tier', [], ['tiers']],
    ['a last tier that ends', [{ upTo: '10', rate: '5' }], ['tiers.0.upTo']],
    ['an open tier in between', [{ rate: '5' }, { rate: '6' }], ['tiers.0.upTo']],
    ['descending tiers', [{ upTo: '10', rate: '5' }, { upTo: '10', rate: '6' }, { rate: '7' }], ['tiers.1.upTo']],
    ['an end at zero', [{ upTo: '0', rate: '5' }, { rate: '7' }], ['tiers.0.upTo']],
    ['an end that is no number', [{ upTo: 'ten', rate: '5' }, { rate: '7' }], ['tiers.0.upTo']],
    ['rates out of range', [{ upTo: '10', rate: '-1' }, { rate: '100.1' }], ['tiers.0.rate', 'tiers.1.rate']],
    ['101 tiers', Array.from({ length: 101 }, (_, n) => ({ upTo: String(n + 1), rate: '1' })), ['tiers']],
  ])('%s are refused at the right field', (_what, tiers, expected) => {
    expect(refusals(...tiers)).toEqual(expected);
  });
});
