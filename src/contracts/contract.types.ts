import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { Contract } from './contract.entity.js';

@ObjectType('Contract', { implements: Node, description: "A tenant on a seller's price book for a time." })
export class ContractType extends Node {
  @Field(() => ID, { description: 'The tenant that buys.' })
  buyerId!: string;

  @Field(() => ID, { description: 'The tenant that sells and issues the invoices.' })
  sellerId!: string;

  @Field(() => ID, { description: "The seller's price book." })
  priceBookId!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'The version that prices all of it, whatever the book publishes; null follows the book.',
  })
  priceBookVersionId!: string | null;

  @Field(() => String, { description: 'ISO 4217 code; only prices in it apply. Nothing is converted.' })
  currency!: string;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'What the buyer commits to spend, in the currency; null for nothing.',
  })
  commitmentAmount!: string | null;

  @Field(() => Date, { description: 'From when the prices hold.' })
  startsAt!: Date;

  @Field(() => Date, { nullable: true, description: 'Until when; null while it runs on.' })
  endsAt!: Date | null;

  @Field(() => Int, { description: 'Hours between the end of a period and its invoice, for usage that arrives late.' })
  graceHours!: number;

  static from(contract: Contract): ContractType {
    return Object.assign(new ContractType(), {
      id: contract.id,
      buyerId: contract.tenantId,
      sellerId: contract.sellerId,
      priceBookId: contract.priceBookId,
      priceBookVersionId: contract.priceBookVersionId ?? null,
      currency: contract.currency,
      commitmentAmount: contract.commitmentAmount ? formatDecimal(contract.commitmentAmount) : null,
      startsAt: contract.startsAt,
      endsAt: contract.endsAt ?? null,
      graceHours: contract.graceHours,
    });
  }
}

export const ContractConnection = connectionOf('Contract', () => ContractType);

@InputType({ description: 'A contract to make.' })
export class ContractCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, {
    nullable: true,
    description: "The tenant that sells: the key's own (the default) or one below it.",
  })
  sellerId?: string | null;

  @Field(() => ID, { description: 'The tenant that buys; below the seller.' })
  buyerId!: string;

  @Field(() => ID, { description: 'A price book of the seller.' })
  priceBookId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'A published version of the book that prices the whole contract from its effective instant on, whatever the book publishes later. By default the contract follows the book.',
  })
  priceBookVersionId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'ISO 4217 code of the prices that apply and of the invoices; that of the book by default.',
  })
  currency?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'What the buyer commits to spend, in the currency: above 0. It decides discounts for commitments.',
  })
  commitmentAmount?: string | null;

  @Field(() => Date, {
    description: 'From when: a quarter hour, also in the past. The contract that runs then ends there.',
  })
  startsAt!: Date;

  @Field(() => Int, { defaultValue: 24, description: 'Hours between the end of a period and its invoice: 0 to 2160.' })
  graceHours!: number;
}

@ObjectType({ description: 'The answer of contractCreate.' })
export class ContractCreatePayload extends OncePayload {
  @Field(() => ContractType, { nullable: true, description: 'The contract; null when refused.' })
  contract?: ContractType | null;
}
