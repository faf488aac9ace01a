import { aBudget, aContract, aMeter, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, type Product } from '../support/product.js';
import { aChain, aCustomer, asking, type Chain, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

describe('a call is asked for, held, settled and given back over HTTP', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    ({ product, chain, customerId, key } = await aCustomer(NOW));
  });

  afterEach(() => product.close());

  const { post, call, used, authorize, settle } = asking(() => ({ product, chain, key }));
  const kept = async () =>
    asSuperuser<{ state: string; amount: string; actual: string | null; overrun: string }>(
      product.database,
      'select state, amount::text, actual::text, overrun::text from hold order by id',
      [],
    );
  const events = async () =>
    (await asSuperuser<{ n: string }>(product.database, 'select count(*)::text as n from usage_event', []))[0]?.n;

  test('P13: reseller $1,000, customers $500 each: 400 + 400 + 199 go ahead, 2 more do not, and whose limit it is stays hidden', async () => {
    chain = await aChain(product, 3);
    const { resellerId, customerIds } = chain;
    const top = await aBudget(product, { tenantId: resellerId, amount: '1000' });
    const own = await Promise.all(customerIds.map(tenantId => aBudget(product, { tenantId, amount: '500' })));
    const keys = await Promise.all(customerIds.map(id => aKey(product.app, product.scope(id), ['holds:write'])));
    const resellerKey = await aKey(product.app, product.scope(resellerId), ['holds:write']);
    const ask = (place: number, tokens: number | string) => authorize(tokens, {}, keys[place]);

    expect(await ask(0, 400)).toMatchObject({
      status: 200,
      body: { isAllowed: true, hold: { amount: '400', currency: 'USD' } },
    });
    expect((await ask(1, 400)).body.isAllowed).toBe(true);
    expect((await ask(2, 199)).body.isAllowed).toBe(true);
    expect(await ask(2, 2)).toMatchObject({
      status: 200,
      body: {
        isAllowed: false,
        code: 'LIMIT_EXCEEDED',
        hold: null,
        limit: { limitId: null, ownerId: null, most: null, used: null, held: null, remaining: null, resetsAt: null },
      },
    });
    expect((await authorize(2, { tenantId: customerIds[2] }, resellerKey)).body.limit).toEqual({
      limitId: top,
      ownerId: resellerId,
      measure: 'MONEY',
      currency: 'USD',
      most: '1000',
      used: '0',
      held: '999',
      remaining: '1',
      resetsAt: '2026-12-01T00:00:00.000Z',
    });
    expect(await windowsOf(product)).toEqual({
      [top]: '0+999',
      [own[0] ?? '']: '0+400',
      [own[1] ?? '']: '0+400',
      [own[2] ?? '']: '0+199',
    });
    // To the last dollar, and nothing over it but what costs nothing.
    expect((await ask(2, 1)).body.isAllowed).toBe(true);
    expect((await ask(2, 0)).body.isAllowed).toBe(true);
    expect((await ask(2, '0.000001')).body.isAllowed).toBe(false);
  });

  test('what was used takes the place of what was held; the rest is free again', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { hold } = (await authorize(8)).body;
    expect((await authorize(3)).body.code).toBe('LIMIT_EXCEEDED');
    const settled = await settle(hold.id, [used(5)]);
    expect(settled).toMatchObject({
      status: 200,
      body: { hold: { id: hold.id, state: 'SETTLED', actual: '5', overrun: '0' } },
    });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '5+0' });
    expect((await authorize(5)).body.isAllowed).toBe(true);
    expect((await authorize('0.01')).body.isAllowed).toBe(false);
  });

  test('more was used than held: it counts, the overrun is recorded, and the budget is over', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { hold } = (await authorize(8)).body;
    expect((await settle(hold.id, [used(9), used(3)])).body.hold).toMatchObject({ actual: '12', overrun: '4' });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '12+0' });
    expect((await authorize(0)).body.code).toBe('LIMIT_EXCEEDED');
  });

  test('a repeated settling, with the same events, changes nothing', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { hold } = (await authorize(8)).body;
    const told = [used(5)];
    const first = await settle(hold.id, told);
    expect(await settle(hold.id, told)).toEqual(first);
    expect(await windowsOf(product)).toEqual({ [budgetId]: '5+0' });
    expect(await events()).toBe('1');
  });

  test('the same idempotency key is the same hold; with another call it is refused', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const idempotencyKey = 'once';
    const first = await authorize(4, { idempotencyKey });
    expect(first.body.hold.replayed).toBe(false);
    expect((await authorize(4, { idempotencyKey })).body.hold).toEqual({ ...first.body.hold, replayed: true });
    expect(await authorize(5, { idempotencyKey })).toMatchObject({
      status: 409,
      body: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } },
    });
    const together = await Promise.all(Array.from({ length: 20 }, () => authorize(1, { idempotencyKey: 'twenty' })));
    expect(new Set(together.map(({ body }) => body.hold.id)).size).toBe(1);
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0+5' });
  });

  test('what was held and has taken the last room is the same hold when it is asked for again', async () => {
    await aBudget(product, { tenantId: customerId, amount: '10' });
    const first = await authorize(8, { idempotencyKey: 'lost' });
    expect((await authorize(8, { idempotencyKey: 'lost' })).body.hold).toEqual({ ...first.body.hold, replayed: true });
    expect((await authorize(9, { idempotencyKey: 'lost' })).status).toBe(409);
    expect((await authorize(3)).body.code).toBe('LIMIT_EXCEEDED');
    // Nor does it matter that it has no price any more.
    await aMeter(product, { eventType: chain.eventType, valueProperty: null, aggregation: 'COUNT' });
    product.setClock(new Date(product.app.clock().getTime() + 5_000));
    expect((await authorize(8)).body.code).toBe('UNPRICED');
    expect((await authorize(8, { idempotencyKey: 'lost' })).body.hold?.id).toBe(first.body.hold.id);
  });

  test('an idempotency key of another API key is no yes of this one', async () => {
    const other = await aKey(product.app, product.scope(customerId), ['holds:write']);
    const [{ id: keyId } = { id: '' }] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from api_key where tenant_id = $1 order by id limit 1',
      [customerId],
    );
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '0', keyId });
    const idempotencyKey = 'same';
    const first = await authorize(5, { idempotencyKey }, other);
    expect(first.body.isAllowed).toBe(true);
    expect(await authorize(5, { idempotencyKey })).toMatchObject({
      status: 409,
      body: { error: { code: 'IDEMPOTENCY_KEY_REUSED', field: ['idempotencyKey'] } },
    });
    expect((await authorize(5, { idempotencyKey }, other)).body.hold.id).toBe(first.body.hold.id);
    expect([(await kept()).length, (await windowsOf(product))[budgetId] ?? '0+0']).toEqual([1, '0+0']);
  });

  test('what was given back, or is out of time, is no yes when it is asked for again; what was settled is', async () => {
    await aBudget(product, { tenantId: customerId, amount: '10' });
    const ended = (state: string) => ({
      status: 200,
      body: { isAllowed: false, code: 'HOLD_ENDED', limit: null, hold: { state, replayed: true } },
    });
    const voided = (await authorize(10, { idempotencyKey: 'voided' })).body.hold;
    await post('void', { holdId: voided.id });
    const settled = (await authorize(8, { idempotencyKey: 'settled' })).body.hold;
    // The room is another's now, and nothing is held for this one.
    expect(await authorize(10, { idempotencyKey: 'voided' })).toMatchObject(ended('VOIDED'));
    await settle(settled.id, [used(1)]);
    await authorize(9, { idempotencyKey: 'expired', expiresInSeconds: 60 });
    product.setClock(new Date(NOW.getTime() + 120_000));
    const again = () => authorize(9, { idempotencyKey: 'expired', expiresInSeconds: 60 });
    expect(await again()).toMatchObject(ended('HELD'));
    await product.app.services.settling.expire(product.scope(customerId));
    expect(await again()).toMatchObject(ended('EXPIRED'));
    expect((await authorize(8, { idempotencyKey: 'settled' })).body).toMatchObject({
      isAllowed: true,
      code: null,
      hold: { id: settled.id, state: 'SETTLED', replayed: true },
    });
    expect(Object.values(await windowsOf(product))).toEqual(['1+0']);
  });

  test('voided it is given back, once; settled afterwards the usage still counts', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { hold } = (await authorize(8)).body;
    expect((await post('void', { holdId: hold.id })).body.hold.state).toBe('VOIDED');
    expect((await post('void', { holdId: hold.id })).body.hold.state).toBe('VOIDED');
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0+0' });
    expect((await settle(hold.id, [used(2)])).body.hold).toMatchObject({ state: 'VOIDED', actual: '2', overrun: '2' });
    expect(await windowsOf(product)).toEqual({ [budgetId]: '2+0' });
  });

  test('nobody settles it: it expires, and nothing leaks', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    await authorize(8, { expiresInSeconds: 60 });
    product.setClock(new Date(NOW.getTime() + 30_000));
    await product.app.services.settling.expire(product.scope(customerId));
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0+8' });
    product.setClock(new Date(NOW.getTime() + 120_000));
    await product.app.services.settling.expire(product.scope(customerId));
    await product.app.services.settling.expire(product.scope(customerId));
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0+0' });
    expect(await kept()).toEqual([{ state: 'EXPIRED', amount: '8', actual: null, overrun: '0' }]);
  });

  test('usage that was recorded without a hold counts as soon as its request has returned', async () => {
    const top = await aBudget(product, { amount: '100' });
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    expect((await post('check', call(7))).body).toMatchObject({ isAllowed: true, limit: null });
    await product.postUsage(key, [used(4), used(2)]);
    expect((await post('check', call(5))).body).toMatchObject({
      isAllowed: false,
      code: 'LIMIT_EXCEEDED',
      limit: { limitId: budgetId, used: '6', held: '0', remaining: '4', most: '10' },
    });
    expect((await post('check', call(4))).body.isAllowed).toBe(true);
    expect(await windowsOf(product)).toEqual({ [budgetId]: '6+0', [top]: '6+0' });
    await product.app.services.budgets.fold(product.scope(customerId));
    expect(await asSuperuser(product.database, 'select tenant_id from limit_entry', [])).toEqual([
      { tenant_id: product.platformId },
    ]);
    expect(await windowsOf(product)).toEqual({ [budgetId]: '6+0', [top]: '6+0' });
  });

  test('late usage counts in the window of its own time', async () => {
    const daily = await aBudget(product, { tenantId: customerId, amount: '10', per: 'DAY' });
    await product.postUsage(key, [used(9, { time: '2026-11-09T23:59:59Z' }), used(2)]);
    expect((await post('check', call(9))).body).toMatchObject({
      isAllowed: false,
      limit: { limitId: daily, used: '2', resetsAt: '2026-11-11T00:00:00.000Z' },
    });
    product.setClock(new Date('2026-11-11T00:00:00Z'));
    expect((await post('check', call(10))).body.isAllowed).toBe(true);
  });

  test('a budget of a key, a model, a meter or one customer looks at nothing else', async () => {
    const other = await aKey(product.app, product.scope(customerId), ['holds:write']);
    const keyId =
      (
        await asSuperuser<{ id: string }>(
          product.database,
          'select id from api_key where tenant_id = $1 order by id limit 1',
          [customerId],
        )
      )[0]?.id ?? '';
    const elsewhere = await aTenant(product, { parentId: chain.resellerId });
    const meterId = await aMeter(product, { eventType: 'elsewhere' });
    await aBudget(product, { tenantId: customerId, amount: '0', meterId });
    await aBudget(product, { amount: '0', countedTenantId: elsewhere });
    await aBudget(product, { amount: '0', model: 'dear*' });
    expect((await authorize(1)).body.isAllowed).toBe(true);
    await aBudget(product, { tenantId: customerId, amount: '0', keyId });
    expect((await authorize(1)).body.isAllowed).toBe(false);
    expect((await authorize(1, {}, other)).body.isAllowed).toBe(true);
    const dear = { properties: { tokens: 1, model: 'dearest' } };
    expect((await authorize(1, dear, other)).body.isAllowed).toBe(false);
  });

  test('a budget of a model looks at calls that name it, also where their meter keeps no model', async () => {
    const eventType = 'plain';
    const meterId = await aMeter(product, { eventType, dimensions: [] });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    const buyerId = await aTenant(product, { parentId: chain.resellerId });
    await aContract(product, { buyerId, bookId });
    const by = await aKey(product.app, product.scope(buyerId), ['holds:write']);
    const limitId = await aBudget(product, { tenantId: buyerId, amount: '0', model: 'dear*' });
    const ask = async (model: object) =>
      (await post('check', { eventType, properties: { tokens: 5, ...model }, ...model }, by)).body;
    expect(await ask({ model: 'dearest' })).toMatchObject({ isAllowed: false, limit: { limitId } });
    expect([(await ask({ model: 'm' })).code, (await ask({})).code]).toEqual([null, null]);
    // And at what they use, recorded or settled.
    const recorder = await aKey(product.app, product.scope(buyerId), ['usage:write']);
    const events = ['dearest', 'm'].map(model => used(5, { type: eventType, properties: { tokens: 5, model } }));
    await product.postUsage(recorder, events);
    expect((await windowsOf(product))[limitId]).toBe('5+0');
  });

  test('a call that no meter measures costs nothing, and is asked about no limit', async () => {
    await aMeter(product, { eventType: 'sifted', filter: 'properties.model == "m"' });
    await aBudget(product, { tenantId: customerId, amount: '0' });
    const body = { eventType: 'sifted', properties: { tokens: 5, model: 'other' }, idempotencyKey: 'sifted' };
    expect((await post('authorize', body)).body).toMatchObject({ isAllowed: true, beyond: [], hold: { amount: '0' } });
    expect(await windowsOf(product)).toEqual({});
  });

  test('a SOFT budget in another currency lets it through, counts nothing of it and tells', async () => {
    const limitId = await aBudget(product, { tenantId: customerId, amount: '1', mode: 'SOFT', currency: 'EUR' });
    const { body } = await authorize(5);
    expect(body).toMatchObject({ isAllowed: true, beyond: [{ limitId, currency: 'EUR', most: '1', remaining: '1' }] });
    await settle(body.hold.id, [used(5)]);
    expect((await windowsOf(product))[limitId]).toBe('0+0');
    await aBudget(product, { tenantId: customerId, amount: '1', mode: 'SOFT', currency: 'EUR', model: 'other' });
    expect((await post('check', call(5))).body.beyond).toHaveLength(1);
  });

  test('a SOFT budget lets it through and tells', async () => {
    const limitId = await aBudget(product, { tenantId: customerId, amount: '1', mode: 'SOFT' });
    expect((await authorize(5)).body).toMatchObject({
      isAllowed: true,
      beyond: [{ limitId, most: '1', remaining: '1' }],
    });
  });

  test('a raise counts for its time, and a change at once; one that has ended is not raised', async () => {
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { budgets } = product.app.services;
    const scope = () => product.scope(customerId);
    const until = new Date(NOW.getTime() + 3_600_000);
    await budgets.raise(scope(), { budgetId, amount: '5', from: null, until, reason: 'a launch', idempotencyKey: 'r' });
    expect((await post('check', call(15))).body.isAllowed).toBe(true);
    expect((await post('check', call(16))).body.isAllowed).toBe(false);
    product.setClock(until);
    expect((await post('check', call(11))).body.isAllowed).toBe(false);
    await budgets.change(scope(), { budgetId, amount: '3', mode: null });
    expect((await post('check', call(4))).body.isAllowed).toBe(false);
    await budgets.end(scope(), budgetId);
    expect((await post('check', call(1_000))).body.isAllowed).toBe(true);
    const raise = { budgetId, amount: '5', from: null, until: new Date(until.getTime() + 1_000), reason: 'late' };
    await expect(budgets.raise(scope(), { ...raise, idempotencyKey: 'late' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: ['budgetId'],
    });
    expect((await budgets.raises(scope(), budgetId, { first: 10 })).map(({ reason }) => reason)).toEqual(['a launch']);
  });

  describe('is refused with a code, and nothing changes,', () => {
    afterEach(async () => {
      expect(await kept()).toEqual([]);
      expect(await events()).toBe('0');
    });

    test('when a part of it has no price', async () => {
      await aMeter(product, { eventType: chain.eventType, valueProperty: 'images' });
      expect((await authorize(1, { properties: { tokens: 1, images: 1, model: 'm' } })).body).toMatchObject({
        isAllowed: false,
        code: 'UNPRICED',
        hold: null,
      });
    });

    test('when there is no contract, or it has ended', async () => {
      const bare = await aTenant(product);
      const bareKey = await aKey(product.app, product.scope(bare), ['holds:write']);
      expect((await authorize(1, {}, bareKey)).body).toMatchObject({ isAllowed: false, code: 'NO_CONTRACT' });
      await aContract(product, { buyerId: bare, bookId: chain.bookId, startsAt: new Date(NOW.getTime() + 900_000) });
      product.setClock(new Date(NOW.getTime() + 2_000));
      expect((await authorize(1, {}, bareKey)).body).toMatchObject({ isAllowed: false, code: 'NO_CONTRACT' });
    });

    test('when a budget is in another currency', async () => {
      await aBudget(product, { amount: '100', currency: 'EUR' });
      expect((await authorize(1)).body).toMatchObject({ isAllowed: false, code: 'CURRENCY_MISMATCH', limit: null });
    });

    test("when the tenant is somebody else's, or none", async () => {
      const elsewhere = await aTenant(product);
      const random = `ten_${'0'.repeat(26)}`;
      const answers = await Promise.all([elsewhere, random].map(tenantId => authorize(1, { tenantId })));
      expect(answers.map(({ status, body }) => [status, body.error.code])).toEqual([
        [404, 'NOT_FOUND'],
        [404, 'NOT_FOUND'],
      ]);
    });

    test('when the clock of the caller is wrong', async () => {
      const sentAt = (ms: number) => new Date(product.app.clock().getTime() + ms).toISOString();
      expect(await authorize(1, { sentAt: sentAt(400_000) })).toMatchObject({
        status: 400,
        body: { error: { code: 'CLOCK_SKEW', field: ['sentAt'] } },
      });
      expect(await authorize(1, { sentAt: sentAt(-400_000) })).toMatchObject({
        status: 400,
        body: { error: { code: 'CLOCK_SKEW' } },
      });
    });

    test.each([
      ['a negative estimate', { properties: { tokens: -1, model: 'm' } }],
      ['negative tokens', { tokens: [{ kind: 'input', expected: '-1' }] }],
      ['no event type', { eventType: '' }],
      ['a type that nothing counts', { eventType: 'nothing' }],
      ['no idempotency key', { idempotencyKey: '' }],
      ['a hold for ever', { expiresInSeconds: 86_401 }],
      ['a hold for no time', { expiresInSeconds: 0 }],
      ['a member that nobody knows', { amount: '5' }],
    ])('for %s', async (_what, more) => {
      expect(await authorize(1, more)).toMatchObject({ status: 400, body: { error: { code: 'INVALID_INPUT' } } });
    });

    test('for a body that is no JSON, without a key, and with a key that may not', async () => {
      expect((await post('authorize', '{')).status).toBe(400);
      expect((await authorize(1, {}, 'rb_live_nothing')).status).toBe(401);
      const reads = await aKey(product.app, product.scope(customerId), ['budgets:read']);
      expect(await authorize(1, {}, reads)).toMatchObject({ status: 403, body: { error: { code: 'FORBIDDEN' } } });
    });

    test('by a test key: it is told what would be, and holds nothing', async () => {
      await aBudget(product, { tenantId: customerId, amount: '10' });
      const test = await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write'], 'TEST');
      expect((await authorize(5, {}, test)).body).toMatchObject({ isAllowed: true, hold: null, isDryRun: true });
      expect((await authorize(11, {}, test)).body).toMatchObject({ isAllowed: false, hold: null, isDryRun: true });
    });
  });

  describe('settling is refused, and the hold stays,', () => {
    let holdId: string;

    beforeEach(async () => {
      await aBudget(product, { tenantId: customerId, amount: '10' });
      holdId = (await authorize(8)).body.hold.id;
    });

    afterEach(async () => {
      expect(await kept()).toEqual([{ state: 'HELD', amount: '8', actual: null, overrun: '0' }]);
      expect(Object.values(await windowsOf(product))).toEqual(['0+8']);
    });

    test('when one of its events cannot be accepted: none is', async () => {
      expect(await settle(holdId, [used(1), used(-1)])).toMatchObject({
        status: 422,
        body: { error: { code: 'EVENTS_REJECTED' }, rejected: [{ index: 1, code: 'INVALID_QUANTITY' }] },
      });
      expect(await events()).toBe('0');
    });

    test('when an event came before with other content', async () => {
      const first = used(1, { id: 'same' });
      await asSuperuser(product.database, 'update budget set ended_at = now()', []);
      await product.postUsage(key, [first]);
      await asSuperuser(product.database, 'update budget set ended_at = null', []);
      expect(await settle(holdId, [used(1), { ...first, properties: { tokens: 2, model: 'm' } }])).toMatchObject({
        status: 409,
        body: { error: { code: 'ALREADY_EXISTS', field: ['events'] } },
      });
      expect(await events()).toBe('1');
    });

    test("when the hold is not there, or is somebody else's, or the events are", async () => {
      const elsewhere = await aTenant(product, { parentId: chain.resellerId });
      await aContract(product, { buyerId: elsewhere, bookId: chain.bookId });
      const others = await aKey(product.app, product.scope(elsewhere), ['holds:write', 'usage:write']);
      expect((await settle(`hld_${'0'.repeat(26)}`, [used(1)])).status).toBe(404);
      expect((await settle(holdId, [used(1)], others)).status).toBe(404);
      expect((await post('void', { holdId }, others)).status).toBe(404);
      expect((await settle(holdId, [used(1, { tenant: elsewhere })])).status).toBe(422);
      expect((await settle(holdId, [])).status).toBe(400);
      expect(await events()).toBe('0');
    });
  });
});
