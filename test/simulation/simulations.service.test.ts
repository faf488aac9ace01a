import { randomUUID } from 'node:crypto';
import { accept, aMeterLike, aModel } from '../usage/meters.js';
import {
  aContract,
  anEvent,
  aPriceBook,
  aTenant,
  perMillion,
  perUnit,
  rate,
  type PriceGiven,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { amounts, linesOf, plain, run, simulate, startSimulation, type Asked } from './simulate.js';

const NOW = new Date('2026-12-05T12:00:00Z');

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

/** A draft version of a book. Returns its id. */
async function aDraft(bookId: string, prices: readonly PriceGiven[], ownerId?: string): Promise<string> {
  const { version } = await product.app.services.pricing.createVersion(product.scope(ownerId), {
    priceBookId: bookId,
    prices: prices.map(price => ({ ...price, name: price.name ?? 'Tokens', pattern: price.pattern ?? {} })),
    idempotencyKey: randomUUID(),
  });

  return version.id;
}

/** A meter with a book and a customer on it who used something, each month a little more. */
async function aCustomer(given: { readonly timeZone?: string; readonly ownerId?: string } = {}) {
  const { meterId, eventType } = await aMeterLike(product, { dimensions: [{ name: 'model', property: 'model' }] });
  const { bookId, versionId } = await aPriceBook(product, {
    prices: [{ meterId, name: 'Use', terms: perUnit('0.01') }],
  });
  const tenantId = await aTenant(product, { name: 'Acme', timeZone: given.timeZone ?? 'UTC' });
  await aContract(product, { buyerId: tenantId, bookId });
  await accept(product, tenantId, [
    anEvent({ type: eventType, time: '2026-09-30T23:30:00Z', properties: { value: 100, model: 'a' } }),
    anEvent({ type: eventType, time: '2026-10-31T23:30:00Z', properties: { value: 1_000, model: 'a' } }),
    anEvent({ type: eventType, time: '2026-11-30T23:30:00Z', properties: { value: '10000.5', model: 'b' } }),
  ]);
  await rate(product, tenantId);

  return { meterId, eventType, bookId, versionId, tenantId };
}

const at = (day: string): Date => new Date(`2026-${day}T00:00:00Z`);

describe('a simulation', () => {
  test('tries a draft on every tenant on its book, and changes nothing but its own rows', async () => {
    const one = await aCustomer();
    const other = await aTenant(product, { name: 'Berta' });
    await aContract(product, { buyerId: other, bookId: one.bookId });
    await accept(product, other, [
      anEvent({ type: one.eventType, time: '2026-11-10T00:00:00Z', properties: { value: 3, model: 'a' } }),
    ]);
    await rate(product, other);
    // Somebody who was on the book before that time, and somebody on another book.
    const past = await aTenant(product, { name: 'Past' });
    await aContract(product, { buyerId: past, bookId: one.bookId, startsAt: at('01-01') });
    await aContract(product, { buyerId: past, bookId: (await aCustomer()).bookId, startsAt: at('11-01') });
    const draftId = await aDraft(one.bookId, [{ meterId: one.meterId, name: 'Use', terms: perUnit('0.015') }]);
    const rest = async () =>
      asSuperuser(
        product.database,
        `select (select count(*) from usage_event) as events, (select md5(string_agg(c::text, '' order by id)) from charge c) as charges,
           (select md5(string_agg(i::text, '' order by id)) from invoice i) as invoices,
           (select md5(string_agg(b::text, '' order by b::text)) from usage_bucket b) as buckets,
           (select md5(string_agg(u::text, '' order by u::text)) from unpriced_usage u) as unpriced`,
      );
    const before = await rest();
    const { simulation, tenants, items } = await simulate(product, { priceBookVersionId: draftId });

    expect(await rest()).toEqual(before);
    expect(simulation).toMatchObject({
      tenantId: product.platformId,
      sellerId: product.platformId,
      priceBookId: one.bookId,
      versionId: draftId,
      status: 'DONE',
      tenantsTotal: 2,
      tenantsDone: 2,
      eventsTotal: '2',
      eventsDone: '2',
      error: null,
    });
    expect(simulation.totals).toEqual([
      { currency: 'USD', tenants: 2, oldAmount: '100.03', newAmount: '150.05', oldUnpriced: 0, newUnpriced: 0 },
    ]);
    // 10,000.5 units at 0.01 and at 0.015; 3 units at 0.01 and at 0.015, half-even.
    expect(tenants.map(amounts)).toEqual([
      ['100', '150.01', '100.005', '150.0075'],
      ['0.03', '0.04', '0.03', '0.045'],
    ]);
    expect(linesOf(items.get(one.tenantId), 'old')).toEqual(['Use 10000.5 100.005 100']);
    expect(linesOf(items.get(one.tenantId), 'new')).toEqual(['Use 10000.5 150.0075 150.01']);
  });

  test('replays every billing period that the stretch touches, whole, and says which', async () => {
    const { tenantId, bookId, meterId } = await aCustomer({ timeZone: 'America/New_York' });
    const draftId = await aDraft(bookId, [{ meterId, name: 'Use', terms: perUnit('1') }]);
    const [contract] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from contract where tenant_id = $1',
      [tenantId],
    );
    const { tenants } = await simulate(product, {
      priceBookVersionId: draftId,
      from: new Date('2026-10-31T12:00:00Z'),
      until: new Date('2026-11-01T04:00:00.001Z'),
    });
    expect(tenants[0]?.periods).toEqual([
      { contractId: contract?.id, start: '2026-10-01T04:00:00.000Z', end: '2026-11-01T04:00:00.000Z' },
      { contractId: contract?.id, start: '2026-11-01T04:00:00.000Z', end: '2026-12-01T05:00:00.000Z' },
    ]);
    // All of October and November there; what happened at the end of September in UTC is September there too.
    expect(amounts(tenants[0])?.[1]).toBe('11000.5');
    const less = await simulate(product, {
      priceBookVersionId: draftId,
      from: new Date('2026-10-31T12:00:00Z'),
      until: new Date('2026-11-01T04:00:00Z'),
    });
    expect(amounts(less.tenants[0])?.[1]).toBe('1000');
  });

  test('tries a book on named tenants in the periods of all their contracts, and on others only under its own', async () => {
    const one = await aCustomer();
    const two = await aPriceBook(product, { prices: [{ meterId: one.meterId, name: 'Use', terms: perUnit('0.02') }] });
    // Moves to the other book in the middle of November, and uses something more there.
    await aContract(product, { buyerId: one.tenantId, bookId: two.bookId, startsAt: at('11-16') });
    await accept(product, one.tenantId, [
      anEvent({ type: one.eventType, time: '2026-11-15T23:59:59.999Z', properties: { value: 7, model: 'a' } }),
    ]);
    await rate(product, one.tenantId);
    const draftId = await aDraft(one.bookId, [{ meterId: one.meterId, name: 'Use', terms: perUnit('3') }]);
    const byBook = await simulate(product, { priceBookVersionId: draftId });
    expect(byBook.tenants.map(amounts)).toEqual([['0.07', '21', '0.07', '21']]);
    const named = await simulate(product, { priceBookVersionId: draftId, tenantIds: [one.tenantId, one.tenantId] });
    expect(named.simulation).toMatchObject({ tenantsTotal: 1, tenantsDone: 1 });
    expect(named.tenants.map(amounts)).toEqual([['200.08', '30022.5', '200.08', '30022.5']]);
    expect(named.tenants[0]?.periods.map(({ start, end }) => [start, end])).toEqual([
      ['2026-11-01T00:00:00.000Z', '2026-11-16T00:00:00.000Z'],
      ['2026-11-16T00:00:00.000Z', '2026-12-01T00:00:00.000Z'],
    ]);
  });

  test('has two answers for a tenant that was billed in two currencies', async () => {
    const { tenantId, meterId, bookId, eventType } = await aCustomer();
    const euros = await aPriceBook(product, {
      currency: 'EUR',
      prices: [{ meterId, name: 'Use', terms: perUnit('0.01') }],
    });
    await aContract(product, { buyerId: tenantId, bookId: euros.bookId, startsAt: at('11-16') });
    await accept(product, tenantId, [
      anEvent({ type: eventType, time: '2026-11-02T00:00:00Z', properties: { value: 7, model: 'a' } }),
    ]);
    await rate(product, tenantId);
    const both = [
      { meterId, name: 'Use', terms: perUnit('1') },
      { meterId, name: 'Use', currency: 'EUR', terms: perUnit('2') },
    ];
    const asked = { priceBookVersionId: await aDraft(bookId, both), tenantIds: [tenantId] };
    const { tenants, simulation } = await simulate(product, asked);
    expect(tenants.map(row => [row.currency, ...(amounts(row) ?? [])])).toEqual([
      ['EUR', '100', '20001', '100.005', '20001'],
      ['USD', '0.07', '7', '0.07', '7'],
    ]);
    expect(simulation.totals?.map(({ currency, newAmount }) => [currency, newAmount])).toEqual([
      ['EUR', '20001'],
      ['USD', '7'],
    ]);
  });

  test('is done with a tenant that has no period in that time', async () => {
    const { meterId, bookId } = await aCustomer();
    const idle = await aTenant(product, { name: 'Idle', currency: 'CHF' });
    const draftId = await aDraft(bookId, [{ meterId, terms: perUnit('1') }]);
    const { simulation, tenants } = await simulate(product, { priceBookVersionId: draftId, tenantIds: [idle] });
    expect(simulation).toMatchObject({ status: 'DONE', tenantsDone: 1, eventsDone: '0' });
    expect(tenants).toMatchObject([{ name: 'Idle', currency: 'CHF', periods: [], difference: '0' }]);
  });

  test('takes a period that is not over as it stands: no minimum is raised to yet', async () => {
    const { meterId, bookId, tenantId, eventType } = await aCustomer();
    await accept(product, tenantId, [
      anEvent({ type: eventType, time: '2026-12-01T00:00:00Z', properties: { value: 5, model: 'a' } }),
    ]);
    await rate(product, tenantId);
    const draftId = await aDraft(bookId, [{ meterId, name: 'Use', terms: { ...perUnit('1'), minimum: '30' } }]);
    const asked = { priceBookVersionId: draftId, from: at('12-01'), until: NOW };
    expect((await simulate(product, asked)).tenants.map(amounts)).toEqual([['0.05', '5', '0.05', '5']]);
    product.setClock(new Date('2027-01-02T00:00:00Z'));
    expect((await simulate(product, asked)).tenants.map(amounts)).toEqual([['0.05', '30', '0.05', '30']]);
  });

  test('sums what was charged over all adjustments, each a line of its own, and replays it as one', async () => {
    const { meterId, eventType, bookId, tenantId, versionId } = await aCustomer();
    const { invoicing } = product.app.services;
    const [november] = (await invoicing.list(product.scope(tenantId), { first: 10 })).filter(
      ({ periodStart }) => periodStart.getTime() === at('11-01').getTime(),
    );
    await invoicing.issue(product.scope(tenantId), {
      invoiceId: november?.id ?? '',
      acceptUnpriced: false,
      idempotencyKey: randomUUID(),
    });
    // 10,000.5 units came to 100.005, which is 100.00; 1.1 more to 0.011, which is 0.01 on the next invoice.
    await accept(product, tenantId, [
      anEvent({ type: eventType, time: '2026-11-11T00:00:00Z', properties: { value: '1.1', model: 'b' } }),
    ]);
    await rate(product, tenantId);
    expect(
      await asSuperuser(product.database, 'select from charge where tenant_id = $1 and period_start = $2', [
        tenantId,
        at('11-01'),
      ]),
    ).toHaveLength(2);
    const charged = await simulate(product, { priceBookVersionId: versionId });
    expect(charged.tenants.map(amounts)).toEqual([['100.01', '100.02', '100.016', '100.016']]);
    const published = await simulate(product, { priceBookVersionId: versionId, baseline: 'PUBLISHED' });
    expect(published.tenants.map(amounts)).toEqual([['100.02', '100.02', '100.016', '100.016']]);
    const cheaper = await simulate(product, {
      priceBookVersionId: await aDraft(bookId, [{ meterId, name: 'Use', terms: perUnit('0.005') }]),
    });
    expect(cheaper.tenants[0]?.difference).toBe('-50');
  });

  test('counts beside the amounts what a draft forgets: it is no saving', async () => {
    const { meterId, bookId, tenantId, eventType } = await aCustomer();
    await accept(product, tenantId, [
      anEvent({ type: eventType, time: '2026-11-02T00:00:00Z', properties: { value: 7, model: 'a' } }),
    ]);
    await rate(product, tenantId);
    const draftId = await aDraft(bookId, [{ meterId, pattern: { model: 'a' }, terms: perUnit('1') }]);
    const { tenants, simulation } = await simulate(product, { priceBookVersionId: draftId });
    expect(tenants).toMatchObject([{ old_unpriced: 0, new_unpriced: 1 }]);
    expect(amounts(tenants[0])?.slice(0, 2)).toEqual(['100.08', '7']);
    expect(simulation.totals).toMatchObject([{ oldUnpriced: 0, newUnpriced: 1 }]);
  });

  test('counts by meters that came after the usage, also where one of them cannot read it', async () => {
    const { meterId, bookId, eventType } = await aCustomer();
    const later = await aMeterLike(product, { eventType, aggregation: 'COUNT', valueProperty: null });
    await aMeterLike(product, { eventType, valueProperty: 'not_there' });
    const draftId = await aDraft(bookId, [
      { meterId, name: 'Use', terms: perUnit('0.01') },
      { meterId: later.meterId, name: 'Calls', terms: perUnit('0.25') },
    ]);
    const { items, tenants } = await simulate(product, { priceBookVersionId: draftId, baseline: 'PUBLISHED' });
    expect(linesOf([...items.values()][0], 'old')).toEqual(['Use 10000.5 100.005 100']);
    expect(linesOf([...items.values()][0], 'new')).toEqual(['Calls 1 0.25 0.25', 'Use 10000.5 100.005 100']);
    expect(tenants[0]?.difference).toBe('0.25');
  });

  test('tries other context bands of a model, on the new side alone', async () => {
    const { meterId, eventType } = await aMeterLike(product, {
      source: 'TOKEN_USAGE',
      valueProperty: 'usage',
      dimensions: [{ name: 'model', property: 'model' }],
    });
    const key = `banded-${randomUUID().slice(0, 8)}`;
    await aModel(product, { key, contextBands: [{ above: '1000', name: 'long' }] });
    const price = (band: string, amount: string): PriceGiven => ({
      meterId,
      name: band,
      pattern: { model: key, token_kind: 'input', context_band: band },
      terms: perMillion(amount),
    });
    const { bookId, versionId } = await aPriceBook(product, { prices: [price('short', '1'), price('long', '2')] });
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });
    const used = [900_000, 1_000, 1_001, 5_000].map((tokens, index) =>
      anEvent({
        type: eventType,
        time: `2026-11-0${index + 1}T10:00:00Z`,
        properties: { model: key, usage: { input: tokens } },
      }),
    );
    await accept(product, tenantId, used);
    await rate(product, tenantId);
    const asked: Asked = { priceBookVersionId: versionId, baseline: 'PUBLISHED' };
    const same = await simulate(product, asked);
    const asIs = ['long 906001 1.812002 1.81', 'short 1000 0.001 0'];
    expect(linesOf(same.items.get(tenantId), 'old')).toEqual(asIs);
    expect(linesOf(same.items.get(tenantId), 'new')).toEqual(asIs);
    const moved = await simulate(product, {
      ...asked,
      modelContexts: [{ modelKey: key, bands: [{ above: '5000', inclusive: true, name: 'long' }] }],
    });
    expect(linesOf(moved.items.get(tenantId), 'old')).toEqual(asIs);
    expect(linesOf(moved.items.get(tenantId), 'new')).toEqual(['long 905000 1.81 1.81', 'short 2001 0.002001 0']);
    const without = await simulate(product, { ...asked, modelContexts: [{ modelKey: key, bands: [] }] });
    expect(linesOf(without.items.get(tenantId), 'new')).toEqual([]);
    expect(without.tenants[0]).toMatchObject({ old_unpriced: 0, new_unpriced: 1 });
  });

  test('reads usage in pages, whatever lies at the same instant', async () => {
    const { meterId, eventType } = await aMeterLike(product, { keepsEvents: true });
    const terms = { model: 'PERCENTAGE', rate: '1', freeEvents: '5100', fixedAmount: '0.01' } as const;
    const { bookId, versionId } = await aPriceBook(product, { prices: [{ meterId, name: 'Fee', terms }] });
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });

    for (let batch = 0; batch < 11; batch++) {
      await accept(
        product,
        tenantId,
        Array.from({ length: 1_000 }, (_, index) => {
          const serial = batch * 1_000 + index;
          // 6,000 at one instant, the others spread over the month.
          const time = new Date(at('11-01').getTime() + (serial < 6_000 ? 0 : serial * 200_000)).toISOString();

          return anEvent({ type: eventType, id: `e${(serial * 7_919) % 11_000}`, time, properties: { value: serial } });
        }),
      );
    }

    await rate(product, tenantId);
    const { simulation, items } = await simulate(product, { priceBookVersionId: versionId });
    expect(simulation).toMatchObject({ eventsDone: '11000', eventsTotal: '11000' });
    const old = linesOf(items.get(tenantId), 'old');
    expect(old).toHaveLength(1);
    expect(linesOf(items.get(tenantId), 'new')).toEqual(old);
  });
});

