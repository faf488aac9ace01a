import { Migration } from '@mikro-orm/migrations';

/** An entitlement may hand its feature back: its target has again what a wider one is given. */
export class Migration20261124113000_entitlement_inherits extends Migration {
  override up(): void {
    this.addSql('alter table entitlement add column inherits boolean not null default false');
    this.addSql(`alter table entitlement add constraint entitlement_that_inherits_says_nothing_itself
      check (not inherits or (value is null and target_kind <> 'PLAN'))`);
  }
}
