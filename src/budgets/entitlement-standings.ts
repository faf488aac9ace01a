import type { EffectiveEntitlement } from '../entitlements/index.js';
import { decimal, type Decimal, ZERO } from '../money/index.js';
import { Gathered, inLineage, type Scope } from '../platform/index.js';
import { Tenant } from '../tenants/index.js';
import { standingsOf, type WindowPlace } from './limit.queries.js';
import type { Limit } from './limit.rules.js';
import { limitsGiven } from './plan-limits.js';
import { windowName } from './reserve.rules.js';
import { rolledOver, windowBefore } from './rollover.rules.js';

/** Where an entitlement that counts stands in the window that runs; in units of its meter, calls, or holds. */
export interface EntitlementStanding {
  /** How much there is, with what was left of the window before. */
  readonly most: Decimal;
  readonly used: Decimal;
  readonly held: Decimal;
  /** Below 0 where more was used than there is. */
  readonly remaining: Decimal;
  readonly windowStart: Date;
  /** Null for never. */
  readonly resetsAt: Date | null;
}

/** What a tenant has of a feature. */
export interface StandingAsked {
  readonly tenantId: string;
  readonly effective: EffectiveEntitlement;
}

/** Where entitlements that count stand. What one request asks at the same time is read together. */
export class EntitlementStandings {
  readonly #gathered = new Gathered(read);

  /**
   * Where an entitlement of the scope's tenant, or of one below it, stands now; null for one that counts nothing. The caller
   * has seen that the tenant is one of those.
   */
  async of(scope: Scope, asked: StandingAsked): Promise<EntitlementStanding | null> {
    return this.#gathered.of(scope, asked);
  }
}

async function read(scope: Scope, asked: readonly StandingAsked[]): Promise<Map<StandingAsked, EntitlementStanding>> {
  const byTenant = Map.groupBy(asked, ({ tenantId }) => tenantId);

  return inLineage(scope, byTenant.keys(), async tx => {
    const tenants = await tx.em.find(Tenant, { id: { $in: [...byTenant.keys()] } });
    const limits = tenants.flatMap(({ id, timeZone }) =>
      (byTenant.get(id) ?? []).flatMap(one => {
        const { effective } = one;
        const given = effective.value ? limitsGiven({ tenantId: id, timeZone, entitlements: [effective] }, tx.now) : [];

        return given.map(limit => ({ one, limit }));
      }),
    );
    const known = await standingsOf(
      tx,
      limits.flatMap(({ limit }) => placesOf(limit)),
    );

    return new Map(
      limits.map(({ one, limit: given }) => {
        const standingAt = (start: Date) => known.get(windowName(given.ownerId, given.id, start));
        const limit = rolledOver(given, standingAt(windowBefore(given)));
        const { used, held } = standingAt(limit.windowStart) ?? { used: ZERO, held: ZERO };
        const { most, windowStart, resetsAt } = limit;
        const remaining = decimal(most.minus(used).minus(held));

        return [one, { most, used, held, remaining, windowStart, resetsAt }];
      }),
    );
  });
}

/** The window that runs, and the one before it where something may be left over of that. */
function placesOf(limit: Limit): WindowPlace[] {
  const { ownerId: tenantId, id: limitId, windowStart } = limit;
  const places = [{ tenantId, limitId, windowStart }];

  return limit.rollover ? [...places, { tenantId, limitId, windowStart: windowBefore(limit) }] : places;
}
