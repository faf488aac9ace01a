import { type Decimal, decimal, ZERO } from '../money/index.js';
import { findPage, query, type PageArguments, type Scope } from '../platform/index.js';
import { CreditGrant, CreditTransaction } from './credit.entity.js';

/** A grant with what is left of it. */
export interface GrantRead {
  readonly grant: CreditGrant;
  readonly left: Decimal;
}

/** A line of a transaction: what an account got, or gave where it is below 0. */
export interface EntryRead {
  /** `grant:` and an id, `issued`, `used`, `expired` or `transferred`. */
  readonly account: string;
  readonly unit: string;
  readonly amount: Decimal;
  readonly pays: Decimal | null;
}

/** A transaction with its entries. */
export interface TransactionRead {
  readonly transaction: CreditTransaction;
  readonly entries: readonly EntryRead[];
}

/** The grants of the scope's tenant, newest first. */
export async function grantPage(tx: Scope, args: PageArguments): Promise<GrantRead[]> {
  return withLeft(tx, await findPage(tx.em, CreditGrant, {}, args));
}

/** Grants of the scope's tenant by their ids, in the order of those. */
export async function grantsRead(tx: Scope, ids: readonly string[]): Promise<GrantRead[]> {
  return withLeft(tx, await tx.em.find(CreditGrant, { id: { $in: [...ids] } }, { orderBy: { id: 'asc' } }));
}

/** The transactions of the scope's tenant, newest first. */
export async function transactionPage(tx: Scope, args: PageArguments): Promise<TransactionRead[]> {
  return withEntries(tx, await findPage(tx.em, CreditTransaction, {}, args));
}

/** One transaction; null when the scope's tenant has none of this id. */
export async function transactionRead(tx: Scope, id: string): Promise<TransactionRead | null> {
  const [read] = await withEntries(tx, await tx.em.find(CreditTransaction, { id }));

  return read ?? null;
}

async function withLeft(tx: Scope, grants: readonly CreditGrant[]): Promise<GrantRead[]> {
  const rows = await query<{ grant_id: string; balance: string }>(
    tx,
    'select grant_id, balance::text from credit_balance where tenant_id = $1 and grant_id = any ($2)',
    [tx.tenantId, grants.map(({ id }) => id)],
  );
  const left = new Map(rows.map(({ grant_id: id, balance }) => [id, decimal(balance)]));

  return grants.map(grant => ({ grant, left: left.get(grant.id) ?? ZERO }));
}

async function withEntries(tx: Scope, transactions: readonly CreditTransaction[]): Promise<TransactionRead[]> {
  const rows = await query<{
    transaction_id: string;
    account: string;
    unit: string;
    amount: string;
    pays: string | null;
  }>(
    tx,
    `select transaction_id, account, unit, amount::text, pays::text from credit_entry
     where tenant_id = $1 and transaction_id = any ($2) order by transaction_id, n`,
    [tx.tenantId, transactions.map(({ id }) => id)],
  );
  const byId = Map.groupBy(rows, ({ transaction_id: id }) => id);

  return transactions.map(transaction => ({
    transaction,
    entries: (byId.get(transaction.id) ?? []).map(({ account, unit, amount, pays }) => ({
      account,
      unit,
      amount: decimal(amount),
      pays: pays === null ? null : decimal(pays),
    })),
  }));
}
