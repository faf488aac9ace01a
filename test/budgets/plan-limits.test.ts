import { randomUUID } from 'node:crypto';
import { aKey, type Product } from '../support/product.js';
import { aChain, aCustomer, asking, type Chain, windowsOf } from './support.js';
import { aMeter } from '../support/builders.js';

const NOW = new Date('2026-11-10T12:00:00Z');

describe('what a tenant was given holds for its calls', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    ({ product, chain, customerId, key } = await aCustomer(NOW));
  });

  afterEach(() => product.close());

  /** Moves on, past what is remembered for a second. */
  const later = (ms = 2_000) => product.setClock(new Date(product.app.clock().getTime() + ms));
  const { call, used, ...ask } = asking(() => ({ product, chain, key }));
  const post = async (path: string, body: object) => (await ask.post(path, body)).body;
  const authorize = async (tokens: number, more: object = {}) => (await ask.authorize(tokens, more)).body;
  const record = (tokens: number) => ask.record(used(tokens));
  const give = async (
    featureKey: string,
    kind: 'BOOLEAN' | 'MODELS' | 'LIMIT' | 'RATE' | 'CONCURRENCY',
    value: object | null,
    more: object = {},
  ) => {
    const { entitlements } = product.app.services;
    const { feature } = await entitlements.createFeature(product.scope(), {
      key: featureKey,
      name: featureKey,
      kind,
      idempotencyKey: randomUUID(),
      ...(kind === 'LIMIT' ? { meterId: chain.meterId } : {}),
    });
    const set = async (next: object | null, at: object = {}) =>
      (
        await entitlements.setEntitlement(product.scope(), {
          featureId: feature.id,
          targetKind: 'PLAN',
          targetId: chain.bookId,
          value: next,
          effectiveAt: null,
          idempotencyKey: randomUUID(),
          ...at,
        })
      ).entitlement.id;
    const entitlementId = await set(value, more);
    later();

    return { set, entitlementId, featureId: feature.id };
  };

  test('a feature that is off, taken away or unknown refuses the call that names it', async () => {
    expect(await authorize(1, { feature: 'vision' })).toMatchObject({
      isAllowed: false,
      code: 'NOT_ENTITLED',
      hold: null,
    });
    const { set } = await give('vision', 'BOOLEAN', { isOn: true });
    expect((await authorize(1, { feature: 'vision' })).isAllowed).toBe(true);
    await set({ isOn: false });
    later();
    expect((await authorize(1, { feature: 'vision' })).code).toBe('NOT_ENTITLED');
    expect((await authorize(1)).isAllowed).toBe(true);
  });

  test('a model is allowed by pattern and region, and denied over that', async () => {
    await give('models', 'MODELS', { allow: ['small*', 'm'], deny: ['small-beta'], regions: ['eu'] });
    const ask = async (model: string, region?: string) =>
      (await post('check', { ...call(1, model), ...(region ? { region } : {}) })).code;
    expect(await ask('small-1', 'eu')).toBeNull();
    expect(await ask('small-beta', 'eu')).toBe('MODEL_DENIED');
    expect(await ask('large', 'eu')).toBe('MODEL_DENIED');
    expect(await ask('small-1', 'us')).toBe('MODEL_DENIED');
    expect(await ask('small-1')).toBe('MODEL_DENIED');
  });

  test('a limit counts the meter, what is held and what was recorded, and begins anew with its window', async () => {
    const { entitlementId } = await give('tokens', 'LIMIT', { amount: '10', per: 'DAY', mode: 'HARD' });
    await record(4);
    expect(await post('check', call(7))).toMatchObject({
      isAllowed: false,
      code: 'LIMIT_EXCEEDED',
      limit: {
        limitId: entitlementId,
        ownerId: customerId,
        measure: 'QUANTITY',
        currency: null,
        most: '10',
        used: '4',
        held: '0',
        remaining: '6',
        resetsAt: '2026-11-11T00:00:00.000Z',
      },
    });
    expect((await authorize(6)).isAllowed).toBe(true);
    expect((await authorize(1)).isAllowed).toBe(false);
    product.setClock(new Date('2026-11-11T00:00:01Z'));
    expect((await post('check', call(10))).isAllowed).toBe(true);
  });

  test('usage without a price counts in money as what was held, and in calls and units as what it is', async () => {
    const { featureId: units } = await give('tokens', 'LIMIT', { amount: '100', per: 'DAY', mode: 'HARD' });
    const { featureId: calls } = await give('calls', 'RATE', { calls: 10, per: 'DAY' });
    const { featureId: open } = await give('open', 'CONCURRENCY', { most: 1 });
    const money = async (meterId: string | null) =>
      (
        await product.app.services.budgets.create(product.scope(customerId), {
          name: 'Day',
          amount: '100',
          currency: 'USD',
          mode: 'HARD',
          per: 'DAY',
          countedTenantId: null,
          keyId: null,
          meterId,
          model: null,
          idempotencyKey: randomUUID(),
        })
      ).budget.id;
    const [all, tokens] = [await money(null), await money(chain.meterId)];
    const { hold } = await authorize(10);
    // Counts the same events, and has no price.
    await aMeter(product, { eventType: chain.eventType, valueProperty: 'seconds' });
    later(3_000);
    const event = used(4, { properties: { tokens: 4, seconds: 3, model: 'm' } });
    const settle = () => post('settle', { holdId: hold.id, events: [event] });
    const ended = {
      hold: { id: hold.id, state: 'SETTLED', amount: '10', actual: '10', overrun: '0' },
    };
    expect(await settle()).toMatchObject(ended);
    const windows = {
      [all]: '10+0',
      [tokens]: '10+0',
      [units]: '4+0',
      [calls]: '1+0',
      [open]: '0+0',
    };
    expect(await windowsOf(product)).toEqual(windows);
    expect(await settle()).toMatchObject(ended);
    expect(await windowsOf(product)).toEqual(windows);
    expect((await post('check', { ...call(1), properties: { tokens: 1, seconds: 1, model: 'm' } })).code).toBe(
      'UNPRICED',
    );
  });

  test('what is left of a window rolls over into the next, up to so much', async () => {
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY', mode: 'HARD', rollover: { most: '5' } });
    // It was given in the midst of the tenth, so nothing is left over of that day.
    product.setClock(new Date('2026-11-11T10:00:00Z'));
    expect((await post('check', call(11))).isAllowed).toBe(false);
    await record(7);
    product.setClock(new Date('2026-11-12T10:00:00Z'));
    expect((await post('check', call(13))).isAllowed).toBe(true);
    expect((await post('check', call(14))).isAllowed).toBe(false);
    product.setClock(new Date('2026-11-13T10:00:00Z'));
    expect((await post('check', call(15))).isAllowed).toBe(true);
    expect((await post('check', call(16))).limit).toMatchObject({ most: '15', remaining: '15' });
  });

  test.each(['SOFT', 'WARN'])('a limit that is %s lets through, and the answer tells', async mode => {
    const { entitlementId } = await give('tokens', 'LIMIT', { amount: '1', per: 'MONTH', mode });
    expect(await authorize(5)).toMatchObject({
      isAllowed: true,
      beyond: [{ limitId: entitlementId, measure: 'QUANTITY' }],
    });
  });

  test('a rate counts calls, made or recorded, in each minute', async () => {
    await give('rate', 'RATE', { calls: 2, per: 'MINUTE' });
    expect((await authorize(1)).isAllowed).toBe(true);
    await record(1);
    expect(await authorize(1)).toMatchObject({ isAllowed: false, limit: { measure: 'CALLS', used: '1', held: '1' } });
    later(60_000);
    expect((await authorize(1)).isAllowed).toBe(true);
  });

  test('so many holds at a time, and another when one has ended', async () => {
    await give('parallel', 'CONCURRENCY', { most: 2 });
    const first = await authorize(1);
    expect((await authorize(1)).isAllowed).toBe(true);
    expect(await authorize(1)).toMatchObject({ isAllowed: false, limit: { measure: 'OPEN_HOLDS', held: '2' } });
    await post('void', { holdId: first.hold.id });
    expect((await authorize(1)).isAllowed).toBe(true);
  });

  test('of two tenants on one plan each has its own', async () => {
    await give('tokens', 'LIMIT', { amount: '10', per: 'DAY', mode: 'HARD' });
    const other = await aChain(product);
    expect((await authorize(10)).isAllowed).toBe(true);
    expect((await authorize(1)).isAllowed).toBe(false);
    expect(other.customerIds).not.toContain(customerId);
    const neighbour = await product.app.services.tenants.create(product.scope(chain.resellerId), {
      parentId: null,
      kind: 'CUSTOMER',
      name: 'Neighbour',
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
      idempotencyKey: randomUUID(),
    });
    await product.app.services.contracts.create(product.scope(), {
      buyerId: neighbour.tenant.id,
      priceBookId: chain.bookId,
      startsAt: new Date('2020-01-01T00:00:00Z'),
      graceHours: 0,
      idempotencyKey: randomUUID(),
    });
    key = await aKey(product.app, product.scope(neighbour.tenant.id), ['holds:write']);
    expect((await authorize(10)).isAllowed).toBe(true);
  });
});
