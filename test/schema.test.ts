import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
  type GraphQLArgument,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  type GraphQLType,
} from 'graphql';
import { createClient } from 'graphql-ws';
import { getMetadataStorage } from 'type-graphql';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { ALL_PERMISSIONS } from '../src/access/index.js';
import { printInternalSchema } from '../src/commands/emit-schema.js';
import { inTransaction } from '../src/platform/index.js';
import {
  aBudget,
  aContract,
  aMeter,
  anEvent,
  anOutcomeRule,
  aPriceBook,
  aTenant,
  perMillion,
  rate,
} from './support/builders.js';
import { asSuperuser } from './support/database.js';
import { aKey, aProduct, type Product } from './support/product.js';

let product: Product;
let schema: GraphQLSchema;

beforeAll(async () => {
  product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
  schema = product.app.schema;
});

afterAll(() => product.close());

const ROOTS = ['Query', 'Mutation', 'Subscription'];

const types = () => Object.values(schema.getTypeMap()).filter(type => !isIntrospectionType(type));
const fieldsOf = (name: string) => Object.values((schema.getType(name) as GraphQLObjectType).getFields());
interface FieldInfo {
  readonly name: string;
  readonly type: GraphQLType;
  readonly description: string;
  readonly args: readonly GraphQLArgument[];
}

/** Everything with fields, inputs too, as `Type.field`. */
const allFields = (): FieldInfo[] =>
  types().flatMap(type =>
    isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)
      ? Object.values(type.getFields()).map(field => ({
          name: `${type.name}.${field.name}`,
          type: field.type,
          description: field.description ?? '',
          args: 'args' in field ? (field.args as readonly GraphQLArgument[]) : [],
        }))
      : [],
  );

test('the committed schema is the one that the code emits', () => {
  expect(readFileSync('schema/internal.graphql', 'utf8')).toBe(printInternalSchema(schema));
});

test('everything has a description', () => {
  const without = [
    // GraphQL knows these by themselves.
    ...types().filter(type => !type.description && !isSpecifiedScalarType(type) && !ROOTS.includes(type.name)),
    ...allFields().filter(field => !field.description),
    ...allFields().flatMap(field =>
      field.args.filter(arg => !arg.description).map(arg => ({ name: `${field.name}(${arg.name})` })),
    ),
    ...types().flatMap(type =>
      isEnumType(type)
        ? type
            .getValues()
            .filter(value => !value.description)
            .map(value => ({ name: `${type.name}.${value.name}` }))
        : [],
    ),
  ];

  expect(without.map(({ name }) => name)).toEqual([]);
});

