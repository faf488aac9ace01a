import { randomUUID } from 'node:crypto';
import { anOutcomeVersion, aTenant } from '../support/builders.js';
import { aKey, aProduct, type Product } from '../support/product.js';
import { aClaim, aDeal, auditOf, call, claimed, everything, refusedCall, standing, steps, type Deal } from './acts.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const HOUR = 3_600_000;
const hoursAgo = (hours: number): string => new Date(NOW.getTime() - hours * HOUR).toISOString();

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

beforeEach(() => product.setClock(NOW));

const nextMoment = (): Date => new Date(Math.floor(product.app.clock().getTime() / 1_000) * 1_000 + 5_000);

describe('claiming', () => {
  test('makes outcomes of an event at once, the same ones when it comes again', async () => {
    const deal = await aDeal(product);
    const input = { tenantId: deal.buyerId, event: aClaim({ time: hoursAgo(2), subject: 'chat 1' }) };
    const first = await call(product, deal.claims, 'outcomeClaim', input);
    expect(first).toEqual({
      outcomes: [
        {
          id: expect.stringMatching(/^out_/),
          state: 'MATURED',
          reason: null,
          subject: 'chat 1',
          occurredAt: hoursAgo(2),
          maturesAt: hoursAgo(2),
          verifiedAt: hoursAgo(2),
          units: '1',
          value: null,
          insteadId: null,
        },
      ],
      userErrors: [],
    });
    expect(await call(product, deal.claims, 'outcomeClaim', input)).toEqual(first);
    expect(await steps(product, first.outcomes[0].id)).toEqual(['→ MATURED']);
  });

  test('is up to the buyer too; the seller reads what came of it', async () => {
    const deal = await aDeal(product);
    const event = aClaim({ time: hoursAgo(2) });
    const own = await call(product, deal.buyer, 'outcomeClaim', { event });
    expect(own.outcomes).toHaveLength(1);
    const { data } = await product.graphql(
      deal.seller,
      'query ($id: ID!, $tenantId: ID) { node(id: $id, tenantId: $tenantId) { ... on Outcome { tenantId eventId source contractId outcomeRuleId versionNumber attributes agents { agent } } } }',
      { id: own.outcomes[0].id, tenantId: deal.buyerId },
    );
    expect(data.node).toEqual({
      tenantId: deal.buyerId,
      eventId: event.id,
      source: '',
      contractId: deal.contractId,
      outcomeRuleId: deal.ruleId,
      versionNumber: 1,
      attributes: {},
      agents: [],
    });
  });

  test('answers no outcomes for an event that is usage and nothing else', async () => {
    const deal = await aDeal(product);
    const event = { id: randomUUID(), type: 'llm.request', time: hoursAgo(1), properties: { model: 'm', tokens: 1 } };
    expect(await call(product, deal.claims, 'outcomeClaim', { tenantId: deal.buyerId, event })).toEqual({
      outcomes: [],
      userErrors: [],
    });
  });

  test('refuses what usage is refused for, at the path of the event', async () => {
    const deal = await aDeal(product);
    const { buyerId: tenantId } = deal;
    const event = aClaim({ time: hoursAgo(2) });
    const other = await aTenant(product);

    for (const [given, code, field] of [
      [{ ...event, time: 'yesterday' }, 'INVALID_INPUT', ['event', 'time']],
      [{ ...event, type: 'nobody.counts' }, 'INVALID_INPUT', ['event', 'type']],
      [{ ...event, tenant: other }, 'INVALID_INPUT', ['event', 'tenant']],
      [[event], 'INVALID_INPUT', ['event']],
      ['event', 'INVALID_INPUT', ['event']],
    ] as const) {
      expect(await refusedCall(product, deal.claims, 'outcomeClaim', { tenantId, event: given })).toMatchObject({
        code,
        field,
      });
    }

    await call(product, deal.claims, 'outcomeClaim', { tenantId, event });
    expect(
      await refusedCall(product, deal.claims, 'outcomeClaim', { tenantId, event: { ...event, subject: 'another' } }),
    ).toMatchObject({ code: 'ALREADY_EXISTS', field: ['event', 'id'] });
    expect(
      await refusedCall(product, deal.buyer, 'outcomeClaim', { event: { ...event, tenant: other } }),
    ).toMatchObject({ code: 'NOT_FOUND', field: ['event', 'tenant'] });
  });
});

