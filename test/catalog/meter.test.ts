import fc from 'fast-check';
import { readDimensions, readQuantity } from '../../src/catalog/meter-value.rules.js';
import {
  AGGREGATIONS,
  definitionOf,
  DERIVED_DIMENSIONS,
  dimensionNames,
  meterJson,
  readMeter,
  refuseMeter,
  type MeterDefinition,
  type MeterDraft,
} from '../../src/catalog/meter.rules.js';
import { decimal, formatDecimal } from '../../src/money/index.js';

const METER: MeterDefinition = {
  key: 'input_tokens',
  eventType: 'llm.tokens',
  filter: '',
  source: 'PROPERTY',
  aggregation: 'SUM',
  valueProperty: 'tokens',
  factorProperties: [],
  conversion: null,
  dimensions: [
    { name: 'model', property: 'model' },
    { name: 'region', property: 'cloud.region' },
  ],
  unit: 'token',
  keepsEvents: false,
};
const TOKEN_METER: MeterDefinition = { ...METER, source: 'TOKEN_USAGE', valueProperty: 'usage' };

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
    const meter = { ...METER, valueProperty: 'a.b.c' };

    expect(readQuantity(meter, { a: { b: { c: 2 } }, 'a.b.c': 1 })).toEqual({ quantity: decimal(1) });
    expect(readQuantity(meter, { a: { b: { c: 2 } } })).toEqual({ quantity: decimal(2) });
    expect(readQuantity(meter, { a: { b: [2] } })).toMatchObject({ reason: 'properties.a.b.c is missing' });
    expect(readQuantity(meter, { a: null })).toMatchObject({ reason: 'properties.a.b.c is missing' });
    expect(readQuantity({ ...METER, valueProperty: 'toString' }, {})).toMatchObject({
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

describe('a meter that is entered', () => {
  const { source: _source, factorProperties: _factors, conversion: _conversion, keepsEvents: _keeps, ...plain } = METER;

  /** What is refused of a draft, or what it becomes. */
  function read(change: Partial<MeterDraft>): string[] | MeterDefinition {
    const result = readMeter({ ...plain, ...change });

    return 'refusals' in result ? result.refusals.map(({ field }) => field.join('.')) : result.definition;
  }

  it('is plain where nothing else is said', () => {
    expect(read({})).toEqual(METER);
    expect(read({ conversion: null })).toEqual(METER);
  });

  it('keeps a default that is given, and leaves out one that is null', () => {
    const dimensions = [
      { name: 'tier', property: 'tier', default: 'standard' },
      { name: 'zone', property: 'zone', default: null },
    ];
    expect(read({ dimensions })).toEqual({
      ...METER,
      dimensions: [
        { name: 'tier', property: 'tier', default: 'standard' },
        { name: 'zone', property: 'zone' },
      ],
    });
  });

  it('is stored as JSON and read back from it', () => {
    const given = read({
      conversion: { divideBy: '100', rounding: 'CEILING' },
      factorProperties: ['replicas', 'a.b'],
      keepsEvents: true,
      dimensions: [{ name: 'tier', property: 'tier', default: '' }],
    }) as MeterDefinition;
    const json = JSON.parse(JSON.stringify(meterJson(given))) as ReturnType<typeof meterJson>;
    expect(json.conversion).toEqual({ divideBy: '100', multiplyBy: '1', rounding: 'CEILING', precision: 0 });
    expect(definitionOf(json)).toEqual(given);
    expect(definitionOf(meterJson(METER))).toEqual(METER);
  });

  it.each<[string, Partial<MeterDraft>, string[]]>([
    ['a source that is none', { source: 'CSV' as 'PROPERTY' }, ['source']],
    ['three factors', { factorProperties: ['a', 'b', 'c'] }, ['factorProperties']],
    ['a factor that is no path', { factorProperties: ['a', 'b..c'] }, ['factorProperties.1']],
    ['a factor of a prototype', { factorProperties: ['__proto__'] }, ['factorProperties.0']],
    [
      'factors of a count',
      { aggregation: 'COUNT', valueProperty: null, factorProperties: ['a'] },
      ['factorProperties'],
    ],
    ['factors of different values', { aggregation: 'UNIQUE_COUNT', factorProperties: ['a'] }, ['factorProperties']],
    ['a conversion that is no object', { conversion: 'half' }, ['conversion']],
    ['a division by zero', { conversion: { divideBy: '0' } }, ['conversion.divideBy']],
    ['a multiplication with less than zero', { conversion: { multiplyBy: '-1' } }, ['conversion.multiplyBy']],
    ['a rounding that is none', { conversion: { rounding: 'SIDEWAYS' } }, ['conversion.rounding']],
    ['a precision too fine', { conversion: { rounding: 'CEILING', precision: 13 } }, ['conversion.precision']],
    ['a division that never ends', { conversion: { divideBy: '3' } }, ['conversion.rounding']],
    ['a division by 0.3', { conversion: { divideBy: '0.3' } }, ['conversion.rounding']],
    ['a division by 0.6, though 3 in 5 is whole', { conversion: { divideBy: '0.6' } }, ['conversion.rounding']],
    ['a conversion of a count', { aggregation: 'COUNT', valueProperty: null, conversion: {} }, ['conversion']],
    ['a conversion of different values', { aggregation: 'UNIQUE_COUNT', conversion: {} }, ['conversion']],
    [
      'a level whose changes are rounded',
      { aggregation: 'TIME_WEIGHTED', conversion: { rounding: 'HALF_EVEN' } },
      ['conversion.rounding'],
    ],
    ['a maximum that keeps its events', { aggregation: 'MAX', keepsEvents: true }, ['keepsEvents']],
    [
      'a default of 129 characters',
      { dimensions: [{ name: 'a', property: 'a', default: 'x'.repeat(129) }] },
      ['dimensions.0.default'],
    ],
    ['a default with a NUL', { dimensions: [{ name: 'a', property: 'a', default: '\0' }] }, ['dimensions.0.default']],
    [
      'a default of half a character',
      { dimensions: [{ name: 'a', property: 'a', default: '\ud800' }] },
      ['dimensions.0.default'],
    ],
  ])('is refused with %s', (_what, change, expected) => {
    expect(read(change)).toEqual(expected);
  });

  it.each(['1', '2', '0.5', '1024', '0.00025', '1000000', '3125', '12.8'])(
    'is divided by %s without rounding, for every quotient ends',
    divideBy => {
      expect(read({ conversion: { divideBy } })).toMatchObject({ conversion: { rounding: 'NONE' } });
      expect(read({ aggregation: 'TIME_WEIGHTED', conversion: { divideBy } })).toMatchObject({ key: METER.key });
    },
  );

  it('may round whatever it divides by', () => {
    expect(read({ conversion: { divideBy: '3', rounding: 'HALF_EVEN', precision: 12 } })).toMatchObject({
      conversion: { precision: 12 },
    });
  });

  it('of tokens adds up, has a dimension named model, and names none of its own like a derived one', () => {
    expect(read(TOKEN_METER)).toEqual(TOKEN_METER);
    expect(read({ ...TOKEN_METER, keepsEvents: true, conversion: { divideBy: '1000' } })).toMatchObject({
      keepsEvents: true,
    });
    expect(read({ ...TOKEN_METER, aggregation: 'MAX' })).toEqual(['aggregation']);
    expect(read({ ...TOKEN_METER, aggregation: 'COUNT', valueProperty: null })).toEqual(['aggregation']);
    expect(read({ ...TOKEN_METER, dimensions: [{ name: 'llm', property: 'model' }] })).toEqual(['dimensions']);
    expect(read({ ...TOKEN_METER, factorProperties: ['replicas'] })).toEqual(['factorProperties']);

    for (const name of DERIVED_DIMENSIONS) {
      const dimensions = [
        { name: 'model', property: 'model' },
        { name, property: 'x' },
      ];
      expect(read({ ...TOKEN_METER, dimensions })).toEqual(['dimensions.1.name']);
      // To a meter of a property such a name is one like any other.
      expect(read({ dimensions })).toMatchObject({ dimensions });
    }
  });

  it('tells prices the names they may bind', () => {
    expect(dimensionNames(METER)).toEqual(['model', 'region']);
    expect(dimensionNames(TOKEN_METER)).toEqual([
      'model',
      'region',
      'token_kind',
      'service_tier',
      'context_band',
      'model_family',
      'provider',
      'inference_geo',
    ]);
  });
});

describe('the quantity of an event that is more than its value', () => {
  /** The quantity as text, or the reason; of a meter of minutes on replicas. */
  function worth(properties: object, change: Partial<MeterDraft> = {}): string {
    const read = readMeter({ ...METER, valueProperty: 'minutes', factorProperties: ['replicas'], ...change });

    if ('refusals' in read) {
      throw new Error(read.refusals.map(({ message }) => message).join());
    }

    const result = readQuantity(read.definition, { ...properties });

    return 'reason' in result ? result.reason : 'quantity' in result ? formatDecimal(result.quantity) : result.unique;
  }

  it.each<[object, Partial<MeterDraft>, string]>([
    [{ minutes: 90, replicas: 3 }, {}, '270'],
    [{ minutes: '0.1', replicas: '0.2' }, {}, '0.02'],
    [{ minutes: 90, replicas: 3, gpus: 8 }, { factorProperties: ['replicas', 'gpus'] }, '2160'],
    [{ minutes: 90, replicas: 0 }, {}, '0'],
    [{ minutes: 90, replicas: 3 }, { aggregation: 'MAX' }, '270'],
    [{ minutes: 90, replicas: 3 }, { aggregation: 'LATEST' }, '270'],
    [{ minutes: -90, replicas: 3 }, { aggregation: 'TIME_WEIGHTED' }, '-270'],
    [{ minutes: 250 }, { factorProperties: [], conversion: { divideBy: '100', rounding: 'CEILING' } }, '3'],
    [{ minutes: 200 }, { factorProperties: [], conversion: { divideBy: '100', rounding: 'CEILING' } }, '2'],
    [{ minutes: 0 }, { factorProperties: [], conversion: { divideBy: '100', rounding: 'CEILING' } }, '0'],
    // Each replica has its own hundred begun.
    [{ minutes: 40, replicas: 3 }, { conversion: { divideBy: '100', rounding: 'CEILING' } }, '3'],
    [{ minutes: 61 }, { factorProperties: [], conversion: { divideBy: '60', rounding: 'CEILING' } }, '2'],
    [
      { minutes: 10 },
      { factorProperties: [], conversion: { divideBy: '3', rounding: 'HALF_EVEN', precision: 12 } },
      '3.333333333333',
    ],
    [{ minutes: 1 }, { factorProperties: [], conversion: { divideBy: '1024' } }, '0.0009765625'],
    // What lies between may be larger than a quantity.
    [{ minutes: '1000000000000000', replicas: '1000000' }, { conversion: { divideBy: '1000000' } }, '1000000000000000'],
  ])('%j of %j is %s', (properties, change, expected) => {
    expect(worth(properties, change)).toBe(expected);
  });

  it.each<[object, Partial<MeterDraft>, string]>([
    [{ minutes: 90 }, {}, 'properties.replicas is missing'],
    [{ minutes: 90, replicas: null }, {}, 'properties.replicas is null, not a number or a decimal string'],
    [{ minutes: 90, replicas: -1 }, {}, 'properties.replicas is "-1"; a quantity is not negative'],
    [
      { minutes: 90, replicas: -1 },
      { aggregation: 'TIME_WEIGHTED' },
      'properties.replicas is "-1"; a quantity is not negative',
    ],
    [{ minutes: -90, replicas: 1 }, {}, 'properties.minutes is "-90"; a quantity is not negative'],
    [
      { minutes: '0.0000001', replicas: '0.0000001' },
      {},
      'properties.minutes comes to 0.00000000000001 as the meter counts it, with more than 12 fraction digits; round it first',
    ],
    [
      { minutes: '1000000000000000', replicas: 2 },
      {},
      'properties.minutes comes to 2000000000000000 as the meter counts it, larger than 10^15',
    ],
    [
      { minutes: 1 },
      { factorProperties: [], conversion: { divideBy: '1073741824' } },
      'properties.minutes comes to 0.000000000931322574615478515625 as the meter counts it, with more than 12 fraction digits; round it first',
    ],
    [
      { minutes: '-1000000000000001', replicas: 1 },
      { aggregation: 'TIME_WEIGHTED' },
      'properties.minutes is "-1000000000000001", larger than 10^15',
    ],
  ])('%j of %j is refused', (properties, change, reason) => {
    expect(worth(properties, change)).toBe(reason);
  });

  it('is a change in either direction of a level, and of nothing else', () => {
    for (const [given, expected] of [
      [-6, '-6'],
      ['-0.5', '-0.5'],
      [-1e-7, '-0.0000001'],
      [2, '2'],
      [0, '0'],
    ] as const) {
      expect(quantity(given, { aggregation: 'TIME_WEIGHTED' })).toBe(expected);
    }

    for (const aggregation of ['SUM', 'MAX', 'LATEST'] as const) {
      expect(quantity(-6, { aggregation })).toBe('is "-6"; a quantity is not negative');
    }
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

  it('take their default where the property is missing or null, and only there', () => {
    const meter = {
      dimensions: [
        { name: 'tier', property: 'tier', default: 'standard' },
        { name: 'zone', property: 'zone', default: '' },
        { name: 'model', property: 'model' },
      ],
    };
    expect(readDimensions(meter, {})).toEqual({ dimensions: { tier: 'standard', zone: '' } });
    expect(readDimensions(meter, { tier: null, zone: null, model: null })).toEqual({
      dimensions: { tier: 'standard', zone: '' },
    });
    expect(readDimensions(meter, { tier: '', zone: 'a', model: 'm' })).toEqual({
      dimensions: { tier: '', zone: 'a', model: 'm' },
    });
    expect(readDimensions(meter, { tier: {} })).toMatchObject({ field: 'properties.tier' });
  });
});
