import { decimal, type Decimal, formatDecimal } from '../money/index.js';
import { preparedQuery, query, type Scope } from '../platform/index.js';
import type { HeldPart, Standing } from './reserve.rules.js';
import { windowName } from './reserve.rules.js';
import type { Limit, LimitMode, LimitPer } from './limit.rules.js';
import { windowAt } from './window.rules.js';

interface BudgetRow {
  readonly ownerId: string;
  readonly id: string;
  readonly currency: string;
  readonly most: string;
  readonly mode: LimitMode;
  readonly per: LimitPer;
  readonly timeZone: string;
  readonly countedTenantId: string | null;
  readonly keyId: string | null;
  readonly meterId: string | null;
  readonly model: string | null;
}

/** Whose limits are asked for. */
export interface LimitsAsked {
  /** The tenants whose usage it is, with all above them. */
  readonly lineage: readonly string[];
  readonly keyIds: readonly string[];
  readonly now: Date;
}

/** The limits in force of these tenants, as they are raised for now. In a lineage that has them in sight. */
export async function limitsOf(tx: Scope, { lineage, keyIds, now }: LimitsAsked): Promise<Limit[]> {
  const rows = await preparedQuery<BudgetRow>(
    tx,
    `${LIVE_BUDGETS} and b.tenant_id = any ($2::text[])
       and (b.key_id is null or b.key_id = any ($3::text[]))
       and (b.counted_tenant_id is null or b.counted_tenant_id = any ($2::text[]))`,
    [now, lineage, keyIds],
  );

  return rows.map(row => limitOf(row, now));
}

/** Limits by their owners and ids, those in force. */
export async function limitsNamed(
  tx: Scope,
  names: readonly { readonly tenantId: string; readonly id: string }[],
): Promise<Limit[]> {
  const rows = await query<BudgetRow>(
    tx,
    `${LIVE_BUDGETS} and (b.tenant_id, b.id) in (select * from unnest($2::text[], $3::text[]))`,
    [tx.now, names.map(({ tenantId }) => tenantId), names.map(({ id }) => id)],
  );

  return rows.map(row => limitOf(row, tx.now));
}

/** With what is added at the instant $1. */
const LIVE_BUDGETS = `select b.tenant_id as "ownerId", b.id, b.currency, b.mode, b.per, b.time_zone as "timeZone",
    b.counted_tenant_id as "countedTenantId", b.key_id as "keyId", b.meter_id as "meterId", b.model,
    trim_scale(b.amount + coalesce((select sum(r.amount) from budget_raise r where r.tenant_id = b.tenant_id
      and r.budget_id = b.id and r.from_at <= $1 and r.until_at > $1), 0))::text as most
  from budget b where b.ended_at is null`;

function limitOf({ most, per, timeZone, ...row }: BudgetRow, now: Date): Limit {
  const { start, end } = windowAt(per, now, timeZone);

  return {
    ...row,
    measure: 'MONEY',
    most: decimal(most),
    windowAt: at => windowAt(per, at, timeZone).start,
    windowStart: start,
    resetsAt: end,
    rollover: null,
  };
}

/** The window of a limit. */
export interface WindowPlace {
  readonly tenantId: string;
  readonly limitId: string;
  readonly windowStart: Date;
}

interface WindowRow {
  readonly tenantId: string;
  readonly limitId: string;
  readonly start: Date;
  readonly used: string;
  readonly held: string;
}

/**
 * Locks windows, in the one order in which everybody does, makes those that are not there yet, and counts into them what
 * waits for it. Answers with all of them, by name.
 */
export async function lockWindows(tx: Scope, places: readonly WindowPlace[]): Promise<Map<string, Standing>> {
  if (places.length === 0) {
    return new Map();
  }

  const named = columnsOf(places);
  let locked = await lock(tx, named);

  if (locked.length < places.length) {
    await query(
      tx,
      `insert into limit_window (tenant_id, limit_id, start, used, held)
       select tenant_id, limit_id, start, 0, 0
       from unnest($1::text[], $2::text[], $3::timestamptz[]) as w (tenant_id, limit_id, start)
       order by tenant_id, limit_id, start on conflict do nothing`,
      named,
    );
    locked = await lock(tx, named);
  }

  return new Map(locked.map(standingOf));
}

/**
 * Locks all of them, or none where one is not there yet: so whoever makes windows holds no others, and nobody who waits for
 * a new one has what its maker waits for. What was left before this began is counted in; what is left while this waits for
 * another's lock is left for the next, used and held alike. Whatever has returned to its caller by now was left before.
 */
async function lock(tx: Scope, named: readonly unknown[]): Promise<WindowRow[]> {
  return preparedQuery<WindowRow>(
    tx,
    `with locked as materialized (
       select tenant_id, limit_id, start, used, held from limit_window
       where (tenant_id, limit_id, start) in (select * from unnest($1::text[], $2::text[], $3::timestamptz[]))
         and (
           select count(*) from limit_window
           where (tenant_id, limit_id, start) in (select * from unnest($1::text[], $2::text[], $3::timestamptz[]))
         ) = (select count(distinct p) from unnest($1::text[], $2::text[], $3::timestamptz[]) as p)
       order by tenant_id, limit_id, start for update
     ), moved as (
       delete from limit_entry e using locked w
       where e.tenant_id = w.tenant_id and e.limit_id = w.limit_id and e.start = w.start
       returning e.tenant_id, e.limit_id, e.start, e.used, e.held
     ), total as (
       select tenant_id, limit_id, start, sum(used) as used, sum(held) as held from moved group by 1, 2, 3
     ), folded as (
       update limit_window w set used = w.used + t.used, held = w.held + t.held from total t
       where w.tenant_id = t.tenant_id and w.limit_id = t.limit_id and w.start = t.start
     )
     select tenant_id as "tenantId", limit_id as "limitId", start, (l.used + coalesce(t.used, 0))::text as used,
       (l.held + coalesce(t.held, 0))::text as held
     from locked l left join total t using (tenant_id, limit_id, start)`,
    named,
  );
}

