import { query, type Scope } from '../platform/index.js';
import type { BilledPeriod } from './billable.queries.js';

/**
 * How many of a rule's charged outcomes of a period lie together on the day, or are of the subject, that has most of them.
 * Days are those of `timeZone`; an outcome without a subject is a subject of its own.
 */
export async function mostTogether(
  tx: Scope,
  { contractId, start, end }: BilledPeriod,
  ruleId: string,
  per: 'DAY' | 'SUBJECT',
  timeZone: string,
): Promise<number> {
  const scope = per === 'DAY' ? "to_char(occurred_at at time zone $6, 'YYYY-MM-DD')" : "coalesce('s' || subject, id)";
  const [row] = await query<{ most: number }>(
    tx,
    `select coalesce(max(n), 0)::int as most from (
       select count(*) as n from outcome
       where tenant_id = $1 and contract_id = $2 and period_at >= $3 and period_at < $4 and rule_id = $5
         and judged_state = 'MATURED' and not is_free and reimbursement = 0
       group by ${scope}
     ) together`,
    [tx.tenantId, contractId, start, end, ruleId, ...(per === 'DAY' ? [timeZone] : [])],
  );

  return row?.most ?? 0;
}
