import { Migration } from '@mikro-orm/migrations';
import { tenantTable } from './tenant-table.js';

/** Tenants whose calls go ahead only as far as their credits reach. */
export class Migration20261124120000_prepaid extends Migration {
  override up(): void {
    this.addSql(`create table credit_prepaid (
      tenant_id text primary key,
      is_prepaid boolean not null,
      set_at timestamptz not null
    )`);

    for (const sql of tenantTable('credit_prepaid', 'select, insert, update (is_prepaid, set_at)')) {
      this.addSql(sql);
    }
  }
}
