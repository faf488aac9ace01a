import { randomUUID } from 'node:crypto';
import {
  bandOf,
  bandsAt,
  refuseBands,
  refuseCost,
  refuseModel,
  type ContextBand,
  type CostDraft,
  type ModelDraft,
} from '../../src/catalog/model.rules.js';
import { decimal } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
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

const BATCH = { name: 'service_tier', value: 'batch' };

describe('the context band of a prompt', () => {
  const bands: readonly ContextBand[] = [
    { above: '100', name: 'middle' },
    { above: '200', inclusive: true, name: 'long' },
  ];

  test.each([
    ['0', 'short'],
    ['100', 'short'],
    ['101', 'middle'],
    ['199.5', 'middle'],
    ['200', 'long'],
    ['1000000000000000', 'long'],
  ])('of %s tokens is %s', (tokens, band) => {
    expect(bandOf(bands, decimal(tokens))).toBe(band);
  });

  test('is none where a model has no bands', () => {
    expect(bandOf([], decimal(0))).toBeNull();
    expect(bandOf([], decimal('1000000000'))).toBeNull();
  });

  test('is one of those in force at the time, the model’s own before any was set', () => {
    const model = {
      contextBands: bands,
      contexts: [
        { effectiveAt: new Date('2026-02-01T00:00:00Z'), bands: [{ above: '1', name: 'b' }] },
        { effectiveAt: new Date('2026-03-01T00:00:00Z'), bands: [] },
      ],
    };
    const at = (time: string) => bandsAt(model, new Date(time)).map(({ name }) => name);
    expect(at('1970-01-01T00:00:00Z')).toEqual(['middle', 'long']);
    expect(at('2026-01-31T23:59:59.999Z')).toEqual(['middle', 'long']);
    expect(at('2026-02-01T00:00:00Z')).toEqual(['b']);
    expect(at('2026-03-01T00:00:00Z')).toEqual([]);
    expect(at('2200-01-01T00:00:00Z')).toEqual([]);
  });

  test('is refused by the place of the band in its input', () => {
    expect(refuseBands([], 'bands')).toEqual([]);
    expect(refuseBands([{ above: '-1', name: 'X' }], 'bands').map(({ field }) => field.join('.'))).toEqual([
      'bands.0.name',
      'bands.0.above',
    ]);
  });
});

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
    ['a band called like the one below it', { contextBands: [{ above: '1', name: 'short' }] }, ['contextBands.0.name']],
    [
      'two bands of one name',
      {
        contextBands: [
          { above: '1', name: 'long' },
          { above: '2', name: 'long' },
        ],
      },
      ['contextBands.1.name'],
    ],
    [
      '17 bands',
      { contextBands: Array.from({ length: 17 }, (_, n) => ({ above: String(n + 1), name: `b${n}` })) },
      ['contextBands'],
    ],
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
    ['201 rates', { rates: Array.from({ length: 201 }, () => rate) }, ['rates']],
    ['a negative amount', { rates: [{ ...rate, amount: '-1' }] }, ['rates.0.amount']],
    ['too many digits', { rates: [{ ...rate, amount: '0.0000000000001' }] }, ['rates.0.amount']],
    ['per nothing', { rates: [{ ...rate, per: '0' }] }, ['rates.0.per']],
    ['per a fraction', { rates: [rate, { ...rate, per: '0.5' }] }, ['rates.1.per']],
    ['a kind in capitals', { rates: [{ ...rate, kind: 'INPUT' }] }, ['rates.0.kind']],
    [
      'a tier and the beginning of a model',
      { rates: [{ ...rate, dimensions: [BATCH, { name: 'model', value: 'gpt*' }] }] },
      [],
    ],
    [
      'a dimension in capitals',
      { rates: [{ ...rate, dimensions: [{ ...BATCH, name: 'Tier' }] }] },
      ['rates.0.dimensions.0.name'],
    ],
    ['a dimension twice', { rates: [{ ...rate, dimensions: [BATCH, BATCH] }] }, ['rates.0.dimensions.1.name']],
    ['an empty value', { rates: [{ ...rate, dimensions: [{ ...BATCH, value: '' }] }] }, ['rates.0.dimensions.0.value']],
    [
      'a star in the middle',
      { rates: [{ ...rate, dimensions: [{ ...BATCH, value: 'a*b' }] }] },
      ['rates.0.dimensions.0.value'],
    ],
    [
      'a value with a NUL',
      { rates: [{ ...rate, dimensions: [{ ...BATCH, value: '\0' }] }] },
      ['rates.0.dimensions.0.value'],
    ],
    [
      '15 dimensions',
      { rates: [{ ...rate, dimensions: Array.from({ length: 15 }, (_, n) => ({ name: `d${n}`, value: 'x' })) }] },
      ['rates.0.dimensions'],
    ],
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

  const setContext = (
    tenantId: string,
    modelId: string,
    effectiveAt: string,
    bands: readonly ContextBand[],
    idempotencyKey: string = randomUUID(),
  ) =>
    product.app.services.catalog.setContext(product.scope(tenantId), {
      modelId,
      effectiveAt: new Date(effectiveAt),
      bands,
      idempotencyKey,
    });

  const left = async (tenantId: string): Promise<object> => ({
    contexts: await asSuperuser(product.database, 'select * from model_context where tenant_id = $1', [tenantId]),
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

  test('a cost keeps the dimensions of its rates', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    const { model: made } = await model(tenantId);
    const key = await aKey(product.app, product.scope(tenantId));
    const rate = { kind: 'output', amount: '10', per: '1000000' };
    const { data } = await product.graphql(
      key,
      `mutation ($input: ModelCostSetInput!) { modelCostSet(input: $input) { userErrors { message }
         model { costs { rates { kind amount per dimensions { name value } } } } } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          modelId: made.id,
          effectiveAt: '2026-01-01T00:00:00Z',
          currency: 'USD',
          rates: [rate, { ...rate, amount: '5', dimensions: [BATCH] }],
          source: 'the price list',
        },
      },
    );
    expect(data.modelCostSet).toEqual({
      userErrors: [],
      model: {
        costs: [
          {
            rates: [
              { ...rate, dimensions: [] },
              { ...rate, amount: '5', dimensions: [BATCH] },
            ],
          },
        ],
      },
    });
  });

  test('costs are found by the names of models, ascending, from the nearest catalog that has any', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const below = await aTenant(product, { parentId: reseller });
    const cost = (tenantId: string, modelId: string, at: string, amount: string) =>
      product.app.services.catalog.setCost(product.scope(tenantId), {
        ...COST,
        rates: [{ kind: 'input', amount, per: '1' }],
        modelId,
        effectiveAt: new Date(at),
        idempotencyKey: randomUUID(),
      });
    const [upper, own] = [(await model(reseller)).model, (await model(below)).model];
    await cost(reseller, upper.id, '2026-06-01T00:00:00Z', '2');
    await cost(reseller, upper.id, '2026-01-01T00:00:00Z', '1');
    const find = async () =>
      Object.fromEntries(
        [
          ...(await inTransaction(product.scope(below), tx =>
            product.app.services.catalog.costsFor(
              tx,
              [product.platformId, reseller, below],
              [MODEL.key, 'nobody-knows-it'],
            ),
          )),
        ].map(([key, costs]) => [
          key,
          costs.map(({ effectiveAt, currency, rates }) => [effectiveAt.toISOString(), currency, rates[0]?.amount]),
        ]),
      );
    // The own entry of the model has no cost yet.
    expect(await find()).toEqual({
      [MODEL.key]: [
        ['2026-01-01T00:00:00.000Z', 'USD', '1'],
        ['2026-06-01T00:00:00.000Z', 'USD', '2'],
      ],
    });
    await cost(below, own.id, '2026-03-01T00:00:00Z', '7');
    expect(await find()).toEqual({ [MODEL.key]: [['2026-03-01T00:00:00.000Z', 'USD', '7']] });
  });

  describe('context bands', () => {
    const LONG = [{ above: '100000', name: 'long' }];

    test('are set once per model and instant, from now on, and replayed by their key even when that has passed', async () => {
      const tenantId = await aTenant(product, { kind: 'RESELLER' });
      const { model: made } = await model(tenantId);
      const now = product.app.clock();
      const at = new Date(now.getTime() + 60_000).toISOString();
      const idempotencyKey = randomUUID();
      expect(await setContext(tenantId, made.id, at, LONG, idempotencyKey)).toMatchObject({ replayed: false });
      await refused(tenantId, () => setContext(tenantId, made.id, at, []), {
        code: 'ALREADY_EXISTS',
        field: ['effectiveAt'],
      });
      await refused(tenantId, () => setContext(tenantId, made.id, new Date(now.getTime() - 1).toISOString(), LONG), {
        code: 'INVALID_INPUT',
        field: ['effectiveAt'],
        message: expect.stringContaining('never folded again'),
      });
      await refused(
        tenantId,
        () => setContext(tenantId, made.id, '2027-01-01T00:00:00Z', [{ above: '0', name: 'x' }]),
        {
          code: 'INVALID_INPUT',
          field: ['bands', '0', 'above'],
        },
      );
      product.setClock(new Date(now.getTime() + 3_600_000));

      try {
        const before = await left(tenantId);
        expect(await setContext(tenantId, made.id, at, LONG, idempotencyKey)).toMatchObject({
          model: { id: made.id },
          replayed: true,
        });
        expect(await left(tenantId)).toEqual(before);
        await refused(tenantId, () => setContext(tenantId, made.id, at, [], idempotencyKey), {
          code: 'IDEMPOTENCY_KEY_REUSED',
        });
      } finally {
        product.setClock(now);
      }
    });

    test('of another tenant’s model are refused like those of no model', async () => {
      const [one, other] = [await aTenant(product, { kind: 'RESELLER' }), await aTenant(product, { kind: 'RESELLER' })];
      const { model: made } = await model(one);

      for (const id of [made.id, 'mdl_0123456789ABCDEFGHJKMNPQRS', 'nonsense']) {
        await refused(other, () => setContext(other, id, '2027-01-01T00:00:00Z', LONG), {
          code: 'NOT_FOUND',
          field: ['modelId'],
          message: `model ${id} does not exist`,
        });
      }
    });

    test('are shown as they are in force and as they were and will be, newest first', async () => {
      const tenantId = await aTenant(product, { kind: 'RESELLER' });
      const { model: made } = await model(tenantId);
      const key = await aKey(product.app, product.scope(tenantId), ['catalog:read', 'catalog:write']);
      const bands = [
        { above: '200000', inclusive: true, name: 'long' },
        { above: '500000', inclusive: false, name: 'huge' },
      ];
      const { data } = await product.graphql(
        key,
        `mutation ($input: ModelContextSetInput!) { modelContextSet(input: $input) { replayed userErrors { message }
           model { contextBands { above inclusive name } contexts { effectiveAt bands { above inclusive name } } } } }`,
        { input: { idempotencyKey: randomUUID(), modelId: made.id, effectiveAt: '2026-12-01T00:00:00Z', bands } },
      );
      const first = [{ above: '200000', inclusive: false, name: 'long' }];
      expect(data.modelContextSet).toEqual({
        replayed: false,
        userErrors: [],
        model: {
          contextBands: first,
          contexts: [
            { effectiveAt: '2026-12-01T00:00:00.000Z', bands },
            { effectiveAt: null, bands: first },
          ],
        },
      });
      await setContext(tenantId, made.id, '2026-12-24T00:00:00Z', []);
      const shown = async () =>
        (
          await product.graphql(
            key,
            '{ models { edges { node { contextBands { name } contexts { effectiveAt bands { name } } } } } }',
          )
        ).data.models.edges[0].node;
      const contexts = [
        { effectiveAt: '2026-12-24T00:00:00.000Z', bands: [] },
        { effectiveAt: '2026-12-01T00:00:00.000Z', bands: [{ name: 'long' }, { name: 'huge' }] },
        { effectiveAt: null, bands: [{ name: 'long' }] },
      ];
      const now = product.app.clock();

      try {
        product.setClock(new Date('2026-12-01T00:00:00Z'));
        expect(await shown()).toEqual({ contextBands: [{ name: 'long' }, { name: 'huge' }], contexts });
        product.setClock(new Date('2026-12-25T00:00:00Z'));
        expect(await shown()).toEqual({ contextBands: [], contexts });
      } finally {
        product.setClock(now);
      }
    });

    test('show at most 100 of a long history', async () => {
      const tenantId = await aTenant(product, { kind: 'RESELLER' });
      const { model: made } = await model(tenantId);
      const seen = async () =>
        (await product.app.services.catalog.contexts(product.scope(tenantId), made)).map(
          ({ effectiveAt }) => effectiveAt,
        );
      const insert = (from: number, to: number) =>
        asSuperuser(
          product.database,
          `insert into model_context select $1, $2, '2027-01-01T00:00:00Z'::timestamptz + n * interval '1 day', '[]', now()
           from generate_series($3::int, $4::int) n`,
          [tenantId, made.id, from, to],
        );
      await insert(0, 98);
      expect((await seen()).length).toBe(100);
      expect((await seen()).at(-1)).toBeNull();
      await insert(99, 120);
      expect((await seen()).length).toBe(100);
      expect((await seen())[0]).toEqual(new Date('2027-05-01T00:00:00Z'));
      expect((await seen()).includes(null)).toBe(false);
    });
  });

  test('a meter is shown as it was defined, with the names that prices may bind', async () => {
    const tenantId = await aTenant(product, { kind: 'RESELLER' });
    const key = await aKey(product.app, product.scope(tenantId), ['catalog:read', 'catalog:write']);
    const SHOWN = `key source aggregation valueProperty factorProperties keepsEvents dimensionNames
      conversion { divideBy multiplyBy rounding precision } dimensions { name property default }`;
    const create = async (input: object) => {
      const { data, errors } = await product.graphql(
        key,
        `mutation ($input: MeterCreateInput!) { meterCreate(input: $input) { userErrors { field } meter { ${SHOWN} } } }`,
        { input: { idempotencyKey: randomUUID(), eventType: 'x', unit: 'unit', ...input } },
      );
      expect(errors).toBeUndefined();

      return data.meterCreate;
    };
    const plain = await create({ key: 'plain', aggregation: 'SUM', valueProperty: 'value' });
    expect(plain).toEqual({
      userErrors: [],
      meter: {
        key: 'plain',
        source: 'PROPERTY',
        aggregation: 'SUM',
        valueProperty: 'value',
        factorProperties: [],
        keepsEvents: false,
        dimensionNames: [],
        conversion: null,
        dimensions: [],
      },
    });
    const minutes = await create({
      key: 'minutes',
      aggregation: 'SUM',
      valueProperty: 'seconds',
      factorProperties: ['replicas'],
      conversion: { divideBy: '60', rounding: 'CEILING' },
      dimensions: [
        { name: 'tier', property: 'tier', default: 'standard' },
        { name: 'zone', property: 'a.zone' },
      ],
      keepsEvents: true,
    });
    expect(minutes).toEqual({
      userErrors: [],
      meter: {
        key: 'minutes',
        source: 'PROPERTY',
        aggregation: 'SUM',
        valueProperty: 'seconds',
        factorProperties: ['replicas'],
        keepsEvents: true,
        dimensionNames: ['tier', 'zone'],
        conversion: { divideBy: '60', multiplyBy: '1', rounding: 'CEILING', precision: 0 },
        dimensions: [
          { name: 'tier', property: 'tier', default: 'standard' },
          { name: 'zone', property: 'a.zone', default: null },
        ],
      },
    });
    const tokens = await create({
      key: 'tokens_by_kind',
      source: 'TOKEN_USAGE',
      aggregation: 'SUM',
      valueProperty: 'usage',
      dimensions: [{ name: 'model', property: 'model' }],
    });
    expect(tokens.meter).toMatchObject({
      source: 'TOKEN_USAGE',
      dimensionNames: [
        'model',
        'token_kind',
        'service_tier',
        'context_band',
        'model_family',
        'provider',
        'inference_geo',
      ],
    });
    const seats = await create({ key: 'seats', aggregation: 'TIME_WEIGHTED', valueProperty: 'change' });
    expect(seats.meter).toMatchObject({ aggregation: 'TIME_WEIGHTED' });
    expect(
      await create({
        key: 'thirds',
        aggregation: 'SUM',
        valueProperty: 'value',
        conversion: { divideBy: '3' },
      }),
    ).toEqual({ userErrors: [{ field: ['conversion', 'rounding'] }], meter: null });
    const [stored] = await asSuperuser(
      product.database,
      `select source, factor_properties, conversion is null as unconverted, keeps_events from meter
       where tenant_id = $1 and key = 'plain'`,
      [tenantId],
    );
    expect(stored).toEqual({ source: 'PROPERTY', factor_properties: [], unconverted: true, keeps_events: false });
    const listed = await product.graphql(key, `{ meters { edges { node { ${SHOWN} } } } }`);
    expect(listed.data.meters.edges.map(({ node }: { node: object }) => node)).toEqual(
      [seats, tokens, minutes, plain].map(({ meter: shown }) => shown),
    );
  });

  test('the meters of one aggregation are found among those of their owners', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const below = await aTenant(product, { parentId: reseller });
    const made = [
      (await meter(reseller, { aggregation: 'TIME_WEIGHTED' })).meter.id,
      (await meter(below, { aggregation: 'TIME_WEIGHTED' })).meter.id,
    ];
    await meter(below, { key: 'other' });
    expect(
      await inTransaction(product.scope(below), tx =>
        product.app.services.catalog.meterIdsOf(tx, [reseller, below], 'TIME_WEIGHTED'),
      ),
    ).toEqual(made);
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

    for (const sql of [
      `update meter set unit = 'x'`,
      'delete from meter',
      `update model_cost set source = 'x'`,
      `update model_context set bands = '[]'`,
      'delete from model_context',
    ]) {
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
