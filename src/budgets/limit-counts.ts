import { type Decimal, decimal, ZERO } from '../money/index.js';
import { inLineage, type Scope } from '../platform/index.js';
import type { PricedPart, UsagePricer } from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { AcceptedUsage, MeasuredItem, Reckoning, UsageCounts } from '../usage/index.js';
import { type CallHeld, countedOf } from './count.rules.js';
import type { CreditCover } from './credit-cover.js';
import { leaveEntries, limitsOf, type WindowPlace } from './limit.queries.js';
import type { Limit } from './limit.rules.js';
import { limitsGiven, paysWithCredits, type PlanLimits } from './plan-limits.js';
import { windowName } from './reserve.rules.js';

/** An event, as it is priced. */
export interface PricedEvent {
  readonly at: Date;
  /** The model that it names; none where it does not. */
  readonly models: readonly string[];
  readonly parts: readonly PricedPart[];
}

/** New events of a tenant, as they are priced one after the other. */
export interface PricedUsage {
  /** Of the tenant's contract; empty without one. */
  readonly currency: string;
  readonly events: readonly PricedEvent[];
  readonly countedAt: Reckoning['countedAt'];
}

/** Events that are counted as one call. */
export interface PricedCall {
  readonly events: readonly PricedEvent[];
  readonly hold: CallHeld | null;
}

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

  async reckon(tx: Scope, { fresh }: Pick<AcceptedUsage, 'fresh'>, keyId: string): Promise<Reckoning> {
    const counted = fresh.filter(({ measures }) => measures.length > 0);
    const limits = counted.length === 0 ? [] : await this.#limits(tx, [keyId]);

    if (limits.length === 0 && !(counted.length > 0 && paysWithCredits(await this.plans.of(tx)))) {
      return { countedAt: () => ZERO, count: () => Promise.resolve() };
    }

    const { currency, events, countedAt } = await this.price(tx, counted);
    const calls = events.map(event => ({ events: [event], hold: null }));

    return { countedAt, count: () => this.#add(tx, { limits, currency, keyId, calls }) };
  }

  /** Counts what settles holds, which have been ended: what they had set aside is there to pay for it. */
  async countCalls(
    tx: Scope,
    { currency, calls }: { readonly currency: string; readonly calls: readonly PricedCall[] },
    keyId: string,
  ): Promise<void> {
    if (calls.length > 0) {
      const keyIds = [...new Set([keyId, ...calls.flatMap(({ hold }) => hold?.keyId ?? [])])];
      await this.#add(tx, { limits: await this.#limits(tx, keyIds), currency, keyId, calls });
    }
  }

  /** Prices new events, one after the other in this order. What has no price has no amount. */
  async price(tx: Scope, items: readonly MeasuredItem[]): Promise<PricedUsage> {
    const measures = items.map(item => item.measures);
    const { currency, parts } = await this.pricer.price(tx, measures.flat());
    let priced = 0;
    const amounts = new Map(measures.flat().map((measure, place) => [measure, parts[place]?.amount ?? ZERO]));
    const events = items.map(({ item, content }, place) => {
      const first = priced;
      priced += measures[place]?.length ?? 0;

      return {
        at: new Date(content.time),
        models: modelsOf(item.properties),
        parts: parts.slice(first, priced),
      };
    });

    return { currency: currency ?? '', events, countedAt: measure => amounts.get(measure) ?? ZERO };
  }

  /** The limits that look at what these keys send of the tenant's. */
  async #limits(tx: Scope, keyIds: readonly string[]): Promise<Limit[]> {
    const lineage = (await this.tenants.lineage(tx, tx.tenantId)) ?? [];
    const given = limitsGiven(await this.plans.of(tx), tx.now);

    return inLineage(tx, lineage, async own => [...(await limitsOf(own, { lineage, keyIds, now: own.now })), ...given]);
  }

  async #add(
    tx: Scope,
    {
      limits,
      currency,
      keyId,
      calls,
    }: {
      readonly limits: readonly Limit[];
      readonly currency: string;
      readonly keyId: string;
      readonly calls: readonly PricedCall[];
    },
  ): Promise<void> {
    const lineage = (await this.tenants.lineage(tx, tx.tenantId)) ?? [];
    const used = calls.map(({ events, hold }) => ({
      lineage,
      keyId,
      currency,
      hold,
      // What has no price yet is told as unpriced usage; its quantity counts all the same.
      events: events.map(({ at, models, parts }) => ({
        at,
        models,
        parts: parts.map(part => ({ ...part, amount: part.amount ?? ZERO })),
      })),
    }));
    const totals = new Map<string, WindowPlace & { readonly used: Decimal }>();

    for (const call of used) {
      for (const limit of limits) {
        for (const { windowStart, used: more } of countedOf(limit, call)) {
          const place = { tenantId: limit.ownerId, limitId: limit.id, windowStart };
          const name = windowName(place.tenantId, place.limitId, windowStart);
          totals.set(name, { ...place, used: decimal(more.plus(totals.get(name)?.used ?? ZERO)) });
        }
      }
    }

    const entries = [...totals.values()].filter(({ used: more }) => !more.isZero());
    await inLineage(tx, lineage, own =>
      leaveEntries(
        own,
        entries.map(entry => ({ ...entry, held: ZERO })),
      ),
    );
    await this.cover.burn(tx, { currency, events: used.flatMap(({ events }) => events) });
  }
}

function modelsOf({ model }: Readonly<Record<string, unknown>>): readonly string[] {
  return typeof model === 'string' ? [model] : [];
}
