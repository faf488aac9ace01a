import { query, type Scope } from '../platform/index.js';
import type { MeteredEvent } from './measure.js';

/** An event as it was accepted. */
export interface StoredEvent extends MeteredEvent {
  readonly content_hash: Buffer;
  readonly accepted_at: Date;
}

/** Where an event stands in time; a list goes on after it. */
export interface EventPlace {
  readonly time: Date;
  readonly id: string;
  readonly source: string;
}

/** Events of a window, latest first, after a (time, id, source) place: up to `limit`. */
export async function eventsWithin(
  tx: Scope,
  window: { readonly from: Date; readonly until: Date },
  after: EventPlace | null,
  limit: number,
): Promise<StoredEvent[]> {
  return query<StoredEvent>(
    tx,
    `select id, source, type, time, subject, properties, content_hash, accepted_at from usage_event
     where tenant_id = $1 and time >= $2 and time < $3
       and ($4::timestamptz is null or (time, id, source) < ($4, $5, $6))
     order by time desc, id desc, source desc limit $7`,
    [tx.tenantId, window.from, window.until, after?.time ?? null, after?.id ?? null, after?.source ?? null, limit],
  );
}

const LEAST_STRETCH_MS = 900_000;
const MOST_STRETCH_MS = 86_400_000;

/**
 * Events of a window in the order of time, id and source (by code point), after a place: up to `limit`, to be measured
 * again as they were measured when they came. Fewer than `limit` are the last ones.
 *
 * Properties are as the intake read them: a number there is one that a double carries, so it is stored and parsed as that
 * same double; any other is a string.
 *
 * Events lie nearly in time order and are found by block ranges, without an index that every insert would pay for. A whole
 * window would be read and sorted for each page of it, so a page is looked for stretch by stretch, each twice as long as
 * the one before: it reads little more than it answers. Who knows how thickly the events lie says where to begin.
 */
export async function streamEvents(
  tx: Scope,
  window: { readonly from: Date; readonly until: Date },
  after: EventPlace | null,
  limit = 5_000,
  firstStretchMs = LEAST_STRETCH_MS,
): Promise<MeteredEvent[]> {
  const found: MeteredEvent[] = [];
  // No id is empty, so this lies before every event of that instant.
  let place = after ?? { time: window.from, id: '', source: '' };
  let stretch = firstStretchMs;

  while (found.length < limit && place.time < window.until) {
    const until = new Date(Math.min(place.time.getTime() + stretch, window.until.getTime()));
    found.push(
      ...(await query<MeteredEvent>(
        tx,
        `select id, source, type, time, subject, properties from usage_event
         where tenant_id = $1 and time >= $2 and time < $3
           and (time, id collate "C", source collate "C") > ($2, $4, $5)
         order by time, id collate "C", source collate "C" limit $6`,
        [tx.tenantId, place.time, until, place.id, place.source, limit - found.length],
      )),
    );
    place = { time: until, id: '', source: '' };
    stretch = Math.min(stretch * 2, Math.max(MOST_STRETCH_MS, firstStretchMs));
  }

  return found;
}
