import { randomUUID } from 'node:crypto';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, aVersion, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, until, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const PLUS_A_FIFTH: PriceTermsJson = { model: 'COST_PLUS', markup: '1.2' };
const at = (text: string): Date => new Date(text);

interface Buyer {
  readonly tenantId: string;
  readonly meterKey: string;
  readonly eventType: string;
  readonly model: string;
}

interface Market {
  readonly meterId: string;
  readonly meterKey: string;
  readonly eventType: string;
  readonly model: string;
  readonly modelId: string;
}

/** A model that nobody knows the cost of, and a meter that counts its use. */
async function aMarket(product: Product): Promise<Market> {
  const eventType = `event.${randomUUID()}`;
  const meterKey = `meter_${randomUUID().replaceAll('-', '')}`;
  const model = `model-${randomUUID()}`;

  return {
    eventType,
    meterKey,
    model,
    modelId: await aModel(product, product.platformId, model),
    meterId: await aMeter(product, { key: meterKey, eventType, valueProperty: 'value' }),
  };
}

async function aModel(product: Product, ownerId: string, key: string): Promise<string> {
  const { model } = await product.app.services.catalog.createModel(product.scope(ownerId), {
    key,
    provider: 'p',
    family: 'f',
    modality: 'text',
    contextBands: [],
    idempotencyKey: randomUUID(),
  });

  return model.id;
}

async function aBuyer(
  product: Product,
  market: Market,
  { sellerId, terms = PLUS_A_FIFTH }: { readonly sellerId?: string; readonly terms?: PriceTermsJson } = {},
): Promise<Buyer & { readonly bookId: string }> {
  const tenantId = await aTenant(product, sellerId ? { parentId: sellerId } : {});
  const { bookId } = await aPriceBook(product, {
    ...(sellerId ? { ownerId: sellerId } : {}),
    prices: [{ meterId: market.meterId, name: 'Plus', terms }],
  });
  await aContract(product, { ...(sellerId ? { sellerId } : {}), buyerId: tenantId, bookId });

  return { ...market, tenantId, bookId };
}

async function use(
  product: Product,
  { tenantId, eventType, model }: Buyer,
  ...events: readonly (readonly [time: string, value: string])[]
): Promise<void> {
  const receipt = await product.app.services.usage.accept(
    product.scope(tenantId),
    events.map(([time, value]) => anEvent({ type: eventType, time, properties: { value, model } })),
    { keyId: 'test', isDryRun: false },
  );
  expect(receipt.accepted).toBe(events.length);
  await rate(product, tenantId);
}

const setCost = (
  product: Product,
  { modelId, meterKey }: Pick<Market, 'modelId' | 'meterKey'>,
  effectiveAt: string,
  amount: string,
  more: { readonly ownerId?: string; readonly idempotencyKey?: string } = {},
) =>
  product.app.services.catalog.setCost(product.scope(more.ownerId), {
    modelId,
    effectiveAt: at(effectiveAt),
    currency: 'USD',
    rates: [{ kind: meterKey, amount, per: '1' }],
    source: 'an invoice',
    idempotencyKey: more.idempotencyKey ?? randomUUID(),
  });

/** Each charge as month, quantity and amount. */
const charged = async (product: Product, { tenantId }: Buyer): Promise<string[]> =>
  (
    await asSuperuser<{ text: string }>(
      product.database,
      `select concat_ws(' ', to_char(period_start at time zone 'UTC', 'YYYY-MM'), trim_scale(quantity), trim_scale(amount)) as text
       from charge where tenant_id = $1 order by 1`,
      [tenantId],
    )
  ).map(({ text }) => text);

const unpriced = async (product: Product, { tenantId }: Buyer): Promise<string[]> =>
  (
    await asSuperuser<{ text: string }>(
      product.database,
      `select concat_ws(' ', reason, trim_scale(quantity)) as text from unpriced_usage where tenant_id = $1 order by 1`,
      [tenantId],
    )
  ).map(({ text }) => text);

