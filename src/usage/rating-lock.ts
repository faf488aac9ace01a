import { query, type Scope } from '../platform/index.js';

/**
 * Takes the tenant's rating lock until the commit: the first lock of everything that judges outcomes, rates or issues. It
 * lives with the usage that all of them read.
 */
export async function lockRating(tx: Scope): Promise<void> {
  const lock = () => query(tx, 'select tenant_id from rating_lock where tenant_id = $1 for update', [tx.tenantId]);

  if ((await lock()).length === 0) {
    await query(tx, 'insert into rating_lock (tenant_id) values ($1) on conflict do nothing', [tx.tenantId]);
    await lock();
  }
}
