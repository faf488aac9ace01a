import { defineEntity, p } from '@mikro-orm/core';
import type { ConversionJson } from '../money/index.js';
import { tenantFilter } from '../platform/index.js';
import { AGGREGATIONS, METER_SOURCES, type MeterDimension } from './meter.rules.js';
import type { ContextBand, CostRate } from './model.rules.js';

const ModelSchema = defineEntity({
  name: 'Model',
  tableName: 'model',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    key: p.string(),
    provider: p.string(),
    family: p.string(),
    modality: p.string(),
    /** Those from the beginning; `model_context` holds what took their place. */
    contextBands: p.json<readonly ContextBand[]>(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** An AI model in the catalog. */
export class Model extends ModelSchema.class {}
ModelSchema.setClass(Model);

const ModelCostSchema = defineEntity({
  name: 'ModelCost',
  tableName: 'model_cost',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    modelId: p.string(),
    effectiveAt: p.datetime(),
    currency: p.string(),
    rates: p.json<readonly CostRate[]>(),
    source: p.string(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What a model costs us from an instant on; the newest one before an instant holds at it. */
export class ModelCost extends ModelCostSchema.class {}
ModelCostSchema.setClass(ModelCost);

const MeterSchema = defineEntity({
  name: 'Meter',
  tableName: 'meter',
  properties: {
    tenantId: p.string(),
    id: p.string().primary(),
    key: p.string(),
    eventType: p.string(),
    filter: p.text(),
    source: p.enum(METER_SOURCES),
    aggregation: p.enum(AGGREGATIONS),
    valueProperty: p.string().nullable(),
    factorProperties: p.json<readonly string[]>(),
    conversion: p.json<ConversionJson>().nullable(),
    dimensions: p.json<readonly MeterDimension[]>(),
    unit: p.string(),
    keepsEvents: p.boolean(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What is counted. Immutable: a changed count is another meter. */
export class Meter extends MeterSchema.class {}
MeterSchema.setClass(Meter);

export const catalogEntities = [ModelSchema, ModelCostSchema, MeterSchema] as const;
