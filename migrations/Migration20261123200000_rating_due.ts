import { Migration } from '@mikro-orm/migrations';

/** When a month is to be rated again although nothing of it is touched: at the end of a period that reaches into it. */
export class Migration20261123200000_rating_due extends Migration {
  override up(): void {
    this.addSql('alter table rating_mark add column due_at timestamptz');
    this.addSql('create index rating_mark_due on rating_mark (due_at) where due_at is not null');
  }
}
