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

/*
 * What a buyer reads of the rule that it is billed by: the seller's words as both agreed, and nothing else of the seller.
 */

const OCTOBER = new Date('2026-10-01T00:00:00Z');
const NOVEMBER = new Date('2026-11-01T00:00:00Z');
const NOW = new Date('2026-11-20T12:00:00Z');
const DECEMBER = new Date('2026-12-01T00:00:00Z');
const price = (name: string, currency: string, unitAmount: string, pattern = {}) => ({
  name,
  currency,
  pattern,
  terms: perUnit(unitAmount),
});

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  meterId = await aMeter(product, { eventType: 'nothing.happens' });
});

beforeEach(() => product.setClock(NOW));

afterAll(() => product.close());

const PERMISSIONS = ['pricing:read', 'outcomes:read', 'billing:read', 'costs:read', 'outcomes:dispute'];

interface Deal {
  readonly bookId: string;
  readonly ruleId: string;
  /** Published in October. */
  readonly versionId: string;
  readonly buyerId: string;
  /** Of the buyer. */
  readonly key: string;
}

const aBook = () => aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });

/** A book with a rule from October on, and one buyer on it. */
async function aDeal(terms: object = {}, contract: { readonly startsAt?: Date } = {}): Promise<Deal> {
  // What is made later has the later id.
  product.setClock(OCTOBER);
  const { bookId } = await aBook();
  const rule = await anOutcomeRule(product, { bookId, publishedAt: OCTOBER, terms: terms as never });
  product.setClock(NOW);

  return { bookId, ...rule, ...(await aBuyer(bookId, contract)) };
}

async function aBuyer(bookId: string, contract: { readonly startsAt?: Date } = {}) {
  const buyerId = await aTenant(product);
  await aContract(product, { buyerId, bookId, ...contract });

  return { buyerId, key: await aKey(product.app, product.scope(buyerId), PERMISSIONS) };
}

async function aDraft(ruleId: string): Promise<string> {
  const { version } = await product.app.services.outcomeRules.createVersion(product.scope(), {
    outcomeRuleId: ruleId,
    terms: { claim: { eventType: 'secret.event' }, prices: [price('Secret', 'USD', '7')] },
    idempotencyKey: randomUUID(),
  });

  return version.id;
}

const VERSION = `id number status effectiveAt terms {
  claim { eventType filter } maturationHours exclusions { reason filter } quality { property minimum }
  reversal { windowHours } anomaly { factor } prices { name currency terms { unitAmount } }
  caps { mode count amount { amount currency } } minimum { quantity amount { amount currency } } }`;

const node = async (key: string, id: string, selection: string, tenantId: string | null = null) => {
  const { data, errors } = await product.graphql(
    key,
    `query ($id: ID!, $tenantId: ID) { node(id: $id, tenantId: $tenantId) { __typename id ${selection} } }`,
    { id, tenantId },
  );
  expect(errors).toBeUndefined();

  return data.node;
};

const version = (key: string, id: string) => node(key, id, `... on OutcomeRuleVersion { ${VERSION} }`);

/** The numbers of the versions that a key is shown of a rule, newest first; null where it is shown no rule. */
const numbers = async (key: string, ruleId: string): Promise<number[] | null> => {
  const rule = await node(key, ruleId, '... on OutcomeRule { versions { edges { node { id number } } } }');
  const edges: { node: { id: string; number: number } }[] = rule?.versions.edges ?? [];

  // Whatever is listed is a node, too.
  for (const { node: listed } of edges) {
    expect(await node(key, listed.id, '... on OutcomeRuleVersion { number }')).toMatchObject({ number: listed.number });
  }

  return rule && edges.map(edge => edge.node.number);
};

const claim = async (buyerId: string, time: string): Promise<void> => {
  const receipt = await product.app.services.usage.accept(
    product.scope(),
    [
      {
        id: randomUUID(),
        type: 'conversation.resolved',
        time,
        subject: randomUUID(),
        properties: { tier: 2 },
        tenant: buyerId,
      },
    ],
    { keyId: 'key_of_a_test', isDryRun: false },
  );
  expect(receipt).toMatchObject({ accepted: 1 });
  await rate(product, buyerId);
};

/** Issues the invoice of October. */
async function issue(buyerId: string): Promise<string> {
  const { invoicing } = product.app.services;
  const drafts = await invoicing.list(product.scope(buyerId), { first: 10 });
  const id = drafts.find(({ periodStart }) => periodStart.getTime() === OCTOBER.getTime())?.id ?? '';
  await invoicing.issue(product.scope(buyerId), {
    invoiceId: id,
    acceptUnpriced: false,
    idempotencyKey: randomUUID(),
  });

  return id;
}

