import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { aDeal, manyClaimed } from '../outcomes/acts.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

let product: Product;
async function pgCpu(): Promise<number> {
  const pids = await asSuperuser<{ pid: number }>(product.database, "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()");
  return pids.reduce((total, { pid }) => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return total + (Number(f[11]) + Number(f[12])) * 10; }, 0);
}
beforeAll(async () => { product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') }); });
afterAll(() => product.close());

test('perf', async () => {
  const N = Number(process.env['PERF_N'] ?? 100_000);
  const deal = await aDeal(product, {});
  const t0 = Date.now();
  for (let i = 0; i < N; i += 5000) {
    const events = Array.from({ length: 5000 }, (_, k) => ({ id: randomUUID(), type: 'conversation.resolved', time: new Date(Date.UTC(2026, 10, 2) + (i + k) * 10).toISOString(), subject: `s${i + k}`, tenant: deal.buyerId, properties: { trace_id: randomUUID(), conversation_id: `c${k}`, tokens: k } }));
    await product.app.services.usage.accept(product.scope(), events, { keyId: 'k', isDryRun: false });
  }
  const t1 = Date.now();
  await product.app.services.outcomes.settle(product.scope(deal.buyerId));
  const t2 = Date.now();
  await product.app.services.rating.rate(product.scope(deal.buyerId));
  const t3 = Date.now();
  product.setClock(new Date('2026-12-03T00:00:00Z'));
  await product.app.services.rating.rate(product.scope(deal.buyerId));
  const [inv] = await asSuperuser<{ id: string }>(product.database, 'select id from invoice where tenant_id = $1', [deal.buyerId]);
  const t4 = Date.now();
  const session = new Session(); session.connect(); await session.post('Profiler.enable'); await session.post('Profiler.start');
  const c0 = process.cpuUsage(); const p0 = await pgCpu();
  await product.app.services.invoicing.issue(product.scope(deal.buyerId), { invoiceId: inv!.id, acceptUnpriced: false, idempotencyKey: 'k' });
  const t5 = Date.now();
  writeFileSync('/tmp/issue.cpuprofile', JSON.stringify((await session.post('Profiler.stop')).profile));
  const c1 = process.cpuUsage(c0); const p1 = await pgCpu();
  process.stderr.write(JSON.stringify({ nodeCpuMs: (c1.user + c1.system) / 1000, pgCpuMs: p1 - p0 }) + '\n');
  const key = product.platformKey;
  const r = await fetch(`${product.server.url}/v1/invoices/${inv!.id}/receipts?tenantId=${deal.buyerId}`, { headers: { authorization: `Bearer ${key}` } });
  const text = await r.text();
  const t6 = Date.now();
  process.stderr.write(JSON.stringify({ N, accept: t1 - t0, settle: t2 - t1, rate: t3 - t2, issue: t5 - t4, export: t6 - t5, lines: text.split('\n').length - 1, mb: text.length / 1e6 }) + '\n' + text.slice(0, 1500) + '\n');
  process.stderr.write(JSON.stringify(await asSuperuser(product.database, 'select receipts, amount, hash from outcome_seal', []))+'\n');
  void manyClaimed;
}, 600_000);
