import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { EntitlementSet } from '../../src/entitlements/entitlements.service.js';
import type { FeatureKind } from '../../src/entitlements/index.js';
import { aContract, aMeter, aTenant } from '../support/builders.js';
import { aKey, aProduct, type Product } from '../support/product.js';
import { aChain, type Chain } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

const STANDING = 'standing { most used held remaining windowStart resetsAt }';
const OWN = `{ tenant { entitlements { edges { node { featureKey value ${STANDING} } } } } }`;

const { query } = pg.Client.prototype;
/** How often windows were read so far. */
let readings = 0;

// Connections take it when they are made, so it listens before there is one; it changes nothing of what is sent.
pg.Client.prototype.query = function listen(this: pg.Client, ...given: unknown[]) {
  const [first] = given;
  const text = typeof first === 'string' ? first : (first as { readonly text?: string }).text;
  readings += text?.includes('limit_window') ? 1 : 0;

  return Reflect.apply(query, this, given) as never;
} as typeof query;

/** How often windows are read while something is done. */
async function readingsIn<T>(work: () => Promise<T>): Promise<{ readonly answer: T; readonly readings: number }> {
  const before = readings;
  const answer = await work();

  return { answer, readings: readings - before };
}

describe('what a tenant was given, and has used of it', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let gateway: string;
  let reader: string;

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
    chain = await aChain(product, 2);
    customerId = chain.customerIds[0] ?? '';
    gateway = await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write']);
    reader = await aKey(product.app, product.scope(customerId), ['tenants:read', 'entitlements:read']);
  });

  afterEach(() => product.close());

  afterAll(() => {
    pg.Client.prototype.query = query;
  });

  const later = (ms = 2_000) => product.setClock(new Date(product.app.clock().getTime() + ms));
  const give = async (
    key: string,
    kind: FeatureKind,
    value: object | null,
    { meterId = chain.meterId, ...over }: Partial<EntitlementSet> & { readonly meterId?: string } = {},
  ) => {
    const { entitlements } = product.app.services;
    const { feature } = await entitlements.createFeature(product.scope(), {
      key,
      name: key,
      kind,
      idempotencyKey: randomUUID(),
      ...(kind === 'LIMIT' ? { meterId } : {}),
    });
    await entitlements.setEntitlement(product.scope(), {
      featureId: feature.id,
      targetKind: 'PLAN',
      targetId: chain.bookId,
      value,
      effectiveAt: null,
      idempotencyKey: randomUUID(),
      ...over,
    });
    // Past what is remembered for a second.
    later();
  };
  const post = async (path: string, body: object) => {
    const response = await fetch(`${product.server.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

    // eslint-disable-next-line typescript/no-explicit-any -- each test asserts what it needs.
    return (await response.json()) as any;
  };
  const call = (tokens: number) => ({ eventType: chain.eventType, properties: { tokens, model: 'm' } });
  const authorize = (tokens: number) => post('authorize', { ...call(tokens), idempotencyKey: randomUUID() });
  const record = (tokens: number) =>
    product.postUsage(gateway, [
      {
        id: randomUUID(),
        type: chain.eventType,
        time: product.app.clock().toISOString(),
        properties: { tokens, model: 'm' },
      },
    ]);
  const standings = async (key = reader, document = OWN): Promise<Record<string, unknown>> => {
    const { data, errors } = await product.graphql(key, document);
    expect(errors).toBeUndefined();

    return Object.fromEntries(
      data.tenant.entitlements.edges.map(({ node }: { node: { featureKey: string; standing: unknown } }) => [
        node.featureKey,
        node.standing,
      ]),
    );
  };
  const day = (most: string, used: string, held: string, remaining: string) => ({
    most,
    used,
    held,
    remaining,
    windowStart: '2026-11-10T00:00:00.000Z',
    resetsAt: '2026-11-11T00:00:00.000Z',
  });

  test('is told for a limit, a rate and holds at a time, as it stands, and for nothing else', async () => {
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY' });
    await give('ever', 'LIMIT', { amount: '100.5', per: null, mode: 'WARN' });
    await give('rate', 'RATE', { calls: 5, per: 'DAY' });
    await give('at-once', 'CONCURRENCY', { most: 3 });
    await give('sso', 'BOOLEAN', { isOn: true });
    await give('models', 'MODELS', { allow: ['*'] });
    // Of another meter: it leaves nothing of its own.
    await give('gone', 'LIMIT', null, { meterId: await aMeter(product, { eventType: 'elsewhere' }) });
    const ever = (used: string, held: string, remaining: string) => ({
      most: '100.5',
      used,
      held,
      remaining,
      windowStart: '1970-01-01T00:00:00.000Z',
      resetsAt: null,
    });
    const atOnce = (held: string, remaining: string) => ({ ...ever('0', held, remaining), most: '3' });
    const nothing = { sso: null, models: null, gone: null };
    expect(await standings()).toEqual({
      tokens: day('10', '0', '0', '10'),
      ever: ever('0', '0', '100.5'),
      rate: day('5', '0', '0', '5'),
      'at-once': atOnce('0', '3'),
      ...nothing,
    });
    const { hold } = await authorize(4);
    await record(3);
    expect(await standings()).toEqual({
      tokens: day('10', '3', '4', '3'),
      ever: ever('3', '4', '93.5'),
      rate: day('5', '1', '1', '3'),
      'at-once': atOnce('1', '2'),
      ...nothing,
    });
    await post('void', { holdId: hold.id });
    await record(9);
    expect(await standings()).toEqual({
      // What was used is not refused: less than nothing is left.
      tokens: day('10', '12', '0', '-2'),
      ever: ever('12', '0', '88.5'),
      rate: day('5', '2', '0', '3'),
      'at-once': atOnce('0', '3'),
      ...nothing,
    });
  });

  test('has what was left of the window before, as a check has it, and begins anew with the next', async () => {
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY', rollover: { most: '5' } });
    product.setClock(new Date('2026-11-11T10:00:00Z'));
    await record(7);
    product.setClock(new Date('2026-11-12T10:00:00Z'));
    await record(2);
    const [{ tokens }, refused] = [await standings(), await post('check', call(12))];
    expect(tokens).toEqual({
      most: '13',
      used: '2',
      held: '0',
      remaining: '11',
      windowStart: '2026-11-12T00:00:00.000Z',
      resetsAt: '2026-11-13T00:00:00.000Z',
    });
    expect(refused.limit).toMatchObject({ most: '13', used: '2', held: '0', remaining: '11' });
    product.setClock(new Date('2026-11-14T10:00:00Z'));
    expect((await standings())['tokens']).toMatchObject({ most: '15', used: '0', remaining: '15' });
  });

  test('is what counts in the calendar of the tenant', async () => {
    const buyerId = await aTenant(product, { parentId: chain.resellerId, timeZone: 'Asia/Kolkata' });
    await aContract(product, { buyerId, bookId: chain.bookId });
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY' });
    const key = await aKey(product.app, product.scope(buyerId), ['tenants:read', 'entitlements:read']);
    expect((await standings(key))['tokens']).toMatchObject({
      windowStart: '2026-11-09T18:30:00.000Z',
      resetsAt: '2026-11-10T18:30:00.000Z',
    });
  });

  test('is seen by those above for all below them, each with its own, in one reading for a tenant', async () => {
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY' });
    await give('rate', 'RATE', { calls: 5, per: 'DAY' });
    await give('at-once', 'CONCURRENCY', { most: 3 });
    await record(4);
    const above = await aKey(product.app, product.scope(chain.resellerId), ['tenants:read', 'entitlements:read']);
    const all = `{ tenant { children { edges { node { id entitlements { edges { node { featureKey ${STANDING} } } } } } } } }`;
    const [own, ofThose] = [await readingsIn(() => standings()), await readingsIn(() => product.graphql(above, all))];
    expect([Object.keys(own.answer), own.readings]).toEqual([['at-once', 'rate', 'tokens'], 1]);
    const { data, errors } = ofThose.answer;
    expect([errors, ofThose.readings <= 2]).toEqual([undefined, true]);
    const used = data.tenant.children.edges.map(
      ({ node }: { node: { id: string; entitlements: { edges: { node: { standing: { used: string } } }[] } } }) => [
        node.id,
        node.entitlements.edges.map(({ node: { standing } }) => standing.used),
      ],
    );
    const [first, second] = chain.customerIds;
    expect(Object.fromEntries(used)).toEqual({ [first ?? '']: ['0', '1', '4'], [second ?? '']: ['0', '0', '0'] });
  });

  test('is not told to a key that may not read what was given', async () => {
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY' });
    const key = await aKey(product.app, product.scope(customerId), ['tenants:read', 'budgets:read']);
    const { data, errors } = await product.graphql(key, OWN);
    expect([data, errors?.map(({ extensions }) => extensions.code)]).toEqual([{ tenant: null }, ['FORBIDDEN']]);
  });
});
