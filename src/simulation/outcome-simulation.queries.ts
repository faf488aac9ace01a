import { formatDecimal, type Decimal } from '../money/index.js';
import type { OutcomeEvent } from '../outcomes/index.js';
import { DomainError, page, query, type PageArguments, type Scope } from '../platform/index.js';
import type { EventPlace } from '../usage/index.js';
import type { OutcomeSide } from './outcome-simulation.rules.js';
import type { ReplayedPeriod } from './tenant-replay.js';

/** A simulation of an outcome rule as a worker takes it up. */
export interface ClaimedOutcomeSimulation {
  readonly id: string;
  readonly priceBookId: string;
  readonly ruleId: string;
  readonly versionId: string;
  readonly from: Date;
  readonly until: Date;
  readonly subjectIds: readonly string[];
  readonly eventsTotal: string | null;
  /** When it was asked for: outcomes are judged as of then, whenever it runs. */
  readonly createdAt: Date;
}

/** Writes a simulation that waits to be run. */
export async function insertOutcomeSimulation(
  tx: Scope,
  simulation: Omit<ClaimedOutcomeSimulation, 'eventsTotal' | 'createdAt'>,
): Promise<void> {
  await query(
    tx,
    `insert into outcome_simulation (tenant_id, id, price_book_id, rule_id, version_id, from_at, until_at, subject_ids,
       status, tenants_total, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'QUEUED', cardinality($8::text[]), $9)`,
    [
      tx.tenantId,
      simulation.id,
      simulation.priceBookId,
      simulation.ruleId,
      simulation.versionId,
      simulation.from,
      simulation.until,
      simulation.subjectIds,
      tx.now,
    ],
  );
}

/** Takes a simulation that nobody holds, for half a minute, by the database's clock; null when it cannot be had. */
export async function claimOutcomeSimulation(
  tx: Scope,
  id: string,
  lease: string,
): Promise<ClaimedOutcomeSimulation | null> {
  const [row] = await query<ClaimedOutcomeSimulation>(
    tx,
    `update outcome_simulation set status = 'RUNNING', lease = $3,
       leased_until = clock_timestamp() + interval '30 seconds', started_at = coalesce(started_at, $4)
     where tenant_id = $1 and id = $2 and status in ('QUEUED', 'RUNNING')
       and (leased_until is null or leased_until < clock_timestamp())
     returning id, price_book_id as "priceBookId", rule_id as "ruleId", version_id as "versionId", from_at as "from",
       until_at as "until", subject_ids as "subjectIds", events_total::text as "eventsTotal", created_at as "createdAt"`,
    [tx.tenantId, id, lease, tx.now],
  );

  return row ?? null;
}

