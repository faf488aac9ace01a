import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { parseArgs } from 'node:util';
import pg from 'pg';
import color from 'picocolors';
import { aStage, median, percentile, type Stage } from './stage.js';

const HELP = `Calls over HTTP: check, authorize with settle, and one hot budget against a bare guarded update.

  npm run bench:calls -- [--seconds 10] [--rounds 3] [--callers 100] [--only check|settle|hot]

  --seconds  how long calls come at their rate
  --rounds   rounds of the hot budget; each is baseline, then product
  --callers  callers at once of the hot budget
  --only     one of the three instead of all`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    callers: { type: 'string', default: '100' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const CUSTOMERS = 20;
const CHECKS_A_SECOND = 1_000;
const CALLS_A_SECOND = 300;
const HOT_CALLS = 10_000;

interface Customer {
  readonly id: string;
}

type Body = Readonly<Record<string, unknown>>;

/** Posts JSON and answers with what came back; anything but 200 throws. */
function poster(stage: Stage, agent: Agent) {
  return (path: string, body: Body): Promise<Body> =>
    new Promise((resolve, reject) => {
      const text = Buffer.from(JSON.stringify(body));
      const headers = {
        'content-type': 'application/json',
        authorization: `Bearer ${stage.key}`,
        'content-length': text.length,
      };
      const call = request(`${stage.url}/v1/${path}`, { method: 'POST', agent, headers }, response => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const answer = Buffer.concat(parts).toString();

          if (response.statusCode === 200) {
            resolve(JSON.parse(answer) as Body);
          } else {
            reject(new Error(`${response.statusCode}: ${answer.slice(0, 300)}`));
          }
        });
      });
      call.once('error', reject);
      call.end(text);
    });
}

/** Sends at a steady rate whatever the answers take, and returns how long each took, in ms, from when it was due. */
async function atRate(perSecond: number, seconds: number, work: (place: number) => Promise<void>): Promise<number[]> {
  const began = performance.now();
  const took: number[] = [];
  const all: Promise<void>[] = [];

  for (let place = 0; place < perSecond * seconds;) {
    const due = Math.floor(((performance.now() - began) * perSecond) / 1_000);

    for (; place <= due && place < perSecond * seconds; place++) {
      const from = began + (place * 1_000) / perSecond;
      all.push(
        work(place).then(() => {
          took.push(performance.now() - from);
        }),
      );
    }

    await new Promise(resolve => setTimeout(resolve, 1));
  }

  await Promise.all(all);

  return took;
}

/** A reseller's customers on a price, with budgets at every level that leave room for all of it. */
async function customers({ app, platformId }: Stage, amount: string): Promise<readonly Customer[]> {
  const scope = (id = platformId) => app.scopeOf(id, { kind: 'cli', id: 'bench' });
  const { tenants, catalog, pricing, contracts, budgets } = app.services;
  const made = async (parentId: string | null, kind: 'RESELLER' | 'CUSTOMER', name: string) =>
    (
      await tenants.create(scope(), {
        parentId,
        kind,
        name,
        currency: 'USD',
        timeZone: 'UTC',
        region: 'eu',
        idempotencyKey: randomUUID(),
      })
    ).tenant.id;
  const { meter } = await catalog.createMeter(scope(), {
    key: `tokens_${randomUUID().replaceAll('-', '')}`,
    eventType: 'llm.request',
    filter: '',
    aggregation: 'SUM',
    valueProperty: 'tokens',
    dimensions: [{ name: 'model', property: 'model' }],
    unit: 'token',
    keepsEvents: false,
    idempotencyKey: randomUUID(),
  });
  const { book } = await pricing.createBook(scope(), { name: 'Bench', currency: 'USD', idempotencyKey: randomUUID() });
  const { version } = await pricing.createVersion(scope(), {
    priceBookId: book.id,
    prices: [{ meterId: meter.id, name: 'Each', pattern: {}, terms: { model: 'UNIT', unitAmount: '0.01' } }],
    idempotencyKey: randomUUID(),
  });
  await pricing.publish(scope(), { versionId: version.id, effectiveAt: new Date('2020-01-01T00:00:00Z') });
  const resellerId = await made(null, 'RESELLER', 'Reseller');
  const budget = (tenantId: string) =>
    budgets.create(scope(tenantId), {
      name: 'Month',
      amount,
      currency: 'USD',
      mode: 'HARD',
      per: 'MONTH',
      countedTenantId: null,
      keyId: null,
      meterId: null,
      model: null,
      idempotencyKey: randomUUID(),
    });
  await budget(platformId);
  await budget(resellerId);
  const all: Customer[] = [];

  for (let place = 0; place < CUSTOMERS; place++) {
    const id = await made(resellerId, 'CUSTOMER', `Customer ${place}`);
    await contracts.create(scope(), {
      buyerId: id,
      priceBookId: book.id,
      startsAt: new Date('2020-01-01T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });
    await budget(id);
    all.push({ id });
  }

  return all;
}

const call = (tenantId: string): Body => ({
  tenantId,
  eventType: 'llm.request',
  properties: { tokens: 100, model: 'gpt-6-luna' },
});

/** The figure to compare with: as many callers, each with a connection, on one row that guards itself. */
async function bareUpdates(adminUrl: string, callers: number, calls: number): Promise<number> {
  // As many as Postgres lets in beside the product's own; the other callers wait for one.
  const pool = new pg.Pool({ connectionString: adminUrl, max: Math.min(callers, 60) });
  await pool.query('create table if not exists bare_budget (id int primary key, most numeric, held numeric)');
  await pool.query('insert into bare_budget values (1, 1000000000, 0) on conflict do nothing');
  await Promise.all(Array.from({ length: callers }, () => pool.query('select 1')));
  const began = performance.now();
  let left = calls;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left-- > 0) {
        await pool.query({
          name: 'guarded',
          text: 'update bare_budget set held = held + 1 where id = 1 and held + 1 <= most',
        });
      }
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  await pool.end();

  return calls / seconds;
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP);

    return;
  }

  const seconds = Number(values.seconds);
  const stage = await aStage({ worker: false });
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const post = poster(stage, agent);

  try {
    const all = await customers(stage, '10000000');
    const tenantOf = (place: number): string => all[place % all.length]?.id ?? '';
    const check = async (place: number): Promise<void> => void (await post('check', call(tenantOf(place))));
    const isWanted = (part: string): boolean => values.only === undefined || values.only === part;

    if (isWanted('check')) {
      await atRate(200, 3, check);
      tell('check', await atRate(CHECKS_A_SECOND, seconds, check), `at ${CHECKS_A_SECOND}/s`, 5);
    }

    const both = async (place: number): Promise<void> => {
      const tenantId = tenantOf(place);
      const { hold } = await post('authorize', { ...call(tenantId), idempotencyKey: randomUUID() });
      const event = {
        id: randomUUID(),
        type: 'llm.request',
        time: new Date().toISOString(),
        properties: { tokens: 90, model: 'gpt-6-luna' },
      };
      await post('settle', { tenantId, holdId: (hold as { readonly id: string }).id, events: [event] });
    };

    if (isWanted('settle')) {
      await atRate(50, 3, both);
      tell('authorize + settle', await atRate(CALLS_A_SECOND, seconds, both), `at ${CALLS_A_SECOND}/s`, 15);
    }

    if (isWanted('hot')) {
      await tellHot(stage, post, tenantOf(0));
    }

    await tellOverrun(stage);
  } finally {
    agent.destroy();
    await stage.close();
  }
}

