import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MikroORM } from '@mikro-orm/postgresql';
import { createClient } from 'graphql-ws';
import pg from 'pg';
import { WebSocket } from 'ws';
import { createApp, entities } from '../src/app.js';
import { asTenant, createOrm, inTransaction, isId, newId, query, type Scope } from '../src/platform/index.js';
import { startServer } from '../src/server.js';
import { aContract, anEvent, anOutcomeRule, aPriceBook, aTenant, perMillion, rate } from './support/builders.js';
import { aDatabase, asSuperuser, type TestDatabase } from './support/database.js';
import { aKey, aProduct, type Product } from './support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');
const OCTOBER = { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' };

/** Policies beyond the tenant's own: each is a hole that somebody has argued for. */
const ARGUED_POLICIES = [
  'api_key.presented to ratebook_app',
  'contract.seller to ratebook_app',
  'contract_migration_item.relay to ratebook_relay',
  'invoice.relay to ratebook_relay',
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
  'contract_migration_item: select (contract_id)',
  'contract_migration_item: select (migration_id)',
  'contract_migration_item: select (status)',
  'contract_migration_item: select (tenant_id)',
  'invoice: select (due_at)',
  'invoice: select (id)',
  'invoice: select (status)',
  'invoice: select (tenant_id)',
  'outbox: delete',
  'outbox: select',
  'outbox: update (claimed_until)',
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
}

/** Two sibling customers below a reseller, each with rows in every table. */
interface World {
  readonly product: Product;
  readonly resellerId: string;
  readonly resellerKey: string;
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
  const { ruleId } = await anOutcomeRule(product, {
    ownerId: resellerId,
    bookId,
    terms: {
      dispute: { windowHours: 240, responseHours: 240, whenSilent: 'CREDIT' },
      sampleAudit: { tolerance: '5' },
      // Every claim is out of line.
      anomaly: { factor: '1', leastClaims: 1 },
    },
    publishedAt: new Date('2026-09-01T00:00:00Z'),
  });
  product.setClock(NOW);
  const soldBy = { bookId, ruleId };
  const world = {
    product,
    resellerId,
    resellerKey: await aKey(product.app, product.scope(resellerId)),
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
  await anOutcomeSimulation(product, resellerId, ruleId);
  const tables = await asSuperuser<{ name: string }>(
    product.database,
    `select table_name::text as name from information_schema.columns
     where table_schema = 'public' and column_name = 'tenant_id' order by 1`,
  );

  return { ...world, tables: tables.map(table => table.name) };
}

/** What outcomes of a seller's rule would have come to at another price. */
async function anOutcomeSimulation(product: Product, sellerId: string, outcomeRuleId: string): Promise<void> {
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
  await services.usage.accept(
    scope(),
    [
      anEvent({ time: '2026-10-30T10:00:00Z', properties: { model: 'm', value: 1_000_000 } }),
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

        // The outbox may be written and not read.
        if (table === 'outbox') {
          expect(read).toBe('42501');
          continue;
        }

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
          'ten key whe whd mdl mco mtr pb pbv prc pim cim fxs con cmg chg inv inl sim alr fir orl orv out oac dsp osa oan orc osm'.split(
            ' ',
          ),
        ),
      );

      for (const id of ids) {
        const random = randomLike(id);
        expect(await ask(world.b.key, NODE, { id }, [])).toBe('200 {"data":{"node":null}}\n');
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
      const nodes = (await idsOf([world.a.id, world.b.id])).filter(id => !/^(mco|inl|oac|orc)_/.test(id));

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
        fxSnapshots { edges { node { id } } }
        contracts { edges { node { id buyerId } } } charges { edges { node { id } } }
        invoices { edges { node { id tenantId } } } spendAlerts { edges { node { id } } }
        alertFirings { edges { node { id tenantId } } } simulations { edges { node { id } } }
        outcomes { edges { node { id tenantId } } } outcomeDisputes { edges { node { id tenantId } } }
        outcomeSampleAudits { edges { node { id tenantId } } } outcomeAnomalies { edges { node { id } } } }`;
      const events = `{ usageEvents(from: "2026-10-01T00:00:00Z", until: "2026-12-01T00:00:00Z") { edges { node { eventId } } }
        idleOutcomeEvents(from: "2026-08-15T00:00:00Z", until: "2026-09-15T00:00:00Z") { edges { node { eventId } } }
        unpricedUsage { edges { node { meterId } } } auditLines { edges { node { subjectId } } } }`;
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
      const readable = [...world.tables, 'tenant'].filter(table => table !== 'outbox');

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
               (select count(*)::int from tenant) + (select count(*)::int from invoice) as seen`,
        );
      const clean = [{ tenant: '', digest: '', seen: 0 }];
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
