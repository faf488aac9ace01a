import type { GraphQLSchema } from 'graphql';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { buildSchema } from 'type-graphql';
import { accessEntities, AccessService, ApiKeyResolver, type Caller } from './access/index.js';
import { alertEntities, AlertResolver, AlertsService, type FollowContext } from './alerts/index.js';
import { catalogEntities, CatalogResolver, CatalogService } from './catalog/index.js';
import type { Config } from './config.js';
import {
  contractEntities,
  contractMigrationEntities,
  ContractMigrationResolver,
  ContractMigrationsService,
  ContractResolver,
  contractsHandlers,
  ContractsService,
} from './contracts/index.js';
import { jobsFor, WATCHED, whenRated } from './flow.js';
import {
  invoiceEntities,
  InvoiceFieldsResolver,
  InvoiceReceiptsResolver,
  InvoiceResolver,
  invoicingHandlers,
  InvoicingService,
  OutcomeReceiptsResolver,
  ReceiptsService,
} from './invoicing/index.js';
import { NodeResolver } from './node.resolver.js';
import {
  Acting,
  AnomaliesService,
  LiveRules,
  OutcomeActsService,
  OutcomeAnomalyResolver,
  OutcomeClaimsService,
  OutcomeDisputeFieldsResolver,
  OutcomeDisputesService,
  outcomeEntities,
  OutcomeFieldsResolver,
  OutcomeIntake,
  OutcomeResolver,
  OutcomeReviewResolver,
  outcomeRuleEntities,
  OutcomeRuleResolver,
  OutcomeRulesService,
  OutcomeRuleVersionsResolver,
  outcomesHandlers,
  OutcomesService,
  SampleAuditsService,
  outcomeCurrencies,
  WatchedTypes,
} from './outcomes/index.js';
import {
  authorize,
  createLog,
  createOrm,
  DateTimeScalar,
  Jobs,
  JOB_SCHEMA,
  OutboxRelay,
  postgresPubSub,
  redisPubSub,
  Secrets,
  type Actor,
  type Scope,
} from './platform/index.js';
import {
  CostImportResolver,
  CostImportService,
  fxEntities,
  FxSnapshotResolver,
  FxSnapshotsService,
  LivePriceResolver,
  PriceBookResolver,
  PriceBookVersionsResolver,
  priceImportEntities,
  PriceImportResolver,
  PriceImportRowsResolver,
  PriceImportService,
  PricesResolver,
  pricingEntities,
  PricingService,
  VersionDiffResolver,
} from './pricing/index.js';
import {
  ChargeResolver,
  EstimateResolver,
  EstimateService,
  OutcomeCostResolver,
  OutcomeDisputeHeldResolver,
  OutcomeMarginService,
  OutcomeRuleFiguresResolver,
  OutcomeStatsService,
  ratingHandlers,
  RatingService,
} from './rating/index.js';
import {
  OutcomeSimulationResolver,
  OutcomeSimulationResultsResolver,
  OutcomeSimulationRunner,
  OutcomeSimulationsService,
  Runs,
  simulationEntities,
  simulationHandlers,
  SimulationResolver,
  SimulationResultsResolver,
  SimulationRunner,
  SimulationsService,
  type SimulationContext,
} from './simulation/index.js';
import { Sweeps } from './sweeps.js';
import { tenantEntities, TenantResolver, TenantsService } from './tenants/index.js';
import { UsageResolver, UsageService } from './usage/index.js';
import {
  webhookEntities,
  WebhookDeliveryResolver,
  WebhookResolver,
  webhooksHandlers,
  WebhooksService,
} from './webhooks/index.js';

/** Every entity there is, room by room. */
export const entities = [
  ...tenantEntities,
  ...accessEntities,
  ...webhookEntities,
  ...catalogEntities,
  ...pricingEntities,
  ...priceImportEntities,
  ...fxEntities,
  ...contractEntities,
  ...contractMigrationEntities,
  ...outcomeRuleEntities,
  ...outcomeEntities,
  ...invoiceEntities,
  ...simulationEntities,
  ...alertEntities,
];

export interface AppOptions {
  /** The edge's clock; tests move it. */
  readonly clock?: () => Date;
  /** Keeps the jobs of several apps on one Redis or Postgres apart. */
  readonly jobPrefix?: string;
  readonly poolSize?: number;
}

export type App = Awaited<ReturnType<typeof createApp>>;

