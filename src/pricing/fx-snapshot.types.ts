import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { formatDecimal } from '../money/index.js';
import { connectionOf, DecimalScalar, IDEMPOTENCY_KEY, Node, OncePayload, TENANT_ID } from '../platform/index.js';
import type { FxSnapshot } from './fx-snapshot.entity.js';

@ObjectType('FxSnapshot', {
  implements: Node,
  description: 'An exchange rate as of an instant. It never changes, and converts only what names it.',
})
export class FxSnapshotType extends Node {
  @Field(() => String, { description: 'ISO 4217 code of the currency that is converted.' })
  base!: string;

  @Field(() => String, { description: 'ISO 4217 code of the currency it becomes.' })
  quote!: string;

  @Field(() => DecimalScalar, { description: 'Units of `quote` for one unit of `base`.' })
  rate!: string;

  @Field(() => Date, { description: 'As of when it is the rate.' })
  asOf!: Date;

  @Field(() => String, { description: 'Where it was read.' })
  source!: string;

  @Field(() => Date, { description: 'When it was entered.' })
  createdAt!: Date;

  static from({ id, base, quote, rate, asOf, source, createdAt }: FxSnapshot): FxSnapshotType {
    return Object.assign(new FxSnapshotType(), {
      id,
      base,
      quote,
      rate: formatDecimal(rate),
      asOf,
      source,
      createdAt,
    });
  }
}

export const FxSnapshotConnection = connectionOf('FxSnapshot', () => FxSnapshotType);

@InputType({ description: 'An exchange rate to enter.' })
export class FxSnapshotCreateInput {
  @Field(() => String, IDEMPOTENCY_KEY)
  idempotencyKey!: string;

  @Field(() => ID, TENANT_ID)
  tenantId?: string | null;

  @Field(() => String, { description: 'ISO 4217 code of the currency that is converted.' })
  base!: string;

  @Field(() => String, { description: 'ISO 4217 code of the currency it becomes.' })
  quote!: string;

  @Field(() => DecimalScalar, { description: 'Units of `quote` for one unit of `base`, above 0: "0.92".' })
  rate!: string;

  @Field(() => Date, { description: 'As of when it is the rate; not in the future.' })
  asOf!: Date;

  @Field(() => String, { description: 'Where it was read: 1 to 500 characters.' })
  source!: string;
}

@ObjectType({ description: 'The answer of fxSnapshotCreate.' })
export class FxSnapshotCreatePayload extends OncePayload {
  @Field(() => FxSnapshotType, { nullable: true, description: 'The exchange rate; null when refused.' })
  fxSnapshot?: FxSnapshotType | null;
}
