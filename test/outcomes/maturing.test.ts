import { createHash } from 'node:crypto';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aSale, type Sale } from './settling.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const COUNT = 25_000;
const CHUNK = 5_000;

describe('outcomes that mature together', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
  });

  afterAll(() => product.close());

  /** Verified outcomes of a sale whose instant has come, as judging would have left them. */
  async function planted(sale: Sale, count: number): Promise<void> {
    await asSuperuser(
      product.database,
      `insert into outcome (tenant_id, id, rule_id, version_id, version_number, contract_id, currency, event_id, source,
         subject, started_at, occurred_at, verified_at, matures_at, period_at, due_at, judged_state, is_live, dedupe_key,
         is_free, units, reimbursement, attributes, agents, fact_ids, n, created_at, changed_at)
       select $1, 'out_01KA000000' || lpad(to_hex(i), 16, '0'), $2, $3, 1, $4, 'USD', 'e' || i, '', 's' || i, t, t, t, m, m, m,
         'VERIFIED', true, 's' || i, false, 1, 0, '{}', '[]', array['e' || i], 2, t, t
       from generate_series(1, $5::integer) as i,
         lateral (select $6::timestamptz + i * interval '1 millisecond' as t) t,
         lateral (select t.t + interval '72 hours' as m) m`,
      [sale.tenantId, sale.ruleId, sale.versionId, sale.contractId, count, new Date('2026-11-10T00:00:00Z')],
    );
    // As the database does by itself some time after so many rows.
    await asSuperuser(product.database, 'analyze outcome');
  }

  test('mature in chunks: each a transition, an audit line with the digest of its transitions, and its month to be rated', async () => {
    const sale = await aSale(product, { maturationHours: 72 });
    await planted(sale, COUNT);
    await product.app.services.outcomes.settle(product.scope(sale.tenantId));

    expect(
      await asSuperuser(
        product.database,
        `select state, n, due_at, is_live, count(*)::int as count from outcome where tenant_id = $1 group by 1, 2, 3, 4`,
        [sale.tenantId],
      ),
    ).toEqual([{ state: 'MATURED', n: 3, due_at: null, is_live: true, count: COUNT }]);
    const lines = await asSuperuser<{
      subject_id: string;
      after: { transitions: number; digest: string; first: string[] };
    }>(
      product.database,
      "select subject_id, after from audit_line where tenant_id = $1 and action = 'outcome.judged' order by seq",
      [sale.tenantId],
    );
    expect(lines.map(({ after }) => after.transitions)).toEqual([
      ...Array.from({ length: Math.floor(COUNT / CHUNK) }, () => CHUNK),
      ...(COUNT % CHUNK > 0 ? [COUNT % CHUNK] : []),
    ]);

    for (const { subject_id: batch, after } of lines.slice(-2)) {
      const steps = await asSuperuser<{ line: string }>(
        product.database,
        `select concat_ws(' ', outcome_id, n, from_state, to_state, coalesce(reason, '-')) as line
           from outcome_transition where tenant_id = $1 and batch = $2`,
        [sale.tenantId, batch],
      );
      const sorted = steps.map(({ line }) => line).sort();
      expect(sorted[0]).toMatch(/^out_01KA000000[0-9a-f]{16} 3 VERIFIED MATURED -$/);
      expect(after).toEqual({
        transitions: sorted.length,
        digest: createHash('sha256').update(sorted.join('\n')).digest('hex'),
        first: sorted.slice(0, 100),
      });
    }

    expect(
      await asSuperuser(product.database, 'select month::text from usage_touch where tenant_id = $1', [sale.tenantId]),
    ).toEqual([{ month: '2026-11-01' }]);
  }, 60_000);

  test('mature in chunks before a rating, too, each chunk in a transaction of its own', async () => {
    const sale = await aSale(product, { maturationHours: 72 });
    await planted(sale, COUNT);
    await product.app.services.rating.rate(product.scope(sale.tenantId));
    const transactions = await asSuperuser<{ state: string; count: number }>(
      product.database,
      `select state, count(*)::int as count from outcome where tenant_id = $1 group by state, xmin::text order by 2`,
      [sale.tenantId],
    );
    expect(transactions).toEqual(Array.from({ length: COUNT / CHUNK }, () => ({ state: 'MATURED', count: CHUNK })));
    expect(
      await asSuperuser(product.database, 'select amount::text from charge where tenant_id = $1', [sale.tenantId]),
    ).toEqual([{ amount: '24750' }]);
  }, 60_000);
});
