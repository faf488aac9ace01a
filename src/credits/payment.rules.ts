import { type Decimal, maxOf, sum, ZERO } from '../money/index.js';
import {
  afterParts,
  type BurnPart,
  type BurnPlan,
  type BurnTerms,
  type BurnUse,
  type GrantLeft,
  joined,
  planEach,
  rateOf,
} from './burn.rules.js';

/** What open calls have set aside of grants, by the ids of these, in their units. */
export type HeldOfGrants = ReadonlyMap<string, Decimal>;

/** The grants with what is left of them beside what open calls have set aside. */
export function besideHeld<Grant extends GrantLeft>(grants: readonly Grant[], held: HeldOfGrants): Grant[] {
  return grants.map(grant => ({ ...grant, left: maxOf(grant.left.minus(held.get(grant.id) ?? ZERO), ZERO) }));
}

/**
 * What the grants pay of uses that have happened: first with what nobody has set aside, in the order of burning, and only
 * what that leaves unpaid with what open calls have set aside, in the same order.
 */
export function planAround(
  grants: readonly GrantLeft[],
  held: HeldOfGrants,
  uses: readonly BurnUse[],
  terms: BurnTerms,
): BurnPlan {
  const free = planEach(besideHeld(grants, held), uses, terms);
  const taken = planEach(afterParts(grants, free.parts), free.unpaid, terms);

  return {
    parts: joined([...free.parts, ...taken.parts]),
    left: sum(taken.unpaid.map(({ amount }) => amount)),
  };
}

/**
 * What the grants pay of several burns, one after the other: each sees what the ones before it have left. Answers with the
 * same burns, in their order.
 */
export function planInTurn<Burn extends BurnTerms & { readonly uses: readonly BurnUse[] }>(
  grants: readonly GrantLeft[],
  held: HeldOfGrants,
  burns: readonly Burn[],
): (Burn & { readonly parts: readonly BurnPart[] })[] {
  let left = grants;

  return burns.map(burn => {
    const { parts } = planAround(left, held, burn.uses, burn);
    left = afterParts(left, parts);

    return { ...burn, parts };
  });
}

/** A use, and when it was. */
export interface TimedUse extends BurnUse {
  readonly at: Date;
}

/** Uses that the same grants pay for, as far as time goes. */
export interface Stretch {
  /** That of the latest of them. */
  readonly at: Date;
  readonly uses: readonly BurnUse[];
}

/**
 * Uses in stretches of time, the earliest first: a new one begins where a grant that pays in the currency becomes effective
 * or expires between two of them. Within a stretch what is of one meter and of the same dimensions is one use, and what does
 * not come to more than 0 is none.
 */
export function stretchesOf(grants: readonly GrantLeft[], uses: readonly TimedUse[], currency: string): Stretch[] {
  const turns = grants
    .filter(grant => rateOf(grant, currency) !== null)
    .flatMap(({ effectiveAt, expiresAt }) => (expiresAt ? [effectiveAt, expiresAt] : [effectiveAt]));
  const byTurns = Map.groupBy(uses, ({ at }) => turns.filter(turn => turn <= at).length);

  return [...byTurns]
    .sort(([a], [b]) => a - b)
    .map(([, own]) => ({
      at: own.map(({ at }) => at).reduce((latest, at) => (at > latest ? at : latest)),
      uses: summed(own),
    }))
    .filter(stretch => stretch.uses.length > 0);
}

function summed(uses: readonly BurnUse[]): BurnUse[] {
  const byKind = new Map<string, BurnUse>();

  for (const { meterId, dimensions, amount } of uses) {
    const kind = `${meterId} ${JSON.stringify(dimensions)}`;
    byKind.set(kind, { meterId, dimensions, amount: amount.plus(byKind.get(kind)?.amount ?? ZERO) });
  }

  return [...byKind.values()].filter(({ amount }) => amount.gt(0));
}
