import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { aGrant, leftOf } from '../credits/credits.js';
import { aBudget, aMeter } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, type Product, until } from '../support/product.js';
import { aCustomer, asking, type Chain, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

describe('what settles a hold', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    ({ product, chain, customerId, key } = await aCustomer(NOW));
  });

  afterEach(() => product.close());

  const { post, used, authorize, settle, record } = asking(() => ({ product, chain, key }));
  const at = (time: string) => product.setClock(new Date(`2026-11-10T${time}Z`));
  const held = async (tokens: number, more: object = {}, by = key): Promise<string> =>
    (await authorize(tokens, more, by)).body.hold.id;
  const settled = async (holdId: string, ...events: readonly object[]) => (await settle(holdId, events)).body.hold;
  /** What was used of a limit, window by window. */
  const usedOf = async (limitId: string): Promise<Record<string, string>> => {
    const rows = await asSuperuser<{ start: Date; used: string }>(
      product.database,
      `select start, trim_scale(sum(used))::text as used from (
         select limit_id, start, used from limit_window union all select limit_id, start, used from limit_entry
       ) w where limit_id = $1 group by start having sum(used) <> 0 order by start`,
      [limitId],
    );

    return Object.fromEntries(rows.map(({ start, used: n }) => [start.toISOString().slice(11, 16), n]));
  };
  const stored = async () =>
    asSuperuser(
      product.database,
      `select (select count(*) from usage_event)::int as events, (select jsonb_agg(h order by id) from hold h) as holds,
         (select sum(quantity) from usage_bucket)::text as quantity, (select count(*) from limit_entry)::int as entries`,
    );
  const give = async (featureId: string, value: object): Promise<void> => {
    await product.app.services.entitlements.setEntitlement(product.scope(), {
      featureId,
      targetKind: 'PLAN',
      targetId: chain.bookId,
      value,
      inherits: false,
      effectiveAt: null,
      idempotencyKey: randomUUID(),
    });
    product.setClock(new Date(product.app.clock().getTime() + 2_000));
  };
  /** Gives the plan a feature, of which its customers know a moment later. Returns the limit's id. */
  const given = async (kind: 'LIMIT' | 'RATE', value: object): Promise<string> => {
    const { feature } = await product.app.services.entitlements.createFeature(product.scope(), {
      key: kind.toLowerCase(),
      name: kind,
      kind,
      idempotencyKey: randomUUID(),
      ...(kind === 'LIMIT' ? { meterId: chain.meterId } : {}),
    });
    await give(feature.id, value);

    return feature.id;
  };

  describe('counts in the window in which it was held', () => {
    test('so that no window has more than its limit, however late calls end', async () => {
      at('12:00:50');
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', per: 'MINUTE' });
      const first = await held(10);
      at('12:01:05');
      const second = await held(10);
      expect(await settled(first, used(10))).toMatchObject({ actual: '10', overrun: '0' });
      expect(await settled(second, used(10))).toMatchObject({ actual: '10', overrun: '0' });
      expect(await usedOf(budgetId)).toEqual({ '12:00': '10', '12:01': '10' });
      expect((await authorize(1)).body.code).toBe('LIMIT_EXCEEDED');
      expect(await windowsOf(product)).toEqual({ [budgetId]: '20+0' });
    });

    test('also what is used beyond what was held, and by an event that tells of an earlier time', async () => {
      at('12:01:05');
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', per: 'MINUTE' });
      const holdId = await held(4);
      at('12:02:05');
      const told = await settled(holdId, used(5), used(2, { time: '2026-11-10T12:00:10Z' }));
      expect(told).toMatchObject({ actual: '7', overrun: '3' });
      expect(await usedOf(budgetId)).toEqual({ '12:01': '7' });
    });

    test('after it was voided too, and what it comes to later', async () => {
      at('12:00:50');
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', per: 'MINUTE' });
      const [voided, open] = [await held(2), await held(3)];
      await post('void', { holdId: voided });
      at('12:01:05');
      await settled(voided, used(1));
      await settled(open, used(3));
      at('12:02:05');
      expect(await settled(open, used(4))).toMatchObject({ state: 'SETTLED', actual: '7', overrun: '4' });
      expect(await usedOf(budgetId)).toEqual({ '12:00': '8' });
    });

    test('and at its own time against a limit that was made since, or that counts by other windows since', async () => {
      at('12:00:50');
      const unitsId = await given('LIMIT', { amount: '100', per: 'DAY', mode: 'HARD' });
      const holdId = await held(2);
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', per: 'MINUTE' });
      await give(unitsId, { amount: '100', per: 'MINUTE', mode: 'HARD' });
      at('12:02:05');
      await settled(holdId, used(1, { time: '2026-11-10T12:01:10Z' }), used(2));
      expect(await usedOf(budgetId)).toEqual({ '12:01': '1', '12:02': '2' });
      expect(await usedOf(unitsId)).toEqual({ '12:01': '1', '12:02': '2' });
    });

    test('and against the budget of the key that asked, whoever tells what became of it', async () => {
      const [{ id: keyId } = { id: '' }] = await asSuperuser<{ id: string }>(
        product.database,
        'select id from api_key where tenant_id = $1',
        [customerId],
      );
      const ofKey = await aBudget(product, { tenantId: customerId, amount: '10', keyId });
      const holdId = await held(5);
      const other = await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write']);
      await settle(holdId, [used(4)], other);
      expect(await windowsOf(product)).toEqual({ [ofKey]: '4+0' });
    });
  });

  describe('is one call of a rate', () => {
    test('whatever events it has, and although more of them come later', async () => {
      const limitId = await given('RATE', { calls: 3, per: 'MINUTE' });
      const holdId = await held(3);
      await settle(holdId, [used(1), used(1), used(1)]);
      expect((await windowsOf(product))[limitId]).toBe('1+0');
      await settle(holdId, [used(1)]);
      expect((await windowsOf(product))[limitId]).toBe('1+0');
      await record(used(1), used(1));
      expect((await windowsOf(product))[limitId]).toBe('3+0');
      expect((await authorize(1)).body.code).toBe('LIMIT_EXCEEDED');
    });

    test('although the rate was given after it was held', async () => {
      const holdId = await held(3);
      const limitId = await given('RATE', { calls: 3, per: 'MINUTE' });
      await settle(holdId, [used(1), used(1)]);
      expect((await windowsOf(product))[limitId]).toBe('1+0');
    });
  });

  test('is of the tenant of the hold where an event has no tenant, or null for one', async () => {
    const above = await aKey(product.app, product.scope(chain.resellerId), ['holds:write', 'usage:write']);
    const holdId = await held(4);
    const events = [{ ...used(1), tenant: null }, used(1)];
    expect(await post('settle', { tenantId: customerId, holdId, events }, above)).toMatchObject({
      status: 200,
      body: { hold: { state: 'SETTLED', actual: '2' } },
    });
    expect(await asSuperuser(product.database, 'select distinct tenant_id from usage_event')).toEqual([
      { tenant_id: customerId },
    ]);
  });

  describe('is what nobody has told before', () => {
    test('so what settled one hold does not settle another', async () => {
      const [one, other] = [await held(5), await held(5)];
      const event = used(2);
      expect(await settled(one, event)).toMatchObject({ actual: '2' });
      const before = await stored();
      expect(await settle(other, [event])).toMatchObject({
        status: 409,
        body: { error: { code: 'ALREADY_EXISTS', field: ['events'] } },
      });
      expect(await stored()).toEqual(before);
      expect((await post('void', { holdId: other })).body.hold.state).toBe('VOIDED');
      expect((await settle(other, [event])).status).toBe(409);
    });

    test('so of events that were recorded in part it comes to the rest', async () => {
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
      const holdId = await held(5);
      const [before, since] = [used(1), used(3)];
      await record(before);
      expect(await settled(holdId, before, since)).toMatchObject({ actual: '3', overrun: '0' });
      expect(await windowsOf(product)).toEqual({ [budgetId]: '4+0' });
    });

    test('and told again it is answered with the hold, also at the same moment', async () => {
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
      const holdId = await held(5);
      const events = [used(2), used(1)];
      const answers = await Promise.all(Array.from({ length: 8 }, () => settle(holdId, events)));
      expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1);
      expect(answers[0]).toMatchObject({ status: 200, body: { hold: { actual: '3', overrun: '0' } } });
      expect(await windowsOf(product)).toEqual({ [budgetId]: '3+0' });
    });
  });

  describe('more than once', () => {
    test('is added up, with what is overrun', async () => {
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
      const grantId = await aGrant(product, customerId, { amount: '10' });
      product.setClock(new Date(NOW.getTime() + 2_000));
      const holdId = await held(5);
      const first = used(2);
      expect(await settled(holdId, first)).toMatchObject({ actual: '2', overrun: '0' });
      expect(await settled(holdId, first, used(4))).toMatchObject({ state: 'SETTLED', actual: '6', overrun: '1' });
      expect(await settled(holdId, first)).toMatchObject({ actual: '6', overrun: '1' });
      expect(await windowsOf(product)).toMatchObject({ [budgetId]: '6+0' });
      expect(await leftOf(product, customerId)).toEqual({ [grantId]: '4' });
    });

    test('is added up when it comes at the same moment', async () => {
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '100' });
      const holdId = await held(5);
      await Promise.all([1, 2, 3, 4, 5, 6].map(tokens => settle(holdId, [used(tokens)])));
      expect(await settled(holdId, used(1))).toMatchObject({ actual: '22', overrun: '17' });
      expect(await windowsOf(product)).toEqual({ [budgetId]: '22+0' });
    });

    test('is added to what another process has just told', async () => {
      const holdId = await held(5);
      const other = new pg.Client({ connectionString: product.database.adminUrl });
      await other.connect();

      try {
        await other.query('begin');
        await other.query(`update hold set state = 'SETTLED', ended_at = $2, actual = 4 where id = $1`, [holdId, NOW]);
        const waiting = settled(holdId, used(3));
        await until(async () => {
          const rows = await asSuperuser(
            product.database,
            `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
          );

          return rows.length > 0;
        });
        await other.query('commit');
        expect(await waiting).toMatchObject({ state: 'SETTLED', actual: '7', overrun: '2' });
      } finally {
        await other.end();
      }
    });

    test('never takes anything off what the hold came to', async () => {
      const holdId = await held(5);
      await settled(holdId, used(3));

      for (const change of ['actual = 2', 'actual = null', "state = 'VOIDED'", 'amount = 6']) {
        await expect(asSuperuser(product.database, `update hold set ${change}`)).rejects.toThrow(
          'what it came to only grows',
        );
      }
    });
  });

  describe('has no price', () => {
    let images: string;

    beforeEach(async () => {
      images = `img.${randomUUID()}`;
      await aMeter(product, { eventType: images });
    });

    test('counts as what was held, beyond what was told of it', async () => {
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '100' });
      const holdId = await held(5);
      expect(await settled(holdId, used(2))).toMatchObject({ actual: '2', overrun: '0' });
      const unpriced = used(1, { type: images });
      expect(await settled(holdId, unpriced)).toMatchObject({ actual: '5', overrun: '0' });
      expect(await windowsOf(product)).toEqual({ [budgetId]: '5+0' });
      expect(await settled(holdId, used(1))).toMatchObject({ actual: '6', overrun: '1' });
      expect(await windowsOf(product)).toEqual({ [budgetId]: '6+0' });
    });
  });

  describe('can be tried out', () => {
    const request = (holdId: string, ...events: readonly object[]) => ({ holdId, events });
    const by = () => ({ tenantId: customerId, keyId: 'key_test' });

    test('of a hold that is there, and changes nothing', async () => {
      const { settling } = product.app.services;
      const holdId = await held(5);
      const before = await stored();
      expect(await settling.find(product.scope(customerId), holdId)).toMatchObject({ id: holdId, state: 'HELD' });
      expect(await settling.wouldSettle(product.scope(customerId), request(holdId, used(1)), by())).toEqual([]);
      expect(await settling.wouldSettle(product.scope(customerId), request(holdId, used(-1)), by())).toMatchObject([
        { index: 0, code: 'INVALID_QUANTITY' },
      ]);
      expect(await stored()).toEqual(before);
    });

    test('and is refused as it would be', async () => {
      const { settling } = product.app.services;
      const holdId = await held(5);
      const event = used(1);
      await record(event);
      const before = await stored();
      const scope = product.scope(customerId);
      const nowhere = `hld_${'0'.repeat(26)}`;
      await expect(settling.find(scope, nowhere)).rejects.toMatchObject({ code: 'NOT_FOUND', field: ['holdId'] });
      await expect(settling.find(product.scope(chain.resellerId), holdId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(settling.wouldSettle(scope, request(nowhere, used(1)), by())).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      await expect(settling.wouldSettle(scope, request(holdId, event), by())).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
        field: ['events'],
      });
      await expect(
        settling.wouldSettle(scope, request(holdId, { ...event, properties: { tokens: 2, model: 'm' } }), by()),
      ).rejects.toMatchObject({ code: 'ALREADY_EXISTS', field: ['events'] });
      expect(await stored()).toEqual(before);
    });
  });
});
