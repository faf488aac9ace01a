export { Invoice, invoiceEntities } from './invoice.entity.js';
export { InvoiceFieldsResolver, InvoiceResolver } from './invoice.resolver.js';
export { InvoiceType } from './invoice.types.js';
export { invoicingHandlers, invoicingJobs } from './invoicing.jobs.js';
export { InvoicingService } from './invoicing.service.js';
export {
  InvoiceReceiptsResolver,
  OutcomeReceiptsResolver,
  ReceiptVersionResolver,
} from './outcome-receipt.resolver.js';
export { OutcomeReceiptType } from './outcome-receipt.types.js';
export { ReceiptsService } from './receipts.service.js';
export { type ReceiptFault, type Verified, verifyReceipts } from './receipt-verifying.js';
export { countSealed } from './receipt-verifying.queries.js';
