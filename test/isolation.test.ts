import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MikroORM } from '@mikro-orm/postgresql';
import { createClient } from 'graphql-ws';
import pg from 'pg';
import { WebSocket } from 'ws';
import { createApp, entities } from '../src/app.js';
import {
  asTenant,
  createOrm,
  inLineage,
  inTransaction,
  isId,
  newId,
  query,
  type Scope,
} from '../src/platform/index.js';
import { startServer } from '../src/server.js';
import { burn } from './credits/credits.js';
import {
  aBudget,
  aContract,
  anEvent,
  anOutcomeRule,
  aPriceBook,
  aTenant,
  perMillion,
  rate,
} from './support/builders.js';
import { aDatabase, asSuperuser, type TestDatabase } from './support/database.js';
import { aKey, aProduct, type Product } from './support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const OCTOBER = { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' };

/** Policies beyond the tenant's own: each is a hole that somebody has argued for. */
const ARGUED_POLICIES = [
  // A budget may name a key of a tenant below its own: open to a transaction that names that one key, and sees its tenant.
  'api_key.named to ratebook_app',
  'api_key.presented to ratebook_app',
  // What a customer spends counts against the limits of those above it, whose rows the transaction that spends must see and
  // change. Open only to a transaction that names its lineage (`inLineage`), and on the tables that count limits.
  'budget.lineage to ratebook_app',
  'budget_excess.lineage to ratebook_app',
  'budget_excess.relay to ratebook_relay',
  'budget_raise.lineage to ratebook_app',
  'contract.seller to ratebook_app',
  'contract_migration_item.relay to ratebook_relay',
  'credit_balance.relay to ratebook_relay',
  'hold.lineage to ratebook_app',
  'hold.relay to ratebook_relay',
  'invoice.relay to ratebook_relay',
  'limit_entry.lineage to ratebook_app',
  'limit_entry.relay to ratebook_relay',
  'limit_window.lineage to ratebook_app',
  'outbox.relay to ratebook_relay',
  'outcome.relay to ratebook_relay',
  'outcome_intake.relay to ratebook_relay',
  'outcome_simulation.relay to ratebook_relay',
  'rating_mark.relay to ratebook_relay',
  'simulation.relay to ratebook_relay',
  'tenant.relay to ratebook_relay',
  'usage_touch.relay to ratebook_relay',
  'webhook_delivery.relay to ratebook_relay',
];

/** All that the role which works across tenants may see and change. */
const RELAY_GRANTS = [
  'budget_excess: select (tenant_id)',
  'budget_excess: select (told_at)',
  'budget_excess: select (used)',
  'contract_migration_item: select (contract_id)',
  'contract_migration_item: select (migration_id)',
  'contract_migration_item: select (status)',
  'contract_migration_item: select (tenant_id)',
  'credit_balance: select (balance)',
  'credit_balance: select (expires_at)',
  'credit_balance: select (tenant_id)',
  'hold: select (expires_at)',
  'hold: select (id)',
  'hold: select (state)',
  'hold: select (tenant_id)',
  'invoice: select (due_at)',
  'invoice: select (id)',
  'invoice: select (status)',
  'invoice: select (tenant_id)',
  'limit_entry: select (created_at)',
  'limit_entry: select (tenant_id)',
  'outbox: delete',
  'outbox: select',
  'outbox: update (due_at)',
  'outbox: update (handed_over)',
  'outcome: select (due_at)',
  'outcome: select (id)',
  'outcome: select (tenant_id)',
  'outcome_intake: select (accepted_at)',
  'outcome_intake: select (seq)',
  'outcome_intake: select (tenant_id)',
  'outcome_simulation: select (created_at)',
  'outcome_simulation: select (id)',
  'outcome_simulation: select (leased_until)',
  'outcome_simulation: select (status)',
  'outcome_simulation: select (tenant_id)',
  'rating_mark: select',
  'simulation: select (created_at)',
  'simulation: select (id)',
  'simulation: select (leased_until)',
  'simulation: select (status)',
  'simulation: select (tenant_id)',
  'tenant: select (id)',
  'tenant: select (kind)',
  'usage_touch: select',
  'webhook_delivery: select (attempts)',
  'webhook_delivery: select (id)',
  'webhook_delivery: select (next_attempt_at)',
  'webhook_delivery: select (status)',
  'webhook_delivery: select (tenant_id)',
];

/** Every sentence is a way in which the catalogue lets one tenant see or change another's rows. */
const LINT: Readonly<Record<string, string>> = {
  'row-level security is off, or not forced on the owner': `
    select c.relname as what from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and (c.relname = 'tenant' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
      and not (c.relrowsecurity and c.relforcerowsecurity)`,
  'a tenant table has no policy for ratebook_app that asks for app.tenant': `
    select c.relname as what from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and (c.relname = 'tenant' or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
      and not exists (select from pg_policies p where p.schemaname = 'public' and p.tablename = c.relname
        and p.policyname = 'tenant' and p.roles = '{ratebook_app}' and p.cmd = 'ALL'
        and p.qual like '%current_setting(''app.tenant''%' and p.with_check like '%current_setting(''app.tenant''%')`,
  'ratebook_app may touch a relation that no policy guards': `
    select c.relname as what from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'f', 'm')
      and (has_any_column_privilege('ratebook_app', c.oid, 'select, insert, update, references')
        or has_table_privilege('ratebook_app', c.oid, 'delete'))
      and not (c.relrowsecurity and exists (select from pg_policies p where p.schemaname = 'public'
        and p.tablename = c.relname and p.roles = '{ratebook_app}'))`,
  'a policy is for everybody': `
    select tablename || '.' || policyname as what from pg_policies where schemaname = 'public' and 'public' = any (roles)`,
  'everybody may touch a relation': `
    select c.relname as what from pg_class c, aclexplode(c.relacl) g
    where c.relnamespace = 'public'::regnamespace and g.grantee = 0`,
  'a runtime role is more than it may be': `
    select rolname as what from pg_roles where rolname in ('ratebook_app', 'ratebook_relay')
      and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
    union all select r.rolname || ' is a member of ' || g.rolname from pg_auth_members m
      join pg_roles r on r.oid = m.member join pg_roles g on g.oid = m.roleid
      where r.rolname in ('ratebook_app', 'ratebook_relay')`,
  'a runtime role owns something': `
    select c.relname::text as what from pg_class c where pg_get_userbyid(c.relowner) in ('ratebook_app', 'ratebook_relay')
    union all select p.proname from pg_proc p where pg_get_userbyid(p.proowner) in ('ratebook_app', 'ratebook_relay')
    union all select n.nspname from pg_namespace n where pg_get_userbyid(n.nspowner) in ('ratebook_app', 'ratebook_relay')
    union all select d.datname from pg_database d where pg_get_userbyid(d.datdba) in ('ratebook_app', 'ratebook_relay')`,
  'a runtime role may truncate, reference, maintain or put triggers on a table': `
    select r.rolname || ' on ' || c.relname as what from pg_class c, pg_roles r
    where r.rolname in ('ratebook_app', 'ratebook_relay') and c.relkind in ('r', 'p')
      and c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'bullmq'))
      and has_table_privilege(r.oid, c.oid, 'truncate, references, trigger, maintain')`,
  'a runtime role may make things in public': `
    select r.rolname as what from pg_roles r where r.rolname in ('ratebook_app', 'ratebook_relay')
      and has_schema_privilege(r.oid, 'public', 'create')`,
  'ratebook_app may reach the job store': `
    select 'bullmq' as what where has_schema_privilege('ratebook_app', 'bullmq', 'usage')`,
  'a view runs with its owner’s rights': `
    select c.relname as what from pg_class c where c.relnamespace = 'public'::regnamespace
      and (c.relkind = 'm' or (c.relkind = 'v' and not coalesce(c.reloptions::text[] && array['security_invoker=true', 'security_invoker=on'], false)))`,
  'a function runs with its owner’s rights': `
    select p.proname as what from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')`,
  'a unique key tells one tenant what another has': `
    select i.indexrelid::regclass::text as what from pg_index i join pg_class c on c.oid = i.indrelid
    where c.relnamespace = 'public'::regnamespace and i.indisunique
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
      and (select attname from pg_attribute a where a.attrelid = c.oid and a.attnum = i.indkey[0]) <> 'tenant_id'
      -- Unguessable: a hash of 256 random bits.
      and i.indexrelid::regclass::text <> 'api_key_digest_key'`,
  'a foreign key can point into another tenant': `
    select k.conname as what from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'f' and c.relnamespace = 'public'::regnamespace and c.relname <> 'tenant'
      and (select attname from pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[1]) <> 'tenant_id'`,
};

async function lint(database: TestDatabase): Promise<string[]> {
  const found: string[] = [];

  for (const [sentence, sql] of Object.entries(LINT)) {
    for (const { what } of await asSuperuser<{ what: string }>(database, sql)) {
      found.push(`${what}: ${sentence}`);
    }
  }

  return found.sort();
}

