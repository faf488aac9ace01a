import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { decimal, formatDecimal } from '../money/index.js';
import { OutcomeStateEnum } from '../outcomes/index.js';
import {
  connectionOf,
  DecimalScalar,
  IDEMPOTENCY_KEY,
  MoneyType,
  Node,
  OncePayload,
  TENANT_ID,
} from '../platform/index.js';
import type { OutcomeSimulation } from './outcome-simulation.entity.js';
import type { OutcomeItemRow, OutcomeSimulationTotal } from './outcome-simulation.queries.js';
import { differencePercent } from './outcome-simulation.rules.js';
import { percentOf } from './simulation.rules.js';
import { SimulationStatusEnum } from './simulation.types.js';

@ObjectType('OutcomeSimulation', {
  implements: Node,
  description:
    'What outcomes would have come to under a version of their rule, by judging and rating what has happened once more. Usage that the rule replaces or stands for is not in it.',
})
export class OutcomeSimulationType extends Node {
  @Field(() => SimulationStatusEnum, { description: 'How far it is.' })
  status!: SimulationStatusEnum;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => ID, { description: 'The version on trial.' })
  outcomeRuleVersionId!: string;

  @Field(() => Date, {
    description:
      'The version on trial holds from here on, in the place of whatever the rule published. Every billing period that touches the time from here …',
  })
  from!: Date;

  @Field(() => Date, { description: '… until before here is compared, as a whole.' })
  until!: Date;

  @Field(() => DecimalScalar, { description: 'Per cent of the work that is done, an estimate; "100" when it is done.' })
  progress!: string;

  @Field(() => Int, { description: 'How many tenants it looks at.' })
  tenantsTotal!: number;

  @Field(() => Int, { description: 'How many of them are done.' })
  tenantsDone!: number;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How many events there are to judge, an estimate until it is done; null while nobody knows.',
  })
  eventsTotal!: string | null;

  @Field(() => DecimalScalar, {
    description: 'How many events were judged, by the rule as it is and by the version on trial.',
  })
  eventsDone!: string;

  @Field(() => String, { nullable: true, description: 'Why it failed.' })
  error!: string | null;

  @Field(() => Date, { description: 'When it was asked for; outcomes are judged as of then.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When a worker took it up.' })
  startedAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it ended.' })
  finishedAt!: Date | null;

  tenantId!: string;

  storedTotals!: readonly OutcomeSimulationTotal[] | null;

  static from(simulation: OutcomeSimulation): OutcomeSimulationType {
    const { eventsTotal = null, status } = simulation;

    return Object.assign(new OutcomeSimulationType(), {
      id: simulation.id,
      tenantId: simulation.tenantId,
      storedTotals: simulation.totals ?? null,
      status: SimulationStatusEnum[status],
      outcomeRuleId: simulation.ruleId,
      outcomeRuleVersionId: simulation.versionId,
      from: simulation.fromAt,
      until: simulation.untilAt,
      progress: percentOf({ ...simulation, eventsTotal, isDone: status === 'DONE' }),
      tenantsTotal: simulation.tenantsTotal,
      tenantsDone: simulation.tenantsDone,
      eventsTotal,
      eventsDone: simulation.eventsDone,
      error: status === 'FAILED' ? (simulation.error ?? null) : null,
      createdAt: simulation.createdAt,
      startedAt: simulation.startedAt ?? null,
      finishedAt: simulation.finishedAt ?? null,
    });
  }
}

export const OutcomeSimulationConnection = connectionOf('OutcomeSimulation', () => OutcomeSimulationType);

@ObjectType('OutcomeSimulationTotal', {
  description:
    'What the outcomes of the rule come to in one currency, with those of rules that share an exclusive group with it.',
})
export class OutcomeSimulationTotalType {
  @Field(() => String, { description: 'ISO 4217 code.' })
  currency!: string;

  @Field(() => Int, { description: 'How many tenants are in it.' })
  tenants!: number;

  @Field(() => Int, { description: 'How many outcomes stand matured, whatever they cost.' })
  oldOutcomes!: number;

  @Field(() => Int, { description: 'How many would stand so.' })
  newOutcomes!: number;

  @Field(() => MoneyType, { description: 'What they are charged, minimums and all: exact, not rounded line by line.' })
  oldAmount!: MoneyType;

  @Field(() => MoneyType, { description: 'What they would be charged, likewise.' })
  newAmount!: MoneyType;

