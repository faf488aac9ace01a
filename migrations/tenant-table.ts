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

/** SQL that lets the relay role, which works across tenants, see (and where named, change) a few columns of a table. */
export function relayMay(table: string, grants: readonly string[]): string[] {
  return [
    `create policy relay on ${table} to ratebook_relay using (true) with check (true)`,
    ...grants.map(grant => `grant ${grant} on ${table} to ratebook_relay`),
  ];
}
