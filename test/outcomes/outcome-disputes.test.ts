import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import {
  aDeal,
  auditOf,
  call,
  claimed,
  everything,
  manyClaimed,
  refusedCall,
  standing,
  steps,
  type Deal,
  type Payload,
} from './acts.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const HOUR = 3_600_000;
const hoursAgo = (hours: number): string => new Date(NOW.getTime() - hours * HOUR).toISOString();
const hoursAfter = (time: string, hours: number): Date => new Date(Date.parse(time) + hours * HOUR);

const DISPUTE = { windowHours: 72, responseHours: 240, whenSilent: 'CREDIT' };

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

beforeEach(() => product.setClock(NOW));

const aDisputable = (dispute: object = DISPUTE) => aDeal(product, { dispute });

const opened = async (deal: Deal, outcomeIds: readonly string[]): Promise<Payload> => {
  const { outcomeDispute, userErrors } = await call(product, deal.buyer, 'outcomeDisputeOpen', {
    outcomeIds,
    reason: 'nobody was helped',
  });
  expect(userErrors).toEqual([]);

  return outcomeDispute;
};

const decided = (deal: Deal, dispute: Payload, given: object, key = deal.seller) =>
  call(product, key, 'outcomeDisputeDecide', { tenantId: deal.buyerId, outcomeDisputeId: dispute.id, ...given });

const refusedDecision = (deal: Deal, dispute: Payload, given: object, key = deal.seller) =>
  refusedCall(product, key, 'outcomeDisputeDecide', {
    ...(key === deal.buyer ? {} : { tenantId: deal.buyerId }),
    outcomeDisputeId: dispute.id,
    ...given,
  });

/** Judges what is due at an instant, as the job would. */
const settleAt = async (deal: Deal, at: Date): Promise<void> => {
  product.setClock(at);
  await product.app.services.outcomes.settle(product.scope(deal.buyerId));
};

