import { query, type Scope } from '../platform/index.js';

/** The versions among these by which something under these contracts is charged on an invoice. */
export async function invoicedVersions(
  tx: Scope,
  contractIds: readonly string[],
  versionIds: readonly string[],
): Promise<string[]> {
  const rows = await query<{ readonly id: string }>(
    tx,
    `select distinct price_version_id as id from charge
     where tenant_id = $1 and contract_id = any ($2::text[]) and price_version_id = any ($3::text[])
       and invoice_id is not null`,
    [tx.tenantId, [...new Set(contractIds)], versionIds],
  );

  return rows.map(({ id }) => id);
}
