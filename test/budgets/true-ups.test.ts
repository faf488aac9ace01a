import { randomUUID } from 'node:crypto';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import { aGrant, leftOf } from '../credits/credits.js';
import { aBudget, aContract, aMeter, aPriceBook, aTenant, aVersion, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, type Product } from '../support/product.js';
import { aCustomer, asking, type Chain, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

describe('a budget comes to what is billed', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    ({ product, chain, customerId, key } = await aCustomer(NOW));
  });

  afterEach(() => product.close());

  const { used, settle, post, record } = asking(() => ({ product, chain, key }));

  /** Another customer on a book of one price, with a budget, credits and a key. */
  const aBuyer = async (meter: Parameters<typeof aMeter>[1], terms: PriceTermsJson) => {
    const type = `t.${randomUUID()}`;
    const meterId = await aMeter(product, { eventType: type, ...meter });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms }] });
    const buyerId = await aTenant(product, { parentId: chain.resellerId });
    await aContract(product, { buyerId, bookId });
    const budgetId = await aBudget(product, { tenantId: buyerId, amount: '1000' });
    const grantId = await aGrant(product, buyerId, { amount: '1000' });
    later();

    return {
      type,
      bookId,
      meterId,
      buyerId,
      budgetId,
      grantId,
      key: await aKey(product.app, product.scope(buyerId), ['holds:write', 'usage:write']),
    };
  };
  const later = (ms = 2_000) => product.setClock(new Date(product.app.clock().getTime() + ms));
  type Buyer = Pick<Awaited<ReturnType<typeof aBuyer>>, 'buyerId' | 'budgetId' | 'grantId'>;

  /** What a budget has come to, what credits have paid, and what is billed. */
  const figuresOf = async ({ buyerId, budgetId, grantId }: Buyer) => {
    const [charged] = await asSuperuser<{ amount: string }>(
      product.database,
      'select trim_scale(coalesce(sum(amount), 0))::text as amount from charge where tenant_id = $1',
      [buyerId],
    );

    return {
      counted: (await windowsOf(product))[budgetId]?.split('+')[0] ?? '0',
      burned: String(1000 - Number((await leftOf(product, buyerId))[grantId])),
      billed: charged?.amount,
    };
  };
  const ratedFiguresOf = async (buyer: Buyer) => {
    await rate(product, buyer.buyerId);
    const figures = await figuresOf(buyer);
    // Whatever is rated once more counts nothing twice.
    await rate(product, buyer.buyerId);
    expect(await figuresOf(buyer)).toEqual(figures);

    return figures;
  };

  test('at once, at the price of the time at which usage happened', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '1000' });
    const grantId = await aGrant(product, customerId, {
      amount: '1000',
      effectiveAt: new Date('2026-11-01T00:00:00Z'),
    });
    await aVersion(product, {
      bookId: chain.bookId,
      prices: [{ meterId: chain.meterId, terms: perUnit('100') }],
      effectiveAt: new Date('2026-11-11T00:00:00Z'),
    });
    product.setClock(new Date('2026-11-11T00:00:30Z'));
    await record(used(1, { time: '2026-11-10T23:59:59Z' }), used(1, { time: '2026-11-11T00:00:00Z' }));
    const buyer = { buyerId: customerId, budgetId, grantId };
    expect(await figuresOf(buyer)).toEqual({ counted: '101', burned: '101', billed: '0' });
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '101', burned: '101', billed: '101' });
  });

  test('for what happened before the end of a contract and comes later', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '1000' });
    const grantId = await aGrant(product, customerId, { amount: '1000' });
    await asSuperuser(product.database, 'update contract set ends_at = $2 where tenant_id = $1', [
      customerId,
      new Date('2026-11-11T00:00:00Z'),
    ]);
    product.setClock(new Date('2026-11-11T06:00:00Z'));
    await record(used(3, { time: '2026-11-10T15:00:00Z' }));
    const buyer = { buyerId: customerId, budgetId, grantId };
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '3', burned: '3', billed: '3' });
  });

  test('at once, through the tiers that a batch walks', async () => {
    const buyer = await aBuyer({}, graduated(['100', '0'], [null, '1']));
    await product.postUsage(
      buyer.key,
      [1, 2, 3].map(() => used(100, { type: buyer.type })),
    );
    expect(await figuresOf(buyer)).toEqual({ counted: '200', burned: '200', billed: '0' });
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '200', burned: '200', billed: '200' });
  });

  test('at once, for a call that is settled with several events', async () => {
    const buyer = await aBuyer({}, graduated(['10', '5'], [null, '1']));
    const { body } = await post(
      'authorize',
      { eventType: buyer.type, properties: { tokens: 20, model: 'm' }, idempotencyKey: 'a' },
      buyer.key,
    );
    const events = [used(10, { type: buyer.type }), used(10, { type: buyer.type })];
    const settled = await settle(body.hold.id, events, buyer.key);
    expect([body.hold.amount, settled.body.hold.actual, settled.body.hold.overrun]).toEqual(['60', '60', '0']);
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '60', burned: '60', billed: '60' });
  });

  test('when it is rated, from tiers that were counted before the rating had moved them', async () => {
    const buyer = await aBuyer({}, graduated(['10', '0'], [null, '1']));
    const five = () => product.postUsage(buyer.key, [used(8, { type: buyer.type })]);
    await five();
    await five();
    await five();
    expect((await figuresOf(buyer)).counted).toBe('0');
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '14', burned: '0', billed: '14' });
    later();
    await five();
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '22', burned: '8', billed: '22' });
  });

  test('when it is rated, less than it was counted at', async () => {
    const buyer = await aBuyer({}, {
      model: 'VOLUME',
      tiers: [
        { upTo: '10', unitAmount: '3' },
        { upTo: null, unitAmount: '2' },
      ],
    } as PriceTermsJson);
    await product.postUsage(buyer.key, [used(10, { type: buyer.type })]);
    await product.postUsage(buyer.key, [used(5, { type: buyer.type })]);
    expect((await figuresOf(buyer)).counted).toBe('45');
    expect(await ratedFiguresOf(buyer)).toMatchObject({ counted: '30', billed: '30' });
  });

  test.each([
    ['MAX', '5'],
    ['LATEST', '5'],
    ['UNIQUE_COUNT', '1'],
  ] as const)('when it is rated, of a meter that is %s, which does not add up', async (aggregation, billed) => {
    const buyer = await aBuyer({ aggregation }, perUnit('1'));

    for (let n = 0; n < 6; n++) {
      await product.postUsage(buyer.key, [used(5, { type: buyer.type })]);
    }

    // Credits pay for it when it is billed, for only then is it known.
    expect(await figuresOf(buyer)).toEqual({ counted: '0', burned: '0', billed: '0' });
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: billed, burned: '0', billed });
  });

  test('when a minimum is due at the end of the period, in its last window', async () => {
    const buyer = await aBuyer({}, { ...perUnit('1'), minimum: '50' });
    const monthly = await aBudget(product, { tenantId: buyer.buyerId, amount: '1000', per: 'MONTH' });
    await product.postUsage(buyer.key, [used(8, { type: buyer.type })]);
    expect((await ratedFiguresOf(buyer)).counted).toBe('8');
    product.setClock(new Date('2026-12-01T00:00:05Z'));
    const { counted, billed } = await ratedFiguresOf(buyer);
    const atDecember = (await windowsOf(product))[monthly];
    expect([billed, counted, atDecember]).toEqual(['50', '50', '50+0']);
    const windows = await asSuperuser<{ start: Date }>(
      product.database,
      `select distinct start from (select limit_id, start, used from limit_window
         union all select limit_id, start, used from limit_entry) w where limit_id = $1 and used <> 0`,
      [monthly],
    );
    expect(windows.map(({ start }) => start.toISOString().slice(0, 7))).toEqual(['2026-11']);
  });

  test('when it is rated, of usage whose cost was not known', async () => {
    const meterKey = `cost_${randomUUID().replaceAll('-', '')}`;
    const buyer = await aBuyer({ key: meterKey }, { model: 'COST_PLUS', markup: '1' } as PriceTermsJson);
    const { model } = await product.app.services.catalog.createModel(product.scope(), {
      key: 'm',
      provider: 'p',
      family: 'f',
      modality: 'text',
      contextBands: [],
      idempotencyKey: randomUUID(),
    });
    await product.postUsage(buyer.key, [used(100, { type: buyer.type })]);
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '0', burned: '0', billed: '0' });
    await product.app.services.catalog.setCost(product.scope(), {
      modelId: model.id,
      effectiveAt: new Date('2026-11-01T00:00:00Z'),
      currency: 'USD',
      rates: [{ kind: meterKey, amount: '1', per: '1' }],
      source: 'an invoice',
      idempotencyKey: randomUUID(),
    });
    later();
    await product.postUsage(buyer.key, [used(1, { type: buyer.type })]);
    expect(await ratedFiguresOf(buyer)).toEqual({ counted: '101', burned: '1', billed: '101' });
  });

  test('and not of a key, a meter, or a model that it does not count', async () => {
    const buyer = await aBuyer(
      { dimensions: [{ name: 'model', property: 'model' }] },
      graduated(['10', '0'], [null, '1']),
    );
    const otherMeterId = await aMeter(product, { eventType: 'other' });
    const [{ id: keyId } = { id: '' }] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from api_key where tenant_id = $1',
      [buyer.buyerId],
    );
    const budget = (more: object) => aBudget(product, { tenantId: buyer.buyerId, amount: '1000', ...more });
    const [ofMeter, ofOther, ofModel, ofKey] = [
      await budget({ meterId: buyer.meterId }),
      await budget({ meterId: otherMeterId }),
      await budget({ model: 'm' }),
      await budget({ keyId }),
    ];
    const ofSeller = await aBudget(product, { tenantId: chain.resellerId, amount: '1000' });
    await product.postUsage(buyer.key, [used(8, { type: buyer.type })]);
    await product.postUsage(buyer.key, [used(8, { type: buyer.type })]);
    await rate(product, buyer.buyerId);
    const windows = await windowsOf(product);
    // A bill knows no keys, and the price is for every model.
    expect([ofMeter, ofOther, ofModel, ofKey, ofSeller].map(id => windows[id] ?? '0+0')).toEqual([
      '6+0',
      '0+0',
      '0+0',
      '0+0',
      '6+0',
    ]);
  });

  test('in the transaction of the rating: whoever rates at the same time counts it once', async () => {
    const buyer = await aBuyer({}, graduated(['10', '0'], [null, '1']));
    await Promise.all(Array.from({ length: 10 }, () => product.postUsage(buyer.key, [used(8, { type: buyer.type })])));
    await Promise.all(Array.from({ length: 8 }, () => rate(product, buyer.buyerId)));
    expect(await figuresOf(buyer)).toMatchObject({ counted: '70', billed: '70' });
  });
});

function graduated(...tiers: readonly (readonly [string | null, string])[]): PriceTermsJson {
  return {
    model: 'GRADUATED',
    tiers: tiers.map(([upTo, unitAmount]) => ({ upTo, unitAmount })),
  } as PriceTermsJson;
}
