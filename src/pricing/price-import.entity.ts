import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';

/** What an import is for. */
export type ImportTarget = 'BOOK' | 'COSTS';

/** The formats of price lists that are read. */
export type PriceListFormat = 'LITELLM' | 'LANGFUSE';

/** How far an import is. */
export type ImportStatus = 'PROPOSED' | 'DRAFTED' | 'APPLIED' | 'DISCARDED';

/** How many entries the list has, and how many lines of which kind came of it. */
export interface ImportCounts {
  readonly entries: number;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly same: number;
  readonly flagged: number;
  readonly skipped: number;
}

const PriceImportSchema = defineEntity({
  name: 'PriceImport',
  tableName: 'price_import',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    target: p.enum(['BOOK', 'COSTS'] as const),
    priceBookId: p.string().nullable(),
    baseVersionId: p.string().nullable(),
    format: p.enum(['LITELLM', 'LANGFUSE'] as const),
    source: p.string(),
    sourceDate: p.string(),
    contentHash: p.string(),
    meters: p.json<Readonly<Record<string, string>>>(),
    counts: p.json<ImportCounts>(),
    status: p.enum(['PROPOSED', 'DRAFTED', 'APPLIED', 'DISCARDED'] as const),
    draftVersionId: p.string().nullable(),
    effectiveAt: p.datetime().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/**
 * A price list laid beside a price book, or beside what models cost us, for somebody to decide about line by line. What of
 * the list is no line, and the models it speaks of, are long and read by themselves (`price-import.queries.ts`).
 */
export class PriceImport extends PriceImportSchema.class {}
PriceImportSchema.setClass(PriceImport);

export const priceImportEntities = [PriceImportSchema] as const;
