export { PriceBookResolver, PriceBookVersionsResolver, PricesResolver } from './price-book.resolver.js';
export { Price, PriceBook, PriceBookVersion, pricingEntities } from './price-book.entity.js';
export { PriceBookType, PriceBookVersionType, PriceType } from './price-book.types.js';
export { PricingService, type LivePrice, type LiveVersion } from './pricing.service.js';
export { isQuarterHour } from './version.rules.js';
