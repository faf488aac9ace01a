import { type RatebookClient, RatebookError, type RatebookOptions } from '../../client/src/index.js';
import { aChain, type Chain } from '../budgets/support.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product, until } from '../support/product.js';
import { aClient, aProxy, type Proxy } from './support.js';

describe('a gateway records usage through the client', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let proxy: Proxy;
  let client: RatebookClient;

  beforeEach(async () => {
    product = await aProduct({ now: new Date('2026-11-10T12:00:00Z') });
    chain = await aChain(product);
    customerId = chain.customerIds[0] ?? '';
    proxy = await aProxy(product.server.url);
    client = await aNewClient();
  });

  afterEach(async () => {
    proxy.always = null;
    await client.close();
    await proxy.close();
    await product.close();
  });

  const aNewClient = (options: Partial<RatebookOptions> = {}) =>
    aClient(product, customerId, { url: proxy.url, ...options });
  const used = (tokens: unknown, more: object = {}) => ({
    type: chain.eventType,
    properties: { tokens, model: 'm' },
    ...more,
  });
  const sizes = () => proxy.seen.map(({ body }) => (JSON.parse(body) as unknown[]).length);
  const stored = () =>
    asSuperuser<{ id: string; source: string }>(product.database, 'select id, source from usage_event order by id', []);
  const reason = async (recording: Promise<unknown>): Promise<RatebookError> => {
    const thrown = await recording.then(
      () => null,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(RatebookError);

    return thrown as RatebookError;
  };

  test('together, each accepted once, under ids of their own where they have none', async () => {
    const named = await aNewClient({ source: 'gateway-7' });
    const answers = await Promise.all([
      named.record(used(1)),
      named.record(used(2, { id: 'mine', source: 'other' })),
      named.record(used(3, { time: '2026-11-10T11:00:00Z' })),
    ]);
    expect(sizes()).toEqual([3]);
    expect(answers.map(({ isDuplicate, isDryRun }) => [isDuplicate, isDryRun])).toEqual(Array(3).fill([false, false]));
    expect(new Set(await stored())).toEqual(
      new Set(answers.map(({ id }) => ({ id, source: id === 'mine' ? 'other' : 'gateway-7' }))),
    );
    expect(await named.record(used(2, { id: 'mine', source: 'other', time: timeOf('mine') }))).toMatchObject({
      isDuplicate: true,
    });
  });

  const timeOf = (id: string) =>
    proxy.seen.flatMap(({ body }) => JSON.parse(body) as { id: string; time: string }[]).find(one => one.id === id)
      ?.time;

  test('in requests of so many events, or of what has come within so long', async () => {
    const few = await aNewClient({ batchSize: 3, batchMs: 10_000 });
    const all = Promise.all(Array.from({ length: 7 }, () => few.record(used(1))));
    await until(async () => (await stored()).length === 6);
    expect(sizes()).toEqual([3, 3]);
    await few.flush();
    expect(sizes()).toEqual([3, 3, 1]);
    await all;
    const soon = await aNewClient({ batchMs: 20 });
    await soon.record(used(1));
    expect(await stored()).toHaveLength(8);
  });

  test('the connection breaks, before or after the server has accepted: sent again with the same ids, accepted once', async () => {
    proxy.faults.push('CUT', 'LOST', { status: 500 }, 'LOST', 'CUT');
    const answers = await Promise.all([client.record(used(1)), client.record(used(2, { id: 'mine' }))]);
    expect(answers.map(({ isDuplicate }) => isDuplicate)).toEqual([true, true]);
    expect(proxy.seen).toHaveLength(6);
    expect(new Set(proxy.seen.map(({ body }) => body)).size).toBe(1);
    expect((await stored()).map(({ id }) => id)).toEqual(answers.map(({ id }) => id).sort());
  });

  test('one that is never answered is given up and sent again', async () => {
    const quick = await aNewClient({ requestMs: 1_000 });
    proxy.faults.push('SILENT');
    await quick.record(used(1));
    expect(proxy.seen.length).toBeGreaterThan(1);
    expect(await stored()).toHaveLength(1);
  });

  test.each([
    [503, '1'],
    [429, () => new Date(Date.now() + 2_000).toUTCString()],
  ])('%i with Retry-After is waited for', async (status, after) => {
    const retryAfter = typeof after === 'string' ? after : after();
    proxy.faults.push({ status, headers: { 'retry-after': retryAfter } });
    await client.record(used(1));
    const [first, second] = proxy.seen;
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(900);
    expect(await stored()).toHaveLength(1);
  });

  test('the waits double, with chance in them', async () => {
    const { random } = Math;
    Math.random = () => 1;

    try {
      proxy.faults.push('CUT', 'CUT', 'CUT', 'CUT');
      await client.record(used(1));
    } finally {
      Math.random = random;
    }

    const waits = proxy.seen.slice(1).map(({ at }, place) => at - (proxy.seen[place]?.at ?? 0));
    [9, 19, 39, 79].forEach((least, place) => expect(waits[place]).toBeGreaterThanOrEqual(least));
  });

  test('one of a batch is refused, with the reason and the event as it was sent; the others stand', async () => {
    await client.record(used(1, { id: 'before', time: '2026-11-10T11:00:00Z' }));
    const [good, ...refused] = await Promise.all([
      client.record(used(1)),
      reason(client.record(used(-1, { id: 'negative' }))),
      reason(client.record(used(2, { id: 'before', time: '2026-11-10T11:00:00Z' }))),
      reason(client.record(used(1, { tenant: product.platformId }))),
      reason(client.record(used(1, { type: 'nothing' }))),
    ]);
    expect(refused.map(({ code, field }) => [code, field])).toEqual([
      ['INVALID_QUANTITY', ['properties.tokens']],
      ['ALREADY_EXISTS', ['id']],
      ['UNKNOWN_TENANT', ['tenant']],
      ['UNKNOWN_EVENT_TYPE', ['type']],
    ]);
    expect(refused[0]?.event).toEqual(used(-1, { id: 'negative', time: expect.any(String) }));
    expect(new Set((await stored()).map(({ id }) => id))).toEqual(new Set(['before', good.id]));
  });

  test('a key that may not is told so, once for each event, and nothing is tried again', async () => {
    const key = await aKey(product.app, product.scope(customerId), ['holds:write']);
    const other = await aNewClient({ key });
    const refused = await Promise.all([reason(other.record(used(1))), reason(other.record(used(2)))]);
    expect(refused.map(({ code, status, event }) => [code, status, event?.properties?.['tokens']])).toEqual([
      ['FORBIDDEN', 403, 1],
      ['FORBIDDEN', 403, 2],
    ]);
    expect(proxy.seen).toHaveLength(1);
  });

  test('what JSON would lose is refused by itself; a BigInt and a changed object arrive as they were meant', async () => {
    const properties = { tokens: 12n, model: 'm' };
    const recording = client.record({ type: chain.eventType, properties });
    properties.tokens = 99n;
    const lost = await reason(client.record(used(Number.NaN)));
    const recorded = await recording;
    expect(lost).toMatchObject({ code: 'INVALID_EVENT', message: expect.stringContaining('tokens is NaN') });
    expect(JSON.parse(proxy.seen[0]?.body ?? '')).toMatchObject([{ id: recorded.id, properties: { tokens: '12' } }]);
  });

  test('a batch that is too long for what is on the way is sent in halves', async () => {
    proxy.faults.push({ status: 413 }, { status: 413 });
    const recorded = await Promise.all(Array.from({ length: 4 }, () => client.record(used(1))));
    expect(sizes()).toEqual([4, 2, 1, 1, 2]);
    expect(await stored()).toHaveLength(recorded.length);
    proxy.faults.push({ status: 413 });
    expect(await reason(client.record(used(1)))).toMatchObject({ code: 'HTTP_413', status: 413 });
  });

  test('an answer that does not tell of every event is none', async () => {
    const short = { accepted: 0, duplicates: [], conflicts: [], rejected: [] };
    proxy.faults.push({ status: 200, body: JSON.stringify(short) }, { status: 200, body: '{"ok":true}' });
    const bare = await aNewClient({ fetch });
    expect(await bare.record(used(1))).toMatchObject({ isDuplicate: false });
    expect(proxy.seen).toHaveLength(3);
  });

  test('more than the buffer holds is refused, says why, and is taken again when there is room', async () => {
    const small = await aNewClient({ bufferSize: 3, batchSize: 1 });
    proxy.always = { status: 503 };
    const kept = [1, 2, 3].map(tokens => small.record(used(tokens)));
    await until(async () => proxy.seen.length >= 6);
    const refused = await reason(small.record(used(4)));
    expect(refused).toMatchObject({ code: 'BUFFER_FULL', event: { id: expect.any(String) } });
    expect(refused.message).toMatch(/^3 events wait to be sent already \(Ratebook cannot answer now: HTTP_503/);
    proxy.always = null;
    await Promise.all(kept);
    await small.record(refused.event ?? used(4));
    expect(await stored()).toHaveLength(4);
  });

  test('a batch that the server never takes holds up no other', async () => {
    const choosy = await aNewClient({
      batchSize: 1,
      patienceMs: 100,
      fetch: async (input, init) =>
        typeof init?.body === 'string' && init.body.includes('poison')
          ? new Response('', { status: 500 })
          : fetch(input, init),
    });
    const stuck = reason(choosy.record(used(1, { id: 'poison' })));
    await Promise.all([choosy.record(used(1)), choosy.record(used(2))]);
    expect(await stored()).toHaveLength(2);
    await choosy.close();
    expect(await stuck).toMatchObject({ code: 'UNREACHABLE', status: 500, event: { id: 'poison' } });
  });

  test('close sends what waits, and takes no more', async () => {
    const slow = await aNewClient({ batchMs: 60_000 });
    const recorded = [slow.record(used(1)), slow.record(used(2))];
    await Promise.all([slow.close(), slow.close()]);
    expect(await stored()).toHaveLength(2);
    await Promise.all(recorded);
    expect(await reason(slow.record(used(3)))).toMatchObject({ code: 'CLOSED', event: { type: chain.eventType } });
    expect(await stored()).toHaveLength(2);
  });

  test('close gives up in the end: each event is handed back, and recorded again it counts once', async () => {
    const short = await aNewClient({ patienceMs: 1_000, batchSize: 1 });
    proxy.always = 'LOST';
    const recorded = Array.from({ length: 6 }, (_, tokens) => reason(short.record(used(tokens))));
    await short.close();
    const refused = await Promise.all(recorded);
    expect(refused.map(({ code }) => code)).toEqual(Array(6).fill('UNREACHABLE'));
    proxy.always = null;
    const again = await Promise.all(refused.map(({ event }) => client.record(event ?? used(0))));
    expect(again.filter(({ isDuplicate }) => isDuplicate).length).toBeGreaterThan(0);
    expect(await stored()).toHaveLength(6);
  });
});