describe('verifying', () => {
  const terms = {
    verification: { verifiers: ['HUMAN', 'LLM'], expiresAfterHours: 168 },
    evidence: ['transcript'],
    maturationHours: 24,
  };
  const passing = { passes: true, verifier: 'HUMAN', evidence: { transcript: 'https://example.com/1' } };

  test('passes a claim, which then waits until it matures', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    expect(outcome).toMatchObject({ state: 'CLAIMED', verifiedAt: null });
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], ...passing };
    const answer = await call(product, deal.seller, 'outcomeVerify', { ...input, score: '4.5', reason: 'I read it' });
    expect(answer).toMatchObject({
      outcomes: [{ id: outcome.id, state: 'VERIFIED', reason: null, maturesAt: hoursAgo(-22) }],
      replayed: false,
      userErrors: [],
    });
    expect(await steps(product, outcome.id)).toEqual(['→ CLAIMED', 'CLAIMED → VERIFIED']);
    expect(await auditOf(product, deal.buyerId, 'outcome.verified')).toEqual([
      {
        subjectId: expect.stringMatching(/^otb_/),
        actorId: expect.stringMatching(/^key_/),
        after: {
          outcomeIds: [outcome.id],
          ...passing,
          score: '4.5',
          reason: 'I read it',
          keyId: expect.stringMatching(/^key_/),
          party: 'SELLER',
        },
      },
    ]);
    expect(await refusedCall(product, deal.seller, 'outcomeVerify', input)).toEqual({
      code: 'INVALID_TRANSITION',
      message: `outcome ${outcome.id} is VERIFIED; only a CLAIMED one is verified, so leave it out`,
      field: ['outcomeIds', '0'],
    });
  });

  test('fails a claim, which is then rejected', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const { outcomes } = await call(product, deal.buyer, 'outcomeVerify', {
      outcomeIds: [outcome.id],
      passes: false,
      verifier: 'LLM',
    });
    expect(outcomes).toMatchObject([{ state: 'REJECTED', reason: 'VERIFICATION_FAILED' }]);
  });

  test('without the evidence that the rule asks for leaves a claim where it is, and says why', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], passes: true, verifier: 'HUMAN' };
    const first = await call(product, deal.seller, 'outcomeVerify', { ...input, evidence: { picture: 1 } });
    expect(first.outcomes).toMatchObject([{ state: 'CLAIMED', reason: 'EVIDENCE_MISSING' }]);
    const second = await call(product, deal.seller, 'outcomeVerify', { ...input, evidence: passing.evidence });
    expect(second.outcomes).toMatchObject([{ state: 'VERIFIED', reason: null }]);
  });

  test('is refused to the key that claimed, which the audit log keeps although nothing else changes', async () => {
    const deal = await aDeal(product, terms);
    const other = await claimed(product, { ...deal, claims: deal.seller }, { time: hoursAgo(3) });
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const before = await everything(product);
    const { userErrors, outcomes } = await call(product, deal.claims, 'outcomeVerify', {
      tenantId: deal.buyerId,
      outcomeIds: [other.id, outcome.id],
      ...passing,
    });
    expect({ userErrors, outcomes }).toEqual({
      userErrors: [
        {
          code: 'SELF_VERIFICATION',
          message: `the key that claimed outcome ${outcome.id} does not verify it; use another key`,
          field: ['outcomeIds', '1'],
        },
      ],
      outcomes: [],
    });
    const after = await everything(product);
    expect({ ...after, audit_line: '', audit_head: '' }).toEqual({ ...before, audit_line: '', audit_head: '' });
    const [line, ...others] = await auditOf(product, deal.buyerId, 'outcome.verification_refused');
    expect(others).toEqual([]);
    expect(line).toEqual({
      subjectId: outcome.id,
      actorId: line.actorId,
      after: { code: 'SELF_VERIFICATION', keyId: line.actorId, party: 'SELLER' },
    });
  });

  test('needs the word of both sides where the rule says so', async () => {
    const deal = await aDeal(product, {
      verification: { verifiers: ['HUMAN'], parties: 'BOTH', expiresAfterHours: 168 },
    });
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], passes: true, verifier: 'HUMAN' };
    const states = [];

    for (const key of [deal.seller, deal.seller, deal.buyer]) {
      product.setClock(nextMoment());
      states.push((await call(product, key, 'outcomeVerify', input)).outcomes[0].state);
    }

    expect(states).toEqual(['CLAIMED', 'CLAIMED', 'MATURED']);
  });

  test('twice under one idempotency key happens once', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], ...passing, idempotencyKey: 'verify' };
    const [one, two] = await Promise.all([
      call(product, deal.seller, 'outcomeVerify', input),
      call(product, deal.seller, 'outcomeVerify', input),
    ]);
    expect(new Set([one.replayed, two.replayed])).toEqual(new Set([false, true]));
    expect(one.outcomes).toEqual(two.outcomes);
    expect(await auditOf(product, deal.buyerId, 'outcome.verified')).toHaveLength(1);
    expect(await refusedCall(product, deal.seller, 'outcomeVerify', { ...input, passes: false })).toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
      field: ['idempotencyKey'],
    });
  });

  test('at once by two keys is done by one, whichever; the other is refused', async () => {
    const deal = await aDeal(product, terms);

    for (let round = 0; round < 5; round += 1) {
      const outcome = await claimed(product, deal, { time: hoursAgo(2) });
      const input = { outcomeIds: [outcome.id], verifier: 'HUMAN', evidence: passing.evidence };
      const [seller, buyer] = await Promise.all([
        call(product, deal.seller, 'outcomeVerify', { ...input, tenantId: deal.buyerId, passes: true }),
        call(product, deal.buyer, 'outcomeVerify', { ...input, passes: false }),
      ]);
      const codes = [...seller.userErrors, ...buyer.userErrors].map(({ code }: { code: string }) => code);
      expect(codes).toEqual(['INVALID_TRANSITION']);
      expect(await standing(product, [outcome.id])).toEqual({
        [outcome.id]: seller.userErrors.length === 0 ? 'VERIFIED' : 'REJECTED VERIFICATION_FAILED',
      });
      expect(await steps(product, outcome.id)).toHaveLength(2);
    }
  });

  describe('refuses', () => {
    let deal: Deal;
    let ids: string[];

    beforeAll(async () => {
      product.setClock(NOW);
      deal = await aDeal(product, terms);
      const first = await claimed(product, deal, { time: hoursAgo(2) });
      const second = await claimed(product, deal, { time: hoursAgo(1) });
      ids = [first.id, second.id];
    });

    const UNKNOWN = 'out_0123456789ABCDEFGHJKMNPQRS';

    test.each<readonly [what: string, given: () => object, code: string, field: string]>([
      ['no outcome', () => ({ outcomeIds: [] }), 'INVALID_INPUT', 'outcomeIds'],
      [
        '1,001 outcomes',
        () => ({ outcomeIds: Array.from({ length: 1_001 }, (_, n) => `out_${n}`) }),
        'INVALID_INPUT',
        'outcomeIds',
      ],
      ['an outcome named twice', () => ({ outcomeIds: [...ids, ids[0]] }), 'INVALID_INPUT', 'outcomeIds.2'],
      [
        'an outcome that is none, and the good one with it',
        () => ({ outcomeIds: [ids[0], UNKNOWN] }),
        'NOT_FOUND',
        'outcomeIds.1',
      ],
      ['an id of something else', () => ({ outcomeIds: [deal.contractId] }), 'NOT_FOUND', 'outcomeIds.0'],
      ['a verifier that the rule does not take', () => ({ verifier: 'SYSTEM' }), 'INVALID_INPUT', 'verifier'],
      ['evidence that is a list', () => ({ evidence: ['transcript'] }), 'INVALID_INPUT', 'evidence'],
      ['evidence with a NUL', () => ({ evidence: { a: '\0' } }), 'INVALID_INPUT', 'evidence.a'],
      ['a score of too many digits', () => ({ score: '0.1234567891' }), 'INVALID_INPUT', 'score'],
      ['a reason without a word', () => ({ reason: ' ' }), 'INVALID_INPUT', 'reason'],
      ['a tenant that is none', () => ({ tenantId: 'ten_0123456789ABCDEFGHJKMNPQRS' }), 'NOT_FOUND', 'tenantId'],
    ])('%s', async (_what, given, code, field) => {
      const input = { tenantId: deal.buyerId, outcomeIds: ids, ...passing, ...given() };
      const refusal = await refusedCall(product, deal.seller, 'outcomeVerify', input);
      expect([refusal.code, refusal.field.join('.')]).toEqual([code, field]);
      expect(await standing(product, ids)).toEqual(Object.fromEntries(ids.map(id => [id, 'CLAIMED'])));
    });

    test('outcomes of another tenant as it refuses those that are none', async () => {
      const stranger = await aKey(product.app, product.scope(await aTenant(product)));
      const of = async (id: string | undefined): Promise<string> =>
        JSON.stringify(
          await refusedCall(product, stranger, 'outcomeVerify', { outcomeIds: [id], ...passing }),
        ).replaceAll(String(id), '<id>');
      expect(await of(ids[0])).toBe(await of(UNKNOWN));
    });
  });
});

