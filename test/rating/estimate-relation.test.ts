import { randomUUID } from 'node:crypto';
import {
  aContract,
  aMeter,
  anOutcomeRule,
  anOutcomeVersion,
  aPriceBook,
  aTenant,
  perUnit,
  rate,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

/* What an estimate says of usage that outcomes replace or stand for, beside what rating makes of the same usage. */

const OCTOBER = new Date('2026-10-01T00:00:00Z');
const NOW = new Date('2026-11-20T12:07:00Z');

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: OCTOBER });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

interface Deal {
  readonly buyerId: string;
  readonly bookId: string;
  readonly meterId: string;
  readonly eventType: string;
  readonly key: string;
}

/** A buyer of tokens at a dollar each. */
async function aDeal(): Promise<Deal> {
  const eventType = `chat.${randomUUID()}`;
  const meterId = await aMeter(product, {
    key: `t_${randomUUID().replaceAll('-', '')}`,
    eventType,
    keepsEvents: true,
  });
  const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
  const buyerId = await aTenant(product);
  await aContract(product, { buyerId, bookId });

  return { buyerId, bookId, meterId, eventType, key: await aKey(product.app, product.scope(buyerId)) };
}

/** A rule of the deal's book from October on, of a key that says what it does. */
async function aRule({ bookId }: Deal, key: string, usage: object | null): Promise<string> {
  const { ruleId } = await anOutcomeRule(product, { bookId, key, publishedAt: OCTOBER, terms: { usage } as never });
  product.setClock(NOW);

  return ruleId;
}

const ESTIMATE = `query ($input: CostEstimateInput!) { viewer { tenant { costEstimate(input: $input) {
  expected { amount } worst { amount } items { meterId outcomeRelations { relation outcomeRuleId sentence } } } } } }`;

const estimateOf = async ({ key, eventType }: Deal) => {
  const { data, errors } = await product.graphql(key, ESTIMATE, {
    input: { eventType, properties: { model: 'm', tokens: 7 } },
  });
  expect(errors).toBeUndefined();
  const { expected, worst, items } = data.viewer.tenant.costEstimate;

  return { amounts: [expected.amount, worst.amount], relations: items[0].outcomeRelations };
};

/** What the usage of a conversation is charged, in which something may be resolved. */
async function usageCharged({ buyerId, eventType, meterId }: Deal, isResolved: boolean): Promise<string> {
  const subject = randomUUID();
  const event = (type: string, properties: object) => ({
    id: randomUUID(),
    type,
    time: NOW.toISOString(),
    subject,
    properties,
    tenant: buyerId,
  });
  const charged = async () => {
    const [row] = await asSuperuser<{ amount: string }>(
      product.database,
      `select trim_scale(coalesce(sum(amount), 0))::text as amount from charge where tenant_id = $1 and meter_id = $2`,
      [buyerId, meterId],
    );

    return Number(row?.amount);
  };
  const before = await charged();
  const events = [
    event(eventType, { model: 'm', tokens: 7 }),
    ...(isResolved ? [event('conversation.resolved', {})] : []),
  ];
  await product.app.services.usage.accept(product.scope(), events, { keyId: 'key_of_a_test', isDryRun: false });
  await rate(product, buyerId);

  return String((await charged()) - before);
}

const WHOLE = ['7', '7'];

test('usage that no rule names is what it is, as where outcomes come on top', async () => {
  const deal = await aDeal();
  expect(await estimateOf(deal)).toEqual({ amounts: WHOLE, relations: [] });
  await aRule(deal, 'on_top', { relation: 'ADD', meterIds: [deal.meterId] });
  await aRule(deal, 'of_nothing', null);
  product.setClock(new Date(NOW.getTime() + 5_000));
  expect(await estimateOf(deal)).toEqual({ amounts: WHOLE, relations: [] });
  expect(await usageCharged(deal, true)).toBe('7');
});

test('usage that outcomes replace is told to be so, at the amounts that holds need, and is not charged', async () => {
  const deal = await aDeal();
  const ruleId = await aRule(deal, 'replaces', { relation: 'REPLACE', meterIds: [deal.meterId] });
  expect(await estimateOf(deal)).toEqual({
    amounts: WHOLE,
    relations: [
      {
        relation: 'REPLACE',
        outcomeRuleId: ruleId,
        sentence: 'Outcomes of rule replaces are charged in the place of this usage: it is not charged.',
      },
    ],
  });
  expect(await usageCharged(deal, false)).toBe('0');
  expect(await usageCharged(deal, true)).toBe('0');
});

test('usage that an outcome may stand for is charged until there is one, and is told so', async () => {
  const deal = await aDeal();
  const ruleId = await aRule(deal, 'stands_for', { relation: 'FALLBACK', meterIds: [deal.meterId] });
  expect(await estimateOf(deal)).toEqual({
    amounts: WHOLE,
    relations: [
      {
        relation: 'FALLBACK',
        outcomeRuleId: ruleId,
        sentence:
          'This usage is charged unless an outcome of rule stands_for is achieved for its subject: then it is not.',
      },
    ],
  });
  expect(await usageCharged(deal, false)).toBe('7');
  expect(await usageCharged(deal, true)).toBe('0');
});

test('a version that does not hold yet replaces nothing, and one from a quarter hour on all of that quarter hour', async () => {
  const deal = await aDeal();
  const ruleId = await aRule(deal, 'later', null);
  const usage = { relation: 'REPLACE' as const, meterIds: [deal.meterId] };
  await anOutcomeVersion(product, { ruleId, effectiveAt: new Date('2026-11-20T12:20:00Z'), terms: { usage } });
  const at = async (time: string) => {
    product.setClock(new Date(time));

    return (await estimateOf(deal)).relations.map(({ relation }: { relation: string }) => relation) as string[];
  };
  expect(await at('2026-11-20T12:14:50Z')).toEqual([]);
  // The version holds for a part of the quarter hour, whose usage is replaced whole.
  expect(await at('2026-11-20T12:15:01Z')).toEqual(['REPLACE']);
  expect(await at('2026-11-20T13:00:00Z')).toEqual(['REPLACE']);
});

test('a tenant without a contract has no rules, and a call is held at its worst whatever outcomes make of it', async () => {
  const deal = await aDeal();
  await aRule(deal, 'replaces', { relation: 'REPLACE', meterIds: [deal.meterId] });
  const estimate = await product.app.services.estimates.estimate(product.scope(deal.buyerId), {
    eventType: deal.eventType,
    model: null,
    serviceTier: null,
    tokens: [],
    properties: { model: 'm', tokens: 7 },
  });
  expect(estimate.worst?.toString()).toBe('7');
  expect(await product.app.services.estimates.relations(product.scope(await aTenant(product)))).toEqual([]);
});
