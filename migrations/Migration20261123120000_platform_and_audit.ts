import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** The outbox, idempotency keys, and the audit chain. */
export class Migration20261123120000_platform_and_audit extends Migration {
  override up(): void {
    this.addSql('create extension if not exists btree_gist');
    this.addSql('grant usage on schema public to ratebook_app, ratebook_relay');
    this.addSql('revoke create on schema public from public');

    this.addSql(`create table outbox (
      tenant_id text not null,
      id bigint not null generated always as identity,
      topic text not null,
      payload jsonb not null,
      created_at timestamptz not null,
      due_at timestamptz not null default now(),
      handed_over integer not null default 0,
      primary key (tenant_id, id)
    ) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)`);
    this.addSql('create index outbox_by_due on outbox (due_at, id)');

    this.addSql(`create table idempotency (
      tenant_id text not null,
      operation text not null,
      key text not null,
      input_hash text not null,
      result_id text,
      created_at timestamptz not null,
      primary key (tenant_id, operation, key)
    )`);

    this.addSql(`create table audit_head (
      tenant_id text not null primary key,
      seq bigint not null,
      hash text not null
    )`);
    this.addSql(`create table audit_line (
      tenant_id text not null,
      seq bigint not null,
      at timestamptz not null,
      actor_kind text not null,
      actor_id text not null,
      action text not null,
      subject_id text not null,
      before jsonb,
      after jsonb,
      request_id text not null,
      previous_hash text not null,
      hash text not null,
      primary key (tenant_id, seq)
    )`);
    this.addSql(`create function refuse_change() returns trigger language plpgsql as $$
      begin
        raise exception '% rows are never changed or deleted', tg_table_name using errcode = 'integrity_constraint_violation';
      end $$`);
    this.addSql(
      'create trigger audit_line_is_final before update or delete on audit_line for each row execute function refuse_change()',
    );

    for (const sql of [
      ...tenantTable('outbox', 'select, insert, delete'),
      ...relayMay('outbox', ['select', 'update (due_at, handed_over)', 'delete']),
      ...tenantTable('idempotency', 'select, insert, update'),
      ...tenantTable('audit_head', 'select, insert, update'),
      ...tenantTable('audit_line', 'select, insert'),
    ]) {
      this.addSql(sql);
    }
  }
}