describe('the catalogue of the database', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await aDatabase();
  });

  afterAll(() => database.drop());

  test('has no breach of the rules of isolation', async () => {
    expect(await lint(database)).toEqual([]);
  });

  test('has no policies besides the tenant’s own and those that somebody argued for', async () => {
    const rows = await asSuperuser<{ text: string }>(
      database,
      `select tablename || '.' || policyname || ' to ' || array_to_string(roles, ', ') as text
       from pg_policies where schemaname = 'public' and policyname <> 'tenant' order by 1`,
    );

    expect(rows.map(row => row.text)).toEqual(ARGUED_POLICIES);
  });

  test('gives the relay role exactly these columns', async () => {
    const rows = await asSuperuser<{ text: string }>(
      database,
      `select c.relname || ': ' || lower(g.privilege_type) as text from pg_class c, aclexplode(c.relacl) g
         where c.relnamespace = 'public'::regnamespace and c.relkind <> 'S' and g.grantee = 'ratebook_relay'::regrole
       union all select c.relname || ': ' || lower(g.privilege_type) || ' (' || a.attname || ')'
         from pg_attribute a join pg_class c on c.oid = a.attrelid, aclexplode(a.attacl) g
         where c.relnamespace = 'public'::regnamespace and g.grantee = 'ratebook_relay'::regrole order by 1`,
    );

    expect(rows.map(row => row.text)).toEqual(RELAY_GRANTS);
  });

  test.each([
    [
      'a table without a policy',
      'create table planted (tenant_id text); grant select on planted to ratebook_app',
      'drop table planted',
      [
        'planted: a tenant table has no policy for ratebook_app that asks for app.tenant',
        'planted: ratebook_app may touch a relation that no policy guards',
        'planted: row-level security is off, or not forced on the owner',
      ],
    ],
    [
      'a table without a tenant that is granted all the same',
      'create table planted (secret text); grant insert (secret) on planted to ratebook_app',
      'drop table planted',
      ['planted: ratebook_app may touch a relation that no policy guards'],
    ],
    [
      'a table whose policy is for everybody and asks for nothing',
      `create table planted (tenant_id text); alter table planted enable row level security;
       alter table planted force row level security; create policy tenant on planted using (true)`,
      'drop table planted',
      [
        'planted.tenant: a policy is for everybody',
        'planted: a tenant table has no policy for ratebook_app that asks for app.tenant',
      ],
    ],
    [
      'security that is not forced',
      'alter table charge no force row level security',
      'alter table charge force row level security',
      ['charge: row-level security is off, or not forced on the owner'],
    ],
    [
      'a plain view',
      'create view planted as select * from invoice',
      'drop view planted',
      ['planted: a view runs with its owner’s rights'],
    ],
    [
      'a definer function',
      'create function planted() returns int language sql security definer as $$ select 1 $$',
      'drop function planted()',
      ['planted: a function runs with its owner’s rights'],
    ],
    [
      'a right to truncate',
      'grant truncate on charge to ratebook_app',
      'revoke truncate on charge from ratebook_app',
      ['ratebook_app on charge: a runtime role may truncate, reference, maintain or put triggers on a table'],
    ],
    [
      'a grant to everybody',
      'grant select on charge to public',
      'revoke select on charge from public',
      ['charge: everybody may touch a relation'],
    ],
    [
      'a unique key across tenants',
      'create unique index planted on meter (key)',
      'drop index planted',
      ['planted: a unique key tells one tenant what another has'],
    ],
    [
      'a table that the app owns',
      'create table planted (id int); alter table planted owner to ratebook_app',
      'drop table planted',
      [
        'planted: a runtime role owns something',
        'planted: ratebook_app may touch a relation that no policy guards',
        'ratebook_app on planted: a runtime role may truncate, reference, maintain or put triggers on a table',
      ],
    ],
  ])('finds %s when it is planted', async (_what, plant, remove, found) => {
    await asSuperuser(database, plant);

    try {
      expect(await lint(database)).toEqual(found);
    } finally {
      await asSuperuser(database, remove);
    }

    expect(await lint(database)).toEqual([]);
  });
});

/** Tables of those who sell, in which a customer has no rows. */
const OF_SELLERS = [
  'contract_migration_item',
  'invoice_number',
  'invoice_series',
  'outcome_simulation',
  'outcome_simulation_item',
  'outcome_simulation_tenant',
];

/** A tenant of the world below, and what the tests need to know of it. */
interface Party {
  readonly id: string;
  readonly key: string;
  readonly meterId: string;
  readonly modelId: string;
  readonly bookId: string;
  readonly draftVersionId: string;
  readonly alertId: string;
  readonly endpointId: string;
  readonly simulationId: string;
  readonly ruleId: string;
  readonly ruleVersionId: string;
  readonly featureId: string;
  readonly budgetId: string;
}

/** Two sibling customers below a reseller, each with rows in every table. */
interface World {
  readonly product: Product;
  readonly resellerId: string;
  readonly resellerKey: string;
  /** The rule, and its version, under which both buy. */
  readonly soldRuleId: string;
  readonly soldRuleVersionId: string;
  /** Of the reseller. */
  readonly outcomeSimulationId: string;
  readonly a: Party;
  readonly b: Party;
  readonly tables: readonly string[];
}

async function aWorld(hookUrl: string): Promise<World> {
  const product = await aProduct({ now: NOW });
  const resellerId = await aTenant(product, { kind: 'RESELLER', name: 'Reseller' });
  const sold = await aMeterOf(product, resellerId, { eventType: 'llm.request', aggregation: 'SUM' });
  await aMeterOf(product, resellerId, { eventType: 'seat.used', aggregation: 'UNIQUE_COUNT' });
  const { bookId } = await aPriceBook(product, {
    ownerId: resellerId,
    prices: [{ meterId: sold, terms: perMillion('2.50') }],
  });
  const { ruleId, versionId: soldRuleVersionId } = await anOutcomeRule(product, {
    ownerId: resellerId,
    bookId,
    terms: {
      dispute: { windowHours: 240, responseHours: 240, whenSilent: 'CREDIT' },
      sampleAudit: { tolerance: '5', leastSample: 1 },
      // Every claim is out of line.
      anomaly: { factor: '1', leastClaims: 1 },
      // Every outcome goes beyond it.
      caps: [{ mode: 'SOFT', per: 'PERIOD', count: null, amount: { amount: '0.01', currency: 'USD' } }],
    },
    publishedAt: new Date('2026-09-01T00:00:00Z'),
  });
  product.setClock(NOW);
  const soldBy = { bookId, ruleId };
  await aRaisedBudget(product, resellerId);
  const world = {
    product,
    resellerId,
    resellerKey: await aKey(product.app, product.scope(resellerId)),
    soldRuleId: ruleId,
    soldRuleVersionId,
    a: await aParty(product, resellerId, 'Customer A', soldBy, hookUrl),
    b: await aParty(product, resellerId, 'Customer B', soldBy, hookUrl),
  };
  // Ordered and not done: the contracts of both are to move.
  await aMigration(
    product,
    resellerId,
    bookId,
    (await aPriceBook(product, { ownerId: resellerId, prices: [{ meterId: sold, terms: perMillion('3') }] })).bookId,
  );
  const outcomeSimulationId = await anOutcomeSimulation(product, resellerId, ruleId);
  const tables = await asSuperuser<{ name: string }>(
    product.database,
    `select table_name::text as name from information_schema.columns
     where table_schema = 'public' and column_name = 'tenant_id' order by 1`,
  );

  return { ...world, outcomeSimulationId, tables: tables.map(table => table.name) };
}

/** A budget of a tenant that is raised for now. Returns its id. */
async function aRaisedBudget(product: Product, tenantId: string): Promise<string> {
  const budgetId = await aBudget(product, { tenantId, amount: '1000' });
  await product.app.services.budgets.raise(product.scope(tenantId), {
    budgetId,
    amount: '1',
    from: null,
    until: new Date('2026-12-01T00:00:00Z'),
    reason: 'a test',
    idempotencyKey: randomUUID(),
  });

  return budgetId;
}

/** What outcomes of a seller's rule would have come to at another price. Returns its id. */
async function anOutcomeSimulation(product: Product, sellerId: string, outcomeRuleId: string): Promise<string> {
  const { outcomeRules, outcomeSimulations, outcomeSimulationRunner } = product.app.services;
  const { version } = await outcomeRules.createVersion(product.scope(sellerId), {
    outcomeRuleId,
    terms: {
      claim: { eventType: 'conversation.resolved' },
      prices: [{ name: 'Resolution', currency: 'USD', terms: { model: 'UNIT', unitAmount: '1.99' } }],
    },
    idempotencyKey: randomUUID(),
  });
  const { simulation } = await outcomeSimulations.start(product.scope(sellerId), {
    outcomeRuleVersionId: version.id,
    from: new Date(OCTOBER.from),
    until: new Date(OCTOBER.until),
    tenantIds: null,
    idempotencyKey: randomUUID(),
  });
  await outcomeSimulationRunner.run(product.scope(sellerId), simulation.id);

  return simulation.id;
}

/** Moves whatever contracts the seller has on a book to another. */
async function aMigration(
  product: Product,
  sellerId: string,
  priceBookId: string,
  toPriceBookId: string,
): Promise<void> {
  await product.app.services.contractMigrations.start(product.scope(sellerId), {
    priceBookId,
    toPriceBookId,
    effectiveAt: new Date('2026-11-15T00:00:00Z'),
    idempotencyKey: randomUUID(),
  });
}

async function aMeterOf(
  product: Product,
  ownerId: string,
  meter: { readonly eventType: string; readonly aggregation: 'SUM' | 'UNIQUE_COUNT' },
): Promise<string> {
  const made = await product.app.services.catalog.createMeter(product.scope(ownerId), {
    key: `meter_${randomUUID().replaceAll('-', '')}`,
    eventType: meter.eventType,
    filter: '',
    aggregation: meter.aggregation,
    valueProperty: 'value',
    dimensions: [{ name: 'model', property: 'model' }],
    unit: 'unit',
    keepsEvents: meter.aggregation === 'SUM',
    idempotencyKey: randomUUID(),
  });

  return made.meter.id;
}

/** A price list as it comes, of one model. */
const PRICE_LIST = {
  format: 'LITELLM' as const,
  content:
    '{"m": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}',
  source: 'a list',
  sourceDate: '2026-11-01',
};

/** A price list laid beside a book of a tenant, and beside what models cost it. */
async function importsOf(product: Product, ownerId: string, priceBookId: string): Promise<void> {
  const { catalog, priceImports, costImports } = product.app.services;
  const scope = (): Scope => product.scope(ownerId);
  const { meter } = await catalog.createMeter(scope(), {
    key: 'tokens_by_kind',
    eventType: 'own.tokens',
    filter: '',
    aggregation: 'SUM',
    valueProperty: 'value',
    dimensions: [
      { name: 'model', property: 'model' },
      { name: 'token_kind', property: 'kind' },
    ],
    unit: 'token',
    idempotencyKey: randomUUID(),
  });
  const list = { ...PRICE_LIST, models: [], meters: [] };
  await priceImports.propose(scope(), { ...list, priceBookId, meterId: meter.id, idempotencyKey: randomUUID() });
  await costImports.propose(scope(), { ...list, idempotencyKey: randomUUID() });
}

const resolved = (time: string) => anEvent({ type: 'conversation.resolved', time, subject: randomUUID() });

/** Outcomes of a tenant, with what can be said of them. */
async function outcomesOf(product: Product, tenantId: string, outcomeRuleId: string): Promise<void> {
  const { services } = product.app;
  const scope = (): Scope => product.scope(tenantId);
  // The first one is of a time before the rule.
  const times = ['2026-08-30T10:00:00Z', '2026-10-30T10:00:00Z', '2026-11-19T10:00:00Z'];
  await services.usage.accept(scope(), times.map(resolved), { keyId: 'key_of_a_test', isDryRun: false });
  await services.outcomes.settle(scope());
  const outcomes = await services.outcomeActs.list(
    scope(),
    { state: 'MATURED', reason: null, outcomeRuleId, subject: null },
    { first: 10 },
  );
  await services.outcomeDisputes.open(
    scope(),
    { outcomeIds: [outcomes[0]?.id ?? ''], reason: 'a test', evidence: {}, idempotencyKey: randomUUID() },
    { keyId: 'key_of_a_test', party: 'BUYER' },
  );
  await services.sampleAudits.start(
    scope(),
    { outcomeRuleId, at: new Date(OCTOBER.from), sampleSize: 1, idempotencyKey: randomUUID() },
    { keyId: 'key_of_a_test', party: 'BUYER' },
  );
}

