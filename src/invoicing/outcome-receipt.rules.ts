import { decimal, formatDecimal, sum, ZERO, type Decimal } from '../money/index.js';
import type { AllocatedOutcome } from '../rating/outcome-allocation.rules.js';

/** A charge for outcomes that is on the invoice. */
export interface ChargeToSeal {
  readonly id: string;
  /** What it is for, the same as in earlier periods' adjustments: its price, and the version that priced it. */
  readonly item: string;
  readonly priceId: string;
  readonly versionId: string;
  /** Exact. */
  readonly amount: Decimal;
}

/** What earlier receipts say of an outcome; without one of what is reckoned on all. */
export interface Receipted {
  readonly item: string;
  readonly outcomeId: string | null;
  readonly amount: Decimal;
}

/** What a receipt is about. */
export interface ReceiptDue {
  readonly outcomeId: string | null;
  readonly priceId: string;
  readonly versionId: string;
  /** Exact; negative where earlier receipts say more than there is now. */
  readonly amount: Decimal;
  readonly waived: AllocatedOutcome['waived'];
}

/** The receipts of one charge, in order. */
export interface ChargeReceipts {
  readonly charge: ChargeToSeal;
  readonly receipts: readonly ReceiptDue[];
}

/**
 * The receipts of the charges of one rule and period: for each outcome what it comes to less what earlier receipts say, in
 * the order in which outcomes are priced, then those that come to nothing any more. Every outcome has one receipt at least,
 * be it of nothing; where nothing is charged at its price, it is put to the first charge. Throws where a difference has no
 * charge, or a charge another amount than its receipts: then rating and receipts disagree, and nothing may be issued.
 */
export function receiptsDue(
  charges: readonly ChargeToSeal[],
  allocated: readonly AllocatedOutcome[],
  earlier: readonly Receipted[],
): ChargeReceipts[] {
  const charged = new Map(charges.map(charge => [charge.item, charge]));
  const known = new Set(earlier.map(({ outcomeId }) => outcomeId));
  const now = Map.groupBy(allocated, ({ item }) => item);
  const before = Map.groupBy(earlier, ({ item }) => item);
  const dues = new Map<ChargeToSeal | undefined, ReceiptDue[]>(charges.map(charge => [charge, []]));

  for (const item of new Set([...charged.keys(), ...now.keys(), ...before.keys()])) {
    const differences = differencesOf(charged.get(item), now.get(item) ?? [], before.get(item) ?? [], known);
    const total = sum(differences.map(({ amount }) => amount));
    const charge = charged.get(item);
    const expected = charge?.amount ?? ZERO;

    if (!total.eq(expected)) {
      throw new Error(
        `the outcomes of ${item} come to ${formatDecimal(total)}, and are charged with ${formatDecimal(expected)}`,
      );
    }

    // What only moved between outcomes of an item that is not charged now is told with the next charge of it.
    const told = charge ? differences : differences.filter(({ amount }) => amount.isZero());
    const place = dues.get(charge ?? charges[0]);
    told.forEach(due => place?.push(due));
  }

  return charges.map(charge => ({ charge, receipts: dues.get(charge) ?? [] }));
}

/** What is to be told of an item: what it comes to less what was told, where that is something or nothing was told yet. */
function differencesOf(
  charge: ChargeToSeal | undefined,
  now: readonly AllocatedOutcome[],
  before: readonly Receipted[],
  known: ReadonlySet<string | null>,
): ReceiptDue[] {
  const told = new Map(before.map(({ outcomeId, amount }) => [outcomeId, amount]));
  const differences: ReceiptDue[] = [];

  for (const { outcomeId, priceId, versionId, amount, waived } of now) {
    const difference = amount.minus(told.get(outcomeId) ?? ZERO);
    told.delete(outcomeId);

    if (!difference.isZero() || !known.has(outcomeId)) {
      differences.push({ outcomeId, priceId, versionId, amount: decimal(difference), waived });
    }
  }

  for (const [outcomeId, amount] of told) {
    if (!amount.isZero()) {
      const { priceId = '', versionId = '' } = charge ?? {};
      differences.push({ outcomeId, priceId, versionId, amount: amount.negated(), waived: null });
    }
  }

  return differences;
}

/** Members of properties that name what a claim came from, by what the receipt calls them. */
const LINKS = {
  traceId: ['trace_id', 'traceId'],
  conversationId: ['conversation_id', 'conversationId'],
  requestIds: ['request_id', 'requestId', 'request_ids', 'requestIds'],
} as const;

/** The names of all of them. */
export const LINK_PROPERTIES: readonly string[] = Object.values(LINKS).flat();

const MOST_REQUESTS = 100;
const LONGEST_LINK = 512;

/** Where else the work behind an outcome is told of. */
export interface ReceiptLinks {
  readonly traceId: string | null;
  readonly conversationId: string | null;
  /** At most 100. */
  readonly requestIds: readonly string[];
}

/** The links in the properties of the claim's event: texts and numbers; anything else is none. */
export function linksOf(properties: Readonly<Record<string, unknown>>): ReceiptLinks {
  return {
    traceId: linkTexts(properties, LINKS.traceId)[0] ?? null,
    conversationId: linkTexts(properties, LINKS.conversationId)[0] ?? null,
    requestIds: linkTexts(properties, LINKS.requestIds),
  };
}

/** Each text once, in the order of the names; no more than a receipt has. */
function linkTexts(properties: Readonly<Record<string, unknown>>, names: readonly string[]): string[] {
  const texts: string[] = [];

  for (const name of names) {
    const given = properties[name] ?? [];

    for (const value of Array.isArray(given) ? (given as unknown[]) : [given]) {
      const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';

      if (text !== '' && text.length <= LONGEST_LINK && !texts.includes(text) && texts.length < MOST_REQUESTS) {
        texts.push(text);
      }
    }
  }

  return texts;
}

/** A part in an outcome with what it comes to. */
export interface AgentAmount {
  readonly agent: string;
  /** Of 1. */
  readonly share: string;
  readonly amount: string;
}

/** Splits an amount over agents by their shares; what divided shares leave over is the last one's. */
export function agentAmounts(
  agents: readonly { readonly agent: string; readonly share: string }[],
  amount: Decimal,
): AgentAmount[] {
  let left = amount;

  return agents.map(({ agent, share }, place) => {
    const own = place === agents.length - 1 ? left : amount.times(decimal(share));
    left = left.minus(own);

    return { agent, share, amount: formatDecimal(own) };
  });
}
