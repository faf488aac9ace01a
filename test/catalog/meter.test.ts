import fc from 'fast-check';
import {
  AGGREGATIONS,
  readDimensions,
  readQuantity,
  refuseMeter,
  type MeterDefinition,
} from '../../src/catalog/meter.rules.js';
import { decimal, formatDecimal } from '../../src/money/index.js';

const METER: MeterDefinition = {
  key: 'input_tokens',
  eventType: 'llm.tokens',
  filter: '',
  aggregation: 'SUM',
  valueProperty: 'tokens',
  dimensions: [
    { name: 'model', property: 'model' },
    { name: 'region', property: 'cloud.region' },
  ],
  unit: 'token',
};

function faults(change: Partial<MeterDefinition>): string[] {
  return refuseMeter({ ...METER, ...change }).map(({ field }) => field.join('.'));
}

/** The quantity as text, the unique text, or the reason. */
function quantity(value: unknown, change: Partial<MeterDefinition> = {}): string {
  const result = readQuantity({ ...METER, ...change }, value === undefined ? {} : { tokens: value });

  if ('reason' in result) {
    expect(result.field).toBe('properties.tokens');
    expect(result.reason.startsWith('properties.tokens ')).toBe(true);

    return result.reason.slice('properties.tokens '.length);
  }

  return 'unique' in result ? `unique ${result.unique}` : formatDecimal(result.quantity);
}

describe('a meter definition', () => {
  it('is accepted', () => {
    expect(refuseMeter(METER)).toEqual([]);
    expect(faults({ aggregation: 'COUNT', valueProperty: null, dimensions: [] })).toEqual([]);
    expect(faults({ valueProperty: 'gen_ai.usage.cache_read.input-tokens' })).toEqual([]);
  });

  it.each([
    [{ key: '' }, ['key']],
    [{ key: 'Tokens' }, ['key']],
    [{ key: 'a'.repeat(64) }, ['key']],
    [{ key: 'a\n' }, ['key']],
    [{ eventType: '' }, ['eventType']],
    [{ eventType: 'a b' }, ['eventType']],
    [{ aggregation: 'AVG' as 'SUM' }, ['aggregation']],
    [{ unit: '' }, ['unit']],
    [{ valueProperty: null }, ['valueProperty']],
    [{ valueProperty: '' }, ['valueProperty']],
    [{ valueProperty: 'a..b' }, ['valueProperty']],
    [{ valueProperty: 'a.b.c.d.e' }, ['valueProperty']],
    [{ valueProperty: '__proto__' }, ['valueProperty']],
    [{ valueProperty: 'a.constructor' }, ['valueProperty']],
    [{ valueProperty: 'a'.repeat(300) }, ['valueProperty']],
    [{ aggregation: 'COUNT' as const }, ['valueProperty']],
    [{ dimensions: [{ name: 'Model', property: 'model' }] }, ['dimensions.0.name']],
    [{ dimensions: [{ name: 'model', property: 'a b' }] }, ['dimensions.0.property']],
    [
      {
        dimensions: [
          { name: 'model', property: 'a' },
          { name: 'model', property: 'b' },
        ],
      },
      ['dimensions.1.name'],
    ],
    [{ dimensions: Array.from({ length: 9 }, (_, i) => ({ name: `d${i}`, property: 'p' })) }, ['dimensions']],
    [{ key: '', eventType: '', unit: '' }, ['key', 'eventType', 'unit']],
  ])('%j is refused at %j', (change, expected) => {
    expect(faults(change)).toEqual(expected);
  });

  it('needs a value property for every aggregation but COUNT', () => {
    for (const aggregation of AGGREGATIONS) {
      expect(faults({ aggregation, valueProperty: null })).toEqual(aggregation === 'COUNT' ? [] : ['valueProperty']);
    }
  });
});

