import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, DecimalScalar, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { Meter, Model, ModelCost } from './catalog.entity.js';

export enum AggregationEnum {
  SUM = 'SUM',
  COUNT = 'COUNT',
  MAX = 'MAX',
  LATEST = 'LATEST',
  UNIQUE_COUNT = 'UNIQUE_COUNT',
}
registerEnumType(AggregationEnum, {
  name: 'Aggregation',
  description: 'How a meter folds events into a quantity.',
  valuesConfig: {
    SUM: { description: 'The sum of the values.' },
    COUNT: { description: 'The number of events.' },
    MAX: { description: 'The largest value.' },
    LATEST: { description: 'The value of the latest event by its time.' },
    UNIQUE_COUNT: { description: 'The number of different values.' },
  },
});

@ObjectType('ContextBand', { description: 'A range of input lengths that prices may depend on.' })
export class ContextBandType {
  @Field(() => DecimalScalar, { description: 'The band holds requests of more input tokens than this.' })
  above!: string;

  @Field(() => String, { description: 'The name prices bind, such as long.' })
  name!: string;
}

@InputType({ description: 'A range of input lengths that prices may depend on.' })
export class ContextBandInput {
  @Field(() => DecimalScalar, { description: 'The band holds requests of more input tokens than this.' })
  above!: string;

  @Field(() => String, { description: 'The name prices bind, such as long.' })
  name!: string;
}

@ObjectType('CostRate', { description: 'What one kind of usage costs us.' })
export class CostRateType {
  @Field(() => String, { description: 'What is counted, such as input_tokens.' })
  kind!: string;

  @Field(() => DecimalScalar, { description: 'The amount for `per` units.' })
  amount!: string;

  @Field(() => DecimalScalar, { description: 'How many units the amount is for.' })
  per!: string;
}

@InputType({ description: 'What one kind of usage costs us.' })
export class CostRateInput {
  @Field(() => String, { description: 'What is counted, such as input_tokens.' })
  kind!: string;

  @Field(() => DecimalScalar, { description: 'The amount for `per` units.' })
  amount!: string;

  @Field(() => DecimalScalar, { description: 'How many units the amount is for, such as "1000000".' })
  per!: string;
}

@ObjectType('ModelCost', { description: 'What a model costs us from an instant on.' })
export class ModelCostType {
  @Field(() => Date, { description: 'From when it holds, until the next one.' })
  effectiveAt!: Date;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => [CostRateType], { description: 'At most 64.' })
  rates!: CostRateType[];

  @Field(() => String, { description: 'Where it was read, and when.' })
  source!: string;

  static from(cost: ModelCost): ModelCostType {
    return Object.assign(new ModelCostType(), {
      effectiveAt: cost.effectiveAt,
      currency: cost.currency,
      rates: cost.rates.map(rate => Object.assign(new CostRateType(), rate)),
      source: cost.source,
    });
  }
}

@ObjectType('Model', { implements: Node, description: 'An AI model in the catalog.' })
export class ModelType extends Node {
  @Field(() => String, { description: 'The name usage events call it by, such as gpt-6.2-sol.' })
  key!: string;

  @Field(() => String, { description: 'Who makes it, such as openai.' })
  provider!: string;

  @Field(() => String, { description: 'The family it belongs to, such as gpt-6.2.' })
  family!: string;

  @Field(() => String, { description: 'What it takes and gives, such as text.' })
  modality!: string;

  @Field(() => [ContextBandType], { description: 'Ranges of input lengths that prices may depend on, ascending; few.' })
  contextBands!: ContextBandType[];

  @Field(() => Date, { description: 'When it was entered.' })
  createdAt!: Date;

  tenantId!: string;

  static from(model: Model): ModelType {
    return Object.assign(new ModelType(), {
      id: model.id,
      tenantId: model.tenantId,
      key: model.key,
      provider: model.provider,
      family: model.family,
      modality: model.modality,
      contextBands: model.contextBands.map(band => Object.assign(new ContextBandType(), band)),
      createdAt: model.createdAt,
    });
  }
}

export const ModelConnection = connectionOf('Model', () => ModelType);

@ObjectType('MeterDimension', { description: 'A property of events that prices may depend on.' })
export class MeterDimensionType {
  @Field(() => String, { description: 'The name prices bind.' })
  name!: string;

