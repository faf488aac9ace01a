import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Books that take prices over from others, exchange rates, discounts, pinned contracts, and their migration. */
export class Migration20261123180000_book_life extends Migration {
  override up(): void {
    this.addSql(`create table fx_snapshot (
      tenant_id text not null,
      id text not null,
      base text not null check (base ~ '^[A-Z]{3}$'),
      quote text not null check (quote ~ '^[A-Z]{3}$'),
      rate numeric not null check (rate > 0),
      as_of timestamptz not null,
      source text not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint fx_snapshot_is_between_two_currencies check (base <> quote)
    )`);
    this.addSql(
      'create trigger fx_snapshot_is_final before update or delete on fx_snapshot for each row execute function refuse_change()',
    );

    this.addSql(`alter table price_book_version
      add column basis jsonb,
      add column discounts jsonb not null default '[]',
      add column basis_book_id text generated always as (basis->>'priceBookId') stored,
      add column basis_version_id text generated always as (basis->>'versionId') stored,
      add column basis_fx_snapshot_id text generated always as (basis->>'fxSnapshotId') stored,
      add constraint price_book_version_basis_book foreign key (tenant_id, basis_book_id)
        references price_book (tenant_id, id),
      add constraint price_book_version_basis_version foreign key (tenant_id, basis_version_id)
        references price_book_version (tenant_id, id),
      add constraint price_book_version_basis_fx foreign key (tenant_id, basis_fx_snapshot_id)
        references fx_snapshot (tenant_id, id),
      add constraint price_book_version_basis_is_another_book check (basis_book_id <> price_book_id)`);
    this.addSql('create index price_book_version_by_basis on price_book_version (tenant_id, basis_book_id)');

    this.addSql(`alter table contract
      add column price_book_version_id text,
      add column commitment_amount numeric check (commitment_amount > 0)`);

    // As the seller, who sees the contracts it sells under.
    this.addSql(`create or replace function price_book_version_moves_forward() returns trigger language plpgsql as $$
      begin
        if old.status = 'WITHDRAWN' or (old.status = 'PUBLISHED' and new.status = 'DRAFT')
           or (new.tenant_id, new.id, new.price_book_id, new.number, new.basis, new.discounts)
              is distinct from (old.tenant_id, old.id, old.price_book_id, old.number, old.basis, old.discounts)
           or (old.status <> 'DRAFT' and (new.effective_at, new.published_at)
               is distinct from (old.effective_at, old.published_at))
           or (old.withdrawn_at is not null or new.status <> 'WITHDRAWN') and new.withdrawn_at is distinct from old.withdrawn_at then
          raise exception 'a published version is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        if old.status = 'PUBLISHED' and new.status = 'WITHDRAWN' and exists (select from contract c
             where c.seller_id = new.tenant_id and c.price_book_id = new.price_book_id
               and c.price_book_version_id = new.id and (c.ends_at is null or c.ends_at > new.effective_at)) then
          raise exception 'a contract is pinned to this version' using errcode = 'foreign_key_violation';
        end if;
        if old.status = 'PUBLISHED' and new.status = 'WITHDRAWN' and exists (select from price_book_version v
             where v.tenant_id = new.tenant_id and v.basis_version_id = new.id and v.status = 'PUBLISHED') then
          raise exception 'a published version takes its prices over' using errcode = 'foreign_key_violation';
        end if;
        return new;
      end $$`);

    // A constant default is kept in the catalogue: no row of a large table is written.
    this.addSql(`alter table charge
      alter column meter_id drop not null,
      add column taken_by text not null default '',
      drop constraint charge_once_per_item,
      add constraint charge_once_per_item
        unique (tenant_id, contract_id, period_start, price_id, taken_by, generation)`);

    this.addSql(`create table contract_migration (
      tenant_id text not null,
      id text not null,
      price_book_id text not null,
      from_version_id text,
      to_price_book_id text not null,
      to_version_id text,
      effective_at timestamptz not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint contract_migration_on_quarter_hour check (extract(epoch from effective_at)::bigint % 900 = 0),
      foreign key (tenant_id, price_book_id) references price_book (tenant_id, id),
      foreign key (tenant_id, from_version_id) references price_book_version (tenant_id, id),
      foreign key (tenant_id, to_price_book_id) references price_book (tenant_id, id),
      foreign key (tenant_id, to_version_id) references price_book_version (tenant_id, id)
    )`);
    this.addSql(
      'create trigger contract_migration_is_final before update or delete on contract_migration for each row execute function refuse_change()',
    );
    this.addSql(`create table contract_migration_item (
      tenant_id text not null,
      migration_id text not null,
      contract_id text not null,
      buyer_id text not null,
      status text not null check (status in ('OPEN', 'DONE', 'REFUSED')),
      new_contract_id text,
      reason text,
      primary key (tenant_id, migration_id, contract_id),
      constraint contract_migration_item_says_what_became_of_it check (
        (status = 'DONE') = (new_contract_id is not null) and (status = 'REFUSED') = (reason is not null)),
      foreign key (tenant_id, migration_id) references contract_migration (tenant_id, id)
    )`);
    this.addSql(
      `create index contract_migration_item_open on contract_migration_item (migration_id, contract_id) where status = 'OPEN'`,
    );
    this.addSql(`create function contract_migration_item_moves_forward() returns trigger language plpgsql as $$
      begin
        if old.status <> 'OPEN' or (new.tenant_id, new.migration_id, new.contract_id, new.buyer_id)
             is distinct from (old.tenant_id, old.migration_id, old.contract_id, old.buyer_id) then
          raise exception 'what became of a contract is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger contract_migration_item_moves_forward before update on contract_migration_item for each row execute function contract_migration_item_moves_forward()',
    );

    for (const sql of [
      ...tenantTable('fx_snapshot', 'select, insert'),
      ...tenantTable('contract_migration', 'select, insert'),
      ...tenantTable('contract_migration_item', 'select, insert, update (status, new_contract_id, reason)'),
      ...relayMay('contract_migration_item', ['select (tenant_id, migration_id, contract_id, status)']),
    ]) {
      this.addSql(sql);
    }
  }
}