describe('opening a dispute', () => {
  test('holds its outcomes until the deadline of their rule', async () => {
    const deal = await aDisputable();
    const ids = await manyClaimed(product, deal, 3, hoursAgo(2));
    const [first = '', second = '', third = ''] = ids;
    const answer = await call(product, deal.buyer, 'outcomeDisputeOpen', {
      outcomeIds: [first, second],
      reason: 'nobody was helped',
      evidence: { tickets: ['1', '2'] },
    });
    const { openedAt } = answer.outcomeDispute;
    expect(answer).toEqual({
      outcomeDispute: {
        id: expect.stringMatching(/^dsp_/),
        reason: 'nobody was helped',
        evidence: { tickets: ['1', '2'] },
        openedBy: 'BUYER',
        openedAt: expect.stringMatching(/^2026-11-20T12:/),
        respondBy: hoursAfter(openedAt, 240).toISOString(),
        outcomeCount: 2,
        heldCount: 2,
        acceptedCount: 0,
        rejectedCount: 0,
        outcomes: {
          edges: [second, first].map(id => ({ node: { id, state: 'DISPUTED', reason: null } })),
        },
      },
      replayed: false,
      userErrors: [],
    });
    expect(await standing(product, ids)).toEqual({ [first]: 'DISPUTED', [second]: 'DISPUTED', [third]: 'MATURED' });
    expect(await steps(product, first)).toEqual(['→ MATURED', 'MATURED → DISPUTED']);
    const [line] = await auditOf(product, deal.buyerId, 'outcome_dispute.opened');
    expect(line).toEqual({
      subjectId: answer.outcomeDispute.id,
      actorId: line.actorId,
      after: {
        outcomeIds: [first, second],
        reason: 'nobody was helped',
        evidence: { tickets: ['1', '2'] },
        keyId: line.actorId,
        party: 'BUYER',
      },
    });
  });

  test('is possible until the end of the window, which the refusal names', async () => {
    const deal = await aDisputable();
    const [inside, outside] = [
      await claimed(product, deal, { time: hoursAgo(60) }),
      await claimed(product, deal, { time: hoursAgo(72.5) }),
    ];
    const input = (id: string) => ({ outcomeIds: [id], reason: 'no' });
    expect(await refusedCall(product, deal.buyer, 'outcomeDisputeOpen', input(outside.id))).toEqual({
      code: 'INVALID_TRANSITION',
      message: `outcome ${outside.id} could be disputed until ${hoursAgo(0.5)}; leave it out`,
      field: ['outcomeIds', '0'],
    });
    expect((await opened(deal, [inside.id])).heldCount).toBe(1);
  });

  test('waits until an outcome has matured', async () => {
    const deal = await aDeal(product, { dispute: DISPUTE, maturationHours: 24 });
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const input = { outcomeIds: [outcome.id], reason: 'no' };
    expect(await refusedCall(product, deal.buyer, 'outcomeDisputeOpen', input)).toEqual({
      code: 'INVALID_TRANSITION',
      message: `outcome ${outcome.id} is VERIFIED; it can be disputed while it is MATURED or BILLED, until ${hoursAgo(-94)}`,
      field: ['outcomeIds', '0'],
    });
    // What is due is judged first: nobody has to wait for the job.
    product.setClock(hoursAfter(hoursAgo(2), 24));
    expect((await opened(deal, [outcome.id])).heldCount).toBe(1);
  });

  test('is possible after the outcome was billed', async () => {
    const deal = await aDisputable();
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    await asSuperuser(product.database, 'update outcome set billed_at = $2 where id = $1', [outcome.id, NOW]);
    expect(await standing(product, [outcome.id])).toEqual({ [outcome.id]: 'BILLED' });
    const dispute = await opened(deal, [outcome.id]);
    expect(await steps(product, outcome.id)).toEqual(['→ MATURED', 'BILLED → DISPUTED']);
    await decided(deal, dispute, { rejectedOutcomeIds: [outcome.id] });
    expect(await standing(product, [outcome.id])).toEqual({ [outcome.id]: 'BILLED' });
  });

  test('is refused for all when it is refused for one, and for an outcome that was disputed before', async () => {
    const deal = await aDisputable();
    const ids = await manyClaimed(product, deal, 2, hoursAgo(2));
    const [first = '', second = ''] = ids;
    const dispute = await opened(deal, [first]);
    const refused = (given: object) =>
      refusedCall(product, deal.buyer, 'outcomeDisputeOpen', { outcomeIds: [second, first], reason: 'no', ...given });
    expect(await refused({})).toEqual({
      code: 'INVALID_TRANSITION',
      message: `outcome ${first} is in dispute ${dispute.id} of this side already; each side disputes an outcome once`,
      field: ['outcomeIds', '1'],
    });
    await decided(deal, dispute, { rejectedOutcomeIds: [first] });
    expect((await refused({})).field).toEqual(['outcomeIds', '1']);

    for (const [given, field] of [
      [{ outcomeIds: [second], reason: '' }, 'reason'],
      [{ outcomeIds: [second], reason: 'x'.repeat(2_001) }, 'reason'],
      [{ outcomeIds: [second], evidence: 'a ticket' }, 'evidence'],
      [{ outcomeIds: [] }, 'outcomeIds'],
    ] as const) {
      expect(await refused(given)).toMatchObject({ code: 'INVALID_INPUT', field: [field] });
    }
  });

  test('is possible once for each side, one after the other', async () => {
    const deal = await aDisputable();
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const input = { tenantId: deal.buyerId, outcomeIds: [outcome.id], reason: 'told on the phone' };
    const { outcomeDispute } = await call(product, deal.seller, 'outcomeDisputeOpen', input);
    // While it is held, nobody disputes it besides.
    expect(
      await refusedCall(product, deal.buyer, 'outcomeDisputeOpen', { outcomeIds: [outcome.id], reason: 'no' }),
    ).toMatchObject({ code: 'INVALID_TRANSITION', message: expect.stringContaining('is DISPUTED') as string });
    await decided(deal, outcomeDispute, { rejectedOutcomeIds: [outcome.id] }, deal.claims);
    expect(await refusedCall(product, deal.seller, 'outcomeDisputeOpen', input)).toMatchObject({
      code: 'INVALID_TRANSITION',
      message: `outcome ${outcome.id} is in dispute ${outcomeDispute.id} of this side already; each side disputes an outcome once`,
    });
    const own = await opened(deal, [outcome.id]);
    expect(own.heldCount).toBe(1);
    await decided(deal, own, { acceptedOutcomeIds: [outcome.id] });
    expect(await standing(product, [outcome.id])).toEqual({ [outcome.id]: 'REVERSED DISPUTE_ACCEPTED' });
    expect(await steps(product, outcome.id)).toEqual([
      '→ MATURED',
      'MATURED → DISPUTED',
      'DISPUTED → MATURED',
      'MATURED → DISPUTED',
      'DISPUTED → REVERSED DISPUTE_ACCEPTED',
    ]);
  });

  test('is refused where the rule takes none', async () => {
    const deal = await aDeal(product);
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    expect(
      await refusedCall(product, deal.buyer, 'outcomeDisputeOpen', { outcomeIds: [outcome.id], reason: 'no' }),
    ).toMatchObject({ code: 'INVALID_TRANSITION', field: ['outcomeIds', '0'] });
  });

  test('twice at once happens once', async () => {
    const deal = await aDisputable();
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const input = { outcomeIds: [outcome.id], reason: 'no' };
    const answers = await Promise.all([
      call(product, deal.buyer, 'outcomeDisputeOpen', input),
      call(product, deal.buyer, 'outcomeDisputeOpen', input),
    ]);
    expect(answers.flatMap(({ userErrors }) => userErrors.map(({ code }: { code: string }) => code))).toEqual([
      'INVALID_TRANSITION',
    ]);
    expect(await steps(product, outcome.id)).toEqual(['→ MATURED', 'MATURED → DISPUTED']);
  });
});

