import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { CreditsService } from './credits.service.js';

export const creditsJobs = {
  /** Takes what is left of a tenant's expired grants off them. Runs twice: the second finds nothing left. */
  expire: defineJob({
    name: 'credits.expire',
    payload: z.object({ v: z.literal(1), tenantId: z.string() }),
  }),
} as const;

export function creditsHandlers(credits: CreditsService): JobHandler[] {
  return [handler(creditsJobs.expire, scope => credits.expire(scope))];
}
