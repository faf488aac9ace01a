import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { connectionOf, DecimalScalar, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { Model, ModelCost } from './catalog.entity.js';
import type { ContextBand, CostRate } from './model.rules.js';

@ObjectType('ContextBand', {
  description: 'A stretch of prompt lengths that prices may depend on. What lies below the first one is called short.',
})
export class ContextBandType {
  @Field(() => DecimalScalar, {
    description: 'The band holds prompts of more tokens than this, cached ones included, up to the next band.',
  })
  above!: string;

  @Field(() => Boolean, { description: 'Whether it also holds prompts of exactly that many.' })
  inclusive!: boolean;

  @Field(() => String, { description: 'The name prices bind, such as long.' })
  name!: string;

  static from({ above, inclusive, name }: ContextBand): ContextBandType {
    return Object.assign(new ContextBandType(), { above, inclusive: inclusive ?? false, name });
  }
}

@InputType({
  description: 'A stretch of prompt lengths that prices may depend on. What lies below the first one is called short.',
})
export class ContextBandInput {
  @Field(() => DecimalScalar, {
    description: 'The band holds prompts of more tokens than this, cached ones included, up to the next band.',
  })
  above!: string;

  @Field(() => Boolean, { defaultValue: false, description: 'Whether it also holds prompts of exactly that many.' })
  inclusive!: boolean;

  @Field(() => String, { description: 'The name prices bind, such as long.' })
  name!: string;
}

@ObjectType('ModelContext', { description: 'The context bands of a model from an instant on.' })
export class ModelContextType {
  @Field(() => Date, {
    nullable: true,
    description: 'From when they hold, until the next ones; null for those that hold from the beginning.',
  })
  effectiveAt!: Date | null;

  @Field(() => [ContextBandType], { description: 'Ascending; none for a model without bands. At most 16.' })
  bands!: ContextBandType[];

  static from(context: {
    readonly effectiveAt: Date | null;
    readonly bands: readonly ContextBand[];
  }): ModelContextType {
    return Object.assign(new ModelContextType(), {
      effectiveAt: context.effectiveAt,
      bands: context.bands.map(ContextBandType.from),
    });
  }
}

@ObjectType('CostDimension', { description: 'What a dimension has to be for a cost rate to apply.' })
export class CostDimensionType {
  @Field(() => String, { description: 'A dimension of usage, such as service_tier.' })
  name!: string;

  @Field(() => String, { description: 'The value, or the beginning of one followed by *.' })
  value!: string;
}

@InputType({ description: 'What a dimension has to be for a cost rate to apply.' })
export class CostDimensionInput {
  @Field(() => String, { description: 'A dimension of usage, such as service_tier.' })
  name!: string;

  @Field(() => String, { description: 'The value, or the beginning of one followed by *.' })
  value!: string;
}

@ObjectType('CostRate', { description: 'What one kind of usage costs us.' })
export class CostRateType {
  @Field(() => String, { description: 'The kind of tokens, such as output, or the key of the meter.' })
  kind!: string;

  @Field(() => DecimalScalar, { description: 'The amount for `per` units.' })
  amount!: string;

  @Field(() => DecimalScalar, { description: 'How many units the amount is for.' })
  per!: string;

  @Field(() => [CostDimensionType], { description: 'Which usage of the kind it is for; empty for all. At most 14.' })
  dimensions!: CostDimensionType[];

  static from({ kind, amount, per, dimensions }: CostRate): CostRateType {
    return Object.assign(new CostRateType(), {
      kind,
      amount,
      per,
      dimensions: (dimensions ?? []).map(dimension => Object.assign(new CostDimensionType(), dimension)),
    });
  }
}

@InputType({ description: 'What one kind of usage costs us.' })
export class CostRateInput {
  @Field(() => String, { description: 'The kind of tokens, such as output, or the key of the meter.' })
  kind!: string;

  @Field(() => DecimalScalar, { description: 'The amount for `per` units.' })
  amount!: string;

  @Field(() => DecimalScalar, { description: 'How many units the amount is for, such as "1000000".' })
  per!: string;

  @Field(() => [CostDimensionInput], {
    defaultValue: [],
    description: 'Which usage of the kind it is for; empty for all. At most 14.',
  })
  dimensions!: CostDimensionInput[];
}

@ObjectType('ModelCost', { description: 'What a model costs us from an instant on.' })
export class ModelCostType {
  @Field(() => Date, { description: 'From when it holds, until the next one.' })
  effectiveAt!: Date;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => [CostRateType], { description: 'At most 200.' })
  rates!: CostRateType[];

  @Field(() => String, { description: 'Where it was read, and when.' })
  source!: string;

  static from(cost: ModelCost): ModelCostType {
    return Object.assign(new ModelCostType(), {
      effectiveAt: cost.effectiveAt,
      currency: cost.currency,
      rates: cost.rates.map(CostRateType.from),
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

  @Field(() => Date, { description: 'When it was entered.' })
  createdAt!: Date;

  tenantId!: string;

  /** Those from the beginning; a resolver knows which are in force. */
  initialBands!: readonly ContextBand[];

  static from(model: Model): ModelType {
    return Object.assign(new ModelType(), {
      id: model.id,
      tenantId: model.tenantId,
      key: model.key,
      provider: model.provider,
      family: model.family,
      modality: model.modality,
      initialBands: model.contextBands,
      createdAt: model.createdAt,
    });
  }
}

export const ModelConnection = connectionOf('Model', () => ModelType);

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

  @Field(() => [ContextBandInput], {
    defaultValue: [],
    description: 'Those that hold from the beginning, ascending. At most 16.',
  })
  contextBands!: ContextBandInput[];
}

@ObjectType({ description: 'The answer of modelCreate, modelCostSet and modelContextSet.' })
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

  @Field(() => [CostRateInput], { description: 'At most 200.' })
  rates!: CostRateInput[];

  @Field(() => String, { description: 'Where it was read, and when.' })
  source!: string;
}

@InputType({ description: 'The context bands of a model from an instant on.' })
export class ModelContextSetInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, { description: 'The model.' })
  modelId!: string;

  @Field(() => Date, {
    description:
      'From when they hold: now or later, for usage is folded with the bands in force at its time and never folded again. Servers look for new ones every two seconds.',
  })
  effectiveAt!: Date;

  @Field(() => [ContextBandInput], { description: 'Ascending; empty for a model without bands. At most 16.' })
  bands!: ContextBandInput[];
}
