import { hash } from 'node:crypto';
import { canonicalJson } from '../platform/index.js';
import type { UsageItem } from './usage-item.rules.js';

/**
 * What an event says, as 32 bytes: SHA-256 over the canonical JSON of `{properties, subject, time, type}`. Two items with the
 * same id and the same hash are a retry; with another hash, a conflict. Key order, `1` or `1.0` and the zone a time was
 * written in make no difference. A time the sender left out counts as `null`, for a retry arrives at another moment.
 */
export function contentHash(item: UsageItem): Buffer {
  // The members in canonical order, written out: one call less per event, and no object.
  const text = `{"properties":${canonicalJson(item.properties)},"subject":${canonicalJson(item.subject)},"time":${
    item.timeGiven ? `"${item.time.toISOString()}"` : 'null'
  },"type":${canonicalJson(item.type)}}`;

  return hash('sha256', text, 'buffer');
}
