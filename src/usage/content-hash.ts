import { hash } from 'node:crypto';
import { canonicalJson } from '../platform/index.js';
import type { UsageItem } from './usage-item.rules.js';

/** What an event says, in the forms in which it is stored. */
export interface EventContent {
  /** SHA-256, in hex. */
  readonly hash: string;
  /** Canonical JSON of the properties: no raw line break or other control character. */
  readonly properties: string;
  /** ISO 8601 in UTC, with milliseconds. */
  readonly time: string;
}

/**
 * What an event says, hashed: SHA-256 over the canonical JSON of `{properties, subject, time, type}`. Two items with the
 * same id and the same hash are a retry; with another hash, a conflict. Key order, `1` or `1.0` and the zone a time was
 * written in make no difference. A time the sender left out counts as `null`, for a retry arrives at another moment.
 */
export function contentOf(item: UsageItem): EventContent {
  const properties = canonicalJson(item.properties);
  const time = item.time.toISOString();
  // The members in canonical order, written out: one call less per event, and no object.
  const text = `{"properties":${properties},"subject":${canonicalJson(item.subject)},"time":${
    item.timeGiven ? `"${time}"` : 'null'
  },"type":${canonicalJson(item.type)}}`;

  return { hash: hash('sha256', text, 'hex'), properties, time };
}
