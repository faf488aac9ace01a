import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Simulations: what tenants would have paid, by tenant and by price. */
export class Migration20261123190000_simulation extends Migration {
  override up(): void {
    this.addSql(`create table simulation (
      tenant_id text not null,
      id text not null,
      seller_id text not null,
      price_book_id text not null,
      version_id text not null,
      from_at timestamptz not null,
      until_at timestamptz not null,
      baseline text not null check (baseline in ('CHARGED', 'PUBLISHED')),
      model_contexts jsonb not null,
      names_tenants boolean not null,
      subject_ids text[] not null,
      status text not null check (status in ('QUEUED', 'RUNNING', 'DONE', 'CANCELLED', 'FAILED')),
      tenants_total integer not null,
      tenants_done integer not null default 0,
      events_total bigint,
      events_done bigint not null default 0,
      totals jsonb,
      failures integer not null default 0,
      error text,
      lease text,
      leased_until timestamptz,
      created_at timestamptz not null,
      started_at timestamptz,
      finished_at timestamptz,
      primary key (tenant_id, id),
      constraint simulation_runs_forward check (from_at < until_at),
      constraint simulation_counts_its_tenants check (tenants_total = cardinality(subject_ids) and tenants_done between 0 and tenants_total),
      constraint simulation_ends_once check ((status in ('DONE', 'CANCELLED', 'FAILED')) = (finished_at is not null)),
      constraint simulation_is_leased_while_it_runs check (lease is null or status = 'RUNNING')
    ) with (fillfactor = 50)`);
    this.addSql("create index simulation_due on simulation (created_at) where status in ('QUEUED', 'RUNNING')");
    this.addSql(`create function simulation_is_final_when_finished() returns trigger language plpgsql as $$
      begin
        if old.finished_at is not null then
          raise exception 'a simulation that has ended is never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger simulation_is_final_when_finished before update on simulation for each row execute function simulation_is_final_when_finished()',
    );

    this.addSql(`create table simulation_tenant (
      tenant_id text not null,
      simulation_id text not null,
      subject_id text not null,
      currency text not null,
      name text not null,
      periods jsonb not null,
      events bigint not null,
      old_amount numeric not null,
      new_amount numeric not null,
      difference numeric not null check (difference = new_amount - old_amount),
      old_exact_amount numeric not null,
      new_exact_amount numeric not null,
      old_unpriced integer not null,
      new_unpriced integer not null,
      primary key (tenant_id, simulation_id, subject_id, currency),
      foreign key (tenant_id, simulation_id) references simulation (tenant_id, id)
    )`);
    this.addSql(
      'create index simulation_tenant_by_difference on simulation_tenant (tenant_id, simulation_id, currency, difference, subject_id)',
    );
    this.addSql(`create table simulation_item (
      tenant_id text not null,
      simulation_id text not null,
      subject_id text not null,
      currency text not null,
      position integer not null,
      price_name text not null,
      meter_id text,
      pattern jsonb not null,
      "window" jsonb,
      old_quantity numeric not null,
      new_quantity numeric not null,
      old_exact_amount numeric not null,
      new_exact_amount numeric not null,
      old_amount numeric not null,
      new_amount numeric not null,
      difference numeric not null check (difference = new_amount - old_amount),
      primary key (tenant_id, simulation_id, subject_id, currency, position),
      foreign key (tenant_id, simulation_id, subject_id, currency)
        references simulation_tenant (tenant_id, simulation_id, subject_id, currency)
    )`);

    for (const sql of [
      ...tenantTable(
        'simulation',
        'select, insert, update (status, tenants_done, events_total, events_done, totals, failures, error, lease, leased_until, started_at, finished_at)',
      ),
      ...relayMay('simulation', ['select (tenant_id, id, status, created_at, leased_until)']),
      ...tenantTable('simulation_tenant', 'select, insert, delete'),
      ...tenantTable('simulation_item', 'select, insert, delete'),
    ]) {
      this.addSql(sql);
    }
  }
}
