import { randomUUID } from 'node:crypto';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { LiveRules } from '../../src/outcomes/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { JudgedShare } from '../../src/simulation/judged-share.js';
import type { OutcomePlan } from '../../src/simulation/outcome-ground.js';
import { OutcomeReplay } from '../../src/simulation/outcome-replay.js';
import { noteEventsTotal } from '../../src/simulation/run.queries.js';
import { aContract, aMeter, anOutcomeRule, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, until, type Product } from '../support/product.js';

/* How a simulation of an outcome rule is followed and stopped. What it comes to is in outcome-simulation.test.ts. */

const START = new Date('2026-10-01T00:00:00Z');
const NOW = new Date('2026-12-10T12:00:00Z');
const NOVEMBER = { from: new Date('2026-11-01T00:00:00Z'), until: new Date('2026-12-01T00:00:00Z') };
/** A page of events, and one more. */
const EVENTS = 5_001;
const FEW = 3;

let product: Product;
let versionId: string;
let ruleId: string;
let bookId: string;
/** Buyers with so many events each. */
let big: string;
const small: string[] = [];

beforeAll(async () => {
  product = await aProduct({ now: START });
  const meterId = await aMeter(product, { eventType: 'nothing.happens' });
  ({ bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] }));
  const rule = await anOutcomeRule(product, { bookId, publishedAt: START });
  ruleId = rule.ruleId;
  product.setClock(NOW);
  const { version } = await product.app.services.outcomeRules.createVersion(product.scope(), {
    outcomeRuleId: ruleId,
    terms: {
      claim: { eventType: 'conversation.resolved' },
      prices: [{ name: 'Each', currency: 'USD', pattern: {}, terms: perUnit('2') }],
    },
    idempotencyKey: randomUUID(),
  });
  versionId = version.id;
  big = await aBuyer('Big', EVENTS);

  for (const name of ['A', 'B']) {
    small.push(await aBuyer(name, FEW));
  }
}, 60_000);

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

async function aBuyer(name: string, events: number): Promise<string> {
  const buyerId = await aTenant(product, { name });
  await aContract(product, { buyerId, bookId });

  for (let at = 0; at < events; at += 1_000) {
    const receipt = await product.app.services.usage.accept(
      product.scope(),
      Array.from({ length: Math.min(1_000, events - at) }, (_, index) => ({
        id: `e${at + index}`,
        type: 'conversation.resolved',
        time: new Date(NOVEMBER.from.getTime() + (at + index) * 60_000).toISOString(),
        subject: `s${at + index}`,
        properties: {},
        tenant: buyerId,
      })),
      { keyId: 'key_of_a_test', isDryRun: false },
    );
    expect(receipt).toMatchObject({ rejected: [], conflicts: [] });
  }

  await product.app.services.outcomes.settle(product.scope(buyerId));

  return buyerId;
}

async function start(tenantIds: readonly string[]): Promise<string> {
  const { simulation } = await product.app.services.outcomeSimulations.start(product.scope(), {
    outcomeRuleVersionId: versionId,
    tenantIds,
    ...NOVEMBER,
    idempotencyKey: randomUUID(),
  });

  return simulation.id;
}

const run = (id: string): Promise<void> => product.app.services.outcomeSimulationRunner.run(product.scope(), id);

const CANCEL = `mutation ($input: OutcomeSimulationCancelInput!) { outcomeSimulationCancel(input: $input) {
  outcomeSimulation { id status finishedAt tenantsDone } replayed userErrors { code field } } }`;

const cancel = async (outcomeSimulationId: string, key = product.platformKey) => {
  const { data, errors } = await product.graphql(key, CANCEL, { input: { outcomeSimulationId } });
  expect(errors).toBeUndefined();

  return data.outcomeSimulationCancel;
};

/** All that is kept of a simulation. */
async function row(id: string) {
  const [found] = await asSuperuser<Record<string, unknown>>(
    product.database,
    `select status, tenants_done, events_done::int, events_total::int, lease, finished_at,
       (select count(*)::int from outcome_simulation_tenant t where t.simulation_id = s.id) as tenants,
       (select count(*)::int from outcome_simulation_item i where i.simulation_id = s.id) as items,
       (select count(*)::int from audit_line a where a.subject_id = s.id and action = 'outcome_simulation.cancelled') as told
     from outcome_simulation s where id = $1`,
    [id],
  );

  return found ?? {};
}

