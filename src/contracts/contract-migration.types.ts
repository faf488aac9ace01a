import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, OncePayload } from '../platform/index.js';
import type { ContractMigration } from './contract-migration.entity.js';
import type { MigrationItem } from './contract-migration.queries.js';

export enum ContractMoveStatusEnum {
  OPEN = 'OPEN',
  DONE = 'DONE',
  REFUSED = 'REFUSED',
}
registerEnumType(ContractMoveStatusEnum, {
  name: 'ContractMoveStatus',
  description: 'How far the move of one contract is.',
  valuesConfig: {
    OPEN: { description: 'Not yet moved.' },
    DONE: { description: 'Ended, and another begun in its place.' },
    REFUSED: { description: 'Left as it is, for a reason.' },
  },
});

@ObjectType('ContractMigrationItem', { description: 'What becomes of one contract in a migration.' })
export class ContractMigrationItemType {
  @Field(() => ID, { description: 'The contract that is to end.' })
  contractId!: string;

  @Field(() => ID, { description: 'The tenant that buys.' })
  buyerId!: string;

  @Field(() => ContractMoveStatusEnum, { description: 'How far it is.' })
  status!: ContractMoveStatusEnum;

  @Field(() => ID, { nullable: true, description: 'The contract that has begun in its place; null unless done.' })
  newContractId!: string | null;

  @Field(() => String, { nullable: true, description: 'Why it was refused; null unless it was.' })
  reason!: string | null;

  static from(item: MigrationItem): ContractMigrationItemType {
    return Object.assign(new ContractMigrationItemType(), {
      contractId: item.contractId,
      buyerId: item.buyerId,
      status: ContractMoveStatusEnum[item.status],
      newContractId: item.newContractId,
      reason: item.reason,
    });
  }
}

export const ContractMigrationItemConnection = connectionOf('ContractMigrationItem', () => ContractMigrationItemType);

@ObjectType('ContractMigrationProgress', { description: 'How many contracts of a migration are how far.' })
export class ContractMigrationProgressType {
  @Field(() => Int, { description: 'Not yet moved.' })
  open!: number;

  @Field(() => Int, { description: 'Moved.' })
  done!: number;

  @Field(() => Int, { description: 'Refused.' })
  refused!: number;
}

@ObjectType('ContractMigration', {
  implements: Node,
  description: 'The move of contracts from one price book, or version, to another at an instant.',
})
export class ContractMigrationType extends Node {
  @Field(() => ID, { description: 'The book that the contracts are on.' })
  priceBookId!: string;

  @Field(() => ID, { nullable: true, description: 'Only contracts pinned to this version; null for all of the book.' })
  fromVersionId!: string | null;

  @Field(() => ID, { description: 'The book that they come to.' })
  toPriceBookId!: string;

  @Field(() => ID, { nullable: true, description: 'The version they are pinned to; null where they follow the book.' })
  toVersionId!: string | null;

  @Field(() => Date, { description: 'Where the contracts end and the new ones begin.' })
  effectiveAt!: Date;

  @Field(() => Date, { description: 'When it was ordered.' })
  createdAt!: Date;

  tenantId!: string;

  static from(row: ContractMigration): ContractMigrationType {
    return Object.assign(new ContractMigrationType(), {
      id: row.id,
      tenantId: row.tenantId,
      priceBookId: row.priceBookId,
      fromVersionId: row.fromVersionId ?? null,
      toPriceBookId: row.toPriceBookId,
      toVersionId: row.toVersionId ?? null,
      effectiveAt: row.effectiveAt,
      createdAt: row.createdAt,
    });
  }
}

@InputType({ description: 'Contracts to move to another price book or version.' })
export class ContractsMigrateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, {
    nullable: true,
    description: "The tenant that sells: the key's own (the default) or one below it.",
  })
  sellerId?: string | null;

  @Field(() => ID, { description: 'The book that the contracts are on.' })
  priceBookId!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'Only contracts pinned to this version; all of the book by default.',
  })
  fromVersionId?: string | null;

  @Field(() => ID, { description: 'The book that they come to; it may be the same one.' })
  toPriceBookId!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'A published version to pin the new contracts to; they follow the book by default.',
  })
  toVersionId?: string | null;

  @Field(() => Date, { description: 'Where the contracts end and the new ones begin: a quarter hour.' })
  effectiveAt!: Date;

  @Field(() => [ID], { nullable: true, description: 'Only contracts of these tenants, 1 to 1,000; of all by default.' })
  buyerIds?: string[] | null;
}

@ObjectType({ description: 'The answer of contractsMigrate.' })
export class ContractsMigratePayload extends OncePayload {
  @Field(() => ContractMigrationType, { nullable: true, description: 'The migration; null when refused.' })
  contractMigration?: ContractMigrationType | null;
}
