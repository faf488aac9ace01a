import { randomUUID } from 'node:crypto';
import { aTenant } from '../../support/builders.js';
import { aKey, aProduct, type Answer, type Product } from '../../support/product.js';
import { monthOf, readAll } from './reading.js';

/** What the people of a platform may do, each with a key of their own. */
const ROLES = {
  prices: ['pricing:read', 'pricing:write'],
  contracts: ['contracts:write'],
  sends: ['usage:write'],
  verifies: ['outcomes:verify'],
  reverses: ['outcomes:reverse'],
  decides: ['outcomes:decide'],
  issues: ['billing:read', 'billing:write'],
  reads: [
    'tenants:read',
    'usage:read',
    'pricing:read',
    'billing:read',
    'outcomes:read',
    'audit:read',
    'alerts:read',
    'costs:read',
  ],
} as const;

/** The product, and a key of the platform for each role. */
export interface Market {
  readonly product: Product;
  readonly keys: Readonly<Record<keyof typeof ROLES, string>>;
}

/** A book and a buyer under a contract on it. */
export interface Sale extends Market {
  readonly buyerId: string;
  readonly bookId: string;
  readonly contractId: string;
  readonly timeZone: string;
  /** The buyer's own keys. */
  readonly buyer: { readonly verifies: string; readonly disputes: string };
}

/** A rule of the book with the version that was published first. */
export interface Rule {
  readonly ruleId: string;
  readonly versionId: string;
}

