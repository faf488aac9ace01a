import fc from 'fast-check';
import { MalformedItem, readUsageItems, type ItemRejection, type UsageItem } from '../../src/usage/usage-item.rules.js';

const NOW = new Date('2026-09-01T12:00:00.000Z');

const ITEM = { id: 'e1', type: 'llm.tokens', time: '2026-09-01T11:00:00Z', properties: { tokens: 5 } } as const;
const CLOUD_EVENT = {
  specversion: '1.0',
  id: 'e1',
  source: '/gateway',
  type: 'llm.tokens',
  data: { tokens: 5 },
} as const;

function read(entry: unknown): UsageItem | ItemRejection {
  const { items, rejected } = readUsageItems([entry], NOW);

  expect(items.length + rejected.length).toBe(1);

  return (items[0] ?? rejected[0]) as UsageItem | ItemRejection;
}

/** `code field` of a refusal, or `taken`. */
function verdict(entry: unknown): string {
  const result = read(entry);

  return 'code' in result ? `${result.code} ${result.field}` : 'taken';
}

describe('the native form', () => {
  it('is read with its defaults', () => {
    expect(read(ITEM)).toEqual({
      index: 0,
      tenantId: null,
      id: 'e1',
      source: '',
      type: 'llm.tokens',
      time: new Date('2026-09-01T11:00:00.000Z'),
      timeGiven: true,
      subject: null,
      properties: { tokens: 5 },
    });
  });

  it('is read with everything given, and null stands for what is left out', () => {
    expect(read({ ...ITEM, tenant: 'ten_1', subject: 'user 😀', source: 'gw' })).toMatchObject({
      tenantId: 'ten_1',
      subject: 'user 😀',
      source: 'gw',
    });
    expect(read({ id: 'e', type: 't', time: ITEM.time, tenant: null, subject: null, properties: null })).toMatchObject({
      tenantId: null,
      subject: null,
      properties: {},
    });
  });

  it('keeps the place in the batch, takes the good ones and names the bad ones', () => {
    const { items, rejected } = readUsageItems([{ ...ITEM, type: 'a b' }, ITEM, 7, { ...ITEM, id: 'e2' }], NOW);

    expect(items.map(item => [item.index, item.id])).toEqual([
      [1, 'e1'],
      [3, 'e2'],
    ]);
    expect(rejected.map(({ index, id, code, field }) => [index, id, code, field])).toEqual([
      [0, 'e1', 'INVALID_TYPE', 'type'],
      [2, null, 'INVALID_ITEM', ''],
    ]);
    expect(rejected[1]?.reason).toBe('an item is an object, not a number');
  });

  it('refuses a misspelt field by its name', () => {
    const refused = read({ ...ITEM, propertys: {} }) as ItemRejection;

    expect(verdict({ ...ITEM, propertys: {} })).toBe('INVALID_ITEM propertys');
    expect(refused.reason).toBe(
      'propertys is no field of a usage item; known are id, type, time, tenant, subject, properties and source',
    );
    expect(verdict({ ...ITEM, ['a\0b']: 1 })).toBe('INVALID_ITEM ');
    expect(verdict(JSON.parse(`{"id":"e","type":"t","time":"${ITEM.time}","__proto__":{"x":1}}`))).toBe(
      'INVALID_ITEM __proto__',
    );
  });

  it.each([
    ['a number for an id', { ...ITEM, id: 1 }, 'INVALID_ID id'],
    ['no id', { type: 't', time: ITEM.time }, 'INVALID_ID id'],
    ['an empty id', { ...ITEM, id: '' }, 'INVALID_ID id'],
    ['an id of 256', { ...ITEM, id: 'x'.repeat(256) }, 'INVALID_ID id'],
    ['an id of 255', { ...ITEM, id: 'x'.repeat(255) }, 'taken'],
    ['NUL in an id', { ...ITEM, id: 'a\0' }, 'INVALID_ID id'],
    ['a C1 control in an id', { ...ITEM, id: 'a\u0085' }, 'INVALID_ID id'],
    ['a lone surrogate in an id', { ...ITEM, id: 'a\ud800' }, 'INVALID_ID id'],
    ['a control character after a pair', { ...ITEM, id: '😀\n' }, 'INVALID_ID id'],
    ['an emoji in an id', { ...ITEM, id: '😀' }, 'taken'],
    ['no type', { id: 'e', time: ITEM.time }, 'INVALID_TYPE type'],
    ['a type of 129', { ...ITEM, type: 'x'.repeat(129) }, 'INVALID_TYPE type'],
    ['a type with a line end', { ...ITEM, type: 'x\n' }, 'INVALID_TYPE type'],
    ['every sign of a type', { ...ITEM, type: 'aZ09._:/-' }, 'taken'],
    ['a number for a subject', { ...ITEM, subject: 3 }, 'INVALID_SUBJECT subject'],
    ['a subject of 256', { ...ITEM, subject: 'x'.repeat(256) }, 'INVALID_SUBJECT subject'],
    ['a lone surrogate in a subject', { ...ITEM, subject: '\udc00x' }, 'INVALID_SUBJECT subject'],
    ['an object for a tenant', { ...ITEM, tenant: {} }, 'INVALID_TENANT tenant'],
    ['an empty tenant', { ...ITEM, tenant: '' }, 'INVALID_TENANT tenant'],
    ['a number for a source', { ...ITEM, source: 3 }, 'INVALID_ITEM source'],
    ['an array', [ITEM], 'INVALID_ITEM '],
    ['null', null, 'INVALID_ITEM '],
    ['a malformed entry', new MalformedItem('', 'line 3 is not JSON'), 'INVALID_ITEM '],
  ])('judges %s', (_, entry, expected) => {
    expect(verdict(entry)).toBe(expected);
  });

  it('repeats an id in a refusal only when it can be printed', () => {
    expect(read({ ...ITEM, type: '' })).toMatchObject({ id: 'e1' });
    expect(read({ ...ITEM, id: 'a\0', type: '' })).toMatchObject({ id: null });
    expect(read({ ...ITEM, id: 'x'.repeat(300) })).toMatchObject({ id: null });
  });
});

