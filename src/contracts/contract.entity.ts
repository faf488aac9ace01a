import { defineEntity, p } from '@mikro-orm/core';

const ContractSchema = defineEntity({
  name: 'Contract',
  tableName: 'contract',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    sellerId: p.string(),
    priceBookId: p.string(),
    currency: p.string(),
    startsAt: p.datetime(),
    endsAt: p.datetime().nullable(),
    graceHours: p.integer(),
    createdAt: p.datetime(),
  },
  filters: {
    // The buyer sees its contracts and the seller those it sells under.
    tenant: {
      name: 'tenant',
      cond: ({ tenantId }: { tenantId?: string }) => ({
        $or: [{ tenantId: tenantId ?? '' }, { sellerId: tenantId ?? '' }],
      }),
      default: true,
    },
  },
});

/** A tenant (the buyer) on a seller's price book for a time. */
export class Contract extends ContractSchema.class {}
ContractSchema.setClass(Contract);

export const contractEntities = [ContractSchema] as const;
