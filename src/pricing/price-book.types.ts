import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, DecimalScalar, IDEMPOTENCY_KEY, Node, TENANT_ID, OncePayload } from '../platform/index.js';
import type { Price, PriceBook, PriceBookVersion } from './price-book.entity.js';
import type { PricingModelJson, RateJson, TierJson } from './price.rules.js';

export enum PricingModelKindEnum {
  FLAT = 'FLAT',
  PER_UNIT = 'PER_UNIT',
  PACKAGE = 'PACKAGE',
  GRADUATED = 'GRADUATED',
  VOLUME = 'VOLUME',
}
registerEnumType(PricingModelKindEnum, {
  name: 'PricingModelKind',
  description: 'How a quantity becomes an amount.',
  valuesConfig: {
    FLAT: { description: 'One amount a period as soon as there is usage.' },
    PER_UNIT: { description: 'An amount for every `per` units.' },
    PACKAGE: { description: 'An amount for every package begun, after free units.' },
    GRADUATED: { description: 'Each tier prices its own slice of the quantity.' },
    VOLUME: { description: 'The tier that the whole quantity falls in prices all of it.' },
  },
});

export enum PriceBookVersionStatusEnum {
  DRAFT = 'DRAFT',
  PUBLISHED = 'PUBLISHED',
  WITHDRAWN = 'WITHDRAWN',
}
registerEnumType(PriceBookVersionStatusEnum, {
  name: 'PriceBookVersionStatus',
  description: 'How far a version of a price book is.',
  valuesConfig: {
    DRAFT: { description: 'Prices nothing yet.' },
    PUBLISHED: { description: 'Holds from its effective instant on; never changes.' },
    WITHDRAWN: { description: 'Was taken back before it took effect.' },
  },
});

@ObjectType('Rate', { description: 'A price per units.' })
export class RateType {
  @Field(() => DecimalScalar, { description: 'The amount for `per` units, in the currency of the price book.' })
  amount!: string;

  @Field(() => DecimalScalar, { description: 'How many units the amount is for.' })
  per!: string;
}

@ObjectType('PriceTier', { description: 'A stretch of quantity with its own price.' })
export class PriceTierType {
  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The last quantity in the tier; null in the last tier, which is open.',
  })
  upTo!: string | null;

  @Field(() => RateType, { description: 'The price of the units in it.' })
  rate!: RateType;

  @Field(() => DecimalScalar, { description: 'An amount once, when the tier is reached.' })
  flat!: string;
}

@ObjectType('PricingModel', {
  description: 'How a quantity becomes an amount. The fields that the kind does not use are null.',
})
export class PricingModelType {
  @Field(() => PricingModelKindEnum, { description: 'Which model.' })
  kind!: PricingModelKindEnum;

  @Field(() => DecimalScalar, { nullable: true, description: 'FLAT: the amount. PACKAGE: the amount of one package.' })
  amount!: string | null;

  @Field(() => RateType, { nullable: true, description: 'PER_UNIT: the price.' })
  rate!: RateType | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PACKAGE: units in a package.' })
  size!: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PACKAGE: units before the first package.' })
  free!: string | null;

  @Field(() => [PriceTierType], {
    nullable: true,
    description: 'GRADUATED and VOLUME: the tiers, ascending; at most 100.',
  })
  tiers!: PriceTierType[] | null;

  static from(model: PricingModelJson): PricingModelType {
    return Object.assign(new PricingModelType(), {
      kind: PricingModelKindEnum[model.kind],
      amount: 'amount' in model ? model.amount : null,
      rate: 'rate' in model ? Object.assign(new RateType(), model.rate) : null,
      size: 'size' in model ? model.size : null,
      free: 'free' in model ? model.free : null,
      tiers:
        'tiers' in model
          ? model.tiers.map(tier =>
              Object.assign(new PriceTierType(), { ...tier, rate: Object.assign(new RateType(), tier.rate) }),
            )
          : null,
    });
  }
}