/** Builds the product from the ground up; server, worker, command line and tests all use this. Starts nothing. */
export async function createApp(config: Config, options: AppOptions = {}) {
  const clock = options.clock ?? (() => new Date());
  const prefix = options.jobPrefix ?? 'ratebook';
  const log = createLog(config.logLevel);
  const orm = createOrm({ url: config.databaseUrl, entities, poolSize: options.poolSize ?? 16 });
  const relayPool = new pg.Pool({ connectionString: config.relayUrl, max: 4 });
  relayPool.on('error', error => log.warn({ err: error }, 'relay connection error'));
  const secrets = new Secrets(config.secret);
  const pubSub = config.redisUrl ? redisPubSub(config.redisUrl, prefix, log) : postgresPubSub(config.databaseUrl, log);
  const jobs = new Jobs(
    config.redisUrl
      ? { kind: 'redis', url: config.redisUrl, prefix }
      : { kind: 'postgres', url: config.relayUrl, schema: JOB_SCHEMA },
    log,
  );

  const tenants = new TenantsService();
  const access = new AccessService(secrets);
  const webhooks = new WebhooksService(secrets, { allowPrivate: config.webhookAllowPrivate });
  const catalog = new CatalogService();
  const pricing = new PricingService(tenants, catalog);
  const priceImports = new PriceImportService(tenants, catalog, pricing);
  const costImports = new CostImportService(tenants, catalog);
  const fxSnapshots = new FxSnapshotsService();
  const contracts = new ContractsService(tenants, pricing, outcomeCurrencies);
  const contractMigrations = new ContractMigrationsService(tenants, pricing, contracts);
  const watchedTypes = new WatchedTypes();
  const usage = new UsageService(tenants, catalog, new OutcomeIntake(watchedTypes));
  const liveRules = new LiveRules();
  const outcomeAnomalies = new AnomaliesService(webhooks);
  const outcomes = new OutcomesService(contracts, liveRules, outcomeAnomalies);
  const outcomeRules = new OutcomeRulesService(tenants, catalog, watchedTypes);
  const acting = new Acting(outcomes);
  const outcomeActs = new OutcomeActsService(acting);
  const outcomeClaims = new OutcomeClaimsService(tenants, usage, outcomes, outcomeActs);
  const outcomeDisputes = new OutcomeDisputesService(acting);
  const sampleAudits = new SampleAuditsService(tenants, outcomes, acting);
  const alerts = new AlertsService(webhooks, pubSub);
  const estimates = new EstimateService(tenants, catalog, contracts);
  const rating = new RatingService(tenants, catalog, contracts, whenRated(alerts), outcomes);
  const outcomeStats = new OutcomeStatsService(tenants, contracts, outcomes);
  const outcomeMargins = new OutcomeMarginService(tenants, catalog, contracts, outcomes);
  const invoicing = new InvoicingService(tenants, rating, webhooks, outcomes);
  const receipts = new ReceiptsService();
  const simulations = new SimulationsService(tenants, catalog, pubSub);
  const simulationRuns = new Runs(tenantId => simulations.hint(tenantId), clock);
  const simulationRunner = new SimulationRunner(tenants, catalog, contracts, outcomes, simulationRuns);
  const outcomeSimulations = new OutcomeSimulationsService();
  const outcomeSimulationRunner = new OutcomeSimulationRunner(tenants, contracts, outcomes, liveRules, simulationRuns);
  const services = {
    tenants,
    access,
    webhooks,
    catalog,
    pricing,
    priceImports,
    costImports,
    fxSnapshots,
    contracts,
    contractMigrations,
    usage,
    outcomeRules,
    outcomes,
    outcomeAnomalies,
    outcomeActs,
    outcomeClaims,
    outcomeDisputes,
    sampleAudits,
    estimates,
    rating,
    outcomeStats,
    outcomeMargins,
    invoicing,
    receipts,
    simulations,
    simulationRunner,
    outcomeSimulations,
    outcomeSimulationRunner,
    alerts,
  };

  const scopeOf = (tenantId: string, actor: Actor, requestId: string = randomUUID()): Scope => ({
    em: orm.em.fork(),
    tenantId,
    actor,
    now: clock(),
    requestId,
  });

  const relay = new OutboxRelay(
    relayPool,
    async facts => {
      await jobs.enqueue(jobsFor(facts));
      const watched = new Set(facts.filter(fact => WATCHED.has(fact.topic)).map(fact => fact.tenantId));
      await Promise.all([...watched].map(tenantId => alerts.hint(tenantId)));
    },
    log,
  );
  const sweeps = new Sweeps(relayPool, jobs, clock, log);

  return {
    config,
    clock,
    log,
    orm,
    relayPool,
    jobs,
    jobPrefix: prefix,
    relay,
    sweeps,
    services,
    scopeOf,
    /** Who the key is, or null. */
    authenticate: (text: string): Promise<Caller | null> =>
      access.authenticate({ em: orm.em.fork(), now: clock(), requestId: '' }, text),
    /** The context of one GraphQL operation. */
    contextOf: (caller: Caller, text: string, requestId: string): FollowContext & SimulationContext => ({
      scope: scopeOf(caller.tenantId, { kind: 'key', id: caller.keyId }, requestId),
      permissions: caller.permissions,
      isTest: caller.isTest,
      services: { alerts, simulations, tenants },
      clock,
      isLive: async () =>
        (await access.authenticate({ em: orm.em.fork(), now: clock(), requestId: '' }, text)) !== null,
    }),
    schema: await createSchema(services),
    /** Starts the worker half: job workers, the outbox relay, the sweeps. */
    work: (): void => {
      jobs.startWorkers(
        [
          ...webhooksHandlers(webhooks),
          ...contractsHandlers(contractMigrations),
          ...outcomesHandlers(outcomes),
          ...ratingHandlers(rating),
          ...invoicingHandlers(invoicing),
          ...simulationHandlers(simulationRunner, outcomeSimulationRunner),
        ],
        ({ tenantId }, job) => scopeOf(tenantId, { kind: 'job', id: job }),
      );
      relay.start();
      sweeps.start();
    },
    close: async (): Promise<void> => {
      alerts.close();
      simulations.close();
      simulationRunner.close();
      await sweeps.stop();
      await relay.stop();
      await jobs.close();
      await pubSub.close();
      await relayPool.end();
      await orm.close(true);
    },
  };
}