/** An event as a sender tells it. */
export interface Sent {
  readonly type: string;
  readonly time: string;
  readonly subject?: string;
  readonly id?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** What a test says of terms: as the mutation takes them, with whatever has a default left out. */
export type Terms = Readonly<Record<string, unknown>>;

// The answers of GraphQL have the shape of the query; each test asserts what it asks for.
type Data = Answer['data'];

export const instant = (text: string): Date => new Date(text);

/** So many hours after an instant. */
export const later = (time: string, hours: number): string =>
  new Date(Date.parse(time) + hours * 3_600_000).toISOString();

/** The event that claims an outcome, unless a rule says otherwise. */
export const CLAIM = 'conversation.resolved';

/** So many of something. */
export const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Prices: so much for each unit. */
export const each = (unitAmount: string, currency = 'USD'): readonly Terms[] => [
  { name: 'Each', currency, terms: { model: 'UNIT', unitAmount } },
];

/** Prices: 0.95 for each of the first 50, 0.90 for each of the next 50, then 0.85. */
export const graduated = (model = 'GRADUATED'): readonly Terms[] => [
  {
    name: 'Graduated',
    currency: 'USD',
    terms: {
      model,
      tiers: [
        { upTo: '50', unitAmount: '0.95' },
        { upTo: '100', unitAmount: '0.90' },
        { upTo: '300', unitAmount: '0.85' },
        { upTo: null, unitAmount: '0.85' },
      ],
    },
  },
];

export async function aMarket(): Promise<Market> {
  const product = await aProduct({ now: instant('2026-01-01T00:00:00Z') });
  const keys: Partial<Record<keyof typeof ROLES, string>> = {};

  for (const [role, permissions] of Object.entries(ROLES)) {
    keys[role as keyof typeof ROLES] = await aKey(product.app, product.scope(), permissions);
  }

  return { product, keys: keys as Market['keys'] };
}

/** A buyer whose contract begins at an instant, to which the clock is moved; on a book of its own, or on a given one. */
export async function aSale(
  market: Market,
  given: {
    readonly opensAt?: string;
    readonly startsAt?: string;
    readonly timeZone?: string;
    readonly currency?: string;
    readonly graceHours?: number;
    readonly bookId?: string;
  } = {},
): Promise<Sale> {
  const { product, keys } = market;
  const { opensAt = '2026-11-01T00:00:00Z', timeZone = 'UTC', currency = 'USD', graceHours = 24 } = given;
  product.setClock(instant(opensAt));
  const bookId = given.bookId ?? (await aBook(market, currency));
  const buyerId = await aTenant(product, { timeZone, currency });
  const { contract } = await mutate(product, keys.contracts, 'contractCreate', 'contract { id }', {
    buyerId,
    priceBookId: bookId,
    startsAt: given.startsAt ?? opensAt,
    currency,
    graceHours,
  });
  const buyer = {
    verifies: await aKey(product.app, product.scope(buyerId), ['outcomes:verify']),
    disputes: await aKey(product.app, product.scope(buyerId), ['outcomes:dispute']),
  };

  return { ...market, buyerId, bookId, contractId: contract.id, timeZone, buyer };
}

/** A price book without prices of usage. */
export async function aBook({ product, keys }: Market, currency = 'USD'): Promise<string> {
  const { priceBook } = await mutate(product, keys.prices, 'priceBookCreate', 'priceBook { id }', {
    name: `Book ${randomUUID()}`,
    currency,
  });

  return priceBook.id;
}

/** A rule that is published now, from now or a later instant on: 0.99 USD for each `CLAIM`, unless the terms differ. */
export async function aRule(
  sale: Pick<Sale, 'product' | 'keys' | 'bookId'>,
  terms: Terms = {},
  given: { readonly key?: string; readonly effectiveAt?: string } = {},
): Promise<Rule> {
  const { outcomeRule } = await mutate(sale.product, sale.keys.prices, 'outcomeRuleCreate', 'outcomeRule { id }', {
    priceBookId: sale.bookId,
    key: given.key ?? 'resolution',
    name: 'Resolution',
  });

  return { ruleId: outcomeRule.id, versionId: await aVersion(sale, outcomeRule.id, terms, given.effectiveAt) };
}

/** Another version of a rule, published now, from now or a later instant on. Its id. */
export async function aVersion(
  sale: Pick<Sale, 'product' | 'keys'>,
  ruleId: string,
  terms: Terms,
  effectiveAt?: string,
): Promise<string> {
  const outcomeRuleVersionId = await aDraft(sale, ruleId, terms);
  const input = effectiveAt ? { outcomeRuleVersionId, effectiveAt } : { outcomeRuleVersionId };
  await mutate(sale.product, sale.keys.prices, 'outcomeRuleVersionPublish', 'outcomeRuleVersion { id }', input);

  return outcomeRuleVersionId;
}

/** A version of a rule that is not published. Its id. */
export async function aDraft(
  { product, keys }: Pick<Sale, 'product' | 'keys'>,
  ruleId: string,
  terms: Terms,
): Promise<string> {
  const { outcomeRuleVersion } = await mutate(
    product,
    keys.prices,
    'outcomeRuleVersionCreate',
    'outcomeRuleVersion { id }',
    { outcomeRuleId: ruleId, terms: { claim: { eventType: CLAIM }, prices: each('0.99'), ...terms } },
  );

  return outcomeRuleVersion.id;
}

/** Mutations whose input takes no idempotency key. */
const ALWAYS_ANEW = new Set(['outcomeClaim', 'outcomeRuleVersionPublish']);

/** The payload of a mutation, refused or not. */
export async function ask(product: Product, key: string, mutation: string, want: string, input: object): Promise<Data> {
  const type = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
  const { data, errors } = await product.graphql(
    key,
    `mutation ($input: ${type}!) { ${mutation}(input: $input) { ${want} userErrors { code message field } } }`,
    { input: ALWAYS_ANEW.has(mutation) ? input : { idempotencyKey: randomUUID(), ...input } },
  );

  if (errors) {
    throw new Error(JSON.stringify(errors));
  }

  return data[mutation];
}

/** The payload of a mutation that is not refused. */
export async function mutate(
  product: Product,
  key: string,
  mutation: string,
  want: string,
  input: object,
): Promise<Data> {
  const { userErrors, ...payload } = await ask(product, key, mutation, want, input);
  expect(userErrors).toEqual([]);

  return payload;
}

/** Events by POST /v1/usage, in batches, every one accepted; by the platform's key unless told otherwise. */
export async function send(sale: Sale, events: readonly Sent[], key = sale.keys.sends): Promise<void> {
  for (let from = 0; from < events.length; from += 5_000) {
    const batch = events
      .slice(from, from + 5_000)
      .map(event => ({ id: randomUUID(), properties: {}, ...event, tenant: sale.buyerId }));
    expect(await sale.product.postUsage(key, batch)).toEqual({
      status: 200,
      body: { accepted: batch.length, duplicates: [], conflicts: [], rejected: [] },
    });
  }
}

/** Judges what came in and what is due, and charges it, as the jobs do; at an instant, when given. */
export async function work(sale: Sale, now?: string): Promise<void> {
  if (now) {
    sale.product.setClock(instant(now));
  }

  const { outcomes, rating } = sale.product.app.services;
  await outcomes.settle(sale.product.scope(sale.buyerId));
  await rating.rate(sale.product.scope(sale.buyerId));
}

/** Events that arrive at an instant, and are judged and charged then. */
export async function arrive(sale: Sale, now: string, events: readonly Sent[]): Promise<void> {
  sale.product.setClock(instant(now));
  await send(sale, events);
  await work(sale);
}

/** A sale with one rule and these events, which arrive on 21 November and are judged and charged then. */
export async function charged(market: Market, terms: Terms, events: readonly Sent[]): Promise<Sale & Rule> {
  const sale = await aSale(market);
  const rule = await aRule(sale, terms);
  await arrive(sale, '2026-11-21T00:00:00Z', events);

  return { ...sale, ...rule };
}

/** What the job does when a contract was made, or rules were published: judges and charges from an instant on anew. */
export async function workAnew(sale: Sale, from: string): Promise<void> {
  await sale.product.app.services.rating.rerate(sale.product.scope(sale.buyerId), instant(from));
}

/** Issues the draft of the period that begins in a month. The invoice's id. */
export async function issue(sale: Sale, month: string): Promise<string> {
  const drafts = await readAll(sale, 'invoices', 'id status periodStart');
  const draft = drafts.find(({ status, periodStart }) => status === 'DRAFT' && monthOf(sale, periodStart) === month);
  const { invoice } = await mutate(sale.product, sale.keys.issues, 'invoiceIssue', 'invoice { id }', {
    tenantId: sale.buyerId,
    invoiceId: draft?.id ?? `no draft of ${month}`,
  });

  return invoice.id;
}

/** Says of outcomes whether they are true, as a language model does unless told otherwise. */
export async function verify(sale: Sale, outcomeIds: readonly string[], said: object = {}): Promise<void> {
  await mutate(sale.product, sale.keys.verifies, 'outcomeVerify', 'outcomes { id }', {
    tenantId: sale.buyerId,
    outcomeIds,
    passes: true,
    verifier: 'LLM',
    ...said,
  });
}
