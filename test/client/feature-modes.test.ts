import { randomUUID } from 'node:crypto';
import type { AskOptions, RatebookClient } from '../../client/src/index.js';
import { FeatureModes } from '../../client/src/feature-modes.js';
import type { FeatureCreate } from '../../src/entitlements/entitlements.service.js';
import { aChain, type Chain } from '../budgets/support.js';
import { aProduct, type Product } from '../support/product.js';
import { aClient, aProxy, type Proxy } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

describe('when Ratebook cannot be reached, a call that names a feature', () => {
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

  const later = (ms = 2_000) => product.setClock(new Date(product.app.clock().getTime() + ms));
  /** A feature of everybody on the book. What it answers gives something else of it, from now on. */
  const aFeature = async (over: Partial<FeatureCreate>, value: object | null) => {
    const { entitlements } = product.app.services;
    const { feature } = await entitlements.createFeature(product.scope(), {
      key: 'vision',
      name: 'Vision',
      kind: 'BOOLEAN',
      idempotencyKey: randomUUID(),
      ...over,
    });
    const give = async (given: object | null) => {
      await entitlements.setEntitlement(product.scope(), {
        featureId: feature.id,
        targetKind: 'PLAN',
        targetId: chain.bookId,
        value: given,
        effectiveAt: null,
        idempotencyKey: randomUUID(),
      });
      later();
    };
    await give(value);

    return give;
  };
  const call = (tokens: unknown = 1, more: object = {}) => ({
    tenantId: customerId,
    eventType: chain.eventType,
    feature: 'vision',
    properties: { tokens, model: 'm' },
    ...more,
  });
  /** What is answered while the server is gone: whether the call may go ahead, whether blindly, and the code. */
  const blindly = async (more: object = {}, options: AskOptions = {}) => {
    proxy.always = 'CUT';

    try {
      const told = await client.check(call(1, more), { timeoutMs: 30, ...options });

      return [told.isAllowed, told.isBlind, told.code];
    } finally {
      proxy.always = null;
    }
  };
  const YES = [true, true, null];
  const NO = [false, false, 'UNREACHABLE'];

  test('is refused where nothing was said of it, and where it was said to be CLOSED', async () => {
    await aFeature({}, { isOn: true });
    expect(await blindly()).toEqual(NO);
    expect((await client.check(call())).isAllowed).toBe(true);
    expect(await blindly()).toEqual(NO);
  });

  test('goes on where it was said to be OPEN: that feature, for that tenant, and no other call', async () => {
    await aFeature({ failMode: 'OPEN' }, { isOn: true });
    expect(await blindly()).toEqual(NO);
    const told = await client.check(call());
    expect(told).toEqual({ isAllowed: true, code: null, message: null, limit: null, beyond: [], isBlind: false });
    expect([await blindly(), await blindly({ eventType: 'another' })]).toEqual([YES, YES]);
    later(86_400_000);
    expect(await blindly()).toEqual(YES);
    const others = [
      { feature: 'audio' },
      { feature: null },
      { feature: undefined },
      { tenantId: chain.customerIds[1] },
    ];

    for (const other of others) {
      expect([other, await blindly(other)]).toEqual([other, NO]);
    }
  });

  test('is said what to do with by authorize as well', async () => {
    await aFeature({ failMode: 'OPEN' }, { isOn: true });
    expect((await client.authorize(call())).hold).toMatchObject({ amount: '1' });
    expect(await blindly()).toEqual(YES);
  });

  test('is refused once the tenant is no longer entitled to it, however open it is', async () => {
    const give = await aFeature({ failMode: 'OPEN' }, { isOn: true });
    await client.check(call());
    await give({ isOn: false });
    expect((await client.check(call())).code).toBe('NOT_ENTITLED');
    expect(await blindly()).toEqual(NO);
    await give({ isOn: true });
    await client.check(call());
    expect(await blindly()).toEqual(YES);
  });

  test('goes by the last answer up to the cap where it was said to be LAST_KNOWN, and begins anew with the next', async () => {
    await aFeature({ kind: 'RATE', failMode: 'LAST_KNOWN', failCap: '3' }, { calls: 5, per: 'DAY' });
    expect(await blindly()).toEqual(NO);
    await client.check(call());
    // Calls count, whichever event they send; no age of the answer matters.
    later(86_400_000 / 4);
    expect([await blindly(), await blindly({ eventType: 'another' }), await blindly(), await blindly()]).toEqual([
      YES,
      YES,
      YES,
      NO,
    ]);
    // The other tenant has a cap of its own, once it was answered.
    expect(await blindly({ tenantId: chain.customerIds[1] })).toEqual(NO);
    await client.check(call(1, { tenantId: chain.customerIds[1] }));
    expect(await blindly({ tenantId: chain.customerIds[1] })).toEqual(YES);
    expect(await blindly()).toEqual(NO);
    await client.check(call());
    expect(await blindly()).toEqual(YES);
  });

  test('counts what one such call takes of the meter at most, and is refused where the last answer was no', async () => {
    await aFeature(
      { kind: 'LIMIT', meterId: chain.meterId, failMode: 'LAST_KNOWN', failCap: '5' },
      { amount: '10', per: 'DAY' },
    );
    await client.check(call('2.5'));
    expect([await blindly(), await blindly(), await blindly()]).toEqual([YES, YES, NO]);
    expect((await client.check(call(11))).code).toBe('LIMIT_EXCEEDED');
    expect(await blindly()).toEqual(NO);
    // A call took 11 once: more than the cap.
    await client.check(call(1));
    expect(await blindly()).toEqual(NO);
  });

  test('goes by what its caller says where that is said', async () => {
    await aFeature({ failMode: 'OPEN' }, { isOn: true });
    await client.check(call());
    expect(await blindly({}, { failMode: 'CLOSED' })).toEqual(NO);
    expect(await blindly({ feature: 'audio' }, { failMode: 'OPEN' })).toEqual(YES);
    expect(await blindly({}, { failMode: { lastKnown: { cap: '1', amount: '2' } } })).toEqual(NO);
  });
});

describe('what was said of a feature', () => {
  const asked = { tenantId: 't', eventType: 'e', feature: 'f' };
  const open = { mode: 'OPEN', cap: null, share: null } as const;
  const closed = { ...open, mode: 'CLOSED' } as const;

  test('is what the latest question was answered, in whatever order answers come', () => {
    const modes = new FeatureModes();
    const [first, second] = [modes.asking(asked, NOW), modes.asking(asked, NOW)];

    if (!first || !second) {
      throw new Error('a feature is named');
    }

    modes.answered(second, true, closed);
    modes.answered(first, true, open);
    expect(modes.letThrough(modes.asking(asked, NOW), NOW)).toBe('ask again');
  });

  test('is kept of a server that says nothing, and of many tenants, but not of all there ever were', () => {
    const modes = new FeatureModes();
    const answer = (tenantId: string, mode: typeof open | null) => {
      const question = modes.asking({ ...asked, tenantId }, NOW);

      if (question) {
        modes.answered(question, true, mode);
      }
    };
    const blindly = (tenantId: string) => modes.letThrough(modes.asking({ ...asked, tenantId }, NOW), NOW);
    answer('first', open);
    answer('first', null);
    expect(blindly('first')).toBeNull();

    for (let n = 0; n < 10_000; n++) {
      answer(`tenant ${n}`, open);
    }

    expect([blindly('first'), blindly('tenant 0'), blindly('tenant 9999')]).toEqual(['ask again', null, null]);
  });
});
