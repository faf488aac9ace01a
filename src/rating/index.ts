export { ChargeResolver } from './charge.resolver.js';
export { ChargeType } from './charge.types.js';
export { EstimateResolver } from './estimate.resolver.js';
export { EstimateService } from './estimate.service.js';
export { PeriodRating, periodToRate, type PeriodToRate, type UsageSource } from './period-rating.js';
export { ratingHandlers, ratingJobs } from './rating.jobs.js';
export { countUnpriced, lockRating, type ChargeRow } from './rating.queries.js';
export { RatingService, type RatedPeriod, type WhenRated } from './rating.service.js';
