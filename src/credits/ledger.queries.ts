import { type Decimal, decimal, formatDecimal, ONE, sum } from '../money/index.js';
import { newId, query, type Scope } from '../platform/index.js';
import type { BurnedPart, BurnPart, GrantLeft } from './burn.rules.js';
import type { CreditTransactionKind } from './credit.entity.js';

/**
 * Takes the lock of the tenant's credits until the commit: the first thing that whoever moves them does. Of several tenants
 * it is taken in the order of their ids.
 */
export async function lockCredits(tx: Scope): Promise<void> {
  const lock = () => query(tx, 'select tenant_id from credit_lock where tenant_id = $1 for update', [tx.tenantId]);

  if ((await lock()).length === 0) {
    await query(tx, 'insert into credit_lock (tenant_id) values ($1) on conflict do nothing', [tx.tenantId]);
    await lock();
  }
}

/** What is left of a grant, with what its terms say of cost. */
export interface StoredGrant extends GrantLeft {
  readonly kind: 'PAID' | 'PROMOTIONAL';
  /** As it was granted. */
  readonly amount: Decimal;
  readonly cost: Decimal;
  readonly costCurrency: string;
}

interface GrantRow {
  readonly id: string;
  readonly kind: StoredGrant['kind'];
  readonly unit: string;
  readonly worth: string | null;
  readonly worth_currency: string | null;
  readonly amount: string;
  readonly cost: string;
  readonly cost_currency: string;
  readonly priority: number;
  readonly meter_ids: string[];
  readonly models: string[];
  readonly effective_at: Date;
  readonly expires_at: Date | null;
  readonly created_at: Date;
  readonly balance: string;
}

const GRANT = `g.id, g.kind, g.unit, g.worth::text, g.worth_currency, g.amount::text, g.cost::text, g.cost_currency, g.priority,
  g.meter_ids, g.models, g.effective_at, g.expires_at, g.created_at, b.balance::text`;

/** The grants of the scope's tenant of which something is left and that have not expired by now. */
export async function grantsLeft(tx: Scope): Promise<StoredGrant[]> {
  const rows = await query<GrantRow>(
    tx,
    `select ${GRANT} from credit_balance b join credit_grant g on g.tenant_id = b.tenant_id and g.id = b.grant_id
     where b.tenant_id = $1 and b.balance > 0 and (b.expires_at is null or b.expires_at > $2)`,
    [tx.tenantId, tx.now],
  );

  return rows.map(grantOf);
}

/** These grants of the scope's tenant, by id, whatever is left of them. */
export async function grantsById(tx: Scope, ids: readonly string[]): Promise<Map<string, StoredGrant>> {
  const rows = await query<GrantRow>(
    tx,
    `select ${GRANT} from credit_balance b join credit_grant g on g.tenant_id = b.tenant_id and g.id = b.grant_id
     where b.tenant_id = $1 and b.grant_id = any ($2)`,
    [tx.tenantId, ids],
  );

  return new Map(rows.map(row => [row.id, grantOf(row)]));
}

/** Grants that have expired with something left, the first first. */
export async function grantsExpired(tx: Scope, most: number): Promise<StoredGrant[]> {
  const rows = await query<GrantRow>(
    tx,
    `select ${GRANT} from credit_balance b join credit_grant g on g.tenant_id = b.tenant_id and g.id = b.grant_id
     where b.tenant_id = $1 and b.balance > 0 and b.expires_at <= $2 order by b.expires_at, g.id limit $3`,
    [tx.tenantId, tx.now, most],
  );

  return rows.map(grantOf);
}

/** An account that is none of a grant: where credits come from, and where they go. */
export type OtherAccount = 'issued' | 'used' | 'expired' | 'transferred';