describe('the quantity of an event', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [5, '5'],
    [0.1, '0.1'],
    [1e-7, '0.0000001'],
    [1.5e-11, '0.000000000015'],
    [1e15, '1000000000000000'],
    ['12', '12'],
    ['0.000000000001', '0.000000000001'],
    ['1.000000000000000000', '1'],
    ['1000000000000000.000', '1000000000000000'],
    ['-0', '0'],
  ])('%j is %s', (value, expected) => {
    expect(quantity(value)).toBe(expected);
    expect(quantity(value, { aggregation: 'MAX' })).toBe(expected);
    expect(quantity(value, { aggregation: 'LATEST' })).toBe(expected);
  });

  it.each([
    [undefined, 'is missing'],
    [null, 'is null, not a number or a decimal string'],
    [true, 'is a boolean, not a number or a decimal string'],
    [{}, 'is an object, not a number or a decimal string'],
    [[1], 'is an array, not a number or a decimal string'],
    [NaN, 'is not a finite number'],
    [Infinity, 'is not a finite number'],
    [-1, 'is "-1"; a quantity is not negative'],
    ['-0.5', 'is "-0.5"; a quantity is not negative'],
    [1e308, `is "1${'0'.repeat(39)}…", larger than 10^15`],
    [1e15 + 1, 'is "1000000000000001", larger than 10^15'],
    ['12345678901234567890', 'is "12345678901234567890", larger than 10^15'],
    ['1000000000000000.000000000001', 'is "1000000000000000.000000000001", larger than 10^15'],
    [0.1 + 0.2, 'is "0.30000000000000004", with more than 12 fraction digits; round it first'],
    [5e-324, `is "0.${'0'.repeat(38)}…", with more than 12 fraction digits; round it first`],
    ['1e-400', 'is "1e-400", not a plain decimal such as 12 or 0.5'],
    ['1e3', 'is "1e3", not a plain decimal such as 12 or 0.5'],
    ['', 'is "", not a plain decimal such as 12 or 0.5'],
    [' 1', 'is " 1", not a plain decimal such as 12 or 0.5'],
    ['0x10', 'is "0x10", not a plain decimal such as 12 or 0.5'],
    ['1,000', 'is "1,000", not a plain decimal such as 12 or 0.5'],
    ['NaN', 'is "NaN", not a plain decimal such as 12 or 0.5'],
    ['٣', 'is "٣", not a plain decimal such as 12 or 0.5'],
    ['9'.repeat(1_000_000), `is "${'9'.repeat(40)}…", not a plain decimal such as 12 or 0.5`],
  ])('%j is refused', (value, reason) => {
    expect(quantity(value)).toBe(reason);
  });

  it('is one for COUNT, whatever the properties', () => {
    expect(quantity(-7, { aggregation: 'COUNT', valueProperty: null })).toBe('1');
  });

  it('is a text to count once for UNIQUE_COUNT', () => {
    const unique = { aggregation: 'UNIQUE_COUNT' } as const;

    expect(quantity('user_1', unique)).toBe('unique user_1');
    expect(quantity(12, unique)).toBe('unique 12');
    expect(quantity(1e21, unique)).toBe('unique 1000000000000000000000');
    expect(quantity(1.5e-7, unique)).toBe('unique 0.00000015');
    expect(quantity(-2e-7, unique)).toBe('unique -0.0000002');
    expect(quantity(false, unique)).toBe('unique false');
    expect(quantity(undefined, unique)).toBe('is missing');
    expect(quantity(null, unique)).toBe('is null, not a text, number or boolean');
    expect(quantity({}, unique)).toBe('is an object, not a text, number or boolean');
    expect(quantity('x'.repeat(255), unique)).toBe(`unique ${'x'.repeat(255)}`);
    expect(quantity('x'.repeat(256), unique)).toBe('has 256 characters; at most 255 are counted apart');
  });

  it('is found by the flat key first, then by the path, and never on a prototype', () => {
    const meter = { aggregation: 'SUM', valueProperty: 'a.b.c' } as const;

    expect(readQuantity(meter, { a: { b: { c: 2 } }, 'a.b.c': 1 })).toEqual({ quantity: decimal(1) });
    expect(readQuantity(meter, { a: { b: { c: 2 } } })).toEqual({ quantity: decimal(2) });
    expect(readQuantity(meter, { a: { b: [2] } })).toMatchObject({ reason: 'properties.a.b.c is missing' });
    expect(readQuantity(meter, { a: null })).toMatchObject({ reason: 'properties.a.b.c is missing' });
    expect(readQuantity({ aggregation: 'SUM', valueProperty: 'toString' }, {})).toMatchObject({
      reason: 'properties.toString is missing',
    });
  });

  it('is exact for every decimal in range, as a text and as a number that prints it', () => {
    const text = fc
      .tuple(fc.bigInt({ min: 0n, max: 10n ** 15n - 1n }), fc.bigInt({ min: 0n, max: 10n ** 12n - 1n }))
      .map(([integer, fraction]) => `${integer}.${String(fraction).padStart(12, '0')}`.replace(/\.?0+$/, ''));

    fc.assert(
      fc.property(text, value => {
        expect(quantity(value)).toBe(value);

        if (String(Number(value)) === value) {
          expect(quantity(Number(value))).toBe(value);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the dimensions of an event', () => {
  it('are texts of scalars, without those that are missing', () => {
    expect(readDimensions(METER, { model: 'm', cloud: { region: 'eu' } })).toEqual({
      dimensions: { model: 'm', region: 'eu' },
    });
    expect(readDimensions(METER, { model: 1024, cloud: { region: false } })).toEqual({
      dimensions: { model: '1024', region: 'false' },
    });
    expect(readDimensions(METER, { model: null, cloud: {} })).toEqual({ dimensions: {} });
    expect(readDimensions(METER, { model: '' })).toEqual({ dimensions: { model: '' } });
  });

  it.each([
    [{ model: {} }, 'properties.model', 'properties.model is an object; dimension model is a text, number or boolean'],
    [
      { cloud: { region: ['eu'] } },
      'properties.cloud.region',
      'properties.cloud.region is an array; dimension region is a text, number or boolean',
    ],
    [
      { model: 'x'.repeat(129) },
      'properties.model',
      'properties.model has 129 characters; dimension model has at most 128',
    ],
    [{ model: 1e300 }, 'properties.model', 'properties.model has 301 characters; dimension model has at most 128'],
  ])('%j are refused at %s', (properties, field, reason) => {
    expect(readDimensions(METER, properties)).toEqual({ field, reason });
  });
});
