import { type Decimal, decimal } from '../money/index.js';
import { page, query, type PageArguments, type Scope } from '../platform/index.js';

/** When somebody is told that credits run low. */
export interface StoredRecharge {
  readonly below: Decimal;
  readonly amount: Decimal;
  readonly isLow: boolean;
}

/** What a tenant has of one unit. */
export interface CreditBalance {
  readonly unit: string;
  /** Effective by now, and not expired. Some of it may be for certain meters or models only. */
  readonly available: Decimal;
  /** Granted, and effective later. */
  readonly upcoming: Decimal;
  /** What of the available expires next, and when; null when nothing does. */
  readonly nextExpiry: { readonly amount: Decimal; readonly at: Date } | null;
  readonly recharge: StoredRecharge | null;
}

/** What is available of a unit to the scope's tenant now. */
export async function availableOf(tx: Scope, unit: string): Promise<Decimal> {
  const [row] = await query<{ available: string }>(
    tx,
    `select coalesce(sum(b.balance), 0)::text as available from credit_balance b
     join credit_grant g on g.tenant_id = b.tenant_id and g.id = b.grant_id
     where b.tenant_id = $1 and b.balance > 0 and g.unit = $2 and g.effective_at <= $3
       and (g.expires_at is null or g.expires_at > $3)`,
    [tx.tenantId, unit, tx.now],
  );

  return decimal(row?.available ?? '0');
}

interface BalanceRow {
  readonly unit: string;
  readonly available: string;
  readonly upcoming: string;
  readonly next_at: Date | null;
  readonly next_amount: string | null;
  readonly below: string | null;
  readonly amount: string | null;
  readonly is_low: boolean | null;
}

/** What the scope's tenant has, unit by unit in the order of their names: one unit, or a page of all it was ever granted. */
export async function balancesOf(
  tx: Scope,
  wanted: { readonly unit: string } | PageArguments,
): Promise<CreditBalance[]> {
  const { limit, after } = 'unit' in wanted ? { limit: 1, after: null } : page(wanted);
  const rows = await query<BalanceRow>(
    tx,
    `with units as (
       select unit collate "C" as unit from credit_grant where tenant_id = $1
       union select unit from credit_recharge where tenant_id = $1 and below is not null
     ), chosen as (
       select unit from units where ($3::text is null or unit = $3) and ($4::text is null or unit > $4) order by unit limit $5
     ), live as (
       select g.unit, g.effective_at, g.expires_at, b.balance from credit_grant g
       join credit_balance b on b.tenant_id = g.tenant_id and b.grant_id = g.id
       where g.tenant_id = $1 and b.balance > 0 and (g.expires_at is null or g.expires_at > $2)
     ), next as (
       select unit, expires_at, sum(balance) as amount from live where effective_at <= $2 group by unit, expires_at
     )
     select c.unit,
       coalesce((select sum(balance) from live l where l.unit = c.unit and effective_at <= $2), 0)::text as available,
       coalesce((select sum(balance) from live l where l.unit = c.unit and effective_at > $2), 0)::text as upcoming,
       n.expires_at as next_at, n.amount::text as next_amount,
       r.below::text, r.amount::text, r.is_low
     from chosen c
     left join lateral (
       select expires_at, amount from next where unit = c.unit and expires_at is not null order by expires_at limit 1
     ) n on true
     left join credit_recharge r on r.tenant_id = $1 and r.unit = c.unit and r.below is not null
     order by c.unit`,
    [tx.tenantId, tx.now, 'unit' in wanted ? wanted.unit : null, after, limit],
  );

  return rows.map(balanceOf);
}

function balanceOf(row: BalanceRow): CreditBalance {
  const { next_at: at, next_amount: next, below, amount, is_low: isLow } = row;

  return {
    unit: row.unit,
    available: decimal(row.available),
    upcoming: decimal(row.upcoming),
    nextExpiry: at && next !== null ? { amount: decimal(next), at } : null,
    recharge:
      below !== null && amount !== null
        ? { below: decimal(below), amount: decimal(amount), isLow: isLow === true }
        : null,
  };
}
