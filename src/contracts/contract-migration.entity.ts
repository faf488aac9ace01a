import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';

const ContractMigrationSchema = defineEntity({
  name: 'ContractMigration',
  tableName: 'contract_migration',
  properties: {
    /** The seller. */
    tenantId: p.string(),
    id: p.string().primary(),
    priceBookId: p.string(),
    fromVersionId: p.string().nullable(),
    toPriceBookId: p.string(),
    toVersionId: p.string().nullable(),
    effectiveAt: p.datetime(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A seller's order to end contracts on one book at an instant and begin others there. */
export class ContractMigration extends ContractMigrationSchema.class {}
ContractMigrationSchema.setClass(ContractMigration);

export const contractMigrationEntities = [ContractMigrationSchema] as const;
