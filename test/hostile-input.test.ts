import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import {
  getNamedType,
  getNullableType,
  isInputObjectType,
  isListType,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLObjectType,
} from 'graphql';
import pg from 'pg';
import { ALL_PERMISSIONS } from '../src/access/index.js';
import { createApp } from '../src/app.js';
import { startServer } from '../src/server.js';
import { windowsOf } from './budgets/support.js';
import {
  aBudget,
  aContract,
  aMeter,
  anEvent,
  anOutcomeRule,
  aPriceBook,
  aTenant,
  perMillion,
} from './support/builders.js';
import { asSuperuser } from './support/database.js';
import { aKey, aProduct, until, type Product } from './support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
/** Words that only our own insides use. */
const LEAK =
  /\b(select|insert into|delete from|update "?\w+"? set)\b.*\b(from|values|where)\b|relation "|column "|violates|invalid byte|syntax error at or near|kysely|mikro|node_modules|\bpg_|[\w-]+\.[jt]s:\d+|\n\s+at /i;

/** Terms of a price that tiers do not use. */
const OTHER_TERMS = {
  unitAmount: null,
  flatAmount: null,
  packageSize: null,
  packageAmount: null,
  freeEvents: null,
  freeAmount: null,
  rate: null,
  fixedAmount: null,
  perEventMinimum: null,
  perEventMaximum: null,
  markup: null,
};

/** Terms of an outcome rule that use everything there is. */
const allTerms = (usedMeterId: string): object => {
  const clause = (eventType: string): object => ({ eventType, filter: 'type != "x"' });
  const pattern = [{ name: 'channel', value: 'chat' }];

  return {
    claim: clause('fuzz.event'),
    startedProperty: 'startedAt',
    customerProperty: 'customer',
    versionAnchor: 'STARTED',
    periodAnchor: 'OCCURRED',
    maturationHours: 48,
    exclusions: [
      { reason: 'GREETING', filter: 'properties.x == 1', eventType: 'fuzz.other', scope: 'CUSTOMER', withinHours: 24 },
    ],
    environment: { filter: 'properties.test == true', policy: 'FREE' },
    evidence: ['proof'],
    verification: {
      verifiers: ['HUMAN'],
      parties: 'BOTH',
      eventType: 'fuzz.verified',
      sentBy: 'SELLER',
      expiresAfterHours: 1,
    },
    quality: { property: 'score', minimum: '4', whenMissing: 'REJECT', eventType: 'fuzz.rated' },
    attribution: {
      touch: clause('fuzz.touched'),
      windowHours: 1,
      model: 'SPLIT',
      agentProperty: 'agent',
      shareProperty: 'share',
    },
    dedupe: { scope: 'CUSTOMER', windowHours: 48 },
    exclusive: { group: 'x', choice: 'PRIORITY', priority: 1 },
    measure: 'VALUE',
    units: { property: 'tokens', per: '10000', weights: [{ pattern, units: '2' }] },
    valueProperty: 'value',
    currencyProperty: 'currency',
    humanShareProperty: 'human',
    attributes: [{ name: 'channel', property: 'channel' }],
    prices: [
      {
        name: 'x',
        currency: 'USD',
        pattern,
        terms: {
          model: 'GRADUATED',
          ...OTHER_TERMS,
          per: '1',
          freeUnits: '0',
          tiers: [
            { upTo: '1', unitAmount: '1', per: '1', flatAmount: '0', rate: null },
            { upTo: null, unitAmount: '1', per: '1', flatAmount: '0', rate: null },
          ],
          tierBounds: 'INCLUSIVE',
          discountRate: '0',
          minimum: null,
          maximum: null,
          prorated: false,
          conversion: { divideBy: '3', multiplyBy: '1', rounding: 'HALF_UP', precision: 0 },
        },
      },
    ],
    minimum: { quantity: null, amount: { amount: '1', currency: 'USD' }, isProrated: true },
    caps: [{ mode: 'HARD', per: 'DAY', count: '5', amount: null }],
    reversal: {
      clause: clause('fuzz.reopened'),
      windowHours: 48,
      amountProperty: 'amount',
      targetProperty: 'claim',
      sentBy: 'ANY',
    },
    guarantee: { clause: clause('fuzz.charged_back'), windowHours: 48, sentBy: 'SELLER' },
    usage: { relation: 'REPLACE', meterIds: [usedMeterId] },
    dispute: { windowHours: 48, responseHours: 48, whenSilent: 'CREDIT' },
    sampleAudit: { tolerance: '5', leastSample: 1 },
    anomaly: { factor: '3', leastClaims: 10 },
  };
};

