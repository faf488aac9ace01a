import { type Decimal, ZERO } from '../money/index.js';
import type { BillableOutcome } from '../outcomes/billable.rules.js';
import { looksAtEvents } from '../pricing/price.rules.js';
import type { RatedPrice } from './facts.rules.js';
import { type OutcomePricer, pricerAfter } from './outcome-pricer.rules.js';
import type { RulePrices } from './outcome-prices.rules.js';

/**
 * Goes over the outcomes of a period one by one and says what each adds to what its price has come to. A price begins at the
 * quantity that was taken before it for the attributes that it matches, by whichever version, as `duesOf` has it carry over.
 */
export class OutcomeWalk {
  /** What was taken so far, by attributes. */
  readonly #taken = new Map<string, Decimal>();
  /** The same one by one, in order, where some price looks at single outcomes. */
  readonly #singles: { readonly attributes: string; readonly quantity: Decimal }[] = [];
  readonly #pricers = new Map<RatedPrice, OutcomePricer>();
  /** The versions that have priced anything: their prices follow what others take. */
  readonly #versionIds = new Set<string>();
  readonly #keepsSingles: boolean;

  constructor(private readonly prices: RulePrices) {
    this.#keepsSingles = prices.looksAtSingles;
  }

  /** What the next outcome would add; null when it has no price. Changes nothing. */
  peek(outcome: BillableOutcome): Decimal | null {
    const price = this.prices.priceOf(outcome.versionId, outcome.attributes);

    return price && this.#pricer(price, outcome.versionId).peek(this.prices.quantityOf(outcome));
  }

  /** Has the outcome counted, and says what it added; null when it has no price. */
  take(outcome: BillableOutcome): Decimal | null {
    const { versionId, attributes } = outcome;
    const price = this.prices.priceOf(versionId, attributes);
    const quantity = this.prices.quantityOf(outcome);
    const added = price && this.#pricer(price, versionId).take(quantity);
    this.#note(attributes, quantity, versionId);

    return added;
  }

  /** Has the outcome counted for the prices of other versions, whatever it adds to its own. */
  pass(outcome: BillableOutcome): void {
    this.#note(outcome.attributes, this.prices.quantityOf(outcome), outcome.versionId);
  }

  #note(attributes: string, quantity: Decimal, versionId: string): void {
    this.#taken.set(attributes, (this.#taken.get(attributes) ?? ZERO).plus(quantity));

    if (this.#keepsSingles) {
      this.#singles.push({ attributes, quantity });
    }

    for (const other of this.#versionIds) {
      const price = other === versionId ? null : this.prices.priceOf(other, attributes);

      if (price) {
        this.#pricers.get(price)?.take(quantity);
      }
    }
  }

  #pricer(price: RatedPrice, versionId: string): OutcomePricer {
    const known = this.#pricers.get(price);

    if (known) {
      return known;
    }

    const isOwn = (attributes: string) => this.prices.priceOf(versionId, attributes) === price;
    const before = looksAtEvents(price.terms)
      ? this.#singles.filter(({ attributes }) => isOwn(attributes)).map(({ quantity }) => quantity)
      : [...this.#taken].filter(([attributes]) => isOwn(attributes)).map(([, quantity]) => quantity);
    const pricer = pricerAfter(price.terms, before);
    this.#pricers.set(price, pricer);
    this.#versionIds.add(versionId);

    return pricer;
  }
}
