export { Invoice, invoiceEntities } from './invoice.entity.js';
export { InvoiceFieldsResolver, InvoiceResolver } from './invoice.resolver.js';
export { InvoiceType } from './invoice.types.js';
export { invoicingHandlers, invoicingJobs } from './invoicing.jobs.js';
export { InvoicingService } from './invoicing.service.js';
