import { Field, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { ConversionJson } from '../money/index.js';
import { connectionOf, DecimalScalar, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { Meter } from './catalog.entity.js';
import { dimensionNames, type MeterDimension } from './meter.rules.js';

export enum AggregationEnum {
  SUM = 'SUM',
  COUNT = 'COUNT',
  MAX = 'MAX',
  LATEST = 'LATEST',
  UNIQUE_COUNT = 'UNIQUE_COUNT',
  TIME_WEIGHTED = 'TIME_WEIGHTED',
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
    TIME_WEIGHTED: {
      description:
        'Values are changes (such as 2 or -6) of a level that stays until it is changed again, across periods: the average of the level over the billing period, weighted by time.',
    },
  },
});

export enum MeterSourceEnum {
  PROPERTY = 'PROPERTY',
  TOKEN_USAGE = 'TOKEN_USAGE',
}
registerEnumType(MeterSourceEnum, {
  name: 'MeterSource',
  description: 'Where a meter finds what it counts.',
  valuesConfig: {
    PROPERTY: { description: 'In one property of the event.' },
    TOKEN_USAGE: {
      description: 'In the usage object of an AI provider: each kind of tokens is counted apart, once.',
    },
  },
});

export enum RoundingEnum {
  NONE = 'NONE',
  CEILING = 'CEILING',
  FLOOR = 'FLOOR',
  HALF_UP = 'HALF_UP',
  HALF_EVEN = 'HALF_EVEN',
}
registerEnumType(RoundingEnum, {
  name: 'Rounding',
  description: 'How a converted quantity is rounded.',
  valuesConfig: {
    NONE: { description: 'Not at all; the division has to end.' },
    CEILING: { description: 'Up.' },
    FLOOR: { description: 'Down.' },
    HALF_UP: { description: 'To the nearest; a half away from zero.' },
    HALF_EVEN: { description: 'To the nearest; a half to the even digit.' },
  },
});

@ObjectType('MeterDimension', { description: 'A property of events that prices may depend on.' })
export class MeterDimensionType {
  @Field(() => String, { description: 'The name prices bind.' })
  name!: string;

  @Field(() => String, { description: 'The path of the property in the event.' })
  property!: string;

  @Field(() => String, {
    nullable: true,
    description: 'What a property that is missing or null stands for; null leaves the dimension out.',
  })
  default!: string | null;

  static from({ name, property, default: text }: MeterDimension): MeterDimensionType {
    return Object.assign(new MeterDimensionType(), { name, property, default: text ?? null });
  }
}

@InputType({ description: 'A property of events that prices may depend on.' })
export class MeterDimensionInput {
  @Field(() => String, { description: 'The name prices bind: lower case, such as model.' })
  name!: string;

  @Field(() => String, { description: 'The path of the property in the event, such as model or usage.tier.' })
  property!: string;

  @Field(() => String, {
    nullable: true,
    description: 'What a property that is missing or null stands for; without it the dimension is left out then.',
  })
  default?: string | null;
}

@ObjectType('Conversion', {
  description: 'A quantity in another unit: quantity × multiplyBy / divideBy, rounded.',
})
export class ConversionType {
  @Field(() => DecimalScalar, { description: 'What the quantity is divided by.' })
  divideBy!: string;

  @Field(() => DecimalScalar, { description: 'What the quantity is multiplied by.' })
  multiplyBy!: string;

  @Field(() => RoundingEnum, { description: 'How the quotient is rounded.' })
  rounding!: RoundingEnum;

  @Field(() => Int, { description: 'Fraction digits that rounding leaves; negative for tens, hundreds, …' })
  precision!: number;

  static from(conversion: ConversionJson): ConversionType {
    return Object.assign(new ConversionType(), { ...conversion, rounding: RoundingEnum[conversion.rounding] });
  }
}

@InputType({ description: 'A quantity in another unit: quantity × multiplyBy / divideBy, rounded.' })
export class ConversionInput {
  @Field(() => DecimalScalar, {
    defaultValue: '1',
    description: 'Above 0. Without rounding one whose quotients end, such as "100" or "1024".',
  })
  divideBy!: string;

  @Field(() => DecimalScalar, { defaultValue: '1', description: 'Above 0.' })
  multiplyBy!: string;

