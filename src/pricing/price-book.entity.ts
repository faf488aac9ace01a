import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';
import type { BasisJson } from './basis.rules.js';
import type { DiscountJson } from './discount-terms.rules.js';
import type { DimensionPattern } from './pattern.rules.js';
import type { PriceTermsJson } from './price.rules.js';
import type { PriceWindowJson } from './window.rules.js';

const PriceBookSchema = defineEntity({
  name: 'PriceBook',
  tableName: 'price_book',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    name: p.string(),
    currency: p.string(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** A seller's prices, in versions. `currency` is that of a price that names none. */
export class PriceBook extends PriceBookSchema.class {}
PriceBookSchema.setClass(PriceBook);

const VERSION_STATUSES = ['DRAFT', 'PUBLISHED', 'WITHDRAWN'] as const;

const PriceBookVersionSchema = defineEntity({
  name: 'PriceBookVersion',
  tableName: 'price_book_version',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    priceBookId: p.string(),
    number: p.integer(),
    status: p.enum(VERSION_STATUSES),
    effectiveAt: p.datetime().nullable(),
    publishedAt: p.datetime().nullable(),
    withdrawnAt: p.datetime().nullable(),
    /** What it takes over from another book; null for nothing. */
    basis: p.json<BasisJson>().nullable(),
    discounts: p.json<readonly DiscountJson[]>(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** The prices of a book from an instant on; nothing in it changes once it is published. */
export class PriceBookVersion extends PriceBookVersionSchema.class {}
PriceBookVersionSchema.setClass(PriceBookVersion);

const PriceSchema = defineEntity({
  name: 'Price',
  tableName: 'price',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    versionId: p.string(),
    meterId: p.string(),
    name: p.string(),
    currency: p.string(),
    pattern: p.json<DimensionPattern>(),
    window: p.json<PriceWindowJson>().nullable(),
    terms: p.json<PriceTermsJson>(),
    source: p.string().nullable(),
  },
  filters: tenantFilter,
});

/** What one meter costs for the usage that a dimension pattern matches. */
export class Price extends PriceSchema.class {}
PriceSchema.setClass(Price);

export const pricingEntities = [PriceBookSchema, PriceBookVersionSchema, PriceSchema] as const;
