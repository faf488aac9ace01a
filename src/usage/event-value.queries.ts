import { formatDecimal, type Decimal } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';

/** What one event added to one bucket of a meter that keeps its events. */
export interface KeptValue {
  readonly meterId: string;
  /** Which of several values of the event and meter, from 0. */
  readonly part: number;
  readonly slot: number;
  readonly dimensions: string;
  readonly time: Date;
  readonly id: string;
  readonly source: string;
  /** The event's. */
  readonly subject: string | null;
  readonly quantity: Decimal;
}

/** Keeps the values of new events, which are stored already. An event is new once, and so are they. */
export async function insertValues(tx: Scope, values: readonly KeptValue[]): Promise<void> {
  if (values.length === 0) {
    return;
  }

  await query(
    tx,
    `insert into usage_value (tenant_id, time, id, source, meter_id, part, slot, dimensions, value, subject)
     select $1, v.* from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::timestamptz[],
       $8::text[], $9::numeric[], $10::text[]) as v (time, id, source, meter_id, part, slot, dimensions, value, subject)`,
    [
      tx.tenantId,
      values.map(({ time }) => time),
      values.map(({ id }) => id),
      values.map(({ source }) => source),
      values.map(({ meterId }) => meterId),
      values.map(({ part }) => part),
      values.map(({ slot }) => new Date(slot)),
      values.map(({ dimensions }) => dimensions),
      values.map(({ quantity }) => formatDecimal(quantity)),
      values.map(({ subject }) => subject),
    ],
  );
}

/** The value of one event, as prices that look at single events read it. */
export interface EventValue {
  /** The event's. */
  readonly id: string;
  readonly source: string;
  readonly meterId: string;
  /** Canonical JSON, the key of the event's bucket. */
  readonly dimensions: string;
  readonly time: Date;
  /** A decimal. */
  readonly value: string;
}

interface EventValueRow extends EventValue {
  readonly part: number;
}

const PAGE = 5_000;

/**
 * The kept values of these meters in [start, end), in the order of time, id and source (by code point), one by one; a page
 * of them is in memory at a time.
 */
export async function* eventValues(
  tx: Scope,
  meterIds: readonly string[],
  start: Date,
  end: Date,
): AsyncGenerator<EventValue, void, undefined> {
  // No id is empty, so this lies before every value of that instant.
  let place: Omit<EventValueRow, 'dimensions' | 'value'> = { time: start, id: '', source: '', meterId: '', part: 0 };
  let rows: EventValueRow[];

  do {
    rows = await query<EventValueRow>(
      tx,
      `select meter_id as "meterId", part, dimensions, time, id, source, value::text from usage_value
       where tenant_id = $1 and time >= $2 and time < $3 and meter_id = any ($4)
         and (time, id, source, meter_id, part) > ($2, $5, $6, $7, $8)
       order by time, id, source, meter_id, part limit $9`,
      [tx.tenantId, place.time, end, meterIds, place.id, place.source, place.meterId, place.part, PAGE],
    );

    for (const { id, source, meterId, dimensions, time, value } of rows) {
      yield { id, source, meterId, dimensions, time, value };
    }

    place = rows.at(-1) ?? place;
  } while (rows.length === PAGE);
}
