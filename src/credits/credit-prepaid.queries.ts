import { query, type Scope } from '../platform/index.js';

/** What calls of a tenant have to know of its credits before they look at any. */
export interface CreditsKnown {
  /** Whether something is left of a grant that has not expired. */
  readonly hasAny: boolean;
  /** Whether its calls go ahead only as far as its credits reach. */
  readonly isPrepaid: boolean;
}

/** Of the scope's tenant. */
export async function creditsKnown(tx: Scope): Promise<CreditsKnown> {
  const [row] = await query<CreditsKnown>(
    tx,
    `select exists (select from credit_balance where tenant_id = $1 and balance > 0
         and (expires_at is null or expires_at > $2)) as "hasAny",
       coalesce((select is_prepaid from credit_prepaid where tenant_id = $1), false) as "isPrepaid"`,
    [tx.tenantId, tx.now],
  );

  return row ?? { hasAny: false, isPrepaid: false };
}

/** Whether a tenant pays in advance, and since when that is so; null where nobody has ever said. */
export interface StoredPrepaid {
  readonly isPrepaid: boolean;
  readonly setAt: Date | null;
}

/** Of the scope's tenant. */
export async function prepaidOf(tx: Scope): Promise<StoredPrepaid> {
  const [row] = await query<StoredPrepaid>(
    tx,
    'select is_prepaid as "isPrepaid", set_at as "setAt" from credit_prepaid where tenant_id = $1',
    [tx.tenantId],
  );

  return row ?? { isPrepaid: false, setAt: null };
}

/** Writes down whether the scope's tenant pays in advance. The caller holds the lock of the credits. */
export async function setPrepaid(tx: Scope, isPrepaid: boolean): Promise<void> {
  await query(
    tx,
    `insert into credit_prepaid (tenant_id, is_prepaid, set_at) values ($1, $2, $3)
     on conflict (tenant_id) do update set is_prepaid = excluded.is_prepaid, set_at = excluded.set_at`,
    [tx.tenantId, isPrepaid, tx.now],
  );
}
