import { decimal } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';
import type { OutcomeAct, OutcomeEvent, Party } from './outcome.rules.js';
import type { Verifier } from './outcome-terms.rules.js';

/** The identity of an event within its tenant. */
export interface EventPlace {
  readonly id: string;
  readonly source: string;
}

/** An accepted event whose facts are not among those that cases are made of yet. */
export type TakenEvent = Omit<OutcomeEvent, 'customer'>;

/** Whether anything of the tenant waits to be judged: an event that came in, or an outcome whose instant has come. */
export async function isAnythingDue(tx: Scope): Promise<boolean> {
  const [row] = await query<{ due: boolean }>(
    tx,
    `select exists (
         select from outcome_intake where tenant_id = $1 and (cardinality(ids) > 0 or accepted_at <= $2))
       or exists (select from outcome where tenant_id = $1 and due_at <= $2) as due`,
    [tx.tenantId, tx.now],
  );

  return row?.due === true;
}

/** Whether events came in that are no facts of cases yet. */
export async function isAnythingReceived(tx: Scope): Promise<boolean> {
  const rows = await query(tx, 'select from outcome_intake where tenant_id = $1 and cardinality(ids) > 0 limit 1', [
    tx.tenantId,
  ]);

  return rows.length > 0;
}

const MOST_ROWS = 1_000;

/**
 * Takes batches out of the intake, those that came first first, until they hold `limit` events or more, and returns those
 * events as they were accepted. The caller holds the rating lock, so nobody else takes them; whatever becomes of them
 * commits together with their removal.
 */
export async function takeIntake(tx: Scope, limit: number): Promise<TakenEvent[]> {
  return query<TakenEvent>(
    tx,
    `with waiting as (
       select seq, sum(events) over (order by seq) - events as before
       from (select seq, cardinality(ids) as events from outcome_intake
             where tenant_id = $1 and cardinality(ids) > 0 order by seq limit ${MOST_ROWS}) first
     ), taken as (
       delete from outcome_intake i using waiting w where i.tenant_id = $1 and i.seq = w.seq and w.before < $2
       returning i.ids, i.sources, i.key_id, i.party
     )
     select u.id, u.source, u.type, u.time, u.subject, u.properties, t.key_id as "keyId", t.party
     from taken t, unnest(t.ids, t.sources) as e (id, source)
     join usage_event u on u.tenant_id = $1 and u.id = e.id and u.source = e.source`,
    [tx.tenantId, limit],
  );
}

/** Keeps events as facts of cases. One that is kept already stays as it is. */
export async function keepEvents(tx: Scope, events: readonly Omit<OutcomeEvent, 'properties'>[]): Promise<void> {
  await query(
    tx,
    `insert into outcome_event (tenant_id, id, source, type, time, subject, customer, key_id, party)
     select $1, e.* from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[],
       $9::text[]) as e on conflict do nothing`,
    [
      tx.tenantId,
      events.map(({ id }) => id),
      events.map(({ source }) => source),
      events.map(({ type }) => type),
      events.map(({ time }) => time),
      events.map(({ subject }) => subject),
      events.map(({ customer }) => customer),
      events.map(({ keyId }) => keyId),
      events.map(({ party }) => party),
    ],
  );
}

/** How many events share a subject and a customer. */
export interface Tie {
  readonly subject: string | null;
  readonly customer: string | null;
  readonly events: number;
}

/** What the events of these subjects, and those of these customers, name. */
export async function tiesOf(tx: Scope, subjects: readonly string[], customers: readonly string[]): Promise<Tie[]> {
  return query<Tie>(
    tx,
    `select subject, customer, count(*)::int as events from outcome_event
     where tenant_id = $1 and (subject = any ($2::text[]) or customer = any ($3::text[])) group by subject, customer`,
    [tx.tenantId, subjects, customers],
  );
}

/** Which facts, or outcomes, a group of whole cases consists of. */
export interface CaseMembers {
  /** Everything of these subjects … */
  readonly subjects: readonly string[];
  /** … what has no subject and is of these customers … */
  readonly customers: readonly string[];
  /** … and these events, each a case by itself. */
  readonly loose: readonly EventPlace[];
}