describe('the time of an item', () => {
  it.each([
    ['2026-09-01T11:00:00Z', '2026-09-01T11:00:00.000Z'],
    ['2026-09-01t11:00:00z', '2026-09-01T11:00:00.000Z'],
    ['2026-09-01T11:00:00.1Z', '2026-09-01T11:00:00.100Z'],
    ['2026-09-01T11:00:00.1239999999Z', '2026-09-01T11:00:00.123Z'],
    ['2026-09-01T11:00:00.05+05:30', '2026-09-01T05:30:00.050Z'],
    ['2026-09-01T11:00:00-08:00', '2026-09-01T19:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
    ['1969-12-31T23:30:00-01:00', '1970-01-01T00:30:00.000Z'],
    ['2026-09-02T12:00:00Z', '2026-09-02T12:00:00.000Z'],
  ])('%s is %s', (time, expected) => {
    const item = read({ ...ITEM, time }) as UsageItem;

    expect(item.time.toISOString()).toBe(expected);
  });

  it.each([
    undefined,
    null,
    1_756_724_400,
    '',
    '2026-09-01',
    '2026-09-01T11:00:00',
    '2026-09-01 11:00:00Z',
    '2026-09-01T11:00Z',
    '2026-09-01T11:00:00.Z',
    '2026-09-01T11:00:00+0530',
    '2026-09-01T11:00:00+24:00',
    '2026-09-01T11:00:00ZZ',
    '2026-02-29T00:00:00Z',
    '2100-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-04-00T00:00:00Z',
    '2026-04-01T24:00:00Z',
    '2026-04-01T23:60:00Z',
    '2026-06-30T23:59:60Z',
    '0001-01-01T00:00:00Z',
    '1969-12-31T23:59:59.999Z',
    '2201-01-01T00:00:00Z',
    '２026-09-01T11:00:00Z',
    `2026-09-01T11:00:00.${'1'.repeat(100_000)}Z`,
  ])('%s is refused', time => {
    expect(verdict({ ...ITEM, time })).toBe('INVALID_TIME time');
  });

  it('may lie 24 hours ahead and not a millisecond more', () => {
    expect(verdict({ ...ITEM, time: '2026-09-02T12:00:00.000Z' })).toBe('taken');
    expect(read({ ...ITEM, time: '2026-09-02T12:00:00.001Z' })).toMatchObject({
      reason: 'time lies more than 24 hours in the future; check the clock of the sender',
    });
  });

  it('agrees with the engine on every moment it prints', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: NOW.getTime() }), ms => {
        const item = read({ ...ITEM, time: new Date(ms).toISOString() }) as UsageItem;

        expect(item.time.getTime()).toBe(ms);
      }),
    );
  });
});

