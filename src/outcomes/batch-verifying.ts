import { query, type Scope } from '../platform/index.js';

/** A batch of transitions that is not what its audit line says. */
export interface BrokenBatch {
  readonly id: string;
  readonly reason: string;
}

/**
 * Recomputes the digest of every batch of transitions of the scope's tenant and holds it against the audit line that names
 * the batch. Returns how many batches there are and the first one that is broken, if any. Whether the audit log itself is
 * whole is for `verifyChain` to say.
 */
export async function brokenBatch(
  tx: Scope,
): Promise<{ readonly batches: number; readonly broken: BrokenBatch | null }> {
  const [result] = await query<{ batches: number; id: string | null; reason: string | null }>(
    tx,
    `with kept as (
       select batch as id, count(*)::int as transitions,
         encode(sha256(convert_to(string_agg(line, E'\\n' order by line), 'UTF8')), 'hex') as digest
       from (
         select batch, format('%s %s %s %s %s', outcome_id, n, coalesce(from_state, '-'), to_state, coalesce(reason, '-'))
           collate "C" as line
         from outcome_transition where tenant_id = $1
       ) line group by batch
     ), told as (
       select subject_id as id, (after ->> 'transitions')::int as transitions, after ->> 'digest' as digest
       from audit_line where tenant_id = $1 and subject_id like 'otb\\_%' and after ? 'digest'
     ), compared as (
       select coalesce(k.id, t.id) as id, case
         when t.id is null then 'no line of the audit log names it'
         when k.id is null then 'its transitions are not there'
         when k.transitions <> t.transitions
           then format('the audit log tells of %s transitions, and %s are there', t.transitions, k.transitions)
         when k.digest <> t.digest then 'its transitions are not those that the audit log names'
         end as reason
       from kept k full join told t on t.id = k.id
     )
     select (select count(*)::int from compared) as batches, b.id, b.reason
     from (select 1) one left join (select id, reason from compared where reason is not null order by id limit 1) b on true`,
    [tx.tenantId],
  );
  const { batches = 0, id = null, reason = null } = result ?? {};

  return { batches, broken: id === null || reason === null ? null : { id, reason } };
}
