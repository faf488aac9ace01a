import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { OutcomeUsageRelationEnum } from '../outcomes/index.js';
import { DecimalScalar, JsonScalar, MoneyType } from '../platform/index.js';
import type { EstimatedRelation } from './estimate-relation.rules.js';
import type { Estimate, EstimateItem } from './estimate.service.js';

@InputType({ description: 'Tokens that a call is expected to use.' })
export class TokenEstimateInput {
  @Field(() => String, { description: 'The kind of tokens, such as input, cache_read or output.' })
  kind!: string;

  @Field(() => DecimalScalar, { description: 'How many are expected.' })
  expected!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How many there may be at most, such as max_tokens of the request; as expected by default.',
  })
  most?: string | null;
}

@InputType({ description: 'A call to be priced before it is made.' })
export class CostEstimateInput {
  @Field(() => String, { description: 'The type of the usage event that the call will send.' })
  eventType!: string;

  @Field(() => String, { nullable: true, description: 'The AI model, as events name it.' })
  model?: string | null;

  @Field(() => [TokenEstimateInput], { defaultValue: [], description: 'Its tokens, for meters that count those.' })
  tokens!: TokenEstimateInput[];

  @Field(() => String, {
    nullable: true,
    description: 'The service tier that is expected to serve it; standard by default.',
  })
  serviceTier?: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'The other properties of the event: values and dimensions of meters that count no tokens.',
  })
  properties?: unknown;
}

const MOST_RELATIONS = 100;

@ObjectType('CostEstimateRelation', { description: 'How an outcome rule of the contract stands to usage of a call.' })
export class CostEstimateRelationType {
  @Field(() => OutcomeUsageRelationEnum, {
    description:
      'REPLACE: the usage is not charged, whatever comes of it. FALLBACK: it is charged until an outcome of its subject is.',
  })
  relation!: OutcomeUsageRelationEnum;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => String, { description: 'The same in a sentence, for people.' })
  sentence!: string;

  static from({ relation, ruleId, sentence }: EstimatedRelation): CostEstimateRelationType {
    return Object.assign(new CostEstimateRelationType(), {
      relation: OutcomeUsageRelationEnum[relation],
      outcomeRuleId: ruleId,
      sentence,
    });
  }
}

@ObjectType('CostEstimateItem', { description: 'What one kind of usage of a call will cost.' })
export class CostEstimateItemType {
  @Field(() => ID, { description: 'The meter that will count it.' })
  meterId!: string;

  @Field(() => JsonScalar, { description: 'Its dimensions, derived ones among them.' })
  dimensions!: unknown;

  @Field(() => DecimalScalar, { description: 'The expected quantity.' })
  quantity!: string;

  @Field(() => DecimalScalar, { description: 'The largest quantity.' })
  worstQuantity!: string;

  @Field(() => ID, { nullable: true, description: 'The price that applies; null when it has none.' })
  priceId!: string | null;

  @Field(() => String, { nullable: true, description: 'The name of that price.' })
  priceName!: string | null;

  @Field(() => MoneyType, {
    nullable: true,
    description:
      'What it is expected to cost, exactly, where the period stood when it was last rated, as read at most a second ago.',
  })
  expected!: MoneyType | null;

  @Field(() => MoneyType, {
    nullable: true,
    description: 'What it costs at most, rounded up where it has more than 12 decimals.',
  })
  worst!: MoneyType | null;

  @Field(() => String, { nullable: true, description: 'The arithmetic of the expected amount.' })
  explanation!: string | null;

  @Field(() => [CostEstimateRelationType], {
    description:
      'What outcome rules make of it, at most 100: none where outcomes have no bearing on it. Amounts are those of usage that is charged, and do not know of it.',
  })
  outcomeRelations!: CostEstimateRelationType[];

  static from(item: EstimateItem, currency: string, relations: readonly EstimatedRelation[]): CostEstimateItemType {
    return Object.assign(new CostEstimateItemType(), {
      ...item,
      outcomeRelations: relations
        .filter(({ meterId }) => meterId === item.meterId)
        .slice(0, MOST_RELATIONS)
        .map(CostEstimateRelationType.from),
      quantity: formatDecimal(item.quantity),
      worstQuantity: formatDecimal(item.worstQuantity),
      expected: item.expected && MoneyType.of(item.expected, currency),
      worst: item.worst && MoneyType.of(item.worst, currency),
    });
  }
}

@ObjectType('CostEstimate', {
  description:
    'What a call will cost, by the live price book, without minimums and the discounts of its version. What is expected is exact and unrounded; nothing is reserved. Usage that outcomes replace or stand for is in it as if it were charged: `outcomeRelations` of its items tell.',
})
export class CostEstimateType {
  @Field(() => MoneyType, {
    nullable: true,
    description:
      'What it is expected to cost, where the period stood when it was last rated, as read at most a second ago; null when a part of it has no price, for unpriced is never zero.',
  })
  expected!: MoneyType | null;

  @Field(() => MoneyType, {
    nullable: true,
    description:
      'What it costs at most: the largest quantities, nothing found in the cache, the worst tier still ahead, no free units left. Each part is rounded up where it has more than 12 decimals. A tier of service other than the one named is not considered.',
  })
  worst!: MoneyType | null;

  @Field(() => ID, { nullable: true, description: 'The contract that holds now; null when there is none.' })
  contractId!: string | null;

  @Field(() => ID, { nullable: true, description: 'The version of the price book that holds now.' })
  priceBookVersionId!: string | null;

  @Field(() => [CostEstimateItemType], { description: 'Each kind of usage; as many as the event has.' })
  items!: CostEstimateItemType[];

  static from(
    { currency, contractId, versionId, expected, worst, items }: Estimate,
    relations: readonly EstimatedRelation[],
  ): CostEstimateType {
    const code = currency ?? '';

    return Object.assign(new CostEstimateType(), {
      contractId,
      priceBookVersionId: versionId,
      expected: expected && currency ? MoneyType.of(expected, code) : null,
      worst: worst && currency ? MoneyType.of(worst, code) : null,
      items: items.map(item => CostEstimateItemType.from(item, code, relations)),
    });
  }
}
