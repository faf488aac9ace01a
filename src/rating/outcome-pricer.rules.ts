import { type Decimal, decimal, divide, maxOf, minOf, ZERO } from '../money/index.js';
import { isLinear, looksAtEvents, type Percentage, type PriceTerms, type Rate } from '../pricing/price.rules.js';
import { rate } from '../pricing/rate.rules.js';

/** Prices outcomes one after the other: what each adds to what those before it cost. */
export interface OutcomePricer {
  /** What the next outcome of so much would add; changes nothing. */
  peek(quantity: Decimal): Decimal;
  /** Has that outcome counted, and says what it added. */
  take(quantity: Decimal): Decimal;
}

/** A pricer that goes on after outcomes of these quantities, in their order. */
export function pricerAfter(terms: PriceTerms, before: readonly Decimal[]): OutcomePricer {
  const { pricing } = terms;

  if (pricing.model === 'PERCENTAGE' && looksAtEvents(terms)) {
    const pricer = new SinglesPricer(terms, pricing);
    before.forEach(quantity => pricer.take(quantity));

    return pricer;
  }

  return new SumPricer(
    terms,
    before.reduce((total, quantity) => total.plus(quantity), ZERO),
  );
}

const HUNDRED = decimal(100);

/** Quantities above `from`, up to `upTo`, in which each unit costs the same. */
interface Stretch {
  readonly from: Decimal;
  readonly upTo: Decimal | null;
  readonly rate: Rate;
  /** What its beginning costs, with the flat amount of its tier, before the discount. */
  readonly base: Decimal;
}

/**
 * For prices of the sum of quantities: rate(after) − rate(before). Where stretches of equal unit prices make up the price,
 * the arithmetic of the engine is done here, so that one more outcome costs as little as a multiplication.
 */
class SumPricer implements OutcomePricer {
  readonly #stretches: readonly Stretch[];
  #place = 0;
  /** What the quantity costs; looked up when it is first needed. */
  #amount: Decimal | null = null;

  constructor(
    private readonly terms: PriceTerms,
    private quantity: Decimal,
  ) {
    this.#stretches = stretchesOf(terms);
  }

  peek(quantity: Decimal): Decimal {
    this.#amount ??= this.#amountOf(this.quantity);

    return this.#amountOf(this.quantity.plus(quantity)).minus(this.#amount);
  }

  take(quantity: Decimal): Decimal {
    const added = this.peek(quantity);
    this.quantity = this.quantity.plus(quantity);
    this.#amount = this.#amount && this.#amount.plus(added);
    this.#place = this.#placeOf(this.quantity);

    return added;
  }

  #amountOf(quantity: Decimal): Decimal {
    const stretch = this.#stretches[this.#placeOf(quantity)];

    if (!stretch) {
      return rate(this.terms, { quantity }).amount;
    }

    const { from, rate: each, base } = stretch;
    const full = base.plus(divide(quantity.minus(from).times(each.amount), each.per));

    return this.terms.discount.isZero() ? full : full.minus(divide(full.times(this.terms.discount), HUNDRED));
  }

  /** The stretch that holds a quantity; those before the present one are behind. */
  #placeOf(quantity: Decimal): number {
    let place = this.#place;

    for (let upTo = this.#stretches[place]?.upTo; upTo && quantity.gt(upTo); upTo = this.#stretches[place]?.upTo) {
      place += 1;
    }

    return place;
  }
}

/** A slice of the priced quantity, which is what lies above the free units. */
interface Slice {
  readonly upTo: Decimal | null;
  readonly rate: Rate;
  readonly flat: Decimal;
}

/** None for prices that are not made of stretches, or whose quantities are rounded on the way. */
function stretchesOf({ pricing, conversion, freeUnits, minimum, maximum }: PriceTerms): readonly Stretch[] {
  if (conversion || minimum || maximum) {
    return [];
  }

  switch (pricing.model) {
    case 'UNIT':
      return stretched([{ upTo: null, rate: pricing.rate, flat: ZERO }], freeUnits);

    case 'GRADUATED':
      return stretched(pricing.tiers, freeUnits);

    case 'GRADUATED_PERCENTAGE':
      return stretched(
        pricing.tiers.map(({ upTo, percent, flat }) => ({ upTo, flat, rate: { amount: percent, per: HUNDRED } })),
        freeUnits,
      );

    case 'PERCENTAGE':
      // A percentage knows free amounts, and no free units.
      return isLinear(pricing)
        ? stretched([{ upTo: null, rate: { amount: pricing.percent, per: HUNDRED }, flat: ZERO }], ZERO)
        : [];

    default:
      return [];
  }
}

function stretched(slices: readonly Slice[], free: Decimal): readonly Stretch[] {
  const [first] = slices;
  const rateOfFree = { amount: ZERO, per: HUNDRED };
  const stretches: Stretch[] =
    first && !free.isZero() ? [{ from: ZERO, upTo: free, rate: rateOfFree, base: first.flat }] : [];
  let [from, base] = [ZERO, ZERO];

  for (const { upTo, rate: each, flat } of slices) {
    base = base.plus(flat);
    stretches.push({ from: from.plus(free), upTo: upTo && upTo.plus(free), rate: each, base });

    if (upTo) {
      base = base.plus(divide(upTo.minus(from).times(each.amount), each.per));
      from = upTo;
    }
  }

  return stretches;
}

/**
 * For a percentage with fixed amounts, bounds or free parts: `percentageSteps` event by event, for quantities from zero.
 * Outcomes that come to nothing together cost nothing, so that the first that is worth something pays their fixed amounts
 * with its own.
 */
class SinglesPricer implements OutcomePricer {
  #seen = 0;
  #running = ZERO;
  #isFree: boolean;
  /** What all so far would cost if they came to something. */
  #cost = ZERO;

  constructor(
    private readonly terms: PriceTerms,
    private readonly pricing: Percentage,
  ) {
    const { freeEvents, freeAmount } = pricing;
    this.#isFree = (freeEvents !== null || freeAmount !== null) && (freeEvents === null || freeEvents.gt(ZERO));
  }

  peek(quantity: Decimal): Decimal {
    return this.#next(quantity).added;
  }

  take(quantity: Decimal): Decimal {
    const { running, isFree, cost, added } = this.#next(quantity);
    this.#seen += 1;
    this.#running = running;
    this.#isFree = isFree;
    this.#cost = cost;

    return added;
  }

  #next(quantity: Decimal) {
    const { freeEvents, freeAmount } = this.pricing;
    const running = this.#running.plus(quantity);
    let isFree = this.#isFree && !freeEvents?.lt(this.#seen + 1);
    let part = quantity;

    if (isFree && freeAmount && running.gt(freeAmount)) {
      isFree = false;
      part = minOf(running.minus(freeAmount), quantity);
    }

    const cost = isFree ? this.#cost : this.#cost.plus(this.#costOf(part));
    const due = (total: Decimal, worth: Decimal) => (worth.isZero() ? ZERO : total);
    const added = due(cost, running).minus(due(this.#cost, this.#running));

    return { running, isFree, cost, added: divide(added.times(HUNDRED.minus(this.terms.discount)), HUNDRED) };
  }

  /** Of one event that is not free. */
  #costOf(amount: Decimal): Decimal {
    const { percent, fixed, eventMinimum, eventMaximum } = this.pricing;
    const asked = divide(amount.times(percent), HUNDRED).plus(fixed);
    const raised = eventMinimum ? maxOf(asked, eventMinimum) : asked;

    return eventMaximum ? minOf(raised, eventMaximum) : raised;
  }
}
