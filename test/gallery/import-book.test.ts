import { randomUUID } from 'node:crypto';
import {
  GALLERY,
  importGalleryBook,
  importGalleryCatalog,
  type GalleryExample,
  type GalleryKey,
} from '../../src/gallery/index.js';
import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import { aContract, aTenant, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const examples = GALLERY.flatMap(({ key, examples: worked }) =>
  worked.map(example => [key, example.name, example] as const),
);

/** Everything that an import can write, by the number of its rows. */
async function rowsOf(product: Product): Promise<Record<string, number>> {
  const tables = ['meter', 'model', 'model_cost', 'price_book', 'price_book_version', 'price', 'audit_line', 'outbox'];
  const [counts] = await asSuperuser<Record<string, number>>(
    product.database,
    `select ${tables.map(table => `(select count(*)::int from ${table}) as ${table}`).join(', ')}`,
  );

  return counts ?? {};
}

/** A new customer on the book sends the events and is rated: its charges' total, and what had no price. */
async function charged(
  product: Product,
  bookId: string,
  example: Pick<GalleryExample, 'events'>,
): Promise<{ total: string; unpriced: number }> {
  const buyerId = await aTenant(product);
  await aContract(product, { buyerId, bookId });
  const gateway = await aKey(product.app, product.scope(buyerId), ['usage:write']);
  const sent = await product.postUsage(
    gateway,
    example.events.map(event => ({ id: randomUUID(), ...event })),
  );
  expect(sent.body).toEqual({ accepted: example.events.length, duplicates: [], conflicts: [], rejected: [] });
  await rate(product, buyerId);
  const { rating } = product.app.services;
  const charges = await rating.charges(product.scope(buyerId), { first: 100 });
  const unpriced = await rating.unpriced(product.scope(buyerId), { first: 100 });

  return {
    total: formatDecimal(sum(charges.map(({ amount }) => decimal(amount)))),
    unpriced: unpriced.length,
  };
}

describe('every book of the gallery, imported side by side', () => {
  let product: Product;
  const books = new Map<GalleryKey, string>();

  beforeAll(async () => {
    // After the last example.
    product = await aProduct({ now: new Date('2027-03-02T00:00:00Z') });

    for (const { key } of GALLERY) {
      const imported = await importGalleryBook(product.app.services, product.scope(), key);
      books.set(key, imported.priceBookId);
    }
  });

  afterAll(() => product.close());

  test.each(examples)('%s, %s: the charges come to the total', async (key, _name, example) => {
    expect(await charged(product, books.get(key) ?? '', example)).toEqual({ total: example.total, unpriced: 0 });
  });

  test('a second import changes nothing', async () => {
    const before = await rowsOf(product);

    for (const { key } of GALLERY) {
      const imported = await importGalleryBook(product.app.services, product.scope(), key);
      expect([imported.priceBookId, imported.entered]).toEqual([books.get(key), 0]);
    }

    expect(await rowsOf(product)).toEqual(before);
  });

  test('what no source confirms is unpriced, and the rest of the request is charged', async () => {
    const event = {
      type: 'llm.request',
      time: '2026-11-18T09:00:00Z',
      properties: {
        provider: 'openai',
        model: 'gpt-6.2-astra',
        usage: {
          input_tokens: 20_000,
          input_tokens_details: { cached_tokens: 0, cache_write_tokens: 10_000 },
          output_tokens: 1_000,
          total_tokens: 21_000,
        },
      },
    };

    expect(await charged(product, books.get('openai') ?? '', { events: [event] })).toEqual({
      total: '0.12',
      unpriced: 1,
    });
  });

  test('list prices are what the models cost', async () => {
    const { catalog } = product.app.services;
    const models = await catalog.models(product.scope(), { first: 100 });
    const costsOf = async (key: string) =>
      (await catalog.costs(product.scope(), models.find(model => model.key === key)?.id ?? '')).map(
        ({ effectiveAt, currency, rates }) => ({
          from: effectiveAt.toISOString().slice(0, 10),
          currency,
          standard: rates
            .filter(({ dimensions = [] }) => dimensions.every(({ value }) => ['standard', 'short'].includes(value)))
            .map(({ kind, amount }) => `${kind} ${amount}`),
        }),
      );

    expect(await costsOf('o3')).toEqual([
      { from: '2025-06-10', currency: 'USD', standard: ['input 2', 'cache_read 0.5', 'output 8'] },
      { from: '2025-01-01', currency: 'USD', standard: ['input 10', 'output 40'] },
    ]);
    expect(await costsOf('gemini-3.6-flash')).toEqual([
      { from: '2027-01-01', currency: 'USD', standard: ['input 1.5', 'cache_read 0.15', 'output 7.5'] },
      { from: '2026-09-07', currency: 'USD', standard: ['input 0.75', 'cache_read 0.075', 'output 3.75'] },
    ]);
    // Every tier, band and region, and what ultrafast costs before and after its introductory multiple ends.
    const sol = await catalog.costs(product.scope(), models.find(({ key }) => key === 'gpt-6.2-sol')?.id ?? '');
    expect(
      sol.map(({ effectiveAt, rates }) => [
        effectiveAt.toISOString().slice(0, 10),
        rates.length,
        rates.find(
          ({ kind, dimensions }) => kind === 'output' && dimensions?.some(({ value }) => value === 'ultrafast'),
        )?.amount,
      ]),
    ).toEqual([
      ['2027-03-01', 96, '60'],
      ['2026-11-17', 96, '30'],
    ]);
    // A price by the hour of the day is no cost, and neither is one that ends without another.
    expect(await costsOf('tidewater-chat')).toEqual([]);
    expect(await costsOf('gpt-5.6-sol')).toEqual([]);
  });
});

describe('an import in parts', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T00:00:00Z') });
  });

  afterAll(() => product.close());

  test('enters only the models that are named, is stopped at a step, goes on, and ends as one in a piece does', async () => {
    const { services } = product.app;
    const whole = await aProduct({ now: new Date('2026-11-20T00:00:00Z') });
    const expected = await importGalleryBook(whole.app.services, whole.scope(), 'google').finally(() => whole.close());

    const part = await importGalleryCatalog(services.catalog, product.scope(), 'google', {
      modelKeys: ['gemini-3.1-pro', 'gemini-3.6-flash'],
    });
    expect([[...part.meters.keys()], part.models, part.costs, part.entered]).toEqual([['google_tokens'], 2, 3, 6]);
    const models = await services.catalog.models(product.scope(), { first: 100 });
    expect(models.map(({ key }) => key).toSorted()).toEqual(['gemini-3.1-pro', 'gemini-3.6-flash']);

    const heard: string[] = [];
    const stopped = importGalleryBook(services, product.scope(), 'google', (done, all) => {
      heard.push(`${done}/${all}`);

      if (done === 8) {
        throw new Error('stopped here');
      }
    });
    await expect(stopped).rejects.toThrow('stopped here');
    expect(heard).toEqual(['1/9', '2/9', '3/9', '4/9', '5/9', '6/9', '7/9', '8/9']);

    const { priceBookId, entered, ...rest } = await importGalleryBook(services, product.scope(), 'google');
    const { priceBookId: _other, entered: all, ...wanted } = expected;
    expect(rest).toEqual(wanted);
    // The version after the one that the stopped run ended with.
    expect([entered, all]).toEqual([1, 17]);
    expect(await services.pricing.versions(product.scope(), priceBookId, { first: 100 })).toHaveLength(2);
  });
});

