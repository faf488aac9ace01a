import { type Decimal, ONE, ZERO } from '../money/index.js';
import { type BillableOutcome, type CappedOutcome, isCharged } from '../outcomes/billable.rules.js';
import { type Cap, CAP_SCOPES, type CapScope } from '../outcomes/outcome-terms.rules.js';
import { asOccurred, RulePrices, type RuleToRate } from './outcome-prices.rules.js';
import { OutcomeWalk } from './outcome-walk.rules.js';

/** A SOFT cap that an outcome goes beyond, by the version that judged it. */
export interface ExceededCap {
  readonly versionId: string;
  readonly cap: Cap;
}

/** What the caps of a rule make of a period's outcomes. */
export interface Capped {
  /** Those that are not charged, in the order in which they occurred. */
  readonly capped: readonly CappedOutcome[];
  /** Those beyond a SOFT cap, which are charged and told. */
  readonly beyond: readonly string[];
  /** Those that were to be paid back and are not, for a HARD cap kept them out: nothing was charged for them. */
  readonly unpaid: readonly string[];
}

/** What the outcomes of a scope have come to. */
interface Spent {
  readonly count: Decimal;
  readonly amount: Decimal;
}

/**
 * Goes over the outcomes as they occurred, whichever version judged them; the first cap of its version's list that an
 * outcome would bring its scope above, by count or by the exact amount that it adds, is the one that it is beyond. What a
 * HARD or FREE cap keeps out counts for nothing, so that a smaller one after it may still fit. A cap on money in another
 * currency than the contract's is none. Outcomes that are free take no cap; one without a price adds nothing. What is paid back under the
 * guarantee is looked at in its place and takes no room.
 */
export function cappedOf(rule: RuleToRate, outcomes: readonly BillableOutcome[]): Capped {
  const { capped, beyond, unpaid } = gonePast(rule, outcomes);

  return { capped, beyond, unpaid };
}

/** The same, and the SOFT cap that the first of those beyond one goes beyond; null for none. */
export function gonePast(
  rule: RuleToRate,
  outcomes: readonly BillableOutcome[],
): Capped & { readonly exceeded: ExceededCap | null } {
  const prices = new RulePrices(rule);
  const capped: CappedOutcome[] = [];
  const beyond: string[] = [];
  const unpaid: string[] = [];
  let exceeded: ExceededCap | null = null;

  if (!prices.versions.some(({ terms }) => terms.caps.length > 0)) {
    return { capped, beyond, exceeded, unpaid };
  }

  const scopes = CAP_SCOPES.filter(per => prices.versions.some(({ terms }) => terms.caps.some(cap => cap.per === per)));
  const walk = new OutcomeWalk(prices);
  const spent = new Map<string, Spent>();

  for (const outcome of asOccurred(outcomes.filter(({ isFree }) => !isFree))) {
    const caps = prices.versions[prices.placeOf(outcome.versionId)]?.terms.caps ?? [];
    const amount = walk.peek(outcome) ?? ZERO;
    const hit = caps.filter(cap =>
      exceedsCap(cap, rule.currency, spent.get(scopeKey(cap.per, outcome)) ?? NOTHING, amount),
    );
    const mode = hit.flatMap(cap => (cap.mode === 'SOFT' ? [] : cap.mode))[0];

    if (!isCharged(outcome)) {
      if (mode === 'HARD') {
        unpaid.push(outcome.id);
      }

      continue;
    }

    if (mode) {
      capped.push({ id: outcome.id, mode });
      continue;
    }

    const [soft] = hit;

    if (soft) {
      exceeded ??= { versionId: outcome.versionId, cap: soft };
      beyond.push(outcome.id);
    }

    walk.take(outcome);

    for (const per of scopes) {
      const key = scopeKey(per, outcome);
      const before = spent.get(key) ?? NOTHING;
      spent.set(key, { count: before.count.plus(ONE), amount: before.amount.plus(amount) });
    }
  }

  return { capped, beyond, exceeded, unpaid };
}

const NOTHING: Spent = { count: ZERO, amount: ZERO };

function exceedsCap(cap: Cap, currency: string, before: Spent, amount: Decimal): boolean {
  if (cap.count?.lt(before.count.plus(ONE))) {
    return true;
  }

  return cap.amount?.currency === currency && before.amount.plus(amount).gt(cap.amount.amount);
}

/** One text for what a cap counts together. An outcome without a subject is a subject of its own. */
export function scopeKey(per: CapScope, { id, day, subject }: BillableOutcome): string {
  switch (per) {
    case 'PERIOD':
      return per;

    case 'DAY':
      return `${per} ${day}`;

    case 'SUBJECT':
      return subject === null ? `${per}: ${id}` : `${per} ${subject}`;

    default:
      return per satisfies never;
  }
}
