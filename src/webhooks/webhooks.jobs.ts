import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { WebhooksService } from './webhooks.service.js';

export const webhooksJobs = {
  /** Makes one attempt of one delivery. Runs twice: the second finds it claimed or finished and does nothing. */
  deliver: defineJob({
    name: 'webhooks.deliver',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), deliveryId: z.string() }),
  }),
} as const;

export function webhooksHandlers(webhooks: WebhooksService): JobHandler[] {
  return [handler(webhooksJobs.deliver, (scope, { deliveryId }) => webhooks.deliver(scope, deliveryId))];
}