describe('a buyer reads the rule that judges its outcomes', () => {
  test('by its id, from an outcome and from a receipt: the very words, in its own currency', async () => {
    const deal = await aDeal({
      claim: { eventType: 'conversation.resolved', filter: 'properties.tier != 1' },
      exclusions: [{ reason: 'GREETING', filter: 'properties.tier == 3', scope: 'SUBJECT', withinHours: 0 }],
      quality: { property: 'score', minimum: '4', whenMissing: 'ACCEPT' },
      reversal: { windowHours: 72 },
      anomaly: { factor: '3', leastClaims: 100 },
      prices: [price('Dollars', 'USD', '0.99'), price('Rupees', 'INR', '80')],
      caps: [
        { mode: 'HARD', per: 'PERIOD', amount: { amount: '8000', currency: 'INR' } },
        { mode: 'SOFT', per: 'DAY', count: '50' },
        { mode: 'FREE', per: 'PERIOD', amount: { amount: '500', currency: 'USD' } },
      ],
      minimum: { amount: { amount: '4000', currency: 'INR' } },
    });
    const told = {
      __typename: 'OutcomeRuleVersion',
      id: deal.versionId,
      number: 1,
      status: 'PUBLISHED',
      effectiveAt: OCTOBER.toISOString(),
      terms: {
        claim: { eventType: 'conversation.resolved', filter: 'properties.tier != 1' },
        maturationHours: 0,
        exclusions: [{ reason: 'GREETING', filter: 'properties.tier == 3' }],
        quality: { property: 'score', minimum: '4' },
        reversal: { windowHours: 72 },
        anomaly: { factor: '3' },
        prices: [{ name: 'Dollars', currency: 'USD', terms: { unitAmount: '0.99' } }],
        caps: [
          { mode: 'SOFT', count: '50', amount: null },
          { mode: 'FREE', count: null, amount: { amount: '500', currency: 'USD' } },
        ],
        minimum: null,
      },
    };
    expect(await version(deal.key, deal.versionId)).toEqual(told);

    await claim(deal.buyerId, '2026-10-10T08:00:00Z');
    const invoiceId = await issue(deal.buyerId);
    const rule = 'outcomeRule { id key name priceBookId }';
    const { data, errors } = await product.graphql(
      deal.key,
      `query ($id: ID!) {
        viewer { tenant { outcomes { edges { node { outcomeRuleVersion { __typename ${VERSION} ${rule} } } } } } }
        node(id: $id) { ... on Invoice { outcomeReceipts { edges { node {
          id outcomeRuleVersion { __typename ${VERSION} ${rule} } } } } } } }`,
      { id: invoiceId },
    );
    expect(errors).toBeUndefined();
    const known = {
      ...told,
      outcomeRule: {
        id: deal.ruleId,
        key: expect.stringMatching(/^rule_/),
        name: 'Resolution',
        priceBookId: deal.bookId,
      },
    };
    expect(data.viewer.tenant.outcomes.edges).toEqual([{ node: { outcomeRuleVersion: known } }]);
    const [{ node: receipt }] = data.node.outcomeReceipts.edges;
    expect(receipt.outcomeRuleVersion).toEqual(known);

    // A receipt is found by its id, with both permissions that it takes.
    const sealed = '... on OutcomeReceipt { invoiceId amount { amount } outcomeRuleVersion { id } }';
    expect(await node(deal.key, receipt.id, sealed)).toEqual({
      __typename: 'OutcomeReceipt',
      id: receipt.id,
      invoiceId,
      amount: { amount: '0.99' },
      outcomeRuleVersion: { id: deal.versionId },
    });

    for (const missing of ['outcomes:read', 'billing:read']) {
      const others = PERMISSIONS.filter(permission => permission !== missing);
      const blind = await aKey(product.app, product.scope(deal.buyerId), others);
      expect(await node(blind, receipt.id, '')).toBeNull();
    }

    expect(await node((await aBuyer(deal.bookId)).key, receipt.id, '')).toBeNull();

    // The seller reads all of it.
    const whole = await version(product.platformKey, deal.versionId);
    expect([whole.terms.prices.length, whole.terms.caps.length, whole.terms.minimum.amount.amount]).toEqual([
      2,
      3,
      '4000',
    ]);
  });

  test('with pricing:read, and whoever is above it reads it as it does', async () => {
    const resellerId = await aTenant(product, { kind: 'RESELLER' });
    const { bookId } = await aBook();
    const { ruleId, versionId } = await anOutcomeRule(product, {
      bookId,
      publishedAt: OCTOBER,
      terms: { prices: [price('Dollars', 'USD', '1'), price('Rupees', 'INR', '80')] },
    });
    product.setClock(NOW);
    const buyerId = await aTenant(product, { parentId: resellerId });
    await aContract(product, { buyerId, bookId });
    const blind = await aKey(product.app, product.scope(buyerId), ['outcomes:read']);
    expect(await node(blind, versionId, '')).toBeNull();
    expect(await node(blind, ruleId, '')).toBeNull();

    const above = await aKey(product.app, product.scope(resellerId));
    // It buys nothing itself.
    expect(await node(above, versionId, '')).toBeNull();
    const prices = '... on OutcomeRuleVersion { terms { prices { name } } }';
    expect(await node(above, versionId, prices, buyerId)).toMatchObject({ terms: { prices: [{ name: 'Dollars' }] } });
  });

  test('and its stats of itself, and never what the models cost the seller', async () => {
    const deal = await aDeal();
    await claim(deal.buyerId, '2026-11-10T08:00:00Z');
    const between = `from: "2026-11-01T00:00:00Z", until: "2026-12-01T00:00:00Z"`;
    const stats = `... on OutcomeRule { stats(tenantId: "${deal.buyerId}", ${between}) { state count amount { amount } } }`;
    expect(await node(deal.key, deal.ruleId, stats)).toMatchObject({
      stats: [{ state: 'MATURED', count: 1, amount: { amount: '0.99' } }],
    });
    const other = await aBuyer(deal.bookId);
    const ask = (key: string, field: string, tenantId: string) =>
      product.graphql(
        key,
        `query ($id: ID!) { node(id: $id) { ... on OutcomeRule { ${field}(tenantId: "${tenantId}", ${between}) { __typename } } } }`,
        { id: deal.ruleId },
      );
    const codesOf = async (answer: ReturnType<typeof ask>) =>
      ((await answer).errors ?? []).map(({ extensions }) => extensions.code);
    expect(await codesOf(ask(deal.key, 'margin', deal.buyerId))).toEqual(['FORBIDDEN']);
    expect(await codesOf(ask(deal.key, 'stats', other.buyerId))).toEqual(['NOT_FOUND']);
    expect(await codesOf(ask(product.platformKey, 'margin', deal.buyerId))).toEqual([]);
  });
});

