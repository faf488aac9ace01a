import {
  type Conversion,
  type ConversionJson,
  conversionJson,
  type Decimal,
  formatDecimal,
  ONE,
} from '../money/index.js';

/** So much money per so many units: 2.50 per 1,000,000 tokens. */
export interface Rate {
  readonly amount: Decimal;
  /** Units, above zero. */
  readonly per: Decimal;
}

/** One step of a tiered model. It begins where the tier before it ends (the first one at zero). */
export interface Tier {
  /** The last quantity that is still in this tier; `null` in the last tier only, which is open. */
  readonly upTo: Decimal | null;
  readonly rate: Rate;
  /** Money charged once when the tier is entered (graduated) or applies (volume, stair-step). */
  readonly flat: Decimal;
}

/** One step of a graduated percentage: per cent of the slice of the quantity that falls into it, and a flat amount. */
export interface PercentTier {
  readonly upTo: Decimal | null;
  readonly percent: Decimal;
  readonly flat: Decimal;
}

/**
 * How a quantity finds its tier. INCLUSIVE: a tier up to 10 holds 10 and everything below it, the next begins right
 * above, fractions included. INTEGER_STEPS: the quantity rounded up to a whole unit decides (0–10, then 11–20), bounds are
 * whole numbers, and what is priced is still the exact quantity.
 */
export const TIER_BOUNDS = ['INCLUSIVE', 'INTEGER_STEPS'] as const;

/** One of `TIER_BOUNDS`. */
export type TierBounds = (typeof TIER_BOUNDS)[number];

/** The names of the pricing models. What each means is written in `rate.rules.ts`. */
export const PRICING_MODELS = [
  'FLAT',
  'UNIT',
  'PACKAGE',
  'GRADUATED',
  'VOLUME',
  'STAIRSTEP',
  'PERCENTAGE',
  'GRADUATED_PERCENTAGE',
  'DYNAMIC',
  'COST_PLUS',
] as const;

/** One of `PRICING_MODELS`. */
export type PricingModelName = (typeof PRICING_MODELS)[number];

/** How a quantity becomes money. */
export type PricingModel =
  | { readonly model: 'FLAT'; readonly amount: Decimal }
  | { readonly model: 'UNIT'; readonly rate: Rate }
  | { readonly model: 'PACKAGE'; readonly amount: Decimal; readonly size: Decimal }
  | {
      readonly model: 'GRADUATED' | 'VOLUME' | 'STAIRSTEP';
      readonly tiers: readonly Tier[];
      readonly bounds: TierBounds;
    }
  | Percentage
  | { readonly model: 'GRADUATED_PERCENTAGE'; readonly tiers: readonly PercentTier[]; readonly bounds: TierBounds }
  | { readonly model: 'DYNAMIC' | 'COST_PLUS'; readonly markup: Decimal };

/** A per cent of each event's amount, with what may be free and what bounds a single event's price. */
export interface Percentage {
  readonly model: 'PERCENTAGE';
  readonly percent: Decimal;
  /** Money for each event that is not free, inside the event's bounds. */
  readonly fixed: Decimal;
  /** The first events of the period that are free; `null` for no such limit. */
  readonly freeEvents: Decimal | null;
  /** The first amount of the period that is free; `null` for no such limit. What is free ends at the first limit reached. */
  readonly freeAmount: Decimal | null;
  readonly eventMinimum: Decimal | null;
  readonly eventMaximum: Decimal | null;
}

/** A pricing model with what comes before it (conversion, free units) and after it (discount, minimum, maximum). */
export interface PriceTerms {
  readonly pricing: PricingModel;
  /** From metered units to priced units; tiers and free units are in priced units. */
  readonly conversion: Conversion | null;
  /** Priced units of a period that cost nothing; the model prices what is above them. */
  readonly freeUnits: Decimal;
  /** Per cent off what the model comes to, before the bounds. */
  readonly discount: Decimal;
  /** The least that a period comes to, usage or not; `null` for none. */
  readonly minimum: Decimal | null;
  /** The most that a period comes to; `null` for none. */
  readonly maximum: Decimal | null;
  /** Whether each unit is charged for the part of the period in which it was there. */
  readonly prorated: boolean;
}

/** `Tier` or `PercentTier` with decimal strings. */
export interface TierJson {
  readonly upTo: string | null;
  readonly unitAmount?: string;
  /** Where it is not the `per` of the price. */
  readonly per?: string;
  readonly flatAmount?: string;
  readonly rate?: string;
}

