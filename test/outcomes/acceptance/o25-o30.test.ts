import { randomUUID } from 'node:crypto';
import { ALL_PERMISSIONS } from '../../../src/access/index.js';
import { aKey, type Answer } from '../../support/product.js';
import { counts, idsOf, invoices, readAll, standings, stats, tally, totals } from './reading.js';
import {
  aBook,
  aDraft,
  aMarket,
  arrive,
  aRule,
  aSale,
  ask,
  charged,
  CLAIM,
  each,
  instant,
  later,
  type Market,
  mutate,
  type Rule,
  type Sale,
  send,
  type Sent,
  times,
  verify,
  work,
} from './support.js';

const T = '2026-11-10T10:00:00Z';
const NOW = '2026-11-20T00:00:00Z';

let market: Market;

beforeAll(async () => {
  market = await aMarket();
});

afterAll(() => market.product.close());

const claim = (id: string, time = T, properties: object = {}, subject = id): Sent => ({
  id,
  type: CLAIM,
  time,
  subject,
  properties: { ...properties },
});

const claims = (count: number, properties: object = {}, name = 'n', from = T): Sent[] =>
  times(count, index => claim(`${name}${index}`, later(from, index / 3_600), properties));

describe('O25: a rule is tried on history before it is published', () => {
  const REOPENED = 'conversation.reopened';
  /** What the vendor counts: every resolution that was not reopened before. */
  const VENDOR = { exclusions: [{ reason: 'REOPENED', eventType: REOPENED }] };
  /** What the buyer means: not reopened in 14 days, and a CSAT of 4 at least. */
  const BUYER = {
    maturationHours: 14 * 24,
    exclusions: [{ reason: 'REOPENED', eventType: REOPENED, withinHours: 14 * 24 }],
    quality: { property: 'csat', minimum: '4', whenMissing: 'REJECT' },
  };

  /** 41 resolutions of which 6 are rated below 4 and 8 more are reopened within 14 days: so many times over. */
  const history = (size: number): Sent[] => [
    ...claims(27 * size, { csat: 5 }, 'good '),
    ...claims(6 * size, { csat: 3 }, 'rated 3 '),
    ...claims(8 * size, { csat: 4 }, 'back '),
    ...times(8 * size, index => ({ type: REOPENED, time: later(T, 13 * 24), subject: `back ${index}` })),
  ];

  /** What the buyer's version would have come to in November and December. */
  async function simulated(sale: Sale & Rule) {
    const { product, keys } = market;
    const outcomeRuleVersionId = await aDraft(sale, sale.ruleId, BUYER);
    const { outcomeSimulation } = await mutate(
      product,
      keys.prices,
      'outcomeSimulationStart',
      'outcomeSimulation { id }',
      {
        outcomeRuleVersionId,
        tenantIds: [sale.buyerId],
        from: '2026-11-01T00:00:00Z',
        until: '2026-12-20T00:00:00Z',
      },
    );
    await product.app.services.outcomeSimulationRunner.run(product.scope(), outcomeSimulation.id);
    const want = `status totals { currency oldOutcomes newOutcomes oldAmount { amount } newAmount { amount }
      difference { amount } differencePercent }`;
    const { data } = await product.graphql(
      keys.reads,
      `query ($id: ID!) { node(id: $id) { ... on OutcomeSimulation { ${want} } } }`,
      { id: outcomeSimulation.id },
    );

    return { id: outcomeSimulation.id as string, ...data.node };
  }

  test('O25: v1 counts 41,000: $40,590; v2 27,000: $26,730; Δ −$13,860 (−34.15 %), listing the 14,000', async () => {
    const seller = await aSale(market);
    const sale = { ...seller, ...(await aRule(seller, VENDOR)) };
    await arrive(sale, '2026-12-20T00:00:00Z', history(1_000));
    expect(await counts(sale, sale.ruleId)).toEqual({ MATURED: 41_000 });
    expect(await totals(sale)).toEqual({ '2026-11': '40590' });
    const { id, status, totals: compared } = await simulated(sale);
    expect(status).toBe('DONE');
    expect(compared).toEqual([
      {
        currency: 'USD',
        oldOutcomes: 41_000,
        newOutcomes: 27_000,
        oldAmount: { amount: '40590' },
        newAmount: { amount: '26730' },
        difference: { amount: '-13860' },
        differencePercent: '-34.15',
      },
    ]);
    const listed = await changed(id);
    expect(new Set(listed.map(({ eventId }) => eventId)).size).toBe(14_000);
    const kinds = Map.groupBy(listed, item => `${item.oldState} → ${item.newState} ${item.newReason}`);
    expect([...kinds].map(([kind, { length }]) => `${length} ${kind}`).sort()).toEqual([
      '6000 MATURED → REJECTED QUALITY_BELOW',
      '8000 MATURED → REJECTED REOPENED',
    ]);
    // What is charged is what it was.
    await work(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '40590' });
  }, 300_000);

  /** The outcomes that a simulation lists. */
  async function changed(id: string) {
    const items: Answer['data'][] = [];

    for (let after: string | null = null; ;) {
      const { data }: Answer = await market.product.graphql(
        market.keys.reads,
        `query ($id: ID!, $after: String) { node(id: $id) { ... on OutcomeSimulation {
           items(first: 100, after: $after) { edges { node { eventId oldState newState newReason } }
             pageInfo { hasNextPage endCursor } } } } }`,
        { id, after },
      );
      const { edges, pageInfo } = data.node.items;
      items.push(...edges.map(({ node }: Answer['data']) => node));

      if (!pageInfo.hasNextPage) {
        return items;
      }

      after = pageInfo.endCursor;
    }
  }

  test('O25: what the trial says is what is billed on the same data', async () => {
    const tried = await aSale(market);
    const trial = { ...tried, ...(await aRule(tried, VENDOR)) };
    await arrive(trial, '2026-12-20T00:00:00Z', history(10));
    const [compared] = (await simulated(trial)).totals;
    expect([compared.oldAmount.amount, compared.newAmount.amount]).toEqual(['405.9', '267.3']);
    const billed = await aSale(market);
    await aRule(billed, BUYER);
    await arrive(billed, '2026-12-20T00:00:00Z', history(10));
    expect(await totals(billed)).toEqual({ '2026-11': '267.3' });
  });
});

