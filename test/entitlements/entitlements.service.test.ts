import { randomUUID } from 'node:crypto';
import type { EffectiveEntitlement } from '../../src/entitlements/index.js';
import type { EntitlementSet, FeatureCreate } from '../../src/entitlements/entitlements.service.js';
import { decimal } from '../../src/money/index.js';
import { inTransaction, type Scope } from '../../src/platform/index.js';
import { aContract, aMeter, aPriceBook, aTenant, perMillion } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const at = (text: string): Date => new Date(`2026-${text}Z`);

let product: Product;
let resellerId: string;
let meterId: string;
let bookId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  resellerId = await aTenant(product, { kind: 'RESELLER' });
  meterId = await aMeter(product);
  bookId = (await aPriceBook(product, { ownerId: resellerId, prices: [{ meterId, terms: perMillion('1') }] })).bookId;
});

afterAll(() => product.close());

/** The scope of a tenant at an instant that stands still. */
const scopeAt = (tenantId: string, now = NOW): Scope => ({ ...product.scope(tenantId), now });

/** A feature of the reseller, on or off unless told. */
async function aFeature(over: Partial<FeatureCreate> = {}) {
  const made = await product.app.services.entitlements.createFeature(scopeAt(resellerId), {
    key: `feature-${randomUUID()}`,
    name: 'A feature',
    kind: 'BOOLEAN',
    idempotencyKey: randomUUID(),
    ...over,
  });

  return made.feature;
}

/** Sets what somebody has of a feature of the reseller, now unless told. */
async function set(
  featureId: string,
  [targetKind, targetId]: readonly [EntitlementSet['targetKind'], string],
  over: Partial<EntitlementSet> = {},
  now = NOW,
) {
  const made = await product.app.services.entitlements.setEntitlement(scopeAt(resellerId, now), {
    featureId,
    targetKind,
    targetId,
    value: { isOn: true },
    effectiveAt: null,
    idempotencyKey: randomUUID(),
    ...over,
  });

  return made.entitlement;
}

/** A customer of the reseller on its book, with the id of the contract. */
async function aBuyer(): Promise<{ buyerId: string; contractId: string }> {
  const buyerId = await aTenant(product, { parentId: resellerId });

  return { buyerId, contractId: await aContract(product, { sellerId: resellerId, buyerId, bookId }) };
}

/** What a tenant has of one feature. */
async function effective(tenantId: string, featureId: string, now = NOW): Promise<EffectiveEntitlement | undefined> {
  const all = await product.app.services.entitlements.effective(scopeAt(tenantId, now));

  return all.find(one => one.featureId === featureId);
}

/** Runs what is to be refused and sees that nothing came of it; answers code, field and sentence. */
async function refused(work: () => Promise<unknown>): Promise<string> {
  const rows = () =>
    asSuperuser<{ n: string }>(
      product.database,
      `select (select count(*) from feature) || ' ' || (select count(*) from entitlement) || ' '
         || (select count(*) from audit_line) || ' ' || (select count(*) from idempotency) as n`,
    );
  const before = await rows();
  const error = await work().then(
    () => null,
    (thrown: unknown) => thrown as { code: string; field: readonly string[]; message: string },
  );
  expect(await rows()).toEqual(before);

  return error ? `${error.code} ${error.field.join('.')}: ${error.message}` : 'it was not refused';
}

