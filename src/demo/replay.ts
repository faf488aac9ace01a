import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { parse } from 'csv-parse';
import { createClient, type Client } from 'graphql-ws';
import color from 'picocolors';
import { WebSocket } from 'ws';
import { Api, postBatch, type InvoiceSeen } from './replay-api.js';
import { priceBookFor } from './replay-book.js';
import { expectedTotals, fitsTrace, type TraceRequest } from './replay.rules.js';

export interface ReplayOptions {
  readonly file: string;
  readonly model: string;
  readonly tenants: number;
  readonly url: string;
  readonly key?: string;
  readonly run?: string;
  readonly issue: boolean;
  readonly dataDir: string;
}

const BATCH = 1_000;
const CONCURRENCY = 4;

interface ReplayTenant {
  readonly id: string;
  readonly name: string;
  readonly requests: TraceRequest[];
}

/**
 * Replays a trace through the public API as a gateway would: new customers on the platform's price book, the requests
 * spread over them, an alert each. Prints the invoices and compares them with a sum of its own. Returns the exit code.
 */
export async function replay(options: ReplayOptions): Promise<number> {
  const key = options.key ?? demoKey(options.dataDir);
  const api = new Api(options.url, key);
  const requests = await readTrace(options.file);
  const first = requests.reduce(
    (least, request) => (request.time < least ? request.time : least),
    requests[0]?.time ?? '',
  );
  const run =
    options.run ??
    createHash('sha256')
      .update(readFileSync(options.file))
      .update(`${options.model}/${options.tenants}`)
      .digest('hex')
      .slice(0, 8);
  console.log(
    `${color.bold(String(requests.length))} requests from ${first.slice(0, 19)}Z on, model ${options.model}, run ${run}`,
  );

  const { bookId, rates } = await priceBookFor(api, options.model);
  const tenants = await makeTenants(api, run, options.tenants, bookId, first);

  for (const [index, request] of requests.entries()) {
    tenants[index % tenants.length]?.requests.push(request);
  }

  const expected = tenants.map(tenant => expectedTotals(tenant.requests, rates));
  await makeAlerts(
    api,
    run,
    tenants,
    expected.map(({ alertAt }) => alertAt),
  );
  const alerts = watchAlerts(options.url, key, tenants);
  const started = performance.now();
  const sent = await send(api, run, tenants, options.model);
  const seconds = (performance.now() - started) / 1_000;
  console.log(
    `sent in ${Math.round(seconds * 10) / 10} s (${Math.round(requests.length / seconds)} requests/s): ` +
      `${sent.accepted} accepted, ${sent.duplicates} duplicates, ${sent.conflicts} conflicts, ${sent.rejected} rejected`,
  );

  const invoices = await rated(api, tenants, expected);

  if (options.issue) {
    for (const invoice of invoices.flat().filter(({ status }) => status === 'DRAFT')) {
      await api.mutate('invoiceIssue', 'InvoiceIssueInput', 'invoice { number }', {
        idempotencyKey: `replay-${invoice.id}`,
        tenantId: invoice.tenantId,
        invoiceId: invoice.id,
      });
    }
  }

  const final = await Promise.all(tenants.map(tenant => api.invoices(tenant.id)));
  await new Promise(resolve => setTimeout(resolve, 200));
  await alerts.dispose();

  return report(tenants, final, expected);
}

async function readTrace(file: string): Promise<TraceRequest[]> {
  const requests: TraceRequest[] = [];
  const rows = createReadStream(file).pipe(parse({ columns: true, skip_empty_lines: true, trim: true }));

  for await (const row of rows as AsyncIterable<Record<string, string>>) {
    requests.push(fitsTrace(row, requests.length + 2));
  }

  if (requests.length === 0) {
    throw new Error(`${file} holds no requests`);
  }

  return requests;
}

async function makeTenants(
  api: Api,
  run: string,
  count: number,
  bookId: string,
  first: string,
): Promise<ReplayTenant[]> {
  const tenants: ReplayTenant[] = [];

  for (let index = 1; index <= count; index++) {
    const name = `Replay ${run} ${index}`;
    const made = await api.mutate<{ tenant: { id: string } }>('tenantCreate', 'TenantCreateInput', 'tenant { id }', {
      idempotencyKey: `replay-${run}-${index}-of-${count}`,
      kind: 'CUSTOMER',
      name,
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
    });
    await api.mutate('contractCreate', 'ContractCreateInput', 'contract { id }', {
      idempotencyKey: `replay-${run}-${index}-of-${count}`,
      buyerId: made.tenant.id,
      priceBookId: bookId,
      startsAt: `${first.slice(0, 7)}-01T00:00:00Z`,
    });
    tenants.push({ id: made.tenant.id, name, requests: [] });
  }

  return tenants;
}

async function makeAlerts(
  api: Api,
  run: string,
  tenants: readonly ReplayTenant[],
  amounts: readonly string[],
): Promise<void> {
  for (const [index, tenant] of tenants.entries()) {
    await api.mutate('spendAlertCreate', 'SpendAlertCreateInput', 'spendAlert { id }', {
      idempotencyKey: `replay-${run}`,
      tenantId: tenant.id,
      name: 'half of what the trace comes to',
      thresholds: [{ amount: amounts[index] }],
    });
  }
}

