import { Migration20261123120000_platform_and_audit } from './Migration20261123120000_platform_and_audit.js';
import { Migration20261123120100_tenants_and_keys } from './Migration20261123120100_tenants_and_keys.js';
import { Migration20261123120200_catalog_pricing_contracts } from './Migration20261123120200_catalog_pricing_contracts.js';
import { Migration20261123120300_usage } from './Migration20261123120300_usage.js';
import { Migration20261123120400_rating_and_invoicing } from './Migration20261123120400_rating_and_invoicing.js';
import { Migration20261123120500_alerts_and_webhooks } from './Migration20261123120500_alerts_and_webhooks.js';

/** Every migration, oldest first. Named here because MikroORM finds none in a folder when the runner is jest. */
export const migrations = [
  Migration20261123120000_platform_and_audit,
  Migration20261123120100_tenants_and_keys,
  Migration20261123120200_catalog_pricing_contracts,
  Migration20261123120300_usage,
  Migration20261123120400_rating_and_invoicing,
  Migration20261123120500_alerts_and_webhooks,
];