describe('O26: environments', () => {
  /** An action is 20 credits, in a sandbox 16; $500 for 100,000 credits. */
  const sandbox = (policy: string) => ({
    environment: { filter: 'properties.environment == "sandbox"', policy },
    attributes: [{ name: 'environment', property: 'environment' }],
    units: {
      weights: [{ units: '20' }, { pattern: [{ name: 'environment', value: 'sandbox' }], units: '16' }],
    },
    prices: [{ name: 'Credits', currency: 'USD', terms: { model: 'UNIT', unitAmount: '500', per: '100000' } }],
  });
  const forty = claims(40, { environment: 'sandbox' });

  test('O26: 40 sandbox actions × 16 credits = 640 credits = $3.20 shown, $0 billed if the policy is free', async () => {
    const sale = await charged(market, sandbox('FREE'), forty);
    expect(await tally(sale)).toEqual({ 'MATURED SANDBOX': 40 });
    const outcomes = await readAll(sale, 'outcomes', 'isFree units');
    expect(new Set(outcomes.map(({ isFree, units }) => `${isFree} ${units}`))).toEqual(new Set(['true 16']));
    expect(await stats(sale, sale.ruleId)).toEqual({
      'MATURED SANDBOX': { count: 40, amount: '0', listAmount: '3.2' },
    });
    expect(await totals(sale)).toEqual({});
  });

  test('O26: 640 credits = $3.20 billed if the policy prices them, and none are outcomes if it rejects them', async () => {
    expect(await invoices(await charged(market, sandbox('PRICED'), forty))).toEqual({
      '2026-11': { status: 'DRAFT', total: '3.2', lines: [['resolution: Credits', '640', '3.2']] },
    });
    const none = await charged(market, sandbox('REJECT'), forty);
    expect(await tally(none)).toEqual({ 'REJECTED TEST_ENVIRONMENT': 40 });
    expect(await totals(none)).toEqual({});
  });

  test('O26: what is free in the sandbox stands beside what is charged', async () => {
    const sale = await charged(market, sandbox('FREE'), [...forty, ...claims(10, { environment: 'live' }, 'live')]);
    expect(await totals(sale)).toEqual({ '2026-11': '1' });
  });
});

describe('O27: work that people shared', () => {
  const TERMS = { prices: each('1.00'), humanShareProperty: 'human' };

  test('O27: $1.00 outcome, human share 50 %: $0.50', async () => {
    expect(await totals(await charged(market, TERMS, [claim('a', T, { human: 50 })]))).toEqual({ '2026-11': '0.5' });
  });

  test('O27: or a human involved: $0', async () => {
    const sale = await charged(
      market,
      { ...TERMS, exclusions: [{ reason: 'HUMAN_INVOLVED', filter: 'has(properties.human) && properties.human > 0' }] },
      [claim('a', T, { human: 50 }), claim('b', T, { human: 0 }), claim('c', T)],
    );
    expect(await standings(sale)).toEqual({ a: 'REJECTED HUMAN_INVOLVED', b: 'MATURED', c: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '2' });
  });
});

