import { inTransaction, type Scope } from '../../src/platform/index.js';
import { takeCustomersAnew } from '../../src/outcomes/customers-anew.js';
import { replacedUsage } from '../../src/outcomes/billable.queries.js';
import { usageOfSubject } from '../../src/outcomes/index.js';
import { matureOutcomes } from '../../src/outcomes/maturing.queries.js';
import { TenantRules } from '../../src/outcomes/tenant-rules.js';
import { touchUsageOf } from '../../src/outcomes/usage-stood-for.js';
import { lockRating } from '../../src/usage/index.js';
import { aContract, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { explained, type Planned } from './plans.js';
import { anOffer, aSale, send, settle, type Sale } from './settling.js';

const NOW = new Date('2026-11-20T12:00:00Z');

/** What statements read, on tables whose statistics are of a time when they held little, and that of others. */
describe('on tables that have just grown', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    // As between two runs of it: a table grows in seconds, and it comes once a minute.
    for (const table of ['outcome', 'outcome_event', 'usage_event', 'usage_value']) {
      await admin(`alter table ${table} set (autovacuum_enabled = false)`);
    }
  });

  afterAll(() => product.close());

  const admin = <Row extends object>(sql: string, parameters: readonly unknown[] = []) =>
    asSuperuser<Row & Record<string, unknown>>(product.database, sql, parameters);

  /** Runs `work` under the rating lock, and returns what its statements read that hold a text. */
  async function reads(tenantId: string, part: string, work: (tx: Scope) => Promise<unknown>): Promise<string[]> {
    const planned: Planned[] = [];
    await inTransaction(product.scope(tenantId), async tx => {
      await lockRating(tx);
      await work(explained(tx, planned));
    });

    return planned.filter(({ text }) => text.includes(part)).flatMap(plan => plan.reads);
  }

  /** Verified outcomes of a sale whose instant has come, as judging would have left them. */
  const planted = (sale: Sale, count: number) =>
    admin(
      `insert into outcome (tenant_id, id, rule_id, version_id, version_number, contract_id, currency, event_id, source,
         subject, started_at, occurred_at, verified_at, matures_at, period_at, due_at, judged_state, is_live, dedupe_key,
         is_free, units, reimbursement, attributes, agents, fact_ids, n, created_at, changed_at)
       select $1, 'out_01KA000000' || lpad(to_hex(i), 16, '0'), $2, $3, 1, $4, 'USD', 'e' || i, '', 's' || i, t, t, t, m, m, m,
         'VERIFIED', true, 's' || i, false, 1, 0, '{}', '[]', array['e' || i], 2, t, t
       from generate_series(1, $5::integer) as i,
         lateral (select $6::timestamptz + i % 1000 * interval '1 millisecond' as t) t,
         lateral (select t.t + interval '72 hours' as m) m order by md5(i::text)`,
      [sale.tenantId, sale.ruleId, sale.versionId, sale.contractId, count, new Date('2026-11-10T00:00:00Z')],
    );

  test('outcomes mature by the index on their instants and by where they lie, and nothing else is read', async () => {
    const [other, sale] = [
      await aSale(product, { maturationHours: 72 }),
      await aSale(product, { maturationHours: 72 }),
    ];
    await planted(other, 1_000);
    await admin('analyze outcome');
    await planted(sale, 20_000);
    let matured = 0;
    const statements = await reads(sale.tenantId, 'from outcome', async tx => {
      const asked = { ruleIds: [sale.ruleId], forUsage: [], batch: 'otb_1', limit: 5_000, listed: 100 };
      const first = await matureOutcomes(tx, { ...asked, after: null });
      const second = await matureOutcomes(tx, { ...asked, batch: 'otb_2', after: first.last });
      matured = first.transitions + second.transitions;
    });
    expect(statements).toEqual(['Index Scan outcome outcome_due', 'Index Scan outcome outcome_due']);
    expect(matured).toBe(10_000);
    const updates = await reads(sale.tenantId, 'update outcome', async tx => {
      const asked = { ruleIds: [sale.ruleId], forUsage: [], batch: 'otb_3', limit: 100, listed: 100 };
      await matureOutcomes(tx, { ...asked, after: null });
    });
    expect(updates).toEqual(['Tid Scan outcome']);
    // The rest, as the job does it: with the old way of finding rows it took longer than a statement may.
    await settle(product, sale.tenantId);
    expect(
      await admin('select state, count(*)::int as count from outcome where tenant_id = $1 group by 1', [sale.tenantId]),
    ).toEqual([{ state: 'MATURED', count: 20_000 }]);
  }, 60_000);

  test('usage that outcomes stand for is found by their subjects', async () => {
    const { tenantId } = await aSale(product);
    const usage = (months: readonly string[]) =>
      admin(
        `with made as (
           insert into usage_event (tenant_id, id, source, type, time, subject, properties, content_hash, accepted_at, key_id)
           select $1, 'u' || i || m, '', 'used', (m || '-10')::timestamptz, 's' || i, '{}', '', $2, 'key'
           from generate_series(1, 5000) i, unnest($3::text[]) m returning id, time
         ) insert into usage_touch (tenant_id, month, n, touched_at) select distinct $1, date_trunc('month', time)::date, 1, $2::timestamptz from made`,
        [tenantId, NOW, months],
      );
    await usage(['2026-09', '2026-10', '2026-11']);
    await admin(
      `insert into usage_value (tenant_id, time, id, source, meter_id, part, slot, dimensions, value, subject)
       select tenant_id, time, id, source, 'mtr_1', 0, time, '{}', 1, subject from usage_event where tenant_id = $1`,
      [tenantId],
    );
    await admin("delete from usage_touch where tenant_id = $1 and month = '2026-11-01'", [tenantId]);
    const subjects = ['s17', 's4711', 'nobody'];

    const touched = await reads(tenantId, 'from usage_touch', tx =>
      touchUsageOf(tx, ['2026-10-01'], { subjects, meterIds: ['mtr_1'] }),
    );
    expect(touched.filter(read => !read.includes('usage_touch'))).toEqual([
      'Index Only Scan usage_value usage_value_by_subject',
    ]);
    expect(
      await admin('select month::text, n::text from usage_touch where tenant_id = $1 order by 1', [tenantId]),
    ).toEqual([
      { month: '2026-09-01', n: '2' },
      { month: '2026-10-01', n: '2' },
    ]);
    // Not those of months that are being rated, to the last day.
    await inTransaction(product.scope(tenantId), tx =>
      touchUsageOf(
        tx,
        [],
        { subjects, meterIds: ['mtr_1'] },
        { start: new Date('2026-10-01T00:00:00Z'), end: new Date('2026-11-01T00:00:00Z') },
      ),
    );
    expect(
      await admin('select month::text, n::text from usage_touch where tenant_id = $1 order by 1', [tenantId]),
    ).toEqual([
      { month: '2026-09-01', n: '3' },
      { month: '2026-10-01', n: '2' },
    ]);
    const found = await reads(tenantId, 'from usage_value', tx =>
      replacedUsage(
        tx,
        { start: new Date('2026-10-01T00:00:00Z'), end: new Date('2026-11-01T00:00:00Z') },
        [],
        [{ meterId: 'mtr_1', versionId: 'orv_1' }],
      ),
    );
    expect(found.filter(read => read.includes('usage_event'))).toEqual([]);
  }, 60_000);

  test('what the usage of a subject comes to is read by the subject, and no event is', async () => {
    const { tenantId } = await aSale(product);
    await admin(
      `insert into usage_value (tenant_id, time, id, source, meter_id, part, slot, dimensions, value, subject)
       select $1, $2, 'u' || i, '', 'mtr_1', 0, '2026-11-10T10:00:00Z', '{}', i, 's' || i % 1000 from generate_series(1, 5000) i`,
      [tenantId, '2026-11-10T10:07:00Z'],
    );
    let used: unknown;
    const found = await reads(tenantId, 'from usage_value', async tx => {
      const november = { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-12-01T00:00:00Z') };
      used = await usageOfSubject(tx, 's17', ['mtr_1'], november);
    });
    expect(used).toEqual([
      // 17 + 1017 + 2017 + 3017 + 4017
      { meterId: 'mtr_1', dimensions: '{}', slot: new Date('2026-11-10T10:00:00Z'), quantity: '10085' },
    ]);
    expect(found.filter(read => read.includes('usage_event'))).toEqual([]);
  });

  test('events that name nobody are looked at once, and only those, when a rule first says where they name somebody', async () => {
    const first = await anOffer(product);
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId: first.bookId });
    const times = Array.from({ length: 200 }, (_, place) => new Date(NOW.getTime() - 3_600_050 + place).toISOString());
    await send(
      product,
      tenantId,
      times.map((time, place) => ({ id: `a${place}`, type: first.eventType, time, properties: { who: 'x' } })),
    );
    await settle(product, tenantId);
    const looked = async () => {
      const rules = await rulesOf(tenantId);

      return reads(tenantId, ' outcome_event', tx => takeCustomersAnew(tx, rules));
    };
    const named = () =>
      admin('select customer, count(*)::int as count from outcome_event where tenant_id = $1 group by 1 order by 1', [
        tenantId,
      ]);

    // No rule names a customer: none is looked for.
    expect(await looked()).toEqual([]);
    const offer = await anOffer(product, { customerProperty: 'who', dedupe: { scope: 'CUSTOMER' } });
    const startsAt = new Date(NOW.getTime() - 3_600_000);
    await aContract(product, { buyerId: tenantId, bookId: offer.bookId, startsAt });
    expect(await looked()).toEqual([
      'Index Scan outcome_event outcome_event_nameless',
      'Index Scan usage_event usage_event_pkey',
      'Tid Scan outcome_event',
    ]);
    const names = [
      { customer: 'x', count: 150 },
      { customer: null, count: 50 },
    ];
    expect(await named()).toEqual(names);
    // The same rules again: whatever came since was read by them, and what names nobody now does not do so later.
    expect(await looked()).toEqual([]);
    expect(await named()).toEqual(names);
    // Others: those that still name nobody are looked at again.
    const other = await anOffer(product, { customerProperty: 'whom' });
    await aContract(product, { buyerId: tenantId, bookId: other.bookId, startsAt: new Date('2026-11-21T00:00:00Z') });
    expect(await looked()).toEqual([
      'Index Scan outcome_event outcome_event_nameless',
      'Index Scan usage_event usage_event_pkey',
    ]);
  });

  async function rulesOf(tenantId: string): Promise<TenantRules> {
    return inTransaction(product.scope(tenantId), async tx => {
      const contracts = await product.app.services.contracts.all(tx);
      const rules = [];

      for (const contract of contracts) {
        rules.push(await product.app.services.outcomes.rulesOf(tx, contract));
      }

      return new TenantRules(contracts, rules);
    });
  }
});
