import { randomUUID } from 'node:crypto';
import { sum, formatDecimal, decimal } from '../../src/money/index.js';
import { aDeal, call, manyClaimed, type Deal, type Terms } from '../outcomes/acts.js';
import { aContract, aMeter, anEvent, anOutcomeRule, aPriceBook, aTenant, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const NOVEMBER = { from: '2026-11-01T00:00:00Z', until: '2026-12-01T00:00:00Z' };
const price = (terms: object) => [{ name: 'Each', currency: 'USD', pattern: {}, terms }];
const REDO = price({
  model: 'GRADUATED',
  tiers: [
    { upTo: '50', unitAmount: '0.95' },
    { upTo: '100', unitAmount: '0.90' },
    { upTo: null, unitAmount: '0.85' },
  ],
});

const STATS = `query ($rule: ID!, $buyer: ID!, $from: DateTime!, $until: DateTime!) { node(id: $rule) { ... on OutcomeRule {
  stats(tenantId: $buyer, from: $from, until: $until) {
    state reason count unpricedCount amount { amount currency } listAmount { amount } held { amount } } } } }`;
const MARGIN = `query ($rule: ID!, $buyer: ID!, $from: DateTime!, $until: DateTime!) { node(id: $rule) { ... on OutcomeRule {
  margin(tenantId: $buyer, from: $from, until: $until) {
    outcomeCount revenue { amount currency } cost { amount } margin { amount } marginPercent costPerOutcome { amount }
    unknownCostCount } } } }`;

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

interface StatRow {
  readonly state: string;
  readonly reason: string | null;
  readonly count: number;
  readonly unpricedCount: number;
  readonly amount: { readonly amount: string; readonly currency: string };
  readonly listAmount: { readonly amount: string };
  readonly held: { readonly amount: string } | null;
}

const ask = async (query: string, deal: Pick<Deal, 'ruleId' | 'buyerId'>, over: object = {}) => {
  const { data, errors } = await product.graphql(product.platformKey, query, {
    rule: deal.ruleId,
    buyer: deal.buyerId,
    ...NOVEMBER,
    ...over,
  });
  expect(errors).toBeUndefined();

  return data.node;
};

/** Each stat as `STATE reason count amount list held`. */
const statsOf = async (deal: Pick<Deal, 'ruleId' | 'buyerId'>, over: object = {}): Promise<string[]> =>
  ((await ask(STATS, deal, over)).stats as StatRow[]).map(({ state, reason, count, amount, listAmount, held }) =>
    [state, reason ?? '-', count, amount.amount, listAmount.amount, held?.amount ?? '-'].join(' '),
  );

/** What of the charges is for outcomes. */
const charged = async (tenantId: string): Promise<string> => {
  const rows = await asSuperuser<{ amount: string }>(
    product.database,
    `select trim_scale(amount)::text as amount from charge where tenant_id = $1 and price_version_id like 'orv_%'`,
    [tenantId],
  );

  return formatDecimal(sum(rows.map(({ amount }) => decimal(amount))));
};

const accept = async (tenantId: string, events: readonly object[]): Promise<void> => {
  for (let at = 0; at < events.length; at += 1_000) {
    const receipt = await product.app.services.usage.accept(
      product.scope(),
      events.slice(at, at + 1_000).map(event => ({ ...event, tenant: tenantId })),
      { keyId: 'key_of_a_test', isDryRun: false },
    );
    expect(receipt).toMatchObject({ rejected: [], conflicts: [] });
  }
};

/** So many resolved conversations of one minute each, by what they tell. */
const resolved = (count: number, properties: object = {}): object[] =>
  Array.from({ length: count }, (_, index) =>
    anEvent({
      id: randomUUID(),
      type: 'conversation.resolved',
      time: new Date(Date.UTC(2026, 10, 10, 0, 0, index)).toISOString(),
      subject: randomUUID(),
      properties: properties as Record<string, unknown>,
    }),
  );

describe('stats of a rule', () => {
  test('count each exclusion by its reason, and say what is charged', async () => {
    const deal = await aDeal(product, {
      environment: { filter: 'properties.env == "test"', policy: 'REJECT' },
      exclusions: [
        { reason: 'GREETING', filter: 'properties.kind == "greeting"', scope: 'SUBJECT', withinHours: 0 },
        { reason: 'ESCALATED', filter: 'properties.kind == "escalated"', scope: 'SUBJECT', withinHours: 0 },
      ],
    });
    await accept(deal.buyerId, [
      ...resolved(500, { kind: 'resolution', env: 'live' }),
      ...resolved(120, { kind: 'greeting', env: 'live' }),
      ...resolved(60, { kind: 'resolution', env: 'test' }),
      ...resolved(320, { kind: 'escalated', env: 'live' }),
    ]);
    await rate(product, deal.buyerId);

    expect(await statsOf(deal)).toEqual([
      'MATURED - 500 495 495 -',
      'REJECTED ESCALATED 320 0 0 -',
      'REJECTED GREETING 120 0 0 -',
      'REJECTED TEST_ENVIRONMENT 60 0 0 -',
    ]);
    expect(await charged(deal.buyerId)).toBe('495');
    // They occurred in the first ten minutes of a day.
    expect(await statsOf(deal, { until: '2026-11-10T00:00:30Z' })).toEqual([
      'MATURED - 30 29.7 29.7 -',
      'REJECTED ESCALATED 30 0 0 -',
      'REJECTED GREETING 30 0 0 -',
      'REJECTED TEST_ENVIRONMENT 30 0 0 -',
    ]);
    expect(await statsOf(deal, { from: '2026-11-11T00:00:00Z' })).toEqual([]);
  });

  test('are what the charges hold where tiers, caps and the guarantee tell outcomes apart', async () => {
    const tiered = await aDeal(product, { prices: REDO, reversal: { windowHours: 720 } });
    const ids = await manyClaimed(product, tiered, 101, '2026-11-10T08:00:00Z');
    const taken = await call(product, tiered.seller, 'outcomeReverse', {
      tenantId: tiered.buyerId,
      outcomeIds: [ids[9]],
    });
    expect(taken.userErrors).toEqual([]);
    await rate(product, tiered.buyerId);
    expect(await statsOf(tiered)).toEqual(['MATURED - 100 92.5 95 -', 'REVERSED REVERSED 1 0 0.95 -']);
    expect(await charged(tiered.buyerId)).toBe('92.5');

    const capped = await aDeal(product, {
      caps: [{ mode: 'FREE', per: 'PERIOD', amount: { amount: '5', currency: 'USD' } }],
    });
    await manyClaimed(product, capped, 7, '2026-11-10T08:00:00Z');
    await rate(product, capped.buyerId);
    expect(await statsOf(capped)).toEqual(['MATURED - 5 4.95 4.95 -', 'MATURED CAP_EXHAUSTED 2 0 1.98 -']);

    const guaranteed = await aDeal(product, {
      measure: 'VALUE',
      valueProperty: 'amount',
      prices: price({ model: 'PERCENTAGE', rate: '0.5' }),
      guarantee: { clause: { eventType: 'order.charged_back', filter: '' }, windowHours: 720 },
    });
    await accept(guaranteed.buyerId, [
      ...resolved(1, { amount: '200' }),
      { ...resolved(1, { amount: '200' })[0], subject: 'order' },
      anEvent({ type: 'order.charged_back', time: '2026-11-11T00:00:00Z', subject: 'order', properties: {} }),
    ]);
    await rate(product, guaranteed.buyerId);
    expect(await statsOf(guaranteed)).toEqual(['MATURED - 1 1 1 -', 'REVERSED GUARANTEE 1 -200 1 -']);
    expect(await charged(guaranteed.buyerId)).toBe('-199');
  });

  test('show those without a price in no amount, and what waits as what is at stake', async () => {
    const deal = await aDeal(product, {
      attributes: [{ name: 'kind', property: 'kind' }],
      prices: [{ name: 'Paid', currency: 'USD', pattern: { kind: 'paid' }, terms: perUnit('2') }],
      maturationHours: 480,
    });
    await accept(deal.buyerId, [...resolved(2, { kind: 'paid' }), ...resolved(3, { kind: 'other' })]);
    await rate(product, deal.buyerId);
    expect((await ask(STATS, deal)).stats).toEqual([
      {
        state: 'VERIFIED',
        reason: null,
        count: 5,
        unpricedCount: 3,
        amount: { amount: '0', currency: 'USD' },
        listAmount: { amount: '4' },
        held: null,
      },
    ]);
  });

  test('refuse a stretch that runs backwards, and a tenant that is not below the key', async () => {
    const deal = await aDeal(product);
    const stranger = await aKey(product.app, product.scope(deal.buyerId));
    const { errors } = await product.graphql(product.platformKey, STATS, {
      rule: deal.ruleId,
      buyer: deal.buyerId,
      from: NOVEMBER.until,
      until: NOVEMBER.from,
    });
    expect(errors?.map(({ message }) => message)).toEqual(['until is after from, by at most 1830 days']);
    // A buyer reads the rule that it buys under, and stats of nobody else's outcomes.
    const { buyerId: other } = await aDeal(product);
    const asked = await product.graphql(stranger, STATS, { rule: deal.ruleId, buyer: other, ...NOVEMBER });
    expect(asked.errors?.map(({ extensions }) => extensions.code)).toEqual(['NOT_FOUND']);
  });
});

describe('what a dispute holds', () => {
  const HELD =
    'query ($id: ID!, $of: ID!) { node(id: $id, tenantId: $of) { ... on OutcomeDispute { heldCount held { amount currency } } } }';
  const heldOf = async (deal: Deal, id: string) =>
    (await product.graphql(product.platformKey, HELD, { id, of: deal.buyerId })).data.node;
  const DISPUTE = { windowHours: 720, responseHours: 240, whenSilent: 'CREDIT' };
  const claimed = async (deal: Deal, count: number): Promise<string[]> =>
    manyClaimed(product, deal, count, '2026-11-20T08:00:00Z');
  const open = async (deal: Deal, outcomeIds: readonly string[]): Promise<string> => {
    const { outcomeDispute, userErrors } = await call(product, deal.buyer, 'outcomeDisputeOpen', {
      outcomeIds,
      reason: 'nobody was helped',
    });
    expect(userErrors).toEqual([]);

    return outcomeDispute.id as string;
  };

  test('is 300 of 2,000 dollars, then what is rejected is due and what is accepted is not', async () => {
    const deal = await aDeal(product, { prices: price(perUnit('1')), dispute: DISPUTE });
    const ids = (await claimed(deal, 1_000)).concat(await claimed(deal, 1_000));
    const disputed = ids.slice(0, 300);
    const dispute = await open(deal, disputed);
    await rate(product, deal.buyerId);
    expect(await charged(deal.buyerId)).toBe('1700');
    expect(await heldOf(deal, dispute)).toEqual({ heldCount: 300, held: [{ amount: '300', currency: 'USD' }] });
    expect(await statsOf(deal)).toEqual(['DISPUTED - 300 0 300 300', 'MATURED - 1700 1700 1700 -']);

    await call(product, deal.seller, 'outcomeDisputeDecide', {
      tenantId: deal.buyerId,
      outcomeDisputeId: dispute,
      acceptedOutcomeIds: disputed.slice(0, 180),
      rejectedOutcomeIds: disputed.slice(180),
    });
    await rate(product, deal.buyerId);
    expect(await charged(deal.buyerId)).toBe('1820');
    expect(await heldOf(deal, dispute)).toEqual({ heldCount: 0, held: [] });
    expect(await statsOf(deal)).toEqual(['MATURED - 1820 1820 1820 -', 'REVERSED DISPUTE_ACCEPTED 180 0 180 -']);
  });

  test('is what it would add by tiers, not what each would cost from zero', async () => {
    const deal = await aDeal(product, { prices: REDO, dispute: DISPUTE });
    const ids = await claimed(deal, 101);
    const dispute = await open(deal, ids.slice(0, 2));
    await rate(product, deal.buyerId);
    expect(await charged(deal.buyerId)).toBe('91.6');
    // 93.35 for all 101, less 91.60 for 99.
    expect(await heldOf(deal, dispute)).toEqual({ heldCount: 2, held: [{ amount: '1.75', currency: 'USD' }] });
    expect(await statsOf(deal)).toEqual(['DISPUTED - 2 0 1.9 1.75', 'MATURED - 99 91.6 94.05 -']);
  });
});

/** A buyer of 1,000 conversations at $0.12 of tokens each, on whose book a rule stands to their usage as told. */
async function aConversation(usage: Terms, meter: object = {}) {
  const { catalog } = product.app.services;
  const name = `model-${randomUUID()}`;
  const eventType = `chat.${randomUUID()}`;
  const key = `t_${randomUUID().replaceAll('-', '')}`;
  const meterId = await aMeter(product, { key, eventType, ...meter });
  const { model } = await catalog.createModel(product.scope(), {
    key: name,
    provider: 'p',
    family: 'f',
    modality: 'text',
    contextBands: [],
    idempotencyKey: randomUUID(),
  });
  await catalog.setCost(product.scope(), {
    modelId: model.id,
    effectiveAt: new Date('2026-01-01T00:00:00Z'),
    currency: 'USD',
    rates: [{ kind: key, amount: '0.12', per: '1000' }],
    source: 'a list',
    idempotencyKey: randomUUID(),
  });
  const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('0.0002') }] });
  const buyerId = await aTenant(product);
  const contractId = await aContract(product, { buyerId, bookId });
  const { ruleId } = await anOutcomeRule(product, {
    bookId,
    publishedAt: new Date('2026-10-01T00:00:00Z'),
    terms: { usage: { meterIds: [meterId], ...usage } } as never,
  });
  product.setClock(NOW);

  return { buyerId, contractId, ruleId, bookId, meterId, eventType, model: name, modelId: model.id };
}

