import { decimal, formatDecimal, sum, type Decimal } from '../money/index.js';
import { rateStepJson } from '../pricing/index.js';
import { canonicalJson, isId, newId, page, query, type PageArguments, type Scope } from '../platform/index.js';
import { itemOf, type Due } from './charge.rules.js';
import type { Unpriced } from './facts.rules.js';
import { discountSentence } from './discount.rules.js';

/** A period of a contract, as charges are kept for it. */
export interface ContractPeriod {
  readonly contractId: string;
  readonly currency: string;
  readonly start: Date;
  readonly end: Date;
}

export interface ChargeRow {
  readonly id: string;
  readonly contract_id: string;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly price_id: string;
  /** The versions that took the price over, by spaces; empty for a price of the version's own. */
  readonly taken_by: string;
  readonly generation: number;
  readonly price_version_id: string;
  readonly price_name: string;
  readonly meter_id: string | null;
  readonly currency: string;
  readonly quantity: string;
  readonly amount: string;
  readonly explanation: unknown;
  readonly invoice_id: string | null;
  readonly rated_at: Date;
}

/** How far a month was rated. */
export interface RatingMark {
  /** The month, as `yyyy-mm-01`. */
  readonly month: string;
  /** The touch that was seen then. */
  readonly n: string;
  /** When a period that reaches into the month ends, which rates it again; null when all of them are over. */
  readonly dueAt: Date | null;
}

/** How far each month was rated. */
export async function ratingMarks(tx: Scope): Promise<Map<string, RatingMark>> {
  const rows = await query<RatingMark>(
    tx,
    'select month::text, n::text, due_at as "dueAt" from rating_mark where tenant_id = $1',
    [tx.tenantId],
  );

  return new Map(rows.map(row => [row.month, row]));
}

/** Notes how far months were rated, and when to look at them again. */
export async function markRated(tx: Scope, marks: readonly RatingMark[]): Promise<void> {
  await query(
    tx,
    `insert into rating_mark as m (tenant_id, month, n, due_at, rated_at)
     select $1, t.month, t.n, t.due_at, $5 from unnest($2::date[], $3::bigint[], $4::timestamptz[]) as t (month, n, due_at)
     on conflict (tenant_id, month) do update
     set n = greatest(m.n, excluded.n), due_at = excluded.due_at, rated_at = excluded.rated_at`,
    [tx.tenantId, marks.map(({ month }) => month), marks.map(({ n }) => n), marks.map(({ dueAt }) => dueAt), tx.now],
  );
}

/**
 * Brings the charges of a period to what is due: adds the difference to the open row of each price, or to a new row when
 * the earlier ones are on an invoice. A price that asks for nothing any more is brought to zero. Returns what the period
 * comes to now.
 */
export async function bringCharges(tx: Scope, period: ContractPeriod, dues: readonly Due[]): Promise<Decimal> {
  const existing = Map.groupBy(await chargesOf(tx, period), itemOfRow);
  const wanted = new Map(dues.map(due => [itemOf(due), due]));

  for (const item of new Set([...wanted.keys(), ...existing.keys()])) {
    await bringCharge(tx, period, wanted.get(item) ?? null, existing.get(item) ?? []);
  }

  return sum(dues.map(due => due.amount));
}

/** `itemOf` of what a row charges. */
export function itemOfRow(row: Pick<ChargeRow, 'price_id' | 'taken_by'>): string {
  return itemOf({ priceId: row.price_id, takenBy: row.taken_by === '' ? [] : row.taken_by.split(' ') });
}

async function bringCharge(
  tx: Scope,
  period: ContractPeriod,
  due: Due | null,
  rows: readonly ChargeRow[],
): Promise<void> {
  const chargedAmount = sum(rows.map(row => decimal(row.amount)));
  const chargedQuantity = sum(rows.map(row => decimal(row.quantity)));
  const amount = (due?.amount ?? decimal(0)).minus(chargedAmount);
  const quantity = (due ? due.to.minus(due.from) : decimal(0)).minus(chargedQuantity);

  const billed = rows.filter(row => row.invoice_id !== null);
  const open = rows.find(row => row.invoice_id === null);
  const last = rows.at(-1);
  const why = explain(due, last, sum(billed.map(row => decimal(row.amount))), period.currency);

  if (amount.isZero() && quantity.isZero() && !(open && isStale(open, period, why))) {
    return;
  }

  const explanation = JSON.stringify(why);

  if (open) {
    await query(
      tx,
      `update charge set amount = amount + $3, quantity = quantity + $4, explanation = $5, period_end = $6, rated_at = $7
       where tenant_id = $1 and id = $2`,
      [tx.tenantId, open.id, formatDecimal(amount), formatDecimal(quantity), explanation, period.end, tx.now],
    );

    return;
  }

  await query(
    tx,
    `insert into charge (tenant_id, id, contract_id, period_start, period_end, price_id, taken_by, generation, price_version_id,
       price_name, meter_id, currency, quantity, amount, explanation, invoice_id, rated_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, null, $16)`,
    [
      tx.tenantId,
      newId('chg', tx.now),
      period.contractId,
      period.start,
      period.end,
      due?.priceId ?? last?.price_id,
      due?.takenBy.join(' ') ?? last?.taken_by,
      (last?.generation ?? -1) + 1,
      due?.versionId ?? last?.price_version_id,
      due?.priceName ?? last?.price_name,
      due ? due.meterId : last?.meter_id,
      period.currency,
      formatDecimal(quantity),
      formatDecimal(amount),
      explanation,
      tx.now,
    ],
  );
}

