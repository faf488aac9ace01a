import type { Pool } from 'pg';
import { jobsDue } from './flow.js';
import type { Jobs, Logger } from './platform/index.js';

const EVERY_MS = 1_000;

/**
 * Looks at the rows once a second for work that is due and asks for it: what a lost queue, a lost hint or a dead worker
 * left undone is found here. Runs on the relay's role, the only one that sees what is due in every tenant.
 */
export class Sweeps {
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;

  constructor(
    private readonly pool: Pool,
    private readonly jobs: Jobs,
    private readonly clock: () => Date,
    private readonly log: Logger,
  ) {}

  start(): void {
    this.#timer ??= setInterval(() => {
      if (!this.#isBusy) {
        this.#isBusy = true;
        this.#running = this.sweepOnce()
          .then(() => undefined)
          .catch((error: unknown) => this.log.error({ err: error }, 'a sweep failed; the next one looks again'))
          .finally(() => (this.#isBusy = false));
      }
    }, EVERY_MS);
  }

  async stop(): Promise<void> {
    if (this.#timer) {
      clearInterval(this.#timer);
    }

    await this.#running;
  }

  /** Asks for everything that is due now. Returns how many jobs that was. */
  async sweepOnce(): Promise<number> {
    const now = this.clock();
    // What was touched a moment ago has its own hint under way; the sweep is for what was left behind.
    const left = new Date(now.getTime() - 2_000);
    const unrated = await this.pool.query<{ tenantId: string; n: string }>(
      `select t.tenant_id as "tenantId", sum(t.n)::text as n from usage_touch t
       left join rating_mark m on m.tenant_id = t.tenant_id and m.month = t.month
       where t.n > coalesce(m.n, 0) and t.touched_at < $1 group by t.tenant_id limit 1000`,
      [left],
    );
    // At the end of a period its minimums and what is due without usage are asked for.
    const ended = await this.pool.query<{ tenantId: string; n: string }>(
      `select tenant_id as "tenantId", extract(epoch from max(due_at))::bigint::text as n from rating_mark
       where due_at <= $1 group by tenant_id limit 1000`,
      [now],
    );
    const received = await this.pool.query<{ tenantId: string; place: string }>(
      `select tenant_id as "tenantId", 'intake' || max(seq) as place from outcome_intake
       where accepted_at < $1 group by tenant_id limit 1000`,
      [left],
    );
    // A million outcomes may come due at a time; the first of them say which tenants to begin with.
    const maturing = await this.pool.query<{ tenantId: string; place: string }>(
      `select tenant_id as "tenantId", 'due' || (extract(epoch from min(due_at)) * 1000)::bigint as place
       from (select tenant_id, due_at from outcome where due_at <= $1 order by due_at limit 10000) first group by tenant_id`,
      [now],
    );
    const deliveries = await this.pool.query<{ tenantId: string; deliveryId: string; attempts: number; due: string }>(
      `select tenant_id as "tenantId", id as "deliveryId", attempts,
         (extract(epoch from next_attempt_at) * 1000)::bigint::text as due
       from webhook_delivery where status = 'PENDING' and next_attempt_at <= $1 order by next_attempt_at limit 1000`,
      [now],
    );
    const invoices = await this.pool.query<{ tenantId: string; invoiceId: string }>(
      `select tenant_id as "tenantId", id as "invoiceId" from invoice
       where status = 'DRAFT' and due_at <= $1 order by due_at limit 1000`,
      [now],
    );
    const moves = await this.pool.query<{ tenantId: string; migrationId: string; contractId: string }>(
      `select tenant_id as "tenantId", migration_id as "migrationId", contract_id as "contractId"
       from contract_migration_item where status = 'OPEN' order by migration_id, contract_id limit 1000`,
    );
    // Claims are kept by the database's clock.
    const simulations = await this.#unclaimed('simulation', left);
    const outcomeSimulations = await this.#unclaimed('outcome_simulation', left);
    const requests = jobsDue({
      unrated: [...unrated.rows, ...ended.rows],
      unsettled: [...received.rows, ...maturing.rows],
      deliveries: deliveries.rows,
      invoices: invoices.rows,
      moves: moves.rows,
      simulations,
      outcomeSimulations,
      now,
    });

    if (requests.length > 0) {
      await this.jobs.enqueue(requests);
    }

    return requests.length;
  }

  /** Simulations of one kind that nobody holds. */
  async #unclaimed(
    table: 'simulation' | 'outcome_simulation',
    before: Date,
  ): Promise<{ tenantId: string; simulationId: string }[]> {
    const { rows } = await this.pool.query<{ tenantId: string; simulationId: string }>(
      `select tenant_id as "tenantId", id as "simulationId" from ${table}
       where status in ('QUEUED', 'RUNNING') and created_at < $1
         and (leased_until is null or leased_until < clock_timestamp()) order by created_at limit 100`,
      [before],
    );

    return rows;
  }
}