describe('an import into a catalog with things in it', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-08-05T00:00:00Z') });
  });

  afterAll(() => product.close());

  test('a cancelled version whose day is still to come is entered and withdrawn, and never charged', async () => {
    const { services } = product.app;
    const imported = await importGalleryBook(services, product.scope(), 'anthropic');
    const versions = await services.pricing.versions(product.scope(), imported.priceBookId, { first: 100 });

    expect(imported).toMatchObject({ published: 6, withdrawn: 1 });
    expect(
      versions.toReversed().map(({ status, effectiveAt }) => [status, effectiveAt?.toISOString().slice(0, 10)]),
    ).toEqual([
      ['PUBLISHED', '2025-01-01'],
      ['PUBLISHED', '2026-03-13'],
      ['WITHDRAWN', '2026-09-01'],
      ['PUBLISHED', '2026-09-01'],
      ['PUBLISHED', '2026-09-22'],
      ['PUBLISHED', '2026-09-28'],
      ['PUBLISHED', '2026-10-07'],
    ]);

    const entered = await rowsOf(product);
    expect(await importGalleryBook(services, product.scope(), 'anthropic')).toEqual({ ...imported, entered: 0 });
    expect(await rowsOf(product)).toEqual(entered);

    product.setClock(new Date('2026-11-20T00:00:00Z'));
    const book = GALLERY.find(({ key }) => key === 'anthropic');
    const cancelled = book?.examples.find(({ name }) => name.includes('cancelled'));
    expect(await charged(product, imported.priceBookId, cancelled ?? { events: [] })).toEqual({
      total: '0.03',
      unpriced: 0,
    });
    // Its day has come, and a run does not need to enter it any more.
    const before = await rowsOf(product);
    expect(await importGalleryBook(services, product.scope(), 'anthropic')).toMatchObject({
      published: 6,
      withdrawn: 0,
    });
    expect(await rowsOf(product)).toEqual(before);
  });

  test('a model that is there already is kept when its context bands are the same', async () => {
    const { services } = product.app;
    const { model } = await services.catalog.createModel(product.scope(), {
      key: 'gemini-3.1-pro',
      provider: 'google',
      family: 'our-own-name',
      modality: 'text',
      contextBands: [{ above: '200000', name: 'long' }],
      idempotencyKey: randomUUID(),
    });

    await importGalleryBook(services, product.scope(), 'google');

    const models = await services.catalog.models(product.scope(), { first: 100 });
    expect(models.filter(({ key }) => key === model.key)).toMatchObject([{ id: model.id, family: 'our-own-name' }]);
    expect(await services.catalog.costs(product.scope(), model.id)).toHaveLength(1);
  });

  test('a model with other context bands is refused before anything is entered', async () => {
    const { services } = product.app;
    await services.catalog.createModel(product.scope(), {
      key: 'grok-4.5',
      provider: 'xai',
      family: 'grok-4',
      modality: 'text',
      contextBands: [{ above: '200000', name: 'long' }],
      idempotencyKey: randomUUID(),
    });
    const before = await rowsOf(product);

    await expect(importGalleryBook(services, product.scope(), 'other-providers')).rejects.toThrow(
      "model grok-4.5 is in the catalog with other context bands than the gallery's, which its prices name; set its bands first",
    );
    expect(await rowsOf(product)).toEqual(before);
  });

  test('an unknown book is refused with the names of those there are', async () => {
    const before = await rowsOf(product);

    await expect(importGalleryBook(product.app.services, product.scope(), 'acme')).rejects.toThrow(
      'the gallery has openai, anthropic, google, cohere, hugging-face, stability, replicate, tidewater, other-providers',
    );
    expect(await rowsOf(product)).toEqual(before);
  });
});