@InputType({ description: 'A price per units.' })
export class RateInput {
  @Field(() => DecimalScalar, { description: 'The amount for `per` units.' })
  amount!: string;

  @Field(() => DecimalScalar, {
    defaultValue: '1',
    description: 'How many units the amount is for, such as "1000000".',
  })
  per!: string;
}

@InputType({ description: 'A stretch of quantity with its own price.' })
export class PriceTierInput {
  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The last quantity in the tier; null in the last tier only.',
  })
  upTo?: string | null;

  @Field(() => RateInput, { description: 'The price of the units in it.' })
  rate!: RateInput;

  @Field(() => DecimalScalar, { defaultValue: '0', description: 'An amount once, when the tier is reached.' })
  flat!: string;
}

@InputType({ description: 'How a quantity becomes an amount. Give the fields that the kind uses.' })
export class PricingModelInput {
  @Field(() => PricingModelKindEnum, { description: 'Which model.' })
  kind!: PricingModelKindEnum;

  @Field(() => DecimalScalar, { nullable: true, description: 'FLAT: the amount. PACKAGE: the amount of one package.' })
  amount?: string | null;

  @Field(() => RateInput, { nullable: true, description: 'PER_UNIT: the price.' })
  rate?: RateInput | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PACKAGE: units in a package.' })
  size?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PACKAGE: units before the first package; 0 by default.' })
  free?: string | null;

  @Field(() => [PriceTierInput], {
    nullable: true,
    description: 'GRADUATED and VOLUME: the tiers, ascending; at most 100.',
  })
  tiers?: PriceTierInput[] | null;
}

/** The JSON form of an input: what was given, and the default of a package's free units. */
export function pricingModelOf(input: PricingModelInput): unknown {
  const rate = (given: RateInput): RateJson => ({ amount: given.amount, per: given.per });
  const tier = (given: PriceTierInput): TierJson => ({
    upTo: given.upTo ?? null,
    rate: rate(given.rate),
    flat: given.flat,
  });
  const free = input.free ?? (input.kind === PricingModelKindEnum.PACKAGE ? '0' : null);

  return {
    kind: input.kind,
    ...(input.amount ? { amount: input.amount } : {}),
    ...(input.rate ? { rate: rate(input.rate) } : {}),
    ...(input.size ? { size: input.size } : {}),
    ...(free ? { free } : {}),
    ...(input.tiers ? { tiers: input.tiers.map(tier) } : {}),
  };
}

@ObjectType('DimensionMatch', { description: 'What a dimension has to be for a price to apply.' })
export class DimensionMatchType {
  @Field(() => String, { description: 'A dimension of the meter.' })
  name!: string;

  @Field(() => String, { description: 'The value, or the beginning of one followed by *.' })
  value!: string;
}

@InputType({ description: 'What a dimension has to be for a price to apply.' })
export class DimensionMatchInput {
  @Field(() => String, { description: 'A dimension of the meter.' })
  name!: string;

  @Field(() => String, { description: 'The value, or the beginning of one followed by *.' })
  value!: string;
}

@ObjectType('Price', { implements: Node, description: 'What one meter costs for the usage that the dimensions match.' })
export class PriceType extends Node {
  @Field(() => String, { description: 'What the invoice line says.' })
  name!: string;

  @Field(() => ID, { description: 'The meter it prices.' })
  meterId!: string;

  @Field(() => [DimensionMatchType], { description: 'Which usage of the meter it prices; empty for all. At most 8.' })
  dimensions!: DimensionMatchType[];

  @Field(() => PricingModelType, { description: 'How the quantity becomes an amount.' })
  model!: PricingModelType;

  static from(price: Price): PriceType {
    return Object.assign(new PriceType(), {
      id: price.id,
      name: price.name,
      meterId: price.meterId,
      dimensions: Object.entries(price.pattern).map(([name, value]) =>
        Object.assign(new DimensionMatchType(), { name, value }),
      ),
      model: PricingModelType.from(price.model),
    });
  }
}

