import { type Conversion, convert, type Decimal, decimal, maxOf, minOf, ONE, ZERO } from '../money/index.js';
import type { PriceTerms } from './price.rules.js';
import { exceeds, rateBetween } from './rate.rules.js';

/** The least that a quantity can be above another: the last of its 18 decimals. */
const LEAST = decimal('0.000000000000000001');
const READABLE = { divideBy: ONE, multiplyBy: ONE, rounding: 'CEILING', precision: 12 } as const;

/**
 * What some more usage may cost at most, wherever the running quantity stands when it is rated: at `position` or anywhere
 * above, because other usage comes in between. Free units and events may be used up by then, a maximum not reached, and no
 * minimum is asked. Looks where the price bends: at tier bounds, ends of free units and beginnings of packages.
 * Never below zero, and rounded up where it has more than 12 decimals. What lies above a closed last tier has no price and
 * counts as nothing.
 */
export function worstBetween(terms: PriceTerms, position: Decimal, more: Decimal): Decimal {
  const bare = withoutGifts(terms);
  const start = terms.conversion ? convert(position, terms.conversion) : position;
  const added = terms.conversion ? mostOf(more, terms.conversion) : more;
  // At each bend, and right above it, by a whole unit and by the least that a quantity can be; beginning and ending there.
  const places = bendsOf(bare, start).flatMap(bend =>
    [ZERO, ONE, LEAST].flatMap(crumb => {
      const place = bend.plus(minOf(added, crumb));

      return [place, place.minus(added)];
    }),
  );
  const amounts = [start, ...places.filter(place => place.gt(start))].flatMap(place => {
    const to = { quantity: place.plus(added), events: [{ amount: added }] };

    return exceeds(bare, to) ? [] : rateBetween(bare, { quantity: place, events: [] }, to).amount;
  });

  return convert(maxOf(ZERO, ...amounts), READABLE);
}

/**
 * The most priced units that so much usage can be, wherever rounding stands: its own, rounded up. Where halves go to the
 * even digit, two of them can be rounded apart (0.5 to 0, 1.5 to 2): it is one step more than its whole steps.
 */
function mostOf(more: Decimal, conversion: Conversion): Decimal {
  const { rounding, precision } = conversion;

  if (rounding === 'NONE' || more.isZero()) {
    return convert(more, conversion);
  }

  return rounding === 'HALF_EVEN'
    ? convert(more, { ...conversion, rounding: 'FLOOR' }).plus(ONE.shiftedBy(-precision))
    : convert(more, { ...conversion, rounding: 'CEILING' });
}

/** The terms in priced units, when free events are used up and no bound of the period helps or hurts. */
function withoutGifts(terms: PriceTerms): PriceTerms {
  const { pricing } = terms;

  return {
    ...terms,
    pricing: pricing.model === 'PERCENTAGE' ? { ...pricing, freeEvents: null, freeAmount: null } : pricing,
    conversion: null,
    minimum: null,
    maximum: null,
    prorated: false,
  };
}

/** The priced quantities at which the price of one more unit changes: tier bounds, ends of free units, the next package. */
function bendsOf({ pricing, freeUnits }: PriceTerms, position: Decimal): readonly Decimal[] {
  const bounds = 'tiers' in pricing ? pricing.tiers.flatMap(({ upTo }) => upTo ?? []) : [];
  const bends = [ZERO, ...bounds].map(bound => bound.plus(freeUnits));

  // From the beginning of a package on, most of them are begun.
  return pricing.model === 'PACKAGE'
    ? [...bends, nextMultiple(maxOf(ZERO, position.minus(freeUnits)), pricing.size).plus(freeUnits)]
    : bends;
}

function nextMultiple(quantity: Decimal, size: Decimal): Decimal {
  return convert(quantity, { divideBy: size, multiplyBy: ONE, rounding: 'CEILING', precision: 0 }).times(size);
}
