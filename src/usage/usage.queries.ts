import { formatDecimal } from '../money/index.js';
import { preparedQuery, query, type Scope } from '../platform/index.js';
import type { EventContent } from './content-hash.js';
import type { Fold } from './fold.rules.js';
import type { UsageItem } from './usage-item.rules.js';

/** An item that passed every check, with its content in the forms in which it is stored. */
export interface CheckedItem {
  readonly item: UsageItem;
  readonly content: EventContent;
}

/** Neither can occur in a checked text: control characters are refused, and JSON escapes them. */
const BREAK = '\n';
const NULL = '\u0001';

/**
 * Inserts the events that are new and returns the (id, source) keys of those that were there already. The items come in key
 * order, so that two batches with the same ids wait for each other instead of deadlocking, and differ in their keys.
 * Each column travels as one text that Postgres takes apart: writing arrays escapes every value, at a tenth of the cost of
 * accepting a batch. (A single empty source is no element to `string_to_array`, hence the coalesce.)
 */
export async function insertNewEvents(tx: Scope, items: readonly CheckedItem[], keyId: string): Promise<Set<string>> {
  const known = await preparedQuery<{ id: string; source: string }>(
    tx,
    `with given as materialized (
       select id, coalesce(source, '') as source, type, time, subject, properties, hash from unnest(
         string_to_array($4, E'\\n'), string_to_array($5, E'\\n'), string_to_array($6, E'\\n'),
         string_to_array($7, E'\\n'), string_to_array($8, E'\\n', E'\\x01'), string_to_array($9, E'\\n'),
         string_to_array($10, E'\\n')
       ) as given (id, source, type, time, subject, properties, hash)
     ), inserted as (
       insert into usage_event (tenant_id, id, source, type, time, subject, properties, content_hash, accepted_at, key_id)
       select $1, id, source, type, time::timestamptz, subject, properties::jsonb, decode(hash, 'hex'), $2, $3 from given
       on conflict do nothing returning id, source
     )
     select id, source from given where (id, source) not in (select id, source from inserted)`,
    [
      tx.tenantId,
      tx.now,
      keyId,
      items.map(({ item }) => item.id).join(BREAK),
      items.map(({ item }) => item.source).join(BREAK),
      items.map(({ item }) => item.type).join(BREAK),
      items.map(({ content }) => content.time).join(BREAK),
      items.map(({ item }) => item.subject ?? NULL).join(BREAK),
      items.map(({ content }) => content.properties).join(BREAK),
      items.map(({ content }) => content.hash).join(BREAK),
    ],
  );

  return new Set(known.map(row => eventKey(row.id, row.source)));
}

/** The content hashes of stored events, in hex, by key. */
export async function storedHashes(tx: Scope, items: readonly CheckedItem[]): Promise<Map<string, string>> {
  const rows = await query<{ id: string; source: string; hash: string }>(
    tx,
    `select s.id, s.source, encode(s.content_hash, 'hex') as hash from unnest($2::text[], $3::text[]) as e (id, source)
     join usage_event s on s.tenant_id = $1 and s.id = e.id and s.source = e.source`,
    [tx.tenantId, items.map(({ item }) => item.id), items.map(({ item }) => item.source)],
  );

  return new Map(rows.map(row => [eventKey(row.id, row.source), row.hash]));
}

/** One text for an event's identity; a NUL separates because neither part can hold one. */
export function eventKey(id: string, source: string): string {
  return `${id}\0${source}`;
}

const COMBINE = {
  ADD: 'quantity = b.quantity + excluded.quantity',
  MAX: 'quantity = greatest(b.quantity, excluded.quantity)',
  // By code point, whatever the language of the database, as the fold of a batch compares.
  LATEST: `quantity = case when (excluded.latest_time, excluded.latest_id collate "C") > (b.latest_time, b.latest_id collate "C") then excluded.quantity else b.quantity end,
     latest_time = greatest(b.latest_time, excluded.latest_time),
     latest_id = case when (excluded.latest_time, excluded.latest_id collate "C") > (b.latest_time, b.latest_id collate "C") then excluded.latest_id else b.latest_id end`,
  UNIQUE: 'quantity = b.quantity',
  LEVEL: 'quantity = b.quantity + excluded.quantity, moment = b.moment + excluded.moment',
} as const;