export const PriceConnection = connectionOf('Price', () => PriceType);

@ObjectType('PriceBookVersion', { implements: Node, description: 'The prices of a book from an instant on.' })
export class PriceBookVersionType extends Node {
  @Field(() => Int, { description: 'Counted from 1 within the book.' })
  number!: number;

  @Field(() => PriceBookVersionStatusEnum, { description: 'How far it is.' })
  status!: PriceBookVersionStatusEnum;

  @Field(() => Date, { nullable: true, description: 'From when it holds, until the next one; null in a draft.' })
  effectiveAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was published.' })
  publishedAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was withdrawn.' })
  withdrawnAt!: Date | null;

  tenantId!: string;

  static from(version: PriceBookVersion): PriceBookVersionType {
    return Object.assign(new PriceBookVersionType(), {
      id: version.id,
      tenantId: version.tenantId,
      number: version.number,
      status: PriceBookVersionStatusEnum[version.status],
      effectiveAt: version.effectiveAt ?? null,
      publishedAt: version.publishedAt ?? null,
      withdrawnAt: version.withdrawnAt ?? null,
    });
  }
}

export const PriceBookVersionConnection = connectionOf('PriceBookVersion', () => PriceBookVersionType);

@ObjectType('PriceBook', { implements: Node, description: "A seller's prices in one currency, in versions." })
export class PriceBookType extends Node {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  tenantId!: string;

  static from(book: PriceBook): PriceBookType {
    return Object.assign(new PriceBookType(), {
      id: book.id,
      tenantId: book.tenantId,
      name: book.name,
      currency: book.currency,
      createdAt: book.createdAt,
    });
  }
}

export const PriceBookConnection = connectionOf('PriceBook', () => PriceBookType);

@InputType({ description: 'A price book to make.' })
export class PriceBookCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'Its name: 1 to 200 characters, unique among your books.' })
  name!: string;

  @Field(() => String, { description: 'ISO 4217 code of all its prices.' })
  currency!: string;
}

@ObjectType({ description: 'The answer of priceBookCreate.' })
export class PriceBookCreatePayload extends OncePayload {
  @Field(() => PriceBookType, { nullable: true, description: 'The book; null when refused.' })
  priceBook?: PriceBookType | null;
}

@InputType({ description: 'A price to put into a draft.' })
export class PriceInput {
  @Field(() => ID, { description: 'The meter it prices.' })
  meterId!: string;

  @Field(() => String, { description: 'What the invoice line says: 1 to 200 characters.' })
  name!: string;

  @Field(() => [DimensionMatchInput], {
    defaultValue: [],
    description: 'Which usage of the meter it prices; empty for all.',
  })
  dimensions!: DimensionMatchInput[];

  @Field(() => PricingModelInput, { description: 'How the quantity becomes an amount.' })
  model!: PricingModelInput;
}

@InputType({ description: 'A draft version to write.' })
export class PriceBookVersionCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The book.' })
  priceBookId!: string;

  @Field(() => [PriceInput], { description: 'All its prices: 1 to 10,000.' })
  prices!: PriceInput[];
}

@InputType({ description: 'A draft to publish.' })
export class PriceBookPublishInput {
  @Field(() => ID, { description: 'The draft.' })
  versionId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => Date, {
    nullable: true,
    description:
      'From when it holds: a quarter hour; the next one by default. In the past it re-rates what was used since.',
  })
  effectiveAt?: Date | null;
}

@InputType({ description: 'A published version to take back.' })
export class PriceBookWithdrawInput {
  @Field(() => ID, { description: 'The version; it has not taken effect.' })
  versionId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@ObjectType({ description: 'The answer of priceBookVersionCreate, priceBookPublish and priceBookWithdraw.' })
export class PriceBookVersionPayload extends OncePayload {
  @Field(() => PriceBookVersionType, { nullable: true, description: 'The version; null when refused.' })
  priceBookVersion?: PriceBookVersionType | null;
}
