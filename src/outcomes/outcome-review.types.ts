import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import {
  connectionOf,
  DecimalScalar,
  IDEMPOTENCY_KEY,
  JsonScalar,
  Node,
  OncePayload,
  TENANT_ID,
} from '../platform/index.js';
import type { DisputeRead } from './outcome-disputes.service.js';
import type { OutcomeSampleAudit } from './outcome.entity.js';
import { isBeyond } from './review.rules.js';

export enum OutcomePartyEnum {
  BUYER = 'BUYER',
  SELLER = 'SELLER',
}
registerEnumType(OutcomePartyEnum, {
  name: 'OutcomeParty',
  description: 'Whose key it was.',
  valuesConfig: {
    BUYER: { description: 'A key of the tenant whose outcomes they are.' },
    SELLER: { description: 'A key of a tenant above it.' },
  },
});

@ObjectType('OutcomeDispute', {
  implements: Node,
  description: "Somebody's word that outcomes are none. They are held, and not charged, until each is decided.",
})
export class OutcomeDisputeType extends Node {
  @Field(() => ID, { description: 'The tenant whose outcomes they are.' })
  tenantId!: string;

  @Field(() => String, { description: 'Why they are none.' })
  reason!: string;

  @Field(() => JsonScalar, { description: 'What shows it.' })
  evidence!: unknown;

  @Field(() => OutcomePartyEnum, { description: 'Whose key opened it.' })
  openedBy!: OutcomePartyEnum;

  @Field(() => Date, { description: 'When it was opened.' })
  openedAt!: Date;

  @Field(() => Date, {
    nullable: true,
    description: 'Until when the first of the held outcomes waits for a decision; null when none is held.',
  })
  respondBy!: Date | null;

  @Field(() => Int, { description: 'How many outcomes it is about.' })
  outcomeCount!: number;

  @Field(() => Int, { description: 'How many of them are held.' })
  heldCount!: number;

  @Field(() => Int, { description: 'How many were accepted, and so taken back.' })
  acceptedCount!: number;

  @Field(() => Int, {
    description:
      'How many were rejected, and so are charged. Those in no count were decided by silence, or taken back meanwhile.',
  })
  rejectedCount!: number;

  static from({ dispute, progress }: DisputeRead): OutcomeDisputeType {
    return Object.assign(new OutcomeDisputeType(), {
      id: dispute.id,
      tenantId: dispute.tenantId,
      reason: dispute.reason,
      evidence: dispute.evidence,
      openedBy: OutcomePartyEnum[dispute.party],
      openedAt: dispute.openedAt,
      respondBy: progress.respondBy,
      outcomeCount: progress.outcomes,
      heldCount: progress.held,
      acceptedCount: progress.accepted,
      rejectedCount: progress.rejected,
    });
  }
}

export const OutcomeDisputeConnection = connectionOf('OutcomeDispute', () => OutcomeDisputeType);

@InputType({ description: 'Outcomes to dispute.' })
export class OutcomeDisputeOpenInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => [ID], {
    description: 'The outcomes: 1 to 1,000, all of the one tenant. One that is refused refuses all.',
  })
  outcomeIds!: string[];

  @Field(() => String, { description: 'Why they are none, in 1 to 2,000 characters.' })
  reason!: string;

  @Field(() => JsonScalar, { nullable: true, description: 'A JSON object of what shows it.' })
  evidence?: unknown;
}

@InputType({ description: 'What becomes of disputed outcomes. Those of the dispute that are in no list stay held.' })
export class OutcomeDisputeDecideInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The dispute. The key that opened it does not decide it.' })
  outcomeDisputeId!: string;

  @Field(() => [ID], { nullable: true, description: 'Those that are none: they are taken back. Up to 1,000.' })
  acceptedOutcomeIds?: string[] | null;

  @Field(() => [ID], { nullable: true, description: 'Those that stand: they are charged. Up to 1,000.' })
  rejectedOutcomeIds?: string[] | null;

  @Field(() => String, { nullable: true, description: 'Why, in 1 to 200 characters.' })
  reason?: string | null;
}