/** `PriceTerms` as the API, files and jsonb carry them: one flat object, decimals as strings, absent where not used. */
export interface PriceTermsJson {
  readonly model: PricingModelName;
  readonly unitAmount?: string;
  readonly flatAmount?: string;
  readonly per?: string;
  readonly packageSize?: string;
  readonly packageAmount?: string;
  readonly freeUnits?: string;
  readonly freeEvents?: string;
  readonly freeAmount?: string;
  readonly rate?: string;
  readonly fixedAmount?: string;
  readonly perEventMinimum?: string;
  readonly perEventMaximum?: string;
  readonly tiers?: readonly TierJson[];
  readonly tierBounds?: TierBounds;
  readonly markup?: string;
  readonly discountRate?: string;
  readonly minimum?: string;
  readonly maximum?: string;
  readonly prorated?: boolean;
  readonly conversion?: ConversionJson;
}

/** Whether the price looks at single events: its amount is no function of their sum. */
export function looksAtEvents({ pricing, prorated }: PriceTerms): boolean {
  return prorated || (pricing.model === 'PERCENTAGE' && !isLinear(pricing));
}

/** Whether a percentage is one of the events' sum: nothing is free, fixed or bounded. */
export function isLinear({ fixed, freeEvents, freeAmount, eventMinimum, eventMaximum }: Percentage): boolean {
  return fixed.isZero() && freeEvents === null && freeAmount === null && eventMinimum === null && eventMaximum === null;
}

/** The index of a last tier that has an upper bound, so that usage above it has no price; `null` when there is none. */
export function closedTier({ pricing }: PriceTerms): number | null {
  return 'tiers' in pricing && pricing.tiers.at(-1)?.upTo ? pricing.tiers.length - 1 : null;
}

/** The JSON form of a price's terms; `readPriceTerms` reads the same terms back. */
export function priceTermsJson(terms: PriceTerms): PriceTermsJson {
  const { pricing, conversion, freeUnits, discount, minimum, maximum, prorated } = terms;

  return {
    ...pricingJson(pricing),
    ...(freeUnits.isZero() ? {} : { freeUnits: formatDecimal(freeUnits) }),
    ...(discount.isZero() ? {} : { discountRate: formatDecimal(discount) }),
    ...(minimum ? { minimum: formatDecimal(minimum) } : {}),
    ...(maximum ? { maximum: formatDecimal(maximum) } : {}),
    ...(prorated ? { prorated } : {}),
    ...(conversion ? { conversion: conversionJson(conversion) } : {}),
  };
}

function pricingJson(pricing: PricingModel): PriceTermsJson {
  switch (pricing.model) {
    case 'FLAT':
      return { model: pricing.model, flatAmount: formatDecimal(pricing.amount) };

    case 'UNIT':
      return {
        model: pricing.model,
        unitAmount: formatDecimal(pricing.rate.amount),
        per: formatDecimal(pricing.rate.per),
      };

    case 'PACKAGE':
      return {
        model: pricing.model,
        packageAmount: formatDecimal(pricing.amount),
        packageSize: formatDecimal(pricing.size),
      };

    case 'GRADUATED':
    case 'VOLUME': {
      const per = pricing.tiers[0]?.rate.per ?? ONE;

      return {
        model: pricing.model,
        per: formatDecimal(per),
        tiers: pricing.tiers.map(({ upTo, rate, flat }) => ({
          upTo: upTo && formatDecimal(upTo),
          unitAmount: formatDecimal(rate.amount),
          ...(rate.per.eq(per) ? {} : { per: formatDecimal(rate.per) }),
          flatAmount: formatDecimal(flat),
        })),
        tierBounds: pricing.bounds,
      };
    }

    case 'STAIRSTEP':
      return {
        model: pricing.model,
        tiers: pricing.tiers.map(({ upTo, flat }) => ({
          upTo: upTo && formatDecimal(upTo),
          flatAmount: formatDecimal(flat),
        })),
        tierBounds: pricing.bounds,
      };

    case 'GRADUATED_PERCENTAGE':
      return {
        model: pricing.model,
        tiers: pricing.tiers.map(({ upTo, percent, flat }) => ({
          upTo: upTo && formatDecimal(upTo),
          rate: formatDecimal(percent),
          flatAmount: formatDecimal(flat),
        })),
        tierBounds: pricing.bounds,
      };

    case 'PERCENTAGE': {
      const { model, percent, fixed, freeEvents, freeAmount, eventMinimum, eventMaximum } = pricing;

      return {
        model,
        rate: formatDecimal(percent),
        ...(fixed.isZero() ? {} : { fixedAmount: formatDecimal(fixed) }),
        ...(freeEvents ? { freeEvents: formatDecimal(freeEvents) } : {}),
        ...(freeAmount ? { freeAmount: formatDecimal(freeAmount) } : {}),
        ...(eventMinimum ? { perEventMinimum: formatDecimal(eventMinimum) } : {}),
        ...(eventMaximum ? { perEventMaximum: formatDecimal(eventMaximum) } : {}),
      };
    }

    case 'DYNAMIC':
    case 'COST_PLUS':
      return { model: pricing.model, markup: formatDecimal(pricing.markup) };

    default:
      return pricing satisfies never;
  }
}
