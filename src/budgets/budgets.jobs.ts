import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { BudgetsService } from './budgets.service.js';
import type { SettlingService } from './settling.service.js';

const payload = z.object({ v: z.literal(1), tenantId: z.string() });

export const budgetsJobs = {
  /** Ends holds whose time is over. Runs twice: what has ended is not ended again, so nothing is given back twice. */
  expire: defineJob({ name: 'budgets.expire-holds', payload, debounceMs: 250 }),
  /**
   * Counts into windows what waits there, where nobody has asked for a while. Runs twice: an entry is gone in the
   * transaction that counts it. What a window comes to is the same before and after, and a budget that is exceeded is told of once.
   */
  fold: defineJob({ name: 'budgets.fold-entries', payload, debounceMs: 1_000 }),
  /** Tells of exceeded budgets. Runs twice: a window is told of in the transaction that marks it as told. */
  tell: defineJob({ name: 'budgets.tell-exceeded', payload, debounceMs: 250 }),
} as const;

/** What does the jobs of this room. */
export function budgetsHandlers(budgets: BudgetsService, settling: SettlingService): JobHandler[] {
  return [
    handler(budgetsJobs.expire, scope => settling.expire(scope)),
    handler(budgetsJobs.fold, scope => budgets.fold(scope)),
    handler(budgetsJobs.tell, scope => budgets.tellExceeded(scope)),
  ];
}
