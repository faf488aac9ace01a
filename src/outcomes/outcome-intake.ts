import { announce, query, type Scope } from '../platform/index.js';
import type { SentBy, UsageIntake } from '../usage/index.js';
import type { WatchedTypes } from './live-rules.js';

/** Takes the events that outcome rules look at as they are accepted. They are judged afterwards, by a job. */
export class OutcomeIntake implements UsageIntake {
  constructor(private readonly watched: WatchedTypes) {}

  /**
   * Whether a published version of a rule of the tenant or of somebody above it names the type. For a type that meters count
   * the answer may be two seconds old, for there are many of those and few are claims; another is looked up before it is
   * refused.
   */
  watches(scope: Scope, ancestors: readonly string[], eventType: string, isCounted: boolean): Promise<boolean> {
    return this.watched.knows(scope, ancestors, eventType, isCounted);
  }

  /** Notes the events' places, in one row for the whole batch: accepting does not wait for what they mean. */
  async take(
    tx: Scope,
    events: readonly { readonly id: string; readonly source: string }[],
    keyId: string,
    party: SentBy,
  ): Promise<void> {
    await query(
      tx,
      `insert into outcome_intake (tenant_id, ids, sources, key_id, party, accepted_at) values ($1, $2, $3, $4, $5, $6)`,
      [tx.tenantId, events.map(({ id }) => id), events.map(({ source }) => source), keyId, party, tx.now],
    );
    await announce(tx, 'outcome.received');
  }
}
