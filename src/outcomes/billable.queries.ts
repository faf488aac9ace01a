import { record } from '../audit/index.js';
import { decimal, type Decimal } from '../money/index.js';
import { announce, newId, query, type Scope } from '../platform/index.js';
import type { BillableOutcome, CappedOutcome, OutcomeGroup } from './billable.rules.js';
import { LISTED } from './outcome-judging.js';
import { touchUsageOf } from './usage-stood-for.js';

/** A half-open stretch of time of one contract. */
export interface BilledPeriod {
  readonly contractId: string;
  readonly start: Date;
  readonly end: Date;
}

/** The billable outcomes of a rule in a period, added up. */
export interface RuleGroups {
  readonly ruleId: string;
  /** How many are marked as beyond a cap. */
  readonly capped: number;
  readonly groups: readonly OutcomeGroup[];
}

/** Those of a period: they matured, or are paid back, as free ones never are. */
const BILLABLE = `tenant_id = $1 and contract_id = $2 and period_at >= $3 and period_at < $4
  and (judged_state = 'MATURED' or reimbursement > 0 and not is_free)`;

/** A million of them take a second or so. Reimbursed ones are reversed, so that no row counts in both. */
const CHARGED = "judged_state = 'MATURED' and not is_free and reimbursement = 0";

/** What the outcomes of a period come to, rule by rule, whatever caps made of them. */
export async function billableGroups(tx: Scope, { contractId, start, end }: BilledPeriod): Promise<RuleGroups[]> {
  const rows = await query<{
    readonly ruleId: string;
    readonly versionId: string;
    readonly attributes: string;
    readonly count: number;
    readonly units: string;
    readonly value: string;
    readonly reimbursed: number;
    readonly reimbursement: string;
    readonly capped: number;
  }>(
    tx,
    `select rule_id as "ruleId", version_id as "versionId", attributes,
       count(*) filter (where ${CHARGED})::int as count,
       trim_scale(coalesce(sum(units) filter (where ${CHARGED}), 0))::text as units,
       trim_scale(coalesce(sum(value) filter (where ${CHARGED}), 0))::text as value,
       count(*) filter (where reimbursement > 0)::int as reimbursed,
       trim_scale(sum(reimbursement))::text as reimbursement,
       count(cap)::int as capped
     from outcome where ${BILLABLE} group by rule_id, version_id, attributes order by rule_id, version_id, attributes`,
    [tx.tenantId, contractId, start, end],
  );

  return [...Map.groupBy(rows, ({ ruleId }) => ruleId)].map(([ruleId, own]) => ({
    ruleId,
    capped: own.reduce((total, { capped }) => total + capped, 0),
    groups: own.map(row => ({
      versionId: row.versionId,
      attributes: row.attributes,
      count: row.count,
      units: decimal(row.units),
      value: decimal(row.value),
      reimbursed: row.reimbursed,
      reimbursement: decimal(row.reimbursement),
    })),
  }));
}

interface BillableRow extends Omit<BillableOutcome, 'units' | 'value' | 'reimbursement'> {
  readonly units: string;
  readonly value: string | null;
  readonly reimbursement: string;
}

/** The billable outcomes of one rule in a period, in the order in which they occurred. Days are those of `timeZone`. */
export async function billableOutcomes(
  tx: Scope,
  { contractId, start, end }: BilledPeriod,
  ruleId: string,
  timeZone: string,
): Promise<BillableOutcome[]> {
  const rows = await query<BillableRow>(
    tx,
    `select id, version_id as "versionId", attributes, units::text, value::text, occurred_at as "occurredAt", subject,
       to_char(occurred_at at time zone $6, 'YYYY-MM-DD') as day, is_free as "isFree", reimbursement::text
     from outcome where ${BILLABLE} and rule_id = $5 order by occurred_at, id collate "C"`,
    [tx.tenantId, contractId, start, end, ruleId, timeZone],
  );
  // Most outcomes are one unit, and many of one value.
  const known = new Map<string, Decimal>();
  const numberOf = (text: string): Decimal => {
    const value = known.get(text) ?? decimal(text);
    known.set(text, value);

    return value;
  };

  return rows.map(row => ({
    ...row,
    units: numberOf(row.units),
    value: row.value === null ? null : numberOf(row.value),
    reimbursement: numberOf(row.reimbursement),
  }));
}

/**
 * Marks exactly these outcomes of a rule and period as beyond a cap, and no others. Where that changes what an outcome
 * shows, its state or why, that is a transition; they are one batch, named by one audit line. The usage that those which
 * changed stand for, of `meterIds`, is rated anew where it lies in other months than those of the period, which is being
 * rated. The same again changes nothing.
 */
