export { PriceBookResolver, PriceBookVersionsResolver, PricesResolver } from './price-book.resolver.js';
export { Price, PriceBook, PriceBookVersion, pricingEntities } from './price-book.entity.js';
export { PriceBookType, PriceBookVersionType, PriceType } from './price-book.types.js';
export { PricingService, type LivePrice, type LiveVersion } from './pricing.service.js';
export { matchPrice } from './pattern.rules.js';
export { pricingModelJson } from './price.rules.js';
export { rateBetween, type Rated } from './rate.rules.js';
export { isQuarterHour } from './version.rules.js';
