import { query, type Scope } from '../platform/index.js';

const ROWS_AT_LARGE = ['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin'];

/**
 * Runs statements that take the next rows by the index that is in their order, so that they do so whatever the planner knows:
 * without statistics, or with those of when a table was small or another tenant's alone, it would read and sort all that a
 * tenant has, lot by lot. In the caller's transaction.
 */
export async function inIndexOrder<T>(tx: Scope, work: () => Promise<T>): Promise<T> {
  return without(tx, [...ROWS_AT_LARGE, 'sort'], work);
}

/**
 * Runs statements that write rows by where they lie (`ctid`), which a statement of the same transaction has read under the
 * lock that all who write them hold. To find rows by their keys the planner may take any index that begins with the tenant,
 * for each row all of it, where it believes that the tenant has none.
 */
export async function byPlace<T>(tx: Scope, work: () => Promise<T>): Promise<T> {
  return without(tx, [...ROWS_AT_LARGE, 'indexscan'], work);
}

async function without<T>(tx: Scope, ways: readonly string[], work: () => Promise<T>): Promise<T> {
  const all = (value: 'on' | 'off') =>
    query(tx, `select ${ways.map(way => `set_config('enable_${way}', '${value}', true)`).join(', ')}`);
  await all('off');
  const done = await work();
  await all('on');

  return done;
}
