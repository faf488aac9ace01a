import { type Decimal, decimal, ZERO } from '../money/index.js';
import type { Scope } from '../platform/index.js';
import type { LivePrice } from '../pricing/index.js';
import type { Measure } from '../usage/index.js';
import { keyOf } from './charge.rules.js';
import { type Known, type LiveTerms, marginal, priceOf, type Terms } from './live-terms.js';

/** A part of what an event used, with what it adds to the bill. */
export interface PricedPart {
  readonly meterId: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly quantity: Decimal;
  /**
   * Null when there is no price for it, or no cost to mark up: unpriced is never zero. What a meter that does not add up comes
   * to is known when it is rated, and 0 until then.
   */
  readonly amount: Decimal | null;
}

/** What events cost as they come in: by the terms of the time of each, from where the period stood a second ago. */
export class UsagePricer {
  constructor(private readonly live: LiveTerms) {}

  /** Reads what prices the scope's tenant has, so that `price` need not within the second. */
  async ready(scope: Scope): Promise<void> {
    await this.live.known(scope);
  }

  /**
   * Prices what the scope's tenant used, one after the other: what comes later is priced from where what came before has
   * left its tiers. The currency is that of its contract of now, or of the first event that has one; null without any.
   */
  async price(
    scope: Scope,
    measures: readonly Measure[],
  ): Promise<{ readonly currency: string | null; readonly parts: readonly PricedPart[] }> {
    const known = await this.live.known(scope);
    const reached = new Map<Terms['reached'], Map<string, Decimal>>();
    const parts: PricedPart[] = [];
    let currency = known.terms?.contract.currency ?? null;

    for (const measure of measures) {
      const { meterId, quantity, time } = measure;
      const dimensions = JSON.parse(measure.dimensions) as Record<string, string>;
      const terms = await this.live.termsAt(scope, known, time);
      const price = terms && priceOf(terms, meterId, dimensions);
      currency ??= terms?.contract.currency ?? null;
      parts.push({
        meterId,
        dimensions,
        quantity,
        amount:
          terms && price ? await this.#amountOf(scope, known, { terms, price, measure, dimensions, reached }) : null,
      });
    }

    return { currency, parts };
  }

  async #amountOf(
    scope: Scope,
    known: Known,
    {
      terms,
      price,
      measure,
      dimensions,
      reached,
    }: {
      readonly terms: Terms;
      readonly price: LivePrice;
      readonly measure: Measure;
      readonly dimensions: Readonly<Record<string, string>>;
      readonly reached: Map<Terms['reached'], Map<string, Decimal>>;
    },
  ): Promise<Decimal | null> {
    if (measure.kind !== 'ADD') {
      return ZERO;
    }

    const { quantity } = measure;
    const priced = await this.live.pricedOf(scope, known, terms, { measure, price, dimensions, quantity });

    if (!priced) {
      return null;
    }

    const before = reached.get(terms.reached) ?? new Map<string, Decimal>();
    const position = before.get(keyOf(price)) ?? (await this.live.positionOf(scope, terms, price));
    reached.set(terms.reached, before.set(keyOf(price), decimal(position.plus(priced))));

    return marginal(price, position, priced).amount;
  }
}
