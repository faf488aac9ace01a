import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { CreditsService } from './credits.service.js';

const payload = z.object({ v: z.literal(1), tenantId: z.string() });

export const creditsJobs = {
  /** Takes what is left of a tenant's expired grants off them. Runs twice: the second finds nothing left. */
  expire: defineJob({ name: 'credits.expire', payload }),
  /** Tells of credits that usage has brought low. Runs twice: the second finds its fact gone; and what is told is told once. */
  tellLow: defineJob({ name: 'credits.tell-low', payload, acknowledges: 'credits.burned_low' }),
} as const;

export function creditsHandlers(credits: CreditsService): JobHandler[] {
  return [
    handler(creditsJobs.expire, scope => credits.expire(scope)),
    handler(creditsJobs.tellLow, (scope, _, acknowledge) => credits.tellLow(scope, acknowledge)),
  ];
}
