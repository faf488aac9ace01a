import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, JsonScalar, MoneyType, Node } from '../platform/index.js';
import type { Outcome, OutcomeTransition } from './outcome.entity.js';

export enum OutcomeStateEnum {
  CLAIMED = 'CLAIMED',
  VERIFIED = 'VERIFIED',
  MATURED = 'MATURED',
  BILLED = 'BILLED',
  REJECTED = 'REJECTED',
  EXPIRED = 'EXPIRED',
  REVERSED = 'REVERSED',
  DISPUTED = 'DISPUTED',
}
registerEnumType(OutcomeStateEnum, {
  name: 'OutcomeState',
  description: 'Where an outcome stands. More states will come.',
  valuesConfig: {
    CLAIMED: { description: 'Somebody says that it was achieved; it waits for a verification.' },
    VERIFIED: { description: 'It is true; it waits until it matures.' },
    MATURED: { description: 'It is charged.' },
    BILLED: { description: 'It is on an issued invoice.' },
    REJECTED: { description: 'It does not count; the reason says why.' },
    EXPIRED: { description: 'Nobody verified it in time.' },
    REVERSED: { description: 'It was taken back.' },
    DISPUTED: { description: 'It is held, and not charged, until somebody decides or the deadline passes.' },
  },
});

@ObjectType('OutcomeAgent', { description: 'A part in an outcome.' })
export class OutcomeAgentType {
  @Field(() => String, { description: 'The agent, as its touch names it.' })
  agent!: string;

  @Field(() => DecimalScalar, { description: 'Its share of 1.' })
  share!: string;
}

@ObjectType('Outcome', {
  implements: Node,
  description:
    'What the facts say about one claim of one rule: judged anew whenever a fact arrives or an instant passes.',
})
export class OutcomeType extends Node {
  @Field(() => ID, { description: 'The tenant whose outcome it is.' })
  tenantId!: string;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => ID, { description: 'The version of the rule that judges and prices it.' })
  outcomeRuleVersionId!: string;

  @Field(() => Int, { description: 'The number of that version.' })
  versionNumber!: number;

  @Field(() => ID, { description: 'The contract that it falls under.' })
  contractId!: string;

  @Field(() => ID, { description: "The id of the claim's event, as its sender gave it." })
  eventId!: string;

  @Field(() => String, { description: "The source of the claim's event; empty when the sender did not say." })
  source!: string;

  @Field(() => String, { nullable: true, description: 'What it was about, such as a conversation.' })
  subject!: string | null;

  @Field(() => String, { nullable: true, description: 'The customer that the subject belongs to.' })
  customer!: string | null;

  @Field(() => OutcomeStateEnum, { description: 'Where it stands.' })
  state!: OutcomeStateEnum;

  @Field(() => String, {
    nullable: true,
    description: 'Why it stands there, for programs, such as DUPLICATE; null where there is nothing to tell.',
  })
  reason!: string | null;

  @Field(() => ID, { nullable: true, description: 'The outcome that counts instead of this one.' })
  insteadId!: string | null;

  @Field(() => Date, { description: 'When its subject started.' })
  startedAt!: Date;

  @Field(() => Date, { description: 'When it was achieved.' })
  occurredAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was verified; null while it is not.' })
  verifiedAt!: Date | null;

  @Field(() => Date, { description: 'When it matures, or did, if nothing comes in between.' })
  maturesAt!: Date;

  @Field(() => Date, { description: 'The instant whose billing period it is charged in.' })
  periodAt!: Date;

  @Field(() => Boolean, { description: 'Whether it costs nothing although it matures: it is of a test environment.' })
  isFree!: boolean;

  @Field(() => DecimalScalar, { description: "Its units, less people's share and what was taken back." })
  units!: string;

  @Field(() => MoneyType, {
    nullable: true,
    description: "Its value, less people's share and what was taken back; null where the rule reads none.",
  })
  value!: MoneyType | null;

  @Field(() => JsonScalar, { description: 'Its attributes, by name.' })
  attributes!: unknown;

  @Field(() => [OutcomeAgentType], { description: 'Whose work it was; at most 100.' })
  agents!: OutcomeAgentType[];

  @Field(() => Date, { description: 'When it was first judged.' })
  createdAt!: Date;

  @Field(() => Date, { description: 'When it last changed.' })
  changedAt!: Date;

  static from(outcome: Outcome): OutcomeType {
    const { value = null } = outcome;

    return Object.assign(new OutcomeType(), {
      id: outcome.id,
      tenantId: outcome.tenantId,
      outcomeRuleId: outcome.ruleId,
      outcomeRuleVersionId: outcome.versionId,
      versionNumber: outcome.versionNumber,
      contractId: outcome.contractId,
      eventId: outcome.eventId,
      source: outcome.source,
      subject: outcome.subject ?? null,
      customer: outcome.customer ?? null,
      state: OutcomeStateEnum[outcome.state],
      reason: outcome.reason ?? null,
      insteadId: outcome.instead ?? null,
      startedAt: outcome.startedAt,
      occurredAt: outcome.occurredAt,
      verifiedAt: outcome.verifiedAt ?? null,
      maturesAt: outcome.maturesAt,
      periodAt: outcome.periodAt,
      isFree: outcome.isFree,
      units: formatDecimal(outcome.units),
      value: value && MoneyType.of(value, outcome.currency),
      attributes: JSON.parse(outcome.attributes) as unknown,
      agents: outcome.agents.map(agent => Object.assign(new OutcomeAgentType(), agent)),
      createdAt: outcome.createdAt,
      changedAt: outcome.changedAt,
    });
  }
}

export const OutcomeConnection = connectionOf('Outcome', () => OutcomeType);

@ObjectType('OutcomeTransition', { description: 'One step of an outcome from state to state; never changed.' })
export class OutcomeTransitionType {
  @Field(() => Int, { description: 'Counts the steps of the outcome from 1.' })
  number!: number;

  @Field(() => OutcomeStateEnum, { nullable: true, description: 'Where it stood before; null for the first step.' })
  fromState!: OutcomeStateEnum | null;

  @Field(() => OutcomeStateEnum, { description: 'Where it has stood since.' })
  toState!: OutcomeStateEnum;

  @Field(() => String, { nullable: true, description: 'Why, for programs.' })
  reason!: string | null;

  @Field(() => ID, { description: 'The steps that were made together; a line of the audit log names it.' })
  batchId!: string;

  @Field(() => Date, { description: 'When it was judged so.' })
  at!: Date;

  static from(step: OutcomeTransition): OutcomeTransitionType {
    return Object.assign(new OutcomeTransitionType(), {
      number: step.n,
      fromState: step.fromState ? OutcomeStateEnum[step.fromState] : null,
      toState: OutcomeStateEnum[step.toState],
      reason: step.reason ?? null,
      batchId: step.batch,
      at: step.at,
    });
  }
}

export const OutcomeTransitionConnection = connectionOf('OutcomeTransition', () => OutcomeTransitionType);
