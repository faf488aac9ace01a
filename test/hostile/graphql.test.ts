import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { anEvent, aPriceBook, perMillion } from '../support/builders.js';
import { aStage, NOW, type Sent } from './stage.js';

const stage = aStage();
const changed = () => stage.changes.since();

describe('GraphQL', () => {
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
    const got = await stage.refused({ path: '/graphql', ...sent() });
    expect(got).toEqual(answer === '*' ? expect.stringMatching(/^[24]\d\d (?!INTERNAL|none)/) : answer);
  });

  test('variables of the prototype pollute nothing', async () => {
    await changed();
    const got = await stage.send({
      path: '/graphql',
      body: '{"query":"query ($id: ID) { tenant(id: $id) { id } }","variables":{"__proto__":{"id":"x","polluted":1},"constructor":{"prototype":{"polluted":1}}}}',
    });
    expect(got.status).toBe(200);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect(await changed()).toEqual([]);
  });

  test('usageRecord judges each event by itself and refuses more than 1,000', async () => {
    await changed();
    const text =
      'mutation ($input: UsageRecordInput!) { usageRecord(input: $input) { accepted rejected { index code field } userErrors { code field } } }';
    const good = anEvent({ time: NOW.toISOString(), properties: { model: 'm', tokens: 1 } });
    const many = await stage.ask(text, { input: { events: Array.from({ length: 1_001 }, () => good) } });
    expect(many.body.data).toMatchObject({
      usageRecord: { userErrors: [{ code: 'INVALID_INPUT', field: ['events'] }] },
    });
    const bad = await stage.ask(text, {
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
    const literal = await stage.ask(
      'mutation { usageRecord(input: { events: [{ id: "a\\u0000", type: "llm.request" }, { id: 1e999 }] }) { accepted rejected { code } } }',
      {},
    );
    expect(literal.body.data?.['usageRecord']).toEqual({
      accepted: 0,
      rejected: [{ code: 'INVALID_ID' }, { code: 'INVALID_TYPE' }],
    });
    expect(await changed()).toEqual([]);
  });

  describe('price books', () => {
    const CREATE =
      'mutation ($input: PriceBookVersionCreateInput!) { priceBookVersionCreate(input: $input) { priceBookVersion { id } userErrors { code message field } } }';
    let bookId: string;
    let meterId: string;

    beforeAll(async () => {
      ({ meterId } = stage);
      ({ bookId } = await aPriceBook(stage.product, { prices: [{ meterId, terms: perMillion('1') }] }));
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
      await changed();
      const { body } = await stage.ask(CREATE, {
        input: { idempotencyKey: randomUUID(), priceBookId: bookId, prices: [{ meterId, name: 'x', ...terms }] },
      });
      const [error] = body.data?.['priceBookVersionCreate']?.userErrors ?? [];
      expect([error?.code, error?.field.join('.')]).toEqual(['INVALID_INPUT', `prices.0.${field}`]);
      expect(await changed()).toEqual([]);
    });

    test('refuse to publish two prices that are equally specific, and publish nothing', async () => {
      const price = (value: string): object => ({
        meterId,
        name: value,
        dimensions: [{ name: 'model', value }],
        model: 'UNIT',
        unitAmount: '1',
      });
      const { body } = await stage.ask(CREATE, {
        input: { idempotencyKey: randomUUID(), priceBookId: bookId, prices: [price('gpt'), price('gpt')] },
      });
      const created = body.data?.['priceBookVersionCreate'] as unknown as { priceBookVersion: { id: string } };
      const versionId = created.priceBookVersion.id;
      await changed();
      const published = await stage.ask(
        'mutation ($input: PriceBookPublishInput!) { priceBookPublish(input: $input) { userErrors { code field } } }',
        { input: { versionId } },
      );
      expect(published.body.data?.['priceBookPublish']?.userErrors).toEqual([
        { code: 'PRICES_AMBIGUOUS', field: expect.any(Array) },
      ]);
      expect(published.body.data?.['priceBookPublish']?.userErrors?.[0]?.field.length).toBeGreaterThan(0);
      expect(await changed()).toEqual([]);
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
    await changed();
    const startedAt = performance.now();
    const { body } = await stage.ask(
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
    expect(await changed()).toEqual([]);
  });

  test.each<readonly [field: string, value: string]>([
    ...['+02:00', 'Mars/Olympus', 'europe', '', 'UTC\0', 'Europe/Berlin; drop', 'GMT+25', '../etc'].map(
      value => ['timeZone', value] as const,
    ),
    ...['usd', 'US', 'XXX', 'BTC', '', 'USD ', 'U\0D', '💶💶💶'].map(value => ['currency', value] as const),
    ...['EU', '', 'eu\0', 'e', "eu'"].map(value => ['region', value] as const),
  ])('refuses a tenant whose %s is %j', async (field, value) => {
    await changed();
    const { body } = await stage.ask(
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
    expect(await changed()).toEqual([]);
  });
});
