import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';
import type { ClaimMeasure } from './anomaly.rules.js';

const OutcomeAnomalySchema = defineEntity({
  name: 'OutcomeAnomaly',
  tableName: 'outcome_anomaly',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    ruleId: p.string(),
    /** The week of the calendar in which it was told: from Monday, in UTC. */
    weekStart: p.datetime(),
    /** By what the claims were counted. */
    measure: p.string().$type<ClaimMeasure>(),
    /** Of the seven days before it was told. */
    claims: p.integer(),
    /** The median of the weeks before. */
    baseline: p.type(DecimalColumn).$type<Decimal>(),
    factor: p.type(DecimalColumn).$type<Decimal>(),
    toldAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A number of claims out of line, as it was told. Written by `AnomaliesService`. */
export class OutcomeAnomaly extends OutcomeAnomalySchema.class {}
OutcomeAnomalySchema.setClass(OutcomeAnomaly);

export const anomalyEntities = [OutcomeAnomalySchema] as const;
