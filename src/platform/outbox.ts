import type { Pool } from 'pg';
import type { Logger } from './log.js';
import type { Scope } from './scope.js';
import { query } from './sql.js';

/** Something that happened in one tenant and that other rooms may act on. Written with the change itself. */
export interface Fact {
  /** Grows with each fact; only a tie-breaker, not a commit order. */
  readonly id: string;
  readonly tenantId: string;
  /** `noun.verb_past`, a key of `src/flow.ts`. */
  readonly topic: string;
  /** Ids only; the rows carry the facts. */
  readonly payload: Readonly<Record<string, string>>;
}

/** Writes a fact in the caller's transaction: it is told exactly if the change commits. */
export async function announce(tx: Scope, topic: string, payload: Record<string, string> = {}): Promise<void> {
  await query(tx, 'insert into outbox (tenant_id, topic, payload, created_at) values ($1, $2, $3, $4)', [
    tx.tenantId,
    topic,
    JSON.stringify(payload),
    tx.now,
  ]);
}

const BATCH = 500;
const CLAIM_SECONDS = 30;

/**
 * Carries facts from the outbox to whoever acts on them: claim, deliver, delete. A crash between claim and delete tells
 * the facts again after 30 s, so whoever acts on them accepts repeats. Several relays share the work by SKIP LOCKED.
 * Runs on the relay's own database role, the only one that sees the outbox of every tenant.
 */
export class OutboxRelay {
  #running: Promise<void> | null = null;
  #stopped = false;
  #wake: (() => void) | null = null;

  constructor(
    private readonly pool: Pool,
    private readonly deliver: (facts: readonly Fact[]) => Promise<void>,
    private readonly log: Logger,
    private readonly idleMs = 50,
  ) {}

  start(): void {
    this.#running ??= this.#loop();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
  }

  /** Delivers what is there now, once. Returns how many facts were told. */
  async relayOnce(): Promise<number> {
    const claimed = await this.pool.query<{ tenant_id: string; id: string; topic: string; payload: Fact['payload'] }>(
      `with due as (
         select tenant_id, id from outbox where claimed_until is null or claimed_until < now()
         order by id limit ${BATCH} for update skip locked
       )
       update outbox set claimed_until = now() + interval '${CLAIM_SECONDS} seconds' from due
       where outbox.tenant_id = due.tenant_id and outbox.id = due.id
       returning outbox.tenant_id, outbox.id::text, outbox.topic, outbox.payload`,
    );

    if (claimed.rows.length === 0) {
      return 0;
    }

    const facts = claimed.rows.map(row => ({
      id: row.id,
      tenantId: row.tenant_id,
      topic: row.topic,
      payload: row.payload,
    }));

    try {
      await this.deliver(facts);
    } catch (error) {
      // Given back at once, so that they wait for the next round and not for the end of the claim.
      await this.#give(facts);

      throw error;
    }

    await this.pool.query(
      `delete from outbox using unnest($1::text[], $2::bigint[]) as told (tenant_id, id)
       where outbox.tenant_id = told.tenant_id and outbox.id = told.id`,
      [facts.map(fact => fact.tenantId), facts.map(fact => fact.id)],
    );

    return facts.length;
  }

  async #give(facts: readonly Fact[]): Promise<void> {
    await this.pool.query(
      `update outbox set claimed_until = null from unnest($1::text[], $2::bigint[]) as mine (tenant_id, id)
       where outbox.tenant_id = mine.tenant_id and outbox.id = mine.id`,
      [facts.map(fact => fact.tenantId), facts.map(fact => fact.id)],
    );
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      let told = 0;

      try {
        told = await this.relayOnce();
      } catch (error) {
        this.log.error({ err: error }, 'outbox relay failed; facts stay in the outbox and are told again');
        await this.#pause(1_000);
      }

      if (told < BATCH) {
        await this.#pause(this.idleMs);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
