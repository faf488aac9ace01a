import { query, type Scope } from '../platform/index.js';
import { customerOf } from './customer.rules.js';
import { byPlace, inIndexOrder } from './access-path.js';
import type { CaseName, EventPlace } from './settle.queries.js';
import type { TenantRules } from './tenant-rules.js';

const AT_A_TIME = 5_000;

interface Nameless extends EventPlace {
  /** Where its row lies. */
  readonly row: string;
  readonly time: Date;
  readonly subject: string | null;
  readonly properties: Readonly<Record<string, unknown>>;
}

interface Named extends CaseName {
  readonly row: string;
}

/**
 * Takes the customers of events that were taken in when no rule said where an event names one: what an event means must not
 * depend on whether it came before or after the rule. Returns those that have one now. The caller holds the rating lock.
 *
 * Where rules read customers as they did the last time, no event is looked at: those that came since were read like that when
 * they were taken in.
 */
export async function takeCustomersAnew(tx: Scope, rules: TenantRules): Promise<readonly CaseName[]> {
  const named: CaseName[] = [];

  if (!rules.namesCustomers || (await pathsLast(tx)) === rules.customerPaths) {
    return named;
  }

  for (let after: EventPlace | null = { id: '', source: '' }; after;) {
    const events: Nameless[] = await nameless(tx, after);
    const found = events.flatMap(({ row, id, source, subject, time, properties }): Named[] => {
      const customer = customerOf(properties, rules.customerPropertyAt(time));

      return customer === null ? [] : [{ row, id, source, subject, customer }];
    });

    if (found.length > 0) {
      await nameThem(tx, found);
    }

    named.push(...found);
    after = events.length === AT_A_TIME ? (events.at(-1) ?? null) : null;
  }

  await query(tx, 'update rating_lock set customer_paths = $2 where tenant_id = $1', [
    tx.tenantId,
    rules.customerPaths,
  ]);

  return named;
}

/** As what paths the events were last looked at; kept in the row that the caller has locked. */
async function pathsLast(tx: Scope): Promise<string | null> {
  const [row] = await query<{ paths: string | null }>(
    tx,
    'select customer_paths as paths from rating_lock where tenant_id = $1',
    [tx.tenantId],
  );

  return row?.paths ?? null;
}

/** Events without a customer, in the order of their ids, after one of them: no other is read. */
async function nameless(tx: Scope, after: EventPlace): Promise<Nameless[]> {
  return inIndexOrder(tx, () =>
    query<Nameless>(
      tx,
      `select e.*, u.properties from (
         select ctid::text as row, id, source, time, subject from outcome_event
         where tenant_id = $1 and customer is null and (id, source) > ($2, $3) order by id, source limit ${AT_A_TIME}
       ) e cross join lateral (
         select properties from usage_event where tenant_id = $1 and id = e.id and source = e.source offset 0
       ) u order by e.id, e.source`,
      [tx.tenantId, after.id, after.source],
    ),
  );
}

/** Gives events their customers. */
async function nameThem(tx: Scope, found: readonly Named[]): Promise<void> {
  await byPlace(tx, () =>
    query(
      tx,
      `update outcome_event e set customer = n.customer from unnest($2::text[]::tid[], $3::text[]) as n (row, customer)
       where e.tenant_id = $1 and e.ctid = n.row`,
      [tx.tenantId, found.map(({ row }) => row), found.map(({ customer }) => customer)],
    ),
  );
}