describe('reversing', () => {
  const CLAUSE = { eventType: 'chat.reopened', filter: '' };
  const terms = {
    valueProperty: 'price',
    reversal: { windowHours: 48 },
    guarantee: { clause: CLAUSE, windowHours: 72 },
  };
  const claim = (deal: Deal, hours: number, price: unknown = 200) =>
    claimed(product, deal, { time: hoursAgo(hours), properties: { price } });

  test('waits where the version that judged was withdrawn and its outcomes were not judged again', async () => {
    const deal = await aDeal(product, { ...terms, versionAnchor: 'MATURED', maturationHours: 48 });
    const later = await anOutcomeVersion(product, {
      ruleId: deal.ruleId,
      terms: { versionAnchor: 'MATURED', maturationHours: 48 },
      effectiveAt: new Date(NOW.getTime() + 24 * HOUR),
    });
    const outcome = await claim(deal, 2);
    await product.app.services.outcomeRules.withdraw(product.scope(), later);
    expect(
      await refusedCall(product, deal.seller, 'outcomeReverse', { tenantId: deal.buyerId, outcomeIds: [outcome.id] }),
    ).toEqual({
      code: 'INVALID_TRANSITION',
      message: `no rule of its contract knows outcome ${outcome.id} any more; leave it out`,
      field: ['outcomeIds', '0'],
    });
  });

  test('takes all of an outcome back', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claim(deal, 2);
    const answer = await call(product, deal.seller, 'outcomeReverse', {
      tenantId: deal.buyerId,
      outcomeIds: [outcome.id],
      reason: 'reopened by phone',
    });
    expect(answer).toMatchObject({
      outcomes: [{ id: outcome.id, state: 'REVERSED' }],
      replayed: false,
      userErrors: [],
    });
    expect(await steps(product, outcome.id)).toHaveLength(2);
    const [line] = await auditOf(product, deal.buyerId, 'outcome.reversed');
    expect(line.after).toEqual({
      outcomeIds: [outcome.id],
      amount: null,
      isGuarantee: false,
      at: expect.stringMatching(/^2026-11-20T12:/),
      reason: 'reopened by phone',
      keyId: line.actorId,
      party: 'SELLER',
    });
    expect(
      await refusedCall(product, deal.seller, 'outcomeReverse', { tenantId: deal.buyerId, outcomeIds: [outcome.id] }),
    ).toEqual({
      code: 'INVALID_TRANSITION',
      message: `outcome ${outcome.id} is REVERSED; only one that is CLAIMED, VERIFIED, MATURED, BILLED, DISPUTED is taken back, so leave it out`,
      field: ['outcomeIds', '0'],
    });
  });

  test('takes a part of the value back, and all of it when the parts add up', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claim(deal, 2);
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], amount: '50' };
    const first = await call(product, deal.seller, 'outcomeReverse', input);
    expect(first.outcomes).toMatchObject([
      { state: 'MATURED', units: '0.75', value: { amount: '150', currency: 'USD' } },
    ]);
    const second = await call(product, deal.seller, 'outcomeReverse', { ...input, amount: '150' });
    expect(second.outcomes).toMatchObject([{ state: 'REVERSED' }]);
  });

  test('under the guarantee owes the value', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claim(deal, 60);
    const { outcomes } = await call(product, deal.seller, 'outcomeReverse', {
      tenantId: deal.buyerId,
      outcomeIds: [outcome.id],
      isGuarantee: true,
    });
    expect(outcomes).toMatchObject([{ state: 'REVERSED', reason: 'GUARANTEE' }]);
  });

  test('is possible until the last millisecond of the window, which the refusal names', async () => {
    const deal = await aDeal(product, terms);
    const [inside, outside] = [await claim(deal, 50), await claim(deal, 50)];
    const until = hoursAgo(2);
    const input = (id: string, at: string) => ({ tenantId: deal.buyerId, outcomeIds: [id], at });
    const justAfter = new Date(Date.parse(until) + 1).toISOString();
    expect(await refusedCall(product, deal.seller, 'outcomeReverse', input(outside.id, justAfter))).toEqual({
      code: 'INVALID_TRANSITION',
      message: `outcome ${outside.id} could be taken back until ${until}; leave it out`,
      field: ['outcomeIds', '0'],
    });
    const { outcomes } = await call(product, deal.seller, 'outcomeReverse', input(inside.id, until));
    expect(outcomes).toMatchObject([{ state: 'REVERSED' }]);
  });

  test('by the buyer is of now, and never under the guarantee', async () => {
    const deal = await aDeal(product, terms);
    const [inside, outside] = [await claim(deal, 2), await claim(deal, 50)];
    const refused = (given: object) => refusedCall(product, deal.buyer, 'outcomeReverse', given);
    expect(await refused({ outcomeIds: [outside.id] })).toMatchObject({ code: 'INVALID_TRANSITION' });
    expect(await refused({ outcomeIds: [outside.id], at: hoursAgo(40) })).toMatchObject({
      code: 'FORBIDDEN',
      field: ['at'],
    });
    expect(await refused({ outcomeIds: [inside.id], isGuarantee: true })).toMatchObject({
      code: 'FORBIDDEN',
      field: ['isGuarantee'],
    });
    const { outcomes } = await call(product, deal.buyer, 'outcomeReverse', { outcomeIds: [inside.id] });
    expect(outcomes).toMatchObject([{ state: 'REVERSED' }]);
  });

  test('refuses what the rule does not know, and what cannot be', async () => {
    const plain = await aDeal(product);
    const bare = await claimed(product, plain, { time: hoursAgo(2) });
    const deal = await aDeal(product, terms);
    const outcome = await claim(deal, 2);
    const unvalued = await aDeal(product, { reversal: { windowHours: 48 } });
    const without = await claimed(product, unvalued, { time: hoursAgo(2) });

    for (const [of, id, given, code, field] of [
      [plain, bare.id, {}, 'INVALID_TRANSITION', 'outcomeIds.0'],
      [plain, bare.id, { isGuarantee: true }, 'INVALID_TRANSITION', 'outcomeIds.0'],
      [unvalued, without.id, { amount: '1' }, 'INVALID_TRANSITION', 'outcomeIds.0'],
      [deal, outcome.id, { amount: '0' }, 'INVALID_INPUT', 'amount'],
      [deal, outcome.id, { amount: '-1' }, 'INVALID_INPUT', 'amount'],
      [deal, outcome.id, { amount: '1', isGuarantee: true }, 'INVALID_INPUT', 'amount'],
      [deal, outcome.id, { at: hoursAgo(3) }, 'INVALID_TRANSITION', 'outcomeIds.0'],
      [deal, outcome.id, { at: hoursAgo(-3) }, 'INVALID_INPUT', 'at'],
    ] as const) {
      const input = { tenantId: of.buyerId, outcomeIds: [id], ...given };
      const refusal = await refusedCall(product, of.seller, 'outcomeReverse', input);
      expect([given, refusal.code, refusal.field.join('.')]).toEqual([given, code, field]);
    }
  });

  test('at once with a dispute ends reversed, and the dispute holds nothing', async () => {
    const deal = await aDeal(product, {
      reversal: { windowHours: 48 },
      dispute: { windowHours: 48, responseHours: 240, whenSilent: 'UPHOLD' },
    });

    for (let round = 0; round < 5; round += 1) {
      const outcome = await claimed(product, deal, { time: hoursAgo(2) });
      const outcomeIds = [outcome.id];
      const [reversed, disputed] = await Promise.all([
        call(product, deal.seller, 'outcomeReverse', { tenantId: deal.buyerId, outcomeIds }),
        call(product, deal.buyer, 'outcomeDisputeOpen', { outcomeIds, reason: 'never happened' }),
      ]);
      expect(reversed.userErrors).toEqual([]);
      expect(['', 'INVALID_TRANSITION']).toContain(disputed.userErrors[0]?.code ?? '');
      expect(await standing(product, outcomeIds)).toEqual({ [outcome.id]: expect.stringMatching(/^REVERSED/) });
      const { data } = await product.graphql(
        deal.buyer,
        '{ tenant { outcomeDisputes { edges { node { heldCount } } } } }',
      );
      expect(
        data.tenant.outcomeDisputes.edges.every((edge: { node: { heldCount: number } }) => edge.node.heldCount === 0),
      ).toBe(true);
    }
  });

  test('twice at once happens once', async () => {
    const deal = await aDeal(product, terms);
    const outcome = await claim(deal, 2);
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], amount: '50', idempotencyKey: 'reverse' };
    const answers = await Promise.all([1, 2, 3].map(() => call(product, deal.seller, 'outcomeReverse', input)));
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(answers.map(({ outcomes }) => outcomes[0].value.amount)).toEqual(['150', '150', '150']);
  });
});

