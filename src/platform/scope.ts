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
}

/**
 * Runs `work` in one transaction that can see one tenant; `work` must use the scope it is given.
 * Inside another transaction of the same tenant it joins that one.
 */
export async function inTransaction<T>(scope: Scope, work: (tx: Scope) => Promise<T>): Promise<T> {
  if (scope.em.isInTransaction()) {
    if (scope.em.getFilterParams<{ tenantId?: string }>('tenant')?.tenantId !== scope.tenantId) {
      throw new TypeError(`a transaction of another tenant cannot be joined as ${scope.tenantId}; use asTenant`);
    }

    return work(scope);
  }

  const fork = scope.em.fork();
  fork.setFilterParams('tenant', { tenantId: scope.tenantId });

  return fork.transactional(async em => {
    await setTenant(em as EntityManager, scope.tenantId);

    return work({ ...scope, em: em as EntityManager });
  });
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
  await setTenant(em, tenantId);

  try {
    const result = await work({ ...tx, em, tenantId });
    await em.flush();

    return result;
  } finally {
    // A failed statement has aborted the transaction, and then there is nothing to come back to.
    await setTenant(em, tx.tenantId).catch(() => undefined);
  }
}

/**
 * Runs `work` in one transaction that sees, of the tables that count limits, the rows of all these tenants and not only its
 * own: what a customer spends is counted against the budgets of those above it, which the customer may not see. Opens only
 * tables whose guard says so (`lineageMay` in the migrations). The caller has decided that the step is right, and tells
 * nobody what is not theirs.
 */
export async function inLineage<T>(
  scope: Scope,
  tenantIds: Iterable<string>,
  work: (tx: Scope) => Promise<T>,
): Promise<T> {
  const lineage = [...new Set(tenantIds)];
  const unknown = lineage.find(id => !isId(id, 'ten'));

  if (unknown !== undefined) {
    throw new TypeError(`not a tenant id: ${unknown}`);
  }

  return inTransaction(scope, async tx => {
    await tx.em.execute(`set local app.lineage = '${lineage.join(' ')}'`);

    try {
      return await work(tx);
    } finally {
      // A failed statement has aborted the transaction, and then there is nothing to come back to.
      await tx.em.execute("set local app.lineage = ''").catch(() => undefined);
    }
  });
}

/**
 * The one place that tells Postgres which tenant a transaction is. `SET LOCAL`, because a value set by `set_config()`
 * does not travel to the shards of a distributed database (docs/adr/0002-tenancy.md) and a session-wide value would outlive us.
 */
async function setTenant(em: EntityManager, tenantId: string): Promise<void> {
  if (!isId(tenantId, 'ten')) {
    throw new TypeError(`not a tenant id: ${tenantId}`);
  }

  await em.execute(`set local app.tenant = '${tenantId}'`);
}

/** The same scope for another tenant, outside of any transaction. The caller has checked that it may. */
export function scopeFor(scope: Scope, tenantId: string): Scope {
  return { ...scope, tenantId };
}
