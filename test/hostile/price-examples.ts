import { randomUUID } from 'node:crypto';
import { aContract, aPriceBook, aTenant, perMillion } from '../support/builders.js';
import { idempotencyKey, nextQuarter, OTHER_TERMS, word, type Examples, type Ground } from './ground.js';
import { NOW } from './stage.js';

/** Models, meters, price books, imports, contracts, simulations of prices. */
export async function priceExamples({ stage, bookId, versionId }: Ground): Promise<Examples> {
  const { product, meterId, customerId, customerId: tenantId } = stage;
  const { services } = product.app;
  const aDraft = async (): Promise<string> => {
    const { version } = await services.pricing.createVersion(product.scope(), {
      priceBookId: bookId,
      prices: [{ meterId, name: 'x', pattern: {}, terms: perMillion('1') }],
      idempotencyKey: randomUUID(),
    });

    return version.id;
  };
  const { model } = await services.catalog.createModel(product.scope(), {
    key: `model-${randomUUID()}`,
    provider: 'p',
    family: 'f',
    modality: 'text',
    contextBands: [],
    idempotencyKey: randomUUID(),
  });
  const { meter: kinds } = await services.catalog.createMeter(product.scope(), {
    key: word(),
    eventType: 'fuzz.tokens',
    filter: '',
    aggregation: 'SUM',
    valueProperty: 'value',
    dimensions: [
      { name: 'model', property: 'model' },
      { name: 'token_kind', property: 'kind' },
    ],
    unit: 'token',
    idempotencyKey: randomUUID(),
  });
  const list = () => ({
    format: 'LITELLM' as const,
    content:
      '{"m": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}',
    source: 'x',
    sourceDate: '2026-11-01',
    models: ['m*'],
  });
  const { priceImport } = await services.priceImports.propose(product.scope(), {
    ...list(),
    meters: [],
    priceBookId: bookId,
    meterId: kinds.id,
    idempotencyKey: randomUUID(),
  });
  const anImportOfCosts = async (): Promise<string> => {
    const made = await services.costImports.propose(product.scope(), {
      ...list(),
      meters: [],
      idempotencyKey: randomUUID(),
    });
    await services.priceImports.decide(product.scope(), 'COSTS', {
      importId: made.priceImport.id,
      keys: [],
      allUnflagged: true,
      decision: 'APPROVED',
    });

    return made.priceImport.id;
  };
  const costsId = await anImportOfCosts();
  const parent = await aPriceBook(product, {
    prices: [{ meterId, pattern: { model: 'm' }, terms: perMillion('1') }],
  });
  const { snapshot } = await services.fxSnapshots.create(product.scope(), {
    base: 'USD',
    quote: 'EUR',
    rate: '0.92',
    asOf: NOW,
    source: 'x',
    idempotencyKey: randomUUID(),
  });
  const line = 'token:model=m&token_kind=input';

  return {
    modelCreate: () => ({
      idempotencyKey: idempotencyKey(),
      key: word(),
      provider: 'p',
      family: 'f',
      modality: 'text',
      contextBands: [{ above: '1', inclusive: false, name: 'long' }],
    }),
    modelCostSet: () => ({
      idempotencyKey: idempotencyKey(),
      modelId: model.id,
      effectiveAt: new Date(Math.floor(Math.random() * 1e12)).toISOString(),
      currency: 'USD',
      rates: [{ kind: 'input_tokens', amount: '1', per: '1', dimensions: [{ name: 'service_tier', value: 'batch' }] }],
      source: 'x',
    }),
    modelContextSet: () => ({
      idempotencyKey: idempotencyKey(),
      modelId: model.id,
      effectiveAt: new Date(Date.UTC(2027, 0, 1) + Math.floor(Math.random() * 1e12)).toISOString(),
      bands: [{ above: '1', inclusive: true, name: 'long' }],
    }),
    meterCreate: () => ({
      idempotencyKey: idempotencyKey(),
      key: word(),
      eventType: 'fuzz.event',
      filter: 'type == "x"',
      source: 'PROPERTY',
      aggregation: 'SUM',
      valueProperty: 'value',
      factorProperties: ['replicas'],
      conversion: { divideBy: '60', multiplyBy: '1', rounding: 'CEILING', precision: 0 },
      dimensions: [{ name: 'model', property: 'model', default: 'none' }],
      unit: 'token',
      keepsEvents: true,
    }),
    priceBookCreate: () => ({ idempotencyKey: idempotencyKey(), tenantId, name: word(), currency: 'USD' }),
    priceBookVersionCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      priceBookId: bookId,
      prices: [
        {
          meterId,
          name: 'x',
          currency: 'USD',
          source: 'x',
          dimensions: [{ name: 'model', value: 'm*' }],
          window: {
            from: '2027-01-01T00:00:00Z',
            until: '2028-01-01T00:00:00Z',
            daily: { start: '22:00', end: '06:00', timeZone: 'Europe/Berlin', weekdays: [1, 7] },
          },
          model: 'GRADUATED',
          ...OTHER_TERMS,
          per: '1',
          freeUnits: '0',
          tiers: [
            { upTo: '1', unitAmount: '1', per: '1', flatAmount: '0', rate: null },
            { upTo: null, unitAmount: '1', per: '1', flatAmount: '0', rate: null },
          ],
          tierBounds: 'INCLUSIVE',
          discountRate: '0',
          minimum: '0',
          maximum: '1',
          prorated: false,
          conversion: { divideBy: '3', multiplyBy: '1', rounding: 'HALF_UP', precision: 0 },
        },
      ],
      basis: {
        priceBookId: parent.bookId,
        versionId: parent.versionId,
        fxSnapshotId: snapshot.id,
        adjustments: [
          {
            meterId,
            dimensions: [{ name: 'model', value: 'm' }],
            percent: '-10',
            floor: { unitAmount: '0.5', per: '1' },
          },
        ],
      },
      discounts: [
        {
          name: 'x',
          meterId,
          dimensions: [{ name: 'model', value: 'm*' }],
          currency: 'USD',
          basis: 'SPEND',
          mode: 'GRADUATED',
          tiers: [
            { upTo: '10', rate: '1' },
            { upTo: null, rate: '2' },
          ],
        },
      ],
    }),
    fxSnapshotCreate: () => ({
      idempotencyKey: idempotencyKey(),
      tenantId,
      base: 'USD',
      quote: 'EUR',
      rate: '0.92',
      asOf: '2026-11-01T00:00:00Z',
      source: 'x',
    }),
    priceBookPublish: async () => ({
      tenantId: product.platformId,
      versionId: await aDraft(),
      effectiveAt: nextQuarter(),
    }),
    priceBookWithdraw: async () => ({ tenantId: product.platformId, versionId: await aDraft() }),
    priceImportPropose: () => ({
      ...list(),
      idempotencyKey: idempotencyKey(),
      tenantId: product.platformId,
      priceBookId: bookId,
      meterId: kinds.id,
      meters: [{ unit: 'IMAGE', meterId: kinds.id }],
    }),
    priceImportDecide: () => ({
      tenantId: product.platformId,
      importId: priceImport.id,
      keys: [line],
      allUnflagged: false,
      decision: 'REJECTED',
    }),
    priceImportDraft: () => ({ tenantId, importId: 'pim_0123456789ABCDEFGHJKMNPQRS' }),
    priceImportDiscard: () => ({ tenantId, importId: 'pim_0123456789ABCDEFGHJKMNPQRS' }),
    modelCostImportPropose: () => ({
      ...list(),
      idempotencyKey: idempotencyKey(),
      meters: [{ unit: 'IMAGE', meterId: kinds.id }],
    }),
    modelCostImportDecide: () => ({
      importId: costsId,
      keys: [line],
      allUnflagged: false,
      decision: 'REJECTED',
    }),
    modelCostImportApply: async () => ({
      importId: await anImportOfCosts(),
      effectiveAt: new Date(Math.floor(Math.random() * 1e12)).toISOString(),
      enterModels: true,
    }),
    modelCostImportDiscard: () => ({ importId: 'cim_0123456789ABCDEFGHJKMNPQRS' }),
    contractCreate: async () => ({
      idempotencyKey: idempotencyKey(),
      sellerId: product.platformId,
      buyerId: await aTenant(product),
      priceBookId: bookId,
      priceBookVersionId: versionId,
      currency: 'USD',
      commitmentAmount: '100',
      startsAt: '2026-12-01T00:00:00Z',
      graceHours: 1,
    }),
    contractsMigrate: async () => {
      const buyerId = await aTenant(product);
      await aContract(product, { buyerId, bookId });

      return {
        idempotencyKey: idempotencyKey(),
        sellerId: product.platformId,
        priceBookId: bookId,
        fromVersionId: null,
        toPriceBookId: parent.bookId,
        toVersionId: parent.versionId,
        effectiveAt: '2026-12-01T00:00:00Z',
        buyerIds: [buyerId],
      };
    },
    simulationStart: async () => {
      // Only a few may be open at a time.
      await stage.changes.query(
        `update simulation set status = 'CANCELLED', finished_at = $1 where finished_at is null`,
        [NOW],
      );

      return {
        idempotencyKey: idempotencyKey(),
        sellerId: product.platformId,
        priceBookVersionId: versionId,
        from: '2026-10-01T00:00:00Z',
        until: '2026-11-01T00:00:00Z',
        tenantIds: [customerId],
        move: { priceBookId: bookId, fromVersionId: versionId, effectiveAt: '2026-11-01T00:00:00Z' },
        baseline: 'CHARGED',
        modelContexts: [{ modelKey: model.key, bands: [{ above: '1', inclusive: false, name: 'long' }] }],
      };
    },
    simulationCancel: () => ({ tenantId, simulationId: 'sim_0123456789ABCDEFGHJKMNPQRS' }),
  };
}
