import { randomUUID } from 'node:crypto';
import type { Threshold } from '../../src/alerts/alert.rules.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, aVersion, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

describe('spend alerts', () => {
  let product: Product;
  let bookId: string;

  beforeAll(async () => {
    product = await aProduct();
    const meterId = await aMeter(product);
    ({ bookId } = await aPriceBook(product, {
      prices: [{ meterId, terms: perUnit('1') }],
    }));
  });

  beforeEach(() => product.setClock(new Date('2026-11-20T12:00:00Z')));

  afterAll(() => product.close());

  async function aBuyer(): Promise<string> {
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });

    return tenantId;
  }

  async function spend(tenantId: string, amount: string, time = '2026-11-10T00:00:00Z'): Promise<void> {
    const { accepted } = await product.app.services.usage.accept(
      product.scope(tenantId),
      [anEvent({ time, properties: { tokens: amount } })],
      { keyId: 'test', isDryRun: false },
    );
    expect(accepted).toBe(1);
    await rate(product, tenantId);
  }

  const create = (
    tenantId: string,
    thresholds: readonly Threshold[],
    options: { budget?: string; name?: string; key?: string } = {},
  ) =>
    product.app.services.alerts.create(
      product.scope(tenantId),
      {
        name: options.name ?? 'watch',
        budget: options.budget ?? null,
        thresholds,
        idempotencyKey: options.key ?? randomUUID(),
      },
      product.app.services.rating,
    );

  const firings = (tenantId: string) =>
    asSuperuser<{ seq: string; alert_id: string; threshold: string; spend: string; period_start: Date }>(
      product.database,
      `select seq::text, alert_id, threshold, trim_scale(spend)::text as spend, period_start
       from alert_firing f where tenant_id = $1 order by f.seq`,
      [tenantId],
    );

  const fired = async (tenantId: string): Promise<[string, string][]> =>
    (await firings(tenantId)).map(({ threshold, spend: reached }) => [threshold, reached]);

  const anEndpoint = (tenantId: string) =>
    product.app.services.webhooks.createEndpoint(product.scope(tenantId), {
      url: 'http://127.0.0.1:9/hook',
      eventTypes: ['spend_alert.triggered'],
      idempotencyKey: randomUUID(),
    });

  test('fire when the spend of a period reaches an amount, to the last digit', async () => {
    const tenantId = await aBuyer();
    await create(tenantId, [{ amount: '10' }]);
    await spend(tenantId, '9.999999999999');
    expect(await fired(tenantId)).toEqual([]);
    await spend(tenantId, '0.000000000001');
    expect(await fired(tenantId)).toEqual([['amount:10', '10']]);
  });

  test('fire when the spend reaches a per cent of the budget', async () => {
    const tenantId = await aBuyer();
    await create(tenantId, [{ percent: '50' }, { percent: '100' }], { budget: '8' });
    await spend(tenantId, '4');
    expect(await fired(tenantId)).toEqual([['percent:50', '4']]);
    await spend(tenantId, '4.5');
    expect(await fired(tenantId)).toEqual([
      ['percent:50', '4'],
      ['percent:100', '8.5'],
    ]);
  });

  test('fire for all thresholds that one rating crosses, lowest first', async () => {
    const tenantId = await aBuyer();
    await create(tenantId, [{ percent: '100' }, { amount: '3' }, { percent: '50' }, { percent: '200' }], {
      budget: '10',
    });
    await spend(tenantId, '12');
    expect(await fired(tenantId)).toEqual([
      ['amount:3', '12'],
      ['percent:50', '12'],
      ['percent:100', '12'],
    ]);
  });

  test('fire once per period and threshold, and again in the next period', async () => {
    const tenantId = await aBuyer();
    await create(tenantId, [{ amount: '5' }]);
    await spend(tenantId, '6');
    await spend(tenantId, '6');
    await product.app.services.rating.rerate(product.scope(tenantId), new Date('2026-01-01T00:00:00Z'));
    expect(await fired(tenantId)).toEqual([['amount:5', '6']]);
    product.setClock(new Date('2026-12-02T00:00:00Z'));
    await spend(tenantId, '4', '2026-12-01T00:00:00Z');
    expect(await firings(tenantId)).toHaveLength(1);
    await spend(tenantId, '1', '2026-12-01T01:00:00Z');
    expect(await firings(tenantId)).toMatchObject([
      { period_start: new Date('2026-11-01T00:00:00Z') },
      { period_start: new Date('2026-12-01T00:00:00Z'), spend: '5' },
    ]);
  });

  test('fire at once for what is reached when they are made, once', async () => {
    const tenantId = await aBuyer();
    await spend(tenantId, '6');
    const { alert } = await create(tenantId, [{ amount: '5' }, { amount: '7' }]);
    expect(await firings(tenantId)).toMatchObject([{ alert_id: alert.id, threshold: 'amount:5', spend: '6' }]);
    await spend(tenantId, '0.5');
    expect(await firings(tenantId)).toHaveLength(1);
    await spend(tenantId, '0.5');
    expect(await fired(tenantId)).toEqual([
      ['amount:5', '6'],
      ['amount:7', '7'],
    ]);
  });

  test('made after the invoice of a period do not fire for it, even when a later price has corrected it', async () => {
    const meterId = await aMeter(product, { eventType: 'call.made', aggregation: 'COUNT', valueProperty: null });
    const prices = (amount: string) => [{ meterId, terms: perUnit(amount) }];
    const { bookId: calls } = await aPriceBook(product, { prices: prices('10') });
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId: calls });
    await product.app.services.usage.accept(
      product.scope(tenantId),
      [anEvent({ type: 'call.made', time: '2026-10-10T00:00:00Z', properties: {} })],
      { keyId: 'test', isDryRun: false },
    );
    await rate(product, tenantId);
    const [october] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from invoice where tenant_id = $1',
      [tenantId],
    );
    await product.app.services.invoicing.issue(product.scope(tenantId), {
      invoiceId: october?.id ?? '',
      acceptUnpriced: false,
      idempotencyKey: randomUUID(),
    });
    const effectiveAt = new Date('2026-10-01T00:00:00Z');
    await aVersion(product, { bookId: calls, prices: prices('20'), effectiveAt });
    await product.app.services.rating.rerate(product.scope(tenantId), effectiveAt);
    await create(tenantId, [{ amount: '5' }]);
    expect(await fired(tenantId)).toEqual([]);
  });

  test('fire for a period long past when its usage comes late', async () => {
    const tenantId = await aBuyer();
    await create(tenantId, [{ amount: '5' }]);
    await spend(tenantId, '6', '2024-02-29T12:00:00Z');
    expect(await firings(tenantId)).toMatchObject([{ period_start: new Date('2024-02-01T00:00:00Z'), spend: '6' }]);
  });

  test('never fire once they are archived', async () => {
    const tenantId = await aBuyer();
    const { alert } = await create(tenantId, [{ amount: '5' }]);
    await product.app.services.alerts.archive(product.scope(tenantId), alert.id);
    await spend(tenantId, '6');
    expect(await fired(tenantId)).toEqual([]);
  });

  test('are archived once; doing it again changes nothing', async () => {
    const tenantId = await aBuyer();
    const { alert } = await create(tenantId, [{ amount: '5' }]);
    const once = await product.app.services.alerts.archive(product.scope(tenantId), alert.id);
    product.setClock(new Date('2026-11-21T12:00:00Z'));
    const twice = await product.app.services.alerts.archive(product.scope(tenantId), alert.id);
    expect(twice.archivedAt).toEqual(once.archivedAt);
    expect(
      await asSuperuser(
        product.database,
        "select seq from audit_line where tenant_id = $1 and action = 'spend_alert.archived'",
        [tenantId],
      ),
    ).toHaveLength(1);
  });

  test('of one tenant are not there for another', async () => {
    const [tenantId, other] = [await aBuyer(), await aBuyer()];
    const { alert } = await create(tenantId, [{ amount: '5' }]);
    await expect(product.app.services.alerts.archive(product.scope(other), alert.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `spend alert ${alert.id} does not exist`,
    });
    await spend(other, '6');
    expect(await fired(other)).toEqual([]);
    await spend(tenantId, '6');
    expect(await fired(tenantId)).toEqual([['amount:5', '6']]);
  });

  test('commit each firing with its delivery, its audit line, its fact and its charge', async () => {
    const tenantId = await aBuyer();
    await anEndpoint(tenantId);
    const { alert } = await create(tenantId, [{ amount: '5' }]);
    await spend(tenantId, '6');
    const versions = await asSuperuser<{ table: string; xmin: string }>(
      product.database,
      `select 'firing' as table, xmin::text from alert_firing where tenant_id = $1
       union all select 'delivery', xmin::text from webhook_delivery where tenant_id = $1
       union all select 'charge', xmin::text from charge where tenant_id = $1
       union all select 'fact', xmin::text from outbox where tenant_id = $1 and topic = 'spend_alert.fired'
       union all select 'line', xmin::text from audit_line where tenant_id = $1
         and action in ('spend_alert.fired', 'webhook_delivery.queued')`,
      [tenantId],
    );
    expect(versions.map(({ table }) => table).toSorted()).toEqual([
      'charge',
      'delivery',
      'fact',
      'firing',
      'line',
      'line',
    ]);
    expect(new Set(versions.map(({ xmin }) => xmin)).size).toBe(1);
    const [delivery] = await asSuperuser<{ message_id: string; body: string }>(
      product.database,
      'select message_id, body from webhook_delivery where tenant_id = $1',
      [tenantId],
    );
    const [firing] = await asSuperuser<{ id: string }>(
      product.database,
      'select id from alert_firing where tenant_id = $1',
      [tenantId],
    );
    expect(delivery?.message_id).toBe(`msg_${firing?.id ?? ''}`);
    expect(JSON.parse(delivery?.body ?? '{}')).toMatchObject({
      type: 'spend_alert.triggered',
      data: {
        firingId: firing?.id,
        alertId: alert.id,
        alertName: 'watch',
        tenantId,
        threshold: 'amount:5',
        thresholdAmount: { amount: '5', currency: 'USD' },
        spend: { amount: '6', currency: 'USD' },
        period: { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z' },
      },
    });
  });

  test('fire nothing when the rating that reached them is undone', async () => {
    const tenantId = await aBuyer();
    await anEndpoint(tenantId);
    await create(tenantId, [{ amount: '5' }]);
    await product.app.services.usage.accept(
      product.scope(tenantId),
      [anEvent({ time: '2026-11-10T00:00:00Z', properties: { tokens: 6 } })],
      { keyId: 'test', isDryRun: false },
    );
    await asSuperuser(
      product.database,
      `create function refuse_mark() returns trigger language plpgsql as $$ begin raise exception 'no mark today'; end $$`,
    );
    await asSuperuser(
      product.database,
      'create trigger no_mark before insert or update on rating_mark for each row execute function refuse_mark()',
    );

    try {
      await expect(rate(product, tenantId)).rejects.toThrow('no mark today');

      for (const table of ['alert_firing', 'webhook_delivery', 'charge', 'invoice', 'rating_mark']) {
        expect([
          table,
          await asSuperuser(product.database, `select 1 from ${table} where tenant_id = $1`, [tenantId]),
        ]).toEqual([table, []]);
      }
    } finally {
      await asSuperuser(product.database, 'drop trigger no_mark on rating_mark');
      await asSuperuser(product.database, 'drop function refuse_mark()');
    }

    await rate(product, tenantId);
    expect(await fired(tenantId)).toEqual([['amount:5', '6']]);
  });

  test('are numbered without a gap in a tenant, however many ratings run at once', async () => {
    const tenantId = await aBuyer();
    await create(
      tenantId,
      Array.from({ length: 20 }, (_, index) => ({ amount: String(index + 1) })),
    );
    await create(tenantId, [{ percent: '10' }, { percent: '90' }], { budget: '20' });
    await Promise.all(Array.from({ length: 10 }, () => spend(tenantId, '2')));
    const all = await firings(tenantId);
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: 22 }, (_, index) => String(index + 1)));
  });

  test('follow a cursor: each firing after it, in order, once', async () => {
    const tenantId = await aBuyer();
    await create(tenantId, [{ amount: '1' }, { amount: '2' }, { amount: '3' }]);
    await spend(tenantId, '2');
    const seen: string[] = [];
    let goesOn = true;
    const stream = product.app.services.alerts.follow(
      product.scope(tenantId),
      '1',
      product.app.clock,
      async () => goesOn,
    );
    const reading = (async () => {
      for await (const firing of stream) {
        seen.push(`${firing.seq}:${firing.threshold}`);

        if (seen.length === 2) {
          goesOn = false;
        }
      }
    })();
    await spend(tenantId, '1');
    await product.app.services.alerts.hint(tenantId);
    await reading;
    expect(seen).toEqual(['2:amount:2', '3:amount:3']);
  });

  test('are made once per idempotency key, and refused with other input', async () => {
    const tenantId = await aBuyer();
    await spend(tenantId, '6');
    const first = await create(tenantId, [{ amount: '5' }], { key: 'once' });
    const again = await create(tenantId, [{ amount: '5' }], { key: 'once' });
    expect([again.alert.id, again.replayed]).toEqual([first.alert.id, true]);
    await expect(create(tenantId, [{ amount: '6' }], { key: 'once' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect(await firings(tenantId)).toHaveLength(1);
    expect(
      await asSuperuser(product.database, 'select id from spend_alert where tenant_id = $1', [tenantId]),
    ).toHaveLength(1);
  });

  test.each<[string, readonly Threshold[], { budget?: string; name?: string }, string[]]>([
    ['an empty name', [{ amount: '5' }], { name: ' ' }, ['name']],
    ['a name with a control character', [{ amount: '5' }], { name: 'a\u0000b' }, ['name']],
    ['per cent without a budget', [{ percent: '5' }], {}, ['thresholds', '0']],
    ['no thresholds', [], {}, ['thresholds']],
  ])('are refused with %s, and nothing is left behind', async (_what, thresholds, options, field) => {
    const tenantId = await aTenant(product);
    await expect(create(tenantId, thresholds, options)).rejects.toMatchObject({ code: 'INVALID_INPUT', field });
    expect(await asSuperuser(product.database, 'select id from spend_alert where tenant_id = $1', [tenantId])).toEqual(
      [],
    );
    expect(await asSuperuser(product.database, 'select key from idempotency where tenant_id = $1', [tenantId])).toEqual(
      [],
    );
  });

  test('a correction below a threshold takes no firing back, and reaching it again is not told again', async () => {
    const tenantId = await aTenant(product);
    const meterId = await aMeter(product, {
      eventType: 'seats.now',
      aggregation: 'LATEST',
      valueProperty: 'seats',
      dimensions: [],
    });
    const { bookId: seats } = await aPriceBook(product, {
      prices: [{ meterId, terms: perUnit('1') }],
    });
    await aContract(product, { buyerId: tenantId, bookId: seats });
    await create(tenantId, [{ amount: '5' }]);

    for (const [minute, count] of [
      [1, 6],
      [2, 1],
      [3, 9],
    ] as const) {
      await product.app.services.usage.accept(
        product.scope(tenantId),
        [anEvent({ type: 'seats.now', time: `2026-11-10T00:0${minute}:00Z`, properties: { seats: count } })],
        { keyId: 'test', isDryRun: false },
      );
      await rate(product, tenantId);
    }

    expect(await fired(tenantId)).toEqual([['amount:5', '6']]);
  });
});
