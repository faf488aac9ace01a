import { AccessService } from './access/index.js';
import { AlertsService } from './alerts/index.js';
import {
  BudgetsService,
  CreditCover,
  EntitlementStandings,
  ExceededBudgets,
  FeatureModes,
  HeldOnGrants,
  HoldsService,
  LimitCounts,
  PlanLimits,
  SettlingService,
  TrueUps,
} from './budgets/index.js';
import { CatalogService } from './catalog/index.js';
import type { Config } from './config.js';
import { ContractMigrationsService, ContractsService } from './contracts/index.js';
import {
  CreditBurnsService,
  CreditPaymentsService,
  CreditReversalsService,
  CreditsService,
  CreditTransfersService,
  LowCredits,
} from './credits/index.js';
import { EntitlementsService } from './entitlements/index.js';
import { whenRated } from './flow.js';
import { InvoicingService, ReceiptsService } from './invoicing/index.js';
import {
  Acting,
  AgreedRules,
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
  invoicedVersions,
  LiveTerms,
  OutcomeMarginService,
  OutcomeStatsService,
  RatingService,
  SoftCapsService,
  UsagePricer,
} from './rating/index.js';
import {
  OutcomeSimulationRunner,
  OutcomeSimulationsService,
  Runs,
  SimulationProgress,
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
  const lowCredits = new LowCredits(webhooks);
  const heldOnGrants = new HeldOnGrants();
  const credits = new CreditsService(tenants, catalog, lowCredits, heldOnGrants);
  const creditBurns = new CreditBurnsService(lowCredits, heldOnGrants);
  const creditReversals = new CreditReversalsService(creditBurns);
  const creditTransfers = new CreditTransfersService(tenants, lowCredits, heldOnGrants);
  const plans = new PlanLimits(tenants, entitlements, credits);
  const creditCover = new CreditCover(plans, new CreditPaymentsService(lowCredits, heldOnGrants));
  const limitCounts = new LimitCounts(tenants, pricer, plans, creditCover);
  const usage = new UsageService(tenants, catalog, new OutcomeIntake(watchedTypes), limitCounts);
  const liveRules = new LiveRules();
  const outcomeAnomalies = new AnomaliesService(webhooks);
  const outcomes = new OutcomesService(contracts, liveRules, outcomeAnomalies);
  const outcomeRules = new OutcomeRulesService(tenants, catalog, watchedTypes);
  const agreedRules = new AgreedRules(outcomes, invoicedVersions);
  const acting = new Acting(outcomes);
  const outcomeActs = new OutcomeActsService(acting);
  const outcomeClaims = new OutcomeClaimsService(tenants, usage, outcomes, outcomeActs);
  const outcomeDisputes = new OutcomeDisputesService(acting);
  const sampleAudits = new SampleAuditsService(tenants, outcomes, acting);
  const alerts = new AlertsService(webhooks, pubSub);
  const estimates = new EstimateService(catalog, liveTerms, outcomes);
  const softCaps = new SoftCapsService(webhooks);
  const rating = new RatingService(
    tenants,
    catalog,
    contracts,
    whenRated(alerts, softCaps, new TrueUps(tenants)),
    outcomes,
  );
  const outcomeStats = new OutcomeStatsService(tenants, contracts, outcomes);
  const outcomeMargins = new OutcomeMarginService(tenants, catalog, contracts, outcomes);
  const budgets = new BudgetsService(tenants, access, catalog, new ExceededBudgets(webhooks));
  const entitlementStandings = new EntitlementStandings();
  const featureModes = new FeatureModes(plans, estimates);
  const holds = new HoldsService(tenants, estimates, plans, creditCover);
  const settling = new SettlingService(tenants, usage, limitCounts);
  const invoicing = new InvoicingService(tenants, rating, webhooks, outcomes);
  const receipts = new ReceiptsService();
  const simulationProgress = new SimulationProgress(pubSub);
  const simulations = new SimulationsService(tenants, catalog, simulationProgress);
  const simulationRuns = new Runs(tenantId => simulationProgress.hint(tenantId), clock);
  const simulationRunner = new SimulationRunner(tenants, catalog, contracts, outcomes, simulationRuns);
  const outcomeSimulations = new OutcomeSimulationsService(simulationProgress);
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
    agreedRules,
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
    creditReversals,
    heldOnGrants,
    creditTransfers,
    budgets,
    entitlementStandings,
    featureModes,
    holds,
    settling,
    invoicing,
    receipts,
    simulationProgress,
    simulations,
    simulationRunner,
    outcomeSimulations,
    outcomeSimulationRunner,
    alerts,
  };
}
