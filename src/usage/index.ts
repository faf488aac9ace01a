export { parseExactly } from './exact-json.js';
export { readUsageBody } from './usage-body.js';
export { touches, touchFrom, usageBySegment, type SegmentUsage } from './usage.queries.js';
export { UsageResolver } from './usage.resolver.js';
export { UsageService, type UsageReceipt } from './usage.service.js';
