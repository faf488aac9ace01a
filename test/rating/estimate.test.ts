import { randomUUID } from 'node:crypto';
import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import { aContract, anEvent, aPriceBook, aTenant, aVersion, rate } from '../support/builders.js';
import { aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:07:00Z');
/** When prices change within the month. */
const CHANGE = new Date('2026-11-10T00:00:00Z');

describe('an estimate', () => {
  let product: Product;
  let tokens: string;
  let images: string;

  beforeAll(async () => {
    product = await aProduct();
    product.setClock(NOW);
    const meter = {
      filter: '',
      aggregation: 'SUM' as const,
      dimensions: [{ name: 'model', property: 'model' }],
      unit: 'token',
    };
    const { catalog } = product.app.services;
    tokens = (
      await catalog.createMeter(product.scope(), {
        ...meter,
        key: 'tokens',
        eventType: 'llm.request',
        source: 'TOKEN_USAGE',
        valueProperty: 'usage',
        idempotencyKey: randomUUID(),
      })
    ).meter.id;
    images = (
      await catalog.createMeter(product.scope(), {
        ...meter,
        key: 'images',
        eventType: 'image.made',
        valueProperty: 'count',
        idempotencyKey: randomUUID(),
      })
    ).meter.id;
    await catalog.createModel(product.scope(), {
      key: 'sol',
      provider: 'openai',
      family: 'gpt-6.2',
      modality: 'text',
      contextBands: [{ above: '272000', inclusive: false, name: 'long' }],
      idempotencyKey: randomUUID(),
    });
  });

  afterAll(() => product.close());

  const estimates = () => product.app.services.estimates;
  const token = (kind: string, band: string, unitAmount: string) => ({
    meterId: tokens,
    name: `${kind} ${band}`,
    pattern: { model: 'sol', token_kind: kind, service_tier: 'standard', context_band: band },
    terms: { model: 'UNIT' as const, unitAmount, per: '1000000' },
  });
  const PRICES = () => [
    token('input', 'short', '2'),
    token('cache_read', 'short', '0.10'),
    token('cache_write', 'short', '2.50'),
    token('output', 'short', '10'),
    token('input', 'long', '4'),
    token('cache_read', 'long', '0.20'),
    token('output', 'long', '15'),
  ];

  async function aBuyer(prices: Parameters<typeof aPriceBook>[1]['prices']): Promise<string> {
    const tenantId = await aTenant(product);
    const { bookId } = await aPriceBook(product, { prices });
    await aContract(product, { buyerId: tenantId, bookId });

    return tenantId;
  }

  /** A version without prices of its own, published. */
  async function aVersionOn(bookId: string, basis: { readonly priceBookId: string }, effectiveAt: Date): Promise<void> {
    const { pricing } = product.app.services;
    const { version } = await pricing.createVersion(product.scope(), {
      priceBookId: bookId,
      prices: [],
      basis,
      idempotencyKey: randomUUID(),
    });
    await pricing.publish(product.scope(), { versionId: version.id, effectiveAt });
  }

  async function use(tenantId: string, event: Parameters<typeof anEvent>[0]): Promise<void> {
    const receipt = await product.app.services.usage.accept(
      product.scope(tenantId),
      [anEvent({ time: NOW.toISOString(), ...event })],
      { keyId: 'test', isDryRun: false },
    );
    expect(receipt).toEqual({ accepted: 1, duplicates: [], conflicts: [], rejected: [] });
    await rate(product, tenantId);
  }

  const ask = (tenantId: string, request: object) =>
    estimates().estimate(product.scope(tenantId), {
      eventType: 'llm.request',
      model: 'sol',
      serviceTier: null,
      tokens: [],
      properties: {},
      ...request,
    });
  const amounts = async (tenantId: string, request: object) => {
    const { expected, worst } = await ask(tenantId, request);

    return [expected && formatDecimal(expected), worst && formatDecimal(worst)];
  };
  const kind = (name: string, expected: string, most?: string) => ({ kind: name, expected, most: most ?? null });

  test('prices every kind of tokens in the band of the whole request', async () => {
    const tenantId = await aBuyer(PRICES());
    expect(await amounts(tenantId, { tokens: [kind('input', '272000'), kind('output', '1000')] })).toEqual([
      '0.554',
      '0.554',
    ]);
    expect(await amounts(tenantId, { tokens: [kind('input', '272001'), kind('output', '1000')] })).toEqual([
      '1.103004',
      '1.103004',
    ]);
  });

  test('is at worst the longest output with nothing found in the cache', async () => {
    const tenantId = await aBuyer(PRICES());
    // Expected 15,000×2 + 80,000×0.10 + 2,000×10; at worst every cached token is written again, and 4,000 come out.
    expect(
      await amounts(tenantId, {
        tokens: [kind('input', '15000'), kind('cache_read', '80000'), kind('output', '2000', '4000')],
      }),
    ).toEqual(['0.058', '0.27']);
  });

  test('equals what the same event is charged when it comes', async () => {
    const tenantId = await aBuyer(PRICES());
    const { expected, items } = await ask(tenantId, { tokens: [kind('input', '15000'), kind('output', '2000')] });
    await use(tenantId, { properties: { model: 'sol', usage: { input: '15000', output: '2000' } } });
    const charges = await product.app.services.rating.charges(product.scope(tenantId), { first: 10, after: null });
    expect(new Set(charges.map(charge => charge.price_id))).toEqual(new Set(items.map(item => item.priceId)));
    expect(formatDecimal(sum(charges.map(charge => decimal(charge.amount))))).toBe(expected && formatDecimal(expected));
  });

  test('stands where the period stands, and is at worst in the dearest tier ahead', async () => {
    const tenantId = await aBuyer([
      {
        meterId: images,
        terms: {
          model: 'GRADUATED',
          tiers: [
            { upTo: '10', unitAmount: '1' },
            { upTo: '20', unitAmount: '5', flatAmount: '7' },
            { upTo: null, unitAmount: '2' },
          ],
        },
      },
    ]);
    const request = { eventType: 'image.made', model: null, properties: { model: 'x', count: 4 } };
    // At worst the call is the one that enters the second tier.
    expect(await amounts(tenantId, request)).toEqual(['4', '27']);
    await use(tenantId, { type: 'image.made', properties: { model: 'x', count: 18 } });
    // What is known of a tenant is at most a second old.
    product.setClock(new Date(NOW.getTime() + 10_000));

    try {
      expect(await amounts(tenantId, request)).toEqual(['14', '14']);
    } finally {
      product.setClock(NOW);
    }
  });

  test.each<[string, (tiers: PriceTermsJson) => Promise<{ bookId: string; next: () => Promise<unknown> }>]>([
    [
      'of the book itself',
      async terms => {
        const { bookId } = await aPriceBook(product, { prices: [{ meterId: images, terms }] });

        return {
          bookId,
          next: () => aVersion(product, { bookId, prices: [{ meterId: images, terms }], effectiveAt: CHANGE }),
        };
      },
    ],
    [
      'that is taken over, and then taken over anew',
      async terms => {
        const parent = await aPriceBook(product, { prices: [{ meterId: images, terms }] });
        const { bookId } = await aPriceBook(product, { prices: PRICES() });
        const basis = { priceBookId: parent.bookId };
        await aVersionOn(bookId, basis, new Date('2020-02-01T00:00:00Z'));

        return { bookId, next: () => aVersionOn(bookId, basis, CHANGE) };
      },
    ],
  ])('carries on over a change of version where a price %s stands', async (_what, aBook) => {
    const { bookId, next } = await aBook({
      model: 'GRADUATED',
      tiers: [
        { upTo: '10', unitAmount: '1' },
        { upTo: '20', unitAmount: '5', flatAmount: '7' },
        { upTo: null, unitAmount: '2' },
      ],
    });
    await next();
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });
    const made = (time: string, count: number) => ({ type: 'image.made', time, properties: { model: 'x', count } });
    const request = { eventType: 'image.made', model: null, properties: { model: 'x', count: 4 } };

    try {
      // Nothing is used since the change: 8 before it.
      await use(tenantId, made('2026-11-02T10:00:00Z', 8));
      expect((await amounts(tenantId, request))[0]).toBe('19');

      await use(tenantId, made('2026-11-12T10:00:00Z', 10));
      product.setClock(new Date(NOW.getTime() + 10_000));
      expect((await amounts(tenantId, request))[0]).toBe('14');

      const charges = await product.app.services.rating.charges(product.scope(tenantId), { first: 10, after: null });
      expect(charges.map(({ quantity }) => formatDecimal(decimal(quantity))).sort()).toEqual(['10', '8']);

      // Late usage of before the change moves both.
      await use(tenantId, made('2026-11-03T10:00:00Z', 1));
      product.setClock(new Date(NOW.getTime() + 20_000));
      expect((await amounts(tenantId, request))[0]).toBe('11');
    } finally {
      product.setClock(NOW);
    }
  });

  test('is nothing, not zero, where a part of the call has no price', async () => {
    const tenantId = await aBuyer(PRICES());
    const { expected, worst, items } = await ask(tenantId, {
      tokens: [kind('input', '10'), kind('output_audio', '5')],
    });
    expect([expected, worst]).toEqual([null, null]);
    expect(items.map(({ dimensions, priceName }) => [dimensions['token_kind'], priceName])).toEqual([
      ['input', 'input short'],
      ['output_audio', null],
    ]);
    const flex = await ask(tenantId, { serviceTier: 'flex', tokens: [kind('input', '10')] });
    expect([flex.expected, flex.items[0]?.priceId]).toEqual([null, null]);
  });

  test('of a tenant without a contract has no amounts', async () => {
    const { expected, contractId, items } = await ask(await aTenant(product), { tokens: [kind('input', '10')] });
    expect([expected, contractId, items[0]?.priceId]).toEqual([null, null, null]);
  });

  test.each<[string, object, readonly string[]]>([
    ['an event type that nothing counts', { eventType: 'nobody.knows' }, ['eventType']],
    ['a negative number of tokens', { tokens: [kind('input', '-1')] }, ['tokens', '0']],
    ['an exponent', { tokens: [kind('input', '1e3')] }, ['tokens', '0']],
    ['half a token', { tokens: [kind('input', '0.5')] }, ['properties.usage.input']],
  ])('refuses %s', async (_, request, field) => {
    await expect(ask(await aTenant(product), request)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
  });

  test('follows a price that holds only for some hours of the day', async () => {
    const daily = { start: '12:00', end: '13:00', timeZone: 'UTC' };
    const unit = (unitAmount: string) => ({ model: 'UNIT' as const, unitAmount });
    const tenantId = await aBuyer([
      { meterId: images, terms: unit('2') },
      { meterId: images, name: 'Noon', terms: unit('1'), window: { daily } },
    ]);
    const request = { eventType: 'image.made', model: null, properties: { model: 'x', count: 4 } };
    expect(await amounts(tenantId, request)).toEqual(['4', '4']);
    product.setClock(new Date('2026-11-20T13:00:00Z'));

    try {
      expect(await amounts(tenantId, request)).toEqual(['8', '8']);
    } finally {
      product.setClock(NOW);
    }
  });
});
