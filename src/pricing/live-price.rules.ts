import { type Decimal, decimal, divide, formatDecimal } from '../money/index.js';
import { type Adjustment, adjustmentFor } from './basis.rules.js';
import type { PriceBinding } from './pattern.rules.js';
import { indexPrices, type PriceIndex } from './price-index.rules.js';
import type { PriceTerms } from './price.rules.js';
import { floorTerms, scaleTerms } from './scale.rules.js';
import { windowKey } from './window.rules.js';

/** Where a price was taken over from, and what became of it on the way. */
export interface InheritedFrom {
  /** The version of the parent's book that has it. */
  readonly priceBookVersionId: string;
  /** What was added or, below zero, taken off, in per cent, before it was converted; "0" for nothing. */
  readonly percent: string;
  readonly fxSnapshotId: string | null;
  /** Whether unit amounts were raised to the adjustment's floor. */
  readonly isFloored: boolean;
  /** Where that version has it from; null for its own price. */
  readonly inheritedFrom: InheritedFrom | null;
}

/** A price as the rate engine takes it: a version's own, or one that it takes over. */
export interface LivePrice extends PriceBinding {
  readonly name: string;
  readonly terms: PriceTerms;
  readonly inheritedFrom: InheritedFrom | null;
  /** The versions that took it over, the first one first; none for an own price. With the id it names what is charged. */
  readonly takenBy: readonly string[];
  /** The currency in which a markup looks up costs, where it is not that of the price. */
  readonly costCurrency: string | null;
}

/** An exchange rate as of an instant: 1 unit of `base` is `rate` units of `quote`. */
export interface FxRate {
  readonly fxSnapshotId: string;
  readonly base: string;
  readonly quote: string;
  readonly rate: Decimal;
}

/** What a version makes of its parent's prices. */
export interface Derivation {
  /** The version that takes over. */
  readonly versionId: string;
  readonly parentVersionId: string;
  readonly adjustments: readonly Adjustment[];
  readonly fx: FxRate | null;
}

const HUNDRED = decimal(100);

/** Equal for prices that are the same item: meter, dimensions, window and currency. */
export function identityOf({ meterId, pattern, window, currency }: Omit<PriceBinding, 'id'>): string {
  const dimensions = Object.entries(pattern).sort(([a], [b]) => (a < b ? -1 : 1));

  return JSON.stringify([meterId, currency, dimensions, window && windowKey(window)]);
}

/**
 * The live prices of a version: its own, then those of its parent, adjusted and converted, but for those that an own
 * price of the same identity replaces. With an exchange rate only prices in its base currency are taken over; without one all
 * are, in their own currencies.
 */
export function derivePrices(
  own: readonly LivePrice[],
  parent: readonly LivePrice[],
  derivation: Derivation,
): readonly LivePrice[] {
  const replaced = new Set(own.map(identityOf));
  const { fx } = derivation;
  const taken = parent
    .filter(({ currency }) => !fx || currency === fx.base)
    .map(price => takenOver(price, derivation))
    .filter(price => !replaced.has(identityOf(price)));

  return [...own, ...taken];
}

function takenOver(price: LivePrice, { versionId, parentVersionId, adjustments, fx }: Derivation): LivePrice {
  const adjustment = adjustmentFor(adjustments, price);
  const factor = adjustment ? divide(HUNDRED.plus(adjustment.percent), HUNDRED) : decimal(1);
  const scaled = scaleTerms(price.terms, fx ? factor.times(fx.rate) : factor);
  const terms = adjustment?.floor ? floorTerms(scaled, adjustment.floor) : scaled;

  return {
    ...price,
    currency: fx?.quote ?? price.currency,
    terms,
    inheritedFrom: {
      priceBookVersionId: parentVersionId,
      percent: formatDecimal(adjustment?.percent ?? decimal(0)),
      fxSnapshotId: fx?.fxSnapshotId ?? null,
      isFloored: terms !== scaled,
      inheritedFrom: price.inheritedFrom,
    },
    takenBy: [...price.takenBy, versionId],
    costCurrency: price.costCurrency ?? fx?.base ?? null,
  };
}

/**
 * Indexes live prices so that of equally specific ones an own price comes before one that was taken over, and that before
 * one that was taken over twice: the index breaks ties by the least id, and each taking over puts a `~` before it, which
 * sorts after everything an id begins with.
 */
export function indexLivePrices(prices: readonly LivePrice[]): PriceIndex<LivePrice> {
  const index = indexPrices(
    prices.map(price => ({
      id: `${'~'.repeat(price.takenBy.length)}${price.id}`,
      meterId: price.meterId,
      currency: price.currency,
      pattern: price.pattern,
      window: price.window,
      price,
    })),
  );

  return {
    match: (meterId, dimensions, currency, active) => index.match(meterId, dimensions, currency, active)?.price ?? null,
  };
}
