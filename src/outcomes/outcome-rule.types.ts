import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, OncePayload, TENANT_ID } from '../platform/index.js';
import type { OutcomeRule, OutcomeRuleVersion } from './outcome-rule.entity.js';
import type { OutcomeTermsJson } from './outcome-terms.rules.js';
import { OutcomeTermsInput, OutcomeTermsType } from './outcome-terms.types.js';

export enum OutcomeRuleVersionStatusEnum {
  DRAFT = 'DRAFT',
  PUBLISHED = 'PUBLISHED',
  WITHDRAWN = 'WITHDRAWN',
}
registerEnumType(OutcomeRuleVersionStatusEnum, {
  name: 'OutcomeRuleVersionStatus',
  description: 'How far a version of an outcome rule is.',
  valuesConfig: {
    DRAFT: { description: 'Judges nothing yet.' },
    PUBLISHED: { description: 'Holds from its effective instant on; never changes.' },
    WITHDRAWN: { description: 'Was taken back before it took effect.' },
  },
});

@ObjectType('OutcomeRuleVersion', { implements: Node, description: 'What an outcome rule says from an instant on.' })
export class OutcomeRuleVersionType extends Node {
  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => Int, { description: 'Counted from 1 within the rule.' })
  number!: number;

  @Field(() => OutcomeRuleVersionStatusEnum, { description: 'How far it is.' })
  status!: OutcomeRuleVersionStatusEnum;

  @Field(() => Date, { nullable: true, description: 'From when it holds, until the next one; null in a draft.' })
  effectiveAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was published.' })
  publishedAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was withdrawn.' })
  withdrawnAt!: Date | null;

  @Field(() => OutcomeTermsType, {
    description: 'What it says; to a buyer, what is in money only in the currencies of its contracts.',
  })
  terms!: OutcomeTermsType;

  @Field(() => Date, { description: 'When it was written.' })
  createdAt!: Date;

  tenantId!: string;

  /** The buyer who reads it; null for the seller, whose it is. */
  buyerId!: string | null;

  /** `read` is given where a buyer reads it: who that is, and the terms as it is told them. */
  static from(
    version: OutcomeRuleVersion,
    read: { readonly buyerId: string; readonly terms: OutcomeTermsJson } | null = null,
  ): OutcomeRuleVersionType {
    return Object.assign(new OutcomeRuleVersionType(), {
      id: version.id,
      tenantId: version.tenantId,
      buyerId: read?.buyerId ?? null,
      outcomeRuleId: version.ruleId,
      number: version.number,
      status: OutcomeRuleVersionStatusEnum[version.status],
      effectiveAt: version.effectiveAt ?? null,
      publishedAt: version.publishedAt ?? null,
      withdrawnAt: version.withdrawnAt ?? null,
      terms: OutcomeTermsType.from(read?.terms ?? version.terms),
      createdAt: version.createdAt,
    });
  }
}

export const OutcomeRuleVersionConnection = connectionOf('OutcomeRuleVersion', () => OutcomeRuleVersionType);

@ObjectType('OutcomeRule', {
  implements: Node,
  description:
    'One kind of outcome that a price book asks for, in versions. Its buyers read it too: the published versions that judge under their contracts.',
})
export class OutcomeRuleType extends Node {
  @Field(() => ID, { description: 'The book.' })
  priceBookId!: string;

  @Field(() => String, { description: 'Its key, unique within the book.' })
  key!: string;

  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  tenantId!: string;

  /** The buyer who reads it; null for the seller, whose it is. */
  buyerId!: string | null;

  static from(rule: OutcomeRule, buyerId: string | null = null): OutcomeRuleType {
    return Object.assign(new OutcomeRuleType(), {
      id: rule.id,
      tenantId: rule.tenantId,
      buyerId,
      priceBookId: rule.priceBookId,
      key: rule.key,
      name: rule.name,
      createdAt: rule.createdAt,
    });
  }
}

export const OutcomeRuleConnection = connectionOf('OutcomeRule', () => OutcomeRuleType);

@InputType({ description: 'An outcome rule to make.' })
export class OutcomeRuleCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The book whose buyers it is for. Books based on it do not take it over.' })
  priceBookId!: string;

  @Field(() => String, { description: 'Lower case, such as resolution; unique within the book.' })
  key!: string;

  @Field(() => String, { description: 'What the invoice line says: 1 to 200 characters.' })
  name!: string;
}

@ObjectType({ description: 'The answer of outcomeRuleCreate.' })
export class OutcomeRuleCreatePayload extends OncePayload {
  @Field(() => OutcomeRuleType, { nullable: true, description: 'The rule; null when refused.' })
  outcomeRule?: OutcomeRuleType | null;
}

@InputType({ description: 'A draft version to write.' })
export class OutcomeRuleVersionCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The rule.' })
  outcomeRuleId!: string;

  @Field(() => OutcomeTermsInput, { description: 'What the version says.' })
  terms!: OutcomeTermsInput;
}

@InputType({ description: 'A draft to publish.' })
export class OutcomeRuleVersionPublishInput {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The draft.' })
  outcomeRuleVersionId!: string;

  @Field(() => Date, { nullable: true, description: 'From when it holds: now, which is the default, or later.' })
  effectiveAt?: Date | null;
}

@InputType({ description: 'A published version to take back.' })
export class OutcomeRuleVersionWithdrawInput {
  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The version; it has not taken effect.' })
  outcomeRuleVersionId!: string;
}

@ObjectType({
  description: 'The answer of outcomeRuleVersionCreate, outcomeRuleVersionPublish and outcomeRuleVersionWithdraw.',
})
export class OutcomeRuleVersionPayload extends OncePayload {
  @Field(() => OutcomeRuleVersionType, { nullable: true, description: 'The version; null when refused.' })
  outcomeRuleVersion?: OutcomeRuleVersionType | null;
}
