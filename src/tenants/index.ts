export { Tenant, tenantEntities, type TenantKind } from './tenant.entity.js';
export { isCleanText } from './tenant.rules.js';
export { TenantResolver } from './tenant.resolver.js';
export { TenantType } from './tenant.types.js';
export { TenantsService } from './tenants.service.js';
