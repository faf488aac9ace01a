import { Migration } from '@mikro-orm/migrations';

/** Prices as flat terms, each in a currency, perhaps in a window of time, with its source. */
export class Migration20261123150000_pricing extends Migration {
  override up(): void {
    this.addSql('alter table price disable trigger price_only_in_draft');
    this.addSql(`alter table price rename column model to terms`);
    this.addSql(`alter table price add column currency text, add column "window" jsonb, add column source text`);
    this.addSql(`update price p set currency = b.currency from price_book_version v, price_book b
      where v.tenant_id = p.tenant_id and v.id = p.version_id and b.tenant_id = v.tenant_id and b.id = v.price_book_id`);
    this.addSql('alter table price alter column currency set not null');
    this.addSql(`create function pg_temp.flat_tier(tier jsonb) returns jsonb language sql as $$
      select jsonb_build_object('upTo', tier->'upTo', 'unitAmount', tier#>'{rate,amount}', 'per', tier#>'{rate,per}',
        'flatAmount', tier->'flat') $$`);
    this.addSql(`update price set terms = case terms->>'kind'
      when 'FLAT' then jsonb_build_object('model', 'FLAT', 'flatAmount', terms->'amount')
      when 'PER_UNIT' then jsonb_build_object('model', 'UNIT', 'unitAmount', terms#>'{rate,amount}', 'per', terms#>'{rate,per}')
      when 'PACKAGE' then jsonb_build_object('model', 'PACKAGE', 'packageAmount', terms->'amount',
        'packageSize', terms->'size', 'freeUnits', coalesce(terms->'free', '"0"'))
      else jsonb_build_object('model', terms->'kind', 'tiers',
        (select jsonb_agg(pg_temp.flat_tier(tier) order by n) from jsonb_array_elements(terms->'tiers') with ordinality as t (tier, n)))
      end where terms ? 'kind'`);
    this.addSql('alter table price enable trigger price_only_in_draft');
    this.addSql('alter table unpriced_usage drop constraint unpriced_usage_reason_check');
    this.addSql(`alter table unpriced_usage add constraint unpriced_usage_reason_check
      check (reason in ('NO_CONTRACT', 'NO_PRICE', 'NO_COST'))`);
  }
}
