import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import pg from 'pg';
import color from 'picocolors';
import { scopeFor, type Scope } from '../src/platform/index.js';
import { aStage, median, type Stage } from './stage.js';

const HELP = `Outcomes: what accepting them costs beside plain usage, and how long a million takes to mature and be rated.

  npm run bench:outcomes -- [--only accept|mature] [--events 100000] [--rounds 3] [--outcomes 1000000] [--tenants 10]

1. Batches of 1,000 accepted by the service, in turns: plain usage (two meters), events that an outcome rule claims, and
   events that are both. Ratio: time of the one ÷ time of plain usage, median of the rounds. Judging is not in it: a job does that.
2. So many outcomes that wait for their maturation, spread over tenants, a graduated price: matured and rated by the jobs'
   own services, two tenants at a time. Baseline: the same number of rows updated, and inserted, by two bare statements.`;

const BATCH = 1_000;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    events: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    outcomes: { type: 'string', default: '1000000' },
    tenants: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
});

const TERMS = {
  claim: { eventType: 'conversation.resolved', filter: 'properties.status == "ok"' },
  maturationHours: 72,
  periodAnchor: 'OCCURRED',
  dedupe: { scope: 'SUBJECT', windowHours: null },
  prices: [
    {
      name: 'Resolution',
      currency: 'USD',
      pattern: {},
      terms: {
        model: 'GRADUATED',
        tiers: [
          { upTo: '1000', unitAmount: '0.99' },
          { upTo: '50000', unitAmount: '0.90' },
          { upTo: null, unitAmount: '0.85' },
        ],
      },
    },
  ],
};

let serial = 0;

function events(count: number, type: string, at: Date): Record<string, unknown>[] {
  return Array.from({ length: count }, () => {
    serial++;

    return {
      id: `${serial.toString(36).padStart(8, '0')}${randomUUID().slice(0, 23)}`,
      type,
      // After the rules took effect; up to a day ahead is taken.
      time: new Date(at.getTime() + (serial % 600) * 1_000).toISOString(),
      subject: `conversation-${serial}`,
      properties: { model: 'gpt-6.2-sol', input_tokens: 100 + (serial % 60_000), output_tokens: 10, status: 'ok' },
    };
  });
}

async function customers(stage: Stage): Promise<string[]> {
  const { services } = stage.app;
  const scope = stage.app.scopeOf(stage.platformId, { kind: 'cli', id: 'bench' });
  const once = (): { idempotencyKey: string } => ({ idempotencyKey: randomUUID() });

  for (const eventType of ['llm.request', 'conversation.metered']) {
    for (const kind of ['input', 'output']) {
      await services.catalog.createMeter(scope, {
        key: `${kind}_tokens_${eventType.replace('.', '_')}`,
        eventType,
        filter: 'properties.status != "failed"',
        aggregation: 'SUM',
        valueProperty: `${kind}_tokens`,
        dimensions: [{ name: 'model', property: 'model' }],
        unit: 'token',
        ...once(),
      });
    }
  }

  const { book } = await services.pricing.createBook(scope, { name: 'Outcomes', currency: 'USD', ...once() });

  for (const key of ['resolved', 'metered']) {
    const { rule } = await services.outcomeRules.create(scope, { priceBookId: book.id, key, name: key, ...once() });
    const { version } = await services.outcomeRules.createVersion(scope, {
      outcomeRuleId: rule.id,
      terms: { ...TERMS, claim: { ...TERMS.claim, eventType: `conversation.${key}` } },
      ...once(),
    });
    await services.outcomeRules.publish(scope, { versionId: version.id, effectiveAt: null });
  }

  const ids: string[] = [];

  for (let index = 0; index < Number(values.tenants); index++) {
    const { tenant } = await services.tenants.create(scope, {
      parentId: null,
      kind: 'CUSTOMER',
      name: `Customer ${index}`,
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
      ...once(),
    });
    await services.contracts.create(scope, {
      buyerId: tenant.id,
      priceBookId: book.id,
      startsAt: new Date('2026-01-01T00:00:00Z'),
      graceHours: 24,
      ...once(),
    });
    ids.push(tenant.id);
  }

  return ids;
}

async function accept(scope: Scope, stage: Stage, batches: readonly (readonly unknown[])[]): Promise<number> {
  const started = performance.now();

  for (const batch of batches) {
    const receipt = await stage.app.services.usage.accept(scope, batch, { keyId: 'key_bench', isDryRun: false });

    if (receipt.accepted !== batch.length) {
      throw new Error(`${batch.length} events sent and ${receipt.accepted} accepted`);
    }
  }

  return performance.now() - started;
}