/** Rounds of the hot budget, each after its baseline. */
async function tellHot(stage: Stage, post: ReturnType<typeof poster>, tenantId: string): Promise<void> {
  const [rounds, callers] = [Number(values.rounds), Number(values.callers)];
  const bare: number[] = [];
  const ours: number[] = [];

  for (let round = 1; round <= rounds; round++) {
    bare.push(await bareUpdates(stage.adminUrl, callers, HOT_CALLS));
    ours.push(await hot(post, tenantId, callers));
    console.log(`round ${round}: guarded update ${rate(bare.at(-1))}, product ${rate(ours.at(-1))}`);
  }

  const ratio = median(ours.map((value, place) => value / (bare[place] ?? 1)));
  console.log(
    `${color.bold('one hot budget')}  ${callers} callers, 3 budgets over one another: ${color.bold(rate(median(ours)))} (median; target ≥ 500), bare guarded update of one row ${rate(median(bare))}, ratio ${color.bold(ratio.toFixed(2))}`,
  );
}

async function hot(post: ReturnType<typeof poster>, tenantId: string, callers: number): Promise<number> {
  const began = performance.now();
  let left = HOT_CALLS;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (left-- > 0) {
        const { isAllowed } = await post('authorize', { ...call(tenantId), idempotencyKey: randomUUID() });

        if (isAllowed !== true) {
          throw new Error('refused, although there is room');
        }
      }
    }),
  );

  return HOT_CALLS / ((performance.now() - began) / 1_000);
}

/** Whether every window holds what its holds say: to the last digit. */
async function tellOverrun({ adminUrl }: Stage): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  const { rows } = await client.query<{ wrong: string }>(
    `select count(*)::text as wrong from (
       select limit_id, sum(held) as held from (select limit_id, held from limit_window union all select limit_id, held from limit_entry) w group by 1
     ) w full join (
       select part->>'limitId' as limit_id, sum((part->>'amount')::numeric) as held
       from hold, jsonb_array_elements(parts) part where state = 'HELD' group by 1
     ) h using (limit_id) where coalesce(w.held, 0) <> coalesce(h.held, 0)`,
  );
  await client.end();
  console.log(`windows that hold anything else than their holds: ${rows[0]?.wrong}`);
}

function tell(what: string, took: readonly number[], how: string, target: number): void {
  const at = (share: number): string => `${percentile(took, share).toFixed(1)} ms`;
  console.log(
    `${color.bold(what)}  ${how}: p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${color.bold(at(0.99))} (target ≤ ${target} ms), ${took.length} calls`,
  );
}

function rate(value: number | undefined): string {
  return `${Math.round(value ?? 0).toLocaleString('en')}/s`;
}

await main();
