import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { verifyCredits } from '../../src/credits/index.js';
import { decimal, formatDecimal } from '../../src/money/index.js';
import { aGrant, leftOf, ledgerOf } from '../credits/credits.js';
import { aBudget, aContract, aMeter, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product, until } from '../support/product.js';
import { aChain, type Chain, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');
const hour = (n: number): Date => new Date(NOW.getTime() + n * 3_600_000);

describe('credits in calls', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  /** What is sent to the database. Listens before the product connects, and changes nothing of it. */
  const asked: string[] = [];
  const { query } = pg.Client.prototype;

  beforeAll(() => {
    pg.Client.prototype.query = function listen(this: pg.Client, ...given: unknown[]) {
      const [first] = given;
      asked.push(typeof first === 'string' ? first : String((first as { text?: string }).text));

      return Reflect.apply(query, this, given) as never;
    } as typeof query;
  });

  afterAll(() => {
    pg.Client.prototype.query = query;
  });

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
    chain = await aChain(product);
    customerId = chain.customerIds[0] ?? '';
    key = await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write']);
  });

  /** After whatever a test did, the ledger holds. */
  afterEach(async () => {
    expect(await verifyCredits(product.scope(customerId))).toMatchObject({ fault: null });
    await product.close();
  });

  const post = async (path: string, body: unknown, by = key) => {
    const response = await fetch(`${product.server.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

    // eslint-disable-next-line typescript/no-explicit-any -- each test asserts what it needs.
    return (await response.json()) as any;
  };
  /** Moves on, past what is remembered for a second. */
  const later = (ms = 2_000) => product.setClock(new Date(product.app.clock().getTime() + ms));
  const call = (tokens: number | string, model = 'm') => ({
    eventType: chain.eventType,
    properties: { tokens, model },
  });
  const authorize = (tokens: number | string, more: object = {}) =>
    post('authorize', { ...call(tokens), idempotencyKey: randomUUID(), ...more });
  const used = (tokens: number | string, more: object = {}) => ({
    id: randomUUID(),
    type: chain.eventType,
    time: product.app.clock().toISOString(),
    properties: { tokens, model: 'm' },
    ...more,
  });
  const usedAt = (at: Date, tokens: number) => used(tokens, { time: at.toISOString() });
  const settle = (holdId: string, ...events: readonly object[]) => post('settle', { holdId, events });
  const grant = async (given: Parameters<typeof aGrant>[2] = {}) => {
    const id = await aGrant(product, customerId, given);
    later();

    return id;
  };
  const prepaid = async (isPrepaid = true, tenantId = customerId) => {
    await product.app.services.credits.setPrepaid(product.scope(tenantId), { isPrepaid, idempotencyKey: randomUUID() });
    later();
  };
  const left = async (...ids: readonly string[]): Promise<(string | undefined)[]> => {
    const all = await leftOf(product, customerId);

    return ids.map(id => all[id]);
  };
  /** What open calls have set aside of grants. */
  const heldOf = async (...ids: readonly string[]): Promise<(string | undefined)[]> => {
    const windows = await windowsOf(product);

    return ids.map(id => windows[id]?.split('+')[1]);
  };
  const burns = async () =>
    asSuperuser<{ asked: string; paid: string; at: Date }>(
      product.database,
      `select trim_scale(t.asked)::text as asked, trim_scale(sum(e.pays))::text as paid, t.at from credit_transaction t
       join credit_entry e on e.tenant_id = t.tenant_id and e.transaction_id = t.id
       where t.kind = 'BURN' group by t.tenant_id, t.id, t.asked, t.at order by t.at, t.id`,
      [],
    );
  /** All that a call may change, for "nothing has changed". */
  const everything = async () => ({
    ledger: await ledgerOf(product, customerId),
    windows: await windowsOf(product),
    holds: await asSuperuser(product.database, 'select * from hold order by id', []),
  });

  describe('usage', () => {
    test('burns the credits of its tenant in one burn for each batch, once, as soon as its request has returned', async () => {
      const id = await grant({ amount: '20' });
      const batch = [used(4), used('2.5'), used(1)];
      await product.postUsage(key, batch);
      expect(await left(id)).toEqual(['12.5']);
      expect(await burns()).toMatchObject([{ asked: '7.5', paid: '7.5' }]);

      await product.postUsage(key, batch);
      await product.postUsage(key, [...batch, used(2)]);
      expect(await left(id)).toEqual(['10.5']);
      // Beyond what there is it is not paid with credits, and burns what there is.
      await product.postUsage(key, [used(11)]);
      expect(await left(id)).toEqual(['0']);
      expect(await burns()).toMatchObject([
        { asked: '7.5', paid: '7.5' },
        { asked: '2', paid: '2' },
        { asked: '11', paid: '10.5' },
      ]);
    });

    test('is paid by its own tenant, whoever records it', async () => {
      const id = await grant();
      const above = await aGrant(product, chain.resellerId);
      const resellerKey = await aKey(product.app, product.scope(chain.resellerId), ['usage:write']);
      later();
      await product.postUsage(resellerKey, [used(3, { tenant: customerId })]);
      expect(await left(id)).toEqual(['7']);
      expect(await leftOf(product, chain.resellerId)).toEqual({ [above]: '10' });
    });

    test('that has no price burns nothing', async () => {
      const id = await grant();
      await aMeter(product, { eventType: 'free' });
      later();
      await product.postUsage(key, [used(3, { type: 'free' })]);
      expect(await left(id)).toEqual(['10']);
      expect(await burns()).toEqual([]);
    });

    test('that no grant is for leaves no trace', async () => {
      await grant({ models: ['big*'] });
      await grant({ unit: 'EUR' });
      await product.postUsage(key, [used(3)]);
      expect(await asSuperuser(product.database, `select from credit_transaction where kind = 'BURN'`, [])).toEqual([]);
    });

    test('is paid by what was effective when it happened, in a burn for each such stretch', async () => {
      const later_ = await aGrant(product, customerId, { effectiveAt: hour(2), expiresAt: hour(8) });
      const now_ = await grant({ amount: '20' });
      product.setClock(hour(5));
      await product.postUsage(key, [usedAt(hour(1), 3), usedAt(hour(2), 4), usedAt(hour(4), 2), usedAt(hour(-1), 1)]);
      expect(await left(later_, now_)).toEqual(['4', '17']);
      // What happened before any grant was effective is in no burn.
      expect(await burns()).toEqual([
        { asked: '3', paid: '3', at: hour(1) },
        { asked: '6', paid: '6', at: hour(4) },
      ]);
    });

    test('pays by the worth of a unit, and in the unit itself where it is priced so', async () => {
      const unitWorth = { amount: '0.25', currency: 'USD' };
      const id = await grant({ unit: 'credit', unitWorth, amount: '100' });
      await product.postUsage(key, [used('2.5')]);
      expect(await left(id)).toEqual(['90']);
    });

    test('is paid from at most a second after the first credits are granted', async () => {
      await product.postUsage(key, [used(1)]);
      const id = await aGrant(product, customerId);
      later(1_000);
      await product.postUsage(key, [used(2)]);
      expect(await left(id)).toEqual(['8']);
    });

    test('of a tenant without credits asks nothing about them', async () => {
      await product.postUsage(key, [used(1)]);
      asked.length = 0;
      await product.postUsage(key, [used(2)]);
      expect(asked.filter(text => text.includes('usage_event'))).toHaveLength(1);
      expect(asked.filter(text => text.includes('credit'))).toEqual([]);
    });

    test('that brings credits low is told by a job, once, for its own transaction may go on to other tenants', async () => {
      const { webhooks, credits } = product.app.services;
      const scope = () => product.scope(customerId);
      const url = 'http://127.0.0.1:9/';
      await webhooks.createEndpoint(scope(), { url, eventTypes: ['credits.low'], idempotencyKey: 'endpoint' });
      await grant();
      await credits.setRecharge(scope(), { unit: 'USD', below: '5', amount: '50', idempotencyKey: 'r' });
      const audited = async () =>
        asSuperuser(product.database, 'select from audit_line where tenant_id = $1', [customerId]);
      const before = await audited();
      await product.postUsage(key, [used(4)]);
      const facts = async () =>
        asSuperuser(product.database, `select from outbox where topic = 'credits.burned_low'`, []);
      expect(await facts()).toEqual([]);
      await product.postUsage(key, [used(2)]);
      await product.postUsage(key, [used(1)]);
      expect(await facts()).toHaveLength(2);
      expect(await audited()).toEqual(before);
      product.app.work();
      await until(async () => (await facts()).length === 0);
      await product.postUsage(key, [used(1)]);
      expect(await facts()).toEqual([]);
      expect(
        (await asSuperuser<{ body: string }>(product.database, 'select body from webhook_delivery', [])).map(
          ({ body }) => (JSON.parse(body) as { data: object }).data,
        ),
      ).toMatchObject([{ unit: 'USD', available: '3', below: '5', rechargeAmount: '50' }]);
    });

    test('of many tenants in one batch, and credits that move between them, wait for each other in one order', async () => {
      const parent = chain.resellerId;
      await aContract(product, { buyerId: parent, bookId: chain.bookId });
      await Promise.all([aGrant(product, parent, { amount: '1000' }), aGrant(product, customerId, { amount: '1000' })]);
      await prepaid();
      const resellerKey = await aKey(product.app, product.scope(parent), ['usage:write', 'holds:write']);
      const moves = (n: number) =>
        product.app.services.creditTransfers.transfer(product.scope(parent), {
          fromTenantId: n % 2 ? parent : customerId,
          toTenantId: n % 2 ? customerId : parent,
          unit: 'USD',
          amount: '1',
          reason: null,
          idempotencyKey: randomUUID(),
        });
      const statuses = await Promise.all(
        Array.from({ length: 12 }, async (_, n) => {
          await moves(n);
          const { status } = await product.postUsage(resellerKey, [
            used(1, { tenant: n % 2 ? parent : customerId }),
            used(1, { tenant: n % 2 ? customerId : parent }),
          ]);
          const { hold } = await authorize(1);
          await settle(hold.id, used(1));

          return status;
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
      const of = async (tenantId: string) =>
        Object.values(await leftOf(product, tenantId)).reduce((all, one) => all.plus(decimal(one)), decimal('0'));
      // Twelve for the parent, twenty-four for the customer; as many went as came.
      expect(formatDecimal(await of(parent))).toBe('988');
      expect(formatDecimal(await of(customerId))).toBe('976');
    });
  });

  describe('a call of a prepaid tenant', () => {
    test('goes ahead as far as credits reach: of ten at once on a grant for three, three', async () => {
      const id = await grant({ amount: '30' });
      await prepaid();
      const answers = await Promise.all(Array.from({ length: 10 }, () => authorize(10)));
      const refusals = answers.filter(({ isAllowed }) => !isAllowed);
      expect(refusals).toHaveLength(7);
      expect(refusals[0]).toMatchObject({
        isAllowed: false,
        code: 'CREDITS_EXHAUSTED',
        message: expect.stringMatching(/add credits/),
        limit: null,
        beyond: [],
        hold: null,
      });
      expect(await heldOf(id)).toEqual(['30']);
      expect((await post('check', call('0.01'))).code).toBe('CREDITS_EXHAUSTED');
      expect((await authorize(0)).isAllowed).toBe(true);
    });

    test('is refused without any credits, and one of a tenant that is not prepaid is not', async () => {
      expect((await authorize(1)).isAllowed).toBe(true);
      await prepaid();
      expect((await authorize(1)).code).toBe('CREDITS_EXHAUSTED');
      expect((await post('check', call(1))).code).toBe('CREDITS_EXHAUSTED');
      await prepaid(false);
      expect((await authorize(1)).isAllowed).toBe(true);
    });

    test('that is refused changes nothing: neither limits nor credits hold any of it', async () => {
      await aBudget(product, { tenantId: customerId, amount: '10.5' });
      await grant({ amount: '10' });
      await prepaid();
      await authorize(8);
      const before = await everything();
      expect((await authorize('2.25')).code).toBe('CREDITS_EXHAUSTED');
      expect(await everything()).toEqual(before);
      // A limit is asked first, and then nothing of the credits is held either.
      expect((await authorize(3)).code).toBe('LIMIT_EXCEEDED');
      expect(await everything()).toEqual(before);
      expect((await authorize(2)).isAllowed).toBe(true);
    });

    test('that used less burns what it used, and the rest is free again', async () => {
      const id = await grant({ amount: '10' });
      await prepaid();
      const { hold } = await authorize(8);
      expect((await authorize(3)).isAllowed).toBe(false);
      expect((await settle(hold.id, used(3))).hold).toMatchObject({ state: 'SETTLED', actual: '3' });
      expect([await left(id), await heldOf(id)]).toEqual([['7'], ['0']]);
      expect((await authorize('7.1')).isAllowed).toBe(false);
      expect((await authorize(7)).isAllowed).toBe(true);
    });

    test('that used more burns that too, beyond what was held, and what is left of it is not paid with credits', async () => {
      const id = await grant({ amount: '10' });
      await prepaid();
      const { hold } = await authorize(8);
      const told = used(12);
      await settle(hold.id, told);
      await settle(hold.id, told);
      expect([await left(id), await heldOf(id)]).toEqual([['0'], ['0']]);
      expect(await burns()).toMatchObject([{ asked: '12', paid: '10' }]);
      expect((await authorize('0.01')).code).toBe('CREDITS_EXHAUSTED');
    });

    test('that is voided or expires gives all of it back', async () => {
      const id = await grant({ amount: '10' });
      await prepaid();
      const { hold } = await authorize(10);
      await post('void', { holdId: hold.id });
      expect(await heldOf(id)).toEqual(['0']);
      await authorize(10, { expiresInSeconds: 60 });
      expect((await authorize(1)).isAllowed).toBe(false);
      later(61_000);
      await product.app.services.settling.expire(product.scope(customerId));
      expect([await left(id), await heldOf(id)]).toEqual([['10'], ['0']]);
      expect((await authorize(10)).isAllowed).toBe(true);
    });

    test('asked for again is answered with the same hold, which holds once', async () => {
      const id = await grant({ amount: '10' });
      await prepaid();
      const [first, second] = await Promise.all([
        authorize(8, { idempotencyKey: 'once' }),
        authorize(8, { idempotencyKey: 'once' }),
      ]);
      expect(first.hold.id).toBe(second.hold.id);
      expect((await authorize(8, { idempotencyKey: 'once' })).hold).toMatchObject({
        id: first.hold.id,
        replayed: true,
      });
      expect(await heldOf(id)).toEqual(['8']);
    });

    test('holds, and burns, what expires first, whatever else is free', async () => {
      const never = await grant({ amount: '10' });
      const soon = await grant({ amount: '5', expiresAt: hour(5) });
      await prepaid();
      const { hold } = await authorize(5);
      expect(await heldOf(soon, never)).toEqual(['5', '0']);
      await settle(hold.id, used(5));
      expect(await left(soon, never)).toEqual(['0', '10']);
      await authorize(5);
      expect(await heldOf(soon, never)).toEqual(['0', '5']);
    });

    test('is paid in full whichever of several calls is settled first', async () => {
      const soon = await grant({ amount: '5', expiresAt: hour(5) });
      const never = await grant({ amount: '5' });
      await prepaid();
      const first = await authorize(5);
      const second = await authorize(5);
      await settle(second.hold.id, used(5));
      expect(await left(soon, never)).toEqual(['5', '0']);
      expect((await authorize('0.01')).code).toBe('CREDITS_EXHAUSTED');
      await settle(first.hold.id, used(5));
      expect(await left(soon, never)).toEqual(['0', '0']);
    });

    test('leaves what it holds to nobody else: usage without a hold takes what is free first, and only then that', async () => {
      const soon = await grant({ amount: '5', expiresAt: hour(5) });
      const never = await grant({ amount: '5' });
      await prepaid();
      const { hold } = await authorize(3);
      await product.postUsage(key, [used(6)]);
      expect(await left(soon, never)).toEqual(['3', '1']);
      expect(await heldOf(soon)).toEqual(['3']);
      await product.postUsage(key, [used(2)]);
      // It has happened, so it is paid, and the call finds less than it was promised.
      expect(await left(soon, never)).toEqual(['2', '0']);
      expect((await authorize('0.01')).code).toBe('CREDITS_EXHAUSTED');
      await settle(hold.id, used(3));
      expect([await left(soon, never), await heldOf(soon)]).toEqual([['0', '0'], ['0']]);
      expect((await burns()).at(-1)).toMatchObject({ asked: '3', paid: '2' });
    });

    test('is not paid with credits that are for other models', async () => {
      const big = await grant({ amount: '10', models: ['big*'], expiresAt: hour(5) });
      const any = await grant({ amount: '4' });
      await prepaid();
      const ask = (tokens: number, model: string) => authorize(tokens, call(tokens, model));
      expect((await ask(5, 'small')).code).toBe('CREDITS_EXHAUSTED');
      expect((await ask(14.5, 'big-1')).code).toBe('CREDITS_EXHAUSTED');
      const { hold } = await ask(12, 'big-1');
      expect(await heldOf(big, any)).toEqual(['10', '2']);
      expect((await ask(3, 'small')).isAllowed).toBe(false);
      const small = await ask(2, 'small');
      // In the end another model answered: it is paid with what is for that one.
      await settle(hold.id, used(1, { properties: { tokens: 1, model: 'big-1' } }), used(1));
      expect([await left(big, any), await heldOf(big, any)]).toEqual([
        ['9', '3'],
        ['0', '2'],
      ]);
      await settle(small.hold.id, used(2));
      expect(await left(big, any)).toEqual(['9', '1']);
    });

    test('of several kinds of usage is held of each what it is for', async () => {
      const other = await aMeter(product, { eventType: chain.eventType, valueProperty: 'images' });
      const { bookId } = await aPriceBook(product, {
        prices: [
          { meterId: chain.meterId, terms: perUnit('1') },
          { meterId: other, terms: perUnit('2') },
        ],
      });
      const buyerId = await aTenant(product);
      await aContract(product, { buyerId, bookId });
      customerId = buyerId;
      key = await aKey(product.app, product.scope(buyerId), ['holds:write', 'usage:write']);
      const images = await grant({ amount: '6', meterIds: [other] });
      const tokens = await grant({ amount: '5', meterIds: [chain.meterId] });
      await prepaid();
      const asked = (t: number, i: number) => authorize(t, { properties: { tokens: t, images: i, model: 'm' } });
      expect((await asked(4, 4)).code).toBe('CREDITS_EXHAUSTED');
      expect((await asked(6, 1)).code).toBe('CREDITS_EXHAUSTED');
      const { hold } = await asked(4, 3);
      expect(await heldOf(images, tokens)).toEqual(['6', '4']);
      const reader = await aKey(product.app, product.scope(buyerId), ['tenants:read', 'credits:read']);
      const grants = '{ tenant { creditGrants { edges { node { id left held } } } } }';
      expect((await product.graphql(reader, grants)).data.tenant.creditGrants.edges).toEqual([
        { node: { id: tokens, left: '5', held: '4' } },
        { node: { id: images, left: '6', held: '6' } },
      ]);
      await settle(hold.id, used(3, { properties: { tokens: 3, images: 2, model: 'm' } }));
      expect([await left(images, tokens), await heldOf(images, tokens)]).toEqual([
        ['2', '2'],
        ['0', '0'],
      ]);
    });

    test('is held in the unit of its credits', async () => {
      const unitWorth = { amount: '0.15', currency: 'USD' };
      const id = await grant({ unit: 'credit', unitWorth, amount: '20' });
      await prepaid();
      const answers = [await authorize(1), await authorize(1), await authorize(1), await authorize(1)];
      expect(answers.map(({ isAllowed }) => isAllowed)).toEqual([true, true, true, false]);
      expect(await heldOf(id)).toEqual(['19.999999999999999999999999999999999998']);

      for (const { hold } of answers.slice(0, 3)) {
        await settle(hold.id, used(1));
      }

      expect(await heldOf(id)).toEqual(['0']);
      expect(await burns()).toMatchObject([{ paid: '1' }, { paid: '1' }, { paid: '1' }]);
    });

    test('that is settled after its credits have expired is paid by others, and holds none of them for ever', async () => {
      const soon = await grant({ amount: '5', expiresAt: hour(1) });
      const never = await grant({ amount: '3' });
      await prepaid();
      const { hold } = await authorize(5, { expiresInSeconds: 7_200 });
      const happened = used(5);
      product.setClock(hour(1));
      await product.app.services.credits.expire(product.scope(customerId));
      expect([await left(soon), await heldOf(soon)]).toEqual([['0'], ['5']]);
      await settle(hold.id, happened);
      expect([await left(soon, never), await heldOf(soon)]).toEqual([['0', '0'], ['0']]);
      expect(await burns()).toMatchObject([{ asked: '5', paid: '3' }]);
    });

    test('that comes to usage without a price burns nothing and gives back what it held', async () => {
      const id = await grant();
      await aMeter(product, { eventType: 'free' });
      await prepaid();
      const { hold } = await authorize(4);
      expect((await settle(hold.id, used(1, { type: 'free' }))).hold).toMatchObject({ state: 'SETTLED' });
      expect([await left(id), await heldOf(id)]).toEqual([['10'], ['0']]);
      expect((await authorize(10)).isAllowed).toBe(true);
    });

    test('keeps its credits from being moved or taken off meanwhile', async () => {
      const id = await grant({ amount: '10' });
      await prepaid();
      const { hold } = await authorize(7);
      const { credits, creditTransfers } = product.app.services;
      const move = (amount: string) =>
        creditTransfers.transfer(product.scope(chain.resellerId), {
          fromTenantId: customerId,
          toTenantId: chain.resellerId,
          unit: 'USD',
          amount,
          reason: null,
          idempotencyKey: randomUUID(),
        });
      const takeOff = (amount: string | null) =>
        credits.refund(product.scope(customerId), {
          creditGrantId: id,
          amount,
          reason: null,
          idempotencyKey: randomUUID(),
        });
      const before = await everything();
      await expect(move('3.01')).rejects.toMatchObject({ message: expect.stringContaining('has 3 USD') });
      await expect(takeOff('3.01')).rejects.toMatchObject({
        message: expect.stringContaining('has 3 USD left beside what open calls have set aside'),
      });
      expect(await everything()).toEqual(before);
      await move('1');
      await takeOff(null);
      expect(await left(id)).toEqual(['7']);
      await expect(takeOff(null)).rejects.toMatchObject({ field: ['amount'] });
      await settle(hold.id, used(7));
      expect(await burns()).toMatchObject([{ asked: '7', paid: '7' }]);
    });

    test('waits for no other tenant, and of several tenants each has its own', async () => {
      const other = await aTenant(product, { parentId: chain.resellerId });
      await aContract(product, { buyerId: other, bookId: chain.bookId });
      const keys = [key, await aKey(product.app, product.scope(other), ['holds:write'])];
      await aGrant(product, other, { amount: '3' });
      await grant({ amount: '2' });
      await prepaid(true, other);
      await prepaid();
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, n) =>
          post('authorize', { ...call(1), idempotencyKey: randomUUID() }, keys[n % 2]),
        ),
      );
      expect([0, 1].map(own => answers.filter(({ isAllowed }, n) => isAllowed && n % 2 === own).length)).toEqual([
        2, 3,
      ]);
    });
  });

  describe('whether a tenant is prepaid', () => {
    const SET = `mutation ($input: CreditPrepaidSetInput!) {
      creditPrepaidSet(input: $input) { creditPrepaid { isPrepaid } replayed userErrors { code field } }
    }`;
    const set = async (by: string, input: object) =>
      (await product.graphql(by, SET, { input: { idempotencyKey: randomUUID(), ...input } })).data.creditPrepaidSet;
    const isPrepaid = async () =>
      (
        await product.graphql(
          product.platformKey,
          `{ node(id: "${customerId}") { ... on Tenant { creditPrepaid { isPrepaid } } } }`,
        )
      ).data.node.creditPrepaid.isPrepaid;

    test('is said by a tenant above it, once for each key, and leaves an audit line', async () => {
      expect(await isPrepaid()).toBe(false);
      const input = { tenantId: customerId, isPrepaid: true, idempotencyKey: 'one' };
      expect(await set(product.platformKey, input)).toEqual({
        creditPrepaid: { isPrepaid: true },
        replayed: false,
        userErrors: [],
      });
      expect(await set(product.platformKey, input)).toMatchObject({ replayed: true, userErrors: [] });
      expect(await isPrepaid()).toBe(true);
      expect(
        await asSuperuser(
          product.database,
          `select before, after from audit_line where tenant_id = $1 and action = 'credit_prepaid.set'`,
          [customerId],
        ),
      ).toEqual([{ before: { isPrepaid: false }, after: { isPrepaid: true } }]);
    });

    test('is not said by the tenant itself, nor by one beside it', async () => {
      const own = await aKey(product.app, product.scope(customerId));
      const beside = await aKey(product.app, product.scope(await aTenant(product)));
      await prepaid();
      expect(await set(own, { isPrepaid: false })).toMatchObject({
        creditPrepaid: null,
        userErrors: [{ code: 'FORBIDDEN', field: ['tenantId'] }],
      });
      expect(await set(beside, { isPrepaid: false, tenantId: customerId })).toMatchObject({
        userErrors: [{ code: 'NOT_FOUND' }],
      });
      expect(await isPrepaid()).toBe(true);
    });
  });
});
