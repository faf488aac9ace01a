import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { DecimalScalar } from '../platform/index.js';
import type { AdjustmentJson, BasisJson } from './basis.rules.js';
import type { DiscountJson } from './discount-terms.rules.js';
import { dimensionMatches, DimensionMatchType, patternOf } from './price.types.js';
import type { BasisDraft, DiscountDraft } from './version-draft.js';

const DIMENSIONS = 'Which prices: those that name all of these dimensions so; empty for all. At most 16.';

@ObjectType('PriceFloor', { description: 'The least that units cost.' })
@InputType('PriceFloorInput', { description: 'The least that units cost, in the currency of the price that is made.' })
export class PriceFloorType {
  @Field(() => DecimalScalar, { description: 'The amount for `per` units.' })
  unitAmount!: string;

  @Field(() => DecimalScalar, { nullable: true, description: 'How many units the amount is for; 1 by default.' })
  per?: string | null;
}

@ObjectType('PriceAdjustment', { description: 'How prices that are taken over change.' })
@InputType('PriceAdjustmentInput', {
  description:
    'How prices that are taken over change. Of several the narrowest applies; a price with none is as it was.',
})
export class PriceAdjustmentType {
  @Field(() => ID, { nullable: true, description: 'Prices of this meter; of any when null.' })
  meterId?: string | null;

  @Field(() => [DimensionMatchType], { defaultValue: [], description: DIMENSIONS })
  dimensions!: DimensionMatchType[];

  @Field(() => DecimalScalar, {
    description: 'Per cent added to every amount: "15" for 15 % on top, "-20" for 20 % off; above -100.',
  })
  percent!: string;

  @Field(() => PriceFloorType, {
    nullable: true,
    description: 'Unit amounts below it are raised to it; null for none.',
  })
  floor?: PriceFloorType | null;

  static from({ meterId = null, dimensions = {}, percent, floor = null }: AdjustmentJson): PriceAdjustmentType {
    return Object.assign(new PriceAdjustmentType(), {
      meterId,
      dimensions: dimensionMatches(dimensions),
      percent,
      floor: floor && Object.assign(new PriceFloorType(), floor),
    });
  }
}

@ObjectType('PriceBookBasis', { description: 'What a version takes over from another book.' })
@InputType('PriceBookBasisInput', {
  description: 'What a version takes over from another book: all its prices but those that the version has itself.',
})
export class PriceBookBasisType {
  @Field(() => ID, { description: 'The other book, of the same seller. At most five books stand above each other.' })
  priceBookId!: string;

  @Field(() => ID, {
    nullable: true,
    description: 'The version whose prices are taken over; null follows the book: what it publishes holds here too.',
  })
  versionId?: string | null;

  @Field(() => [PriceAdjustmentType], { defaultValue: [], description: 'How the prices change; at most 1,000.' })
  adjustments!: PriceAdjustmentType[];

  @Field(() => ID, {
    nullable: true,
    description:
      'An exchange rate: prices in its base become prices in its quote, and no others are taken over. Null takes all over in their own currencies.',
  })
  fxSnapshotId?: string | null;

  static from({ priceBookId, versionId, adjustments, fxSnapshotId }: BasisJson): PriceBookBasisType {
    return Object.assign(new PriceBookBasisType(), {
      priceBookId,
      versionId,
      adjustments: adjustments.map(PriceAdjustmentType.from),
      fxSnapshotId,
    });
  }
}

/** A basis as the service takes it. */
export function basisDraftOf({ priceBookId, versionId, adjustments, fxSnapshotId }: PriceBookBasisType): BasisDraft {
  return {
    priceBookId,
    versionId: versionId ?? null,
    adjustments: adjustments.map(({ meterId, dimensions, percent, floor }) => ({
      meterId: meterId ?? null,
      dimensions: patternOf(dimensions),
      percent,
      floor: floor ? { unitAmount: floor.unitAmount, per: floor.per ?? null } : null,
    })),
    fxSnapshotId: fxSnapshotId ?? null,
  };
}

