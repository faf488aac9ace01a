import { query, type Scope } from '../platform/index.js';
import { byPlace, inIndexOrder } from './access-path.js';

/** The place of an outcome in the order in which those that are due come up. */
export interface DuePlace {
  readonly dueAt: Date;
  readonly outcomeId: string;
}

/** Which outcomes are to mature, and as what. */
export interface Maturing {
  readonly ruleIds: readonly string[];
  /** Those of them whose outcomes stand for usage. */
  readonly forUsage: readonly string[];
  /** The id of the batch. */
  readonly batch: string;
  /** How many at most. */
  readonly limit: number;
  /** How many lines of transitions to return. */
  readonly listed: number;
  /** Only those behind this place; null for all. */
  readonly after: DuePlace | null;
}

/** What a batch of outcomes that matured together comes to. */
export interface Matured {
  readonly transitions: number;
  /** SHA-256, in hex, over the lines of its transitions in order, joined by line breaks. */
  readonly digest: string;
  /** The first of these lines. */
  readonly first: readonly string[];
  /** The months in which they are charged. */
  readonly months: readonly string[];
  readonly ruleIds: readonly string[];
  /** Of those that stand for usage. */
  readonly subjects: readonly string[];
  /** The place of the last of them; null where there is none. */
  readonly last: DuePlace | null;
}

interface Due extends DuePlace {
  /** Where its row lies. */
  readonly row: string;
}

/**
 * Has verified outcomes of these rules mature whose instant has come, the earliest first: every row, its transition, and the
 * digest of the batch (of the same lines as `transitionLine` writes). One statement finds them, behind the last one that
 * matured in this run, and one writes them by where they lie; neither depends on what the planner knows. The caller holds the
 * rating lock, so nobody moves them in between.
 */
export async function matureOutcomes(tx: Scope, maturing: Maturing): Promise<Matured> {
  const due = await dueToMature(tx, maturing);
  const matured = await mature(
    tx,
    due.map(({ row }) => row),
    maturing,
  );

  return { ...matured, last: due.at(-1) ?? null };
}

async function dueToMature(tx: Scope, { ruleIds, limit, after }: Maturing): Promise<Due[]> {
  return inIndexOrder(tx, () =>
    query<Due>(
      tx,
      `select ctid::text as row, due_at as "dueAt", id as "outcomeId" from outcome
       where tenant_id = $1 and due_at <= $2 and (due_at, id) > (coalesce($4, '-infinity'::timestamptz), $5)
         and judged_state = 'VERIFIED' and rule_id = any ($3::text[])
       order by due_at, id limit $6`,
      [tx.tenantId, tx.now, ruleIds, after?.dueAt ?? null, after?.outcomeId ?? '', limit],
    ),
  );
}

async function mature(
  tx: Scope,
  rows: readonly string[],
  { forUsage, batch, listed }: Maturing,
): Promise<Omit<Matured, 'last'>> {
  const [matured] = await byPlace(tx, () =>
    query<Omit<Matured, 'last'>>(
      tx,
      `with matured as (
         update outcome o set judged_state = 'MATURED', due_at = null, n = o.n + 1, changed_at = $2
         where o.tenant_id = $1 and o.ctid = any ($3::text[]::tid[])
         returning o.id, o.n, o.state, o.reason, o.rule_id, o.subject, o.period_at
       ), kept as (
         insert into outcome_transition (tenant_id, outcome_id, n, from_state, to_state, reason, batch, at)
         select $1, id, n, 'VERIFIED', state, reason, $4, $2 from matured
       ), line as (
         select format('%s %s VERIFIED %s %s', id, n, state, coalesce(reason, '-')) collate "C" as text from matured
       )
       select (select count(*)::int from matured) as transitions,
         (select encode(sha256(convert_to(coalesce(string_agg(text, E'\n' order by text), ''), 'UTF8')), 'hex') from line) as digest,
         array(select text from line order by text limit $5) as first,
         array(select distinct to_char(period_at at time zone 'UTC', 'YYYY-MM-01') from matured order by 1) as months,
         array(select distinct rule_id from matured order by 1) as "ruleIds",
         array(select distinct subject from matured where subject is not null and rule_id = any ($6::text[])) as subjects`,
      [tx.tenantId, tx.now, rows, batch, listed, forUsage],
    ),
  );

  if (matured?.transitions !== rows.length) {
    throw new Error(`${rows.length} outcomes are due and ${matured?.transitions ?? 'none'} matured: who moved them?`);
  }

  return matured;
}
