import type { Decimal } from '../money/index.js';
import type { Discount } from '../pricing/discount-terms.rules.js';
import type { InheritedFrom } from '../pricing/live-price.rules.js';
import type { PriceTerms } from '../pricing/price.rules.js';
import type { PriceIndex } from '../pricing/price-index.rules.js';
import type { PriceWindow } from '../pricing/window.rules.js';
import type { Piece, Segment, Stretch } from './piece.rules.js';
import type { Series } from './series.rules.js';

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

/** Why usage has no price: none matches, or it is priced on a cost that nobody has entered. */
export type UnpricedReason = 'NO_PRICE' | 'NO_COST';

/** Usage without a price, or without the cost that a COST_PLUS price marks up. */
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
