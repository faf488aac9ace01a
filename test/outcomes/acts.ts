import { randomUUID } from 'node:crypto';
import type { OutcomeTermsJson } from '../../src/outcomes/outcome-terms.rules.js';
import { inTransaction, query } from '../../src/platform/index.js';
import { aContract, aMeter, anOutcomeRule, aPriceBook, aTenant, perMillion } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, type Product } from '../support/product.js';

/** When the rules of these tests take effect. */
export const START = new Date('2026-10-01T00:00:00Z');

/** Terms of a rule, in which whatever has a default may be left out, at every depth. */
export type Terms = Readonly<Record<string, unknown>>;

/** A buyer under a contract whose book has one rule of the platform; keys of both sides. */
export interface Deal {
  readonly buyerId: string;
  readonly bookId: string;
  readonly contractId: string;
  readonly ruleId: string;
  readonly versionId: string;
  /** Of the platform: it claims. */
  readonly claims: string;
  /** Another one of the platform. */
  readonly seller: string;
  readonly buyer: string;
}

/** A deal about resolved conversations at $0.99, with these terms besides. */
export async function aDeal(product: Product, terms: Terms = {}, timeZone = 'UTC'): Promise<Deal> {
  const meterId = await aMeter(product);
  const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('1') }] });
  const buyerId = await aTenant(product, { timeZone });
  const contractId = await aContract(product, { buyerId, bookId });
  const now = product.app.clock();
  const rule = await anOutcomeRule(product, {
    bookId,
    terms: terms as Partial<OutcomeTermsJson>,
    publishedAt: START,
  });
  product.setClock(now);

  return {
    buyerId,
    bookId,
    contractId,
    ...rule,
    claims: await aKey(product.app, product.scope()),
    seller: await aKey(product.app, product.scope()),
    buyer: await aKey(product.app, product.scope(buyerId)),
  };
}

const OUTCOME = 'id state reason subject occurredAt maturesAt verifiedAt units value { amount currency } insteadId';
const REFUSALS = 'userErrors { code message field }';
const DISPUTE = `id reason evidence openedBy openedAt respondBy outcomeCount heldCount acceptedCount rejectedCount
  outcomes(first: 100) { edges { node { id state reason } } }`;
const AUDIT = `id outcomeRuleId contractId periodStart periodEnd population sampleOutcomeIds wrongOutcomeIds tolerance
  isBeyondTolerance createdAt finishedAt`;

/** What each mutation is asked for. */
const SELECTIONS: Readonly<Record<string, string>> = {
  outcomeClaim: `outcomes { ${OUTCOME} } ${REFUSALS}`,
  outcomeVerify: `outcomes { ${OUTCOME} } replayed ${REFUSALS}`,
  outcomeReverse: `outcomes { ${OUTCOME} } replayed ${REFUSALS}`,
  outcomeDisputeOpen: `outcomeDispute { ${DISPUTE} } replayed ${REFUSALS}`,
  outcomeDisputeDecide: `outcomeDispute { ${DISPUTE} } replayed ${REFUSALS}`,
  outcomeSampleAuditStart: `outcomeSampleAudit { ${AUDIT} } replayed ${REFUSALS}`,
  outcomeSampleAuditFinish: `outcomeSampleAudit { ${AUDIT} } replayed ${REFUSALS}`,
};

/** What a mutation answers, as a test asserts it. */
export type Payload = Awaited<ReturnType<Product['graphql']>>['data'];

/** Calls a mutation by its name, with an idempotency key where it takes one; the payload. */
export async function call(product: Product, key: string, mutation: string, input: object): Promise<Payload> {
  const named = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
  const once = mutation === 'outcomeClaim' ? {} : { idempotencyKey: randomUUID() };
  const { data, errors } = await product.graphql(
    key,
    `mutation ($input: ${named}!) { ${mutation}(input: $input) { ${SELECTIONS[mutation] ?? ''} } }`,
    { input: { ...once, ...input } },
  );

  if (errors) {
    throw new Error(JSON.stringify(errors));
  }

  return data[mutation];
}

