import { decimal, sum } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';
import type { QuarterHourCount } from './event-density.rules.js';
import type { Baseline, ModelBands } from './simulation.rules.js';

/** A simulation as a worker takes it up. */
export interface ClaimedSimulation {
  readonly id: string;
  readonly sellerId: string;
  readonly priceBookId: string;
  readonly versionId: string;
  readonly from: Date;
  readonly until: Date;
  readonly baseline: Baseline;
  readonly modelContexts: readonly ModelBands[];
  /** Whether its tenants were named: then the periods of all their contracts count, not only those on the book. */
  readonly namesTenants: boolean;
  readonly subjectIds: readonly string[];
  readonly eventsTotal: string | null;
}

/** A new simulation, before anybody has looked at it. */
export type NewSimulation = Omit<ClaimedSimulation, 'eventsTotal'>;

/** Writes a simulation that waits to be run. */
export async function insertSimulation(tx: Scope, simulation: NewSimulation): Promise<void> {
  await query(
    tx,
    `insert into simulation (tenant_id, id, seller_id, price_book_id, version_id, from_at, until_at, baseline,
       model_contexts, names_tenants, subject_ids, status, tenants_total, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'QUEUED', cardinality($11::text[]), $12)`,
    [
      tx.tenantId,
      simulation.id,
      simulation.sellerId,
      simulation.priceBookId,
      simulation.versionId,
      simulation.from,
      simulation.until,
      simulation.baseline,
      JSON.stringify(simulation.modelContexts),
      simulation.namesTenants,
      simulation.subjectIds,
      tx.now,
    ],
  );
}

/**
 * Takes a simulation that nobody holds, for half a minute; null when somebody holds it or it has ended. The database's
 * clock counts, because several servers' clocks disagree.
 */
export async function claim(tx: Scope, id: string, lease: string): Promise<ClaimedSimulation | null> {
  const [row] = await query<ClaimedSimulation>(
    tx,
    `update simulation set status = 'RUNNING', lease = $3, leased_until = clock_timestamp() + interval '30 seconds',
       started_at = coalesce(started_at, $4)
     where tenant_id = $1 and id = $2 and status in ('QUEUED', 'RUNNING')
       and (leased_until is null or leased_until < clock_timestamp())
     returning id, seller_id as "sellerId", price_book_id as "priceBookId", version_id as "versionId", from_at as "from",
       until_at as "until", baseline, model_contexts as "modelContexts", names_tenants as "namesTenants",
       subject_ids as "subjectIds", events_total::text as "eventsTotal"`,
    [tx.tenantId, id, lease, tx.now],
  );

  return row ?? null;
}

/** A charge of one period, for what was paid. */
export interface ChargedRow {
  readonly id: string;
  readonly price_id: string;
  readonly price_name: string;
  readonly meter_id: string | null;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly generation: number;
  readonly quantity: string;
  readonly amount: string;
  /** The dimensions that its explanation names, if it names any. */
  readonly pattern: Readonly<Record<string, string>> | null;
}

/** The charges for usage of one period of a contract, all generations of them; no version of a book asks for outcomes. */
export async function chargesOf(tx: Scope, contractId: string, periodStart: Date): Promise<ChargedRow[]> {
  return query<ChargedRow>(
    tx,
    `select id, price_id, price_name, meter_id, period_start, period_end, generation, quantity, amount,
       explanation->'dimensions' as pattern
     from charge where tenant_id = $1 and contract_id = $2 and period_start = $3 and price_version_id not like 'orv\\_%'
     order by id`,
    [tx.tenantId, contractId, periodStart],
  );
}

/** How many combinations of meter and dimensions had no price in a period of a contract; outcomes are not in it. */
export async function countUnpricedUsage(tx: Scope, contractId: string, start: Date, end: Date): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from unpriced_usage
     where tenant_id = $1 and contract_id = $2 and period_start >= $3 and period_start < $4
       and meter_id not like 'orl\\_%'`,
    [tx.tenantId, contractId, start, end],
  );

  return row?.n ?? 0;
}

/**
 * How many events of the tenant there are in a stretch of time, about, by its buckets: of each type those of the meter
 * that counted most, of a token meter those of the kind of tokens that most requests have.
 */
export async function estimateEvents(
  tx: Scope,
  stretch: { readonly from: Date; readonly until: Date },
  typeOf: (meterId: string) => string,
): Promise<number> {
  const rows = await query<{ meterId: string; n: string }>(
    tx,
    `select meter_id as "meterId", max(n)::text as n from (
       select meter_id, sum(event_count) as n from usage_bucket where tenant_id = $1 and slot >= $2 and slot < $3
       group by meter_id, substring(dimensions from '"token_kind":"([^"]*)"')
     ) kinds group by meter_id`,
    [tx.tenantId, stretch.from, stretch.until],
  );
  const byType = Map.groupBy(rows, row => typeOf(row.meterId));
  const most = [...byType.values()].map(group =>
    group.map(row => decimal(row.n)).reduce((best, n) => (n.gt(best) ? n : best)),
  );

  return sum(most).toNumber();
}

/** How many events lie in each quarter hour of a stretch of time, at most about: every meter's own count added up. */
export async function eventDensity(
  tx: Scope,
  stretch: { readonly from: Date; readonly until: Date },
): Promise<QuarterHourCount[]> {
  const rows = await query<{ slot: Date; n: number }>(
    tx,
    `select slot, sum(n)::int as n from (
       select slot, meter_id, max(n) as n from (
         select slot, meter_id, sum(event_count) as n from usage_bucket where tenant_id = $1 and slot >= $2 and slot < $3
         group by slot, meter_id, substring(dimensions from '"token_kind":"([^"]*)"')
       ) kinds group by slot, meter_id
     ) meters group by slot order by slot`,
    [tx.tenantId, stretch.from, stretch.until],
  );

  return rows.map(({ slot, n }) => ({ start: slot.getTime(), events: n }));
}

/** The buyers with a contract on a book of the scope's tenant (the seller) within a stretch of time: up to `limit`, by id. */
export async function buyersOn(
  seller: Scope,
  priceBookId: string,
  stretch: { readonly from: Date; readonly until: Date },
  limit: number,
): Promise<string[]> {
  const rows = await query<{ id: string }>(
    seller,
    `select distinct tenant_id as id from contract where seller_id = $1 and price_book_id = $2
       and starts_at < $4 and (ends_at is null or ends_at > $3) order by 1 limit $5`,
    [seller.tenantId, priceBookId, stretch.from, stretch.until, limit],
  );

  return rows.map(({ id }) => id);
}
