import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Simulations of outcome rules: what outcomes would have come to under a version, by tenant and outcome by outcome. */
export class Migration20261123220000_outcome_simulation extends Migration {
  override up(): void {
    // Of the seller whose rule it is.
    this.addSql(`create table outcome_simulation (
      tenant_id text not null,
      id text not null,
      price_book_id text not null,
      rule_id text not null,
      version_id text not null,
      from_at timestamptz not null,
      until_at timestamptz not null,
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
      foreign key (tenant_id, version_id) references outcome_rule_version (tenant_id, id),
      constraint outcome_simulation_runs_forward check (from_at < until_at),
      constraint outcome_simulation_counts_its_tenants check (tenants_total = cardinality(subject_ids) and tenants_done between 0 and tenants_total),
      constraint outcome_simulation_ends_once check ((status in ('DONE', 'CANCELLED', 'FAILED')) = (finished_at is not null)),
      constraint outcome_simulation_is_leased_while_it_runs check (lease is null or status = 'RUNNING')
    ) with (fillfactor = 50)`);
    this.addSql(
      "create index outcome_simulation_due on outcome_simulation (created_at) where status in ('QUEUED', 'RUNNING')",
    );
    this.addSql(
      'create trigger outcome_simulation_is_final_when_finished before update on outcome_simulation for each row execute function simulation_is_final_when_finished()',
    );
    this.addSql(`create table outcome_simulation_tenant (
      tenant_id text not null,
      simulation_id text not null,
      subject_id text not null,
      currency text not null,
      name text not null,
      periods jsonb not null,
      events bigint not null,
      old_outcomes integer not null,
      new_outcomes integer not null,
      old_amount numeric not null,
      new_amount numeric not null,
      difference numeric not null check (difference = new_amount - old_amount),
      old_unpriced integer not null,
      new_unpriced integer not null,
      primary key (tenant_id, simulation_id, subject_id, currency),
      foreign key (tenant_id, simulation_id) references outcome_simulation (tenant_id, id)
    )`);
    this.addSql(`create table outcome_simulation_item (
      tenant_id text not null,
      simulation_id text not null,
      subject_id text not null,
      position integer not null,
      outcome_id text not null,
      rule_id text not null,
      event_id text not null,
      source text not null,
      subject text,
      occurred_at timestamptz not null,
      currency text not null,
      old_state text,
      old_reason text,
      old_amount numeric not null,
      new_state text,
      new_reason text,
      new_amount numeric not null,
      primary key (tenant_id, simulation_id, subject_id, position),
      foreign key (tenant_id, simulation_id) references outcome_simulation (tenant_id, id)
    )`);
    // Counts a rule's claims week by week, and its outcomes by when they occurred.
    this.addSql('create index outcome_by_rule on outcome (tenant_id, rule_id, occurred_at)');

    for (const sql of [
      ...tenantTable(
        'outcome_simulation',
        'select, insert, update (status, tenants_done, events_total, events_done, totals, failures, error, lease, leased_until, started_at, finished_at)',
      ),
      ...relayMay('outcome_simulation', ['select (tenant_id, id, status, created_at, leased_until)']),
      ...tenantTable('outcome_simulation_tenant', 'select, insert, delete'),
      ...tenantTable('outcome_simulation_item', 'select, insert, delete'),
    ]) {
      this.addSql(sql);
    }
  }
}
