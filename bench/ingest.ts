import { createHash, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import pg from 'pg';
import color from 'picocolors';
import { aStage, median, peakMemory, type Stage } from './stage.js';

const HELP = `Ingest over HTTP against a bare insert of the same rows, in turns on one Postgres.

  npm run bench:ingest -- [--events 300000] [--rounds 3] [--tenants 10] [--connections 6] [--flat 5000000] [--worker]

  --events       events of one round, in batches of 1,000
  --rounds       rounds; each is baseline, then product
  --tenants      customers the events are spread over, batch by batch
  --connections  client connections
  --flat         then send so many events in a row and print the rate of each million
  --worker       let a worker rate meanwhile`;

const BATCH = 1_000;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '3' },
    tenants: { type: 'string', default: '10' },
    connections: { type: 'string', default: '6' },
    flat: { type: 'string', default: '0' },
    worker: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

interface Batch {
  readonly tenantId: string;
  readonly body: Buffer;
}

interface Event {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly tenant: string;
  readonly subject: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

const models = ['gpt-6.2-sol', 'gpt-6-luna', 'claude-opus-5.5', 'claude-sonnet-5.5'];
let serial = 0;

/** Events of the last two hours, as a gateway sends them: 32-character ids, five properties. */
function events(count: number, tenant: string): Event[] {
  const now = Date.now();

  return Array.from({ length: count }, () => {
    serial++;

    return {
      id: `${serial.toString(36).padStart(8, '0')}${randomUUID().slice(0, 23)}`,
      type: 'llm.request',
      time: new Date(now - (serial % 7_200) * 1_000).toISOString(),
      tenant,
      subject: `conversation-${serial % 5_000}`,
      properties: {
        model: models[serial % models.length],
        input_tokens: 100 + (serial % 60_000),
        output_tokens: 10 + (serial % 6_000),
        region: 'eu',
        status: 'ok',
      },
    };
  });
}

/** The figure to compare with: the same rows into a plain table with a primary key, deduplicated, one statement a batch. */
async function baseline(adminUrl: string, count: number, tenants: readonly string[]): Promise<number> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  await client.query(`create table if not exists bare (tenant_id text, id text, source text, type text, time timestamptz, subject text,
    properties jsonb, content_hash bytea, accepted_at timestamptz, key_id text, primary key (tenant_id, id, source))`);
  const batches = Array.from({ length: count / BATCH }, (_, index) => {
    const rows = events(BATCH, tenants[index % tenants.length] ?? '');

    return [
      rows[0]?.tenant,
      rows.map(row => row.id),
      rows.map(row => row.type),
      rows.map(row => row.time),
      rows.map(row => row.subject),
      rows.map(row => JSON.stringify(row.properties)),
      rows.map(row => createHash('sha256').update(row.id).digest()),
    ];
  });
  const started = performance.now();

  for (const parameters of batches) {
    await client.query({
      name: 'bare',
      text: `insert into bare select $1, e.id, '', e.type, e.time, e.subject, e.properties, e.hash, now(), 'key'
        from unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::jsonb[], $7::bytea[]) as e (id, type, time, subject, properties, hash)
        on conflict do nothing`,
      values: parameters,
    });
  }

  const seconds = (performance.now() - started) / 1_000;
  await client.query('drop table bare');
  await client.end();

  return count / seconds;
}

/** Posts batches over a few connections and counts what was accepted. Returns events a second. */
async function product(stage: Stage, batches: Batch[], onBatch: () => void = () => undefined): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number(values.connections) });
  const total = batches.length * BATCH;
  let accepted = 0;
  const started = performance.now();
  const work = async (): Promise<void> => {
    for (let batch = batches.pop(); batch; batch = batches.pop()) {
      // Read after the wait: `accepted += await …` would lose what others added meanwhile.
      const taken = await post(stage, agent, batch.body);
      accepted += taken;
      onBatch();
    }
  };
  await Promise.all(Array.from({ length: Number(values.connections) }, work));
  const seconds = (performance.now() - started) / 1_000;
  agent.destroy();

  if (accepted !== total) {
    throw new Error(`${total} events sent and ${accepted} accepted`);
  }

  return total / seconds;
}

