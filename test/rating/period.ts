import { canonicalJson } from '../../src/platform/canonical-json.js';
import { decimal, formatDecimal, maxOf, sum, ZERO, type Decimal } from '../../src/money/index.js';
import { indexPrices } from '../../src/pricing/price-index.rules.js';
import { readPriceTerms } from '../../src/pricing/price-reading.rules.js';
import type { PriceTerms, PriceTermsJson } from '../../src/pricing/price.rules.js';
import { readPriceWindow, type PriceWindow, type PriceWindowJson } from '../../src/pricing/window.rules.js';
import type { CostOf, PeriodFacts, RatedPrice, RatedVersion } from '../../src/rating/facts.rules.js';
import { piecesOf, segmentsOf, type Piece, type Stretch } from '../../src/rating/piece.rules.js';
import { seriesOf, type Aggregation, type Level, type Used } from '../../src/rating/series.rules.js';

/** November 2026 in UTC: 30 days. */
export const PERIOD: Stretch = { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-12-01T00:00:00Z') };

/** Midnight of a day of November 2026 in UTC; days beyond it go on into the months around. */
export const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));

const QUARTER_HOUR_MS = 900_000;

export function terms(json: PriceTermsJson): PriceTerms {
  const read = readPriceTerms(json);

  if ('refusals' in read) {
    throw new Error(JSON.stringify(read.refusals));
  }

  return read.terms;
}

/** So much for every unit. */
export const perUnit = (unitAmount: string): PriceTerms => terms({ model: 'UNIT', unitAmount });

export function window(json: PriceWindowJson): PriceWindow {
  const read = readPriceWindow(json, []);

  if ('refusals' in read) {
    throw new Error(JSON.stringify(read.refusals));
  }

  return read.window;
}

let serial = 0;

/** A price on all usage of the meter `mtr`, in US dollars, at all times, unless told otherwise. */
export const price = (given: Partial<RatedPrice> & { readonly terms: PriceTerms }): RatedPrice => ({
  id: `prc_${String(serial++).padStart(6, '0')}`,
  meterId: 'mtr',
  name: 'Tokens',
  currency: 'USD',
  pattern: {},
  window: null,
  ...given,
});

export const version = (effectiveAt: Date, prices: readonly RatedPrice[], number = 1): RatedVersion => ({
  id: `pbv_${number}_${effectiveAt.getTime()}`,
  number,
  effectiveAt,
  prices,
  index: indexPrices(prices),
});

/** One event as a meter saw it: for a level the change, for unique values the value. */
export interface Happened {
  readonly at: Date;
  readonly value: string;
  readonly meterId?: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** Usage of the meter `mtr` at an instant. */
export const used = (
  at: Date | string,
  value: string,
  dimensions: Readonly<Record<string, string>> = {},
): Happened => ({
  at: typeof at === 'string' ? new Date(at) : at,
  value,
  dimensions,
});

/** The facts of November 2026, all from a list of events, folded here as plainly as can be. */
export function periodOf(given: {
  readonly versions: readonly RatedVersion[];
  readonly events?: readonly Happened[];
  readonly aggregation?: Aggregation | ((meterId: string) => Aggregation);
  readonly levels?: readonly Level[];
  readonly isOver?: boolean;
  readonly currency?: string;
  readonly costOf?: CostOf;
  /** Instants at which costs change. */
  readonly costsChange?: readonly Date[];
}): PeriodFacts {
  const { versions, events = [], aggregation = 'SUM' } = given;
  const segments = segmentsOf(PERIOD, versions);
  const windows = segments.flatMap(({ version: held }) => (held?.prices ?? []).flatMap(known => known.window ?? []));
  const pieces = piecesOf(segments, windows, given.costsChange ?? []);
  const aggregationOf = typeof aggregation === 'string' ? () => aggregation : aggregation;

  return {
    period: PERIOD,
    currency: given.currency ?? 'USD',
    segments,
    pieces,
    series: seriesOf(pieces, {
      used: foldOf(pieces, events),
      levels: given.levels ?? [],
      events: events
        .toSorted((a, b) => a.at.getTime() - b.at.getTime())
        .map(event => ({ ...placeOf(event), time: event.at, value: event.value })),
      aggregationOf,
    }),
    costOf: given.costOf ?? (() => null),
    isOver: given.isOver ?? false,
  };
}

function placeOf({ meterId = 'mtr', dimensions = {} }: Happened): { meterId: string; dimensions: string } {
  return { meterId, dimensions: canonicalJson(dimensions) };
}

/** What the buckets would say, under every aggregation at once. */
export function foldOf(pieces: readonly Piece[], events: readonly Happened[]): Used[] {
  const keyOf = (event: Happened): string => JSON.stringify(placeOf(event));
  // A bucket knows its quarter hour and no more.
  const slotOf = ({ at }: Happened): number => Math.floor(at.getTime() / QUARTER_HOUR_MS) * QUARTER_HOUR_MS;

  return [...Map.groupBy(events, keyOf).values()].flatMap(own => {
    const seen = new Set<string>();

    return pieces.flatMap(({ start, end }, segment): Used[] => {
      const within = own
        .filter(event => slotOf(event) >= start.getTime() && slotOf(event) < end.getTime())
        .toSorted((a, b) => a.at.getTime() - b.at.getTime());
      const [first] = within;
      const values = within.map(({ value }) => decimal(value));
      const fresh = new Set(within.map(({ value }) => value).filter(value => !seen.has(value)));
      fresh.forEach(value => seen.add(value));

      return first
        ? [
            {
              ...placeOf(first),
              segment,
              sum: formatDecimal(sum(values)),
              max: formatDecimal(maxOf(...(values as [Decimal]))),
              latest: within.at(-1)?.value ?? null,
              unique: String(fresh.size),
              integral: formatDecimal(
                sum(within.map(({ at, value }) => decimal(value).times(end.getTime() - at.getTime()))),
              ),
            },
          ]
        : [];
    });
  });
}

/** What all dues come to together. */
export const total = (dues: readonly { readonly amount: Decimal }[]): string =>
  formatDecimal(dues.reduce((whole, due) => whole.plus(due.amount), ZERO));

/** Each due as [price id, quantity from, quantity to, amount]. */
export const told = (
  dues: readonly {
    readonly priceId: string;
    readonly from: Decimal;
    readonly to: Decimal;
    readonly amount: Decimal;
  }[],
): string[][] =>
  dues.map(({ priceId, from, to, amount }) => [priceId, formatDecimal(from), formatDecimal(to), formatDecimal(amount)]);