/** Whether a charge of the right amount tells an old story: late usage has moved its running quantity, or its period ends sooner. */
function isStale(row: ChargeRow, period: ContractPeriod, why: object): boolean {
  return row.period_end.getTime() !== period.end.getTime() || canonicalJson(row.explanation) !== canonicalJson(why);
}

/** Why the charge is what it is: which price, which quantity, which tiers, and what was billed before. */
function explain(due: Due | null, last: ChargeRow | undefined, billedBefore: Decimal, currency: string): object {
  if (!due) {
    return {
      priceId: last?.price_id,
      note: `the price no longer applies to any ${last && outcomeRuleOf(last) ? 'outcome' : 'usage'} of this period`,
      cumulativeAmount: '0',
      billedBefore: formatDecimal(billedBefore),
    };
  }

  return {
    priceId: due.priceId,
    priceName: due.priceName,
    ...pricedBy(due),
    dimensions: due.pattern,
    ...reckonedOn(due, currency),
    cumulativeAmount: formatDecimal(due.amount),
    billedBefore: formatDecimal(billedBefore),
    steps: due.steps.map(rateStepJson),
  };
}

/** Which version priced it, of a price book or of an outcome rule, and what it counted. */
function pricedBy({ versionId, versionNumber, inheritedFrom, meterId, outcome }: Due): object {
  return outcome
    ? {
        outcomeRuleId: outcome.ruleId,
        outcomeRuleVersionId: versionId,
        outcomeRuleVersionNumber: versionNumber,
        outcomeCharge: outcome.charge,
        outcomes: outcome.outcomes,
      }
    : {
        priceBookVersionId: versionId,
        priceBookVersionNumber: versionNumber,
        ...(inheritedFrom ? { inheritedFrom } : {}),
        meterId,
      };
}

/** The outcome rule that a charge is for; null for usage. Its version and its rule are where usage has its own and the meter. */
export function outcomeRuleOf(row: Pick<ChargeRow, 'meter_id' | 'price_version_id'>): string | null {
  return isId(row.price_version_id, 'orv') ? row.meter_id : null;
}

/** What the amount was reckoned on: the quantity of a price, the spend of a discount; and the arithmetic as a sentence. */
function reckonedOn(due: Due, currency: string): object {
  const { terms, discount } = due;

  if (discount) {
    const { terms: given, commitment, spendFrom, spendTo } = discount;

    return {
      discount: given.basis,
      mode: given.mode,
      ...(given.basis === 'COMMITMENT' && commitment ? { commitmentAmount: formatDecimal(commitment) } : {}),
      spendFrom: formatDecimal(spendFrom),
      spendTo: formatDecimal(spendTo),
      sentence: discountSentence(given, due, { spend: spendTo.minus(spendFrom), commitment, currency }),
    };
  }

  return {
    model: terms?.pricing.model,
    quantityFrom: formatDecimal(due.from),
    quantityTo: formatDecimal(due.to),
    sentence: due.sentence,
  };
}

/** The contract periods that have charges or unpriced usage and reach into a stretch of time, as they were rated last. */
export async function knownPeriods(tx: Scope, start: Date, end: Date): Promise<Omit<ContractPeriod, 'currency'>[]> {
  return query(
    tx,
    `select contract_id as "contractId", period_start as start, max(period_end) as end from (
       select contract_id, period_start, period_end from charge where tenant_id = $1
       union all
       select contract_id, period_start, period_end from unpriced_usage where tenant_id = $1 and contract_id <> ''
     ) known
     where period_start < $3 and period_end > $2 group by contract_id, period_start`,
    [tx.tenantId, start, end],
  );
}

/** Spend by period, for the periods of which nothing is on an invoice. */
export async function openSpend(tx: Scope): Promise<{ start: Date; end: Date; currency: string; spend: Decimal }[]> {
  const rows = await query<{ start: Date; end: Date; currency: string; spend: string }>(
    tx,
    `select period_start as start, max(period_end) as end, currency, sum(amount)::text as spend from charge
     where tenant_id = $1 group by contract_id, currency, period_start
     having bool_and(invoice_id is null) order by period_start`,
    [tx.tenantId],
  );

  return rows.map(row => ({ ...row, spend: decimal(row.spend) }));
}