type Services = {
  readonly tenants: TenantsService;
  readonly access: AccessService;
  readonly webhooks: WebhooksService;
  readonly catalog: CatalogService;
  readonly pricing: PricingService;
  readonly priceImports: PriceImportService;
  readonly costImports: CostImportService;
  readonly fxSnapshots: FxSnapshotsService;
  readonly contracts: ContractsService;
  readonly contractMigrations: ContractMigrationsService;
  readonly usage: UsageService;
  readonly outcomeRules: OutcomeRulesService;
  readonly outcomes: OutcomesService;
  readonly outcomeAnomalies: AnomaliesService;
  readonly outcomeActs: OutcomeActsService;
  readonly outcomeClaims: OutcomeClaimsService;
  readonly outcomeDisputes: OutcomeDisputesService;
  readonly sampleAudits: SampleAuditsService;
  readonly estimates: EstimateService;
  readonly rating: RatingService;
  readonly outcomeStats: OutcomeStatsService;
  readonly outcomeMargins: OutcomeMarginService;
  readonly invoicing: InvoicingService;
  readonly receipts: ReceiptsService;
  readonly simulations: SimulationsService;
  readonly simulationRunner: SimulationRunner;
  readonly outcomeSimulations: OutcomeSimulationsService;
  readonly outcomeSimulationRunner: OutcomeSimulationRunner;
  readonly alerts: AlertsService;
};

/** The GraphQL schema over the services. Built once a process: type-graphql keeps field resolvers between builds. */
export async function createSchema(s: Services): Promise<GraphQLSchema> {
  const resolvers = [
    new TenantResolver(s.tenants),
    new ApiKeyResolver(s.tenants, s.access),
    new WebhookResolver(s.tenants, s.webhooks),
    new WebhookDeliveryResolver(s.webhooks),
    new CatalogResolver(s.catalog),
    new PriceBookResolver(s.tenants, s.pricing),
    new PriceBookVersionsResolver(s.pricing),
    new PricesResolver(s.pricing),
    new PriceImportResolver(s.tenants, s.priceImports),
    new PriceImportRowsResolver(s.priceImports),
    new CostImportResolver(s.priceImports, s.costImports),
    new LivePriceResolver(s.pricing),
    new VersionDiffResolver(),
    new FxSnapshotResolver(s.tenants, s.fxSnapshots),
    new ContractResolver(s.tenants, s.contracts),
    new ContractMigrationResolver(s.tenants, s.contractMigrations),
    new UsageResolver(s.usage),
    new OutcomeRuleResolver(s.tenants, s.outcomeRules),
    new OutcomeRuleVersionsResolver(s.outcomeRules),
    new OutcomeResolver(s.tenants, s.outcomeClaims, s.outcomeActs),
    new OutcomeFieldsResolver(s.outcomeActs),
    new OutcomeAnomalyResolver(s.outcomeAnomalies),
    new OutcomeReviewResolver(s.tenants, s.outcomeDisputes, s.sampleAudits),
    new OutcomeDisputeFieldsResolver(s.outcomeDisputes),
    new OutcomeRuleFiguresResolver(s.tenants, s.outcomeStats, s.outcomeMargins),
    new OutcomeCostResolver(s.outcomeMargins),
    new OutcomeDisputeHeldResolver(s.outcomeStats),
    new ChargeResolver(s.rating),
    new EstimateResolver(s.estimates),
    new InvoiceResolver(s.tenants, s.invoicing),
    new InvoiceFieldsResolver(s.invoicing),
    new InvoiceReceiptsResolver(s.receipts),
    new OutcomeReceiptsResolver(s.receipts),
    new SimulationResolver(s.tenants, s.simulations, s.contractMigrations),
    new SimulationResultsResolver(s.simulations),
    new OutcomeSimulationResolver(s.tenants, s.outcomeSimulations),
    new OutcomeSimulationResultsResolver(s.outcomeSimulations),
    new AlertResolver(s.tenants, s.alerts, s.rating),
    new NodeResolver(s.tenants, s.rating, s.outcomeDisputes),
  ];
  const byClass = new Map<unknown, object>(resolvers.map(resolver => [resolver.constructor, resolver]));

  return buildSchema({
    resolvers: resolvers.map(resolver => resolver.constructor) as [new () => object],
    container: { get: cls => byClass.get(cls) },
    authChecker: authorize,
    validate: false,
    // Asked for by type-graphql as soon as there is a subscription; ours bring their own streams and use none of it.
    pubSub: {
      publish: () => undefined,
      subscribe: topic => {
        throw new TypeError(`nothing is published on ${topic}`);
      },
    },
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
  });
}
