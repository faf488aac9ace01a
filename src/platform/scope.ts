import type { EntityManager } from '@mikro-orm/postgresql';
import { isId } from './ids.js';

/** Who acts: an API key, a job or the command line. Written into every audit line. */
export interface Actor {
  readonly kind: 'key' | 'job' | 'cli';
  /** `key_…`, the job's name, or the command's name. */
  readonly id: string;
}

/** Everything one request or one job may touch. Made at the edge, passed down, never stored. */
export interface Scope {
  readonly em: EntityManager;
  readonly tenantId: string;
  readonly actor: Actor;
  readonly now: Date;
  readonly requestId: string;
  /** Within `inLineage`: the tenants in sight of it, as Postgres is told. */
  readonly lineage?: string | undefined;
}

/**
 * Runs `work` in one transaction that can see one tenant; `work` must use the scope it is given.
 * Inside another transaction of the same tenant it joins that one.
 */
export async function inTransaction<T>(scope: Scope, work: (tx: Scope) => Promise<T>): Promise<T> {
  if (scope.em.isInTransaction()) {
    refuseOther(scope);

    return work(scope);
  }

  return begin(scope, null, work);
}

/** A transaction of its own, which is told in one go whose it is and which lineage it sees. */
async function begin<T>(scope: Scope, lineage: string | null, work: (tx: Scope) => Promise<T>): Promise<T> {
  const told = lineage === null ? '' : `; ${lineageSql(lineage)}`;
  const sql = `${tenantSql(scope.tenantId)}${told}`;
  const em = scope.em.fork() as EntityManager;
  em.setFilterParams('tenant', { tenantId: scope.tenantId });
  // `transactional` would fork once more and carry entities back to a scope that nobody reads from afterwards.
  await em.begin();

  try {
    await em.execute(sql);
    const result = await work({ ...scope, em, lineage: lineage ?? undefined });
    await em.commit();

    return result;
  } catch (error) {
    // A connection that is lost has nothing to roll back; what was wrong is what is told.
    await em.rollback().catch(() => undefined);
    throw error;
  }
}

function refuseOther({ em, tenantId }: Scope): void {
  if (em.getFilterParams<{ tenantId?: string }>('tenant')?.tenantId !== tenantId) {
    throw new TypeError(`a transaction of another tenant cannot be joined as ${tenantId}; use asTenant`);
  }
}

/**
 * Runs `work` as another tenant within the same transaction, then comes back: how a customer's charge reads the price
 * book of the seller above it, and how its invoice takes the issuer's next number. The caller has decided that the step
 * is right; keep the work small and return plain values.
 */
export async function asTenant<T>(tx: Scope, tenantId: string, work: (tx: Scope) => Promise<T>): Promise<T> {
  if (tenantId === tx.tenantId) {
    return work(tx);
  }

  await tx.em.flush();
  // `clear` keeps this tenant's entities out of the other's identity map; the fork stays on the same connection.
  const em = tx.em.fork({ clear: true, keepTransactionContext: true }) as EntityManager;
  em.setFilterParams('tenant', { tenantId });
  await em.execute(tenantSql(tenantId));

  try {
    const result = await work({ ...tx, em, tenantId });
    await em.flush();

    return result;
  } finally {
    // A failed statement has aborted the transaction, and then there is nothing to come back to.
    await em.execute(tenantSql(tx.tenantId)).catch(() => undefined);
  }
}

/**
 * Runs `work` in one transaction that sees, of the tables that count limits, the rows of all these tenants and not only its
 * own: what a customer spends is counted against the budgets of those above it, which the customer may not see. Opens only
 * tables whose guard says so (`lineageMay` in the migrations). The caller has decided that the step is right, and tells
 * nobody what is not theirs. Within one that has all of them in sight it is that one.
 */
export async function inLineage<T>(
  scope: Scope,
  tenantIds: Iterable<string>,
  work: (tx: Scope) => Promise<T>,
): Promise<T> {
  const ids = [...new Set(tenantIds)].sort();
  ids.forEach(refuseNoId);
  const lineage = ids.join(' ');

  if (!scope.em.isInTransaction()) {
    return begin(scope, lineage, work);
  }

  refuseOther(scope);
  const inSight = new Set(scope.lineage?.split(' '));

  if (ids.every(id => inSight.has(id))) {
    return work(scope);
  }

  await scope.em.execute(lineageSql(lineage));

  try {
    return await work({ ...scope, lineage });
  } finally {
    // A failed statement has aborted the transaction, and then there is nothing to come back to.
    await scope.em.execute(lineageSql(scope.lineage ?? '')).catch(() => undefined);
  }
}

/**
 * The one place that tells Postgres which tenant a transaction is. `SET LOCAL`, because a value set by `set_config()`
 * does not travel to the shards of a distributed database (docs/adr/0002-tenancy.md) and a session-wide value would outlive us.
 */
function tenantSql(tenantId: string): string {
  refuseNoId(tenantId);

  return `set local app.tenant = '${tenantId}'`;
}

/** And which tenants besides: ids that were checked, with a blank between them. */
function lineageSql(lineage: string): string {
  return `set local app.lineage = '${lineage}'`;
}

function refuseNoId(tenantId: string): void {
  if (!isId(tenantId, 'ten')) {
    throw new TypeError(`not a tenant id: ${tenantId}`);
  }
}

/** The same scope for another tenant, outside of any transaction. The caller has checked that it may. */
export function scopeFor(scope: Scope, tenantId: string): Scope {
  return { ...scope, tenantId };
}