/** The jobs do their work as they do in the product; a test waits until nothing is left to do. */
describe('a cost that is set late', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    product.app.work();
  });

  beforeEach(() => product.setClock(NOW));

  afterAll(() => product.close());

  /** Waits until every fact is told, and every job is done. */
  async function worked(): Promise<void> {
    await until(async () => {
      const left = await asSuperuser(
        product.database,
        `select 1 from outbox union all select 1 from bullmq.job where state not in ('completed', 'failed')`,
      );

      return left.length === 0;
    });
    expect(await asSuperuser(product.database, `select 1 from bullmq.job where state = 'failed'`)).toEqual([]);
  }

  /** How often each month of a tenant was touched. */
  const touched = async (tenantId: string) =>
    asSuperuser<{ month: string; n: string }>(
      product.database,
      'select month::text, n::text from usage_touch where tenant_id = $1 order by month',
      [tenantId],
    );

  const touchedSince = async (before: readonly { month: string; n: string }[], { tenantId }: Buyer) =>
    (await touched(tenantId))
      .filter(({ month, n }) => n !== before.find(row => row.month === month)?.n)
      .map(({ month }) => month);

  test('through the API prices what was unpriced, by jobs alone', async () => {
    const market = await aMarket(product);
    const buyer = await aBuyer(product, market);
    await use(product, buyer, ['2026-11-03T10:00:00Z', '10'], ['2026-11-12T10:00:00Z', '5']);
    await worked();
    expect([await charged(product, buyer), await unpriced(product, buyer)]).toEqual([[], ['NO_COST 15']]);
    const { data } = await product.graphql(
      product.platformKey,
      `mutation ($input: ModelCostSetInput!) { modelCostSet(input: $input) { userErrors { message } replayed } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          modelId: market.modelId,
          effectiveAt: '2026-11-01T00:00:00Z',
          currency: 'USD',
          rates: [{ kind: market.meterKey, amount: '2', per: '1' }],
          source: 'the invoice',
        },
      },
    );
    expect(data.modelCostSet).toEqual({ userErrors: [], replayed: false });
    await worked();
    // 15 units cost 30, and a fifth on top.
    expect([await charged(product, buyer), await unpriced(product, buyer)]).toEqual([['2026-11 30 36'], []]);
  });

  test('charges the difference to the cost before it, from its instant until the next cost, in closed months too', async () => {
    const market = await aMarket(product);
    const buyer = await aBuyer(product, market);
    await setCost(product, market, '2026-01-01T00:00:00Z', '1');
    await setCost(product, market, '2026-11-10T00:00:00Z', '4');
    await worked();
    await use(
      product,
      buyer,
      ['2026-09-30T23:00:00Z', '7'],
      ['2026-10-14T10:00:00Z', '10'],
      ['2026-10-15T00:00:00Z', '100'],
    );
    await use(product, buyer, ['2026-11-09T23:59:59Z', '1000'], ['2026-11-10T00:00:00Z', '10000']);
    await worked();
    expect(await charged(product, buyer)).toEqual(['2026-09 7 8.4', '2026-10 110 132', '2026-11 41000 49200']);
    const drafts = await product.app.services.invoicing.list(product.scope(buyer.tenantId), { first: 10 });
    const october = drafts.find(({ periodStart }) => periodStart.getUTCMonth() === 9);
    await product.app.services.invoicing.issue(product.scope(buyer.tenantId), {
      invoiceId: october?.id ?? '',
      acceptUnpriced: false,
      idempotencyKey: randomUUID(),
    });
    await worked();
    const before = await touched(buyer.tenantId);
    await setCost(product, market, '2026-10-15T00:00:00Z', '1.5');
    await worked();
    // Half a unit more for each of 100 and of 1000; what was billed stays, and the difference is charged beside it.
    expect(await charged(product, buyer)).toEqual([
      '2026-09 7 8.4',
      '2026-10 110 132',
      '2026-10 50 60',
      '2026-11 41500 49800',
    ]);
    expect(await touchedSince(before, buyer)).toEqual(['2026-10-01', '2026-11-01']);
    // One that holds until the last one began leaves November alone.
    const since = await touched(buyer.tenantId);
    await setCost(product, market, '2026-09-10T00:00:00Z', '1.1');
    await worked();
    expect(await charged(product, buyer)).toEqual([
      '2026-09 7.7 9.24',
      '2026-10 110 132',
      '2026-10 51 61.2',
      '2026-11 41500 49800',
    ]);
    expect(await touchedSince(since, buyer)).toEqual(['2026-09-01', '2026-10-01']);
  });

  test('reaches the buyers of sellers below, whose prices follow costs, and nobody else', async () => {
    const market = await aMarket(product);
    const sellerId = await aTenant(product, { kind: 'RESELLER' });
    const other = await aTenant(product, { kind: 'RESELLER' });
    const buyers = {
      own: await aBuyer(product, market),
      below: await aBuyer(product, market, { sellerId }),
      beside: await aBuyer(product, market, { sellerId: other }),
      fixed: await aBuyer(product, market, { sellerId, terms: perUnit('3') }),
    };

    for (const buyer of Object.values(buyers)) {
      await use(product, buyer, ['2026-11-03T10:00:00Z', '10']);
    }

    await worked();
    const ids = Object.values(buyers).map(({ tenantId }) => tenantId);
    const touches = async () => Promise.all(ids.map(async id => (await touched(id)).map(({ n }) => n).join()));
    const before = await touches();
    // A reseller's own cost is nothing to the buyers of others.
    const modelId = await aModel(product, sellerId, market.model);
    await setCost(product, { ...market, modelId }, '2026-11-01T00:00:00Z', '2', { ownerId: sellerId });
    await worked();
    expect(await touches()).toEqual([before[0], String(Number(before[1]) + 1), before[2], before[3]]);
    expect(await charged(product, buyers.below)).toEqual(['2026-11 20 24']);
    expect(await unpriced(product, buyers.own)).toEqual(['NO_COST 10']);
    // That of the platform is to all but those below who have a cost of their own, or prices of their own.
    await setCost(product, market, '2026-11-01T00:00:00Z', '1');
    await worked();
    expect(await charged(product, buyers.own)).toEqual(['2026-11 10 12']);
    expect(await charged(product, buyers.below)).toEqual(['2026-11 20 24']);
    expect(await charged(product, buyers.beside)).toEqual(['2026-11 10 12']);
    expect(await charged(product, buyers.fixed)).toEqual(['2026-11 10 30']);
    expect((await touches())[3]).toBe(before[3]);
  });

  test('touches nobody whose prices followed costs at other times alone', async () => {
    const market = await aMarket(product);
    const [ended, pinned, left] = [
      await aBuyer(product, market),
      await aBuyer(product, market),
      await aBuyer(product, market),
    ];
    const fixed = (bookId: string, effectiveAt: string) =>
      aVersion(product, {
        bookId,
        prices: [{ meterId: market.meterId, name: 'Fixed', terms: perUnit('3') }],
        effectiveAt: at(effectiveAt),
      });
    await fixed(ended.bookId, '2026-11-10T00:00:00Z');
    const versionId = await fixed(pinned.bookId, '2026-11-21T00:00:00Z');
    await product.app.services.contracts.create(product.scope(), {
      buyerId: pinned.tenantId,
      priceBookId: pinned.bookId,
      priceBookVersionId: versionId,
      startsAt: at('2026-11-05T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId: market.meterId, terms: perUnit('3') }] });
    await aContract(product, { buyerId: left.tenantId, bookId, startsAt: at('2026-11-10T00:00:00Z') });

    for (const buyer of [ended, pinned, left]) {
      await use(product, buyer, ['2026-11-12T10:00:00Z', '10']);
    }

    await worked();
    const touches = async () => Promise.all([ended, pinned, left].map(({ tenantId }) => touched(tenantId)));
    const before = await touches();
    await setCost(product, market, '2026-11-10T00:00:00Z', '2');
    await worked();
    expect(await touches()).toEqual(before);
  });

  test('is told once, and not when it is refused', async () => {
    const market = await aMarket(product);
    const buyer = await aBuyer(product, market);
    await use(product, buyer, ['2026-11-03T10:00:00Z', '10']);
    const once = { idempotencyKey: randomUUID() };
    await setCost(product, market, '2026-11-01T00:00:00Z', '2', once);
    await worked();
    const before = await touched(buyer.tenantId);
    expect(await setCost(product, market, '2026-11-01T00:00:00Z', '2', once)).toMatchObject({ replayed: true });
    await expect(setCost(product, market, '2026-11-01T00:00:00Z', '3')).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    await worked();
    expect(await touched(buyer.tenantId)).toEqual(before);
    expect(await charged(product, buyer)).toEqual(['2026-11 20 24']);
  });

  test('for the future prices usage dated ahead of now, and what comes in later by itself', async () => {
    const market = await aMarket(product);
    const buyer = await aBuyer(product, market);
    await setCost(product, market, '2026-01-01T00:00:00Z', '1');
    await use(product, buyer, ['2026-11-20T11:00:00Z', '10'], ['2026-11-21T11:00:00Z', '100']);
    await worked();
    expect(await charged(product, buyer)).toEqual(['2026-11 110 132']);
    await setCost(product, market, '2026-11-21T00:00:00Z', '2');
    await setCost(product, market, '2026-12-01T00:00:00Z', '3');
    await worked();
    expect(await charged(product, buyer)).toEqual(['2026-11 210 252']);
    // It takes effect, and nothing has to happen.
    product.setClock(at('2026-12-02T00:00:00Z'));
    await use(product, buyer, ['2026-12-01T12:00:00Z', '10']);
    await worked();
    expect(await charged(product, buyer)).toEqual(['2026-11 210 252', '2026-12 30 36']);
  });
});

test('a cost that was set late is rated although the job store loses every job once months were touched', async () => {
  const product = await aProduct({ now: NOW });
  const market = await aMarket(product);
  const buyer = await aBuyer(product, market);
  await use(product, buyer, ['2026-11-03T10:00:00Z', '10']);
  await setCost(product, market, '2026-11-01T00:00:00Z', '2');
  await product.app.services.rating.recost(product.scope(), at('2026-11-01T00:00:00Z'));

  while ((await product.app.relay.relayOnce()) > 0) {
    // Until nothing is left to tell.
  }

  expect(await asSuperuser(product.database, 'delete from bullmq.job returning 1')).not.toEqual([]);
  expect(await unpriced(product, buyer)).toEqual(['NO_COST 10']);
  // The sweeps look for what was touched two seconds ago.
  product.setClock(new Date(NOW.getTime() + 60_000));
  product.app.work();
  await until(async () => (await charged(product, buyer)).length > 0);
  expect([await charged(product, buyer), await unpriced(product, buyer)]).toEqual([['2026-11 20 24'], []]);
  await product.close();
});
