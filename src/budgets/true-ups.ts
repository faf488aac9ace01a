import { decimal, type Decimal, ZERO } from '../money/index.js';
import { inLineage, type Scope } from '../platform/index.js';
import type { RatedPeriod } from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import { leaveEntries, limitsOf, type WindowPlace } from './limit.queries.js';
import { countsUsageOf } from './limit.rules.js';
import { windowName } from './reserve.rules.js';

/** Brings budgets to the bill: usage counts at what is known of its price when it comes in, and rating knows all of it. */
export class TrueUps {
  constructor(private readonly tenants: TenantsService) {}

  /**
   * Counts, in the transaction of the rating, what more (or less) the usage of these periods is due than it was counted at:
   * tiers, allowances, minimums, discounts, costs that came late, and meters that do not add up. It counts in the window of
   * now, or in the last of a period that is over, for that is when it is known. Budgets of a key keep what they have counted:
   * a bill knows no keys; and so do those of a model, of prices that are for several models together.
   */
  async make(tx: Scope, rated: readonly RatedPeriod[]): Promise<void> {
    const corrected = rated.filter(({ corrections }) => corrections.length > 0);
    const lineage = corrected.length === 0 ? null : await this.tenants.lineage(tx, tx.tenantId);

    if (!lineage) {
      return;
    }

    await inLineage(tx, lineage, async own => {
      const limits = await limitsOf(own, { lineage, keyIds: [], now: own.now });
      const totals = new Map<string, WindowPlace & { readonly used: Decimal }>();

      for (const { currency, start, end, corrections } of corrected) {
        const at = new Date(Math.max(start.getTime(), Math.min(own.now.getTime(), end.getTime() - 1)));

        for (const limit of limits.filter(({ currency: counted }) => counted === currency)) {
          for (const correction of corrections.filter(one => countsUsageOf(limit, one))) {
            const place = { tenantId: limit.ownerId, limitId: limit.id, windowStart: limit.windowAt(at) };
            const name = windowName(place.tenantId, place.limitId, place.windowStart);
            totals.set(name, { ...place, used: decimal(correction.amount.plus(totals.get(name)?.used ?? ZERO)) });
          }
        }
      }

      await leaveEntries(
        own,
        [...totals.values()].filter(({ used }) => !used.isZero()).map(entry => ({ ...entry, held: ZERO })),
      );
    });
  }
}
