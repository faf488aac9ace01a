import { randomUUID } from 'node:crypto';
import { decimal, formatDecimal } from '../../src/money/index.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import {
  aContract,
  aMeter,
  anEvent,
  aPriceBook,
  aTenant,
  aVersion,
  perUnit,
  rate,
  type PriceGiven,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);

/** What the rules do with windows, costs, single events and levels is in `charge.rules.test.ts`; here it meets the rows. */
describe('rating by', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
  });

  beforeEach(() => product.setClock(at('2026-11-20T12:00:00Z')));

  afterAll(() => product.close());

  interface Buyer {
    readonly tenantId: string;
    readonly meterId: string;
    readonly meterKey: string;
    readonly eventType: string;
    readonly bookId: string;
  }

  /** A customer from November on, with a meter and an event type of its own. */
  async function aBuyer(
    pricesOf: (meterId: string) => readonly PriceGiven[],
    meter: Parameters<typeof aMeter>[1] = {},
  ): Promise<Buyer> {
    const eventType = `event.${randomUUID()}`;
    const meterKey = `meter_${randomUUID().replaceAll('-', '')}`;
    const meterId = await aMeter(product, { key: meterKey, eventType, valueProperty: 'value', ...meter });
    const tenantId = await aTenant(product);
    const { bookId } = await aPriceBook(product, { prices: pricesOf(meterId) });
    await aContract(product, { buyerId: tenantId, bookId, startsAt: at('2026-11-01T00:00:00Z') });

    return { tenantId, meterId, meterKey, eventType, bookId };
  }

  async function use(
    { tenantId, eventType }: Buyer,
    ...events: readonly (readonly [time: string, value: string, model?: string])[]
  ): Promise<void> {
    const receipt = await product.app.services.usage.accept(
      product.scope(tenantId),
      events.map(([time, value, model]) =>
        anEvent({ type: eventType, time, properties: { value, model: model ?? 'm' } }),
      ),
      { keyId: 'test', isDryRun: false },
    );
    expect(receipt).toEqual({ accepted: events.length, duplicates: [], conflicts: [], rejected: [] });
    await rate(product, tenantId);
  }

  /** Each charge as name, quantity and amount. */
  const charged = async ({ tenantId }: Buyer): Promise<string[]> =>
    (
      await asSuperuser<{ text: string }>(
        product.database,
        `select concat_ws(' ', price_name, trim_scale(quantity), trim_scale(amount)) as text from charge
         where tenant_id = $1 order by price_name, generation`,
        [tenantId],
      )
    ).map(({ text }) => text);

  const unpriced = async ({ tenantId }: Buyer): Promise<string[]> =>
    (
      await asSuperuser<{ text: string }>(
        product.database,
        `select concat_ws(' ', reason, trim_scale(quantity)) as text from unpriced_usage where tenant_id = $1 order by 1`,
        [tenantId],
      )
    ).map(({ text }) => text);

  test('hours of the day takes each quarter hour at its own price', async () => {
    const buyer = await aBuyer(meterId => [
      { meterId, name: 'Day', terms: perUnit('2') },
      {
        meterId,
        name: 'Night',
        terms: perUnit('1'),
        window: { daily: { start: '20:00', end: '08:00', timeZone: 'Europe/Berlin' } },
      },
    ]);
    await use(
      buyer,
      ['2026-11-05T06:59:59Z', '1'],
      ['2026-11-05T07:00:00Z', '10'],
      ['2026-11-05T18:59:59Z', '100'],
      ['2026-11-05T19:00:00Z', '1000'],
    );
    expect(await charged(buyer)).toEqual(['Day 110 220', 'Night 1001 1001']);
  });

  test('a promotion takes usage out of the list price for its time, whose tiers count on without it', async () => {
    const GRADUATED: PriceTermsJson = {
      model: 'GRADUATED',
      tiers: [
        { upTo: '100', unitAmount: '1' },
        { upTo: null, unitAmount: '0.5' },
      ],
    };
    const buyer = await aBuyer(meterId => [{ meterId, name: 'List', terms: GRADUATED }]);
    const effectiveAt = at('2026-11-01T00:00:00Z');
    await aVersion(product, {
      bookId: buyer.bookId,
      prices: [
        { meterId: buyer.meterId, name: 'List', terms: GRADUATED },
        {
          meterId: buyer.meterId,
          name: 'Promotion',
          terms: perUnit('0.1'),
          window: { from: '2026-11-10T00:00:00Z', until: '2026-11-12T00:00:00Z' },
        },
      ],
      effectiveAt,
    });
    await use(buyer, ['2026-11-02T00:00:00Z', '90'], ['2026-11-11T23:59:59Z', '1000'], ['2026-11-12T00:00:00Z', '20']);
    expect(await charged(buyer)).toEqual(['List 110 105', 'Promotion 1000 100']);
  });

  test('cost follows a cost that changes within the period, and leaves unpriced what has none', async () => {
    const { catalog, rating } = product.app.services;
    const model = `model-${randomUUID()}`;
    const { model: entered } = await catalog.createModel(product.scope(), {
      key: model,
      provider: 'p',
      family: 'f',
      modality: 'text',
      contextBands: [],
      idempotencyKey: randomUUID(),
    });
    const buyer = await aBuyer(meterId => [{ meterId, name: 'Plus', terms: { model: 'COST_PLUS', markup: '1.2' } }]);
    const setCost = (effectiveAt: string, amount: string) =>
      catalog.setCost(product.scope(), {
        modelId: entered.id,
        effectiveAt: at(effectiveAt),
        currency: 'USD',
        rates: [{ kind: buyer.meterKey, amount, per: '1000' }],
        source: 'an invoice',
        idempotencyKey: randomUUID(),
      });
    await setCost('2026-11-05T00:00:00Z', '2');
    await setCost('2026-11-10T10:07:00Z', '3');
    await use(
      buyer,
      ['2026-11-04T23:59:59Z', '700', model],
      ['2026-11-05T00:00:00Z', '1000', model],
      // The new cost counts from the next quarter hour on.
      ['2026-11-10T10:14:59Z', '1000', model],
      ['2026-11-10T10:15:00Z', '2000', model],
      ['2026-11-10T10:15:00Z', '5', 'a model that nobody entered'],
    );
    // 4 and 6, and a fifth on top; the quantity is what it cost us.
    expect(await charged(buyer)).toEqual(['Plus 10 12']);
    expect(await unpriced(buyer)).toEqual(['NO_COST 5', 'NO_COST 700']);
    await setCost('2026-11-01T00:00:00Z', '1');
    await rating.rerate(product.scope(buyer.tenantId), at('2026-11-01T00:00:00Z'));
    expect(await charged(buyer)).toEqual(['Plus 10.7 12.84']);
    expect(await unpriced(buyer)).toEqual(['NO_COST 5']);
  });

  test('single events asks for the same over a change to the same prices, and by event', async () => {
    const FEES: PriceTermsJson = {
      model: 'PERCENTAGE',
      rate: '2',
      fixedAmount: '0.3',
      freeEvents: '1',
      perEventMaximum: '5',
    };
    const buyer = await aBuyer(meterId => [{ meterId, name: 'Fees', terms: FEES }], { keepsEvents: true });
    await use(
      buyer,
      ['2026-11-03T00:00:00Z', '100'],
      ['2026-11-02T00:00:00Z', '1000'],
      ['2026-11-16T00:00:00Z', '400'],
      ['2026-11-14T00:00:00Z', '40'],
    );
    // The first in time is free; 2.3, 1.1, and 8.3 cut to 5.
    expect(await charged(buyer)).toEqual(['Fees 1540 8.4']);
    const effectiveAt = at('2026-11-15T00:00:00Z');
    await aVersion(product, {
      bookId: buyer.bookId,
      prices: [{ meterId: buyer.meterId, name: 'Fees again', terms: FEES }],
      effectiveAt,
    });
    await product.app.services.rating.rerate(product.scope(buyer.tenantId), effectiveAt);
    expect(await charged(buyer)).toEqual(['Fees 1140 3.4', 'Fees again 400 5']);
    // A late event takes the free place, and what had it pays.
    await use(buyer, ['2026-11-01T00:00:00Z', '10']);
    expect(await charged(buyer)).toEqual(['Fees 1150 8.4', 'Fees again 400 5']);
  });

  test('level charges what changes within the period for the rest of it, over a change of prices', async () => {
    const buyer = await aBuyer(meterId => [{ meterId, name: 'Old', terms: perUnit('30') }], {
      aggregation: 'TIME_WEIGHTED',
    });
    await use(buyer, ['2026-11-07T00:00:00Z', '3'], ['2026-11-19T12:07:30Z', '-2']);
    // 3 for 24 of 30 days, 2 fewer for 11.49479 of them.
    const whole = decimal('3').times(24).minus(decimal('2').times('11.494791666666666666666666666666666667'));
    expect((await charged(buyer)).map(text => text.slice(0, 14))).toEqual([
      `Old ${formatDecimal(whole.div(30)).slice(0, 10)}`,
    ]);
    await aVersion(product, {
      bookId: buyer.bookId,
      prices: [{ meterId: buyer.meterId, name: 'New', terms: perUnit('60') }],
      effectiveAt: at('2026-11-16T00:00:00Z'),
    });
    await product.app.services.rating.rerate(product.scope(buyer.tenantId), at('2026-11-16T00:00:00Z'));
    // 3 for 9 days until the 16th: 0.9.
    expect((await charged(buyer)).filter(text => text.startsWith('Old'))).toEqual(['Old 0.9 27']);
  });

  test('an amount due at zero quantity asks once when the same price is published again', async () => {
    const FLAT: PriceTermsJson = { model: 'FLAT', flatAmount: '10' };
    const buyer = await aBuyer(meterId => [{ meterId, name: 'Fee', terms: FLAT }]);
    expect(await charged(buyer)).toEqual([]);
    await use(buyer, ['2026-11-18T00:00:00Z', '5']);
    expect(await charged(buyer)).toEqual(['Fee 5 10']);
    const effectiveAt = at('2026-11-15T00:00:00Z');
    await aVersion(product, {
      bookId: buyer.bookId,
      prices: [{ meterId: buyer.meterId, name: 'Fee again', terms: FLAT }],
      effectiveAt,
    });
    await product.app.services.rating.rerate(product.scope(buyer.tenantId), effectiveAt);
    expect(await charged(buyer)).toEqual(['Fee 0 10', 'Fee again 5 0']);
  });

  test('currency leaves usage unpriced that has a price in another one only', async () => {
    const buyer = await aBuyer(meterId => [
      { meterId, name: 'Euro', pattern: { model: 'e' }, currency: 'EUR', terms: perUnit('1') },
      { meterId, name: 'Dollar', pattern: { model: 'd' }, terms: perUnit('1') },
    ]);
    await use(buyer, ['2026-11-02T00:00:00Z', '5', 'e'], ['2026-11-02T00:00:00Z', '7', 'd']);
    expect(await charged(buyer)).toEqual(['Dollar 7 7']);
    expect(await unpriced(buyer)).toEqual(['NO_PRICE 5']);
  });
});
