import { type Decimal, decimal } from '../money/index.js';
import { inTransaction, query, type Scope } from '../platform/index.js';

/** What of a tenant's ledger does not hold. */
export interface CreditFault {
  /** The transaction or the grant. */
  readonly place: string;
  readonly reason: string;
}

/** What the recomputing of a tenant's ledger came to. */
export interface VerifiedCredits {
  readonly transactions: number;
  readonly grants: number;
  /** The first thing that does not hold; null when all does. */
  readonly fault: CreditFault | null;
  /** What came in from other tenants less what went out to them, by unit. Of all tenants together it is 0. */
  readonly moved: ReadonlyMap<string, Decimal>;
}

/** Each finds what breaks one rule of the ledger, in the tenant $1: where, and why. */
const RULES = [
  `select transaction_id as place, 'its entries come to ' || trim_scale(sum(amount)) || ' ' || unit || ' and not to 0' as reason
   from credit_entry where tenant_id = $1 group by transaction_id, unit having sum(amount) <> 0`,
  `select b.grant_id as place, 'its balance is ' || trim_scale(b.balance) || ' and its entries come to '
     || trim_scale(coalesce(e.amount, 0)) as reason
   from credit_balance b left join (
     select grant_id, sum(amount) as amount from credit_entry where tenant_id = $1 and grant_id is not null group by grant_id
   ) e on e.grant_id = b.grant_id
   where b.tenant_id = $1 and b.balance <> coalesce(e.amount, 0)`,
  `select g.id as place, 'it has no balance' as reason from credit_grant g
   where g.tenant_id = $1 and not exists (
     select from credit_balance b where b.tenant_id = g.tenant_id and b.grant_id = g.id)`,
  `select grant_id as place, 'its balance is below 0' as reason from credit_balance where tenant_id = $1 and balance < 0`,
  `select g.id as place, 'it was granted ' || trim_scale(g.amount) || ' and its first entry is '
     || trim_scale(coalesce(first.amount, 0)) as reason
   from credit_grant g left join (
     select e.grant_id, sum(e.amount) as amount from credit_entry e
     join credit_transaction t on t.tenant_id = e.tenant_id and t.id = e.transaction_id
     where e.tenant_id = $1 and t.kind in ('GRANT', 'TRANSFER_IN') group by e.grant_id
   ) first on first.grant_id = g.id
   where g.tenant_id = $1 and g.amount is distinct from first.amount`,
  `select coalesce(t.of_id, t.id) as place, 'more was given back of it than it took' as reason
   from credit_transaction t join credit_entry e on e.tenant_id = t.tenant_id and e.transaction_id = t.id
   where t.tenant_id = $1 and t.kind in ('BURN', 'REVERSAL') and e.grant_id is not null
   group by coalesce(t.of_id, t.id), e.grant_id having sum(e.amount) > 0`,
];

/** Recomputes the ledger of the scope's tenant: every sum, every balance, every grant. */
export async function verifyCredits(scope: Scope): Promise<VerifiedCredits> {
  return inTransaction(scope, async tx => {
    // One picture of all tables, whatever is written meanwhile.
    await tx.em.execute('set transaction isolation level repeatable read');
    let fault: CreditFault | null = null;

    for (const rule of RULES) {
      const faults = await query<CreditFault>(tx, `${rule} order by 1 limit 1`, [tx.tenantId]);
      fault ??= faults[0] ?? null;
    }

    const [counts] = await query<{ transactions: number; grants: number }>(
      tx,
      `select (select count(*)::int from credit_transaction where tenant_id = $1) as transactions,
         (select count(*)::int from credit_grant where tenant_id = $1) as grants`,
      [tx.tenantId],
    );
    const moved = await query<{ unit: string; amount: string }>(
      tx,
      `select unit, (-sum(amount))::text as amount from credit_entry
       where tenant_id = $1 and account = 'transferred' group by unit order by unit`,
      [tx.tenantId],
    );

    return {
      transactions: counts?.transactions ?? 0,
      grants: counts?.grants ?? 0,
      fault,
      moved: new Map(moved.map(({ unit, amount }) => [unit, decimal(amount)])),
    };
  });
}
