import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { createApp, type App } from '../../src/app.js';
import { decimal } from '../../src/money/index.js';
import { inTransaction } from '../../src/platform/index.js';
import { replaceResults } from '../../src/simulation/simulation-result.queries.js';
import { accept, aMeterLike } from '../usage/meters.js';
import { aContract, anEvent, aPriceBook, aTenant, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, until, type Product } from '../support/product.js';
import { amounts, read, run, startSimulation } from './simulate.js';

const NOW = new Date('2026-12-05T12:00:00Z');
const TENANTS = 20;
/** Each uses 100 units more than the one before, an event for each hundred. */
const EVENTS = (TENANTS * (TENANTS + 1)) / 2;

let product: Product;
let versionId: string;
/** In the order of their names. */
const tenants: string[] = [];

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  const { meterId, eventType } = await aMeterLike(product, {});
  const old = [{ meterId, name: 'Use', terms: perUnit('0.01') }];
  const { bookId } = await aPriceBook(product, { prices: old });
  const { version } = await product.app.services.pricing.createVersion(product.scope(), {
    priceBookId: bookId,
    prices: [{ meterId, name: 'Use', pattern: {}, terms: perUnit('0.005') }],
    idempotencyKey: 'draft',
  });
  versionId = version.id;

  for (let index = 0; index < TENANTS; index++) {
    const tenantId = await aTenant(product, { name: `Customer ${String.fromCharCode(65 + index)}` });
    await aContract(product, { buyerId: tenantId, bookId });
    await accept(
      product,
      tenantId,
      Array.from({ length: index + 1 }, (_, part) =>
        anEvent({ type: eventType, time: `2026-11-${10 + part}T00:00:00Z`, properties: { value: 100 } }),
      ),
    );
    await rate(product, tenantId);
    tenants.push(tenantId);
  }
});

afterAll(() => product.close());

const row = async (id: string): Promise<Record<string, unknown>> => {
  const [found] = await asSuperuser<Record<string, unknown>>(
    product.database,
    'select status, tenants_done, lease, failures, error, finished_at from simulation where id = $1',
    [id],
  );

  return found ?? {};
};

/** Every tenant once, with what it used at half the price. */
async function expectWhole(simulation: Awaited<ReturnType<typeof startSimulation>>): Promise<void> {
  const seen = await read(product, simulation);
  expect(seen.simulation).toMatchObject({
    status: 'DONE',
    tenantsDone: TENANTS,
    eventsDone: `${EVENTS}`,
  });
  expect(seen.tenants.map(amounts)).toEqual(
    tenants.map((_, index) => [`${index + 1}`, `${(index + 1) / 2}`, `${index + 1}`, `${(index + 1) / 2}`]),
  );
  expect(seen.simulation.totals).toEqual([
    {
      currency: 'USD',
      tenants: TENANTS,
      oldAmount: `${EVENTS}`,
      newAmount: `${EVENTS / 2}.0`,
      oldUnpriced: 0,
      newUnpriced: 0,
    },
  ]);
  expect([...seen.items.values()].map(items => items.length)).toEqual(tenants.map(() => 1));
}

/** A second process on the same database. */
const another = (): Promise<App> =>
  createApp({ ...product.app.config }, { clock: () => NOW, jobPrefix: product.app.jobPrefix, poolSize: 4 });

const runOn = (app: App, id: string): Promise<void> =>
  app.services.simulationRunner.run(app.scopeOf(product.platformId, { kind: 'job', id: 'simulation.run' }), id);