describe('a simulation of an outcome rule is cancelled', () => {
  test('before it begins, once, and then nobody runs it', async () => {
    const id = await start(small);
    const first = await cancel(id);
    expect(first).toEqual({
      outcomeSimulation: { id, status: 'CANCELLED', finishedAt: expect.any(String), tenantsDone: 0 },
      replayed: false,
      userErrors: [],
    });
    product.setClock(new Date(NOW.getTime() + 60_000));
    // Again changes nothing, not even when it ended.
    expect(await cancel(id)).toEqual(first);
    await Promise.all([run(id), run(id)]);
    // What a run that began before has found out meanwhile is written nowhere.
    await inTransaction(product.scope(), tx => noteEventsTotal(tx, 'outcome_simulation', id, 'a lease', 6));
    expect(await row(id)).toMatchObject({
      status: 'CANCELLED',
      events_total: null,
      tenants_done: 0,
      tenants: 0,
      items: 0,
      lease: null,
      told: 1,
    });
  });

  test('while it runs, and stops within a batch, whoever runs it and however often', async () => {
    const id = await start([big]);
    const runs = [run(id), run(id)];
    await until(async () => (await row(id))['status'] === 'RUNNING');
    expect((await cancel(id)).outcomeSimulation).toMatchObject({ id, status: 'CANCELLED', tenantsDone: 0 });
    await Promise.all(runs);
    await run(id);
    expect(await row(id)).toMatchObject({
      status: 'CANCELLED',
      tenants_done: 0,
      tenants: 0,
      items: 0,
      lease: null,
      told: 1,
    });
  });

  test('and keeps what tenants came to that were done', async () => {
    const id = await start([...small, big]);
    // It breaks off where the last of them is to be kept: then the others are done.
    await asSuperuser(
      product.database,
      `create function break_off() returns trigger language plpgsql as $$ begin raise 'broken off'; end $$;
       create trigger break_off before insert on outcome_simulation_tenant
       for each row when (new.subject_id = '${big}') execute function break_off()`,
    );
    await expect(run(id)).rejects.toThrow('broken off');
    await until(async () => Number((await row(id))['tenants']) === 2);
    await asSuperuser(product.database, 'drop function break_off cascade');
    await cancel(id);
    await run(id);
    expect(await row(id)).toMatchObject({ status: 'CANCELLED', tenants_done: 2, tenants: 2, items: 2 * FEW });
    const totals = await product.app.services.outcomeSimulations.totals(product.scope(), id);
    expect(totals).toMatchObject([{ tenants: 2, oldAmount: '5.94', newAmount: '12' }]);
  });

  test('and is refused once it has ended, and for whoever may not, or does not own it', async () => {
    const id = await start(small);
    await run(id);
    const before = await row(id);
    expect(before).toMatchObject({ status: 'DONE' });
    expect(await cancel(id)).toEqual({
      outcomeSimulation: null,
      replayed: false,
      userErrors: [{ code: 'INVALID_TRANSITION', field: ['outcomeSimulationId'] }],
    });
    const waiting = await start(small);
    const stranger = await aKey(product.app, product.scope(await aTenant(product, { kind: 'RESELLER' })));
    const refusal = { outcomeSimulation: null, userErrors: [{ code: 'NOT_FOUND', field: ['outcomeSimulationId'] }] };
    expect(await cancel(waiting, stranger)).toMatchObject(refusal);
    expect(await cancel('osm_0123456789ABCDEFGHJKMNPQRS')).toMatchObject(refusal);
    expect(await cancel('nonsense')).toMatchObject(refusal);
    const reader = await aKey(product.app, product.scope(), ['pricing:read']);
    const { errors } = await product.graphql(reader, CANCEL, { input: { outcomeSimulationId: waiting } });
    expect(errors?.map(({ message }) => message)).toEqual(['this key lacks the permission pricing:write']);
    expect(await row(waiting)).toMatchObject({ status: 'QUEUED', told: 0 });
    expect(await row(id)).toEqual(before);
    await cancel(waiting);
  });

  test('wherever its work stands: reading, judging either side, rating', async () => {
    const { tenants, contracts, outcomes } = product.app.services;
    const plan = await planOf();
    const replay = new OutcomeReplay(tenants, contracts, outcomes);
    let looks = 0;
    const compare = (most: number) => {
      looks = 0;

      return replay.compare(product.scope(big), plan, {
        signal: new AbortController().signal,
        mayGoOn: () => Promise.resolve(looks++ < most),
        onEvents: () => undefined,
      });
    };
    const whole = await compare(Infinity);
    expect(whole?.changed).toHaveLength(EVENTS);
    const all = looks;
    // Two pages, two lots of cases and one of acts, one look at either side's judging, and one at each rating.
    expect(all).toBe(9);

    for (let most = 0; most < all; most++) {
      expect([most, await compare(most), looks]).toEqual([most, null, most + 1]);
    }
  }, 60_000);
});

