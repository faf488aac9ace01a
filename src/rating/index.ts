export { invoicedVersions } from './charged-versions.queries.js';
export { ChargeResolver } from './charge.resolver.js';
export { ChargeType } from './charge.types.js';
export { EstimateResolver } from './estimate.resolver.js';
export { EstimateService, type EstimateRequest } from './estimate.service.js';
export { rateOnTrial, type RatedOnTrial } from './judged-outcomes.js';
export type { AllocatedOutcome } from './outcome-allocation.rules.js';
export { allocatePeriod, type OutcomePeriod, type OutcomesRating } from './outcome-rating.js';
export {
  OutcomeCostResolver,
  OutcomeDisputeHeldResolver,
  OutcomeRuleFiguresResolver,
} from './outcome-figures.resolver.js';
export { LiveTerms } from './live-terms.js';
export { UsagePricer, type PricedPart } from './usage-pricer.js';
export { OutcomeMarginService } from './outcome-margin.service.js';
export { OutcomeStatsService } from './outcome-stats.service.js';
export { PeriodRating, periodToRate, type PeriodToRate, type UsageSource } from './period-rating.js';
export { ratingHandlers, ratingJobs } from './rating.jobs.js';
export { countUnpriced, itemOfRow, outcomeRuleOf, type ChargeRow } from './rating.queries.js';
export { SoftCapsService } from './soft-caps.js';
export { fallbacksOf, replacementsOf, type Replacement } from './usage-relation.rules.js';
export { RatingService, type RatedPeriod, type WhenRated } from './rating.service.js';
