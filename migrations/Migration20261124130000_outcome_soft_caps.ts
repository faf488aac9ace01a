import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** What was told of SOFT caps of outcome rules; and events that outcomes are judged by, found by type in the order of time. */
export class Migration20261124130000_outcome_soft_caps extends Migration {
  override up(): void {
    this.addSql(`create table outcome_cap_exceeded (
      tenant_id text not null,
      rule_id text not null,
      contract_id text not null,
      period_start timestamptz not null,
      period_end timestamptz not null,
      version_id text not null,
      -- The cap that was exceeded first, as the terms of the version have it.
      cap jsonb not null,
      told_at timestamptz not null,
      constraint outcome_cap_exceeded_once primary key (tenant_id, rule_id, period_start)
    )`);
    this.addSql(
      'create trigger outcome_cap_exceeded_is_final before update or delete on outcome_cap_exceeded for each row execute function refuse_change()',
    );
    tenantTable('outcome_cap_exceeded', 'select, insert').forEach(sql => this.addSql(sql));
    // Those of one tenant, however many others have in between; block ranges hold everybody's.
    this.addSql('create index outcome_event_by_type on outcome_event (tenant_id, type, time)');
  }
}
