import { AccessService } from './access/index.js';
import { AlertsService } from './alerts/index.js';
import { BudgetsService, HoldsService, LimitCounts, PlanLimits, SettlingService } from './budgets/index.js';
import { CatalogService } from './catalog/index.js';
import type { Config } from './config.js';
import { ContractMigrationsService, ContractsService } from './contracts/index.js';
import { CreditBurnsService, CreditsService, CreditTransfersService, LowCredits } from './credits/index.js';
import { EntitlementsService } from './entitlements/index.js';
import { whenRated } from './flow.js';
import { InvoicingService, ReceiptsService } from './invoicing/index.js';
import {
  Acting,
  AnomaliesService,
  LiveRules,
  OutcomeActsService,
  OutcomeClaimsService,
  OutcomeDisputesService,
  OutcomeIntake,
  OutcomeRulesService,
  OutcomesService,
  SampleAuditsService,
  outcomeCurrencies,
  WatchedTypes,
} from './outcomes/index.js';
import type { PubSub, Secrets } from './platform/index.js';
import { CostImportService, FxSnapshotsService, PriceImportService, PricingService } from './pricing/index.js';
import {
  EstimateService,
  LiveTerms,
  OutcomeMarginService,
  OutcomeStatsService,
  RatingService,
  UsagePricer,
} from './rating/index.js';
import {
  OutcomeSimulationRunner,
  OutcomeSimulationsService,
  Runs,
  SimulationRunner,
  SimulationsService,
} from './simulation/index.js';
import { TenantsService } from './tenants/index.js';
import { UsageService } from './usage/index.js';
import { WebhooksService } from './webhooks/index.js';

/** What the services need of the process that they are in. */
export interface ServicesOptions {
  readonly secrets: Secrets;
  readonly pubSub: PubSub;
  readonly clock: () => Date;
}

/** All that the product can do; the rooms' services, in their order. */
export type Services = ReturnType<typeof createServices>;

/** Builds the services on each other, each on those of its own room and of lower ones. */
export function createServices(config: Config, { secrets, pubSub, clock }: ServicesOptions) {
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
  const liveTerms = new LiveTerms(tenants, catalog, contracts);
  const pricer = new UsagePricer(liveTerms);
  const entitlements = new EntitlementsService(tenants, catalog, pricing, contracts);
  const plans = new PlanLimits(tenants, entitlements);
  const limitCounts = new LimitCounts(tenants, pricer, plans);
  const usage = new UsageService(tenants, catalog, new OutcomeIntake(watchedTypes), limitCounts);
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
  const estimates = new EstimateService(catalog, liveTerms);
  const rating = new RatingService(tenants, catalog, contracts, whenRated(alerts), outcomes);
  const outcomeStats = new OutcomeStatsService(tenants, contracts, outcomes);
  const outcomeMargins = new OutcomeMarginService(tenants, catalog, contracts, outcomes);
  const lowCredits = new LowCredits(webhooks);
  const credits = new CreditsService(lowCredits);
  const creditBurns = new CreditBurnsService(lowCredits);
  const creditTransfers = new CreditTransfersService(tenants, lowCredits);
  const budgets = new BudgetsService(tenants);
  const holds = new HoldsService(tenants, estimates, plans);
  const settling = new SettlingService(tenants, usage, pricer);
  const invoicing = new InvoicingService(tenants, rating, webhooks, outcomes);
  const receipts = new ReceiptsService();
  const simulations = new SimulationsService(tenants, catalog, pubSub);
  const simulationRuns = new Runs(tenantId => simulations.hint(tenantId), clock);
  const simulationRunner = new SimulationRunner(tenants, catalog, contracts, outcomes, simulationRuns);
  const outcomeSimulations = new OutcomeSimulationsService();
  const outcomeSimulationRunner = new OutcomeSimulationRunner(tenants, contracts, outcomes, liveRules, simulationRuns);

  return {
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
    entitlements,
    credits,
    creditBurns,
    creditTransfers,
    budgets,
    holds,
    settling,
    invoicing,
    receipts,
    simulations,
    simulationRunner,
    outcomeSimulations,
    outcomeSimulationRunner,
    alerts,
  };
}
