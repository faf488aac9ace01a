import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { InvoicingService } from './invoicing.service.js';

export const invoicingJobs = {
  /** Issues a draft whose grace is over. Runs twice: the second finds it issued and does nothing. */
  closePeriod: defineJob({
    name: 'invoicing.close-period',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), invoiceId: z.string() }),
  }),
} as const;

export function invoicingHandlers(invoicing: InvoicingService): JobHandler[] {
  return [handler(invoicingJobs.closePeriod, (scope, { invoiceId }) => invoicing.close(scope, invoiceId))];
}