async function accepting(stage: Stage, tenants: readonly string[]): Promise<void> {
  const [tenantId = ''] = tenants;
  const scope = stage.app.scopeOf(tenantId, { kind: 'cli', id: 'bench' });
  const count = Math.ceil(Number(values.events) / BATCH);
  const batches = (type: string) => Array.from({ length: count }, () => events(BATCH, type, stage.app.clock()));
  const ratios: { claimed: number; both: number }[] = [];
  await accept(scope, stage, batches('llm.request').slice(0, 10));

  for (let round = 1; round <= Number(values.rounds); round++) {
    const plain = await accept(scope, stage, batches('llm.request'));
    const claimed = await accept(scope, stage, batches('conversation.resolved'));
    const both = await accept(scope, stage, batches('conversation.metered'));
    ratios.push({ claimed: claimed / plain, both: both / plain });
    console.log(
      `round ${round}: plain usage ${rate(count, plain)}, outcomes ${rate(count, claimed)}, both ${rate(count, both)}`,
    );
  }

  const claimed = median(ratios.map(ratio => ratio.claimed)).toFixed(2);
  const both = median(ratios.map(ratio => ratio.both)).toFixed(2);
  console.log(
    `${color.bold('accept')}  outcomes cost ${color.bold(`${claimed} ×`)} plain usage, what is both ${color.bold(`${both} ×`)} (target ≤ 1.3)`,
  );
}

function rate(batches: number, milliseconds: number): string {
  return `${((batches * BATCH) / milliseconds).toFixed(1)} k/s`;
}

async function maturing(stage: Stage, tenants: readonly string[]): Promise<void> {
  const total = Number(values.outcomes);
  const { services, clock } = stage.app;
  const accepted = new SingleBar({ format: 'accept {bar} {value}/{total}', hideCursor: true, clearOnComplete: true });
  accepted.start(total, 0);

  for (let sent = 0; sent < total; sent += 5_000) {
    const tenantId = tenants[(sent / 5_000) % tenants.length] ?? '';
    const scope = stage.app.scopeOf(tenantId, { kind: 'cli', id: 'bench' });
    await accept(scope, stage, [events(5_000, 'conversation.resolved', clock())]);
    accepted.update(sent + 5_000);
  }

  accepted.stop();
  const judged = await timed(() => each(tenants, tenantId => services.outcomes.settle(at(stage, tenantId, clock()))));
  const later = new Date(clock().getTime() + 4 * 86_400_000);
  const matured = await timed(() => each(tenants, tenantId => services.outcomes.settle(at(stage, tenantId, later))));
  const rated = await timed(() => each(tenants, tenantId => services.rating.rate(at(stage, tenantId, later))));
  const bare = await baseline(stage);
  const counted = await counts(stage);
  console.log(
    `judged ${seconds(judged)}, matured ${seconds(matured)}, rated ${seconds(rated)}, bare update and insert ${seconds(bare)}; ` +
      `${counted.matured} outcomes matured, charged ${counted.charged}`,
  );
  console.log(
    `${color.bold('mature')}  ${counted.matured} outcomes matured and rated in ${color.bold(seconds(matured + rated))} ` +
      `(target ≤ 60 s for 1,000,000), ${((matured + rated) / bare).toFixed(2)} × the bare statements`,
  );
}

function at(stage: Stage, tenantId: string, now: Date): Scope {
  return { ...scopeFor(stage.app.scopeOf(tenantId, { kind: 'job', id: 'bench' }), tenantId), now };
}

/** Two tenants at a time, as two workers do it. */
async function each(tenants: readonly string[], work: (tenantId: string) => Promise<void>): Promise<void> {
  const left = [...tenants];
  const worker = async (): Promise<void> => {
    for (let tenantId = left.pop(); tenantId !== undefined; tenantId = left.pop()) {
      await work(tenantId);
    }
  };
  await Promise.all([worker(), worker()]);
}

/** As many rows as there are outcomes, updated once and written to a second table once, with one index each. */
async function baseline(stage: Stage): Promise<number> {
  const client = new pg.Client({ connectionString: stage.adminUrl });
  await client.connect();
  await client.query('create table bare as select tenant_id, id, state, period_at from outcome');
  await client.query('alter table bare add primary key (tenant_id, id)');
  await client.query(
    'create table bare_step (tenant_id text, id text, n int, state text, primary key (tenant_id, id, n))',
  );
  const taken = await timed(async () => {
    await client.query("update bare set state = 'DONE'");
    await client.query("insert into bare_step select tenant_id, id, 1, 'DONE' from bare");
  });
  await client.query('drop table bare, bare_step');
  await client.end();

  return taken;
}

async function counts(stage: Stage): Promise<{ matured: number; charged: string }> {
  const client = new pg.Client({ connectionString: stage.adminUrl });
  await client.connect();
  const outcomes = await client.query<{ n: number }>("select count(*)::int as n from outcome where state = 'MATURED'");
  const charges = await client.query<{ amount: string }>('select trim_scale(sum(amount))::text as amount from charge');
  await client.end();

  return { matured: outcomes.rows[0]?.n ?? 0, charged: charges.rows[0]?.amount ?? '0' };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();

  return performance.now() - started;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(1)} s`;
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP);

    return;
  }

  const stage = await aStage({ worker: false });

  try {
    const tenants = await customers(stage);

    if (values.only !== 'mature') {
      await accepting(stage, tenants);
    }

    if (values.only !== 'accept') {
      await maturing(stage, tenants);
    }
  } finally {
    await stage.close();
  }
}

await main();
