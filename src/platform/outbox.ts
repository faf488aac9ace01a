import type { Pool } from 'pg';
import type { Logger } from './log.js';
import { inTransaction, type Scope } from './scope.js';
import { preparedQuery, query } from './sql.js';

/** Something that happened in one tenant and that other rooms may act on. Written with the change itself. */
export interface Fact {
  /** Grows with each fact; only a tie-breaker, not a commit order. */
  readonly id: string;
  readonly tenantId: string;
  /** `noun.verb_past`, a key of `src/flow.ts`. */
  readonly topic: string;
  /** Ids only; the rows carry the facts. */
  readonly payload: Readonly<Record<string, string>>;
  /** How often the relay has told it, this time included. More than once where nobody acknowledged it in time. */
  readonly handedOver: number;
}

/** Writes a fact in the caller's transaction: it is told exactly if the change commits. */
export async function announce(tx: Scope, topic: string, payload: Record<string, string> = {}): Promise<void> {
  await preparedQuery(tx, 'insert into outbox (tenant_id, topic, payload, created_at) values ($1, $2, $3, $4)', [
    tx.tenantId,
    topic,
    JSON.stringify(payload),
    tx.now,
  ]);
}

/**
 * Deletes the facts that a job works on, in the transaction that does the work, or in the last one of several. False when
 * none of them is left: another run has done the work.
 */
export type Acknowledge = (tx: Scope) => Promise<boolean>;

/** Of work that no fact asks for. */
export const UNASKED: Acknowledge = async () => true;

/**
 * How to acknowledge the facts of the scope's tenant, of one topic and with these ids, that have committed by now; null when
 * there is none. Whatever is read afterwards knows what they tell of. Facts that come later are not among them: they ask
 * for another run.
 */
export async function acknowledgeOf(
  scope: Scope,
  topic: string,
  ids: Readonly<Record<string, unknown>>,
): Promise<Acknowledge | null> {
  const facts = await inTransaction(scope, tx =>
    query<{ id: string }>(
      tx,
      'select id::text from outbox where tenant_id = $1 and topic = $2 and payload @> $3::jsonb order by id',
      [tx.tenantId, topic, JSON.stringify(ids)],
    ),
  );

  if (facts.length === 0) {
    return null;
  }

  // Two runs of one job meet here: the second waits for the first, and finds nothing left if that one committed.
  return async tx => {
    const deleted = await query(tx, 'delete from outbox where tenant_id = $1 and id = any ($2::bigint[]) returning 1', [
      tx.tenantId,
      facts.map(({ id }) => id),
    ]);

    return deleted.length > 0;
  };
}

const BATCH = 500;
// How long a fact waits to be told again when the one who was told says nothing: doubled each time, up to an hour.
const PATIENCE = "least(interval '30 seconds' * 2 ^ least(handed_over, 7), interval '1 hour')";

/**
 * Carries facts from the outbox to whoever acts on them: claim, deliver, delete. Facts of the topics in `kept` are not
 * deleted here but by whoever has done the work. A fact that is still there after its time, because the relay crashed or
 * the work got lost or failed, is told again, so whoever acts on facts accepts repeats. Several relays share the work by
 * SKIP LOCKED, which also leaves out what a job is just acknowledging. Runs on the relay's own database role, the only one
 * that sees the outbox of every tenant. Time is the database's.
 */
export class OutboxRelay {
  #running: Promise<void> | null = null;
  #stopped = false;
  #wake: (() => void) | null = null;

  constructor(
    private readonly pool: Pool,
    private readonly deliver: (facts: readonly Fact[]) => Promise<void>,
    private readonly kept: ReadonlySet<string>,
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
    const claimed = await this.pool.query<{
      tenant_id: string;
      id: string;
      topic: string;
      payload: Fact['payload'];
      handed_over: number;
    }>(
      `with due as (
         select tenant_id, id from outbox where due_at <= now() order by due_at, id limit ${BATCH} for update skip locked
       )
       update outbox set due_at = now() + ${PATIENCE}, handed_over = handed_over + 1 from due
       where outbox.tenant_id = due.tenant_id and outbox.id = due.id
       returning outbox.tenant_id, outbox.id::text, outbox.topic, outbox.payload, outbox.handed_over`,
    );

    if (claimed.rows.length === 0) {
      return 0;
    }

    const facts = claimed.rows.map(row => ({
      id: row.id,
      tenantId: row.tenant_id,
      topic: row.topic,
      payload: row.payload,
      handedOver: row.handed_over,
    }));

    try {
      await this.deliver(facts);
    } catch (error) {
      // Given back at once, so that they wait for the next round and not for the end of the claim.
      await this.#give(facts);

      throw error;
    }

    await this.#delete(facts.filter(({ topic }) => !this.kept.has(topic)));

    return facts.length;
  }

  async #delete(told: readonly Fact[]): Promise<void> {
    if (told.length > 0) {
      await this.pool.query(
        `delete from outbox using unnest($1::text[], $2::bigint[]) as told (tenant_id, id)
         where outbox.tenant_id = told.tenant_id and outbox.id = told.id`,
        [told.map(fact => fact.tenantId), told.map(fact => fact.id)],
      );
    }
  }

  /** Undoes a claim. What is locked is being worked on already, for a part of the facts may have been delivered. */
  async #give(facts: readonly Fact[]): Promise<void> {
    await this.pool.query(
      `with mine as (
         select o.tenant_id, o.id from outbox o join unnest($1::text[], $2::bigint[]) as fact (tenant_id, id)
           on o.tenant_id = fact.tenant_id and o.id = fact.id
         for update of o skip locked
       )
       update outbox set due_at = now(), handed_over = handed_over - 1 from mine
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