describe('a feature', () => {
  test('is made once, with its audit line, and is listed newest first', async () => {
    const { entitlements } = product.app.services;
    const input = {
      key: 'tokens.per-month',
      name: 'Tokens',
      kind: 'LIMIT' as const,
      meterId,
      failMode: 'LAST_KNOWN' as const,
      failCap: '1000.50',
      idempotencyKey: randomUUID(),
    };
    const { feature, replayed } = await entitlements.createFeature(scopeAt(resellerId), input);
    expect(replayed).toBe(false);
    expect(feature).toMatchObject({
      tenantId: resellerId,
      key: 'tokens.per-month',
      kind: 'LIMIT',
      meterId,
      failMode: 'LAST_KNOWN',
      failCap: decimal('1000.5'),
      createdAt: NOW,
    });
    expect(await entitlements.createFeature(scopeAt(resellerId), { ...input, failCap: '1000.5' })).toMatchObject({
      feature: { id: feature.id },
      replayed: true,
    });
    const [newest] = await entitlements.features(scopeAt(resellerId), { first: 1 });
    expect(newest?.id).toBe(feature.id);
    const lines = await asSuperuser<{ action: string; after: unknown }>(
      product.database,
      'select action, after from audit_line where subject_id = $1',
      [feature.id],
    );
    const { idempotencyKey: _key, ...told } = input;
    expect(lines).toEqual([{ action: 'feature.created', after: { ...told, failCap: '1000.5' } }]);
  });

  test('has a key of its own within the seller, also when two come at once', async () => {
    const key = `only-${randomUUID()}`;
    await aFeature({ key });
    expect(await refused(() => aFeature({ key }))).toBe(
      `ALREADY_EXISTS key: there is a feature ${key}; choose another key`,
    );
    // Another seller's keys are its own.
    await product.app.services.entitlements.createFeature(product.scope(), {
      key,
      name: 'x',
      kind: 'BOOLEAN',
      idempotencyKey: randomUUID(),
    });
    const both = await Promise.allSettled([1, 2].map(() => aFeature({ key: `${key}-2` })));
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(both.flatMap(one => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : []))).toEqual([
      'ALREADY_EXISTS',
    ]);
  });

  test('that limits counts a meter that adds up and counts for the seller', async () => {
    const { catalog } = product.app.services;
    const most = await aMeter(product, { aggregation: 'MAX', key: `most_${randomUUID().replaceAll('-', '')}` });
    const elsewhere = await aTenant(product, { kind: 'RESELLER' });
    const { meter } = await catalog.createMeter(product.scope(elsewhere), {
      key: 'theirs',
      eventType: 'x',
      filter: '',
      aggregation: 'COUNT',
      valueProperty: null,
      dimensions: [],
      unit: 'call',
      idempotencyKey: randomUUID(),
    });
    const limit = (id: string) => () => aFeature({ kind: 'LIMIT', meterId: id });
    expect(await refused(limit(most))).toMatch(/^INVALID_INPUT meterId: a limit adds up what is used, and meter most_/);
    expect(await refused(limit(meter.id))).toBe(`NOT_FOUND meterId: meter ${meter.id} does not exist`);
    expect(await refused(limit('nonsense'))).toBe('NOT_FOUND meterId: meter nonsense does not exist');
    expect(await refused(() => aFeature({ kind: 'LIMIT' }))).toBe(
      'INVALID_INPUT meterId: a LIMIT counts a meter: name it',
    );
  });

  test('never changes, and neither does an entitlement, whoever tries', async () => {
    const feature = await aFeature();
    const entitlement = await set(feature.id, ['PLAN', bookId], { effectiveAt: at('12-01T00:00:00') });

    for (const sql of [
      `update feature set name = 'x' where id = '${feature.id}'`,
      `delete from feature where id = '${feature.id}'`,
      `update entitlement set value = null where id = '${entitlement.id}'`,
      `delete from entitlement where id = '${entitlement.id}'`,
    ]) {
      await expect(asSuperuser(product.database, sql)).rejects.toThrow('rows are never changed or deleted');
    }
  });
});

