import { formatDecimal, sum, ZERO, type Decimal } from '../money/index.js';
import type { Discount } from '../pricing/discount-terms.rules.js';
import type { InheritedFrom } from '../pricing/live-price.rules.js';
import type { PriceTerms } from '../pricing/price.rules.js';
import { differenceOf, step, type RateStep } from '../pricing/rate-step.rules.js';
import { windowKey } from '../pricing/window.rules.js';
import { discountBetween, isDiscounted } from './discount.rules.js';
import type { PeriodFacts, RatedPrice, RatedVersion, Unpriced } from './facts.rules.js';
import { partOf, type Part, type Places } from './part.rules.js';
import type { Piece } from './piece.rules.js';
import { type Series, usedBetween } from './series.rules.js';

/** What one price asks for one period, or one discount takes off, cumulative and exact. */
export interface Due {
  /** The price, or the discount. */
  readonly priceId: string;
  readonly priceName: string;
  readonly versionId: string;
  readonly versionNumber: number;
  /** Null for a discount off prices of several meters. */
  readonly meterId: string | null;
  readonly pattern: Readonly<Record<string, string>>;
  /** Null for a discount. */
  readonly terms: PriceTerms | null;
  /** What was taken off which spend; null for a price. */
  readonly discount: DiscountDue | null;
  /** What of an outcome rule it is; null for usage. The version and the meter are then the rule's. */
  readonly outcome: OutcomeDue | null;
  readonly inheritedFrom: InheritedFrom | null;
  /** The versions that took the price over; the same price may be charged once for each way it came. */
  readonly takenBy: readonly string[];
  /** The running quantity of the period where this price begins, and where it ends. */
  readonly from: Decimal;
  readonly to: Decimal;
  /** The same after conversion and free units: what the model priced. */
  readonly converted: Decimal;
  readonly billable: Decimal;
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
  /** The arithmetic, to be checked by hand. */
  readonly sentence: string;
}

/** What an outcome rule is charged for: its outcomes at a price, or one of what is reckoned on all of them. */
export type OutcomeCharge = 'PRICE' | 'MINIMUM' | 'GUARANTEE' | 'AUDIT';

/** What of an outcome rule a due is for. */
export interface OutcomeDue {
  readonly ruleId: string;
  readonly charge: OutcomeCharge;
  /** How many outcomes are in it; none in a minimum. */
  readonly outcomes: number;
}

/** What a discount was reckoned on: the spend of the period where it begins, and where it ends. */
export interface DiscountDue {
  readonly terms: Discount;
  readonly commitment: Decimal | null;
  readonly spendFrom: Decimal;
  readonly spendTo: Decimal;
}

/**
 * What a period costs: for each segment and price what `partOf` says, within the price's minimum and maximum for the period.
 * The running quantity counts from the start of the period, so tiers carry on over a change of prices, and publishing the
 * same prices again changes nothing: what is due at zero quantity is due once, from the first version that asks for it.
 * The quantity of a price is the sum, over the combinations of dimensions it matches, of each combination's own aggregate.
 * Discounts come last, off what the prices come to. A price that goes on over several segments is one due.
 */