describe('O28: currency, and one rounding', () => {
  test('O28: 3 × $0.333333333: line $1.00', async () => {
    const sale = await charged(market, { prices: each('0.333333333') }, claims(3));
    expect(await invoices(sale)).toEqual({
      '2026-11': { status: 'DRAFT', total: '1', lines: [['resolution: Each', '3', '1']] },
    });
    const [charge] = await readAll(sale, 'charges', 'amount { amount currency }');
    expect(charge.amount).toEqual({ amount: '0.999999999', currency: 'USD' });
  });

  test('O28: ₹10 and $0.20 in the same rule: each tenant pays in its own currency, and nothing is converted', async () => {
    market.product.setClock(instant('2026-11-01T00:00:00Z'));
    const bookId = await aBook(market);
    await aRule({ ...market, bookId }, { prices: [...each('0.20'), { ...each('10', 'INR')[0], name: 'In rupees' }] });
    const amounts: string[] = [];

    for (const currency of ['USD', 'INR']) {
      const sale = await aSale(market, { bookId, currency });
      await arrive(sale, NOW, claims(3));
      const charges = await readAll(sale, 'charges', 'amount { amount currency }');
      amounts.push(...charges.map(({ amount }) => `${amount.amount} ${amount.currency}`));
    }

    expect(amounts).toEqual(['0.6 USD', '30 INR']);
  });

  test('O28: a currency without a price is unpriced, and not billed with nothing', async () => {
    market.product.setClock(instant('2026-11-01T00:00:00Z'));
    const bookId = await aBook(market);
    await aRule({ ...market, bookId }, { prices: each('0.20', 'EUR') });
    await aRule(
      { ...market, bookId },
      { claim: { eventType: 'lead.qualified' }, prices: each('9.99') },
      { key: 'qualification' },
    );
    const sale = await aSale(market, { bookId, currency: 'EUR' });
    const qualified = claims(3).map(event => ({ ...event, type: 'lead.qualified', id: `q ${event.id}` }));
    await arrive(sale, NOW, [...claims(3), ...qualified]);
    expect(await readAll(sale, 'unpricedUsage', 'quantity reason')).toEqual([{ quantity: '3', reason: 'NO_PRICE' }]);
    expect(await totals(sale)).toEqual({ '2026-11': '0.6' });
  });
});

describe('O29: duties are separate', () => {
  const VERIFICATION = { verifiers: ['LLM', 'HUMAN'], expiresAfterHours: 168 };

  test('O29: the same key claims and verifies: rejected SELF_VERIFICATION, with an audit entry', async () => {
    const sale = await aSale(market);
    await aRule(sale, { verification: VERIFICATION });
    market.product.setClock(instant(later(T, 1)));
    const { product } = market;
    const both = await aKey(product.app, product.scope(), ['usage:write', 'outcomes:verify']);
    const { outcomes } = await mutate(product, both, 'outcomeClaim', 'outcomes { id state }', {
      tenantId: sale.buyerId,
      event: claim('a'),
    });
    expect(outcomes).toEqual([{ id: outcomes[0].id, state: 'CLAIMED' }]);
    const said = { tenantId: sale.buyerId, outcomeIds: [outcomes[0].id], passes: true, verifier: 'LLM' };
    const refused = await ask(product, both, 'outcomeVerify', 'outcomes { id }', said);
    expect(refused).toMatchObject({ outcomes: [], userErrors: [{ code: 'SELF_VERIFICATION' }] });
    const lines = await readAll(sale, 'auditLines', 'action after');
    expect(lines.filter(({ action }) => action === 'outcome.verification_refused')).toHaveLength(1);
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'CLAIMED' });
    expect(await totals(sale)).toEqual({});
    await verify(sale, [outcomes[0].id]);
    await work(sale);
    expect(await totals(sale)).toEqual({ '2026-11': '0.99' });
  });

  test('O29: nor does an event of the key that claimed verify', async () => {
    const sale = await aSale(market);
    await aRule(sale, { verification: { ...VERIFICATION, eventType: 'ticket.closed' } });
    const passes = { passes: true, verifier: 'LLM' };
    await arrive(sale, later(T, 2), [
      claim('a'),
      { type: 'ticket.closed', time: later(T, 1), subject: 'a', properties: passes },
    ]);
    expect(await standings(sale)).toEqual({ a: 'CLAIMED SELF_VERIFICATION' });
    expect(await totals(sale)).toEqual({});
  });

  test('O29: two parties: the seller’s word is not enough without the buyer’s', async () => {
    const sale = await aSale(market);
    await aRule(sale, { verification: { ...VERIFICATION, parties: 'BOTH' } });
    market.product.setClock(instant(later(T, 1)));
    await send(sale, [claim('a'), claim('b')]);
    await work(sale);
    const outcomeIds = await idsOf(sale);
    const input = { outcomeIds, passes: true, verifier: 'HUMAN' };
    await verify(sale, outcomeIds);
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'CLAIMED', b: 'CLAIMED' });
    const want = 'outcomes { state }';
    await mutate(market.product, sale.buyer.verifies, 'outcomeVerify', want, input);
    await work(sale);
    expect(await standings(sale)).toEqual({ a: 'MATURED', b: 'MATURED' });
    expect(await totals(sale)).toEqual({ '2026-11': '1.98' });
  });

  test.each([
    ['claim', 'usage:write', 'outcomeClaim', { event: {} }],
    ['verify', 'outcomes:verify', 'outcomeVerify', { outcomeIds: ['out_1'], passes: true, verifier: 'LLM' }],
    ['reverse', 'outcomes:reverse', 'outcomeReverse', { outcomeIds: ['out_1'] }],
    ['dispute', 'outcomes:dispute', 'outcomeDisputeOpen', { outcomeIds: ['out_1'], reason: 'no' }],
    ['decide', 'outcomes:decide', 'outcomeDisputeDecide', { outcomeDisputeId: 'dsp_1' }],
  ])('O29: only a key that may %s does', async (_what, permission, mutation, input) => {
    const { product } = market;
    const others = ALL_PERMISSIONS.filter(other => other !== permission);
    expect(others).toHaveLength(ALL_PERMISSIONS.length - 1);
    const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
    const once = mutation === 'outcomeClaim' ? {} : { idempotencyKey: randomUUID() };
    const { data, errors } = await product.graphql(
      await aKey(product.app, product.scope(), others),
      `mutation ($input: ${type}!) { ${mutation}(input: $input) { userErrors { code } } }`,
      { input: { ...once, ...input } },
    );
    expect(data).toBeNull();
    expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
  });
});

