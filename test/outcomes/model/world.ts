// The product's side of the model: one tenant on one book with two rules, told facts, and looked at.
import { randomUUID } from 'node:crypto';
import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import type { Scope } from '../../../src/platform/index.js';
import type pg from 'pg';
import type { Product } from '../../support/product.js';
import { everything } from './arbitrary-rules.js';
import type { ActFact, ContractGiven, EventFact, RuleGiven, TenantFacts, VersionGiven } from './facts.js';

/** What a run begins with. */
export interface Plan {
  readonly timeZone: string;
  readonly startsAt: number;
  /** When the first versions of the rules take effect. */
  readonly effectiveAt: number;
  readonly now: number;
  readonly rules: readonly [OutcomeTermsJson, OutcomeTermsJson];
}

/** An outcome as it is stored. */
export interface OutcomeRow {
  readonly id: string;
  readonly rule_id: string;
  readonly event_id: string;
  readonly source: string;
  readonly version_number: number;
  readonly contract_id: string;
  readonly subject: string | null;
  readonly customer: string | null;
  readonly judged_state: string;
  readonly state: string;
  readonly reason: string | null;
  readonly instead: string | null;
  readonly cap: string | null;
  readonly is_live: boolean;
  readonly is_free: boolean;
  readonly units: string;
  readonly value: string | null;
  readonly reimbursement: string;
  readonly occurred_at: Date;
  readonly started_at: Date;
  readonly verified_at: Date | null;
  readonly matures_at: Date;
  readonly period_at: Date;
  readonly due_at: Date | null;
  readonly agents: unknown;
  readonly attributes: string;
  readonly told: string | null;
}

/** What charges of one item of a period come to, over all generations. */
export interface ChargedRow {
  readonly contract_id: string;
  readonly period_start: Date;
  readonly price_id: string;
  readonly meter_id: string | null;
  readonly amount: string;
}

export interface UnpricedRow {
  readonly contract_id: string;
  readonly period_start: Date;
  readonly meter_id: string;
  readonly quantity: string;
}

/** A rule that more versions can be published of. */
export interface GrowingRule extends RuleGiven {
  readonly versions: VersionGiven[];
  readonly versionIds: string[];
}

/** A tenant in the product, and everything that it was told. */
export interface World {
  readonly product: Product;
  /** A connection past every policy, to look at what is really there. */
  readonly database: pg.Client;
  readonly plan: Plan;
  readonly bookId: string;
  readonly tenantId: string;
  readonly rules: readonly [GrowingRule, GrowingRule];
  readonly contracts: ContractGiven[];
  readonly events: EventFact[];
  readonly acts: ActFact[];
}

export const factsOf = ({ plan, contracts, events, acts }: World): TenantFacts => ({
  timeZone: plan.timeZone,
  contracts,
  events,
  acts,
});

/** A scope at the model's instant: nothing that is compared reads the product's clock. */
export function scopeAt({ product }: Pick<World, 'product'>, tenantId: string, now: number): Scope {
  return { ...product.scope(tenantId), now: new Date(now) };
}

/** A seller's book with two rules, and a tenant on it. */
export async function begin(product: Product, database: pg.Client, plan: Plan): Promise<World> {
  const { pricing, outcomeRules } = product.app.services;
  // Rules take effect from now on, so all of it is made before.
  const made = Math.min(plan.effectiveAt, plan.startsAt) - 3_600_000;
  const seller = scopeAt({ product }, product.platformId, made);
  const { book } = await pricing.createBook(seller, {
    name: `Outcomes ${randomUUID()}`,
    currency: 'USD',
    idempotencyKey: randomUUID(),
  });
  const rules: GrowingRule[] = [];

  for (const [place, terms] of plan.rules.entries()) {
    const { rule } = await outcomeRules.create(scopeAt({ product }, product.platformId, made), {
      priceBookId: book.id,
      key: `rule_${place}`,
      name: `Rule ${place}`,
      idempotencyKey: randomUUID(),
    });
    const grown: GrowingRule = { id: rule.id, versions: [], versionIds: [] };
    await publish(product, grown, terms, { now: made, effectiveAt: plan.effectiveAt });
    rules.push(grown);
  }

  const [first, second] = rules;

  if (!first || !second) {
    throw new Error('a plan has two rules');
  }

  return {
    product,
    database,
    plan,
    bookId: book.id,
    rules: [first, second],
    ...(await aBuyer(product, plan, book.id, rules)),
  };
}

/** A book that nobody is on, with a rule that knows every type of event. Once for a product, before the first run. */
export async function watchEverything(product: Product): Promise<void> {
  const { pricing, outcomeRules } = product.app.services;
  const seller = (): Scope => scopeAt({ product }, product.platformId, Date.UTC(2026, 0, 1));
  const { book } = await pricing.createBook(seller(), {
    name: 'Nobody',
    currency: 'USD',
    idempotencyKey: randomUUID(),
  });
  const { rule } = await outcomeRules.create(seller(), {
    priceBookId: book.id,
    key: 'everything',
    name: 'Everything',
    idempotencyKey: randomUUID(),
  });
  const now = Date.UTC(2026, 0, 1);
  await publish(product, { id: rule.id, versions: [], versionIds: [] }, everything, { now, effectiveAt: now });
}

/** Another tenant with the same contract, who was told nothing yet. */
export async function twinOf(world: World): Promise<World> {
  return { ...world, ...(await aBuyer(world.product, world.plan, world.bookId, world.rules)) };
}

