// Where the product and the oracle differ, one sentence each.
import { billsOf, type Bill } from './bill.js';
import { isSame, text, type Fraction } from './fraction.js';
import { findingsAt, keyOf, type Finding } from './oracle.js';
import { factsOf, look, type OutcomeRow, type World } from './world.js';

/** Rejected before units, value and instants were looked at: what rows hold there means nothing. */
const LATE_REASONS: readonly (string | null)[] = ['DUPLICATE', 'SUPERSEDED'];

export interface Comparison {
  readonly outcomes: number;
  readonly amounts: number;
  readonly differences: readonly string[];
}

/** Compares everything that the product has of a tenant with what its facts come to. */
export async function compare(world: World, now: number): Promise<Comparison> {
  const facts = factsOf(world);
  const findings = findingsAt(facts, now);
  const bills = billsOf(facts, findings, now, monthsUntil(world.plan.startsAt, now));
  const { outcomes, charges, unpriced } = await look(world);
  const rows = new Map(outcomes.map(row => [keyOf(row.rule_id, row.event_id, row.source), row]));
  const keys = new Map([...rows].map(([key, row]) => [row.id, key]));
  const caps = new Map(bills.flatMap(({ capped }) => [...capped]));
  const differences: string[] = [];

  for (const finding of findings) {
    const row = rows.get(finding.key);
    rows.delete(finding.key);

    if (row) {
      differences.push(...differencesOf(finding, row, { cap: caps.get(finding.key) ?? null, keys }));
    } else {
      differences.push(`outcome ${finding.key} is missing; it is ${finding.state} ${finding.reason}`);
    }
  }

  differences.push(...[...rows.keys()].map(key => `outcome ${key} is there and should not be`));
  differences.push(...liveTwice(findings, outcomes));
  let amounts = 0;

  for (const bill of bills) {
    const own = charges.filter(
      ({ contract_id, period_start }) =>
        contract_id === bill.contractId && period_start.getTime() === bill.period.start,
    );
    const sumOf = (item: (charge: (typeof own)[number]) => boolean): string[] =>
      own.filter(item).map(({ amount }) => amount);
    const missing = unpriced.filter(
      row =>
        row.contract_id === bill.contractId &&
        row.meter_id === bill.ruleId &&
        row.period_start.getTime() === bill.period.start,
    );
    const further = ['minimum', 'guarantee', 'audit'].map(name => `${bill.ruleId}:${name}`);
    const parts: (readonly [string, Fraction, readonly string[]])[] = [
      [
        'the amount',
        bill.amount,
        sumOf(({ meter_id, price_id }) => meter_id === bill.ruleId && !further.includes(price_id)),
      ],
      ['the true-up', bill.trueUp, sumOf(({ price_id }) => price_id === `${bill.ruleId}:minimum`)],
      ['the guarantee', bill.guarantee, sumOf(({ price_id }) => price_id === `${bill.ruleId}:guarantee`)],
      ['the quantity without a price', bill.unpriced, missing.map(({ quantity }) => quantity)],
    ];

    for (const [name, expected, found] of parts) {
      amounts += 1;

      if (!isSame(expected, added(found))) {
        differences.push(`${name} of ${placeOf(bill)} is ${added(found)}, not ${text(expected)}`);
      }
    }
  }

  const known = new Set(bills.map(bill => `${bill.contractId} ${bill.period.start}`));
  differences.push(
    ...charges
      .filter(charge => !known.has(`${charge.contract_id} ${charge.period_start.getTime()}`))
      .map(charge => `a charge of ${charge.amount} is in a period that has none: ${JSON.stringify(charge)}`),
  );

  return { outcomes: findings.length, amounts, differences };
}

const placeOf = ({ ruleId, period }: Bill): string =>
  `rule ${ruleId} in the period from ${new Date(period.start).toISOString()}`;