let product: Product;
let customerId: string;
let meterId: string;
let superuser: pg.Client;
let countSql: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  customerId = await aTenant(product, { name: 'Customer' });
  meterId = await aMeter(product, { key: 'tokens' });
  superuser = new pg.Client({ connectionString: product.database.adminUrl });
  await superuser.connect();
  const tables = await asSuperuser<{ name: string }>(
    product.database,
    `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
  );
  const counting = tables.map(({ name }) => `select '${name}' as name, (select count(*) from ${name}) as n`);
  countSql = `select jsonb_object_agg(name, n) as counts from (${counting.join(' union all ')}) counted`;
});

afterAll(async () => {
  await superuser.end();
  await product.close();
});

/** After all that, the server still answers. */
afterEach(async () => {
  const { data } = await product.graphql(product.platformKey, '{ viewer { tenant { id } } }');
  expect(data.viewer.tenant.id).toBe(product.platformId);
});

/** How many rows each table has. */
async function counts(): Promise<Record<string, number>> {
  const { rows } = await superuser.query<{ counts: Record<string, number> }>(countSql);

  return rows[0]?.counts ?? {};
}

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly key?: string | null;
  readonly type?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

interface Got {
  readonly status: number;
  readonly text: string;
  readonly body: {
    readonly error?: { readonly code: string; readonly message: string };
    readonly [name: string]: unknown;
  };
}

/** Sends bytes as they are: `fetch` would mend some of what is broken on purpose. */
function send({
  path = '/v1/usage',
  method = 'POST',
  key,
  type = 'application/json',
  headers = {},
  body,
}: Sent): Promise<Got> {
  return new Promise((resolve, reject) => {
    const url = new URL(path, product.server.url);
    let isAnswered = false;
    const bearer = key === undefined ? product.platformKey : key;
    const request = httpRequest(
      url,
      {
        method,
        agent: false,
        headers: {
          ...(type === null ? {} : { 'content-type': type }),
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...headers,
        },
      },
      response => {
        isAnswered = true;
        let text = '';
        response.setEncoding('utf8');
        response.on('data', chunk => (text += String(chunk)));
        response.on('end', () => {
          let parsed = {};

          try {
            parsed = JSON.parse(text) as object;
          } catch {
            // Judged as text below.
          }

          resolve({ status: response.statusCode ?? 0, text, body: parsed });
        });
      },
    );
    // A server that answers 413 need not read the rest; what it answered counts.
    request.on('error', error => (isAnswered ? undefined : reject(error)));
    request.end(body);
  });
}

/** Sends what is to be refused, and sees that it is, clearly, and that no row came of it. */
async function refused(sent: Sent): Promise<string> {
  const before = await counts();
  const got = await send(sent);
  expect(await counts()).toEqual(before);
  expect(got.text.length).toBeLessThan(20_000);
  expect(got.text).not.toMatch(LEAK);
  const errors = got.body['errors'] as { extensions?: { code?: string } }[] | undefined;
  const code = got.body.error?.code ?? errors?.[0]?.extensions?.code ?? 'none';

  return `${got.status} ${code}`;
}

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
    expect(await refused(sent())).toBe(answer);
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
    const before = await counts();

    for (const [type, body] of [
      ['application/json', `[${item()}]`],
      ['application/x-ndjson', `${item()}\n`],
    ] as const) {
      const got = await send({ type, body });
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

    expect(await counts()).toEqual(before);
  });

  test('one good item among all the bad ones is taken, and only that one', async () => {
    const before = await counts();
    const good = text({ id: 'the-good-one' });
    const bad = ITEMS.filter(([what]) => !/million|megabyte/.test(what)).map(([, item]) => item());
    const got = await send({ type: 'application/x-ndjson', body: [...bad, '{"id":', 'not json', good, ''].join('\n') });
    expect({ status: got.status, accepted: got.body['accepted'] }).toEqual({ status: 200, accepted: 1 });
    expect((got.body['rejected'] as unknown[]).length).toBe(bad.length + 2);
    const after = await counts();
    expect({ ...after, usage_event: 0, usage_bucket: 0, usage_touch: 0, outbox: 0 }).toEqual({
      ...before,
      usage_event: 0,
      usage_bucket: 0,
      usage_touch: 0,
      outbox: 0,
    });
    expect(after['usage_event']).toBe((before['usage_event'] ?? 0) + 1);

    // The same again is a duplicate, and other content under the same id is a conflict that names both hashes.
    const again = await send({ body: good });
    expect(again.body).toMatchObject({ accepted: 0, duplicates: [0] });
    const other = await send({ body: good.replace('"tokens":1', '"tokens":2') });
    expect({ status: other.status, accepted: other.body['accepted'] }).toEqual({ status: 409, accepted: 0 });
    expect(await counts()).toEqual(after);
  });

  test('a duplicate key within an item does not smuggle a second value in', async () => {
    const before = await counts();
    const got = await send({ body: `[${text().replace('"tokens":1', '"tokens":1,"tokens":-5')}]` });
    expect(got.status).toBe(422);
    expect(await counts()).toEqual(before);
  });

  test('names of the prototype are names like any other within properties', async () => {
    const item = text().replace(
      '"tokens":1',
      '"tokens":1,"__proto__":{"polluted":true},"constructor":"x","toString":1',
    );
    const got = await send({ body: item });
    expect(got.status === 200 || got.status === 422).toBe(true);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

/** Strings that break something somewhere. */
const STRINGS: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'x\udfffy',
  '😀',
  '\u202egnp',
  'line\r\nbreak',
  "' or '1'='1",
  "'; drop table tenant; --",
  '%',
  '../../../etc/passwd',
  '__proto__',
  'constructor',
  '{"$ne":null}',
  '${7*7}{{7*7}}',
  'ten_0123456789ABCDEFGHJKMNPQRS',
  'x'.repeat(300),
  'x'.repeat(1_000_000),
];
const DECIMALS: readonly unknown[] = [
  'NaN',
  '1e308',
  '-1',
  '0',
  '',
  '9'.repeat(26),
  '9'.repeat(27),
  `0.${'1'.repeat(18)}`,
  1,
  'Infinity',
  '0x10',
  ' 1',
  '1'.repeat(1_000_000),
];
const DATES: readonly unknown[] = [
  '',
  'yesterday',
  '2026-02-30T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:45:00Z',
  '+275760-09-13T00:00:00Z',
  '-271821-04-20T00:00:00Z',
  '2026-12-01T00:07:00Z',
  0,
  -1,
  8.64e15,
  -8.64e15,
  1e308,
  '\0',
];
const INTS: readonly unknown[] = [-1, 0, 2_147_483_647, -2_147_483_648, 1e308, 1.5, '1'];
const ENUMS: readonly unknown[] = ['', 'NOPE', '__proto__', 'PLATFORM'];

/** What to put where a value of this type belongs. */
function hostileFor(type: GraphQLInputType): readonly unknown[] {
  switch (getNamedType(type).name) {
    case 'ID':
    case 'String':
      return STRINGS;

    case 'Decimal':
      return DECIMALS;

    case 'DateTimeISO':
    case 'DateTime':
      return DATES;

    case 'Int':
      return INTS;

    case 'Boolean':
      return ['true', 1];

    case 'JSON':
      return [null, 1, 'x', [], {}, { id: '\0' }, { id: '\ud800', type: 'llm.request' }];

    default:
      return ENUMS;
  }
}

type Path = readonly (string | number)[];

interface Leaf {
  readonly path: Path;
  readonly type: GraphQLInputType;
}

/** Every leaf of an input, by the type that the schema gives it. Fails on a field that the example leaves out. */
function leavesOf(type: GraphQLInputType, value: unknown, path: Path = []): Leaf[] {
  const bare = getNullableType(type);

  if (value === null && (isListType(bare) || isInputObjectType(bare))) {
    return [];
  }

  if (isListType(bare)) {
    return (value as unknown[]).flatMap((item, index) =>
      leavesOf(bare.ofType as GraphQLInputType, item, [...path, index]),
    );
  }

  if (!isInputObjectType(bare)) {
    return [{ path, type }];
  }

  return Object.values(bare.getFields()).flatMap(field => {
    const given = (value as Record<string, unknown>)[field.name];

    if (given === undefined) {
      throw new Error(`the example of ${bare.name} lacks ${field.name}`);
    }

    return leavesOf(field.type, given, [...path, field.name]);
  });
}

function withValue(value: unknown, [head, ...rest]: Path, leaf: unknown): unknown {
  if (head === undefined) {
    return leaf;
  }

  if (Array.isArray(value)) {
    return value.map((item, index) => (index === head ? withValue(item, rest, leaf) : (item as unknown)));
  }

  const members = value as Record<string, unknown>;

  return { ...members, [head]: withValue(members[head], rest, leaf) };
}

/** The path of every leaf of a value. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) =>
        pathsOf(member, [...path, Array.isArray(value) ? Number(name) : name]),
      )
    : [path];
}

/** Some of each kind. */
const HOSTILE: readonly unknown[] = [
  ...STRINGS.slice(0, 6),
  '😀',
  "' or '1'='1",
  '__proto__',
  'x'.repeat(256),
  '-1',
  '1e308',
  'NaN',
  '9'.repeat(30),
  '2026-02-30T00:00:00Z',
  -1,
  0,
  1.5,
  1e308,
  null,
  true,
  [],
  {},
  [[]],
];

interface GraphqlBody {
  readonly data?: Record<string, { userErrors?: { code: string; message: string; field: string[] }[] } | null> | null;
  readonly errors?: { message: string; extensions: { code: string; requestId?: string } }[];
}

describe('GraphQL', () => {
  async function ask(
    text: string,
    variables: object,
    key = product.platformKey,
  ): Promise<{ status: number; text: string; body: GraphqlBody }> {
    const got = await send({ path: '/graphql', key, body: JSON.stringify({ query: text, variables }) });

    return { ...got, body: got.body as GraphqlBody };
  }

  /** An input of each mutation with every field filled, fit to be accepted but for what a test puts into it. */
  async function examples(): Promise<Record<string, () => object | Promise<object>>> {
    const { services } = product.app;
    const { bookId, versionId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
    const aDraft = async (): Promise<string> => {
      const { version } = await services.pricing.createVersion(product.scope(), {
        priceBookId: bookId,
        prices: [{ meterId, name: 'x', pattern: {}, terms: perMillion('1') }],
        idempotencyKey: randomUUID(),
      });

      return version.id;
    };
    // A publication of one instant must not stand in the way of the next.
    let quarters = 0;
    const nextQuarter = (): string => new Date(Date.UTC(2027, 0, 1) + ++quarters * 900_000).toISOString();
    const { model } = await services.catalog.createModel(product.scope(), {
      key: `model-${randomUUID()}`,
      provider: 'p',
      family: 'f',
      modality: 'text',
      contextBands: [],
      idempotencyKey: randomUUID(),
    });
    const { alert } = await services.alerts.create(
      product.scope(customerId),
      { name: 'x', budget: null, thresholds: [{ amount: '1' }], idempotencyKey: randomUUID() },
      services.rating,
    );
    const idempotencyKey = (): string => randomUUID();
    const tenantId = customerId;
    const word = (): string => `x${randomUUID().replaceAll('-', '')}`.slice(0, 30);
    const { meter: kinds } = await services.catalog.createMeter(product.scope(), {
      key: word(),
      eventType: 'fuzz.tokens',
      filter: '',
      aggregation: 'SUM',
      valueProperty: 'value',
      dimensions: [
        { name: 'model', property: 'model' },
        { name: 'token_kind', property: 'kind' },
      ],
      unit: 'token',
      idempotencyKey: randomUUID(),
    });
    const list = () => ({
      format: 'LITELLM' as const,
      content:
        '{"m": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}',
      source: 'x',
      sourceDate: '2026-11-01',
      models: ['m*'],
    });
    const { priceImport } = await services.priceImports.propose(product.scope(), {
      ...list(),
      meters: [],
      priceBookId: bookId,
      meterId: kinds.id,
      idempotencyKey: randomUUID(),
    });
    const anImportOfCosts = async (): Promise<string> => {
      const made = await services.costImports.propose(product.scope(), {
        ...list(),
        meters: [],
        idempotencyKey: randomUUID(),
      });
      await services.priceImports.decide(product.scope(), 'COSTS', {
        importId: made.priceImport.id,
        keys: [],
        allUnflagged: true,
        decision: 'APPROVED',
      });

      return made.priceImport.id;
    };
    const costsId = await anImportOfCosts();
    const parent = await aPriceBook(product, {
      prices: [{ meterId, pattern: { model: 'm' }, terms: perMillion('1') }],
    });
    const { snapshot } = await services.fxSnapshots.create(product.scope(), {
      base: 'USD',
      quote: 'EUR',
      rate: '0.92',
      asOf: NOW,
      source: 'x',
      idempotencyKey: randomUUID(),
    });
    const line = 'token:model=m&token_kind=input';
    const sold = await anOutcomeRule(product, {
      bookId,
      terms: {
        verification: null,
        valueProperty: 'value',
        maturationHours: 0,
        evidence: [],
        reversal: { clause: null, windowHours: 8_760, amountProperty: null, targetProperty: null, sentBy: 'ANY' },
        dispute: { windowHours: 8_760, responseHours: 1, whenSilent: 'UPHOLD' },
        sampleAudit: { tolerance: '5', leastSample: 1 },
      },
      publishedAt: new Date('2026-10-01T00:00:00Z'),
    });
    await anOutcomeRule(product, {
      bookId,
      terms: {
        claim: { eventType: 'fuzz.checked', filter: '' },
        verification: {
          verifiers: ['HUMAN'],
          parties: 'ANY',
          eventType: null,
          sentBy: 'ANY',
          expiresAfterHours: 8_760,
        },
        evidence: ['proof'],
      },
      publishedAt: new Date('2026-10-01T00:00:00Z'),
    });
    product.setClock(NOW);
    const buyerId = await aTenant(product);
    await aContract(product, { buyerId, bookId });
    const credits = () => ({
      kind: 'PAID' as const,
      unit: 'credit',
      unitWorth: { amount: '1', currency: 'USD' },
      amount: '1000000',
      costBasis: { amount: '1', currency: 'USD' },
      priority: 1,
      meterIds: [meterId],
      models: ['m*'],
      effectiveAt: NOW.toISOString(),
      expiresAt: '2027-01-01T00:00:00Z',
    });
    const { grant } = await services.credits.grant(product.scope(customerId), {
      ...credits(),
      effectiveAt: NOW,
      expiresAt: null,
      idempotencyKey: randomUUID(),
    });
    const { feature } = await services.entitlements.createFeature(product.scope(), {
      key: word(),
      name: 'x',
      kind: 'MODELS',
      idempotencyKey: randomUUID(),
    });
    const budgetId = await aBudget(product, { tenantId, amount: '1', mode: 'SOFT' });
    const aClaim = (type = 'conversation.resolved') =>
      anEvent({ type, time: '2026-11-20T11:00:00Z', subject: randomUUID(), properties: { value: 10 } });
    const anOutcome = async ({ isChecked = false } = {}): Promise<string> => {
      const event = aClaim(isChecked ? 'fuzz.checked' : 'conversation.resolved');
      const [outcome] = await services.outcomeClaims.claim(product.scope(), buyerId, event);

      return outcome?.id ?? '';
    };
    const october = { outcomeRuleId: sold.ruleId, at: '2026-10-15T00:00:00Z', sampleSize: 1 };
    // A period is audited once.
    const forgetAudits = () => superuser.query('delete from outcome_sample_audit');
    // Something to audit in October, which is over.
    await services.outcomeClaims.claim(product.scope(), buyerId, { ...aClaim(), time: '2026-10-20T00:00:00Z' });
    const aRuleDraft = async (): Promise<string> => {
      const { version } = await services.outcomeRules.createVersion(product.scope(), {
        outcomeRuleId: sold.ruleId,
        terms: {
          claim: { eventType: 'fuzz.event' },
          prices: [{ name: 'x', currency: 'USD', terms: { model: 'UNIT', unitAmount: '1' } }],
        },
        idempotencyKey: randomUUID(),
      });

      return version.id;
    };

    return {
      tenantCreate: () => ({
        idempotencyKey: idempotencyKey(),
        parentId: product.platformId,
        kind: 'CUSTOMER',
        name: 'x',
        currency: 'USD',
        timeZone: 'UTC',
        region: 'eu',
      }),
      apiKeyCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        name: 'x',
        prefix: 'rb',
        mode: 'LIVE',
        permissions: ['usage:read'],
        expiresAt: '2027-01-01T00:00:00Z',
      }),
      apiKeyRevoke: () => ({ tenantId, apiKeyId: 'key_0123456789ABCDEFGHJKMNPQRS' }),
      webhookEndpointCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        url: 'https://example.com/',
        eventTypes: ['invoice.issued'],
      }),
      webhookDeliveryReplay: () => ({ tenantId, webhookDeliveryId: 'whd_0123456789ABCDEFGHJKMNPQRS' }),
      modelCreate: () => ({
        idempotencyKey: idempotencyKey(),
        key: word(),
        provider: 'p',
        family: 'f',
        modality: 'text',
        contextBands: [{ above: '1', inclusive: false, name: 'long' }],
      }),
      modelCostSet: () => ({
        idempotencyKey: idempotencyKey(),
        modelId: model.id,
        effectiveAt: new Date(Math.floor(Math.random() * 1e12)).toISOString(),
        currency: 'USD',
        rates: [
          { kind: 'input_tokens', amount: '1', per: '1', dimensions: [{ name: 'service_tier', value: 'batch' }] },
        ],
        source: 'x',
      }),
      modelContextSet: () => ({
        idempotencyKey: idempotencyKey(),
        modelId: model.id,
        effectiveAt: new Date(Date.UTC(2027, 0, 1) + Math.floor(Math.random() * 1e12)).toISOString(),
        bands: [{ above: '1', inclusive: true, name: 'long' }],
      }),
      meterCreate: () => ({
        idempotencyKey: idempotencyKey(),
        key: word(),
        eventType: 'fuzz.event',
        filter: 'type == "x"',
        source: 'PROPERTY',
        aggregation: 'SUM',
        valueProperty: 'value',
        factorProperties: ['replicas'],
        conversion: { divideBy: '60', multiplyBy: '1', rounding: 'CEILING', precision: 0 },
        dimensions: [{ name: 'model', property: 'model', default: 'none' }],
        unit: 'token',
        keepsEvents: true,
      }),
      priceBookCreate: () => ({ idempotencyKey: idempotencyKey(), tenantId, name: word(), currency: 'USD' }),
      priceBookVersionCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        priceBookId: bookId,
        prices: [
          {
            meterId,
            name: 'x',
            currency: 'USD',
            source: 'x',
            dimensions: [{ name: 'model', value: 'm*' }],
            window: {
              from: '2027-01-01T00:00:00Z',
              until: '2028-01-01T00:00:00Z',
              daily: { start: '22:00', end: '06:00', timeZone: 'Europe/Berlin', weekdays: [1, 7] },
            },
            model: 'GRADUATED',
            ...OTHER_TERMS,
            per: '1',
            freeUnits: '0',
            tiers: [
              { upTo: '1', unitAmount: '1', per: '1', flatAmount: '0', rate: null },
              { upTo: null, unitAmount: '1', per: '1', flatAmount: '0', rate: null },
            ],
            tierBounds: 'INCLUSIVE',
            discountRate: '0',
            minimum: '0',
            maximum: '1',
            prorated: false,
            conversion: { divideBy: '3', multiplyBy: '1', rounding: 'HALF_UP', precision: 0 },
          },
        ],
        basis: {
          priceBookId: parent.bookId,
          versionId: parent.versionId,
          fxSnapshotId: snapshot.id,
          adjustments: [
            {
              meterId,
              dimensions: [{ name: 'model', value: 'm' }],
              percent: '-10',
              floor: { unitAmount: '0.5', per: '1' },
            },
          ],
        },
        discounts: [
          {
            name: 'x',
            meterId,
            dimensions: [{ name: 'model', value: 'm*' }],
            currency: 'USD',
            basis: 'SPEND',
            mode: 'GRADUATED',
            tiers: [
              { upTo: '10', rate: '1' },
              { upTo: null, rate: '2' },
            ],
          },
        ],
      }),
      fxSnapshotCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        base: 'USD',
        quote: 'EUR',
        rate: '0.92',
        asOf: '2026-11-01T00:00:00Z',
        source: 'x',
      }),
      priceBookPublish: async () => ({
        tenantId: product.platformId,
        versionId: await aDraft(),
        effectiveAt: nextQuarter(),
      }),
      priceBookWithdraw: async () => ({ tenantId: product.platformId, versionId: await aDraft() }),
      priceImportPropose: () => ({
        ...list(),
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        priceBookId: bookId,
        meterId: kinds.id,
        meters: [{ unit: 'IMAGE', meterId: kinds.id }],
      }),
      priceImportDecide: () => ({
        tenantId: product.platformId,
        importId: priceImport.id,
        keys: [line],
        allUnflagged: false,
        decision: 'REJECTED',
      }),
      priceImportDraft: () => ({ tenantId, importId: 'pim_0123456789ABCDEFGHJKMNPQRS' }),
      priceImportDiscard: () => ({ tenantId, importId: 'pim_0123456789ABCDEFGHJKMNPQRS' }),
      modelCostImportPropose: () => ({
        ...list(),
        idempotencyKey: idempotencyKey(),
        meters: [{ unit: 'IMAGE', meterId: kinds.id }],
      }),
      modelCostImportDecide: () => ({
        importId: costsId,
        keys: [line],
        allUnflagged: false,
        decision: 'REJECTED',
      }),
      modelCostImportApply: async () => ({
        importId: await anImportOfCosts(),
        effectiveAt: new Date(Math.floor(Math.random() * 1e12)).toISOString(),
        enterModels: true,
      }),
      modelCostImportDiscard: () => ({ importId: 'cim_0123456789ABCDEFGHJKMNPQRS' }),
      contractCreate: async () => ({
        idempotencyKey: idempotencyKey(),
        sellerId: product.platformId,
        buyerId: await aTenant(product),
        priceBookId: bookId,
        priceBookVersionId: versionId,
        currency: 'USD',
        commitmentAmount: '100',
        startsAt: '2026-12-01T00:00:00Z',
        graceHours: 1,
      }),
      contractsMigrate: async () => {
        const buyerId = await aTenant(product);
        await aContract(product, { buyerId, bookId });

        return {
          idempotencyKey: idempotencyKey(),
          sellerId: product.platformId,
          priceBookId: bookId,
          fromVersionId: null,
          toPriceBookId: parent.bookId,
          toVersionId: parent.versionId,
          effectiveAt: '2026-12-01T00:00:00Z',
          buyerIds: [buyerId],
        };
      },
      usageRecord: () => ({ events: [{ id: 'x', type: 'nobody.counts', time: NOW.toISOString() }] }),
      invoiceIssue: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        invoiceId: 'inv_0123456789ABCDEFGHJKMNPQRS',
        acceptUnpriced: false,
      }),
      featureCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        key: word(),
        name: 'x',
        kind: 'LIMIT',
        meterId,
        failMode: 'LAST_KNOWN',
        failCap: '100',
      }),
      entitlementSet: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        featureId: feature.id,
        targetKind: 'PLAN',
        targetId: bookId,
        value: { allow: ['gpt-*'], deny: [], regions: ['eu'] },
        effectiveAt: nextQuarter(),
      }),
      creditGrantCreate: () => ({ tenantId, idempotencyKey: idempotencyKey(), ...credits() }),
      creditGrantRefund: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        creditGrantId: grant.id,
        amount: '0.000001',
        reason: 'x',
      }),
      creditTransfer: () => ({
        idempotencyKey: idempotencyKey(),
        fromTenantId: customerId,
        toTenantId: product.platformId,
        unit: 'credit',
        amount: '0.000001',
        reason: 'x',
      }),
      creditRechargeSet: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        unit: 'credit',
        below: '1',
        amount: '1',
      }),
      budgetCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        name: 'x',
        amount: '100',
        currency: 'USD',
        mode: 'SOFT',
        per: 'MONTH',
        countedTenantId: customerId,
        keyId: 'key_0123456789ABCDEFGHJKMNPQRS',
        meterId,
        model: 'gpt-*',
      }),
      budgetChange: () => ({ tenantId, budgetId, amount: '100', mode: 'HARD' }),
      budgetRaise: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        budgetId,
        amount: '1',
        from: NOW.toISOString(),
        until: '2026-12-01T00:00:00Z',
        reason: 'x',
      }),
      budgetEnd: () => ({ tenantId, budgetId: 'bud_0123456789ABCDEFGHJKMNPQRS' }),
      spendAlertCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId,
        name: 'x',
        budget: '1',
        thresholds: [{ amount: '1', percent: null }],
      }),
      spendAlertArchive: () => ({ tenantId, spendAlertId: alert.id }),
      simulationStart: async () => {
        // Only a few may be open at a time.
        await superuser.query(
          `update simulation set status = 'CANCELLED', finished_at = $1 where finished_at is null`,
          [NOW],
        );

        return {
          idempotencyKey: idempotencyKey(),
          sellerId: product.platformId,
          priceBookVersionId: versionId,
          from: '2026-10-01T00:00:00Z',
          until: '2026-11-01T00:00:00Z',
          tenantIds: [customerId],
          move: { priceBookId: bookId, fromVersionId: versionId, effectiveAt: '2026-11-01T00:00:00Z' },
          baseline: 'CHARGED',
          modelContexts: [{ modelKey: model.key, bands: [{ above: '1', inclusive: false, name: 'long' }] }],
        };
      },
      simulationCancel: () => ({ tenantId, simulationId: 'sim_0123456789ABCDEFGHJKMNPQRS' }),
      outcomeRuleCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        priceBookId: bookId,
        key: word(),
        name: 'x',
      }),
      outcomeRuleVersionCreate: () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: product.platformId,
        outcomeRuleId: sold.ruleId,
        terms: allTerms(meterId),
      }),
      outcomeRuleVersionPublish: async () => ({
        tenantId: product.platformId,
        outcomeRuleVersionId: await aRuleDraft(),
        effectiveAt: nextQuarter(),
      }),
      outcomeRuleVersionWithdraw: async () => ({
        tenantId: product.platformId,
        outcomeRuleVersionId: await aRuleDraft(),
      }),
      outcomeClaim: () => ({ tenantId: buyerId, event: aClaim() }),
      outcomeVerify: async () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: buyerId,
        outcomeIds: [await anOutcome({ isChecked: true })],
        passes: true,
        verifier: 'HUMAN',
        score: '5',
        evidence: { proof: 'x' },
        reason: 'x',
      }),
      outcomeReverse: async () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: buyerId,
        outcomeIds: [await anOutcome()],
        amount: '1',
        isGuarantee: false,
        at: NOW.toISOString(),
        reason: 'x',
      }),
      outcomeDisputeOpen: async () => ({
        idempotencyKey: idempotencyKey(),
        tenantId: buyerId,
        outcomeIds: [await anOutcome()],
        reason: 'x',
        evidence: { proof: 'x' },
      }),
      outcomeDisputeDecide: async () => {
        const [accepted, rejected] = [await anOutcome(), await anOutcome()];
        const { dispute } = await services.outcomeDisputes.open(
          product.scope(buyerId),
          { outcomeIds: [accepted, rejected], reason: 'x', evidence: {}, idempotencyKey: randomUUID() },
          { keyId: 'key_of_the_buyer', party: 'BUYER' },
        );

        return {
          idempotencyKey: idempotencyKey(),
          tenantId: buyerId,
          outcomeDisputeId: dispute.id,
          acceptedOutcomeIds: [accepted],
          rejectedOutcomeIds: [rejected],
          reason: 'x',
        };
      },
      outcomeSimulationStart: async () => {
        // Only a few may be open at a time.
        await superuser.query(
          `update outcome_simulation set status = 'CANCELLED', finished_at = $1 where finished_at is null`,
          [NOW],
        );

        return {
          idempotencyKey: idempotencyKey(),
          tenantId: product.platformId,
          outcomeRuleVersionId: sold.versionId,
          tenantIds: [buyerId],
          from: '2026-10-01T00:00:00Z',
          until: '2026-11-01T00:00:00Z',
        };
      },
      outcomeSampleAuditStart: async () => {
        await forgetAudits();

        return { idempotencyKey: idempotencyKey(), tenantId: buyerId, ...october };
      },
      outcomeSampleAuditFinish: async () => {
        await forgetAudits();
        const { audit } = await services.sampleAudits.start(
          product.scope(buyerId),
          { ...october, at: new Date(october.at), idempotencyKey: randomUUID() },
          { keyId: 'key_of_the_seller', party: 'SELLER' },
        );

        return {
          idempotencyKey: idempotencyKey(),
          tenantId: buyerId,
          outcomeSampleAuditId: audit.id,
          wrongOutcomeIds: audit.sampleIds,
        };
      },
    };
  }

  test('no value in any field of any mutation is answered by an internal error, and what is refused changes nothing', async () => {
    const byName = await examples();
    const mutations = product.app.schema.getMutationType()?.getFields() ?? {};
    expect(Object.keys(byName).sort()).toEqual(Object.keys(mutations).sort());
    const faults: string[] = [];
    let asked = 0;
    let accepted = 0;

    for (const [mutation, example] of Object.entries(byName)) {
      const input = mutations[mutation]?.args[0]?.type;

      if (!input) {
        throw new Error(`${mutation} has no input`);
      }

      const fields = (getNamedType(input) as GraphQLInputObjectType).getFields();
      const text = `mutation ($input: ${String(input)}) { ${mutation}(input: $input) { userErrors { code message field } } }`;

      for (const { path, type } of leavesOf(input, await example())) {
        for (const value of hostileFor(type)) {
          const given = withValue(await example(), path, value);
          const before = await counts();
          const { status, text: answer, body } = await ask(text, { input: given });
          asked += 1;
          const what = `${mutation} ${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}`;
          const userErrors = body.data?.[mutation]?.userErrors ?? [];
          const errors = body.errors ?? [];
          const isRefused = userErrors.length > 0 || errors.length > 0;
          const after = await counts();

          if (status >= 500 || errors.some(error => error.extensions.code === 'INTERNAL')) {
            faults.push(`${what}: ${status} ${answer.slice(0, 200)}`);
          } else if (answer.length > 4_000 || LEAK.test(answer)) {
            faults.push(`${what}: leaks or echoes ${answer.length} characters: ${answer.slice(0, 300)}`);
          } else if (userErrors.some(({ field: [first] }) => first === undefined || !(first in fields))) {
            faults.push(`${what}: names no field: ${answer.slice(0, 300)}`);
          } else if (errors.length > 0 && !errors.every(error => error.extensions.code === 'BAD_USER_INPUT')) {
            faults.push(`${what}: ${answer.slice(0, 300)}`);
          } else if (isRefused && JSON.stringify(before) !== JSON.stringify(after)) {
            faults.push(`${what}: refused, and rows were written`);
          }

          accepted += isRefused ? 0 : 1;
        }
      }
    }

    expect(faults).toEqual([]);
    expect(asked).toBeGreaterThan(1_000);
    expect(accepted).toBeGreaterThan(20);
    // Thousands of requests: many minutes where the machine has other work.
  }, 600_000);

  test('no value in any argument of any query is answered by an internal error', async () => {
    const faults: string[] = [];
    const schema = product.app.schema;
    const tenantFields = Object.values((schema.getType('Tenant') as GraphQLObjectType).getFields());
    const rootFields = Object.values(schema.getQueryType()?.getFields() ?? {});
    const EXAMPLES: Readonly<Record<string, unknown>> = { from: '2026-11-01T00:00:00Z', until: '2026-11-30T00:00:00Z' };
    const onePage = (name: string): string =>
      name.endsWith('Connection') ? '{ pageInfo { endCursor } }' : '{ __typename }';
    let asked = 0;

    for (const [field, wrap] of [
      ...rootFields.map(root => [root, (inner: string) => inner] as const),
      ...tenantFields.map(root => [root, (inner: string) => `tenant { ${inner} }`] as const),
    ]) {
      for (const argument of field.args) {
        const plain = hostileFor(argument.type);
        const cursors = argument.name === 'after' ? STRINGS.map(value => Buffer.from(value).toString('base64url')) : [];

        for (const value of [...plain, ...cursors]) {
          const declared = field.args.map(arg => `$${arg.name}: ${String(arg.type)}`).join(', ');
          const passed = field.args.map(arg => `${arg.name}: $${arg.name}`).join(', ');
          const variables = Object.fromEntries(
            field.args.flatMap(arg =>
              arg.name === argument.name
                ? [[arg.name, value]]
                : arg.name in EXAMPLES
                  ? [[arg.name, EXAMPLES[arg.name]]]
                  : arg.name === 'id'
                    ? [[arg.name, customerId]]
                    : [],
            ),
          );
          const { status, text, body } = await ask(
            `query (${declared}) { ${wrap(`${field.name}(${passed}) ${onePage(getNamedType(field.type).name)}`)} }`,
            variables,
          );
          asked += 1;
          const what = `${field.name} ${argument.name} = ${JSON.stringify(value)?.slice(0, 60)}`;
          const codes = (body.errors ?? []).map(error => error.extensions.code);

          if (status >= 500 || codes.some(code => !['BAD_USER_INPUT', 'INVALID_INPUT'].includes(code))) {
            faults.push(`${what}: ${status} ${text.slice(0, 200)}`);
          } else if (text.length > 4_000 || LEAK.test(text)) {
            faults.push(`${what}: leaks or echoes: ${text.slice(0, 200)}`);
          }
        }
      }
    }

    expect(faults).toEqual([]);
    expect(asked).toBeGreaterThan(300);
  });

  test.each<readonly [what: string, sent: () => Sent, answer: string]>([
    ['malformed JSON', () => ({ body: '{"query": "{ viewer' }), '400 BAD_REQUEST'],
    ['an empty body', () => ({ body: '' }), '400 BAD_REQUEST'],
    ['null', () => ({ body: 'null' }), '400 BAD_REQUEST'],
    [
      'an array of operations',
      () => ({ body: '[{"query":"{ __typename }"},{"query":"{ __typename }"}]' }),
      '400 BAD_REQUEST',
    ],
    ['a query that is a number', () => ({ body: '{"query": 1}' }), '400 BAD_REQUEST'],
    ['variables that are text', () => ({ body: '{"query": "{ __typename }", "variables": "x"}' }), '400 BAD_REQUEST'],
    [
      'an unknown operation',
      () => ({ body: '{"query": "{ __typename }", "operationName": "__proto__"}' }),
      '400 OPERATION_RESOLUTION_FAILURE',
    ],
    [
      'text that is no GraphQL',
      () => ({ body: JSON.stringify({ query: "'; drop table tenant; --" }) }),
      '400 GRAPHQL_PARSE_FAILED',
    ],
    ['a NUL in the document', () => ({ body: JSON.stringify({ query: '{ viewer\0 }' }) }), '400 GRAPHQL_PARSE_FAILED'],
    [
      'an unknown field',
      () => ({ body: JSON.stringify({ query: '{ users { password } }' }) }),
      '400 GRAPHQL_VALIDATION_FAILED',
    ],
    [
      'a form',
      () => ({ type: 'application/x-www-form-urlencoded', body: 'query={viewer{apiKeyId}}' }),
      '400 BAD_REQUEST',
    ],
    ['a multipart body', () => ({ type: 'multipart/form-data; boundary=x', body: '--x--' }), '400 BAD_REQUEST'],
    [
      'a charset that is not UTF-8',
      () => ({ body: Buffer.from('{"query":"query { tenant(id: \\"\xc4\\") { id } }"}', 'latin1') }),
      '400 BAD_REQUEST',
    ],
    [
      'a gzip bomb',
      () => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(100_000_000, ' ')) }),
      '413 BODY_TOO_LARGE',
    ],
    ['50 MB', () => ({ body: Buffer.alloc(50_000_000, ' ') }), '413 BODY_TOO_LARGE'],
    [
      'a document of 100,000 braces',
      () => ({ body: JSON.stringify({ query: '{a'.repeat(100_000) }) }),
      '400 GRAPHQL_PARSE_FAILED',
    ],
    [
      'variables nested 100,000 deep',
      () => ({
        body: `{"query":"query ($x: ID) { tenant(id: $x) { id } }","variables":{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
      }),
      '*',
    ],
  ])('refuses %s', async (_what, sent, answer) => {
    const got = await refused({ path: '/graphql', ...sent() });
    expect(got).toEqual(answer === '*' ? expect.stringMatching(/^[24]\d\d (?!INTERNAL|none)/) : answer);
  });

  test('variables of the prototype pollute nothing', async () => {
    const before = await counts();
    const got = await send({
      path: '/graphql',
      body: '{"query":"query ($id: ID) { tenant(id: $id) { id } }","variables":{"__proto__":{"id":"x","polluted":1},"constructor":{"prototype":{"polluted":1}}}}',
    });
    expect(got.status).toBe(200);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(await counts()).toEqual(before);
  });

  test('usageRecord judges each event by itself and refuses more than 1,000', async () => {
    const before = await counts();
    const text =
      'mutation ($input: UsageRecordInput!) { usageRecord(input: $input) { accepted rejected { index code field } userErrors { code field } } }';
    const good = anEvent({ time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } });
    const many = await ask(text, { input: { events: Array.from({ length: 1_001 }, () => good) } });
    expect(many.body.data).toMatchObject({
      usageRecord: { userErrors: [{ code: 'INVALID_INPUT', field: ['events'] }] },
    });
    const bad = await ask(text, {
      input: {
        events: [1, '\0', [], { ...good, id: '\0' }, { ...good, properties: { tokens: 1e308, model: 'm' } }],
      },
    });
    expect(bad.body.data?.['usageRecord']).toMatchObject({
      accepted: 0,
      rejected: [
        { index: 0, code: 'INVALID_ITEM' },
        { index: 1, code: 'INVALID_ITEM' },
        { index: 2, code: 'INVALID_ITEM' },
        { index: 3, code: 'INVALID_ID', field: 'id' },
        { index: 4, code: 'INVALID_QUANTITY', field: 'properties.tokens' },
      ],
    });
    const literal = await ask(
      'mutation { usageRecord(input: { events: [{ id: "a\\u0000", type: "llm.request" }, { id: 1e999 }] }) { accepted rejected { code } } }',
      {},
    );
    expect(literal.body.data?.['usageRecord']).toEqual({
      accepted: 0,
      rejected: [{ code: 'INVALID_ID' }, { code: 'INVALID_TYPE' }],
    });
    expect(await counts()).toEqual(before);
  });

  describe('price books', () => {
    const CREATE =
      'mutation ($input: PriceBookVersionCreateInput!) { priceBookVersionCreate(input: $input) { priceBookVersion { id } userErrors { code message field } } }';
    let bookId: string;

    beforeAll(async () => {
      ({ bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] }));
    });

    const tiers = (...upTo: (string | null)[]): object => ({
      model: 'GRADUATED',
      tiers: upTo.map(end => ({ upTo: end, unitAmount: '1' })),
    });

    test.each<readonly [what: string, terms: object, field: string]>([
      ['tiers that go back', tiers('10', '5', null), 'tiers.1.upTo'],
      ['two tiers with one end', tiers('10', '10', null), 'tiers.1.upTo'],
      ['an open tier in the middle', tiers('10', null, '20'), 'tiers.1.upTo'],
      ['a last tier that ends', tiers('10', '20'), 'tiers.1.upTo'],
      ['a tier up to 0', tiers('0', null), 'tiers.0.upTo'],
      ['a tier up to less than 0', tiers('-5', null), 'tiers.0.upTo'],
      ['no tiers', { model: 'GRADUATED', tiers: [] }, 'tiers'],
      ['101 tiers', tiers(...Array.from({ length: 100 }, (_, n) => String(n + 1)), null), 'tiers'],
      ['tiers left out', { model: 'VOLUME' }, 'tiers'],
      ['a tier without an amount', { model: 'VOLUME', tiers: [{ upTo: null }] }, 'tiers.0.unitAmount'],
      ['a price per 0', { model: 'UNIT', unitAmount: '1', per: '0' }, 'per'],
      ['a negative price', { model: 'UNIT', unitAmount: '-1' }, 'unitAmount'],
      ['a package of 0', { model: 'PACKAGE', packageAmount: '1', packageSize: '0' }, 'packageSize'],
      ['a flat price without its amount', { model: 'FLAT' }, 'flatAmount'],
      ['a percentage below 0', { model: 'PERCENTAGE', rate: '-1' }, 'rate'],
      ['a discount of more than all', { model: 'FLAT', flatAmount: '1', discountRate: '101' }, 'discountRate'],
      ['a maximum below the minimum', { model: 'FLAT', flatAmount: '1', minimum: '2', maximum: '1' }, 'maximum'],
      ['terms of another model', { model: 'FLAT', flatAmount: '1', tiers: [{ unitAmount: '1' }] }, 'tiers'],
      [
        'a price by single events on a meter that keeps none',
        { model: 'PERCENTAGE', rate: '1', fixedAmount: '1' },
        'meterId',
      ],
      [
        'a window that ends before it begins',
        { model: 'FLAT', flatAmount: '1', window: { from: '2027-01-02T00:00:00Z', until: '2027-01-01T00:00:00Z' } },
        'window.until',
      ],
      [
        'hours of no time zone',
        {
          model: 'FLAT',
          flatAmount: '1',
          window: { daily: { start: '22:00', end: '06:00', timeZone: 'Middle-earth/Shire' } },
        },
        'window.daily.timeZone',
      ],
    ])('refuse %s', async (_what, terms, field) => {
      const before = await counts();
      const { body } = await ask(CREATE, {
        input: { idempotencyKey: randomUUID(), priceBookId: bookId, prices: [{ meterId, name: 'x', ...terms }] },
      });
      const [error] = body.data?.['priceBookVersionCreate']?.userErrors ?? [];
      expect([error?.code, error?.field.join('.')]).toEqual(['INVALID_INPUT', `prices.0.${field}`]);
      expect(await counts()).toEqual(before);
    });

    test('refuse to publish two prices that are equally specific, and publish nothing', async () => {
      const price = (value: string): object => ({
        meterId,
        name: value,
        dimensions: [{ name: 'model', value }],
        model: 'UNIT',
        unitAmount: '1',
      });
      const { body } = await ask(CREATE, {
        input: { idempotencyKey: randomUUID(), priceBookId: bookId, prices: [price('gpt'), price('gpt')] },
      });
      const created = body.data?.['priceBookVersionCreate'] as unknown as { priceBookVersion: { id: string } };
      const versionId = created.priceBookVersion.id;
      const before = await counts();
      const published = await ask(
        'mutation ($input: PriceBookPublishInput!) { priceBookPublish(input: $input) { userErrors { code field } } }',
        { input: { versionId } },
      );
      expect(published.body.data?.['priceBookPublish']?.userErrors).toEqual([
        { code: 'PRICES_AMBIGUOUS', field: expect.any(Array) },
      ]);
      expect(published.body.data?.['priceBookPublish']?.userErrors?.[0]?.field.length).toBeGreaterThan(0);
      expect(await counts()).toEqual(before);
      expect(
        await asSuperuser(product.database, 'select status, effective_at from price_book_version where id = $1', [
          versionId,
        ]),
      ).toEqual([{ status: 'DRAFT', effective_at: null }]);
    });
  });

  test.each<readonly [what: string, filter: string]>([
    ['matches()', 'subject.matches("(a+)+$")'],
    ['nested macros', '[1,2,3].all(a, [1,2,3].all(b, [1,2,3].all(c, a + b + c > 0)))'],
    ['3,000 characters', `type == "${'x'.repeat(3_000)}"`],
    ['3,000 brackets', `${'('.repeat(1_500)}true${')'.repeat(1_500)}`],
    ['an expression that is no boolean', '1 + 1'],
    ['an unknown name', 'process.exit()'],
    ['a broken expression', 'type =='],
    ['a NUL', 'type == "\0"'],
    ['half a surrogate pair', 'type == "\ud800"'],
  ])('refuses a meter whose filter has %s', async (_what, filter) => {
    const before = await counts();
    const startedAt = performance.now();
    const { body } = await ask(
      'mutation ($input: MeterCreateInput!) { meterCreate(input: $input) { userErrors { code message field } } }',
      {
        input: {
          idempotencyKey: randomUUID(),
          key: 'hostile',
          eventType: 'x',
          filter,
          aggregation: 'COUNT',
          unit: 'call',
        },
      },
    );
    expect(body.data?.['meterCreate']?.userErrors).toMatchObject([{ code: 'INVALID_INPUT', field: ['filter'] }]);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(await counts()).toEqual(before);
  });

  test.each<readonly [field: string, value: string]>([
    ...['+02:00', 'Mars/Olympus', 'europe', '', 'UTC\0', 'Europe/Berlin; drop', 'GMT+25', '../etc'].map(
      value => ['timeZone', value] as const,
    ),
    ...['usd', 'US', 'XXX', 'BTC', '', 'USD ', 'U\0D', '💶💶💶'].map(value => ['currency', value] as const),
    ...['EU', '', 'eu\0', 'e', "eu'"].map(value => ['region', value] as const),
  ])('refuses a tenant whose %s is %j', async (field, value) => {
    const before = await counts();
    const { body } = await ask(
      'mutation ($input: TenantCreateInput!) { tenantCreate(input: $input) { userErrors { code message field } } }',
      {
        input: {
          idempotencyKey: randomUUID(),
          kind: 'CUSTOMER',
          name: 'x',
          currency: 'USD',
          timeZone: 'UTC',
          region: 'eu',
          [field]: value,
        },
      },
    );
    expect(body.data?.['tenantCreate']?.userErrors).toMatchObject([{ code: 'INVALID_INPUT', field: [field] }]);
    expect(await counts()).toEqual(before);
  });

  test('a test key records nothing and changes nothing, whatever it asks for', async () => {
    const key = await aKey(product.app, product.scope(), ALL_PERMISSIONS, 'TEST');
    const byName = await examples();
    const inputs = new Map<string, object>();

    for (const [mutation, example] of Object.entries(byName)) {
      inputs.set(mutation, await example());
    }

    const before = await counts();

    for (const [mutation, example] of inputs) {
      const input = product.app.schema.getMutationType()?.getFields()[mutation]?.args[0]?.type;
      const { body } = await ask(
        `mutation ($input: ${String(input)}) { ${mutation}(input: $input) { userErrors { code message field } } }`,
        {
          input:
            mutation === 'usageRecord'
              ? { events: [anEvent({ time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } })] }
              : example,
        },
        key,
      );

      if (mutation === 'usageRecord') {
        expect(body).toEqual({ data: { usageRecord: { userErrors: [] } } });
      } else {
        expect([mutation, body.errors?.[0]?.extensions.code]).toEqual([mutation, 'FORBIDDEN']);
      }
    }

    const dry = await send({
      key,
      body: JSON.stringify(anEvent({ time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } })),
    });
    expect({ status: dry.status, body: dry.body }).toEqual({
      status: 200,
      body: { accepted: 1, duplicates: [], conflicts: [], rejected: [], isDryRun: true },
    });
    expect(await counts()).toEqual(before);
  });
});