/** One side of a transaction. */
export interface Entry {
  readonly account: OtherAccount | { readonly grantId: string };
  readonly unit: string;
  /** Above 0 for what an account gets. */
  readonly amount: Decimal;
  /** Of a grant in a burn: what it pays; in a reversal: what it no longer pays, below 0. */
  readonly pays?: Decimal;
}

/** A transaction to be written. */
export interface Posting {
  readonly id: string;
  readonly kind: CreditTransactionKind;
  readonly at: Date;
  readonly reference: string;
  readonly reason?: string | null;
  /** Of a burn and a reversal. */
  readonly asked?: { readonly amount: Decimal; readonly currency: string };
  /** Of a reversal: the burn. */
  readonly ofId?: string;
}

/** An id for a transaction. */
export const newTransactionId = (tx: Scope): string => newId('crt', tx.now);

/** Writes transactions without their entries; the ids of those whose cause (kind and reference) was not there before. */
export async function openTransactions(tx: Scope, postings: readonly Posting[]): Promise<Set<string>> {
  const rows = await query<{ id: string }>(
    tx,
    `insert into credit_transaction (tenant_id, id, kind, at, reference, reason, asked, currency, of_id, created_at)
     select $1, p.* , $10 from unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::numeric[],
       $8::text[], $9::text[]) p
     on conflict on constraint credit_transaction_once do nothing returning id`,
    [
      tx.tenantId,
      postings.map(({ id }) => id),
      postings.map(({ kind }) => kind),
      postings.map(({ at }) => at.toISOString()),
      postings.map(({ reference }) => reference),
      postings.map(({ reason }) => reason ?? null),
      postings.map(({ asked }) => (asked ? formatDecimal(asked.amount) : null)),
      postings.map(({ asked }) => asked?.currency ?? null),
      postings.map(({ ofId }) => ofId ?? null),
      tx.now,
    ],
  );

  return new Set(rows.map(({ id }) => id));
}

/** Writes all entries of these open transactions in one statement, which moves the balances of their grants. */
export async function writeEntries(
  tx: Scope,
  entries: readonly { readonly transactionId: string; readonly entries: readonly Entry[] }[],
): Promise<void> {
  const rows = entries.flatMap(({ transactionId, entries: own }) =>
    own.map((entry, index) => ({ ...entry, transactionId, n: index + 1 })),
  );

  if (rows.length > 0) {
    await query(
      tx,
      `insert into credit_entry (tenant_id, transaction_id, n, account, unit, amount, pays)
       select $1, e.* from unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::numeric[], $7::numeric[]) e`,
      [
        tx.tenantId,
        rows.map(({ transactionId }) => transactionId),
        rows.map(({ n }) => n),
        rows.map(({ account }) => (typeof account === 'string' ? account : `grant:${account.grantId}`)),
        rows.map(({ unit }) => unit),
        rows.map(({ amount }) => formatDecimal(amount)),
        rows.map(({ pays }) => (pays ? formatDecimal(pays) : null)),
      ],
    );
  }
}

/** Writes one transaction with its entries. Its cause has not been there before: the caller holds the lock and has looked. */
export async function post(tx: Scope, posting: Posting, entries: readonly Entry[]): Promise<void> {
  const opened = await openTransactions(tx, [posting]);

  if (!opened.has(posting.id)) {
    throw new Error(`${posting.kind} ${posting.reference} is in the ledger already`);
  }

  await writeEntries(tx, [{ transactionId: posting.id, entries }]);
}

/** The entries that move credits of grants, and one for each unit that brings them to another account or takes them there. */
export function against(
  account: OtherAccount,
  ofGrants: readonly { readonly grantId: string; readonly unit: string; readonly amount: Decimal; pays?: Decimal }[],
): Entry[] {
  const byUnit = Map.groupBy(ofGrants, ({ unit }) => unit);

  return [
    ...ofGrants.map(({ grantId, ...rest }) => ({ account: { grantId }, ...rest })),
    ...[...byUnit].map(([unit, own]) => ({ account, unit, amount: sum(own.map(({ amount }) => amount)).negated() })),
  ];
}