  @Field(() => MoneyType, { description: '`newAmount` less `oldAmount`.' })
  difference!: MoneyType;

  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      'The difference in per cent of `oldAmount`, with two digits after the point, half to even; null when that is zero.',
  })
  differencePercent!: string | null;

  @Field(() => Int, { description: 'Combinations of attributes that had no price, counted in each tenant’s periods.' })
  oldUnpriced!: number;

  @Field(() => Int, { description: 'Those that would have had none. They are in no amount: unpriced is not free.' })
  newUnpriced!: number;

  static from(total: OutcomeSimulationTotal): OutcomeSimulationTotalType {
    const { currency, oldAmount, newAmount, ...counts } = total;
    const [before, after] = [decimal(oldAmount), decimal(newAmount)];
    const percent = differencePercent(before, after);

    return Object.assign(new OutcomeSimulationTotalType(), {
      currency,
      ...counts,
      oldAmount: MoneyType.of(before, currency),
      newAmount: MoneyType.of(after, currency),
      difference: MoneyType.of(after.minus(before), currency),
      differencePercent: percent && formatDecimal(percent),
    });
  }
}

@ObjectType('OutcomeSimulationItem', {
  description: 'One outcome that would stand elsewhere, for another reason, or at another amount.',
})
export class OutcomeSimulationItemType {
  @Field(() => ID, { description: 'The tenant.' })
  tenantId!: string;

  @Field(() => ID, { description: 'The outcome; there may be none yet of this id.' })
  outcomeId!: string;

  @Field(() => ID, { description: 'Its rule.' })
  outcomeRuleId!: string;

  @Field(() => ID, { description: 'The event that claims it …' })
  eventId!: string;

  @Field(() => String, { description: '… and that event’s source.' })
  source!: string;

  @Field(() => String, { nullable: true, description: 'What it is about.' })
  subject!: string | null;

  @Field(() => Date, { description: 'When it occurred.' })
  occurredAt!: Date;

  @Field(() => OutcomeStateEnum, { nullable: true, description: 'Where it stands; null where nothing claims it.' })
  oldState!: OutcomeStateEnum | null;

  @Field(() => String, { nullable: true, description: 'Why it stands there.' })
  oldReason!: string | null;

  @Field(() => MoneyType, { description: 'What of the charges of the compared periods is for it; exact.' })
  oldAmount!: MoneyType;

  @Field(() => OutcomeStateEnum, {
    nullable: true,
    description: 'Where it would stand; null where nothing would claim it.',
  })
  newState!: OutcomeStateEnum | null;

  @Field(() => String, { nullable: true, description: 'Why it would stand there.' })
  newReason!: string | null;

  @Field(() => MoneyType, { description: 'What of the charges would be for it; exact.' })
  newAmount!: MoneyType;

  static from(row: OutcomeItemRow): OutcomeSimulationItemType {
    const stateOf = (state: string | null) =>
      state === null ? null : OutcomeStateEnum[state as keyof typeof OutcomeStateEnum];

    return Object.assign(new OutcomeSimulationItemType(), {
      tenantId: row.subject_id,
      outcomeId: row.outcome_id,
      outcomeRuleId: row.rule_id,
      eventId: row.event_id,
      source: row.source,
      subject: row.subject,
      occurredAt: row.occurred_at,
      oldState: stateOf(row.old_state),
      oldReason: row.old_reason,
      oldAmount: MoneyType.of(decimal(row.old_amount), row.currency),
      newState: stateOf(row.new_state),
      newReason: row.new_reason,
      newAmount: MoneyType.of(decimal(row.new_amount), row.currency),
    });
  }
}

export const OutcomeSimulationItemConnection = connectionOf('OutcomeSimulationItem', () => OutcomeSimulationItemType);

@InputType({ description: 'A simulation of an outcome rule to start.' })
export class OutcomeSimulationStartInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The version to try: a draft, or a published one.' })
  outcomeRuleVersionId!: string;

  @Field(() => [ID], {
    nullable: true,
    description:
      'The buyers that are to try it, 1 to 10,000; by default all that have a contract on the book in that time.',
  })
  tenantIds?: string[] | null;

  @Field(() => Date, {
    description: 'The version holds from here on. Every billing period that touches the time from here …',
  })
  from!: Date;

  @Field(() => Date, {
    description: '… until before here is compared, as a whole. Not after now; at most 1,830 days later.',
  })
  until!: Date;
}

@InputType({ description: 'A simulation of an outcome rule to stop.' })
export class OutcomeSimulationCancelInput {
  @Field(() => ID, { description: 'The simulation.' })
  outcomeSimulationId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@ObjectType({ description: 'The answer of outcomeSimulationStart and outcomeSimulationCancel.' })
export class OutcomeSimulationPayload extends OncePayload {
  @Field(() => OutcomeSimulationType, { nullable: true, description: 'The simulation; null when refused.' })
  outcomeSimulation?: OutcomeSimulationType | null;
}
