import type { OutcomeTermsJson } from '../../../src/outcomes/outcome-terms.rules.js';
import type { PriceTermsJson } from '../../../src/pricing/price.rules.js';

/** One price for everything, in US dollars unless told otherwise. */
export const onePrice = (
  terms: PriceTermsJson,
  currency = 'USD',
  name = 'Price',
): OutcomeTermsJson['prices'][number] => ({
  name,
  currency,
  pattern: {},
  terms,
});

/** So much for every unit. */
export const each = (unitAmount: string, per = '1'): PriceTermsJson => ({ model: 'UNIT', unitAmount, per });

/** The plainest rule: every `claim` counts at once, at a dollar; and what is told otherwise. */
export function termsOf(given: Partial<OutcomeTermsJson> = {}): OutcomeTermsJson {
  return {
    claim: { eventType: 'claim', filter: '' },
    startedProperty: null,
    customerProperty: null,
    versionAnchor: 'OCCURRED',
    periodAnchor: 'OCCURRED',
    maturationHours: 0,
    exclusions: [],
    environment: null,
    evidence: [],
    verification: null,
    quality: null,
    attribution: null,
    dedupe: { scope: 'NONE', windowHours: null },
    exclusive: null,
    measure: 'UNITS',
    units: { property: null, per: '1', weights: [] },
    valueProperty: null,
    currencyProperty: null,
    humanShareProperty: null,
    attributes: [],
    prices: [onePrice(each('1'))],
    minimum: null,
    caps: [],
    reversal: null,
    guarantee: null,
    usage: null,
    dispute: null,
    sampleAudit: null,
    anomaly: null,
    ...given,
  };
}
