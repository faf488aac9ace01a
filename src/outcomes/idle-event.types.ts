import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf } from '../platform/index.js';
import type { IdleEvent } from './idle-events.js';

export enum IdleOutcomeEventRoleEnum {
  CLAIM = 'CLAIM',
  REVERSAL = 'REVERSAL',
  GUARANTEE = 'GUARANTEE',
  VERIFICATION = 'VERIFICATION',
}
registerEnumType(IdleOutcomeEventRoleEnum, {
  name: 'IdleOutcomeEventRole',
  description: 'What an event was meant to be for an outcome.',
  valuesConfig: {
    CLAIM: { description: 'To say that it was achieved.' },
    REVERSAL: { description: 'To take it back.' },
    GUARANTEE: { description: 'To take it back, with its value paid back.' },
    VERIFICATION: { description: 'To say whether it is true.' },
  },
});

export enum IdleOutcomeEventStateEnum {
  PENDING = 'PENDING',
  EXPIRED = 'EXPIRED',
}
registerEnumType(IdleOutcomeEventStateEnum, {
  name: 'IdleOutcomeEventState',
  description:
    'Whether an event that bears on nothing is awaited. It says nothing of amounts: a claim that comes after EXPIRED is judged with it all the same.',
  valuesConfig: {
    PENDING: { description: 'A claim that it would bear on may yet come in time.' },
    EXPIRED: { description: 'No such claim is awaited any more, or none ever was.' },
  },
});

export enum IdleOutcomeEventReasonEnum {
  NO_CONTRACT = 'NO_CONTRACT',
  NO_RULE_VERSION = 'NO_RULE_VERSION',
  NO_SUBJECT = 'NO_SUBJECT',
  NOT_MATCHED = 'NOT_MATCHED',
  NO_OUTCOME = 'NO_OUTCOME',
  TOO_LATE = 'TOO_LATE',
  NO_EFFECT = 'NO_EFFECT',
}
registerEnumType(IdleOutcomeEventReasonEnum, {
  name: 'IdleOutcomeEventReason',
  description: 'Why an event bears on nothing. More reasons will come.',
  valuesConfig: {
    NO_CONTRACT: { description: 'No contract held then, or while it would have had to be claimed.' },
    NO_RULE_VERSION: {
      description: 'No version of the rule that looks at such events judged then, such as before the first one.',
    },
    NO_SUBJECT: { description: 'It names no subject, by which it would find an outcome.' },
    NOT_MATCHED: {
      description: "The rule's filter does not match it, or the rule does not hear the side that sent it.",
    },
    NO_OUTCOME: { description: 'Nothing was claimed, at or before its time, that it could be about.' },
    TOO_LATE: { description: 'What it could be about was claimed longer before it than the rule allows.' },
    NO_EFFECT: {
      description:
        'There is an outcome that it could be about, and it changes nothing of it, such as a second reversal or the word of a verifier that the rule does not know.',
    },
  },
});

@ObjectType('IdleOutcomeEvent', {
  description:
    'An accepted event that an outcome rule looks at and that bears on no outcome. It stays a fact: as soon as what it is about is claimed, however late, the two are judged as if they had come in order, and it is idle no more.',
})
export class IdleOutcomeEventType {
  @Field(() => ID, { description: 'Its id, as the sender gave it.' })
  eventId!: string;

  @Field(() => String, { description: 'Where it came from; empty when the sender did not say.' })
  source!: string;

  @Field(() => String, { description: 'Its type, by which rules find it.' })
  eventType!: string;

  @Field(() => Date, { description: 'When it happened.' })
  time!: Date;

  @Field(() => String, { nullable: true, description: 'What it was about, such as a conversation.' })
  subject!: string | null;

  @Field(() => IdleOutcomeEventRoleEnum, {
    description: 'What it was meant to be; where several rules look at it, for the rule that awaits it longest.',
  })
  role!: IdleOutcomeEventRoleEnum;

  @Field(() => ID, { description: 'The rule that it was meant for.' })
  outcomeRuleId!: string;

  @Field(() => IdleOutcomeEventStateEnum, { description: 'Whether it is awaited.' })
  state!: IdleOutcomeEventStateEnum;

  @Field(() => IdleOutcomeEventReasonEnum, { description: 'Why it bears on nothing.' })
  reason!: IdleOutcomeEventReasonEnum;

  @Field(() => Date, {
    nullable: true,
    description: 'Until when it is, or was, awaited; null where it never is, as of a claim.',
  })
  pendingUntil!: Date | null;

  static from({ event, role, ruleId, state, reason, pendingUntil }: IdleEvent): IdleOutcomeEventType {
    return Object.assign(new IdleOutcomeEventType(), {
      eventId: event.id,
      source: event.source,
      eventType: event.type,
      time: event.time,
      subject: event.subject,
      role: IdleOutcomeEventRoleEnum[role],
      outcomeRuleId: ruleId,
      state: IdleOutcomeEventStateEnum[state],
      reason: IdleOutcomeEventReasonEnum[reason],
      pendingUntil,
    });
  }
}

export const IdleOutcomeEventConnection = connectionOf('IdleOutcomeEvent', () => IdleOutcomeEventType);
