import type { Decimal } from '../money/index.js';
import type { Scope } from '../platform/index.js';
import type { Measure } from './fold.rules.js';
import type { MeasuredItem, UsageConflict } from './usage.service.js';

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

  /**
   * Looks at newly accepted events, in the transaction that accepts them, and answers with how they count. What it throws, as
   * what counting throws, undoes the batch.
   */
  reckon(tx: Scope, usage: AcceptedUsage, keyId: string): Promise<Reckoning>;
}

/** A tenant's part of a batch, in the transaction that stores it. */
export interface AcceptedUsage {
  /** The events that came for the first time. */
  readonly fresh: readonly MeasuredItem[];
  /** Those that came before with other content. */
  readonly conflicts: readonly UsageConflict[];
}

/** How newly accepted events count. */
export interface Reckoning {
  /** At what a measure of theirs is counted against limits of money: 0 where it is not, or has no price. */
  readonly countedAt: (measure: Measure) => Decimal;
  /** Counts them, once they are in their buckets: so limits are true as soon as the transaction is committed. */
  readonly count: () => Promise<void>;
}
