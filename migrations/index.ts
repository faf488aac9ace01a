import { Migration20261123120000_platform_and_audit } from './Migration20261123120000_platform_and_audit.js';
import { Migration20261123120100_tenants_and_keys } from './Migration20261123120100_tenants_and_keys.js';
import { Migration20261123120200_catalog_pricing_contracts } from './Migration20261123120200_catalog_pricing_contracts.js';
import { Migration20261123120300_usage } from './Migration20261123120300_usage.js';
import { Migration20261123120400_rating_and_invoicing } from './Migration20261123120400_rating_and_invoicing.js';
import { Migration20261123120500_alerts_and_webhooks } from './Migration20261123120500_alerts_and_webhooks.js';
import { Migration20261123160000_metering } from './Migration20261123160000_metering.js';
import { Migration20261123150000_pricing } from './Migration20261123150000_pricing.js';
import { Migration20261123170000_price_import } from './Migration20261123170000_price_import.js';
import { Migration20261123180000_book_life } from './Migration20261123180000_book_life.js';
import { Migration20261123190000_simulation } from './Migration20261123190000_simulation.js';
import { Migration20261123200000_rating_due } from './Migration20261123200000_rating_due.js';
import { Migration20261123210000_outcomes } from './Migration20261123210000_outcomes.js';
import { Migration20261123220000_outcome_simulation } from './Migration20261123220000_outcome_simulation.js';
import { Migration20261124080000_budgets } from './Migration20261124080000_budgets.js';
import { Migration20261124090000_entitlements } from './Migration20261124090000_entitlements.js';
import { Migration20261124100000_credits } from './Migration20261124100000_credits.js';
import { Migration20261124110000_outcome_backlogs } from './Migration20261124110000_outcome_backlogs.js';
import { Migration20261124113000_entitlement_inherits } from './Migration20261124113000_entitlement_inherits.js';
import { Migration20261124120000_prepaid } from './Migration20261124120000_prepaid.js';
import { Migration20261124130000_outcome_soft_caps } from './Migration20261124130000_outcome_soft_caps.js';
import { Migration20261124115000_named_keys } from './Migration20261124115000_named_keys.js';
import { Migration20261124116000_budget_excess } from './Migration20261124116000_budget_excess.js';
import { Migration20261124140000_counted_spend } from './Migration20261124140000_counted_spend.js';

/** Every migration, oldest first. Named here because MikroORM finds none in a folder when the runner is jest. */
export const migrations = [
  Migration20261123120000_platform_and_audit,
  Migration20261123120100_tenants_and_keys,
  Migration20261123120200_catalog_pricing_contracts,
  Migration20261123120300_usage,
  Migration20261123120400_rating_and_invoicing,
  Migration20261123120500_alerts_and_webhooks,
  Migration20261123150000_pricing,
  Migration20261123160000_metering,
  Migration20261123170000_price_import,
  Migration20261123180000_book_life,
  Migration20261123190000_simulation,
  Migration20261123200000_rating_due,
  Migration20261123210000_outcomes,
  Migration20261123220000_outcome_simulation,
  Migration20261124080000_budgets,
  Migration20261124090000_entitlements,
  Migration20261124100000_credits,
  Migration20261124110000_outcome_backlogs,
  Migration20261124113000_entitlement_inherits,
  Migration20261124115000_named_keys,
  Migration20261124116000_budget_excess,
  Migration20261124120000_prepaid,
  Migration20261124130000_outcome_soft_caps,
  Migration20261124140000_counted_spend,
];