/** The entries of a burn. */
export function burnEntries(parts: readonly BurnPart[]): Entry[] {
  return against(
    'used',
    parts.map(({ amount, ...part }) => ({ ...part, amount: amount.negated() })),
  );
}

/** A burn or a reversal as it was written. */
export interface StoredMove {
  readonly id: string;
  readonly reference: string;
  readonly currency: string;
  readonly asked: Decimal;
  readonly ofId: string | null;
  /** What its grants gave or got, in the order in which they burned; all above 0. */
  readonly parts: readonly BurnedPart[];
}

/** The burns or reversals with these references, by reference. */
export async function movesByReference(
  tx: Scope,
  kind: 'BURN' | 'REVERSAL',
  references: readonly string[],
): Promise<Map<string, StoredMove>> {
  const rows = await query<{ id: string; reference: string; currency: string; asked: string; of_id: string | null }>(
    tx,
    `select id, reference, currency, asked::text, of_id from credit_transaction
     where tenant_id = $1 and kind = $2 and reference = any ($3)`,
    [tx.tenantId, kind, references],
  );
  const parts = await query<PartRow & { transaction_id: string }>(
    tx,
    `select e.transaction_id, e.grant_id, e.unit, abs(e.amount)::text as amount, abs(e.pays)::text as pays, g.worth::text
     from credit_entry e join credit_grant g on g.tenant_id = e.tenant_id and g.id = e.grant_id
     where e.tenant_id = $1 and e.transaction_id = any ($2) order by e.transaction_id, e.n`,
    [tx.tenantId, rows.map(({ id }) => id)],
  );
  const byId = Map.groupBy(parts, ({ transaction_id: id }) => id);

  return new Map(
    rows.map(({ of_id: ofId, asked, ...row }) => [
      row.reference,
      { ...row, ofId, asked: decimal(asked), parts: (byId.get(row.id) ?? []).map(part => partOf(part, row.currency)) },
    ]),
  );
}

/** What is still burned of a burn, grant by grant in the order in which they burned. */
export async function stillBurned(tx: Scope, burn: StoredMove): Promise<BurnedPart[]> {
  const rows = await query<PartRow>(
    tx,
    `select e.grant_id, e.unit, (-sum(e.amount))::text as amount, sum(e.pays)::text as pays, g.worth::text
     from credit_transaction t
     join credit_entry e on e.tenant_id = t.tenant_id and e.transaction_id = t.id
     join credit_grant g on g.tenant_id = e.tenant_id and g.id = e.grant_id
     where t.tenant_id = $1 and (t.id = $2 or t.of_id = $2)
     group by e.grant_id, e.unit, g.worth order by min(e.n) filter (where t.id = $2)`,
    [tx.tenantId, burn.id],
  );

  return rows.map(row => partOf(row, burn.currency));
}

interface PartRow {
  readonly grant_id: string;
  readonly unit: string;
  readonly amount: string;
  readonly pays: string;
  readonly worth: string | null;
}

function partOf({ grant_id: grantId, unit, amount, pays, worth }: PartRow, currency: string): BurnedPart {
  return {
    grantId,
    unit,
    amount: decimal(amount),
    pays: decimal(pays),
    rate: unit === currency || worth === null ? ONE : decimal(worth),
  };
}

function grantOf(row: GrantRow): StoredGrant {
  return {
    id: row.id,
    kind: row.kind,
    unit: row.unit,
    worth:
      row.worth === null || row.worth_currency === null
        ? null
        : { amount: decimal(row.worth), currency: row.worth_currency },
    amount: decimal(row.amount),
    cost: decimal(row.cost),
    costCurrency: row.cost_currency,
    priority: row.priority,
    meterIds: row.meter_ids,
    models: row.models,
    effectiveAt: row.effective_at,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    left: decimal(row.balance),
  };
}
