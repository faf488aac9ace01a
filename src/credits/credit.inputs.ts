import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { DecimalScalar, IDEMPOTENCY_KEY, MoneyType, OncePayload, TENANT_ID } from '../platform/index.js';
import { CreditKindEnum } from './credit.enums.js';
import { CreditBalanceType, CreditGrantType, CreditPrepaidType, CreditTransactionType } from './credit.types.js';

const REASON = { nullable: true, description: 'Why: 1 to 500 characters.' } as const;

@InputType({ description: 'Credits to grant.' })
export class CreditGrantCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, {
    nullable: true,
    description: "The tenant that gets them: the key's own (the default) or one below it.",
  })
  tenantId?: string | null;

  @Field(() => CreditKindEnum, { description: 'Whether somebody paid for them.' })
  kind!: CreditKindEnum;

  @Field(() => String, {
    description:
      'What they are counted in: an ISO 4217 code, or a word of 1 to 40 lower-case letters, digits and _, such as credit.',
  })
  unit!: string;

  @Field(() => MoneyType, {
    nullable: true,
    description:
      'What one unit pays for: of a word, and of no currency. 0 is for promotional ones that pay for what is priced in the word alone.',
  })
  unitWorth?: MoneyType | null;

  @Field(() => DecimalScalar, { description: 'How many: above 0.' })
  amount!: string;

  @Field(() => MoneyType, { description: 'What is paid for all of them: from 0; for promotional ones 0.' })
  costBasis!: MoneyType;

  @Field(() => Int, {
    defaultValue: 0,
    description: 'Of those that expire together, less burns first: from -1000000 to 1000000.',
  })
  priority!: number;

  @Field(() => [ID], {
    defaultValue: [],
    description: 'The meters whose usage they pay for, at most 100; all when there is none.',
  })
  meterIds!: string[];

  @Field(() => [String], {
    defaultValue: [],
    description:
      'The models whose usage they pay for, at most 100: names, or beginnings of names and *; all when there is none.',
  })
  models!: string[];

  @Field(() => Date, { nullable: true, description: 'From when they pay; now by default.' })
  effectiveAt?: Date | null;

  @Field(() => Date, { nullable: true, description: 'Until before when: in the future; for ever by default.' })
  expiresAt?: Date | null;
}

@ObjectType({ description: 'The answer of creditGrantCreate.' })
export class CreditGrantCreatePayload extends OncePayload {
  @Field(() => CreditGrantType, { nullable: true, description: 'The grant; null when refused.' })
  creditGrant?: CreditGrantType | null;
}

@InputType({ description: 'Unused credits to take off a grant.' })
export class CreditGrantRefundInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The grant.' })
  creditGrantId!: string;

  @Field(() => DecimalScalar, { nullable: true, description: 'How many: above 0; all that are left by default.' })
  amount?: string | null;

  @Field(() => String, REASON)
  reason?: string | null;
}

@ObjectType({ description: 'The answer of creditGrantRefund.' })
export class CreditGrantRefundPayload extends OncePayload {
  @Field(() => CreditGrantType, { nullable: true, description: 'The grant as it is now; null when refused.' })
  creditGrant?: CreditGrantType | null;

  @Field(() => CreditTransactionType, { nullable: true, description: 'What took them off; null when refused.' })
  creditTransaction?: CreditTransactionType | null;

  @Field(() => MoneyType, {
    nullable: true,
    description: 'What was paid for them, their share of the cost basis: nobody is paid here. Null when refused.',
  })
  cost?: MoneyType | null;
}

@InputType({ description: 'Burned credits to give back.' })
export class CreditBurnReverseInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The burn, of the ledger in Tenant.creditTransactions.' })
  creditTransactionId!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How much, in the currency of the burn: above 0; all that is still burned of it by default.',
  })
  amount?: string | null;

  @Field(() => String, REASON)
  reason?: string | null;
}

@ObjectType({ description: 'The answer of creditBurnReverse.' })
export class CreditBurnReversePayload extends OncePayload {
  @Field(() => CreditTransactionType, {
    nullable: true,
    description: 'What gave them back, grant by grant; null when refused.',
  })
  creditTransaction?: CreditTransactionType | null;
}

@InputType({ description: 'Credits to move between a tenant and one below it.' })
export class CreditTransferInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, { description: "The tenant that gives: the key's own, or one below it." })
  fromTenantId!: string;

  @Field(() => ID, { description: "The tenant that gets: the key's own, or one below it; above or below the other." })
  toTenantId!: string;

  @Field(() => String, { description: 'An ISO 4217 code, or a word of credits.' })
  unit!: string;

  @Field(() => DecimalScalar, { description: 'How many: above 0, and at most what is available.' })
  amount!: string;

  @Field(() => String, REASON)
  reason?: string | null;
}

@ObjectType({ description: 'The answer of creditTransfer.' })
export class CreditTransferPayload extends OncePayload {
  @Field(() => CreditTransactionType, {
    nullable: true,
    description: 'What took them off the one that gives; null when refused.',
  })
  creditTransaction?: CreditTransactionType | null;

  @Field(() => [CreditGrantType], {
    nullable: true,
    description: 'What the other has of them: at most as many as the grants they come from. Null when refused.',
  })
  creditGrants?: CreditGrantType[] | null;
}

@InputType({ description: 'When to tell that credits run low.' })
export class CreditRechargeSetInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'An ISO 4217 code, or a word of credits.' })
  unit!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The message credits.low is sent when less than this is available: above 0; null for never more.',
  })
  below?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How many are to be added then, as the message says: above 0; null together with below.',
  })
  amount?: string | null;
}

@ObjectType({ description: 'The answer of creditRechargeSet.' })
export class CreditRechargeSetPayload extends OncePayload {
  @Field(() => CreditBalanceType, {
    nullable: true,
    description: 'What there is of the unit; null when refused, or when there never was any.',
  })
  creditBalance?: CreditBalanceType | null;
}

@InputType({ description: 'Whether the calls of a tenant are paid in advance.' })
export class CreditPrepaidSetInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => Boolean, { description: 'Whether its calls go ahead only as far as its credits reach.' })
  isPrepaid!: boolean;
}

@ObjectType({ description: 'The answer of creditPrepaidSet.' })
export class CreditPrepaidSetPayload extends OncePayload {
  @Field(() => CreditPrepaidType, { nullable: true, description: 'Whether they now are; null when refused.' })
  creditPrepaid?: CreditPrepaidType | null;
}
