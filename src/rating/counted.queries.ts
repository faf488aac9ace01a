import { decimal, formatDecimal } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';
import { type Correction, correctionsOf, type CountedGroup } from './counted.rules.js';

/**
 * Notes what the usage of a period is due and at what it was counted, under the rating lock, and answers with what has come
 * to be missing since the period was rated last: whoever counts money as usage comes in makes up for it.
 */
export async function bringCounted(
  tx: Scope,
  { contractId, start }: { readonly contractId: string; readonly start: Date },
  groups: readonly CountedGroup[],
): Promise<readonly Correction[]> {
  const rows = await query<{ meterId: string; model: string; due: string; counted: string }>(
    tx,
    `with given as (
       select * from unnest($4::text[], $5::text[], $6::numeric[], $7::numeric[]) as g (meter_id, model, due, counted)
     ), known as (
       select meter_id, model, due, counted from counted_spend
       where tenant_id = $1 and contract_id = $2 and period_start = $3
     ), written as (
       insert into counted_spend as c (tenant_id, contract_id, period_start, meter_id, model, due, counted)
       select $1, $2, $3, meter_id, model, coalesce(g.due, 0), coalesce(g.counted, 0)
       from known k full join given g using (meter_id, model)
       where (k.due, k.counted) is distinct from (coalesce(g.due, 0), coalesce(g.counted, 0))
       on conflict (tenant_id, contract_id, period_start, meter_id, model) do update
       set due = excluded.due, counted = excluded.counted
     )
     select meter_id as "meterId", model, due::text, counted::text from known`,
    [
      tx.tenantId,
      contractId,
      start,
      groups.map(({ meterId }) => meterId ?? ''),
      groups.map(({ model }) => model ?? ''),
      groups.map(({ due }) => formatDecimal(due)),
      groups.map(({ counted }) => formatDecimal(counted)),
    ],
  );

  return correctionsOf(
    groups,
    rows.map(({ meterId, model, due, counted }) => ({
      meterId: meterId || null,
      model: model || null,
      due: decimal(due),
      counted: decimal(counted),
    })),
  );
}