describe('O30: stuck claims expire, and a jump is told', () => {
  test('O30: 7-day expiry: 30 claims expire, at $0', async () => {
    const sale = await aSale(market);
    await aRule(sale, { verification: { verifiers: ['LLM'], expiresAfterHours: 7 * 24 } });
    const events = times(30, index => claim(`n${index}`));
    await arrive(sale, later(T, 1), events);
    await work(sale, later(T, 7 * 24 - 0.1));
    expect(await tally(sale)).toEqual({ CLAIMED: 30 });
    await work(sale, later(T, 7 * 24));
    expect(await tally(sale)).toEqual({ 'EXPIRED UNVERIFIED': 30 });
    expect(await totals(sale)).toEqual({});
    const { userErrors } = await ask(market.product, market.keys.verifies, 'outcomeVerify', 'replayed', {
      tenantId: sale.buyerId,
      outcomeIds: await idsOf(sale),
      passes: true,
      verifier: 'LLM',
    });
    expect(userErrors).toMatchObject([{ code: 'INVALID_TRANSITION' }]);
  });

  /** 200 claims in each of the five weeks before, and a week in which there are so many. */
  async function jumped(count: number): Promise<Sale & Rule> {
    const end = '2026-11-29T12:00:00Z';
    const sale = await aSale(market, { opensAt: '2026-10-01T00:00:00Z' });
    const rule = await aRule(sale, { anomaly: { factor: '3', leastClaims: 50 } });
    const week = (number: number) => later(end, -7 * 24 * (number + 1) + 1);

    for (const number of [5, 4, 3, 2, 1]) {
      await arrive(sale, later(week(number), 6 * 24), claims(200, {}, `w${number} `, week(number)));
    }

    await arrive(sale, end, claims(count, {}, 'w0 ', week(0)));

    return { ...sale, ...rule };
  }

  const TOLD = 'outcomeRuleId claimCount baseline factor exactFactor toldAt';

  test('O30: from 200 a week to 1,847: alert "9.2× baseline" before invoicing, once', async () => {
    const sale = await jumped(1_847);
    expect((await invoices(sale))['2026-11']).toMatchObject({ status: 'DRAFT' });
    const told = await readAll(sale, 'outcomeAnomalies', TOLD);
    expect(told).toEqual([
      {
        outcomeRuleId: sale.ruleId,
        claimCount: 1_847,
        baseline: '200',
        factor: '9.2',
        exactFactor: '9.235',
        toldAt: expect.stringMatching(/^2026-11-29T12:00:/),
      },
    ]);
    await work(sale, '2026-11-30T12:00:00Z');
    expect(await readAll(sale, 'outcomeAnomalies', TOLD)).toEqual(told);
  });

  test('O30: a week of 599, less than three times as many, is none', async () => {
    expect(await readAll(await jumped(599), 'outcomeAnomalies', TOLD)).toEqual([]);
  });
});
