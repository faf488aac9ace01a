import type { Decimal } from '../money/index.js';
import type { PercentTier, PriceTerms, PricingModel, Rate, Tier } from './price.rules.js';

/**
 * The terms with every amount multiplied, so that for any usage rate(scaled) = factor × rate(terms). Amounts are money, rates
 * in per cent and markups, also those of minimum, maximum and single events; what counts units or bounds the money that
 * usage is worth (tiers' ends, free units, free amounts, conversions) and the discount, which is a part of the amount,
 * stay. Exact. `factor` is above zero.
 */
export function scaleTerms(terms: PriceTerms, factor: Decimal): PriceTerms {
  return {
    ...terms,
    pricing: scalePricing(terms.pricing, factor),
    minimum: terms.minimum && terms.minimum.times(factor),
    maximum: terms.maximum && terms.maximum.times(factor),
  };
}

function scalePricing(pricing: PricingModel, factor: Decimal): PricingModel {
  const rate = ({ amount, per }: Rate): Rate => ({ amount: amount.times(factor), per });

  switch (pricing.model) {
    case 'FLAT':
    case 'PACKAGE':
      return { ...pricing, amount: pricing.amount.times(factor) };

    case 'UNIT':
      return { ...pricing, rate: rate(pricing.rate) };

    case 'GRADUATED':
    case 'VOLUME':
    case 'STAIRSTEP':
      return {
        ...pricing,
        tiers: pricing.tiers.map((tier): Tier => ({ ...tier, rate: rate(tier.rate), flat: tier.flat.times(factor) })),
      };

    case 'GRADUATED_PERCENTAGE':
      return {
        ...pricing,
        tiers: pricing.tiers.map((tier): PercentTier => ({
          ...tier,
          percent: tier.percent.times(factor),
          flat: tier.flat.times(factor),
        })),
      };

    case 'PERCENTAGE':
      return {
        ...pricing,
        percent: pricing.percent.times(factor),
        fixed: pricing.fixed.times(factor),
        eventMinimum: pricing.eventMinimum && pricing.eventMinimum.times(factor),
        eventMaximum: pricing.eventMaximum && pricing.eventMaximum.times(factor),
      };

    case 'DYNAMIC':
    case 'COST_PLUS':
      return { ...pricing, markup: pricing.markup.times(factor) };

    default:
      return pricing satisfies never;
  }
}

/**
 * The terms with every unit amount below the floor raised to it: that of UNIT and those of the tiers of GRADUATED and
 * VOLUME. A tier that has nothing but a flat amount keeps it. Other models have no unit amount and stay as they are.
 */
export function floorTerms(terms: PriceTerms, floor: Rate): PriceTerms {
  const { pricing } = terms;

  switch (pricing.model) {
    case 'UNIT':
      return isBelow(pricing.rate, floor) ? { ...terms, pricing: { ...pricing, rate: floor } } : terms;

    case 'GRADUATED':
    case 'VOLUME': {
      const isRaised = ({ rate, flat }: Tier) => isBelow(rate, floor) && (flat.isZero() || !rate.amount.isZero());

      return pricing.tiers.some(isRaised)
        ? {
            ...terms,
            pricing: {
              ...pricing,
              tiers: pricing.tiers.map(tier => (isRaised(tier) ? { ...tier, rate: floor } : tier)),
            },
          }
        : terms;
    }

    default:
      return terms;
  }
}

/** Cross-multiplied, so that nothing is rounded. */
function isBelow(rate: Rate, floor: Rate): boolean {
  return rate.amount.times(floor.per).lt(floor.amount.times(rate.per));
}