describe('a buyer reads only versions that bear on its contract', () => {
  test('neither a draft, nor one withdrawn, nor one for another time; a scheduled one it does', async () => {
    // The first contract holds in November alone; versions hold from October, from mid November, and from December on.
    const deal = await aDeal({}, { startsAt: NOVEMBER });
    const middle = new Date('2026-11-25T00:00:00Z');
    const inNovember = await anOutcomeVersion(product, { ruleId: deal.ruleId, effectiveAt: middle });
    const draft = await aDraft(deal.ruleId);
    const withdrawn = await anOutcomeVersion(product, {
      ruleId: deal.ruleId,
      effectiveAt: new Date('2026-11-28T00:00:00Z'),
    });
    await product.app.services.outcomeRules.withdraw(product.scope(), withdrawn);
    const later = await anOutcomeVersion(product, { ruleId: deal.ruleId, effectiveAt: DECEMBER });
    expect(await numbers(deal.key, deal.ruleId)).toEqual([5, 2, 1]);

    const elsewhere = await aBook();
    await aContract(product, { buyerId: deal.buyerId, bookId: elsewhere.bookId, startsAt: DECEMBER });
    expect(await numbers(deal.key, deal.ruleId)).toEqual([2, 1]);

    for (const id of [draft, withdrawn, later]) {
      expect(await node(deal.key, id, '')).toBeNull();
      expect(await node(product.platformKey, id, '')).toMatchObject({ id });
    }

    // Somebody whose contract begins when the first version is gone.
    const newcomer = await aBuyer(deal.bookId, { startsAt: DECEMBER });
    expect(await numbers(newcomer.key, deal.ruleId)).toEqual([5]);
    expect(await node(newcomer.key, inNovember, '')).toBeNull();
  });

  test('as the version’s anchor has it: one that was in force when a subject began may judge later on', async () => {
    const deal = await aDeal({ versionAnchor: 'STARTED', startedProperty: 'startedAt' }, { startsAt: DECEMBER });
    await anOutcomeVersion(product, {
      ruleId: deal.ruleId,
      effectiveAt: new Date('2026-11-25T00:00:00Z'),
      terms: { versionAnchor: 'STARTED', startedProperty: 'startedAt' },
    });
    expect(await numbers(deal.key, deal.ruleId)).toEqual([2, 1]);
  });

  test('pinned to a version of the book, those that held when it began, for ever', async () => {
    const { bookId, versionId: pinned } = await aBook();
    const { ruleId } = await anOutcomeRule(product, { bookId, publishedAt: OCTOBER });
    product.setClock(NOW);
    await anOutcomeVersion(product, { ruleId, effectiveAt: DECEMBER });
    const buyerId = await aTenant(product);
    await product.app.services.contracts.create(product.scope(), {
      buyerId,
      priceBookId: bookId,
      priceBookVersionId: pinned,
      startsAt: NOVEMBER,
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });
    expect(await numbers(await aKey(product.app, product.scope(buyerId)), ruleId)).toEqual([1]);
  });

  test('and one that it was invoiced by, though a contract that begins in the past took its time away', async () => {
    const [billed, unbilled] = [await aDeal(), await aDeal()];
    const elsewhere = await aBook();

    for (const { buyerId } of [billed, unbilled]) {
      await claim(buyerId, '2026-10-10T08:00:00Z');
    }

    await issue(billed.buyerId);

    for (const { buyerId } of [billed, unbilled]) {
      await aContract(product, { buyerId, bookId: elsewhere.bookId, startsAt: new Date('2026-09-01T00:00:00Z') });
      await product.app.services.rating.rerate(product.scope(buyerId), new Date('2026-09-01T00:00:00Z'));
    }

    expect(await numbers(billed.key, billed.ruleId)).toEqual([1]);
    expect(await numbers(unbilled.key, unbilled.ruleId)).toBeNull();
  });

  test('in pages', async () => {
    const deal = await aDeal();
    await anOutcomeVersion(product, { ruleId: deal.ruleId, effectiveAt: new Date('2026-11-25T00:00:00Z') });
    await aDraft(deal.ruleId);
    await anOutcomeVersion(product, { ruleId: deal.ruleId, effectiveAt: DECEMBER });
    const page = async (after: string | null) => {
      const rule = await node(
        deal.key,
        deal.ruleId,
        `... on OutcomeRule { versions(first: 2, after: ${JSON.stringify(after)}) {
          edges { node { number } } pageInfo { hasNextPage endCursor } } }`,
      );
      const { edges, pageInfo } = rule.versions;

      return { numbers: edges.map((edge: { node: { number: number } }) => edge.node.number) as number[], ...pageInfo };
    };
    const first = await page(null);
    expect(first).toMatchObject({ numbers: [4, 2], hasNextPage: true });
    expect(await page(first.endCursor)).toMatchObject({ numbers: [1], hasNextPage: false });
  });
});

