import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';
import type { LimitMode, LimitPer } from './limit.rules.js';

const BudgetSchema = defineEntity({
  name: 'Budget',
  tableName: 'budget',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    name: p.string(),
    currency: p.string(),
    amount: p.type(DecimalColumn).$type<Decimal>(),
    mode: p.string().$type<LimitMode>(),
    per: p.string().$type<NonNullable<LimitPer>>().nullable(),
    timeZone: p.string(),
    countedTenantId: p.string().nullable(),
    keyId: p.string().nullable(),
    meterId: p.string().nullable(),
    model: p.string().nullable(),
    createdAt: p.datetime(),
    endedAt: p.datetime().nullable(),
  },
  filters: tenantFilter,
});

/** How much a tenant, with all below it, may spend in a stretch of its calendar. */
export class Budget extends BudgetSchema.class {}
BudgetSchema.setClass(Budget);

const BudgetRaiseSchema = defineEntity({
  name: 'BudgetRaise',
  tableName: 'budget_raise',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    budgetId: p.string(),
    amount: p.type(DecimalColumn).$type<Decimal>(),
    fromAt: p.datetime(),
    untilAt: p.datetime(),
    reason: p.string(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** So much more in a budget, for a time. */
export class BudgetRaise extends BudgetRaiseSchema.class {}
BudgetRaiseSchema.setClass(BudgetRaise);

const HoldSchema = defineEntity({
  name: 'Hold',
  tableName: 'hold',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    keyId: p.string(),
    idempotencyKey: p.string(),
    requestHash: p.string(),
    currency: p.string(),
    amount: p.type(DecimalColumn).$type<Decimal>(),
    parts: p.json<readonly HeldPartJson[]>(),
    state: p.string().$type<HoldState>(),
    expiresAt: p.datetime(),
    createdAt: p.datetime(),
    endedAt: p.datetime().nullable(),
    actual: p.type(DecimalColumn).$type<Decimal>().nullable(),
    overrun: p.type(DecimalColumn).$type<Decimal>(),
    isUnpriced: p.boolean(),
  },
  filters: tenantFilter,
});

/** Money and quantity that a call may use, taken from every limit that looks at it until it is settled, voided or expired. */
export class Hold extends HoldSchema.class {}
HoldSchema.setClass(Hold);

export type HoldState = 'HELD' | 'SETTLED' | 'VOIDED' | 'EXPIRED';

/** A part of a hold as it is stored. */
export interface HeldPartJson {
  readonly tenantId: string;
  readonly limitId: string;
  /** ISO 8601. */
  readonly windowStart: string;
  readonly amount: string;
}

export const budgetEntities = [BudgetSchema, BudgetRaiseSchema, HoldSchema] as const;
