import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { anEvent } from '../support/builders.js';
import { aStage, LEAK, NOW, type Sent } from './stage.js';

const stage = aStage();
const changed = () => stage.changes.since();

describe('POST /v1/usage', () => {
  const event = (over: object = {}): object =>
    anEvent({ id: randomUUID(), time: NOW.toISOString(), properties: { model: 'm', tokens: 1 }, ...over });
  const text = (over: object = {}): string => JSON.stringify(event(over));

  test.each<readonly [what: string, sent: () => Sent, answer: string]>([
    ['malformed JSON', () => ({ body: '[{"id": "a",' }), '400 INVALID_JSON'],
    ['JSON with a comment', () => ({ body: '[] // none' }), '400 INVALID_JSON'],
    ['NaN', () => ({ body: '[{"id": NaN}]' }), '400 INVALID_JSON'],
    ['Infinity', () => ({ body: '[{"id": -Infinity}]' }), '400 INVALID_JSON'],
    ['an empty body', () => ({ body: '' }), '400 INVALID_JSON'],
    ['no body', () => ({}), '400 INVALID_JSON'],
    ['white space', () => ({ body: ' \n\t ' }), '400 INVALID_JSON'],
    ['null', () => ({ body: 'null' }), '400 INVALID_BODY'],
    ['a number', () => ({ body: '1e308' }), '400 INVALID_BODY'],
    ['a string', () => ({ body: '"usage"' }), '400 INVALID_BODY'],
    ['events that are no array', () => ({ body: '{"events": {"0": {}}}' }), '400 INVALID_BODY'],
    ['events beside something else', () => ({ body: '{"events": [], "event": []}' }), '400 INVALID_BODY'],
    [
      'bytes that are no UTF-8',
      () => ({ body: Buffer.from([0x5b, 0x22, 0xff, 0xfe, 0x22, 0x5d]) }),
      '400 INVALID_UTF8',
    ],
    ['UTF-16', () => ({ body: Buffer.from('[]', 'utf16le') }), '400 INVALID_JSON'],
    ['no content type', () => ({ type: null, body: text() }), '415 UNSUPPORTED_MEDIA_TYPE'],
    ['text/plain', () => ({ type: 'text/plain', body: text() }), '415 UNSUPPORTED_MEDIA_TYPE'],
    ['a form', () => ({ type: 'application/x-www-form-urlencoded', body: 'id=a' }), '415 UNSUPPORTED_MEDIA_TYPE'],
    ['a content type of the prototype', () => ({ type: '__proto__', body: text() }), '415 UNSUPPORTED_MEDIA_TYPE'],
    [
      'a foreign charset',
      () => ({ type: 'application/json; charset=utf-16', body: text() }),
      '415 UNSUPPORTED_MEDIA_TYPE',
    ],
    ['an unknown encoding', () => ({ headers: { 'content-encoding': 'rot13' }, body: text() }), '415 BAD_REQUEST'],
    ['gzip that is none', () => ({ headers: { 'content-encoding': 'gzip' }, body: text() }), '400 BAD_REQUEST'],
    [
      'a gzip bomb',
      () => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(200_000_000, ' ')) }),
      '413 BODY_TOO_LARGE',
    ],
    ['50 MB', () => ({ body: Buffer.alloc(50_000_000, ' ') }), '413 BODY_TOO_LARGE'],
    [
      '50 MB without a length',
      () => ({ headers: { 'transfer-encoding': 'chunked' }, body: Buffer.alloc(50_000_000, ' ') }),
      '413 BODY_TOO_LARGE',
    ],
    [
      '10,001 items',
      () => ({ body: JSON.stringify(Array.from({ length: 10_001 }, () => event())) }),
      '413 TOO_MANY_ITEMS',
    ],
    ['10,001 lines', () => ({ type: 'application/x-ndjson', body: '{}\n'.repeat(10_001) }), '413 TOO_MANY_ITEMS'],
    ['a million brackets', () => ({ body: '['.repeat(1_000_000) }), '400 INVALID_JSON'],
    ['a million brackets that close', () => ({ body: `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}` }), '422 none'],
    ['a CloudEvent that is an array', () => ({ type: 'application/cloudevents+json', body: '[]' }), '400 INVALID_BODY'],
    [
      'a batch of CloudEvents that is none',
      () => ({ type: 'application/cloudevents-batch+json', body: '{}' }),
      '400 INVALID_BODY',
    ],
    ['GET', () => ({ method: 'GET' }), '404 NOT_FOUND'],
    ['PUT', () => ({ method: 'PUT', body: text() }), '404 NOT_FOUND'],
    ['another path', () => ({ path: '/v1/usage/%00', body: text() }), '404 NOT_FOUND'],
    ['a path that is no URI', () => ({ path: '/%E0%A4%A', body: text() }), '404 NOT_FOUND'],
  ])('refuses %s', async (_what, sent, answer) => {
    expect(await stage.refused(sent())).toBe(answer);
  });

  /** Items that must be refused one by one, with the code and the field at fault. */
  const ITEMS: readonly (readonly [what: string, item: () => string, code: string, field: string])[] = [
    ['null', () => 'null', 'INVALID_ITEM', ''],
    ['an array', () => '[]', 'INVALID_ITEM', ''],
    ['nothing in it', () => '{}', 'INVALID_ID', 'id'],
    ['an id that is a number', () => text({ id: undefined }).replace(/"id":"[^"]*"/, '"id":7'), 'INVALID_ID', 'id'],
    ['an empty id', () => text().replace(/"id":"[^"]*"/, '"id":""'), 'INVALID_ID', 'id'],
    ['a NUL in its id', () => text().replace(/"id":"[^"]*"/, '"id":"a\\u0000"'), 'INVALID_ID', 'id'],
    ['half a surrogate pair in its id', () => text().replace(/"id":"[^"]*"/, '"id":"\\ud800"'), 'INVALID_ID', 'id'],
    ['a megabyte of id', () => text().replace(/"id":"[^"]*"/, `"id":"${'x'.repeat(1_000_000)}"`), 'INVALID_ID', 'id'],
    ['a type of spaces', () => text({ type: ' ' }), 'INVALID_TYPE', 'type'],
    ['a type of SQL', () => text({ type: "x'; drop table tenant; --" }), 'INVALID_TYPE', 'type'],
    ['a type that no meter counts', () => text({ type: 'nobody.counts' }), 'UNKNOWN_EVENT_TYPE', 'type'],
    ['no time', () => text().replace(/"time":"[^"]*",/, ''), 'INVALID_TIME', 'time'],
    ['a time in words', () => text({ time: 'yesterday' }), 'INVALID_TIME', 'time'],
    ['a time that is a number', () => text().replace(/"time":"[^"]*"/, '"time":1e308'), 'INVALID_TIME', 'time'],
    ['the 30th of February', () => text({ time: '2026-02-30T00:00:00Z' }), 'INVALID_TIME', 'time'],
    ['a time without a zone', () => text({ time: '2026-11-20T11:00:00' }), 'INVALID_TIME', 'time'],
    ['a time of the year 9999', () => text({ time: '9999-12-31T23:59:59Z' }), 'INVALID_TIME', 'time'],
    ['a time of the year 0', () => text({ time: '0000-01-01T00:00:00Z' }), 'INVALID_TIME', 'time'],
    ['a time before Christ', () => text({ time: '-271821-04-20T00:00:00Z' }), 'INVALID_TIME', 'time'],
    ['a tenant of nonsense', () => text({ tenant: "' or true --" }), 'UNKNOWN_TENANT', 'tenant'],
    ['a tenant that is none', () => text({ tenant: 'ten_0123456789ABCDEFGHJKMNPQRS' }), 'UNKNOWN_TENANT', 'tenant'],
    ['an empty tenant', () => text().replace('{', '{"tenant":"",'), 'INVALID_TENANT', 'tenant'],
    ['a tenant that is an object', () => text().replace('{', '{"tenant":{},'), 'INVALID_TENANT', 'tenant'],
    ['a subject with a NUL', () => text({ subject: 'a\0' }), 'INVALID_SUBJECT', 'subject'],
    ['a source that is a number', () => text().replace('{', '{"source":1,'), 'INVALID_ITEM', 'source'],
    ['a misspelt member', () => text().replace('{', '{"tennant":"x",'), 'INVALID_ITEM', 'tennant'],
    ['a __proto__ member', () => text().replace('{', '{"__proto__":{"id":"x"},'), 'INVALID_ITEM', '__proto__'],
    [
      'properties that are an array',
      () => text().replace(/"properties":\{[^}]*\}/, '"properties":[]'),
      'INVALID_PROPERTIES',
      'properties',
    ],
    [
      'properties with a NUL',
      () => text({ properties: { model: 'm\0', tokens: 1 } }),
      'INVALID_PROPERTIES',
      'properties.model',
    ],
    [
      'properties with a NUL in a name',
      () => text({ properties: { 'a\0b': 1, model: 'm', tokens: 1 } }),
      'INVALID_PROPERTIES',
      '*',
    ],
    [
      'properties with half a surrogate pair',
      () => text().replace('"m"', '"\\udfff"'),
      'INVALID_PROPERTIES',
      'properties.model',
    ],
    [
      'properties of 1,000 levels',
      () => text().replace('"m"', `${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`),
      'INVALID_PROPERTIES',
      '*',
    ],
    [
      'a quantity of 1e308',
      () => text().replace('"tokens":1', '"tokens":1e308'),
      'INVALID_QUANTITY',
      'properties.tokens',
    ],
    [
      'a quantity of 1e400',
      () => text().replace('"tokens":1', '"tokens":1e400'),
      'INVALID_QUANTITY',
      'properties.tokens',
    ],
    ['a negative quantity', () => text().replace('"tokens":1', '"tokens":-1'), 'INVALID_QUANTITY', 'properties.tokens'],
    [
      'a quantity of NaN',
      () => text().replace('"tokens":1', '"tokens":"NaN"'),
      'INVALID_QUANTITY',
      'properties.tokens',
    ],
    [
      'a quantity that is null',
      () => text().replace('"tokens":1', '"tokens":null'),
      'INVALID_QUANTITY',
      'properties.tokens',
    ],
    [
      'a quantity that is true',
      () => text().replace('"tokens":1', '"tokens":true'),
      'INVALID_QUANTITY',
      'properties.tokens',
    ],
    [
      'a quantity of a million digits',
      () => text().replace('"tokens":1', `"tokens":${'9'.repeat(1_000_000)}`),
      '*',
      '*',
    ],
    ['no quantity', () => text({ properties: { model: 'm' } }), 'INVALID_QUANTITY', 'properties.tokens'],
    ['a dimension that is an object', () => text().replace('"m"', '{}'), 'INVALID_DIMENSION', 'properties.model'],
    ['specversion 0.3', () => text().replace('{', '{"specversion":"0.3",'), 'INVALID_ITEM', 'specversion'],
    ['specversion 1.0 without a source', () => text().replace('{', '{"specversion":"1.0",'), 'INVALID_ITEM', 'source'],
    [
      'binary data',
      () => JSON.stringify({ specversion: '1.0', id: 'a', source: 's', type: 'llm.request', data_base64: 'AA==' }),
      'INVALID_PROPERTIES',
      'data_base64',
    ],
    [
      'CloudEvent data that is text',
      () => JSON.stringify({ specversion: '1.0', id: 'a', source: 's', type: 'llm.request', data: 'x' }),
      'INVALID_PROPERTIES',
      'data',
    ],
  ];

  test.each(ITEMS)('refuses an item: %s', async (_what, item, code, field) => {
    await changed();

    for (const [type, body] of [
      ['application/json', `[${item()}]`],
      ['application/x-ndjson', `${item()}\n`],
    ] as const) {
      const got = await stage.send({ type, body });
      const [rejection] = got.body['rejected'] as { code: string; field: string; reason: string }[];
      expect({
        status: got.status,
        accepted: got.body['accepted'],
        code: rejection?.code,
        field: rejection?.field,
      }).toEqual({
        status: 422,
        accepted: 0,
        code: code === '*' ? expect.stringMatching(/^INVALID_/) : code,
        field: field === '*' ? expect.any(String) : field,
      });
      expect(rejection?.reason.length).toBeGreaterThan(5);
      expect(got.text.length).toBeLessThan(2_000);
      expect(got.text).not.toMatch(LEAK);
    }

    expect(await changed()).toEqual([]);
  });

  test('one good item among all the bad ones is taken, and only that one', async () => {
    await changed();
    const good = text({ id: 'the-good-one' });
    const bad = ITEMS.filter(([what]) => !/million|megabyte/.test(what)).map(([, item]) => item());
    const got = await stage.send({
      type: 'application/x-ndjson',
      body: [...bad, '{"id":', 'not json', good, ''].join('\n'),
    });
    expect({ status: got.status, accepted: got.body['accepted'] }).toEqual({ status: 200, accepted: 1 });
    expect((got.body['rejected'] as unknown[]).length).toBe(bad.length + 2);
    expect(await changed()).toEqual([
      'insert outbox',
      'insert usage_bucket',
      'insert usage_event',
      'insert usage_touch',
    ]);

    // The same again is a duplicate, and other content under the same id is a conflict that names both hashes.
    const again = await stage.send({ body: good });
    expect(again.body).toMatchObject({ accepted: 0, duplicates: [0] });
    const other = await stage.send({ body: good.replace('"tokens":1', '"tokens":2') });
    expect({ status: other.status, accepted: other.body['accepted'] }).toEqual({ status: 409, accepted: 0 });
    expect(await changed()).toEqual([]);
  });

  test('a duplicate key within an item does not smuggle a second value in', async () => {
    await changed();
    const got = await stage.send({ body: `[${text().replace('"tokens":1', '"tokens":1,"tokens":-5')}]` });
    expect(got.status).toBe(422);
    expect(await changed()).toEqual([]);
  });

  test('names of the prototype are names like any other within properties', async () => {
    const item = text().replace(
      '"tokens":1',
      '"tokens":1,"__proto__":{"polluted":true},"constructor":"x","toString":1',
    );
    const got = await stage.send({ body: item });
    expect(got.status === 200 || got.status === 422).toBe(true);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
