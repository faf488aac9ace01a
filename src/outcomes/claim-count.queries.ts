import { query, type Scope } from '../platform/index.js';
import { MOST_WEEKS, WEEK_MS, weekEnd, weeksKnown, type ClaimMeasure } from './anomaly.rules.js';

/** A claim that was not known before. */
export interface NewClaim {
  readonly ruleId: string;
  readonly occurredAt: string;
}

/**
 * Counts claims by the hour in which they occurred, and by that of now, in which they came in. In the transaction that
 * inserts their outcomes, under the rating lock; an outcome stays, and so does when it occurred, so no count ever goes down.
 * Kept because nine weeks are looked at whenever something came in, under that lock: outcomes have no index on either
 * instant, and one more for each would cost every insert of theirs more than these few rows do.
 */
export async function countClaims(tx: Scope, claims: readonly NewClaim[]): Promise<void> {
  if (claims.length === 0) {
    return;
  }

  await query(
    tx,
    `insert into outcome_count as c (tenant_id, rule_id, measure, hour, claims)
     select $1, rule_id, measure, date_trunc('hour', at, 'UTC'), count(*)
     from unnest($2::text[], $3::timestamptz[]) as claim (rule_id, occurred_at),
       lateral (values ('OCCURRED', occurred_at), ('ARRIVED', $4::timestamptz)) as counted (measure, at)
     group by 2, 3, 4
     on conflict (tenant_id, rule_id, measure, hour) do update set claims = c.claims + excluded.claims`,
    [tx.tenantId, claims.map(({ ruleId }) => ruleId), claims.map(({ occurredAt }) => occurredAt), tx.now],
  );
}

/** How many claims a rule had, week by week. */
export interface ClaimsByWeek {
  /** In the 168 hours of which the last holds now; whatever lies ahead of now is among them. */
  readonly claims: number;
  /** In each whole week before those since the first claim, the last one first: eight weeks at most. */
  readonly before: readonly number[];
}

/** The claims of a rule by week, by the hours in which they occurred, or came in. */
export async function claimsByWeek(tx: Scope, ruleId: string, measure: ClaimMeasure): Promise<ClaimsByWeek> {
  const end = weekEnd(tx.now);
  const rows = await query<{ week: number; claims: number }>(
    tx,
    `select week, sum(claims)::int as claims from (
       select greatest(0, ceil(extract(epoch from $4::timestamptz - hour) / 604800)::int - 1) as week, claims
       from outcome_count where tenant_id = $1 and rule_id = $2 and measure = $3 and hour >= $5
     ) counted group by week`,
    [tx.tenantId, ruleId, measure, end, new Date(end.getTime() - (MOST_WEEKS + 1) * WEEK_MS)],
  );
  const [earliest] = await query<{ first: Date | null }>(
    tx,
    'select min(hour) as first from outcome_count where tenant_id = $1 and rule_id = $2 and measure = $3',
    [tx.tenantId, ruleId, measure],
  );
  const counts = new Map(rows.map(({ week, claims }) => [week, claims]));
  const weeks = weeksKnown(earliest?.first ?? null, end);

  return {
    claims: counts.get(0) ?? 0,
    before: Array.from({ length: weeks }, (_, week) => counts.get(week + 1) ?? 0),
  };
}
