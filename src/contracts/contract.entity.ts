import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn } from '../platform/index.js';

const ContractSchema = defineEntity({
  name: 'Contract',
  tableName: 'contract',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    sellerId: p.string(),
    priceBookId: p.string(),
    /** The version that prices all of it; null follows the book as it publishes. */
    priceBookVersionId: p.string().nullable(),
    currency: p.string(),
    /** What the buyer commits to spend, in the currency; decides discounts of the kind COMMITMENT. */
    commitmentAmount: p.type(DecimalColumn).$type<Decimal>().nullable(),
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
