import { DomainError, inTransaction, isId, type PageArguments, type Scope } from '../platform/index.js';
import { Invoice } from './invoice.entity.js';
import {
  invoiceReceiptPage,
  outcomeReceiptPage,
  receiptById,
  receiptsAfter,
  type ReceiptPlace,
  type ReceiptRow,
} from './outcome-receipt.queries.js';

/** So many receipts of a stream are in memory at a time. */
const PAGE = 500;

/** Sealed receipts, as people read them. */
export class ReceiptsService {
  /** Receipts of an invoice of the scope's tenant, charge by charge, in order: up to `first` + 1. None of a draft. */
  async ofInvoice(scope: Scope, invoiceId: string, args: PageArguments): Promise<ReceiptRow[]> {
    return inTransaction(scope, tx => invoiceReceiptPage(tx, invoiceId, args));
  }

  /** Receipts of an outcome of the scope's tenant, the earliest first: up to `first` + 1. */
  async ofOutcome(scope: Scope, outcomeId: string, args: PageArguments): Promise<ReceiptRow[]> {
    return inTransaction(scope, tx => outcomeReceiptPage(tx, outcomeId, args));
  }

  /** The receipt with this id; null where the transaction's tenant has none. */
  async byId(tx: Scope, id: string): Promise<ReceiptRow | null> {
    return receiptById(tx, id);
  }

  /** All receipts of an invoice in the same order, page by page. Refuses one that the scope's tenant has not. */
  async stream(scope: Scope, invoiceId: string): Promise<AsyncIterable<readonly ReceiptRow[]>> {
    const isThere =
      isId(invoiceId, 'inv') && (await inTransaction(scope, tx => tx.em.findOne(Invoice, { id: invoiceId }))) !== null;

    if (!isThere) {
      throw DomainError.notFound('invoice', invoiceId, ['invoiceId']);
    }

    return pagesOf(scope, invoiceId);
  }
}

/** Receipts never change, so each page may have a transaction of its own, and none is held open for a slow reader. */
async function* pagesOf(scope: Scope, invoiceId: string): AsyncGenerator<readonly ReceiptRow[], void, undefined> {
  let after: ReceiptPlace | null = null;
  let rows: readonly ReceiptRow[];

  do {
    const place = after;
    rows = await inTransaction(scope, async tx => receiptsAfter(tx, invoiceId, place, PAGE));

    if (rows.length > 0) {
      yield rows;
    }

    after = rows.at(-1) ?? null;
  } while (rows.length === PAGE);
}
