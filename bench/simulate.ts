import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import pg from 'pg';
import color from 'picocolors';
import { createApp } from '../src/app.js';
import { monthOf } from '../src/contracts/index.js';
import type { Scope } from '../src/platform/index.js';
import { aStage, peakMemory, type Stage } from './stage.js';

const HELP = `Replays a month of usage through the engine that bills it, against a bare read of the same rows.

  npm run bench:simulate -- [--events 1000000] [--tenants 20] [--tokens 50]

  --events   usage events of the month
  --tenants  customers they are spread over, batch by batch
  --tokens   per cent of them that carry a provider's usage object; the others count two properties`;

const BATCH = 1_000;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    tenants: { type: 'string', default: '20' },
    tokens: { type: 'string', default: '50' },
    run: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** What the process that runs the simulation is told, and what it tells. */
interface Order {
  readonly config: Parameters<typeof createApp>[0];
  readonly adminUrl: string;
  readonly platformId: string;
  readonly simulationId: string;
  readonly from: string;
  readonly until: string;
}

interface Answer {
  readonly events: number;
  readonly seconds: number;
  /** Of this process alone, whatever else the machine did. */
  readonly cpuSeconds: number;
  readonly bareSeconds: readonly number[];
  readonly peak: number | null;
}

const models = ['gpt-6.2-sol', 'gpt-6-luna', 'claude-opus-5.5', 'claude-sonnet-5.5'];

/** A request as a gateway reports it. */
function anEvent(serial: number, tenant: string, time: Date): object {
  const model = models[serial % models.length];
  const input = 100 + (serial % 60_000);
  const output = 10 + (serial % 6_000);
  const isUsage = serial % 100 < Number(values.tokens);

  return {
    id: `${serial.toString(36).padStart(8, '0')}${randomUUID().slice(0, 23)}`,
    type: isUsage ? 'llm.answer' : 'llm.request',
    time: time.toISOString(),
    tenant,
    subject: `conversation-${serial % 5_000}`,
    properties: isUsage
      ? {
          model,
          region: 'eu',
          usage: {
            input_tokens: input,
            input_tokens_details: { cached_tokens: serial % 100 },
            output_tokens: output,
            output_tokens_details: { reasoning_tokens: serial % 10 },
            total_tokens: input + output,
          },
        }
      : { model, input_tokens: input, output_tokens: output, region: 'eu', status: 'ok' },
  };
}

/** Customers on a book with a draft that is to be tried. */
async function setUp(stage: Stage, start: Date): Promise<{ tenants: string[]; draftId: string }> {
  const scope = (): Scope => stage.app.scopeOf(stage.platformId, { kind: 'cli', id: 'bench' });
  const { catalog, pricing, contracts, tenants: tree } = stage.app.services;
  const dimensions = [{ name: 'model', property: 'model' }];
  const shared = { aggregation: 'SUM', dimensions, unit: 'token' } as const;
  const meter = async (
    draft: { key: string; eventType: string; source: 'PROPERTY' | 'TOKEN_USAGE' },
    value: string,
  ) => {
    const filter = draft.source === 'PROPERTY' ? 'properties.status != "failed"' : '';
    const input = { ...shared, ...draft, filter, valueProperty: value, idempotencyKey: randomUUID() };

    return (await catalog.createMeter(scope(), input)).meter.id;
  };
  const flat = { eventType: 'llm.request', source: 'PROPERTY' } as const;
  const ids = {
    input: await meter({ key: 'input_tokens', ...flat }, 'input_tokens'),
    output: await meter({ key: 'output_tokens', ...flat }, 'output_tokens'),
    usage: await meter({ key: 'usage', eventType: 'llm.answer', source: 'TOKEN_USAGE' }, 'usage'),
  };

  for (const key of models) {
    await catalog.createModel(scope(), {
      key,
      provider: 'openai',
      family: 'gpt',
      modality: 'text',
      idempotencyKey: randomUUID(),
      contextBands: [{ above: '30000', name: 'long' }],
    });
  }

  const { book } = await pricing.createBook(scope(), { name: 'List', currency: 'USD', idempotencyKey: randomUUID() });
  const version = async (amount: string): Promise<string> => {
    const terms = { model: 'UNIT', unitAmount: amount, per: '1000000' };
    const tiers = [
      { upTo: '1000000', unitAmount: amount },
      { upTo: null, unitAmount: '1' },
    ];
    const made = await pricing.createVersion(scope(), {
      priceBookId: book.id,
      prices: [
        { meterId: ids.input, name: 'Input', pattern: {}, terms: { model: 'GRADUATED', per: '1000000', tiers } },
        { meterId: ids.output, name: 'Output', pattern: {}, terms },
        ...['input', 'cache_read', 'output'].flatMap(kind =>
          ['short', 'long'].map(band => ({
            meterId: ids.usage,
            name: `${kind} ${band}`,
            terms,
            pattern: { token_kind: kind, context_band: band },
          })),
        ),
      ],
      idempotencyKey: randomUUID(),
    });

    return made.version.id;
  };
  await pricing.publish(scope(), { versionId: await version('2.5'), effectiveAt: start });
  const tenants: string[] = [];

  for (let index = 0; index < Number(values.tenants); index++) {
    const { tenant } = await tree.create(scope(), {
      parentId: null,
      kind: 'CUSTOMER',
      name: `Customer ${index}`,
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
      idempotencyKey: randomUUID(),
    });
    await contracts.create(scope(), {
      buyerId: tenant.id,
      priceBookId: book.id,
      startsAt: start,
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });
    tenants.push(tenant.id);
  }

  return { tenants, draftId: await version('2') };
}