  @Field(() => RoundingEnum, { defaultValue: RoundingEnum.NONE, description: 'How the quotient is rounded.' })
  rounding!: RoundingEnum;

  @Field(() => Int, {
    defaultValue: 0,
    description: 'Fraction digits that rounding leaves, -9 to 12; negative for tens, hundreds, …',
  })
  precision!: number;
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

  @Field(() => MeterSourceEnum, { description: 'Where it finds what it counts.' })
  source!: MeterSourceEnum;

  @Field(() => AggregationEnum, { description: 'How it folds them.' })
  aggregation!: AggregationEnum;

  @Field(() => String, {
    nullable: true,
    description: 'The path of the value in the event, or of the usage object of a token meter; null for COUNT.',
  })
  valueProperty!: string | null;

  @Field(() => [String], { description: 'Paths of properties that the value is multiplied by; at most 2.' })
  factorProperties!: readonly string[];

  @Field(() => ConversionType, {
    nullable: true,
    description: "What becomes of each event's value before it is folded; null for nothing.",
  })
  conversion!: ConversionType | null;

  @Field(() => [MeterDimensionType], { description: 'The properties that prices may depend on; at most 8.' })
  dimensions!: MeterDimensionType[];

  @Field(() => [String], {
    description: 'The names that prices may bind: its own dimensions and those that a token meter derives. At most 14.',
  })
  dimensionNames!: readonly string[];

  @Field(() => String, { description: 'What one unit is, such as token.' })
  unit!: string;

  @Field(() => Boolean, {
    description: 'Whether the value of each event is kept, for prices that look at single events.',
  })
  keepsEvents!: boolean;

  @Field(() => Date, { description: 'When it was defined.' })
  createdAt!: Date;

  static from(meter: Meter): MeterType {
    return Object.assign(new MeterType(), {
      id: meter.id,
      key: meter.key,
      eventType: meter.eventType,
      filter: meter.filter,
      source: MeterSourceEnum[meter.source],
      aggregation: AggregationEnum[meter.aggregation],
      valueProperty: meter.valueProperty ?? null,
      factorProperties: meter.factorProperties,
      conversion: meter.conversion ? ConversionType.from(meter.conversion) : null,
      dimensions: meter.dimensions.map(MeterDimensionType.from),
      dimensionNames: dimensionNames(meter),
      unit: meter.unit,
      keepsEvents: meter.keepsEvents,
      createdAt: meter.createdAt,
    });
  }
}

export const MeterConnection = connectionOf('Meter', () => MeterType);

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

  @Field(() => MeterSourceEnum, {
    defaultValue: MeterSourceEnum.PROPERTY,
    description:
      'Where it finds what it counts. A token meter has the aggregation SUM and a dimension named model, and adds token_kind, service_tier and, where known, context_band, model_family, provider and inference_geo.',
  })
  source!: MeterSourceEnum;

  @Field(() => AggregationEnum, { description: 'How it folds them.' })
  aggregation!: AggregationEnum;

  @Field(() => String, {
    nullable: true,
    description:
      'The path of the value in properties, such as output_tokens, or of the usage object of a token meter; none for COUNT.',
  })
  valueProperty?: string | null;

  @Field(() => [String], {
    defaultValue: [],
    description: 'Paths of properties that the value is multiplied by, such as replicas. At most 2.',
  })
  factorProperties!: string[];

  @Field(() => ConversionInput, {
    nullable: true,
    description: "What becomes of each event's value before it is multiplied by its factors and folded.",
  })
  conversion?: ConversionInput | null;

  @Field(() => [MeterDimensionInput], { defaultValue: [], description: 'What prices may depend on; at most 8.' })
  dimensions!: MeterDimensionInput[];

  @Field(() => String, { description: 'What one unit is, such as token.' })
  unit!: string;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Whether the value of each event is kept, for prices that look at single events and outcomes that stand for usage; SUM, COUNT and TIME_WEIGHTED only.',
  })
  keepsEvents!: boolean;
}

@ObjectType({ description: 'The answer of meterCreate.' })
export class MeterCreatePayload extends OncePayload {
  @Field(() => MeterType, { nullable: true, description: 'The meter; null when refused.' })
  meter?: MeterType | null;
}
