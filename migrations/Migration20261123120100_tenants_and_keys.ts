import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** The tenant tree and API keys. */
export class Migration20261123120100_tenants_and_keys extends Migration {
  override up(): void {
    this.addSql(`create table tenant (
      id text not null primary key,
      parent_id text references tenant (id),
      kind text not null check (kind in ('PLATFORM', 'RESELLER', 'CUSTOMER')),
      name text not null check (char_length(name) between 1 and 200),
      currency text not null check (currency ~ '^[A-Z]{3}$'),
      time_zone text not null,
      region text not null,
      ancestors text[] not null,
      created_at timestamptz not null,
      constraint tenant_root_is_platform check ((parent_id is null) = (kind = 'PLATFORM')),
      constraint tenant_ancestors_end_in_itself check (ancestors[array_length(ancestors, 1)] = id)
    )`);
    this.addSql("create unique index tenant_one_root on tenant (kind) where kind = 'PLATFORM'");
    this.addSql('create index tenant_by_ancestor on tenant using gin (ancestors)');
    this.addSql('create index tenant_by_parent on tenant (parent_id, id)');
    // The policy looks at `ancestors` alone, so they have to be what the parent says. As the inserting role: a parent that it
    // cannot see is none.
    this.addSql(`create function tenant_descends_from_its_parent() returns trigger language plpgsql as $$
      begin
        if new.parent_id is null and new.ancestors <> array[new.id]
           or new.parent_id is not null and new.ancestors is distinct from
              (select p.ancestors || new.id from tenant p where p.id = new.parent_id) then
          raise exception 'ancestors run from the root over the parent to the tenant' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger tenant_descends_from_its_parent before insert on tenant for each row execute function tenant_descends_from_its_parent()',
    );
    // The tree is the one place where a tenant sees more than itself: itself and all that is below it.
    this.addSql('alter table tenant enable row level security');
    this.addSql('alter table tenant force row level security');
    this.addSql(`create policy tenant on tenant to ratebook_app
      using (ancestors @> array[nullif(current_setting('app.tenant', true), '')])
      with check (ancestors @> array[nullif(current_setting('app.tenant', true), '')])`);
    this.addSql('grant select, insert on tenant to ratebook_app');

    this.addSql(`create table api_key (
      tenant_id text not null,
      id text not null,
      name text not null check (char_length(name) between 1 and 200),
      mode text not null check (mode in ('LIVE', 'TEST')),
      start text not null,
      digest bytea not null unique,
      permissions text[] not null,
      created_at timestamptz not null,
      expires_at timestamptz,
      revoked_at timestamptz,
      last_used_at timestamptz,
      primary key (tenant_id, id)
    )`);

    for (const sql of [
      ...tenantTable('api_key', 'select, insert, update (revoked_at, last_used_at)'),
      // Before a request has a tenant, its key's digest (unguessable) is what opens the one row.
      `create policy presented on api_key for select to ratebook_app
         using (digest = decode(nullif(current_setting('app.key_digest', true), ''), 'hex'))`,
      ...relayMay('tenant', ['select (id, kind)']),
    ]) {
      this.addSql(sql);
    }
  }
}
