import { Arg, Authorized, Ctx, Field, ID, ObjectType, Query, Resolver } from 'type-graphql';
import { ApiKey, ApiKeyType } from './access/index.js';
import { AlertFiring, AlertFiringType, SpendAlert, SpendAlertType } from './alerts/index.js';
import { Budget, BudgetType, Hold, HoldType } from './budgets/index.js';
import { Meter, MeterType, Model, ModelType } from './catalog/index.js';
import { Contract, ContractMigration, ContractMigrationType, ContractType } from './contracts/index.js';
import { Entitlement, EntitlementType, Feature, FeatureType } from './entitlements/index.js';
import { CreditGrantType, CreditTransactionType, grantsRead, transactionRead } from './credits/index.js';
import { Invoice, InvoiceType, OutcomeReceiptType, type ReceiptsService } from './invoicing/index.js';
import {
  type AgreedRules,
  Outcome,
  OutcomeAnomaly,
  OutcomeAnomalyType,
  type OutcomeDisputesService,
  OutcomeDisputeType,
  OutcomeRule,
  OutcomeRuleType,
  OutcomeRuleVersion,
  OutcomeRuleVersionType,
  OutcomeSampleAudit,
  OutcomeSampleAuditType,
  OutcomeType,
} from './outcomes/index.js';
import { inTransaction, isId, Node, type GraphqlContext, type Scope } from './platform/index.js';
import {
  FxSnapshot,
  FxSnapshotType,
  Price,
  PriceBook,
  PriceBookType,
  PriceBookVersion,
  PriceBookVersionType,
  PriceImport,
  PriceImportType,
  PriceType,
} from './pricing/index.js';
import { ChargeType, type RatingService } from './rating/index.js';
import { OutcomeSimulation, OutcomeSimulationType, Simulation, SimulationType } from './simulation/index.js';
import { Tenant, TenantType, type TenantsService } from './tenants/index.js';
import { WebhookDelivery, WebhookDeliveryType, WebhookEndpoint, WebhookEndpointType } from './webhooks/index.js';

@ObjectType({ description: 'Who the presented key is.' })
export class Viewer {
  @Field(() => TenantType, { description: "The key's tenant." })
  tenant!: TenantType;

  @Field(() => ID, { description: 'The key.' })
  apiKeyId!: string;

  @Field(() => [String], { description: 'What the key may do.' })
  permissions!: string[];
}

interface Kind {
  /** All that it takes. */
  readonly permissions: readonly string[];
  readonly find: (tx: Scope, id: string) => Promise<Node | null>;
}

function entity<E extends { id: string }>(permission: string, type: new () => E, from: (row: E) => Node): Kind {
  return {
    permissions: [permission],
    find: async ({ em }, id) => {
      const row = (await em.findOne(type as never, { id } as never)) as E | null;

      return row ? from(row) : null;
    },
  };
}

/** What is found by a kind, or else by other means that take the same permissions. */
function orElse({ permissions, find }: Kind, other: Kind['find']): Kind {
  return { permissions, find: async (tx, id) => (await find(tx, id)) ?? other(tx, id) };
}

/** What finds objects that take more than their row. */
interface Found {
  readonly tenants: TenantsService;
  readonly rating: RatingService;
  readonly outcomeDisputes: OutcomeDisputesService;
  readonly agreedRules: AgreedRules;
  readonly receipts: ReceiptsService;
}

