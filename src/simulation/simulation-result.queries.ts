import { formatDecimal } from '../money/index.js';
import { DomainError, page, query, type PageArguments, type Scope } from '../platform/index.js';
import { windowJsonOf } from './comparison.rules.js';
import type { SimulationTotal } from './simulation.entity.js';
import type { ReplayedPeriod, TenantComparison } from './tenant-replay.js';

/** Puts the results of one tenant in the place of those it may have. The simulation is locked. */
export async function replaceResults(
  tx: Scope,
  id: string,
  subjectId: string,
  comparisons: readonly TenantComparison[],
): Promise<void> {
  const key = [tx.tenantId, id, subjectId];
  await query(tx, 'delete from simulation_item where tenant_id = $1 and simulation_id = $2 and subject_id = $3', key);
  const replaced = await query(
    tx,
    'delete from simulation_tenant where tenant_id = $1 and simulation_id = $2 and subject_id = $3 returning subject_id',
    key,
  );

  for (const comparison of comparisons) {
    await insertTenant(tx, key, comparison);
    await insertItems(tx, key, comparison);
  }

  await query(
    tx,
    'update simulation set tenants_done = tenants_done + $3, failures = 0, error = null where tenant_id = $1 and id = $2',
    [tx.tenantId, id, replaced.length > 0 ? 0 : 1],
  );
}

