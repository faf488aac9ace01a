import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** Imports of price lists: what a list proposes, line by line, and what somebody decided about it. */
export class Migration20261123170000_price_import extends Migration {
  override up(): void {
    this.addSql(`create table price_import (
      tenant_id text not null,
      id text not null,
      target text not null check (target in ('BOOK', 'COSTS')),
      price_book_id text,
      base_version_id text,
      format text not null check (format in ('LITELLM', 'LANGFUSE')),
      source text not null,
      source_date text not null check (source_date ~ '^\\d{4}-\\d\\d-\\d\\d$'),
      content_hash text not null,
      meters jsonb not null,
      models jsonb not null,
      skipped jsonb not null,
      counts jsonb not null,
      status text not null check (status in ('PROPOSED', 'DRAFTED', 'APPLIED', 'DISCARDED')),
      draft_version_id text,
      effective_at timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint price_import_has_a_target check ((target = 'BOOK') = (price_book_id is not null)
        and (target = 'BOOK' or base_version_id is null)),
      constraint price_import_drafts_a_version check ((status = 'DRAFTED') = (draft_version_id is not null)
        and (target = 'BOOK' or status <> 'DRAFTED')),
      constraint price_import_applies_from_an_instant check ((status = 'APPLIED') = (effective_at is not null)
        and (target = 'COSTS' or status <> 'APPLIED')),
      foreign key (tenant_id, price_book_id) references price_book (tenant_id, id),
      foreign key (tenant_id, base_version_id) references price_book_version (tenant_id, id),
      foreign key (tenant_id, draft_version_id) references price_book_version (tenant_id, id)
    )`);
    this.addSql('create index price_import_by_book on price_import (tenant_id, price_book_id, id)');
    // A key holds a price's dimensions, so it is ordered the same in every language.
    this.addSql(`create table price_import_row (
      tenant_id text not null,
      import_id text not null,
      key text collate "C" not null,
      model text not null,
      change text not null check (change in ('ADDED', 'CHANGED', 'REMOVED', 'SAME')),
      flags jsonb not null,
      note text,
      ratio text,
      proposed jsonb,
      before jsonb,
      decision text not null default 'OPEN' check (decision in ('OPEN', 'APPROVED', 'REJECTED')),
      decided_by text,
      decided_at timestamptz,
      primary key (tenant_id, import_id, key),
      constraint price_import_row_has_two_sides check ((change = 'REMOVED') = (proposed is null)
        and (change = 'ADDED') = (before is null)),
      constraint price_import_row_is_decided_by_somebody check ((decision = 'OPEN') = (decided_by is null)
        and (decision = 'OPEN') = (decided_at is null)),
      constraint price_import_row_decides_a_change check (change <> 'SAME' or decision = 'OPEN'),
      foreign key (tenant_id, import_id) references price_import (tenant_id, id)
    )`);

    this.addSql(`create function price_import_moves_forward() returns trigger language plpgsql as $$
      begin
        if old.status <> 'PROPOSED' or new.status = 'PROPOSED' then
          raise exception 'an import that is closed is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger price_import_moves_forward before update on price_import for each row execute function price_import_moves_forward()',
    );
    this.addSql(`create function price_import_row_of_open_import() returns trigger language plpgsql as $$
      begin
        if not exists (select from price_import i where i.tenant_id = new.tenant_id and i.id = new.import_id and i.status = 'PROPOSED') then
          raise exception 'decisions of a closed import are never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger price_import_row_of_open_import before update on price_import_row for each row execute function price_import_row_of_open_import()',
    );

    for (const sql of [
      ...tenantTable('price_import', 'select, insert, update (status, draft_version_id, effective_at)'),
      ...tenantTable('price_import_row', 'select, insert, update (decision, decided_by, decided_at)'),
    ]) {
      this.addSql(sql);
    }
  }
}
