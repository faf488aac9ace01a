import { divide, sum, ZERO, type Decimal } from '../money/index.js';
import { isCharged, type BillableOutcome } from '../outcomes/billable.rules.js';
import { itemOf, type Due, type OutcomeCharge } from './charge.rules.js';
import type { RatedRule } from './outcome-dues.rules.js';
import { RulePrices, type RuleToRate } from './outcome-prices.rules.js';
import { OutcomeWalk } from './outcome-walk.rules.js';

/** What one outcome has in a charge. */
export interface AllocatedOutcome {
  /** Names the charge (`itemOf`): its price and what tells it from others of the same price. */
  readonly item: string;
  readonly priceId: string;
  readonly versionId: string;
  readonly charge: OutcomeCharge;
  /** Null for what is reckoned on all of them: a minimum, a sample audit. */
  readonly outcomeId: string | null;
  /** Exact. */
  readonly amount: Decimal;
  /** Why it costs nothing although it has a price; null where it is charged. */
  readonly waived: 'FREE' | 'CAP_EXHAUSTED' | null;
}

/**
 * Splits what a rule was rated to over its outcomes, in the order in which they are priced: for each due the amounts sum
 * to it exactly. An outcome has what it adds to those before it; where one tier prices the whole (VOLUME, STAIRSTEP) it has
 * its part by quantity. What divisions leave over goes to the last. Free ones, and those that a FREE cap keeps out, are
 * there with nothing; those without a price, and those that a HARD cap keeps out, paid back or not, are not there.
 */
export function allocateOutcomes(
  rule: RuleToRate,
  outcomes: readonly BillableOutcome[],
  { dues, capped, unpaid }: Pick<RatedRule, 'dues' | 'capped' | 'unpaid'>,
): AllocatedOutcome[] {
  const prices = new RulePrices(rule);
  const modes = new Map(capped.map(({ id, mode }) => [id, mode]));
  const out = new Set(unpaid);
  const byPrice = new Map(dues.filter(isPrice).map(due => [keyOf(due), due]));
  const shares = new Map<Due, Share[]>([...byPrice.values()].map(due => [due, []]));
  const walk = new OutcomeWalk(prices);
  const waived: AllocatedOutcome[] = [];
  const paidBack: AllocatedOutcome[] = [];
  const guarantee = dues.find(({ outcome }) => outcome?.charge === 'GUARANTEE') ?? null;

  for (const outcome of prices.inOrder(outcomes)) {
    const { id, versionId, attributes, reimbursement } = outcome;
    const price = prices.priceOf(versionId, attributes);
    const due = price && byPrice.get(keyOf({ priceId: price.id, versionId }));
    const mode = modes.get(id);

    if (!reimbursement.isZero()) {
      if (guarantee && !out.has(id)) {
        paidBack.push(allocated(guarantee, id, reimbursement.negated()));
      }
    } else if (mode || !isCharged(outcome)) {
      if (price && mode !== 'HARD') {
        const place = { priceId: price.id, versionId, takenBy: price.takenBy ?? [], outcome: null };
        waived.push({ ...allocated(place, id, ZERO), waived: mode ? 'CAP_EXHAUSTED' : 'FREE' });
      }
    } else {
      const isPart = due && isWhole(due);
      const added = isPart ? ZERO : walk.take(outcome);

      if (isPart) {
        walk.pass(outcome);
      }

      if (due && added) {
        shares.get(due)?.push({ id, quantity: prices.quantityOf(outcome), added });
      } else if (price) {
        // So little that its price asks for nothing and makes no charge.
        waived.push(allocated({ priceId: price.id, versionId, takenBy: price.takenBy ?? [], outcome: null }, id, ZERO));
      }
    }
  }

  return [
    ...[...shares].flatMap(([due, own]) => split(due, own)),
    ...waived,
    ...paidBack,
    ...dues
      .filter(({ outcome }) => outcome?.charge === 'MINIMUM' || outcome?.charge === 'AUDIT')
      .map(due => allocated(due, null, due.amount)),
  ];
}

interface Share {
  readonly id: string;
  readonly quantity: Decimal;
  readonly added: Decimal;
}

function split(due: Due, shares: readonly Share[]): readonly AllocatedOutcome[] {
  const parts = isWhole(due) ? partsOf(due, shares) : shares.map(({ added }) => added);
  const rest = due.amount.minus(sum(parts));
  const last = shares.length - 1;

  // A flat amount of a tier may be due by a version that priced none of the outcomes.
  return shares.length === 0
    ? [allocated(due, null, due.amount)]
    : shares.map(({ id }, index) => {
        const part = parts[index] ?? ZERO;

        return allocated(due, id, index === last ? part.plus(rest) : part);
      });
}

/** Whether one tier prices all of the period's quantity, so that no outcome adds a price of its own. */
function isWhole({ terms }: Due): boolean {
  return terms?.pricing.model === 'VOLUME' || terms?.pricing.model === 'STAIRSTEP';
}

function partsOf({ amount }: Due, shares: readonly Share[]): readonly Decimal[] {
  const total = sum(shares.map(({ quantity }) => quantity));

  return shares.map(({ quantity }) => (total.isZero() ? ZERO : divide(amount.times(quantity), total)));
}

function isPrice({ outcome }: Due): boolean {
  return outcome?.charge === 'PRICE';
}

function keyOf({ priceId, versionId }: Pick<Due, 'priceId' | 'versionId'>): string {
  return `${versionId} ${priceId}`;
}

function allocated(
  due: Pick<Due, 'priceId' | 'versionId' | 'takenBy' | 'outcome'>,
  outcomeId: string | null,
  amount: Decimal,
): AllocatedOutcome {
  const { priceId, versionId, outcome } = due;

  return { item: itemOf(due), priceId, versionId, charge: outcome?.charge ?? 'PRICE', outcomeId, amount, waived: null };
}
