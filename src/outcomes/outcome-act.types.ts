import { Field, ID, InputType, ObjectType } from 'type-graphql';
import {
  DecimalScalar,
  IDEMPOTENCY_KEY,
  JsonScalar,
  MutationPayload,
  OncePayload,
  TENANT_ID,
} from '../platform/index.js';
import { OutcomeVerifierEnum } from './outcome-terms.enums.js';
import { OutcomeType } from './outcome.types.js';

@InputType({ description: 'An event that claims an outcome.' })
export class OutcomeClaimInput {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => JsonScalar, {
    description:
      'One event as usageRecord takes it: {id, type, time, source?, subject?, properties?} or a CloudEvent. Its id is the idempotency key, for ever.',
  })
  event!: unknown;
}

@ObjectType({ description: 'The answer of outcomeClaim.' })
export class OutcomeClaimPayload extends MutationPayload {
  @Field(() => [OutcomeType], {
    description: 'What the event became: an outcome for each rule that knows it, at most 100; none where no rule does.',
  })
  outcomes: readonly OutcomeType[] = [];
}

const OUTCOME_IDS = {
  description: 'The outcomes: 1 to 1,000, all of the one tenant. One that is refused refuses all.',
};

@InputType({ description: 'What somebody says about claims.' })
export class OutcomeVerifyInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => [ID], OUTCOME_IDS)
  outcomeIds!: string[];

  @Field(() => Boolean, { description: 'Whether the claims are true.' })
  passes!: boolean;

  @Field(() => OutcomeVerifierEnum, { description: 'Who says so; one of those that the rule takes.' })
  verifier!: OutcomeVerifierEnum;

  @Field(() => DecimalScalar, { nullable: true, description: 'How good they are, where the rule asks for it.' })
  score?: string | null;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'A JSON object of what shows it: under the names that the rule asks for, and others.',
  })
  evidence?: unknown;

  @Field(() => String, {
    nullable: true,
    description: 'Why, in 1 to 200 characters. In upper snake case it becomes the reason of what is rejected.',
  })
  reason?: string | null;
}

@InputType({ description: 'Outcomes to take back.' })
export class OutcomeReverseInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => [ID], OUTCOME_IDS)
  outcomeIds!: string[];

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The part of the value that is taken back, in the currency of the contract; all of it when left out.',
  })
  amount?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: "Whether the value is paid back under the guarantee; said by the seller's side only.",
  })
  isGuarantee?: boolean | null;

  @Field(() => Date, {
    nullable: true,
    description:
      "The instant of the reversal, within the window of the rule; now when left out, as the buyer's side does.",
  })
  at?: Date | null;

  @Field(() => String, { nullable: true, description: 'Why, in 1 to 200 characters.' })
  reason?: string | null;
}

@ObjectType({ description: 'The answer of outcomeVerify and outcomeReverse.' })
export class OutcomesPayload extends OncePayload {
  @Field(() => [OutcomeType], {
    description: 'The outcomes as they stand now, in the order asked, at most 1,000; none when refused.',
  })
  outcomes: readonly OutcomeType[] = [];
}
