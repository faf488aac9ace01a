import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { OutcomeSimulationRunner } from './outcome-simulation-runner.js';
import type { SimulationRunner } from './simulation-runner.js';

export const simulationJobs = {
  /**
   * Runs a simulation from where it stands. Runs twice: the second finds it claimed or ended and does nothing; a tenant that
   * is done is not done again, and one that was half done begins anew. A cancelled one has ended.
   */
  run: defineJob({
    name: 'simulation.run',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), simulationId: z.string() }),
  }),
  /** Runs a simulation of an outcome rule from where it stands. Runs twice: as above. */
  runOutcomes: defineJob({
    name: 'simulation.run_outcomes',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), simulationId: z.string() }),
  }),
} as const;

/** What does the jobs of this room. */
export function simulationHandlers(runner: SimulationRunner, ofOutcomes: OutcomeSimulationRunner): JobHandler[] {
  return [
    handler(simulationJobs.run, (scope, { simulationId }) => runner.run(scope, simulationId)),
    handler(simulationJobs.runOutcomes, (scope, { simulationId }) => ofOutcomes.run(scope, simulationId)),
  ];
}
