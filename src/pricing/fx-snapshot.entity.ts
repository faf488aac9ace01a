import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';

const FxSnapshotSchema = defineEntity({
  name: 'FxSnapshot',
  tableName: 'fx_snapshot',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    base: p.string(),
    quote: p.string(),
    /** How many units of `quote` one unit of `base` is. */
    rate: p.type(DecimalColumn).$type<Decimal>(),
    asOf: p.datetime(),
    source: p.string(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** An exchange rate as of an instant. Never changed: what names it keeps its rate. */
export class FxSnapshot extends FxSnapshotSchema.class {}
FxSnapshotSchema.setClass(FxSnapshot);

export const fxEntities = [FxSnapshotSchema] as const;
