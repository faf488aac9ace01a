import type { InForce, PlanMeters } from './import-plan.rules.js';
import { unitOf } from './import-plan.rules.js';
import type { Price } from './price-book.entity.js';
import type { PriceDraft } from './price-draft.js';
import type { ImportRow } from './price-import.queries.js';
import { priceKey } from './proposal.rules.js';

/** Prices of a list are in this currency, always. */
export const LIST_CURRENCY = 'USD';
/** A key longer than this is none that a list could propose; an index takes no longer ones. */
export const MOST_KEY = 600;

/** Prices of a version that a list can speak of: of one model, in dollars, always in force. The others stay as they are. */
export function pricesInForce(prices: readonly Price[], meters: PlanMeters): readonly InForce[] {
  return prices.flatMap(({ id, meterId, name, currency, pattern, window, terms, source }) => {
    const unit = unitOf(meters, meterId, pattern);
    const model = pattern['model'];
    const key = unit ? priceKey(unit, pattern) : '';

    if (!unit || !model || model.endsWith('*') || currency !== LIST_CURRENCY || window || key.length > MOST_KEY) {
      return [];
    }

    const now = { name, unit, dimensions: pattern, meterId, terms, source: source ?? null, fields: [], priceId: id };

    return [{ key, model, now }];
  });
}

/** The prices of a version with what was approved: changed in place, without those removed, and the new ones at the end. */
export function withChanges(current: readonly Price[], approved: readonly ImportRow[]): PriceDraft[] {
  const changes = new Map(approved.flatMap(row => (row.before ? [[row.before.priceId, row] as const] : [])));
  const kept = current.flatMap(({ id, meterId, name, currency, pattern, window, terms, source }): PriceDraft[] => {
    const change = changes.get(id);
    const price = { meterId, name, currency, pattern, window: window ?? null, terms, source: source ?? null };

    if (!change) {
      return [price];
    }

    return change.proposed ? [{ ...price, terms: change.proposed.terms, source: change.proposed.source }] : [];
  });
  const added = approved.flatMap(({ before, proposed }): PriceDraft[] =>
    proposed && !before
      ? [
          {
            meterId: proposed.meterId ?? '',
            name: proposed.name,
            currency: LIST_CURRENCY,
            pattern: proposed.dimensions,
            terms: proposed.terms,
            source: proposed.source,
          },
        ]
      : [],
  );

  return [...kept, ...added];
}