/** How many events of these types the tenant has from an instant on; `most` and one more at most. */
export async function countEvents(tx: Scope, from: Date, types: readonly string[], most: number): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from (
       select from usage_event where tenant_id = $1 and time >= $2 and type = any ($3::text[]) limit $4
     ) events`,
    [tx.tenantId, from, types, most + 1],
  );

  return row?.n ?? 0;
}

/** A stored event that rules name, whether or not any of them was published when it came. */
export interface TypedEvent extends Omit<OutcomeEvent, 'properties'> {
  /** Null where the event is kept as a fact of outcomes already. */
  readonly properties: OutcomeEvent['properties'] | null;
}

const LONGEST_STRETCH_MS = 86_400_000 * 32;

/**
 * Stored events of these types in [from, until) in the order of time, id and source (by code point), after a place: up to
 * `limit`; fewer are the last ones. Events are found by block ranges, so a page is looked for stretch by stretch, each
 * twice as long as the one before.
 */
export async function eventsOfTypes(
  tx: Scope,
  stretch: { readonly from: Date; readonly until: Date },
  types: readonly string[],
  after: EventPlace | null,
  limit: number,
): Promise<TypedEvent[]> {
  const found: TypedEvent[] = [];
  let place = after ?? { time: stretch.from, id: '', source: '' };
  let length = 3_600_000;

  while (found.length < limit && place.time < stretch.until) {
    const until = new Date(Math.min(place.time.getTime() + length, stretch.until.getTime()));
    found.push(
      ...(await query<TypedEvent>(
        tx,
        `select u.id, u.source, u.type, u.time, u.subject, e.customer,
           case when e.id is null then u.properties end as properties, u.key_id as "keyId",
           coalesce(e.party, case when k.id is null then 'SELLER' else 'BUYER' end) as party
         from usage_event u
           left join outcome_event e on e.tenant_id = u.tenant_id and e.id = u.id and e.source = u.source
           left join api_key k on k.tenant_id = u.tenant_id and k.id = u.key_id
         where u.tenant_id = $1 and u.time >= $2 and u.time < $3 and u.type = any ($7::text[])
           and (u.time, u.id collate "C", u.source collate "C") > ($2, $4, $5)
         order by u.time, u.id collate "C", u.source collate "C" limit $6`,
        [tx.tenantId, place.time, until, place.id, place.source, limit - found.length, types],
      )),
    );
    place = { time: until, id: '', source: '' };
    length = Math.min(length * 2, LONGEST_STRETCH_MS);
  }

  return found;
}

/** An outcome whose verdict or amount changes. */
export interface ChangedOutcome {
  readonly outcomeId: string;
  readonly ruleId: string;
  readonly eventId: string;
  readonly source: string;
  readonly subject: string | null;
  readonly occurredAt: Date;
  readonly currency: string;
  readonly old: OutcomeSide;
  readonly new: OutcomeSide;
}

/** What the outcomes of a tenant come to on one side. */
export interface OutcomeTotals {
  /** How many stand matured. */
  readonly outcomes: number;
  readonly amount: Decimal;
  /** Combinations of attributes without a price, counted in each period. */
  readonly unpriced: number;
}

/** What a tenant's outcomes come to in one currency. */
export interface OutcomeComparison {
  readonly currency: string;
  readonly name: string;
  readonly periods: readonly ReplayedPeriod[];
  readonly events: number;
  readonly old: OutcomeTotals;
  readonly new: OutcomeTotals;
}

/** All that is compared of one tenant. */
export interface ComparedOutcomes {
  readonly comparisons: readonly OutcomeComparison[];
  /** In the order in which they occurred. */
  readonly changed: readonly ChangedOutcome[];
}

const ITEMS_AT_A_TIME = 5_000;

/** Puts the results of one tenant in the place of those it may have. The simulation is locked. */
export async function replaceOutcomeResults(
  tx: Scope,
  id: string,
  subjectId: string,
  { comparisons, changed }: ComparedOutcomes,
): Promise<void> {
  const key = [tx.tenantId, id, subjectId];
  await query(
    tx,
    'delete from outcome_simulation_item where tenant_id = $1 and simulation_id = $2 and subject_id = $3',
    key,
  );
  const replaced = await query(
    tx,
    `delete from outcome_simulation_tenant where tenant_id = $1 and simulation_id = $2 and subject_id = $3
     returning subject_id`,
    key,
  );

  for (const comparison of comparisons) {
    await insertTenant(tx, key, comparison);
  }

  for (let at = 0; at < changed.length; at += ITEMS_AT_A_TIME) {
    await insertItems(tx, key, changed.slice(at, at + ITEMS_AT_A_TIME), at);
  }

  await query(
    tx,
    `update outcome_simulation set tenants_done = tenants_done + $3, failures = 0, error = null
     where tenant_id = $1 and id = $2`,
    [tx.tenantId, id, replaced.length > 0 ? 0 : 1],
  );
}

async function insertTenant(tx: Scope, key: readonly string[], comparison: OutcomeComparison): Promise<void> {
  const { currency, name, periods, events, old } = comparison;
  const amounts = [old.amount, comparison.new.amount, comparison.new.amount.minus(old.amount)];
  await query(
    tx,
    `insert into outcome_simulation_tenant (tenant_id, simulation_id, subject_id, currency, name, periods, events,
       old_outcomes, new_outcomes, old_unpriced, new_unpriced, old_amount, new_amount, difference)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      ...key,
      currency,
      name,
      JSON.stringify(periods),
      events,
      old.outcomes,
      comparison.new.outcomes,
      old.unpriced,
      comparison.new.unpriced,
      ...amounts.map(formatDecimal),
    ],
  );
}

