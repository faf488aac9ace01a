import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { asSuperuser } from '../support/database.js';
import { aProduct, until, type Product } from '../support/product.js';
import { aClaim, aDeal, call, claimed, everything, standing, type Deal } from './acts.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const LOT = 5_000;
const BATCH = 1_000;
const REVERSAL = { reversal: { clause: { eventType: 'conversation.reopened', filter: '' }, windowHours: 336 } };

describe('a backlog of facts that nobody has judged yet', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
  });

  afterAll(() => product.close());

  beforeEach(() => product.setClock(NOW));

  const rows = <Row extends object>(sql: string, tenantId: string) =>
    asSuperuser<Row & Record<string, unknown>>(product.database, sql, [tenantId]);

  /** Claims of as many subjects come in, batch by batch. */
  async function received({ buyerId }: Deal, count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += BATCH) {
      const events = Array.from({ length: Math.min(BATCH, count - sent) }, () => ({
        ...aClaim({ time: '2026-11-20T09:00:00Z' }),
        tenant: buyerId,
      }));
      await product.app.services.usage.accept(product.scope(), events, { keyId: 'key_of_a_test', isDryRun: false });
    }
  }

  const waiting = async (tenantId: string): Promise<number> => {
    const [row] = await rows<{ n: number }>(
      'select coalesce(sum(cardinality(ids)), 0)::int as n from outcome_intake where tenant_id = $1',
      tenantId,
    );

    return row?.n ?? 0;
  };

  /** How many outcomes each transaction made, the first one first, and whether somebody acted in it, too. */
  const judgedIn = (tenantId: string) =>
    rows<{ outcomes: number; acted: boolean }>(
      `select count(*)::int as outcomes,
         o.xmin::text in (select a.xmin::text from outcome_act a where a.tenant_id = $1) as acted
       from outcome o where tenant_id = $1 group by o.xmin order by min(o.changed_at), o.xmin::text::bigint`,
      tenantId,
    );

  test('is judged lot by lot before somebody acts, and only the last lot with the act', async () => {
    const deal = await aDeal(product, REVERSAL);
    const { id } = await claimed(product, deal, { time: '2026-11-20T08:00:00Z' });
    await received(deal, 2 * LOT + 2 * BATCH);
    const { outcomes, userErrors } = await call(product, deal.seller, 'outcomeReverse', {
      tenantId: deal.buyerId,
      outcomeIds: [id],
    });
    expect(userErrors).toEqual([]);
    expect(outcomes).toMatchObject([{ id, state: 'REVERSED' }]);
    expect(await waiting(deal.buyerId)).toBe(0);
    expect(await judgedIn(deal.buyerId)).toEqual([
      { outcomes: LOT, acted: false },
      { outcomes: LOT, acted: false },
      // … and the one that was taken back.
      { outcomes: 2 * BATCH + 1, acted: true },
    ]);
  }, 120_000);

  test.each([
    ['no more than a lot is judged with the act', LOT, [{ outcomes: LOT + 1, acted: true }]],
    [
      'of one more than a lot, a lot is judged before it',
      LOT + 1,
      [
        { outcomes: LOT, acted: false },
        { outcomes: 2, acted: true },
      ],
    ],
  ])(
    'is a lot or more: %s',
    async (_, count, judged) => {
      const deal = await aDeal(product, REVERSAL);
      const { id } = await claimed(product, deal, { time: '2026-11-20T08:00:00Z' });
      await received(deal, count);
      const { userErrors } = await call(product, deal.seller, 'outcomeReverse', {
        tenantId: deal.buyerId,
        outcomeIds: [id],
      });
      expect(userErrors).toEqual([]);
      expect(await judgedIn(deal.buyerId)).toEqual(judged);
    },
    120_000,
  );

  test('is known to the act: what came in last has spoken on the outcome before it', async () => {
    const deal = await aDeal(product, REVERSAL);
    const outcome = await claimed(product, deal, { time: '2026-11-20T08:00:00Z' });
    await received(deal, LOT + BATCH);
    const reopening = {
      id: randomUUID(),
      type: 'conversation.reopened',
      time: '2026-11-20T09:30:00Z',
      subject: outcome.subject as string,
      tenant: deal.buyerId,
    };
    await product.app.services.usage.accept(product.scope(), [reopening], { keyId: 'key', isDryRun: false });
    const { userErrors } = await call(product, deal.seller, 'outcomeReverse', {
      tenantId: deal.buyerId,
      outcomeIds: [outcome.id],
    });
    expect(userErrors).toMatchObject([{ code: 'INVALID_TRANSITION', field: ['outcomeIds', '0'] }]);
    // What was more than a lot stays judged; what would have been judged with the act waits, as nothing of the act is left.
    expect(await waiting(deal.buyerId)).toBe(BATCH + 1);
    const before = await everything(product);
    await call(product, deal.seller, 'outcomeReverse', { tenantId: deal.buyerId, outcomeIds: [outcome.id] });
    expect(await everything(product)).toEqual(before);
  }, 120_000);

  test('grows while an act waits for its turn, and what comes in after it is not waited for', async () => {
    const deal = await aDeal(product, REVERSAL);
    const { id } = await claimed(product, deal, { time: '2026-11-20T08:00:00Z' });
    await received(deal, 1);
    const release = await locked(deal.buyerId);
    const acted = call(product, deal.seller, 'outcomeReverse', { tenantId: deal.buyerId, outcomeIds: [id] });
    await until(async () => (await waitingForLocks()) > 0);
    await received(deal, LOT + BATCH);
    await release();
    expect((await acted).userErrors).toEqual([]);
    expect(await standing(product, [id])).toEqual({ [id]: 'REVERSED REVERSED' });
    expect(await waiting(deal.buyerId)).toBe(LOT + BATCH);
    expect(await judgedIn(deal.buyerId)).toEqual([{ outcomes: 2, acted: true }]);
  }, 120_000);

  test('is judged lot by lot before everything is rated anew', async () => {
    const deal = await aDeal(product);
    await received(deal, 2 * LOT + BATCH);
    await product.app.services.rating.rerate(product.scope(deal.buyerId), new Date('2026-11-20T00:00:00Z'));
    expect(await judgedIn(deal.buyerId)).toEqual([
      { outcomes: LOT, acted: false },
      { outcomes: LOT, acted: false },
      { outcomes: BATCH, acted: false },
    ]);
    expect(await rows('select amount::text from charge where tenant_id = $1', deal.buyerId)).toEqual([
      { amount: '10890' },
    ]);
  }, 120_000);

  test.each([
    [
      'a draft is issued',
      async ({ buyerId }: Deal, invoiceId: string) => {
        const input = { invoiceId, acceptUnpriced: false, idempotencyKey: randomUUID() };
        await product.app.services.invoicing.issue(product.scope(buyerId), input);
      },
    ],
    [
      'a period is closed',
      ({ buyerId }: Deal, invoiceId: string) => product.app.services.invoicing.close(product.scope(buyerId), invoiceId),
    ],
  ])(
    'is judged lot by lot before %s, and the invoice has all of it',
    async (_, done) => {
      const deal = await aDeal(product);
      const { buyerId } = deal;
      await claimed(product, deal, { time: '2026-11-20T08:00:00Z' });
      await product.app.services.rating.rate(product.scope(buyerId));
      const [draft] = await rows<{ id: string }>('select id from invoice where tenant_id = $1', buyerId);
      await received(deal, 2 * LOT + BATCH);
      product.setClock(new Date('2026-12-02T12:00:00Z'));
      await done(deal, draft?.id ?? '');
      expect(await waiting(buyerId)).toBe(0);
      // Issuing marks outcomes as billed; what they first came to is never written again.
      expect(
        await rows(
          `select count(*)::int as outcomes,
             t.xmin::text in (select a.xmin::text from audit_line a where a.tenant_id = $1 and a.action = 'invoice.issued') as issued
           from outcome_transition t where tenant_id = $1 and n = 1 group by t.xmin order by t.xmin::text::bigint`,
          buyerId,
        ),
      ).toEqual([
        { outcomes: 1, issued: false },
        { outcomes: LOT, issued: false },
        { outcomes: LOT, issued: false },
        { outcomes: BATCH, issued: false },
      ]);
      expect(
        await rows(
          `select i.status, trim_scale(i.total)::text as total,
             (select count(*)::int from outcome_receipt r where r.tenant_id = i.tenant_id and r.invoice_id = i.id) as receipts
           from invoice i where tenant_id = $1 and status <> 'DRAFT'`,
          buyerId,
        ),
      ).toEqual([{ status: 'ISSUED', total: '10890.99', receipts: 2 * LOT + BATCH + 1 }]);
    },
    120_000,
  );

  /** Holds the rating lock of a tenant, as somebody else who judges, until told to let it go. */
  async function locked(tenantId: string): Promise<() => Promise<void>> {
    const client = new pg.Client({ connectionString: product.database.adminUrl });
    await client.connect();
    await client.query('begin');
    await client.query('select from rating_lock where tenant_id = $1 for update', [tenantId]);

    return async () => {
      await client.query('commit');
      await client.end();
    };
  }

  async function waitingForLocks(): Promise<number> {
    const [row] = await asSuperuser<{ n: number }>(
      product.database,
      "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );

    return row?.n ?? 0;
  }
});
