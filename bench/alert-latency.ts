import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createClient } from 'graphql-ws';
import color from 'picocolors';
import { WebSocket } from 'ws';
import { aStage, percentile, type Stage } from './stage.js';

const HELP = `From the answer that accepts an event to the subscription message of the alert it sets off, while other events flow in.

  npm run bench:alerts -- [--seconds 40] [--load 5000] [--alerts 400]

  --seconds  how long
  --load     events a second meanwhile, in batches of 250 over 20 other customers
  --alerts   how many alerts are set off in that time, one after the other

The baseline is the same without load, measured first.`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '40' },
    load: { type: 'string', default: '5000' },
    alerts: { type: 'string', default: '400' },
    help: { type: 'boolean', default: false },
  },
});

const THRESHOLDS = 20;
const LOAD_BATCH = 250;

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP);

    return;
  }

  const stage = await aStage({ worker: true });

  try {
    const bookId = await prices(stage);
    const quiet = await measure(stage, bookId, { seconds: 8, load: 0, alerts: 80 });
    const loaded = await measure(stage, bookId, {
      seconds: Number(values.seconds),
      load: Number(values.load),
      alerts: Number(values.alerts),
    });
    print('quiet ', quiet);
    print('loaded', loaded);
    console.log(
      `${color.bold('alerts')}  p99 ${percentile(loaded.latencies, 0.99).toFixed(0)} ms under ${loaded.perSecond.toFixed(0)} events/s ` +
        `(target ≤ 1000 ms at 5000/s), ${(percentile(loaded.latencies, 0.99) / percentile(quiet.latencies, 0.99)).toFixed(1)} × quiet`,
    );
  } finally {
    await stage.close();
  }
}

interface Measured {
  readonly latencies: number[];
  readonly expected: number;
  readonly perSecond: number;
}

function print(name: string, { latencies, expected, perSecond }: Measured): void {
  const figures = [0.5, 0.9, 0.99, 1].map(share => percentile(latencies, share).toFixed(0));
  console.log(
    `${name}  ${latencies.length} of ${expected} alerts told, ${perSecond.toFixed(0)} events/s; ms p50 ${figures[0]}, p90 ${figures[1]}, p99 ${figures[2]}, max ${figures[3]}`,
  );
}

async function measure(
  stage: Stage,
  bookId: string,
  run: { readonly seconds: number; readonly load: number; readonly alerts: number },
): Promise<Measured> {
  const watched = await customers(stage, bookId, Math.ceil(run.alerts / THRESHOLDS), true);
  const busy = await customers(stage, bookId, 20, false);
  const acceptedAt = new Map<string, number>();
  const latencies: number[] = [];
  const client = createClient({
    url: `${stage.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${stage.key}` },
  });

  for (const tenantId of watched) {
    client.subscribe<{ spendAlertTriggered: { threshold: string } }>(
      {
        query: 'subscription ($tenantId: ID) { spendAlertTriggered(tenantId: $tenantId, after: "0") { threshold } }',
        variables: { tenantId },
      },
      {
        next: ({ data }) => {
          const at = acceptedAt.get(`${tenantId} ${data?.spendAlertTriggered.threshold ?? ''}`);

          if (at !== undefined) {
            latencies.push(performance.now() - at);
          }
        },
        error: error => console.error(error),
        complete: () => undefined,
      },
    );
  }

  await new Promise(resolve => setTimeout(resolve, 500));
  const end = performance.now() + run.seconds * 1_000;
  let sent = 0;
  const load = async (): Promise<void> => {
    for (const started = performance.now(); performance.now() < end && run.load > 0;) {
      const due = ((performance.now() - started) / 1_000) * run.load;

      if (sent >= due) {
        await new Promise(resolve => setTimeout(resolve, 5));
        continue;
      }

      const tenant = busy[(sent / LOAD_BATCH) % busy.length] ?? '';
      sent += LOAD_BATCH;
      await post(
        stage,
        Array.from({ length: LOAD_BATCH }, () => event(tenant, 1)),
      );
    }
  };
  const setOff = async (): Promise<void> => {
    for (let alert = 0; alert < run.alerts; alert++) {
      const tenantId = watched[alert % watched.length] ?? '';
      const threshold = Math.floor(alert / watched.length) + 1;
      const key = `${tenantId} amount:${threshold}`;
      // Should the message overtake the answer, it still counts, as 0 at the least.
      acceptedAt.set(key, Number.POSITIVE_INFINITY);
      const wait = (run.seconds * 1_000) / run.alerts;
      const started = performance.now();
      await post(stage, [event(tenantId, 1)]);
      acceptedAt.set(key, performance.now());
      await new Promise(resolve => setTimeout(resolve, Math.max(0, wait - (performance.now() - started))));
    }
  };
  const started = performance.now();
  await Promise.all([load(), load(), setOff()]);
  const seconds = (performance.now() - started) / 1_000;

  for (let waited = 0; latencies.length < run.alerts && waited < 5_000; waited += 50) {
    await new Promise(resolve => setTimeout(resolve, 50));
  }

  await client.dispose();

  return { latencies: latencies.map(value => Math.max(0, value)), expected: run.alerts, perSecond: sent / seconds };
}