describe('the properties of an item', () => {
  const withProperties = (properties: unknown): string => verdict({ ...ITEM, properties });

  it.each([
    ['an array', [], 'INVALID_PROPERTIES properties'],
    ['a text', 'x', 'INVALID_PROPERTIES properties'],
    ['64 keys', Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, i])), 'taken'],
    [
      '65 keys',
      Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, i])),
      'INVALID_PROPERTIES properties',
    ],
    ['6 levels', { a: { b: { c: { d: { e: 1 } } } } }, 'taken'],
    ['7 levels', { a: { b: { c: { d: { e: { f: {} } } } } } }, 'INVALID_PROPERTIES properties.a.b.c.d.e.f'],
    ['7 levels with lists', { a: [{ b: [{ c: [{}] }] }] }, 'INVALID_PROPERTIES properties.a[0].b[0].c[0]'],
    ['a key of 128', { ['k'.repeat(128)]: 1 }, 'taken'],
    ['a key of 129', { ['k'.repeat(129)]: 1 }, 'INVALID_PROPERTIES properties'],
    ['an empty key', { '': 1 }, 'INVALID_PROPERTIES properties'],
    ['NUL in a key', { 'a\0': 1 }, 'INVALID_PROPERTIES properties'],
    ['a lone surrogate in a key', { a: { '\ud800': 1 } }, 'INVALID_PROPERTIES properties.a'],
    ['NUL in a text', { a: [1, 'x\0'] }, 'INVALID_PROPERTIES properties.a[1]'],
    ['NUL in a long text', { a: `${'x'.repeat(100)}\0` }, 'INVALID_PROPERTIES properties.a'],
    ['a lone surrogate in a long text', { a: `${'x'.repeat(100)}\ud800` }, 'INVALID_PROPERTIES properties.a'],
    ['a pair in a text', { a: '😀' }, 'taken'],
    ['a lone surrogate in a text', { a: '\ude00' }, 'INVALID_PROPERTIES properties.a'],
    ['other control characters in a text', { a: 'line\r\n\t' }, 'taken'],
    ['NaN', { a: { b: NaN } }, 'INVALID_PROPERTIES properties.a.b'],
    ['Infinity', { a: Infinity }, 'INVALID_PROPERTIES properties.a'],
    ['a bigint', { a: 1n }, 'INVALID_PROPERTIES properties.a'],
    ['undefined', { a: undefined }, 'INVALID_PROPERTIES properties.a'],
    ['10^308', { a: 1e308 }, 'taken'],
    ['the key __proto__', JSON.parse('{"__proto__":{"x":1}}'), 'INVALID_PROPERTIES properties.__proto__'],
    ['the key constructor', { a: { constructor: 1 } }, 'INVALID_PROPERTIES properties.a.constructor'],
    ['the key prototype', { prototype: 1 }, 'INVALID_PROPERTIES properties.prototype'],
    ['the key toString', { toString: 1 }, 'taken'],
  ])('with %s are judged', (_, properties, expected) => {
    expect(withProperties(properties)).toBe(expected);
  });

  it('may have 16,384 bytes of JSON in UTF-8 and not one more', () => {
    for (const filling of ['x', 'é', '€', '😀', '"', '\n', '\u0001']) {
      const bytes = Buffer.byteLength(JSON.stringify(filling)) - 2;
      const room = 16_384 - Buffer.byteLength('{"a":"","b":""}');
      const full = { a: filling.repeat(Math.floor(room / bytes)), b: 'y'.repeat(room % bytes) };

      expect(Buffer.byteLength(JSON.stringify(full))).toBe(16_384);
      expect(withProperties(full)).toBe('taken');
      expect(withProperties({ ...full, b: `${full.b}y` })).toBe('INVALID_PROPERTIES properties');
    }

    expect(withProperties({ a: Array.from({ length: 8_190 }, () => 1) })).toBe('INVALID_PROPERTIES properties');
    expect(withProperties({ a: Array.from({ length: 8_188 }, () => 1) })).toBe('taken');
  });

  it('nested 100,000 deep are refused without a crash', () => {
    const deep = JSON.parse('{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)) as unknown;
    const list = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown;

    expect(withProperties(deep)).toBe('INVALID_PROPERTIES properties.a.a.a.a.a.a');
    expect(withProperties({ x: list })).toBe('INVALID_PROPERTIES properties.x[0][0][0][0][0]');
    expect(verdict(list)).toBe('INVALID_ITEM ');
  });

  it('of ten megabytes are refused at once', () => {
    const start = performance.now();

    expect(withProperties({ a: 'x'.repeat(10_000_000) })).toBe('INVALID_PROPERTIES properties');
    expect(withProperties({ a: Array.from({ length: 1_000_000 }, () => 'x') })).toBe('INVALID_PROPERTIES properties');
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});

describe('a CloudEvent', () => {
  it('is read with its data as properties and its extension attribute as tenant', () => {
    expect(
      read({
        ...CLOUD_EVENT,
        time: ITEM.time,
        subject: 's',
        tenant: 'ten_1',
        datacontenttype: 'application/json',
        x: 1,
      }),
    ).toEqual({
      index: 0,
      tenantId: 'ten_1',
      id: 'e1',
      source: '/gateway',
      type: 'llm.tokens',
      time: new Date(ITEM.time),
      timeGiven: true,
      subject: 's',
      properties: { tokens: 5 },
    });
  });

  it('without a time is dated now, and says so', () => {
    expect(read(CLOUD_EVENT)).toMatchObject({ time: NOW, timeGiven: false });
    expect(read({ ...CLOUD_EVENT, time: null })).toMatchObject({ time: NOW, timeGiven: false });
  });

  it.each([
    ['no data', { ...CLOUD_EVENT, data: undefined }, 'taken'],
    ['an unknown version', { ...CLOUD_EVENT, specversion: '0.3' }, 'INVALID_ITEM specversion'],
    ['no source', { ...CLOUD_EVENT, source: undefined }, 'INVALID_ITEM source'],
    ['an empty source', { ...CLOUD_EVENT, source: '' }, 'INVALID_ITEM source'],
    ['binary data', { ...CLOUD_EVENT, data: undefined, data_base64: 'AA==' }, 'INVALID_PROPERTIES data_base64'],
    ['a text as data', { ...CLOUD_EVENT, data: 'x' }, 'INVALID_PROPERTIES data'],
    ['a fault deep in its data', { ...CLOUD_EVENT, data: { a: ['\0'] } }, 'INVALID_PROPERTIES data.a[0]'],
    ['a bad time', { ...CLOUD_EVENT, time: 'yesterday' }, 'INVALID_TIME time'],
  ])('with %s is judged', (_, entry, expected) => {
    expect(verdict(entry)).toBe(expected);
  });
});

describe('readUsageItems', () => {
  it('never throws and judges every entry once, whatever was sent', () => {
    const entry = fc.oneof(
      fc.anything({ withBigInt: true, withNullPrototype: true, withDate: true, withMap: true }),
      fc.jsonValue(),
      fc.record(
        {
          specversion: fc.constantFrom('1.0', '0.3', 1),
          id: fc.anything(),
          type: fc.oneof(fc.constant('t'), fc.anything()),
          time: fc.oneof(fc.constant(ITEM.time), fc.string(), fc.anything()),
          source: fc.anything(),
          subject: fc.anything(),
          properties: fc.anything({ maxDepth: 6 }),
          data: fc.anything({ maxDepth: 6 }),
        },
        { requiredKeys: [] },
      ),
    );

    fc.assert(
      fc.property(fc.array(entry), entries => {
        const { items, rejected } = readUsageItems(entries, NOW);
        const places = [...items, ...rejected].map(result => result.index).sort((a, b) => a - b);

        expect(places).toEqual(entries.map((_, index) => index));
      }),
      { numRuns: 500 },
    );
  });
});