export function duesOf(facts: PeriodFacts): { readonly dues: readonly Due[]; readonly unpriced: readonly Unpriced[] } {
  const { segments, pieces, series, currency } = facts;
  const dues: PlacedDue[] = [];
  const unpriced: Unpriced[] = [];
  const begun = new Set<string>();
  const lasts = new Map(
    segments.flatMap(({ version }, index) => {
      const { from, to } = placesOf(pieces, index);

      return (version?.prices ?? [])
        .filter(price => price.currency === currency && isOpen(price, pieces.slice(from, to)))
        .map(price => [keyOf(price), index] as const);
    }),
  );

  for (const [index, { version }] of segments.entries()) {
    const places = placesOf(pieces, index);
    const byPrice = new Map<RatedPrice, Series[]>();

    for (const one of series) {
      const price = version?.index.match(one.meterId, one.values, currency, one.active) ?? null;
      const used = usedBetween(one, places.from, places.to);

      if (price) {
        const matched = byPrice.get(price);

        if (matched) {
          matched.push(one);
        } else {
          byPrice.set(price, [one]);
        }
      } else if (!used.isZero()) {
        unpriced.push({ meterId: one.meterId, dimensions: one.dimensions, quantity: used, reason: 'NO_PRICE' });
      }
    }

    for (const price of version?.prices ?? []) {
      const isAsked = byPrice.has(price) || (facts.isOver && isOpen(price, pieces.slice(places.from, places.to)));

      if (version && price.currency === currency && isAsked) {
        const key = keyOf(price);
        const place = { places, isNew: !begun.has(key), isLast: lasts.get(key) === index };
        const part = partOf(facts, price, byPrice.get(price) ?? [], place, unpriced);
        dues.push({ segment: index, key, due: dueOf(version, price, part) });

        // A price that had nothing due at zero leaves it to the next version that has.
        if (part.begins) {
          begun.add(key);
        }
      }
    }
  }

  const bounded = boundedDues(dues, facts.isOver, lasts).filter(
    ({ due }) => !due.amount.isZero() || !due.to.eq(due.from),
  );

  return {
    dues: mergeDues([...bounded.map(({ due }) => due), ...discountsOf(facts, bounded)]).filter(
      ({ discount, amount }) => !discount || !amount.isZero(),
    ),
    unpriced: mergeUnpriced(unpriced),
  };
}

/** What a price asks for in one segment. */
interface PlacedDue {
  readonly segment: number;
  /** The same for a price in all versions that have it. */
  readonly key: string;
  readonly due: Due;
}

/** For each segment and discount, off(spend up to its end) − off(spend up to its start), of the prices it covers. */
function discountsOf({ segments, currency, commitment = null }: PeriodFacts, dues: readonly PlacedDue[]): Due[] {
  return segments.flatMap(({ version }, index) =>
    (version?.discounts ?? [])
      .filter(discount => discount.currency === currency)
      .flatMap((terms): Due[] => {
        const covered = dues.filter(
          ({ due: { meterId, pattern } }) => meterId !== null && isDiscounted(terms, { meterId, pattern }),
        );
        const spendUntil = (end: number) =>
          sum(covered.filter(({ segment }) => segment < end).map(({ due }) => due.amount));
        const [spendFrom, spendTo] = [spendUntil(index), spendUntil(index + 1)];
        const { amount, steps } = discountBetween(terms, commitment, spendFrom, spendTo);

        return version && !spendTo.eq(spendFrom)
          ? [
              {
                priceId: terms.id,
                priceName: terms.name,
                versionId: version.id,
                versionNumber: version.number,
                meterId: terms.meterId,
                pattern: terms.pattern,
                terms: null,
                discount: { terms, commitment, spendFrom, spendTo },
                outcome: null,
                inheritedFrom: null,
                takenBy: [],
                from: ZERO,
                to: ZERO,
                converted: ZERO,
                billable: ZERO,
                amount,
                steps,
                sentence: '',
              },
            ]
          : [];
      }),
  );
}

/** One due for each price or discount, in the order of their first: a version may hold in several segments. */
function mergeDues(dues: readonly Due[]): Due[] {
  return [...Map.groupBy(dues, due => itemOf(due)).values()].map(parts =>
    parts.reduce((one, other) => ({
      ...one,
      discount: one.discount && { ...one.discount, spendTo: other.discount?.spendTo ?? one.discount.spendTo },
      to: one.to.plus(other.to.minus(other.from)),
      converted: one.converted.plus(other.converted),
      billable: one.billable.plus(other.billable),
      amount: one.amount.plus(other.amount),
      steps: differenceOf([...one.steps, ...other.steps], []),
      sentence: `${one.sentence} ${other.sentence}`.trim(),
    })),
  );
}