describe('deciding a dispute', () => {
  test('takes back what is accepted, restores what is rejected, and leaves the rest held', async () => {
    const deal = await aDisputable();
    const ids = await manyClaimed(product, deal, 5, hoursAgo(2));
    const [a = '', b = '', c = '', d = '', e = ''] = ids;
    const dispute = await opened(deal, ids);
    const first = await decided(deal, dispute, {
      acceptedOutcomeIds: [a, b],
      rejectedOutcomeIds: [c],
      reason: 'we listened to them',
    });
    expect(first).toMatchObject({
      outcomeDispute: { id: dispute.id, outcomeCount: 5, heldCount: 2, acceptedCount: 2, rejectedCount: 1 },
      replayed: false,
      userErrors: [],
    });
    expect(first.outcomeDispute.respondBy).toBe(dispute.respondBy);
    expect(await standing(product, ids)).toEqual({
      [a]: 'REVERSED DISPUTE_ACCEPTED',
      [b]: 'REVERSED DISPUTE_ACCEPTED',
      [c]: 'MATURED',
      [d]: 'DISPUTED',
      [e]: 'DISPUTED',
    });
    const second = await decided(deal, dispute, { rejectedOutcomeIds: [d] });
    expect(second.outcomeDispute).toMatchObject({ heldCount: 1, acceptedCount: 2, rejectedCount: 2 });
    const third = await decided(deal, dispute, { acceptedOutcomeIds: [e] });
    expect(third.outcomeDispute).toMatchObject({ respondBy: null, heldCount: 0, acceptedCount: 3, rejectedCount: 2 });
    const [, , line] = await auditOf(product, deal.buyerId, 'outcome_dispute.decided');
    expect(line).toEqual({
      subjectId: dispute.id,
      actorId: line.actorId,
      after: {
        acceptedOutcomeIds: [a, b],
        rejectedOutcomeIds: [c],
        reason: 'we listened to them',
        keyId: line.actorId,
        party: 'SELLER',
      },
    });
  });

  test.each([
    ['CREDIT', 'REVERSED DISPUTE_UNANSWERED'],
    ['UPHOLD', 'MATURED'],
  ])('is done by silence: %s', async (whenSilent, state) => {
    const deal = await aDisputable({ ...DISPUTE, whenSilent });
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const dispute = await opened(deal, [outcome.id]);
    const deadline = hoursAfter(dispute.openedAt, 240);
    await settleAt(deal, new Date(deadline.getTime() - 60_000));
    expect(await standing(product, [outcome.id])).toEqual({ [outcome.id]: 'DISPUTED' });
    // The decision that comes too late finds what silence made of it.
    product.setClock(deadline);
    expect(await refusedDecision(deal, dispute, { acceptedOutcomeIds: [outcome.id] })).toMatchObject({
      code: 'INVALID_TRANSITION',
      field: ['acceptedOutcomeIds', '0'],
    });
    await settleAt(deal, deadline);
    expect(await standing(product, [outcome.id])).toEqual({ [outcome.id]: state });
    const { data } = await product.graphql(
      deal.buyer,
      '{ tenant { outcomeDisputes { edges { node { id respondBy heldCount acceptedCount rejectedCount } } } } }',
    );
    expect(data.tenant.outcomeDisputes.edges).toEqual([
      { node: { id: dispute.id, respondBy: null, heldCount: 0, acceptedCount: 0, rejectedCount: 0 } },
    ]);
  });

  test('is not for the key that opened it, nor for the buyer’s side', async () => {
    const deal = await aDisputable();
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const { outcomeDispute } = await call(product, deal.seller, 'outcomeDisputeOpen', {
      tenantId: deal.buyerId,
      outcomeIds: [outcome.id],
      reason: 'told on the phone',
    });
    expect(outcomeDispute.openedBy).toBe('SELLER');
    const given = { acceptedOutcomeIds: [outcome.id] };
    expect(await refusedDecision(deal, outcomeDispute, given)).toMatchObject({
      code: 'SELF_DECISION',
      field: ['outcomeDisputeId'],
    });
    expect(await refusedDecision(deal, outcomeDispute, given, deal.buyer)).toMatchObject({
      code: 'FORBIDDEN',
      field: ['outcomeDisputeId'],
    });
    expect((await decided(deal, outcomeDispute, given, deal.claims)).outcomeDispute.acceptedCount).toBe(1);
  });

  test('happens once for each outcome, and for outcomes of the dispute alone', async () => {
    const deal = await aDisputable();
    const ids = await manyClaimed(product, deal, 3, hoursAgo(2));
    const [a = '', b = '', c = ''] = ids;
    const dispute = await opened(deal, [a, b]);
    await decided(deal, dispute, { rejectedOutcomeIds: [a] });

    for (const [given, code, field] of [
      [{ acceptedOutcomeIds: [b, a] }, 'INVALID_TRANSITION', 'acceptedOutcomeIds.1'],
      [{ acceptedOutcomeIds: [b], rejectedOutcomeIds: [c] }, 'NOT_FOUND', 'rejectedOutcomeIds.0'],
      [{ acceptedOutcomeIds: [b], rejectedOutcomeIds: [b] }, 'INVALID_INPUT', 'rejectedOutcomeIds.0'],
      [{ acceptedOutcomeIds: [b, b] }, 'INVALID_INPUT', 'acceptedOutcomeIds.1'],
      [{}, 'INVALID_INPUT', 'rejectedOutcomeIds'],
      [{ acceptedOutcomeIds: [b], reason: 'a\nb' }, 'INVALID_INPUT', 'reason'],
      [
        { acceptedOutcomeIds: [b], outcomeDisputeId: 'dsp_0123456789ABCDEFGHJKMNPQRS' },
        'NOT_FOUND',
        'outcomeDisputeId',
      ],
    ] as const) {
      const refusal = await refusedDecision(deal, dispute, given);
      expect([given, refusal.code, refusal.field.join('.')]).toEqual([given, code, field]);
    }

    expect(await standing(product, ids)).toEqual({ [a]: 'MATURED', [b]: 'DISPUTED', [c]: 'MATURED' });
  });

  test('one way and the other at once is done one way', async () => {
    const deal = await aDisputable();

    for (let round = 0; round < 5; round += 1) {
      const outcome = await claimed(product, deal, { time: hoursAgo(2) });
      const dispute = await opened(deal, [outcome.id]);
      const [accepts, rejects] = await Promise.all([
        decided(deal, dispute, { acceptedOutcomeIds: [outcome.id] }, deal.claims),
        decided(deal, dispute, { rejectedOutcomeIds: [outcome.id] }),
      ]);
      const codes = [...accepts.userErrors, ...rejects.userErrors].map(({ code }: { code: string }) => code);
      expect(codes).toEqual(['INVALID_TRANSITION']);
      expect(await standing(product, [outcome.id])).toEqual({
        [outcome.id]: accepts.userErrors.length === 0 ? 'REVERSED DISPUTE_ACCEPTED' : 'MATURED',
      });
    }
  });

  test('again under its idempotency key answers the same and changes nothing', async () => {
    const deal = await aDisputable();
    const outcome = await claimed(product, deal, { time: hoursAgo(2) });
    const dispute = await opened(deal, [outcome.id]);
    const given = { acceptedOutcomeIds: [outcome.id], idempotencyKey: 'decide' };
    const first = await decided(deal, dispute, given);
    const before = await everything(product);
    expect(await decided(deal, dispute, given)).toEqual({ ...first, replayed: true });
    expect(await everything(product)).toEqual(before);
  });
});

test('disputes are listed newest first, and found by their id', async () => {
  const deal = await aDisputable();
  const [a = '', b = ''] = await manyClaimed(product, deal, 2, hoursAgo(2));
  const first = await opened(deal, [a]);
  product.setClock(new Date(NOW.getTime() + 60_000));
  const second = await opened(deal, [b]);
  const { data } = await product.graphql(
    deal.buyer,
    'query ($id: ID!) { node(id: $id) { ... on OutcomeDispute { id tenantId outcomeCount } } tenant { outcomeDisputes { edges { node { id } } } } }',
    { id: first.id },
  );
  expect(data).toEqual({
    node: { id: first.id, tenantId: deal.buyerId, outcomeCount: 1 },
    tenant: { outcomeDisputes: { edges: [{ node: { id: second.id } }, { node: { id: first.id } }] } },
  });
});
