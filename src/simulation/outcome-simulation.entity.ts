import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';
import type { OutcomeSimulationTotal } from './outcome-simulation.queries.js';
import { SIMULATION_STATUSES } from './simulation.rules.js';

const OutcomeSimulationSchema = defineEntity({
  name: 'OutcomeSimulation',
  tableName: 'outcome_simulation',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    priceBookId: p.string(),
    ruleId: p.string(),
    versionId: p.string(),
    fromAt: p.datetime(),
    untilAt: p.datetime(),
    status: p.enum(SIMULATION_STATUSES),
    tenantsTotal: p.integer(),
    tenantsDone: p.integer(),
    /** Null where there are too many tenants to ask. */
    eventsTotal: p.bigint('string').nullable(),
    eventsDone: p.bigint('string'),
    /** By currency, once it is done. */
    totals: p.json<readonly OutcomeSimulationTotal[]>().nullable(),
    error: p.string().nullable(),
    createdAt: p.datetime(),
    startedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
  },
  filters: tenantFilter,
});

/** What outcomes would have come to under a version of their rule. Written by `outcome-simulation.queries.ts`. */
export class OutcomeSimulation extends OutcomeSimulationSchema.class {}
OutcomeSimulationSchema.setClass(OutcomeSimulation);

export const outcomeSimulationEntities = [OutcomeSimulationSchema] as const;
