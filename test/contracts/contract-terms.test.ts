import { randomUUID } from 'node:crypto';
import { aMeter, anEvent, aPriceBook, aTenant, aVersion, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const NOW = at('2026-11-20T12:00:00Z');
const LONG_AGO = at('2020-01-01T00:00:00Z');

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  meterId = await aMeter(product);
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

const create = (input: {
  readonly buyerId: string;
  readonly priceBookId: string;
  readonly priceBookVersionId?: string;
  readonly currency?: string;
  readonly commitmentAmount?: string;
  readonly startsAt?: Date;
  readonly idempotencyKey?: string;
}) =>
  product.app.services.contracts.create(product.scope(), {
    startsAt: LONG_AGO,
    graceHours: 24,
    idempotencyKey: randomUUID(),
    ...input,
  });

async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
  const left = async (): Promise<object[]> => [
    ...(await asSuperuser(product.database, 'select * from contract order by id')),
    ...(await asSuperuser(product.database, 'select id, status from price_book_version order by id')),
    ...(await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id')),
    ...(await asSuperuser(product.database, 'select id from outbox order by id')),
    ...(await asSuperuser(product.database, 'select key from idempotency order by key')),
  ];
  const before = await left();
  await expect(work()).rejects.toMatchObject(expected);
  expect(await left()).toEqual(before);
}

const use = async (
  tenantId: string,
  ...events: readonly (readonly [time: string, tokens: number, model?: string])[]
) => {
  await product.app.services.usage.accept(
    product.scope(tenantId),
    events.map(([time, tokens, model = 'm']) => anEvent({ time, properties: { model, tokens } })),
    { keyId: 'test', isDryRun: false },
  );
  await rate(product, tenantId);
};

const charges = (tenantId: string) =>
  asSuperuser<{ currency: string; amount: string; version: string }>(
    product.database,
    `select currency, trim_scale(amount)::text as amount, price_version_id as version from charge
     where tenant_id = $1 order by amount`,
    [tenantId],
  );

const unpriced = (tenantId: string) =>
  asSuperuser<{ quantity: string; reason: string; dimensions: string }>(
    product.database,
    `select trim_scale(quantity)::text as quantity, reason, dimensions from unpriced_usage where tenant_id = $1 order by 3`,
    [tenantId],
  );

describe('the currency of a contract', () => {
  test('may be any in which the book has a price, and only prices in it apply', async () => {
    const { bookId } = await aPriceBook(product, {
      prices: [
        { meterId, terms: perUnit('2') },
        { meterId, currency: 'EUR', terms: perUnit('1.9') },
      ],
    });
    const [dollars, euros] = [await aTenant(product), await aTenant(product)];
    expect((await create({ buyerId: dollars, priceBookId: bookId })).contract.currency).toBe('USD');
    expect((await create({ buyerId: euros, priceBookId: bookId, currency: 'EUR' })).contract.currency).toBe('EUR');

    for (const buyer of [dollars, euros]) {
      await use(buyer, ['2026-11-03T10:00:00Z', 10]);
    }

    expect(await charges(dollars)).toMatchObject([{ currency: 'USD', amount: '20' }]);
    expect(await charges(euros)).toMatchObject([{ currency: 'EUR', amount: '19' }]);
    const drafts = await asSuperuser<{ currency: string }>(
      product.database,
      'select currency from invoice where tenant_id = $1',
      [euros],
    );
    expect(drafts).toEqual([{ currency: 'EUR' }]);
  });

  test('need not be that of the buyer', async () => {
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('2') }] });
    const buyerId = await aTenant(product, { currency: 'JPY' });
    expect((await create({ buyerId, priceBookId: bookId })).contract.currency).toBe('USD');
  });

  test('leaves usage without a price in it unpriced, and converts nothing', async () => {
    const { bookId } = await aPriceBook(product, {
      prices: [
        { meterId, terms: perUnit('2') },
        { meterId, currency: 'EUR', pattern: { model: 'priced' }, terms: perUnit('1') },
      ],
    });
    const buyerId = await aTenant(product);
    await create({ buyerId, priceBookId: bookId, currency: 'EUR' });
    await use(buyerId, ['2026-11-03T10:00:00Z', 10], ['2026-11-03T10:00:00Z', 3, 'priced']);
    expect(await charges(buyerId)).toMatchObject([{ currency: 'EUR', amount: '3' }]);
    expect(await unpriced(buyerId)).toEqual([{ quantity: '10', reason: 'NO_PRICE', dimensions: '{"model":"m"}' }]);
  });

  test('in which no version of the book has a price is refused, the book’s own one too', async () => {
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, currency: 'EUR', terms: perUnit('2') }] });
    const buyerId = await aTenant(product);
    await refused(() => create({ buyerId, priceBookId: bookId, currency: 'GBP' }), {
      code: 'INVALID_INPUT',
      field: ['currency'],
      message: expect.stringContaining('choose a currency it has (EUR)'),
    });
    await refused(() => create({ buyerId, priceBookId: bookId }), { code: 'INVALID_INPUT', field: ['currency'] });
    await refused(() => create({ buyerId, priceBookId: bookId, currency: 'eur' }), { field: ['currency'] });
  });

  test('may be one of a draft, and that of a book without any version', async () => {
    const { pricing } = product.app.services;
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('2') }] });
    await pricing.createVersion(product.scope(), {
      priceBookId: bookId,
      prices: [{ meterId, name: 'x', currency: 'GBP', pattern: {}, terms: perUnit('1') }],
      idempotencyKey: randomUUID(),
    });
    expect(
      (await create({ buyerId: await aTenant(product), priceBookId: bookId, currency: 'GBP' })).contract,
    ).toMatchObject({
      currency: 'GBP',
    });
    const { book } = await pricing.createBook(product.scope(), {
      name: `Book ${randomUUID()}`,
      currency: 'CHF',
      idempotencyKey: randomUUID(),
    });
    const buyerId = await aTenant(product);
    await refused(() => create({ buyerId, priceBookId: book.id, currency: 'USD' }), { field: ['currency'] });
    expect((await create({ buyerId, priceBookId: book.id })).contract.currency).toBe('CHF');
  });

  test('may be the one into which a book converts what it takes over, and not the one from which', async () => {
    const { pricing, fxSnapshots } = product.app.services;
    const { bookId: parent } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('2') }] });
    const { snapshot } = await fxSnapshots.create(product.scope(), {
      base: 'USD',
      quote: 'EUR',
      rate: '0.92',
      asOf: at('2026-11-01T00:00:00Z'),
      source: 'ECB',
      idempotencyKey: randomUUID(),
    });
    const { book } = await pricing.createBook(product.scope(), {
      name: `Book ${randomUUID()}`,
      currency: 'USD',
      idempotencyKey: randomUUID(),
    });
    const { version } = await pricing.createVersion(product.scope(), {
      priceBookId: book.id,
      prices: [],
      basis: { priceBookId: parent, fxSnapshotId: snapshot.id },
      idempotencyKey: randomUUID(),
    });
    await pricing.publish(product.scope(), { versionId: version.id, effectiveAt: LONG_AGO });
    const buyerId = await aTenant(product);
    await refused(() => create({ buyerId, priceBookId: book.id, currency: 'USD' }), { field: ['currency'] });
    await create({ buyerId, priceBookId: book.id, currency: 'EUR' });
    await use(buyerId, ['2026-11-03T10:00:00Z', 10]);
    expect(await charges(buyerId)).toMatchObject([{ currency: 'EUR', amount: '18.4' }]);
  });

  test('marks up costs in the currency in which they were entered, converted as the price is', async () => {
    const { pricing, fxSnapshots, catalog } = product.app.services;
    const { model } = await catalog.createModel(product.scope(), {
      key: `model-${randomUUID()}`,
      provider: 'own',
      family: 'own',
      modality: 'text',
      contextBands: [],
      idempotencyKey: randomUUID(),
    });
    const eventType = `cost.${randomUUID()}`;
    const counted = await aMeter(product, { key: `c_${randomUUID().replaceAll('-', '')}`, eventType });
    const [meter] = await asSuperuser<{ key: string }>(product.database, 'select key from meter where id = $1', [
      counted,
    ]);
    await catalog.setCost(product.scope(), {
      modelId: model.id,
      effectiveAt: LONG_AGO,
      currency: 'USD',
      rates: [{ kind: meter?.key ?? '', amount: '2', per: '1' }],
      source: 'an invoice',
      idempotencyKey: randomUUID(),
    });
    const { bookId: parent } = await aPriceBook(product, {
      prices: [{ meterId: counted, terms: { model: 'COST_PLUS', markup: '1.5' } }],
    });
    const { snapshot } = await fxSnapshots.create(product.scope(), {
      base: 'USD',
      quote: 'EUR',
      rate: '0.9',
      asOf: at('2026-11-01T00:00:00Z'),
      source: 'ECB',
      idempotencyKey: randomUUID(),
    });
    const { book } = await pricing.createBook(product.scope(), {
      name: `Book ${randomUUID()}`,
      currency: 'EUR',
      idempotencyKey: randomUUID(),
    });
    const { version } = await pricing.createVersion(product.scope(), {
      priceBookId: book.id,
      prices: [],
      basis: { priceBookId: parent, fxSnapshotId: snapshot.id },
      idempotencyKey: randomUUID(),
    });
    await pricing.publish(product.scope(), { versionId: version.id, effectiveAt: LONG_AGO });
    const buyerId = await aTenant(product);
    await create({ buyerId, priceBookId: book.id });
    await product.app.services.usage.accept(
      product.scope(buyerId),
      [anEvent({ type: eventType, time: '2026-11-03T10:00:00Z', properties: { model: model.key, tokens: 10 } })],
      { keyId: 'test', isDryRun: false },
    );
    await rate(product, buyerId);
    // 10 units cost 20 dollars, with half on top 30, which are 27 euro.
    expect(await charges(buyerId)).toMatchObject([{ currency: 'EUR', amount: '27' }]);
    expect(await unpriced(buyerId)).toEqual([]);
  });
});

