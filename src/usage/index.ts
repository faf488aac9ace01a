export { eventValues, type EventValue } from './event-value.queries.js';
export { parseExactly } from './exact-json.js';
export { slotOf, foldMeasures, type Fold, type Measure } from './fold.rules.js';
export { measureEvent, type MeasureRefusal, type MeteredEvent } from './measure.js';
export { propertiesFault } from './properties.rules.js';
export { lockRating } from './rating-lock.js';
export { type EventPlace, streamEvents } from './stored-event.queries.js';
export { readUsageBody } from './usage-body.js';
export {
  type Level,
  levelsBefore,
  monthOf,
  touches,
  touchFrom,
  touchMonths,
  usageBySegment,
  type SegmentUsage,
} from './usage.queries.js';
export { type AcceptedUsage, type Reckoning, type SentBy, type UsageCounts, type UsageIntake } from './usage-intake.js';
export { UsageResolver } from './usage.resolver.js';
export { type MeasuredBatch, type MeasuredItem, UsageService, type UsageReceipt } from './usage.service.js';