/** Follows the tenants' alerts over a WebSocket and prints each as it arrives. */
function watchAlerts(url: string, key: string, tenants: readonly ReplayTenant[]): Client {
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
  });

  for (const tenant of tenants) {
    client.subscribe<{ spendAlertTriggered: { threshold: string; spend: { amount: string; currency: string } } }>(
      {
        query:
          'subscription ($tenantId: ID) { spendAlertTriggered(tenantId: $tenantId, after: "0") { threshold spend { amount currency } } }',
        variables: { tenantId: tenant.id },
      },
      {
        next: ({ data }) => {
          if (data) {
            const { threshold, spend } = data.spendAlertTriggered;
            process.stdout.write(
              `${process.stdout.isTTY ? '\r\u001b[K' : ''}${color.magenta('alert')} ${tenant.name}: spend ${spend.amount} ${spend.currency} reached ${threshold}\n`,
            );
          }
        },
        error: error => console.error(color.red(`alerts of ${tenant.name}: ${describe(error)}`)),
        complete: () => undefined,
      },
    );
  }

  return client;
}

interface Sent {
  accepted: number;
  duplicates: number;
  conflicts: number;
  rejected: number;
}

async function send(api: Api, run: string, tenants: readonly ReplayTenant[], model: string): Promise<Sent> {
  const events = tenants
    .flatMap(tenant => tenant.requests.map(request => ({ tenant, request })))
    .sort((a, b) => a.request.line - b.request.line)
    .map(({ tenant, request }) => ({
      id: `replay-${run}-${request.line}`,
      type: 'llm.request',
      time: request.time,
      tenant: tenant.id,
      properties: { model, input_tokens: request.input, output_tokens: request.output },
    }));
  const batches: object[][] = [];

  for (let start = 0; start < events.length; start += BATCH) {
    batches.push(events.slice(start, start + BATCH));
  }

  const sent: Sent = { accepted: 0, duplicates: 0, conflicts: 0, rejected: 0 };
  const bar = new SingleBar({
    format: 'sending {bar} {value}/{total}',
    hideCursor: true,
    noTTYOutput: false,
    clearOnComplete: true,
  });
  bar.start(events.length, 0);
  const work = async (): Promise<void> => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const receipt = await postBatch(api, batch);
      sent.accepted += receipt.accepted;
      sent.duplicates += receipt.duplicates.length;
      sent.conflicts += receipt.conflicts.length;
      sent.rejected += receipt.rejected.length;
      bar.increment(batch.length);
    }
  };

  try {
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
  } finally {
    bar.stop();
  }

  return sent;
}

/** Waits until the drafts hold every token that was sent, and returns the invoices. */
async function rated(
  api: Api,
  tenants: readonly ReplayTenant[],
  expected: readonly { readonly tokens: bigint }[],
): Promise<InvoiceSeen[][]> {
  const end = performance.now() + 60_000;

  for (;;) {
    const seen = await Promise.all(tenants.map(tenant => api.invoices(tenant.id)));
    const done = seen.every((invoices, index) => tokensOf(invoices) === expected[index]?.tokens);

    if (done || performance.now() > end) {
      return seen;
    }

    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

function tokensOf(invoices: readonly InvoiceSeen[]): bigint {
  return invoices.flatMap(({ lines }) => lines.edges).reduce((sum, { node }) => sum + BigInt(node.quantity), 0n);
}

function report(
  tenants: readonly ReplayTenant[],
  invoices: readonly (readonly InvoiceSeen[])[],
  expected: readonly { readonly totals: readonly string[] }[],
): number {
  let wrong = 0;
  const head = [
    'customer'.padEnd(24),
    'requests'.padStart(9),
    'invoice'.padStart(12),
    'total'.padStart(16),
    'own sum'.padStart(14),
    '',
  ];
  console.log(color.bold(head.join(' ')));

  for (const [index, tenant] of tenants.entries()) {
    const own = [...(invoices[index] ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
    const totals = own.map(invoice => invoice.total.amount).sort();
    const sums = [...(expected[index]?.totals ?? [])].sort();
    const equal = totals.length === sums.length && totals.every((total, place) => total === sums[place]);
    wrong += equal ? 0 : 1;
    console.log(
      [
        tenant.name.padEnd(24),
        String(tenant.requests.length).padStart(9),
        (own.map(invoice => invoice.number ?? invoice.status).join(',') || 'none').padStart(12),
        own
          .map(invoice => `${invoice.total.amount} ${invoice.total.currency}`)
          .join(' + ')
          .padStart(16),
        sums.join(' + ').padStart(14),
        equal ? color.green('equal') : color.red('NOT EQUAL'),
      ].join(' '),
    );
  }

  console.log(
    wrong === 0
      ? color.green('every invoice equals the independent sum')
      : color.red(`${wrong} customers' invoices do not equal the independent sum`),
  );

  return wrong === 0 ? 0 : 1;
}

/** The platform key of the quick start. Throws when there is none in the folder. */
export function demoKey(dataDir: string): string {
  const file = join(dataDir, 'demo-keys.json');

  if (!existsSync(file)) {
    throw new Error(`no demo key in ${dataDir}; run npm start first, or give --key`);
  }

  return (JSON.parse(readFileSync(file, 'utf8')) as { platform: string }).platform;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : JSON.stringify(error);
}
