import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { DecimalScalar } from '../platform/index.js';
import {
  OutcomeAttributionModelEnum,
  OutcomeDedupeScopeEnum,
  OutcomeEnvironmentPolicyEnum,
  OutcomeExclusionScopeEnum,
  OutcomeExclusiveChoiceEnum,
  OutcomeMissingQualityEnum,
  OutcomePartiesNeededEnum,
  OutcomeSendersEnum,
  OutcomeVerifierEnum,
} from './outcome-terms.enums.js';
import type {
  AttributionModel,
  DedupeScope,
  EnvironmentPolicy,
  ExclusiveChoice,
  Exclusion,
  PartiesNeeded,
  QualityTerms,
  Senders,
  Verifier,
} from './outcome-terms.rules.js';

/*
 * What decides whether a claim is an outcome. Each class is an input and an output, and has the shape of
 * `OutcomeTermsJson`; its enums have the names that the rules have, so that nothing is translated.
 */

const FILTER = 'A CEL expression over `type`, `subject`, `source` and `properties`';

@ObjectType('OutcomeEventClause', { description: 'Some events of one type.' })
@InputType('OutcomeEventClauseInput', { description: 'Some events of one type.' })
export class OutcomeEventClauseType {
  @Field(() => String, { description: 'Their type.' })
  eventType!: string;

  @Field(() => String, { defaultValue: '', description: `${FILTER} that matches them; empty for all of the type.` })
  filter!: string;
}

@ObjectType('OutcomeExclusion', { description: 'What a claim is not billed for.' })
@InputType('OutcomeExclusionInput', { description: 'What a claim is not billed for.' })
export class OutcomeExclusionType {
  @Field(() => String, {
    description: 'Upper snake case, such as GREETING; shown with every claim that it rejects, and counted.',
  })
  reason!: string;

  @Field(() => String, {
    defaultValue: '',
    description: `${FILTER} that matches the claim, or the other event; not empty where it is for the claim.`,
  })
  filter!: string;

  @Field(() => String, {
    nullable: true,
    description: 'The type of other events that exclude a claim; null where the claim itself is looked at.',
  })
  eventType?: string | null;

  @Field(() => OutcomeExclusionScopeEnum, {
    defaultValue: OutcomeExclusionScopeEnum.SUBJECT,
    description: 'Which other events are meant.',
  })
  scope!: Exclusion['scope'];

  @Field(() => Int, {
    defaultValue: 0,
    description:
      'How many hours after the claim another event excludes it; one of its subject before it always does. At most `maturationHours`.',
  })
  withinHours!: number;
}

@ObjectType('OutcomeEnvironmentTerms', { description: 'Claims of a test environment.' })
@InputType('OutcomeEnvironmentTermsInput', { description: 'Claims of a test environment.' })
export class OutcomeEnvironmentTermsType {
  @Field(() => String, { description: `${FILTER} that matches a claim of a test environment.` })
  filter!: string;

  @Field(() => OutcomeEnvironmentPolicyEnum, { description: 'What becomes of it.' })
  policy!: EnvironmentPolicy;
}

@ObjectType('OutcomeVerificationTerms', { description: 'Who has to say that a claim is true, and by when.' })
@InputType('OutcomeVerificationTermsInput', { description: 'Who has to say that a claim is true, and by when.' })
export class OutcomeVerificationTermsType {
  @Field(() => [OutcomeVerifierEnum], { description: 'Whose word counts; one at least.' })
  verifiers!: readonly Verifier[];

  @Field(() => OutcomePartiesNeededEnum, {
    defaultValue: OutcomePartiesNeededEnum.ANY,
    description: 'Whether both sides have to say so.',
  })
  parties!: PartiesNeeded;

  @Field(() => String, {
    nullable: true,
    description:
      'Events of this type verify the claims of their subject, by their properties passes, verifier, score, reason and evidence; null where none do.',
  })
  eventType?: string | null;

  @Field(() => OutcomeSendersEnum, {
    defaultValue: OutcomeSendersEnum.ANY,
    description: 'Which of these events count.',
  })
  sentBy!: Senders;

  @Field(() => Int, { description: 'How many hours after it occurred a claim expires that nobody verified; from 1.' })
  expiresAfterHours!: number;
}

@ObjectType('OutcomeQualityTerms', { description: 'How good an outcome has to be.' })
@InputType('OutcomeQualityTermsInput', { description: 'How good an outcome has to be.' })
export class OutcomeQualityTermsType {
  @Field(() => String, {
    description:
      'Path of the score in the claim, or in the rating event. The score of a verification goes before both.',
  })
  property!: string;

  @Field(() => DecimalScalar, { description: 'The least score that counts.' })
  minimum!: string;

  @Field(() => OutcomeMissingQualityEnum, { description: 'What becomes of an outcome without a score.' })
  whenMissing!: QualityTerms['whenMissing'];

  @Field(() => String, {
    nullable: true,
    description:
      'Events of this type rate the outcomes of their subject; the last one before the maturation counts. Null where none do.',
  })
  eventType?: string | null;
}

@ObjectType('OutcomeAttributionTerms', { description: 'Whose work an outcome was. One of nobody does not count.' })
@InputType('OutcomeAttributionTermsInput', { description: 'Whose work an outcome was. One of nobody does not count.' })
export class OutcomeAttributionTermsType {
  @Field(() => OutcomeEventClauseType, { description: 'The events by which agents touch a subject.' })
  touch!: OutcomeEventClauseType;

  @Field(() => Int, { description: 'How many hours before the outcome a touch counts.' })
  windowHours!: number;

  @Field(() => OutcomeAttributionModelEnum, { description: 'Which agent is credited.' })
  model!: AttributionModel;

  @Field(() => String, { description: "Path of the agent's name in the touch." })
  agentProperty!: string;

  @Field(() => String, {
    nullable: true,
    description: "SPLIT: path of the touch's weight; all weigh the same when null.",
  })
  shareProperty?: string | null;
}

@ObjectType('OutcomeDedupeTerms', { description: 'What counts once.' })
@InputType('OutcomeDedupeTermsInput', { description: 'What counts once.' })
export class OutcomeDedupeTermsType {
  @Field(() => OutcomeDedupeScopeEnum, { description: 'Whose claims count as one.' })
  scope!: DedupeScope;

  @Field(() => Int, {
    nullable: true,
    description: 'For how many hours from the claim that counts, from 1; for ever when null.',
  })
  windowHours?: number | null;
}

@ObjectType('OutcomeExclusiveTerms', { description: 'Outcomes of one subject of which one counts.' })
@InputType('OutcomeExclusiveTermsInput', { description: 'Outcomes of one subject of which one counts.' })
export class OutcomeExclusiveTermsType {
  @Field(() => String, {
    description: 'The group: 1 to 64 characters. All rules of the book that name it exclude each other.',
  })
  group!: string;

  @Field(() => OutcomeExclusiveChoiceEnum, { description: 'Which one counts.' })
  choice!: ExclusiveChoice;

  @Field(() => Int, { defaultValue: 0, description: 'PRIORITY: the outcome with the least one counts; from 0.' })
  priority!: number;
}

@ObjectType('OutcomeAttribute', { description: 'A property of claims that prices may depend on.' })
@InputType('OutcomeAttributeInput', { description: 'A property of claims that prices may depend on.' })
export class OutcomeAttributeType {
  @Field(() => String, { description: 'The name that prices bind: lower case, such as channel.' })
  name!: string;

  @Field(() => String, { description: 'The path of the property in the claim.' })
  property!: string;
}
