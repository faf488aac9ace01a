import { z } from 'zod';
import { defineJob, handler, type JobHandler } from '../platform/index.js';
import type { RatingService } from './rating.service.js';

const instant = z.iso.datetime();

export const ratingJobs = {
  /** Rates what was touched. Runs twice: the second finds the touches marked as rated and does nothing. */
  rateTenant: defineJob({
    name: 'rating.rate-tenant',
    payload: z.object({ v: z.literal(1), tenantId: z.string() }),
    debounceMs: 250,
  }),
  /** Rates all usage from an instant on anew. Runs twice: rating the same buckets by the same prices adds nothing. */
  rerateTenant: defineJob({
    name: 'rating.rerate-tenant',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), from: instant }),
  }),
  /** Sends every buyer on a changed book to be rated anew. Runs twice: the buyers are rated anew twice, to no effect. */
  repriceBook: defineJob({
    name: 'rating.reprice-book',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), priceBookId: z.string(), from: instant }),
  }),
  /**
   * Sends every buyer to be rated anew whom a newly set cost may concern. All costs of one tenant that were set from the same
   * instant on, as by an import, are one job. Runs twice: the months are touched twice, and rating the same buckets by the
   * same costs adds nothing.
   */
  recostBuyers: defineJob({
    name: 'rating.recost-buyers',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), from: instant }),
  }),
} as const;

export function ratingHandlers(rating: RatingService): JobHandler[] {
  return [
    handler(ratingJobs.rateTenant, scope => rating.rate(scope)),
    handler(ratingJobs.rerateTenant, (scope, { from }) => rating.rerate(scope, new Date(from))),
    handler(ratingJobs.repriceBook, (scope, { priceBookId, from }) =>
      rating.reprice(scope, priceBookId, new Date(from)),
    ),
    handler(ratingJobs.recostBuyers, (scope, { from }) => rating.recost(scope, new Date(from))),
  ];
}
