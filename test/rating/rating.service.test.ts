import { decimal, formatDecimal, sum } from '../../src/money/index.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import {
  aContract,
  aMeter,
  anEvent,
  aPriceBook,
  aTenant,
  aVersion,
  perMillion,
  perUnit,
  rate,
  type PriceGiven,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);

interface Charge {
  readonly id: string;
  readonly price_name: string;
  readonly price_version_id: string;
  readonly generation: number;
  readonly quantity: string;
  readonly amount: string;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly invoice_id: string | null;
  readonly rated_at: Date;
  readonly explanation: {
    readonly cumulativeAmount: string;
    readonly billedBefore: string;
    readonly quantityFrom?: string;
    readonly quantityTo?: string;
    readonly priceBookVersionId?: string;
    readonly steps?: readonly { readonly amount: string }[];
  };
}

const FLAT: PriceTermsJson = { model: 'FLAT', flatAmount: '19.90' };
const PACKAGE: PriceTermsJson = { model: 'PACKAGE', packageAmount: '0.7', packageSize: '100', freeUnits: '50' };
const tiers = (model: 'GRADUATED' | 'VOLUME'): PriceTermsJson => ({
  model,
  tiers: [
    { upTo: '100', unitAmount: '0.03', flatAmount: '1' },
    { upTo: '1000', unitAmount: '0.02', flatAmount: '2' },
    { upTo: null, unitAmount: '0.01' },
  ],
});

