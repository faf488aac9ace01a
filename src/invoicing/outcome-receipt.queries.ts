import { decimal, formatDecimal, type Decimal } from '../money/index.js';
import { page, query, type PageArguments, type Scope } from '../platform/index.js';
import { itemOfRow } from '../rating/index.js';
import type { ReceiptsSeal } from './invoice.rules.js';
import type { Receipted } from './outcome-receipt.rules.js';

/** One period of one rule under a contract. */
export interface RulePeriod {
  readonly contractId: string;
  readonly periodStart: Date;
  readonly ruleId: string;
}

/** What the receipts of a rule and period that are there say, added up by charge item and outcome. */
export async function receiptedOf(tx: Scope, { contractId, periodStart, ruleId }: RulePeriod): Promise<Receipted[]> {
  const rows = await query<{
    readonly price_id: string;
    readonly taken_by: string;
    readonly outcomeId: string | null;
    readonly amount: string;
  }>(
    tx,
    `select c.price_id, c.taken_by, r.outcome_id as "outcomeId", sum(r.amount)::text as amount
     from charge c join outcome_receipt r on r.tenant_id = c.tenant_id and r.charge_id = c.id
     where c.tenant_id = $1 and c.contract_id = $2 and c.period_start = $3 and c.meter_id = $4
     group by c.price_id, c.taken_by, r.outcome_id order by r.outcome_id`,
    [tx.tenantId, contractId, periodStart, ruleId],
  );

  return rows.map(row => ({ item: itemOfRow(row), outcomeId: row.outcomeId, amount: decimal(row.amount) }));
}

/** The hash of the last receipt of each of these outcomes that has one: the one that none follows. */
export async function lastHashes(tx: Scope, outcomeIds: readonly string[]): Promise<Map<string, string>> {
  const chains = await receiptChains(tx, outcomeIds);

  return new Map(
    [...chains].map(([outcomeId, receipts]) => {
      const followed = new Set(receipts.map(({ previousHash }) => previousHash));

      return [outcomeId, receipts.find(({ hash }) => !followed.has(hash))?.hash ?? ''];
    }),
  );
}

/** A receipt among those of its outcome. */
export interface ChainedReceipt {
  readonly outcomeId: string;
  readonly hash: string;
  /** Null for the outcome's first. */
  readonly previousHash: string | null;
}

/** All receipts of each of these outcomes that has any. */
export async function receiptChains(
  tx: Scope,
  outcomeIds: readonly string[],
): Promise<ReadonlyMap<string, readonly ChainedReceipt[]>> {
  const rows = await query<ChainedReceipt>(
    tx,
    `select w.id as "outcomeId", r.hash, r."previousHash" from unnest($2::text[]) as w (id) cross join lateral (
       select hash, body::jsonb ->> 'previousHash' as "previousHash" from outcome_receipt
       where tenant_id = $1 and outcome_id = w.id offset 0
     ) r`,
    [tx.tenantId, outcomeIds],
  );

  return Map.groupBy(rows, ({ outcomeId }) => outcomeId);
}

/** A receipt that is to be kept. */
export interface NewReceipt {
  readonly id: string;
  readonly position: number;
  readonly outcomeId: string | null;
  readonly amount: Decimal;
  /** Canonical JSON. */
  readonly body: string;
  readonly hash: string;
}

/** Keeps receipts of a charge. */
export async function insertReceipts(
  tx: Scope,
  { chargeId, invoiceId }: { readonly chargeId: string; readonly invoiceId: string },
  receipts: readonly NewReceipt[],
): Promise<void> {
  // One text a column: none of them holds a line break, and an array of bodies would have each of their quotes escaped.
  const column = (textOf: (receipt: NewReceipt) => string): string => receipts.map(textOf).join('\n');
  await query(
    tx,
    `insert into outcome_receipt (tenant_id, charge_id, invoice_id, sealed_at, id, position, outcome_id, amount, body, hash)
     select $1, $2, $3, $4, r.id, r.position::integer, nullif(r.outcome_id, ''), r.amount::numeric, r.body, r.hash
     from unnest(${[5, 6, 7, 8, 9, 10].map(place => `string_to_array($${place}::text, E'\\n')`).join(', ')})
       as r (id, position, outcome_id, amount, body, hash)`,
    [
      tx.tenantId,
      chargeId,
      invoiceId,
      tx.now,
      column(({ id }) => id),
      column(({ position }) => String(position)),
      column(({ outcomeId }) => outcomeId ?? ''),
      column(({ amount }) => formatDecimal(amount)),
      column(({ body }) => body),
      column(({ hash }) => hash),
    ],
  );
}