export enum DiscountBasisEnum {
  SPEND = 'SPEND',
  COMMITMENT = 'COMMITMENT',
}
registerEnumType(DiscountBasisEnum, {
  name: 'DiscountBasis',
  description: 'What decides the rate of a discount.',
  valuesConfig: {
    SPEND: { description: 'What the prices come to in the period.' },
    COMMITMENT: { description: 'What the contract commits to; without a commitment nothing is taken off.' },
  },
});

export enum DiscountModeEnum {
  GRADUATED = 'GRADUATED',
  VOLUME = 'VOLUME',
}
registerEnumType(DiscountModeEnum, {
  name: 'DiscountMode',
  description: 'What the rates of a discount are taken off.',
  valuesConfig: {
    GRADUATED: { description: 'Each tier takes its rate off its own slice of the spend.' },
    VOLUME: { description: 'One tier takes its rate off all of it.' },
  },
});

@ObjectType('DiscountTier', { description: 'A stretch of money with its rate.' })
@InputType('DiscountTierInput', { description: 'A stretch of money with its rate.' })
class DiscountTierType {
  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The last amount in the tier; null in the last tier, which is open.',
  })
  upTo?: string | null;

  @Field(() => DecimalScalar, { description: 'Per cent off, from 0 to 100.' })
  rate!: string;
}

/** What the input and the output of a discount share. */
@ObjectType()
@InputType('DiscountFieldsInput')
abstract class DiscountFields {
  @Field(() => String, { description: 'What the invoice line says: 1 to 200 characters.' })
  name!: string;

  @Field(() => ID, { nullable: true, description: 'Off prices of this meter; of any when null.' })
  meterId?: string | null;

  @Field(() => [DimensionMatchType], { defaultValue: [], description: DIMENSIONS })
  dimensions!: DimensionMatchType[];

  @Field(() => DiscountBasisEnum, { description: 'What decides the rate.' })
  basis!: DiscountBasisEnum;

  @Field(() => [DiscountTierType], { description: 'The rates by amount, ascending; at most 100.' })
  tiers!: DiscountTierType[];
}

@ObjectType('Discount', { description: 'Per cent off what prices come to in a period, as a charge of its own.' })
export class DiscountType extends DiscountFields {
  @Field(() => ID, { description: 'What its charges name as their price.' })
  id!: string;

  @Field(() => String, { description: 'ISO 4217 code of the amounts; it is for contracts in this currency.' })
  currency!: string;

  @Field(() => DiscountModeEnum, { description: 'What the rates are taken off.' })
  mode!: DiscountModeEnum;

  static from({ id, name, meterId, dimensions, currency, basis, mode, tiers }: DiscountJson): DiscountType {
    return Object.assign(new DiscountType(), {
      id,
      name,
      meterId,
      dimensions: dimensionMatches(dimensions),
      currency,
      basis: DiscountBasisEnum[basis],
      mode: DiscountModeEnum[mode],
      tiers: tiers.map(tier => Object.assign(new DiscountTierType(), tier)),
    });
  }
}

@InputType({ description: 'Per cent off what prices come to in a period.' })
export class DiscountInput extends DiscountFields {
  @Field(() => String, {
    nullable: true,
    description: 'ISO 4217 code of the amounts; it is for contracts in this currency. That of the book by default.',
  })
  currency?: string | null;

  @Field(() => DiscountModeEnum, { nullable: true, description: 'What the rates are taken off; VOLUME by default.' })
  mode?: DiscountModeEnum | null;
}

/** A discount as the service takes it. */
export function discountDraftOf(input: DiscountInput): DiscountDraft {
  const { name, meterId, dimensions, currency, basis, mode, tiers } = input;

  return {
    name,
    meterId: meterId ?? null,
    dimensions: patternOf(dimensions),
    currency: currency ?? null,
    basis,
    mode: mode ?? null,
    tiers: tiers.map(({ upTo, rate }) => ({ upTo: upTo ?? null, rate })),
  };
}