function post(stage: Stage, agent: Agent, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${stage.url}/v1/usage`,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${stage.key}`,
          'content-length': body.length,
        },
      },
      response => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const receipt = JSON.parse(Buffer.concat(parts).toString()) as { accepted?: number };

          if (response.statusCode === 200 && receipt.accepted !== undefined) {
            resolve(receipt.accepted);
          } else {
            reject(new Error(JSON.stringify(receipt).slice(0, 300)));
          }
        });
      },
    );
    call.once('error', reject);
    call.end(body);
  });
}

function batchesOf(count: number, tenants: readonly string[]): Batch[] {
  return Array.from({ length: count / BATCH }, (_, index) => {
    const tenantId = tenants[index % tenants.length] ?? '';

    return { tenantId, body: Buffer.from(JSON.stringify(events(BATCH, tenantId))) };
  });
}

async function customers(stage: Stage): Promise<string[]> {
  const scope = stage.app.scopeOf(stage.platformId, { kind: 'cli', id: 'bench' });

  for (const kind of ['input', 'output']) {
    await stage.app.services.catalog.createMeter(scope, {
      key: `${kind}_tokens`,
      eventType: 'llm.request',
      filter: 'properties.status != "failed"',
      aggregation: 'SUM',
      valueProperty: `${kind}_tokens`,
      dimensions: [{ name: 'model', property: 'model' }],
      unit: 'token',
      idempotencyKey: randomUUID(),
    });
  }

  const ids: string[] = [];

  for (let index = 0; index < Number(values.tenants); index++) {
    const made = await stage.app.services.tenants.create(scope, {
      parentId: null,
      kind: 'CUSTOMER',
      name: `Customer ${index}`,
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
      idempotencyKey: randomUUID(),
    });
    ids.push(made.tenant.id);
  }

  return ids;
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP);

    return;
  }

  const stage = await aStage({ worker: values.worker });

  try {
    const idle = peakMemory(stage.server.pid);
    const tenants = await customers(stage);
    const count = Math.ceil(Number(values.events) / BATCH) * BATCH;
    const bare: number[] = [];
    const ours: number[] = [];
    await product(stage, batchesOf(20_000, tenants));

    for (let round = 1; round <= Number(values.rounds); round++) {
      bare.push(await baseline(stage.adminUrl, count, tenants));
      ours.push(await product(stage, batchesOf(count, tenants)));
      console.log(
        `round ${round}: bare insert ${rate(bare.at(-1))}, product ${rate(ours.at(-1))}, ratio ${((ours.at(-1) ?? 0) / (bare.at(-1) ?? 1)).toFixed(2)}`,
      );
    }

    const ratio = median(ours.map((value, index) => value / (bare[index] ?? 1)));
    console.log(
      `${color.bold('ingest')}  product ${rate(median(ours))} (median), bare insert ${rate(median(bare))}, ratio ${color.bold(ratio.toFixed(2))} (target ≥ 0.5)`,
    );

    if (Number(values.flat) > 0) {
      await flat(stage, tenants, Number(values.flat));
    }

    const peak = peakMemory(stage.server.pid);
    console.log(`${color.bold('memory')}  server at most ${peak ?? '?'} MB, idle ${idle ?? '?'} MB (target ≤ 400 MB)`);
  } finally {
    await stage.close();
  }
}

/** Sends events in a row and prints the rate of each million; bodies are made million by million, outside the clock. */
async function flat(stage: Stage, tenants: readonly string[], total: number): Promise<void> {
  const rates: number[] = [];
  const bar = new SingleBar({ format: 'flat {bar} {value}/{total}', hideCursor: true, clearOnComplete: true });
  bar.start(total, 0);

  for (let sent = 0; sent < total; sent += 1_000_000) {
    const count = Math.min(1_000_000, total - sent);
    let million = 0;

    // Made and sent in tenths, so that the client does not hold a million bodies.
    for (let part = 0; part < 10; part++) {
      const batches = batchesOf(Math.ceil(count / 10 / BATCH) * BATCH, tenants);
      const started = performance.now();
      await product(stage, batches, () => bar.increment(BATCH));
      million += performance.now() - started;
    }

    rates.push(count / (million / 1_000));
  }

  bar.stop();
  console.log(rates.map((value, index) => `million ${index + 1}: ${rate(value)}`).join('\n'));
  console.log(
    `${color.bold('flat')}    last ÷ first million ${color.bold(((rates.at(-1) ?? 0) / (rates[0] ?? 1)).toFixed(2))} (target within 0.90–1.10)`,
  );
}

function rate(value: number | undefined): string {
  return `${((value ?? 0) / 1_000).toFixed(1)} k/s`;
}

await main();
