import { randomUUID } from 'node:crypto';
import type { VersionDraft } from '../../src/pricing/pricing.service.js';
import { aMeter, anEvent, aTenant, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const NOW = at('2026-11-20T12:00:00Z');
const NOVEMBER = at('2026-11-01T00:00:00Z');

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  meterId = await aMeter(product);
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

type DiscountGiven = NonNullable<VersionDraft['discounts']>[number];

const bySpend: DiscountGiven = {
  name: 'Volume discount',
  basis: 'SPEND',
  mode: 'GRADUATED',
  tiers: [{ upTo: '1000', rate: '0' }, { upTo: '5000', rate: '10' }, { rate: '20' }],
};
const byCommitment: DiscountGiven = {
  name: 'Committed use',
  basis: 'COMMITMENT',
  tiers: [{ upTo: '9999', rate: '0' }, { rate: '15' }],
};

const draft = async (bookId: string, discounts: readonly DiscountGiven[], given: Partial<VersionDraft> = {}) =>
  (
    await product.app.services.pricing.createVersion(product.scope(), {
      priceBookId: bookId,
      prices: [
        { meterId, name: 'Sol', pattern: { model: 'sol' }, terms: perUnit('10') },
        { meterId, name: 'Luna', pattern: { model: 'luna' }, terms: perUnit('1') },
      ],
      discounts,
      idempotencyKey: randomUUID(),
      ...given,
    })
  ).version.id;

const version = async (
  bookId: string,
  discounts: readonly DiscountGiven[],
  effectiveAt = at('2020-01-01T00:00:00Z'),
) => {
  const versionId = await draft(bookId, discounts);
  await product.app.services.pricing.publish(product.scope(), { versionId, effectiveAt });

  return versionId;
};

const aBook = async (): Promise<string> =>
  (
    await product.app.services.pricing.createBook(product.scope(), {
      name: `Book ${randomUUID()}`,
      currency: 'USD',
      idempotencyKey: randomUUID(),
    })
  ).book.id;

const aBuyer = async (bookId: string, commitmentAmount: string | null = null): Promise<string> => {
  const buyerId = await aTenant(product);
  await product.app.services.contracts.create(product.scope(), {
    buyerId,
    priceBookId: bookId,
    startsAt: NOVEMBER,
    graceHours: 24,
    commitmentAmount,
    idempotencyKey: randomUUID(),
  });

  return buyerId;
};

const use = async (
  tenantId: string,
  ...events: readonly (readonly [time: string, tokens: number, model: string])[]
) => {
  await product.app.services.usage.accept(
    product.scope(tenantId),
    events.map(([time, tokens, model]) => anEvent({ time, properties: { model, tokens } })),
    { keyId: 'test', isDryRun: false },
  );
  await rate(product, tenantId);
};

interface Charge {
  readonly name: string;
  readonly amount: string;
  readonly quantity: string;
  readonly meter_id: string | null;
  readonly price_id: string;
  readonly price_version_id: string;
  readonly generation: number;
  readonly explanation: Readonly<Record<string, unknown>>;
}

const charges = (tenantId: string) =>
  asSuperuser<Charge>(
    product.database,
    `select price_name as name, trim_scale(amount)::text as amount, trim_scale(quantity)::text as quantity, meter_id,
       price_id, price_version_id, generation, explanation
     from charge where tenant_id = $1 order by period_start, price_name, price_version_id, generation`,
    [tenantId],
  );

const amounts = async (tenantId: string) => (await charges(tenantId)).map(({ name, amount }) => [name, amount]);

async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
  const left = () => asSuperuser(product.database, 'select id from price_book_version order by id');
  const before = await left();
  await expect(work()).rejects.toMatchObject(expected);
  expect(await left()).toEqual(before);
}

