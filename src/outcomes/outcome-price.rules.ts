import type { Decimal } from '../money/index.js';
import { indexPrices } from '../pricing/price-index.rules.js';
import { rate } from '../pricing/rate.rules.js';
import type { OutcomePrice, OutcomeTerms } from './outcome-terms.rules.js';

/** Finds among the prices of a version the one of an outcome. */
export interface OutcomePrices {
  /** The most specific price for the attributes in the currency; null where the outcome has none. */
  match(attributes: Readonly<Record<string, string>>, currency: string): OutcomePrice | null;
}

/** What of an outcome its price looks at. */
export interface PricedOutcome {
  readonly attributes: Readonly<Record<string, string>>;
  readonly units: Decimal;
  readonly value: Decimal | null;
}

/** Prices of outcomes have no windows. */
const NO_WINDOWS: ReadonlySet<string> = new Set();

/** Outcomes of a rule are one thing that is counted; prices are matched as those of one meter. */
const ONE_METER = '';

/** A price as matching takes it: its name is unique within the version. */
export function bindingOf(price: Omit<OutcomePrice, 'terms'>) {
  const { name, currency, pattern } = price;

  return { id: name, meterId: ONE_METER, currency, pattern, window: null };
}

/** Lays the prices of a version out for matching. */
export function indexOutcomePrices(prices: readonly OutcomePrice[]): OutcomePrices {
  const index = indexPrices(prices.map(price => ({ ...bindingOf(price), price })));

  return { match: (attributes, currency) => index.match(ONE_METER, attributes, currency, NO_WINDOWS)?.price ?? null };
}

/** What a price of the version prices of an outcome: its units, or its value; null where it has none. */
function quantityOf({ measure }: Pick<OutcomeTerms, 'measure'>, outcome: PricedOutcome): Decimal | null {
  return measure === 'VALUE' ? outcome.value : outcome.units;
}

/** What one such outcome costs by itself, exact, counted from zero; null where no price is for it. */
export function listAmountOf(
  terms: Pick<OutcomeTerms, 'measure'>,
  prices: OutcomePrices,
  outcome: PricedOutcome,
  currency: string,
): Decimal | null {
  const price = prices.match(outcome.attributes, currency);
  const quantity = quantityOf(terms, outcome);

  return price && quantity && rate(price.terms, { quantity }).amount;
}