describe('an entitlement', () => {
  test('is set once for an instant, and replayed by its key, also when that instant is past by then', async () => {
    const { entitlements } = product.app.services;
    const feature = await aFeature({ kind: 'LIMIT', meterId });
    const input = {
      featureId: feature.id,
      targetKind: 'PLAN' as const,
      targetId: bookId,
      value: { amount: '10.0', per: 'DAY' },
      effectiveAt: at('11-20T12:00:00'),
      idempotencyKey: randomUUID(),
    };
    const { entitlement, replayed } = await entitlements.setEntitlement(scopeAt(resellerId), input);
    const value = { amount: '10', per: 'DAY', mode: 'HARD', reset: 'CALENDAR', rollover: null };
    expect([replayed, entitlement.value, entitlement.effectiveAt]).toEqual([false, value, NOW]);
    expect(await entitlements.setEntitlement(scopeAt(resellerId, at('11-21T00:00:00')), input)).toMatchObject({
      entitlement: { id: entitlement.id },
      replayed: true,
    });
    expect(await refused(() => entitlements.setEntitlement(scopeAt(resellerId), { ...input, value: null }))).toMatch(
      /^IDEMPOTENCY_KEY_REUSED idempotencyKey: /,
    );
    expect(await refused(() => set(feature.id, ['PLAN', bookId], { value: null, effectiveAt: NOW }))).toBe(
      `ALREADY_EXISTS effectiveAt: feature ${feature.key} is set for ${bookId} from that instant; choose a later one`,
    );
    expect(
      await refused(() => set(feature.id, ['PLAN', bookId], { value: null, effectiveAt: new Date(NOW.getTime() - 1) })),
    ).toBe(
      'INVALID_INPUT effectiveAt: effectiveAt is not past: what somebody had is never changed; choose now or later',
    );
    expect(await entitlements.entitlementsOf(scopeAt(resellerId), feature.id, { first: 10 })).toHaveLength(1);
    const lines = await asSuperuser<{ action: string; after: unknown }>(
      product.database,
      'select action, after from audit_line where subject_id = $1',
      [entitlement.id],
    );
    const { idempotencyKey: _key, ...told } = input;
    expect(lines).toEqual([
      { action: 'entitlement.set', after: { ...told, value, effectiveAt: '2026-11-20T12:00:00.000Z' } },
    ]);
  });

  test('without a value takes the feature away, and is stored as none', async () => {
    const feature = await aFeature();
    const { id } = await set(feature.id, ['PLAN', bookId], { value: null });
    expect(
      await asSuperuser(product.database, 'select value is null as none from entitlement where id = $1', [id]),
    ).toEqual([{ none: true }]);
  });

  test('hands a feature back from an instant on, with its audit line, and is the plan’s no longer to hand back', async () => {
    const feature = await aFeature({ kind: 'CONCURRENCY' });
    const { buyerId, contractId } = await aBuyer();
    const plan = await set(feature.id, ['PLAN', bookId], { value: { most: 1 } });
    await set(feature.id, ['CONTRACT', contractId], { value: { most: 2 } });
    await set(feature.id, ['TENANT', buyerId], { value: { most: 3 } });
    const handBack = {
      featureId: feature.id,
      targetKind: 'TENANT' as const,
      targetId: buyerId,
      value: undefined,
      inherits: true,
      effectiveAt: at('11-21T00:00:00'),
      idempotencyKey: randomUUID(),
    };
    const { entitlements } = product.app.services;
    const { entitlement } = await entitlements.setEntitlement(scopeAt(resellerId), handBack);
    expect(await entitlements.setEntitlement(scopeAt(resellerId), { ...handBack, value: null })).toMatchObject({
      entitlement: { id: entitlement.id, value: null, inherits: true },
      replayed: true,
    });
    await set(feature.id, ['CONTRACT', contractId], {
      value: null,
      inherits: true,
      effectiveAt: at('11-22T00:00:00'),
    });
    const told = async (now: Date) => {
      const one = await effective(buyerId, feature.id, now);

      return [one?.value, one?.source?.kind, one?.changesAt];
    };
    const most = (n: number) => ({ kind: 'CONCURRENCY', most: n });
    expect(await told(NOW)).toEqual([most(3), 'TENANT', at('11-21T00:00:00')]);
    expect(await told(at('11-21T00:00:00'))).toEqual([most(2), 'CONTRACT', at('11-22T00:00:00')]);
    expect(await told(at('11-22T00:00:00'))).toEqual([most(1), 'PLAN', null]);
    expect((await effective(buyerId, feature.id, at('11-22T00:00:00')))?.source?.entitlementId).toBe(plan.id);
    const lines = await asSuperuser<{ action: string; after: unknown }>(
      product.database,
      'select action, after from audit_line where subject_id = $1',
      [entitlement.id],
    );
    const { idempotencyKey: _key, ...asked } = handBack;
    const after = { ...asked, value: null, effectiveAt: '2026-11-21T00:00:00.000Z' };
    expect(lines).toEqual([{ action: 'entitlement.set', after }]);

    expect(await refused(() => set(feature.id, ['PLAN', bookId], { value: null, inherits: true }))).toBe(
      'INVALID_INPUT inherits: nothing is wider than a plan: set a value, or null to take the feature away',
    );
    expect(await refused(() => set(feature.id, ['TENANT', buyerId], { value: { most: 1 }, inherits: true }))).toBe(
      'INVALID_INPUT value: what inherits has no value of its own: leave it out',
    );

    // Nor may a row say so, whoever writes it.
    for (const [kind, value] of [
      ['PLAN', null],
      ['TENANT', '{"most": 1}'],
    ] as const) {
      const row = asSuperuser(
        product.database,
        `insert into entitlement (tenant_id, id, feature_id, target_kind, target_id, value, inherits, effective_at, created_at)
         values ($1, 'ent_x', $2, $3, $4, $5, true, '2026-12-01', '2026-12-01')`,
        [resellerId, feature.id, kind, bookId, value],
      );
      await expect(row).rejects.toThrow('entitlement_that_inherits_says_nothing_itself');
    }
  });

  test('is refused with a value that its feature cannot have, and with none by a slip', async () => {
    const feature = await aFeature();
    const withValue = (value: unknown) => () => set(feature.id, ['PLAN', bookId], { value });
    expect(await refused(withValue({ most: 1 }))).toBe(
      'INVALID_INPUT value.most: value.most is not a member here: isOn are',
    );
    expect(await refused(withValue(undefined))).toBe(
      'INVALID_INPUT value: value says what there is of the feature; null takes it away',
    );
  });

  test('is for what is the seller’s: its book, a contract it sells, a tenant below it', async () => {
    const feature = await aFeature();
    const { buyerId, contractId } = await aBuyer();
    const other = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
    const theirBuyer = await aTenant(product);
    const theirs = await aContract(product, { buyerId: theirBuyer, bookId: other.bookId });
    const sets = (...target: readonly [EntitlementSet['targetKind'], string]) => refused(() => set(feature.id, target));

    for (const target of [
      ['PLAN', bookId],
      ['CONTRACT', contractId],
      ['TENANT', buyerId],
    ] as const) {
      expect(await set(feature.id, target)).toMatchObject({ targetKind: target[0], targetId: target[1] });
    }

    expect(await sets('PLAN', other.bookId)).toBe(`NOT_FOUND targetId: price book ${other.bookId} does not exist`);
    expect(await sets('PLAN', contractId)).toMatch(/^NOT_FOUND targetId: /);
    expect(await sets('CONTRACT', theirs)).toBe(`NOT_FOUND targetId: contract ${theirs} does not exist`);
    expect(await sets('CONTRACT', bookId)).toMatch(/^NOT_FOUND targetId: /);
    expect(await sets('TENANT', theirBuyer)).toBe(`NOT_FOUND targetId: tenant ${theirBuyer} does not exist`);
    expect(await sets('TENANT', product.platformId)).toMatch(/^NOT_FOUND targetId: /);
    expect(await sets('TENANT', resellerId)).toBe(
      'INVALID_INPUT targetId: an entitlement is for a tenant below the seller',
    );
    const foreign = await product.app.services.entitlements.createFeature(product.scope(), {
      key: `foreign-${randomUUID()}`,
      name: 'x',
      kind: 'BOOLEAN',
      idempotencyKey: randomUUID(),
    });
    expect(await refused(() => set(foreign.feature.id, ['PLAN', bookId]))).toBe(
      `NOT_FOUND featureId: feature ${foreign.feature.id} does not exist`,
    );
  });

  test('of a contract that the tenant buys under is not the tenant’s to set', async () => {
    const { entitlements } = product.app.services;
    const { buyerId, contractId } = await aBuyer();
    const { feature } = await entitlements.createFeature(scopeAt(buyerId), {
      key: 'own',
      name: 'x',
      kind: 'BOOLEAN',
      idempotencyKey: randomUUID(),
    });
    const input = { featureId: feature.id, targetKind: 'CONTRACT' as const, targetId: contractId };
    expect(
      await refused(() =>
        entitlements.setEntitlement(scopeAt(buyerId), {
          ...input,
          value: { isOn: true },
          effectiveAt: null,
          idempotencyKey: randomUUID(),
        }),
      ),
    ).toBe(`NOT_FOUND targetId: contract ${contractId} does not exist`);
  });
});

