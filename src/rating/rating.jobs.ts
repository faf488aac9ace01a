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
  /**
   * Rates all usage from an instant on anew. Runs twice: the second finds its fact gone and does nothing; and rating the same
   * buckets by the same prices adds nothing.
   */
  rerateTenant: defineJob({
    name: 'rating.rerate-tenant',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), from: instant }),
    acknowledges: 'contract.changed',
  }),
  /**
   * Sends every buyer on a changed book to be rated anew. Runs twice: the second finds its fact gone and does nothing; and
   * buyers who are rated anew twice are so to no effect.
   */
  repriceBook: defineJob({
    name: 'rating.reprice-book',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), priceBookId: z.string(), from: instant }),
    acknowledges: 'price_book.changed',
  }),
  /**
   * Sends every buyer to be rated anew whom a newly set cost may concern. All costs of one tenant that were set from the same
   * instant on, as by an import, are one job. Runs twice: the months are touched twice, and rating the same buckets by the
   * same costs adds nothing.
   */
  recostBuyers: defineJob({
    name: 'rating.recost-buyers',
    payload: z.object({ v: z.literal(1), tenantId: z.string(), from: instant }),
    acknowledges: 'model_cost.set',
  }),
} as const;

export function ratingHandlers(rating: RatingService): JobHandler[] {
  return [
    handler(ratingJobs.rateTenant, scope => rating.rate(scope)),
    handler(ratingJobs.rerateTenant, (scope, { from }, acknowledge) =>
      rating.rerate(scope, new Date(from), acknowledge),
    ),
    handler(ratingJobs.repriceBook, (scope, { priceBookId, from }, acknowledge) =>
      rating.reprice(scope, priceBookId, new Date(from), acknowledge),
    ),
    handler(ratingJobs.recostBuyers, (scope, { from }, acknowledge) =>
      rating.recost(scope, new Date(from), acknowledge),
    ),
  ];
}
