import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import color from 'picocolors';
import { inTransaction } from '../src/platform/index.js';
import { aStage, median, percentile, type Stage } from './stage.js';

const HELP = `How long prices take, each figure beside a baseline of the same run.

  npm run bench:rate -- [--only cases|period|estimate] [--prices 50] [--buckets 2000] [--cases 10000] [--estimates 2000]

1. A tenant's open period rated: so many prices × buckets, in one transaction, as the worker does it after each batch of
   usage. Baseline: reading the same buckets, summed by meter and dimensions.
2. npm run -s price -- rate of so many cases, as a command, start of Node and npm included. Baseline: node -e 0.
3. An estimate of one call through the service. Baseline: an empty transaction of the same tenant.`;

const { values } = parseArgs({
  options: {
    prices: { type: 'string', default: '50' },
    buckets: { type: 'string', default: '2000' },
    cases: { type: 'string', default: '10000' },
    estimates: { type: 'string', default: '2000' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
  process.exit(0);
}

const KINDS = ['input', 'output', 'cache_read', 'cache_write_5m', 'cache_write_1h'];

/** Prices of token kinds of several models: two in five of them in tiers, the rest per million. */
function prices(meterId: string, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const tiers = [
      { upTo: '1000000', unitAmount: '3', per: '1000000', flatAmount: '0' },
      { upTo: null, unitAmount: '2.5', per: '1000000', flatAmount: '1' },
    ];

    return {
      meterId,
      name: `Price ${index}`,
      pattern: { model: modelOf(index), token_kind: KINDS[index % KINDS.length] ?? 'input' },
      terms: index % 5 < 2 ? { model: 'GRADUATED', tiers } : { model: 'UNIT', unitAmount: '2', per: '1000000' },
    };
  });
}

function modelOf(index: number): string {
  return `model-${Math.floor(index / KINDS.length)}`;
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();

  return performance.now() - start;
}

async function samples(count: number, work: () => unknown): Promise<number[]> {
  const times: number[] = [];

  for (let round = 0; round < count; round++) {
    times.push(await timed(work));
  }

  return times;
}

function line(what: string, figure: string, baseline: string): void {
  console.log(`${what.padEnd(52)} ${color.bold(figure.padStart(24))}   ${color.dim(baseline)}`);
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

/** A tenant with a contract on a book of token prices. */
async function aBuyer({ app, platformId }: Stage): Promise<string> {
  const scope = () => app.scopeOf(platformId, { kind: 'cli', id: 'bench' });
  const { tenants, catalog, pricing, contracts } = app.services;
  const { tenant } = await tenants.create(scope(), {
    parentId: null,
    kind: 'CUSTOMER',
    name: 'Bench',
    currency: 'USD',
    timeZone: 'UTC',
    region: 'eu',
    idempotencyKey: randomUUID(),
  });
  const { meter } = await catalog.createMeter(scope(), {
    key: 'tokens',
    eventType: 'llm.request',
    source: 'TOKEN_USAGE',
    filter: '',
    aggregation: 'SUM',
    valueProperty: 'usage',
    dimensions: [{ name: 'model', property: 'model' }],
    unit: 'token',
    idempotencyKey: randomUUID(),
  });
  const { book } = await pricing.createBook(scope(), { name: 'Bench', currency: 'USD', idempotencyKey: randomUUID() });
  const { version } = await pricing.createVersion(scope(), {
    priceBookId: book.id,
    prices: prices(meter.id, Number(values.prices)),
    idempotencyKey: randomUUID(),
  });
  await pricing.publish(scope(), { versionId: version.id, effectiveAt: new Date('2020-01-01T00:00:00Z') });
  await contracts.create(scope(), {
    buyerId: tenant.id,
    priceBookId: book.id,
    startsAt: new Date('2020-01-01T00:00:00Z'),
    graceHours: 24,
    idempotencyKey: randomUUID(),
  });

  return tenant.id;
}

/** Usage of the running month, in as many buckets as asked for. */
async function use(stage: Stage, db: pg.Client, tenantId: string): Promise<number> {
  const { app } = stage;
  const scope = app.scopeOf(tenantId, { kind: 'cli', id: 'bench' });
  const count = Number(values.prices);
  const slots = Math.ceil(Number(values.buckets) / count);
  const month = Date.UTC(scope.now.getUTCFullYear(), scope.now.getUTCMonth(), 1);
  const events: object[] = [];

  for (let slot = 0; slot < slots; slot++) {
    for (let index = 0; index < count; index += KINDS.length) {
      events.push({
        id: `${slot}-${index}`,
        type: 'llm.request',
        time: new Date(Math.min(month + slot * 900_000, scope.now.getTime())).toISOString(),
        properties: {
          model: modelOf(index),
          usage: Object.fromEntries(KINDS.map((kind, at) => [kind, 1000 + slot + at])),
        },
      });
    }
  }

  await app.services.usage.accept(scope, events, { keyId: 'bench', isDryRun: false });
  const { rows } = await db.query<{ n: number }>('select count(*)::int as n from usage_bucket where tenant_id = $1', [
    tenantId,
  ]);

  return rows[0]?.n ?? 0;
}

async function rateOpenPeriod(stage: Stage, db: pg.Client, tenantId: string, buckets: number): Promise<void> {
  const { app } = stage;
  const scope = () => app.scopeOf(tenantId, { kind: 'cli', id: 'bench' });
  const rate = () => app.services.rating.rerate(scope(), new Date('2026-01-01T00:00:00Z'));
  const read = () =>
    db.query('select meter_id, dimensions, sum(quantity) from usage_bucket where tenant_id = $1 group by 1, 2', [
      tenantId,
    ]);
  await samples(10, rate);
  const [rated, bare] = [median(await samples(40, rate)), median(await samples(40, read))];
  const title = `rate an open period, ${values.prices} prices × ${buckets} buckets`;
  line(title, ms(rated), `${(rated / bare).toFixed(1)} × reading the buckets (${ms(bare)}); target ≤ 50 ms`);
}

async function estimate(stage: Stage, tenantId: string): Promise<void> {
  const { app } = stage;
  const scope = () => app.scopeOf(tenantId, { kind: 'cli', id: 'bench' });
  const request = {
    eventType: 'llm.request',
    model: 'model-1',
    serviceTier: null,
    properties: {},
    tokens: [
      { kind: 'input', expected: '12000', most: null },
      { kind: 'cache_read', expected: '80000', most: null },
      { kind: 'output', expected: '500', most: '4000' },
    ],
  };
  const ask = () => app.services.estimates.estimate(scope(), request);
  const nothing = () => inTransaction(scope(), async () => undefined);
  await samples(200, ask);
  const times = await samples(Number(values.estimates), ask);
  const bare = median(await samples(500, nothing));
  const figure = `p50 ${ms(median(times))} p99 ${ms(percentile(times, 0.99))}`;
  line(
    'cost estimate of one call, through the service',
    figure,
    `${(median(times) / bare).toFixed(1)} × an empty transaction (${ms(bare)}); target p99 ≤ 5 ms`,
  );
}

function rateCases(): void {
  const folder = mkdtempSync(join(tmpdir(), 'ratebook-bench-'));

  try {
    const file = join(folder, 'cases.json');
    const tiers = [
      { upTo: '10', unitAmount: '10', flatAmount: '2' },
      { upTo: null, unitAmount: '5', flatAmount: '3' },
    ];
    const cases = Array.from({ length: Number(values.cases) }, (_, index) => ({
      id: String(index),
      currency: 'USD',
      price:
        index % 3 === 0
          ? { model: 'GRADUATED', tiers }
          : index % 3 === 1
            ? { model: 'PERCENTAGE', rate: '2.99', fixedAmount: '2', freeEvents: '1' }
            : { model: 'UNIT', unitAmount: '2', per: '1000000', minimum: '1' },
      usage: index % 3 === 1 ? { events: [{ amount: '10' }, { amount: '80' }] } : { quantity: String(index) },
    }));
    writeFileSync(file, JSON.stringify(cases));
    const run = (command: string, args: readonly string[]): number => {
      const start = performance.now();
      const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });

      if (status !== 0) {
        throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stdout.slice(0, 200)}`);
      }

      return performance.now() - start;
    };
    const once = (): [number, number] => [
      run('npm', ['run', '-s', 'price', '--', 'rate', file]),
      run(process.execPath, ['-e', '0']),
    ];
    const rounds = Array.from({ length: 5 }, once);
    const [command, bare] = [median(rounds.map(([time]) => time)), median(rounds.map(([, time]) => time))];
    line(
      `npm run -s price -- rate, ${values.cases} cases`,
      ms(command),
      `${(command / bare).toFixed(1)} × node -e 0 (${ms(bare)}); target ≤ 2 s`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const wants = (part: string): boolean => values.only === undefined || values.only === part;

if (wants('cases')) {
  rateCases();
}

if (wants('period') || wants('estimate')) {
  const stage = await aStage({ worker: false });
  const db = new pg.Client({ connectionString: stage.adminUrl });

  try {
    await db.connect();
    const tenantId = await aBuyer(stage);
    const buckets = await use(stage, db, tenantId);

    if (wants('period')) {
      await rateOpenPeriod(stage, db, tenantId, buckets);
    }

    if (wants('estimate')) {
      await estimate(stage, tenantId);
    }
  } finally {
    await db.end();
    await stage.close();
  }
}
