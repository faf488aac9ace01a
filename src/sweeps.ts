import type { Pool } from 'pg';
import { jobsDue } from './flow.js';
import type { Jobs, Logger } from './platform/index.js';

const EVERY_MS = 1_000;

const TENANTS_AT_A_TIME = 1_000;

/**
 * The next tenants after one with rows that a condition holds for, each found by a step in an index that begins with the
 * tenant: as many steps as tenants, however many rows there are. With each, what of it says `place`; null for nothing yet.
 */
const tenantsOf = (table: string, condition: string, place: string): string => `
  with recursive tenant (id, n) as (
    (select tenant_id, 1 from ${table} where tenant_id > $2 and ${condition} order by tenant_id limit 1)
    union all
    select (select o.tenant_id from ${table} o where o.tenant_id > t.id and ${condition} order by o.tenant_id limit 1), t.n + 1
    from tenant t where t.id is not null and t.n < $3
  )
  select t.id as "tenantId", (select ${place} from ${table} o where o.tenant_id = t.id and ${condition}) as place
  from tenant t where t.id is not null order by t.id`;

const RECEIVED = tenantsOf('outcome_intake', 'true', "'intake' || (max(seq) filter (where accepted_at < $1))");
const MATURING = tenantsOf(
  'outcome',
  'due_at is not null',
  "case when min(due_at) <= $1 then 'due' || (extract(epoch from min(due_at)) * 1000)::bigint end",
);

/**
 * Looks at the rows once a second for work that is due and asks for it: what a lost queue, a lost hint or a dead worker
 * left undone is found here. Runs on the relay's role, the only one that sees what is due in every tenant.
 */
export class Sweeps {
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> = Promise.resolve();
  #isBusy = false;
  /** The last tenant whose intake, and whose outcomes, were looked at. */
  readonly #last = { received: '', maturing: '' };

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
    const received = await this.#tenantByTenant('received', left, RECEIVED);
    const maturing = await this.#tenantByTenant('maturing', now, MATURING);
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
    const expiredHolds = await this.pool.query<{ tenantId: string; place: string }>(
      `select tenant_id as "tenantId", (extract(epoch from max(expires_at)) * 1000)::bigint::text as place
       from hold where state = 'HELD' and expires_at <= $1 group by tenant_id limit 1000`,
      [now],
    );
    // Whoever asks counts in what waits; this is for windows that nobody asks about. Soon: budgets that are exceeded are told.
    const waitingEntries = await this.pool.query<{ tenantId: string; place: string }>(
      `select tenant_id as "tenantId", (extract(epoch from max(created_at)) * 1000)::bigint::text as place
       from limit_entry where created_at < $1 group by tenant_id limit 1000`,
      [new Date(now.getTime() - 500)],
    );
    // With what they have come to: one that has come to more, and one that is still raised a minute later, is looked at again.
    const exceededBudgets = await this.pool.query<{ tenantId: string; place: string }>(
      `select tenant_id as "tenantId", trim_scale(sum(used))::text as place
       from budget_excess where told_at is null group by tenant_id limit 1000`,
    );
    const expiredCredits = await this.pool.query<{ tenantId: string; place: string }>(
      `select tenant_id as "tenantId", (extract(epoch from max(expires_at)) * 1000)::bigint::text as place
       from credit_balance where balance > 0 and expires_at <= $1 group by tenant_id limit 1000`,
      [now],
    );
    // Claims are kept by the database's clock.
    const simulations = await this.#unclaimed('simulation', left);
    const outcomeSimulations = await this.#unclaimed('outcome_simulation', left);
    const requests = jobsDue({
      unrated: [...unrated.rows, ...ended.rows],
      unsettled: [...received, ...maturing],
      deliveries: deliveries.rows,
      invoices: invoices.rows,
      moves: moves.rows,
      expiredHolds: expiredHolds.rows,
      waitingEntries: waitingEntries.rows,
      exceededBudgets: exceededBudgets.rows,
      expiredCredits: expiredCredits.rows,
      simulations,
      outcomeSimulations,
      now,
    });

    if (requests.length > 0) {
      await this.jobs.enqueue(requests);
    }

    return requests.length;
  }

  /**
   * Tenants with something that waits since an instant, of so many at a time, going on where the last sweep stopped: however
   * much waits in one tenant, or for a contract or for what never comes, the others have their turn.
   */
  async #tenantByTenant(
    kind: 'received' | 'maturing',
    until: Date,
    sql: string,
  ): Promise<{ tenantId: string; place: string }[]> {
    const { rows } = await this.pool.query<{ tenantId: string; place: string | null }>(sql, [
      until,
      this.#last[kind],
      TENANTS_AT_A_TIME,
    ]);
    this.#last[kind] = rows.length < TENANTS_AT_A_TIME ? '' : (rows.at(-1)?.tenantId ?? '');

    return rows.flatMap(({ tenantId, place }) => (place === null ? [] : [{ tenantId, place }]));
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
