import { defineEntity, p } from '@mikro-orm/core';
import { tenantFilter } from '../platform/index.js';
import { AGGREGATIONS } from './meter.rules.js';

export interface ContextBand {
  /** The band holds requests of more than this many input tokens. */
  readonly above: string;
  /** The name prices bind, such as long. */
  readonly name: string;
}

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
    contextBands: p.json<readonly ContextBand[]>(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** An AI model in the catalog. */
export class Model extends ModelSchema.class {}
ModelSchema.setClass(Model);

/** What one unit of usage of a model costs us, such as `{kind: "input_tokens", amount: "2", per: "1000000"}`. */
export interface CostRate {
  readonly kind: string;
  readonly amount: string;
  readonly per: string;
}

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
    aggregation: p.enum(AGGREGATIONS),
    valueProperty: p.string().nullable(),
    dimensions: p.json<readonly { readonly name: string; readonly property: string }[]>(),
    unit: p.string(),
    createdAt: p.datetime(),
  },
  filters: tenantFilter,
});

/** What is counted. Immutable: a changed count is another meter. */
export class Meter extends MeterSchema.class {}
MeterSchema.setClass(Meter);

export const catalogEntities = [ModelSchema, ModelCostSchema, MeterSchema] as const;
