import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Usage events, the buckets they are folded into, and which months were touched. */
export class Migration20261123120300_usage extends Migration {
  override up(): void {
    this.addSql(`create table usage_event (
      tenant_id text not null,
      id text not null,
      source text not null,
      type text not null,
      time timestamptz not null,
      subject text,
      properties jsonb not null,
      content_hash bytea not null,
      accepted_at timestamptz not null,
      key_id text not null,
      primary key (tenant_id, id, source)
    )`);
    // Events arrive nearly in time order, so a block-range index finds a window at a fraction of a B-tree's cost.
    this.addSql('create index usage_event_by_time on usage_event using brin (time) with (pages_per_range = 32)');
    this.addSql(
      'create trigger usage_event_is_final before update or delete on usage_event for each row execute function refuse_change()',
    );

    this.addSql(`create table usage_bucket (
      tenant_id text not null,
      meter_id text not null,
      slot timestamptz not null,
      dimensions text not null,
      quantity numeric not null,
      event_count bigint not null,
      latest_time timestamptz,
      latest_id text,
      primary key (tenant_id, meter_id, slot, dimensions),
      constraint usage_bucket_on_quarter_hour check (extract(epoch from slot)::bigint % 900 = 0)
    ) with (fillfactor = 70)`);
    this.addSql(`create table usage_unique (
      tenant_id text not null,
      meter_id text not null,
      slot timestamptz not null,
      dimensions text not null,
      value text not null,
      primary key (tenant_id, meter_id, slot, dimensions, value)
    )`);
    this.addSql(`create table usage_touch (
      tenant_id text not null,
      month date not null,
      n bigint not null,
      touched_at timestamptz not null,
      primary key (tenant_id, month)
    ) with (fillfactor = 50)`);

    for (const sql of [
      ...tenantTable('usage_event', 'select, insert'),
      ...tenantTable('usage_bucket', 'select, insert, update'),
      ...tenantTable('usage_unique', 'select, insert'),
      ...tenantTable('usage_touch', 'select, insert, update'),
      ...relayMay('usage_touch', ['select']),
    ]) {
      this.addSql(sql);
    }
  }
}
