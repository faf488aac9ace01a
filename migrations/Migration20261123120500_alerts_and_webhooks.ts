import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Spend alerts and their firings; webhook endpoints, deliveries and attempts. */
export class Migration20261123120500_alerts_and_webhooks extends Migration {
  override up(): void {
    this.addSql(`create table webhook_endpoint (
      tenant_id text not null,
      id text not null,
      url text not null,
      event_types text[] not null,
      sealed_secret bytea not null,
      created_at timestamptz not null,
      disabled_at timestamptz,
      disabled_reason text,
      primary key (tenant_id, id)
    )`);
    this.addSql(`create table webhook_delivery (
      tenant_id text not null,
      id text not null,
      endpoint_id text not null,
      message_id text not null,
      event_type text not null,
      body text not null,
      status text not null check (status in ('PENDING', 'DELIVERED', 'FAILED')),
      attempts integer not null,
      next_attempt_at timestamptz,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint webhook_delivery_once_per_endpoint unique (tenant_id, endpoint_id, message_id),
      constraint webhook_delivery_pending_is_due check ((status = 'PENDING') = (next_attempt_at is not null))
    )`);
    this.addSql("create index webhook_delivery_due on webhook_delivery (next_attempt_at) where status = 'PENDING'");
    this.addSql(`create table webhook_attempt (
      tenant_id text not null,
      delivery_id text not null,
      number integer not null,
      at timestamptz not null,
      status integer,
      error text,
      latency_ms integer not null,
      response text not null,
      primary key (tenant_id, delivery_id, number)
    )`);

    this.addSql(`create table spend_alert (
      tenant_id text not null,
      id text not null,
      name text not null,
      budget numeric,
      thresholds jsonb not null,
      created_at timestamptz not null,
      archived_at timestamptz,
      primary key (tenant_id, id)
    )`);
    this.addSql(`create table alert_firing (
      tenant_id text not null,
      id text not null,
      seq bigint not null,
      alert_id text not null,
      period_start timestamptz not null,
      period_end timestamptz not null,
      threshold text not null,
      threshold_amount numeric not null,
      spend numeric not null,
      currency text not null,
      fired_at timestamptz not null,
      primary key (tenant_id, id),
      constraint alert_firing_in_order unique (tenant_id, seq),
      constraint alert_firing_once unique (tenant_id, alert_id, period_start, threshold)
    )`);

    for (const sql of [
      ...tenantTable('webhook_endpoint', 'select, insert, update (disabled_at, disabled_reason)'),
      ...tenantTable('webhook_delivery', 'select, insert, update (status, attempts, next_attempt_at)'),
      ...relayMay('webhook_delivery', ['select (tenant_id, id, status, attempts, next_attempt_at)']),
      ...tenantTable('webhook_attempt', 'select, insert'),
      ...tenantTable('spend_alert', 'select, insert, update (archived_at)'),
      ...tenantTable('alert_firing', 'select, insert'),
    ]) {
      this.addSql(sql);
    }
  }
}