describe('a discount by spend', () => {
  test('is a charge of its own, negative, without quantity and meter, and explains itself', async () => {
    const bookId = await aBook();
    const versionId = await version(bookId, [bySpend]);
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-02T10:00:00Z', 500, 'sol'], ['2026-11-03T10:00:00Z', 1_000, 'luna']);
    const [luna, sol, discount] = await charges(buyer);
    expect([luna?.amount, sol?.amount]).toEqual(['1000', '5000']);
    expect(discount).toMatchObject({
      name: 'Volume discount',
      amount: '-600',
      quantity: '0',
      meter_id: null,
      price_id: expect.stringMatching(/^dsc_/),
      price_version_id: versionId,
    });
    expect(discount?.explanation).toEqual({
      priceId: discount?.price_id,
      priceName: 'Volume discount',
      priceBookVersionId: versionId,
      priceBookVersionNumber: 1,
      meterId: null,
      dimensions: {},
      discount: 'SPEND',
      mode: 'GRADUATED',
      spendFrom: '0',
      spendTo: '6000',
      sentence:
        'Volume discount on 6000 USD of spend; tier 2 (1000 to 5000): 10 % off 4000: -400; tier 3 (5000 to any amount): 20 % off 1000: -200; in total -600 USD.',
      cumulativeAmount: '-600',
      billedBefore: '0',
      steps: [
        expect.objectContaining({ kind: 'DISCOUNT', tier: 2, percent: '10', quantity: '4000', amount: '-400' }),
        expect.objectContaining({ kind: 'DISCOUNT', tier: 3, percent: '20', quantity: '1000', amount: '-200' }),
      ],
    });
  });

  test('grows with the spend, and late usage after the invoice adjusts it', async () => {
    const bookId = await aBook();
    await version(bookId, [bySpend]);
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-02T10:00:00Z', 90, 'sol']);
    expect(await amounts(buyer)).toEqual([['Sol', '900']]);
    await use(buyer, ['2026-11-02T10:00:00Z', 60, 'sol']);
    expect(await amounts(buyer)).toEqual([
      ['Sol', '1500'],
      ['Volume discount', '-50'],
    ]);
    product.setClock(at('2026-12-02T12:00:00Z'));
    const [draftInvoice] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from invoice where tenant_id = $1',
      [buyer],
    );
    const { invoice } = await product.app.services.invoicing.issue(product.scope(buyer), {
      invoiceId: draftInvoice?.id ?? '',
      acceptUnpriced: false,
      idempotencyKey: randomUUID(),
    });
    expect(JSON.parse(invoice.document ?? '')).toMatchObject({
      total: '1450',
      lines: [
        { description: 'Sol', amount: '1500' },
        { description: 'Volume discount', amount: '-50', quantity: '0' },
      ],
    });
    await use(buyer, ['2026-11-30T10:00:00Z', 10, 'sol']);
    expect((await charges(buyer)).map(({ name, amount, generation }) => [name, amount, generation])).toEqual([
      ['Sol', '1500', 0],
      ['Sol', '100', 1],
      ['Volume discount', '-50', 0],
      ['Volume discount', '-10', 1],
    ]);
  });

  test('goes on over a new version with the same discounts as if nothing had happened', async () => {
    const bookId = await aBook();
    await version(bookId, [bySpend]);
    const cut = at('2026-11-10T00:00:00Z');
    const second = await version(bookId, [bySpend], cut);
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-02T10:00:00Z', 200, 'sol'], ['2026-11-12T10:00:00Z', 400, 'sol']);
    const discounts = (await charges(buyer)).filter(({ meter_id }) => meter_id === null);
    // 10 % of the 1000 above 1000 until then; from there on 10 % of 3000 and 20 % of 1000.
    expect(discounts.map(({ amount }) => amount)).toEqual(['-100', '-500']);
    expect(discounts[1]).toMatchObject({
      price_version_id: second,
      explanation: { spendFrom: '2000', spendTo: '6000' },
    });
  });

  test('counts for alerts and drafts what it leaves to pay', async () => {
    const bookId = await aBook();
    await version(bookId, [{ ...bySpend, tiers: [{ rate: '50' }] }]);
    const buyer = await aBuyer(bookId);
    await product.app.services.alerts.create(
      product.scope(buyer),
      { name: 'a', budget: null, thresholds: [{ amount: '600' }, { amount: '400' }], idempotencyKey: randomUUID() },
      product.app.services.rating,
    );
    await use(buyer, ['2026-11-02T10:00:00Z', 100, 'sol']);
    expect(
      await asSuperuser(product.database, 'select threshold, spend::text from alert_firing where tenant_id = $1', [
        buyer,
      ]),
    ).toEqual([{ threshold: 'amount:400', spend: '500' }]);
  });
});

