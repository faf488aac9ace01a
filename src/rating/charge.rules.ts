import { decimal, divide, sum, ZERO, type Decimal } from '../money/index.js';
import { type PriceTerms, looksAtEvents } from '../pricing/price.rules.js';
import type { PriceIndex } from '../pricing/price-index.rules.js';
import type { ProratedUsage } from '../pricing/prorated.rules.js';
import { rate, rateBetween, type Usage } from '../pricing/rate.rules.js';
import { differenceOf, type RateStep } from '../pricing/rate-step.rules.js';
import { type PriceWindow, windowKey } from '../pricing/window.rules.js';
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
}

/** A version as it prices. */
export interface RatedVersion {
  readonly id: string;
  readonly number: number;
  readonly effectiveAt: Date;
  readonly prices: readonly RatedPrice[];
  readonly index: PriceIndex<RatedPrice>;
}

/** What one unit of the usage costs us at an instant: amount per units, in the currency of the period; null when unknown. */
export type CostOf = (
  meterId: string,
  dimensions: Readonly<Record<string, string>>,
  at: Date,
) => { readonly amount: Decimal; readonly per: Decimal } | null;

/** What one price asks for one period, cumulative and exact. */
export interface Due {
  readonly priceId: string;
  readonly priceName: string;
  readonly versionId: string;
  readonly versionNumber: number;
  readonly meterId: string;
  readonly pattern: Readonly<Record<string, string>>;
  readonly terms: PriceTerms;
  /** The running quantity of the period where this price begins, and where it ends. */
  readonly from: Decimal;
  readonly to: Decimal;
  /** The same after conversion and free units: what the model priced. */
  readonly converted: Decimal;
  readonly billable: Decimal;
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
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
}

/**
 * What a period costs: for each segment and price, rate(quantity up to its end) − rate(quantity up to its start), where
 * the running quantity counts from the start of the period. So tiers carry on over a change of prices, and publishing the
 * same prices again changes nothing: what is due at zero quantity is due once, from the first segment that has the price.
 * The quantity of a price is the sum, over the combinations of dimensions it matches, of each combination's own aggregate.
 */
export function duesOf(facts: PeriodFacts): { readonly dues: readonly Due[]; readonly unpriced: readonly Unpriced[] } {
  const { segments, pieces, series, currency } = facts;
  const dues: Due[] = [];
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
      if (version && price.currency === currency && (facts.isOver || byPrice.has(price))) {
        const matched = byPrice.get(price) ?? [];
        const item = dueOf(facts, version, price, matched, places, !begun.has(keyOf(price)), unpriced);
        begun.add(keyOf(price));

        if (!item.amount.isZero() || !item.to.eq(item.from)) {
          dues.push(item);
        }
      }
    }
  }

  return { dues, unpriced: mergeUnpriced(unpriced) };
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
      ? costsBetween(facts, series, places, unpriced)
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
  const level = { change: sum(series.map(one => one.level)), share: decimal(until.getTime() - start.getTime()) };

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
  unpriced: Unpriced[],
): readonly [Usage, Usage] {
  const totals: [Decimal, Decimal] = [ZERO, ZERO];

  for (const { meterId, dimensions, values, running } of series) {
    for (const [index, piece] of pieces.slice(0, places.to).entries()) {
      const used = (running[index + 1] ?? ZERO).minus(running[index] ?? ZERO);
      const cost = used.isZero() ? null : costOf(meterId, values, piece.start);

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
