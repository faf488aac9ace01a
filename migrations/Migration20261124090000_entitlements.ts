import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** Features, and who has what of them from when. */
export class Migration20261124090000_entitlements extends Migration {
  override up(): void {
    this.addSql(`create table feature (
      tenant_id text not null,
      id text not null,
      key text not null check (key ~ '^[a-z][a-z0-9._-]{0,62}$'),
      name text not null,
      kind text not null check (kind in ('BOOLEAN', 'CONFIG', 'MODELS', 'LIMIT', 'RATE', 'CONCURRENCY')),
      meter_id text,
      fail_mode text not null check (fail_mode in ('CLOSED', 'OPEN', 'LAST_KNOWN')),
      fail_cap numeric check (fail_cap >= 0),
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint feature_key unique (tenant_id, key),
      constraint feature_that_limits_has_a_meter check ((kind = 'LIMIT') = (meter_id is not null)),
      constraint feature_that_goes_on_blindly_has_a_cap check ((fail_mode = 'LAST_KNOWN') = (fail_cap is not null))
    )`);
    this.addSql(
      'create trigger feature_is_final before update or delete on feature for each row execute function refuse_change()',
    );

    this.addSql(`create table entitlement (
      tenant_id text not null,
      id text not null,
      feature_id text not null,
      target_kind text not null check (target_kind in ('PLAN', 'CONTRACT', 'TENANT')),
      target_id text not null,
      -- By the kind of the feature; null takes it away.
      value jsonb,
      effective_at timestamptz not null check (extract(microseconds from effective_at)::bigint % 1000 = 0),
      created_at timestamptz not null,
      price_book_id text generated always as (case when target_kind = 'PLAN' then target_id end) stored,
      primary key (tenant_id, id),
      constraint entitlement_once unique (tenant_id, target_kind, target_id, feature_id, effective_at),
      constraint entitlement_is_never_backdated check (effective_at >= created_at),
      foreign key (tenant_id, feature_id) references feature (tenant_id, id),
      foreign key (tenant_id, price_book_id) references price_book (tenant_id, id)
    )`);
    this.addSql('create index entitlement_by_feature on entitlement (tenant_id, feature_id, id)');
    this.addSql(
      'create trigger entitlement_is_final before update or delete on entitlement for each row execute function refuse_change()',
    );

    for (const sql of [...tenantTable('feature', 'select, insert'), ...tenantTable('entitlement', 'select, insert')]) {
      this.addSql(sql);
    }
  }
}
