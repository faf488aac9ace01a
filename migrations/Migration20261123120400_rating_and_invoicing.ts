import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Charges, usage without a price, invoices and their numbers. */
export class Migration20261123120400_rating_and_invoicing extends Migration {
  override up(): void {
    this.addSql(`create table rating_lock (
      tenant_id text not null primary key
    )`);
    this.addSql(`create table rating_mark (
      tenant_id text not null,
      month date not null,
      n bigint not null,
      rated_at timestamptz not null,
      primary key (tenant_id, month)
    ) with (fillfactor = 50)`);
    this.addSql(`create table charge (
      tenant_id text not null,
      id text not null,
      contract_id text not null,
      period_start timestamptz not null,
      period_end timestamptz not null,
      price_id text not null,
      generation integer not null,
      price_version_id text not null,
      price_name text not null,
      meter_id text not null,
      currency text not null,
      quantity numeric not null,
      amount numeric not null,
      explanation jsonb not null,
      invoice_id text,
      rated_at timestamptz not null,
      primary key (tenant_id, id),
      constraint charge_once_per_item unique (tenant_id, contract_id, period_start, price_id, generation)
    ) with (fillfactor = 70)`);
    this.addSql('create index charge_by_invoice on charge (tenant_id, invoice_id)');
    this.addSql(`create function charge_is_final_when_invoiced() returns trigger language plpgsql as $$
      begin
        if old.invoice_id is not null then
          raise exception 'an invoiced charge is never changed or deleted' using errcode = 'integrity_constraint_violation';
        end if;
        return coalesce(new, old);
      end $$`);
    this.addSql(
      'create trigger charge_is_final_when_invoiced before update or delete on charge for each row execute function charge_is_final_when_invoiced()',
    );
    this.addSql(`create table unpriced_usage (
      tenant_id text not null,
      period_start timestamptz not null,
      period_end timestamptz not null,
      meter_id text not null,
      dimensions text not null,
      contract_id text not null,
      reason text not null check (reason in ('NO_CONTRACT', 'NO_PRICE')),
      quantity numeric not null,
      seen_at timestamptz not null,
      primary key (tenant_id, period_start, contract_id, meter_id, dimensions)
    )`);

    this.addSql(`create table invoice (
      tenant_id text not null,
      id text not null,
      contract_id text not null,
      issuer_id text not null,
      currency text not null,
      period_start timestamptz not null,
      period_end timestamptz not null,
      due_at timestamptz not null,
      status text not null check (status in ('DRAFT', 'ISSUED')),
      number text,
      total numeric,
      issued_at timestamptz,
      document text,
      document_hash text,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint invoice_once_per_period unique (tenant_id, contract_id, period_start),
      constraint invoice_period_runs_forward check (period_start < period_end),
      constraint invoice_issued_is_whole check (
        (status = 'DRAFT') = (number is null) and (status = 'DRAFT') = (issued_at is null)
        and (status = 'DRAFT') = (document_hash is null) and (status = 'DRAFT') = (total is null)),
      constraint invoice_periods_do_not_overlap exclude using gist
        (tenant_id with =, contract_id with =, tstzrange(period_start, period_end) with &&)
    )`);
    this.addSql("create index invoice_due on invoice (due_at) where status = 'DRAFT'");
    this.addSql(`create table invoice_line (
      tenant_id text not null,
      id text not null,
      invoice_id text not null,
      position integer not null,
      charge_id text not null,
      description text not null,
      quantity numeric not null,
      exact_amount numeric not null,
      amount numeric not null,
      service_start timestamptz not null,
      service_end timestamptz not null,
      is_adjustment boolean not null,
      primary key (tenant_id, id),
      constraint invoice_line_position_is_unique unique (tenant_id, invoice_id, position),
      constraint invoice_line_charge_once unique (tenant_id, charge_id),
      foreign key (tenant_id, invoice_id) references invoice (tenant_id, id)
    )`);
    this.addSql(`create function invoice_is_final_when_issued() returns trigger language plpgsql as $$
      begin
        if old.status <> 'DRAFT' then
          raise exception 'an issued invoice is never changed or deleted' using errcode = 'integrity_constraint_violation';
        end if;
        return coalesce(new, old);
      end $$`);
    this.addSql(
      'create trigger invoice_is_final_when_issued before update or delete on invoice for each row execute function invoice_is_final_when_issued()',
    );
    this.addSql(`create function invoice_line_only_in_draft() returns trigger language plpgsql as $$
      begin
        if tg_op <> 'INSERT' or exists (select from invoice i where i.tenant_id = new.tenant_id and i.id = new.invoice_id and i.status <> 'DRAFT') then
          raise exception 'lines of an issued invoice are never changed or deleted' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql(
      'create trigger invoice_line_only_in_draft before insert or update or delete on invoice_line for each row execute function invoice_line_only_in_draft()',
    );
    this.addSql(`create table invoice_series (
      tenant_id text not null primary key,
      next_number bigint not null
    )`);
    this.addSql(`create table invoice_number (
      tenant_id text not null,
      number bigint not null,
      invoice_id text not null,
      primary key (tenant_id, number),
      constraint invoice_number_once unique (tenant_id, invoice_id)
    )`);
    this.addSql(
      'create trigger invoice_number_is_final before update or delete on invoice_number for each row execute function refuse_change()',
    );

    for (const sql of [
      ...tenantTable('rating_lock', 'select, insert, update'),
      ...tenantTable('rating_mark', 'select, insert, update'),
      ...relayMay('rating_mark', ['select']),
      ...tenantTable('charge', 'select, insert, update'),
      ...tenantTable('unpriced_usage', 'select, insert, update, delete'),
      ...tenantTable('invoice', 'select, insert, update'),
      ...relayMay('invoice', ['select (tenant_id, id, status, due_at)']),
      ...tenantTable('invoice_line', 'select, insert'),
      ...tenantTable('invoice_series', 'select, insert, update'),
      ...tenantTable('invoice_number', 'select, insert'),
    ]) {
      this.addSql(sql);
    }
  }
}
