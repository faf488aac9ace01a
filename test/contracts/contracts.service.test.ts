import { randomUUID } from 'node:crypto';
import type { Scope } from '../../src/platform/index.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, perMillion, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);

describe('contracts', () => {
  let product: Product;
  let meterId: string;
  let bookId: string;

  beforeAll(async () => {
    product = await aProduct({ now: at('2026-11-20T12:00:00Z') });
    meterId = await aMeter(product);
    ({ bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('2') }] }));
  });

  afterAll(() => product.close());

  const create = (
    seller: Scope,
    input: {
      buyerId: string;
      priceBookId?: string;
      startsAt?: Date;
      graceHours?: number;
      idempotencyKey?: string;
    },
  ) =>
    product.app.services.contracts.create(seller, {
      priceBookId: bookId,
      startsAt: at('2026-01-01T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: randomUUID(),
      ...input,
    });

  const rows = (buyerId: string) =>
    asSuperuser<{ id: string; seller_id: string; starts_at: Date; ends_at: Date | null }>(
      product.database,
      'select id, seller_id, starts_at, ends_at from contract where tenant_id = $1 order by starts_at',
      [buyerId],
    );

  const actions = async (tenantId: string): Promise<string[]> =>
    (
      await asSuperuser<{ action: string }>(
        product.database,
        'select action from audit_line where tenant_id = $1 order by seq',
        [tenantId],
      )
    ).map(({ action }) => action);

  const facts = (tenantId: string) =>
    asSuperuser<{ topic: string; payload: object }>(
      product.database,
      'select topic, payload from outbox where tenant_id = $1 order by id',
      [tenantId],
    );

  async function refused(
    seller: Scope,
    input: Parameters<typeof create>[1],
    expected: { code: string; field: string[] },
  ): Promise<string> {
    const count = async (): Promise<object[]> => [
      ...(await asSuperuser(product.database, 'select * from contract order by id')),
      ...(await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id')),
      ...(await asSuperuser(product.database, 'select id from outbox order by id')),
      ...(await asSuperuser(product.database, 'select key from idempotency order by key')),
    ];
    const before = await count();
    const error = await create(seller, input).then(
      () => null,
      (reason: unknown) => reason as { code: string; field: string[]; message: string },
    );
    expect(error).toMatchObject(expected);
    expect(await count()).toEqual(before);

    return error?.message ?? '';
  }

  test('a contract takes its currency from the book and runs on without an end', async () => {
    const buyerId = await aTenant(product);
    const { contract, replayed } = await create(product.scope(), { buyerId, graceHours: 0 });
    expect(replayed).toBe(false);
    expect(contract).toMatchObject({
      tenantId: buyerId,
      sellerId: product.platformId,
      priceBookId: bookId,
      currency: 'USD',
      startsAt: at('2026-01-01T00:00:00Z'),
      graceHours: 0,
    });
    expect(contract.endsAt ?? null).toBeNull();
  });

  test('a contract writes an audit line and a fact into the buyer’s books', async () => {
    const buyerId = await aTenant(product);
    await create(product.scope(), { buyerId });
    expect(await actions(buyerId)).toEqual(['tenant.created', 'contract.created']);
    expect(await facts(buyerId)).toEqual([
      { topic: 'contract.changed', payload: { from: '2026-01-01T00:00:00.000Z' } },
    ]);
  });

  test('a new contract ends the running one where it starts', async () => {
    const buyerId = await aTenant(product);
    const first = await create(product.scope(), { buyerId });
    const second = await create(product.scope(), { buyerId, startsAt: at('2026-06-15T10:15:00Z') });
    expect(await rows(buyerId)).toEqual([
      {
        id: first.contract.id,
        seller_id: product.platformId,
        starts_at: at('2026-01-01T00:00:00Z'),
        ends_at: at('2026-06-15T10:15:00Z'),
      },
      {
        id: second.contract.id,
        seller_id: product.platformId,
        starts_at: at('2026-06-15T10:15:00Z'),
        ends_at: null,
      },
    ]);
    expect(await actions(buyerId)).toEqual([
      'tenant.created',
      'contract.created',
      'contract.ended',
      'contract.created',
    ]);
  });

  test('a third contract leaves the first as it ended', async () => {
    const buyerId = await aTenant(product);

    for (const startsAt of ['2026-01-01T00:00:00Z', '2026-03-01T00:00:00Z', '2026-05-01T00:00:00Z']) {
      await create(product.scope(), { buyerId, startsAt: at(startsAt) });
    }

    expect((await rows(buyerId)).map(({ starts_at, ends_at }) => [starts_at, ends_at])).toEqual([
      [at('2026-01-01T00:00:00Z'), at('2026-03-01T00:00:00Z')],
      [at('2026-03-01T00:00:00Z'), at('2026-05-01T00:00:00Z')],
      [at('2026-05-01T00:00:00Z'), null],
    ]);
  });

  test('a contract that starts with or before a later one is refused', async () => {
    const buyerId = await aTenant(product);
    await create(product.scope(), { buyerId, startsAt: at('2026-06-01T00:00:00Z') });

    for (const startsAt of ['2026-06-01T00:00:00Z', '2026-05-31T23:45:00Z', '2020-01-01T00:00:00Z']) {
      const message = await refused(
        product.scope(),
        { buyerId, startsAt: at(startsAt) },
        { code: 'ALREADY_EXISTS', field: ['startsAt'] },
      );
      expect(message).toContain('2026-06-01T00:00:00.000Z');
    }
  });

  test('the database itself refuses contracts that overlap', async () => {
    const buyerId = await aTenant(product);
    await create(product.scope(), { buyerId });
    await expect(
      asSuperuser(
        product.database,
        `insert into contract select tenant_id, id || 'X', seller_id, price_book_id, currency, '2026-03-01', null, 0, created_at
         from contract where tenant_id = $1`,
        [buyerId],
      ),
    ).rejects.toThrow('contract_one_at_a_time');
    expect(await rows(buyerId)).toHaveLength(1);
  });

  test('the database itself refuses a contract off the quarter hour', async () => {
    const buyerId = await aTenant(product);
    await create(product.scope(), { buyerId });
    await expect(
      asSuperuser(product.database, `update contract set ends_at = '2027-01-01T00:05:00Z' where tenant_id = $1`, [
        buyerId,
      ]),
    ).rejects.toThrow('contract_on_quarter_hour');
    expect((await rows(buyerId))[0]?.ends_at).toBeNull();
  });

  test.each(['2026-01-01T00:00:01Z', '2026-01-01T00:10:00Z', '2026-01-01T00:14:59.999Z'])(
    'a start at %s is refused, for it is not on a quarter hour',
    async startsAt => {
      const buyerId = await aTenant(product);
      await refused(
        product.scope(),
        { buyerId, startsAt: at(startsAt) },
        { code: 'INVALID_INPUT', field: ['startsAt'] },
      );
    },
  );

  test.each([-1, 2_161, 1.5, Number.NaN])('a grace of %p hours is refused', async graceHours => {
    const buyerId = await aTenant(product);
    await refused(product.scope(), { buyerId, graceHours }, { code: 'INVALID_INPUT', field: ['graceHours'] });
  });

  test.each([0, 2_160])('a grace of %p hours is taken', async graceHours => {
    const buyerId = await aTenant(product);
    expect((await create(product.scope(), { buyerId, graceHours })).contract.graceHours).toBe(graceHours);
  });

  test('a tenant cannot buy from itself', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    await refused(product.scope(reseller), { buyerId: reseller }, { code: 'INVALID_INPUT', field: ['buyerId'] });
    await refused(product.scope(), { buyerId: product.platformId }, { code: 'INVALID_INPUT', field: ['buyerId'] });
  });

  test('a seller beside or below the buyer gets the answer of an unknown buyer', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const beside = await aTenant(product);
    const { bookId: own } = await aPriceBook(product, {
      ownerId: reseller,
      prices: [{ meterId, terms: perMillion('3') }],
    });

    for (const buyerId of [beside, product.platformId, `ten_${'0'.repeat(26)}`, 'nonsense']) {
      const message = await refused(
        product.scope(reseller),
        { buyerId, priceBookId: own },
        { code: 'NOT_FOUND', field: ['buyerId'] },
      );
      expect(message).toBe(`tenant ${buyerId} does not exist`);
    }
  });

  test('a seller cannot sell by the book of another, not even of the one above or below it', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const buyerId = await aTenant(product, { parentId: reseller });
    const { bookId: theirs } = await aPriceBook(product, {
      ownerId: reseller,
      prices: [{ meterId, terms: perMillion('3') }],
    });
    await refused(
      product.scope(reseller),
      { buyerId, priceBookId: bookId },
      { code: 'NOT_FOUND', field: ['priceBookId'] },
    );
    await refused(product.scope(), { buyerId, priceBookId: theirs }, { code: 'NOT_FOUND', field: ['priceBookId'] });
  });

  test('a reseller cannot end what the platform sells to the reseller’s customer; the platform can end what the reseller sells', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const buyerId = await aTenant(product, { parentId: reseller });
    const own = await aPriceBook(product, { ownerId: reseller, prices: [{ meterId, terms: perMillion('3') }] });
    await aContract(product, { buyerId, bookId });
    const before = await rows(buyerId);
    await refused(
      product.scope(reseller),
      { buyerId, priceBookId: own.bookId, startsAt: at('2026-06-01T00:00:00Z') },
      { code: 'FORBIDDEN', field: ['buyerId'] },
    );
    expect(await rows(buyerId)).toEqual(before);

    const other = await aTenant(product, { parentId: reseller });
    await aContract(product, { sellerId: reseller, buyerId: other, bookId: own.bookId });
    await create(product.scope(), { buyerId: other, startsAt: at('2026-06-01T00:00:00Z') });
    expect((await rows(other)).map(row => [row.seller_id, row.ends_at])).toEqual([
      [reseller, at('2026-06-01T00:00:00Z')],
      [product.platformId, null],
    ]);
  });

  test('a reseller sells to its customer by its own book, and the platform sees the customer’s contract', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const buyerId = await aTenant(product, { parentId: reseller });
    const { bookId: own } = await aPriceBook(product, {
      ownerId: reseller,
      prices: [{ meterId, terms: perMillion('3') }],
    });
    const { contract } = await create(product.scope(reseller), { buyerId, priceBookId: own });
    expect(contract.sellerId).toBe(reseller);
    const seen = await product.graphql(
      product.platformKey,
      'query ($id: ID) { tenant(id: $id) { contracts { edges { node { id sellerId buyerId } } } } }',
      { id: buyerId },
    );
    expect(seen.data.tenant.contracts.edges).toEqual([{ node: { id: contract.id, sellerId: reseller, buyerId } }]);
  });

  test('a seller finds its buyers on a book from an instant on, each once, and no other’s', async () => {
    const { bookId: book } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
    const [early, late, both] = [await aTenant(product), await aTenant(product), await aTenant(product)];
    await create(product.scope(), { buyerId: early, priceBookId: book });
    await create(product.scope(), { buyerId: early, startsAt: at('2026-03-01T00:00:00Z') });
    await create(product.scope(), { buyerId: late, priceBookId: book, startsAt: at('2026-05-01T00:00:00Z') });
    await create(product.scope(), { buyerId: both, priceBookId: book });
    await create(product.scope(), { buyerId: both, priceBookId: book, startsAt: at('2026-02-01T00:00:00Z') });
    const { contracts } = product.app.services;
    expect(await contracts.buyersOf(product.scope(), book, at('2026-01-15T00:00:00Z'))).toEqual(
      [early, late, both].sort(),
    );
    expect(await contracts.buyersOf(product.scope(), book, at('2026-03-01T00:00:00Z'))).toEqual([late, both].sort());
    expect(await contracts.buyersOf(product.scope(early), book, at('2026-01-15T00:00:00Z'))).toEqual([]);
  });

  test('the same idempotency key and input gives the first contract again', async () => {
    const buyerId = await aTenant(product);
    const input = { buyerId, idempotencyKey: randomUUID() };
    const first = await create(product.scope(), input);
    const again = await create(product.scope(), input);
    expect([again.contract.id, again.replayed]).toEqual([first.contract.id, true]);
    expect(await rows(buyerId)).toHaveLength(1);
    expect(await actions(buyerId)).toEqual(['tenant.created', 'contract.created']);
    expect(await facts(buyerId)).toHaveLength(1);
  });

  test('the same idempotency key with other input is refused', async () => {
    const buyerId = await aTenant(product);
    const idempotencyKey = randomUUID();
    await create(product.scope(), { buyerId, idempotencyKey });

    for (const other of [
      { buyerId, graceHours: 25 },
      { buyerId, startsAt: at('2026-02-01T00:00:00Z') },
      { buyerId: await aTenant(product) },
    ]) {
      await refused(
        product.scope(),
        { ...other, idempotencyKey },
        { code: 'IDEMPOTENCY_KEY_REUSED', field: ['idempotencyKey'] },
      );
    }
  });

  test('the same idempotency key of another seller is another key', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const { bookId: own } = await aPriceBook(product, {
      ownerId: reseller,
      prices: [{ meterId, terms: perMillion('3') }],
    });
    const idempotencyKey = randomUUID();
    const one = await create(product.scope(), { buyerId: await aTenant(product), idempotencyKey });
    const other = await create(product.scope(reseller), {
      buyerId: await aTenant(product, { parentId: reseller }),
      priceBookId: own,
      idempotencyKey,
    });
    expect(other.replayed).toBe(false);
    expect(other.contract.id).not.toBe(one.contract.id);
  });

  test('of many contracts made at once from the same instant exactly one stands', async () => {
    const buyerId = await aTenant(product);
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => create(product.scope(), { buyerId })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);

    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') {
        expect(outcome.reason).toMatchObject({ code: 'ALREADY_EXISTS' });
      }
    }

    expect(await rows(buyerId)).toHaveLength(1);
    expect(await actions(buyerId)).toEqual(['tenant.created', 'contract.created']);
  });

  test('the same creation sent many times at once makes one contract and replays it', async () => {
    const buyerId = await aTenant(product);
    const input = { buyerId, idempotencyKey: randomUUID() };
    const made = await Promise.all(Array.from({ length: 8 }, () => create(product.scope(), input)));
    expect(new Set(made.map(({ contract }) => contract.id)).size).toBe(1);
    expect(made.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await rows(buyerId)).toHaveLength(1);
  });

  test('contracts made at once from different instants stand in a row without an overlap', async () => {
    const buyerId = await aTenant(product);
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4, 5, 6].map(month =>
        create(product.scope(), { buyerId, startsAt: new Date(Date.UTC(2026, month, 1)) }),
      ),
    );
    const made = await rows(buyerId);
    expect(made).toHaveLength(outcomes.filter(({ status }) => status === 'fulfilled').length);

    for (const [index, { ends_at }] of made.entries()) {
      expect(ends_at).toEqual(made[index + 1]?.starts_at ?? null);
    }
  });

  describe('a contract that is replaced in the middle of what was rated', () => {
    const charged = async (tenantId: string): Promise<Record<string, string>> => {
      const found = await asSuperuser<{ contract_id: string; total: string }>(
        product.database,
        'select contract_id, trim_scale(sum(amount))::text as total from charge where tenant_id = $1 group by 1',
        [tenantId],
      );

      return Object.fromEntries(found.map(row => [row.contract_id, row.total]));
    };

    test('keeps what was used before and gives the rest to the new one', async () => {
      const { bookId: dear } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('10') }] });
      const buyerId = await aTenant(product);
      const old = await aContract(product, { buyerId, bookId });
      await product.app.services.usage.accept(
        product.scope(buyerId),
        [
          anEvent({ time: '2026-11-03T00:00:00Z', properties: { tokens: 1_000_000 } }),
          anEvent({ time: '2026-11-13T00:00:00Z', properties: { tokens: 2_000_000 } }),
        ],
        { keyId: 'test', isDryRun: false },
      );
      await rate(product, buyerId);
      expect(await charged(buyerId)).toEqual({ [old]: '6' });
      const startsAt = at('2026-11-10T00:00:00Z');
      const fresh = await aContract(product, { buyerId, bookId: dear, startsAt });
      await product.app.services.rating.rerate(product.scope(buyerId), startsAt);
      expect(await charged(buyerId)).toEqual({ [old]: '2', [fresh]: '20' });
    });

    test('is not charged twice where the new one begins at the end of a month in UTC but not in its zone', async () => {
      const { bookId: dear } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('10') }] });
      const buyerId = await aTenant(product, { timeZone: 'America/New_York' });
      const old = await aContract(product, { buyerId, bookId });
      // Still October in New York.
      await product.app.services.usage.accept(
        product.scope(buyerId),
        [anEvent({ time: '2026-11-01T01:00:00Z', properties: { tokens: 1_000_000 } })],
        { keyId: 'test', isDryRun: false },
      );
      await rate(product, buyerId);
      expect(await charged(buyerId)).toEqual({ [old]: '2' });
      const startsAt = at('2026-11-01T00:00:00Z');
      const fresh = await aContract(product, { buyerId, bookId: dear, startsAt });
      await product.app.services.rating.rerate(product.scope(buyerId), startsAt);
      expect(await charged(buyerId)).toEqual({ [old]: '0', [fresh]: '10' });
      expect(
        await asSuperuser(
          product.database,
          'select period_start, period_end from invoice where tenant_id = $1 and contract_id = $2',
          [buyerId, old],
        ),
      ).toEqual([{ period_start: at('2026-10-01T04:00:00Z'), period_end: startsAt }]);
    });

    test('asks for nothing in the months that the new one has taken over', async () => {
      const { bookId: dear } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('10') }] });
      const buyerId = await aTenant(product);
      const old = await aContract(product, { buyerId, bookId });
      await product.app.services.usage.accept(
        product.scope(buyerId),
        [
          anEvent({ time: '2026-10-03T00:00:00Z', properties: { tokens: 1_000_000 } }),
          anEvent({ time: '2026-11-13T00:00:00Z', properties: { tokens: 2_000_000 } }),
        ],
        { keyId: 'test', isDryRun: false },
      );
      await rate(product, buyerId);
      expect(await charged(buyerId)).toEqual({ [old]: '6' });
      const startsAt = at('2026-09-15T00:00:00Z');
      const fresh = await aContract(product, { buyerId, bookId: dear, startsAt });
      await product.app.services.rating.rerate(product.scope(buyerId), startsAt);
      expect(await charged(buyerId)).toEqual({ [old]: '0', [fresh]: '30' });
    });

    test('keeps no unpriced usage in the months that the new one has taken over', async () => {
      const other = await aMeter(product, { eventType: 'image.made', aggregation: 'COUNT', valueProperty: null });
      const { bookId: whole } = await aPriceBook(product, {
        prices: [{ meterId: other, terms: perMillion('1000000') }],
      });
      const buyerId = await aTenant(product);
      const old = await aContract(product, { buyerId, bookId });
      await product.app.services.usage.accept(
        product.scope(buyerId),
        [anEvent({ type: 'image.made', time: '2026-11-13T00:00:00Z', properties: {} })],
        { keyId: 'test', isDryRun: false },
      );
      await rate(product, buyerId);
      const unpriced = () =>
        asSuperuser(product.database, 'select contract_id, reason from unpriced_usage where tenant_id = $1', [buyerId]);
      expect(await unpriced()).toEqual([{ contract_id: old, reason: 'NO_PRICE' }]);
      const startsAt = at('2026-10-15T00:00:00Z');
      const fresh = await aContract(product, { buyerId, bookId: whole, startsAt });
      await product.app.services.rating.rerate(product.scope(buyerId), startsAt);
      expect(await unpriced()).toEqual([]);
      expect(await charged(buyerId)).toEqual({ [fresh]: '1' });
    });
  });
});