type Conversation = Awaited<ReturnType<typeof aConversation>>;

/** So many conversations of 1,000 tokens, of which the first so many are resolved. */
async function talk({ buyerId, eventType, model }: Conversation, count: number, solved: number): Promise<void> {
  const time = '2026-11-10T08:07:00Z';
  await accept(
    buyerId,
    Array.from({ length: count }, (_, index) =>
      anEvent({ type: eventType, time, subject: `s${index}`, properties: { model, tokens: 1_000 } }),
    ),
  );
  await accept(
    buyerId,
    Array.from({ length: solved }, (_, index) =>
      anEvent({ type: 'conversation.resolved', time, subject: `s${index}`, properties: {} }),
    ),
  );
  await rate(product, buyerId);
}

describe('the margin of a rule', () => {
  test('is 375 dollars, 75.76 per cent, of 500 outcomes whose tokens are not charged', async () => {
    const deal = await aConversation({ relation: 'REPLACE' });
    await talk(deal, 1_000, 500);
    expect((await ask(MARGIN, deal)).margin).toEqual([
      {
        outcomeCount: 500,
        revenue: { amount: '495', currency: 'USD' },
        cost: { amount: '120' },
        margin: { amount: '375' },
        marginPercent: '75.76',
        costPerOutcome: { amount: '0.24' },
        unknownCostCount: 0,
      },
    ]);
  });

  test('takes each cost from its instant on, counts what has none, and only whole periods that begin in the stretch', async () => {
    const deal = await aConversation({ relation: 'ADD' });
    await product.app.services.catalog.setCost(product.scope(), {
      modelId: deal.modelId,
      effectiveAt: new Date('2026-11-10T08:20:00Z'),
      currency: 'USD',
      rates: [{ kind: 'other', amount: '1', per: '1' }],
      source: 'a list',
      idempotencyKey: randomUUID(),
    });
    await talk(deal, 10, 1);
    // From the next quarter hour on the cost knows nothing of this meter.
    await accept(deal.buyerId, [
      anEvent({ type: deal.eventType, time: '2026-11-10T08:29:00Z', properties: { model: deal.model, tokens: 1_000 } }),
      anEvent({ type: deal.eventType, time: '2026-11-10T08:31:00Z', properties: { model: deal.model, tokens: 1_000 } }),
      anEvent({ type: deal.eventType, time: '2026-10-10T08:00:00Z', properties: { model: deal.model, tokens: 1_000 } }),
    ]);
    await rate(product, deal.buyerId);
    expect((await ask(MARGIN, deal)).margin).toMatchObject([
      { outcomeCount: 1, cost: { amount: '1.32' }, margin: { amount: '-0.33' }, unknownCostCount: 1 },
    ]);
    expect((await ask(MARGIN, deal, { from: '2026-11-01T00:00:01Z' })).margin).toEqual([]);
    expect((await ask(MARGIN, deal, { from: '2026-10-01T00:00:00Z' })).margin).toMatchObject([
      { outcomeCount: 1, cost: { amount: '1.44' }, revenue: { amount: '0.99' } },
    ]);
  });

  test('has no per cent without revenue', async () => {
    const deal = await aConversation({ relation: 'REPLACE' });
    await talk(deal, 1, 0);
    expect((await ask(MARGIN, deal)).margin).toMatchObject([
      { outcomeCount: 0, margin: { amount: '-0.12' }, marginPercent: null, costPerOutcome: null },
    ]);
  });
});

