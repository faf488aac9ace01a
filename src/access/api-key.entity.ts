import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';

const ApiKeySchema = defineEntity({
  name: 'ApiKey',
  tableName: 'api_key',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    name: p.string(),
    mode: p.enum(['LIVE', 'TEST'] as const),
    /** The first characters, by which people recognise the key. */
    start: p.string(),
    /** Keyed hash of the whole key; the key itself is nowhere. */
    digest: p.blob().lazy(),
    permissions: p.array(),
    createdAt: p.datetime(),
    expiresAt: p.datetime().nullable(),
    revokedAt: p.datetime().nullable(),
    lastUsedAt: p.datetime().nullable(),
  },
  filters: tenantFilter,
});

/** A key that opens the API for one tenant. */
export class ApiKey extends ApiKeySchema.class {}
ApiKeySchema.setClass(ApiKey);

export const accessEntities = [ApiKeySchema] as const;
