import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** Budgets are trued up with the bill: at what usage was counted when it came in, beside what it turns out to cost. */
export class Migration20261124140000_counted_spend extends Migration {
  override up(): void {
    // At what the events of the bucket were counted against limits of money; 0 where nobody counted.
    this.addSql('alter table usage_bucket add column counted numeric not null default 0');
    this.addSql(`create table counted_spend (
      tenant_id text not null,
      contract_id text not null,
      period_start timestamptz not null,
      -- Empty for what is taken off several meters together.
      meter_id text not null,
      -- Empty for every model that no price of the meter names.
      model text not null,
      -- What was due when the period was rated last …
      due numeric not null,
      -- … and at what the same usage was counted.
      counted numeric not null,
      primary key (tenant_id, contract_id, period_start, meter_id, model)
    )`);

    for (const sql of tenantTable('counted_spend', 'select, insert, update')) {
      this.addSql(sql);
    }

    // What was billed before is not made up for: budgets began to count without it.
    this.addSql(`insert into counted_spend (tenant_id, contract_id, period_start, meter_id, model, due, counted)
      select tenant_id, contract_id, period_start, coalesce(meter_id, ''), coalesce(explanation->'dimensions'->>'model', ''),
        sum(amount), 0
      from charge where price_version_id not like 'orv\\_%' group by 1, 2, 3, 4, 5`);
  }

  override down(): void {
    this.addSql('drop table counted_spend');
    this.addSql('alter table usage_bucket drop column counted');
  }
}