describe('a run', () => {
  test('leaves a simulation to whoever holds it, and takes it when the claim has lapsed', async () => {
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    await asSuperuser(
      product.database,
      `update simulation set status = 'RUNNING', lease = 'somebody', leased_until = clock_timestamp() + interval '1 hour' where id = $1`,
      [simulation.id],
    );
    await run(product, simulation);
    expect(await row(simulation.id)).toMatchObject({ status: 'RUNNING', lease: 'somebody', tenants_done: 0 });
    await asSuperuser(
      product.database,
      `update simulation set leased_until = clock_timestamp() - interval '1 second' where id = $1`,
      [simulation.id],
    );
    await run(product, simulation);
    await expectWhole(simulation);
  });

  test('of two processes at once does the work once', async () => {
    const app = await another();

    try {
      const simulation = await startSimulation(product, { priceBookVersionId: versionId });
      await Promise.all([run(product, simulation), runOn(app, simulation.id), run(product, simulation)]);
      await expectWhole(simulation);
    } finally {
      await app.close();
    }
  });

  test('that loses its claim again and again to another counts no tenant twice', async () => {
    const app = await another();

    try {
      const simulation = await startSimulation(product, { priceBookVersionId: versionId });
      let isOver = false;
      const robber = (async () => {
        while (!isOver) {
          await asSuperuser(
            product.database,
            `update simulation set leased_until = clock_timestamp() - interval '1 second' where id = $1 and lease is not null`,
            [simulation.id],
          );
        }
      })();

      for (let turn = 0; turn < 50 && (await row(simulation.id))['status'] !== 'DONE'; turn++) {
        await Promise.all([run(product, simulation), runOn(app, simulation.id), run(product, simulation)]);
      }

      isOver = true;
      await robber;
      await expectWhole(simulation);
    } finally {
      await app.close();
    }
  });

  test('that writes the results of a tenant again puts them in the place of those before', async () => {
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    const [subjectId = ''] = tenants;
    const side = (amount: string) => ({ quantity: decimal(1), exactAmount: decimal(amount), amount: decimal(amount) });
    const write = (old: string, now: string): Promise<void> =>
      inTransaction(product.scope(), tx =>
        replaceResults(tx, simulation.id, subjectId, [
          {
            currency: 'USD',
            name: 'Customer A',
            periods: [],
            events: 1,
            old: side(old),
            new: side(now),
            unpriced: { old: 0, new: 0 },
            items: [
              {
                price: { name: 'Use', meterId: 'mtr', pattern: {}, window: null },
                old: side(old),
                new: side(now),
              },
            ],
          },
        ]),
      );
    await write('1', '2');
    await write('3', '5');
    const seen = await read(product, simulation);
    expect(seen.simulation.tenantsDone).toBe(1);
    expect(seen.tenants.map(amounts)).toEqual([['3', '5', '3', '5']]);
    expect(seen.items.get(subjectId)?.map(({ difference }) => difference)).toEqual(['2']);
    await run(product, simulation);
    const whole = await read(product, simulation);
    expect(whole.simulation).toMatchObject({ status: 'DONE', tenantsDone: TENANTS });
    // What is done is not done again.
    expect(amounts(whole.tenants[0])).toEqual(['3', '5', '3', '5']);
  });

  test('goes on in another process where the first one was shut down', async () => {
    const app = await another();
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    const running = runOn(app, simulation.id);
    await until(async () => Number((await row(simulation.id))['tenants_done']) > 1);
    app.services.simulationRunner.close();
    await running;
    await app.close();
    const left = await row(simulation.id);
    expect(left).toMatchObject({ status: 'RUNNING', lease: null, failures: 0 });
    expect(Number(left['tenants_done'])).toBeLessThan(TENANTS);
    await run(product, simulation);
    await expectWhole(simulation);
  });

  test('stops when it is cancelled, and what is done can be read', async () => {
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    const running = run(product, simulation);
    await until(async () => Number((await row(simulation.id))['tenants_done']) > 1);
    const { simulations } = product.app.services;
    const cancelled = await simulations.cancel(product.scope(), simulation.id);
    expect(cancelled.status).toBe('CANCELLED');
    await running;
    const seen = await read(product, simulation);
    expect(seen.simulation).toMatchObject({ status: 'CANCELLED', totals: null });
    expect(seen.simulation.tenantsDone).toBe(seen.tenants.length);
    expect(seen.tenants.length).toBeLessThan(TENANTS);
    expect((await simulations.totals(product.scope(), simulation.id))[0]?.tenants).toBe(seen.tenants.length);
    // Again changes nothing, and nobody goes on with it.
    expect((await simulations.cancel(product.scope(), simulation.id)).finishedAt).toEqual(cancelled.finishedAt);
    await run(product, simulation);
    expect((await read(product, simulation)).tenants).toEqual(seen.tenants);
  });

  test('of a simulation that waits is cancelled before it begins', async () => {
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    await product.app.services.simulations.cancel(product.scope(), simulation.id);
    await run(product, simulation);
    expect(await row(simulation.id)).toMatchObject({ status: 'CANCELLED', tenants_done: 0 });
  });

  test('that has ended is neither cancelled nor changed by anybody', async () => {
    const simulation = await startSimulation(product, {
      priceBookVersionId: versionId,
      tenantIds: tenants.slice(0, 1),
    });
    await run(product, simulation);
    await expect(product.app.services.simulations.cancel(product.scope(), simulation.id)).rejects.toMatchObject({
      code: 'INVALID_TRANSITION',
    });
    await expect(
      asSuperuser(product.database, `update simulation set totals = '[]' where id = $1`, [simulation.id]),
    ).rejects.toThrow('a simulation that has ended is never changed');
  });

  test('that breaks off is tried again, and after five times in a row it has failed', async () => {
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    const spoil = (terms: string) =>
      asSuperuser(product.database, 'update price set terms = $2 where version_id = $1', [versionId, terms]);
    const [sound] = await asSuperuser<{ terms: object }>(
      product.database,
      'select terms from price where version_id = $1',
      [versionId],
    );
    await spoil('{}');

    try {
      for (let turn = 1; turn <= 5; turn++) {
        await expect(run(product, simulation)).rejects.toThrow('can no longer be read');
        expect(await row(simulation.id)).toMatchObject({
          status: turn < 5 ? 'RUNNING' : 'FAILED',
          failures: turn,
          lease: null,
        });
      }
    } finally {
      await spoil(JSON.stringify(sound?.terms));
    }

    await run(product, simulation);
    expect(await row(simulation.id)).toMatchObject({
      status: 'FAILED',
      error: 'it broke off again and again; the log of the worker says why',
      tenants_done: 0,
    });
  });

  test('is asked for by the sweeps where its hint is lost', async () => {
    const simulation = await startSimulation(product, { priceBookVersionId: versionId });
    await asSuperuser(product.database, `delete from outbox`);
    const app = await createApp(
      { ...product.app.config },
      { clock: () => new Date(NOW.getTime() + 60_000), jobPrefix: product.app.jobPrefix, poolSize: 4 },
    );

    try {
      app.work();
      await until(async () => (await row(simulation.id))['status'] === 'DONE', 30);
    } finally {
      await app.close();
    }

    await expectWhole(simulation);
  });
});

