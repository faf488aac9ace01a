import type { HeldCredits, HeldOfGrants } from '../credits/index.js';
import type { Scope } from '../platform/index.js';
import { standingsOf } from './limit.queries.js';
import { placeOfGrant } from './prepaid.rules.js';
import { windowName } from './reserve.rules.js';

/** What open calls have set aside of credits, as their windows say. */
export class HeldOnGrants implements HeldCredits {
  /**
   * Waits for no window: who holds the lock of the tenant's credits is alone in setting aside, and what is given back
   * meanwhile only makes it less.
   */
  async of(tx: Scope, grantIds: readonly string[]): Promise<HeldOfGrants> {
    const places = grantIds.map(id => placeOfGrant(tx.tenantId, id));
    const standings = await standingsOf(tx, places);

    return new Map(
      places.flatMap(({ tenantId, limitId, windowStart }) => {
        const standing = standings.get(windowName(tenantId, limitId, windowStart));

        return standing ? [[limitId, standing.held] as const] : [];
      }),
    );
  }
}
