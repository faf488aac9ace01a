import { canonicalJson, query, type Scope } from '../platform/index.js';
import type { OutcomeChange, Standing, StoredOutcome } from './outcome-change.js';
import type { OutcomeState } from './outcome.rules.js';
import type { CaseMembers } from './settle.queries.js';

/** The columns that hold a verdict: `member` of a standing, its column, and its type where it is written. */
const COLUMNS = [
  ['id', 'id', 'text'],
  ['ruleId', 'rule_id', 'text'],
  ['versionId', 'version_id', 'text'],
  ['versionNumber', 'version_number', 'integer'],
  ['contractId', 'contract_id', 'text'],
  ['currency', 'currency', 'text'],
  ['eventId', 'event_id', 'text'],
  ['source', 'source', 'text'],
  ['subject', 'subject', 'text'],
  ['customer', 'customer', 'text'],
  ['startedAt', 'started_at', 'timestamptz'],
  ['occurredAt', 'occurred_at', 'timestamptz'],
  ['verifiedAt', 'verified_at', 'timestamptz'],
  ['maturesAt', 'matures_at', 'timestamptz'],
  ['periodAt', 'period_at', 'timestamptz'],
  ['dueAt', 'due_at', 'timestamptz'],
  ['judgedState', 'judged_state', 'text'],
  ['judgedReason', 'judged_reason', 'text'],
  ['instead', 'instead', 'text'],
  ['isLive', 'is_live', 'boolean'],
  ['dedupeKey', 'dedupe_key', 'text'],
  ['dedupeUntil', 'dedupe_until', 'timestamptz'],
  ['isFree', 'is_free', 'boolean'],
  ['units', 'units', 'numeric'],
  ['value', 'value', 'numeric'],
  ['reimbursement', 'reimbursement', 'numeric'],
  ['attributes', 'attributes', 'text'],
  ['agents', 'agents', 'jsonb'],
  ['factIds', 'fact_ids', 'text[]'],
  ['otherFacts', 'other_facts', 'integer'],
  ['otherFactsHash', 'other_facts_hash', 'text'],
] as const satisfies readonly (readonly [keyof Standing, string, string])[];

/** How a column is read, so that it compares with a standing of a verdict. */
function read(column: string, type: string): string {
  switch (type) {
    case 'timestamptz':
      return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

    case 'numeric':
      return `trim_scale(${column})::text`;

    default:
      return column;
  }
}

const READ = COLUMNS.map(([member, column, type]) => `${read(`o.${column}`, type)} as "${member}"`).join(', ');
const NAMES = COLUMNS.map(([, column]) => column).join(', ');
const TYPED = COLUMNS.map(([member, , type]) => `"${member}" ${type}`).join(', ');
const GIVEN = COLUMNS.map(([member]) => `v."${member}"`).join(', ');
const REPLACED = COLUMNS.map(([, column]) => `${column} = excluded.${column}`).join(', ');

type OutcomeRow = Omit<Standing, 'agents'> & {
  readonly agents: { readonly agent: string; readonly share: string }[];
  readonly shown: OutcomeState;
  readonly n: number;
  readonly changedAt: Date;
};

/** The outcomes of whole cases, as they stand. Those of loose events are named by the ids that they can have. */
export async function outcomesOfCases(
  tx: Scope,
  { subjects, customers }: CaseMembers,
  looseIds: readonly string[],
): Promise<StoredOutcome[]> {
  const rows = await query<OutcomeRow>(
    tx,
    `select ${READ}, o.state as shown, o.n, o.changed_at as "changedAt" from (
       select * from outcome where tenant_id = $1 and subject = any ($2::text[])
       union all
       select * from outcome where tenant_id = $1 and subject is null and customer = any ($3::text[])
       union all
       select * from outcome where tenant_id = $1 and id = any ($4::text[])
     ) o`,
    [tx.tenantId, subjects, customers, looseIds],
  );

  // Agents in canonical JSON, as of a verdict: jsonb keeps an order of members of its own.
  return rows.map(({ shown, n, changedAt, agents, ...rest }) => ({
    standing: { ...rest, agents: canonicalJson(agents) },
    shown,
    n,
    changedAt,
  }));
}

const WRITTEN_AT_A_TIME = 5_000;

/** An outcome as a change has left it. */
export interface WrittenOutcome {
  readonly id: string;
  readonly n: number;
  readonly to: OutcomeState;
  readonly reason: string | null;
}

/**
 * Writes outcomes as changes say. Those that give up a place (at most one outcome may be live for what counts once) do so
 * before others take it. What a cap made of an outcome is forgotten when it is mature no more.
 */
export async function writeOutcomes(tx: Scope, changes: readonly OutcomeChange[]): Promise<WrittenOutcome[]> {
  const yielding = changes.filter(({ isYielding }) => isYielding).map(({ standing }) => standing.id);

  if (yielding.length > 0) {
    await query(tx, 'update outcome set is_live = false where tenant_id = $1 and id = any ($2::text[])', [
      tx.tenantId,
      yielding,
    ]);
  }

  const written: WrittenOutcome[] = [];

  // Lot by lot: a case may have more outcomes than one parameter holds.
  for (let from = 0; from < changes.length; from += WRITTEN_AT_A_TIME) {
    written.push(...(await upsert(tx, changes.slice(from, from + WRITTEN_AT_A_TIME))));
  }

  return written;
}

async function upsert(tx: Scope, changes: readonly OutcomeChange[]): Promise<WrittenOutcome[]> {
  const rows = changes.map(({ standing, n }) => ({
    ...standing,
    agents: JSON.parse(standing.agents) as unknown,
    n,
  }));

  return query<WrittenOutcome>(
    tx,
    `insert into outcome as o (tenant_id, ${NAMES}, n, created_at, changed_at)
     select $1, ${GIVEN}, v.n, $3, $3 from jsonb_to_recordset($2::jsonb) as v (${TYPED}, n integer)
     on conflict (tenant_id, id) do update set ${REPLACED}, n = excluded.n, changed_at = excluded.changed_at,
       cap = case when excluded.judged_state = 'MATURED' then o.cap end
     returning o.id, o.n, o.state as "to", o.reason`,
    [tx.tenantId, JSON.stringify(rows), tx.now],
  );
}

/** A transition that is to be kept. */
export interface Transition extends WrittenOutcome {
  readonly from: OutcomeState | null;
}

/** Keeps transitions, as a part of a batch. */
export async function insertTransitions(tx: Scope, batch: string, steps: readonly Transition[]): Promise<void> {
  await query(
    tx,
    `insert into outcome_transition (tenant_id, outcome_id, n, from_state, to_state, reason, batch, at)
     select $1, s.*, $7, $8 from unnest($2::text[], $3::integer[], $4::text[], $5::text[], $6::text[]) as s`,
    [
      tx.tenantId,
      steps.map(({ id }) => id),
      steps.map(({ n }) => n),
      steps.map(({ from }) => from),
      steps.map(({ to }) => to),
      steps.map(({ reason }) => reason),
      batch,
      tx.now,
    ],
  );
}
