import { query, type Scope } from '../platform/index.js';

/** Where simulations of one kind are kept; the rows of each have the same columns for how far it is and who holds it. */
export type RunTable = 'simulation' | 'outcome_simulation';

/** How many simulations of the tenant wait or run. */
export async function countOpen(tx: Scope, table: RunTable): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from ${table} where tenant_id = $1 and status in ('QUEUED', 'RUNNING')`,
    [tx.tenantId],
  );

  return row?.n ?? 0;
}

/** Cancels what waits or runs; false when it had ended. Whoever holds it loses its claim. */
export async function cancelOpen(tx: Scope, table: RunTable, id: string): Promise<boolean> {
  const rows = await query(
    tx,
    `update ${table} set status = 'CANCELLED', lease = null, leased_until = null, finished_at = $3
     where tenant_id = $1 and id = $2 and status in ('QUEUED', 'RUNNING') returning id`,
    [tx.tenantId, id, tx.now],
  );

  return rows.length > 0;
}

/** Whether a claim still holds; locks and changes nothing. */
export async function isHeld(tx: Scope, table: RunTable, id: string, lease: string): Promise<boolean> {
  const rows = await query(tx, `select from ${table} where tenant_id = $1 and id = $2 and lease = $3`, [
    tx.tenantId,
    id,
    lease,
  ]);

  return rows.length > 0;
}

/** Holds a claim for another half minute and says how many events were replayed; false when it is held no longer. */
export async function renewClaim(
  tx: Scope,
  table: RunTable,
  id: string,
  lease: string,
  eventsDone: number,
): Promise<boolean> {
  const rows = await query(
    tx,
    `update ${table} set leased_until = clock_timestamp() + interval '30 seconds', events_done = $4
     where tenant_id = $1 and id = $2 and lease = $3 returning id`,
    [tx.tenantId, id, lease, eventsDone],
  );

  return rows.length > 0;
}

/** Locks the simulation until the commit, if the claim still holds. Whoever writes results calls this first. */
export async function holdClaim(tx: Scope, table: RunTable, id: string, lease: string): Promise<boolean> {
  const rows = await query(tx, `select id from ${table} where tenant_id = $1 and id = $2 and lease = $3 for update`, [
    tx.tenantId,
    id,
    lease,
  ]);

  return rows.length > 0;
}

/** Gives a claim back without a result: somebody else goes on. */
export async function dropClaim(tx: Scope, table: RunTable, id: string, lease: string): Promise<void> {
  await query(
    tx,
    `update ${table} set lease = null, leased_until = null where tenant_id = $1 and id = $2 and lease = $3`,
    [tx.tenantId, id, lease],
  );
}

/** Notes that a run failed. `mostFailures` in a row, with no tenant done in between, end the simulation. */
export async function noteFailure(
  tx: Scope,
  table: RunTable,
  id: string,
  lease: string,
  failure: { readonly error: string; readonly mostFailures: number; readonly at: Date },
): Promise<void> {
  await query(
    tx,
    `update ${table} set failures = failures + 1, error = $4, lease = null, leased_until = null,
       status = case when failures + 1 >= $5 then 'FAILED' else status end,
       finished_at = case when failures + 1 >= $5 then $6::timestamptz end
     where tenant_id = $1 and id = $2 and lease = $3`,
    [tx.tenantId, id, lease, failure.error, failure.mostFailures, failure.at],
  );
}

/** Which tenants have their results, and how many events those took. */
export async function doneSubjects(
  tx: Scope,
  table: RunTable,
  id: string,
): Promise<{ subjectId: string; events: number }[]> {
  return query(
    tx,
    `select subject_id as "subjectId", sum(events)::float8 as events from ${table}_tenant
     where tenant_id = $1 and simulation_id = $2 group by subject_id`,
    [tx.tenantId, id],
  );
}

/** Says how many events there are to replay, about, while the claim holds. */
export async function noteEventsTotal(
  tx: Scope,
  table: RunTable,
  id: string,
  lease: string,
  eventsTotal: number,
): Promise<void> {
  await query(
    tx,
    `update ${table} set events_total = $4 where tenant_id = $1 and id = $2 and lease = $3 and events_total is null`,
    [tx.tenantId, id, lease, eventsTotal],
  );
}

/** Ends a simulation whose tenants are all done. The simulation is locked. */
export async function finish(
  tx: Scope,
  table: RunTable,
  id: string,
  end: { readonly totals: readonly object[]; readonly events: number; readonly at: Date },
): Promise<void> {
  await query(
    tx,
    `update ${table} set status = 'DONE', lease = null, leased_until = null, totals = $3, events_done = $4,
       events_total = $4, finished_at = $5
     where tenant_id = $1 and id = $2`,
    [tx.tenantId, id, JSON.stringify(end.totals), end.events, end.at],
  );
}
