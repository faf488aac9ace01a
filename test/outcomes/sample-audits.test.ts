import { createHash } from 'node:crypto';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aDeal, auditOf, call, manyClaimed, refusedCall, START, type Deal, type Payload } from './acts.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const OCTOBER = '2026-10-15T00:00:00.000Z';

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

beforeEach(() => product.setClock(NOW));

const anAuditable = (timeZone = 'UTC', leastSample = 1) =>
  aDeal(product, { sampleAudit: { tolerance: '5', leastSample } }, timeZone);

const start = (deal: Deal, given: object = {}) => ({
  tenantId: deal.buyerId,
  outcomeRuleId: deal.ruleId,
  at: OCTOBER,
  sampleSize: 10,
  ...given,
});

const started = async (deal: Deal, given: object = {}): Promise<Payload> => {
  const { outcomeSampleAudit, userErrors } = await call(
    product,
    deal.seller,
    'outcomeSampleAuditStart',
    start(deal, given),
  );
  expect(userErrors).toEqual([]);

  return outcomeSampleAudit;
};

const finish = (deal: Deal, audit: Payload, wrongOutcomeIds: readonly string[]) => ({
  tenantId: deal.buyerId,
  outcomeSampleAuditId: audit.id,
  wrongOutcomeIds,
});