async function insertTenant(tx: Scope, key: readonly string[], comparison: TenantComparison): Promise<void> {
  const { currency, name, periods, events, old, unpriced } = comparison;
  const amounts = [old.amount, comparison.new.amount, comparison.new.amount.minus(old.amount)];
  await query(
    tx,
    `insert into simulation_tenant (tenant_id, simulation_id, subject_id, currency, name, periods, events, old_amount,
       new_amount, difference, old_exact_amount, new_exact_amount, old_unpriced, new_unpriced)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
    [
      ...key,
      currency,
      name,
      JSON.stringify(periods),
      events,
      ...[...amounts, old.exactAmount, comparison.new.exactAmount].map(formatDecimal),
      unpriced.old,
      unpriced.new,
    ],
  );
}

async function insertItems(tx: Scope, key: readonly string[], { currency, items }: TenantComparison): Promise<void> {
  if (items.length === 0) {
    return;
  }

  await query(
    tx,
    `insert into simulation_item (tenant_id, simulation_id, subject_id, currency, position, price_name, meter_id, pattern,
       "window", old_quantity, new_quantity, old_exact_amount, new_exact_amount, old_amount, new_amount, difference)
     select $1, $2, $3, $4, i.*, i.new_amount - i.old_amount
     from unnest($5::int[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[], $10::numeric[], $11::numeric[],
       $12::numeric[], $13::numeric[], $14::numeric[], $15::numeric[]) as i (position, price_name, meter_id, pattern,
       "window", old_quantity, new_quantity, old_exact_amount, new_exact_amount, old_amount, new_amount)`,
    [
      ...key,
      currency,
      items.map((_, index) => index + 1),
      items.map(({ price }) => price.name),
      items.map(({ price }) => price.meterId),
      items.map(({ price }) => JSON.stringify(price.pattern)),
      items.map(({ price }) => {
        const window = windowJsonOf(price);

        return window && JSON.stringify(window);
      }),
      ...(['quantity', 'exactAmount', 'amount'] as const).flatMap(part => [
        items.map(item => formatDecimal(item.old[part])),
        items.map(item => formatDecimal(item.new[part])),
      ]),
    ],
  );
}

/** What the tenants that are done come to, by currency. */
export async function totalsOf(tx: Scope, id: string): Promise<SimulationTotal[]> {
  return query<SimulationTotal>(
    tx,
    `select currency, count(*)::int as tenants, sum(old_amount)::text as "oldAmount", sum(new_amount)::text as "newAmount",
       sum(old_unpriced)::int as "oldUnpriced", sum(new_unpriced)::int as "newUnpriced"
     from simulation_tenant where tenant_id = $1 and simulation_id = $2 group by currency order by currency`,
    [tx.tenantId, id],
  );
}

/** In which order tenants are shown. */
export type TenantOrder = 'LOSES_MOST' | 'WINS_MOST' | 'NAME';

/** A tenant of a simulation in one currency; amounts are decimal strings. */
export interface SimulationTenantRow {
  readonly subject_id: string;
  readonly currency: string;
  readonly name: string;
  readonly periods: readonly { readonly [K in keyof ReplayedPeriod]: string }[];
  readonly events: string;
  readonly old_amount: string;
  readonly new_amount: string;
  readonly difference: string;
  readonly old_exact_amount: string;
  readonly new_exact_amount: string;
  readonly old_unpriced: number;
  readonly new_unpriced: number;
}

/** For each order: what it goes by within a currency, which way, and the type of that. */
const ORDERS: Readonly<Record<TenantOrder, readonly [column: string, sign: '<' | '>', type: string]>> = {
  LOSES_MOST: ['difference', '<', 'numeric'],
  WINS_MOST: ['difference', '>', 'numeric'],
  NAME: ['name collate "C"', '>', 'text'],
};

/** The tenants that are done, currency by currency: up to `first` + 1 after a place. */
export async function tenantPage(
  tx: Scope,
  id: string,
  order: TenantOrder,
  args: PageArguments,
): Promise<SimulationTenantRow[]> {
  const { limit, after } = page(args);
  const [column, sign, type] = ORDERS[order];
  const direction = sign === '<' ? 'desc' : 'asc';
  const place = after === null ? null : placeOf(after, order);

  return query<SimulationTenantRow>(
    tx,
    `select * from simulation_tenant
     where tenant_id = $1 and simulation_id = $2 and ($3::text is null
       or currency > $3 or (currency = $3 and (${column}, subject_id) ${sign} ($4::${type}, $5)))
     order by currency, ${column} ${direction}, subject_id ${direction} limit $6`,
    [tx.tenantId, id, ...(place ?? [null, null, null]), limit],
  );
}

/** Where a row stands in an order, to read on after it. */
export function placeIn(order: TenantOrder, row: SimulationTenantRow): string {
  return [row.currency, order === 'NAME' ? row.name : row.difference, row.subject_id].join('\n');
}

/** A place that `placeIn` gave; refuses any other text. Neither a currency, a name nor an id holds a line break. */
function placeOf(after: string, order: TenantOrder): readonly string[] {
  const place = after.split('\n');

  if (place.length !== 3 || (order !== 'NAME' && !/^-?\d{1,200}(\.\d{1,200})?$/.test(place[1] ?? ''))) {
    throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
  }

  return place;
}

/** One price of a tenant of a simulation; amounts and quantities are decimal strings. */
export interface SimulationItemRow {
  readonly currency: string;
  readonly position: number;
  readonly price_name: string;
  readonly meter_id: string | null;
  readonly pattern: Readonly<Record<string, string>>;
  readonly window: object | null;
  readonly old_quantity: string;
  readonly new_quantity: string;
  readonly old_exact_amount: string;
  readonly new_exact_amount: string;
  readonly old_amount: string;
  readonly new_amount: string;
  readonly difference: string;
}

/** The prices of one tenant, the one that changes most first, currency by currency: up to `first` + 1 after a place. */
export async function itemPage(
  tx: Scope,
  id: string,
  subjectId: string,
  args: PageArguments,
): Promise<SimulationItemRow[]> {
  const { limit, after } = page(args);
  const [, currency = null, position = null] = /^([A-Z]{3}) (\d{1,9})$/.exec(after ?? '') ?? [];

  if (after !== null && currency === null) {
    throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
  }

  return query<SimulationItemRow>(
    tx,
    `select * from simulation_item where tenant_id = $1 and simulation_id = $2 and subject_id = $3
       and ($4::text is null or (currency, position) > ($4, $5::int))
     order by currency, position limit $6`,
    [tx.tenantId, id, subjectId, currency, position, limit],
  );
}