describe('the list of outcomes', () => {
  const LIST = `query ($first: Int!, $after: String, $state: OutcomeState, $reason: String, $outcomeRuleId: ID, $subject: String) {
    tenant { outcomes(first: $first, after: $after, state: $state, reason: $reason, outcomeRuleId: $outcomeRuleId, subject: $subject) {
      edges { node { subject transitions { edges { node { number fromState toState reason batchId at } } } } } pageInfo { hasNextPage endCursor } } } }`;

  test('shows those that occurred last first, page by page, and those that a filter lets through', async () => {
    const deal = await aDeal(product, { dedupe: { scope: 'SUBJECT' } });
    const list = async (given: object) => {
      const { data, errors } = await product.graphql(deal.buyer, LIST, { first: 10, ...given });
      expect(errors).toBeUndefined();

      return data.tenant.outcomes;
    };
    const subjects = async (given: object): Promise<string[]> =>
      (await list(given)).edges.map((edge: { node: { subject: string } }) => edge.node.subject);

    for (const [subject, hours] of [
      ['b', 3],
      ['a', 5],
      ['a', 4],
    ] as const) {
      await claimed(product, deal, { subject, time: hoursAgo(hours) });
    }

    expect(await subjects({})).toEqual(['b', 'a', 'a']);
    expect(await subjects({ state: 'REJECTED' })).toEqual(['a']);
    expect(await subjects({ reason: 'DUPLICATE' })).toEqual(['a']);
    expect(await subjects({ subject: 'b' })).toEqual(['b']);
    expect(await subjects({ outcomeRuleId: deal.ruleId, state: 'MATURED' })).toEqual(['b', 'a']);
    expect(await subjects({ outcomeRuleId: deal.contractId })).toEqual([]);
    const page = await list({ first: 2 });
    expect(page.pageInfo).toEqual({ hasNextPage: true, endCursor: expect.any(String) });
    expect(await subjects({ after: page.pageInfo.endCursor })).toEqual(['a']);
    expect((await list({ subject: 'b' })).edges[0].node.transitions.edges).toEqual([
      {
        node: {
          number: 1,
          fromState: null,
          toState: 'MATURED',
          reason: null,
          batchId: expect.stringMatching(/^otb_/),
          at: expect.stringMatching(/^2026-11-20T12:/),
        },
      },
    ]);
  });
});
