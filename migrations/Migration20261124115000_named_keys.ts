import { Migration } from '@mikro-orm/migrations';

/** A budget may name a key of a tenant below its own. */
export class Migration20261124115000_named_keys extends Migration {
  override up(): void {
    this.addSql('create index api_key_by_id on api_key (id)');
    // A transaction that names one key sees it where it sees the tenant of the key: its own, and those below.
    this.addSql(`create policy named on api_key for select to ratebook_app
      using (id = nullif(current_setting('app.key_id', true), '')
        and exists (select from tenant where tenant.id = api_key.tenant_id))`);
  }
}
