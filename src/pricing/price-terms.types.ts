import { Field, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { ConversionType } from '../catalog/index.js';
import { DecimalScalar } from '../platform/index.js';
import type { PriceTermsJson } from './price.rules.js';

export enum PricingModelEnum {
  FLAT = 'FLAT',
  UNIT = 'UNIT',
  PACKAGE = 'PACKAGE',
  GRADUATED = 'GRADUATED',
  VOLUME = 'VOLUME',
  STAIRSTEP = 'STAIRSTEP',
  PERCENTAGE = 'PERCENTAGE',
  GRADUATED_PERCENTAGE = 'GRADUATED_PERCENTAGE',
  DYNAMIC = 'DYNAMIC',
  COST_PLUS = 'COST_PLUS',
}
registerEnumType(PricingModelEnum, {
  name: 'PricingModel',
  description: 'How a quantity becomes an amount.',
  valuesConfig: {
    FLAT: { description: '`flatAmount` once a period.' },
    UNIT: { description: '`unitAmount` for every `per` units.' },
    PACKAGE: { description: '`packageAmount` for every package of `packageSize` units begun.' },
    GRADUATED: { description: 'Each tier prices its own slice of the quantity.' },
    VOLUME: { description: 'The tier that the whole quantity falls in prices all of it.' },
    STAIRSTEP: { description: 'The flat amount of the tier that the whole quantity falls in.' },
    PERCENTAGE: { description: '`rate` per cent of the amount of each event, with fixed, free and bounding amounts.' },
    GRADUATED_PERCENTAGE: { description: 'Each tier takes its per cent of its own slice of the amount.' },
    DYNAMIC: { description: 'The amount that the events carry, times `markup`.' },
    COST_PLUS: { description: 'What the usage of the model costs us, times `markup`.' },
  },
});

export enum TierBoundsEnum {
  INCLUSIVE = 'INCLUSIVE',
  INTEGER_STEPS = 'INTEGER_STEPS',
}
registerEnumType(TierBoundsEnum, {
  name: 'TierBounds',
  description: 'How a quantity finds its tier.',
  valuesConfig: {
    INCLUSIVE: { description: 'A tier up to 10 holds 10; the next begins right above it, fractions included.' },
    INTEGER_STEPS: { description: 'The quantity rounded up to a whole unit decides: 0 to 10, then 11 to 20.' },
  },
});

@ObjectType('PriceTier', { description: 'A stretch of quantity with its own price.' })
@InputType('PriceTierInput', { description: 'A stretch of quantity with its own price.' })
export class PriceTierType {
  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The last quantity in the tier; null in the last tier, which is open.',
  })
  upTo?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'GRADUATED and VOLUME: the amount for `per` units.' })
  unitAmount?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'How many units `unitAmount` is for, where it is not the `per` of the price.',
  })
  per?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description:
      'An amount once: GRADUATED and GRADUATED_PERCENTAGE, of each tier that is entered; VOLUME and STAIRSTEP, of the tier that the whole quantity falls in. That of the first tier is due without usage too.',
  })
  flatAmount?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'GRADUATED_PERCENTAGE: per cent, "2.99" for 2.99 %.' })
  rate?: string | null;
}

/** The terms of a price, for the input and the output alike: the flat shape of `PriceTermsJson`. */
@ObjectType()
@InputType('PriceTermsInput')
export abstract class PriceTermsFields {
  @Field(() => PricingModelEnum, { description: 'How the quantity becomes an amount.' })
  model!: PricingModelEnum;

  @Field(() => DecimalScalar, { nullable: true, description: 'UNIT: the amount for `per` units.' })
  unitAmount?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'FLAT: the amount of a period.' })
  flatAmount?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'UNIT and tiers: how many units an amount is for; 1 by default.',
  })
  per?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PACKAGE: units in a package.' })
  packageSize?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PACKAGE: the amount of one package.' })
  packageAmount?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'Units of a period that cost nothing, counted after conversion.',
  })
  freeUnits?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'PERCENTAGE: the first events of a period that are free.',
  })
  freeEvents?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'PERCENTAGE: the first amount of a period that is free. What is free ends at the first limit reached.',
  })
  freeAmount?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PERCENTAGE: per cent, "2.99" for 2.99 %.' })
  rate?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PERCENTAGE: an amount for each event that is not free.' })
  fixedAmount?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PERCENTAGE: the least that a paid event costs.' })
  perEventMinimum?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'PERCENTAGE: the most that an event costs.' })
  perEventMaximum?: string | null;

  @Field(() => [PriceTierType], { nullable: true, description: 'The tiers of a tiered model, ascending; at most 100.' })
  tiers?: readonly PriceTierType[] | null;

  @Field(() => TierBoundsEnum, { nullable: true, description: 'How a quantity finds its tier.' })
  tierBounds?: TierBoundsEnum | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'DYNAMIC and COST_PLUS: the factor, "1.2" for 20 % on top; 1 by default.',
  })
  markup?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'Per cent off the amount, before minimum and maximum.' })
  discountRate?: string | null;

  @Field(() => DecimalScalar, {
    nullable: true,
    description: 'The least that a period comes to; asked for when the period has ended.',
  })
  minimum?: string | null;

  @Field(() => DecimalScalar, { nullable: true, description: 'The most that a period comes to.' })
  maximum?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether each unit is charged for the part of the period in which it was there; by single events.',
  })
  prorated?: boolean | null;
}

/** Terms as the fields of an output. */
export function termsFields({ tiers, tierBounds, conversion, model, ...terms }: PriceTermsJson) {
  return {
    ...terms,
    model: PricingModelEnum[model],
    tiers: tiers?.map(tier => Object.assign(new PriceTierType(), tier)) ?? null,
    tierBounds: tierBounds ? TierBoundsEnum[tierBounds] : null,
    conversion: conversion ? ConversionType.from(conversion) : null,
  };
}