/** The running quantity at which each price of a period has ended as it was rated last, by `itemOf`. Discounts have none. */
export async function runningQuantities(tx: Scope, contractId: string, start: Date): Promise<Map<string, Decimal>> {
  const rows = await query<Pick<ChargeRow, 'price_id' | 'taken_by'> & { readonly quantity: string | null }>(
    tx,
    `select distinct on (price_id, taken_by) price_id, taken_by, explanation->>'quantityTo' as quantity from charge
     where tenant_id = $1 and contract_id = $2 and period_start = $3 order by price_id, taken_by, generation desc`,
    [tx.tenantId, contractId, start],
  );

  return new Map(rows.flatMap(row => (row.quantity === null ? [] : [[itemOfRow(row), decimal(row.quantity)]])));
}

async function chargesOf(tx: Scope, period: ContractPeriod): Promise<ChargeRow[]> {
  return query<ChargeRow>(
    tx,
    'select * from charge where tenant_id = $1 and contract_id = $2 and period_start = $3 order by price_id, taken_by, generation',
    [tx.tenantId, period.contractId, period.start],
  );
}

/** Replaces what is known to be unpriced in a period. `contractId` is empty where there is no contract. */
export async function replaceUnpriced(
  tx: Scope,
  period: { readonly contractId: string; readonly start: Date; readonly end: Date },
  unpriced: readonly (Omit<Unpriced, 'reason'> & { readonly reason: UnpricedRow['reason'] })[],
): Promise<void> {
  await query(
    tx,
    'delete from unpriced_usage where tenant_id = $1 and contract_id = $2 and period_start >= $3 and period_start < $4',
    [tx.tenantId, period.contractId, period.start, period.end],
  );

  if (unpriced.length > 0) {
    await query(
      tx,
      `insert into unpriced_usage (tenant_id, period_start, period_end, contract_id, meter_id, dimensions, quantity, reason, seen_at)
       select $1, $2, $3, $4, u.*, $9 from unnest($5::text[], $6::text[], $7::numeric[], $8::text[]) as u`,
      [
        tx.tenantId,
        period.start,
        period.end,
        period.contractId,
        unpriced.map(row => row.meterId),
        unpriced.map(row => row.dimensions),
        unpriced.map(row => formatDecimal(row.quantity)),
        unpriced.map(row => row.reason),
        tx.now,
      ],
    );
  }
}

export interface UnpricedRow {
  readonly period_start: Date;
  readonly period_end: Date;
  readonly contract_id: string;
  readonly meter_id: string;
  readonly dimensions: string;
  readonly quantity: string;
  readonly reason: 'NO_CONTRACT' | 'NO_PRICE' | 'NO_COST';
}

/** How much is unpriced, by period, meter and dimensions: up to `first` + 1 rows after a place. */
export async function unpricedPage(tx: Scope, args: PageArguments): Promise<UnpricedRow[]> {
  const { limit, after } = page(args);
  const offset = after !== null && /^\d{1,9}$/.test(after) ? Number(after) : 0;

  return query<UnpricedRow>(
    tx,
    `select * from unpriced_usage where tenant_id = $1
     order by period_start desc, contract_id, meter_id, dimensions limit $2 offset $3`,
    [tx.tenantId, limit, offset],
  );
}

/** How many combinations of meter and dimensions have no price in a stretch of time. */
export async function countUnpriced(tx: Scope, contractId: string, start: Date, end: Date): Promise<number> {
  const [row] = await query<{ n: number }>(
    tx,
    `select count(*)::int as n from unpriced_usage
     where tenant_id = $1 and contract_id = $2 and period_start >= $3 and period_start < $4`,
    [tx.tenantId, contractId, start, end],
  );

  return row?.n ?? 0;
}

/** Charges of the tenant, newest first: up to `first` + 1. */
export async function chargePage(tx: Scope, args: PageArguments): Promise<ChargeRow[]> {
  const { limit, after } = page(args);

  return query<ChargeRow>(
    tx,
    'select * from charge where tenant_id = $1 and ($2::text is null or id < $2) order by id desc limit $3',
    [tx.tenantId, after, limit],
  );
}

export async function chargeById(tx: Scope, id: string): Promise<ChargeRow | null> {
  const [row] = await query<ChargeRow>(tx, 'select * from charge where tenant_id = $1 and id = $2', [tx.tenantId, id]);

  return row ?? null;
}

/** What an outcome rule is charged in a period, over all generations, as it was rated last. */
export async function chargedByRule(
  tx: Scope,
  ruleId: string,
  { contractId, start }: Pick<ContractPeriod, 'contractId' | 'start'>,
): Promise<Decimal> {
  const [row] = await query<{ amount: string }>(
    tx,
    `select coalesce(sum(amount), 0)::text as amount from charge
     where tenant_id = $1 and contract_id = $2 and period_start = $3 and meter_id = $4`,
    [tx.tenantId, contractId, start, ruleId],
  );

  return decimal(row?.amount ?? '0');
}