describe('the cost of one outcome', () => {
  const COST = `query ($of: ID!) { tenant(id: $of) { outcomes(first: 1) { edges { node { cost { cost { amount currency } reason } } } } } }`;
  const costOf = async (key: string, deal: Conversation) => {
    const { data, errors } = await product.graphql(key, COST, { of: deal.buyerId });
    expect(errors).toBeUndefined();

    return data.tenant.outcomes.edges[0].node.cost;
  };

  test('is that of the usage of its subject', async () => {
    const deal = await aConversation({ relation: 'ADD' }, { keepsEvents: true });
    await talk(deal, 3, 1);
    await accept(deal.buyerId, [
      anEvent({
        type: deal.eventType,
        time: '2026-11-10T07:00:00Z',
        subject: 's0',
        properties: { model: deal.model, tokens: 500 },
      }),
    ]);
    expect(await costOf(product.platformKey, deal)).toEqual({
      cost: { amount: '0.18', currency: 'USD' },
      reason: null,
    });
  });

  test('is told to nobody below the seller', async () => {
    const deal = await aConversation({ relation: 'ADD' }, { keepsEvents: true });
    await talk(deal, 1, 1);
    const buyer = await aKey(product.app, product.scope(deal.buyerId));
    expect(await costOf(buyer, deal)).toEqual({ cost: null, reason: 'NOT_SOLD_BY_CALLER' });
  });

  test('is unknown, with the reason, where events are not kept, a cost is missing, or no meter is named', async () => {
    const folded = await aConversation({ relation: 'ADD' });
    await talk(folded, 1, 1);
    expect(await costOf(product.platformKey, folded)).toEqual({ cost: null, reason: 'NO_EVENTS_KEPT' });

    const costless = await aConversation({ relation: 'ADD' }, { keepsEvents: true });
    await talk({ ...costless, model: 'nobody knows' }, 1, 1);
    expect(await costOf(product.platformKey, costless)).toEqual({ cost: null, reason: 'NO_COST' });

    const bare = await aDeal(product);
    await manyClaimed(product, bare, 1, '2026-11-10T08:00:00Z');
    expect(await costOf(product.platformKey, { ...folded, buyerId: bare.buyerId })).toEqual({
      cost: null,
      reason: 'NO_METERS',
    });
  });
});
