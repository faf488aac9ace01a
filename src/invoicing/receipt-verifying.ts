import { createHash, hash } from 'node:crypto';
import { decimal, formatDecimal, roundMoney, ZERO, type Decimal } from '../money/index.js';
import { brokenBatch, factHashes, inputsHash } from '../outcomes/index.js';
import { canonicalJson, inTransaction, type Scope } from '../platform/index.js';
import { receiptChains, receiptsAfter, type ReceiptPlace, type ReceiptRow } from './outcome-receipt.queries.js';
import { issuedSeals, sealedInvoices, strayReceipts, type SealedCharge } from './receipt-verifying.queries.js';

/** Where receipts are first not what was sealed, and what is wrong there. */
export interface ReceiptFault {
  /** From the outside in, such as `invoice inv_…, charge chg_…, receipt 17 (orc_…)`. */
  readonly place: string;
  readonly reason: string;
}

/** What a verification has looked at. */
export interface Verified {
  readonly receipts: number;
  readonly seals: number;
  readonly batches: number;
  /** The first fault; null when there is none. */
  readonly fault: ReceiptFault | null;
}

const PAGE = 1_000;

class Fault extends Error {
  constructor(
    readonly place: string,
    readonly reason: string,
  ) {
    super(reason);
  }
}

/**
 * Recomputes all that the receipts of the scope's tenant say of each other: the hash of each from its body, its amount and
 * outcome against its columns, what it rests on, the receipt before it, every seal, and that receipts, charge, line,
 * document and audit log agree; then the digests of the transitions. Stops at the first fault. `onReceipts` is told how
 * many more receipts have been read. Whether the audit log itself is whole is for `verifyChain` to say.
 */
export async function verifyReceipts(
  scope: Scope,
  onReceipts: (read: number) => void = () => undefined,
): Promise<Verified> {
  let [receipts, seals, batches] = [0, 0, 0];

  try {
    for (let after: string | null = ''; after !== null;) {
      const from: string = after;
      const ids = await inTransaction(scope, async tx => sealedInvoices(tx, from, PAGE));

      for (const invoiceId of ids) {
        seals += await verifyInvoice(scope, invoiceId, read => {
          receipts += read;
          onReceipts(read);
        });
      }

      after = ids.length === PAGE ? (ids.at(-1) ?? null) : null;
    }

    const stray = await inTransaction(scope, strayReceipts);

    if (stray) {
      throw new Fault(`invoice ${stray.invoiceId}, charge ${stray.chargeId}`, stray.reason);
    }

    const checked = await inTransaction(scope, brokenBatch);
    batches = checked.batches;

    if (checked.broken) {
      throw new Fault(`transitions of batch ${checked.broken.id}`, checked.broken.reason);
    }
  } catch (error) {
    if (!(error instanceof Fault)) {
      throw error;
    }

    return { receipts, seals, batches, fault: { place: error.place, reason: error.reason } };
  }

  return { receipts, seals, batches, fault: null };
}

/** What was found in the receipts of one charge so far. */
interface Found {
  readonly place: string;
  position: number;
  amount: Decimal;
  readonly hash: ReturnType<typeof createHash>;
}

/** Verifies one invoice; returns how many seals it has. */
async function verifyInvoice(scope: Scope, invoiceId: string, onReceipts: (read: number) => void): Promise<number> {
  const { invoice, charges } = await inTransaction(scope, tx => issuedSeals(tx, invoiceId));
  const place = `invoice ${invoiceId}`;

  if (!invoice || invoice.document === null || hash('sha256', invoice.document, 'hex') !== invoice.documentHash) {
    throw new Fault(place, 'its document is not what was hashed');
  }

  if (invoice.auditedHash !== invoice.documentHash) {
    throw new Fault(place, 'its document is not the one that the audit log names');
  }

  const found = new Map(
    charges.map(({ chargeId }): [string, Found] => [
      chargeId,
      { place: `${place}, charge ${chargeId}`, position: 0, amount: ZERO, hash: createHash('sha256') },
    ]),
  );
  let after: ReceiptPlace | null = null;
  let rows: readonly ReceiptRow[];

  do {
    const from = after;
    rows = await inTransaction(scope, async tx => {
      const page = await receiptsAfter(tx, invoiceId, from, PAGE);
      await verifyPage(tx, page, found, place);

      return page;
    });
    onReceipts(rows.length);
    after = rows.at(-1) ?? null;
  } while (rows.length === PAGE);

  const lines = documentLines(invoice.document);
  const audited = new Map((invoice.auditedSeals ?? []).map(seal => [seal.chargeId, canonicalJson(seal)]));

  for (const charge of charges) {
    const sums = found.get(charge.chargeId);

    if (sums) {
      verifySeal(charge, sums, invoice.currency);
      verifyLine(charge, sums.place, lines.get(charge.chargeId), invoice.currency);
    }

    const { chargeId, receipts, amount, hash: sealed } = charge;
    const named = canonicalJson({ chargeId, receipts, amount: plain(amount), hash: sealed });

    if (audited.get(chargeId) !== named) {
      throw new Fault(sums?.place ?? place, 'its seal is not the one that the audit log names');
    }

    audited.delete(chargeId);
  }

  const [missing] = audited.keys();

  if (missing !== undefined) {
    throw new Fault(`${place}, charge ${missing}`, 'the audit log names a seal that is not there');
  }

  return charges.length;
}