describe('a contract that is pinned to a version', () => {
  const cut = at('2026-11-10T00:00:00Z');
  const books = async () => {
    const { bookId, versionId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    const later = await aVersion(product, { bookId, prices: [{ meterId, terms: perUnit('5') }], effectiveAt: cut });

    return { bookId, versionId, later };
  };

  test('keeps its prices when the book changes, and one that follows does not', async () => {
    const { bookId, versionId, later } = await books();
    const [pinned, follows] = [await aTenant(product), await aTenant(product)];
    expect(
      (await create({ buyerId: pinned, priceBookId: bookId, priceBookVersionId: versionId })).contract,
    ).toMatchObject({
      priceBookVersionId: versionId,
    });
    expect((await create({ buyerId: follows, priceBookId: bookId })).contract.priceBookVersionId ?? null).toBeNull();

    for (const buyer of [pinned, follows]) {
      await use(buyer, ['2026-11-03T10:00:00Z', 1], ['2026-11-12T10:00:00Z', 1]);
    }

    expect(await charges(pinned)).toEqual([{ currency: 'USD', amount: '2', version: versionId }]);
    expect(await charges(follows)).toEqual([
      { currency: 'USD', amount: '1', version: versionId },
      { currency: 'USD', amount: '5', version: later },
    ]);
  });

  test('is unpriced until its version takes effect', async () => {
    const { bookId, later } = await books();
    const buyerId = await aTenant(product);
    await create({ buyerId, priceBookId: bookId, priceBookVersionId: later });
    await use(buyerId, ['2026-11-03T10:00:00Z', 1], ['2026-11-12T10:00:00Z', 2]);
    expect(await charges(buyerId)).toEqual([{ currency: 'USD', amount: '10', version: later }]);
    expect(await unpriced(buyerId)).toMatchObject([{ quantity: '1', reason: 'NO_PRICE' }]);
  });

  test('holds off the withdrawal of its version, and no longer once it ends before that would hold', async () => {
    const { bookId } = await books();
    const effectiveAt = at('2026-12-01T00:00:00Z');
    const version = await aVersion(product, { bookId, prices: [{ meterId, terms: perUnit('9') }], effectiveAt });
    const buyerId = await aTenant(product);
    await create({ buyerId, priceBookId: bookId, priceBookVersionId: version });
    const { pricing } = product.app.services;
    await refused(() => pricing.withdraw(product.scope(), version), {
      code: 'INVALID_TRANSITION',
      field: ['versionId'],
      message: expect.stringContaining('contracts are pinned to it'),
    });
    await create({ buyerId, priceBookId: bookId, startsAt: at('2026-11-25T00:00:00Z') });
    expect(await pricing.withdraw(product.scope(), version)).toMatchObject({ status: 'WITHDRAWN' });
  });

  test('and the withdrawal of its version at once leave one of the two', async () => {
    const { bookId } = await books();
    const buyers = await Promise.all(Array.from({ length: 4 }, () => aTenant(product)));
    const { pricing } = product.app.services;

    for (const [index, buyerId] of buyers.entries()) {
      const version = await aVersion(product, {
        bookId,
        prices: [{ meterId, terms: perUnit('9') }],
        effectiveAt: new Date(Date.UTC(2026, 11, 1 + index)),
      });
      const outcomes = await Promise.allSettled([
        create({ buyerId, priceBookId: bookId, priceBookVersionId: version }),
        pricing.withdraw(product.scope(), version),
      ]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const [reason] = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason as object] : []));
      expect(reason).toMatchObject({ code: 'INVALID_TRANSITION' });
    }
  });

  test('is refused for a version of another book, one that is not published, and none', async () => {
    const { bookId } = await books();
    const other = await books();
    const buyerId = await aTenant(product);
    const { version } = await product.app.services.pricing.createVersion(product.scope(), {
      priceBookId: bookId,
      prices: [{ meterId, name: 'x', pattern: {}, terms: perUnit('1') }],
      idempotencyKey: randomUUID(),
    });

    for (const [priceBookVersionId, code] of [
      [other.versionId, 'NOT_FOUND'],
      [version.id, 'INVALID_TRANSITION'],
      [`pbv_${'0'.repeat(26)}`, 'NOT_FOUND'],
      ['x', 'NOT_FOUND'],
    ] as const) {
      await refused(() => create({ buyerId, priceBookId: bookId, priceBookVersionId }), {
        code,
        field: ['priceBookVersionId'],
      });
    }
  });

  test('is replayed by its key though its version could no longer be named', async () => {
    const { bookId, versionId } = await books();
    const input = {
      buyerId: await aTenant(product),
      priceBookId: bookId,
      priceBookVersionId: versionId,
      commitmentAmount: '1000',
      idempotencyKey: randomUUID(),
    };
    const { contract } = await create(input);
    expect(await create(input)).toMatchObject({ contract: { id: contract.id }, replayed: true });
    await refused(() => create({ ...input, commitmentAmount: '2000' }), { code: 'IDEMPOTENCY_KEY_REUSED' });
  });
});

describe('a commitment', () => {
  test.each(['0', '-5', '1e3', 'much', ''])('of %j is refused', async commitmentAmount => {
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    const buyerId = await aTenant(product);
    await refused(() => create({ buyerId, priceBookId: bookId, commitmentAmount }), {
      code: 'INVALID_INPUT',
      field: ['commitmentAmount'],
    });
  });
});
