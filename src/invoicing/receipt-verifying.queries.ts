import { query, type Scope } from '../platform/index.js';

/** Issued invoices with charges for outcomes, or with anything sealed, in the order of their ids: up to `limit`. */
export async function sealedInvoices(tx: Scope, after: string, limit: number): Promise<string[]> {
  const rows = await query<{ readonly id: string }>(
    tx,
    `select i.id from invoice i where i.tenant_id = $1 and i.id > $2 and i.status = 'ISSUED' and (
       exists (select from charge c where c.tenant_id = $1 and c.invoice_id = i.id and c.price_version_id like 'orv\\_%')
       or exists (select from outcome_seal s where s.tenant_id = $1 and s.invoice_id = i.id))
     order by i.id limit $3`,
    [tx.tenantId, after, limit],
  );

  return rows.map(({ id }) => id);
}

/** How many receipts the tenant's seals count. */
export async function countSealed(tx: Scope): Promise<number> {
  const [row] = await query<{ readonly n: number }>(
    tx,
    'select coalesce(sum(receipts), 0)::int as n from outcome_seal where tenant_id = $1',
    [tx.tenantId],
  );

  return row?.n ?? 0;
}

/** A seal beside the charge and the line that it is for. Decimals as they are kept. */
export interface SealedCharge {
  readonly chargeId: string;
  readonly receipts: number;
  readonly amount: string;
  readonly hash: string;
  /** The exact amount of the charge; null where no such charge is on the invoice. */
  readonly charged: string | null;
  /** Those of the line; null where there is none. */
  readonly exactAmount: string | null;
  readonly lineAmount: string | null;
}

/** An issued invoice as its row and the audit log have it. */
export interface IssuedInvoice {
  readonly currency: string;
  readonly document: string | null;
  readonly documentHash: string;
  readonly auditedHash: string | null;
  readonly auditedSeals: readonly { readonly chargeId: string }[] | null;
}

/** An issued invoice with all its charges for outcomes and all its seals. A charge without a seal has none of receipts. */
export async function issuedSeals(
  tx: Scope,
  invoiceId: string,
): Promise<{ readonly invoice: IssuedInvoice | null; readonly charges: readonly SealedCharge[] }> {
  const [invoice = null] = await query<IssuedInvoice>(
    tx,
    `select i.currency, i.document, i.document_hash as "documentHash", a.after ->> 'documentHash' as "auditedHash",
       a.after -> 'outcomeSeals' as "auditedSeals"
     from invoice i left join audit_line a on a.tenant_id = i.tenant_id and a.action = 'invoice.issued' and a.subject_id = i.id
     where i.tenant_id = $1 and i.id = $2 and i.status = 'ISSUED' order by a.seq limit 1`,
    [tx.tenantId, invoiceId],
  );
  const charges = await query<SealedCharge>(
    tx,
    `select coalesce(s.charge_id, c.id) as "chargeId", coalesce(s.receipts, 0) as receipts,
       coalesce(s.amount, 0)::text as amount, coalesce(s.hash, '') as hash, c.amount::text as charged,
       l.exact_amount::text as "exactAmount", l.amount::text as "lineAmount"
     from (select * from outcome_seal where tenant_id = $1 and invoice_id = $2) s
     full join (
       select * from charge where tenant_id = $1 and invoice_id = $2 and price_version_id like 'orv\\_%'
     ) c on c.id = s.charge_id
     left join invoice_line l on l.tenant_id = $1 and l.invoice_id = $2 and l.charge_id = coalesce(s.charge_id, c.id)
     order by 1`,
    [tx.tenantId, invoiceId],
  );

  return { invoice, charges };
}

/** A receipt or a seal that belongs to nothing. */
export interface Stray {
  readonly invoiceId: string;
  readonly chargeId: string;
  readonly reason: string;
}

/** The first receipt whose charge is not sealed on the receipt's invoice, or the first seal whose invoice is not issued. */
export async function strayReceipts(tx: Scope): Promise<Stray | null> {
  const [stray = null] = await query<Stray>(
    tx,
    `(select r.invoice_id as "invoiceId", r.charge_id as "chargeId", 'it has receipts that were never sealed' as reason
      from outcome_receipt r left join outcome_seal s
        on s.tenant_id = r.tenant_id and s.charge_id = r.charge_id and s.invoice_id = r.invoice_id
      where r.tenant_id = $1 and s.charge_id is null limit 1)
     union all
     (select s.invoice_id, s.charge_id, 'it is sealed, and its invoice is not issued'
      from outcome_seal s left join invoice i on i.tenant_id = s.tenant_id and i.id = s.invoice_id and i.status = 'ISSUED'
      where s.tenant_id = $1 and i.id is null limit 1)
     limit 1`,
    [tx.tenantId],
  );

  return stray;
}
