import { randomUUID } from 'node:crypto';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aSale, type Sale } from './settling.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const DAY = 86_400_000;
const ANOMALY = { anomaly: { factor: '3', leastClaims: 100 } };

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

/** So many claims, evenly spread over the seven days that end so many days ago. */
async function claim({ tenantId, eventType }: Sale, count: number, daysAgo = 0): Promise<void> {
  const end = product.app.clock().getTime() - daysAgo * DAY;
  const events = Array.from({ length: count }, (_, index) => ({
    id: randomUUID(),
    type: eventType,
    time: new Date(end - Math.floor(((index + 1) * 7 * DAY) / (count + 1))).toISOString(),
    tenant: tenantId,
    properties: {},
  }));

  for (let at = 0; at < count; at += 1_000) {
    const receipt = await product.app.services.usage.accept(product.scope(), events.slice(at, at + 1_000), {
      keyId: 'key_of_a_test',
      isDryRun: false,
    });
    expect(receipt).toMatchObject({ rejected: [] });
  }
}

const settle = (sale: Sale) => product.app.services.outcomes.settle(product.scope(sale.tenantId));

/** What was told, kept, queued, written in the audit log and announced. */
async function told(sale: Sale) {
  const rows = async <T extends object>(sql: string): Promise<T[]> =>
    asSuperuser<T>(product.database, sql, [sale.tenantId]);

  return {
    rows: await rows<{ claims: number; factor: string }>(
      'select rule_id, claims, trim_scale(baseline)::text as baseline, factor::text, week_start from outcome_anomaly where tenant_id = $1 order by told_at',
    ),
    bodies: (
      await rows<{ body: string }>(
        `select body from webhook_delivery where tenant_id = $1 and event_type = 'outcome_rule.anomaly' order by created_at`,
      )
    ).map(({ body }) => JSON.parse(body) as { data: Record<string, unknown> }),
    lines: (
      await rows<{ subject_id: string; after: Record<string, unknown> }>(
        `select subject_id, after from audit_line where tenant_id = $1 and action = 'outcome_rule.anomaly' order by seq`,
      )
    ).map(({ after }) => after),
    facts: (await rows(`select from outbox where tenant_id = $1 and topic = 'outcome_rule.anomaly'`)).length,
  };
}

async function aWatchedSale(terms: object = ANOMALY): Promise<Sale> {
  product.setClock(new Date('2026-09-01T00:00:00Z'));
  const sale = await aSale(product, terms as Record<string, unknown>);
  product.setClock(NOW);
  await product.app.services.webhooks.createEndpoint(product.scope(sale.tenantId), {
    url: 'https://example.com/hook',
    eventTypes: ['outcome_rule.anomaly'],
    idempotencyKey: randomUUID(),
  });

  return sale;
}

test('1,847 claims in a week after weeks of 200 are told once, as 9.2 times the baseline, before anything is charged', async () => {
  const sale = await aWatchedSale();

  for (const week of [6, 5, 4, 3, 2, 1]) {
    await claim(sale, 200, week * 7);
  }

  await settle(sale);
  expect((await told(sale)).rows).toEqual([]);
  await claim(sale, 1_847);
  // Whoever issues rates first, and so judges first: it is told in the transaction that charges.
  await product.app.services.rating.rate(product.scope(sale.tenantId));

  const { rows, bodies, lines, facts } = await told(sale);
  expect(rows).toEqual([
    {
      rule_id: sale.ruleId,
      claims: 1_847,
      baseline: '200',
      factor: '9.235',
      week_start: new Date('2026-11-16T00:00:00Z'),
    },
  ]);
  expect(bodies.map(({ data }) => data)).toEqual([
    {
      anomalyId: expect.stringMatching(/^oan_/),
      outcomeRuleId: sale.ruleId,
      outcomeRuleKey: expect.stringMatching(/^rule_/),
      tenantId: sale.tenantId,
      period: { start: expect.stringMatching(/^2026-11-13T12:/), end: expect.stringMatching(/^2026-11-20T12:/) },
      claims: 1_847,
      baseline: '200',
      factor: '9.2',
      exactFactor: '9.235',
    },
  ]);
  expect(lines).toEqual(bodies.map(({ data }) => data));
  expect(facts).toBe(1);

  const { data } = await product.graphql(
    product.platformKey,
    `query ($id: ID!) { tenant(id: $id) { outcomeAnomalies { edges { node { id outcomeRuleId weekStart claimCount baseline factor exactFactor } } } } }`,
    { id: sale.tenantId },
  );
  const [{ node }] = data.tenant.outcomeAnomalies.edges;
  expect(node).toEqual({
    id: expect.stringMatching(/^oan_/),
    outcomeRuleId: sale.ruleId,
    weekStart: '2026-11-16T00:00:00.000Z',
    claimCount: 1_847,
    baseline: '200',
    factor: '9.2',
    exactFactor: '9.235',
  });
  const again = await product.graphql(
    product.platformKey,
    'query ($id: ID!, $of: ID!) { node(id: $id, tenantId: $of) { ... on OutcomeAnomaly { factor } } }',
    { id: node.id, of: sale.tenantId },
  );
  expect(again.data.node).toEqual({ factor: '9.2' });
});

test('what goes on is told again after seven days and not before, however often and by how many it is judged', async () => {
  const sale = await aWatchedSale();
  await claim(sale, 10, 21);
  await claim(sale, 10, 14);
  await claim(sale, 10, 7);
  await claim(sale, 200);
  await Promise.all([settle(sale), settle(sale), product.app.services.rating.rate(product.scope(sale.tenantId))]);
  await settle(sale);
  await claim(sale, 50);
  await settle(sale);
  expect((await told(sale)).rows.map(({ claims }) => claims)).toEqual([200]);

  // The next week of the calendar, but not seven days later.
  product.setClock(new Date('2026-11-24T12:00:00Z'));
  await claim(sale, 200);
  await settle(sale);
  expect((await told(sale)).rows).toHaveLength(1);

  product.setClock(new Date('2026-11-28T12:00:00Z'));
  await claim(sale, 200);
  await settle(sale);
  const { rows, bodies, lines, facts } = await told(sale);
  expect([rows.length, bodies.length, lines.length, facts]).toEqual([2, 2, 2, 2]);
});

test('a rule that asks for nothing is told of nothing, nor one in its first weeks', async () => {
  const silent = await aWatchedSale({});
  await claim(silent, 10, 21);
  await claim(silent, 10, 14);
  await claim(silent, 10, 7);
  await claim(silent, 200);
  await settle(silent);
  expect(await told(silent)).toEqual({ rows: [], bodies: [], lines: [], facts: 0 });

  const young = await aWatchedSale();
  await claim(young, 10, 7);
  await claim(young, 2_000);
  await settle(young);
  expect(await told(young)).toEqual({ rows: [], bodies: [], lines: [], facts: 0 });
});