test('a description is a sentence', () => {
  const odd = [...allFields(), ...types().filter(type => !isSpecifiedScalarType(type) && !ROOTS.includes(type.name))]
    .filter(({ description }) => !/^["`…A-Z0-9].*[.…]$/s.test(description ?? ''))
    .map(({ name }) => name);

  expect(odd).toEqual([]);
});

test('nothing is a Float, and money and quantities are decimals', () => {
  expect(schema.getType('Float')).toBeUndefined();
  // What a cap or a budget counts over, which has the name of a divisor of amounts, and the budget as a whole.
  const others = ['OutcomeCap', 'OutcomeCapInput', 'Budget', 'BudgetCreateInput']
    .map(name => `${name}.per`)
    .concat('BudgetCreatePayload.budget', 'BudgetPayload.budget');
  const named = allFields().filter(
    field =>
      !others.includes(field.name) &&
      /\.(amount|exactAmount|budget|per|flat|upTo|quantity|percent|size|free|above|spend|total|thresholdAmount)$/.test(
        field.name,
      ),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(new Set(named.map(field => getNamedType(field.type).name))).toEqual(
    new Set(['Decimal', 'Money', 'MoneyInput']),
  );
});

/** Lists that need no number in their description, and why. */
const SMALL_LISTS: Readonly<Record<string, string>> = {
  'ApiKey.permissions': 'at most one of each permission',
  'ApiKeyCreateInput.permissions': 'at most one of each permission',
  'Viewer.permissions': 'at most one of each permission',
  'CostEstimate.items': 'one per kind of usage of one event',
  'CostEstimateInput.tokens': 'one per kind of tokens of one event',
  'DailyWindow.weekdays': 'at most one of each weekday',
  'DailyWindowInput.weekdays': 'at most one of each weekday',
  'OutcomePrice.pattern': 'one per attribute of the terms, which have at most 8',
  'OutcomePriceInput.pattern': 'one per attribute of the terms, which have at most 8',
  'OutcomeTerms.prices': 'as many as the input had: at most 100',
  'OutcomeUnitWeight.pattern': 'one per attribute of the terms, which have at most 8',
  'OutcomeUnitWeightInput.pattern': 'one per attribute of the terms, which have at most 8',
  'OutcomeVerificationTerms.verifiers': 'at most one of each verifier',
  'OutcomeVerificationTermsInput.verifiers': 'at most one of each verifier',
  'PriceInput.dimensions': 'one per dimension of a meter, which has at most 8, and of those that a token meter derives',
  'UserError.field': 'a path into an input',
  'WebhookEndpoint.eventTypes': 'at most one of each message type',
  'WebhookEndpointCreateInput.eventTypes': 'at most one of each message type',
};

test('every list is a page or says how long it may be', () => {
  const lists = allFields().filter(
    field => isListType(getNullableType(field.type)) && !/Connection\.edges$|\.userErrors$/.test(field.name),
  );
  const bounded = lists.filter(field => /\b(at most|up to|1 to) ([\d,]+|ten\b|as many as)/i.test(field.description));
  const rest = lists.filter(field => !bounded.includes(field)).map(field => field.name);

  expect(rest.sort()).toEqual(Object.keys(SMALL_LISTS).sort());
  expect(bounded.length).toBeGreaterThan(10);
});

test('every list holds things that are there', () => {
  const holey = allFields().filter(field => {
    const list = getNullableType(field.type);

    return isListType(list) && !isNonNullType(list.ofType);
  });

  expect(holey.map(field => field.name)).toEqual([]);
});

test('every connection is asked for by first and after, and has edges with cursors and nodes', () => {
  const connections = allFields().filter(field => getNamedType(field.type).name.endsWith('Connection'));
  expect(connections.length).toBeGreaterThan(12);

  for (const { name, args, type } of connections) {
    const page = args.filter(arg => ['first', 'after'].includes(arg.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect([name, page.map(arg => [arg.name, String(arg.type), arg.defaultValue])]).toEqual([
      name,
      [
        ['after', 'String', undefined],
        ['first', 'Int!', 20],
      ],
    ]);
    const connection = getNamedType(type) as GraphQLObjectType;
    expect([name, Object.keys(connection.getFields())]).toEqual([name, ['edges', 'pageInfo']]);
    const edge = getNamedType(connection.getFields()['edges']?.type ?? connection) as GraphQLObjectType;
    expect([name, Object.keys(edge.getFields()), String(edge.getFields()['node']?.type).endsWith('!')]).toEqual([
      name,
      ['cursor', 'node'],
      true,
    ]);
  }
});

/** Every mutation: the noun, then the verb. */
const MUTATIONS: Readonly<Record<string, readonly string[]>> = {
  tenant: ['Create'],
  apiKey: ['Create', 'Revoke'],
  webhookEndpoint: ['Create'],
  webhookDelivery: ['Replay'],
  model: ['Create'],
  modelCost: ['Set'],
  modelContext: ['Set'],
  meter: ['Create'],
  priceBook: ['Create', 'Publish', 'Withdraw'],
  priceBookVersion: ['Create'],
  priceImport: ['Propose', 'Decide', 'Draft', 'Discard'],
  modelCostImport: ['Propose', 'Decide', 'Apply', 'Discard'],
  fxSnapshot: ['Create'],
  contract: ['Create'],
  contracts: ['Migrate'],
  usage: ['Record'],
  invoice: ['Issue'],
  simulation: ['Start', 'Cancel'],
  spendAlert: ['Create', 'Archive'],
  outcomeRule: ['Create'],
  outcomeRuleVersion: ['Create', 'Publish', 'Withdraw'],
  outcome: ['Claim', 'Verify', 'Reverse'],
  outcomeDispute: ['Open', 'Decide'],
  outcomeSampleAudit: ['Start', 'Finish'],
  outcomeSimulation: ['Start', 'Cancel'],
  feature: ['Create'],
  entitlement: ['Set'],
  creditGrant: ['Create', 'Refund'],
  creditBurn: ['Reverse'],
  credit: ['Transfer'],
  creditPrepaid: ['Set'],
  creditRecharge: ['Set'],
  budget: ['Create', 'Change', 'Raise', 'End'],
};

describe('mutations', () => {
  test('are named noun first', () => {
    const named = Object.entries(MUTATIONS).flatMap(([noun, verbs]) => verbs.map(verb => noun + verb));
    expect(
      fieldsOf('Mutation')
        .map(field => field.name)
        .sort(),
    ).toEqual(named.sort());
  });

  test('take one input of their own and answer with a payload that has userErrors', () => {
    for (const { name, args, type } of fieldsOf('Mutation')) {
      const own = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input!`;
      expect([name, args.map(arg => [arg.name, String(arg.type)])]).toEqual([name, [['input', own]]]);
      expect([name, isNonNullType(type), getNamedType(type).name.endsWith('Payload')]).toEqual([name, true, true]);
      const { userErrors } = (getNamedType(type) as GraphQLObjectType).getFields();
      expect([name, String(userErrors?.type)]).toEqual([name, '[UserError!]!']);
    }
  });

  test('that make something, or tell a fact, take an idempotency key and say whether it was replayed, and no other takes one', () => {
    for (const { name, args, type } of fieldsOf('Mutation')) {
      const input = getNamedType(args[0]?.type as GraphQLInputType);
      const key = isInputObjectType(input) ? input.getFields()['idempotencyKey'] : undefined;
      const isMaking =
        /(Create|Set|Propose|Raise)$|^(invoiceIssue|creditGrantRefund|creditBurnReverse|creditTransfer|simulationStart|contractsMigrate|outcome(Verify|Reverse))$|^outcome(Dispute|SampleAudit|SimulationStart)/.test(
          name,
        );
      const { replayed } = (getNamedType(type) as GraphQLObjectType).getFields();
      expect([name, String(key?.type)]).toEqual([name, isMaking ? 'String!' : 'undefined']);
      expect([name, isMaking ? String(replayed?.type) : 'Boolean!']).toEqual([name, 'Boolean!']);
    }
  });
});

/** The whole matrix, by hand: who may do what. Null needs a key and no permission; a list needs all of it. */
const RULES: Readonly<Record<string, string | readonly string[] | null>> = {
  'Query.viewer': null,
  // Answers null without the permission of the kind of object; see the test below.
  'Query.node': null,
  'Query.tenant': 'tenants:read',
  'Query.models': 'catalog:read',
  'Query.meters': 'catalog:read',
  // It shows where budgets and entitlements stand, and holds nothing: see test/budgets/call-check.test.ts.
  'Query.entitlementCheck': ['budgets:read', 'entitlements:read'],
  'Tenant.children': 'tenants:read',
  'Tenant.auditLines': 'audit:read',
  'Tenant.apiKeys': 'keys:read',
  'Tenant.webhookEndpoints': 'webhooks:read',
  'Tenant.webhookDeliveries': 'webhooks:read',
  'Tenant.priceBooks': 'pricing:read',
  'Tenant.modelCostImports': 'costs:read',
  'Tenant.fxSnapshots': 'pricing:read',
  'Tenant.contracts': 'pricing:read',
  'Tenant.usageEvents': 'usage:read',
  'Tenant.unpricedUsage': 'usage:read',
  'Tenant.costEstimate': 'pricing:read',
  'Tenant.charges': 'billing:read',
  'Tenant.invoices': 'billing:read',
  'Tenant.simulations': 'pricing:read',
  'Tenant.features': 'entitlements:read',
  'Tenant.entitlements': 'entitlements:read',
  'Feature.entitlements': 'entitlements:read',
  'CreditGrant.held': 'credits:read',
  'EffectiveEntitlement.standing': 'entitlements:read',
  'Tenant.creditGrants': 'credits:read',
  'Tenant.creditBalances': 'credits:read',
  'Tenant.creditTransactions': 'credits:read',
  'Tenant.creditPrepaid': 'credits:read',
  'Tenant.budgets': 'budgets:read',
  'Tenant.holds': 'budgets:read',
  'Budget.standing': 'budgets:read',
  'Budget.raises': 'budgets:read',
  'Tenant.spendAlerts': 'alerts:read',
  'Tenant.alertFirings': 'alerts:read',
  'Tenant.outcomes': 'outcomes:read',
  'Tenant.idleOutcomeEvents': 'outcomes:read',
  'Tenant.outcomeDisputes': 'outcomes:read',
  'Tenant.outcomeSampleAudits': 'outcomes:read',
  'Tenant.outcomeAnomalies': 'outcomes:read',
  'Tenant.outcomeSimulations': 'pricing:read',
  'PriceBook.outcomeRules': 'pricing:read',
  'OutcomeRule.versions': 'pricing:read',
  'OutcomeRuleVersion.outcomeRule': 'pricing:read',
  'Outcome.outcomeRuleVersion': 'pricing:read',
  'OutcomeReceipt.outcomeRuleVersion': 'pricing:read',
  'OutcomeRule.stats': ['outcomes:read', 'billing:read'],
  'OutcomeRule.margin': ['costs:read', 'billing:read'],
  'Outcome.transitions': 'outcomes:read',
  'Outcome.receipts': ['outcomes:read', 'billing:read'],
  'Invoice.outcomeReceipts': ['outcomes:read', 'billing:read'],
  'Outcome.cost': ['costs:read', 'billing:read'],
  'OutcomeDispute.outcomes': 'outcomes:read',
  // What tenants are charged, and what it costs us: see test/rating/outcome-figures.test.ts.
  'OutcomeDispute.held': ['outcomes:read', 'billing:read'],
  'OutcomeSimulation.totals': ['pricing:read', 'billing:read'],
  'OutcomeSimulation.items': ['pricing:read', 'billing:read'],
  'Model.costs': 'costs:read',
  'Model.contextBands': 'catalog:read',
  'Model.contexts': 'catalog:read',
  'PriceBook.versions': 'pricing:read',
  'PriceBookVersion.prices': 'pricing:read',
  'PriceBookVersion.livePrices': 'pricing:read',
  'PriceBookVersion.diff': 'pricing:read',
  'PriceBookVersionDiff.changes': 'pricing:read',
  'ContractMigration.progress': 'pricing:read',
  'ContractMigration.moves': 'pricing:read',
  'PriceBook.priceImports': 'pricing:read',
  // Of a book they take pricing:read, of costs costs:read: see test/pricing/price-import.service.test.ts.
  'PriceImport.rows': null,
  'PriceImport.skipped': null,
  'PriceImport.decisions': null,
  'Invoice.lines': 'billing:read',
  'Invoice.total': 'billing:read',
  'Invoice.document': 'billing:read',
  // What tenants are charged: see test/simulation/simulation-runs.test.ts for a key that lacks one of the two.
  'Simulation.totals': ['pricing:read', 'billing:read'],
  'Simulation.tenants': ['pricing:read', 'billing:read'],
  'Simulation.items': ['pricing:read', 'billing:read'],
  'WebhookDelivery.attempts': 'webhooks:read',
  'Mutation.tenantCreate': 'tenants:write',
  'Mutation.apiKeyCreate': 'keys:write',
  'Mutation.apiKeyRevoke': 'keys:write',
  'Mutation.webhookEndpointCreate': 'webhooks:write',
  'Mutation.webhookDeliveryReplay': 'webhooks:write',
  'Mutation.modelCreate': 'catalog:write',
  'Mutation.modelCostSet': 'catalog:write',
  'Mutation.modelContextSet': 'catalog:write',
  'Mutation.meterCreate': 'catalog:write',
  'Mutation.priceBookCreate': 'pricing:write',
  'Mutation.priceBookVersionCreate': 'pricing:write',
  'Mutation.priceBookPublish': 'pricing:write',
  'Mutation.priceBookWithdraw': 'pricing:write',
  'Mutation.priceImportPropose': 'pricing:write',
  'Mutation.priceImportDecide': 'pricing:write',
  'Mutation.priceImportDraft': 'pricing:write',
  'Mutation.priceImportDiscard': 'pricing:write',
  'Mutation.modelCostImportPropose': 'catalog:write',
  'Mutation.modelCostImportDecide': 'catalog:write',
  'Mutation.modelCostImportApply': 'catalog:write',
  'Mutation.modelCostImportDiscard': 'catalog:write',
  'Mutation.fxSnapshotCreate': 'pricing:write',
  'Mutation.contractCreate': 'contracts:write',
  'Mutation.contractsMigrate': 'contracts:write',
  'Mutation.usageRecord': 'usage:write',
  'Mutation.invoiceIssue': 'billing:write',
  'Mutation.simulationStart': 'pricing:write',
  'Mutation.simulationCancel': 'pricing:write',
  'Mutation.featureCreate': 'entitlements:write',
  'Mutation.entitlementSet': 'entitlements:write',
  'Mutation.creditGrantCreate': 'credits:write',
  'Mutation.creditGrantRefund': 'credits:write',
  'Mutation.creditBurnReverse': 'credits:write',
  'Mutation.creditTransfer': 'credits:write',
  'Mutation.creditPrepaidSet': 'credits:write',
  'Mutation.creditRechargeSet': 'credits:write',
  'Mutation.budgetCreate': 'budgets:write',
  'Mutation.budgetChange': 'budgets:write',
  'Mutation.budgetRaise': 'budgets:write',
  'Mutation.budgetEnd': 'budgets:write',
  'Mutation.spendAlertCreate': 'alerts:write',
  'Mutation.spendAlertArchive': 'alerts:write',
  'Mutation.outcomeRuleCreate': 'pricing:write',
  'Mutation.outcomeRuleVersionCreate': 'pricing:write',
  'Mutation.outcomeRuleVersionPublish': 'pricing:write',
  'Mutation.outcomeRuleVersionWithdraw': 'pricing:write',
  'Mutation.outcomeClaim': 'usage:write',
  'Mutation.outcomeVerify': 'outcomes:verify',
  'Mutation.outcomeReverse': 'outcomes:reverse',
  'Mutation.outcomeDisputeOpen': 'outcomes:dispute',
  'Mutation.outcomeDisputeDecide': 'outcomes:decide',
  'Mutation.outcomeSampleAuditStart': 'outcomes:decide',
  'Mutation.outcomeSampleAuditFinish': 'outcomes:decide',
  'Mutation.outcomeSimulationStart': 'pricing:write',
  'Mutation.outcomeSimulationCancel': 'pricing:write',
  'Subscription.spendAlertTriggered': 'alerts:read',
  'Subscription.simulationProgress': 'pricing:read',
  'Subscription.outcomeSimulationProgress': 'pricing:read',
};

/** Permissions that open no field: /v1/check, /v1/authorize, /v1/settle and /v1/void ask for them. */
const OF_HTTP_ALONE = ['holds:write'];

/** What a tenant is, which every key may know of its own: the viewer shows it. */
const PLAIN_TENANT_FIELDS = ['id', 'kind', 'name', 'currency', 'timeZone', 'region', 'createdAt'];

/** A value of an input type that gets as far as the resolver. */
function sample(type: GraphQLInputType): unknown {
  const bare = getNullableType(type);

  if (isListType(bare)) {
    return [];
  }

  if (isEnumType(bare)) {
    return bare.getValues()[0]?.name;
  }

  if (isInputObjectType(bare)) {
    return Object.fromEntries(
      Object.values(bare.getFields())
        .filter(field => isNonNullType(field.type) && field.defaultValue === undefined)
        .map(field => [field.name, sample(field.type)]),
    );
  }

  return (
    { DateTime: '2026-11-20T12:00:00Z', DateTimeISO: '2026-11-20T12:00:00Z', Int: 1, Boolean: false }[bare.name] ?? '1'
  );
}

function permissionsOf(rule: string | readonly string[] | null): readonly string[] {
  return rule === null ? [] : [rule].flat();
}

describe('authorization', () => {
  test('there is a rule for every root field, every field of a tenant that reads rows, and every other resolver', () => {
    const expected = [
      ...ROOTS.flatMap(root => fieldsOf(root).map(field => `${root}.${field.name}`)),
      ...fieldsOf('Tenant')
        .filter(field => !PLAIN_TENANT_FIELDS.includes(field.name))
        .map(field => `Tenant.${field.name}`),
    ];
    expect(
      Object.keys(RULES)
        .filter(name => /^(Query|Mutation|Subscription|Tenant)\./.test(name))
        .sort(),
    ).toEqual(expected.sort());

    // The other resolvers, and each rule as the code declares it.
    const storage = getMetadataStorage();
    const declared = new Map(
      storage.authorizedFields.map(({ target, fieldName, roles }) => [
        `${target.name} ${fieldName}`,
        roles as string[],
      ]),
    );
    const resolvers = [
      ...storage.fieldResolvers.filter(({ kind }) => kind === 'external'),
      ...storage.queries,
      ...storage.mutations,
      ...storage.subscriptions,
    ];
    expect(resolvers.length).toBe(Object.keys(RULES).length);

    // A resolver of a root field is of that root, one of a field of the type that its class names.
    const parentOf = (target: unknown, methodName: string): string => {
      const root = ROOTS.find(name => fieldsOf(name).some(field => field.name === methodName));
      const type = root ? null : storage.resolverClasses.find(known => known.target === target)?.getObjectType();

      return root ?? storage.objectTypes.find(known => known.target === type)?.name ?? '';
    };

    for (const { target, methodName } of resolvers) {
      const name = `${parentOf(target, methodName)}.${methodName}`;
      const roles = declared.get(`${target.name} ${methodName}`);
      expect([name, name in RULES, roles]).toEqual([name, true, permissionsOf(RULES[name] ?? null)]);
    }
  });

  /** A document that calls one field by name with valid arguments. */
  function documentOf(name: string): { query: string; variables: object } {
    const [parent = '', fieldName = ''] = name.split('.');
    const field = fieldsOf(parent).find(candidate => candidate.name === fieldName);
    const args = (field?.args ?? []).filter(arg => isNonNullType(arg.type) && arg.defaultValue === undefined);
    const declared = args.length > 0 ? `(${args.map(arg => `$${arg.name}: ${String(arg.type)}`).join(', ')})` : '';
    const passed = args.length > 0 ? `(${args.map(arg => `${arg.name}: $${arg.name}`).join(', ')})` : '';
    const call = `${fieldName}${passed} { __typename }`;
    const operation =
      parent === 'Tenant'
        ? `query ${declared} { viewer { tenant { ${call} } } }`
        : `${parent.toLowerCase()} ${declared} { ${call} }`;

    return { query: operation, variables: Object.fromEntries(args.map(arg => [arg.name, sample(arg.type)])) };
  }

  const callable = Object.entries(RULES).filter(([name]) => /^(Query|Mutation|Tenant)\./.test(name));
  const codesOf = (answer: { errors: readonly { message: string; extensions: { code: string } }[] | undefined }) =>
    (answer.errors ?? []).map(error => [error.extensions.code, error.message]);

  test('a key without any permission opens nothing but the viewer', async () => {
    const key = await aKey(product.app, product.scope());
    await asSuperuser(product.database, `update api_key set permissions = '{}' where start = $1`, [key.slice(0, 12)]);

    for (const [name, permission] of callable) {
      const { query, variables } = documentOf(name);
      const answer = await product.graphql(key, query, variables);
      expect([name, codesOf(answer)]).toEqual([
        name,
        permissionsOf(permission)
          .slice(0, 1)
          .map(needed => ['FORBIDDEN', `this key lacks the permission ${needed}`]),
      ]);
    }

    const follow = createClient({
      url: `${product.server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${key}` },
    });
    const told = await new Promise(resolve => {
      follow.subscribe(
        { query: 'subscription { spendAlertTriggered { id } }' },
        { next: resolve, error: resolve, complete: () => resolve('complete') },
      );
    });
    expect(JSON.stringify(told)).toContain('this key lacks the permission alerts:read');
    await follow.dispose();
  });

  test('each field wants exactly its own permission', async () => {
    for (const permission of ALL_PERMISSIONS) {
      const only = await aKey(product.app, product.scope(), [permission]);
      const others = await aKey(
        product.app,
        product.scope(),
        ALL_PERMISSIONS.filter(other => other !== permission),
      );

      for (const [name] of callable.filter(([, wanted]) => wanted === permission)) {
        const { query, variables } = documentOf(name);
        expect([name, codesOf(await product.graphql(only, query, variables)).map(([code]) => code)]).not.toEqual([
          name,
          ['FORBIDDEN'],
        ]);
        expect([name, codesOf(await product.graphql(others, query, variables))]).toEqual([
          name,
          [['FORBIDDEN', `this key lacks the permission ${permission}`]],
        ]);
      }
    }

    expect(new Set([...Object.values(RULES).flatMap(permissionsOf), ...OF_HTTP_ALONE])).toEqual(
      new Set(ALL_PERMISSIONS),
    );
  });

  test('an object is null to a key that may not read its kind, and what a model costs us is not shown with it', async () => {
    const { services } = product.app;
    const { model } = await services.catalog.createModel(product.scope(), {
      key: 'secret-cost',
      provider: 'p',
      family: 'f',
      modality: 'text',
      contextBands: [],
      idempotencyKey: randomUUID(),
    });
    const node = 'query ($id: ID!) { node(id: $id) { id } }';
    const others = ALL_PERMISSIONS.filter(permission => permission !== 'catalog:read');
    const blind = await aKey(product.app, product.scope(), others);
    expect((await product.graphql(blind, node, { id: model.id })).data).toEqual({ node: null });
    const key = await aKey(product.app, product.scope(), ['catalog:read']);
    expect((await product.graphql(key, node, { id: model.id })).data).toEqual({ node: { id: model.id } });
    const answer = await product.graphql(
      key,
      'query ($id: ID!) { node(id: $id) { ... on Model { key costs { source } } } }',
      {
        id: model.id,
      },
    );
    expect(codesOf(answer)).toEqual([['FORBIDDEN', 'this key lacks the permission costs:read']]);
  });
});

describe('webhook schemas', () => {
  const files = readdirSync('schema/webhooks');

  test('there is one for each message type', () => {
    expect(files.sort()).toEqual([
      'budget.exceeded.v1.json',
      'credits.low.v1.json',
      'invoice.issued.v1.json',
      'outcome_rule.anomaly.v1.json',
      'outcome_rule.cap_exceeded.v1.json',
      'spend_alert.triggered.v1.json',
    ]);
  });

  test('describe exactly the bodies that are sent', async () => {
    const tenantId = await aTenant(product);
    const scope = () => product.scope(tenantId);
    const { services } = product.app;
    const meterId = await aMeter(product);
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('2.50') }] });
    await aContract(product, { buyerId: tenantId, bookId });
    const now = product.app.clock();
    await anOutcomeRule(product, {
      bookId,
      publishedAt: new Date('2026-10-01T00:00:00Z'),
      terms: {
        anomaly: { factor: '2', leastClaims: 1 },
        caps: [{ mode: 'SOFT', per: 'PERIOD', count: '1', amount: null }],
        prices: [{ name: 'Each', currency: 'USD', pattern: {}, terms: perMillion('1') }],
      },
    });
    product.setClock(now);
    await services.webhooks.createEndpoint(scope(), {
      url: 'https://example.com/hook',
      eventTypes: [
        'spend_alert.triggered',
        'invoice.issued',
        'outcome_rule.anomaly',
        'outcome_rule.cap_exceeded',
        'credits.low',
        'budget.exceeded',
      ],
      idempotencyKey: randomUUID(),
    });
    await services.credits.setRecharge(scope(), {
      unit: 'USD',
      below: '5',
      amount: '50',
      idempotencyKey: randomUUID(),
    });
    await aBudget(product, { tenantId, amount: '1', mode: 'SOFT', per: 'MONTH' });
    await services.alerts.create(
      scope(),
      { name: 'a "name"', budget: '1', thresholds: [{ percent: '50' }], idempotencyKey: randomUUID() },
      services.rating,
    );
    await services.usage.accept(
      scope(),
      [
        anEvent({ time: '2026-10-30T10:00:00Z', properties: { model: 'm', tokens: 1_000_001 } }),
        // One claim a fortnight ago and more, and three in the last week.
        ...['10-28', '11-04', '11-12', '11-18', '11-19', '11-20'].map(day =>
          anEvent({ type: 'conversation.resolved', time: `2026-${day}T11:00:00Z`, properties: {} }),
        ),
      ],
      { keyId: 'key_of_a_test', isDryRun: false },
    );
    await rate(product, tenantId);
    await services.budgets.fold(scope());
    const drafts = await services.invoicing.list(scope(), { first: 10 });
    const draft = drafts.find(({ periodEnd }) => periodEnd <= now);
    await services.invoicing.issue(scope(), {
      invoiceId: draft?.id ?? '',
      acceptUnpriced: false,
      idempotencyKey: randomUUID(),
    });
    const deliveries = await inTransaction(scope(), () => services.webhooks.deliveries(scope(), { first: 10 }));
    expect(deliveries.map(delivery => delivery.eventType).sort()).toEqual([
      'budget.exceeded',
      'credits.low',
      'invoice.issued',
      'outcome_rule.anomaly',
      'outcome_rule.cap_exceeded',
      'spend_alert.triggered',
    ]);

    for (const { eventType, body } of deliveries) {
      const described = JSON.parse(readFileSync(`schema/webhooks/${eventType}.v1.json`, 'utf8')) as Described;
      const sent = JSON.parse(body) as Record<string, unknown>;
      const validator = z.fromJSONSchema(described as never);
      expect(validator.safeParse(sent).error?.issues ?? []).toEqual([]);
      // Nothing is sent that the schema does not tell of, and nothing may be missing.
      expect(undescribed(described, sent, described)).toEqual([]);

      for (const key of Object.keys(sent['data'] as object)) {
        const { [key]: _left, ...rest } = sent['data'] as Record<string, unknown>;
        expect([eventType, key, validator.safeParse({ ...sent, data: rest }).success]).toEqual([eventType, key, false]);
      }
    }
  });
});

interface Described {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Described>>;
  readonly properties?: Readonly<Record<string, Described>>;
}

/** The paths of members that a value has and its JSON Schema does not mention. */
function undescribed(node: Described, value: unknown, root: Described, path = ''): string[] {
  const described = node.$ref ? root.$defs?.[node.$ref.replace('#/$defs/', '')] : node;

  if (typeof value !== 'object' || value === null) {
    return [];
  }

  return Object.entries(value).flatMap(([name, member]) => {
    const property = described?.properties?.[name];

    return property ? undescribed(property, member, root, `${path}/${name}`) : [`${path}/${name}`];
  });
}
