import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';

/** A threshold as it is stored: an amount, or a per cent of the alert's budget. */
export type ThresholdJson = { readonly amount: string } | { readonly percent: string };

const SpendAlertSchema = defineEntity({
  name: 'SpendAlert',
  tableName: 'spend_alert',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    name: p.string(),
    budget: p.type(DecimalColumn).$type<Decimal>().nullable(),
    thresholds: p.json<readonly ThresholdJson[]>(),
    createdAt: p.datetime(),
    archivedAt: p.datetime().nullable(),
  },
  filters: tenantFilter,
});

/** A wish to be told when a tenant's spend of a billing period reaches thresholds. */
export class SpendAlert extends SpendAlertSchema.class {}
SpendAlertSchema.setClass(SpendAlert);

const AlertFiringSchema = defineEntity({
  name: 'AlertFiring',
  tableName: 'alert_firing',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    /** Counts the tenant's firings in the order of their commits: the cursor of the subscription. */
    seq: p.bigint('string'),
    alertId: p.string(),
    periodStart: p.datetime(),
    periodEnd: p.datetime(),
    threshold: p.string(),
    thresholdAmount: p.type(DecimalColumn).$type<Decimal>(),
    spend: p.type(DecimalColumn).$type<Decimal>(),
    currency: p.string(),
    firedAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A threshold that was reached, told once. */
export class AlertFiring extends AlertFiringSchema.class {}
AlertFiringSchema.setClass(AlertFiring);

export const alertEntities = [SpendAlertSchema, AlertFiringSchema] as const;