@ObjectType({ description: 'The answer of outcomeDisputeOpen and outcomeDisputeDecide.' })
export class OutcomeDisputePayload extends OncePayload {
  @Field(() => OutcomeDisputeType, { nullable: true, description: 'The dispute; null when refused.' })
  outcomeDispute?: OutcomeDisputeType | null;
}

@ObjectType('OutcomeSampleAudit', {
  implements: Node,
  description: 'A sample of the charged outcomes of a rule in a period, which stands for all of them.',
})
export class OutcomeSampleAuditType extends Node {
  @Field(() => ID, { description: 'The tenant whose outcomes they are.' })
  tenantId!: string;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => ID, { description: 'The contract.' })
  contractId!: string;

  @Field(() => Date, { description: 'The billing period begins here …' })
  periodStart!: Date;

  @Field(() => Date, { description: '… and ends before here.' })
  periodEnd!: Date;

  @Field(() => Int, { description: 'How many charged outcomes the period held.' })
  population!: number;

  @Field(() => [ID], {
    description:
      'The sample, at most 1,000: the outcomes with the least SHA-256 of the id of the audit, a line break and their own id.',
  })
  sampleOutcomeIds!: readonly string[];

  @Field(() => [ID], {
    nullable: true,
    description: 'Those of the sample that are wrong, at most 1,000; null until it is finished.',
  })
  wrongOutcomeIds!: readonly string[] | null;

  @Field(() => DecimalScalar, { description: 'Per cent of the sample that may be wrong without consequence.' })
  tolerance!: string;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether more is wrong than that, so that the same part of the period is not charged; null until it is finished.',
  })
  isBeyondTolerance!: boolean | null;

  @Field(() => Date, { description: 'When the sample was drawn.' })
  createdAt!: Date;

  @Field(() => Date, { nullable: true, description: 'When it was finished; null until then.' })
  finishedAt!: Date | null;

  static from(audit: OutcomeSampleAudit): OutcomeSampleAuditType {
    const { sampleIds, wrongIds = null } = audit;

    return Object.assign(new OutcomeSampleAuditType(), {
      id: audit.id,
      tenantId: audit.tenantId,
      outcomeRuleId: audit.ruleId,
      contractId: audit.contractId,
      periodStart: audit.periodStart,
      periodEnd: audit.periodEnd,
      population: audit.population,
      sampleOutcomeIds: sampleIds,
      wrongOutcomeIds: wrongIds,
      tolerance: formatDecimal(audit.tolerance),
      isBeyondTolerance: wrongIds && isBeyond(audit.tolerance, sampleIds.length, wrongIds.length),
      createdAt: audit.createdAt,
      finishedAt: audit.finishedAt ?? null,
    });
  }
}

export const OutcomeSampleAuditConnection = connectionOf('OutcomeSampleAudit', () => OutcomeSampleAuditType);

@InputType({ description: 'A period of a rule to audit by a sample.' })
export class OutcomeSampleAuditStartInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => Date, { description: 'An instant of the billing period, which is over.' })
  at!: Date;

  @Field(() => Int, { description: 'How many outcomes the sample holds, from 1 to 1,000.' })
  sampleSize!: number;
}

@InputType({ description: 'What a sample audit found.' })
export class OutcomeSampleAuditFinishInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The audit.' })
  outcomeSampleAuditId!: string;

  @Field(() => [ID], { description: 'Those of the sample that are wrong, up to 1,000; none when all are right.' })
  wrongOutcomeIds!: string[];
}

@ObjectType({ description: 'The answer of outcomeSampleAuditStart and outcomeSampleAuditFinish.' })
export class OutcomeSampleAuditPayload extends OncePayload {
  @Field(() => OutcomeSampleAuditType, { nullable: true, description: 'The audit; null when refused.' })
  outcomeSampleAudit?: OutcomeSampleAuditType | null;
}
