import { type Decimal, decimal, ZERO } from '../money/index.js';
import { inLineage, type Scope } from '../platform/index.js';
import type { UsagePricer } from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { MeasuredItem, UsageCounts } from '../usage/index.js';
import type { CreditCover, UsageToCover } from './credit-cover.js';
import { leaveEntries, limitsOf, type WindowPlace } from './limit.queries.js';
import { shareOf, type Use } from './limit.rules.js';
import { limitsGiven, paysWithCredits, type PlanLimits } from './plan-limits.js';
import { windowName } from './reserve.rules.js';

/**
 * Counts usage against every limit from its tenant up to the platform, and pays for it with its tenant's credits, in the
 * transaction that accepts it.
 */
export class LimitCounts implements UsageCounts {
  constructor(
    private readonly tenants: TenantsService,
    private readonly pricer: UsagePricer,
    private readonly plans: PlanLimits,
    private readonly cover: CreditCover,
  ) {}

  async ready(scope: Scope): Promise<void> {
    await this.plans.of(scope);
    await this.pricer.ready(scope);
  }

  async count(tx: Scope, fresh: readonly MeasuredItem[], keyId: string): Promise<void> {
    const lineage = (await this.tenants.lineage(tx, tx.tenantId)) ?? [];
    const counted = fresh.filter(({ measures }) => measures.length > 0);

    if (counted.length === 0) {
      return;
    }

    const known = await this.plans.of(tx);
    const given = limitsGiven(known, tx.now);
    const priced: { currency: string; events: UsageToCover['events'][number][] } = { currency: '', events: [] };
    await inLineage(tx, lineage, async own => {
      const limits = [...(await limitsOf(own, { lineage, keyIds: [keyId], now: own.now })), ...given];
      const totals = new Map<string, WindowPlace & { readonly used: Decimal }>();

      if (limits.length === 0 && !paysWithCredits(known)) {
        return;
      }

      for (const { measures, content } of counted) {
        const at = new Date(content.time);
        const use = await this.#useOf(own, measures, { lineage, keyId });
        priced.currency = use.currency;
        priced.events.push({ at, parts: use.parts });

        for (const limit of limits) {
          const isCountedHere =
            limit.measure !== 'OPEN_HOLDS' && (limit.measure !== 'MONEY' || limit.currency === use.currency);
          const share = isCountedHere ? shareOf(limit, use) : null;

          if (share && !share.isZero()) {
            const place = { tenantId: limit.ownerId, limitId: limit.id, windowStart: limit.windowAt(at) };
            const name = windowName(place.tenantId, place.limitId, place.windowStart);
            totals.set(name, { ...place, used: decimal(share.plus(totals.get(name)?.used ?? ZERO)) });
          }
        }
      }

      await leaveEntries(
        own,
        [...totals.values()].map(entry => ({ ...entry, held: ZERO })),
      );
    });
    await this.cover.burn(tx, priced);
  }

  async #useOf(tx: Scope, measures: MeasuredItem['measures'], by: Pick<Use, 'lineage' | 'keyId'>): Promise<Use> {
    const { currency, parts } = await this.pricer.price(tx, measures);

    return {
      ...by,
      currency: currency ?? '',
      // What has no price yet is told as unpriced usage; its quantity counts all the same.
      parts: parts.map(part => ({ ...part, amount: part.amount ?? ZERO })),
    };
  }
}
