import { type Decimal, decimal, formatDecimal, ZERO } from '../money/index.js';
import { inLineage, query, type Scope } from '../platform/index.js';
import type { HeldPartJson, HoldState } from './budget.entity.js';
import { leaveEntries, type LimitEntry } from './limit.queries.js';

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

const COLUMNS = `id, state, currency, amount::text, parts, expires_at as "expiresAt", actual::text, overrun::text`;

/** Holds of the tenant by their ids, locked in the order of their ids: nobody ends one meanwhile. */
export async function lockHolds(tx: Scope, ids: readonly string[]): Promise<Map<string, StoredHold>> {
  const rows = await query<HoldRow>(
    tx,
    `select ${COLUMNS} from hold where tenant_id = $1 and id = any ($2::text[]) order by id for update`,
    [tx.tenantId, ids],
  );

  return new Map(rows.map(row => [row.id, holdOf(row)]));
}

/** The ids of holds of the tenant that have outlived their time, the first of them. */
export async function holdsToExpire(tx: Scope, most: number): Promise<string[]> {
  const rows = await query<{ id: string }>(
    tx,
    `select id from hold where tenant_id = $1 and state = 'HELD' and expires_at <= $2 order by expires_at limit $3`,
    [tx.tenantId, tx.now, most],
  );

  return rows.map(({ id }) => id);
}

/** How a hold ends. */
export interface HoldEnd {
  readonly hold: StoredHold;
  readonly state: HoldState;
  /** What the usage that settled it came to; null for none. */
  readonly actual: Decimal | null;
  readonly isUnpriced: boolean;
}

/**
 * Ends holds that are locked: what they have taken is given back to the windows, and where the usage has no price what was
 * held counts as used. `lineage` is that of the tenant.
 */
export async function endHolds(tx: Scope, lineage: readonly string[], ends: readonly HoldEnd[]): Promise<StoredHold[]> {
  const rows = await query<HoldRow>(
    tx,
    `update hold h set state = e.state, ended_at = coalesce(h.ended_at, $3), actual = e.actual,
       overrun = greatest(0, coalesce(e.actual, 0) - case when e.state = 'SETTLED' then h.amount else 0 end),
       is_unpriced = e.is_unpriced
     from unnest($2::text[], $4::text[], $5::numeric[], $6::boolean[]) as e (id, state, actual, is_unpriced)
     where h.tenant_id = $1 and h.id = e.id
     returning h.id, h.state, h.currency, h.amount::text, h.parts, h.expires_at as "expiresAt", h.actual::text,
       h.overrun::text`,
    [
      tx.tenantId,
      ends.map(({ hold }) => hold.id),
      tx.now,
      ends.map(({ state }) => state),
      ends.map(({ actual }) => actual && formatDecimal(actual)),
      ends.map(({ isUnpriced }) => isUnpriced),
    ],
  );
  const entries = ends.flatMap(({ hold, isUnpriced }) =>
    hold.parts.flatMap((part): LimitEntry[] => {
      const held = hold.state === 'HELD' ? decimal(part.amount).negated() : ZERO;
      const used = isUnpriced ? decimal(part.amount) : ZERO;
      const place = { tenantId: part.tenantId, limitId: part.limitId, windowStart: new Date(part.windowStart) };

      return held.isZero() && used.isZero() ? [] : [{ ...place, held, used }];
    }),
  );

  if (entries.length > 0) {
    await inLineage(tx, lineage, own => leaveEntries(own, entries));
  }

  return rows.map(holdOf);
}

function holdOf({ amount, actual, overrun, ...row }: HoldRow): StoredHold {
  return {
    ...row,
    amount: decimal(amount),
    actual: actual === null ? null : decimal(actual),
    overrun: decimal(overrun),
  };
}