/** How a node is found, by the prefix of its id, and which permission that takes. */
const kinds = ({ rating, outcomeDisputes, agreedRules, receipts }: Found): Readonly<Record<string, Kind>> => ({
  ten: entity('tenants:read', Tenant, TenantType.from),
  key: entity('keys:read', ApiKey, ApiKeyType.from),
  mdl: entity('catalog:read', Model, ModelType.from),
  mtr: entity('catalog:read', Meter, MeterType.from),
  pb: entity('pricing:read', PriceBook, PriceBookType.from),
  pbv: entity('pricing:read', PriceBookVersion, PriceBookVersionType.from),
  prc: entity('pricing:read', Price, PriceType.from),
  // Imports of costs have a beginning of their own: who may read prices may not always read those.
  pim: entity('pricing:read', PriceImport, PriceImportType.from),
  cim: entity('costs:read', PriceImport, PriceImportType.from),
  fxs: entity('pricing:read', FxSnapshot, FxSnapshotType.from),
  con: entity('pricing:read', Contract, ContractType.from),
  cmg: entity('pricing:read', ContractMigration, ContractMigrationType.from),
  inv: entity('billing:read', Invoice, InvoiceType.from),
  sim: entity('pricing:read', Simulation, SimulationType.from),
  osm: entity('pricing:read', OutcomeSimulation, OutcomeSimulationType.from),
  whe: entity('webhooks:read', WebhookEndpoint, WebhookEndpointType.from),
  whd: entity('webhooks:read', WebhookDelivery, WebhookDeliveryType.from),
  fea: entity('entitlements:read', Feature, FeatureType.from),
  ent: entity('entitlements:read', Entitlement, EntitlementType.from),
  bud: entity('budgets:read', Budget, BudgetType.from),
  hld: entity('budgets:read', Hold, HoldType.from),
  alr: entity('alerts:read', SpendAlert, SpendAlertType.from),
  fir: entity('alerts:read', AlertFiring, AlertFiringType.from),
  // The seller's rows, and what of them is agreed with whoever buys under them.
  orl: orElse(
    entity('pricing:read', OutcomeRule, row => OutcomeRuleType.from(row)),
    (tx, id) => agreedRules.rule(tx, id),
  ),
  orv: orElse(
    entity('pricing:read', OutcomeRuleVersion, row => OutcomeRuleVersionType.from(row)),
    (tx, id) => agreedRules.version(tx, id),
  ),
  out: entity('outcomes:read', Outcome, OutcomeType.from),
  osa: entity('outcomes:read', OutcomeSampleAudit, OutcomeSampleAuditType.from),
  oan: entity('outcomes:read', OutcomeAnomaly, OutcomeAnomalyType.from),
  orc: {
    permissions: ['outcomes:read', 'billing:read'],
    find: async (tx, id) => {
      const row = await receipts.byId(tx, id);

      return row && OutcomeReceiptType.from(row);
    },
  },
  dsp: {
    permissions: ['outcomes:read'],
    find: async (tx, id) => {
      const read = await outcomeDisputes.byId(tx, id);

      return read && OutcomeDisputeType.from(read);
    },
  },
  crg: {
    permissions: ['credits:read'],
    find: async (tx, id) => {
      const [read] = await grantsRead(tx, [id]);

      return read ? CreditGrantType.from(read) : null;
    },
  },
  crt: {
    permissions: ['credits:read'],
    find: async (tx, id) => {
      const read = await transactionRead(tx, id);

      return read && CreditTransactionType.from(read);
    },
  },
  chg: {
    permissions: ['billing:read'],
    find: async (tx, id) => {
      const row = await rating.charge(tx, id);

      return row ? ChargeType.from(row) : null;
    },
  },
});

@Resolver()
export class NodeResolver {
  readonly #kinds: Readonly<Record<string, Kind>>;

  constructor(private readonly services: Found) {
    this.#kinds = kinds(services);
  }

  @Authorized()
  @Query(() => Viewer, { description: 'Who the presented key is.' })
  async viewer(@Ctx() { scope, permissions }: GraphqlContext): Promise<Viewer> {
    return Object.assign(new Viewer(), {
      tenant: TenantType.from(await this.services.tenants.own(scope)),
      apiKeyId: scope.actor.id,
      permissions: [...permissions].sort(),
    });
  }

  @Authorized()
  @Query(() => Node, {
    nullable: true,
    description:
      'An object by its id: null when there is none, when it belongs to another tenant, or when the key may not read it.',
  })
  async node(
    @Arg('id', () => ID, { description: 'The id.' }) id: string,
    @Arg('tenantId', () => ID, {
      nullable: true,
      description: "The tenant it belongs to: the key's own (the default) or one below it.",
    })
    tenantId: string | null,
    @Ctx() { scope, permissions }: GraphqlContext,
  ): Promise<Node | null> {
    const kind = isId(id) ? this.#kinds[id.slice(0, id.indexOf('_'))] : undefined;

    if (!kind?.permissions.every(permission => permissions.has(permission))) {
      return null;
    }

    const owner = tenantId ?? scope.tenantId;

    if (owner !== scope.tenantId && !(isId(owner, 'ten') && (await this.#isBelow(scope, owner)))) {
      return null;
    }

    return inTransaction({ ...scope, tenantId: owner }, tx => kind.find(tx, id));
  }

  async #isBelow(scope: Scope, tenantId: string): Promise<boolean> {
    return inTransaction(scope, async ({ em }) => (await em.findOne(Tenant, { id: tenantId })) !== null);
  }
}