/** Budgets of a customer and of the one above it in which an event of the customer is more than there is. */
async function anExceededBudget(
  product: Product,
  [customerId, resellerId]: readonly [string, string],
  event: object,
): Promise<void> {
  const { budgets, usage } = product.app.services;

  for (const tenantId of [customerId, resellerId]) {
    await aBudget(product, { tenantId, amount: '0', mode: 'SOFT', per: null });
  }

  await usage.accept(product.scope(customerId), [event], { keyId: 'key_of_a_test', isDryRun: false });

  for (const tenantId of [customerId, resellerId]) {
    await budgets.fold(product.scope(tenantId));
  }
}

/** Prepaid credits of a tenant and of the one above it, some of which have moved. */
async function creditsOf(product: Product, tenantId: string, sellerId: string): Promise<void> {
  const { credits, creditTransfers } = product.app.services;
  const unit = 'USD';
  await credits.grant(product.scope(sellerId), {
    kind: 'PAID',
    unit,
    unitWorth: null,
    amount: '100',
    costBasis: { amount: '90', currency: 'USD' },
    priority: 0,
    meterIds: [],
    models: [],
    effectiveAt: null,
    expiresAt: null,
    idempotencyKey: randomUUID(),
  });
  await creditTransfers.transfer(product.scope(sellerId), {
    fromTenantId: sellerId,
    toTenantId: tenantId,
    unit,
    amount: '40',
    reason: null,
    idempotencyKey: randomUUID(),
  });
  await burn(product, tenantId, { amount: '1' });
  await credits.setPrepaid(product.scope(tenantId), { isPrepaid: false, idempotencyKey: 'prepaid' });
  await credits.setRecharge(product.scope(tenantId), {
    unit,
    below: '10',
    amount: '100',
    idempotencyKey: randomUUID(),
  });
}

/** A call for which money is held. */
const HELD = {
  estimate: {
    eventType: 'llm.request',
    model: null,
    serviceTier: null,
    tokens: [],
    properties: { model: 'm', value: 1_000 },
  },
  feature: null,
  region: null,
  idempotencyKey: 'a hold',
  expiresInSeconds: 600,
};

/** A customer with rows in every table that can hold a customer's. */
async function aParty(
  product: Product,
  resellerId: string,
  name: string,
  sold: { readonly bookId: string; readonly ruleId: string },
  hookUrl: string,
): Promise<Party> {
  const { services } = product.app;
  const id = await aTenant(product, { parentId: resellerId, name });
  const scope = (): Scope => product.scope(id);
  const { endpoint } = await services.webhooks.createEndpoint(scope(), {
    url: hookUrl,
    eventTypes: ['spend_alert.triggered', 'invoice.issued'],
    idempotencyKey: randomUUID(),
  });
  const { model } = await services.catalog.createModel(scope(), {
    key: 'own-model',
    provider: 'own',
    family: 'own',
    modality: 'text',
    contextBands: [],
    idempotencyKey: randomUUID(),
  });
  await services.catalog.setCost(scope(), {
    modelId: model.id,
    effectiveAt: NOW,
    currency: 'USD',
    rates: [{ kind: 'input_tokens', amount: '2', per: '1000000' }],
    source: 'an invoice',
    idempotencyKey: randomUUID(),
  });
  await services.catalog.setContext(scope(), {
    modelId: model.id,
    effectiveAt: new Date('2027-01-01T00:00:00Z'),
    bands: [{ above: '1000', name: 'long' }],
    idempotencyKey: randomUUID(),
  });
  const meterId = await aMeterOf(product, id, { eventType: 'own.event', aggregation: 'SUM' });
  const { bookId } = await aPriceBook(product, { ownerId: id, prices: [{ meterId, terms: perMillion('1') }] });
  const { version } = await services.pricing.createVersion(scope(), {
    priceBookId: bookId,
    prices: [{ meterId, name: 'draft', pattern: {}, terms: perMillion('1') }],
    idempotencyKey: randomUUID(),
  });
  await importsOf(product, id, bookId);
  await aContract(product, { sellerId: resellerId, buyerId: id, bookId: sold.bookId });
  await services.fxSnapshots.create(scope(), {
    base: 'USD',
    quote: 'EUR',
    rate: '0.92',
    asOf: NOW,
    source: 'ECB',
    idempotencyKey: randomUUID(),
  });
  // What it would sell by itself; of what it buys, both customers have the seller's.
  const { feature } = await services.entitlements.createFeature(scope(), {
    key: 'own-feature',
    name: 'a feature',
    kind: 'BOOLEAN',
    idempotencyKey: randomUUID(),
  });
  await services.entitlements.setEntitlement(scope(), {
    featureId: feature.id,
    targetKind: 'PLAN',
    targetId: bookId,
    value: { isOn: true },
    effectiveAt: null,
    idempotencyKey: randomUUID(),
  });
  await creditsOf(product, id, resellerId);
  // It sells to nobody, so nothing moves.
  await aMigration(product, id, bookId, bookId);
  const { alert } = await services.alerts.create(
    scope(),
    {
      name: `alert of ${name}`,
      budget: '1',
      thresholds: [{ percent: '50' }, { amount: '2' }],
      idempotencyKey: randomUUID(),
    },
    services.rating,
  );
  const budgetId = await aRaisedBudget(product, id);
  await services.holds.authorize(scope(), HELD, { tenantId: id, keyId: 'key_of_a_test' });
  await anExceededBudget(
    product,
    [id, resellerId],
    anEvent({ time: '2026-10-30T10:00:00Z', properties: { model: 'm', value: 1_000_000 } }),
  );
  await services.usage.accept(
    scope(),
    [
      anEvent({ time: '2026-11-10T10:00:00Z', properties: { model: 'm', value: 2_000_000 } }),
      anEvent({ type: 'seat.used', time: '2026-11-10T10:00:00Z', properties: { model: 'm', value: 'ann' } }),
    ],
    { keyId: 'key_of_a_test', isDryRun: false },
  );
  // What it would sell by itself, and what came of what it buys.
  const own = await anOutcomeRule(product, { ownerId: id, bookId });
  await outcomesOf(product, id, sold.ruleId);
  await rate(product, id);
  const invoices = await services.invoicing.list(scope(), { first: 10 });
  const ended = invoices.find(invoice => invoice.periodEnd <= NOW);
  await services.invoicing.issue(scope(), {
    invoiceId: ended?.id ?? '',
    acceptUnpriced: true,
    idempotencyKey: randomUUID(),
  });
  const [delivery] = await services.webhooks.deliveries(scope(), { first: 1 });
  await services.webhooks.deliver(scope(), delivery?.id ?? '');

  const { simulation } = await services.simulations.start(scope(), scope(), {
    priceBookVersionId: version.id,
    from: new Date(OCTOBER.from),
    until: new Date(OCTOBER.until),
    tenantIds: [id],
    baseline: 'CHARGED',
    modelContexts: [],
    idempotencyKey: randomUUID(),
  });
  await services.simulationRunner.run(scope(), simulation.id);
  // One that is not judged yet.
  await services.usage.accept(scope(), [resolved('2026-11-20T10:00:00Z')], {
    keyId: 'key_of_a_test',
    isDryRun: false,
  });

  return {
    id,
    key: await aKey(product.app, scope()),
    meterId,
    modelId: model.id,
    bookId,
    draftVersionId: version.id,
    alertId: alert.id,
    endpointId: endpoint.id,
    simulationId: simulation.id,
    ruleId: own.ruleId,
    ruleVersionId: own.versionId,
    featureId: feature.id,
    budgetId,
  };
}

/** Everything there is, table by table; when a key was last used is not a change. */
async function snapshot(database: TestDatabase, tables: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};

  for (const table of [...tables, 'tenant']) {
    const [row] = await asSuperuser<{ text: string }>(
      database,
      `select count(*) || ' ' || coalesce(md5(string_agg(line, '' order by line)), '') as text
       from (select (to_jsonb(t) - 'last_used_at')::text as line from ${table} t) lines`,
    );
    hashes[table] = row?.text ?? '';
  }

  return hashes;
}