export async function markCaps(
  tx: Scope,
  { contractId, start, end }: BilledPeriod,
  ruleId: string,
  capped: readonly CappedOutcome[],
  meterIds: readonly string[],
): Promise<void> {
  const batch = newId('otb', tx.now);
  const [marked] = await query<{
    transitions: number;
    digest: string;
    first: readonly string[];
    subjects: readonly string[];
  }>(
    tx,
    `with wanted as (
       select * from unnest($6::text[], $7::text[]) as w (id, cap)
     ), changed as (
       select o.id, o.state as from_state, w.cap
       from (select id, state, cap, judged_state from outcome where ${BILLABLE} and rule_id = $5) o left join wanted w on w.id = o.id and o.judged_state = 'MATURED'
       where o.cap is distinct from w.cap
     ), marked as (
       -- What is not judged to have matured shows nothing of a cap.
       update outcome o set cap = c.cap, changed_at = $8, n = o.n + case when o.judged_state = 'MATURED' then 1 else 0 end
       from changed c where o.tenant_id = $1 and o.id = c.id
       returning o.id, o.n, c.from_state, o.state, o.reason, o.judged_state, o.subject
     ), step as (
       select * from marked where judged_state = 'MATURED'
     ), kept as (
       insert into outcome_transition (tenant_id, outcome_id, n, from_state, to_state, reason, batch, at)
       select $1, id, n, from_state, state, reason, $9, $8 from step
     ), line as (
       select format('%s %s %s %s %s', id, n, from_state, state, coalesce(reason, '-')) collate "C" as text from step
     )
     select (select count(*)::int from step) as transitions,
       (select encode(sha256(convert_to(coalesce(string_agg(text, E'\\n' order by text), ''), 'UTF8')), 'hex') from line) as digest,
       array(select text from line order by text limit $10) as first,
       array(select distinct subject from step where subject is not null) as subjects`,
    [
      tx.tenantId,
      contractId,
      start,
      end,
      ruleId,
      capped.map(({ id }) => id),
      capped.map(({ mode }) => mode),
      tx.now,
      batch,
      LISTED,
    ],
  );

  if (marked && marked.transitions > 0) {
    const { subjects, ...batched } = marked;
    await touchUsageOf(tx, [], { subjects, meterIds }, { start, end });
    await announce(tx, 'outcome.changed');
    await record(tx, {
      action: 'outcome.capped',
      subjectId: batch,
      after: { ruleId, contractId, periodStart: start, ...batched },
    });
  }
}

/** Usage of a meter that the outcomes of a version of a rule stand for. */
export interface Fallback {
  readonly meterId: string;
  readonly versionId: string;
}

/** What is taken off the usage of one meter, combination of dimensions and segment. */
export interface ReplacedUsage {
  readonly meterId: string;
  readonly dimensions: string;
  /** 0 before the first cut, 1 from it on, … */
  readonly segment: number;
  readonly sum: string;
}

/**
 * Kept values of [start, end) whose event has a subject with an outcome, of whichever period, that matured and that no cap
 * keeps out. One of a test environment stands for its usage too, though it costs nothing.
 */
const REPLACED = `from usage_value v
  where v.tenant_id = $1 and v.time >= $2 and v.time < $3 and v.meter_id = any ($4::text[]) and exists (
    select from unnest($4::text[], $5::text[]) as f (meter_id, version_id)
    join outcome o on o.tenant_id = $1 and o.version_id = f.version_id
    where f.meter_id = v.meter_id and o.subject = v.subject and o.judged_state = 'MATURED' and o.cap is null)`;

/** The values that outcomes stand for, so that they are not charged as usage, added up by segment. */
export async function replacedUsage(
  tx: Scope,
  { start, end }: Pick<BilledPeriod, 'start' | 'end'>,
  cuts: readonly Date[],
  fallbacks: readonly Fallback[],
): Promise<ReplacedUsage[]> {
  return query<ReplacedUsage>(
    tx,
    `select v.meter_id as "meterId", v.dimensions, width_bucket(v.slot, $6::timestamptz[]) as segment,
       sum(v.value)::text as sum
     ${REPLACED} group by 1, 2, 3`,
    [tx.tenantId, start, end, ...columnsOf(fallbacks), cuts],
  );
}

/** An event whose value of a meter outcomes stand for. */
export interface ReplacedEvent {
  readonly meterId: string;
  readonly id: string;
  readonly source: string;
}

/** The same one by one. */
export async function replacedEvents(
  tx: Scope,
  { start, end }: Pick<BilledPeriod, 'start' | 'end'>,
  fallbacks: readonly Fallback[],
): Promise<ReplacedEvent[]> {
  return query<ReplacedEvent>(tx, `select distinct v.meter_id as "meterId", v.id, v.source ${REPLACED}`, [
    tx.tenantId,
    start,
    end,
    ...columnsOf(fallbacks),
  ]);
}

function columnsOf(fallbacks: readonly Fallback[]): [meterIds: string[], versionIds: string[]] {
  return [fallbacks.map(({ meterId }) => meterId), fallbacks.map(({ versionId }) => versionId)];
}

/** A sample audit that is finished. */
export interface FinishedAudit {
  readonly ruleId: string;
  readonly sample: number;
  readonly wrong: number;
  readonly tolerance: Decimal;
}

/** The finished sample audits of a period, one at most for each rule. */
export async function finishedAudits(
  tx: Scope,
  { contractId, start }: Pick<BilledPeriod, 'contractId' | 'start'>,
): Promise<FinishedAudit[]> {
  const rows = await query<Omit<FinishedAudit, 'tolerance'> & { readonly tolerance: string }>(
    tx,
    `select rule_id as "ruleId", cardinality(sample_ids) as sample, cardinality(wrong_ids) as wrong, tolerance::text
     from outcome_sample_audit where tenant_id = $1 and contract_id = $2 and period_start = $3 and finished_at is not null`,
    [tx.tenantId, contractId, start],
  );

  return rows.map(row => ({ ...row, tolerance: decimal(row.tolerance) }));
}
