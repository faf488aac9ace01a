import { defineEntity, p } from '@mikro-orm/core';
import type { Decimal } from '../money/index.js';
import { DecimalColumn, tenantFilter } from '../platform/index.js';
import { type EntitlementValueJson, FEATURE_KINDS } from './entitlement-value.rules.js';
import { FAIL_MODES, TARGET_KINDS } from './entitlement.rules.js';

const FeatureSchema = defineEntity({
  name: 'Feature',
  tableName: 'feature',
  properties: {
    /** The seller. */
    tenantId: p.string(),
    id: p.string().primary(),
    key: p.string(),
    name: p.string(),
    kind: p.enum(FEATURE_KINDS),
    /** What a LIMIT counts; null for every other kind. */
    meterId: p.string().nullable(),
    failMode: p.enum(FAIL_MODES),
    /** How much may be used blindly; of LAST_KNOWN. */
    failCap: p.type(DecimalColumn).$type<Decimal>().nullable(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** Something that a seller's customers may use, or not, or so much of. Immutable. */
export class Feature extends FeatureSchema.class {}
FeatureSchema.setClass(Feature);

const EntitlementSchema = defineEntity({
  name: 'Entitlement',
  tableName: 'entitlement',
  properties: {
    /** The seller. */
    tenantId: p.string(),
    id: p.string().primary(),
    featureId: p.string(),
    targetKind: p.enum(TARGET_KINDS),
    /** The price book, the contract or the tenant. */
    targetId: p.string(),
    /** Null takes the feature away, unless it inherits. */
    value: p.json<EntitlementValueJson>().nullable(),
    /** The target has again what a wider one is given. */
    inherits: p.boolean(),
    effectiveAt: p.datetime(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What somebody has of a feature from an instant on, until the next one for the same. Immutable. */
export class Entitlement extends EntitlementSchema.class {}
EntitlementSchema.setClass(Entitlement);

export const entitlementEntities = [FeatureSchema, EntitlementSchema] as const;