/** What names a due within a period: the price and the way it came. */
export function itemOf({ priceId, takenBy }: Pick<Due, 'priceId' | 'takenBy'>): string {
  return [priceId, ...takenBy].join(' ');
}

function placesOf(pieces: readonly Piece[], segment: number): Places {
  return {
    from: pieces.findIndex(piece => piece.segment === segment),
    to: pieces.findLastIndex(piece => piece.segment === segment) + 1,
  };
}

/** Whether the window of a price is open in any of the pieces: a promotion to come asks for nothing yet. */
function isOpen({ window }: RatedPrice, pieces: readonly Piece[]): boolean {
  return !window || pieces.some(({ active }) => active.has(windowKey(window)));
}

/** The same for prices that follow each other from version to version: their running quantity carries on. */
export function keyOf({ meterId, pattern, window }: Pick<RatedPrice, 'meterId' | 'pattern' | 'window'>): string {
  const entries = Object.entries(pattern).sort(([a], [b]) => (a < b ? -1 : 1));

  return JSON.stringify([meterId, entries, window && windowKey(window)]);
}

/** The due of a price in one segment. */
function dueOf(version: RatedVersion, price: RatedPrice, part: Part): Due {
  const { from, to, converted, billable, amount, steps, sentence } = part;

  return {
    from,
    to,
    converted,
    billable,
    amount,
    steps,
    sentence,
    priceId: price.id,
    priceName: price.name,
    versionId: version.id,
    versionNumber: version.number,
    meterId: price.meterId,
    pattern: price.pattern,
    terms: price.terms,
    discount: null,
    outcome: null,
    inheritedFrom: price.inheritedFrom ?? null,
    takenBy: price.takenBy ?? [],
  };
}

/** What a price has come to so far: without and within its bounds, and the maximum that held last. */
interface Bounded {
  readonly free: Decimal;
  readonly bound: Decimal;
  readonly maximum: Decimal | null;
}

/**
 * Brings what a price asks for within its minimum and maximum, which are those of the period, however many versions had it:
 * after each segment the sum so far is cut to the maximum that holds then; the last one raises it when the period is over.
 * What a maximum has cut stays cut when a later version has another one, or none.
 */
function boundedDues(dues: readonly PlacedDue[], isOver: boolean, lasts: ReadonlyMap<string, number>): PlacedDue[] {
  const asked = new Map<string, Bounded>();

  return dues.map(placed => {
    const { due, key, segment } = placed;
    const { minimum, maximum } = due.terms ?? { minimum: null, maximum: null };
    const before = asked.get(key) ?? { free: ZERO, bound: ZERO, maximum };
    const isSameMaximum = before.maximum ? maximum?.eq(before.maximum) : !maximum;
    const free = (isSameMaximum ? before.free : before.bound).plus(due.amount);
    const least = isOver && lasts.get(key) === segment ? minimum : null;
    const bound = least && free.lt(least) ? least : maximum && free.gt(maximum) ? maximum : free;
    asked.set(key, { free, bound, maximum });
    const amount = bound.minus(before.bound);
    const change = amount.minus(due.amount);

    if (change.isZero()) {
      return placed;
    }

    const kind = bound === least ? 'MINIMUM' : 'MAXIMUM';
    const sentence = `${due.sentence} The ${kind.toLowerCase()} of the period makes it ${formatDecimal(amount)}.`;
    const steps = [...due.steps, step({ kind, quantity: bound, amount: change })];

    return { ...placed, due: { ...due, amount, steps, sentence } };
  });
}

/** One row for each meter and combination of dimensions. */
export function mergeUnpriced(rows: readonly Unpriced[]): Unpriced[] {
  return [...Map.groupBy(rows, row => `${row.meterId} ${row.dimensions}`).values()].flatMap(group => {
    const [first] = group;

    return first ? [{ ...first, quantity: sum(group.map(row => row.quantity)) }] : [];
  });
}