describe('two sibling customers below a reseller', () => {
  let world: World;
  let receiver: Server;
  let before: Record<string, string>;
  /** Whose rows B must never see: its sibling's, its parent's, and the platform's. */
  let foreign: string[];
  let asApp: pg.Client;
  let pastPolicies: MikroORM;

  beforeAll(async () => {
    receiver = createServer((_request, response) => response.end('thank you'));
    await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve));
    world = await aWorld(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`);
    foreign = [world.a.id, world.resellerId, world.product.platformId];
    before = await snapshot(world.product.database, world.tables);
    asApp = new pg.Client({ connectionString: world.product.database.appUrl });
    await asApp.connect();
    pastPolicies = createOrm({ url: world.product.database.adminUrl, entities, poolSize: 2 });
  });

  afterAll(async () => {
    receiver.close();
    await asApp.end();
    await pastPolicies.close(true);
    await world.product.close();
  });

  /** Whatever a test tried, every row is as it was. */
  afterEach(async () => {
    expect(await snapshot(world.product.database, world.tables)).toEqual(before);
  });

  /** Runs one statement as the runtime role in a transaction of a tenant and rolls back. Answers rows or the error's code. */
  async function tryAs(
    tenantId: string | null,
    sql: string,
    parameters: readonly unknown[] = [],
  ): Promise<pg.QueryResult | string> {
    await asApp.query('begin');

    try {
      if (tenantId !== null) {
        await asApp.query(`set local app.tenant = '${tenantId}'`);
      }

      return await asApp.query(sql, [...parameters]);
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      await asApp.query('rollback');
    }
  }

  const rowsOf = (result: pg.QueryResult | string): unknown => (typeof result === 'string' ? result : result.rows);

  test('the world holds rows of both customers in every table', async () => {
    const without: string[] = [];

    for (const table of world.tables) {
      for (const owners of [
        [world.a.id, world.resellerId],
        [world.b.id, world.resellerId],
      ]) {
        const [row] = await asSuperuser<{ n: number }>(
          world.product.database,
          `select count(*)::int as n from ${table} where tenant_id = any ($1)`,
          [owners],
        );

        if (!row?.n) {
          without.push(table);
        }
      }
    }

    expect(without).toEqual([]);
    expect(world.tables.length).toBeGreaterThanOrEqual(30);
    const [statuses] = await asSuperuser<{ text: string }>(
      world.product.database,
      `select string_agg(status, ' ' order by status) as text from invoice where tenant_id = $1`,
      [world.a.id],
    );
    expect(statuses?.text).toBe('DRAFT ISSUED');
  });

  describe('in SQL', () => {
    test('see none of each other’s rows in any table, and their own', async () => {
      const seen: string[] = [];

      for (const table of [...world.tables, 'tenant']) {
        const owner = table === 'tenant' ? 'id' : 'tenant_id';
        const read = await tryAs(
          world.b.id,
          `select count(*) filter (where ${owner} = any ($1))::int as foreign, count(*)::int as all from ${table}`,
          [foreign],
        );

        const [row] = rowsOf(read) as { foreign: number; all: number }[];

        if (row?.foreign !== 0) {
          seen.push(table);
        }

        expect([table, (row?.all ?? 0) > 0]).toEqual([table, !OF_SELLERS.includes(table)]);
      }

      expect(seen).toEqual([]);
    });

    test('cannot insert rows that belong to another', async () => {
      const tried: Record<string, unknown> = {};

      for (const table of world.tables) {
        const [sample] = await asSuperuser<{ row: object; columns: string }>(
          world.product.database,
          `select to_jsonb(t) as row, (select string_agg(quote_ident(column_name), ', ') from information_schema.columns
             where table_schema = 'public' and table_name = $2 and is_generated = 'NEVER') as columns
           from ${table} t where tenant_id = any ($1) limit 1`,
          [foreign, table],
        );
        const result = await tryAs(
          world.b.id,
          `insert into ${table} (${sample?.columns}) overriding system value
           select ${sample?.columns} from jsonb_populate_record(null::${table}, $1)`,
          [JSON.stringify(sample?.row)],
        );
        tried[table] = typeof result === 'string' ? result : 'inserted';
      }

      // 42501: refused by the policy or for want of a right.
      expect(tried).toEqual(Object.fromEntries(world.tables.map(table => [table, '42501'])));
    });

    test('cannot make a tenant that is not below themselves', async () => {
      for (const parent of foreign) {
        const result = await tryAs(
          world.b.id,
          `insert into tenant (id, parent_id, kind, name, currency, time_zone, region, ancestors, created_at)
           values ($1, $2, 'CUSTOMER', 'planted', 'USD', 'UTC', 'eu', array[$2, $1], now())`,
          [newId('ten', NOW), parent],
        );
        // The tree's trigger speaks before the policy would: a parent that cannot be seen is none.
        expect(result).toBe('23000');
      }
    });

    test('update and delete none of another’s rows, whatever column they may write', async () => {
      const changed: string[] = [];

      for (const table of [...world.tables, 'tenant']) {
        const owner = table === 'tenant' ? 'id' : 'tenant_id';
        const columns = await asSuperuser<{ name: string; may: boolean }>(
          world.product.database,
          `select quote_ident(column_name) as name, has_column_privilege('ratebook_app', $1, column_name::text, 'update') as may
           from information_schema.columns where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER' and is_identity = 'NO'`,
          [table],
        );
        const statements = [
          `delete from ${table} where ${owner} <> '${world.b.id}'`,
          ...columns.map(({ name }) => `update ${table} set ${name} = ${name} where ${owner} <> '${world.b.id}'`),
        ];

        for (const statement of statements) {
          const result = await tryAs(world.b.id, statement);

          if (typeof result === 'string' ? result !== '42501' : result.rowCount !== 0) {
            changed.push(`${statement}: ${typeof result === 'string' ? result : result.rowCount}`);
          }
        }
      }

      expect(changed).toEqual([]);
    });

    test('cannot give their own rows to another', async () => {
      const given: Record<string, unknown> = {};

      for (const table of world.tables) {
        const result = await tryAs(world.b.id, `update ${table} set tenant_id = $1 where tenant_id = $2`, [
          world.a.id,
          world.b.id,
        ]);
        given[table] = typeof result === 'string' ? 'refused' : result.rowCount;
      }

      for (const [table, what] of Object.entries(given)) {
        // The series is the reseller's, so there is no row of B to give away.
        expect([table, what]).toEqual([table, table === 'invoice_series' ? 0 : 'refused']);
      }
    });
  });

  describe('through the ORM', () => {
    const ownerOf = (schema: (typeof entities)[number]): string =>
      schema.meta.tableName === 'tenant' ? 'id' : 'tenantId';

    test.each(entities.map(schema => [String(schema.meta.className), schema] as const))(
      '%s: neither filter nor policy lets B see or change a row of A, each by itself',
      async (name, schema) => {
        const type = schema.meta.class as never;
        const where = { [ownerOf(schema)]: { $in: foreign } } as never;
        const count = (tenantId: string, options: object): Promise<number> =>
          inTransaction(world.product.scope(tenantId), tx => tx.em.count(type, where, options as never));

        expect(await count(world.b.id, {})).toBe(0);
        // The policy alone.
        expect(await count(world.b.id, { filters: false })).toBe(0);
        // All that B can see is its own.
        const visible = (await inTransaction(world.product.scope(world.b.id), tx =>
          tx.em.find(type, {}, { filters: false } as never),
        )) as Record<string, unknown>[];
        expect(new Set(visible.map(row => row[ownerOf(schema)]))).toEqual(
          new Set(OF_SELLERS.includes(schema.meta.tableName) ? [] : [world.b.id]),
        );

        // The filter alone: a superuser is past every policy.
        const em = pastPolicies.em.fork();
        em.setFilterParams('tenant', { tenantId: world.b.id });
        expect(await em.count(type, where)).toBe(0);
        expect(await em.count(type, where, { filters: false } as never)).toBeGreaterThan(0);

        // Writes with the filter off.
        const column = ownerOf(schema);
        const writes = [
          (tx: Scope) => tx.em.nativeDelete(type, where, { filters: false } as never),
          (tx: Scope) =>
            tx.em.nativeUpdate(type, where, { [column]: world.b.id } as never, { filters: false } as never),
        ];

        for (const write of writes) {
          const outcome = await inTransaction(world.product.scope(world.b.id), write).catch(
            (error: { code?: string }) => error.code,
          );
          expect([name, outcome === 0 || outcome === '42501']).toEqual([name, true]);
        }
      },
    );

    test('a filter without its tenant refuses to run', async () => {
      for (const schema of entities) {
        const found = await world.product.app.orm.em
          .fork()
          .find(schema.meta.class as never, {})
          .catch(() => 'refused');
        expect(found === 'refused' || (found as unknown[]).length === 0).toBe(true);
      }
    });
  });

  describe('through the API', () => {
    const RANDOM = '0123456789ABCDEFGHJKMNPQRS';
    const randomLike = (id: string): string => `${id.slice(0, id.indexOf('_'))}_${RANDOM}`;

    /** The body as it came, without the id that was asked for. */
    async function ask(key: string, text: string, variables: object, ids: readonly string[]): Promise<string> {
      const response = await fetch(`${world.product.server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ query: text, variables }),
      });
      const body = `${response.status} ${(await response.text()).replace(/"requestId":"[^"]*"/g, '"requestId":"…"')}`;

      return ids.reduce((masked, id) => masked.replaceAll(id, '<id>'), body);
    }

    /** Every id in the rows of these tenants. */
    async function idsOf(tenantIds: readonly string[]): Promise<string[]> {
      const ids = [...tenantIds];

      for (const table of world.tables) {
        const rows = await asSuperuser<{ id?: string }>(
          world.product.database,
          `select to_jsonb(t) ->> 'id' as id from ${table} t where tenant_id = any ($1)`,
          [tenantIds],
        );
        ids.push(...rows.flatMap(row => (row.id && isId(row.id) ? [row.id] : [])));
      }

      return [...new Set(ids)];
    }

    const NODE = 'query ($id: ID!, $tenantId: ID) { node(id: $id, tenantId: $tenantId) { __typename id } }';
    const TENANT = 'query ($id: ID) { tenant(id: $id) { id name children { edges { node { id } } } } }';

    test('node answers a foreign id as it answers a random one, for every id there is', async () => {
      const ids = await idsOf(foreign);
      expect(new Set(ids.map(id => id.slice(0, id.indexOf('_'))))).toEqual(
        new Set(
          'ten key whe whd mdl mco mtr fea ent crg crt bud bra hld pb pbv prc pim cim fxs con cmg chg inv inl sim alr fir orl orv out oac dsp osa oan orc osm'.split(
            ' ',
          ),
        ),
      );

      // What both customers buy under is the reseller's, and read by both: see test/outcomes/agreed-rules.test.ts.
      const agreed = [world.soldRuleId, world.soldRuleVersionId];
      expect(ids).toEqual(expect.arrayContaining(agreed));

      for (const id of ids) {
        const random = randomLike(id);
        const read = await world.product.graphql(world.b.key, NODE, { id });
        expect([id, read.data.node?.id ?? null]).toEqual([id, agreed.includes(id) ? id : null]);

        if (!agreed.includes(id)) {
          expect(await ask(world.b.key, NODE, { id }, [])).toBe('200 {"data":{"node":null}}\n');
        }

        expect(await ask(world.b.key, NODE, { id: random }, [])).toBe('200 {"data":{"node":null}}\n');

        for (const tenantId of [...foreign, randomLike(world.a.id)]) {
          expect(await ask(world.b.key, NODE, { id, tenantId }, [])).toBe('200 {"data":{"node":null}}\n');
        }
      }
    });

    test('tenant answers a sibling, the parent and the root as it answers a random id', async () => {
      for (const id of [...foreign, randomLike(world.a.id), 'nonsense', '']) {
        expect(await ask(world.b.key, TENANT, { id }, [])).toBe('200 {"data":{"tenant":null}}\n');
      }
    });

    test('each customer finds its own objects, and the reseller those of both by their tenant', async () => {
      const nodes = (await idsOf([world.a.id, world.b.id])).filter(id => !/^(mco|inl|oac|bra)_/.test(id));

      for (const party of [world.a, world.b]) {
        const own = (await idsOf([party.id])).filter(id => nodes.includes(id));
        expect(own.length).toBeGreaterThan(10);

        for (const id of own) {
          const answer = { data: { node: { __typename: expect.any(String), id } } };
          expect(await world.product.graphql(party.key, NODE, { id })).toMatchObject(answer);
          expect(await world.product.graphql(world.resellerKey, NODE, { id, tenantId: party.id })).toMatchObject(
            answer,
          );
          expect(
            await world.product.graphql(world.product.platformKey, NODE, { id, tenantId: party.id }),
          ).toMatchObject(answer);
        }
      }

      const { data } = await world.product.graphql(world.resellerKey, TENANT, {});
      expect(data.tenant.children.edges.map((edge: { node: { id: string } }) => edge.node.id).sort()).toEqual(
        [world.a.id, world.b.id].sort(),
      );
    });

    test('every list of a tenant holds that tenant’s own, for the reseller and for the tenant itself', async () => {
      const lists = `{ id
        apiKeys { edges { node { id } } } webhookEndpoints { edges { node { id } } }
        webhookDeliveries { edges { node { id endpointId } } } priceBooks { edges { node { id } } }
        fxSnapshots { edges { node { id } } } features { edges { node { id entitlements { edges { node { id } } } } } }
        creditGrants { edges { node { id tenantId } } } creditTransactions { edges { node { id reference entries { account } } } }
        creditBalances { edges { node { unit } } }
        contracts { edges { node { id buyerId } } } charges { edges { node { id } } }
        invoices { edges { node { id tenantId } } } spendAlerts { edges { node { id } } }
        alertFirings { edges { node { id tenantId } } } simulations { edges { node { id } } }
        outcomes { edges { node { id tenantId } } } outcomeDisputes { edges { node { id tenantId } } }
        outcomeSampleAudits { edges { node { id tenantId } } } outcomeAnomalies { edges { node { id } } } }`;
      const events = `{ usageEvents(from: "2026-10-01T00:00:00Z", until: "2026-12-01T00:00:00Z") { edges { node { eventId } } }
        idleOutcomeEvents(from: "2026-08-15T00:00:00Z", until: "2026-09-15T00:00:00Z") { edges { node { eventId } } }
        unpricedUsage { edges { node { meterId } } } auditLines { edges { node { subjectId } } }
        holds { edges { node { id keyId } } }
        budgets { edges { node { id tenantId standing { used { amount } } raises { edges { node { id } } } } } } }`;
      const ofA = new Set(await idsOf([world.a.id]));
      const ofB = new Set(await idsOf([world.b.id]));

      for (const [selection, party] of [lists, events].flatMap(text =>
        [world.a, world.b].map(p => [text, p] as const),
      )) {
        const text = `query ($id: ID) { tenant(id: $id) ${selection} }`;
        const own = await world.product.graphql(party.key, text, {});
        const above = await world.product.graphql(world.resellerKey, text, { id: party.id });
        expect(own.errors).toBeUndefined();
        expect(above.data).toEqual(own.data);

        for (const [name, list] of Object.entries(own.data.tenant)) {
          if (name !== 'id') {
            expect([name, (list as { edges: unknown[] }).edges.length > 0]).toEqual([name, true]);
          }
        }

        const others = party === world.a ? ofB : ofA;
        const told = JSON.stringify(own.data).match(/[a-z]{2,4}_[0-9A-Z]{26}/g) ?? [];
        expect(told.filter(id => others.has(id))).toEqual([]);
      }
    });

    test('no cursor of one tenant opens a list of another', async () => {
      const page =
        'query ($after: String) { tenant { invoices(first: 1, after: $after) { edges { cursor node { tenantId } } } } }';
      const first = await world.product.graphql(world.a.key, page, {});
      const after = first.data.tenant.invoices.edges[0].cursor;
      const { data } = await world.product.graphql(world.b.key, page, { after });

      for (const { node } of data.tenant.invoices.edges) {
        expect(node.tenantId).toBe(world.b.id);
      }
    });

    test('every mutation answers a foreign id as it answers a random one, and changes nothing', async () => {
      const idOf = async (table: string, where = 'true'): Promise<string> => {
        const [row] = await asSuperuser<{ id: string }>(
          world.product.database,
          `select id from ${table} where tenant_id = $1 and ${where} limit 1`,
          [world.a.id],
        );

        return row?.id ?? '';
      };
      const idempotencyKey = (): string => randomUUID();
      const tenantIds = foreign;
      const prices = (meterId: string): object[] => [{ meterId, name: 'x', model: 'UNIT', unitAmount: '1' }];
      const outcomeId = await idOf('outcome');
      const CLAIM = anEvent({ type: 'conversation.resolved', time: NOW.toISOString(), subject: 'x' });
      const TERMS = {
        claim: { eventType: 'own.resolved' },
        prices: [{ name: 'x', currency: 'USD', terms: { model: 'UNIT', unitAmount: '1' } }],
      };
      const ON = { value: { isOn: true } };
      const CREDITS = { unit: 'USD', amount: '1' };
      const ONE_DOLLAR = { amount: '1', currency: 'USD' };
      const ownPlan = { targetKind: 'PLAN', targetId: world.b.bookId };
      // B buys under it, and does not sell it.
      const boughtByB = (await idsOf([world.b.id])).filter(id => id.startsWith('con_'));
      /** Inputs of B, each with one id that is not B's. */
      const cases: readonly (readonly [mutation: string, ids: readonly string[], input: (id: string) => object])[] = [
        [
          'tenantCreate',
          tenantIds,
          parentId => ({ parentId, kind: 'CUSTOMER', name: 'x', currency: 'USD', timeZone: 'UTC', region: 'eu' }),
        ],
        ['apiKeyCreate', tenantIds, tenantId => ({ tenantId, name: 'x', permissions: ['usage:read'] })],
        ['apiKeyRevoke', [await idOf('api_key')], apiKeyId => ({ apiKeyId })],
        ['apiKeyRevoke', tenantIds, tenantId => ({ tenantId, apiKeyId: newId('key', NOW) })],
        [
          'webhookEndpointCreate',
          tenantIds,
          tenantId => ({ tenantId, url: 'https://example.com/', eventTypes: ['invoice.issued'] }),
        ],
        ['webhookDeliveryReplay', [await idOf('webhook_delivery')], webhookDeliveryId => ({ webhookDeliveryId })],
        ['webhookDeliveryReplay', tenantIds, tenantId => ({ tenantId, webhookDeliveryId: newId('whd', NOW) })],
        [
          'modelCostSet',
          [world.a.modelId],
          modelId => ({
            modelId,
            effectiveAt: '2027-01-01T00:00:00Z',
            currency: 'USD',
            rates: [{ kind: 'x', amount: '1', per: '1' }],
            source: 'x',
          }),
        ],
        [
          'modelContextSet',
          [world.a.modelId],
          modelId => ({ modelId, effectiveAt: '2027-01-01T00:00:00Z', bands: [{ above: '1', name: 'long' }] }),
        ],
        ['priceBookCreate', tenantIds, tenantId => ({ tenantId, name: 'x', currency: 'USD' })],
        ['priceBookVersionCreate', [world.a.bookId], priceBookId => ({ priceBookId, prices: prices(world.b.meterId) })],
        [
          'priceBookVersionCreate',
          [world.a.meterId],
          meterId => ({ priceBookId: world.b.bookId, prices: prices(meterId) }),
        ],
        [
          'priceBookVersionCreate',
          tenantIds,
          tenantId => ({ tenantId, priceBookId: world.b.bookId, prices: prices(world.b.meterId) }),
        ],
        [
          'priceBookVersionCreate',
          [world.a.bookId],
          priceBookId => ({ priceBookId: world.b.bookId, prices: [], basis: { priceBookId } }),
        ],
        [
          'priceBookVersionCreate',
          [world.a.meterId],
          meterId => ({
            priceBookId: world.b.bookId,
            prices: prices(world.b.meterId),
            discounts: [{ name: 'x', meterId, basis: 'SPEND', tiers: [{ rate: '1' }] }],
          }),
        ],
        [
          'fxSnapshotCreate',
          tenantIds,
          tenantId => ({ tenantId, base: 'USD', quote: 'EUR', rate: '1', asOf: '2026-11-01T00:00:00Z', source: 'x' }),
        ],
        ['priceBookPublish', [world.a.draftVersionId], versionId => ({ versionId })],
        ['priceBookPublish', tenantIds, tenantId => ({ tenantId, versionId: world.b.draftVersionId })],
        ['priceBookWithdraw', [await idOf('price_book_version', `status = 'PUBLISHED'`)], versionId => ({ versionId })],
        ['priceBookWithdraw', tenantIds, tenantId => ({ tenantId, versionId: world.b.draftVersionId })],
        [
          'priceImportPropose',
          [world.a.bookId],
          priceBookId => ({ ...PRICE_LIST, priceBookId, meterId: world.b.meterId }),
        ],
        ['priceImportPropose', [world.a.meterId], meterId => ({ ...PRICE_LIST, priceBookId: world.b.bookId, meterId })],
        [
          'priceImportPropose',
          tenantIds,
          tenantId => ({ ...PRICE_LIST, tenantId, priceBookId: world.b.bookId, meterId: world.b.meterId }),
        ],
        [
          'priceImportDecide',
          [await idOf('price_import', `target = 'BOOK'`)],
          importId => ({ importId, allUnflagged: true, decision: 'APPROVED' }),
        ],
        [
          'priceImportDecide',
          tenantIds,
          tenantId => ({ tenantId, importId: newId('pim', NOW), allUnflagged: true, decision: 'APPROVED' }),
        ],
        ['priceImportDraft', [await idOf('price_import', `target = 'BOOK'`)], importId => ({ importId })],
        ['priceImportDraft', tenantIds, tenantId => ({ tenantId, importId: newId('pim', NOW) })],
        ['priceImportDiscard', [await idOf('price_import', `target = 'BOOK'`)], importId => ({ importId })],
        ['priceImportDiscard', tenantIds, tenantId => ({ tenantId, importId: newId('pim', NOW) })],
        [
          'modelCostImportPropose',
          [world.a.meterId],
          meterId => ({ ...PRICE_LIST, meters: [{ unit: 'IMAGE', meterId }] }),
        ],
        [
          'modelCostImportDecide',
          [await idOf('price_import', `target = 'COSTS'`)],
          importId => ({ importId, allUnflagged: true, decision: 'APPROVED' }),
        ],
        [
          'modelCostImportApply',
          [await idOf('price_import', `target = 'COSTS'`)],
          importId => ({ importId, effectiveAt: '2027-01-01T00:00:00Z' }),
        ],
        ['modelCostImportDiscard', [await idOf('price_import', `target = 'COSTS'`)], importId => ({ importId })],
        [
          'contractCreate',
          tenantIds,
          buyerId => ({ buyerId, priceBookId: world.b.bookId, startsAt: '2027-01-01T00:00:00Z' }),
        ],
        [
          'contractCreate',
          tenantIds,
          sellerId => ({
            sellerId,
            buyerId: world.b.id,
            priceBookId: world.b.bookId,
            startsAt: '2027-01-01T00:00:00Z',
          }),
        ],
        ...(['sellerId', 'priceBookId', 'fromVersionId', 'toPriceBookId', 'toVersionId'] as const).map(
          name =>
            [
              'contractsMigrate',
              name === 'sellerId' ? tenantIds : [name.endsWith('BookId') ? world.a.bookId : world.a.draftVersionId],
              (id: string) => ({
                priceBookId: world.b.bookId,
                toPriceBookId: world.b.bookId,
                effectiveAt: '2027-01-01T00:00:00Z',
                [name]: id,
              }),
            ] as const,
        ),
        [
          'contractsMigrate',
          tenantIds,
          buyerId => ({
            priceBookId: world.b.bookId,
            toPriceBookId: world.b.bookId,
            effectiveAt: '2027-01-01T00:00:00Z',
            buyerIds: [buyerId],
          }),
        ],
        [
          'invoiceIssue',
          [await idOf('invoice', `status = 'DRAFT'`), await idOf('invoice', `status = 'ISSUED'`)],
          invoiceId => ({ invoiceId }),
        ],
        ['invoiceIssue', tenantIds, tenantId => ({ tenantId, invoiceId: newId('inv', NOW) })],
        ['featureCreate', tenantIds, tenantId => ({ tenantId, key: 'x', name: 'x', kind: 'BOOLEAN' })],
        ['featureCreate', [world.a.meterId], meterId => ({ meterId, key: 'x', name: 'x', kind: 'LIMIT' })],
        ['entitlementSet', [world.a.featureId], featureId => ({ ...ON, featureId, ...ownPlan })],
        ['entitlementSet', tenantIds, tenantId => ({ ...ON, tenantId, featureId: world.b.featureId, ...ownPlan })],
        ...(
          [
            ['PLAN', [world.a.bookId]],
            ['CONTRACT', [await idOf('contract'), ...boughtByB]],
            ['TENANT', tenantIds],
          ] as const
        ).map(
          ([targetKind, ids]) =>
            [
              'entitlementSet',
              ids,
              (targetId: string) => ({ ...ON, featureId: world.b.featureId, targetKind, targetId }),
            ] as const,
        ),
        ['creditGrantCreate', tenantIds, tenantId => ({ tenantId, ...CREDITS, kind: 'PAID', costBasis: ONE_DOLLAR })],
        ['creditGrantRefund', [await idOf('credit_grant')], creditGrantId => ({ creditGrantId })],
        ['creditGrantRefund', tenantIds, tenantId => ({ tenantId, creditGrantId: newId('crg', NOW) })],
        [
          'creditBurnReverse',
          [await idOf('credit_transaction', "kind = 'BURN'")],
          creditTransactionId => ({ creditTransactionId }),
        ],
        ['creditBurnReverse', tenantIds, tenantId => ({ tenantId, creditTransactionId: newId('crt', NOW) })],
        ['creditTransfer', tenantIds, fromTenantId => ({ fromTenantId, toTenantId: world.b.id, ...CREDITS })],
        ['creditTransfer', tenantIds, toTenantId => ({ fromTenantId: world.b.id, toTenantId, ...CREDITS })],
        ['creditPrepaidSet', tenantIds, tenantId => ({ tenantId, isPrepaid: true })],
        ['creditRechargeSet', tenantIds, tenantId => ({ tenantId, unit: 'USD', below: '1', amount: '1' })],
        ['budgetCreate', tenantIds, tenantId => ({ tenantId, name: 'x', amount: '1', currency: 'USD' })],
        ['budgetCreate', tenantIds, countedTenantId => ({ countedTenantId, name: 'x', amount: '1', currency: 'USD' })],
        ['budgetCreate', [await idOf('api_key')], keyId => ({ keyId, name: 'x', amount: '1', currency: 'USD' })],
        ['budgetCreate', [world.a.meterId], meterId => ({ meterId, name: 'x', amount: '1', currency: 'USD' })],
        ...(
          [
            ['budgetChange', { amount: '1' }],
            ['budgetRaise', { amount: '1', until: '2026-12-01T00:00:00Z', reason: 'x' }],
            ['budgetEnd', {}],
          ] as const
        ).flatMap(
          ([name, rest]) =>
            [
              [name, [world.a.budgetId], (budgetId: string) => ({ ...rest, budgetId })],
              [name, tenantIds, (tenantId: string) => ({ ...rest, tenantId, budgetId: world.b.budgetId })],
            ] as const,
        ),
        ['spendAlertCreate', tenantIds, tenantId => ({ tenantId, name: 'x', thresholds: [{ amount: '1' }] })],
        ['spendAlertArchive', [world.a.alertId], spendAlertId => ({ spendAlertId })],
        ['spendAlertArchive', tenantIds, tenantId => ({ tenantId, spendAlertId: world.b.alertId })],
        ['simulationStart', [world.a.draftVersionId], priceBookVersionId => ({ ...OCTOBER, priceBookVersionId })],
        [
          'simulationStart',
          tenantIds,
          sellerId => ({ ...OCTOBER, sellerId, priceBookVersionId: world.b.draftVersionId }),
        ],
        [
          'simulationStart',
          tenantIds,
          subjectId => ({
            ...OCTOBER,
            priceBookVersionId: world.b.draftVersionId,
            tenantIds: [world.b.id, subjectId],
          }),
        ],
        ['simulationCancel', [world.a.simulationId], simulationId => ({ simulationId })],
        ['simulationCancel', tenantIds, tenantId => ({ tenantId, simulationId: world.b.simulationId })],
        ['outcomeRuleCreate', [world.a.bookId], priceBookId => ({ priceBookId, key: 'x', name: 'x' })],
        ['outcomeRuleCreate', tenantIds, tenantId => ({ tenantId, priceBookId: world.b.bookId, key: 'x', name: 'x' })],
        ['outcomeRuleVersionCreate', [world.a.ruleId], outcomeRuleId => ({ outcomeRuleId, terms: TERMS })],
        [
          'outcomeRuleVersionCreate',
          tenantIds,
          tenantId => ({ tenantId, outcomeRuleId: world.b.ruleId, terms: TERMS }),
        ],
        [
          'outcomeRuleVersionCreate',
          [world.a.meterId],
          meterId => ({
            outcomeRuleId: world.b.ruleId,
            terms: { ...TERMS, usage: { relation: 'REPLACE', meterIds: [meterId] } },
          }),
        ],
        ...(['outcomeRuleVersionPublish', 'outcomeRuleVersionWithdraw'] as const).flatMap(
          name =>
            [
              [name, [world.a.ruleVersionId], (outcomeRuleVersionId: string) => ({ outcomeRuleVersionId })],
              [name, tenantIds, (tenantId: string) => ({ tenantId, outcomeRuleVersionId: world.b.ruleVersionId })],
            ] as const,
        ),
        [
          'outcomeSimulationStart',
          [world.a.ruleVersionId],
          outcomeRuleVersionId => ({ ...OCTOBER, outcomeRuleVersionId }),
        ],
        [
          'outcomeSimulationStart',
          tenantIds,
          tenantId => ({ ...OCTOBER, tenantId, outcomeRuleVersionId: world.b.ruleVersionId }),
        ],
        [
          'outcomeSimulationStart',
          tenantIds,
          subjectId => ({ ...OCTOBER, outcomeRuleVersionId: world.b.ruleVersionId, tenantIds: [subjectId] }),
        ],
        ['outcomeSimulationCancel', [world.outcomeSimulationId], outcomeSimulationId => ({ outcomeSimulationId })],
        ['outcomeSimulationCancel', tenantIds, tenantId => ({ tenantId, outcomeSimulationId: newId('osm', NOW) })],
        ['outcomeClaim', tenantIds, tenantId => ({ tenantId, event: CLAIM })],
        ['outcomeClaim', tenantIds, tenant => ({ event: { ...CLAIM, tenant } })],
        ...(
          [
            ['outcomeVerify', { passes: true, verifier: 'HUMAN' }],
            ['outcomeReverse', {}],
            ['outcomeDisputeOpen', { reason: 'x' }],
          ] as const
        ).flatMap(
          ([name, rest]) =>
            [
              [name, [outcomeId], (id: string) => ({ ...rest, outcomeIds: [id] })],
              [name, tenantIds, (tenantId: string) => ({ ...rest, tenantId, outcomeIds: [newId('out', NOW)] })],
            ] as const,
        ),
        [
          'outcomeDisputeDecide',
          [await idOf('outcome_dispute')],
          outcomeDisputeId => ({ outcomeDisputeId, acceptedOutcomeIds: [outcomeId] }),
        ],
        [
          'outcomeDisputeDecide',
          tenantIds,
          tenantId => ({ tenantId, outcomeDisputeId: newId('dsp', NOW), acceptedOutcomeIds: [outcomeId] }),
        ],
        [
          'outcomeSampleAuditStart',
          [world.a.ruleId],
          outcomeRuleId => ({ outcomeRuleId, at: OCTOBER.from, sampleSize: 1 }),
        ],
        [
          'outcomeSampleAuditStart',
          tenantIds,
          tenantId => ({ tenantId, outcomeRuleId: world.b.ruleId, at: OCTOBER.from, sampleSize: 1 }),
        ],
        [
          'outcomeSampleAuditFinish',
          [await idOf('outcome_sample_audit')],
          outcomeSampleAuditId => ({ outcomeSampleAuditId, wrongOutcomeIds: [] }),
        ],
        [
          'outcomeSampleAuditFinish',
          tenantIds,
          tenantId => ({ tenantId, outcomeSampleAuditId: newId('osa', NOW), wrongOutcomeIds: [] }),
        ],
        [
          'usageRecord',
          tenantIds,
          tenant => ({
            events: [anEvent({ id: 'x', tenant, time: NOW.toISOString(), properties: { model: 'm', value: 1 } })],
          }),
        ],
      ];
      const mutations = world.product.app.schema.getMutationType()?.getFields() ?? {};
      const withIds = Object.entries(mutations)
        .filter(([, field]) => JSON.stringify(field.args[0]?.type).length > 0)
        .map(([name]) => name)
        // These two take no id: what they make is the key's own tenant's.
        .filter(name => !['modelCreate', 'meterCreate'].includes(name));
      expect([...new Set(cases.map(([name]) => name))].sort()).toEqual(withIds.sort());

      for (const [mutation, ids, input] of cases) {
        const named = `${mutation.charAt(0).toUpperCase()}${mutation.slice(1)}Input`;
        const errors = mutation === 'usageRecord' ? 'accepted rejected { code field reason }' : '';
        const text = `mutation ($input: ${named}!) { ${mutation}(input: $input) { ${errors} userErrors { code message field } } }`;
        const takesKey =
          'idempotencyKey' in
          (world.product.app.schema.getType(named) as unknown as { getFields(): object }).getFields();

        for (const id of ids) {
          const random = randomLike(id);
          const withKey = (given: object): object => ({
            input: { ...given, ...(takesKey ? { idempotencyKey: idempotencyKey() } : {}) },
          });
          const answer = await ask(world.b.key, text, withKey(input(id)), [id]);
          expect([mutation, answer]).toEqual([
            mutation,
            await ask(world.b.key, text, withKey(input(random)), [random]),
          ]);
          expect([mutation, /NOT_FOUND|UNKNOWN_TENANT/.test(answer)]).toEqual([mutation, true]);
          expect([mutation, answer.startsWith('200 ')]).toEqual([mutation, true]);
        }
      }
    });

    test('what is asked about calls answers a foreign id as it answers a random one, and changes nothing', async () => {
      const [held] = await asSuperuser<{ id: string }>(
        world.product.database,
        'select id from hold where tenant_id = $1',
        [world.a.id],
      );
      const call = { eventType: 'llm.request', properties: { model: 'm', value: 1 } };
      const event = anEvent({ time: NOW.toISOString(), properties: { model: 'm', value: 1 } });
      const cases: readonly (readonly [route: string, ids: readonly string[], body: (id: string) => object])[] = [
        ['check', foreign, tenantId => ({ ...call, tenantId })],
        ['authorize', foreign, tenantId => ({ ...call, tenantId, idempotencyKey: 'x' })],
        ['settle', foreign, tenantId => ({ tenantId, holdId: newId('hld', NOW), events: [event] })],
        ['settle', [held?.id ?? ''], holdId => ({ holdId, events: [event] })],
        ['void', foreign, tenantId => ({ tenantId, holdId: newId('hld', NOW) })],
        ['void', [held?.id ?? ''], holdId => ({ holdId })],
      ];

      for (const [route, ids, body] of cases) {
        for (const id of ids) {
          const random = randomLike(id);
          const answer = await askCall(world.product, world.b.key, route, body(id));
          expect(answer.status).toBe(404);
          expect([route, masked(answer.text, id)]).toEqual([
            route,
            masked((await askCall(world.product, world.b.key, route, body(random))).text, random),
          ]);
        }
      }

      const CHECK = 'query ($input: EntitlementCheckInput!) { entitlementCheck(input: $input) { isAllowed code } }';

      for (const tenantId of foreign) {
        const random = randomLike(tenantId);
        const answer = await ask(world.b.key, CHECK, { input: { ...call, tenantId } }, [tenantId]);
        expect(answer).toMatch(/NOT_FOUND/);
        expect(answer).toBe(await ask(world.b.key, CHECK, { input: { ...call, tenantId: random } }, [random]));
      }

      // Nor are another's events recorded with one's own hold.
      const [own] = await asSuperuser<{ id: string }>(
        world.product.database,
        'select id from hold where tenant_id = $1',
        [world.b.id],
      );

      for (const tenant of [...foreign, randomLike(world.a.id)]) {
        const body = { holdId: own?.id, events: [{ ...event, tenant }] };
        const { status, text } = await askCall(world.product, world.b.key, 'settle', body);
        expect([status, /UNKNOWN_TENANT/.test(text)]).toEqual([422, true]);
      }
    });

    test('a subscription to a foreign tenant ends as one to a random tenant does', async () => {
      const listen = (tenantId: string, field: string): Promise<string> =>
        new Promise(resolve => {
          const socket = createClient({
            url: `${world.product.server.url.replace('http', 'ws')}/graphql`,
            webSocketImpl: WebSocket,
            retryAttempts: 0,
            connectionParams: { authorization: `Bearer ${world.b.key}` },
          });
          const end = (what: unknown): void => {
            resolve(
              JSON.stringify(what)
                .replace(/"requestId":"[^"]*"/g, '')
                .replaceAll(tenantId, '<id>'),
            );
            void socket.dispose();
          };
          socket.subscribe(
            {
              query: `subscription ($tenantId: ID) { ${field} { id } }`,
              variables: { tenantId },
            },
            { next: end, error: end, complete: () => end('complete') },
          );
        });

      for (const field of [
        'spendAlertTriggered(tenantId: $tenantId, after: "0")',
        `simulationProgress(tenantId: $tenantId, id: "${world.a.simulationId}")`,
        `outcomeSimulationProgress(tenantId: $tenantId, id: "${world.outcomeSimulationId}")`,
      ]) {
        const random = await listen(randomLike(world.a.id), field);
        expect(random).toContain('NOT_FOUND');

        for (const tenantId of foreign) {
          expect(await listen(tenantId, field)).toBe(random);
        }
      }
    });
  });

  describe('between transactions', () => {
    test('a transaction that was told no tenant sees no row of any table', async () => {
      const readable = [...world.tables, 'tenant'];

      for (const table of readable) {
        const read = await tryAs(null, `select count(*)::int as n from ${table}`);
        expect([table, rowsOf(read)]).toEqual([table, [{ n: 0 }]]);
      }

      for (const nonsense of ['', '%', 'null', "' or true --"]) {
        await asApp.query('begin');
        await asApp.query('select set_config($1, $2, true)', ['app.tenant', nonsense]);

        for (const table of readable) {
          const { rows } = await asApp.query(`select count(*)::int as n from ${table}`);
          expect([table, nonsense, rows]).toEqual([table, nonsense, [{ n: 0 }]]);
        }

        await asApp.query('rollback');
      }
    });

    test('only a transaction that names a lineage sees rows of those above it, and of the tables that count limits alone', async () => {
      const ownersSeen = async (lineage: string | null): Promise<Record<string, unknown>> => {
        const seen: Record<string, unknown> = {};
        await asApp.query('begin');

        try {
          await asApp.query(`set local app.tenant = '${world.b.id}'`);

          if (lineage !== null) {
            await asApp.query('select set_config($1, $2, true)', ['app.lineage', lineage]);
          }

          for (const table of world.tables) {
            const { rows } = await asApp.query<{ owner: string }>(
              `select distinct tenant_id as owner from ${table} where tenant_id <> $1`,
              [world.b.id],
            );

            if (rows.length > 0) {
              seen[table] = rows.map(({ owner }) => owner);
            }
          }

          return seen;
        } finally {
          await asApp.query('rollback');
        }
      };

      for (const none of [null, '', ' ', '%', 'null', "' or true --", `{${world.resellerId}}`, world.b.id]) {
        expect([none, await ownersSeen(none)]).toEqual([none, {}]);
      }

      const above = [world.resellerId];
      expect(await ownersSeen(`${world.product.platformId} ${world.resellerId} ${world.b.id}`)).toEqual({
        budget: above,
        budget_excess: above,
        budget_raise: above,
        limit_entry: above,
        limit_window: above,
      });
    });

    test('a lineage is over with the work that names it, and holds nothing but tenants', async () => {
      const seen = (tx: Scope) =>
        query<{ n: number }>(tx, 'select count(*)::int as n from limit_window where tenant_id = any ($1)', [foreign]);
      const scope = world.product.scope(world.b.id);
      await inTransaction(scope, async tx => {
        expect(await inLineage(tx, [world.resellerId, world.b.id], seen)).toEqual([{ n: expect.any(Number) }]);
        expect(await seen(tx)).toEqual([{ n: 0 }]);
        await inLineage(tx, [world.resellerId], () => Promise.reject(new Error('of our own'))).catch(() => undefined);
        expect(await seen(tx)).toEqual([{ n: 0 }]);
      });

      for (const tenantId of ['', "x'; set local app.tenant = 'y", `${world.a.id}'`, world.a.endpointId]) {
        await expect(inLineage(scope, [world.b.id, tenantId], seen)).rejects.toThrow(/not a tenant id/);
      }
    });

    test('a scope whose tenant is no id never reaches the database', async () => {
      for (const tenantId of ['', "x'; set local app.tenant = 'y", `${world.a.id}'`, world.a.endpointId]) {
        await expect(inTransaction(world.product.scope(tenantId), tx => query(tx, 'select 1'))).rejects.toThrow(
          /not a tenant id/,
        );
      }
    });

    test('a connection comes back to the pool without a tenant, whatever happened on it', async () => {
      const orm = createOrm({ url: world.product.database.appUrl, entities, poolSize: 1 });
      const scope = (tenantId: string): Scope => ({ ...world.product.scope(tenantId), em: orm.em.fork() });
      const left = async (): Promise<unknown> =>
        orm.em.fork().execute(
          `select coalesce(current_setting('app.tenant', true), '') as tenant, coalesce(current_setting('app.key_digest', true), '') as digest,
               coalesce(current_setting('app.lineage', true), '') as lineage,
               (select count(*)::int from tenant) + (select count(*)::int from invoice) as seen`,
        );
      const clean = [{ tenant: '', digest: '', lineage: '', seen: 0 }];
      const sees = (tx: Scope) => query<{ tenant: string }>(tx, `select current_setting('app.tenant') as tenant`);

      const uses: (() => Promise<unknown>)[] = [
        () => inTransaction(scope(world.a.id), sees),
        () => inTransaction(scope(world.a.id), tx => query(tx, 'select 1 / 0')),
        () => inTransaction(scope(world.a.id), tx => query(tx, 'select no_such_column from invoice')),
        () => inTransaction(scope(world.a.id), () => Promise.reject(new Error('of our own'))),
        () =>
          inTransaction(scope(world.a.id), tx =>
            query(tx, 'insert into audit_head (tenant_id, seq, hash) values ($1, 0, $2)', [world.b.id, '']),
          ),
        () => inTransaction(scope(world.resellerId), tx => asTenant(tx, world.a.id, sees)),
        () => inTransaction(scope(world.resellerId), tx => asTenant(tx, world.a.id, own => query(own, 'select 1 / 0'))),
        () =>
          inTransaction(scope(world.resellerId), tx =>
            asTenant(tx, world.a.id, () => Promise.reject(new Error('of our own'))),
          ),
        () => inLineage(scope(world.a.id), foreign, sees),
        () => inLineage(scope(world.a.id), foreign, tx => query(tx, 'select 1 / 0')),
        () => inLineage(scope(world.a.id), foreign, () => Promise.reject(new Error('of our own'))),
        () =>
          inTransaction(scope(world.a.id), async tx => {
            await query(tx, 'savepoint s');
            await query(tx, 'select 1 / 0').catch(() => undefined);
            await query(tx, 'rollback to savepoint s');
            throw new Error('of our own');
          }),
        () =>
          inTransaction(scope(world.a.id), async tx => {
            const [{ pid } = { pid: 0 }] = await query<{ pid: number }>(tx, 'select pg_backend_pid() as pid');
            setTimeout(() => void asSuperuser(world.product.database, 'select pg_cancel_backend($1)', [pid]), 50);
            await query(tx, 'select pg_sleep(5)');
          }),
        () =>
          world.product.app.services.access.authenticate({ em: orm.em.fork(), now: NOW, requestId: '' }, world.a.key),
      ];

      try {
        for (const use of uses) {
          await use().catch(() => undefined);
          expect(await left()).toEqual(clean);
        }

        // And `asTenant` comes back within the transaction, also after an error of ours.
        await inTransaction(scope(world.resellerId), async tx => {
          await asTenant(tx, world.a.id, () => Promise.reject(new Error('of our own'))).catch(() => undefined);
          expect(await sees(tx)).toEqual([{ tenant: world.resellerId }]);
        });
      } finally {
        await orm.close(true);
      }
    });
  });
});

