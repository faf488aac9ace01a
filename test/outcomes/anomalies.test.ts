import { randomUUID } from 'node:crypto';
import { inTransaction } from '../../src/platform/index.js';
import { aContract } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { anOffer, aSale, standings, type Sale } from './settling.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const DAY = 86_400_000;
const ANOMALY = { anomaly: { factor: '3', leastClaims: 100 } };

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

/** So many claims, evenly spread over the seven days that end so many days ago, but for the first hour. */
async function claim({ tenantId, eventType }: Sale, count: number, daysAgo = 0): Promise<void> {
  const end = product.app.clock().getTime() - daysAgo * DAY;
  const events = Array.from({ length: count }, (_, index) => ({
    id: randomUUID(),
    type: eventType,
    time: new Date(end - Math.floor(((index + 1) * (7 * DAY - DAY / 24)) / (count + 1))).toISOString(),
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
    rows: await rows<{ measure: string; claims: number; factor: string }>(
      'select rule_id, measure, claims, trim_scale(baseline)::text as baseline, factor::text, week_start from outcome_anomaly where tenant_id = $1 order by told_at',
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
      measure: 'OCCURRED',
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
      period: { start: '2026-11-13T13:00:00.000Z', end: expect.stringMatching(/^2026-11-20T12:/) },
      measure: 'OCCURRED',
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
    `query ($id: ID!) { tenant(id: $id) { outcomeAnomalies { edges { node { id outcomeRuleId weekStart measure claimCount baseline factor exactFactor } } } } }`,
    { id: sale.tenantId },
  );
  const [{ node }] = data.tenant.outcomeAnomalies.edges;
  expect(node).toEqual({
    id: expect.stringMatching(/^oan_/),
    outcomeRuleId: sale.ruleId,
    weekStart: '2026-11-16T00:00:00.000Z',
    measure: 'OCCURRED',
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

test('a version asks for it from its effective instant on', async () => {
  const sale = await aWatchedSale({});

  for (const week of [4, 3, 2, 1]) {
    await claim(sale, 100, week * 7);
  }

  await claim(sale, 1_000);
  const { outcomeRules, outcomes } = product.app.services;
  const { version } = await outcomeRules.createVersion(product.scope(), {
    outcomeRuleId: sale.ruleId,
    terms: {
      claim: { eventType: sale.eventType, filter: '' },
      prices: [{ name: 'Resolution', currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount: '0.99' } }],
      ...ANOMALY,
    },
    idempotencyKey: randomUUID(),
  });
  const effectiveAt = new Date(NOW.getTime() + 1_800_000);
  await outcomeRules.publish(product.scope(), { versionId: version.id, effectiveAt });
  const settledAt = (now: Date) => outcomes.settle({ ...product.scope(sale.tenantId), now });
  await settledAt(new Date(effectiveAt.getTime() - 1));
  expect((await told(sale)).rows).toEqual([]);
  // It is looked at with what comes in.
  await claim(sale, 1);
  await settledAt(effectiveAt);
  expect((await told(sale)).rows).toMatchObject([{ measure: 'OCCURRED', claims: 1_001 }]);
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

describe('claims are counted by when they came in as well', () => {
  const daysFromNow = (days: number) => product.setClock(new Date(NOW.getTime() + days * DAY));

  /** So many claims in each of some weeks before now, that came in day by day as they occurred. */
  async function usual(sale: Sale, count: number, weeks: number): Promise<void> {
    for (let week = weeks; week > 0; week -= 1) {
      daysFromNow(-7 * week);
      await claim(sale, count);
      await settle(sale);
    }

    product.setClock(NOW);
  }

  const shown = async (sale: Sale) =>
    (await told(sale)).rows.map(({ measure, claims, factor }) => `${measure} ${claims} ${factor}`);

  const counted = async ({ tenantId, ruleId }: Sale) =>
    asSuperuser<{ measure: string; claims: number; hours: number }>(
      product.database,
      `select measure, sum(claims)::int as claims, count(*)::int as hours from outcome_count
       where tenant_id = $1 and rule_id = $2 group by measure order by measure`,
      [tenantId, ruleId],
    );

  test('a flood of claims of two weeks ago that comes in today is told today, before anything is charged', async () => {
    const sale = await aWatchedSale();
    await usual(sale, 200, 5);
    expect(await shown(sale)).toEqual([]);
    await claim(sale, 1_847, 14);
    await product.app.services.rating.rate(product.scope(sale.tenantId));
    const { rows, bodies, lines, facts } = await told(sale);
    expect(rows).toEqual([
      {
        rule_id: sale.ruleId,
        measure: 'ARRIVED',
        claims: 1_847,
        baseline: '200',
        factor: '9.235',
        week_start: new Date('2026-11-16T00:00:00Z'),
      },
    ]);
    expect(bodies.map(({ data }) => data)).toEqual([
      expect.objectContaining({ measure: 'ARRIVED', claims: 1_847, baseline: '200', factor: '9.2' }),
    ]);
    expect(lines).toEqual(bodies.map(({ data }) => data));
    expect(facts).toBe(1);
    await settle(sale);
    expect(await shown(sale)).toHaveLength(1);
  });

  test('a little late is in line', async () => {
    const sale = await aWatchedSale();
    await usual(sale, 200, 5);
    await claim(sale, 599, 14);
    await settle(sale);
    expect(await shown(sale)).toEqual([]);
    // The next one makes it three times the median.
    await claim(sale, 1, 14);
    await settle(sale);
    expect(await shown(sale)).toEqual(['ARRIVED 600 3']);
  });

  test('a history that comes in at once, or within three weeks, is not told, however uneven', async () => {
    const sale = await aWatchedSale();
    const arrive = async (count: number, days: number) => {
      daysFromNow(days);
      await claim(sale, count, 28);
      await settle(sale);
    };
    daysFromNow(-8);

    for (const week of [8, 7, 6, 5, 4, 3, 2, 1, 0]) {
      await claim(sale, 10 * (week + 1), week * 7);
    }

    await settle(sale);
    await arrive(200, 0);
    await arrive(500, 5.9);
    await arrive(300, 12.9);
    expect(await shown(sale)).toEqual([]);
    // From here on two whole weeks are known, with 700 and none.
    await arrive(749, 13.1);
    expect(await shown(sale)).toEqual([]);
    await arrive(1, 13.1);
    expect(await shown(sale)).toEqual(['ARRIVED 1050 3']);
  });

  test('what occurred is told before what came in, and of both together once in seven days', async () => {
    const sale = await aWatchedSale();
    await usual(sale, 50, 4);
    await claim(sale, 300);
    await claim(sale, 3_000, 14);
    await settle(sale);
    expect(await shown(sale)).toEqual(['OCCURRED 300 6']);
    daysFromNow(6.9);
    await claim(sale, 3_000, 28);
    await settle(sale);
    expect(await shown(sale)).toEqual(['OCCURRED 300 6']);
    daysFromNow(7.1);
    await claim(sale, 1, 28);
    await settle(sale);
    expect((await told(sale)).rows.map(({ measure }) => measure)).toEqual(['OCCURRED', 'ARRIVED']);
  });

  test('claims under a contract that has ended are told too', async () => {
    const sale = await aWatchedSale();
    await usual(sale, 50, 4);
    const { bookId } = await anOffer(product);
    product.setClock(NOW);
    await aContract(product, { buyerId: sale.tenantId, bookId, startsAt: new Date('2026-11-18T00:00:00Z') });
    await claim(sale, 300, 14);
    await settle(sale);
    expect(await shown(sale)).toEqual(['ARRIVED 300 6']);
  });

  test('weeks begin with an hour: the last one holds what is ahead of now too', async () => {
    const sale = await aWatchedSale({ anomaly: { factor: '3', leastClaims: 1 } });
    const at = (time: string) => ({
      id: randomUUID(),
      type: sale.eventType,
      time,
      tenant: sale.tenantId,
      properties: {},
    });
    product.setClock(new Date('2026-11-20T12:40:00Z'));
    const accept = async (...times: readonly string[]) => {
      const receipt = await product.app.services.usage.accept(product.scope(), times.map(at), {
        keyId: 'key_of_a_test',
        isDryRun: false,
      });
      expect(receipt.accepted).toBe(times.length);
      await settle(sale);
    };
    // One in each of the two weeks before, at the edges of the three.
    await accept('2026-10-30T13:00:00Z', '2026-11-13T12:59:59.999Z', '2026-11-13T13:00:00Z');
    await accept('2026-11-21T12:00:00Z');
    expect(await shown(sale)).toEqual([]);
    await accept('2026-11-20T12:39:00Z');
    expect(await shown(sale)).toEqual(['OCCURRED 3 3']);
  });

  test('each claim is counted once, however often it is sent and judged', async () => {
    const sale = await aWatchedSale();
    const event = { id: 'the same', type: sale.eventType, time: '2026-11-20T10:59:59.999Z', tenant: sale.tenantId };
    const accept = () =>
      product.app.services.usage.accept(product.scope(), [{ ...event, properties: {} }], {
        keyId: 'key_of_a_test',
        isDryRun: false,
      });
    await accept();
    await accept();
    await Promise.all([settle(sale), settle(sale)]);
    await accept();
    await claim(sale, 10);
    await claim(sale, 30, 7);
    await settle(sale);
    await product.app.services.rating.rerate(product.scope(sale.tenantId), new Date('2026-10-01T00:00:00Z'));
    expect(await counted(sale)).toEqual([
      { measure: 'ARRIVED', claims: 41, hours: 1 },
      { measure: 'OCCURRED', claims: 41, hours: 41 },
    ]);
    expect(
      await asSuperuser(
        product.database,
        `select hour, claims from outcome_count where tenant_id = $1 and measure = 'OCCURRED' and hour = $2`,
        [sale.tenantId, '2026-11-20T10:00:00Z'],
      ),
    ).toEqual([{ hour: new Date('2026-11-20T10:00:00Z'), claims: 1 }]);
  });

  test('a claim that is judged otherwise later is not counted again', async () => {
    const sale = await aWatchedSale({ ...ANOMALY, dedupe: { scope: 'SUBJECT', windowHours: null } });

    for (const [id, time] of [
      ['second', '2026-11-20T11:00:00Z'],
      ['first', '2026-11-20T10:00:00Z'],
    ] as const) {
      await product.app.services.usage.accept(
        product.scope(),
        [{ id, type: sale.eventType, time, subject: 's', tenant: sale.tenantId, properties: {} }],
        { keyId: 'key_of_a_test', isDryRun: false },
      );
      await settle(sale);
    }

    expect(await standings(product, sale.tenantId)).toEqual({ first: 'MATURED', second: 'REJECTED DUPLICATE' });
    expect((await counted(sale)).map(({ measure, claims }) => [measure, claims])).toEqual([
      ['ARRIVED', 2],
      ['OCCURRED', 2],
    ]);
  });

  test('what is not kept is not counted', async () => {
    const sale = await aWatchedSale();
    await claim(sale, 10);
    await expect(
      inTransaction(product.scope(sale.tenantId), async tx => {
        await product.app.services.outcomes.settleWithin(tx);

        throw new Error('taken back');
      }),
    ).rejects.toThrow('taken back');
    expect(await counted(sale)).toEqual([]);
    await settle(sale);
    expect((await counted(sale)).map(({ claims }) => claims)).toEqual([10, 10]);
  });
});
