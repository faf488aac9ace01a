import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';
import type { CreditKind } from './grant.rules.js';

const CreditGrantSchema = defineEntity({
  name: 'CreditGrant',
  tableName: 'credit_grant',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    kind: p.string().$type<CreditKind>(),
    unit: p.string(),
    worth: p.type(DecimalColumn).$type<Decimal>().nullable(),
    worthCurrency: p.string().nullable(),
    amount: p.type(DecimalColumn).$type<Decimal>(),
    cost: p.type(DecimalColumn).$type<Decimal>(),
    costCurrency: p.string(),
    priority: p.integer(),
    meterIds: p.array(),
    models: p.array(),
    effectiveAt: p.datetime(),
    expiresAt: p.datetime().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** Credits that a tenant was given, as they were given. What is left of them is in the ledger. */
export class CreditGrant extends CreditGrantSchema.class {}
CreditGrantSchema.setClass(CreditGrant);

/** What moved credits. */
export type CreditTransactionKind =
  'GRANT' | 'BURN' | 'REVERSAL' | 'REFUND' | 'VOID' | 'EXPIRE' | 'TRANSFER_OUT' | 'TRANSFER_IN';

const CreditTransactionSchema = defineEntity({
  name: 'CreditTransaction',
  tableName: 'credit_transaction',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    kind: p.string().$type<CreditTransactionKind>(),
    at: p.datetime(),
    reference: p.string(),
    reason: p.string().nullable(),
    currency: p.string().nullable(),
    asked: p.type(DecimalColumn).$type<Decimal>().nullable(),
    ofId: p.string().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A movement of credits between accounts. Its entries sum to zero. */
export class CreditTransaction extends CreditTransactionSchema.class {}
CreditTransactionSchema.setClass(CreditTransaction);

export const creditEntities = [CreditGrantSchema, CreditTransactionSchema] as const;
