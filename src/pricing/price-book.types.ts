import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf, IDEMPOTENCY_KEY, Node, TENANT_ID, OncePayload } from '../platform/index.js';
import type { PriceBook, PriceBookVersion } from './price-book.entity.js';
import { DiscountInput, DiscountType, PriceBookBasisType } from './basis.types.js';
import { PriceInput } from './price.types.js';

export enum PriceBookVersionStatusEnum {
  DRAFT = 'DRAFT',
  PUBLISHED = 'PUBLISHED',
  WITHDRAWN = 'WITHDRAWN',
}
registerEnumType(PriceBookVersionStatusEnum, {
  name: 'PriceBookVersionStatus',
  description: 'How far a version of a price book is.',
  valuesConfig: {
    DRAFT: { description: 'Prices nothing yet.' },
    PUBLISHED: { description: 'Holds from its effective instant on; never changes.' },
    WITHDRAWN: { description: 'Was taken back before it took effect.' },
  },
});

@ObjectType('PriceBookVersion', { implements: Node, description: 'The prices of a book from an instant on.' })
export class PriceBookVersionType extends Node {
  @Field(() => Int, { description: 'Counted from 1 within the book.' })
  number!: number;

  @Field(() => PriceBookVersionStatusEnum, { description: 'How far it is.' })
  status!: PriceBookVersionStatusEnum;

  @Field(() => Date, { nullable: true, description: 'From when it holds, until the next one; null in a draft.' })
  effectiveAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was published.' })
  publishedAt!: Date | null;

  @Field(() => Date, { nullable: true, description: 'When it was withdrawn.' })
  withdrawnAt!: Date | null;

  @Field(() => PriceBookBasisType, {
    nullable: true,
    description: 'What it takes over from another book; null for nothing.',
  })
  basis!: PriceBookBasisType | null;

  @Field(() => [DiscountType], { description: 'Its discounts; at most 100.' })
  discounts!: DiscountType[];

  tenantId!: string;

  static from(version: PriceBookVersion): PriceBookVersionType {
    return Object.assign(new PriceBookVersionType(), {
      id: version.id,
      tenantId: version.tenantId,
      number: version.number,
      status: PriceBookVersionStatusEnum[version.status],
      effectiveAt: version.effectiveAt ?? null,
      publishedAt: version.publishedAt ?? null,
      withdrawnAt: version.withdrawnAt ?? null,
      basis: version.basis ? PriceBookBasisType.from(version.basis) : null,
      discounts: version.discounts.map(DiscountType.from),
    });
  }
}

export const PriceBookVersionConnection = connectionOf('PriceBookVersion', () => PriceBookVersionType);

@ObjectType('PriceBook', { implements: Node, description: "A seller's prices, in versions." })
export class PriceBookType extends Node {
  @Field(() => String, { description: 'Its name.' })
  name!: string;

  @Field(() => String, { description: 'ISO 4217 code of the prices that name no other.' })
  currency!: string;

  @Field(() => Date, { description: 'When it was made.' })
  createdAt!: Date;

  tenantId!: string;

  static from(book: PriceBook): PriceBookType {
    return Object.assign(new PriceBookType(), {
      id: book.id,
      tenantId: book.tenantId,
      name: book.name,
      currency: book.currency,
      createdAt: book.createdAt,
    });
  }
}

export const PriceBookConnection = connectionOf('PriceBook', () => PriceBookType);

@InputType({ description: 'A price book to make.' })
export class PriceBookCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'Its name: 1 to 200 characters, unique among your books.' })
  name!: string;

  @Field(() => String, { description: 'ISO 4217 code of the prices that name no other.' })
  currency!: string;
}

@ObjectType({ description: 'The answer of priceBookCreate.' })
export class PriceBookCreatePayload extends OncePayload {
  @Field(() => PriceBookType, { nullable: true, description: 'The book; null when refused.' })
  priceBook?: PriceBookType | null;
}

@InputType({ description: 'A draft version to write.' })
export class PriceBookVersionCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => ID, { description: 'The book.' })
  priceBookId!: string;

  @Field(() => [PriceInput], {
    description: 'All its own prices: 1 to 10,000, or none where it takes over those of another book.',
  })
  prices!: PriceInput[];

  @Field(() => PriceBookBasisType, {
    nullable: true,
    description: 'What it takes over from another book; nothing by default.',
  })
  basis?: PriceBookBasisType | null;

  @Field(() => [DiscountInput], { defaultValue: [], description: 'Discounts off what prices come to; at most 100.' })
  discounts!: DiscountInput[];
}

@InputType({ description: 'A draft to publish.' })
export class PriceBookPublishInput {
  @Field(() => ID, { description: 'The draft.' })
  versionId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => Date, {
    nullable: true,
    description:
      'From when it holds: a quarter hour; the next one by default. In the past it re-rates what was used since.',
  })
  effectiveAt?: Date | null;
}

@InputType({ description: 'A published version to take back.' })
export class PriceBookWithdrawInput {
  @Field(() => ID, { description: 'The version; it has not taken effect.' })
  versionId!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;
}

@ObjectType({ description: 'The answer of priceBookVersionCreate, priceBookPublish and priceBookWithdraw.' })
export class PriceBookVersionPayload extends OncePayload {
  @Field(() => PriceBookVersionType, { nullable: true, description: 'The version; null when refused.' })
  priceBookVersion?: PriceBookVersionType | null;
}
