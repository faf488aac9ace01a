import { decimal, maxOf, sum, ZERO, type Decimal } from '../money/index.js';
import { matchPrice } from '../pricing/pattern.rules.js';
import type { PricingModel } from '../pricing/price.rules.js';
import { rateBetween, type RateStep } from '../pricing/rate.rules.js';

/** A price of a version. */
export interface RatedPrice {
  readonly id: string;
  readonly meterId: string;
  readonly name: string;
  readonly pattern: Readonly<Record<string, string>>;
  readonly model: PricingModel;
}

/** The prices that hold in one stretch of a period; null where no version had taken effect. */
export interface Segment {
  readonly start: Date;
  readonly end: Date;
  readonly version: { readonly id: string; readonly number: number; readonly prices: readonly RatedPrice[] } | null;
}

export type Aggregation = 'SUM' | 'COUNT' | 'MAX' | 'LATEST' | 'UNIQUE_COUNT';

/** What the buckets say of one meter and combination of dimensions in one segment. */
export interface Used {
  readonly meterId: string;
  readonly dimensions: string;
  readonly segment: number;
  readonly sum: string;
  readonly max: string;
  readonly latest: string | null;
  readonly unique: string;
}

/** What one price asks for one period, cumulative and exact. */
export interface Due {
  readonly priceId: string;
  readonly priceName: string;
  readonly versionId: string;
  readonly versionNumber: number;
  readonly meterId: string;
  readonly pattern: Readonly<Record<string, string>>;
  readonly model: PricingModel;
  /** The running quantity of the period where this price begins, and where it ends. */
  readonly from: Decimal;
  readonly to: Decimal;
  readonly amount: Decimal;
  readonly steps: readonly RateStep[];
}

/** Usage that no price matches. */
export interface Unpriced {
  readonly meterId: string;
  readonly dimensions: string;
  readonly quantity: Decimal;
}

/** Cuts a period where versions take effect. Versions come ascending by their instant. */
export function segmentsOf(
  period: { readonly start: Date; readonly end: Date },
  versions: readonly {
    readonly id: string;
    readonly number: number;
    readonly effectiveAt: Date;
    readonly prices: readonly RatedPrice[];
  }[],
): Segment[] {
  const before = versions.filter(version => version.effectiveAt <= period.start).at(-1) ?? null;
  const within = versions.filter(version => version.effectiveAt > period.start && version.effectiveAt < period.end);
  const starts = [
    { start: period.start, version: before },
    ...within.map(version => ({ start: version.effectiveAt, version })),
  ];

  return starts.map(({ start, version }, index) => ({ start, end: starts[index + 1]?.start ?? period.end, version }));
}

/**
 * What a period costs: for each segment and price, rate(quantity up to its end) − rate(quantity up to its start), where
 * the running quantity counts from the start of the period. So tiers carry on over a change of prices, and publishing the
 * same prices again changes nothing. The quantity of a price is the sum, over the combinations of dimensions it matches,
 * of each combination's own aggregate.
 */
export function duesOf(
  segments: readonly Segment[],
  used: readonly Used[],
  aggregationOf: (meterId: string) => Aggregation,
): { dues: Due[]; unpriced: Unpriced[] } {
  const dues: Due[] = [];
  const unpriced: Unpriced[] = [];
  const series = [...runningQuantities(used, segments.length, aggregationOf)].map(entry => ({
    ...entry,
    values: JSON.parse(entry.dimensions) as Record<string, string>,
  }));

  for (const [index, segment] of segments.entries()) {
    const byPrice = new Map<string, { price: RatedPrice; from: Decimal[]; to: Decimal[] }>();

    for (const { meterId, dimensions, values, running } of series) {
      const from = running[index] ?? ZERO;
      const to = running[index + 1] ?? from;
      const price = segment.version ? matchPrice(segment.version.prices, meterId, values) : null;

      if (!price) {
        if (!to.eq(from)) {
          unpriced.push({ meterId, dimensions, quantity: to.minus(from) });
        }
        continue;
      }

      const entry = byPrice.get(price.id) ?? { price, from: [], to: [] };
      entry.from.push(from);
      entry.to.push(to);
      byPrice.set(price.id, entry);
    }

    for (const { price, from, to } of byPrice.values()) {
      const [start, end] = [sum(from), sum(to)];

      if (segment.version && !end.eq(start)) {
        const { amount, steps } = rateBetween(price.model, start, end);
        dues.push({
          priceId: price.id,
          priceName: price.name,
          versionId: segment.version.id,
          versionNumber: segment.version.number,
          meterId: price.meterId,
          pattern: price.pattern,
          model: price.model,
          from: start,
          to: end,
          amount,
          steps,
        });
      }
    }
  }

  return { dues, unpriced: mergeUnpriced(unpriced) };
}

/** For each meter and combination of dimensions: the aggregate at the start of the period and after each segment. */
function* runningQuantities(
  used: readonly Used[],
  segments: number,
  aggregationOf: (meterId: string) => Aggregation,
): Generator<{ meterId: string; dimensions: string; running: Decimal[] }> {
  const groups = Map.groupBy(used, row => `${row.meterId} ${row.dimensions}`);

  for (const rows of groups.values()) {
    const [first] = rows;

    if (!first) {
      continue;
    }

    const aggregation = aggregationOf(first.meterId);
    const running: Decimal[] = [ZERO];

    for (let segment = 0; segment < segments; segment++) {
      const row = rows.find(candidate => candidate.segment === segment);
      const last = running.at(-1) ?? ZERO;
      running.push(row ? advance(last, row, aggregation) : last);
    }

    yield { meterId: first.meterId, dimensions: first.dimensions, running };
  }
}

function advance(last: Decimal, row: Used, aggregation: Aggregation): Decimal {
  switch (aggregation) {
    case 'SUM':
    case 'COUNT':
      return last.plus(decimal(row.sum));

    case 'MAX':
      return maxOf(last, decimal(row.max));

    case 'LATEST':
      return row.latest === null ? last : decimal(row.latest);

    case 'UNIQUE_COUNT':
      return last.plus(decimal(row.unique));

    default:
      return aggregation satisfies never;
  }
}

function mergeUnpriced(rows: readonly Unpriced[]): Unpriced[] {
  return [...Map.groupBy(rows, row => `${row.meterId} ${row.dimensions}`).values()].flatMap(group => {
    const [first] = group;

    return first ? [{ ...first, quantity: sum(group.map(row => row.quantity)) }] : [];
  });
}
