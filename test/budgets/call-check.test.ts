import { randomUUID } from 'node:crypto';
import type { FeatureCreate } from '../../src/entitlements/entitlements.service.js';
import { newId } from '../../src/platform/index.js';
import { aBudget, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Answer, type Product } from '../support/product.js';
import { aChain, type Chain, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

const LIMIT = '{ limitId ownerId measure currency most used held remaining resetsAt }';
const CHECK = `query ($input: EntitlementCheckInput!) { entitlementCheck(input: $input) {
  isAllowed code message limit ${LIMIT} beyond ${LIMIT} failMode { mode cap share } } }`;

describe('asking whether a call may go ahead', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
    chain = await aChain(product);
    customerId = chain.customerIds[0] ?? '';
    key = await aKey(product.app, product.scope(customerId), PERMISSIONS);
  });

  afterEach(() => product.close());

  const PERMISSIONS = ['budgets:read', 'entitlements:read', 'entitlements:write', 'holds:write', 'usage:write'];
  const call = (tokens: unknown, more: object = {}) => ({
    eventType: chain.eventType,
    properties: { tokens, model: 'm' },
    ...more,
  });
  const byGraphql = (input: object, by = key): Promise<Answer> => product.graphql(by, CHECK, { input });
  const byHttp = async (body: object, by = key) => {
    const response = await fetch(`${product.server.url}/v1/check`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

    return (await response.json()) as Record<string, unknown>;
  };
  /** The answer, which is the same by both ways. */
  const asked = async (body: object, by = key): Promise<Record<string, unknown>> => {
    const { data, errors } = await byGraphql(body, by);
    expect(errors).toBeUndefined();
    expect(data.entitlementCheck).toEqual(await byHttp(body, by));

    return data.entitlementCheck as Record<string, unknown>;
  };
  const give = async (over: Partial<FeatureCreate> & Pick<FeatureCreate, 'key' | 'kind'>, value: object | null) => {
    const { entitlements } = product.app.services;
    const { feature } = await entitlements.createFeature(product.scope(), {
      name: over.key,
      idempotencyKey: randomUUID(),
      ...over,
    });
    await entitlements.setEntitlement(product.scope(), {
      featureId: feature.id,
      targetKind: 'PLAN',
      targetId: chain.bookId,
      value,
      effectiveAt: null,
      idempotencyKey: randomUUID(),
    });
    product.setClock(new Date(product.app.clock().getTime() + 2_000));
  };
  const ALLOWED = { isAllowed: true, code: null, message: null, limit: null, beyond: [], failMode: null };

  test('is answered as over HTTP: yes, no with the limit, and yes beyond one that only tells', async () => {
    expect(await asked(call(1))).toEqual(ALLOWED);
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    await product.postUsage(key, [
      { id: 'a', type: chain.eventType, time: NOW.toISOString(), properties: call('4.5').properties },
    ]);
    const limit = {
      limitId: budgetId,
      ownerId: customerId,
      measure: 'MONEY',
      currency: 'USD',
      most: '10',
      used: '4.5',
      held: '0',
      remaining: '5.5',
      resetsAt: '2026-12-01T00:00:00.000Z',
    };
    expect(await asked(call('5.5'))).toEqual(ALLOWED);
    expect(await asked(call('5.6'))).toEqual({
      ...ALLOWED,
      isAllowed: false,
      code: 'LIMIT_EXCEEDED',
      message: 'a limit leaves no room for this',
      limit,
    });
    await product.app.services.budgets.change(product.scope(customerId), { budgetId, amount: null, mode: 'SOFT' });
    expect(await asked(call('5.6'))).toEqual({ ...ALLOWED, beyond: [limit] });
    // Asking holds nothing.
    expect(await windowsOf(product)).toEqual({ [budgetId]: '4.5+0' });
  });

  test('tells of a limit above the key nothing but that there is one, and all of it to whoever is above', async () => {
    const budgetId = await aBudget(product, { tenantId: chain.resellerId, amount: '1' });
    const hidden = Object.fromEntries(
      ['limitId', 'ownerId', 'measure', 'currency', 'most', 'used', 'held', 'remaining', 'resetsAt'].map(name => [
        name,
        null,
      ]),
    );
    expect((await asked(call(2)))['limit']).toEqual(hidden);
    const above = await aKey(product.app, product.scope(chain.resellerId), PERMISSIONS);
    expect((await asked(call(2, { tenantId: customerId }), above))['limit']).toMatchObject({ limitId: budgetId });
  });

  test('looks at budgets of one key for the key that asks', async () => {
    const [row] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from api_key where tenant_id = $1 and start = $2',
      [customerId, key.slice(0, 12)],
    );
    await aBudget(product, { tenantId: customerId, amount: '1', keyId: row?.id ?? '' });
    expect(await asked(call(2))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(await asked(call(2), await aKey(product.app, product.scope(customerId), PERMISSIONS))).toEqual(ALLOWED);
  });

  test('has the same codes for what may not be made at any price', async () => {
    await give({ key: 'sso', kind: 'BOOLEAN' }, { isOn: false });
    await give({ key: 'models', kind: 'MODELS' }, { allow: ['m*'], deny: ['m-beta'], regions: ['eu'] });
    const codes = async (more: object): Promise<unknown> => (await asked(call(1, { region: 'eu', ...more })))['code'];
    expect(await codes({})).toBeNull();
    expect(await codes({ region: 'us' })).toBe('MODEL_DENIED');
    expect(await codes({ region: null })).toBe('MODEL_DENIED');
    expect(await codes({ model: 'm-beta' })).toBe('MODEL_DENIED');
    expect(await codes({ feature: 'sso' })).toBe('NOT_ENTITLED');
    expect(await codes({ feature: 'nonsense' })).toBe('NOT_ENTITLED');
    const unpriced = await product.app.services.catalog.createMeter(product.scope(), {
      key: 'unpriced',
      eventType: 'unpriced',
      filter: '',
      aggregation: 'COUNT',
      valueProperty: null,
      dimensions: [],
      unit: 'call',
      keepsEvents: false,
      idempotencyKey: randomUUID(),
    });
    expect(unpriced.replayed).toBe(false);
    product.setClock(new Date(product.app.clock().getTime() + 2_000));
    expect(await codes({ eventType: 'unpriced', model: 'm' })).toBe('UNPRICED');
    const stranger = await aTenant(product, { parentId: chain.resellerId });
    const above = await aKey(product.app, product.scope(chain.resellerId), PERMISSIONS);
    expect((await asked(call(1, { tenantId: stranger }), above))['code']).toBe('NO_CONTRACT');
  });

  test('reads and sets the regions of a model access by GraphQL', async () => {
    const { data } = await product.graphql(
      product.platformKey,
      `mutation ($key: String!) { featureCreate(input: { idempotencyKey: $key, key: "models", name: "Models", kind: MODELS }) {
        feature { id } userErrors { message } } }`,
      { key: randomUUID() },
    );
    const value = { allow: ['m'], deny: [], regions: ['eu', 'ch'] };
    const set = await product.graphql(
      product.platformKey,
      `mutation ($input: EntitlementSetInput!) { entitlementSet(input: $input) { entitlement { value } userErrors { message } } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          featureId: data.featureCreate.feature.id,
          targetKind: 'TENANT',
          targetId: customerId,
          value,
        },
      },
    );
    expect(set.data.entitlementSet).toEqual({ entitlement: { value }, userErrors: [] });
    product.setClock(new Date(product.app.clock().getTime() + 2_000));
    const read = await product.graphql(
      await aKey(product.app, product.scope(customerId), ['tenants:read', 'entitlements:read']),
      '{ tenant { entitlements { edges { node { value } } } } }',
    );
    expect(read.data.tenant.entitlements.edges).toEqual([{ node: { value } }]);
    expect((await asked(call(1, { region: 'ch' })))['code']).toBeNull();
    expect((await asked(call(1, { region: 'us' })))['code']).toBe('MODEL_DENIED');
  });

  test('says what to do while nobody can be asked, to whoever is entitled to the feature that is named', async () => {
    await give({ key: 'open', kind: 'BOOLEAN', failMode: 'OPEN' }, { isOn: true });
    await give({ key: 'off', kind: 'BOOLEAN', failMode: 'OPEN' }, { isOn: false });
    await give({ key: 'gone', kind: 'BOOLEAN', failMode: 'OPEN' }, null);
    await give({ key: 'closed', kind: 'BOOLEAN' }, { isOn: true });
    await give({ key: 'calls', kind: 'RATE', failMode: 'LAST_KNOWN', failCap: '5' }, { calls: 100, per: 'DAY' });
    await give(
      { key: 'tokens', kind: 'LIMIT', meterId: chain.meterId, failMode: 'LAST_KNOWN', failCap: '0.50' },
      { amount: '3', per: 'DAY' },
    );
    const modeOf = async (feature: string | null, tokens: unknown = 1): Promise<unknown> =>
      (await asked(call(tokens, { feature })))['failMode'];
    const closed = { mode: 'CLOSED', cap: null, share: null };
    expect(await modeOf(null)).toBeNull();
    expect(await modeOf('open')).toEqual({ ...closed, mode: 'OPEN' });
    expect([await modeOf('closed'), await modeOf('off'), await modeOf('gone'), await modeOf('nonsense')]).toEqual([
      closed,
      closed,
      closed,
      closed,
    ]);
    expect(await modeOf('calls')).toEqual({ mode: 'LAST_KNOWN', cap: '5', share: '1' });
    // What the call uses of the meter, also where a limit refuses it.
    expect(await modeOf('tokens', '2.5')).toEqual({ mode: 'LAST_KNOWN', cap: '0.5', share: '2.5' });
    expect(await modeOf('tokens', '7')).toEqual({ mode: 'LAST_KNOWN', cap: '0.5', share: '7' });
  });

  test('is refused for what cannot be read, and for a tenant that is not below, foreign or made up', async () => {
    const refusal = async (input: object, by = key): Promise<unknown> => {
      const { errors } = await byGraphql(input, by);

      return errors?.map(({ message, extensions }) => [
        extensions.code,
        message,
        (extensions as { field?: unknown }).field,
      ]);
    };
    const foreign = await aTenant(product);
    const random = newId('ten', NOW);

    for (const tenantId of [foreign, random]) {
      expect(await refusal(call(1, { tenantId }))).toEqual([
        ['NOT_FOUND', `tenant ${tenantId} does not exist`, ['tenantId']],
      ]);
    }

    expect(await refusal(call(1, { properties: [] }))).toEqual([
      ['INVALID_INPUT', expect.stringMatching(/^the body is not as it is wanted: /), ['properties']],
    ]);
    expect(await refusal(call(1, { tokens: [{ kind: 'input', expected: '-1' }] }))).toEqual([
      ['INVALID_INPUT', 'the body is not as it is wanted: is a decimal from 0', ['tokens', '0', 'expected']],
    ]);
    expect(await refusal(call(1, { eventType: 'nobody counts it' }))).toEqual([
      ['INVALID_INPUT', expect.stringMatching(/^no meter counts events of type nobody counts it/), ['eventType']],
    ]);
  });

  test('is never answered by an internal error, whatever it is asked with', async () => {
    const texts = ['', ' ', 'a\0', '\ud800', 'x'.repeat(300), '__proto__', 'ten_0123456789ABCDEFGHJKMNPQRS'];
    const odd = [null, 0, 1e300, [], {}, true, ...texts];
    const asking = (name: string, value: unknown): object =>
      name === 'kind' || name === 'expected' || name === 'most'
        ? call(1, { tokens: [{ kind: 'input', expected: '1', [name]: value }] })
        : call(1, { [name]: value });
    const codes = new Set<string>();

    for (const name of ['tenantId', 'eventType', 'model', 'serviceTier', 'region', 'feature', 'tokens', 'properties']) {
      for (const value of odd) {
        const { data, errors } = await byGraphql(asking(name, value));
        codes.add(errors?.[0]?.extensions.code ?? typeof data.entitlementCheck.isAllowed);
      }
    }

    for (const name of ['kind', 'expected', 'most']) {
      for (const value of [...odd, '-1', '1e3', '9'.repeat(26), `0.${'1'.repeat(19)}`]) {
        const { data, errors } = await byGraphql(asking(name, value));
        codes.add(errors?.[0]?.extensions.code ?? typeof data.entitlementCheck.isAllowed);
      }
    }

    expect(codes).toEqual(new Set(['BAD_USER_INPUT', 'INVALID_INPUT', 'NOT_FOUND', 'boolean']));
  });

  test('takes what it reads: budgets and entitlements, and no permission to hold', async () => {
    const by = (permissions: readonly string[], mode?: 'TEST') =>
      aKey(product.app, product.scope(customerId), permissions, mode);
    const reader = await by(['budgets:read', 'entitlements:read']);
    expect((await byGraphql(call(1), reader)).data.entitlementCheck).toEqual(ALLOWED);
    expect(
      (await byGraphql(call(1), await by(['budgets:read', 'entitlements:read'], 'TEST'))).data.entitlementCheck,
    ).toEqual(ALLOWED);

    for (const [permissions, missing] of [
      [['budgets:read', 'holds:write'], 'entitlements:read'],
      [['entitlements:read', 'holds:write'], 'budgets:read'],
    ] as const) {
      const { errors } = await byGraphql(call(1), await by(permissions));
      expect(errors?.map(({ message }) => message)).toEqual([`this key lacks the permission ${missing}`]);
    }
  });
});