/** An event that claims a resolution. */
export function aClaim(event: {
  readonly id?: string;
  readonly time: string;
  readonly subject?: string;
  readonly properties?: object;
}) {
  const { id = randomUUID(), subject = randomUUID(), properties = {}, time } = event;

  return { id, type: 'conversation.resolved', time, subject, properties };
}

/** Claims one outcome with the deal's claiming key, and returns it. */
export async function claimed(
  product: Product,
  deal: Deal,
  event: { readonly time: string; readonly subject?: string; readonly properties?: object },
): Promise<Payload> {
  const { outcomes, userErrors } = await call(product, deal.claims, 'outcomeClaim', {
    tenantId: deal.buyerId,
    event: aClaim(event),
  });

  if (outcomes.length !== 1) {
    throw new Error(JSON.stringify({ outcomes, userErrors }));
  }

  return outcomes[0];
}

/** Claims so many outcomes of one instant as usage is recorded, and judges them; their ids in order. */
export async function manyClaimed(product: Product, deal: Deal, count: number, time: string): Promise<string[]> {
  const events = Array.from({ length: count }, () => ({ ...aClaim({ time }), tenant: deal.buyerId }));
  await product.app.services.usage.accept(product.scope(), events, { keyId: 'key_of_a_test', isDryRun: false });
  await product.app.services.outcomes.settle(product.scope(deal.buyerId));
  const rows = await inTransaction(product.scope(deal.buyerId), tx =>
    query<{ id: string }>(tx, 'select id from outcome where event_id = any ($1::text[]) order by id', [
      events.map(({ id }) => id),
    ]),
  );

  return rows.map(({ id }) => id);
}

/** Where outcomes stand, by id, with why. */
export async function standing(product: Product, ids: readonly string[]): Promise<Record<string, string>> {
  const rows = await asSuperuser<{ id: string; text: string }>(
    product.database,
    `select id, concat_ws(' ', state, reason) as text from outcome where id = any ($1::text[])`,
    [ids],
  );

  return Object.fromEntries(rows.map(({ id, text }) => [id, text]));
}

/** The states that an outcome went through. */
export async function steps(product: Product, id: string): Promise<string[]> {
  const rows = await asSuperuser<{ text: string }>(
    product.database,
    `select concat_ws(' ', from_state, '→', to_state, reason) as text from outcome_transition where outcome_id = $1 order by n`,
    [id],
  );

  return rows.map(({ text }) => text);
}

/** Everything there is, table by table; when a key was last used is not a change. */
export async function everything(product: Product): Promise<Record<string, string>> {
  const tables = await asSuperuser<{ name: string }>(
    product.database,
    `select relname::text as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  );
  const hashOf = (name: string): string =>
    `select '${name}' as name, count(*) || ' ' || coalesce(md5(string_agg(line, '' order by line)), '') as text
     from (select (to_jsonb(t) - 'last_used_at')::text as line from ${name} t) lines`;
  const hashes = await asSuperuser<{ name: string; text: string }>(
    product.database,
    tables.map(({ name }) => hashOf(name)).join(' union all '),
  );

  return Object.fromEntries(hashes.map(({ name, text }) => [name, text]));
}

/** Calls what is to be refused, sees that nothing at all changed by it, and returns the only refusal. */
export async function refusedCall(product: Product, key: string, mutation: string, input: object): Promise<Payload> {
  const before = await everything(product);
  const { userErrors } = await call(product, key, mutation, input);
  expect(await everything(product)).toEqual(before);
  expect(userErrors).toHaveLength(1);

  return userErrors[0];
}

/** The audit lines of a tenant with this action, the last one first. */
export async function auditOf(product: Product, tenantId: string, action: string): Promise<Payload[]> {
  return asSuperuser(
    product.database,
    'select subject_id as "subjectId", actor_id as "actorId", after from audit_line where tenant_id = $1 and action = $2 order by seq desc',
    [tenantId, action],
  );
}