/** Asks one of the routes about calls. */
async function askCall(
  product: Product,
  key: string,
  route: string,
  body: object,
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${product.server.url}/v1/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });

  return { status: response.status, text: await response.text() };
}

function masked(text: string, id: string): string {
  return text.replace(/"requestId":"[^"]*"/, '').replaceAll(id, '<id>');
}

describe('what a customer is told of a call', () => {
  const CALL = 'a.call';
  let product: Product;
  let keys: readonly string[];
  let customers: readonly string[];
  let resellerId: string;
  let meterId: string;
  /** What the customer must not be told: ids, names and amounts of tenants above and beside it. */
  let secrets: string[];

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
    resellerId = await aTenant(product, { kind: 'RESELLER', name: 'The secret reseller' });
    meterId = await aMeterOf(product, resellerId, { eventType: CALL, aggregation: 'SUM' });
    const { bookId } = await aPriceBook(product, {
      ownerId: resellerId,
      prices: [{ meterId, terms: { model: 'UNIT', unitAmount: '1' } }],
    });
    customers = [
      await aTenant(product, { parentId: resellerId, name: 'Customer' }),
      await aTenant(product, { parentId: resellerId, name: 'The secret sibling' }),
    ];

    for (const buyerId of customers) {
      await aContract(product, { sellerId: resellerId, buyerId, bookId });
    }

    keys = await Promise.all(customers.map(id => aKey(product.app, product.scope(id))));
    secrets = ['secret', '7777', product.platformId, resellerId, customers[1] ?? '', meterId, bookId];
    // The sibling has used and holds something of what both share.
    await limit(resellerId, '7777.25');
    await limit(customers[1], '7777.5', { mode: 'SOFT' });
    await product.postUsage(keys[1] ?? '', [
      anEvent({ type: CALL, time: NOW.toISOString(), properties: { model: 'm', value: 333 } }),
    ]);
    secrets.push(await heldFor(1, 444));
  });

  afterEach(() => product.close());

  const limit = async (
    tenantId: string | undefined,
    amount: string,
    more: { readonly mode?: 'HARD' | 'SOFT'; readonly currency?: string; readonly countedTenantId?: string } = {},
  ): Promise<void> => {
    const budgetId = await aBudget(product, { ...(tenantId ? { tenantId } : {}), amount, ...more });

    if (tenantId !== customers[0]) {
      await asSuperuser(product.database, `update budget set name = 'secret' where id = $1`, [budgetId]);
      secrets.push(budgetId);
    }
  };
  const bodyOf = (value: number) => ({
    eventType: CALL,
    properties: { model: 'm', value },
    idempotencyKey: randomUUID(),
  });
  const heldFor = async (place: number, value: number): Promise<string> => {
    const { text } = await askCall(product, keys[place] ?? '', 'authorize', bodyOf(value));

    return (JSON.parse(text) as { hold: { id: string } }).hold.id;
  };
  /** Asks as the customer by both routes, and sees that no secret is told. */
  const told = async (value: number): Promise<Record<string, unknown>[]> => {
    const { idempotencyKey, ...call } = bodyOf(value);
    const answers = [
      await askCall(product, keys[0] ?? '', 'check', call),
      await askCall(product, keys[0] ?? '', 'authorize', { ...call, idempotencyKey }),
    ];

    for (const { status, text } of answers) {
      expect(status).toBe(200);
      expect(secrets.filter(secret => text.includes(secret))).toEqual([]);
      // What is used, held and left of what is shared.
      expect(text).not.toMatch(/"(333|444|6999\.75|6666\.5|7000\.25)/);
    }

    return answers.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
  };
  const HIDDEN = {
    limitId: null,
    ownerId: null,
    measure: null,
    currency: null,
    most: null,
    used: null,
    held: null,
    remaining: null,
    resetsAt: null,
  };

  test.each(['the reseller', 'the platform'])(
    'has nothing of a limit of %s that refuses it but that there is one',
    async whose => {
      await limit(whose === 'the platform' ? product.platformId : resellerId, '0.77');
      secrets.push('0.77');

      for (const answer of await told(1)) {
        expect(answer).toMatchObject({ isAllowed: false, code: 'LIMIT_EXCEEDED', limit: HIDDEN, beyond: [] });
      }
    },
  );

  test('has nothing of the limits above it that it goes beyond, and all of its own', async () => {
    await limit(resellerId, '0.77', { mode: 'SOFT' });
    await limit(product.platformId, '0.78', { mode: 'SOFT' });
    await limit(customers[0], '5', { mode: 'SOFT' });
    secrets.push('0.77', '0.78');

    for (const { isAllowed, beyond } of await told(6)) {
      expect(isAllowed).toBe(true);
      expect(beyond).toHaveLength(3);
      expect(beyond).toEqual(
        expect.arrayContaining([HIDDEN, HIDDEN, expect.objectContaining({ ownerId: customers[0], most: '5' })]),
      );
    }
  });

  test('has nothing of a budget above it in another currency but that there is one', async () => {
    await limit(resellerId, '0.77', { currency: 'JPY' });
    secrets.push('0.77', 'JPY');

    for (const answer of await told(1)) {
      expect(answer).toMatchObject({ isAllowed: false, code: 'CURRENCY_MISMATCH', limit: null });
    }
  });

  test('has nothing of anybody else when its call goes ahead, is refused by its own limit, is settled or given back', async () => {
    await told(1);
    const holdId = await heldFor(0, 2);
    const event = anEvent({ type: CALL, time: NOW.toISOString(), properties: { model: 'm', value: 3 } });
    const given = [
      await askCall(product, keys[0] ?? '', 'settle', { holdId, events: [event] }),
      await askCall(product, keys[0] ?? '', 'void', { holdId: await heldFor(0, 2) }),
    ];
    expect(given.map(({ status }) => status)).toEqual([200, 200]);
    expect(given.flatMap(({ text }) => secrets.filter(secret => text.includes(secret)))).toEqual([]);
    await limit(customers[0], '5');

    for (const answer of await told(6)) {
      expect(answer).toMatchObject({ isAllowed: false, limit: { ownerId: customers[0], most: '5' } });
    }
  });

  test('is the same whether its sibling is asked about in the same transaction or not', async () => {
    await limit(customers[1], '0');
    const both = await Promise.all(
      Array.from({ length: 40 }, async (_, n) => {
        const { text } = await askCall(product, keys[n % 2] ?? '', 'authorize', bodyOf(1));

        return [n % 2, (JSON.parse(text) as { isAllowed: boolean }).isAllowed, secrets.some(one => text.includes(one))];
      }),
    );
    expect(both.filter(([who]) => who === 0)).toEqual(Array.from({ length: 20 }, () => [0, true, false]));
    expect(both.filter(([who]) => who === 1).map(([, isAllowed]) => isAllowed)).toEqual(
      Array.from({ length: 20 }, () => false),
    );
  });
});

