import { decimal, type Decimal } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';
import type { BillableOutcome } from './billable.rules.js';
import type { OutcomeState } from './outcome.rules.js';

/** A half-open stretch of time in which outcomes occurred. */
export interface OccurredWithin {
  readonly from: Date;
  readonly until: Date;
}

/** Outcomes of one rule that stand in one place and are alike in all that their price looks at, counted. */
export interface AlikeOutcomes {
  readonly state: OutcomeState;
  readonly reason: string | null;
  readonly contractId: string;
  readonly currency: string;
  readonly versionId: string;
  /** Canonical JSON. */
  readonly attributes: string;
  /** Of each. */
  readonly units: Decimal;
  readonly value: Decimal | null;
  /** Whether they are to be paid for: they matured, are not free, and no cap keeps them out. */
  readonly isCharged: boolean;
  readonly count: number;
  /** What is paid back for all of them under the guarantee. */
  readonly reimbursement: Decimal;
}

/** How many outcomes of a rule occurred in a stretch of time; `most` and one more at most, and no more are looked at. */
export async function countOccurred(
  tx: Scope,
  ruleId: string,
  { from, until }: OccurredWithin,
  most: number,
): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from (
       select from outcome where tenant_id = $1 and rule_id = $2 and occurred_at >= $3 and occurred_at < $4 limit $5
     ) occurred`,
    [tx.tenantId, ruleId, from, until, most + 1],
  );

  return row?.n ?? 0;
}

/**
 * How many outcomes of a contract's period there are to reckon with: of all rules, for none is found without the others, and
 * of one rule. `most` and one more at most, and no more are looked at.
 */
export async function countReckoned(
  tx: Scope,
  ruleId: string,
  { contractId, start, end }: { readonly contractId: string; readonly start: Date; readonly end: Date },
  most: number,
): Promise<{ readonly all: number; readonly own: number }> {
  const [row] = await query<{ all: number; own: number }>(
    tx,
    `select count(*)::int as all, count(*) filter (where rule_id = $5)::int as own from (
       select rule_id from outcome
       where tenant_id = $1 and contract_id = $2 and period_at >= $3 and period_at < $4
         and (judged_state = 'MATURED' or reimbursement > 0) limit $6
     ) charged`,
    [tx.tenantId, contractId, start, end, ruleId, most + 1],
  );

  return row ?? { all: 0, own: 0 };
}

/** The outcomes of a rule that occurred in a stretch of time, those that are alike added up: `most` kinds and one more at most. */
export async function alikeOutcomes(
  tx: Scope,
  ruleId: string,
  { from, until }: OccurredWithin,
  most: number,
): Promise<AlikeOutcomes[]> {
  const rows = await query<
    Omit<AlikeOutcomes, 'units' | 'value' | 'reimbursement'> & {
      readonly units: string;
      readonly value: string | null;
      readonly reimbursement: string;
    }
  >(
    tx,
    `select state, reason, contract_id as "contractId", currency, version_id as "versionId", attributes,
       trim_scale(units)::text as units, trim_scale(value)::text as value,
       judged_state = 'MATURED' and not is_free and cap is null and reimbursement = 0 as "isCharged",
       count(*)::int as count, trim_scale(sum(reimbursement))::text as reimbursement
     from outcome where tenant_id = $1 and rule_id = $2 and occurred_at >= $3 and occurred_at < $4
     group by 1, 2, 3, 4, 5, 6, 7, 8, 9 limit $5`,
    [tx.tenantId, ruleId, from, until, most + 1],
  );

  return rows.map(row => ({
    ...row,
    units: decimal(row.units),
    value: row.value === null ? null : decimal(row.value),
    reimbursement: decimal(row.reimbursement),
  }));
}

/** Where the outcomes of one contract are charged: from the first to the last instant that says in which period. */
export interface ChargedStretch {
  readonly contractId: string;
  readonly first: Date;
  readonly last: Date;
}

/** Where the outcomes of a rule that occurred in a stretch of time, and ask for money or pay some back, are charged. */
export async function chargedStretches(
  tx: Scope,
  ruleId: string,
  { from, until }: OccurredWithin,
): Promise<ChargedStretch[]> {
  return query<ChargedStretch>(
    tx,
    `select contract_id as "contractId", min(period_at) as first, max(period_at) as last from outcome
     where tenant_id = $1 and rule_id = $2 and occurred_at >= $3 and occurred_at < $4
       and (judged_state = 'MATURED' or reimbursement > 0)
     group by contract_id order by contract_id`,
    [tx.tenantId, ruleId, from, until],
  );
}

/** Where each outcome of a rule stands that occurred in a stretch of time and is charged, or paid back, in another. */
export async function standingsCharged(
  tx: Scope,
  ruleId: string,
  { from, until }: OccurredWithin,
  period: { readonly contractId: string; readonly start: Date; readonly end: Date },
): Promise<(Pick<AlikeOutcomes, 'state' | 'reason'> & { readonly id: string })[]> {
  return query(
    tx,
    `select id, state, reason from outcome
     where tenant_id = $1 and contract_id = $2 and period_at >= $3 and period_at < $4
       and (judged_state = 'MATURED' or reimbursement > 0)
       and rule_id = $5 and occurred_at >= $6 and occurred_at < $7`,
    [tx.tenantId, period.contractId, period.start, period.end, ruleId, from, until],
  );
}

/** An outcome that a dispute holds, as it would be charged. */
export interface HeldOutcome extends BillableOutcome {
  readonly ruleId: string;
  readonly contractId: string;
  readonly periodAt: Date;
  readonly reason: string | null;
}

interface HeldRow extends Omit<HeldOutcome, 'units' | 'value' | 'reimbursement'> {
  readonly units: string;
  readonly value: string | null;
  readonly reimbursement: string;
}

const HELD = `select o.id, o.rule_id as "ruleId", o.contract_id as "contractId", o.period_at as "periodAt", o.reason,
    o.version_id as "versionId", o.attributes, trim_scale(o.units)::text as units, trim_scale(o.value)::text as value,
    o.occurred_at as "occurredAt", o.subject, to_char(o.occurred_at at time zone $2, 'YYYY-MM-DD') as day,
    o.is_free as "isFree", o.reimbursement::text
  from outcome o where o.tenant_id = $1 and o.state = 'DISPUTED'`;

/** The outcomes of a rule that occurred in a stretch of time and are held, in that order: `most` and one more at most. */
export async function heldWithin(
  tx: Scope,
  ruleId: string,
  { from, until }: OccurredWithin,
  timeZone: string,
  most: number,
): Promise<HeldOutcome[]> {
  const rows = await query<HeldRow>(
    tx,
    `${HELD} and o.rule_id = $3 and o.occurred_at >= $4 and o.occurred_at < $5 order by o.occurred_at, o.id collate "C" limit $6`,
    [tx.tenantId, timeZone, ruleId, from, until, most + 1],
  );

  return rows.map(heldOf);
}

/** The outcomes that one dispute holds, in the order in which they occurred. */
export async function heldBy(tx: Scope, disputeId: string, timeZone: string): Promise<HeldOutcome[]> {
  const rows = await query<HeldRow>(
    tx,
    `${HELD} and o.id in (
       select a.outcome_id from outcome_act a where a.tenant_id = $1 and a.dispute_id = $3 and a.kind = 'DISPUTE'
         and not exists (
           select from outcome_act d where d.tenant_id = $1 and d.dispute_id = $3 and d.outcome_id = a.outcome_id
             and d.kind = 'DECISION'))
     order by o.occurred_at, o.id collate "C"`,
    [tx.tenantId, timeZone, disputeId],
  );

  return rows.map(heldOf);
}

function heldOf(row: HeldRow): HeldOutcome {
  return {
    ...row,
    units: decimal(row.units),
    value: row.value === null ? null : decimal(row.value),
    reimbursement: decimal(row.reimbursement),
  };
}

/** How many outcomes of a rule are charged in a period: they matured, are not free, and no cap keeps them out. */
export async function countCharged(
  tx: Scope,
  ruleId: string,
  { contractId, start, end }: { readonly contractId: string; readonly start: Date; readonly end: Date },
): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from outcome
     where tenant_id = $1 and contract_id = $2 and period_at >= $3 and period_at < $4 and rule_id = $5
       and judged_state = 'MATURED' and not is_free and cap is null`,
    [tx.tenantId, contractId, start, end, ruleId],
  );

  return row?.n ?? 0;
}

/** Usage of one meter, combination of dimensions and quarter hour that is of one subject. */
export interface SubjectUsage {
  readonly meterId: string;
  /** Canonical JSON. */
  readonly dimensions: string;
  readonly slot: Date;
  readonly quantity: string;
}

/** The kept values of these meters in [start, end) whose event is of the subject. */
export async function usageOfSubject(
  tx: Scope,
  subject: string,
  meterIds: readonly string[],
  { start, end }: { readonly start: Date; readonly end: Date },
): Promise<SubjectUsage[]> {
  return query<SubjectUsage>(
    tx,
    `select v.meter_id as "meterId", v.dimensions, v.slot, sum(v.value)::text as quantity
     from usage_value v
     where v.tenant_id = $1 and v.time >= $2 and v.time < $3 and v.meter_id = any ($4::text[]) and v.subject = $5
     group by 1, 2, 3 order by 1, 2, 3`,
    [tx.tenantId, start, end, meterIds, subject],
  );
}
