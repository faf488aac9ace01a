import { FiguresAllowance } from '../../src/rating/figures-allowance.js';
import { aDeal, call, manyClaimed, type Deal } from '../outcomes/acts.js';
import { perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

/* However much there is, one request looks at so many outcomes and no more. */

const NOW = new Date('2026-11-20T12:00:00Z');
const NOVEMBER = { from: new Date('2026-11-01T00:00:00Z'), until: new Date('2026-12-01T00:00:00Z') };
const price = (terms: object) => [{ name: 'Each', currency: 'USD', pattern: {}, terms }];
const TIERS = price({
  model: 'GRADUATED',
  tiers: [
    { upTo: '5', unitAmount: '2' },
    { upTo: null, unitAmount: '1' },
  ],
});

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

/** A deal in which so many outcomes matured on 10 November. */
async function aDealOf(count: number, terms: Parameters<typeof aDeal>[1] = {}): Promise<Deal> {
  const deal = await aDeal(product, terms);
  await manyClaimed(product, deal, count, '2026-11-10T08:00:00Z');
  await rate(product, deal.buyerId);

  return deal;
}

/** What the stats come to with so much left to look at, as `STATE count amount held`. */
const statsOf = async ({ buyerId, ruleId }: Deal, most: { readonly counted?: number; readonly single?: number }) => {
  const allowance = new FiguresAllowance({ counted: 1_000, single: 1_000, ...most });
  const stats = await product.app.services.outcomeStats.stats(product.scope(buyerId), ruleId, NOVEMBER, allowance);

  return stats.map(
    ({ state, count, amount, held }) => `${state} ${count} ${amount.toString()} ${held?.toString() ?? '-'}`,
  );
};

test('stats count so many outcomes and refuse the next one', async () => {
  const deal = await aDealOf(12);
  expect(await statsOf(deal, { counted: 12, single: 1 })).toEqual(['MATURED 12 11.88 -']);
  await expect(statsOf(deal, { counted: 11 })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: 'more than 11 outcomes would be counted for one request: ask for a shorter time, or for less at once',
  });
});

