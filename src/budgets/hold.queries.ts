import { type Decimal, decimal, formatDecimal } from '../money/index.js';
import { preparedQuery, query, type Scope } from '../platform/index.js';
import type { HeldPartJson, HoldState } from './budget.entity.js';

/** A hold as it stands. */
export interface StoredHold {
  readonly id: string;
  readonly state: HoldState;
  readonly currency: string;
  readonly amount: Decimal;
  readonly parts: readonly HeldPartJson[];
  readonly expiresAt: Date;
  readonly actual: Decimal | null;
  readonly overrun: Decimal;
}

type HoldRow = Omit<StoredHold, 'amount' | 'actual' | 'overrun'> & {
  readonly amount: string;
  readonly actual: string | null;
  readonly overrun: string;
};

/** The ids of holds of the tenant that have outlived their time, the first of them. */
export async function holdsToExpire(tx: Scope, most: number): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    `select id from hold where tenant_id = $1 and state = 'HELD' and expires_at <= $2 order by expires_at limit $3`,
    [tx.tenantId, tx.now, most],
  );

  return rows.map(({ id }) => id);
}

/** What a call came to, by the usage that settles its hold: what of it is new. */
export interface CameTo {
  readonly holdId: string;
  /** What has a price. */
  readonly known: Decimal;
  /** Whether a part of it has none: then it came to what was held, at least. */
  readonly isUnpriced: boolean;
}

/**
 * Ends holds with what they came to, one for each hold; what settles a hold again is added to what it came to before.
 * Answers with these of `ids` that there are: who has nothing to add reads how it stands.
 */
export async function settleHolds(
  tx: Scope,
  ids: readonly string[],
  settlings: readonly CameTo[],
): Promise<Map<string, EndedHold>> {
  return endHolds(tx, 'SETTLED', ids, settlings);
}

/** Ends holds with nothing: those that have ended stay as they are. */
export async function dropHolds(
  tx: Scope,
  state: 'VOIDED' | 'EXPIRED',
  ids: readonly string[],
): Promise<Map<string, EndedHold>> {
  return endHolds(tx, state, ids, []);
}

/** A hold as it stands, the key that has asked for it, and what it had come to before. */
export interface EndedHold extends StoredHold {
  readonly keyId: string;
  readonly heldAt: Date;
  /** Null when nothing had settled it. */
  readonly before: Decimal | null;
}

/**
 * Ends holds of the tenant, in one statement: locks them in the order of their ids, so nobody ends one meanwhile, and gives
 * what they have taken back to its windows. In a lineage that has those in sight. Answers with all that there are. What a
 * hold came to only grows.
 */
async function endHolds(
  tx: Scope,
  state: HoldState,
  ids: readonly string[],
  settlings: readonly CameTo[],
): Promise<Map<string, EndedHold>> {
  const rows = await preparedQuery<HoldRow & Pick<EndedHold, 'keyId' | 'heldAt'> & { readonly before: string | null }>(
    tx,
    `with locked as materialized (
       select id, key_id, created_at, state, currency, amount, parts, expires_at, actual, overrun, ended_at, is_unpriced from hold
       where tenant_id = $1 and id = any ($2::text[]) order by id for update
     ), given as (
       select * from unnest($5::text[], $6::numeric[], $7::boolean[]) as g (id, known, is_unpriced)
     ), coming as (
       select l.id, l.state, l.amount, l.parts, l.ended_at, case when l.state = 'HELD' then $4::text else l.state end as next,
         l.is_unpriced or coalesce(g.is_unpriced, false) as is_unpriced,
         case when l.actual is null then greatest(g.known, case when g.is_unpriced then l.amount end)
           else greatest(l.actual, l.actual + g.known, case when g.is_unpriced then l.amount end) end as came_to
       from locked l left join given g using (id)
       where case when $4::text = 'SETTLED' then g.id is not null else l.state = 'HELD' end
     ), ended as (
       update hold h set state = c.next, ended_at = coalesce(c.ended_at, $3), actual = c.came_to,
         overrun = greatest(0, coalesce(c.came_to, 0) - case when c.next = 'SETTLED' then c.amount else 0 end),
         is_unpriced = c.is_unpriced
       from coming c where h.tenant_id = $1 and h.id = c.id
       returning h.id, h.state, h.actual, h.overrun
     ), left_behind as (
       insert into limit_entry (tenant_id, limit_id, start, used, held, created_at)
       select part->>'tenantId', part->>'limitId', (part->>'windowStart')::timestamptz, 0, -(part->>'amount')::numeric, $3
       from coming c cross join lateral jsonb_array_elements(c.parts) as part
       where c.state = 'HELD' and (part->>'amount')::numeric <> 0
     )
     select id, key_id as "keyId", l.created_at as "heldAt", coalesce(e.state, l.state) as state, l.currency, l.amount::text, l.parts,
       l.expires_at as "expiresAt", coalesce(e.actual, l.actual)::text as actual,
       coalesce(e.overrun, l.overrun)::text as overrun, l.actual::text as before
     from locked l left join ended e using (id)`,
    [
      tx.tenantId,
      ids,
      tx.now,
      state,
      settlings.map(({ holdId }) => holdId),
      settlings.map(({ known }) => formatDecimal(known)),
      settlings.map(({ isUnpriced }) => isUnpriced),
    ],
  );

  return new Map(
    rows.map(({ before, ...row }) => [row.id, { ...holdOf(row), before: before === null ? null : decimal(before) }]),
  );
}

/** A hold of the tenant as it stands; null when there is none. Locks nothing. */
export async function holdById(tx: Scope, id: string): Promise<StoredHold | null> {
  const [row] = await query<HoldRow>(
    tx,
    `select id, state, currency, amount::text, parts, expires_at as "expiresAt", actual::text, overrun::text from hold
     where tenant_id = $1 and id = $2`,
    [tx.tenantId, id],
  );

  return row ? holdOf(row) : null;
}

function holdOf<Row extends HoldRow>({ amount, actual, overrun, ...row }: Row) {
  return {
    ...row,
    amount: decimal(amount),
    actual: actual === null ? null : decimal(actual),
    overrun: decimal(overrun),
  };
}
