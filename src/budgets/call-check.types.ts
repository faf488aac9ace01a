import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { FeatureFailModeEnum } from '../entitlements/index.js';
import { DecimalScalar, JsonScalar, TENANT_ID } from '../platform/index.js';
import type { Decision, DecisionCode, LimitShown } from './decision.rules.js';
import type { FailModeTold } from './feature-modes.js';
import type { Measure } from './limit.rules.js';

export enum LimitMeasureEnum {
  MONEY = 'MONEY',
  QUANTITY = 'QUANTITY',
  CALLS = 'CALLS',
  OPEN_HOLDS = 'OPEN_HOLDS',
}
registerEnumType(LimitMeasureEnum, {
  name: 'LimitMeasure',
  description: 'What a limit counts.',
  valuesConfig: {
    MONEY: { description: 'An amount of a currency.' },
    QUANTITY: { description: 'Units of a meter.' },
    CALLS: { description: 'Calls.' },
    OPEN_HOLDS: { description: 'Holds that are open.' },
  },
});

export enum CallRefusalEnum {
  LIMIT_EXCEEDED = 'LIMIT_EXCEEDED',
  CREDITS_EXHAUSTED = 'CREDITS_EXHAUSTED',
  UNPRICED = 'UNPRICED',
  NO_CONTRACT = 'NO_CONTRACT',
  CURRENCY_MISMATCH = 'CURRENCY_MISMATCH',
  HOLD_ENDED = 'HOLD_ENDED',
  NOT_ENTITLED = 'NOT_ENTITLED',
  MODEL_DENIED = 'MODEL_DENIED',
}
registerEnumType(CallRefusalEnum, {
  name: 'CallRefusal',
  description: 'Why a call may not go ahead. Codes are added, never renamed or removed.',
  valuesConfig: {
    LIMIT_EXCEEDED: { description: 'A limit leaves no room for it.' },
    CREDITS_EXHAUSTED: { description: 'The tenant is prepaid, and its credits do not reach for it.' },
    UNPRICED: { description: 'A part of it has no price.' },
    NO_CONTRACT: { description: 'The tenant has no contract now.' },
    CURRENCY_MISMATCH: { description: 'A HARD budget that looks at it is in another currency than its price.' },
    HOLD_ENDED: {
      description: 'It was held before under the same idempotency key, and was given back or its time is over.',
    },
    NOT_ENTITLED: { description: 'The tenant is not entitled to the feature that it names.' },
    MODEL_DENIED: { description: 'The tenant may not use the model, or not there.' },
  },
});

/** The compiler says here when a decision has a code, or a limit a measure, that the schema does not know. */
const REFUSALS: Readonly<Record<DecisionCode, CallRefusalEnum>> = CallRefusalEnum;
const MEASURES: Readonly<Record<Measure, LimitMeasureEnum>> = LimitMeasureEnum;

@InputType({ description: 'Tokens that a call is expected to use.' })
export class CallTokensInput {
  @Field(() => String, { description: 'The kind of tokens, such as input, cache_read or output.' })
  kind!: string;

  @Field(() => DecimalScalar, { description: 'How many are expected, from 0.' })
  expected!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How many there may be at most, such as max_tokens of the request; as expected by default.',
  })
  most?: string | null;
}

@InputType({ description: 'A call to be asked about before it is made: what the body of /v1/check has.' })
export class EntitlementCheckInput {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'The type of the usage event that the call will send.' })
  eventType!: string;

  @Field(() => String, { nullable: true, description: 'The AI model, as events name it.' })
  model?: string | null;

  @Field(() => String, { nullable: true, description: 'The service tier that is expected to serve it.' })
  serviceTier?: string | null;

  @Field(() => String, { nullable: true, description: 'Where the model runs, for entitlements that name regions.' })
  region?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'The key of a feature that the tenant has to be entitled to.',
  })
  feature?: string | null;

  @Field(() => [CallTokensInput], {
    defaultValue: [],
    description: 'Its tokens, for meters that count those: up to 50 kinds.',
  })
  tokens!: CallTokensInput[];

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'The other properties of the event: values and dimensions of meters that count no tokens.',
  })
  properties?: unknown;
}