/** Folds a batch's new events into the buckets: one statement for each way of folding that occurs. */
export async function foldIntoBuckets(tx: Scope, folds: readonly Fold[]): Promise<void> {
  for (const kind of ['ADD', 'MAX', 'LATEST', 'UNIQUE', 'LEVEL'] as const) {
    const rows = folds.filter(fold => fold.kind === kind);

    if (rows.length === 0) {
      continue;
    }

    await preparedQuery(
      tx,
      `insert into usage_bucket as b (tenant_id, meter_id, slot, dimensions, quantity, event_count, latest_time, latest_id, counted${kind === 'LEVEL' ? ', moment' : ''})
       select $1, f.* from unnest($2::text[], $3::timestamptz[], $4::text[], $5::numeric[], $6::bigint[], $7::timestamptz[], $8::text[], $9::numeric[]${kind === 'LEVEL' ? ', $10::numeric[]' : ''}) as f
       on conflict (tenant_id, meter_id, slot, dimensions) do update
       set ${COMBINE[kind]}, event_count = b.event_count + excluded.event_count, counted = b.counted + excluded.counted`,
      [
        tx.tenantId,
        rows.map(fold => fold.meterId),
        rows.map(fold => new Date(fold.slot)),
        rows.map(fold => fold.dimensions),
        rows.map(fold => formatDecimal(fold.quantity)),
        rows.map(fold => fold.events),
        rows.map(fold => (kind === 'LATEST' ? new Date(fold.latestTime) : null)),
        rows.map(fold => (kind === 'LATEST' ? fold.latestId : null)),
        rows.map(fold => formatDecimal(fold.counted)),
        ...(kind === 'LEVEL' ? [rows.map(fold => formatDecimal(fold.moment))] : []),
      ],
    );

    if (kind === 'UNIQUE') {
      const values = rows.flatMap(fold => [...fold.uniques].sort().map(value => ({ fold, value })));
      await query(
        tx,
        `insert into usage_unique (tenant_id, meter_id, slot, dimensions, value)
         select $1, u.* from unnest($2::text[], $3::timestamptz[], $4::text[], $5::text[]) as u on conflict do nothing`,
        [
          tx.tenantId,
          values.map(({ fold }) => fold.meterId),
          values.map(({ fold }) => new Date(fold.slot)),
          values.map(({ fold }) => fold.dimensions),
          values.map(({ value }) => value),
        ],
      );
    }
  }
}

/**
 * Notes that usage of these months (UTC, as `yyyy-mm-01`) came in or has to be rated anew. Locks the months' rows, in their
 * order. A level that changed in `levelsFrom` reaches into every later month, so those up to now are touched too, and any
 * beyond that hold usage. A month up to now is made where it has no row: nobody can then make one in the meantime that
 * misses the change.
 */
export async function touchMonths(
  tx: Scope,
  months: readonly string[],
  levelsFrom: string | null = null,
): Promise<void> {
  const reached =
    levelsFrom === null
      ? ''
      : `union select generate_series($4::date, $3::timestamptz at time zone 'UTC', interval '1 month')::date
         union select month from usage_touch where tenant_id = $1 and month >= $4::date`;

  await preparedQuery(
    tx,
    `insert into usage_touch as t (tenant_id, month, n, touched_at)
     select $1, month, 1, $3 from (select unnest($2::date[]) as month ${reached}) touched order by month
     on conflict (tenant_id, month) do update set n = t.n + 1, touched_at = excluded.touched_at`,
    [tx.tenantId, [...months].sort(), tx.now, ...(levelsFrom === null ? [] : [levelsFrom])],
  );
}

/** Notes that all usage from an instant on has to be rated anew: the months that hold any. */
export async function touchFrom(tx: Scope, from: Date): Promise<void> {
  await query(
    tx,
    `update usage_touch set n = n + 1, touched_at = $3 where (tenant_id, month) in (
       select tenant_id, month from usage_touch where tenant_id = $1 and month >= $2::date order by month for update)`,
    [tx.tenantId, monthOf(from.toISOString()), tx.now],
  );
}