/** Seals the receipts of these charges as they are kept, and returns the seals in the order of the charges' ids. */
export async function sealCharges(tx: Scope, invoiceId: string, chargeIds: readonly string[]): Promise<ReceiptsSeal[]> {
  const rows = await query<Omit<ReceiptsSeal, 'amount'> & { readonly amount: string }>(
    tx,
    `insert into outcome_seal (tenant_id, charge_id, invoice_id, receipts, amount, hash, sealed_at)
     select $1, w.id, $2, r.receipts, r.amount, r.hash, $4 from unnest($3::text[]) as w (id) cross join lateral (
       select count(*)::int as receipts, coalesce(sum(amount), 0) as amount,
         encode(sha256(convert_to(coalesce(string_agg(hash, E'\\n' order by position), ''), 'UTF8')), 'hex') as hash
       from outcome_receipt where tenant_id = $1 and charge_id = w.id offset 0
     ) r returning charge_id as "chargeId", receipts, amount::text, hash`,
    [tx.tenantId, invoiceId, chargeIds, tx.now],
  );

  return rows.map(row => ({ ...row, amount: decimal(row.amount) })).sort((a, b) => (a.chargeId < b.chargeId ? -1 : 1));
}

/** A receipt as it is kept. */
export interface ReceiptRow {
  readonly id: string;
  readonly tenantId: string;
  readonly chargeId: string;
  /** Among the receipts of its charge, from 1. */
  readonly position: number;
  readonly outcomeId: string | null;
  readonly invoiceId: string;
  /** A decimal. */
  readonly amount: string;
  readonly body: string;
  readonly hash: string;
  readonly sealedAt: Date;
}

const READ = `id, tenant_id as "tenantId", charge_id as "chargeId", position, outcome_id as "outcomeId", invoice_id as "invoiceId",
  trim_scale(amount)::text as amount, body, hash, sealed_at as "sealedAt"`;

/** Where a receipt stands on its invoice. */
export type ReceiptPlace = Pick<ReceiptRow, 'chargeId' | 'position'>;

/** Receipts of an invoice after a place, in the order of charge and position: up to `limit`. */
export async function receiptsAfter(
  tx: Scope,
  invoiceId: string,
  after: ReceiptPlace | null,
  limit: number,
): Promise<ReceiptRow[]> {
  return query<ReceiptRow>(
    tx,
    `select ${READ} from outcome_receipt
     where tenant_id = $1 and invoice_id = $2 and (charge_id, position) > ($3, $4)
     order by charge_id, position limit $5`,
    [tx.tenantId, invoiceId, after?.chargeId ?? '', after?.position ?? 0, limit],
  );
}

/** Receipts of an invoice as a page: up to `first` + 1. */
export async function invoiceReceiptPage(tx: Scope, invoiceId: string, args: PageArguments): Promise<ReceiptRow[]> {
  const { limit, after } = page(args);

  return receiptsAfter(tx, invoiceId, readPlace(after), limit);
}

/** The place of a receipt as a cursor carries it. */
export function placeText({ chargeId, position }: ReceiptPlace): string {
  return `${chargeId} ${position}`;
}

function readPlace(text: string | null): ReceiptPlace | null {
  const [, chargeId, position] = /^(chg_[0-9A-Z]{26}) (\d{1,9})$/.exec(text ?? '') ?? [];

  return chargeId === undefined ? null : { chargeId, position: Number(position) };
}

/** Receipts of an outcome, in the order of their ids: up to `first` + 1. */
export async function outcomeReceiptPage(tx: Scope, outcomeId: string, args: PageArguments): Promise<ReceiptRow[]> {
  const { limit, after } = page(args);

  return query<ReceiptRow>(
    tx,
    `select ${READ} from outcome_receipt where tenant_id = $1 and outcome_id = $2 and id > $3 order by id limit $4`,
    [tx.tenantId, outcomeId, after ?? '', limit],
  );
}

/** A receipt of the transaction's tenant by its id; null for any other. */
export async function receiptById(tx: Scope, id: string): Promise<ReceiptRow | null> {
  const [row] = await query<ReceiptRow>(tx, `select ${READ} from outcome_receipt where tenant_id = $1 and id = $2`, [
    tx.tenantId,
    id,
  ]);

  return row ?? null;
}
