import type { GraphQLSchema } from 'graphql';
import { buildSchema } from 'type-graphql';
import { ApiKeyResolver } from './access/index.js';
import { AlertResolver } from './alerts/index.js';
import {
  BudgetFieldsResolver,
  BudgetResolver,
  CallCheckResolver,
  EntitlementStandingResolver,
  HeldOnGrantsResolver,
} from './budgets/index.js';
import { CatalogResolver } from './catalog/index.js';
import { ContractMigrationResolver, ContractResolver } from './contracts/index.js';
import { CreditResolver } from './credits/index.js';
import { EntitlementResolver, FeatureEntitlementsResolver } from './entitlements/index.js';
import {
  InvoiceFieldsResolver,
  InvoiceReceiptsResolver,
  InvoiceResolver,
  OutcomeReceiptsResolver,
  ReceiptVersionResolver,
} from './invoicing/index.js';
import { NodeResolver } from './node.resolver.js';
import {
  OutcomeAnomalyResolver,
  OutcomeDisputeFieldsResolver,
  OutcomeFieldsResolver,
  OutcomeResolver,
  OutcomeReviewResolver,
  OutcomeRuleOfVersionResolver,
  OutcomeRuleResolver,
  OutcomeRuleVersionsResolver,
  OutcomeVersionResolver,
} from './outcomes/index.js';
import { authorize, DateTimeScalar } from './platform/index.js';
import {
  CostImportResolver,
  FxSnapshotResolver,
  LivePriceResolver,
  PriceBookResolver,
  PriceBookVersionsResolver,
  PriceImportResolver,
  PriceImportRowsResolver,
  PricesResolver,
  VersionDiffResolver,
} from './pricing/index.js';
import {
  ChargeResolver,
  EstimateResolver,
  OutcomeCostResolver,
  OutcomeDisputeHeldResolver,
  OutcomeRuleFiguresResolver,
} from './rating/index.js';
import {
  OutcomeSimulationResolver,
  OutcomeSimulationResultsResolver,
  SimulationResolver,
  SimulationResultsResolver,
} from './simulation/index.js';
import { TenantResolver } from './tenants/index.js';
import { UsageResolver } from './usage/index.js';
import { WebhookDeliveryResolver, WebhookResolver } from './webhooks/index.js';
import type { Services } from './services.js';

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
    new OutcomeRuleVersionsResolver(s.outcomeRules, s.agreedRules),
    new OutcomeRuleOfVersionResolver(s.outcomeRules, s.agreedRules),
    new OutcomeVersionResolver(s.agreedRules),
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
    new EntitlementResolver(s.tenants, s.entitlements),
    new FeatureEntitlementsResolver(s.entitlements),
    new BudgetResolver(s.tenants, s.budgets),
    new BudgetFieldsResolver(s.budgets),
    new EntitlementStandingResolver(s.entitlementStandings),
    new HeldOnGrantsResolver(s.heldOnGrants),
    new CallCheckResolver(s.tenants, s.holds, s.featureModes),
    new CreditResolver(s.tenants, s.credits, s.creditReversals, s.creditTransfers),
    new InvoiceResolver(s.tenants, s.invoicing),
    new InvoiceFieldsResolver(s.invoicing),
    new InvoiceReceiptsResolver(s.receipts),
    new OutcomeReceiptsResolver(s.receipts),
    new ReceiptVersionResolver(s.agreedRules),
    new SimulationResolver(s.tenants, s.simulations, s.contractMigrations),
    new SimulationResultsResolver(s.simulations),
    new OutcomeSimulationResolver(s.tenants, s.outcomeSimulations),
    new OutcomeSimulationResultsResolver(s.outcomeSimulations),
    new AlertResolver(s.tenants, s.alerts, s.rating),
    new NodeResolver(s),
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
