import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { Contract } from './contract.entity.js';

@ObjectType('Contract', { implements: Node, description: "A tenant on a seller's price book for a time." })
export class ContractType extends Node {
  @Field(() => ID, { description: 'The tenant that buys.' })
  buyerId!: string;

  @Field(() => ID, { description: 'The tenant that sells and issues the invoices.' })
  sellerId!: string;

  @Field(() => ID, { description: "The seller's price book." })
  priceBookId!: string;

  @Field(() => String, { description: 'ISO 4217 code of the book.' })
  currency!: string;

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
      currency: contract.currency,
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
