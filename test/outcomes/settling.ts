import { randomUUID } from 'node:crypto';
import { aContract, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import type { Product } from '../support/product.js';

/** When the rules of these tests take effect. */
const START = new Date('2026-10-01T00:00:00Z');

/** The type of event that a rule of these tests takes for a claim, of the rule's own. */
export const claimType = (): string => `chat.resolved.${randomUUID().slice(0, 8)}`;

/** A price book with a rule, published from the beginning of October 2026 on, and nobody on it yet. */
export interface Offer {
  readonly bookId: string;
  readonly ruleId: string;
  readonly versionId: string;
  readonly eventType: string;
}

/** A buyer on such a book from the beginning of 2020. */
export interface Sale extends Offer {
  readonly tenantId: string;
  readonly contractId: string;
}

/** A book with a rule: so much for each claim, unless the terms say otherwise. */
export async function anOffer(product: Product, terms: Readonly<Record<string, unknown>> = {}): Promise<Offer> {
  const { book } = await product.app.services.pricing.createBook(product.scope(), {
    name: `Book ${randomUUID()}`,
    currency: 'USD',
    idempotencyKey: randomUUID(),
  });
  const eventType = claimType();

  return {
    bookId: book.id,
    eventType,
    ...(await aRule(product, book.id, { claim: { eventType, filter: '' }, ...terms })),
  };
}

/** One more rule on a book. */
export async function aRule(
  product: Product,
  bookId: string,
  terms: Readonly<Record<string, unknown>>,
): Promise<{ readonly ruleId: string; readonly versionId: string }> {
  const scope = () => ({ ...product.scope(), now: START });
  const { outcomeRules } = product.app.services;
  const { rule } = await outcomeRules.create(scope(), {
    priceBookId: bookId,
    key: `rule_${randomUUID().replaceAll('-', '').slice(0, 12)}`,
    name: 'Resolution',
    idempotencyKey: randomUUID(),
  });
  const { version } = await outcomeRules.createVersion(scope(), {
    outcomeRuleId: rule.id,
    terms: {
      prices: [{ name: 'Resolution', currency: 'USD', pattern: {}, terms: { model: 'UNIT', unitAmount: '0.99' } }],
      ...terms,
    },
    idempotencyKey: randomUUID(),
  });
  await outcomeRules.publish(scope(), { versionId: version.id, effectiveAt: START });

  return { ruleId: rule.id, versionId: version.id };
}

/** A buyer under a contract about such a rule. */
export async function aSale(product: Product, terms: Readonly<Record<string, unknown>> = {}): Promise<Sale> {
  const offer = await anOffer(product, terms);
  const tenantId = await aTenant(product);
  const contractId = await aContract(product, { buyerId: tenantId, bookId: offer.bookId });

  return { ...offer, tenantId, contractId };
}

/** An event that somebody sends for a tenant. */
export interface Sent {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly subject?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

/** Sends events for a tenant, with the platform's key unless told otherwise, and answers what became of them. */
export async function send(
  product: Product,
  tenantId: string,
  events: readonly Sent[],
  key: string = product.platformKey,
) {
  const { body } = await product.postUsage(
    key,
    events.map(event => ({ tenant: tenantId, properties: {}, ...event })),
  );

  return body;
}

/** Judges what came in and what is due, as the job does. */
export async function settle(product: Product, tenantId: string): Promise<void> {
  await product.app.services.outcomes.settle(product.scope(tenantId));
}

/** The outcomes of a tenant by the ids of their claims: where they stand, and why. */
export async function standings(product: Product, tenantId: string): Promise<Record<string, string>> {
  const rows = await asSuperuser<{ event: string; text: string }>(
    product.database,
    `select event_id as event, concat_ws(' ', state, reason) as text from outcome where tenant_id = $1 order by event_id, id`,
    [tenantId],
  );

  return Object.fromEntries(rows.map(({ event, text }) => [event, text]));
}

/** Everything that is kept of a tenant's outcomes, but when and in which steps it came to that. */
export async function outcomesOf(product: Product, tenantId: string): Promise<Record<string, unknown>[]> {
  const rows = await asSuperuser<{ row: Record<string, unknown> }>(
    product.database,
    `select to_jsonb(o) - '{id,tenant_id,contract_id,n,created_at,changed_at}'::text[]
         || jsonb_build_object('instead', (select event_id from outcome w where w.tenant_id = o.tenant_id and w.id = o.instead)) as row
     from outcome o where tenant_id = $1 order by occurred_at, event_id, source, rule_id`,
    [tenantId],
  );

  return rows.map(({ row }) => row);
}

/** The transitions of a tenant's outcomes, each in words, by the id of the claim. */
export async function stepsOf(product: Product, tenantId: string): Promise<Record<string, string[]>> {
  const rows = await asSuperuser<{ event: string; steps: string[] }>(
    product.database,
    `select o.event_id as event,
       array_agg(concat_ws(' ', t.n, coalesce(t.from_state, '-'), t.to_state, t.reason) order by t.n) as steps
     from outcome o join outcome_transition t on t.tenant_id = o.tenant_id and t.outcome_id = o.id
     where o.tenant_id = $1 group by o.id, o.event_id order by o.event_id, o.id`,
    [tenantId],
  );

  return Object.fromEntries(rows.map(({ event, steps }) => [event, steps]));
}