describe('what a tenant has', () => {
  test('comes from the tenant’s entitlement before the contract’s before the plan’s, each from its instant on', async () => {
    const feature = await aFeature({ kind: 'CONCURRENCY' });
    const { buyerId, contractId } = await aBuyer();
    const neighbour = await aBuyer();
    const plan = await set(feature.id, ['PLAN', bookId], { value: { most: 1 } });
    const later = await set(feature.id, ['PLAN', bookId], { value: { most: 2 }, effectiveAt: at('11-21T00:00:00') });
    const contract = await set(feature.id, ['CONTRACT', contractId], {
      value: { most: 3 },
      effectiveAt: at('11-22T00:00:00'),
    });
    const tenant = await set(feature.id, ['TENANT', buyerId], { value: null, effectiveAt: at('11-23T00:00:00') });
    const told = async (id: string, now: Date) => {
      const one = await effective(id, feature.id, now);

      return [one?.value && 'most' in one.value ? one.value.most : null, one?.source?.entitlementId, one?.changesAt];
    };

    expect(await told(buyerId, NOW)).toEqual([1, plan.id, at('11-21T00:00:00')]);
    expect(await told(buyerId, at('11-21T00:00:00'))).toEqual([2, later.id, at('11-22T00:00:00')]);
    expect(await told(buyerId, at('11-22T00:00:00'))).toEqual([3, contract.id, at('11-23T00:00:00')]);
    expect(await told(buyerId, at('11-24T00:00:00'))).toEqual([null, tenant.id, null]);
    // A tenant on the same plan is not concerned with what is for its neighbour.
    expect(await told(neighbour.buyerId, at('11-24T00:00:00'))).toEqual([2, later.id, null]);
    expect(await effective(buyerId, feature.id)).toEqual({
      featureId: feature.id,
      featureKey: feature.key,
      kind: 'CONCURRENCY',
      meterId: null,
      failMode: { mode: 'CLOSED' },
      value: { kind: 'CONCURRENCY', most: 1 },
      source: { kind: 'PLAN', id: bookId, entitlementId: plan.id, effectiveAt: NOW },
      changesAt: at('11-21T00:00:00'),
    });
  });

  test('is read back as it was set, of every kind', async () => {
    const { buyerId } = await aBuyer();
    const limit = {
      kind: 'LIMIT',
      amount: decimal('1000000'),
      per: 'MONTH',
      mode: 'SOFT',
      reset: 'BILLING',
      rollover: { most: decimal('0.5') },
    };
    const cases = [
      [await aFeature(), { isOn: false }, { kind: 'BOOLEAN', isOn: false }],
      [await aFeature({ kind: 'CONFIG' }), { number: '0.10' }, { kind: 'CONFIG', setting: { number: decimal('0.1') } }],
      [await aFeature({ kind: 'CONFIG' }), { list: ['a'] }, { kind: 'CONFIG', setting: { list: ['a'] } }],
      [
        await aFeature({ kind: 'MODELS' }),
        { allow: ['gpt-*'], regions: ['eu'] },
        { kind: 'MODELS', allow: ['gpt-*'], deny: [], regions: ['eu'] },
      ],
      [
        await aFeature({ kind: 'LIMIT', meterId, failMode: 'LAST_KNOWN', failCap: '7' }),
        { amount: '1000000', per: 'MONTH', mode: 'SOFT', reset: 'BILLING', rollover: { most: '0.50' } },
        limit,
      ],
      [await aFeature({ kind: 'RATE' }), { calls: 60, per: 'HOUR' }, { kind: 'RATE', calls: 60, per: 'HOUR' }],
    ] as const;

    for (const [feature, value, expected] of cases) {
      await set(feature.id, ['TENANT', buyerId], { value });
      expect((await effective(buyerId, feature.id))?.value).toEqual(expected);
    }

    const limited = await effective(buyerId, cases[4][0].id);
    expect([limited?.meterId, limited?.failMode]).toEqual([meterId, { mode: 'LAST_KNOWN', cap: decimal('7') }]);
  });

  test('is nothing without a contract, and changes when the contract ends', async () => {
    const feature = await aFeature();
    await set(feature.id, ['PLAN', bookId]);
    const buyerId = await aTenant(product, { parentId: resellerId });
    await set(feature.id, ['TENANT', buyerId]);
    expect(await product.app.services.entitlements.effective(scopeAt(buyerId))).toEqual([]);
    await aContract(product, { sellerId: resellerId, buyerId, bookId, startsAt: at('11-20T13:00:00') });
    expect(await effective(buyerId, feature.id)).toBeUndefined();
    expect(await effective(buyerId, feature.id, at('11-20T13:00:00'))).toMatchObject({
      source: { kind: 'TENANT' },
      changesAt: null,
    });

    // Somebody further up sells to it from December on, who has features of its own.
    const above = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
    await aContract(product, { buyerId, bookId: above.bookId, startsAt: at('12-01T00:00:00') });
    expect((await effective(buyerId, feature.id, at('11-20T13:00:00')))?.changesAt).toEqual(at('12-01T00:00:00'));
    expect(await effective(buyerId, feature.id, at('12-01T00:00:00'))).toBeUndefined();
  });

  test('names features that nobody gave it to whoever decides', async () => {
    const feature = await aFeature();
    const { buyerId } = await aBuyer();
    expect(await effective(buyerId, feature.id)).toMatchObject({ value: null, source: null, changesAt: null });
  });

  test('is read within the transaction of a decision, which stays the buyer’s', async () => {
    const { buyerId } = await aBuyer();
    const { entitlements, tenants } = product.app.services;
    await inTransaction(scopeAt(buyerId), async tx => {
      expect(await entitlements.effectiveWithin(tx)).toEqual(await entitlements.effectiveWithin(tx));
      expect((await tenants.own(tx)).id).toBe(buyerId);
    });
  });
});