/** The month of an ISO instant in UTC, as `yyyy-mm-01`. */
export function monthOf(time: string): string {
  return `${time.slice(0, 7)}-01`;
}

/** How often each month was touched. */
export async function touches(tx: Scope): Promise<{ month: string; n: string }[]> {
  return query(tx, 'select month::text, n::text from usage_touch where tenant_id = $1 order by month', [tx.tenantId]);
}

/** What was used of one meter under one combination of dimensions in one segment of a period. */
export interface SegmentUsage {
  readonly meterId: string;
  readonly dimensions: string;
  /** 0 before the first cut, 1 from it on, … */
  readonly segment: number;
  readonly sum: string;
  readonly max: string;
  readonly latest: string | null;
  readonly unique: string;
  /** Of a level: the sum of its changes in the segment; null for other meters. */
  readonly change: string | null;
  /** Of a level: Σ change × milliseconds from its time to the end of the segment; null for other meters. */
  readonly integral: string | null;
  /** At what it was counted against limits of money when it came in. */
  readonly counted: string;
}

/**
 * Adds up the buckets of [start, end) by meter, dimensions and the segments that the cuts make. `unique` counts the
 * values that were first seen (within the period and those dimensions) in that segment. `levelIds` are the meters that
 * follow a level; it is integrated for those alone.
 */
export async function usageBySegment(
  tx: Scope,
  start: Date,
  end: Date,
  cuts: readonly Date[],
  levelIds: readonly string[] = [],
): Promise<SegmentUsage[]> {
  const hasLevels = levelIds.length > 0;
  // A change of a quarter hour holds from that one's end to the segment's; its moment is what it comes to before.
  const integral = hasLevels
    ? `trim_scale(sum(
           quantity * extract(epoch from ($6::timestamptz[])[width_bucket(slot, $4::timestamptz[]) + 1] - slot - interval '15 minutes') * 1000
           + moment
         ) filter (where meter_id = any ($5)))`
    : 'null::numeric';

  return query<SegmentUsage>(
    tx,
    `with seen as (
       select meter_id, dimensions, value, width_bucket(min(slot), $4::timestamptz[]) as segment
       from usage_unique where tenant_id = $1 and slot >= $2 and slot < $3 group by meter_id, dimensions, value
     ), counted as (
       select meter_id, dimensions, segment, count(*) as n from seen group by meter_id, dimensions, segment
     ), folded as (
       select meter_id, dimensions, width_bucket(slot, $4::timestamptz[]) as segment,
         sum(quantity) as sum, max(quantity) as max, trim_scale(sum(counted))::text as counted,
         (array_agg(quantity order by latest_time desc, latest_id desc) filter (where latest_time is not null))[1] as latest,
         ${integral} as integral
       from usage_bucket where tenant_id = $1 and slot >= $2 and slot < $3 group by 1, 2, 3
     )
     select f.meter_id as "meterId", f.dimensions, f.segment, f.sum::text, f.max::text, f.latest::text,
       coalesce(c.n, 0)::text as unique, case when f.integral is not null then f.sum::text end as change, f.integral::text,
       f.counted
     from folded f left join counted c using (meter_id, dimensions, segment)
     order by f.meter_id, f.dimensions, f.segment`,
    [tx.tenantId, start, end, cuts, ...(hasLevels ? [levelIds, [...cuts, end]] : [])],
  );
}

/** The level of one meter under one combination of dimensions. */
export interface Level {
  readonly meterId: string;
  readonly dimensions: string;
  /** A decimal other than 0. */
  readonly level: string;
}

/** The levels that the changes of these meters before an instant, which lies on a quarter hour, have left behind. */
export async function levelsBefore(tx: Scope, start: Date, levelIds: readonly string[]): Promise<Level[]> {
  return query<Level>(
    tx,
    `select meter_id as "meterId", dimensions, trim_scale(sum(quantity))::text as level from usage_bucket
     where tenant_id = $1 and meter_id = any ($3) and slot < $2
     group by meter_id, dimensions having sum(quantity) <> 0 order by meter_id, dimensions`,
    [tx.tenantId, start, levelIds],
  );
}
