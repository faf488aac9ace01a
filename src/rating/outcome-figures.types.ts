import { Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { OutcomeStateEnum } from '../outcomes/index.js';
import { DecimalScalar, MoneyType } from '../platform/index.js';
import type { OutcomeCost, OutcomeMargin } from './outcome-margin.service.js';
import type { OutcomeStat } from './outcome-stats.service.js';

@ObjectType('OutcomeStat', {
  description: 'The outcomes of a rule that stand in one place for one reason, in one currency.',
})
export class OutcomeStatType {
  @Field(() => OutcomeStateEnum, { description: 'Where they stand.' })
  state!: OutcomeStateEnum;

  @Field(() => String, { nullable: true, description: 'Why, for programs; null where there is nothing to tell.' })
  reason!: string | null;

  @Field(() => Int, { description: 'How many there are.' })
  count!: number;

  @Field(() => MoneyType, {
    description:
      'What of the charges is for them, exact: negative for what is paid back under the guarantee, nothing for those that are not charged.',
  })
  amount!: MoneyType;

  @Field(() => MoneyType, {
    description:
      'What is at stake: what they would cost one by one, each counted from zero. Exact; nothing for those that were rejected before anybody looked at their worth.',
  })
  listAmount!: MoneyType;

  @Field(() => Int, { description: 'How many have no price. They are in no amount: unpriced is not free.' })
  unpricedCount!: number;

  @Field(() => MoneyType, {
    nullable: true,
    description:
      'Of DISPUTED ones: what they would add to the charges of their periods, exact; null for others. Several reasons sum to what all would add.',
  })
  held!: MoneyType | null;

  static from({ state, reason, count, currency, amount, listAmount, unpriced, held }: OutcomeStat): OutcomeStatType {
    return Object.assign(new OutcomeStatType(), {
      state: OutcomeStateEnum[state],
      reason,
      count,
      amount: MoneyType.of(amount, currency),
      listAmount: MoneyType.of(listAmount, currency),
      unpricedCount: unpriced,
      held: held && MoneyType.of(held, currency),
    });
  }
}

@ObjectType('OutcomeMargin', {
  description: 'What the outcomes of a rule brought, and what the models cost for the usage behind them.',
})
export class OutcomeMarginType {
  @Field(() => Int, { description: 'How many outcomes are charged.' })
  outcomeCount!: number;

  @Field(() => MoneyType, {
    description: 'What the rule is charged, exact: its prices and minimum, less what is paid back and audited away.',
  })
  revenue!: MoneyType;

  @Field(() => MoneyType, { description: 'What the models cost for the usage of the meters that the rule names.' })
  cost!: MoneyType;

  @Field(() => MoneyType, { description: '`revenue` less `cost`.' })
  margin!: MoneyType;

  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      'The margin in per cent of the revenue, with two digits after the point, half to even; null without revenue.',
  })
  marginPercent!: string | null;

  @Field(() => MoneyType, { nullable: true, description: 'The cost of one outcome; null without outcomes.' })
  costPerOutcome!: MoneyType | null;

  @Field(() => Int, {
    description:
      'Combinations of meter and dimensions that have usage and no known cost in the currency. They are in no sum: unknown is not free.',
  })
  unknownCostCount!: number;

  static from(given: OutcomeMargin): OutcomeMarginType {
    const { currency, percent, costPerOutcome } = given;

    return Object.assign(new OutcomeMarginType(), {
      outcomeCount: given.outcomes,
      revenue: MoneyType.of(given.revenue, currency),
      cost: MoneyType.of(given.cost, currency),
      margin: MoneyType.of(given.margin, currency),
      marginPercent: percent && formatDecimal(percent),
      costPerOutcome: costPerOutcome && MoneyType.of(costPerOutcome, currency),
      unknownCostCount: given.unknownCosts,
    });
  }
}

export enum OutcomeNoCostReasonEnum {
  NO_METERS = 'NO_METERS',
  NO_EVENTS_KEPT = 'NO_EVENTS_KEPT',
  NO_SUBJECT = 'NO_SUBJECT',
  NO_COST = 'NO_COST',
  NOT_SOLD_BY_CALLER = 'NOT_SOLD_BY_CALLER',
}
registerEnumType(OutcomeNoCostReasonEnum, {
  name: 'OutcomeNoCostReason',
  description: 'Why nobody can say what one outcome cost.',
  valuesConfig: {
    NO_METERS: { description: 'Its rule names no meters.' },
    NO_EVENTS_KEPT: {
      description: 'A meter of its rule keeps no single events, so no subject can be told from others.',
    },
    NO_SUBJECT: { description: 'The outcome has no subject to find usage by.' },
    NO_COST: { description: 'Some of the usage has no known cost in the currency.' },
    NOT_SOLD_BY_CALLER: {
      description: 'Costs are the seller’s: the key is neither of the seller nor of one above it.',
    },
  },
});

@ObjectType('OutcomeCost', { description: 'What the models cost for the usage of one outcome, or why nobody can say.' })
export class OutcomeCostType {
  @Field(() => MoneyType, { nullable: true, description: 'The cost, exact; null when nobody can say.' })
  cost!: MoneyType | null;

  @Field(() => OutcomeNoCostReasonEnum, { nullable: true, description: 'Why nobody can say; null with a cost.' })
  reason!: OutcomeNoCostReasonEnum | null;

  static from({ cost, currency, reason }: OutcomeCost): OutcomeCostType {
    return Object.assign(new OutcomeCostType(), {
      cost: cost && MoneyType.of(cost, currency),
      reason: reason && OutcomeNoCostReasonEnum[reason],
    });
  }
}
