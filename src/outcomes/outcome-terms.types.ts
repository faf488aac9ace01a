import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { dimensionMatches, patternOf } from '../pricing/index.js';
import {
  OutcomeAttributeType,
  OutcomeAttributionTermsType,
  OutcomeDedupeTermsType,
  OutcomeEnvironmentTermsType,
  OutcomeEventClauseType,
  OutcomeExclusionType,
  OutcomeExclusiveTermsType,
  OutcomeQualityTermsType,
  OutcomeVerificationTermsType,
} from './outcome-claim.types.js';
import {
  OutcomeAnomalyTermsType,
  OutcomeCapType,
  OutcomeDisputeTermsType,
  OutcomeGuaranteeTermsType,
  OutcomeMinimumTermsType,
  OutcomePriceInput,
  OutcomePriceType,
  OutcomeReversalTermsType,
  OutcomeSampleAuditTermsType,
  OutcomeUnitTermsType,
  OutcomeUsageTermsType,
} from './outcome-pricing.types.js';
import { OutcomeMeasureEnum, OutcomePeriodAnchorEnum, OutcomeVersionAnchorEnum } from './outcome-terms.enums.js';
import type { OutcomeMeasure, OutcomeTermsJson, PeriodAnchor, VersionAnchor } from './outcome-terms.rules.js';

/** The terms of a version but for their prices, for the input and the output alike: the shape of `OutcomeTermsJson`. */
@ObjectType()
@InputType('OutcomeTermsFieldsInput')
abstract class OutcomeTermsFields {
  @Field(() => OutcomeEventClauseType, { description: 'The events each of which claims an outcome.' })
  claim!: OutcomeEventClauseType;

