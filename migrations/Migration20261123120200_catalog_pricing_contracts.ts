import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** Models, meters, price books with their versions and prices, and contracts. */
export class Migration20261123120200_catalog_pricing_contracts extends Migration {
  override up(): void {
    this.addSql(`create table model (
      tenant_id text not null,
      id text not null,
      key text not null,
      provider text not null,
      family text not null,
      modality text not null,
      context_bands jsonb not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint model_key_is_unique unique (tenant_id, key)
    )`);
    this.addSql(`create table model_cost (
      tenant_id text not null,
      id text not null,
      model_id text not null,
      effective_at timestamptz not null,
      currency text not null,
      rates jsonb not null,
      source text not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint model_cost_effective_once unique (tenant_id, model_id, effective_at),
      foreign key (tenant_id, model_id) references model (tenant_id, id)
    )`);
    this.addSql(`create table meter (
      tenant_id text not null,
      id text not null,
      key text not null,
      event_type text not null,
      filter text not null,
      aggregation text not null check (aggregation in ('SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT')),
      value_property text,
      dimensions jsonb not null,
      unit text not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint meter_key_is_unique unique (tenant_id, key),
      constraint meter_count_has_no_value check ((aggregation = 'COUNT') = (value_property is null))
    )`);

    this.addSql(`create table price_book (
      tenant_id text not null,
      id text not null,
      name text not null,
      currency text not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint price_book_name_is_unique unique (tenant_id, name)
    )`);
    this.addSql(`create table price_book_version (
      tenant_id text not null,
      id text not null,
      price_book_id text not null,
      number integer not null,
      status text not null check (status in ('DRAFT', 'PUBLISHED', 'WITHDRAWN')),
      effective_at timestamptz,
      published_at timestamptz,
      withdrawn_at timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint price_book_version_number_is_unique unique (tenant_id, price_book_id, number),
      constraint price_book_version_has_dates check ((status = 'DRAFT') = (effective_at is null)),
      constraint price_book_version_on_quarter_hour check (extract(epoch from effective_at)::bigint % 900 = 0),
      foreign key (tenant_id, price_book_id) references price_book (tenant_id, id)
    )`);
    this.addSql(`create unique index price_book_version_effective_once
      on price_book_version (tenant_id, price_book_id, effective_at) where status = 'PUBLISHED'`);
    this.addSql(`create table price (
      tenant_id text not null,
      id text not null,
      version_id text not null,
      meter_id text not null,
      name text not null,
      pattern jsonb not null,
      model jsonb not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, version_id) references price_book_version (tenant_id, id)
    )`);
    this.addSql('create index price_by_version on price (tenant_id, version_id)');
    this.addSql(`create function price_only_in_draft() returns trigger language plpgsql as $$
      begin
        if exists (select from price_book_version v where v.status <> 'DRAFT'
                   and (v.tenant_id, v.id) in ((old.tenant_id, old.version_id), (new.tenant_id, new.version_id))) then
          raise exception 'prices of a published version are never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return coalesce(new, old);
      end $$`);
    this.addSql(
      'create trigger price_only_in_draft before insert or update or delete on price for each row execute function price_only_in_draft()',
    );
    this.addSql(`create function price_book_version_moves_forward() returns trigger language plpgsql as $$
      begin
        if old.status = 'WITHDRAWN' or (old.status = 'PUBLISHED' and new.status = 'DRAFT')
           or (new.tenant_id, new.id, new.price_book_id, new.number)
              is distinct from (old.tenant_id, old.id, old.price_book_id, old.number)
           or (old.status <> 'DRAFT' and (new.effective_at, new.published_at)
               is distinct from (old.effective_at, old.published_at))
           or (old.withdrawn_at is not null or new.status <> 'WITHDRAWN') and new.withdrawn_at is distinct from old.withdrawn_at then
          raise exception 'a published version is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger price_book_version_moves_forward before update on price_book_version for each row execute function price_book_version_moves_forward()',
    );

    this.addSql(`create table contract (
      tenant_id text not null,
      id text not null,
      seller_id text not null,
      price_book_id text not null,
      currency text not null,
      starts_at timestamptz not null,
      ends_at timestamptz,
      grace_hours integer not null check (grace_hours between 0 and 2160),
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint contract_runs_forward check (ends_at is null or ends_at >= starts_at),
      constraint contract_on_quarter_hour check (
        extract(epoch from starts_at)::bigint % 900 = 0 and coalesce(extract(epoch from ends_at)::bigint % 900 = 0, true)),
      constraint contract_one_at_a_time exclude using gist (tenant_id with =, tstzrange(starts_at, ends_at) with &&)
    )`);
    this.addSql('create index contract_by_seller on contract (seller_id, price_book_id)');

    for (const sql of [
      ...tenantTable('model', 'select, insert'),
      ...tenantTable('model_cost', 'select, insert'),
      ...tenantTable('meter', 'select, insert'),
      ...tenantTable('price_book', 'select, insert'),
      ...tenantTable(
        'price_book_version',
        'select, insert, update (status, effective_at, published_at, withdrawn_at), delete',
      ),
      ...tenantTable('price', 'select, insert, delete'),
      ...tenantTable('contract', 'select, insert, update (ends_at)'),
      // A seller sees the contracts it sells under: a new price has to find its buyers.
      `create policy seller on contract for select to ratebook_app
         using (seller_id = nullif(current_setting('app.tenant', true), ''))`,
    ]) {
      this.addSql(sql);
    }
  }
}
