/** SQL for the row-level guard of a tenant table: only rows of the transaction's tenant are seen or written. */
export function tenantTable(table: string, privileges: string): string[] {
  return [
    `alter table ${table} enable row level security`,
    `alter table ${table} force row level security`,
    `create policy tenant on ${table} to ratebook_app
       using (tenant_id = nullif(current_setting('app.tenant', true), ''))
       with check (tenant_id = nullif(current_setting('app.tenant', true), ''))`,
    `grant ${privileges} on ${table} to ratebook_app`,
  ];
}

/**
 * SQL that opens a tenant table further to a transaction that names a lineage (`inLineage` in src/platform/scope.ts): what a
 * customer spends is counted against the limits of those above it in the transaction that spends it.
 */
export function lineageMay(table: string): string[] {
  return [
    `create policy lineage on ${table} to ratebook_app
       using (tenant_id = any (string_to_array(current_setting('app.lineage', true), ' ')))
       with check (tenant_id = any (string_to_array(current_setting('app.lineage', true), ' ')))`,
  ];
}

/** SQL that lets the relay role, which works across tenants, see (and where named, change) a few columns of a table. */
export function relayMay(table: string, grants: readonly string[]): string[] {
  return [
    `create policy relay on ${table} to ratebook_relay using (true) with check (true)`,
    ...grants.map(grant => `grant ${grant} on ${table} to ratebook_relay`),
  ];
}