/** What the simulation of the draft tries. */
async function planOf(): Promise<OutcomePlan> {
  const rules = await inTransaction(product.scope(), tx => new LiveRules().ofDraft(tx, versionId, NOVEMBER.from));
  const rule = rules.find(({ id }) => id === ruleId);
  const version = rule?.versions.find(({ id }) => id === versionId);

  if (!rule || !version) {
    throw new Error('there is no such draft');
  }

  return { ruleId, ruleKey: rule.key, priceBookId: bookId, version, ...NOVEMBER, now: NOW };
}

describe('how far a simulation of an outcome rule is', () => {
  test('is told by tenants and events, and followed to the end', async () => {
    const id = await start([...small, big]);
    const query = `query ($id: ID!) { node(id: $id) { ... on OutcomeSimulation {
      status progress tenantsTotal tenantsDone eventsTotal eventsDone } } }`;
    const shown = async () => (await product.graphql(product.platformKey, query, { id })).data.node;
    expect(await shown()).toEqual({
      status: 'QUEUED',
      progress: '0',
      tenantsTotal: 3,
      tenantsDone: 0,
      eventsTotal: null,
      eventsDone: '0',
    });
    const socket = createClient({
      url: `${product.server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${product.platformKey}` },
    });
    const seen: { status: string; progress: string }[] = [];
    const followed = new Promise<void>((resolve, reject) => {
      socket.subscribe<{ outcomeSimulationProgress: (typeof seen)[number] }>(
        {
          query: 'subscription ($id: ID!) { outcomeSimulationProgress(id: $id) { status progress } }',
          variables: { id },
        },
        {
          next: ({ data }) => (data ? seen.push(data.outcomeSimulationProgress) : undefined),
          error: error => reject(new Error(JSON.stringify(error))),
          complete: resolve,
        },
      );
    });
    await until(async () => seen.length > 0);
    await run(id);
    await followed;
    await socket.dispose();
    expect(seen[0]).toEqual({ status: 'QUEUED', progress: '0' });
    expect(seen.at(-1)).toEqual({ status: 'DONE', progress: '100' });
    expect(await shown()).toEqual({
      status: 'DONE',
      progress: '100',
      tenantsTotal: 3,
      tenantsDone: 3,
      eventsTotal: `${EVENTS + 2 * FEW}`,
      eventsDone: `${EVENTS + 2 * FEW}`,
    });
  });

  test('ends for whoever follows when it is cancelled, and is nothing to strangers', async () => {
    const id = await start(small);
    const listen = async (key: string, of: string): Promise<string[]> => {
      const socket = createClient({
        url: `${product.server.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization: `Bearer ${key}` },
      });
      const heard: string[] = [];
      await new Promise<void>(resolve => {
        socket.subscribe<{ outcomeSimulationProgress: { status: string } }>(
          { query: 'subscription ($id: ID!) { outcomeSimulationProgress(id: $id) { status } }', variables: { id: of } },
          {
            next: ({ data, errors }) => {
              heard.push(data?.outcomeSimulationProgress.status ?? String(errors?.[0]?.extensions?.['code']));

              if (heard.length === 1 && data) {
                void cancel(of);
              }
            },
            error: error => {
              heard.push(JSON.stringify(error).includes('NOT_FOUND') ? 'NOT_FOUND' : JSON.stringify(error));
              resolve();
            },
            complete: resolve,
          },
        );
      });
      await socket.dispose();

      return heard;
    };
    const stranger = await aKey(product.app, product.scope(await aTenant(product, { kind: 'RESELLER' })));
    const told = await listen(stranger, id);
    expect(told).toEqual(await listen(stranger, 'osm_0123456789ABCDEFGHJKMNPQRS'));
    expect(told).toEqual(['NOT_FOUND']);
    expect((await row(id))['status']).toBe('QUEUED');
    expect(await listen(product.platformKey, id)).toEqual(['QUEUED', 'CANCELLED']);
  });

  test('grows with every part of the work and comes to the events that there were', () => {
    const told: number[] = [];
    const share = new JudgedShare(10, count => told.push(count));
    const sum = () => told.reduce((total, count) => total + count, 0);
    share.add(0.5);
    share.add(0.5);
    expect(sum()).toBe(3);
    share.add(1);
    expect(sum()).toBe(6);
    // More cases than events were read: no more than all of it is told.
    share.add(2);
    expect(sum()).toBe(10);
    share.end(12);
    expect(sum()).toBe(12);
    const none: number[] = [];
    new JudgedShare(0, count => none.push(count)).end(0);
    expect(none).toEqual([]);
  });
});
