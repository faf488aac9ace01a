import { randomUUID } from 'node:crypto';
import { anEvent, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { accept, aMeterLike, aModel, bucketsOf, quantitiesOf } from './meters.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const TIME = '2026-11-10T10:00:00Z';

describe('a token meter', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    await aModel(product, { key: 'gpt-6.2-sol', contextBands: [{ above: '272000', name: 'long' }] });
    await aModel(product, {
      key: 'grok-4.5',
      provider: 'xai',
      family: 'grok',
      contextBands: [{ above: '200000', inclusive: true, name: 'long' }],
    });
    await aModel(product, { key: 'embed-4', provider: 'cohere', family: 'embed' });
    ({ meterId } = await aMeterLike(product, {
      eventType: 'llm.tokens',
      source: 'TOKEN_USAGE',
      valueProperty: 'usage',
      dimensions: [
        { name: 'model', property: 'model' },
        { name: 'team', property: 'team', default: 'none' },
      ],
    }));
  });

  afterAll(() => product.close());

  const request = (properties: object, over: object = {}) =>
    anEvent({ type: 'llm.tokens', time: TIME, properties: { ...properties }, ...over });

  /** A request of OpenAI's shape with so many prompt tokens. */
  const prompt = (model: string, tokens: number, time = TIME) =>
    request({ model, usage: { prompt_tokens: tokens, completion_tokens: 1_000 } }, { time });

  /** The context band of the only request a new tenant makes; null for none. */
  async function bandOfOne(event: object): Promise<string | null> {
    const tenantId = await aTenant(product);
    expect(await accept(product, tenantId, [event])).toMatchObject({ accepted: 1, rejected: [] });
    const bands = new Set(
      (await quantitiesOf(product, tenantId)).map(
        ([dimensions]) => (dimensions as { context_band?: string }).context_band ?? null,
      ),
    );
    expect(bands.size).toBe(1);

    return [...bands][0] ?? null;
  }

  test('folds the same request of two providers, each in its own words, into identical buckets', async () => {
    const [one, other] = [await aTenant(product), await aTenant(product)];
    const model = 'gpt-6.2-sol';
    expect(
      await accept(product, one, [
        request({
          model,
          service_tier: 'default',
          usage: {
            prompt_tokens: 100_000,
            completion_tokens: 2_000,
            total_tokens: 102_000,
            prompt_tokens_details: { cached_tokens: 80_000, audio_tokens: 0 },
            completion_tokens_details: { reasoning_tokens: 1_500 },
          },
        }),
      ]),
    ).toMatchObject({ accepted: 1, rejected: [] });
    expect(
      await accept(product, other, [
        request({
          model,
          usage: {
            input_tokens: 20_000,
            cache_read_input_tokens: 80_000,
            cache_creation_input_tokens: 0,
            output_tokens: 2_000,
            service_tier: 'standard',
          },
        }),
      ]),
    ).toMatchObject({ accepted: 1, rejected: [] });
    const rows = await bucketsOf(product, one);
    const shared = {
      context_band: 'short',
      model,
      model_family: 'gpt',
      provider: 'openai',
      service_tier: 'standard',
      team: 'none',
    };
    expect(rows).toEqual(
      [
        ['cache_read', '80000'],
        ['input', '20000'],
        ['output', '2000'],
      ].map(([kind, quantity]) => ({
        meter: meterId,
        slot: '2026-11-10T10:00:00.000Z',
        dimensions: JSON.stringify({ ...shared, token_kind: kind }),
        quantity,
        moment: '0',
        events: 1,
      })),
    );
    expect(await bucketsOf(product, other)).toEqual(rows);
  });

  test('names the band of the whole request: what lies above, or at and above, and short below', async () => {
    expect(await bandOfOne(prompt('gpt-6.2-sol', 272_000))).toBe('short');
    expect(await bandOfOne(prompt('gpt-6.2-sol', 272_001))).toBe('long');
    expect(await bandOfOne(prompt('grok-4.5', 199_999))).toBe('short');
    expect(await bandOfOne(prompt('grok-4.5', 200_000))).toBe('long');
    expect(await bandOfOne(prompt('embed-4', 1_000_000))).toBeNull();
    expect(await bandOfOne(prompt('nobody-knows-it', 1_000_000))).toBeNull();
  });

  test('measures the band by the prompt with all that was cached, however the provider counts it', async () => {
    const usage = (read: number) => ({
      input_tokens: 2_000,
      cache_read_input_tokens: read,
      cache_creation_input_tokens: 20_000,
      output_tokens: 10,
    });
    expect(await bandOfOne(request({ model: 'gpt-6.2-sol', usage: usage(250_000) }))).toBe('short');
    expect(await bandOfOne(request({ model: 'gpt-6.2-sol', usage: usage(250_001) }))).toBe('long');
  });

  test('bills the tier that served, not the one that was asked for', async () => {
    const tenantId = await aTenant(product);
    const usage = { prompt_tokens: 10, completion_tokens: 5 };
    await accept(product, tenantId, [
      request({ model: 'embed-4', request: { service_tier: 'priority' }, service_tier: 'default', usage }),
      request({ model: 'embed-4', request: { service_tier: 'priority' }, service_tier: 'flex', usage }),
      request({
        model: 'embed-4',
        usage: {
          input_tokens: 10,
          output_tokens: 5,
          service_tier: 'batch',
          inference_geo: 'us',
          cache_read_input_tokens: 0,
        },
      }),
    ]);
    expect(
      (await quantitiesOf(product, tenantId)).map(([dimensions]) => {
        const { token_kind, service_tier, inference_geo } = dimensions as Record<string, string>;

        return [token_kind, service_tier, inference_geo];
      }),
    ).toEqual([
      ['input', 'batch', 'us'],
      ['output', 'batch', 'us'],
      ['input', 'flex', undefined],
      ['output', 'flex', undefined],
      ['input', 'standard', undefined],
      ['output', 'standard', undefined],
    ]);
  });

  test('says of a model that nobody has entered only what the event says', async () => {
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      request({ model: 'mystery-1', team: 'blue', usage: { prompt_tokens: 3, completion_tokens: 0 } }),
      request({ usage: { prompt_tokens: 4, completion_tokens: 0 } }),
    ]);
    expect(await quantitiesOf(product, tenantId)).toEqual([
      [{ model: 'mystery-1', service_tier: 'standard', team: 'blue', token_kind: 'input' }, '3'],
      [{ service_tier: 'standard', team: 'none', token_kind: 'input' }, '4'],
    ]);
  });

  test('reads a model from the nearest catalog: the tenant’s own before those above it', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const [customer, beside] = [await aTenant(product, { parentId: reseller }), await aTenant(product)];
    const ask = async (tenantId: string) => {
      await accept(product, tenantId, [prompt('shared-1', 10)]);
      const [first] = (await quantitiesOf(product, tenantId)) as [Record<string, string>, string][];

      return [first?.[0]['provider'], first?.[0]['context_band']];
    };
    await aModel(product, { key: 'shared-1', provider: 'root', contextBands: [{ above: '5', name: 'root-long' }] });
    await aModel(
      product,
      { key: 'shared-1', provider: 'middle', contextBands: [{ above: '5', name: 'long' }] },
      reseller,
    );
    expect(await ask(customer)).toEqual(['middle', 'long']);
    expect(await ask(beside)).toEqual(['root', 'root-long']);
    await aModel(product, { key: 'shared-1', provider: 'own' }, customer);
    const again = prompt('shared-1', 10, '2026-11-11T00:00:00Z');
    await accept(product, customer, [again]);
    expect(
      (await quantitiesOf(product, customer)).map(([{ provider }]: [{ provider?: string }, string]) => provider),
    ).toEqual(['middle', 'middle', 'own', 'own']);
  });

  test.each<[string, object, string, string]>([
    ['nothing at its path', { model: 'm' }, 'INVALID_QUANTITY', 'properties.usage'],
    ['a number at its path', { model: 'm', usage: 5 }, 'INVALID_QUANTITY', 'properties.usage'],
    [
      'more cached than there was',
      { model: 'm', usage: { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } } },
      'INVALID_QUANTITY',
      'properties.usage.prompt_tokens_details.cached_tokens',
    ],
    [
      'a model that is an object',
      { model: {}, usage: { prompt_tokens: 1, completion_tokens: 1 } },
      'INVALID_DIMENSION',
      'properties.model',
    ],
  ])('refuses an event with %s by itself', async (_what, properties, code, field) => {
    const tenantId = await aTenant(product);
    const receipt = await accept(product, tenantId, [request(properties), prompt('embed-4', 1)]);
    expect(receipt).toMatchObject({ accepted: 1, rejected: [{ index: 0, code, field }] });
    expect((await bucketsOf(product, tenantId)).length).toBe(2);
  });

  test('does not take what another type counts for tokens, and counts nothing where its filter does not match', async () => {
    const { eventType } = await aMeterLike(product, {
      source: 'TOKEN_USAGE',
      valueProperty: 'response.usage',
      filter: 'properties.status != "failed"',
      dimensions: [{ name: 'model', property: 'response.model' }],
    });
    const tenantId = await aTenant(product);
    const sent = (status: string) =>
      anEvent({
        type: eventType,
        time: TIME,
        properties: { status, response: { model: 'embed-4', usage: { prompt_tokens: 2, completion_tokens: 0 } } },
      });
    expect(await accept(product, tenantId, [sent('failed'), sent('ok')])).toMatchObject({ accepted: 2 });
    expect(await quantitiesOf(product, tenantId)).toEqual([
      [
        { model: 'embed-4', model_family: 'embed', provider: 'cohere', service_tier: 'standard', token_kind: 'input' },
        '2',
      ],
    ]);
  });

  test('converts each kind by itself', async () => {
    const { eventType } = await aMeterLike(product, {
      source: 'TOKEN_USAGE',
      valueProperty: 'usage',
      dimensions: [{ name: 'model', property: 'model' }],
      conversion: { divideBy: '1000', rounding: 'CEILING' },
    });
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      anEvent({
        type: eventType,
        time: TIME,
        properties: { model: 'x', usage: { prompt_tokens: 2_001, completion_tokens: 1 } },
      }),
    ]);
    expect((await quantitiesOf(product, tenantId)).map(([, quantity]) => quantity)).toEqual(['3', '1']);
  });

  describe('when the bands of its model change', () => {
    const set = (modelId: string, effectiveAt: string, bands: readonly { above: string; name: string }[]) =>
      product.app.services.catalog.setContext(product.scope(), {
        modelId,
        effectiveAt: new Date(effectiveAt),
        bands,
        idempotencyKey: randomUUID(),
      });

    afterEach(() => product.setClock(NOW));

    test('takes those that are in force at the time of the event, whenever the event comes', async () => {
      const key = `model-${randomUUID()}`;
      const modelId = await aModel(product, { key, contextBands: [{ above: '10', name: 'long' }] });
      await set(modelId, '2026-11-20T18:00:00Z', [
        { above: '10', name: 'middle' },
        { above: '20', name: 'long' },
      ]);
      await set(modelId, '2026-11-21T06:00:00Z', []);
      const at = (time: string, tokens: number) => bandOfOne(prompt(key, tokens, time));
      const expected: [string, number, string | null][] = [
        ['2026-11-01T00:00:00Z', 10, 'short'],
        ['1990-01-01T00:00:00Z', 11, 'long'],
        ['2026-11-20T17:59:59.999Z', 11, 'long'],
        ['2026-11-20T18:00:00Z', 11, 'middle'],
        ['2026-11-20T18:00:00Z', 21, 'long'],
        ['2026-11-21T05:59:59.999Z', 5, 'short'],
        ['2026-11-21T06:00:00Z', 5_000, null],
      ];

      for (const [time, tokens, band] of expected) {
        expect([time, tokens, await at(time, tokens)]).toEqual([time, tokens, band]);
      }

      // The same long after.
      product.setClock(new Date('2027-03-01T00:00:00Z'));

      for (const [time, tokens, band] of expected) {
        expect([time, tokens, await at(time, tokens)]).toEqual([time, tokens, band]);
      }
    });

    test('leaves what was folded as it was folded', async () => {
      const key = `model-${randomUUID()}`;
      const modelId = await aModel(product, { key });
      const tenantId = await aTenant(product);
      await accept(product, tenantId, [prompt(key, 10, '2026-11-20T12:00:00Z')]);
      const before = await bucketsOf(product, tenantId);
      await expect(set(modelId, '2026-11-20T11:59:59Z', [{ above: '1', name: 'long' }])).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: ['effectiveAt'],
      });
      await set(modelId, '2026-11-20T12:30:00Z', [{ above: '1', name: 'long' }]);
      product.setClock(new Date('2026-11-20T13:00:00Z'));
      await accept(product, tenantId, [prompt(key, 10, '2026-11-20T12:30:00Z')]);
      const after = await bucketsOf(product, tenantId);
      expect(after.filter(({ slot }) => slot === '2026-11-20T12:00:00.000Z')).toEqual(before);
      expect(after.filter(({ dimensions }) => dimensions.includes('"context_band":"long"'))).toHaveLength(2);
    });
  });

  test('keeps one value for each kind where it keeps its events, told apart by their parts', async () => {
    const { eventType, meterId: keeping } = await aMeterLike(product, {
      source: 'TOKEN_USAGE',
      valueProperty: 'usage',
      dimensions: [{ name: 'model', property: 'model' }],
      keepsEvents: true,
    });
    // A second meter of the same events, so that places among all measures are not the parts.
    await aMeterLike(product, { eventType, aggregation: 'COUNT', valueProperty: null });
    const { meterId: second } = await aMeterLike(product, { eventType, valueProperty: 'bytes', keepsEvents: true });
    const tenantId = await aTenant(product);
    await accept(product, tenantId, [
      anEvent({
        id: 'a',
        type: eventType,
        time: TIME,
        properties: { model: 'x', bytes: '0.5', usage: { prompt_tokens: 7, completion_tokens: 3 } },
      }),
    ]);
    expect(
      await asSuperuser(
        product.database,
        `select meter_id, part, dimensions::jsonb ->> 'token_kind' as kind, value::text, slot, time, id, source
         from usage_value where tenant_id = $1 order by meter_id = $2 desc, part`,
        [tenantId, keeping],
      ),
    ).toEqual(
      [
        [keeping, 0, 'input', '7'],
        [keeping, 1, 'output', '3'],
        [second, 0, null, '0.5'],
      ].map(([meter_id, part, kind, value]) => ({
        meter_id,
        part,
        kind,
        value,
        slot: new Date(TIME),
        time: new Date(TIME),
        id: 'a',
        source: '',
      })),
    );
  });
});
