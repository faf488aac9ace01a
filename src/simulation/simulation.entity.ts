import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';
import { outcomeSimulationEntities } from './outcome-simulation.entity.js';
import { BASELINES, SIMULATION_STATUSES } from './simulation.rules.js';

const SimulationSchema = defineEntity({
  name: 'Simulation',
  tableName: 'simulation',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    /** Whose book it is. */
    sellerId: p.string(),
    priceBookId: p.string(),
    versionId: p.string(),
    fromAt: p.datetime(),
    untilAt: p.datetime(),
    baseline: p.enum(BASELINES),
    status: p.enum(SIMULATION_STATUSES),
    tenantsTotal: p.integer(),
    tenantsDone: p.integer(),
    /** An estimate by the buckets; null where there are too many tenants to ask. */
    eventsTotal: p.bigint('string').nullable(),
    eventsDone: p.bigint('string'),
    /** Decimal strings by currency, once it is done. */
    totals: p.json<readonly SimulationTotal[]>().nullable(),
    error: p.string().nullable(),
    createdAt: p.datetime(),
    startedAt: p.datetime().nullable(),
    finishedAt: p.datetime().nullable(),
  },
  filters: tenantFilter,
});

/** What all tenants of a simulation come to in one currency; amounts are decimal strings. */
export interface SimulationTotal {
  readonly currency: string;
  readonly tenants: number;
  readonly oldAmount: string;
  readonly newAmount: string;
  readonly oldUnpriced: number;
  readonly newUnpriced: number;
}

/** A question, "what would they have paid?", and how far its answer is. Written by `simulation.queries.ts`. */
export class Simulation extends SimulationSchema.class {}
SimulationSchema.setClass(Simulation);

export const simulationEntities = [SimulationSchema, ...outcomeSimulationEntities] as const;