describe('a simulation is refused', () => {
  const code = async (asked: Asked) =>
    startSimulation(product, asked).then(
      () => 'started',
      (error: { code: string; field: readonly string[]; message: string }) => [
        error.code,
        error.field.join('.'),
        error.message,
      ],
    );
  const rows = () =>
    asSuperuser(
      product.database,
      `select (select count(*) from simulation) as simulations, (select count(*) from idempotency) as keys,
         (select count(*) from audit_line) as lines, (select count(*) from outbox) as facts`,
    );

  test('at the field at fault, and nothing is written', async () => {
    const { versionId, bookId, meterId, tenantId } = await aCustomer();
    const withdrawn = await aDraft(bookId, [{ meterId, terms: perUnit('1') }]);
    const { pricing } = product.app.services;
    await pricing.publish(product.scope(), { versionId: withdrawn, effectiveAt: new Date('2027-06-01T00:00:00Z') });
    await pricing.withdraw(product.scope(), withdrawn);
    const sellerId = await aTenant(product, { kind: 'RESELLER' });
    const below = await aTenant(product, { parentId: sellerId });
    const sold = await aPriceBook(product, { ownerId: sellerId, prices: [{ meterId, terms: perUnit('1') }] });
    const unknown = 'ten_0123456789ABCDEFGHJKMNPQRS';
    const before = await rows();

    for (const [asked, expected] of [
      [{ priceBookVersionId: 'pbv_0123456789ABCDEFGHJKMNPQRS' }, ['NOT_FOUND', 'priceBookVersionId']],
      [{ priceBookVersionId: 'nonsense' }, ['NOT_FOUND', 'priceBookVersionId']],
      // The reseller's, looked for among the platform's own.
      [{ priceBookVersionId: sold.versionId }, ['NOT_FOUND', 'priceBookVersionId']],
      [{ priceBookVersionId: withdrawn }, ['INVALID_INPUT', 'priceBookVersionId']],
      [{ priceBookVersionId: versionId, until: new Date(NOW.getTime() + 60_000) }, ['INVALID_INPUT', 'until']],
      [{ priceBookVersionId: versionId, tenantIds: [tenantId, unknown] }, ['NOT_FOUND', 'tenantIds.1']],
      [{ priceBookVersionId: versionId, tenantIds: ["' or true"] }, ['NOT_FOUND', 'tenantIds.0']],
      [
        { priceBookVersionId: sold.versionId, sellerId, tenantIds: [below, tenantId] },
        ['INVALID_INPUT', 'tenantIds.1'],
      ],
      // Nobody has a contract on it.
      [{ priceBookVersionId: sold.versionId, sellerId }, ['INVALID_INPUT', 'tenantIds']],
      [
        { priceBookVersionId: versionId, modelContexts: [{ modelKey: 'unheard-of', bands: [] }] },
        ['NOT_FOUND', 'modelContexts.0.modelKey'],
      ],
    ] as const) {
      expect((await code(asked)).slice(0, 2)).toEqual(expected);
    }

    expect(await rows()).toEqual(before);
    // A reseller cannot try anything on tenants that are not below it.
    expect(
      (await code({ ownerId: sellerId, priceBookVersionId: sold.versionId, tenantIds: [tenantId] })).slice(0, 2),
    ).toEqual(['NOT_FOUND', 'tenantIds.0']);
    expect(await code({ ownerId: sellerId, priceBookVersionId: sold.versionId, tenantIds: [sellerId, below] })).toBe(
      'started',
    );
  });

  test('while ten of the tenant wait or run', async () => {
    const ownerId = await aTenant(product, { kind: 'RESELLER' });
    const { meterId } = await aMeterLike(product, {});
    const { versionId } = await aPriceBook(product, { ownerId, prices: [{ meterId, terms: perUnit('1') }] });
    const asked = { ownerId, priceBookVersionId: versionId, tenantIds: [ownerId] };
    const open = [];

    for (let index = 0; index < 10; index++) {
      open.push(await startSimulation(product, asked));
    }

    const before = await rows();
    expect((await code(asked)).slice(0, 2)).toEqual(['FORBIDDEN', 'priceBookVersionId']);
    expect(await rows()).toEqual(before);
    await run(product, { id: open[0]?.id ?? '', tenantId: ownerId });
    expect(await code(asked)).toBe('started');
  });
});