describe('by GraphQL', () => {
  const CREATE = `mutation ($input: FeatureCreateInput!) { featureCreate(input: $input) {
    feature { id key name kind meterId failMode failCap createdAt } replayed userErrors { code field message } } }`;
  const SET = `mutation ($input: EntitlementSetInput!) { entitlementSet(input: $input) {
    entitlement { id featureId targetKind targetId value effectiveAt } replayed userErrors { code field message } } }`;
  const OWN = `query ($first: Int! = 20, $after: String) { tenant { entitlements(first: $first, after: $after) {
    edges { node { featureKey featureId kind value source { kind targetId entitlementId effectiveAt } changesAt } }
    pageInfo { hasNextPage endCursor } } } }`;

  test('a seller makes and sets, and the buyer sees what it has and not what others have', async () => {
    const sellerId = await aTenant(product, { kind: 'RESELLER' });
    const sold = await aPriceBook(product, { ownerId: sellerId, prices: [{ meterId, terms: perMillion('1') }] });
    const buyerId = await aTenant(product, { parentId: sellerId });
    await aContract(product, { sellerId, buyerId, bookId: sold.bookId });
    const seller = await aKey(product.app, product.scope(sellerId), ['entitlements:read', 'entitlements:write']);
    const buyer = await aKey(product.app, product.scope(buyerId), ['entitlements:read', 'tenants:read']);
    const made: string[] = [];

    for (const [key, kind] of [
      ['models', 'MODELS'],
      ['at-once', 'CONCURRENCY'],
      ['secret', 'BOOLEAN'],
    ] as const) {
      const { data, errors } = await product.graphql(seller, CREATE, {
        input: { idempotencyKey: randomUUID(), key, name: key, kind },
      });
      expect(errors).toBeUndefined();
      expect(data.featureCreate).toMatchObject({
        feature: { key, name: key, kind, meterId: null, failMode: 'CLOSED', failCap: null },
        replayed: false,
        userErrors: [],
      });
      made.push(data.featureCreate.feature.id as string);
    }

    const [models, atOnce] = made;
    const target = { targetKind: 'PLAN', targetId: sold.bookId };
    const allowed = { allow: ['gpt-*'], deny: ['gpt-6-pro'], regions: [] };
    const first = await product.graphql(seller, SET, {
      input: { idempotencyKey: randomUUID(), featureId: models, ...target, value: allowed },
    });
    expect(first.data.entitlementSet).toMatchObject({
      entitlement: { featureId: models, ...target, value: allowed },
      userErrors: [],
    });
    await product.graphql(seller, SET, {
      input: { idempotencyKey: randomUUID(), featureId: atOnce, ...target, value: { most: 2 } },
    });
    await product.graphql(seller, SET, {
      input: {
        idempotencyKey: randomUUID(),
        featureId: atOnce,
        targetKind: 'TENANT',
        targetId: buyerId,
        value: null,
        effectiveAt: '2027-01-01T00:00:00Z',
      },
    });

    const { data } = await product.graphql(buyer, OWN);
    const { edges } = data.tenant.entitlements;
    expect(edges.map(({ node }: { node: unknown }) => node)).toEqual([
      {
        featureKey: 'at-once',
        featureId: atOnce,
        kind: 'CONCURRENCY',
        value: { most: 2 },
        source: expect.objectContaining({ kind: 'PLAN', targetId: sold.bookId }),
        changesAt: '2027-01-01T00:00:00.000Z',
      },
      {
        featureKey: 'models',
        featureId: models,
        kind: 'MODELS',
        value: allowed,
        source: {
          kind: 'PLAN',
          targetId: sold.bookId,
          entitlementId: first.data.entitlementSet.entitlement.id,
          effectiveAt: first.data.entitlementSet.entitlement.effectiveAt,
        },
        changesAt: null,
      },
    ]);

    // The same in pages of one, and for the seller by the tenant's id.
    const one = await product.graphql(buyer, OWN, { first: 1 });
    expect(one.data.tenant.entitlements).toEqual({
      edges: [edges[0]],
      pageInfo: { hasNextPage: true, endCursor: expect.any(String) },
    });
    const next = await product.graphql(buyer, OWN, {
      first: 1,
      after: one.data.tenant.entitlements.pageInfo.endCursor,
    });
    expect(next.data.tenant.entitlements).toMatchObject({ edges: [edges[1]], pageInfo: { hasNextPage: false } });

    // What the seller offers is the seller's: the buyer reads neither the list nor a row.
    const list =
      '{ tenant { features { edges { node { key entitlements { edges { node { targetId value } } } } } } } }';
    expect((await product.graphql(buyer, list)).data.tenant.features.edges).toEqual([]);
    const node = 'query ($id: ID!) { node(id: $id) { __typename id } }';

    for (const id of [models, first.data.entitlementSet.entitlement.id as string]) {
      expect((await product.graphql(buyer, node, { id })).data.node).toBeNull();
      expect((await product.graphql(seller, node, { id })).data.node).toMatchObject({ id });
    }

    const viewed = await product.graphql(
      seller,
      '{ viewer { tenant { features { edges { node { key entitlements { edges { node { targetKind value } } } } } } } } }',
    );
    expect(
      viewed.data.viewer.tenant.features.edges.map(({ node: { key, entitlements } }: never) => [key, entitlements]),
    ).toEqual([
      ['secret', { edges: [] }],
      [
        'at-once',
        {
          edges: [
            { node: { targetKind: 'TENANT', value: null } },
            { node: { targetKind: 'PLAN', value: { most: 2 } } },
          ],
        },
      ],
      ['models', { edges: [{ node: { targetKind: 'PLAN', value: allowed } }] }],
    ]);
  });

  test('a feature is handed back, which is told of the entitlement that does', async () => {
    const feature = await aFeature();
    const { buyerId } = await aBuyer();
    await set(feature.id, ['PLAN', bookId]);
    const seller = await aKey(product.app, product.scope(resellerId));
    const asked = { featureId: feature.id, targetKind: 'TENANT', targetId: buyerId };
    const handBack = (more: object) =>
      product.graphql(seller, SET.replace('value ', 'value inherits '), {
        input: { idempotencyKey: randomUUID(), ...asked, ...more },
      });
    expect((await handBack({ value: null })).data.entitlementSet.entitlement).toMatchObject({
      value: null,
      inherits: false,
    });
    const { data } = await handBack({ inherits: true });
    expect(data.entitlementSet).toMatchObject({
      entitlement: { ...asked, value: null, inherits: true },
      userErrors: [],
    });
    expect(await effective(buyerId, feature.id, new Date(product.app.clock().getTime() + 1_000))).toMatchObject({
      source: { kind: 'PLAN' },
      value: { isOn: true },
    });
    const both = await handBack({ inherits: true, value: { isOn: true } });
    expect(both.data.entitlementSet).toMatchObject({
      entitlement: null,
      userErrors: [{ code: 'INVALID_INPUT', field: ['value'] }],
    });
  });

  test('a value that is left out is refused, and says the field', async () => {
    const feature = await aFeature();
    const seller = await aKey(product.app, product.scope(resellerId));
    const { data } = await product.graphql(seller, SET, {
      input: { idempotencyKey: randomUUID(), featureId: feature.id, targetKind: 'PLAN', targetId: bookId },
    });
    expect(data.entitlementSet).toEqual({
      entitlement: null,
      replayed: false,
      userErrors: [
        {
          code: 'INVALID_INPUT',
          field: ['value'],
          message: 'value says what there is of the feature; null takes it away',
        },
      ],
    });
    expect(
      await product.app.services.entitlements.entitlementsOf(product.scope(resellerId), feature.id, { first: 1 }),
    ).toEqual([]);
  });

  test('a test key checks and changes nothing', async () => {
    const key = await aKey(product.app, product.scope(resellerId), ['entitlements:write'], 'TEST');
    const [before] = await asSuperuser<{ n: number }>(product.database, 'select count(*)::int as n from feature');
    await product.graphql(key, CREATE, {
      input: { idempotencyKey: randomUUID(), key: 'of-a-test', name: 'x', kind: 'BOOLEAN' },
    });
    expect(await asSuperuser(product.database, 'select count(*)::int as n from feature')).toEqual([before]);
  });
});