async function verifyPage(
  tx: Scope,
  rows: readonly ReceiptRow[],
  found: ReadonlyMap<string, Found>,
  invoicePlace: string,
): Promise<void> {
  const bodies = new Map(rows.map(row => [row, bodyOf(row, invoicePlace)]));
  const facts = await factHashes(
    tx,
    [...bodies.values()].flatMap(body => body.facts ?? []),
  );
  const outcomeIds = [...new Set(rows.flatMap(({ outcomeId }) => outcomeId ?? []))];
  const chains = await receiptChains(tx, outcomeIds);

  for (const [row, body] of bodies) {
    const sums = found.get(row.chargeId);
    const place = `${invoicePlace}, charge ${row.chargeId}, receipt ${row.position} (${row.id})`;

    if (!sums) {
      throw new Fault(place, 'its charge has no seal on this invoice');
    }

    if (row.position !== sums.position + 1) {
      throw new Fault(place, `receipt ${sums.position + 1} is missing before it`);
    }

    const fault = faultOf(row, body, facts) ?? chainFault(row, body, chains);

    if (fault !== null) {
      throw new Fault(place, fault);
    }

    sums.hash.update(sums.position === 0 ? row.hash : `\n${row.hash}`);
    sums.position = row.position;
    sums.amount = sums.amount.plus(decimal(row.amount));
  }
}

/** What a body says that can be held against something. */
interface Body {
  readonly receiptId?: unknown;
  readonly invoiceId?: unknown;
  readonly chargeId?: unknown;
  readonly outcomeId?: unknown;
  readonly amount?: unknown;
  readonly facts?: readonly string[];
  readonly inputsHash?: unknown;
  readonly previousHash?: unknown;
}

/** The body is read only when it is what was hashed. */
function bodyOf({ id, chargeId, position, body, hash: sealed }: ReceiptRow, place: string): Body {
  if (hash('sha256', body, 'hex') !== sealed) {
    throw new Fault(`${place}, charge ${chargeId}, receipt ${position} (${id})`, 'its body is not what was sealed');
  }

  return JSON.parse(body) as Body;
}

function faultOf(row: ReceiptRow, body: Body, facts: ReadonlyMap<string, readonly string[]>): string | null {
  if (body.receiptId !== row.id || body.chargeId !== row.chargeId || body.invoiceId !== row.invoiceId) {
    return 'its body is that of another receipt';
  }

  if (body.outcomeId !== row.outcomeId) {
    return `it is kept for ${row.outcomeId ?? 'no outcome'}, and its body says ${String(body.outcomeId)}`;
  }

  if (body.amount !== row.amount) {
    return `it is kept with ${row.amount}, and its body says ${String(body.amount)}`;
  }

  return row.outcomeId !== null && body.inputsHash !== inputsHash(body.facts ?? [], facts)
    ? 'the facts that it rests on are not what they were'
    : null;
}

/** Of the receipts of an outcome one is the first, and each other follows one that no other follows. */
function chainFault(row: ReceiptRow, body: Body, chains: Awaited<ReturnType<typeof receiptChains>>): string | null {
  if (row.outcomeId === null) {
    return null;
  }

  const chain = chains.get(row.outcomeId) ?? [];
  const isThere = body.previousHash === null || chain.some(({ hash: other }) => other === body.previousHash);
  const isOnly = chain.filter(({ previousHash }) => previousHash === body.previousHash).length === 1;

  return isThere && isOnly ? null : 'it does not follow from the receipt before it of its outcome';
}

function verifySeal(charge: SealedCharge, found: Found, currency: string): void {
  const { place, position, amount } = found;
  const sealed = decimal(charge.amount);

  if (charge.receipts !== position) {
    throw new Fault(place, `${charge.receipts} receipts were sealed, and ${position} are there`);
  }

  if (!sealed.eq(amount)) {
    throw new Fault(
      place,
      `its seal says ${plain(charge.amount)} ${currency}, and its receipts come to ${formatDecimal(amount)}`,
    );
  }

  if (found.hash.digest('hex') !== charge.hash) {
    throw new Fault(place, 'its receipts are not those that were sealed, or not in their order');
  }

  if (charge.charged === null || !decimal(charge.charged).eq(amount)) {
    const told =
      charge.charged === null ? 'no such charge is on the invoice' : `the charge is ${plain(charge.charged)}`;
    throw new Fault(place, `its receipts come to ${formatDecimal(amount)} ${currency}, and ${told}`);
  }
}

/** A line as the document has it. */
interface DocumentLine {
  readonly chargeId: string;
  readonly exactAmount: string;
  readonly amount: string;
  readonly receipts?: number;
  readonly receiptsHash?: string;
}

function documentLines(document: string): Map<string, DocumentLine> {
  const { lines } = JSON.parse(document) as { readonly lines: readonly DocumentLine[] };

  return new Map(lines.map(line => [line.chargeId, line]));
}

function verifyLine(charge: SealedCharge, place: string, written: DocumentLine | undefined, currency: string): void {
  const { exactAmount, lineAmount, receipts, hash: sealed, amount } = charge;

  // What comes to nothing at all is no line; the audit log names its seal all the same.
  if (exactAmount === null || lineAmount === null) {
    if (written || !decimal(amount).isZero()) {
      throw new Fault(place, 'its line is not there');
    }

    return;
  }

  if (!decimal(exactAmount).eq(decimal(amount))) {
    throw new Fault(place, `its receipts come to ${plain(amount)} ${currency}, and its line to ${plain(exactAmount)}`);
  }

  if (!decimal(lineAmount).eq(roundMoney(decimal(exactAmount), currency))) {
    throw new Fault(
      place,
      `its line is ${plain(lineAmount)} ${currency}, which ${plain(exactAmount)} does not round to`,
    );
  }

  if (
    written?.receipts !== receipts ||
    written.receiptsHash !== sealed ||
    written.exactAmount !== plain(exactAmount) ||
    written.amount !== plain(lineAmount)
  ) {
    throw new Fault(place, 'its line in the document is another one');
  }
}

function plain(text: string): string {
  return formatDecimal(decimal(text));
}