test('whoever does not buy under a rule is told of it what is told of a random id', async () => {
  const deal = await aDeal();
  const draft = await aDraft(deal.ruleId);
  const elsewhere = await aBook();
  const strangers = [
    await aBuyer(elsewhere.bookId),
    { key: await aKey(product.app, product.scope(await aTenant(product))) },
    { key: await aKey(product.app, product.scope(await aTenant(product, { kind: 'RESELLER' }))) },
  ];
  const random = (prefix: string) => `${prefix}_0123456789ABCDEFGHJKMNPQRS`;
  for (const { key } of strangers) {
    for (const id of [deal.ruleId, deal.versionId, draft, random('orl'), random('orv'), random('orc')]) {
      for (const tenantId of [null, deal.buyerId, product.platformId]) {
        expect(await node(key, id, '', tenantId)).toBeNull();
      }
    }
  }

  // Nor does a buyer act on it: what it reads stays the seller's.
  const { data } = await product.graphql(
    await aKey(product.app, product.scope(deal.buyerId)),
    `mutation ($input: OutcomeRuleVersionWithdrawInput!) { outcomeRuleVersionWithdraw(input: $input) { userErrors { code } } }`,
    { input: { outcomeRuleVersionId: deal.versionId } },
  );
  expect(data.outcomeRuleVersionWithdraw.userErrors).toEqual([{ code: 'NOT_FOUND' }]);
  expect(
    await asSuperuser(product.database, 'select status, withdrawn_at from outcome_rule_version where id = $1', [
      deal.versionId,
    ]),
  ).toEqual([{ status: 'PUBLISHED', withdrawn_at: null }]);
});

test('a list of outcomes asks once for the version that judged them all', async () => {
  const deal = await aDeal();

  for (let n = 0; n < 5; n++) {
    await claim(deal.buyerId, `2026-11-10T0${n}:00:00Z`);
  }

  const { agreedRules } = product.app.services;
  const caller = product.scope(deal.buyerId);
  const [one, again] = [
    agreedRules.versionOf(caller, deal.buyerId, deal.versionId),
    agreedRules.versionOf(caller, deal.buyerId, deal.versionId),
  ];
  expect(await one).toBe(await again);
  expect((await one)?.id).toBe(deal.versionId);
  // Another request asks anew, and each tenant for itself.
  expect(await agreedRules.versionOf(product.scope(deal.buyerId), deal.buyerId, deal.versionId)).not.toBe(await one);
  expect(await agreedRules.versionOf(caller, await aTenant(product), deal.versionId)).toBeNull();
});
