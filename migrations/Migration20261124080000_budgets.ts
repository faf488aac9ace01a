import { Migration } from '@mikro-orm/migrations';
import { lineageMay, relayMay, tenantTable } from './tenant-table.js';

/** Budgets, the windows in which limits count, what waits to be counted there, and holds. */
export class Migration20261124080000_budgets extends Migration {
  override up(): void {
    this.#budgets();
    this.#windows();
    this.#holds();
  }

  #budgets(): void {
    this.addSql(`create table budget (
      tenant_id text not null,
      id text not null,
      name text not null,
      currency text not null,
      amount numeric not null check (amount >= 0),
      mode text not null check (mode in ('HARD', 'SOFT')),
      per text check (per in ('MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH')),
      -- Of the owner when it was made: its windows begin by this calendar.
      time_zone text not null,
      counted_tenant_id text,
      key_id text,
      meter_id text,
      model text,
      created_at timestamptz not null,
      ended_at timestamptz,
      primary key (tenant_id, id)
    )`);
    this.addSql('create index budget_live on budget (tenant_id) where ended_at is null');
    this.addSql(`create table budget_raise (
      tenant_id text not null,
      id text not null,
      budget_id text not null,
      amount numeric not null check (amount > 0),
      from_at timestamptz not null,
      until_at timestamptz not null check (until_at > from_at),
      reason text not null,
      created_at timestamptz not null,
      primary key (tenant_id, id),
      foreign key (tenant_id, budget_id) references budget (tenant_id, id)
    )`);
    this.addSql('create index budget_raise_by_budget on budget_raise (tenant_id, budget_id, until_at)');
    this.addSql(
      'create trigger budget_raise_is_final before update or delete on budget_raise for each row execute function refuse_change()',
    );

    for (const sql of [
      ...tenantTable('budget', 'select, insert, update'),
      ...lineageMay('budget'),
      ...tenantTable('budget_raise', 'select, insert'),
      ...lineageMay('budget_raise'),
    ]) {
      this.addSql(sql);
    }
  }

  #windows(): void {
    // One row for each limit and stretch that it counts; whoever changes one holds its lock.
    this.addSql(`create table limit_window (
      tenant_id text not null,
      limit_id text not null,
      start timestamptz not null,
      used numeric not null,
      -- What open holds have taken, to the last digit.
      held numeric not null check (held >= 0),
      primary key (tenant_id, limit_id, start)
    ) with (fillfactor = 50)`);
    // What was used, or given back by a hold that ended, and is not in its window yet: neither waits for a window.
    this.addSql(`create table limit_entry (
      tenant_id text not null,
      limit_id text not null,
      start timestamptz not null,
      n bigint generated always as identity,
      used numeric not null,
      held numeric not null check (held <= 0),
      created_at timestamptz not null,
      primary key (tenant_id, limit_id, start, n)
    )`);

    for (const sql of [
      ...tenantTable('limit_window', 'select, insert, update'),
      ...lineageMay('limit_window'),
      ...tenantTable('limit_entry', 'select, insert, delete'),
      ...lineageMay('limit_entry'),
      ...relayMay('limit_entry', ['select (tenant_id, created_at)']),
    ]) {
      this.addSql(sql);
    }
  }

  #holds(): void {
    this.addSql(`create table hold (
      tenant_id text not null,
      id text not null,
      key_id text not null,
      idempotency_key text not null,
      request_hash text not null,
      currency text not null,
      amount numeric not null check (amount >= 0),
      -- What it takes of each limit: [{tenantId, limitId, windowStart, amount}].
      parts jsonb not null,
      state text not null check (state in ('HELD', 'SETTLED', 'VOIDED', 'EXPIRED')),
      expires_at timestamptz not null,
      created_at timestamptz not null,
      ended_at timestamptz check ((ended_at is null) = (state = 'HELD')),
      -- What the events that settled it came to: it only grows; above \`amount\` by the overrun.
      actual numeric,
      overrun numeric not null default 0 check (overrun >= 0),
      -- The settling usage had no price: what was held counts as used.
      is_unpriced boolean not null default false,
      primary key (tenant_id, id),
      constraint hold_once unique (tenant_id, idempotency_key)
    )`);
    this.addSql("create index hold_expiring on hold (expires_at) where state = 'HELD'");
    this.addSql(`create function hold_ends_once() returns trigger language plpgsql as $$
      begin
        if (old.tenant_id, old.id, old.key_id, old.idempotency_key, old.request_hash, old.currency, old.amount, old.parts,
            old.expires_at, old.created_at)
           is distinct from (new.tenant_id, new.id, new.key_id, new.idempotency_key, new.request_hash, new.currency,
            new.amount, new.parts, new.expires_at, new.created_at)
           or (old.state <> 'HELD' and new.state is distinct from old.state)
           or (old.actual is not null and (new.actual is null or new.actual < old.actual)) then
          raise exception 'a hold ends once, what it came to only grows, and it is otherwise never changed' using errcode = 'integrity_constraint_violation';
        end if;
        return new;
      end $$`);
    this.addSql('create trigger hold_ends_once before update on hold for each row execute function hold_ends_once()');

    for (const sql of [
      ...tenantTable('hold', 'select, insert, update'),
      ...lineageMay('hold'),
      ...relayMay('hold', ['select (tenant_id, id, state, expires_at)']),
    ]) {
      this.addSql(sql);
    }
  }
}
