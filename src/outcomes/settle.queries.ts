import { decimal } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';
import { inIndexOrder } from './access-path.js';
import type { DuePlace } from './maturing.queries.js';
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

/** The last row of the intake that there is by now, before the first one where there is none. What comes later is behind it. */
export async function lastReceived(tx: Scope): Promise<string> {
  const [row] = await query<{ seq: string }>(
    tx,
    'select coalesce(max(seq), 0)::text as seq from outcome_intake where tenant_id = $1',
    [tx.tenantId],
  );

  return row?.seq ?? '0';
}

const MOST_ROWS = 1_000;

/** Whether more waits of the tenant than so much: events that came in up to a row of the intake, and outcomes that are due. */
export async function isMoreThanALot(
  tx: Scope,
  upTo: string,
  { events, due }: { readonly events: number; readonly due: number },
): Promise<boolean> {
  const [row] = await query<{ isMore: boolean }>(
    tx,
    `select (select count(*) > ${MOST_ROWS} or sum(cardinality(ids)) > $4
         from (select ids from outcome_intake where tenant_id = $1 and seq <= $3 order by seq limit ${MOST_ROWS + 1}) i)
       or (select count(*) > $5 from (select from outcome where tenant_id = $1 and due_at <= $2 limit $5 + 1) d) as "isMore"`,
    [tx.tenantId, tx.now, upTo, events, due],
  );

  return row?.isMore === true;
}

/**
 * Takes batches out of the intake, those that came first first, until they hold `limit` events or more, and returns those
 * events as they were accepted. The caller holds the rating lock, so nobody else takes them; whatever becomes of them
 * commits together with their removal. None that came behind `upTo`; null for no bound. Events are looked up one by one,
 * whatever the planner knows of tables that have just grown.
 */
export async function takeIntake(tx: Scope, limit: number, upTo: string | null): Promise<TakenEvent[]> {
  return query<TakenEvent>(
    tx,
    `with waiting as (
       select seq, sum(events) over (order by seq) - events as before
       from (select seq, cardinality(ids) as events from outcome_intake
             where tenant_id = $1 and cardinality(ids) > 0 and ($3::bigint is null or seq <= $3)
             order by seq limit ${MOST_ROWS}) first
     ), taken as (
       delete from outcome_intake i using waiting w where i.tenant_id = $1 and i.seq = w.seq and w.before < $2
       returning i.ids, i.sources, i.key_id, i.party
     )
     select u.*, t.key_id as "keyId", t.party
     from taken t cross join unnest(t.ids, t.sources) as e (id, source) cross join lateral (
       select id, source, type, time, subject, properties from usage_event
       where tenant_id = $1 and id = e.id and source = e.source offset 0
     ) u`,
    [tx.tenantId, limit, upTo],
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
     from member m cross join lateral (
       select properties from usage_event where tenant_id = $1 and id = m.id and source = m.source offset 0
     ) u`,
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
export interface DueOutcome extends CaseName, DuePlace {}

/** Outcomes whose instant has come, in the order of the instants, after a place: up to `limit`. */
export async function dueOutcomes(tx: Scope, after: DuePlace | null, limit: number): Promise<DueOutcome[]> {
  return inIndexOrder(tx, () =>
    query<DueOutcome>(
      tx,
      `select id as "outcomeId", due_at as "dueAt", event_id as id, source, subject, customer from outcome
     where tenant_id = $1 and due_at <= $2 and (due_at, id) > (coalesce($3, '-infinity'::timestamptz), $4)
     order by due_at, id limit $5`,
      [tx.tenantId, tx.now, after?.dueAt ?? null, after?.outcomeId ?? '', limit],
    ),
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