describe('POST /v1/check, /v1/authorize, /v1/settle and /v1/void', () => {
  const EVENT_TYPE = 'hostile.call';
  let key: string;
  let holdId: string;

  beforeAll(async () => {
    const tokens = await aMeter(product, { eventType: EVENT_TYPE });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId: tokens, terms: perMillion('1') }] });
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });
    await aBudget(product, { tenantId, amount: '1000' });
    key = await aKey(product.app, product.scope(tenantId), ['holds:write']);
    const { body } = await send({ path: '/v1/authorize', key, body: text('authorize') });
    holdId = (body['hold'] as { id: string }).id;
  });

  const used = (): object =>
    anEvent({ type: EVENT_TYPE, time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } });
  const call = (): object => ({ eventType: EVENT_TYPE, properties: { model: 'm', tokens: 1 } });
  const tokens = () => [{ kind: 'input', expected: '1', most: '2' }];
  const kinds = (count: number) => JSON.stringify(Array.from({ length: count }, () => tokens()[0]));
  /** A body with every member filled, fit to be taken. */
  const BODIES: Readonly<Record<string, () => object>> = {
    check: () => ({ ...call(), model: 'm', serviceTier: 'standard', region: 'eu', feature: null, tokens: tokens() }),
    authorize: () => ({
      ...call(),
      model: 'm',
      serviceTier: 'standard',
      region: 'eu',
      feature: null,
      tokens: tokens(),
      idempotencyKey: randomUUID(),
      expiresInSeconds: 60,
      sentAt: NOW.toISOString(),
    }),
    settle: () => ({ holdId, events: [used()] }),
    void: () => ({ holdId }),
  };
  const ROUTES = Object.keys(BODIES);
  const text = (route: string, over: object = {}): string => JSON.stringify({ ...BODIES[route]?.(), ...over });
  /** What is held and used, which no count of rows tells. */
  const standing = async (): Promise<unknown> => [
    await windowsOf(product),
    (await superuser.query('select id, state from hold order by id')).rows,
  ];
  /** Sends to one route what it has to refuse. */
  const refusedBy = async (route: string, sent: Sent): Promise<string> => {
    const before = await standing();
    const answer = await refused({ path: `/v1/${route}`, key, ...sent });
    expect(await standing()).toEqual(before);

    return answer;
  };

  describe.each(ROUTES)('%s', route => {
    test.each<readonly [what: string, sent: () => Sent, answer: string]>([
      ['malformed JSON', () => ({ body: '{"holdId": ' }), '400 INVALID_INPUT'],
      ['NaN', () => ({ body: '{"holdId": NaN}' }), '400 INVALID_INPUT'],
      ['an empty body', () => ({ body: '' }), '400 INVALID_INPUT'],
      ['no body', () => ({}), '400 INVALID_INPUT'],
      ['null', () => ({ body: 'null' }), '400 INVALID_INPUT'],
      ['a number', () => ({ body: '1e400' }), '400 INVALID_INPUT'],
      ['an array', () => ({ body: '[]' }), '400 INVALID_INPUT'],
      ['nothing in it', () => ({ body: '{}' }), '400 INVALID_INPUT'],
      ['a million brackets', () => ({ body: '['.repeat(1_000_000) }), '400 INVALID_INPUT'],
      [
        'brackets that close, 400,000 deep',
        () => ({ body: `${'['.repeat(400_000)}${']'.repeat(400_000)}` }),
        '400 INVALID_INPUT',
      ],
      ['UTF-16', () => ({ body: Buffer.from('{}', 'utf16le') }), '400 INVALID_INPUT'],
      [
        'bytes that are no UTF-8',
        () => ({ body: Buffer.from(text(route).replace('{', '{"tenantId":"\u00e4",'), 'latin1') }),
        '400 INVALID_INPUT',
      ],
      ['2 MB', () => ({ body: Buffer.alloc(2_000_000, ' ') }), '413 BODY_TOO_LARGE'],
      [
        '50 MB without a length',
        () => ({ headers: { 'transfer-encoding': 'chunked' }, body: Buffer.alloc(50_000_000, ' ') }),
        '413 BODY_TOO_LARGE',
      ],
      [
        'a gzip bomb',
        () => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(200_000_000, ' ')) }),
        '413 BODY_TOO_LARGE',
      ],
      ['gzip that is none', () => ({ headers: { 'content-encoding': 'gzip' }, body: text(route) }), '400 BAD_REQUEST'],
      [
        'an unknown encoding',
        () => ({ headers: { 'content-encoding': 'rot13' }, body: text(route) }),
        '415 BAD_REQUEST',
      ],
      ['a misspelt member', () => ({ body: text(route, { tennantId: 'x' }) }), '400 INVALID_INPUT'],
      [
        'a __proto__ member',
        () => ({ body: text(route).replace('{', '{"__proto__":{"holdId":"x","polluted":true},') }),
        '400 INVALID_INPUT',
      ],
      ['a constructor', () => ({ body: text(route, { constructor: { prototype: {} } }) }), '400 INVALID_INPUT'],
      ['an empty tenant', () => ({ body: text(route, { tenantId: '' }) }), '400 INVALID_INPUT'],
      ['a tenant that is null', () => ({ body: text(route, { tenantId: null }) }), '400 INVALID_INPUT'],
      ['a tenant that is an object', () => ({ body: text(route, { tenantId: {} }) }), '400 INVALID_INPUT'],
      ['a tenant of SQL', () => ({ body: text(route, { tenantId: "' or true --" }) }), '404 NOT_FOUND'],
      ['a tenant with a NUL', () => ({ body: text(route, { tenantId: 'ten_\0' }) }), '400 INVALID_INPUT'],
      ['a tenant with half a pair', () => ({ body: text(route, { tenantId: 'ten_\ud800' }) }), '400 INVALID_INPUT'],
      [
        'two tenants, of which the last is nobody',
        () => ({ body: text(route, { tenantId: 'x' }).replace('{', '{"tenantId":"y",') }),
        '404 NOT_FOUND',
      ],
      ['GET', () => ({ method: 'GET' }), '404 NOT_FOUND'],
      ['a key that is none', () => ({ key: 'rb_live_x', body: text(route) }), '401 UNAUTHENTICATED'],
    ])('refuses %s', async (_what, sent, answer) => {
      expect(await refusedBy(route, sent())).toBe(answer);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });
  });

  test.each(ROUTES)(
    'no value in any member of %s is answered by an internal error, and what is refused changes nothing',
    async route => {
      // Settled or voided once, a hold would have nothing more to lose.
      const keepsHold = route === 'settle' || route === 'void';
      const faults: string[] = [];
      let accepted = 0;

      for (const path of pathsOf(BODIES[route]?.())) {
        for (const value of HOSTILE) {
          const body = JSON.stringify(withValue(BODIES[route]?.(), path, value));
          const before = [await counts(), await standing()];
          const got = await send({ path: `/v1/${route}`, key, body });
          const what = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}`;
          const code = got.body.error?.code;

          if (got.status >= 500 || (got.status >= 400 && !code)) {
            faults.push(`${what}: ${got.status} ${got.text.slice(0, 200)}`);
          } else if (got.text.length > 4_000 || LEAK.test(got.text)) {
            faults.push(`${what}: leaks or echoes: ${got.text.slice(0, 300)}`);
          } else if (
            (got.status >= 400 || route === 'check') &&
            JSON.stringify([await counts(), await standing()]) !== JSON.stringify(before)
          ) {
            faults.push(`${what}: ${got.status}, and something was written`);
          }

          accepted += got.status === 200 ? 1 : 0;
        }

        if (keepsHold) {
          const { body } = await send({ path: '/v1/authorize', key, body: text('authorize') });
          holdId = (body['hold'] as { id: string }).id;
        }
      }

      expect(faults).toEqual([]);
      expect(accepted > 0).toBe(route !== 'void');
    },
  );

  test.each<readonly [what: string, from: string, to: () => string, answer: string]>([
    ['tokens of 1e400', '"tokens":1', () => '"tokens":1e400', '400 INVALID_INPUT'],
    ['tokens of -1e-400', '"tokens":1', () => '"tokens":-1e-400', '400 INVALID_INPUT'],
    ['tokens of NaN', '"tokens":1', () => '"tokens":"NaN"', '400 INVALID_INPUT'],
    ['a hold for 1e400 seconds', '"expiresInSeconds":60', () => '"expiresInSeconds":1e400', '400 INVALID_INPUT'],
    ['a hold for 1.5 seconds', '"expiresInSeconds":60', () => '"expiresInSeconds":1.5', '400 INVALID_INPUT'],
    [
      'a hold for 60 seconds and then for none',
      '"expiresInSeconds":60',
      () => '"expiresInSeconds":60,"expiresInSeconds":0',
      '400 INVALID_INPUT',
    ],
    ['tokens of 1 and then of -5', '"tokens":1', () => '"tokens":1,"tokens":-5', '400 INVALID_INPUT'],
    [
      'properties of 100,000 levels',
      '"model":"m",',
      () => `"model":"m","x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)},`,
      '400 INVALID_INPUT',
    ],
    ['a property with a NUL', '"model":"m",', () => '"model":"m\\u0000",', '400 INVALID_INPUT'],
    ['a property with half a pair', '"model":"m",', () => '"model":"\\ud800",', '400 INVALID_INPUT'],
    ['a __proto__ property', '"model":"m",', () => '"model":"m","__proto__":{"polluted":true},', '400 INVALID_INPUT'],
    ['a NUL in the name of a property', '"model":"m",', () => '"model":"m","a\\u0000":1,', '400 INVALID_INPUT'],
    ['51 kinds of tokens', kinds(1), () => kinds(51), '400 INVALID_INPUT'],
    [
      'a key of half a pair',
      '"expiresInSeconds"',
      () => '"idempotencyKey":"\\ud800","expiresInSeconds"',
      '400 INVALID_INPUT',
    ],
  ])('nothing is held for %s', async (_what, from, to, answer) => {
    const body = text('authorize').replace(from, to());
    expect(body).not.toBe(text('authorize'));
    expect(await refusedBy('authorize', { body })).toBe(answer);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('more than 100 events, or one that is none, settle nothing', async () => {
    const events = (count: number) => text('settle', { events: Array.from({ length: count }, () => used()) });
    expect(await refusedBy('settle', { body: events(101) })).toBe('400 INVALID_INPUT');

    for (const bad of [null, [], 'x', 1, { ...used(), id: '\0' }, { ...used(), properties: { tokens: '1e400' } }]) {
      const body = text('settle', { events: [used(), bad] });
      expect(await refusedBy('settle', { body })).toBe('422 EVENTS_REJECTED');
    }
  });

  test('a test key holds, settles and gives back nothing', async () => {
    const { rows } = await superuser.query<{ tenant_id: string }>('select tenant_id from hold where id = $1', [holdId]);
    const test = await aKey(product.app, product.scope(rows[0]?.tenant_id), ['holds:write'], 'TEST');
    const before = [await counts(), await standing()];

    for (const route of ROUTES) {
      const got = await send({ path: `/v1/${route}`, key: test, body: text(route) });
      expect([route, got.status, got.body['hold']]).toEqual([route, 200, route === 'check' ? undefined : null]);
    }

    expect([await counts(), await standing()]).toEqual(before);
  });
});

