export { catalogEntities, Meter, Model } from './catalog.entity.js';
export { CatalogResolver } from './catalog.resolver.js';
export { MeterType, ModelType } from './catalog.types.js';
export { CatalogService, type LiveMeter } from './catalog.service.js';
export { readDimensions, readQuantity, type MeterDefinition } from './meter.rules.js';
