import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import {
  connectionOf,
  DecimalScalar,
  IDEMPOTENCY_KEY,
  MoneyType,
  MutationPayload,
  Node,
  OncePayload,
  TENANT_ID,
} from '../platform/index.js';
import type { Budget, BudgetRaise, Hold } from './budget.entity.js';
import type { BudgetStanding } from './budgets.service.js';

export enum LimitModeEnum {
  HARD = 'HARD',
  SOFT = 'SOFT',
}
registerEnumType(LimitModeEnum, {
  name: 'LimitMode',
  description: 'What happens to a call that goes beyond a limit.',
  valuesConfig: {
    HARD: { description: 'It is refused.' },
    SOFT: { description: 'It goes ahead, and is told in the answer to it.' },
  },
});

export enum LimitPerEnum {
  MINUTE = 'MINUTE',
  HOUR = 'HOUR',
  DAY = 'DAY',
  WEEK = 'WEEK',
  MONTH = 'MONTH',
}
registerEnumType(LimitPerEnum, {
  name: 'LimitPer',
  description: "The stretch in which a limit counts, by its owner's calendar.",
  valuesConfig: {
    MINUTE: { description: 'A minute.' },
    HOUR: { description: 'An hour.' },
    DAY: { description: 'A day, from midnight.' },
    WEEK: { description: 'A week, from Monday.' },
    MONTH: { description: 'A month, from the first.' },
  },
});

export enum HoldStateEnum {
  HELD = 'HELD',
  SETTLED = 'SETTLED',
  VOIDED = 'VOIDED',
  EXPIRED = 'EXPIRED',
}
registerEnumType(HoldStateEnum, {
  name: 'HoldState',
  description: 'Where a hold stands. It ends once.',
  valuesConfig: {
    HELD: { description: 'What it takes is set aside.' },
    SETTLED: { description: 'Its call was made and recorded; the rest was given back.' },
    VOIDED: { description: 'It was given back whole.' },
    EXPIRED: { description: 'Nobody settled it in time, and it was given back whole.' },
  },
});

@ObjectType('BudgetStanding', { description: 'What a budget has come to in the window that runs, at this moment.' })
export class BudgetStandingType {
  @Field(() => MoneyType, { description: 'How much there is, with what was added for now.' })
  most!: MoneyType;

  @Field(() => MoneyType, { description: 'What was used, priced as it came in.' })
  used!: MoneyType;

  @Field(() => MoneyType, { description: 'What open holds have set aside.' })
  held!: MoneyType;

  @Field(() => MoneyType, { description: 'What is left: below 0 where more was used than held.' })
  remaining!: MoneyType;

  @Field(() => Date, { description: 'When the window began; the beginning of 1970 for a budget for ever.' })
  windowStart!: Date;

  @Field(() => Date, { nullable: true, description: 'When the next one begins; null for a budget for ever.' })
  resetsAt!: Date | null;

  static from({ limit, standing: { used, held } }: BudgetStanding): BudgetStandingType {
    const currency = limit.currency ?? '';

    return Object.assign(new BudgetStandingType(), {
      most: MoneyType.of(limit.most, currency),
      used: MoneyType.of(used, currency),
      held: MoneyType.of(held, currency),
      remaining: MoneyType.of(limit.most.minus(used).minus(held), currency),
      windowStart: limit.windowStart,
      resetsAt: limit.resetsAt,
    });
  }
}

@ObjectType('Budget', {
  implements: Node,
  description:
    'How much a tenant, with all below it, may spend in a stretch of its calendar. It counts from its making on.',
})
export class BudgetType extends Node {
  @Field(() => ID, { description: 'The tenant whose budget it is.' })
  tenantId!: string;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => MoneyType, { description: 'How much there is in each window.' })
  amount!: MoneyType;

  @Field(() => LimitModeEnum, { description: 'What happens beyond it.' })
  mode!: LimitModeEnum;

  @Field(() => LimitPerEnum, { nullable: true, description: 'The stretch in which it counts; null for ever.' })
  per!: LimitPerEnum | null;

  @Field(() => String, { description: "IANA zone of its windows: the owner's when it was made." })
  timeZone!: string;

  @Field(() => ID, { nullable: true, description: 'Counts this tenant and those below it only; null for all.' })
  countedTenantId!: string | null;

  @Field(() => ID, { nullable: true, description: 'Counts this API key only; null for every key.' })
  keyId!: string | null;

  @Field(() => ID, { nullable: true, description: 'Counts this meter only; null for every meter.' })
  meterId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Counts this AI model only, or those that begin so where it ends in *; null for every model.',
  })
  model!: string | null;

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was ended; null while it holds.' })
  endedAt!: Date | null;

  static from({ tenantId, id, name, amount, currency, mode, per, timeZone, ...rest }: Budget): BudgetType {
    const { countedTenantId, keyId, meterId, model, createdAt, endedAt } = rest;

    return Object.assign(new BudgetType(), {
      tenantId,
      id,
      name,
      amount: MoneyType.of(amount, currency),
      mode: LimitModeEnum[mode],
      per: per ? LimitPerEnum[per] : null,
      timeZone,
      countedTenantId: countedTenantId ?? null,
      keyId: keyId ?? null,
      meterId: meterId ?? null,
      model: model ?? null,
      createdAt,
      endedAt: endedAt ?? null,
    });
  }
}

export const BudgetConnection = connectionOf('Budget', () => BudgetType);

@ObjectType('BudgetRaise', { description: 'So much more in a budget, for a time.' })
export class BudgetRaiseType {
  @Field(() => ID, { description: 'Opaque, globally unique and stable.' })
  id!: string;

  @Field(() => ID, { description: 'The budget.' })
  budgetId!: string;