/** What windows have come to by now, with what waits to be counted into them; locks nothing. */
export async function standingsOf(tx: Scope, places: readonly WindowPlace[]): Promise<Map<string, Standing>> {
  const rows = await preparedQuery<WindowRow>(
    tx,
    `select p.tenant_id as "tenantId", p.limit_id as "limitId", p.start,
       (coalesce(w.used, 0) + e.used)::text as used, (coalesce(w.held, 0) + e.held)::text as held
     from unnest($1::text[], $2::text[], $3::timestamptz[]) as p (tenant_id, limit_id, start)
     left join limit_window w on w.tenant_id = p.tenant_id and w.limit_id = p.limit_id and w.start = p.start
     cross join lateral (
       select coalesce(sum(used), 0) as used, coalesce(sum(held), 0) as held from limit_entry e
       where e.tenant_id = p.tenant_id and e.limit_id = p.limit_id and e.start = p.start
     ) e`,
    columnsOf(places),
  );

  return new Map(rows.map(standingOf));
}

/** Windows of the tenant at which entries wait, the first of them. */
export async function windowsWaiting(tx: Scope, most: number): Promise<WindowPlace[]> {
  return query<WindowPlace>(
    tx,
    `select distinct tenant_id as "tenantId", limit_id as "limitId", start as "windowStart" from limit_entry
     where tenant_id = $1 limit $2`,
    [tx.tenantId, most],
  );
}

/** What is to be counted into a window. */
export interface LimitEntry extends WindowPlace {
  readonly used: Decimal;
  /** What a hold gives back: 0 or below. */
  readonly held: Decimal;
}

/** Leaves entries at windows, for whoever locks them next; what they say is true once this is committed. */
export async function leaveEntries(tx: Scope, entries: readonly LimitEntry[]): Promise<void> {
  if (entries.length === 0) {
    return;
  }

  await preparedQuery(
    tx,
    `insert into limit_entry (tenant_id, limit_id, start, used, held, created_at)
     select tenant_id, limit_id, start, used, held, $6
     from unnest($1::text[], $2::text[], $3::timestamptz[], $4::numeric[], $5::numeric[])
       as e (tenant_id, limit_id, start, used, held)`,
    [
      ...columnsOf(entries),
      entries.map(({ used }) => formatDecimal(used)),
      entries.map(({ held }) => formatDecimal(held)),
      tx.now,
    ],
  );
}

function columnsOf(places: readonly WindowPlace[]): [string[], string[], Date[]] {
  return [
    places.map(({ tenantId }) => tenantId),
    places.map(({ limitId }) => limitId),
    places.map(({ windowStart }) => windowStart),
  ];
}

function standingOf({ tenantId, limitId, start, used, held }: WindowRow): [string, Standing] {
  return [windowName(tenantId, limitId, start), { used: decimal(used), held: decimal(held) }];
}

/** A hold before it is kept. */
export interface NewHold {
  readonly tenantId: string;
  readonly id: string;
  readonly keyId: string;
  readonly idempotencyKey: string;
  readonly requestHash: string;
  readonly currency: string;
  readonly amount: Decimal;
  readonly parts: readonly HeldPart[];
  readonly expiresAt: Date;
}

/** Keeps holds, and in their windows what they hold. Answers with the ids of those that are new: another's key is none. */
export async function keepHolds(
  tx: Scope,
  holds: readonly NewHold[],
  windows: readonly (WindowPlace & { readonly held: Decimal })[],
): Promise<Set<string>> {
  const rows = await preparedQuery<{ id: string }>(
    tx,
    `with kept as (
       insert into hold (tenant_id, id, key_id, idempotency_key, request_hash, currency, amount, parts, state, expires_at, created_at)
       select "tenantId", id, "keyId", "idempotencyKey", "requestHash", currency, amount, parts, 'HELD', "expiresAt", $2
       from jsonb_to_recordset($1::jsonb) as h ("tenantId" text, id text, "keyId" text, "idempotencyKey" text,
         "requestHash" text, currency text, amount numeric, parts jsonb, "expiresAt" timestamptz)
       on conflict on constraint hold_once do nothing returning id
     ), held as (
       update limit_window w set held = v.held
       from unnest($3::text[], $4::text[], $5::timestamptz[], $6::numeric[]) as v (tenant_id, limit_id, start, held)
       where w.tenant_id = v.tenant_id and w.limit_id = v.limit_id and w.start = v.start
     )
     select id from kept`,
    [
      JSON.stringify(
        holds.map(({ parts, amount, ...hold }) => ({
          ...hold,
          amount: formatDecimal(amount),
          parts: parts.map(part => ({ ...part, amount: formatDecimal(part.amount) })),
        })),
      ),
      tx.now,
      ...columnsOf(windows),
      windows.map(({ held }) => formatDecimal(held)),
    ],
  );

  return new Set(rows.map(({ id }) => id));
}
