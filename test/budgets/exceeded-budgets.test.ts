import { randomUUID } from 'node:crypto';
import { aBudget } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product, until } from '../support/product.js';
import { aChain, type Chain } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');

interface Told {
  readonly budgetId: string;
  readonly amount: { readonly amount: string };
  readonly used: { readonly amount: string };
  readonly window: { readonly start: string; readonly end: string | null };
}

describe('a budget in which more is used than there is', () => {
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
    chain = await aChain(product, 2);
    customerId = chain.customerIds[0] ?? '';
    key = await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write']);
  });

  afterEach(() => product.close());

  const anEndpoint = (tenantId: string) =>
    product.app.services.webhooks.createEndpoint(product.scope(tenantId), {
      url: 'https://example.com/hook',
      eventTypes: ['budget.exceeded'],
      idempotencyKey: randomUUID(),
    });
  const record = (tokens: unknown, time = product.app.clock()) =>
    product.postUsage(key, [
      { id: randomUUID(), type: chain.eventType, time: time.toISOString(), properties: { tokens, model: 'm' } },
    ]);
  const post = async (path: string, body: object) => {
    const response = await fetch(`${product.server.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

    // eslint-disable-next-line typescript/no-explicit-any -- each test asserts what it needs.
    return (await response.json()) as any;
  };
  const authorize = (tokens: unknown) =>
    post('authorize', {
      eventType: chain.eventType,
      properties: { tokens, model: 'm' },
      idempotencyKey: randomUUID(),
    });
  const fold = (tenantId = customerId) => product.app.services.budgets.fold(product.scope(tenantId));
  const tell = (tenantId = customerId) => product.app.services.budgets.tellExceeded(product.scope(tenantId));
  /** What was sent to a tenant, first to last: budget, amount, used and the window. */
  const told = async (tenantId = customerId): Promise<readonly unknown[]> => {
    const rows = await product.app.services.webhooks.deliveries(product.scope(tenantId), { first: 100 });

    return rows.reverse().map(({ body }) => {
      const { budgetId, amount, used, window } = (JSON.parse(body) as { data: Told }).data;

      return [budgetId, amount.amount, used.amount, window.start, window.end];
    });
  };
  const excesses = () =>
    asSuperuser<{ budget_id: string; isTold: boolean }>(
      product.database,
      'select budget_id, told_at is not null as "isTold" from budget_excess order by budget_id, window_start',
    );
  const MONTH = ['2026-11-01T00:00:00.000Z', '2026-12-01T00:00:00.000Z'];

  test('is told to its owner once for the window, with the audit line and the fact, whatever is used after', async () => {
    await anEndpoint(customerId);
    await anEndpoint(chain.resellerId);
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', mode: 'SOFT' });
    await record(10);
    await fold();
    expect([await told(), await excesses()]).toEqual([[], []]);
    await record('0.5');
    await fold();
    expect(await told()).toEqual([[budgetId, '10', '10.5', ...MONTH]]);
    await record(7);
    await fold();
    await tell();
    expect(await told()).toHaveLength(1);
    // Neither to those above, whose budget it is not.
    expect(await told(chain.resellerId)).toEqual([]);
    const lines = await asSuperuser<{ tenant_id: string; after: unknown }>(
      product.database,
      `select tenant_id, after from audit_line where action = 'budget.exceeded'`,
    );
    const data = {
      budgetId,
      tenantId: customerId,
      name: 'A budget',
      mode: 'SOFT',
      amount: { amount: '10', currency: 'USD' },
      used: { amount: '10.5', currency: 'USD' },
      window: { start: MONTH[0], end: MONTH[1] },
    };
    expect(lines).toEqual([{ tenant_id: customerId, after: data }]);
    expect(
      await asSuperuser(
        product.database,
        `select tenant_id, payload from outbox where topic = 'budget.exceeded' order by id`,
      ),
    ).toEqual([{ tenant_id: customerId, payload: { budgetId, windowStart: MONTH[0] } }]);
    // In the next window again.
    product.setClock(new Date('2026-12-05T00:00:00Z'));
    await record(11);
    await fold();
    expect((await told())[1]).toEqual([budgetId, '10', '11', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']);
  });

  test('is told by a reseller’s budget to the reseller, and by a HARD one that usage overran, but not by a refusal', async () => {
    await anEndpoint(chain.resellerId);
    await anEndpoint(customerId);
    const above = await aBudget(product, { tenantId: chain.resellerId, amount: '5', per: null });
    expect((await authorize(6)).isAllowed).toBe(false);
    await fold(chain.resellerId);
    expect(await told(chain.resellerId)).toEqual([]);
    await record(6);
    await fold(chain.resellerId);
    expect(await told(chain.resellerId)).toEqual([[above, '5', '6', '1970-01-01T00:00:00.000Z', null]]);
    expect(await told()).toEqual([]);
  });

  test('is found whoever counts the usage in: a hold that asks does, and the sweeps find what is to be told', async () => {
    await anEndpoint(customerId);
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', mode: 'SOFT' });
    await aBudget(product, { tenantId: chain.resellerId, amount: '20' });
    await record(12);
    // Refused for another budget; it has counted in what was used all the same, and nothing waits any more.
    expect((await authorize(99)).isAllowed).toBe(false);
    expect(await asSuperuser(product.database, 'select from limit_entry')).toEqual([]);
    expect(await excesses()).toEqual([{ budget_id: budgetId, isTold: false }]);
    expect(await product.app.sweeps.sweepOnce()).toBeGreaterThan(0);
    product.app.work();
    await until(async () => (await told()).length > 0);
    expect(await told()).toEqual([[budgetId, '10', '12', ...MONTH]]);
    expect(await excesses()).toEqual([{ budget_id: budgetId, isTold: true }]);
  });

  test('is told within about a second of the usage, and what settles a hold, by a product at work', async () => {
    await anEndpoint(customerId);
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', mode: 'SOFT', per: 'DAY' });
    product.app.work();
    const { hold } = await authorize(8);
    const start = performance.now();
    await post('settle', {
      holdId: hold.id,
      events: [
        {
          id: 'a',
          type: chain.eventType,
          time: product.app.clock().toISOString(),
          properties: { tokens: 11, model: 'm' },
        },
      ],
    });
    await until(async () => (await told()).length > 0);
    // The machine of a test may be busy.
    expect(performance.now() - start).toBeLessThan(6_000);
    expect(await told()).toEqual([[budgetId, '10', '11', '2026-11-10T00:00:00.000Z', '2026-11-11T00:00:00.000Z']]);
  });

  test('is not one while it is raised, and is told of when it comes to more, or the raise is over', async () => {
    await anEndpoint(customerId);
    const raise = async (amount: string, until: Date, mode: 'SOFT' | 'HARD' = 'SOFT') => {
      const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', mode });
      await product.app.services.budgets.raise(product.scope(customerId), {
        budgetId,
        amount,
        from: null,
        until,
        reason: 'a launch',
        idempotencyKey: randomUUID(),
      });

      return budgetId;
    };
    const [little, short, long] = [
      await raise('1', new Date('2026-11-30T00:00:00Z')),
      await raise('5', new Date('2026-11-11T00:00:00Z')),
      await raise('5', new Date('2027-01-01T00:00:00Z')),
    ];
    await record(12);
    await fold();
    expect(await told()).toEqual([[little, '11', '12', ...MONTH]]);
    product.setClock(new Date('2026-11-11T00:00:01Z'));
    await tell();
    expect((await told()).slice(1)).toEqual([[short, '10', '12', ...MONTH]]);
    await record(4);
    await fold();
    expect((await told()).slice(2)).toEqual([[long, '15', '16', ...MONTH]]);
  });

  test('is forgotten when its window is over and was raised for as much, and looked at again for what comes late', async () => {
    await anEndpoint(customerId);
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10', mode: 'SOFT', per: 'DAY' });
    await product.app.services.budgets.raise(product.scope(customerId), {
      budgetId,
      amount: '5',
      from: null,
      until: new Date('2026-11-11T00:00:00Z'),
      reason: 'a launch',
      idempotencyKey: randomUUID(),
    });
    await record(12);
    await fold();
    expect(await excesses()).toEqual([{ budget_id: budgetId, isTold: false }]);
    product.setClock(new Date('2026-11-11T12:00:00Z'));
    await tell();
    expect([await told(), await excesses()]).toEqual([[], []]);
    await record(2, NOW);
    await fold();
    expect([await told(), await excesses()]).toEqual([[], []]);
    await record(2, NOW);
    await fold();
    expect(await told()).toEqual([[budgetId, '15', '16', '2026-11-10T00:00:00.000Z', '2026-11-11T00:00:00.000Z']]);
  });

  test('is told by none that has ended, and by each of many', async () => {
    await anEndpoint(customerId);
    const ended = await aBudget(product, { tenantId: customerId, amount: '1', mode: 'SOFT' });
    await record(2);
    // Written down by whoever counts it in, and ended before it is told.
    await authorize(1);
    expect(await excesses()).toHaveLength(1);
    await product.app.services.budgets.end(product.scope(customerId), ended);
    await tell();
    expect([await told(), await excesses()]).toEqual([[], []]);
    const many: string[] = [];

    for (let n = 0; n < 103; n++) {
      many.push(await aBudget(product, { tenantId: customerId, amount: n === 50 ? '3' : '1', mode: 'SOFT' }));
    }

    await record(2);
    await fold();
    const sent = await asSuperuser<{ id: string }>(
      product.database,
      `select body::jsonb -> 'data' ->> 'budgetId' as id from webhook_delivery`,
    );
    expect(sent.map(({ id }) => id).sort()).toEqual(many.filter((_, n) => n !== 50).sort());
  });

  test('is told once however many tell at the same time', async () => {
    await anEndpoint(customerId);
    await aBudget(product, { tenantId: customerId, amount: '1', mode: 'SOFT' });
    await record(2);
    await authorize(1);
    await Promise.all(Array.from({ length: 8 }, () => tell()));
    expect(await told()).toHaveLength(1);
    expect(
      await asSuperuser(product.database, `select count(*)::int as n from audit_line where action = 'budget.exceeded'`),
    ).toEqual([{ n: 1 }]);
  });
});
