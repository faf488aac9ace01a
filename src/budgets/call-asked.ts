import type { CallBody } from './call-request.js';
import type { CallAsked } from './holds.service.js';

/** The call that a body asks about, with what it leaves out. */
export function callAsked({
  eventType,
  model = null,
  serviceTier = null,
  tokens = [],
  properties = {},
  feature = null,
  region = null,
}: CallBody<'check'>): CallAsked {
  const named = tokens.map(({ kind, expected, most = null }) => ({ kind, expected, most }));

  return { estimate: { eventType, model, serviceTier, tokens: named, properties }, feature, region };
}