test('stats reckon with so many one by one where tiers tell them apart, and as many kinds of value', async () => {
  const tiered = await aDealOf(12, { prices: TIERS });
  // One kind of outcome, and the twelve of the period, which are counted twice.
  expect(await statsOf(tiered, { counted: 24, single: 13 })).toEqual(['MATURED 12 17 -']);
  await expect(statsOf(tiered, { single: 12 })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringMatching(/^more than 12 outcomes would be reckoned with one by one/),
  });
  await expect(statsOf(tiered, { counted: 23 })).rejects.toMatchObject({ code: 'INVALID_INPUT' });

  const valued = await aDeal(product, {
    measure: 'VALUE',
    valueProperty: 'amount',
    prices: price({ model: 'PERCENTAGE', rate: '1' }),
  });

  for (const amount of ['100', '200', '200', '300']) {
    await call(product, valued.claims, 'outcomeClaim', {
      tenantId: valued.buyerId,
      event: {
        id: `${valued.buyerId}${Math.random()}`,
        type: 'conversation.resolved',
        time: '2026-11-10T08:00:00Z',
        properties: { amount },
      },
    });
  }

  expect(await statsOf(valued, { single: 3 })).toEqual(['MATURED 4 8 -']);
  await expect(statsOf(valued, { single: 2 })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

test('a period that others fill is not gone through for the few of a rule', async () => {
  const deal = await aDealOf(3, { prices: TIERS });
  const moved = { ...deal, ...(await aDeal(product)), buyerId: deal.buyerId, contractId: deal.contractId };
  // As if they were of another rule of the same book.
  await asSuperuser(
    product.database,
    `insert into outcome (tenant_id, id, rule_id, version_id, version_number, contract_id, currency, event_id, source, started_at,
       occurred_at, matures_at, period_at, judged_state, is_live, is_free, units, reimbursement, attributes, agents, fact_ids,
       n, created_at, changed_at)
     select tenant_id, id || i, $2, version_id, version_number, contract_id, currency, event_id || i, source, started_at,
       occurred_at, matures_at, period_at, judged_state, is_live, is_free, units, reimbursement, attributes, agents, fact_ids,
       n, created_at, changed_at
     from outcome, generate_series(1, 10) i where tenant_id = $1`,
    [deal.buyerId, moved.ruleId],
  );
  expect(await statsOf(deal, { counted: 36, single: 4 })).toEqual(['MATURED 3 6 -']);
  await expect(statsOf(deal, { counted: 35 })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

describe('what is held', () => {
  const dispute = { dispute: { windowHours: 720, responseHours: 240, whenSilent: 'CREDIT' } };

  async function disputed(terms: Parameters<typeof aDeal>[1]): Promise<Deal & { readonly disputeId: string }> {
    const deal = await aDeal(product, { ...dispute, ...terms });
    const [first, second] = await manyClaimed(product, deal, 12, '2026-11-20T08:00:00Z');
    const { outcomeDispute } = await call(product, deal.buyer, 'outcomeDisputeOpen', {
      outcomeIds: [first, second],
      reason: 'nobody was helped',
    });
    await rate(product, deal.buyerId);

    return { ...deal, disputeId: outcomeDispute.id };
  }

  test('is what each costs where prices add up, whatever else the period holds', async () => {
    const deal = await disputed({ prices: price(perUnit('1.5')) });
    // Two kinds of outcomes, and two that are held.
    expect(await statsOf(deal, { single: 4 })).toEqual(['DISPUTED 2 0 3', 'MATURED 10 15 -']);
    const { outcomeStats } = product.app.services;
    const [held] = await outcomeStats.held(
      product.scope(deal.buyerId),
      deal.disputeId,
      new FiguresAllowance({ counted: 0, single: 0 }),
    );
    expect(held?.amount.toString()).toBe('3');
  });

  test('and what it adds to a minimum, or by tiers, within what may be reckoned with', async () => {
    const least = await disputed({ prices: price(perUnit('1')), minimum: { quantity: '11' } });
    // The period is not over, so that the minimum is not owed yet.
    expect(await statsOf(least, {})).toEqual(['DISPUTED 2 0 2', 'MATURED 10 10 -']);
    product.setClock(new Date('2026-12-02T00:00:00Z'));
    // Eleven are owed at least: with the two that are held there are twelve.
    expect(await statsOf(least, {})).toEqual(['DISPUTED 2 0 1', 'MATURED 10 10 -']);
    product.setClock(NOW);

    const tiered = await disputed({ prices: TIERS });
    expect(await statsOf(tiered, { single: 34 })).toEqual(['DISPUTED 2 0 2', 'MATURED 10 15 -']);
    await expect(statsOf(tiered, { single: 33 })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    const { outcomeStats } = product.app.services;
    const heldWith = (single: number) =>
      outcomeStats.held(
        product.scope(tiered.buyerId),
        tiered.disputeId,
        new FiguresAllowance({ counted: 100, single }),
      );
    await expect(heldWith(19)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    expect((await heldWith(20)).map(({ amount }) => amount.toString())).toEqual(['2']);
  });
});

test('all figures of one request draw on the same allowance', async () => {
  const deal = await aDealOf(1, { prices: TIERS });
  await asSuperuser(
    product.database,
    `insert into outcome (tenant_id, id, rule_id, version_id, version_number, contract_id, currency, event_id, source, started_at,
       occurred_at, matures_at, period_at, judged_state, is_live, is_free, units, reimbursement, attributes, agents, fact_ids,
       n, created_at, changed_at)
     select tenant_id, id || i, rule_id, version_id, version_number, contract_id, currency, event_id || i, source, started_at,
       occurred_at, matures_at, period_at, judged_state, is_live, is_free, units, reimbursement, attributes, agents, fact_ids,
       n, created_at, changed_at
     from outcome, generate_series(1, 50999) i where tenant_id = $1`,
    [deal.buyerId],
  );
  const stats = `stats(tenantId: "${deal.buyerId}", from: "2026-11-01T00:00:00Z", until: "2026-12-01T00:00:00Z") { count amount { amount } }`;
  const ask = (fields: string) =>
    product.graphql(product.platformKey, `query ($id: ID!) { node(id: $id) { ... on OutcomeRule { ${fields} } } }`, {
      id: deal.ruleId,
    });
  const whole = [{ count: 51_000, amount: { amount: '51005' } }];
  expect((await ask(`a: ${stats}`)).data.node).toEqual({ a: whole });
  // The allowance is of the request, and not of the key or the process.
  expect((await ask(`a: ${stats}`)).data.node).toEqual({ a: whole });
  const { errors } = await ask(`a: ${stats} b: ${stats}`);
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['INVALID_INPUT']);
  expect(errors?.[0]?.message).toMatch(/^more than 100000 outcomes would be reckoned with one by one for one request/);
}, 60_000);
