import { announce, query, type Scope } from '../platform/index.js';
import { touchMonths } from '../usage/index.js';

/** Usage that is charged only where no outcome came of it. */
export interface UsageStoodFor {
  /** Whose outcomes have changed. */
  readonly subjects: readonly string[];
  /** Whose usage such outcomes stand for. */
  readonly meterIds: readonly string[];
}

/**
 * Has months rated anew, as `yyyy-mm-01`, and every month that holds usage which the outcomes of these subjects stand for,
 * however long before or after them it lies; but those that lie wholly within `rated`, for they are being rated.
 */
export async function touchUsageOf(
  tx: Scope,
  months: readonly string[],
  usage: UsageStoodFor | null,
  rated: { readonly start: Date; readonly end: Date } | null = null,
): Promise<void> {
  const all = new Set([...months, ...(usage ? await monthsOf(tx, usage, months, rated) : [])]);

  if (all.size > 0) {
    await touchMonths(tx, [...all]);
    await announce(tx, 'usage.accepted');
  }
}

/** The months of that usage, but those that are known already. */
async function monthsOf(
  tx: Scope,
  { subjects, meterIds }: UsageStoodFor,
  known: readonly string[],
  rated: { readonly start: Date; readonly end: Date } | null,
): Promise<string[]> {
  if (subjects.length === 0 || meterIds.length === 0) {
    return [];
  }

  const rows = await query<{ month: string }>(
    tx,
    // Month by month, until the first value is found: one look-up for each subject and meter, whatever the planner knows.
    `select t.month::text from usage_touch t
     where t.tenant_id = $1 and not t.month = any ($4::date[])
       and not coalesce(t.month::timestamp at time zone 'UTC' >= $5 and (t.month + interval '1 month') at time zone 'UTC' <= $6, false)
       and exists (
         select from unnest($2::text[]) as s (subject), unnest($3::text[]) as m (id) cross join lateral (
           select from usage_value v
           where v.tenant_id = $1 and v.subject = s.subject and v.meter_id = m.id
             and v.time >= t.month::timestamp at time zone 'UTC'
             and v.time < (t.month + interval '1 month') at time zone 'UTC' limit 1
         ) v)`,
    [tx.tenantId, [...new Set(subjects)], meterIds, known, rated?.start ?? null, rated?.end ?? null],
  );

  return rows.map(({ month }) => month);
}
