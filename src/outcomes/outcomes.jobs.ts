import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { OutcomesService } from './outcomes.service.js';

export const outcomesJobs = {
  /**
   * Judges what came in and what is due. Runs twice: what was taken in is gone and what was due is due no more, so the
   * second finds nothing; and a case that is judged again at the same instant comes to the same verdicts, which changes no
   * row. Two at a time wait for each other at the rating lock.
   */
  settle: defineJob({
    name: 'outcomes.settle',
    payload: z.object({ v: z.literal(1), tenantId: z.string() }),
    debounceMs: 250,
  }),
} as const;

/** What does the jobs of this room. */
export function outcomesHandlers(outcomes: OutcomesService): JobHandler[] {
  return [handler(outcomesJobs.settle, scope => outcomes.settle(scope))];
}
