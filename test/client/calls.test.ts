import { RatebookClient, RatebookError } from '../../client/src/index.js';
import { aChain, type Chain, windowsOf } from '../budgets/support.js';
import { aBudget } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';
import { aClient, aProxy, type Proxy } from './support.js';

test.each([
  [{ url: 'ratebook.example.com' }],
  [{ url: 'ftp://ratebook.example.com' }],
  [{ url: 'https://me:secret@ratebook.example.com' }],
  [{ key: 'with a\nbreak' }],
  [{ timeoutMs: 0 }],
  [{ patienceMs: Number.POSITIVE_INFINITY }],
  [{ batchSize: 10_001 }],
  [{ bufferSize: 1.5 }],
])('a client with options that cannot work is not made: %j', options => {
  const made = () => new RatebookClient({ url: 'https://ratebook.example.com', key: 'k', ...options });
  expect(made).toThrow(/is a|is the|Invalid URL|invalid header value/);
});

describe('a gateway asks, settles and gives back through the client', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let client: RatebookClient;
  let proxy: Proxy;

  beforeEach(async () => {
    product = await aProduct({ now: new Date('2026-11-10T12:00:00Z') });
    chain = await aChain(product);
    customerId = chain.customerIds[0] ?? '';
    client = await aClient(product, customerId);
    proxy = await aProxy(product.server.url);
  });

  afterEach(async () => {
    await client.close();
    await proxy.close();
    await product.close();
  });

  const call = (tokens: unknown) => ({ eventType: chain.eventType, properties: { tokens, model: 'm' } });
  const used = (tokens: unknown) => ({ type: chain.eventType, properties: { tokens, model: 'm' } });
  const counted = async (table: 'hold' | 'usage_event') =>
    (await asSuperuser<{ n: number }>(product.database, `select count(*)::int as n from ${table}`, []))[0]?.n;

  test('check says whether there is room, and whose limit says no', async () => {
    const limitId = await aBudget(product, { tenantId: customerId, amount: '10' });
    expect(await client.check(call(10))).toEqual({
      isAllowed: true,
      code: null,
      message: null,
      limit: null,
      beyond: [],
      isBlind: false,
    });
    expect(await client.check(call('10.01'))).toMatchObject({
      isAllowed: false,
      code: 'LIMIT_EXCEEDED',
      limit: { limitId, most: '10', remaining: '10', resetsAt: '2026-12-01T00:00:00.000Z' },
      isBlind: false,
    });
  });

  test('authorize holds under an id of its own, settle counts what was used, void gives back', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '20' });
    const first = await client.authorize(call(8));
    expect(first).toMatchObject({ isAllowed: true, isBlind: false, hold: { amount: '8', state: 'HELD' } });
    expect(first.idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
    expect(await client.authorize(call(13))).toMatchObject({ isAllowed: false, code: 'LIMIT_EXCEEDED', hold: null });
    expect(await client.settle(first.hold?.id ?? '', [used(5), used(1)])).toMatchObject({
      hold: { state: 'SETTLED', amount: '8', actual: '6', overrun: '0' },
    });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '6+0' });
    const second = await client.authorize({ ...call(4), idempotencyKey: 'once', expiresInSeconds: 60 });
    expect(second).toMatchObject({ idempotencyKey: 'once', hold: { expiresAt: expect.any(String) } });
    expect((await client.authorize({ ...call(4), idempotencyKey: 'once', expiresInSeconds: 60 })).hold).toEqual({
      ...second.hold,
      replayed: true,
    });
    expect((await client.void(second.hold?.id ?? '')).hold).toMatchObject({ state: 'VOIDED', actual: null });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '6+0' });
  });

  test('a gateway with the key of a reseller names the tenant', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const above = await aClient(product, chain.resellerId);
    const tenantId = customerId;
    const [one, two] = [
      await above.authorize({ ...call(3), tenantId }),
      await above.authorize({ ...call(3), tenantId }),
    ];
    expect((await above.settle(one.hold?.id ?? '', [used(2)], { tenantId })).hold?.actual).toBe('2');
    expect((await above.void(two.hold?.id ?? '', { tenantId })).hold?.state).toBe('VOIDED');
    expect(await windowsOf(product)).toEqual({ [budgetId]: '2+0' });
    await expect(above.void(two.hold?.id ?? '')).rejects.toMatchObject({ code: 'NOT_FOUND', status: 404 });
  });

  test('that whose answer was lost is asked for again with the same ids, and done once', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '20' });
    const shaky = await aClient(product, customerId, { url: proxy.url });
    proxy.faults.push('CUT', 'LOST', { status: 502, body: '<html>' });
    const { hold } = await shaky.authorize(call(8));
    expect(hold).toMatchObject({ amount: '8', replayed: true });
    expect(new Set(proxy.seen.map(({ body }) => body)).size).toBe(1);
    proxy.faults.push('LOST', { status: 200, body: 'a page of a hotel' }, 'CUT');
    expect((await shaky.settle(hold?.id ?? '', [used(5)])).hold).toMatchObject({ actual: '5', state: 'SETTLED' });
    expect(new Set(proxy.seen.slice(4).map(({ body }) => body)).size).toBe(1);
    expect(proxy.seen).toHaveLength(8);
    expect([await counted('hold'), await counted('usage_event')]).toEqual([1, 1]);
    expect(await windowsOf(product)).toEqual({ [budgetId]: '5+0' });
  });

  test('settle and void give up when their time is over, and say that nobody knows', async () => {
    const shaky = await aClient(product, customerId, { url: proxy.url, patienceMs: 150, requestMs: 20 });
    proxy.always = 'SILENT';
    await expect(shaky.settle('hld_1', [used(1)])).rejects.toMatchObject({ code: 'UNREACHABLE', status: null });
    await expect(shaky.void('hld_1')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(proxy.seen.length).toBeGreaterThan(3);
  });

  describe('is refused with the reason of the server, and nothing changes,', () => {
    afterEach(async () => {
      expect([await counted('hold'), await counted('usage_event')]).toEqual([0, 0]);
    });

    const refusal = async (asking: Promise<unknown>): Promise<RatebookError> => {
      const thrown = await asking.then(
        () => null,
        (error: unknown) => error,
      );
      expect(thrown).toBeInstanceOf(RatebookError);

      return thrown as RatebookError;
    };

    test('for a call that cannot be read, whatever the fail mode', async () => {
      const wrong = await refusal(client.authorize({ ...call(1), eventType: '' }, { failMode: 'OPEN' }));
      expect(wrong).toMatchObject({ code: 'INVALID_INPUT', status: 400, field: ['eventType'] });
      expect(wrong.requestId).toMatch(/^req_/);
      await expect(client.check(call(Number.NaN))).rejects.toThrow('tokens is NaN, which is no number of JSON');
    });

    test('for a key that is none, or may not, whatever the fail mode', async () => {
      const none = await aClient(product, customerId, { key: 'rb_live_nothing' });
      const reads = await aClient(product, customerId, {
        key: await aKey(product.app, product.scope(customerId), ['budgets:read']),
      });
      expect(await refusal(none.check(call(1), { failMode: 'OPEN' }))).toMatchObject({ code: 'UNAUTHENTICATED' });
      expect(await refusal(reads.authorize(call(1), { failMode: 'OPEN' }))).toMatchObject({ code: 'FORBIDDEN' });
    });

    test('for a clock that is wrong', async () => {
      const late = await aClient(product, customerId, { clock: () => new Date('2026-11-10T12:10:00Z') });
      expect(await refusal(late.authorize(call(1)))).toMatchObject({ code: 'CLOCK_SKEW', field: ['sentAt'] });
    });

    test('by an address that is not that of Ratebook', async () => {
      const elsewhere = await aClient(product, customerId, { url: `${product.server.url}/elsewhere/` });
      expect(await refusal(elsewhere.check(call(1), { failMode: 'OPEN' }))).toMatchObject({ status: 404 });
      proxy.always = { status: 404, body: 'nothing here' };
      const nowhere = await aClient(product, customerId, { url: proxy.url });
      expect(await refusal(nowhere.void('hld_1'))).toMatchObject({ code: 'HTTP_404', status: 404 });
    });

    test('for a test key: it is told what would be', async () => {
      const test = await aClient(product, customerId, {
        key: await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write'], 'TEST'),
      });
      expect(await test.authorize(call(1))).toMatchObject({ isAllowed: true, hold: null, isDryRun: true });
      expect(await test.settle(`hld_${'0'.repeat(26)}`, [used(1)])).toEqual({
        hold: null,
        rejected: [],
        isDryRun: true,
      });
      expect(await refusal(test.settle(`hld_${'0'.repeat(26)}`, [used(-1)]))).toMatchObject({
        code: 'EVENTS_REJECTED',
        rejected: [{ index: 0, code: 'INVALID_QUANTITY' }],
      });
      expect((await test.void(`hld_${'0'.repeat(26)}`)).hold).toBeNull();
      expect(await test.record(used(1))).toMatchObject({ isDuplicate: false, isDryRun: true });
    });
  });

  test('one event of a settling is refused: all are, with which and why', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { hold } = await client.authorize(call(8));
    await expect(client.settle(hold?.id ?? '', [used(1), used(-1)])).rejects.toMatchObject({
      code: 'EVENTS_REJECTED',
      status: 422,
      rejected: [{ index: 1, code: 'INVALID_QUANTITY', field: 'properties.tokens' }],
    });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0+8' });
    expect(await counted('usage_event')).toBe(0);
  });
});
