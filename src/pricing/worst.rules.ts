import { type Conversion, convert, type Decimal, maxOf, minOf, ONE, type Rounding, ZERO } from '../money/index.js';
import type { PriceTerms } from './price.rules.js';
import { rateBetween } from './rate.rules.js';

/**
 * What some more usage may cost at most, wherever the running quantity stands when it is rated: at `position` or anywhere
 * above, because other usage comes in between. Free units and events may be used up by then, a maximum not reached, and no
 * minimum is asked. Looks where the price bends: at tier bounds, ends of free units and beginnings of packages.
 * Never below zero.
 */
export function worstBetween(terms: PriceTerms, position: Decimal, more: Decimal): Decimal {
  const bare = withoutGifts(terms);
  const start = terms.conversion ? convert(position, terms.conversion) : position;
  // Wherever rounding stands, so much more usage is never more than its own units, rounded up.
  const added = terms.conversion ? convert(more, { ...terms.conversion, rounding: ceilingOf(terms.conversion) }) : more;
  // At each bend, and right above it; beginning there and ending there.
  const crumb = minOf(added, ONE);
  const places = bendsOf(bare, start).flatMap(bend =>
    [bend, bend.plus(crumb)].flatMap(place => [place, place.minus(added)]),
  );
  const amounts = [start, ...places.filter(place => place.gt(start))].map(place => {
    const from = { quantity: place, events: [] };

    return rateBetween(bare, from, { quantity: place.plus(added), events: [{ amount: added }] }).amount;
  });

  return maxOf(ZERO, ...amounts);
}

function ceilingOf({ rounding }: Conversion): Rounding {
  return rounding === 'NONE' ? 'NONE' : 'CEILING';
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
