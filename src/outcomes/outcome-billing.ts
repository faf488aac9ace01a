import { newId, query, type Scope } from '../platform/index.js';
import { othersNote } from './other-facts.js';
import { LISTED, tellBatch, type Batch } from './outcome-judging.js';

/** An outcome as its receipt tells of it. */
export interface BilledOutcome {
  readonly id: string;
  /** Of the version of the rule that judged it. */
  readonly versionId: string;
  readonly versionNumber: number;
  readonly eventId: string;
  readonly source: string;
  readonly subject: string | null;
  /** As it was judged; whether it is billed is said by the receipt itself. */
  readonly state: string;
  readonly reason: string | null;
  /** ISO 8601 in UTC, with milliseconds; so are the others. */
  readonly occurredAt: string;
  /** When the word that completed its verification was said; when it occurred, where none is asked for. */
  readonly verifiedAt: string | null;
  /** When it matures, or did. */
  readonly maturesAt: string;
  /** A decimal. */
  readonly units: string;
  readonly value: string | null;
  /** Canonical JSON. */
  readonly attributes: string;
  readonly agents: readonly { readonly agent: string; readonly share: string }[];
  /** The names of the facts that it rests on; where it does not name all, a note of the others comes last (`othersNote`). */
  readonly factIds: readonly string[];
  /** Those members of the properties of the claim's event that were asked for; null where it has none. */
  readonly properties: Readonly<Record<string, unknown>>;
}

interface OtherFacts {
  readonly otherFacts: number;
  readonly otherFactsHash: string | null;
}

/** Outcomes by their ids, with members of the properties of their claims, in no order. */
export async function billedOutcomes(
  tx: Scope,
  ids: readonly string[],
  properties: readonly string[],
): Promise<BilledOutcome[]> {
  const members = properties.map((_, place) => `$${place + 3}::text, u.properties -> $${place + 3}::text`);

  // One look-up for each, whatever the planner knows of tables that have just grown.
  const rows = await query<BilledOutcome & OtherFacts>(
    tx,
    `select o.* from unnest($2::text[]) as w (id) cross join lateral (
       select o.id, o.version_id as "versionId", o.version_number as "versionNumber", o.event_id as "eventId", o.source, o.subject,
         o.judged_state as state, o.reason, ${isoText('o.occurred_at')} as "occurredAt",
         ${isoText('o.verified_at')} as "verifiedAt", ${isoText('o.matures_at')} as "maturesAt",
         trim_scale(o.units)::text as units, trim_scale(o.value)::text as value, o.attributes, o.agents,
         o.fact_ids as "factIds", o.other_facts as "otherFacts", o.other_facts_hash as "otherFactsHash",
         jsonb_build_object(${members.join(', ')}) as properties
       from outcome o join usage_event u on u.tenant_id = o.tenant_id and u.id = o.event_id and u.source = o.source
       where o.tenant_id = $1 and o.id = w.id offset 0
     ) o`,
    [tx.tenantId, ids, ...properties],
  );

  return rows.map(({ otherFacts, otherFactsHash, ...outcome }) =>
    otherFactsHash === null
      ? outcome
      : { ...outcome, factIds: [...outcome.factIds, othersNote(otherFacts, otherFactsHash)] },
  );
}

/** An instant as JSON has it: reading it as a date and writing it again costs more than all the rest of a row. */
function isoText(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/**
 * Marks outcomes as billed, those that matured and were not yet, as one batch with its audit line. The caller holds the
 * rating lock; what they are charged does not change by it.
 */
export async function billOutcomes(tx: Scope, ids: readonly string[]): Promise<void> {
  const id = newId('otb', tx.now);
  const [billed] = await query<Omit<Batch, 'id'>>(
    tx,
    `with billed as (
       update outcome o set billed_at = $3, n = o.n + 1, changed_at = $3
       from unnest($2::text[]) as w (id)
       where o.tenant_id = $1 and o.id = w.id and o.state = 'MATURED' and o.billed_at is null
       returning o.id, o.n, o.state, o.reason
     ), kept as (
       insert into outcome_transition (tenant_id, outcome_id, n, from_state, to_state, reason, batch, at)
       select $1, id, n, 'MATURED', state, reason, $4, $3 from billed
     ), line as (
       select format('%s %s MATURED %s %s', id, n, state, coalesce(reason, '-')) collate "C" as text from billed
     )
     select (select count(*)::int from billed) as transitions,
       (select encode(sha256(convert_to(coalesce(string_agg(text, E'\\n' order by text), ''), 'UTF8')), 'hex') from line) as digest,
       array(select text from line order by text limit $5) as first`,
    [tx.tenantId, [...new Set(ids)], tx.now, id, LISTED],
  );

  if (billed && billed.transitions > 0) {
    await tellBatch(tx, { id, ...billed }, { months: [], usage: null });
  }
}