describe('keys', () => {
  const both = async (key: string | null): Promise<string[]> => [
    await refused({ key, body: '[]' }),
    await refused({ key, path: '/graphql', body: '{"query":"{ viewer { apiKeyId } }"}' }),
  ];
  const REFUSED = ['401 UNAUTHENTICATED', '401 UNAUTHENTICATED'];

  test('that are none, malformed, or wrong in a character are refused alike', async () => {
    const key = await aKey(product.app, product.scope());
    const flipped = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
    const middle = key.slice(0, 20) + (key[20] === 'a' ? 'b' : 'a') + key.slice(21);

    for (const wrong of [
      null,
      '',
      'x',
      'rb_live_',
      flipped,
      middle,
      key.toUpperCase(),
      `${key}x`,
      key.slice(0, -1),
      key.replace('live', 'test'),
      `x`.repeat(8_000),
      "' or true --",
      '__proto__',
    ]) {
      expect([wrong?.slice(0, 20), await both(wrong)]).toEqual([wrong?.slice(0, 20), REFUSED]);
    }

    for (const authorization of [`Basic ${key}`, key, `Bearer  ${key}`, `Bearer`]) {
      expect([authorization.slice(0, 8), await refused({ key: null, headers: { authorization }, body: '[]' })]).toEqual(
        [authorization.slice(0, 8), '401 UNAUTHENTICATED'],
      );
    }
  });

  test('that have expired are refused from that second on', async () => {
    const expiresAt = new Date(product.app.clock().getTime() + 3_600_000);
    const { text } = await product.app.services.access.create(
      product.scope(),
      {
        name: 'short',
        prefix: 'rb',
        mode: 'LIVE',
        permissions: ['usage:write'],
        expiresAt,
        idempotencyKey: randomUUID(),
      },
      new Set(ALL_PERMISSIONS),
    );
    const key = text ?? '';
    expect((await send({ key, body: '[]' })).status).toBe(200);
    product.setClock(new Date(expiresAt.getTime() - 500));
    expect((await send({ key, body: '[]' })).status).toBe(200);
    product.setClock(expiresAt);
    expect(await both(key)).toEqual(REFUSED);
    product.setClock(NOW);
  });

  test('that are revoked are refused at once here and within a second in another process', async () => {
    const app = await createApp({ ...product.app.config, port: 0 }, { clock: product.app.clock });
    const server = await startServer(app);

    try {
      const { key, text } = await product.app.services.access.create(
        product.scope(),
        {
          name: 'gone',
          prefix: 'rb',
          mode: 'LIVE',
          permissions: ['usage:write'],
          expiresAt: null,
          idempotencyKey: randomUUID(),
        },
        new Set(ALL_PERMISSIONS),
      );
      const there = async (): Promise<number> => {
        const answer = await fetch(`${server.url}/v1/usage`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${text}` },
          body: '[]',
        });

        return answer.status;
      };
      expect((await send({ key: text, body: '[]' })).status).toBe(200);
      expect(await there()).toBe(200);
      await product.app.services.access.revoke(product.scope(), key.id);
      const revokedAt = performance.now();
      expect(await both(text)).toEqual(REFUSED);
      await until(async () => (await there()) === 401, 5);
      expect(performance.now() - revokedAt).toBeLessThan(1_200);
      await new Promise(resolve => setTimeout(resolve, 50));
      expect(await there()).toBe(401);
    } finally {
      await server.close();
      await app.close();
    }
  });

  test('without the permission are told which one is missing', async () => {
    const key = await aKey(product.app, product.scope(), ['catalog:read']);
    const before = await counts();
    const usage = await send({ key, body: '[]' });
    expect({ status: usage.status, error: usage.body.error }).toEqual({
      status: 403,
      error: { code: 'FORBIDDEN', message: 'this key lacks the permission usage:write', requestId: expect.any(String) },
    });
    const answer = await product.graphql(
      key,
      'mutation { spendAlertArchive(input: { spendAlertId: "x" }) { userErrors { message } } }',
    );
    expect({
      data: answer.data,
      errors: answer.errors?.map(({ message, extensions }) => [message, extensions.code]),
    }).toEqual({
      data: null,
      errors: [['this key lacks the permission alerts:write', 'FORBIDDEN']],
    });
    expect(await counts()).toEqual(before);
  });

  test('make no key that may do more than they', async () => {
    const key = await aKey(product.app, product.scope(), ['keys:write', 'usage:read']);
    const before = await counts();
    const text =
      'mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { text userErrors { code field } } }';

    for (const [permissions, code] of [
      [['usage:write'], 'FORBIDDEN'],
      [['usage:read', 'keys:read'], 'FORBIDDEN'],
      [['*'], 'INVALID_INPUT'],
      [['__proto__'], 'INVALID_INPUT'],
      [[], 'INVALID_INPUT'],
    ] as const) {
      const answer = await product.graphql(key, text, {
        input: { idempotencyKey: randomUUID(), name: 'x', permissions },
      });
      expect(answer.data.apiKeyCreate).toEqual({ text: null, userErrors: [{ code, field: ['permissions'] }] });
    }

    expect(await counts()).toEqual(before);
  });
});