describe('rating', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct({ now: at('2026-11-20T12:00:00Z') });
    meterId = await aMeter(product);
  });

  afterAll(() => product.close());

  /** A customer on a book with these prices from 2020 on. */
  async function aBuyer(
    prices: readonly PriceGiven[],
    options: { timeZone?: string; effectiveAt?: Date; startsAt?: Date } = {},
  ): Promise<{ tenantId: string; bookId: string; versionId: string; contractId: string }> {
    const tenantId = await aTenant(product, { timeZone: options.timeZone ?? 'UTC' });
    const { bookId, versionId } = await aPriceBook(product, {
      prices,
      ...(options.effectiveAt ? { effectiveAt: options.effectiveAt } : {}),
    });
    const contractId = await aContract(product, {
      buyerId: tenantId,
      bookId,
      ...(options.startsAt ? { startsAt: options.startsAt } : {}),
    });

    return { tenantId, bookId, versionId, contractId };
  }

  async function use(tenantId: string, events: readonly Record<string, unknown>[]): Promise<void> {
    expect(
      await product.app.services.usage.accept(product.scope(tenantId), events, { keyId: 'test', isDryRun: false }),
    ).toEqual({ accepted: events.length, duplicates: [], conflicts: [], rejected: [] });
  }

  const tokens = (time: string, amount: number | string, model = 'm', id?: string) =>
    anEvent({ time, properties: { model, tokens: amount }, ...(id ? { id } : {}) });

  const charges = (tenantId: string): Promise<Charge[]> =>
    asSuperuser(
      product.database,
      `select id, price_name, price_version_id, generation, trim_scale(quantity)::text as quantity,
         trim_scale(amount)::text as amount, period_start, period_end, invoice_id, rated_at, explanation
       from charge where tenant_id = $1 order by period_start, price_name, price_version_id, generation`,
      [tenantId],
    );

  const amounts = async (tenantId: string): Promise<[string, string, string][]> =>
    (await charges(tenantId)).map(({ price_name, quantity, amount }) => [price_name, quantity, amount]);

  const unpriced = (tenantId: string) =>
    asSuperuser<{ reason: string; dimensions: string; quantity: string; period_start: Date }>(
      product.database,
      `select reason, dimensions, trim_scale(quantity)::text as quantity, period_start from unpriced_usage
       where tenant_id = $1 order by period_start, dimensions`,
      [tenantId],
    );

  afterEach(async () => {
    // Whatever a test did: each charge explains itself.
    const all = await asSuperuser<{ id: string; amount: string; quantity: string; explanation: Charge['explanation'] }>(
      product.database,
      'select id, amount::text, quantity::text, explanation from charge',
    );

    for (const { id, amount, explanation } of all) {
      const { cumulativeAmount, billedBefore, steps } = explanation;
      expect([id, formatDecimal(decimal(cumulativeAmount).minus(decimal(billedBefore)))]).toEqual([
        id,
        formatDecimal(decimal(amount)),
      ]);
      expect([id, formatDecimal(sum((steps ?? []).map(step => decimal(step.amount))))]).toEqual([id, cumulativeAmount]);
    }
  });

  test.each<readonly [model: string, terms: PriceTermsJson, expected: string]>([
    ['FLAT', FLAT, '19.9'],
    ['UNIT', { model: 'UNIT', unitAmount: '2.345678901234', per: '1000' }, '2.93209862654250000'],
    ['PACKAGE', PACKAGE, '8.4'],
    ['GRADUATED', tiers('GRADUATED'), '26.5'],
    ['VOLUME', tiers('VOLUME'), '12.5'],
  ])('%s prices the running quantity of a period exactly', async (_model, terms, expected) => {
    const { tenantId } = await aBuyer([{ meterId, terms }]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 400), tokens('2026-11-19T00:00:00Z', '850')]);
    await rate(product, tenantId);
    expect(await amounts(tenantId)).toEqual([['Tokens', '1250', formatDecimal(decimal(expected))]]);
  });

  test.each<readonly [model: string, terms: PriceTermsJson, expected: readonly string[]]>([
    ['FLAT', FLAT, ['19.9', '19.9', '19.9']],
    ['UNIT', perUnit('0.03'), ['1.5', '3', '45']],
    ['PACKAGE', PACKAGE, ['0', '0.7', '10.5']],
    ['GRADUATED', tiers('GRADUATED'), ['2.5', '4', '29']],
    // The third lowers the price of all that came before: nothing is clamped.
    ['VOLUME', tiers('VOLUME'), ['2.5', '4', '15']],
  ])('%s adds what a further event makes of it, rating by rating', async (_model, terms, expected) => {
    const { tenantId } = await aBuyer([{ meterId, terms }]);
    const seen: (string | undefined)[] = [];

    for (const amount of [50, 50, 1_400]) {
      await use(tenantId, [tokens('2026-11-02T00:00:00Z', amount)]);
      await rate(product, tenantId);
      const [charge] = await charges(tenantId);
      seen.push(charge?.amount);
    }

    expect(seen).toEqual(expected);
    expect(await charges(tenantId)).toHaveLength(1);
  });

  test('a volume price gives back where more usage costs less', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: tiers('VOLUME') }]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 1_000)]);
    await rate(product, tenantId);
    expect(await amounts(tenantId)).toEqual([['Tokens', '1000', '22']]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 1)]);
    await rate(product, tenantId);
    expect(await amounts(tenantId)).toEqual([['Tokens', '1001', '10.01']]);
  });

  test.each([
    ['SUM', 'value', '17.5'],
    ['COUNT', null, '5'],
    ['MAX', 'value', '8'],
    ['LATEST', 'value', '1.5'],
    ['UNIQUE_COUNT', 'user', '3'],
  ] as const)(
    '%s counts its own way over the quarter hours of a period',
    async (aggregation, valueProperty, quantity) => {
      const eventType = `agg.${aggregation}`;
      const meter = await aMeter(product, { eventType, aggregation, valueProperty, dimensions: [] });
      const { tenantId } = await aBuyer([{ meterId: meter, terms: perUnit('2') }]);
      const event = (time: string, value: number | string, user: string) =>
        anEvent({ type: eventType, time, properties: { value, user } });
      await use(tenantId, [
        event('2026-11-10T10:05:00Z', 8, 'ada'),
        event('2026-11-03T10:05:00Z', '2.5', 'bob'),
        event('2026-11-10T10:10:00Z', 2, 'ada'),
        event('2026-11-19T23:59:59Z', '1.5', 'cyd'),
        event('2026-11-01T00:00:00Z', '3.5', 'bob'),
      ]);
      await rate(product, tenantId);
      expect(await amounts(tenantId)).toEqual([['Tokens', quantity, formatDecimal(decimal(quantity).times(2))]]);
    },
  );

  test.each([
    ['SUM', 'value', ['12', '8']],
    ['COUNT', null, ['2', '3']],
    ['MAX', 'value', ['8', null]],
    // The latest value is one for the month: the version that holds last prices it, whole.
    ['LATEST', 'value', [null, '3']],
    ['UNIQUE_COUNT', 'user', ['2', '1']],
  ] as const)(
    '%s goes on counting where a version changes the price in the middle of a period',
    async (aggregation, valueProperty, [before, after]) => {
      const eventType = `cut.${aggregation}`;
      const meter = await aMeter(product, { eventType, aggregation, valueProperty, dimensions: [] });
      const { tenantId, bookId } = await aBuyer([{ meterId: meter, name: 'Old', terms: perUnit('1') }]);
      await aVersion(product, {
        bookId,
        prices: [{ meterId: meter, name: 'New', terms: perUnit('10') }],
        effectiveAt: at('2026-11-10T12:15:00Z'),
      });
      const event = (time: string, value: number, user: string) =>
        anEvent({ type: eventType, time, properties: { value, user } });
      await use(tenantId, [
        event('2026-11-03T10:05:00Z', 4, 'ada'),
        event('2026-11-10T12:14:59.999Z', 8, 'bob'),
        event('2026-11-10T12:15:00Z', 1, 'bob'),
        event('2026-11-11T00:00:00Z', 4, 'cyd'),
        event('2026-11-12T00:00:00Z', 3, 'ada'),
      ]);
      await rate(product, tenantId);
      expect(new Set(await amounts(tenantId))).toEqual(
        new Set([
          ...(before === null ? [] : [['Old', before, before]]),
          ...(after === null ? [] : [['New', after, formatDecimal(decimal(after).times(10))]]),
        ]),
      );
    },
  );

  test('an exact model beats a prefix, and a prefix beats a price for all', async () => {
    const { tenantId } = await aBuyer([
      { meterId, name: 'Any', terms: perUnit('1') },
      { meterId, name: 'Exact', pattern: { model: 'gpt-6-mini' }, terms: perUnit('4') },
      { meterId, name: 'Prefix', pattern: { model: 'gpt-*' }, terms: perUnit('2') },
      { meterId, name: 'Longer prefix', pattern: { model: 'gpt-6*' }, terms: perUnit('3') },
    ]);
    const time = '2026-11-10T00:00:00Z';
    await use(tenantId, [
      tokens(time, 1, 'gpt-6-mini'),
      tokens(time, 10, 'gpt-6'),
      tokens(time, 100, 'gpt-5'),
      tokens(time, 1_000, 'claude'),
      anEvent({ time, properties: { tokens: 10_000 } }),
    ]);
    await rate(product, tenantId);
    expect(await amounts(tenantId)).toEqual([
      ['Any', '11000', '11000'],
      ['Exact', '1', '4'],
      ['Longer prefix', '10', '30'],
      ['Prefix', '100', '200'],
    ]);
  });

  test('usage is charged to the month of its own time in the tenant’s zone', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: perUnit('1') }], { timeZone: 'Pacific/Auckland' });
    await use(tenantId, [tokens('2026-10-31T10:59:59Z', 1), tokens('2026-10-31T11:00:00Z', 10)]);
    await rate(product, tenantId);
    expect(
      (await charges(tenantId)).map(({ period_start, period_end, amount }) => [period_start, period_end, amount]),
    ).toEqual([
      [at('2026-09-30T11:00:00Z'), at('2026-10-31T11:00:00Z'), '1'],
      [at('2026-10-31T11:00:00Z'), at('2026-11-30T11:00:00Z'), '10'],
    ]);
  });

  test('rating twice changes nothing', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: tiers('GRADUATED') }]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 333), tokens('2026-10-02T00:00:00Z', 77, 'other')]);
    await rate(product, tenantId);
    const all = async () => ({
      charges: await charges(tenantId),
      marks: await asSuperuser(product.database, 'select * from rating_mark where tenant_id = $1', [tenantId]),
      invoices: await asSuperuser(product.database, 'select * from invoice where tenant_id = $1 order by id', [
        tenantId,
      ]),
      lines: await asSuperuser(product.database, 'select * from audit_line where tenant_id = $1 order by seq', [
        tenantId,
      ]),
    });
    const before = await all();
    await rate(product, tenantId);
    await rate(product, tenantId);
    expect(await all()).toEqual(before);
  });

  test('rating anew at the same prices changes no charge', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: tiers('VOLUME') }]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 333), tokens('2026-10-02T00:00:00Z', 77)]);
    await rate(product, tenantId);
    const before = await charges(tenantId);
    // Not from before: months without usage would be opened for the flat amount of the first tier.
    await product.app.services.rating.rerate(product.scope(tenantId), at('2026-10-01T00:00:00Z'));
    expect(await charges(tenantId)).toEqual(before);
  });

  test('ratings at once charge once', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: perUnit('1') }]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 5)]);
    await Promise.all(Array.from({ length: 6 }, () => rate(product, tenantId)));
    expect(await amounts(tenantId)).toEqual([['Tokens', '5', '5']]);
  });

  test('usage and ratings at once lose and double nothing', async () => {
    const { tenantId } = await aBuyer([{ meterId, terms: perUnit('1') }]);
    await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        await use(tenantId, [tokens('2026-11-02T00:00:00Z', index + 1)]);
        await rate(product, tenantId);
      }),
    );
    expect(await amounts(tenantId)).toEqual([['Tokens', '55', '55']]);
  });

  test('a late event that shifts the running quantity of a later price brings its explanation along', async () => {
    const { tenantId, bookId } = await aBuyer([{ meterId, name: 'Old', terms: perUnit('1') }]);
    await aVersion(product, {
      bookId,
      prices: [{ meterId, name: 'New', terms: perUnit('2') }],
      effectiveAt: at('2026-11-10T00:00:00Z'),
    });
    await use(tenantId, [tokens('2026-11-15T00:00:00Z', 10)]);
    await rate(product, tenantId);
    await use(tenantId, [tokens('2026-11-05T00:00:00Z', 100)]);
    await rate(product, tenantId);
    const found = await charges(tenantId);
    expect(
      found.map(({ price_name, explanation }) => [price_name, explanation.quantityFrom, explanation.quantityTo]),
    ).toEqual([
      ['New', '100', '110'],
      ['Old', '0', '100'],
    ]);
  });

  describe('usage without a price', () => {
    test('for want of a contract is kept, counted and shown, and charged by a backdated contract', async () => {
      const tenantId = await aTenant(product);
      await use(tenantId, [tokens('2026-11-02T00:00:00Z', 5), tokens('2026-10-02T00:00:00Z', 7)]);
      await rate(product, tenantId);
      expect(await charges(tenantId)).toEqual([]);
      expect(await unpriced(tenantId)).toEqual([
        { reason: 'NO_CONTRACT', dimensions: '{"model":"m"}', quantity: '7', period_start: at('2026-10-01T00:00:00Z') },
        { reason: 'NO_CONTRACT', dimensions: '{"model":"m"}', quantity: '5', period_start: at('2026-11-01T00:00:00Z') },
      ]);
      const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('2') }] });
      const startsAt = at('2026-10-02T00:00:00Z');
      await aContract(product, { buyerId: tenantId, bookId, startsAt });
      await product.app.services.rating.rerate(product.scope(tenantId), startsAt);
      expect(await unpriced(tenantId)).toEqual([]);
      expect(await amounts(tenantId)).toEqual([
        ['Tokens', '7', '14'],
        ['Tokens', '5', '10'],
      ]);
    });

    test('before a contract stays unpriced, and what comes after it does not', async () => {
      const { tenantId } = await aBuyer([{ meterId, terms: perUnit('2') }], { startsAt: at('2026-11-10T10:15:00Z') });
      await use(tenantId, [tokens('2026-11-10T10:14:59Z', 5), tokens('2026-11-10T10:15:00Z', 7)]);
      await rate(product, tenantId);
      expect((await unpriced(tenantId)).map(({ reason, quantity }) => [reason, quantity])).toEqual([
        ['NO_CONTRACT', '5'],
      ]);
      expect(await amounts(tenantId)).toEqual([['Tokens', '7', '14']]);
    });

    test('for want of a price is kept and shown through the API, and charged by a version that has one', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, [
        tokens('2026-11-02T00:00:00Z', 5, 'unknown'),
        tokens('2026-11-02T00:00:00Z', 3, 'known'),
        tokens('2026-11-03T00:00:00Z', '0.5', 'unknown'),
      ]);
      await rate(product, tenantId);
      const shown = async () =>
        (
          await product.graphql(
            product.platformKey,
            `query ($id: ID) { tenant(id: $id) { unpricedUsage { edges { node {
              periodStart periodEnd meterId dimensions quantity reason } } } } }`,
            { id: tenantId },
          )
        ).data.tenant.unpricedUsage.edges.map((edge: { node: object }) => edge.node);
      expect(await shown()).toEqual([
        {
          periodStart: '2026-11-01T00:00:00.000Z',
          periodEnd: '2026-12-01T00:00:00.000Z',
          meterId,
          dimensions: { model: 'unknown' },
          quantity: '5.5',
          reason: 'NO_PRICE',
        },
      ]);
      expect(await amounts(tenantId)).toEqual([['Tokens', '3', '6']]);
      await aVersion(product, {
        bookId,
        prices: [
          { meterId, pattern: { model: 'known' }, terms: perUnit('2') },
          { meterId, name: 'Rest', terms: perUnit('4') },
        ],
        effectiveAt: at('2026-11-01T00:00:00Z'),
      });
      await product.app.services.rating.rerate(product.scope(tenantId), at('2026-11-01T00:00:00Z'));
      expect(await shown()).toEqual([]);
      expect(
        (await amounts(tenantId)).filter(([, , amount]) => amount !== '0').toSorted(([a], [b]) => a.localeCompare(b)),
      ).toEqual([
        ['Rest', '5.5', '22'],
        ['Tokens', '3', '6'],
      ]);
    });

    test('before the first version takes effect is unpriced, and priced from its quarter hour on', async () => {
      const { tenantId } = await aBuyer([{ meterId, terms: perUnit('2') }], {
        effectiveAt: at('2026-11-10T10:15:00Z'),
      });
      await use(tenantId, [tokens('2026-11-10T10:14:59Z', 5), tokens('2026-11-10T10:15:00Z', 7)]);
      await rate(product, tenantId);
      expect((await unpriced(tenantId)).map(({ reason, quantity }) => [reason, quantity])).toEqual([['NO_PRICE', '5']]);
      expect(await amounts(tenantId)).toEqual([['Tokens', '7', '14']]);
    });

    test('is never a charge of zero', async () => {
      const { tenantId } = await aBuyer([{ meterId, pattern: { model: 'known' }, terms: perUnit('2') }]);
      await use(tenantId, [tokens('2026-11-02T00:00:00Z', 5, 'unknown')]);
      await rate(product, tenantId);
      expect(await charges(tenantId)).toEqual([]);
      expect(await unpriced(tenantId)).toHaveLength(1);
    });

    test('is paged without losing or repeating a row', async () => {
      const tenantId = await aTenant(product);
      await use(
        tenantId,
        Array.from({ length: 7 }, (_, index) => tokens('2026-11-02T00:00:00Z', index + 1, `model-${index}`)),
      );
      await rate(product, tenantId);
      const seen: string[] = [];
      let after: string | null = null;

      do {
        const answer: Awaited<ReturnType<Product['graphql']>> = await product.graphql(
          product.platformKey,
          `query ($id: ID, $after: String) { tenant(id: $id) { unpricedUsage(first: 3, after: $after) {
            edges { node { quantity } } pageInfo { hasNextPage endCursor } } } }`,
          { id: tenantId, after },
        );
        const { edges, pageInfo } = answer.data.tenant.unpricedUsage;
        seen.push(...edges.map((edge: { node: { quantity: string } }) => edge.node.quantity));
        after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      } while (after !== null);

      expect(seen.toSorted()).toEqual(['1', '2', '3', '4', '5', '6', '7']);
    });
  });

  describe('a change of prices', () => {
    test('in the past charges the difference, by the version that holds since', async () => {
      const { tenantId, bookId, versionId } = await aBuyer([{ meterId, terms: perUnit('2') }]);
      await use(tenantId, [tokens('2026-11-02T00:00:00Z', 100), tokens('2026-11-12T00:00:00Z', 10)]);
      await rate(product, tenantId);
      expect(await amounts(tenantId)).toEqual([['Tokens', '110', '220']]);
      const effectiveAt = at('2026-11-10T00:00:00Z');
      const corrected = await aVersion(product, { bookId, prices: [{ meterId, terms: perUnit('5') }], effectiveAt });
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      expect(
        (await charges(tenantId)).map(({ price_version_id, quantity, amount }) => [price_version_id, quantity, amount]),
      ).toEqual(
        [
          [versionId, '100', '200'],
          [corrected, '10', '50'],
        ].toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
      );
    });

    test('from before all usage brings the charge of the old price to zero and keeps it', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, name: 'Old', terms: perUnit('2') }]);
      await use(tenantId, [tokens('2026-11-02T00:00:00Z', 100)]);
      await rate(product, tenantId);
      const effectiveAt = at('2026-11-01T00:00:00Z');
      await aVersion(product, { bookId, prices: [{ meterId, name: 'New', terms: perUnit('1.5') }], effectiveAt });
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      expect(await amounts(tenantId)).toEqual([
        ['New', '100', '150'],
        ['Old', '0', '0'],
      ]);
    });

    test('reaches every buyer on the book through the fact that publishing tells', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, terms: perUnit('2') }]);
      const other = await aTenant(product);
      await aContract(product, { buyerId: other, bookId });
      const before = await asSuperuser(product.database, "select id from outbox where topic = 'contract.changed'");
      const from = at('2026-11-10T00:00:00Z');
      await product.app.services.rating.reprice(product.scope(), bookId, from);
      const told = await asSuperuser<{ tenant_id: string; payload: object }>(
        product.database,
        "select tenant_id, payload from outbox where topic = 'contract.changed' order by id offset $1",
        [before.length],
      );
      expect(told.toSorted((a, b) => (a.tenant_id < b.tenant_id ? -1 : 1))).toEqual(
        [tenantId, other].toSorted().map(tenant_id => ({ tenant_id, payload: { from: from.toISOString() } })),
      );
    });

    test('to the same prices in the middle of a period changes no total', async () => {
      for (const terms of [FLAT, tiers('GRADUATED'), tiers('VOLUME'), PACKAGE]) {
        const { tenantId, bookId } = await aBuyer([{ meterId, terms }]);
        await use(tenantId, [tokens('2026-11-02T00:00:00Z', 90), tokens('2026-11-12T00:00:00Z', 950)]);
        await rate(product, tenantId);
        const [before] = await charges(tenantId);
        const effectiveAt = at('2026-11-10T00:00:00Z');
        await aVersion(product, { bookId, prices: [{ meterId, terms }], effectiveAt });
        await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
        const after = await charges(tenantId);
        expect(formatDecimal(sum(after.map(({ amount }) => decimal(amount))))).toBe(before?.amount);
        expect(formatDecimal(sum(after.map(({ quantity }) => decimal(quantity))))).toBe('1040');
      }
    });

    test('that was scheduled and withdrawn changes nothing, not even what was used beyond its instant', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, terms: perUnit('2') }]);
      const effectiveAt = at('2026-11-21T00:00:00Z');
      const scheduled = await aVersion(product, { bookId, prices: [{ meterId, terms: perUnit('9') }], effectiveAt });
      await use(tenantId, [tokens('2026-11-20T00:00:00Z', 10), tokens('2026-11-21T00:00:00Z', 1)]);
      await rate(product, tenantId);
      expect((await amounts(tenantId)).map(([, , amount]) => amount).toSorted()).toEqual(['20', '9']);
      await product.app.services.pricing.withdraw(product.scope(), scheduled);
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      const left = (await charges(tenantId)).filter(({ amount, quantity }) => amount !== '0' || quantity !== '0');
      expect(left.map(({ quantity, amount }) => [quantity, amount])).toEqual([['11', '22']]);
    });

    test('that takes effect later leaves what was used before it as it is', async () => {
      const { tenantId, bookId } = await aBuyer([{ meterId, terms: perUnit('2') }]);
      await use(tenantId, [tokens('2026-11-20T00:00:00Z', 10)]);
      await rate(product, tenantId);
      const before = await charges(tenantId);
      const effectiveAt = at('2026-11-25T00:00:00Z');
      await aVersion(product, { bookId, prices: [{ meterId, terms: perUnit('9') }], effectiveAt });
      await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
      expect(await charges(tenantId)).toEqual(before);
    });
  });

  test('the charges of a tenant are read through the API, exact and with their explanation', async () => {
    const { tenantId, versionId, contractId } = await aBuyer([{ meterId, name: 'Tokens', terms: perMillion('2.50') }]);
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', '0.5'), tokens('2026-11-03T00:00:00Z', '1.5')]);
    await rate(product, tenantId);
    const answer = await product.graphql(
      product.platformKey,
      `query ($id: ID) { tenant(id: $id) { charges { edges { node {
        contractId periodStart periodEnd priceBookVersionId generation quantity amount { amount currency } explanation
        invoiceId } } } } }`,
      { id: tenantId },
    );
    expect(answer.data.tenant.charges.edges).toEqual([
      {
        node: {
          contractId,
          periodStart: '2026-11-01T00:00:00.000Z',
          periodEnd: '2026-12-01T00:00:00.000Z',
          priceBookVersionId: versionId,
          generation: 0,
          quantity: '2',
          amount: { amount: '0.000005', currency: 'USD' },
          explanation: {
            priceId: expect.stringMatching(/^prc_/),
            priceName: 'Tokens',
            priceBookVersionId: versionId,
            priceBookVersionNumber: 1,
            meterId,
            dimensions: {},
            model: 'UNIT',
            quantityFrom: '0',
            quantityTo: '2',
            cumulativeAmount: '0.000005',
            billedBefore: '0',
            sentence: '2 × 2.5 / 1000000 = 0.000005; in total 0.000005 USD.',
            steps: [
              {
                kind: 'UNITS',
                tier: null,
                from: '0',
                upTo: null,
                quantity: '2',
                unitAmount: { amount: '2.5', per: '1000000' },
                percent: null,
                flat: '0',
                packages: null,
                amount: '0.000005',
              },
            ],
          },
          invoiceId: null,
        },
      },
    ]);
  });

  test('a reseller’s price is charged to its customer in the reseller’s currency', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const tenantId = await aTenant(product, { parentId: reseller });
    const { bookId } = await aPriceBook(product, {
      ownerId: reseller,
      currency: 'JPY',
      prices: [{ meterId, terms: perUnit('3') }],
    });
    await aContract(product, { sellerId: reseller, buyerId: tenantId, bookId });
    await use(tenantId, [tokens('2026-11-02T00:00:00Z', 5)]);
    await rate(product, tenantId);
    expect(
      await asSuperuser(product.database, 'select currency, amount::text from charge where tenant_id = $1', [tenantId]),
    ).toEqual([{ currency: 'JPY', amount: '15' }]);
  });
});