describe('through the API', () => {
  const FIELDS = `id status progress tenantsTotal tenantsDone eventsTotal eventsDone error baseline from until sellerId priceBookVersionId
    totals { currency tenants old { amount } new { amount } difference { amount currency } oldUnpriced newUnpriced }`;
  const START = `mutation ($input: SimulationStartInput!) { simulationStart(input: $input) {
    simulation { id status progress } replayed userErrors { code message field } } }`;

  const input = (more: object = {}): object => ({
    idempotencyKey: Math.random().toString(36),
    priceBookVersionId: versionId,
    from: '2026-11-01T00:00:00Z',
    until: '2026-12-01T00:00:00Z',
    ...more,
  });

  test('a simulation is started, followed to its end, and read page by page', async () => {
    const started = await product.graphql(product.platformKey, START, { input: input() });
    expect(started.data.simulationStart).toMatchObject({
      simulation: { status: 'QUEUED', progress: '0' },
      replayed: false,
      userErrors: [],
    });
    const { id } = started.data.simulationStart.simulation;
    const socket = createClient({
      url: `${product.server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${product.platformKey}` },
    });
    const seen: { status: string; progress: string }[] = [];
    const followed = new Promise<void>((resolve, reject) => {
      socket.subscribe<{ simulationProgress: (typeof seen)[number] }>(
        { query: 'subscription ($id: ID!) { simulationProgress(id: $id) { status progress } }', variables: { id } },
        {
          next: ({ data }) => (data ? seen.push(data.simulationProgress) : undefined),
          error: error => reject(new Error(JSON.stringify(error))),
          complete: resolve,
        },
      );
    });
    await until(async () => seen.length > 0);
    await run(product, { id, tenantId: product.platformId });
    await followed;
    await socket.dispose();
    expect(seen[0]).toEqual({ status: 'QUEUED', progress: '0' });
    expect(seen.at(-1)).toEqual({ status: 'DONE', progress: '100' });

    const { data } = await product.graphql(
      product.platformKey,
      `query ($id: ID!) { node(id: $id) { ... on Simulation { ${FIELDS} } } }`,
      { id },
    );
    expect(data.node).toEqual({
      id,
      status: 'DONE',
      progress: '100',
      tenantsTotal: TENANTS,
      tenantsDone: TENANTS,
      eventsTotal: `${EVENTS}`,
      eventsDone: `${EVENTS}`,
      error: null,
      baseline: 'CHARGED',
      from: '2026-11-01T00:00:00.000Z',
      until: '2026-12-01T00:00:00.000Z',
      sellerId: product.platformId,
      priceBookVersionId: versionId,
      totals: [
        {
          currency: 'USD',
          tenants: TENANTS,
          old: { amount: `${EVENTS}` },
          new: { amount: `${EVENTS / 2}` },
          difference: { amount: `-${EVENTS / 2}`, currency: 'USD' },
          oldUnpriced: 0,
          newUnpriced: 0,
        },
      ],
    });

    const page = (order: string, after: string | null) =>
      product.graphql(
        product.platformKey,
        `query ($id: ID!, $order: SimulationTenantOrder!, $after: String) { node(id: $id) { ... on Simulation { tenants(first: 5, order: $order, after: $after) {
          edges { node { tenantId name difference { amount } periods { start } } } pageInfo { hasNextPage endCursor } } } } }`,
        { id, order, after },
      );
    const listed: Record<string, string[]> = {};

    for (const order of ['LOSES_MOST', 'WINS_MOST', 'NAME']) {
      let after: string | null = null;
      listed[order] = [];

      do {
        const answer = await page(order, after);
        const { edges, pageInfo } = answer.data.node.tenants;
        listed[order].push(...edges.map((edge: { node: { tenantId: string } }) => edge.node.tenantId));
        after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      } while (after !== null);
    }

    // Everybody wins; who used least wins least.
    expect(listed).toEqual({ LOSES_MOST: tenants, WINS_MOST: tenants.toReversed(), NAME: tenants });

    const items = await product.graphql(
      product.platformKey,
      `query ($id: ID!, $tenantId: ID!) { node(id: $id) { ... on Simulation { items(tenantId: $tenantId, first: 1) { edges { node {
        name meterId dimensions window oldQuantity newQuantity old { amount currency } new { amount } difference { amount } oldExact { amount } newExact { amount } } } pageInfo { hasNextPage } } } } }`,
      { id, tenantId: tenants[2] },
    );
    expect(items.data.node.items.edges.map((edge: { node: object }) => edge.node)).toEqual([
      {
        name: 'Use',
        meterId: expect.stringMatching(/^mtr_/),
        dimensions: {},
        window: null,
        oldQuantity: '300',
        newQuantity: '300',
        old: { amount: '3', currency: 'USD' },
        new: { amount: '1.5' },
        difference: { amount: '-1.5' },
        oldExact: { amount: '3' },
        newExact: { amount: '1.5' },
      },
    ]);

    const list = await product.graphql(
      product.platformKey,
      '{ tenant { simulations(first: 1) { edges { node { id } } } } }',
    );
    expect(list.data.tenant.simulations.edges).toEqual([{ node: { id } }]);
  });

  test.each([
    ['tenants', '(after: $after)'],
    ['tenants', '(after: $after, order: NAME)'],
    ['items', '(after: $after, tenantId: "x")'],
  ])('no cursor that %s%s did not give opens a page', async (field, given) => {
    const simulation = await startSimulation(product, {
      priceBookVersionId: versionId,
      tenantIds: tenants.slice(0, 1),
    });

    for (const text of [
      'x',
      'USD\nx\ny',
      'USD\n1e5\nten',
      'USD\nNaN\nten',
      'USD x',
      'usd 1',
      'USD 1\n',
      "USD\n1'\nten",
      '\n\n',
    ]) {
      const answer = await product.graphql(
        product.platformKey,
        `query ($id: ID!, $after: String) { node(id: $id) { ... on Simulation { ${field}${given} { pageInfo { endCursor } } } } }`,
        { id: simulation.id, after: Buffer.from(text).toString('base64url') },
      );
      const codes = (answer.errors ?? []).map(error => error.extensions.code);
      const isPlace = field === 'tenants' && given.includes('NAME') && text.split('\n').length === 3;
      expect([text, codes]).toEqual([text, isPlace ? [] : ['INVALID_INPUT']]);
    }
  });

  test('a move of contracts is tried on those whom it would move, before it is made', async () => {
    const { meterId } = await aMeterLike(product, {});
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, name: 'Use', terms: perUnit('2') }] });
    const [stays, moves] = [await aTenant(product, { name: 'Stays' }), await aTenant(product, { name: 'Moves' })];
    await aContract(product, { buyerId: stays, bookId, startsAt: new Date('2026-11-20T00:00:00Z') });
    await aContract(product, { buyerId: moves, bookId });
    const move = { priceBookId: bookId, effectiveAt: '2026-11-15T00:00:00Z' };
    const started = await product.graphql(product.platformKey, START, { input: input({ move }) });
    expect(started.data.simulationStart.userErrors).toEqual([]);
    const { id } = started.data.simulationStart.simulation;
    await run(product, { id, tenantId: product.platformId });
    const { data } = await product.graphql(
      product.platformKey,
      `query ($id: ID!) { node(id: $id) { ... on Simulation { tenants { edges { node { name } } } } } }`,
      { id },
    );
    expect(data.node.tenants.edges.map((edge: { node: { name: string } }) => edge.node.name)).toEqual(['Moves']);

    const none = await product.graphql(product.platformKey, START, { input: input({ move, tenantIds: [stays] }) });
    expect(none.data.simulationStart).toMatchObject({
      simulation: null,
      userErrors: [{ code: 'INVALID_INPUT', field: ['tenantIds'] }],
    });
  });

  test('what tenants are charged takes billing:read beside pricing:read, wherever a simulation is reached', async () => {
    const simulation = await startSimulation(product, {
      priceBookVersionId: versionId,
      tenantIds: tenants.slice(0, 1),
    });
    await run(product, simulation);
    const { id } = simulation;
    const shown = [
      'totals { old { amount } }',
      'tenants(first: 1) { edges { node { old { amount } } } }',
      `items(tenantId: "${tenants[0] ?? ''}", first: 1) { edges { node { old { amount } } } }`,
    ];
    const errorsOf = ({ errors }: Awaited<ReturnType<Product['graphql']>>) =>
      (errors ?? []).map(error => [error.extensions.code, error.message]);
    const lacks = (permission: string) => [['FORBIDDEN', `this key lacks the permission ${permission}`]];
    const reader = await aKey(product.app, product.scope(), ['pricing:read', 'tenants:read']);
    const accountant = await aKey(product.app, product.scope(), ['billing:read', 'pricing:write']);
    const both = await aKey(product.app, product.scope(), ['billing:read', 'pricing:read']);

    for (const field of shown) {
      const node = `query ($id: ID!) { node(id: $id) { ... on Simulation { status ${field} } } }`;
      const list = `{ tenant { simulations(first: 1) { edges { node { ${field} } } } } }`;
      const cancel = `mutation ($id: ID!) { simulationCancel(input: { simulationId: $id }) { simulation { ${field} } userErrors { code } } }`;
      expect(errorsOf(await product.graphql(both, node, { id }))).toEqual([]);
      expect(errorsOf(await product.graphql(reader, node, { id }))).toEqual(lacks('billing:read'));
      expect(errorsOf(await product.graphql(reader, list))).toEqual(lacks('billing:read'));
      const open = await startSimulation(product, { priceBookVersionId: versionId, tenantIds: tenants.slice(0, 1) });
      expect(errorsOf(await product.graphql(accountant, cancel, { id: open.id }))).toEqual(lacks('pricing:read'));

      const follow = createClient({
        url: `${product.server.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { authorization: `Bearer ${reader}` },
      });
      const told = await new Promise(resolve => {
        follow.subscribe(
          { query: `subscription ($id: ID!) { simulationProgress(id: $id) { status ${field} } }`, variables: { id } },
          { next: resolve, error: resolve, complete: () => resolve('complete') },
        );
      });
      expect(JSON.stringify(told)).toContain('this key lacks the permission billing:read');
      await follow.dispose();
    }

    const progress = await product.graphql(
      reader,
      'query ($id: ID!) { node(id: $id) { ... on Simulation { status tenantsDone eventsDone } } }',
      { id },
    );
    expect(progress.data.node).toEqual({ status: 'DONE', tenantsDone: 1, eventsDone: '1' });
  });

  test('a refusal is told with its field', async () => {
    const { data } = await product.graphql(product.platformKey, START, {
      input: input({ until: '2027-01-01T00:00:00Z' }),
    });
    expect(data.simulationStart).toEqual({
      simulation: null,
      replayed: false,
      userErrors: [
        {
          code: 'INVALID_INPUT',
          message: 'until is not after now: a simulation replays what was used',
          field: ['until'],
        },
      ],
    });
  });
});
