import { randomBytes, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { WebSocket } from 'ws';
import { ALL_PERMISSIONS } from '../src/access/index.js';
import { createApp, type App } from '../src/app.js';
import { newId, type Scope } from '../src/platform/index.js';
import { startServer, type RunningServer } from '../src/server.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, perMillion, rate } from './support/builders.js';
import { aDatabase, asSuperuser, type TestDatabase } from './support/database.js';
import { aKey, aProduct, until, type Product } from './support/product.js';
import { describeOnBothBackends } from './support/redis.js';

const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ');
const nested = (count: number, open: string, leaf: string): string =>
  `${`${open} { `.repeat(count)}${leaf}${' }'.repeat(count)}`;
const children = (first: number, inner: string): string => `children(first: ${first}) { edges { node { ${inner} } } }`;
/** Fragments that each spread the next twice: 2^levels selections in a few lines. */
const fanOut = (levels: number, leaf: string): string =>
  `{ tenant { ...F0 } } ${times(levels, n => `fragment F${n} on Tenant { ...F${n + 1} ...F${n + 1} }`)} fragment F${levels} on Tenant { ${leaf} }`;

/** Tenants inside tenants: three fields deep a step. */
const deeper = (steps: number): string =>
  `${'children(first: 1) { edges { node { '.repeat(steps)}id${' } } }'.repeat(steps)}`;

type Hostile = readonly [what: string, query: string, variables: Readonly<Record<string, unknown>>];

/** Documents that are refused for one reason. */
const because = (
  code: string,
  documents: readonly (readonly [what: string, query: string, variables?: Readonly<Record<string, unknown>>])[],
): readonly (readonly [code: string, ...Hostile])[] =>
  documents.map(([what, query, variables = {}]) => [code, what, query, variables] as const);

/** What may not run on any transport, and the code that says why. */
const HOSTILE = [
  ...because('QUERY_TOO_COMPLEX', [
    ...[5, 6, 10].map(steps => [`depth ${3 * steps + 2}`, `{ tenant { ${deeper(steps)} } }`] as const),
    [
      'depth through a chain of fragments',
      `{ tenant { ...F0 } } ${times(8, n => `fragment F${n} on Tenant { ${children(1, n < 7 ? `...F${n + 1}` : 'id')} }`)}`,
    ],
    [
      'depth in inline fragments',
      `{ tenant { ${'... on Tenant { children(first: 1) { edges { node { '.repeat(5)}id${' } } } }'.repeat(5)} } }`,
    ],
    ['300 inline fragments inside each other', `{ tenant { ${nested(300, '...', 'id')} } }`],
    [
      'depth in a mutation',
      `mutation { tenantCreate(input: { idempotencyKey: "x", kind: CUSTOMER, name: "x", currency: "USD", timeZone: "UTC", region: "eu" }) {
         tenant { ${deeper(5)} } } }`,
    ],
    [
      'depth in the operation that is not asked for',
      `query A { viewer { apiKeyId } } query B { tenant { ${deeper(6)} } }`,
    ],
    ...[16, 100, 400].map(n => [`${n} aliases`, `{ viewer { ${times(n, i => `a${i}: apiKeyId`)} } }`] as const),
    ['aliases in fragments', fanOut(5, 'a: id')],
    ['aliases of __typename', `{ viewer { ${times(16, i => `a${i}: __typename`)} } }`],
    ['aliases on different levels', `{ a: viewer { ${times(8, i => `b${i}: tenant { c${i}: id }`)} } }`],
    ...[11, 60].map(
      n => [`${n} root fields`, `{ ${times(n, i => `${i < 15 ? `a${i}: ` : ''}viewer { apiKeyId }`)} }`] as const,
    ),
    ['a flood of root __typename', `{ ${times(100, () => '__typename')} }`],
    [
      '11 mutations',
      `mutation { ${times(11, i => `a${i}: spendAlertArchive(input: { spendAlertId: "${i}" }) { userErrors { message } }`)} }`,
    ],
    [
      'root fields doubled by fragments',
      `{ ...F0 } ${times(12, n => `fragment F${n} on Query { ...F${n + 1} ...F${n + 1} }`)} fragment F12 on Query { viewer { apiKeyId } }`,
    ],
    ['21 directives', `{ viewer { ${times(21, () => 'apiKeyId @include(if: true)')} } }`],
    [
      'directives in fragments',
      `{ ${times(8, () => '...F')} } fragment F on Query { viewer @skip(if: true) { apiKeyId @skip(if: true) tenant @skip(if: true) { id } } }`,
    ],
    ['100 × 100 objects', `{ tenant { ${children(100, children(100, 'id'))} } }`],
    [
      '100 × 100 objects by a variable',
      'query ($n: Int!) { tenant { children(first: $n) { edges { node { children(first: $n) { edges { node { id } } } } } } } }',
      { n: 100 },
    ],
    [
      '100 × 100 objects by the default of a variable',
      'query ($n: Int! = 100) { tenant { children(first: $n) { edges { node { children(first: $n) { edges { node { id } } } } } } } }',
    ],
    ['pages beside each other', `{ tenant { ${times(8, i => `a${i}: ${children(100, children(10, 'id'))}`)} } }`],
    ['2^12 lists by fragments', fanOut(12, children(1, 'id'))],
    ['2^30 lists by fragments', fanOut(30, children(1, 'id'))],
    ['an introspection of 21 levels', `{ __schema { types { ${nested(20, 'ofType', 'name')} } } }`],
  ]),
  ...because('GRAPHQL_PARSE_FAILED', [
    ['2,001 tokens', `{ viewer { ${'apiKeyId '.repeat(2_001)} } }`],
    ['300 directives on one field', `{ viewer { apiKeyId ${'@skip(if: false) '.repeat(300)} } }`],
    ['20,000 brackets', '{'.repeat(20_000)],
    ['20,000 nested lists in an argument', `{ tenant(id: ${'['.repeat(20_000)}`],
    ['nothing', ' '],
    ['no GraphQL', '}{'],
    ['a NUL', '{ viewer\0 { apiKeyId } }'],
  ]),
  ...because('GRAPHQL_VALIDATION_FAILED', [
    ['unknown directives', `{ viewer { apiKeyId ${'@aa '.repeat(30)} } }`],
    ['a directive twice', '{ viewer { apiKeyId @skip(if: false) @skip(if: false) } }'],
    ['a fragment that spreads itself', '{ tenant { ...A } } fragment A on Tenant { ...A }'],
    [
      'fragments in a circle',
      '{ tenant { ...A } } fragment A on Tenant { ...B } fragment B on Tenant { ...C } fragment C on Tenant { ...A }',
    ],
    ['a fragment that nobody spreads', '{ viewer { apiKeyId } } fragment A on Tenant { id }'],
    [
      'introspection that recurses',
      `{ __schema { types { ${nested(4, 'fields { type', 'name')}${' }'.repeat(4)} } } }`,
    ],
    [
      'introspection that recurses by fragments',
      `{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B } } }
       fragment B on __Type { fields { type { ...C } } } fragment C on __Type { fields { type { name } } }`,
    ],
    ['possible types of possible types', `{ __schema { types { ${nested(3, 'possibleTypes', 'name')} } } }`],
    ['two fields of one subscription', 'subscription { a: spendAlertTriggered { id } b: spendAlertTriggered { id } }'],
    ['an unknown field', '{ users { password } }'],
    ['an undeclared variable', '{ tenant(id: $id) { id } }'],
    ['conflicting fields', `{ tenant { ${times(60, i => `a: children(first: ${i + 1}) { edges { cursor } }`)} } }`],
  ]),
  ...because('BAD_USER_INPUT', [
    ['101 of a list', `{ tenant { ${children(101, 'id')} } }`],
    ['-1 of a list', `{ tenant { ${children(-1, 'id')} } }`],
    ...[1_000_000_000, -1, 1.5, '1', [1], {}].map(
      n =>
        [
          `${JSON.stringify(n)} of a list by a variable`,
          'query ($n: Int!) { tenant { children(first: $n) { edges { cursor } } } }',
          { n },
        ] as const,
    ),
    ['a variable of a wrong type', 'query ($id: ID) { tenant(id: $id) { id } }', { id: { $ne: null } }],
    [
      'a decimal that is a number',
      'mutation ($b: Decimal) { spendAlertCreate(input: { idempotencyKey: "x", name: "x", budget: $b, thresholds: [] }) { userErrors { message } } }',
      { b: 1e308 },
    ],
  ]),
  ...because('OPERATION_RESOLUTION_FAILURE', [
    ['two operations and no name', 'query A { viewer { apiKeyId } } query B { viewer { apiKeyId } }'],
  ]),
];

interface Verdict {
  readonly codes: readonly string[];
  readonly text: string;
}

/** A socket that speaks the protocol by hand, so that a test sees what a client library would hide. */
class RawSocket {
  readonly messages: { readonly id?: string; readonly type: string; readonly payload?: unknown }[] = [];
  readonly closed: Promise<{ code: number; reason: string; afterMs: number }>;
  readonly #socket: WebSocket;
  readonly #open: Promise<void>;
  #openedAt = 0;

  constructor(url: string, protocol = 'graphql-transport-ws') {
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, protocol);
    this.#socket.on('message', data =>
      this.messages.push(JSON.parse((data as Buffer).toString('utf8')) as (typeof this.messages)[number]),
    );
    this.#socket.on('error', () => undefined);
    this.#open = new Promise(resolve => {
      this.#socket.once('open', () => {
        this.#openedAt = performance.now();
        resolve();
      });
    });
    this.closed = new Promise(resolve => {
      this.#socket.once('close', (code, reason) =>
        resolve({ code, reason: String(reason), afterMs: performance.now() - this.#openedAt }),
      );
    });
  }

  async send(message: object | string | Buffer): Promise<void> {
    await this.#open;
    this.#socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  /** Opens, presents the key and waits for the answer. */
  async init(key: string): Promise<this> {
    await this.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
    await this.next(message => message.type === 'connection_ack');

    return this;
  }

  async next(wanted: (message: (typeof this.messages)[number]) => boolean) {
    return until(async () => this.messages.find(wanted), 10);
  }

  of(id: string) {
    return this.messages.filter(message => message.id === id);
  }

  close(): void {
    this.#socket.close(1000);
  }
}