test('500 interleaved requests of ten tenants on two connections never see each other', async () => {
  const product = await aProduct();
  const app = await createApp({ ...product.app.config, port: 0 }, { poolSize: 2, jobPrefix: 'pool-of-two' });
  const server = await startServer(app);

  try {
    const parties: { id: string; key: string; alert: string }[] = [];

    for (let n = 0; n < 10; n++) {
      const id = await aTenant(product, { name: `canary-${n}` });
      const alert = `alert-canary-${n}`;
      await product.app.services.alerts.create(
        product.scope(id),
        { name: alert, budget: null, thresholds: [{ amount: '1' }], idempotencyKey: randomUUID() },
        product.app.services.rating,
      );
      parties.push({ id, key: await aKey(product.app, product.scope(id)), alert });
    }

    const READ = `{ viewer { tenant { id name } } tenant { id name spendAlerts { edges { node { name } } }
      auditLines { edges { node { after } } } } }`;
    const ask = async (key: string, text: string): Promise<string> => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ query: text }),
      });

      return response.text();
    };
    const leaks: string[] = [];
    let reads = 0;

    await Promise.all(
      Array.from({ length: 500 }, async (_, n) => {
        const number = n % 10;
        const { key, id } = parties[number] ?? { key: '', id: '' };
        const other = parties[(number + 3) % 10]?.id ?? '';

        // One in five fails halfway: a refused page within a transaction, a refused mutation, a foreign tenant.
        if (n % 5 === 4) {
          await ask(
            key,
            [
              '{ tenant { id spendAlerts(first: 0) { edges { node { name } } } } }',
              `mutation { spendAlertArchive(input: { spendAlertId: "${other}" }) { userErrors { message } } }`,
              `{ tenant(id: "${other}") { id name } }`,
            ][((n / 5) % 3) | 0] ?? '',
          );

          return;
        }

        const body = await ask(key, READ);
        reads += 1;

        if (!body.includes(id) || !body.includes(`"alert-canary-${number}"`) || /"errors"/.test(body)) {
          leaks.push(`${number} does not see itself: ${body.slice(0, 300)}`);
        }

        for (const seen of body.match(/canary-\d/g) ?? []) {
          if (seen !== `canary-${number}`) {
            leaks.push(`${number} sees ${seen}`);
          }
        }
      }),
    );

    expect(leaks).toEqual([]);
    expect(reads).toBe(400);
  } finally {
    await server.close();
    await app.close();
    await product.close();
  }
});
