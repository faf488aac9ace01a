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

/**
 * Events that claim no outcome and that no outcome rests on, from an instant on and before a place, the latest first: up to
 * `limit`.
 */
export async function unusedEvents(
  tx: Scope,
  { types, customerWide, ruleIds }: EventKinds,
  { since, before, limit }: { readonly since: Date; readonly before: EventMoment; readonly limit: number },
): Promise<OutcomeEvent[]> {
  return query<OutcomeEvent>(
    tx,
    `with unused as materialized (
       select e.* from outcome_event e
       where e.tenant_id = $1 and e.type = any ($2::text[]) and e.time >= $5 and e.time <= $6
         and (e.time, e.id collate "C", e.source collate "C") < ($6, $7, $8)
         -- A claim is among the facts of its own outcome. One without a subject is found by itself.
         and not exists (select from outcome o
           where o.tenant_id = $1 and o.subject = e.subject and ${FACT} = any (o.fact_ids))
         and (e.subject is not null or not exists (select from outcome o
           where o.tenant_id = $1 and o.rule_id = any ($4::text[]) and o.event_id = e.id and o.source = e.source))
         and (e.type <> all ($3::text[]) or not exists (select from outcome o
           where o.tenant_id = $1 and o.customer = e.customer and ${FACT} = any (o.fact_ids)))
       order by e.time desc, e.id collate "C" desc, e.source collate "C" desc limit $9
     )
     select e.id, e.source, e.type, e.time, e.subject, e.customer, u.properties, e.key_id as "keyId", e.party
     from unused e join usage_event u on u.tenant_id = e.tenant_id and u.id = e.id and u.source = e.source
     order by e.time desc, e.id collate "C" desc, e.source collate "C" desc`,
    [tx.tenantId, types, customerWide, ruleIds, since, before.time, before.id, before.source, limit],
  );
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