describe('limits and refusals', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
  });

  afterAll(() => product.close());

  interface Posted {
    readonly method?: string;
    readonly path?: string;
    readonly type?: string | null;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly key?: string;
  }

  function send({ method = 'POST', path = '/graphql', type = 'application/json', headers = {}, body, key }: Posted) {
    return new Promise<{ status: number; text: string; codes: string[] }>((resolve, reject) => {
      const request = httpRequest(
        new URL(path, product.server.url),
        {
          method,
          agent: false,
          headers: {
            authorization: `Bearer ${key ?? product.platformKey}`,
            ...(type === null ? {} : { 'content-type': type }),
            ...headers,
          },
        },
        response => {
          let text = '';
          response.on('data', chunk => (text += String(chunk)));
          response.on('end', () => {
            let errors: { extensions?: { code: string } }[] = [];

            try {
              errors = (JSON.parse(text) as { errors?: typeof errors }).errors ?? [];
            } catch {
              // Text, and judged as such.
            }

            resolve({
              status: response.statusCode ?? 0,
              text,
              codes: errors.map(error => error.extensions?.code ?? 'none'),
            });
          });
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** What a socket answers to one operation: the codes of its errors. */
  async function overSocket(
    query: string,
    variables: object,
    { key = product.platformKey, operationName }: { key?: string; operationName?: string | undefined } = {},
  ): Promise<Verdict> {
    const socket = await new RawSocket(product.server.url).init(key);
    await socket.send({ id: '1', type: 'subscribe', payload: { query, variables, operationName } });
    const answer = await socket.next(message => message.id === '1');
    socket.close();
    const errors = (
      answer.type === 'error' ? answer.payload : ((answer.payload as { errors?: unknown }).errors ?? [])
    ) as {
      extensions?: { code: string };
    }[];

    return { codes: errors.map(error => error.extensions?.code ?? 'none'), text: JSON.stringify(answer.payload) };
  }

  test('a document within the limits runs on both transports', async () => {
    const query = `{ viewer { apiKeyId } tenant { ${children(20, 'id name')} } __schema { queryType { name } } }`;
    const posted = await send({ body: JSON.stringify({ query }) });
    expect({ status: posted.status, codes: posted.codes }).toEqual({ status: 200, codes: [] });
    expect(await overSocket(query, {})).toMatchObject({ codes: [] });
    expect(JSON.parse((await overSocket(query, {})).text)).toEqual(JSON.parse(posted.text));
  });

  test.each(HOSTILE)('%s: %s is refused over HTTP and WebSocket alike', async (code, _what, query, variables) => {
    const lines = 'select count(*) from audit_line';
    const before = await asSuperuser(product.database, lines);
    const operationName = query.startsWith('query A') && code === 'QUERY_TOO_COMPLEX' ? 'A' : undefined;
    const startedAt = performance.now();
    const posted = await send({ body: JSON.stringify({ query, variables, operationName }) });
    const socket = await overSocket(query, variables, { operationName });
    // Generous, for a machine that runs other tests beside this one; honest documents take milliseconds.
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect([posted.codes[0], socket.codes[0]]).toEqual([code, code]);
    // Apollo answers 200 where a variable could not be coerced and 400 to the rest.
    expect(code === 'BAD_USER_INPUT' ? [200, 400] : [400]).toContain(posted.status);
    expect(`${posted.text} ${socket.text}`).not.toMatch(/"data":\{|stacktrace|node_modules/);
    expect(await asSuperuser(product.database, lines)).toEqual(before);
  });

  test('operations in an array are refused on both', async () => {
    const one = { query: '{ viewer { apiKeyId } }' };
    const posted = await send({ body: JSON.stringify([one, one]) });
    expect({ status: posted.status, codes: posted.codes }).toEqual({ status: 400, codes: ['BAD_REQUEST'] });
    const socket = await new RawSocket(product.server.url).init(product.platformKey);
    await socket.send({ id: '1', type: 'subscribe', payload: [one, one] });
    expect((await socket.closed).code).toBe(4400);
  });

  describe('over HTTP', () => {
    const MUTATION = `mutation { tenantCreate(input: { idempotencyKey: "csrf", kind: CUSTOMER, name: "csrf", currency: "USD", timeZone: "UTC", region: "eu" }) { tenant { id } } }`;

    test.each<readonly [what: string, sent: Posted, status: number]>([
      [
        'a mutation by GET',
        {
          method: 'GET',
          type: null,
          path: `/graphql?query=${encodeURIComponent(MUTATION)}`,
          headers: { 'apollo-require-preflight': 'true' },
        },
        405,
      ],
      [
        'a mutation by GET with a JSON content type',
        { method: 'GET', path: `/graphql?query=${encodeURIComponent(MUTATION)}` },
        405,
      ],
      [
        'a query by GET that no preflight guards',
        { method: 'GET', type: null, path: '/graphql?query={__typename}' },
        400,
      ],
      ['text/plain', { type: 'text/plain', body: JSON.stringify({ query: MUTATION }) }, 400],
      ['a form', { type: 'application/x-www-form-urlencoded', body: `query=${encodeURIComponent(MUTATION)}` }, 400],
      [
        'a multipart form',
        {
          type: 'multipart/form-data; boundary=x',
          body: `--x\r\ncontent-disposition: form-data; name="query"\r\n\r\n${MUTATION}\r\n--x--`,
        },
        400,
      ],
      ['no content type', { type: null, body: JSON.stringify({ query: MUTATION }) }, 400],
      [
        'a content type with a trick',
        { type: 'text/plain; application/json', body: JSON.stringify({ query: MUTATION }) },
        400,
      ],
      ['PUT', { method: 'PUT', body: JSON.stringify({ query: MUTATION }) }, 405],
      ['DELETE', { method: 'DELETE', body: JSON.stringify({ query: MUTATION }) }, 400],
      [
        'a subscription by POST',
        { body: JSON.stringify({ query: 'subscription { spendAlertTriggered { id } }' }) },
        400,
      ],
    ])('refuses %s', async (_what, sent, status) => {
      const got = await send(sent);
      expect(got.text).not.toContain('"data":{');
      expect(got.status).toBe(status);
      expect(await asSuperuser(product.database, `select id from tenant where name = 'csrf'`)).toEqual([]);
    });
  });

  describe('over WebSocket', () => {
    test('a socket that says nothing is closed within 3.5 s', async () => {
      const { code, afterMs } = await new RawSocket(product.server.url).closed;
      expect(code).toBe(4408);
      expect(afterMs).toBeLessThan(3_500);
    });

    test('an operation before connection_init is refused', async () => {
      const socket = new RawSocket(product.server.url);
      await socket.send({ id: '1', type: 'subscribe', payload: { query: '{ viewer { apiKeyId } }' } });
      expect(await socket.closed).toMatchObject({ code: 4401 });
      expect(socket.messages).toEqual([]);
    });

    test('a second connection_init is refused', async () => {
      const socket = await new RawSocket(product.server.url).init(product.platformKey);
      await socket.send({ type: 'connection_init' });
      expect(await socket.closed).toMatchObject({ code: 4429 });
    });

    test.each([
      ['no payload', undefined],
      ['no key', {}],
      ['a key that is none', { authorization: 'Bearer x' }],
      ['a key in the wrong place', { Authorization: 'Bearer x', token: 'x' }],
      ['an object for a key', { authorization: { toString: 'x' } }],
    ])('a connection with %s is refused', async (_what, payload) => {
      const socket = new RawSocket(product.server.url);
      await socket.send({ type: 'connection_init', payload });
      expect(await socket.closed).toMatchObject({ code: 4403 });
    });

    test('the old protocol is refused', async () => {
      const socket = new RawSocket(product.server.url, 'graphql-ws');
      const { code } = await socket.closed;
      expect([1006, 4406]).toContain(code);
    });

    test.each<readonly [what: string, frame: string | Buffer, code: number]>([
      ['no JSON', '{', 4400],
      ['an unknown message', '{"type":"shutdown"}', 4400],
      ['an operation without an id', '{"type":"subscribe","payload":{"query":"{ viewer { apiKeyId } }"}}', 4400],
      ['an operation without a query', '{"id":"1","type":"subscribe","payload":{}}', 4400],
      ['bytes', Buffer.from([0, 1, 2, 255]), 4400],
      [
        '70,000 characters',
        JSON.stringify({
          id: '1',
          type: 'subscribe',
          payload: { query: `{ viewer { apiKeyId } } #${'x'.repeat(70_000)}` },
        }),
        1009,
      ],
    ])('a frame of %s closes the socket', async (_what, frame, code) => {
      const socket = await new RawSocket(product.server.url).init(product.platformKey);
      await socket.send(frame);
      expect(await socket.closed).toMatchObject({ code });
      expect((await overSocket('{ viewer { apiKeyId } }', {})).codes).toEqual([]);
    });

    test('an operation whose id is a name of the prototype harms nobody', async () => {
      for (const id of ['__proto__', 'constructor', 'toString']) {
        const socket = await new RawSocket(product.server.url).init(product.platformKey);
        await socket.send(`{"id":"${id}","type":"subscribe","payload":{"query":"{ viewer { apiKeyId } }"}}`);
        await Promise.race([socket.closed, socket.next(message => message.id === id)]);
        socket.close();
      }

      expect((await overSocket('{ viewer { apiKeyId } }', {})).codes).toEqual([]);
    });

    test('the 51st operation at a time is refused, and runs once another has ended', async () => {
      const socket = await new RawSocket(product.server.url).init(product.platformKey);
      const follow = (id: string): Promise<void> =>
        socket.send({ id, type: 'subscribe', payload: { query: 'subscription { spendAlertTriggered { id } }' } });

      for (let n = 1; n <= 51; n++) {
        await follow(String(n));
      }

      const refusal = await socket.next(message => message.id !== undefined);
      expect({ id: refusal.id, type: refusal.type }).toEqual({ id: '51', type: 'error' });
      expect(refusal.payload).toMatchObject([{ extensions: { code: 'RATE_LIMITED' } }]);
      await socket.send({ id: '7', type: 'complete' });
      await new Promise(resolve => setTimeout(resolve, 200));
      await socket.send({ id: 'after', type: 'subscribe', payload: { query: '{ viewer { apiKeyId } }' } });
      expect((await socket.next(message => message.id === 'after')).type).toBe('next');
      socket.close();
    });

    test('a number in a variable keeps its digits, as over HTTP', async () => {
      await aMeter(product, { eventType: 'exact.event', dimensions: [] });
      const query = `mutation ($input: UsageRecordInput!) { usageRecord(input: $input) { accepted rejected { reason } } }`;
      const sent = (id: string): string =>
        `{"input":{"events":[{"id":"${id}","type":"exact.event","time":"${new Date().toISOString()}","properties":{"tokens":1234567890.12345678901}}]}}`;
      const socket = await new RawSocket(product.server.url).init(product.platformKey);
      await socket.send(
        `{"id":"1","type":"subscribe","payload":{"query":${JSON.stringify(query)},"variables":${sent('by-socket')}}}`,
      );
      const answer = await socket.next(message => message.id === '1');
      expect(answer.payload).toEqual({ data: { usageRecord: { accepted: 1, rejected: [] } } });
      socket.close();
      const posted = await send({ body: `{"query":${JSON.stringify(query)},"variables":${sent('by-post')}}` });
      expect(JSON.parse(posted.text)).toEqual({ data: { usageRecord: { accepted: 1, rejected: [] } } });
      expect(await asSuperuser(product.database, `select sum(quantity)::text as sum from usage_bucket`)).toEqual([
        { sum: '2469135780.24691357802' },
      ]);
    });

    test('test keys and keys without the permission are refused as over HTTP', async () => {
      const none = await aKey(product.app, product.scope(), ['catalog:read']);
      const subscription = await overSocket('subscription { spendAlertTriggered { id } }', {}, { key: none });
      expect(subscription.codes).toEqual(['FORBIDDEN']);
      const testKey = await aKey(product.app, product.scope(), ALL_PERMISSIONS, 'TEST');
      const mutation = 'mutation { spendAlertArchive(input: { spendAlertId: "x" }) { userErrors { message } } }';
      expect((await overSocket(mutation, {}, { key: testKey })).codes).toEqual(['FORBIDDEN']);
      expect((await send({ key: testKey, body: JSON.stringify({ query: mutation }) })).codes).toEqual(['FORBIDDEN']);
    });

    test('a cursor that is none is refused', async () => {
      for (const after of ['x', '-1', '', '1e3', '9'.repeat(30), '\0']) {
        const verdict = await overSocket(
          'subscription ($after: String) { spendAlertTriggered(after: $after) { id } }',
          { after },
        );
        expect([after, verdict.codes]).toEqual([after, ['INVALID_INPUT']]);
      }
    });
  });

  describe('an internal error', () => {
    const LEAK = /relation|spend_alert|alert_firing|api_key|select|column "|pg_|\.js|\.ts|does not exist/i;

    /** Takes a table away, does something, and puts it back: an outage that is nobody's mock. */
    async function without<T>(table: string, work: () => Promise<T>): Promise<T> {
      await asSuperuser(product.database, `alter table ${table} rename to hidden`);

      try {
        return await work();
      } finally {
        await asSuperuser(product.database, `alter table hidden rename to ${table}`);
      }
    }

    const masked = [
      {
        message: 'Internal error. Quote the request id to support.',
        extensions: { code: 'INTERNAL', requestId: expect.stringMatching(/^req_[0-9A-Z]{26}$/) },
      },
    ];

    test('is masked over HTTP and WebSocket, and the next request is answered', async () => {
      const query = '{ tenant { spendAlerts { edges { cursor } } } }';
      const [posted, socket] = await without('spend_alert', async () => [
        await send({ body: JSON.stringify({ query }) }),
        await overSocket(query, {}),
      ]);
      expect((JSON.parse(posted.text) as { errors: unknown }).errors).toMatchObject(masked);
      expect((JSON.parse(socket.text) as { errors: unknown }).errors).toMatchObject(masked);

      for (const text of [posted.text, socket.text]) {
        expect(text.replaceAll('spendAlerts', '')).not.toMatch(LEAK);
      }

      expect((await send({ body: JSON.stringify({ query }) })).codes).toEqual([]);
      expect((await overSocket(query, {})).codes).toEqual([]);
    });

    test('is masked when it is in the reading of the key', async () => {
      const key = await aKey(product.app, product.scope());
      const known = await new RawSocket(product.server.url).init(product.platformKey);
      const found = await without('api_key', async () => {
        const usage = await send({ path: '/v1/usage', key, body: '[]' });
        const posted = await send({ key, body: '{"query":"{ viewer { apiKeyId } }"}' });
        const fresh = new RawSocket(product.server.url);
        await fresh.send({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } });
        // A key is known for a second; after that the open socket has to ask again.
        await new Promise(resolve => setTimeout(resolve, 1_100));
        await known.send({ id: '1', type: 'subscribe', payload: { query: '{ viewer { apiKeyId } }' } });

        return {
          usage,
          posted,
          fresh: await fresh.closed,
          known: await known.next(message => message.id === '1'),
        };
      });
      expect({ status: found.usage.status, body: JSON.parse(found.usage.text) as unknown }).toEqual({
        status: 500,
        body: { error: { code: 'INTERNAL', message: masked[0]?.message, requestId: expect.stringMatching(/^req_/) } },
      });
      expect(found.posted.status).toBe(500);
      expect((JSON.parse(found.posted.text) as { errors: unknown }).errors).toMatchObject(masked);
      expect(found.fresh).toMatchObject({ code: 4500, reason: 'Internal server error' });
      expect(found.known).toMatchObject({ type: 'error', payload: masked });
      expect(JSON.stringify([found.posted.text, found.fresh, found.known])).not.toMatch(LEAK);
      expect((await send({ key, body: '{"query":"{ viewer { apiKeyId } }"}' })).codes).toEqual([]);
    });

    test('is masked in the middle of a subscription', async () => {
      const socket = await new RawSocket(product.server.url).init(product.platformKey);
      const answer = await without('alert_firing', async () => {
        await socket.send({
          id: '1',
          type: 'subscribe',
          payload: { query: 'subscription { spendAlertTriggered(after: "0") { id } }' },
        });

        return socket.next(message => message.id === '1');
      });
      expect(answer.type).toBe('error');
      expect(answer.payload).toMatchObject(masked);
      expect(JSON.stringify(answer)).not.toMatch(LEAK);
      socket.close();
    });
  });
});

describeOnBothBackends('a subscription that is resumed', backend => {
  let database: TestDatabase;
  let first: { app: App; server: RunningServer };
  let second: { app: App; server: RunningServer };
  let tenantId: string;
  let alertId: string;
  let offset = 0;
  const clock = (): Date => new Date(Date.now() + offset);
  let scope: (of?: string) => Scope;

  beforeAll(async () => {
    database = await aDatabase();
    const jobPrefix = `test-pair-${randomBytes(6).toString('hex')}`;
    const config = {
      port: 0,
      host: '127.0.0.1',
      databaseUrl: database.appUrl,
      relayUrl: database.relayUrl,
      redisUrl: backend.redisUrl,
      secret: 'a secret for tests, long enough to be one',
      logLevel: process.env['TEST_LOG_LEVEL'] ?? 'fatal',
      webhookAllowPrivate: true,
    };
    const start = async (): Promise<typeof first> => {
      const app = await createApp(config, { clock, jobPrefix, poolSize: 8 });

      return { app, server: await startServer(app) };
    };
    offset = Date.parse('2026-11-20T12:00:00Z') - Date.now();
    first = await start();
    second = await start();
    first.app.work();
    const platformId = newId('ten', clock());
    scope = (of = platformId) => first.app.scopeOf(of, { kind: 'cli', id: 'test' });
    await first.app.services.tenants.createPlatform(scope(), {
      name: 'Platform',
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
    });
    const product = { app: first.app, scope } as unknown as Product;
    tenantId = await aTenant(product);
    const meterId = await aMeter(product);
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
    await aContract(product, { buyerId: tenantId, bookId });
    const { alert } = await first.app.services.alerts.create(
      scope(tenantId),
      {
        name: 'every dollar',
        budget: null,
        thresholds: Array.from({ length: 20 }, (_, n) => ({ amount: String(n + 1) })),
        idempotencyKey: randomUUID(),
      },
      first.app.services.rating,
    );
    alertId = alert.id;
  });

  afterAll(async () => {
    await first.server.close();
    await second.server.close();
    await first.app.close();
    await second.app.close();
    await database.drop();
  });

  /** Spends so many dollars: as many thresholds fire. */
  async function spend(dollars: number): Promise<void> {
    await first.app.services.usage.accept(
      scope(tenantId),
      [anEvent({ time: '2026-11-20T10:00:00Z', properties: { model: 'm', tokens: dollars * 1_000_000 } })],
      { keyId: 'key_of_a_test', isDryRun: false },
    );
    await rate({ app: first.app, scope } as unknown as Product, tenantId);
  }

  async function follow(server: RunningServer, after: string | null, key: string): Promise<RawSocket> {
    const socket = await new RawSocket(server.url).init(key);
    await socket.send({
      id: '1',
      type: 'subscribe',
      payload: {
        query:
          'subscription ($after: String) { spendAlertTriggered(after: $after) { id cursor threshold alertId tenantId } }',
        variables: { after },
      },
    });

    return socket;
  }

  const firingsOf = (socket: RawSocket): { id: string; cursor: string; threshold: string; alertId: string }[] =>
    socket
      .of('1')
      .filter(message => message.type === 'next')
      .map(
        message =>
          (message.payload as { data: { spendAlertTriggered: ReturnType<typeof firingsOf>[number] } }).data
            .spendAlertTriggered,
      );
  const amounts = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, n) => `amount:${from + n}`);

  test('replays what was missed, each once and in order, on another server too, and goes on live', async () => {
    const key = await aKey(first.app, scope(tenantId), ['alerts:read']);
    const live = await follow(second.server, null, key);
    const one = await follow(first.server, '0', key);
    await new Promise(resolve => setTimeout(resolve, 300));
    await spend(3);
    await until(async () => firingsOf(one).length === 3 && firingsOf(live).length === 3);
    expect(firingsOf(one).map(firing => firing.threshold)).toEqual(amounts(1, 3));
    // The second server told the same, caused through the first.
    expect(firingsOf(live)).toEqual(firingsOf(one));
    expect(firingsOf(one)[0]).toMatchObject({ alertId });
    one.close();
    await one.closed;

    // Missed: 4 to 9.
    await spend(4);
    await spend(2);
    const resumed = await follow(second.server, firingsOf(one)[1]?.cursor ?? '', key);
    await until(async () => firingsOf(resumed).length >= 7);
    await spend(1);
    await until(async () => firingsOf(resumed).length >= 8 && firingsOf(live).length >= 10);
    expect(firingsOf(resumed).map(firing => firing.threshold)).toEqual(amounts(3, 10));
    expect(new Set(firingsOf(resumed).map(firing => firing.id)).size).toBe(8);
    expect(firingsOf(live).map(firing => firing.threshold)).toEqual(amounts(1, 10));

    // Nobody is told twice by looking again.
    await new Promise(resolve => setTimeout(resolve, 2_500));
    expect(firingsOf(resumed).length).toBe(8);
    expect(firingsOf(live).length).toBe(10);
    resumed.close();
    live.close();
  });

  test.each(['revoked', 'expired'] as const)('ends when its key is %s, and tells nothing after that', async how => {
    const { key, text } = await first.app.services.access.create(
      scope(tenantId),
      {
        name: how,
        prefix: 'rb',
        mode: 'LIVE',
        permissions: ['alerts:read'],
        expiresAt: how === 'expired' ? new Date(clock().getTime() + 1_500) : null,
        idempotencyKey: randomUUID(),
      },
      new Set(ALL_PERMISSIONS),
    );
    const socket = await follow(second.server, null, text ?? '');
    await new Promise(resolve => setTimeout(resolve, 500));
    const startedAt = performance.now();

    if (how === 'revoked') {
      await first.app.services.access.revoke(scope(tenantId), key.id);
    }

    await new Promise(resolve => setTimeout(resolve, 1_100));
    await spend(1);
    const end = await until(async () => socket.of('1').find(message => message.type === 'complete'), 8);
    expect(end.type).toBe('complete');
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(firingsOf(socket)).toEqual([]);
    await socket.send({ id: '2', type: 'subscribe', payload: { query: '{ viewer { apiKeyId } }' } });
    expect(await socket.next(message => message.id === '2')).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    });
    socket.close();
  });

  test('is closed with 1001 when its server goes away, and reads on at the other', async () => {
    const key = await aKey(first.app, scope(tenantId), ['alerts:read']);
    const app = await createApp(first.app.config, { clock });
    const third = await startServer(app);
    const socket = await follow(third, '0', key);
    await until(async () => firingsOf(socket).length >= 10);
    const told = firingsOf(socket);
    await third.close();
    await app.close();
    expect(await socket.closed).toMatchObject({ code: 1001 });
    const cursor = told[4]?.cursor ?? '';
    const resumed = await follow(first.server, cursor, key);
    await until(async () => firingsOf(resumed).length >= told.length - 5);
    expect(firingsOf(resumed).slice(0, told.length - 5)).toEqual(told.slice(5));
    resumed.close();
  });
});
