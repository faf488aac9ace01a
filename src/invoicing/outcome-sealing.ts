import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Contract } from '../contracts/index.js';
import { decimal, formatDecimal, sum, type Decimal } from '../money/index.js';
import {
  billedOutcomes,
  billOutcomes,
  factHashes,
  inputsHash,
  verdictWords,
  type BilledOutcome,
  type LiveRule,
  type VerdictWord,
} from '../outcomes/index.js';
import { canonicalJson, newId, type Scope } from '../platform/index.js';
import { allocatePeriod, itemOfRow, outcomeRuleOf, type ChargeRow, type OutcomesRating } from '../rating/index.js';
import type { ReceiptsSeal } from './invoice.rules.js';
import { insertReceipts, lastHashes, receiptedOf, sealCharges, type NewReceipt } from './outcome-receipt.queries.js';
import {
  agentAmounts,
  LINK_PROPERTIES,
  linksOf,
  receiptsDue,
  type ChargeReceipts,
  type ChargeToSeal,
  type ReceiptDue,
} from './outcome-receipt.rules.js';

/** So many receipts are written at a time; what each of them needs is in memory then. */
const AT_A_TIME = 5_000;

/** An invoice that is being issued. */
export interface InvoiceToSeal {
  readonly id: string;
  readonly contractId: string;
  readonly currency: string;
}

/**
 * Writes the receipts of every charge for outcomes that is on an invoice, seals them charge by charge and marks the
 * outcomes as billed, in the transaction that issues the invoice and under the rating lock. Throws where receipts do not
 * come to what is charged, exactly: then nothing is issued.
 */
export async function sealOutcomes(
  tx: Scope,
  invoice: InvoiceToSeal,
  charges: readonly ChargeRow[],
  { rating, timeZone }: { readonly rating: Pick<OutcomesRating, 'rulesOf'>; readonly timeZone: string },
): Promise<ReceiptsSeal[]> {
  const forOutcomes = charges.filter(charge => outcomeRuleOf(charge) !== null);

  if (forOutcomes.length === 0) {
    return [];
  }

  const contract = await tx.em.findOneOrFail(Contract, { id: invoice.contractId });
  const rules = await rating.rulesOf(tx, contract);
  const billed: string[] = [];

  for (const own of Map.groupBy(forOutcomes, placeOf).values()) {
    const due = await receiptsOf(tx, own, { contract, rules, timeZone });

    for (const { charge, receipts } of due) {
      await writeReceipts(tx, invoice, rules, { charge, receipts });
      receipts.forEach(({ outcomeId }) => outcomeId !== null && billed.push(outcomeId));
    }
  }

  const seals = await sealCharges(
    tx,
    invoice.id,
    forOutcomes.map(({ id }) => id),
  );
  insistOnSums(forOutcomes, seals);
  await billOutcomes(tx, billed);

  return seals;
}

/** One text for the rule and period that a charge is of. */
function placeOf({ period_start, meter_id }: ChargeRow): string {
  return `${period_start.toISOString()} ${meter_id}`;
}

/** What the receipts of the charges of one rule and period are to say. */
async function receiptsOf(
  tx: Scope,
  charges: readonly ChargeRow[],
  asked: { readonly contract: Contract; readonly rules: readonly LiveRule[]; readonly timeZone: string },
): Promise<ChargeReceipts[]> {
  const [first] = charges;

  if (!first) {
    return [];
  }

  const { contract_id: contractId, period_start: periodStart, period_end: end } = first;
  const ruleId = outcomeRuleOf(first) ?? '';
  const allocated = await allocatePeriod(tx, { ...asked, period: { start: periodStart, end } }, ruleId);

  return receiptsDue(
    charges.map(charge => ({
      id: charge.id,
      item: itemOfRow(charge),
      priceId: charge.price_id,
      versionId: charge.price_version_id,
      amount: decimal(charge.amount),
    })),
    allocated,
    await receiptedOf(tx, { contractId, periodStart, ruleId }),
  );
}

/** Writes the receipts of a charge: while one lot is on its way to the database, the next one is put into words. */
async function writeReceipts(
  tx: Scope,
  invoice: InvoiceToSeal,
  rules: readonly LiveRule[],
  { charge, receipts }: ChargeReceipts,
): Promise<void> {
  const place = { chargeId: charge.id, invoiceId: invoice.id };
  let ready: readonly NewReceipt[] = [];

  for (let from = 0; from < receipts.length; from += AT_A_TIME) {
    const lot = receipts.slice(from, from + AT_A_TIME);
    const known = await knownOf(tx, rules, lot);
    const [worded] = await Promise.all([
      // After the statement has left: words are many, and nothing else happens meanwhile.
      setImmediate().then(() =>
        lot.map((due, index) => wordedOf(due, from + index + 1, { tx, invoice, rules, charge, known })),
      ),
      ready.length > 0 ? insertReceipts(tx, place, ready) : null,
    ]);
    ready = worded;
  }

  if (ready.length > 0) {
    await insertReceipts(tx, place, ready);
  }
}