async function aBuyer(
  product: Product,
  plan: Plan,
  bookId: string,
  rules: readonly RuleGiven[],
): Promise<Pick<World, 'tenantId' | 'contracts' | 'events' | 'acts'>> {
  const seller = scopeAt({ product }, product.platformId, plan.startsAt - 3_600_000);
  const { tenant } = await product.app.services.tenants.create(seller, {
    parentId: null,
    kind: 'CUSTOMER',
    name: `Customer ${randomUUID().slice(0, 8)}`,
    currency: 'USD',
    timeZone: plan.timeZone,
    region: 'eu',
    idempotencyKey: randomUUID(),
  });
  const { contract } = await product.app.services.contracts.create(scopeAt({ product }, product.platformId, plan.now), {
    buyerId: tenant.id,
    priceBookId: bookId,
    startsAt: new Date(plan.startsAt),
    graceHours: 0,
    idempotencyKey: randomUUID(),
  });
  // What the job does that a new contract asks for.
  await product.app.services.rating.rerate(scopeAt({ product }, tenant.id, plan.now), new Date(plan.startsAt));

  return {
    tenantId: tenant.id,
    contracts: [{ id: contract.id, currency: 'USD', startsAt: plan.startsAt, endsAt: null, rules }],
    events: [],
    acts: [],
  };
}

export async function publish(
  product: Product,
  rule: GrowingRule,
  terms: OutcomeTermsJson,
  { now, effectiveAt }: { readonly now: number; readonly effectiveAt: number },
): Promise<void> {
  const { outcomeRules } = product.app.services;
  const seller = (): Scope => scopeAt({ product }, product.platformId, now);
  const { version } = await outcomeRules.createVersion(seller(), {
    outcomeRuleId: rule.id,
    terms,
    idempotencyKey: randomUUID(),
  });
  await outcomeRules.publish(seller(), { versionId: version.id, effectiveAt: new Date(effectiveAt) });
  rule.versions.push({ number: version.number, effectiveAt, terms });
  rule.versionIds.push(version.id);
}

/** Sends events as their keys would: one request for each key and side, in the order given. */
export async function send(world: World, events: readonly EventFact[], now: number): Promise<void> {
  const accepted = await offer(world, events, now);

  if (accepted !== events.length) {
    throw new Error(`${accepted} of ${events.length} events were accepted: ${JSON.stringify(events)}`);
  }

  world.events.push(...events);
}

/** How many of the events are new to the product. */
export async function offer(world: World, events: readonly EventFact[], now: number): Promise<number> {
  const { product, tenantId } = world;
  let accepted = 0;
  let rest = [...events];

  for (let [first] = rest; first; [first] = rest) {
    const { keyId, party } = first;
    const isOther = (event: EventFact): boolean => event.keyId !== keyId || event.party !== party;
    const end = rest.findIndex(isOther);
    const together = end < 0 ? rest : rest.slice(0, end);
    rest = rest.slice(together.length);
    const receipt = await product.app.services.usage.accept(
      scopeAt(world, party === 'BUYER' ? tenantId : product.platformId, now),
      together.map(({ id, source, type, time, subject, properties }) => ({
        id,
        source,
        type,
        time: new Date(time).toISOString(),
        ...(subject === null ? {} : { subject }),
        tenant: tenantId,
        properties,
      })),
      { keyId, isDryRun: false },
    );
    accepted += receipt.accepted;

    if (receipt.rejected.length > 0 || receipt.conflicts.length > 0) {
      throw new Error(`the product refused events: ${JSON.stringify(receipt)}`);
    }
  }

  return accepted;
}

/** Judges and rates what is due, as the jobs do: a month that ends opens the next, which asks for another rating. */
export async function settle(world: World, now: number): Promise<void> {
  const { outcomes, rating } = world.product.app.services;
  await outcomes.settle(scopeAt(world, world.tenantId, now));

  for (let isLeft = true; isLeft;) {
    await rating.rate(scopeAt(world, world.tenantId, now));
    const { rowCount } = await world.database.query(
      `select from usage_touch t left join rating_mark m using (tenant_id, month)
       where tenant_id = $1 and (m.n is null or t.n > m.n or m.due_at <= $2)`,
      [world.tenantId, new Date(now)],
    );
    isLeft = rowCount !== 0;
  }
}

/** What the product has of outcomes, charges and usage without a price. */
export async function look({ database, tenantId }: World): Promise<{
  readonly outcomes: readonly OutcomeRow[];
  readonly charges: readonly ChargedRow[];
  readonly unpriced: readonly UnpricedRow[];
}> {
  const outcomes = await database.query<OutcomeRow>(
    `select o.*, trim_scale(units)::text as units, trim_scale(value)::text as value,
       trim_scale(reimbursement)::text as reimbursement,
       (select to_state from outcome_transition t where t.tenant_id = o.tenant_id and t.outcome_id = o.id
        order by n desc limit 1) as told
     from outcome o where tenant_id = $1 order by occurred_at, event_id, source, rule_id`,
    [tenantId],
  );
  const charges = await database.query<ChargedRow>(
    `select contract_id, period_start, price_id, meter_id, trim_scale(sum(amount))::text as amount
     from charge where tenant_id = $1 group by 1, 2, 3, 4 having sum(amount) <> 0 order by 1, 2, 3`,
    [tenantId],
  );
  const unpriced = await database.query<UnpricedRow>(
    `select contract_id, period_start, meter_id, trim_scale(sum(quantity))::text as quantity
     from unpriced_usage where tenant_id = $1 group by 1, 2, 3`,
    [tenantId],
  );

  return { outcomes: outcomes.rows, charges: charges.rows, unpriced: unpriced.rows };
}
