import type { OutcomeTermsJson } from './outcome-terms.rules.js';

type InCurrency = { readonly amount: { readonly currency: string } | null };

/**
 * What a buyer is told of the terms of a version: all that two sides agree on, and of what is said in money only what is in
 * a currency of its contracts. The rest is for others, and has no bearing on it.
 */
export function agreedTerms(terms: OutcomeTermsJson, currencies: ReadonlySet<string>): OutcomeTermsJson {
  const concerns = ({ amount }: InCurrency): boolean => amount === null || currencies.has(amount.currency);

  return {
    ...terms,
    prices: terms.prices.filter(({ currency }) => currencies.has(currency)),
    minimum: terms.minimum && concerns(terms.minimum) ? terms.minimum : null,
    caps: terms.caps.filter(concerns),
  };
}
