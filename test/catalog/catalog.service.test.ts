import { randomUUID } from 'node:crypto';
import { refuseCost, refuseModel, type CostDraft, type ModelDraft } from '../../src/catalog/model.rules.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const MODEL: ModelDraft = {
  key: 'gpt-6.2-sol',
  provider: 'openai',
  family: 'gpt',
  modality: 'text',
  contextBands: [{ above: '200000', name: 'long' }],
};
const COST: CostDraft = {
  currency: 'USD',
  source: 'the price list of 2026-09-01',
  rates: [{ kind: 'input_tokens', amount: '2.5', per: '1000000' }],
};

describe('refuseModel', () => {
  test.each<[string, Partial<ModelDraft>, string[]]>([
    ['nothing', {}, []],
    ['no bands', { contextBands: [] }, []],
    ['a key in capitals', { key: 'GPT' }, ['key']],
    ['an empty key', { key: '' }, ['key']],
    ['a key of 129 characters', { key: 'k'.repeat(129) }, ['key']],
    ['a provider with a space', { provider: 'open ai' }, ['provider']],
    ['an empty family', { family: '' }, ['family']],
    ['an empty modality', { modality: '' }, ['modality']],
    ['a band from 0', { contextBands: [{ above: '0', name: 'long' }] }, ['contextBands.0.above']],
    ['a band without a name', { contextBands: [{ above: '1', name: '' }] }, ['contextBands.0.name']],
    [
      'bands that do not ascend',
      {
        contextBands: [
          { above: '5', name: 'a' },
          { above: '5', name: 'b' },
        ],
      },
      ['contextBands.1.above'],
    ],
  ])('names what is wrong with %s', (_what, draft, expected) => {
    expect(refuseModel({ ...MODEL, ...draft }).map(({ field }) => field.join('.'))).toEqual(expected);
  });
});

describe('refuseCost', () => {
  const rate = { kind: 'input_tokens', amount: '2.5', per: '1000000' };

  test.each<[string, Partial<CostDraft>, string[]]>([
    ['nothing', {}, []],
    ['a cost of zero', { rates: [{ ...rate, amount: '0' }] }, []],
    ['a currency that is none', { currency: 'XYZ' }, ['currency']],
    ['no source', { source: ' ' }, ['source']],
    ['no rates', { rates: [] }, ['rates']],
    ['65 rates', { rates: Array.from({ length: 65 }, () => rate) }, ['rates']],
    ['a negative amount', { rates: [{ ...rate, amount: '-1' }] }, ['rates.0.amount']],
    ['too many digits', { rates: [{ ...rate, amount: '0.0000000000001' }] }, ['rates.0.amount']],
    ['per nothing', { rates: [{ ...rate, per: '0' }] }, ['rates.0.per']],
    ['per a fraction', { rates: [rate, { ...rate, per: '0.5' }] }, ['rates.1.per']],
    ['a kind in capitals', { rates: [{ ...rate, kind: 'INPUT' }] }, ['rates.0.kind']],
  ])('names what is wrong with %s', (_what, draft, expected) => {
    expect(refuseCost({ ...COST, ...draft }).map(({ field }) => field.join('.'))).toEqual(expected);
  });
});

