import { Migration } from '@mikro-orm/migrations';
import { relayMay, tenantTable } from './tenant-table.js';

/** Prepaid credits: grants, the ledger of what became of them, and who wants to be told when they run low. */
export class Migration20261124100000_credits extends Migration {
  override up(): void {
    this.#grants();
    this.#ledger();
    this.#balances();

    // Whoever moves credits of a tenant holds this row until the commit.
    this.addSql('create table credit_lock (tenant_id text primary key)');
    this.addSql(`create table credit_recharge (
      tenant_id text not null,
      unit text not null,
      -- Both null when nobody wants to be told any more.
      below numeric check (below > 0),
      amount numeric check (amount > 0),
      -- Told, and not back above since.
      is_low boolean not null,
      set_at timestamptz not null,
      primary key (tenant_id, unit),
      constraint credit_recharge_is_whole check ((below is null) = (amount is null))
    )`);

    for (const sql of [
      ...tenantTable('credit_lock', 'select, insert, update'),
      ...tenantTable('credit_recharge', 'select, insert, update (below, amount, is_low, set_at)'),
    ]) {
      this.addSql(sql);
    }
  }

  #grants(): void {
    this.addSql(`create table credit_grant (
      tenant_id text not null,
      id text not null,
      kind text not null check (kind in ('PAID', 'PROMOTIONAL')),
      unit text not null,
      -- What one unit pays for, where the unit is no currency.
      worth numeric check (worth >= 0),
      worth_currency text,
      amount numeric not null check (amount > 0),
      -- What was paid for all of it.
      cost numeric not null check (cost >= 0),
      cost_currency text not null,
      priority integer not null,
      meter_ids text[] not null,
      models text[] not null,
      effective_at timestamptz not null,
      expires_at timestamptz check (expires_at > effective_at),
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint credit_grant_unit unique (tenant_id, id, unit),
      constraint credit_grant_worth_is_whole check ((worth is null) = (worth_currency is null)),
      constraint credit_grant_paid_is_worth check (worth > 0 or kind = 'PROMOTIONAL')
    )`);
    this.addSql(
      'create trigger credit_grant_is_final before update or delete on credit_grant for each row execute function refuse_change()',
    );

    for (const sql of tenantTable('credit_grant', 'select, insert')) {
      this.addSql(sql);
    }
  }

  #ledger(): void {
    this.addSql(`create table credit_transaction (
      tenant_id text not null,
      id text not null,
      kind text not null check (kind in
        ('GRANT', 'BURN', 'REVERSAL', 'REFUND', 'VOID', 'EXPIRE', 'TRANSFER_OUT', 'TRANSFER_IN')),
      at timestamptz not null,
      -- What caused it: the same cause again is the same transaction.
      reference text not null,
      reason text,
      -- Of a burn and a reversal: what was to be paid or given back.
      currency text,
      asked numeric,
      -- Of a reversal: the burn.
      of_id text,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      constraint credit_transaction_once unique (tenant_id, kind, reference),
      constraint credit_transaction_asks check ((kind in ('BURN', 'REVERSAL')) = (asked is not null)
        and (asked is null) = (currency is null)),
      constraint credit_transaction_undoes check ((kind = 'REVERSAL') = (of_id is not null)),
      foreign key (tenant_id, of_id) references credit_transaction (tenant_id, id)
    )`);
    this.addSql(
      'create index credit_transaction_undone on credit_transaction (tenant_id, of_id) where of_id is not null',
    );
    this.addSql(`create table credit_entry (
      tenant_id text not null,
      transaction_id text not null,
      n integer not null,
      account text not null,
      unit text not null,
      amount numeric not null,
      -- Of a burn: what it pays of what was used; of a reversal: what it no longer pays, below 0.
      pays numeric,
      grant_id text generated always as (case when account like 'grant:%' then substr(account, 7) end) stored,
      primary key (tenant_id, transaction_id, n),
      constraint credit_entry_account check
        (account in ('issued', 'used', 'expired', 'transferred') or account like 'grant:%'),
      foreign key (tenant_id, transaction_id) references credit_transaction (tenant_id, id),
      foreign key (tenant_id, grant_id, unit) references credit_grant (tenant_id, id, unit)
    )`);

    for (const table of ['credit_transaction', 'credit_entry']) {
      this.addSql(
        `create trigger ${table}_is_final before update or delete on ${table} for each row execute function refuse_change()`,
      );

      for (const sql of tenantTable(table, 'select, insert')) {
        this.addSql(sql);
      }
    }
  }

  #balances(): void {
    this.addSql(`create table credit_balance (
      tenant_id text not null,
      grant_id text not null,
      balance numeric not null constraint credit_balance_is_not_negative check (balance >= 0),
      -- That of the grant, for the sweep.
      expires_at timestamptz,
      primary key (tenant_id, grant_id),
      foreign key (tenant_id, grant_id) references credit_grant (tenant_id, id)
    ) with (fillfactor = 70)`);
    this.addSql('create index credit_balance_left on credit_balance (tenant_id) where balance > 0');
    this.addSql('create index credit_balance_expiring on credit_balance (expires_at) where balance > 0');

    // A balance is made and moved by the entries alone.
    this.addSql(`create function credit_balance_begins() returns trigger language plpgsql as $$
      begin
        insert into credit_balance (tenant_id, grant_id, balance, expires_at)
        values (new.tenant_id, new.id, 0, new.expires_at);
        return null;
      end $$`);
    this.addSql(
      'create trigger credit_balance_begins after insert on credit_grant for each row execute function credit_balance_begins()',
    );
    this.addSql(`create function credit_entries_count() returns trigger language plpgsql as $$
      declare moved bigint; wanted bigint;
      begin
        -- All entries of a transaction come in one statement, so what is written sums to zero at any time.
        if exists (select from fresh group by tenant_id, transaction_id, unit having sum(amount) <> 0) then
          raise exception 'the entries of a credit transaction sum to zero in each unit'
            using errcode = 'integrity_constraint_violation';
        end if;
        with change as (
          select tenant_id, grant_id, sum(amount) as amount from fresh where grant_id is not null group by 1, 2
        ), done as (
          update credit_balance b set balance = b.balance + change.amount from change
          where b.tenant_id = change.tenant_id and b.grant_id = change.grant_id returning 1
        )
        select (select count(*) from done), (select count(*) from change) into moved, wanted;
        if moved <> wanted then
          raise exception 'an entry names a grant that is not there' using errcode = 'integrity_constraint_violation';
        end if;
        return null;
      end $$`);
    this.addSql(`create trigger credit_entries_count after insert on credit_entry
      referencing new table as fresh for each statement execute function credit_entries_count()`);
    this.addSql(`create function credit_balance_follows() returns trigger language plpgsql as $$
      begin
        if pg_trigger_depth() < 2 then
          raise exception 'a credit balance is moved by entries only' using errcode = 'integrity_constraint_violation';
        end if;
        return null;
      end $$`);
    this.addSql(
      'create trigger credit_balance_follows after insert or update or delete on credit_balance for each row execute function credit_balance_follows()',
    );

    for (const sql of [
      ...tenantTable('credit_balance', 'select, insert, update (balance)'),
      ...relayMay('credit_balance', ['select (tenant_id, balance, expires_at)']),
    ]) {
      this.addSql(sql);
    }
  }
}