@ObjectType('CheckedLimit', {
  description: 'A limit as it stands. All of it is null where it is of a tenant above the one of the key.',
})
export class CheckedLimitType {
  @Field(() => ID, { nullable: true, description: 'The budget, or the entitlement, that says so.' })
  limitId!: string | null;

  @Field(() => ID, { nullable: true, description: 'The tenant whose limit it is.' })
  ownerId!: string | null;

  @Field(() => LimitMeasureEnum, { nullable: true, description: 'What it counts.' })
  measure!: LimitMeasureEnum | null;

  @Field(() => String, { nullable: true, description: 'ISO 4217 code; of MONEY.' })
  currency!: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'How much there is.' })
  most!: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'What was used.' })
  used!: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'What open holds have set aside.' })
  held!: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'How much more would fit.' })
  remaining!: string | null;

  @Field(() => Date, { nullable: true, description: 'When it starts anew; null for never, too.' })
  resetsAt!: Date | null;

  static from({ most, used, held, remaining, measure, ...rest }: LimitShown): CheckedLimitType {
    return Object.assign(new CheckedLimitType(), {
      ...rest,
      measure: measure && MEASURES[measure],
      most: most && formatDecimal(most),
      used: used && formatDecimal(used),
      held: held && formatDecimal(held),
      remaining: remaining && formatDecimal(remaining),
    });
  }
}

@ObjectType('FeatureFailModeTold', {
  description: 'What a caller is to do with calls that name a feature while Ratebook cannot be asked.',
})
export class FailModeToldType {
  @Field(() => FeatureFailModeEnum, { description: 'CLOSED for whoever is not entitled to the feature.' })
  mode!: FeatureFailModeEnum;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How much may be used blindly, in units of the feature; of LAST_KNOWN.',
  })
  cap!: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      'How much of that such a call takes: what it uses of the meter of a LIMIT at most, and 1 of every other kind; of LAST_KNOWN.',
  })
  share!: string | null;

  static from({ mode, cap, share }: FailModeTold): FailModeToldType {
    return Object.assign(new FailModeToldType(), {
      mode: FeatureFailModeEnum[mode],
      cap: cap && formatDecimal(cap),
      share: share && formatDecimal(share),
    });
  }
}

@ObjectType('EntitlementCheck', { description: 'Whether a call might go ahead now. Nothing is held.' })
export class EntitlementCheckType {
  @Field(() => Boolean, { description: 'Whether it may.' })
  isAllowed!: boolean;

  @Field(() => CallRefusalEnum, { nullable: true, description: 'Why not; null when it may.' })
  code!: CallRefusalEnum | null;

  @Field(() => String, { nullable: true, description: 'What to do about it; null when it may.' })
  message!: string | null;

  @Field(() => CheckedLimitType, { nullable: true, description: 'The limit that refuses it.' })
  limit!: CheckedLimitType | null;

  @Field(() => [CheckedLimitType], {
    description:
      'SOFT limits that it goes beyond, and SOFT budgets in another currency than its price: at most as many as look at the call.',
  })
  beyond!: CheckedLimitType[];

  @Field(() => FailModeToldType, {
    nullable: true,
    description: 'What to do while Ratebook cannot be asked; null where no feature is named.',
  })
  failMode!: FailModeToldType | null;

  static from({ isAllowed, code, message, limit, beyond }: Decision, failMode: FailModeTold | null) {
    return Object.assign(new EntitlementCheckType(), {
      isAllowed,
      code: code && REFUSALS[code],
      message,
      limit: limit && CheckedLimitType.from(limit),
      beyond: beyond.map(CheckedLimitType.from),
      failMode: failMode && FailModeToldType.from(failMode),
    });
  }
}
