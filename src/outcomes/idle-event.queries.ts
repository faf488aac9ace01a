import { query, type Scope } from '../platform/index.js';
import type { ClaimedOutcome } from './idle-event.rules.js';
import type { OutcomeEvent } from './outcome.rules.js';

/** The place of an event in the order of time. */
export interface EventMoment {
  readonly time: Date;
  readonly id: string;
  readonly source: string;
}

/** Which events are looked for. */
export interface EventKinds {
  /** Of these types. */
  readonly types: readonly string[];
  /** Of these among them, outcomes of other subjects of the same customer may rest on one. */
  readonly customerWide: readonly string[];
  /** The rules that outcomes may be of. */
  readonly ruleIds: readonly string[];
}

/** What an event is called among the facts of an outcome, as `factOf` calls it. */
const FACT = `case e.source when '' then e.id else e.id || ' @ ' || e.source end`;

/** What was found among the events that were looked at. */
export interface Looked {
  /** Those that claim no outcome and that no outcome rests on, the latest first. */
  readonly unused: readonly OutcomeEvent[];
  /** How many were looked at … */
  readonly looked: number;
  /** … and the last of them; null for none. */
  readonly last: EventMoment | null;
}

const LATEST_FIRST = 'order by e.time desc, e.id collate "C" desc, e.source collate "C" desc';

/**
 * Looks at events of these types from an instant on and before a place, the latest first, `limit` of them at most, for those
 * that claim no outcome and that no outcome rests on. Each type is read by the index in its order, so that nothing is read
 * that is not looked at, whatever else there is.
 */
export async function lookForUnused(
  tx: Scope,
  { types, customerWide, ruleIds }: EventKinds,
  { since, before, limit }: { readonly since: Date; readonly before: EventMoment; readonly limit: number },
): Promise<Looked> {
  const rows = await query<OutcomeEvent & { readonly isUnused: boolean }>(
    tx,
    `with looked as materialized (
       select e.*, ${FACT} as fact from unnest($2::text[]) as t (type) cross join lateral (
         select * from outcome_event e
         where e.tenant_id = $1 and e.type = t.type and e.time >= $5 and e.time <= $6
           and (e.time, e.id collate "C", e.source collate "C") < ($6, $7, $8)
         ${LATEST_FIRST} limit $9
       ) e ${LATEST_FIRST} limit $9
     ), used as (
       -- A claim is among the facts of its own outcome. Every outcome is read once, however many events of its subject there are.
       select o.subject, unnest(o.fact_ids) as fact
       from (select distinct subject from looked where subject is not null) s cross join lateral (
         select subject, fact_ids from outcome where tenant_id = $1 and subject = s.subject offset 0
       ) o
     ), used_by_customer as (
       select o.customer, unnest(o.fact_ids) as fact
       from (select distinct customer from looked where customer is not null and type = any ($3::text[])) s
         cross join lateral (
           select customer, fact_ids from outcome where tenant_id = $1 and customer = s.customer offset 0
         ) o
     ), found as (
       select e.*, not e.is_unnamed and s.fact is null and c.fact is null and own.id is null as is_unused
       from looked e
         left join (select distinct subject, fact from used) s on s.subject = e.subject and s.fact = e.fact
         left join (select distinct customer, fact from used_by_customer) c
           on c.customer = e.customer and c.fact = e.fact and e.type = any ($3::text[])
         -- One without a subject is found by itself.
         left join lateral (
           select id from outcome
           where e.subject is null and tenant_id = $1 and rule_id = any ($4::text[]) and event_id = e.id and source = e.source
           limit 1
         ) own on true
     )
     select e.id, e.source, e.type, e.time, e.subject, e.customer, u.properties, e.key_id as "keyId", e.party,
       e.is_unused as "isUnused"
     from found e left join lateral (
       select properties from usage_event
       where e.is_unused and tenant_id = e.tenant_id and id = e.id and source = e.source offset 0
     ) u on true
     ${LATEST_FIRST}`,
    [tx.tenantId, types, customerWide, ruleIds, since, before.time, before.id, before.source, limit],
  );

  return { unused: rows.filter(({ isUnused }) => isUnused), looked: rows.length, last: rows.at(-1) ?? null };
}

/** The outcomes of these subjects. */
export async function outcomesOfSubjects(tx: Scope, subjects: readonly string[]): Promise<ClaimedOutcome[]> {
  return query<ClaimedOutcome>(
    tx,
    `select rule_id as "ruleId", event_id as "eventId", source, subject, occurred_at as "occurredAt"
     from outcome where tenant_id = $1 and subject = any ($2::text[])`,
    [tx.tenantId, subjects],
  );
}