describe('the catalog', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
  });

  afterAll(() => product.close());

  const model = (tenantId: string, draft: Partial<ModelDraft> & { idempotencyKey?: string } = {}) =>
    product.app.services.catalog.createModel(product.scope(tenantId), {
      ...MODEL,
      idempotencyKey: randomUUID(),
      ...draft,
    });

  const meter = (tenantId: string, draft: Record<string, unknown> = {}) =>
    product.app.services.catalog.createMeter(product.scope(tenantId), {
      key: 'tokens',
      eventType: 'llm.request',
      filter: '',
      aggregation: 'SUM',
      valueProperty: 'tokens',
      dimensions: [{ name: 'model', property: 'model' }],
      unit: 'token',
      idempotencyKey: randomUUID(),
      ...draft,
    });

  const left = async (tenantId: string): Promise<object> => ({
    models: await asSuperuser(product.database, 'select * from model where tenant_id = $1', [tenantId]),
    costs: await asSuperuser(product.database, 'select * from model_cost where tenant_id = $1', [tenantId]),
    meters: await asSuperuser(product.database, 'select * from meter where tenant_id = $1', [tenantId]),
    keys: await asSuperuser(product.database, 'select key from idempotency where tenant_id = $1', [tenantId]),
    lines: await asSuperuser(product.database, 'select seq from audit_line where tenant_id = $1', [tenantId]),
  });

  async function refused(tenantId: string, work: () => Promise<unknown>, expected: object): Promise<void> {
    const before = await left(tenantId);
    await expect(work()).rejects.toMatchObject(expected);
    expect(await left(tenantId)).toEqual(before);
  }

  test('a model is entered once per key and tenant', async () => {
    const [one, other] = [await aTenant(product, { kind: 'RESELLER' }), await aTenant(product, { kind: 'RESELLER' })];
    await model(one);
    await refused(one, () => model(one), { code: 'ALREADY_EXISTS', field: ['key'] });
    expect((await model(other)).model.key).toBe(MODEL.key);
  });

  test('a model is replayed by its idempotency key, and refused with other input', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    const idempotencyKey = randomUUID();
    const first = await model(tenantId, { idempotencyKey });
    expect(await model(tenantId, { idempotencyKey })).toMatchObject({ model: { id: first.model.id }, replayed: true });
    await refused(tenantId, () => model(tenantId, { idempotencyKey, family: 'other' }), {
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  test('a cost is set once per model and instant, and listed newest first', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    const { model: made } = await model(tenantId);
    const set = (at: string, source = COST.source) =>
      product.app.services.catalog.setCost(product.scope(tenantId), {
        ...COST,
        source,
        modelId: made.id,
        effectiveAt: new Date(at),
        idempotencyKey: randomUUID(),
      });
    await set('2026-01-01T00:00:00Z');
    await set('2026-06-01T00:00:00Z');
    await refused(tenantId, () => set('2026-01-01T00:00:00Z', 'elsewhere'), {
      code: 'ALREADY_EXISTS',
      field: ['effectiveAt'],
    });
    expect(
      (await product.app.services.catalog.costs(product.scope(tenantId), made.id)).map(
        ({ effectiveAt }) => effectiveAt,
      ),
    ).toEqual([new Date('2026-06-01T00:00:00Z'), new Date('2026-01-01T00:00:00Z')]);
  });

  test('a cost of another tenant’s model is refused like one of no model', async () => {
    const [one, other] = [await aTenant(product, { kind: 'RESELLER' }), await aTenant(product, { kind: 'RESELLER' })];
    const { model: made } = await model(one);
    await refused(
      other,
      () =>
        product.app.services.catalog.setCost(product.scope(other), {
          ...COST,
          modelId: made.id,
          effectiveAt: new Date('2026-01-01T00:00:00Z'),
          idempotencyKey: randomUUID(),
        }),
      { code: 'NOT_FOUND', field: ['modelId'], message: `model ${made.id} does not exist` },
    );
  });

  test('what a model costs is absent for a key without costs:read', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    await model(tenantId);
    const key = await aKey(product.app, product.scope(tenantId), ['catalog:read']);
    const answer = await product.graphql(key, '{ models { edges { node { key costs { source } } } } }');
    expect(answer.errors?.[0]?.extensions.code).toBe('FORBIDDEN');
  });

  test('a meter is defined once per key, and replayed by its idempotency key', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    const idempotencyKey = randomUUID();
    const first = await meter(tenantId, { idempotencyKey });
    expect(await meter(tenantId, { idempotencyKey })).toMatchObject({ meter: { id: first.meter.id }, replayed: true });
    await refused(tenantId, () => meter(tenantId), { code: 'ALREADY_EXISTS', field: ['key'] });
    await refused(tenantId, () => meter(tenantId, { idempotencyKey, unit: 'other' }), {
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a filter that is no CEL', { filter: 'properties.tokens >' }, 'filter'],
    ['a filter that is no condition', { filter: '1 + 1' }, 'filter'],
    ['a count with a value', { aggregation: 'COUNT' }, 'valueProperty'],
    ['a sum without a value', { valueProperty: null }, 'valueProperty'],
    ['a key in capitals', { key: 'Tokens' }, 'key'],
  ])('a meter with %s is refused', async (_what, draft, field) => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    await refused(tenantId, () => meter(tenantId, draft), { code: 'INVALID_INPUT', field: [field] });
  });

  test('a meter is the tenant’s own: one beside or below does not list it', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const below = await aTenant(product, { parentId: reseller });
    await meter(reseller);
    const { catalog } = product.app.services;
    expect(await catalog.meters(product.scope(reseller), { first: 10 })).toHaveLength(1);
    expect(await catalog.meters(product.scope(below), { first: 10 })).toEqual([]);
  });

  test('the runtime role can change no meter', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    await meter(tenantId);
    const before = await left(tenantId);

    for (const sql of [`update meter set unit = 'x'`, 'delete from meter', `update model_cost set source = 'x'`]) {
      await expect(
        product
          .scope(tenantId)
          .em.fork()
          .transactional(async fork => {
            await fork.execute(`set local app.tenant = '${tenantId}'`);
            await fork.execute(sql);
          }),
      ).rejects.toThrow('permission denied');
    }

    expect(await left(tenantId)).toEqual(before);
  });
});
