export { rateStepJson, sentenceOf } from './explain.rules.js';
export { PriceBookResolver, PriceBookVersionsResolver, PricesResolver } from './price-book.resolver.js';
export { Price, PriceBook, PriceBookVersion, pricingEntities } from './price-book.entity.js';
export { looksAtEvents } from './price.rules.js';
export { PriceBookType, PriceBookVersionType } from './price-book.types.js';
export { PriceType } from './price.types.js';
export type { LivePrice, PriceDraft } from './price-draft.js';
export { PricingService, type LiveVersion } from './pricing.service.js';
export { isQuarterHour } from './version.rules.js';
