import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** Meters of token usage, factors, conversions and levels; values of single events; context bands from an instant on. */
export class Migration20261123160000_metering extends Migration {
  override up(): void {
    this.addSql(`alter table meter
      add column source text not null default 'PROPERTY' check (source in ('PROPERTY', 'TOKEN_USAGE')),
      add column factor_properties jsonb not null default '[]',
      add column conversion jsonb,
      add column keeps_events boolean not null default false,
      drop constraint meter_aggregation_check,
      add constraint meter_aggregation_check
        check (aggregation in ('SUM', 'COUNT', 'MAX', 'LATEST', 'UNIQUE_COUNT', 'TIME_WEIGHTED')),
      add constraint meter_token_usage_is_added check (source = 'PROPERTY' or aggregation = 'SUM'),
      add constraint meter_kept_events_are_added check (not keeps_events or aggregation in ('SUM', 'TIME_WEIGHTED'))`);
    // A constant default is kept in the catalogue: no row of a large table is written.
    this.addSql('alter table usage_bucket add column moment numeric not null default 0');

    // Without the dimensions, which with an id and a source are longer than a row of an index may be; `part` tells the
    // values of one event and meter apart. In the order in which events are priced one by one, whatever the language of
    // the database.
    this.addSql(`create table usage_value (
      tenant_id text not null,
      time timestamptz not null,
      id text collate "C" not null,
      source text collate "C" not null,
      meter_id text not null,
      part smallint not null,
      slot timestamptz not null,
      dimensions text not null,
      value numeric not null,
      primary key (tenant_id, time, id, source, meter_id, part),
      constraint usage_value_on_quarter_hour check (extract(epoch from slot)::bigint % 900 = 0)
    )`);
    this.addSql(
      'create trigger usage_value_is_final before update or delete on usage_value for each row execute function refuse_change()',
    );

    this.addSql(`create table model_context (
      tenant_id text not null,
      model_id text not null,
      effective_at timestamptz not null,
      bands jsonb not null,
      created_at timestamptz not null,
      primary key (tenant_id, model_id, effective_at),
      foreign key (tenant_id, model_id) references model (tenant_id, id)
    )`);

    for (const sql of [
      ...tenantTable('usage_value', 'select, insert'),
      ...tenantTable('model_context', 'select, insert'),
    ]) {
      this.addSql(sql);
    }
  }
}