/** The sum of decimal texts, exactly. */
function added(texts: readonly string[]): string {
  const digits = Math.max(0, ...texts.map(one => one.split('.')[1]?.length ?? 0));
  const total = texts.reduce((sum, one) => {
    const [whole = '', decimals = ''] = one.split('.');

    return sum + BigInt(whole + decimals.padEnd(digits, '0'));
  }, 0n);
  const sign = total < 0n ? '-' : '';
  const plain = String(total < 0n ? -total : total).padStart(digits + 1, '0');

  return digits === 0 ? sign + plain : `${sign}${plain.slice(0, -digits)}.${plain.slice(-digits)}`;
}

function differencesOf(
  finding: Finding,
  row: OutcomeRow,
  { cap, keys }: { readonly cap: 'HARD' | 'FREE' | null; readonly keys: ReadonlyMap<string, string> },
): string[] {
  const isRejectedEarly = finding.state === 'REJECTED' && !LATE_REASONS.includes(finding.reason);
  const isMeasured = !isRejectedEarly && finding.state !== 'EXPIRED';
  const state =
    finding.state !== 'MATURED'
      ? finding.state
      : cap === 'HARD'
        ? 'REJECTED'
        : row.state === 'BILLED'
          ? 'BILLED'
          : 'MATURED';
  const expected: Record<string, unknown> = {
    judged_state: finding.state,
    state,
    told: state,
    reason: cap ? 'CAP_EXHAUSTED' : finding.reason,
    instead: finding.instead,
    cap,
    version_number: finding.versionNumber,
    contract_id: finding.contract.id,
    subject: finding.subject,
    customer: finding.customer,
    is_live: finding.isLive,
    is_free: finding.isFree,
    occurred_at: finding.occurredAt,
    started_at: finding.startedAt,
    due_at: finding.dueAt,
    attributes: JSON.stringify(finding.attributes),
    ...(isMeasured && { period_at: finding.periodAt, matures_at: finding.maturesAt, verified_at: finding.verifiedAt }),
  };
  const found = row as unknown as Readonly<Record<string, unknown>>;
  const plain = (value: unknown): unknown => (value instanceof Date ? value.getTime() : value);
  const actual: Record<string, unknown> = {
    ...Object.fromEntries(Object.keys(expected).map(name => [name, plain(found[name])])),
    instead: row.instead === null ? null : (keys.get(row.instead) ?? row.instead),
  };
  const differences = Object.keys(expected)
    .filter(name => expected[name] !== actual[name])
    .map(name => `${name} is ${JSON.stringify(actual[name])}, not ${JSON.stringify(expected[name])}`);
  const numbers: (readonly [string, Fraction | null, string | null])[] = [
    ['reimbursement', finding.reimbursement, row.reimbursement],
    ...(isMeasured && finding.state !== 'REVERSED'
      ? ([
          ['units', finding.units, row.units],
          ['value', finding.value, row.value],
        ] as const)
      : []),
  ];

  for (const [name, wanted, had] of numbers) {
    if (wanted === null || had === null ? wanted !== had : !isSame(wanted, had)) {
      differences.push(`${name} is ${had}, not ${wanted && text(wanted)}`);
    }
  }

  return differences.map(difference => `outcome ${finding.key} (${row.judged_state} ${row.reason}): ${difference}`);
}

/** At most one live outcome for what counts once, whatever else is wrong. */
function liveTwice(findings: readonly Finding[], rows: readonly OutcomeRow[]): string[] {
  const live = new Set(rows.filter(row => row.is_live).map(row => keyOf(row.rule_id, row.event_id, row.source)));
  const held = findings.filter(({ key, dedupeKey }) => live.has(key) && dedupeKey !== null);

  return held.flatMap((one, place) =>
    held
      .slice(place + 1)
      .filter(
        other =>
          other.ruleId === one.ruleId &&
          other.dedupeKey === one.dedupeKey &&
          (one.dedupeUntil === null || other.occurredAt < one.dedupeUntil),
      )
      .map(other => `outcomes ${one.key} and ${other.key} are both live for ${one.dedupeKey}`),
  );
}

/** An instant of each month that has begun. */
function monthsUntil(startsAt: number, now: number): number[] {
  const instants: number[] = [];

  for (let instant = startsAt; instant <= now; instant += 86_400_000) {
    instants.push(instant);
  }

  return [...instants, now];
}
