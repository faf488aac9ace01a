import { decimal, divide, sum, ZERO, type Decimal } from '../money/index.js';
import type { Discount } from '../pricing/discount-terms.rules.js';
import type { InheritedFrom } from '../pricing/live-price.rules.js';
import { type PriceTerms, looksAtEvents } from '../pricing/price.rules.js';
import type { PriceIndex } from '../pricing/price-index.rules.js';
import type { ProratedUsage } from '../pricing/prorated.rules.js';
import { rate, rateBetween, type Usage } from '../pricing/rate.rules.js';
import { differenceOf, type RateStep } from '../pricing/rate-step.rules.js';
import { type PriceWindow, windowKey } from '../pricing/window.rules.js';
import { discountBetween, isDiscounted } from './discount.rules.js';
import type { Piece, Segment, Stretch } from './piece.rules.js';
import { quantityAt, type Series } from './series.rules.js';

/** A price of a version. */
export interface RatedPrice {
  readonly id: string;
  readonly meterId: string;
  readonly name: string;
  readonly currency: string;
  readonly pattern: Readonly<Record<string, string>>;
  readonly window: PriceWindow | null;
  readonly terms: PriceTerms;
  /** Where the version has it from; its own when absent. */
  readonly inheritedFrom?: InheritedFrom | null;
  /** The versions that took it over; with the id they name what is charged. */
  readonly takenBy?: readonly string[];
  /** The currency of the costs that it marks up, where it is not that of the period. */
  readonly costCurrency?: string | null;
}

/** A version as it prices. */
export interface RatedVersion {
  readonly id: string;
  readonly number: number;
  readonly effectiveAt: Date;
  readonly prices: readonly RatedPrice[];
  readonly index: PriceIndex<RatedPrice>;
  readonly discounts?: readonly Discount[];
}

/**
 * What one unit of the usage costs us at an instant: amount per units, in the currency, which is that of the period when
 * null; null when unknown.
 */
export type CostOf = (
  meterId: string,
  dimensions: Readonly<Record<string, string>>,
  at: Date,
  currency: string | null,
) => { readonly amount: Decimal; readonly per: Decimal } | null;

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
}

/** What a discount was reckoned on: the spend of the period where it begins, and where it ends. */
export interface DiscountDue {
  readonly terms: Discount;
  readonly commitment: Decimal | null;
  readonly spendFrom: Decimal;
  readonly spendTo: Decimal;
}

/** Why usage has no price: none matches, or it is priced on a cost that nobody has entered. */
export type UnpricedReason = 'NO_PRICE' | 'NO_COST';

/** Usage that no price matches. */
export interface Unpriced {
  readonly meterId: string;
  readonly dimensions: string;
  readonly quantity: Decimal;
  readonly reason: UnpricedReason;
}

/** What is rated: one period of one contract. */
export interface PeriodFacts {
  readonly period: Stretch;
  readonly currency: string;
  readonly segments: readonly Segment<RatedVersion>[];
  readonly pieces: readonly Piece[];
  readonly series: readonly Series[];
  readonly costOf: CostOf;
  /** Whether the period is over: then minimums are raised to, and what is due without usage is asked for. */
  readonly isOver: boolean;
  /** What the contract commits to spend; nothing when absent. */
  readonly commitment?: Decimal | null;
}

/**
 * What a period costs: for each segment and price, rate(quantity up to its end) − rate(quantity up to its start), where
 * the running quantity counts from the start of the period. So tiers carry on over a change of prices, and publishing the
 * same prices again changes nothing: what is due at zero quantity is due once, from the first segment that has the price.
 * The quantity of a price is the sum, over the combinations of dimensions it matches, of each combination's own aggregate.
 * Discounts come last, off what the prices come to. A price that goes on over several segments is one due.
 */
export function duesOf(facts: PeriodFacts): { readonly dues: readonly Due[]; readonly unpriced: readonly Unpriced[] } {
  const { segments, pieces, series, currency } = facts;
  const dues: PlacedDue[] = [];
  const unpriced: Unpriced[] = [];
  const begun = new Set<string>();

  for (const [index, { version }] of segments.entries()) {
    const places = placesOf(pieces, index);
    const byPrice = new Map<RatedPrice, Series[]>();

    for (const one of series) {
      const price = version?.index.match(one.meterId, one.values, currency, one.active) ?? null;
      const used = (one.running[places.to] ?? ZERO).minus(one.running[places.from] ?? ZERO);

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
        const matched = byPrice.get(price) ?? [];
        const item = dueOf(facts, version, price, matched, places, !begun.has(keyOf(price)), unpriced);
        begun.add(keyOf(price));

        if (!item.amount.isZero() || !item.to.eq(item.from)) {
          dues.push({ segment: index, due: item });
        }
      }
    }
  }

  return {
    dues: mergeDues([...dues.map(({ due }) => due), ...discountsOf(facts, dues)]).filter(
      ({ discount, amount }) => !discount || !amount.isZero(),
    ),
    unpriced: mergeUnpriced(unpriced),
  };
}

