import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';

const INVOICE_STATUSES = ['DRAFT', 'ISSUED'] as const;
export type InvoiceStatus = (typeof INVOICE_STATUSES)[number];

const InvoiceSchema = defineEntity({
  name: 'Invoice',
  tableName: 'invoice',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    contractId: p.string(),
    issuerId: p.string(),
    currency: p.string(),
    periodStart: p.datetime(),
    periodEnd: p.datetime(),
    /** When it issues itself: the end of the period plus the contract's grace, never sooner than that after its making. */
    dueAt: p.datetime(),
    status: p.enum(INVOICE_STATUSES),
    number: p.string().nullable(),
    total: p.type(DecimalColumn).$type<Decimal>().nullable(),
    issuedAt: p.datetime().nullable(),
    /** Canonical JSON of what was issued; `documentHash` is its SHA-256. */
    document: p.text().nullable().lazy(),
    documentHash: p.string().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What one tenant owes for one period of one contract. */
export class Invoice extends InvoiceSchema.class {}
InvoiceSchema.setClass(Invoice);

const InvoiceLineSchema = defineEntity({
  name: 'InvoiceLine',
  tableName: 'invoice_line',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    invoiceId: p.string(),
    position: p.integer(),
    chargeId: p.string(),
    description: p.string(),
    quantity: p.type(DecimalColumn).$type<Decimal>(),
    exactAmount: p.type(DecimalColumn).$type<Decimal>(),
    amount: p.type(DecimalColumn).$type<Decimal>(),
    serviceStart: p.datetime(),
    serviceEnd: p.datetime(),
    isAdjustment: p.boolean(),
  },
  filters: tenantFilter,
});

/** One charge on one issued invoice, rounded. */
export class InvoiceLine extends InvoiceLineSchema.class {}
InvoiceLineSchema.setClass(InvoiceLine);

export const invoiceEntities = [InvoiceSchema, InvoiceLineSchema] as const;
