import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { ConversionInput, ConversionType } from '../catalog/index.js';
import { DecimalScalar, MoneyType } from '../platform/index.js';
import { DimensionMatchType, dimensionMatches, PriceTermsFields, termsFields } from '../pricing/index.js';
import { OutcomeEventClauseType } from './outcome-claim.types.js';
import {
  OutcomeCapModeEnum,
  OutcomeCapScopeEnum,
  OutcomeSendersEnum,
  OutcomeSilentDecisionEnum,
  OutcomeUsageRelationEnum,
} from './outcome-terms.enums.js';
import type {
  CapMode,
  CapScope,
  OutcomeTermsJson,
  Senders,
  SilentDecision,
  UsageRelation,
} from './outcome-terms.rules.js';

/* What outcomes cost and how they are taken back; as in `outcome-claim.types.ts`, each class is an input and an output. */

const CONVERSION = 'From units or value to priced units, in which tiers and free units count.';
const PATTERN = 'Which outcomes it is for, by their attributes; empty for all. The most specific one applies.';

@ObjectType('OutcomePriceTerms', { description: 'How a number of outcomes, or their value, becomes an amount.' })
export class OutcomePriceTermsType extends PriceTermsFields {
  @Field(() => ConversionType, { nullable: true, description: CONVERSION })
  conversion!: ConversionType | null;
}

@InputType({
  description:
    'How a number of outcomes, or their value, becomes an amount. FLAT, DYNAMIC and COST_PLUS, minimum, maximum and prorated are not for outcomes; percentages are for their value.',
})
export class OutcomePriceTermsInput extends PriceTermsFields {
  @Field(() => ConversionInput, { nullable: true, description: CONVERSION })
  conversion?: ConversionInput | null;
}

/** What a price says of which outcomes it is for. */
@ObjectType()
@InputType('OutcomePriceFieldsInput')
abstract class OutcomePriceFields {
  @Field(() => String, { description: 'What the invoice says: 1 to 200 characters, unique within the version.' })
  name!: string;

  @Field(() => String, {
    description: 'ISO 4217 code; it prices contracts in this currency, and nothing is converted.',
  })
  currency!: string;

  @Field(() => [DimensionMatchType], { defaultValue: [], description: PATTERN })
  pattern!: DimensionMatchType[];
}

@ObjectType('OutcomePrice', { description: 'What outcomes cost in one currency.' })
export class OutcomePriceType extends OutcomePriceFields {
  @Field(() => OutcomePriceTermsType, { description: 'How the amount comes about.' })
  terms!: OutcomePriceTermsType;

  static from({ name, currency, pattern, terms }: OutcomeTermsJson['prices'][number]): OutcomePriceType {
    return Object.assign(new OutcomePriceType(), {
      name,
      currency,
      pattern: dimensionMatches(pattern),
      terms: Object.assign(new OutcomePriceTermsType(), termsFields(terms)),
    });
  }
}

@InputType({ description: 'What outcomes cost in one currency.' })
export class OutcomePriceInput extends OutcomePriceFields {
  @Field(() => OutcomePriceTermsInput, { description: 'How the amount comes about.' })
  terms!: OutcomePriceTermsInput;
}

@ObjectType('OutcomeUnitWeight', { description: 'How many units some outcomes are.' })
@InputType('OutcomeUnitWeightInput', { description: 'How many units some outcomes are.' })
export class OutcomeUnitWeightType {
  @Field(() => [DimensionMatchType], { defaultValue: [], description: PATTERN })
  pattern!: DimensionMatchType[];

  @Field(() => DecimalScalar, { description: 'Units for each, from 0.' })
  units!: string;
}

@ObjectType('OutcomeUnitTerms', {
  description: 'How many units an outcome is: ⌈property ÷ per⌉, times the weight of its attributes.',
})
@InputType('OutcomeUnitTermsInput', {
  description: 'How many units an outcome is: ⌈property ÷ per⌉, times the weight of its attributes.',
})
export class OutcomeUnitTermsType {
  @Field(() => String, { nullable: true, description: 'Path of a number in the claim; 1 when null.' })
  property?: string | null;

  @Field(() => DecimalScalar, { defaultValue: '1', description: 'What one unit holds of it, above 0.' })
  per!: string;

  @Field(() => [OutcomeUnitWeightType], {
    defaultValue: [],
    description: 'Units by attributes; 1 where none matches. At most 100.',
  })
  weights!: OutcomeUnitWeightType[];
}

@ObjectType('OutcomeMinimumTerms', { description: 'What a period comes to at least: a quantity, or an amount.' })
@InputType('OutcomeMinimumTermsInput', { description: 'What a period comes to at least: a quantity, or an amount.' })
export class OutcomeMinimumTermsType {
  @Field(() => DecimalScalar, {
    nullable: true,
    description: "So many units, or so much value, at the rule's price; null where an amount is given.",
  })
  quantity?: string | null;

  @Field(() => MoneyType, { nullable: true, description: 'An amount; null where a quantity is given.' })
  amount?: MoneyType | null;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Whether a contract that holds for a part of the month owes that part of it.',
  })
  isProrated!: boolean;
}

