import type { Scope } from '../platform/index.js';
import type { MeasuredItem } from './usage.service.js';

/** Whose key sent an event: that of the tenant whose usage it is, or of somebody above it. */
export type SentBy = 'BUYER' | 'SELLER';

/** Who else looks at events, besides meters: the room above that judges outcomes (wired in `services.ts`). */
export interface UsageIntake {
  /**
   * Whether events of this type are looked at, by what a tenant or somebody above it has published. Such an event is
   * accepted although no meter counts it; `isCounted` says whether one does. Asked once for each tenant and type of a batch,
   * so the answer has to be at hand.
   */
  watches(scope: Scope, ancestors: readonly string[], eventType: string, isCounted: boolean): Promise<boolean>;

  /** Takes newly accepted events of such types, in the transaction that accepts them. `tx` acts for their tenant. */
  take(
    tx: Scope,
    events: readonly { readonly id: string; readonly source: string }[],
    keyId: string,
    party: SentBy,
  ): Promise<void>;
}

/** Who counts usage against limits: the room above that keeps budgets (wired in `services.ts`). */
export interface UsageCounts {
  /** Reads what `count` will want to know of the scope's tenant, before the transaction: in it others may wait for that. */
  ready(scope: Scope): Promise<void>;

  /** Counts newly accepted events, in the transaction that accepts them: so limits are true as soon as it is committed. */
  count(tx: Scope, fresh: readonly MeasuredItem[], keyId: string): Promise<void>;
}
