import { type Decimal } from '../money/index.js';
import type { Scope } from '../platform/index.js';
import type { Measure } from '../usage/index.js';
import { type LiveTerms, marginal, priceOf } from './live-terms.js';

/** A part of what an event used, with what it adds to the bill. */
export interface PricedPart {
  readonly meterId: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly quantity: Decimal;
  /** Null when there is no price for it, or no cost to mark up: unpriced is never zero. */
  readonly amount: Decimal | null;
}

/** What events cost as they come in: by the live terms, where the period stood a second ago. */
export class UsagePricer {
  constructor(private readonly live: LiveTerms) {}

  /** Reads what prices the scope's tenant has, so that `price` need not within the second. */
  async ready(scope: Scope): Promise<void> {
    await this.live.known(scope);
  }

  /** Prices what the scope's tenant used; the currency is that of its contract, null without one. */
  async price(
    scope: Scope,
    measures: readonly Measure[],
  ): Promise<{ readonly currency: string | null; readonly parts: readonly PricedPart[] }> {
    const known = await this.live.known(scope);
    const { terms } = known;
    const parts: PricedPart[] = [];

    for (const measure of measures) {
      const { meterId, quantity } = measure;
      const dimensions = JSON.parse(measure.dimensions) as Record<string, string>;
      const price = terms ? priceOf(terms, meterId, dimensions) : null;
      const priced =
        terms && price && (await this.live.pricedOf(scope, known, terms, { measure, price, dimensions, quantity }));
      const amount =
        price && priced ? marginal(price, await this.live.positionOf(scope, known, price), priced).amount : null;
      parts.push({ meterId, dimensions, quantity, amount });
    }

    return { currency: terms?.contract.currency ?? null, parts };
  }
}