function event(tenant: string, units: number): object {
  return { id: randomUUID(), type: 'bench.unit', time: new Date().toISOString(), tenant, properties: { units } };
}

async function post(stage: Stage, events: readonly object[]): Promise<void> {
  const response = await fetch(`${stage.url}/v1/usage`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${stage.key}` },
    body: JSON.stringify(events),
  });

  if (response.status !== 200) {
    throw new Error(await response.text());
  }

  await response.arrayBuffer();
}

async function prices(stage: Stage): Promise<string> {
  const scope = stage.app.scopeOf(stage.platformId, { kind: 'cli', id: 'bench' });
  const { meter } = await stage.app.services.catalog.createMeter(scope, {
    key: 'units',
    eventType: 'bench.unit',
    filter: '',
    aggregation: 'SUM',
    valueProperty: 'units',
    dimensions: [],
    unit: 'unit',
    idempotencyKey: randomUUID(),
  });
  const { book } = await stage.app.services.pricing.createBook(scope, {
    name: 'Bench',
    currency: 'USD',
    idempotencyKey: randomUUID(),
  });
  const { version } = await stage.app.services.pricing.createVersion(scope, {
    priceBookId: book.id,
    prices: [{ meterId: meter.id, name: 'Units', pattern: {}, terms: { model: 'UNIT', unitAmount: '1' } }],
    idempotencyKey: randomUUID(),
  });
  await stage.app.services.pricing.publish(scope, {
    versionId: version.id,
    effectiveAt: new Date('2020-01-01T00:00:00Z'),
  });

  return book.id;
}

async function customers(stage: Stage, bookId: string, count: number, withAlert: boolean): Promise<string[]> {
  const { tenants, contracts, alerts, rating } = stage.app.services;
  const scope = stage.app.scopeOf(stage.platformId, { kind: 'cli', id: 'bench' });
  const ids: string[] = [];

  for (let index = 0; index < count; index++) {
    const { tenant } = await tenants.create(scope, {
      parentId: null,
      kind: 'CUSTOMER',
      name: `Customer ${index}`,
      currency: 'USD',
      timeZone: 'UTC',
      region: 'eu',
      idempotencyKey: randomUUID(),
    });
    await contracts.create(scope, {
      buyerId: tenant.id,
      priceBookId: bookId,
      startsAt: new Date('2020-01-01T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });

    if (withAlert) {
      await alerts.create(
        stage.app.scopeOf(tenant.id, { kind: 'cli', id: 'bench' }),
        {
          name: 'bench',
          budget: null,
          thresholds: Array.from({ length: THRESHOLDS }, (_, threshold) => ({ amount: String(threshold + 1) })),
          idempotencyKey: randomUUID(),
        },
        rating,
      );
    }

    ids.push(tenant.id);
  }

  return ids;
}

await main();
