// The oracle's own arithmetic of prices: whole amounts of whole quantities, in fractions.
import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import type { PriceTermsJson } from '../../../src/pricing/price.rules.js';
import {
  ceiling,
  fraction,
  greatest,
  isBelow,
  least,
  minus,
  NOTHING,
  over,
  plus,
  times,
  total,
  WHOLE,
  type Fraction,
} from './fraction.js';
import { narrowest } from './narrowest.js';

const HUNDRED = fraction(100);
const read = (text: string | null | undefined, otherwise = NOTHING): Fraction =>
  text === null || text === undefined ? otherwise : fraction(text);

/** The price of a rule for these attributes: the narrowest in the currency. */
export function priceOf(
  { prices }: OutcomeTermsJson,
  currency: string,
  attributes: Readonly<Record<string, string>>,
): OutcomeTermsJson['prices'][number] | null {
  return narrowest(
    prices.filter(price => price.currency === currency),
    attributes,
  );
}

/** What a single quantity costs when there is no other. */
export const pricedAlone = (terms: PriceTermsJson, quantity: Fraction): Fraction => priced(terms, [quantity]);

/** What quantities cost together, counted from nothing. */
export function priced(terms: PriceTermsJson, quantities: readonly Fraction[]): Fraction {
  const billable = aboveFree(terms, quantities);

  switch (terms.model) {
    case 'UNIT':
      return less(terms, over(times(billable, read(terms.unitAmount)), read(terms.per, WHOLE)));

    case 'PACKAGE':
      return less(terms, times(ceiling(over(billable, read(terms.packageSize))), read(terms.packageAmount)));

    case 'GRADUATED':
      return less(terms, total(slicesOf(terms, billable)));

    case 'VOLUME': {
      const tier = tierOf(terms, billable);

      return less(terms, plus(times(billable, tier.each), tier.flat));
    }

    case 'PERCENTAGE':
      return less(terms, percentageOf(terms, quantities));

    default:
      throw new Error(`the oracle knows no ${terms.model}`);
  }
}

/**
 * What the quantities from the `from`-th on add to those before them; `all` of the period decide the tier of a VOLUME
 * price, whose flat amount comes with the last part.
 */
export function pricedBetween(
  terms: PriceTermsJson,
  quantities: readonly Fraction[],
  from: number,
  { all, isLast }: { readonly all: readonly Fraction[]; readonly isLast: boolean },
): Fraction {
  const before = quantities.slice(0, from);

  if (terms.model !== 'VOLUME') {
    return minus(priced(terms, quantities), priced(terms, before));
  }

  const tier = tierOf(terms, aboveFree(terms, all));
  const own = minus(aboveFree(terms, quantities), aboveFree(terms, before));

  return less(terms, plus(times(own, tier.each), isLast ? tier.flat : NOTHING));
}

function aboveFree({ freeUnits }: PriceTermsJson, quantities: readonly Fraction[]): Fraction {
  return greatest(NOTHING, minus(total(quantities), read(freeUnits)));
}

function less({ discountRate }: PriceTermsJson, amount: Fraction): Fraction {
  return minus(amount, over(times(amount, read(discountRate)), HUNDRED));
}

interface TierRead {
  readonly upTo: Fraction | null;
  readonly each: Fraction;
  readonly flat: Fraction;
}

function tiersOf({ tiers = [], per }: PriceTermsJson): TierRead[] {
  return tiers.map(tier => ({
    upTo: tier.upTo === null ? null : fraction(tier.upTo),
    each: over(read(tier.unitAmount), read(tier.per ?? per, WHOLE)),
    flat: read(tier.flatAmount),
  }));
}

function* slicesOf(terms: PriceTermsJson, quantity: Fraction): Generator<Fraction> {
  let bottom = NOTHING;

  for (const [index, { upTo, each, flat }] of tiersOf(terms).entries()) {
    if (index === 0 || isBelow(bottom, quantity)) {
      const top = upTo ? least(upTo, quantity) : quantity;
      yield plus(times(minus(top, bottom), each), flat);
      bottom = top;
    }

    if (upTo && !isBelow(upTo, quantity)) {
      return;
    }
  }
}

function tierOf(terms: PriceTermsJson, quantity: Fraction): TierRead {
  const tier = tiersOf(terms).find(({ upTo }) => upTo === null || !isBelow(upTo, quantity));

  if (!tier) {
    throw new RangeError('no tier holds the quantity');
  }

  return tier;
}

/** Each event's per cent within its bounds. Events that are nothing in total cost nothing. */
function percentageOf(terms: PriceTermsJson, quantities: readonly Fraction[]): Fraction {
  if (terms.freeEvents !== undefined || terms.freeAmount !== undefined) {
    throw new Error('the oracle knows no free events');
  }

  const each = quantities.map(quantity => {
    const asked = plus(over(times(quantity, read(terms.rate)), HUNDRED), read(terms.fixedAmount));
    const raised = greatest(asked, read(terms.perEventMinimum, asked));

    return least(raised, read(terms.perEventMaximum, raised));
  });

  return total(quantities).top === 0n ? NOTHING : total(each);
}