  @Field(() => String, { description: 'The path of the property in the event.' })
  property!: string;
}

@InputType({ description: 'A property of events that prices may depend on.' })
export class MeterDimensionInput {
  @Field(() => String, { description: 'The name prices bind: lower case, such as model.' })
  name!: string;

  @Field(() => String, { description: 'The path of the property in the event, such as model or usage.tier.' })
  property!: string;
}

@ObjectType('Meter', {
  implements: Node,
  description: 'What is counted: which events, which value, folded how, by which dimensions.',
})
export class MeterType extends Node {
  @Field(() => String, { description: 'Its name for people and programs.' })
  key!: string;

  @Field(() => String, { description: 'The type of the events it counts.' })
  eventType!: string;

  @Field(() => String, { description: 'CEL: which of those events it counts; empty for all.' })
  filter!: string;

  @Field(() => AggregationEnum, { description: 'How it folds them.' })
  aggregation!: AggregationEnum;

  @Field(() => String, { nullable: true, description: 'The path of the value in the event; null for COUNT.' })
  valueProperty!: string | null;

  @Field(() => [MeterDimensionType], { description: 'What prices may depend on; at most 8.' })
  dimensions!: MeterDimensionType[];

  @Field(() => String, { description: 'What one unit is, such as token.' })
  unit!: string;

  @Field(() => Date, { description: 'When it was defined.' })
  createdAt!: Date;

  static from(meter: Meter): MeterType {
    return Object.assign(new MeterType(), {
      id: meter.id,
      key: meter.key,
      eventType: meter.eventType,
      filter: meter.filter,
      aggregation: AggregationEnum[meter.aggregation],
      valueProperty: meter.valueProperty ?? null,
      dimensions: meter.dimensions.map(dimension => Object.assign(new MeterDimensionType(), dimension)),
      unit: meter.unit,
      createdAt: meter.createdAt,
    });
  }
}

export const MeterConnection = connectionOf('Meter', () => MeterType);

@InputType({ description: 'A model to enter.' })
export class ModelCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => String, { description: 'The name usage events call it by.' })
  key!: string;

  @Field(() => String, { description: 'Who makes it.' })
  provider!: string;

  @Field(() => String, { description: 'The family it belongs to.' })
  family!: string;

  @Field(() => String, { defaultValue: 'text', description: 'What it takes and gives.' })
  modality!: string;

  @Field(() => [ContextBandInput], { defaultValue: [], description: 'Ranges of input lengths, ascending.' })
  contextBands!: ContextBandInput[];
}

@ObjectType({ description: 'The answer of modelCreate and modelCostSet.' })
export class ModelPayload extends OncePayload {
  @Field(() => ModelType, { nullable: true, description: 'The model; null when refused.' })
  model?: ModelType | null;
}

@InputType({ description: 'What a model costs us from an instant on.' })
export class ModelCostSetInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, { description: 'The model.' })
  modelId!: string;

  @Field(() => Date, { description: 'From when it holds.' })
  effectiveAt!: Date;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => [CostRateInput], { description: 'At most 64.' })
  rates!: CostRateInput[];

  @Field(() => String, { description: 'Where it was read, and when.' })
  source!: string;
}

@InputType({ description: 'A meter to define.' })
export class MeterCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => String, { description: 'Its name: lower case letters, digits and underscores.' })
  key!: string;

  @Field(() => String, { description: 'The type of the events it counts.' })
  eventType!: string;

  @Field(() => String, {
    defaultValue: '',
    description:
      'CEL over type, subject, source and properties: which events it counts; empty for all. Checked when saved.',
  })
  filter!: string;

  @Field(() => AggregationEnum, { description: 'How it folds them.' })
  aggregation!: AggregationEnum;

  @Field(() => String, {
    nullable: true,
    description: 'The path of the value in properties, such as output_tokens; none for COUNT.',
  })
  valueProperty?: string | null;

  @Field(() => [MeterDimensionInput], { defaultValue: [], description: 'What prices may depend on; at most 8.' })
  dimensions!: MeterDimensionInput[];

  @Field(() => String, { description: 'What one unit is, such as token.' })
  unit!: string;
}

@ObjectType({ description: 'The answer of meterCreate.' })
export class MeterCreatePayload extends OncePayload {
  @Field(() => MeterType, { nullable: true, description: 'The meter; null when refused.' })
  meter?: MeterType | null;
}