/** What a price asks for in one segment. */
interface PlacedDue {
  readonly segment: number;
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
                inheritedFrom: null,
                takenBy: [],
                from: ZERO,
                to: ZERO,
                converted: ZERO,
                billable: ZERO,
                amount,
                steps,
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
    })),
  );
}

/** What names a due within a period: the price and the way it came. */
export function itemOf({ priceId, takenBy }: Pick<Due, 'priceId' | 'takenBy'>): string {
  return [priceId, ...takenBy].join(' ');
}

/** Where a segment begins and ends among the pieces. */
interface Places {
  readonly from: number;
  readonly to: number;
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

/** Prices that follow each other from version to version. */
function keyOf({ meterId, pattern, window }: RatedPrice): string {
  const entries = Object.entries(pattern).sort(([a], [b]) => (a < b ? -1 : 1));

  return JSON.stringify([meterId, entries, window && windowKey(window)]);
}

function dueOf(
  facts: PeriodFacts,
  version: RatedVersion,
  price: RatedPrice,
  series: readonly Series[],
  places: Places,
  isNew: boolean,
  unpriced: Unpriced[],
): Due {
  const terms = facts.isOver ? price.terms : { ...price.terms, minimum: null };
  const [from, to] =
    terms.pricing.model === 'COST_PLUS'
      ? costsBetween(facts, series, places, price.costCurrency ?? null, unpriced)
      : [usageAt(facts, terms, series, places.from), usageAt(facts, terms, series, places.to)];
  const between = rateBetween(terms, from, to);
  // What is due at zero quantity is in neither of two quantities above zero, and not in their difference.
  const base = isNew ? rate(terms, { quantity: ZERO, events: [] }) : null;

  return {
    priceId: price.id,
    priceName: price.name,
    versionId: version.id,
    versionNumber: version.number,
    meterId: price.meterId,
    pattern: price.pattern,
    terms,
    discount: null,
    inheritedFrom: price.inheritedFrom ?? null,
    takenBy: price.takenBy ?? [],
    from: from.quantity,
    to: to.quantity,
    converted: between.converted,
    billable: between.billable,
    amount: base ? between.amount.plus(base.amount) : between.amount,
    steps: base ? differenceOf([...between.steps, ...base.steps], []) : between.steps,
  };
}

function usageAt({ period, pieces }: PeriodFacts, terms: PriceTerms, series: readonly Series[], place: number): Usage {
  const quantity = quantityAt(series, place);

  if (!looksAtEvents(terms)) {
    return { quantity };
  }

  const until = pieces[place]?.start ?? period.end;
  const events = series
    .flatMap(one => one.events)
    .filter(({ time }) => time < until)
    .sort((a, b) => a.time.getTime() - b.time.getTime())
    .map(({ time, value }) => ({ amount: decimal(value), share: decimal(until.getTime() - time.getTime()) }));

  return terms.prorated ? { quantity, prorated: proratedOf(period, until, series, events) } : { quantity, events };
}

/** The level over the period as far as it is known until an instant: what comes later counts from there on. */
function proratedOf(
  { start, end }: Stretch,
  until: Date,
  series: readonly Series[],
  events: readonly { readonly amount: Decimal; readonly share: Decimal }[],
): ProratedUsage {
  // Before the period has begun no tier is entered: the flat amount of one that the level is in from then on is due.
  const before = until > start ? sum(series.map(one => one.level)) : ZERO;
  const level = { change: before, share: decimal(until.getTime() - start.getTime()) };

  return {
    level: ZERO,
    whole: decimal(end.getTime() - start.getTime()),
    changes: [level, ...events.map(({ amount, share }) => ({ change: amount, share }))],
  };
}

/** The costs of the usage up to where a segment begins and ends: the quantities of a cost-plus price. */
function costsBetween(
  { pieces, costOf }: PeriodFacts,
  series: readonly Series[],
  places: Places,
  currency: string | null,
  unpriced: Unpriced[],
): readonly [Usage, Usage] {
  const totals: [Decimal, Decimal] = [ZERO, ZERO];

  for (const { meterId, dimensions, values, running } of series) {
    for (const [index, piece] of pieces.slice(0, places.to).entries()) {
      const used = (running[index + 1] ?? ZERO).minus(running[index] ?? ZERO);
      const cost = used.isZero() ? null : costOf(meterId, values, piece.start, currency);

      if (cost) {
        const amount = divide(used.times(cost.amount), cost.per);
        totals[0] = index < places.from ? totals[0].plus(amount) : totals[0];
        totals[1] = totals[1].plus(amount);
      } else if (!used.isZero() && index >= places.from) {
        unpriced.push({ meterId, dimensions, quantity: used, reason: 'NO_COST' });
      }
    }
  }

  return [{ quantity: totals[0] }, { quantity: totals[1] }];
}

function mergeUnpriced(rows: readonly Unpriced[]): Unpriced[] {
  return [...Map.groupBy(rows, row => `${row.meterId} ${row.dimensions}`).values()].flatMap(group => {
    const [first] = group;

    return first ? [{ ...first, quantity: sum(group.map(row => row.quantity)) }] : [];
  });
}