  @Field(() => String, {
    nullable: true,
    description:
      'Path in the claim of the instant at which its subject started; when it occurred, where there is none.',
  })
  startedProperty?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Path of the customer in every event that the rules of the book look at; they all name the same one. Null for none.',
  })
  customerProperty?: string | null;

  @Field(() => OutcomeVersionAnchorEnum, {
    defaultValue: OutcomeVersionAnchorEnum.OCCURRED,
    description: 'Which instant decides the version that judges and prices an outcome.',
  })
  versionAnchor!: VersionAnchor;

  @Field(() => OutcomePeriodAnchorEnum, {
    defaultValue: OutcomePeriodAnchorEnum.MATURED,
    description: 'Which instant decides the billing period that an outcome is charged in.',
  })
  periodAnchor!: PeriodAnchor;

  @Field(() => Int, {
    defaultValue: 0,
    description: 'How many hours after it occurred an outcome matures, 0 to 8,760; what is to be charged has matured.',
  })
  maturationHours!: number;

  @Field(() => [OutcomeExclusionType], {
    defaultValue: [],
    description: 'What a claim is not billed for; the first that applies rejects it. At most 20.',
  })
  exclusions!: readonly OutcomeExclusionType[];

  @Field(() => OutcomeEnvironmentTermsType, { nullable: true, description: 'Claims of a test environment.' })
  environment?: OutcomeEnvironmentTermsType | null;

  @Field(() => [String], {
    defaultValue: [],
    description: 'Paths of properties that the claim, or else its verification, has to carry. At most 20.',
  })
  evidence!: readonly string[];

  @Field(() => OutcomeVerificationTermsType, {
    nullable: true,
    description: 'Who has to say that a claim is true; nobody when null.',
  })
  verification?: OutcomeVerificationTermsType | null;

  @Field(() => OutcomeQualityTermsType, { nullable: true, description: 'How good an outcome has to be.' })
  quality?: OutcomeQualityTermsType | null;

  @Field(() => OutcomeAttributionTermsType, {
    nullable: true,
    description: 'Whose work an outcome has to be; null where that is not asked.',
  })
  attribution?: OutcomeAttributionTermsType | null;

  @Field(() => OutcomeDedupeTermsType, { nullable: true, description: 'What counts once; nothing by default.' })
  dedupe?: OutcomeDedupeTermsType | null;

  @Field(() => OutcomeExclusiveTermsType, {
    nullable: true,
    description: 'Which other outcomes of its subject an outcome excludes, or is excluded by.',
  })
  exclusive?: OutcomeExclusiveTermsType | null;

  @Field(() => OutcomeMeasureEnum, {
    defaultValue: OutcomeMeasureEnum.UNITS,
    description: 'What of an outcome the prices price.',
  })
  measure!: OutcomeMeasure;

  @Field(() => OutcomeUnitTermsType, { nullable: true, description: 'How many units an outcome is; 1 by default.' })
  units?: OutcomeUnitTermsType | null;

  @Field(() => String, { nullable: true, description: 'Path of the value in the claim; needed where it is priced.' })
  valueProperty?: string | null;

  @Field(() => String, {
    nullable: true,
    description: "Path of the value's currency in the claim; that of the contract, where there is none.",
  })
  currencyProperty?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Path in the claim of the per cent that people did, which is not billed; null for none.',
  })
  humanShareProperty?: string | null;

  @Field(() => [OutcomeAttributeType], {
    defaultValue: [],
    description: 'Properties of claims that prices and weights may depend on. At most 8.',
  })
  attributes!: readonly OutcomeAttributeType[];

  @Field(() => OutcomeMinimumTermsType, { nullable: true, description: 'What a period comes to at least.' })
  minimum?: OutcomeMinimumTermsType | null;

  @Field(() => [OutcomeCapType], { defaultValue: [], description: 'Bounds on outcomes. At most 10.' })
  caps!: readonly OutcomeCapType[];

  @Field(() => OutcomeReversalTermsType, {
    nullable: true,
    description: 'How an outcome is taken back; not at all when null.',
  })
  reversal?: OutcomeReversalTermsType | null;

  @Field(() => OutcomeGuaranteeTermsType, { nullable: true, description: 'When the seller pays the value back.' })
  guarantee?: OutcomeGuaranteeTermsType | null;

  @Field(() => OutcomeUsageTermsType, { nullable: true, description: 'How outcomes stand to usage.' })
  usage?: OutcomeUsageTermsType | null;

  @Field(() => OutcomeDisputeTermsType, {
    nullable: true,
    description: 'How an outcome is disputed; not at all when null.',
  })
  dispute?: OutcomeDisputeTermsType | null;

  @Field(() => OutcomeSampleAuditTermsType, {
    nullable: true,
    description: 'What a sample of a period comes to; none is taken when null.',
  })
  sampleAudit?: OutcomeSampleAuditTermsType | null;

  @Field(() => OutcomeAnomalyTermsType, {
    nullable: true,
    description: 'When too many claims are told of; never when null.',
  })
  anomaly?: OutcomeAnomalyTermsType | null;
}

@ObjectType('OutcomeTerms', { description: 'Everything that two sides agree on about one kind of outcome.' })
export class OutcomeTermsType extends OutcomeTermsFields {
  @Field(() => [OutcomePriceType], { description: 'What outcomes cost.' })
  prices!: readonly OutcomePriceType[];

  static from({ units, prices, ...terms }: OutcomeTermsJson): OutcomeTermsType {
    return Object.assign(new OutcomeTermsType(), {
      ...terms,
      units: {
        ...units,
        weights: units.weights.map(weight => ({ ...weight, pattern: dimensionMatches(weight.pattern) })),
      },
      prices: prices.map(OutcomePriceType.from),
    });
  }
}

@InputType({ description: 'Everything that two sides agree on about one kind of outcome.' })
export class OutcomeTermsInput extends OutcomeTermsFields {
  @Field(() => [OutcomePriceInput], {
    description:
      'What outcomes cost: 1 to 100 prices. In a currency the most specific one applies; an outcome that none is for is unpriced.',
  })
  prices!: readonly OutcomePriceInput[];
}

/** An input in the shape of `OutcomeTermsJson`, in which what was left out is left out. */
export function outcomeTermsOf({ units, prices, ...terms }: OutcomeTermsInput): object {
  return {
    ...terms,
    units: units && {
      ...units,
      weights: units.weights.map(weight => ({ ...weight, pattern: patternOf(weight.pattern) })),
    },
    prices: prices.map(price => ({ ...price, pattern: patternOf(price.pattern) })),
  };
}