test('a key starts one simulation, and with other input it is refused', async () => {
  const { versionId, tenantId } = await aCustomer();
  const { simulations } = product.app.services;
  const scope = product.scope();
  const input = {
    priceBookVersionId: versionId,
    from: at('11-01'),
    until: at('12-01'),
    tenantIds: [tenantId],
    baseline: 'CHARGED' as const,
    modelContexts: [],
    idempotencyKey: randomUUID(),
  };
  const first = await simulations.start(scope, scope, input);
  const again = await simulations.start(scope, scope, input);
  expect([first.replayed, again.replayed, again.simulation.id]).toEqual([false, true, first.simulation.id]);
  await expect(simulations.start(scope, scope, { ...input, tenantIds: null })).rejects.toMatchObject({
    code: 'IDEMPOTENCY_KEY_REUSED',
  });
});

test('a running total is the sum of what is done', async () => {
  const { versionId } = await aCustomer();
  const started = await startSimulation(product, { priceBookVersionId: versionId });
  const { simulations } = product.app.services;
  expect(await simulations.totals(product.scope(), started.id)).toEqual([]);
  await run(product, started);
  const [total] = await simulations.totals(product.scope(), started.id);
  expect([total?.tenants, plain(total?.oldAmount ?? '')]).toEqual([1, '100']);
});