  @Field(() => DecimalScalar, { description: "How much more, in the budget's currency." })
  amount!: string;

  @Field(() => Date, { description: 'From when …' })
  from!: Date;

  @Field(() => Date, { description: '… until before when.' })
  until!: Date;

  @Field(() => String, { description: 'Why.' })
  reason!: string;

  static from({ id, budgetId, amount, fromAt, untilAt, reason }: BudgetRaise): BudgetRaiseType {
    const told = { id, budgetId, amount: formatDecimal(amount), from: fromAt, until: untilAt, reason };

    return Object.assign(new BudgetRaiseType(), told);
  }
}

export const BudgetRaiseConnection = connectionOf('BudgetRaise', () => BudgetRaiseType);

@ObjectType('Hold', {
  implements: Node,
  description: 'What a call may use, set aside before it is made, in every limit that looks at it.',
})
export class HoldType extends Node {
  @Field(() => HoldStateEnum, { description: 'Where it stands.' })
  state!: HoldStateEnum;

  @Field(() => ID, { description: 'The API key that asked for it.' })
  keyId!: string;

  @Field(() => MoneyType, { description: 'What the call costs at most.' })
  amount!: MoneyType;

  @Field(() => MoneyType, {
    nullable: true,
    description: 'What it came to, priced as it came in; null until it is settled.',
  })
  actual!: MoneyType | null;

  @Field(() => MoneyType, {
    description: 'By how much it came to more than was set aside; all of it where the hold had ended before.',
  })
  overrun!: MoneyType;

  @Field(() => Boolean, {
    description: 'Whether a part of what was used had no price; then what was held counts as used.',
  })
  isUnpriced!: boolean;

  @Field(() => Date, { description: 'When it was asked for.' })
  createdAt!: Date;

  @Field(() => Date, { description: 'When it is given back where nobody has settled it.' })
  expiresAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it ended; null while it holds.' })
  endedAt!: Date | null;

  static from({ id, state, keyId, currency, amount, actual, overrun, ...rest }: Hold): HoldType {
    const { isUnpriced, createdAt, expiresAt, endedAt } = rest;

    return Object.assign(new HoldType(), {
      id,
      state: HoldStateEnum[state],
      keyId,
      amount: MoneyType.of(amount, currency),
      actual: actual ? MoneyType.of(actual, currency) : null,
      overrun: MoneyType.of(overrun, currency),
      isUnpriced,
      createdAt,
      expiresAt,
      endedAt: endedAt ?? null,
    });
  }
}

export const HoldConnection = connectionOf('Hold', () => HoldType);

@InputType({ description: 'A budget to make.' })
export class BudgetCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'Its name, of 1 to 200 characters.' })
  name!: string;

  @Field(() => DecimalScalar, { description: 'How much there is in each window, from 0.' })
  amount!: string;

  @Field(() => String, {
    description:
      'ISO 4217 code. Calls that are priced in another currency are refused where it is HARD. A SOFT budget lets them go ahead, counts nothing of them, and is told in `beyond` of their answers.',
  })
  currency!: string;

  @Field(() => LimitModeEnum, { defaultValue: LimitModeEnum.HARD, description: 'What happens beyond it.' })
  mode!: LimitModeEnum;

  @Field(() => LimitPerEnum, { nullable: true, description: 'The stretch in which it counts; for ever when absent.' })
  per?: LimitPerEnum | null;

  @Field(() => ID, { nullable: true, description: 'A tenant below, to count it and those below it only.' })
  countedTenantId?: string | null;

  @Field(() => ID, { nullable: true, description: 'An API key, to count what it sends only.' })
  keyId?: string | null;

  @Field(() => ID, { nullable: true, description: 'A meter, to count it only.' })
  meterId?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'An AI model, or the beginning of some and *, to count only those. A call and its usage are of the models that they name, where the meter keeps no dimension `model` as well; what its rating brings later is counted where a price names the model.',
  })
  model?: string | null;
}

@InputType({ description: 'What is to be changed of a budget.' })
export class BudgetChangeInput {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The budget.' })
  budgetId!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The new amount, from this moment on; as it was when absent.',
  })
  amount?: string | null;

  @Field(() => LimitModeEnum, { nullable: true, description: 'The new mode; as it was when absent.' })
  mode?: LimitModeEnum | null;
}

@InputType({ description: 'How a budget is to be raised for a time.' })
export class BudgetRaiseInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The budget.' })
  budgetId!: string;

  @Field(() => DecimalScalar, { description: "How much more, in the budget's currency, above 0." })
  amount!: string;

  @Field(() => Date, { nullable: true, description: 'From when; now when absent.' })
  from?: Date | null;

  @Field(() => Date, { description: 'Until before when: in the future, at most 366 days after the beginning.' })
  until!: Date;

  @Field(() => String, { description: 'Why, in 1 to 500 characters; kept in the audit log.' })
  reason!: string;
}

@InputType({ description: 'A budget to end.' })
export class BudgetEndInput {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The budget.' })
  budgetId!: string;
}

@ObjectType({ description: 'A budget that was made.' })
export class BudgetCreatePayload extends OncePayload {
  @Field(() => BudgetType, { nullable: true, description: 'The budget; null when refused.' })
  budget?: BudgetType | null;
}

@ObjectType({ description: 'A budget that was changed.' })
export class BudgetPayload extends MutationPayload {
  @Field(() => BudgetType, { nullable: true, description: 'The budget; null when refused.' })
  budget?: BudgetType | null;
}

@ObjectType({ description: 'A budget that was raised.' })
export class BudgetRaisePayload extends OncePayload {
  @Field(() => BudgetRaiseType, { nullable: true, description: 'The raise; null when refused.' })
  budgetRaise?: BudgetRaiseType | null;
}