@ObjectType('OutcomeCap', { description: 'A bound on outcomes: a number of them, or an amount.' })
@InputType('OutcomeCapInput', { description: 'A bound on outcomes: a number of them, or an amount.' })
export class OutcomeCapType {
  @Field(() => OutcomeCapModeEnum, { description: 'What becomes of outcomes beyond it.' })
  mode!: CapMode;

  @Field(() => OutcomeCapScopeEnum, {
    defaultValue: OutcomeCapScopeEnum.PERIOD,
    description: 'What it counts over.',
  })
  per!: CapScope;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'So many outcomes, a whole number; null where an amount is given.',
  })
  count?: string | null;

  @Field(() => MoneyType, { nullable: true, description: 'So much of their amounts; null where a number is given.' })
  amount?: MoneyType | null;
}

@ObjectType('OutcomeReversalTerms', { description: 'How an outcome is taken back.' })
@InputType('OutcomeReversalTermsInput', { description: 'How an outcome is taken back.' })
export class OutcomeReversalTermsType {
  @Field(() => OutcomeEventClauseType, {
    nullable: true,
    description: 'The events that take outcomes of their subject back; null where only outcomeReverse does.',
  })
  clause?: OutcomeEventClauseType | null;

  @Field(() => Int, { description: 'For how many hours after it occurred an outcome can be taken back.' })
  windowHours!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Path in such an event of the part of the value that is taken back; all of it where there is none.',
  })
  amountProperty?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      "Path in such an event of the id of the claim's event, which has the same subject; null for every outcome of the subject.",
  })
  targetProperty?: string | null;

  @Field(() => OutcomeSendersEnum, {
    defaultValue: OutcomeSendersEnum.ANY,
    description: 'Which of these events count.',
  })
  sentBy!: Senders;
}

@ObjectType('OutcomeGuaranteeTerms', { description: 'When the seller pays the value back, and its fee with it.' })
@InputType('OutcomeGuaranteeTermsInput', { description: 'When the seller pays the value back, and its fee with it.' })
export class OutcomeGuaranteeTermsType {
  @Field(() => OutcomeEventClauseType, { description: 'The events that call on the guarantee for their subject.' })
  clause!: OutcomeEventClauseType;

  @Field(() => Int, { description: 'For how many hours after it occurred an outcome is guaranteed.' })
  windowHours!: number;

  @Field(() => OutcomeSendersEnum, {
    defaultValue: OutcomeSendersEnum.SELLER,
    description: "Which of these events count: those of the seller's side by default, for they cost it the value.",
  })
  sentBy!: Senders;
}

@ObjectType('OutcomeUsageTerms', { description: 'How outcomes stand to usage.' })
@InputType('OutcomeUsageTermsInput', { description: 'How outcomes stand to usage.' })
export class OutcomeUsageTermsType {
  @Field(() => OutcomeUsageRelationEnum, { description: 'Which of the two is charged.' })
  relation!: UsageRelation;

  @Field(() => [ID], {
    defaultValue: [],
    description:
      'The meters that count this usage; FALLBACK takes those that add up events which they keep. At most 20.',
  })
  meterIds!: readonly string[];
}

@ObjectType('OutcomeDisputeTerms', { description: 'How an outcome is disputed.' })
@InputType('OutcomeDisputeTermsInput', { description: 'How an outcome is disputed.' })
export class OutcomeDisputeTermsType {
  @Field(() => Int, { description: 'For how many hours after it matured.' })
  windowHours!: number;

  @Field(() => Int, { description: 'How many hours there are for the answer, from 1.' })
  responseHours!: number;

  @Field(() => OutcomeSilentDecisionEnum, { description: 'What it comes to without an answer.' })
  whenSilent!: SilentDecision;
}

@ObjectType('OutcomeSampleAuditTerms', { description: 'A sample stands for all outcomes of a period.' })
@InputType('OutcomeSampleAuditTermsInput', { description: 'A sample stands for all outcomes of a period.' })
export class OutcomeSampleAuditTermsType {
  @Field(() => DecimalScalar, {
    description:
      'Per cent of the sample, 0 to 100, that may be wrong without consequence; above it, all that is wrong is taken off.',
  })
  tolerance!: string;

  @Field(() => Int, {
    defaultValue: 50,
    description: 'How many outcomes a sample holds at least, 1 to 1,000; where there are fewer, it holds all of them.',
  })
  leastSample!: number;
}

@ObjectType('OutcomeAnomalyTerms', { description: 'When the number of claims of a week is told to be out of line.' })
@InputType('OutcomeAnomalyTermsInput', {
  description: 'When the number of claims of a week is told to be out of line.',
})
export class OutcomeAnomalyTermsType {
  @Field(() => DecimalScalar, { description: 'So many times the median of the weeks before, from 1.' })
  factor!: string;

  @Field(() => Int, { description: 'A week with fewer claims than this is never told of.' })
  leastClaims!: number;
}