/** The events of whole cases. */
export async function eventsOfCases(tx: Scope, { subjects, customers, loose }: CaseMembers): Promise<OutcomeEvent[]> {
  return query<OutcomeEvent>(
    tx,
    `with member as (
       select * from outcome_event where tenant_id = $1 and subject = any ($2::text[])
       union all
       select * from outcome_event where tenant_id = $1 and subject is null and customer = any ($3::text[])
       union all
       select e.* from unnest($4::text[], $5::text[]) as l (id, source)
       join outcome_event e on e.tenant_id = $1 and e.id = l.id and e.source = l.source
     )
     select m.id, m.source, m.type, m.time, m.subject, m.customer, u.properties, m.key_id as "keyId", m.party
     from member m join usage_event u on u.tenant_id = m.tenant_id and u.id = m.id and u.source = m.source`,
    [tx.tenantId, subjects, customers, loose.map(({ id }) => id), loose.map(({ source }) => source)],
  );
}

interface ActRow {
  readonly id: string;
  readonly outcomeId: string;
  readonly kind: OutcomeAct['kind'];
  readonly disputeId: string | null;
  readonly at: Date;
  readonly body: {
    readonly passes: boolean;
    readonly verifier: Verifier;
    readonly score: string | null;
    readonly evidence: Readonly<Record<string, unknown>>;
    readonly amount: string | null;
    readonly isGuarantee: boolean;
    readonly accepts: boolean;
  };
  readonly reason: string | null;
  readonly keyId: string;
  readonly party: Party;
}

/** What somebody told of these outcomes by mutation. */
export async function actsOn(tx: Scope, outcomeIds: readonly string[]): Promise<OutcomeAct[]> {
  const rows = await query<ActRow>(
    tx,
    `select id, outcome_id as "outcomeId", kind, dispute_id as "disputeId", at, body, reason, key_id as "keyId", party
     from outcome_act where tenant_id = $1 and outcome_id = any ($2::text[])`,
    [tx.tenantId, outcomeIds],
  );

  return rows.map(actOf);
}

function actOf({ kind, body, disputeId, ...act }: ActRow): OutcomeAct {
  switch (kind) {
    case 'VERIFICATION': {
      const { passes, verifier, score, evidence } = body;

      return { ...act, kind, passes, verifier, evidence, score: score === null ? null : decimal(score) };
    }

    case 'REVERSAL':
      return {
        ...act,
        kind,
        amount: body.amount === null ? null : decimal(body.amount),
        isGuarantee: body.isGuarantee,
      };

    case 'DISPUTE':
      return { ...act, kind, disputeId: disputeId ?? '' };

    case 'DECISION':
      return { ...act, kind, disputeId: disputeId ?? '', accepts: body.accepts };

    default:
      return kind satisfies never;
  }
}

/** What names the case of an event or of an outcome. */
export interface CaseName extends EventPlace {
  readonly subject: string | null;
  readonly customer: string | null;
}

/** An outcome whose instant has come. */
export interface DueOutcome extends CaseName {
  readonly outcomeId: string;
  readonly dueAt: Date;
}

/** Outcomes whose instant has come, in the order of the instants, after a place: up to `limit`. */
export async function dueOutcomes(
  tx: Scope,
  after: Pick<DueOutcome, 'outcomeId' | 'dueAt'> | null,
  limit: number,
): Promise<DueOutcome[]> {
  return query<DueOutcome>(
    tx,
    `select id as "outcomeId", due_at as "dueAt", event_id as id, source, subject, customer from outcome
     where tenant_id = $1 and due_at <= $2 and ($3::timestamptz is null or (due_at, id) > ($3, $4))
     order by due_at, id limit $5`,
    [tx.tenantId, tx.now, after?.dueAt ?? null, after?.outcomeId ?? '', limit],
  );
}

/** Subjects of events from an instant on, in order, after one of them: up to `limit`. */
export async function subjectsFrom(tx: Scope, from: Date, after: string, limit: number): Promise<string[]> {
  const rows = await query<{ subject: string }>(
    tx,
    `select distinct subject from outcome_event
     where tenant_id = $1 and subject > $2 and time >= $3 order by subject limit $4`,
    [tx.tenantId, after, from, limit],
  );

  return rows.map(({ subject }) => subject);
}

/** Events from an instant on that have no subject, in the order of their ids, after one of them: up to `limit`. */
export async function subjectlessFrom(tx: Scope, from: Date, after: EventPlace, limit: number): Promise<CaseName[]> {
  return query<CaseName>(
    tx,
    `select id, source, subject, customer from outcome_event
     where tenant_id = $1 and (id, source) > ($2, $3) and subject is null and time >= $4 order by id, source limit $5`,
    [tx.tenantId, after.id, after.source, from, limit],
  );
}