/** What receipts have to know besides what they are about. */
interface Known {
  readonly outcomes: ReadonlyMap<string, BilledOutcome>;
  readonly facts: ReadonlyMap<string, readonly string[]>;
  /** Who verified each of them. */
  readonly words: ReadonlyMap<string, readonly VerdictWord[]>;
  /** The hash of the last receipt of each outcome that has one. */
  readonly previous: ReadonlyMap<string, string>;
}

async function knownOf(tx: Scope, rules: readonly LiveRule[], dues: readonly ReceiptDue[]): Promise<Known> {
  const ids = dues.flatMap(({ outcomeId }) => outcomeId ?? []);
  const outcomes = await billedOutcomes(tx, ids, LINK_PROPERTIES);
  const verifications = new Map(
    rules.flatMap(({ versions }) => versions.map(({ id, terms }) => [id, terms.verification] as const)),
  );
  const verified = outcomes.flatMap(outcome => {
    const verification = verifications.get(outcome.versionId);

    return verification ? [{ outcome, eventType: verification.eventType }] : [];
  });

  return {
    outcomes: new Map(outcomes.map(outcome => [outcome.id, outcome])),
    facts: await factHashes(
      tx,
      outcomes.flatMap(({ factIds }) => factIds),
    ),
    words: await verdictWords(tx, verified),
    previous: await lastHashes(tx, ids),
  };
}

function wordedOf(
  due: ReceiptDue,
  position: number,
  given: {
    readonly tx: Scope;
    readonly invoice: InvoiceToSeal;
    readonly rules: readonly LiveRule[];
    readonly charge: ChargeToSeal;
    readonly known: Known;
  },
): NewReceipt {
  const { tx, invoice, rules, charge, known } = given;
  const { outcomeId, amount } = due;
  const id = newId('orc', tx.now);
  const outcome = outcomeId === null ? null : known.outcomes.get(outcomeId);

  if (outcome === undefined) {
    throw new Error(`outcome ${outcomeId} is charged by ${charge.id} and is not there, or its claim is not`);
  }

  const body = canonicalJson({
    receiptId: id,
    invoiceId: invoice.id,
    chargeId: charge.id,
    ...pricedBy(due, rules, outcome, invoice.currency),
    ...saidOf(outcome, { amount, words: known.words, now: tx.now }),
    inputsHash: outcome && inputsHash(outcome.factIds, known.facts),
    previousHash: outcome && (known.previous.get(outcome.id) ?? null),
  });

  return { id, position, outcomeId, amount, body, hash: hash('sha256', body, 'hex') };
}

/** Which price of which version of the rule, and what it came to. */
function pricedBy(
  { priceId, versionId, amount, waived }: ReceiptDue,
  rules: readonly LiveRule[],
  outcome: BilledOutcome | null,
  currency: string,
) {
  const at = priceId.indexOf(':');
  const ruleId = priceId.slice(0, at);
  const rule = rules.find(({ id }) => id === ruleId);
  const version = rule?.versions.find(({ id }) => id === versionId);
  const listAmount = outcome && waived !== null ? version?.listAmount(worthOf(outcome), currency) : null;

  return {
    ruleId,
    ruleKey: rule?.key ?? null,
    versionId,
    versionNumber: version?.number ?? null,
    price: priceId.slice(at + 1),
    amount: formatDecimal(amount),
    currency,
    waived,
    listAmount: listAmount ? formatDecimal(listAmount) : null,
  };
}

function worthOf({ attributes, units, value }: BilledOutcome) {
  return {
    attributes: JSON.parse(attributes) as Readonly<Record<string, string>>,
    units: decimal(units),
    value: value === null ? null : decimal(value),
  };
}

/** What the outcome was, as it is judged now; nothing of what is reckoned on all outcomes. */
function saidOf(
  outcome: BilledOutcome | null,
  { amount, words, now }: { readonly amount: Decimal; readonly words: Known['words']; readonly now: Date },
) {
  if (!outcome) {
    return { outcomeId: null };
  }

  const { id, eventId, source, subject, state, reason, occurredAt, maturesAt, units, value, factIds } = outcome;

  return {
    outcomeId: id,
    eventId,
    source,
    subject,
    state,
    reason,
    occurredAt,
    // Who said that it is so, and when that was enough; without words where the rule asks for none.
    verdict: { verifiedAt: outcome.verifiedAt, words: words.get(id) ?? [] },
    maturedAt: maturesAt <= now.toISOString() ? maturesAt : null,
    units,
    value,
    attributes: JSON.parse(outcome.attributes) as unknown,
    agents: agentAmounts(outcome.agents, amount),
    links: linksOf(outcome.properties),
    facts: factIds,
  };
}

/** What is in the database, to the last digit: not what was meant to be written. */
function insistOnSums(charges: readonly ChargeRow[], seals: readonly ReceiptsSeal[]): void {
  const bySeal = new Map(seals.map(seal => [seal.chargeId, seal]));

  for (const { id, amount } of charges) {
    const seal = bySeal.get(id);

    if (!seal?.amount.eq(decimal(amount))) {
      throw new Error(
        `the receipts of charge ${id} come to ${formatDecimal(seal?.amount ?? sum([]))}, and it is ${amount}`,
      );
    }
  }
}
