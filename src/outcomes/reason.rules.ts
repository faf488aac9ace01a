/**
 * The reasons that judging gives by itself. A rule's exclusions have reasons of their own, and none of these: whoever
 * reads a reason knows who said it.
 */
export const BUILT_IN_REASONS: ReadonlySet<string> = new Set([
  'CAP_EXHAUSTED',
  'CURRENCY_MISMATCH',
  'DISPUTE_ACCEPTED',
  'DISPUTE_UNANSWERED',
  'DUPLICATE',
  'EVIDENCE_MISSING',
  'GUARANTEE',
  'NO_PRICE',
  'OUTSIDE_ATTRIBUTION',
  'PARTIAL_WITHOUT_VALUE',
  'QUALITY_BELOW',
  'QUALITY_MISSING',
  'REVERSED',
  'SANDBOX',
  'SELF_DECISION',
  'SELF_VERIFICATION',
  'SHARE_INVALID',
  'STARTED_INVALID',
  'SUPERSEDED',
  'TEST_ENVIRONMENT',
  'UNITS_INVALID',
  'UNITS_MISSING',
  'UNVERIFIED',
  'VALUE_INVALID',
  'VALUE_MISSING',
  'VERIFICATION_FAILED',
]);