describe('starting a sample audit', () => {
  test('draws the outcomes that anybody can draw again', async () => {
    const deal = await anAuditable();
    const ids = await manyClaimed(product, deal, 30, OCTOBER);
    const audit = await started(deal);
    const hashOf = (id: string): string => createHash('sha256').update(`${audit.id}\n${id}`).digest('hex');
    const byHash = [...ids].sort((a, b) => (hashOf(a) < hashOf(b) ? -1 : 1));
    expect(audit).toEqual({
      id: expect.stringMatching(/^osa_/),
      outcomeRuleId: deal.ruleId,
      contractId: deal.contractId,
      periodStart: '2026-10-01T00:00:00.000Z',
      periodEnd: '2026-11-01T00:00:00.000Z',
      population: 30,
      sampleOutcomeIds: byHash.slice(0, 10),
      wrongOutcomeIds: null,
      tolerance: '5',
      isBeyondTolerance: null,
      createdAt: expect.stringMatching(/^2026-11-20T12:/),
      finishedAt: null,
    });
    const [line] = await auditOf(product, deal.buyerId, 'outcome_sample_audit.started');
    expect(line).toMatchObject({
      subjectId: audit.id,
      after: { outcomeRuleId: deal.ruleId, sampleSize: 10, population: 30, sampleIds: byHash.slice(0, 10) },
    });
  });

  test('counts what is charged in that period and nothing else', async () => {
    const deal = await anAuditable('Europe/Berlin');
    const [billed = '', free = '', capped = '', reversed = ''] = await manyClaimed(product, deal, 5, OCTOBER);
    // October of Berlin ends at 23:00 of the last day in UTC.
    await manyClaimed(product, deal, 2, '2026-10-31T22:59:59.999Z');
    await manyClaimed(product, deal, 3, '2026-10-31T23:00:00.000Z');

    for (const [id, change] of [
      [billed, 'billed_at = matures_at'],
      [free, 'is_free = true'],
      [capped, `cap = 'FREE'`],
      [reversed, `judged_state = 'REVERSED'`],
    ]) {
      await asSuperuser(product.database, `update outcome set ${change} where id = $1`, [id]);
    }

    const audit = await started(deal, { sampleSize: 4 });
    expect(audit).toMatchObject({
      periodStart: '2026-09-30T22:00:00.000Z',
      periodEnd: '2026-10-31T23:00:00.000Z',
      population: 4,
    });
    expect(audit.sampleOutcomeIds).toHaveLength(4);
    expect(audit.sampleOutcomeIds).toContain(billed);
  });

  test('asks for a contract that holds at the instant, at which one that ends there does not', async () => {
    const deal = await anAuditable();
    await manyClaimed(product, deal, 3, '2026-10-02T00:00:00.000Z');
    await asSuperuser(product.database, 'update contract set ends_at = $2 where id = $1', [deal.contractId, OCTOBER]);
    expect(
      await refusedCall(product, deal.seller, 'outcomeSampleAuditStart', start(deal, { sampleSize: 3 })),
    ).toMatchObject({ code: 'INVALID_INPUT', field: ['at'] });
    const at = new Date(Date.parse(OCTOBER) - 1).toISOString();
    expect(await started(deal, { at, sampleSize: 3 })).toMatchObject({ population: 3, periodEnd: OCTOBER });
  });

  test('happens once for a rule and a period', async () => {
    const deal = await anAuditable();
    await manyClaimed(product, deal, 3, OCTOBER);
    const input = start(deal, { sampleSize: 2 });
    const answers = await Promise.all([
      call(product, deal.seller, 'outcomeSampleAuditStart', input),
      call(product, deal.claims, 'outcomeSampleAuditStart', { ...input, at: START }),
    ]);
    const codes = answers.flatMap(({ userErrors }) => userErrors.map(({ code }: { code: string }) => code));
    expect(codes).toEqual(['ALREADY_EXISTS']);
    const rows = await asSuperuser(product.database, 'select id from outcome_sample_audit where tenant_id = $1', [
      deal.buyerId,
    ]);
    expect(rows).toHaveLength(1);
  });

  test('holds as many as the terms ask for, or all that there are', async () => {
    const deal = await anAuditable('UTC', 20);
    await manyClaimed(product, deal, 30, OCTOBER);
    const message =
      'sampleSize is from 20 to 30: the period holds 30 outcomes of the rule that are charged, and its terms ask for a sample of 20 or of all';

    for (const sampleSize of [1, 19, 31]) {
      expect(
        await refusedCall(product, deal.seller, 'outcomeSampleAuditStart', start(deal, { sampleSize })),
      ).toMatchObject({ code: 'INVALID_INPUT', message, field: ['sampleSize'] });
    }

    expect((await started(deal, { sampleSize: 20 })).sampleOutcomeIds).toHaveLength(20);
    const small = await anAuditable('UTC', 20);
    await manyClaimed(product, small, 3, OCTOBER);
    const refusal = await refusedCall(
      product,
      small.seller,
      'outcomeSampleAuditStart',
      start(small, { sampleSize: 2 }),
    );
    expect(refusal.message).toMatch(/^sampleSize is from 3 to 3: /);
    expect((await started(small, { sampleSize: 3 })).sampleOutcomeIds).toHaveLength(3);
  });

  test('is refused before anything is looked at when no sample has the size', async () => {
    const deal = await anAuditable();

    for (const sampleSize of [0, -1, 1_001, 2_147_483_647]) {
      // There is nothing to audit either, which would be told next.
      expect(await refusedCall(product, deal.seller, 'outcomeSampleAuditStart', start(deal, { sampleSize }))).toEqual({
        code: 'INVALID_INPUT',
        message: 'sampleSize is from 1 to 1000',
        field: ['sampleSize'],
      });
    }
  });

  test('is refused where there is nothing to draw from', async () => {
    const deal = await anAuditable();
    const refused = (given: object, of = deal) =>
      refusedCall(product, of.seller, 'outcomeSampleAuditStart', start(of, given));
    expect(await refused({})).toMatchObject({ code: 'INVALID_TRANSITION', field: ['at'] });
    await manyClaimed(product, deal, 3, OCTOBER);
    await manyClaimed(product, deal, 3, '2026-11-05T00:00:00Z');

    for (const [given, code, field] of [
      [{ sampleSize: 4 }, 'INVALID_INPUT', 'sampleSize'],
      [{ sampleSize: 0 }, 'INVALID_INPUT', 'sampleSize'],
      [{ sampleSize: -1 }, 'INVALID_INPUT', 'sampleSize'],
      [{ at: '2026-11-05T00:00:00Z', sampleSize: 1 }, 'PERIOD_OPEN', 'at'],
      [{ at: '2019-12-31T00:00:00Z', sampleSize: 1 }, 'INVALID_INPUT', 'at'],
      [{ outcomeRuleId: 'orl_0123456789ABCDEFGHJKMNPQRS' }, 'NOT_FOUND', 'outcomeRuleId'],
    ] as const) {
      const refusal = await refused(given);
      expect([given, refusal.code, refusal.field.join('.')]).toEqual([given, code, field]);
    }

    const silent = await aDeal(product);
    await manyClaimed(product, silent, 3, OCTOBER);
    expect(await refused({ sampleSize: 1 }, silent)).toMatchObject({
      code: 'INVALID_TRANSITION',
      field: ['outcomeRuleId'],
    });
  });
});

