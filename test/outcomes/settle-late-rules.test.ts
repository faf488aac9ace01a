import { randomUUID } from 'node:crypto';
import { createApp } from '../../src/app.js';
import { startServer } from '../../src/server.js';
import { aContract, aMeter, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, until, type Product } from '../support/product.js';
import { anOffer, aSale, claimType, outcomesOf, send, settle, standings, stepsOf, type Sent } from './settling.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const after = (ms: number): Date => new Date(NOW.getTime() + ms);

describe('events that come before the rule that looks at them is known', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
  });

  beforeEach(() => product.setClock(NOW));

  afterAll(() => product.close());

  /** One more server on the product's database, with a memory and a clock of its own. */
  async function anotherProcess() {
    let offset = 0;
    const app = await createApp(
      {
        port: 0,
        host: '127.0.0.1',
        databaseUrl: product.database.appUrl,
        relayUrl: product.database.relayUrl,
        redisUrl: null,
        secret: 'a secret for tests, long enough to be one',
        logLevel: 'fatal',
        webhookAllowPrivate: true,
      },
      { clock: () => new Date(Date.now() + offset), jobPrefix: `test-${randomUUID().slice(0, 8)}`, poolSize: 4 },
    );
    const server = await startServer(app);

    return {
      setClock: (at: Date) => {
        offset = at.getTime() - Date.now();
      },
      send: async (tenantId: string, events: readonly Sent[], key = product.platformKey): Promise<unknown> => {
        const response = await fetch(`${server.url}/v1/usage`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
          body: JSON.stringify(events.map(event => ({ tenant: tenantId, properties: {}, ...event }))),
        });

        return response.json();
      },
      close: async () => {
        await server.close();
        await app.close();
      },
    };
  }

  test('are facts where the process that accepts them does not know yet that it is published', async () => {
    const other = await anotherProcess();

    try {
      const eventType = claimType();
      await aMeter(product, { eventType, aggregation: 'COUNT', valueProperty: null, dimensions: [] });
      const { bookId } = await anOffer(product);
      const tenantId = await aTenant(product);
      await aContract(product, { buyerId: tenantId, bookId });
      const buyerKey = await aKey(product.app, product.scope(tenantId));
      const claim = (id: string, ms: number): Sent => ({ id, type: eventType, time: after(ms).toISOString() });
      // The other process looks at the rules, and remembers that none knows the type.
      other.setClock(after(400));
      expect(await other.send(tenantId, [claim('early', 400)])).toMatchObject({ accepted: 1 });

      product.setClock(after(500));
      const { outcomeRules, rating } = product.app.services;
      const { rule } = await outcomeRules.create(product.scope(), {
        priceBookId: bookId,
        key: 'late',
        name: 'Late',
        idempotencyKey: randomUUID(),
      });
      const { version } = await outcomeRules.createVersion(product.scope(), {
        outcomeRuleId: rule.id,
        terms: {
          claim: { eventType, filter: '' },
          prices: [{ name: 'Each', currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount: '1' } }],
        },
        idempotencyKey: randomUUID(),
      });
      const { effectiveAt } = await outcomeRules.publish(product.scope(), { versionId: version.id, effectiveAt: null });
      await rating.rerate(product.scope(tenantId), effectiveAt ?? NOW);

      // What the publication had done is done, and the other process still remembers.
      other.setClock(after(1_500));
      expect(await other.send(tenantId, [claim('bought', 1_500)], buyerKey)).toMatchObject({ accepted: 1 });
      expect(await other.send(tenantId, [claim('sold', 1_500), claim('before', 0)])).toMatchObject({ accepted: 2 });
      const facts = () =>
        asSuperuser(product.database, 'select id, party from outcome_event where tenant_id = $1 order by id', [
          tenantId,
        ]);
      product.setClock(after(2_000));
      await settle(product, tenantId);
      expect(await facts()).toEqual([]);
      product.setClock(after(20_000));
      await settle(product, tenantId);
      expect(await facts()).toEqual([
        { id: 'bought', party: 'BUYER' },
        { id: 'sold', party: 'SELLER' },
      ]);
      expect(await standings(product, tenantId)).toEqual({ bought: 'MATURED', sold: 'MATURED' });
      expect(
        await asSuperuser(product.database, 'select 1 from outcome_intake where tenant_id = $1', [tenantId]),
      ).toEqual([]);
      // Looked at once; the same again is nothing new.
      await rating.rerate(product.scope(tenantId), effectiveAt ?? NOW);
      product.setClock(after(60_000));
      await settle(product, tenantId);
      expect(await stepsOf(product, tenantId)).toEqual({ bought: ['1 - MATURED'], sold: ['1 - MATURED'] });
    } finally {
      await other.close();
    }
  });

  test('have the customer that the contract’s rules name, whether they came before it or after it', async () => {
    const first = await anOffer(product);
    const offer = await anOffer(product, { customerProperty: 'who', dedupe: { scope: 'CUSTOMER' } });
    const claims: readonly Sent[] = [
      { id: 'a', type: offer.eventType, time: '2026-11-10T00:00:00Z', subject: 's', properties: { who: 'x' } },
      { id: 'b', type: offer.eventType, time: '2026-11-11T00:00:00Z', subject: 't', properties: { who: 'x' } },
      { id: 'c', type: offer.eventType, time: '2026-11-12T00:00:00Z', properties: { who: 'y' } },
      { id: 'd', type: offer.eventType, time: '2026-11-13T00:00:00Z', properties: { who: 'y' } },
      { id: 'e', type: offer.eventType, time: '2026-11-14T00:00:00Z', subject: 'u', properties: {} },
    ];
    const [early, late] = [await aTenant(product), await aTenant(product)];

    for (const [tenantId, isEarly] of [
      [early, true],
      [late, false],
    ] as const) {
      await aContract(product, { buyerId: tenantId, bookId: first.bookId });

      if (isEarly) {
        await send(product, tenantId, claims);
        await settle(product, tenantId);
      }

      const startsAt = new Date('2026-11-01T00:00:00Z');
      await aContract(product, { buyerId: tenantId, bookId: offer.bookId, startsAt });
      await product.app.services.rating.rerate(product.scope(tenantId), startsAt);

      if (!isEarly) {
        await send(product, tenantId, claims);
        await settle(product, tenantId);
      }
    }

    expect(await standings(product, early)).toEqual({
      a: 'MATURED',
      b: 'REJECTED DUPLICATE',
      c: 'MATURED',
      d: 'REJECTED DUPLICATE',
      e: 'MATURED',
    });
    expect(await outcomesOf(product, early)).toEqual(await outcomesOf(product, late));
    await product.app.services.rating.rerate(product.scope(early), new Date('2026-01-01T00:00:00Z'));
    expect((await stepsOf(product, early))['d']).toEqual(['1 - REJECTED DUPLICATE']);
  });

  test('keep the customer that they have: only one that nobody could name is named later', async () => {
    const { bookId, eventType } = await anOffer(product, { customerProperty: 'who' });
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });
    await send(product, tenantId, [
      { id: 'a', type: eventType, time: '2026-11-10T00:00:00Z', subject: 's', properties: { who: 'x' } },
    ]);
    await settle(product, tenantId);

    for (const change of ["customer = 'y'", 'customer = null', "subject = 't'"]) {
      await expect(
        asSuperuser(product.database, `update outcome_event set ${change} where tenant_id = $1`, [tenantId]),
      ).rejects.toThrow('outcome_event rows are never changed or deleted');
    }

    expect(
      await asSuperuser(product.database, 'select subject, customer from outcome_event where tenant_id = $1', [
        tenantId,
      ]),
    ).toEqual([{ subject: 's', customer: 'x' }]);
  });

  test('are judged by a version that takes effect while they mature, where the one before says so', async () => {
    const { outcomeRules, rating } = product.app.services;
    const terms = (unitAmount: string) => ({
      versionAnchor: 'MATURED',
      maturationHours: 72,
      prices: [{ name: 'Each', currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount } }],
    });
    const { tenantId, ruleId, eventType } = await aSale(product, terms('0.99'));
    const claimed = (id: string, hours: number): Sent => ({
      id,
      type: eventType,
      time: after(hours * 3_600_000).toISOString(),
    });
    await send(product, tenantId, [claimed('early', -72), claimed('late', -70)]);
    await settle(product, tenantId);
    const { version } = await outcomeRules.createVersion(product.scope(), {
      outcomeRuleId: ruleId,
      terms: { claim: { eventType, filter: '' }, ...terms('1.10') },
      idempotencyKey: randomUUID(),
    });
    const effectiveAt = after(3_600_000);
    await outcomeRules.publish(product.scope(), { versionId: version.id, effectiveAt });
    await rating.rerate(product.scope(tenantId), effectiveAt);
    const versions = () =>
      asSuperuser(
        product.database,
        `select event_id, version_number, judged_state from outcome where tenant_id = $1 order by event_id`,
        [tenantId],
      );
    expect(await versions()).toEqual([
      { event_id: 'early', version_number: 1, judged_state: 'MATURED' },
      { event_id: 'late', version_number: 2, judged_state: 'VERIFIED' },
    ]);
    product.setClock(after(3 * 3_600_000));
    await rating.rate(product.scope(tenantId));
    expect(
      await asSuperuser(
        product.database,
        'select sum(amount)::text as amount from charge where tenant_id = $1 group by price_version_id order by 1',
        [tenantId],
      ),
    ).toEqual([{ amount: '0.99' }, { amount: '1.1' }]);
  });

  test('wait in one tenant without keeping the sweeps from the others', async () => {
    const own = await aProduct({ now: NOW });

    try {
      const { bookId, ruleId, versionId, eventType } = await anOffer(own);
      const stuck = await aTenant(own);
      const tenants = [await aTenant(own), await aTenant(own)];
      const [waiting = ''] = tenants;
      const contractId = await aContract(own, { buyerId: waiting, bookId });
      const planted = (tenantId: string, count: number, due: string) =>
        asSuperuser(
          own.database,
          `insert into outcome (tenant_id, id, rule_id, version_id, version_number, contract_id, currency, event_id, source,
             started_at, occurred_at, verified_at, matures_at, period_at, due_at, judged_state, is_live, is_free, units,
             reimbursement, attributes, agents, fact_ids, n, created_at, changed_at)
           select $1, 'out_01KA000000' || lpad(to_hex(i), 16, '0'), $2, $3, 1, $4, 'USD', 'e' || i, '', t, t, t, t, t, t,
             'VERIFIED', true, false, 1, 0, '{}', '[]', '{}', 1, t, t
           from generate_series(1, $5::integer) as i, (select $6::timestamptz as t) t`,
          [tenantId, ruleId, versionId, contractId, count, due],
        );

      // What came of the contract would settle its tenant, too.
      while ((await own.app.relay.relayOnce()) > 0) {
        // Until nothing is left to tell.
      }

      await asSuperuser(own.database, 'delete from bullmq.job');
      // Nobody settles these: the tenant has no contract, so that nobody knows what they are.
      await planted(stuck, 12_000, '2026-11-01T00:00:00Z');
      await planted(waiting, 1, '2026-11-20T11:00:00Z');
      await send(own, stuck, [{ id: 'a', type: eventType, time: '2026-11-20T11:00:00Z' }]);
      own.setClock(after(60_000));
      own.app.work();
      await until(async () => (await standings(own, waiting))['e1'] === 'MATURED');
    } finally {
      await own.close();
    }
  }, 60_000);
});
