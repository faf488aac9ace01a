import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Checked, type FailMode, RatebookClient } from '../../client/src/index.js';
import { aChain, type Chain, windowsOf } from '../budgets/support.js';
import { aBudget } from '../support/builders.js';
import { aProduct, type Product } from '../support/product.js';
import { aClient, aProxy, type Proxy } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

/** A port on which nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));

  return `http://127.0.0.1:${port}`;
}

describe('when Ratebook cannot be reached in time', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let proxy: Proxy;
  let client: RatebookClient;

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
    chain = await aChain(product, 2);
    customerId = chain.customerIds[0] ?? '';
    proxy = await aProxy(product.server.url);
    client = await aClient(product, chain.resellerId, { url: proxy.url });
  });

  afterEach(async () => {
    proxy.always = null;
    await client.close();
    await proxy.close();
    await product.close();
  });

  const call = (tokens: unknown, tenantId = customerId) => ({
    tenantId,
    eventType: chain.eventType,
    properties: { tokens, model: 'm' },
  });
  const within = (cap: string, more: object = {}): FailMode => ({ lastKnown: { cap, ...more } });
  const outage = async <T>(work: () => Promise<T>): Promise<T> => {
    proxy.always = 'CUT';

    return work().finally(() => (proxy.always = null));
  };
  const blindly = async (failMode: FailMode, tenantId = customerId): Promise<[boolean, boolean, string | null]> => {
    const told: Checked = await outage(() => client.check(call(1, tenantId), { failMode, timeoutMs: 30 }));

    return [told.isAllowed, told.isBlind, told.code];
  };
  const YES = [true, true, null];
  const NO = [false, false, 'UNREACHABLE'];

  test('a hold that has ended says nothing of the room there is', async () => {
    const { hold } = await client.authorize({ ...call(5), idempotencyKey: 'k' });
    await client.void(hold?.id ?? '', { tenantId: customerId });
    expect(await client.authorize({ ...call(5), idempotencyKey: 'k' })).toMatchObject({
      isAllowed: false,
      code: 'HOLD_ENDED',
    });
    expect(await blindly(within('5'))).toEqual(YES);
    expect(await blindly(within('5'))).toEqual(NO);
  });

  test('CLOSED says no, and is what is meant when nothing is said; OPEN says yes, blindly', async () => {
    const dead = await aClient(product, customerId, { url: await deadUrl(), timeoutMs: 100 });
    expect(await dead.check(call(1))).toEqual({
      isAllowed: false,
      code: 'UNREACHABLE',
      message: expect.stringMatching(/^Ratebook cannot be reached: .*; ask again$/),
      limit: null,
      beyond: [],
      isBlind: false,
    });
    expect(await dead.authorize(call(1), { failMode: 'CLOSED' })).toMatchObject({ isAllowed: false, hold: null });
    expect(await dead.authorize(call(1), { failMode: 'OPEN' })).toEqual({
      isAllowed: true,
      code: null,
      message: null,
      limit: null,
      beyond: [],
      hold: null,
      isBlind: true,
      idempotencyKey: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  test.each([
    ['silent', 'SILENT'],
    ['out of order', { status: 500, body: '{"error":{"code":"INTERNAL","message":"m"}}' }],
    ['too busy until later', { status: 503, headers: { 'retry-after': '60' } }],
    ['asked too often', { status: 429, headers: { 'retry-after': new Date(Date.now() + 60_000).toUTCString() } }],
    ['somewhere else', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }],
  ] as const)('it is not waited for longer than the time, be it %s', async (_how, fault) => {
    proxy.always = fault;
    const start = performance.now();
    expect((await client.check(call(1), { timeoutMs: 150 })).code).toBe('UNREACHABLE');
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test('a fetch that knows no end is not waited for either', async () => {
    const hanging = await aClient(product, customerId, { fetch: () => new Promise(() => undefined), timeoutMs: 50 });
    expect((await hanging.check(call(1))).message).toMatch(/no answer within 50 ms/);
  });

  test('a short outage within the time is no outage', async () => {
    proxy.faults.push('CUT', { status: 503 }, 'CUT');
    expect(await client.check(call(1), { failMode: 'OPEN' })).toMatchObject({ isAllowed: true, isBlind: false });
    expect(proxy.seen).toHaveLength(4);
  });

  test('lastKnown goes on where there was room, exactly up to the cap, and begins anew with the next answer', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    await client.check(call(1));
    const mode = within('0.3', { amount: '0.1' });
    expect([await blindly(mode), await blindly(mode), await blindly(mode)]).toEqual([YES, YES, YES]);
    expect([await blindly(mode), await blindly(within('0.3', { amount: '0.000000000000000001' }))]).toEqual([NO, NO]);
    expect(await blindly(within('0.3', { amount: '0' }))).toEqual(YES);
    // Another tenant has a cap of its own, but nothing is known of it.
    expect(await blindly(mode, chain.customerIds[1])).toEqual(NO);
    await client.check(call(1));
    expect(await blindly(mode)).toEqual(YES);
    // What went ahead blindly is recorded afterwards.
    await client.record({ type: chain.eventType, tenant: customerId, properties: { tokens: '0.4', model: 'm' } });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0.4+0' });
  });

  test('lastKnown says no where the last answer did, where it is too old, and where nobody knows the cost', async () => {
    await aBudget(product, { tenantId: customerId, amount: '10' });
    expect(await blindly(within('9', { amount: '1' }))).toEqual(NO);
    await client.check(call(1));
    expect(await blindly(within('9'))).toEqual(NO);
    await client.authorize(call(4));
    // The most that was held for one call: 4 a call.
    expect([await blindly(within('8')), await blindly(within('8')), await blindly(within('8'))]).toEqual([
      YES,
      YES,
      NO,
    ]);
    product.setClock(new Date(NOW.getTime() + 90_000));
    expect(await blindly(within('99'))).toEqual(NO);
    expect(await blindly(within('99', { lifeMs: 150_000 }))).toEqual(YES);
    product.setClock(new Date(NOW.getTime() - 3_600_000));
    expect(await blindly(within('99', { lifeMs: 150_000 }))).toEqual(NO);
    product.setClock(NOW);
    expect((await client.check(call(7))).code).toBe('LIMIT_EXCEEDED');
    expect(await blindly(within('99'))).toEqual(NO);
    // What was refused itself stays refused when another answer says that there is room.
    await client.check({ ...call(7), model: 'dear' });
    await client.check(call(1));
    expect(await blindly(within('99'))).toEqual(YES);
    const dear = { ...call(1), model: 'dear' };
    const ask = () => outage(() => client.check(dear, { failMode: within('99'), timeoutMs: 30 }));
    expect((await ask()).code).toBe('UNREACHABLE');
    await client.check(dear);
    expect((await ask()).isBlind).toBe(true);
  });

  test('an answer to what was asked before a call went ahead blindly does not begin anew', async () => {
    await client.check(call(1));
    const answer = Promise.withResolvers<Response>();
    const slow = await aClient(product, customerId, {
      fetch: async (...args) => {
        const response = await fetch(...args);
        const body = args[1]?.body;

        return typeof body !== 'string'
          ? response
          : body.includes('slow')
            ? answer.promise
            : body.includes('lost')
              ? Promise.reject(new Error())
              : response;
      },
    });
    const ask = (model: string, cap = '1') =>
      slow.check(
        { ...call(1), properties: { tokens: 1, model } },
        { failMode: within(cap, { amount: '1' }), timeoutMs: model === 'lost' ? 20 : 5_000 },
      );
    expect((await ask('m')).isAllowed).toBe(true);
    const early = ask('slow');
    expect((await ask('lost')).isBlind).toBe(true);
    answer.resolve(Response.json({ isAllowed: true, code: null, message: null, limit: null, beyond: [] }));
    expect((await early).isBlind).toBe(false);
    expect((await ask('lost')).code).toBe('UNREACHABLE');
    await ask('m');
    expect((await ask('lost')).isBlind).toBe(true);
  });
});

test.each([[{ cap: '1e3' }], [{ cap: '-1' }], [{ cap: 5 }], [{ cap: '5', amount: '' }], [{ cap: '5', lifeMs: 0 }]])(
  'a fail mode that cannot be read is told before there is an outage: %j',
  async lastKnown => {
    const asked: unknown[] = [];
    const client = new RatebookClient({
      url: 'https://ratebook.example.com',
      key: 'k',
      fetch: async () => Response.json(asked.push(1)),
    });
    const asking = client.check({ eventType: 'e' }, { failMode: { lastKnown } as FailMode });
    await expect(asking).rejects.toThrow(TypeError);
    expect(asked).toEqual([]);
  },
);
