import { randomUUID } from 'node:crypto';
import { aContract } from '../support/builders.js';
import { aKey, type Product } from '../support/product.js';
import { aCustomer, asking, type Chain, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

type Kind = 'MODELS' | 'LIMIT' | 'RATE' | 'CONCURRENCY';

/** Something of each kind that counts, of which the first call leaves nothing. */
const SPENT: readonly (readonly [Kind, object])[] = [
  ['LIMIT', { amount: '1', per: 'MONTH', mode: 'HARD' }],
  ['RATE', { calls: 1, per: 'DAY' }],
  ['CONCURRENCY', { most: 1 }],
];

describe('what a tenant was given is set anew, or taken away,', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    ({ product, chain, customerId, key } = await aCustomer(NOW));
  });

  afterEach(() => product.close());

  const { call, used, authorize, post, record } = asking(() => ({ product, chain, key }));
  const check = async (tokens: number, model = 'm') => (await post('check', call(tokens, model))).body;
  const aFeature = async (kind: Kind, name = kind.toLowerCase()) =>
    (
      await product.app.services.entitlements.createFeature(product.scope(), {
        key: name,
        name,
        kind,
        idempotencyKey: randomUUID(),
        ...(kind === 'LIMIT' ? { meterId: chain.meterId } : {}),
      })
    ).feature.id;
  /** Gives it to everybody on the plan, or to one tenant, and goes past what is remembered for a second. */
  const give = async (featureId: string, value: object | null, tenantId?: string, inherits = false) => {
    const { entitlement } = await product.app.services.entitlements.setEntitlement(product.scope(), {
      featureId,
      targetKind: tenantId ? 'TENANT' : 'PLAN',
      targetId: tenantId ?? chain.bookId,
      value,
      ...(inherits ? { inherits } : {}),
      effectiveAt: null,
      idempotencyKey: randomUUID(),
    });
    product.setClock(new Date(product.app.clock().getTime() + 2_000));

    return entitlement.id;
  };

  test('and models that were taken away are all denied, where no other feature allows them', async () => {
    const models = await aFeature('MODELS');
    await give(models, { allow: ['m'] });
    expect([(await check(1)).code, (await check(1, 'dear')).code]).toEqual([null, 'MODEL_DENIED']);
    await give(models, null, customerId);
    expect([(await check(1)).code, (await check(1, 'dear')).code]).toEqual(['MODEL_DENIED', 'MODEL_DENIED']);
    await give(await aFeature('MODELS', 'others'), { allow: ['m'] });
    expect([(await check(1)).code, (await check(1, 'dear')).code]).toEqual([null, 'MODEL_DENIED']);
  });

  test('and what one feature denies of models no other allows', async () => {
    await give(await aFeature('MODELS', 'all'), { allow: ['*'] });
    expect((await check(1, 'dear')).code).toBeNull();
    await give(await aFeature('MODELS', 'some'), { allow: ['m'], deny: ['dear*'], regions: ['eu'] });
    expect([(await check(1)).code, (await check(1, 'dearest')).code]).toEqual([null, 'MODEL_DENIED']);
  });

  test.each(SPENT)('and of a %s that was taken away nothing is left', async (kind, value) => {
    const featureId = await aFeature(kind);
    await give(featureId, value);
    expect((await check(1)).code).toBeNull();
    const entitlementId = await give(featureId, null, customerId);
    const [refused, held] = [await check(1), (await authorize(1)).body];
    const limit = { limitId: entitlementId, ownerId: customerId, most: '0', remaining: '0', resetsAt: null };
    expect(refused).toMatchObject({ isAllowed: false, code: 'LIMIT_EXCEEDED', limit });
    expect(held).toMatchObject({ isAllowed: false, code: 'LIMIT_EXCEEDED', hold: null, limit });
    await give(featureId, null, customerId, true);
    expect((await check(1)).code).toBeNull();
  });

  test('and what nobody was ever given bounds nothing', async () => {
    for (const kind of ['MODELS', 'LIMIT', 'RATE', 'CONCURRENCY'] as const) {
      await aFeature(kind);
    }

    await give(await aFeature('LIMIT', 'large'), { amount: '1000', per: 'MONTH' });
    expect((await authorize(500)).body).toMatchObject({ isAllowed: true, beyond: [] });
  });

  test.each(SPENT)('and what was used of a %s stays used', async (kind, value) => {
    const featureId = await aFeature(kind);
    const first = await give(featureId, value);
    const { hold } = (await authorize(1)).body;
    expect((await check(1)).limit).toMatchObject({ limitId: first, held: '1', remaining: '0' });
    const second = await give(featureId, value);
    expect((await check(1)).limit).toMatchObject({ limitId: second, held: '1', remaining: '0' });
    const own = await give(featureId, value, customerId);
    expect((await check(1)).limit).toMatchObject({ limitId: own, held: '1', remaining: '0' });
    await give(featureId, null, customerId, true);
    expect((await check(1)).limit).toMatchObject({ limitId: second, held: '1', remaining: '0' });
    expect(await windowsOf(product)).toEqual({ [featureId]: '0+1' });
    await post('void', { holdId: hold.id });
    expect((await check(1)).code).toBeNull();
  });

  test('and a limit that is lowered counts what was recorded before', async () => {
    const featureId = await aFeature('LIMIT');
    await give(featureId, { amount: '10', per: 'MONTH', mode: 'HARD' });
    await record(used(8));
    const lowered = await give(featureId, { amount: '5', per: 'MONTH', mode: 'HARD' });
    expect((await check(1)).limit).toMatchObject({ limitId: lowered, most: '5', used: '8', remaining: '0' });
    // Another stretch has windows of its own.
    await give(featureId, { amount: '5', per: 'DAY', mode: 'HARD' });
    expect((await check(5)).code).toBeNull();
    await give(featureId, { amount: '9', per: 'MONTH', mode: 'HARD' });
    expect([(await check(1)).code, (await check(2)).limit.used]).toEqual([null, '8']);
  });

  test('and what open calls hold of a window does not roll over into the next', async () => {
    await give(await aFeature('LIMIT'), { amount: '10', per: 'DAY', mode: 'HARD', rollover: { most: '10' } });
    product.setClock(new Date('2026-11-12T23:59:00Z'));
    const { hold } = (await authorize(8)).body;
    product.setClock(new Date('2026-11-13T00:00:05Z'));
    const reader = await aKey(product.app, product.scope(customerId), ['tenants:read', 'entitlements:read']);
    const most = async () =>
      (await product.graphql(reader, '{ tenant { entitlements { edges { node { standing { most } } } } } }')).data
        .tenant.entitlements.edges[0].node.standing.most;
    expect([(await check(12)).code, (await check(13)).code, await most()]).toEqual([null, 'LIMIT_EXCEEDED', '12']);
    await post('void', { holdId: hold.id });
    expect([(await check(20)).code, (await check(21)).code, await most()]).toEqual([null, 'LIMIT_EXCEEDED', '20']);
  });

  test('and what a reseller was given binds its own calls only, whoever asks at the same time', async () => {
    await aContract(product, { buyerId: chain.resellerId, bookId: chain.bookId });
    const parallel = await aFeature('CONCURRENCY');
    await give(parallel, { most: 1 }, chain.resellerId);
    const above = await aKey(product.app, product.scope(chain.resellerId), ['holds:write']);
    // What is known of both is remembered, so that their calls are decided on together.
    await Promise.all([authorize(1), post('check', call(1), above)]);
    const held = await Promise.all(Array.from({ length: 10 }, (_, n) => authorize(1, {}, n === 5 ? above : key)));
    expect(held.map(({ body }) => body.code)).toEqual(Array(10).fill(null));
    expect(await windowsOf(product)).toEqual({ [parallel]: '0+1' });
    const checked = await Promise.all(
      Array.from({ length: 10 }, (_, n) => post('check', call(1), n === 5 ? above : key)),
    );
    expect(checked.map(({ body }) => body.code)).toEqual(
      Array.from({ length: 10 }, (_, n) => (n === 5 ? 'LIMIT_EXCEEDED' : null)),
    );
  });
});
