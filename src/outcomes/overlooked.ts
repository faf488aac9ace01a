import { query, type Scope } from '../platform/index.js';
import type { NewlyWatched } from './live-rules.js';

/** Longer than another process may go on with what it remembers of rules, and than it takes to accept a batch with it. */
const LOOK_AGAIN_MS = 5_000;

/** How long before a look a version may have been published for which it looks: what brings it may have had to wait. */
const PUBLISHED_WITHIN_MS = 60_000;

/** So many events stand in a row of the intake. */
const AT_A_TIME = 1_000;

/** The instant from which on a version counts as published just now. */
export function justPublishedSince(now: Date): Date {
  return new Date(now.getTime() - PUBLISHED_WITHIN_MS);
}

/**
 * Has the tenant's events looked at again in a while: a process that does not know yet what was published just now accepts
 * events of the types that it names without taking them for facts. A row of the intake without events says so.
 */
export async function lookAgain(tx: Scope): Promise<void> {
  await query(
    tx,
    `insert into outcome_intake (tenant_id, ids, sources, key_id, party, accepted_at)
     values ($1, '{}', '{}', '', 'BUYER', $2)`,
    [tx.tenantId, new Date(tx.now.getTime() + LOOK_AGAIN_MS)],
  );
}

/** Since when versions count as just published, if it is time to look again; null if it is not. Looks once. */
export async function timeToLook(tx: Scope): Promise<Date | null> {
  const [row] = await query<{ since: Date | null }>(
    tx,
    `with due as (
       delete from outcome_intake where tenant_id = $1 and cardinality(ids) = 0 and accepted_at <= $2 returning accepted_at
     ) select min(accepted_at) as since from due`,
    [tx.tenantId, tx.now],
  );

  return row?.since ? new Date(row.since.getTime() - LOOK_AGAIN_MS - PUBLISHED_WITHIN_MS) : null;
}

/**
 * Puts events into the intake that were accepted since a version which names their type was published, from whose effective
 * instant on they are, and that are no facts; in several rows, for a row is taken out of the intake whole. Whose key sent one
 * is seen by whether the tenant has it.
 */
export async function takeOverlooked(tx: Scope, { types, effectiveAt, publishedAt }: NewlyWatched): Promise<void> {
  await query(
    tx,
    `insert into outcome_intake (tenant_id, ids, sources, key_id, party, accepted_at)
     select $1, array_agg(u.id order by u.id, u.source), array_agg(u.source order by u.id, u.source), u.key_id,
       case when exists (select from api_key k where k.tenant_id = $1 and k.id = u.key_id) then 'BUYER' else 'SELLER' end, $5
     from (
       select id, source, key_id, (row_number() over (partition by key_id order by id, source) - 1) / $6 as lot from usage_event u
       where tenant_id = $1 and time >= $2 and accepted_at >= $3 and type = any ($4::text[])
         and not exists (
           select from outcome_event e where e.tenant_id = u.tenant_id and e.id = u.id and e.source = u.source)
     ) u
     group by u.key_id, u.lot`,
    [tx.tenantId, effectiveAt, publishedAt, types, tx.now, AT_A_TIME],
  );
}
