import { defineEntity, p } from '@mikro-orm/core';

const TENANT_KINDS = ['PLATFORM', 'RESELLER', 'CUSTOMER'] as const;
export type TenantKind = (typeof TENANT_KINDS)[number];

const TenantSchema = defineEntity({
  name: 'Tenant',
  tableName: 'tenant',
  properties: {
    id: p.string().primary(),
    parentId: p.string().nullable(),
    kind: p.enum(TENANT_KINDS),
    name: p.string(),
    currency: p.string(),
    timeZone: p.string(),
    region: p.string(),
    /** From the root to the tenant itself. */
    ancestors: p.array(),
    createdAt: p.datetime(),
  },
  filters: {
    // A tenant sees itself and all that is below it: the only table where the filter is not equality.
    tenant: {
      name: 'tenant',
      cond: ({ tenantId }: { tenantId?: string }) => ({ ancestors: { $contains: [tenantId ?? ''] } }),
      default: true,
    },
  },
});

/** A node in the one tree: the platform at the root, resellers below it, customers at the leaves. */
export class Tenant extends TenantSchema.class {}
TenantSchema.setClass(Tenant);

export const tenantEntities = [TenantSchema] as const;
