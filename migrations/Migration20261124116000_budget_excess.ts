import { Migration } from '@mikro-orm/migrations';
import { lineageMay, relayMay, tenantTable } from './tenant-table.js';

/** Windows of budgets in which more was used than there is, and whether the owner was told. */
export class Migration20261124116000_budget_excess extends Migration {
  override up(): void {
    this.addSql(`create table budget_excess (
      tenant_id text not null,
      budget_id text not null,
      window_start timestamptz not null,
      -- What the window had come to when it was seen last; once the owner is told, when that was.
      used numeric not null,
      told_at timestamptz,
      primary key (tenant_id, budget_id, window_start),
      foreign key (tenant_id, budget_id) references budget (tenant_id, id)
    )`);
    this.addSql('create index budget_excess_untold on budget_excess (tenant_id) where told_at is null');
    // In the transaction that counts usage into a window, whoever's it is: none is missed, whatever becomes of jobs. Raises are
    // left to whoever tells, who knows the time.
    this.addSql(`create function budget_is_exceeded() returns trigger language plpgsql as $$
      begin
        insert into budget_excess (tenant_id, budget_id, window_start, used)
        select new.tenant_id, new.limit_id, new.start, new.used from budget b
        where b.tenant_id = new.tenant_id and b.id = new.limit_id and b.ended_at is null and new.used > b.amount
          and not exists (select from budget_excess e where e.tenant_id = new.tenant_id and e.budget_id = new.limit_id
            and e.window_start = new.start and e.told_at is not null)
        on conflict (tenant_id, budget_id, window_start) do update set used = excluded.used
          where budget_excess.told_at is null;
        return null;
      end $$`);
    this.addSql(`create trigger budget_is_exceeded after update of used on limit_window for each row
      when (new.used > old.used and starts_with(new.limit_id, 'bud_')) execute function budget_is_exceeded()`);
    this.addSql(`create trigger budget_is_exceeded_at_once after insert on limit_window for each row
      when (new.used > 0 and starts_with(new.limit_id, 'bud_')) execute function budget_is_exceeded()`);

    for (const sql of [
      ...tenantTable('budget_excess', 'select, insert, update (used, told_at), delete'),
      ...lineageMay('budget_excess'),
      ...relayMay('budget_excess', ['select (tenant_id, used, told_at)']),
    ]) {
      this.addSql(sql);
    }
  }
}