async function insertItems(
  tx: Scope,
  key: readonly string[],
  items: readonly ChangedOutcome[],
  before: number,
): Promise<void> {
  await query(
    tx,
    `insert into outcome_simulation_item (tenant_id, simulation_id, subject_id, position, outcome_id, rule_id, event_id,
       source, subject, occurred_at, currency, old_state, old_reason, old_amount, new_state, new_reason, new_amount)
     select $1, $2, $3, i.* from unnest($4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
       $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::numeric[], $15::text[], $16::text[],
       $17::numeric[]) as i`,
    [
      ...key,
      items.map((_, index) => before + index + 1),
      items.map(item => item.outcomeId),
      items.map(item => item.ruleId),
      items.map(item => item.eventId),
      items.map(item => item.source),
      items.map(item => item.subject),
      items.map(item => item.occurredAt),
      items.map(item => item.currency),
      ...(['old', 'new'] as const).flatMap(side => [
        items.map(item => item[side].state),
        items.map(item => item[side].reason),
        items.map(item => formatDecimal(item[side].amount)),
      ]),
    ],
  );
}

/** What the tenants that are done come to in one currency; amounts are decimal strings. */
export interface OutcomeSimulationTotal {
  readonly currency: string;
  readonly tenants: number;
  readonly oldOutcomes: number;
  readonly newOutcomes: number;
  readonly oldAmount: string;
  readonly newAmount: string;
  readonly oldUnpriced: number;
  readonly newUnpriced: number;
}

/** What the tenants that are done come to, by currency. */
export async function outcomeTotalsOf(tx: Scope, id: string): Promise<OutcomeSimulationTotal[]> {
  return query<OutcomeSimulationTotal>(
    tx,
    `select currency, count(*)::int as tenants, sum(old_outcomes)::int as "oldOutcomes",
       sum(new_outcomes)::int as "newOutcomes", trim_scale(sum(old_amount))::text as "oldAmount",
       trim_scale(sum(new_amount))::text as "newAmount", sum(old_unpriced)::int as "oldUnpriced",
       sum(new_unpriced)::int as "newUnpriced"
     from outcome_simulation_tenant where tenant_id = $1 and simulation_id = $2 group by currency order by currency`,
    [tx.tenantId, id],
  );
}

/** An outcome that changes, as it is stored; amounts are decimal strings. */
export interface OutcomeItemRow {
  readonly subject_id: string;
  readonly position: number;
  readonly outcome_id: string;
  readonly rule_id: string;
  readonly event_id: string;
  readonly source: string;
  readonly subject: string | null;
  readonly occurred_at: Date;
  readonly currency: string;
  readonly old_state: string | null;
  readonly old_reason: string | null;
  readonly old_amount: string;
  readonly new_state: string | null;
  readonly new_reason: string | null;
  readonly new_amount: string;
}

/** The outcomes that change, tenant by tenant, in the order in which they occurred: up to `first` + 1 after a place. */
export async function outcomeItemPage(
  tx: Scope,
  id: string,
  subjectId: string | null,
  args: PageArguments,
): Promise<OutcomeItemRow[]> {
  const { limit, after } = page(args);
  const [, from = null, position = null] = /^(ten_[0-9A-Z]{26}) (\d{1,9})$/.exec(after ?? '') ?? [];

  if (after !== null && from === null) {
    throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
  }

  return query<OutcomeItemRow>(
    tx,
    `select * from outcome_simulation_item where tenant_id = $1 and simulation_id = $2
       and ($3::text is null or subject_id = $3) and ($4::text is null or (subject_id, position) > ($4, $5::int))
     order by subject_id, position limit $6`,
    [tx.tenantId, id, subjectId, from, position, limit],
  );
}