describe('finishing a sample audit', () => {
  test('keeps what is wrong, and has the period rated again', async () => {
    const deal = await anAuditable();
    await manyClaimed(product, deal, 30, OCTOBER);
    const audit = await started(deal);
    const [first = '', second = ''] = audit.sampleOutcomeIds as string[];
    const touched = async () => {
      const [row] = await asSuperuser<{ n: string }>(
        product.database,
        `select n::text from usage_touch where tenant_id = $1 and month = '2026-10-01'`,
        [deal.buyerId],
      );

      return BigInt(row?.n ?? '0');
    };
    const before = await touched();
    const answer = await call(product, deal.seller, 'outcomeSampleAuditFinish', finish(deal, audit, [second, first]));
    expect(answer).toEqual({
      outcomeSampleAudit: {
        ...audit,
        wrongOutcomeIds: [first, second].sort(),
        isBeyondTolerance: true,
        finishedAt: expect.stringMatching(/^2026-11-20T12:/),
      },
      replayed: false,
      userErrors: [],
    });
    expect(await touched()).toBe(before + 1n);
    const [line] = await auditOf(product, deal.buyerId, 'outcome_sample_audit.finished');
    expect(line).toMatchObject({ subjectId: audit.id, after: { wrongOutcomeIds: [first, second].sort() } });
    expect(await refusedCall(product, deal.seller, 'outcomeSampleAuditFinish', finish(deal, audit, []))).toEqual({
      code: 'INVALID_TRANSITION',
      message: `sample audit ${audit.id} is finished, and is finished once`,
      field: ['outcomeSampleAuditId'],
    });
  });

  test('within the tolerance says so: 1 of 20 is 5 per cent, and not beyond', async () => {
    const deal = await anAuditable();
    await manyClaimed(product, deal, 30, OCTOBER);
    const audit = await started(deal, { sampleSize: 20 });
    const wrong = (audit.sampleOutcomeIds as string[]).slice(0, 1);
    const answer = await call(product, deal.seller, 'outcomeSampleAuditFinish', finish(deal, audit, wrong));
    expect(answer.outcomeSampleAudit).toMatchObject({ wrongOutcomeIds: wrong, isBeyondTolerance: false });
  });

  test('is refused to the buyer’s side, and for outcomes that are not in the sample', async () => {
    const deal = await anAuditable();
    const ids = await manyClaimed(product, deal, 3, OCTOBER);
    const audit = await started(deal, { sampleSize: 2 });
    const [sampled = ''] = audit.sampleOutcomeIds as string[];
    const stray = ids.find(id => !audit.sampleOutcomeIds.includes(id)) ?? '';

    for (const [key, given, code, field] of [
      [deal.buyer, { wrongOutcomeIds: [sampled] }, 'FORBIDDEN', 'outcomeSampleAuditId'],
      [deal.seller, { wrongOutcomeIds: [sampled, stray] }, 'INVALID_INPUT', 'wrongOutcomeIds.1'],
      [deal.seller, { wrongOutcomeIds: [sampled, sampled] }, 'INVALID_INPUT', 'wrongOutcomeIds.1'],
      [deal.seller, { outcomeSampleAuditId: 'osa_0123456789ABCDEFGHJKMNPQRS' }, 'NOT_FOUND', 'outcomeSampleAuditId'],
    ] as const) {
      const { tenantId, ...input } = { ...finish(deal, audit, []), ...given };
      const refusal = await refusedCall(product, key, 'outcomeSampleAuditFinish', {
        ...input,
        ...(key === deal.buyer ? {} : { tenantId }),
      });
      expect([given, refusal.code, refusal.field.join('.')]).toEqual([given, code, field]);
    }
  });

  test('twice at once happens once', async () => {
    const deal = await anAuditable();
    await manyClaimed(product, deal, 3, OCTOBER);
    const audit = await started(deal, { sampleSize: 2 });
    const answers = await Promise.all([
      call(product, deal.seller, 'outcomeSampleAuditFinish', finish(deal, audit, audit.sampleOutcomeIds)),
      call(product, deal.claims, 'outcomeSampleAuditFinish', finish(deal, audit, [])),
    ]);
    const codes = answers.flatMap(({ userErrors }) => userErrors.map(({ code }: { code: string }) => code));
    expect(codes).toEqual(['INVALID_TRANSITION']);
  });
});

test('sample audits are listed newest first, and found by their id', async () => {
  const deal = await anAuditable();
  await manyClaimed(product, deal, 3, OCTOBER);
  const audit = await started(deal, { sampleSize: 1 });
  const { data } = await product.graphql(
    deal.buyer,
    'query ($id: ID!) { node(id: $id) { ... on OutcomeSampleAudit { id tenantId } } tenant { outcomeSampleAudits { edges { node { id } } } } }',
    { id: audit.id },
  );
  expect(data).toEqual({
    node: { id: audit.id, tenantId: deal.buyerId },
    tenant: { outcomeSampleAudits: { edges: [{ node: { id: audit.id } }] } },
  });
});