/** Fills the month in the order of time, a batch of one tenant after a batch of another, and rates it. */
async function fill(stage: Stage, tenants: readonly string[], start: Date, end: Date): Promise<void> {
  const total = Number(values.events);
  const scope = (tenantId: string): Scope => stage.app.scopeOf(tenantId, { kind: 'cli', id: 'bench' });
  const bar = new SingleBar({ format: 'filling {bar} {value}/{total}', hideCursor: true, clearOnComplete: true });
  bar.start(total, 0);
  const step = (end.getTime() - start.getTime()) / total;

  for (let sent = 0; sent < total; sent += BATCH) {
    const tenant = tenants[(sent / BATCH) % tenants.length] ?? '';
    const events = Array.from({ length: Math.min(BATCH, total - sent) }, (_, index) =>
      anEvent(sent + index, tenant, new Date(start.getTime() + Math.floor((sent + index) * step))),
    );
    await stage.app.services.usage.accept(scope(tenant), events, { keyId: 'key', isDryRun: false });
    bar.increment(events.length);
  }

  bar.stop();

  for (const tenantId of tenants) {
    await stage.app.services.rating.rate(scope(tenantId));
  }

  const client = new pg.Client({ connectionString: stage.adminUrl });
  await client.connect();
  await client.query('vacuum analyze');
  await client.end();
}

/** Runs the simulation as a worker does, in this process, between two bare reads. */
async function runOrdered(order: Order): Promise<void> {
  const app = await createApp(order.config);
  const scope = (): Scope => app.scopeOf(order.platformId, { kind: 'job', id: 'simulation.run' });
  const bareSeconds = [await bareRead(order)];
  const cpu = process.cpuUsage();
  const started = performance.now();
  await app.services.simulationRunner.run(scope(), order.simulationId);
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const peak = peakMemory(process.pid);
  bareSeconds.push(await bareRead(order));
  const [simulation] = await app.services.simulations.list(scope(), { first: 1 });
  await app.close();

  if (simulation?.status !== 'DONE') {
    throw new Error(`the simulation is ${simulation?.status}: ${simulation?.error}`);
  }

  const answer: Answer = {
    events: Number(simulation.eventsDone),
    seconds,
    cpuSeconds: (user + system) / 1e6,
    bareSeconds,
    peak,
  };
  console.log(JSON.stringify(answer));
}

/** The figure to compare with: the same rows, tenant by tenant, with their properties parsed, and nothing done with them. */
async function bareRead({ adminUrl, from, until }: Order): Promise<number> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  const started = performance.now();
  const tenants = await client.query<{ id: string }>('select distinct tenant_id as id from contract');

  for (const { id } of tenants.rows) {
    await client.query({
      name: 'bare',
      text: `select id, source, type, time, subject, properties from usage_event
        where tenant_id = $1 and time >= $2 and time < $3`,
      values: [id, from, until],
    });
  }

  const seconds = (performance.now() - started) / 1_000;
  await client.end();

  return seconds;
}

function inItsOwnProcess(order: Order): Promise<Answer> {
  const child = spawn(process.execPath, [process.argv[1] ?? '', '--run', JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', part => (text += String(part)));

  return new Promise((resolve, reject) => {
    child.once('exit', code =>
      code === 0 ? resolve(JSON.parse(text) as Answer) : reject(new Error(`the simulation ended with ${code}`)),
    );
  });
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP);

    return;
  }

  if (values.run) {
    await runOrdered(JSON.parse(values.run) as Order);

    return;
  }

  const stage = await aStage({ worker: false });

  try {
    const running = monthOf(stage.app.clock(), 'UTC');
    const { start, end } = monthOf(new Date(running.start.getTime() - 1), 'UTC');
    const { tenants, draftId } = await setUp(stage, start);
    await fill(stage, tenants, start, end);
    const scope = stage.app.scopeOf(stage.platformId, { kind: 'cli', id: 'bench' });
    const { simulation } = await stage.app.services.simulations.start(scope, scope, {
      priceBookVersionId: draftId,
      from: start,
      until: end,
      tenantIds: null,
      baseline: 'CHARGED',
      modelContexts: [],
      idempotencyKey: randomUUID(),
    });
    const { events, seconds, cpuSeconds, bareSeconds, peak } = await inItsOwnProcess({
      config: stage.app.config,
      adminUrl: stage.adminUrl,
      platformId: stage.platformId,
      simulationId: simulation.id,
      from: start.toISOString(),
      until: end.toISOString(),
    });
    const bare = Math.min(...bareSeconds);
    console.log(
      `${color.bold('simulate')}  ${events} events of ${tenants.length} tenants in ${color.bold(one(seconds))} s: ${color.bold(
        `${one(events / seconds / 1_000)} k/s`,
      )} (target: 1,000,000 in 30 s), ${one(cpuSeconds)} s of them on a CPU`,
    );
    console.log(
      `          bare read ${bareSeconds.map(one).join(' and ')} s (${one(events / bare / 1_000)} k/s), simulation takes ${one(seconds / bare)} times as long`,
    );
    console.log(`${color.bold('memory')}    at most ${peak ?? '?'} MB`);
  } finally {
    await stage.close();
  }
}

function one(value: number): string {
  return String(Math.round(value * 10) / 10);
}

await main();