describe('a discount for a commitment', () => {
  test('takes the rate that the contract’s commitment reaches off all that it covers', async () => {
    const bookId = await aBook();
    await version(bookId, [{ ...byCommitment, meterId, dimensions: { model: 'sol' } }]);
    const [much, little, none] = [await aBuyer(bookId, '10000'), await aBuyer(bookId, '9999'), await aBuyer(bookId)];

    for (const buyer of [much, little, none]) {
      await use(buyer, ['2026-11-02T10:00:00Z', 10, 'sol'], ['2026-11-02T10:00:00Z', 10, 'luna']);
    }

    expect(await amounts(much)).toEqual([
      ['Committed use', '-15'],
      ['Luna', '10'],
      ['Sol', '100'],
    ]);
    expect((await charges(much))[0]).toMatchObject({
      meter_id: meterId,
      explanation: {
        discount: 'COMMITMENT',
        commitmentAmount: '10000',
        dimensions: { model: 'sol' },
        sentence:
          'Committed use for a commitment of 10000 USD, on 100 USD of spend; tier 2 (9999 to any amount): 15 % off 100: -15; in total -15 USD.',
      },
    });

    for (const buyer of [little, none]) {
      expect(await amounts(buyer)).toEqual([
        ['Luna', '10'],
        ['Sol', '100'],
      ]);
    }
  });
});

describe('the discounts of a version', () => {
  test.each<[string, DiscountGiven, string, readonly string[]]>([
    ['no name', { ...bySpend, name: ' ' }, 'INVALID_INPUT', ['name']],
    ['a currency that is none', { ...bySpend, currency: 'XYZ' }, 'INVALID_INPUT', ['currency']],
    ['no tiers', { ...bySpend, tiers: [] }, 'INVALID_INPUT', ['tiers']],
    ['a rate above 100', { ...bySpend, tiers: [{ rate: '101' }] }, 'INVALID_INPUT', ['tiers', '0', 'rate']],
    ['graduated tiers for a commitment', { ...byCommitment, mode: 'GRADUATED' }, 'INVALID_INPUT', ['mode']],
    ['a meter that is none', { ...bySpend, meterId: 'mtr_x' }, 'NOT_FOUND', ['meterId']],
    ['a dimension that prices do not name', { ...bySpend, dimensions: { region: 'eu' } }, 'INVALID_INPUT', []],
    ['a currency without a price', { ...bySpend, currency: 'EUR' }, 'INVALID_INPUT', []],
  ])('with %s are refused', async (_what, discount, code, field) => {
    const bookId = await aBook();
    await refused(() => draft(bookId, [byCommitment, discount]), { code, field: ['discounts', '1', ...field] });
  });

  test('are a hundred at most', async () => {
    const bookId = await aBook();
    await refused(
      () =>
        draft(
          bookId,
          Array.from({ length: 101 }, () => bySpend),
        ),
      { field: ['discounts'] },
    );
  });

  test('are not those of the book whose prices it takes over', async () => {
    const parent = await aBook();
    await version(parent, [bySpend]);
    const bookId = await aBook();
    const versionId = await draft(bookId, [], { prices: [], basis: { priceBookId: parent } });
    await product.app.services.pricing.publish(product.scope(), { versionId, effectiveAt: at('2020-01-01T00:00:00Z') });
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-02T10:00:00Z', 500, 'sol']);
    expect(await amounts(buyer)).toEqual([['Sol', '5000']]);
  });

  test('are taken off prices that it takes over, as one charge while those change', async () => {
    const parent = await aBook();
    await version(parent, []);
    await version(parent, [], at('2026-11-10T00:00:00Z'));
    const bookId = await aBook();
    const versionId = await draft(bookId, [bySpend], { prices: [], basis: { priceBookId: parent } });
    await product.app.services.pricing.publish(product.scope(), { versionId, effectiveAt: at('2020-01-01T00:00:00Z') });
    const buyer = await aBuyer(bookId);
    await use(buyer, ['2026-11-02T10:00:00Z', 200, 'sol'], ['2026-11-12T10:00:00Z', 400, 'sol']);
    expect(await amounts(buyer)).toEqual([
      ['Sol', '2000'],
      ['Sol', '4000'],
      ['Volume discount', '-600'],
    ]);
    const discount = (await charges(buyer)).at(-1);
    expect(discount?.explanation).toMatchObject({ spendFrom: '0', spendTo: '6000' });
  });

  test('never change, not even in a draft', async () => {
    const versionId = await draft(await aBook(), [bySpend]);
    await expect(
      asSuperuser(product.database, `update price_book_version set discounts = '[]' where id = $1`, [versionId]),
    ).rejects.toThrow('never changed');
  });
});
