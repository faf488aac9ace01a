import { type Decimal, divide, minOf, ONE, sum, ZERO } from '../money/index.js';
import { matches } from '../pricing/pattern.rules.js';

/** What one unit of credits pays for. */
export interface Worth {
  readonly amount: Decimal;
  readonly currency: string;
}

/** Credits that are left of a grant, and what they may pay for. */
export interface GrantLeft {
  readonly id: string;
  /** An ISO 4217 code, or the name of a unit of the seller's own. */
  readonly unit: string;
  /** Null where the unit is a currency, and pays for itself. */
  readonly worth: Worth | null;
  readonly left: Decimal;
  /** Less burns first. */
  readonly priority: number;
  readonly effectiveAt: Date;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
  /** Pays for these meters only; for all when there is none. */
  readonly meterIds: readonly string[];
  /** Pays for models that fit one of these only (a name, or the beginning of one and `*`); for all when there is none. */
  readonly models: readonly string[];
}

/** A part of a call, as it is priced, that credits are to pay. */
export interface BurnUse {
  readonly meterId: string;
  readonly dimensions: Readonly<Record<string, string>>;
  /** In the currency of the burn; nothing is taken for what is not above 0. */
  readonly amount: Decimal;
}

/** When something was used, and in what it is priced. */
export interface BurnTerms {
  readonly at: Date;
  /** An ISO 4217 code, or the unit of credits itself. */
  readonly currency: string;
}

/** What is taken from one grant. */
export interface BurnPart {
  readonly grantId: string;
  readonly unit: string;
  /** In the unit. */
  readonly amount: Decimal;
  /** What that pays, in the currency of the burn. */
  readonly pays: Decimal;
}

/** What credits pay of a use, in the order in which they burn, and what they do not. */
export interface BurnPlan {
  readonly parts: readonly BurnPart[];
  readonly left: Decimal;
}

/** For sorting: what expires first burns first, what never does last; then by priority, then by age. */
export function burnOrder(
  a: Pick<GrantLeft, 'id' | 'priority' | 'expiresAt' | 'createdAt'>,
  b: Pick<GrantLeft, 'id' | 'priority' | 'expiresAt' | 'createdAt'>,
): number {
  const [one, other] = [a, b].map(({ expiresAt }) => expiresAt?.getTime() ?? Number.MAX_SAFE_INTEGER);

  return (
    (one ?? 0) - (other ?? 0) ||
    a.priority - b.priority ||
    a.createdAt.getTime() - b.createdAt.getTime() ||
    (a.id < b.id ? -1 : Number(a.id > b.id))
  );
}

/** Whether credits can be used at an instant: from when they are effective until before they expire. */
function isLive({ effectiveAt, expiresAt }: Pick<GrantLeft, 'effectiveAt' | 'expiresAt'>, at: Date): boolean {
  return effectiveAt <= at && (expiresAt === null || at < expiresAt);
}

/**
 * What the grants pay of one use. The amounts that the parts pay and what is left sum to what was asked, exactly, and no
 * part takes more than its grant has. Where one unit is worth more or less than 1, the credits are what is paid divided by
 * the worth, exact or down to 36 digits (`divide`); a grant that is emptied pays its credits times the worth.
 */
export function planBurn(grants: readonly GrantLeft[], use: BurnUse, terms: BurnTerms): BurnPlan {
  const parts: BurnPart[] = [];
  let left = use.amount;

  for (const grant of grants.filter(candidate => paysFor(candidate, use, terms)).toSorted(burnOrder)) {
    if (left.lte(0)) {
      break;
    }

    const part = takeFrom(grant, left, rateOf(grant, terms.currency) ?? ZERO);

    if (part.pays.gt(0)) {
      parts.push(part);
      left = left.minus(part.pays);
    }
  }

  return { parts, left };
}

/** What the grants pay of the uses of one call, one use after the other; one part for each grant. */
export function planBurns(grants: readonly GrantLeft[], uses: readonly BurnUse[], terms: BurnTerms): BurnPlan {
  const { parts, unpaid } = planEach(grants, uses, terms);

  return { parts: joined(parts), left: sum(unpaid.map(({ amount }) => amount)) };
}

/** One use after the other: the parts of each, and the uses with what is not paid of them. */
export function planEach(
  grants: readonly GrantLeft[],
  uses: readonly BurnUse[],
  terms: BurnTerms,
): { readonly parts: readonly BurnPart[]; readonly unpaid: readonly BurnUse[] } {
  const parts: BurnPart[] = [];
  const unpaid: BurnUse[] = [];

  for (const use of uses) {
    const plan = planBurn(afterParts(grants, parts), use, terms);
    parts.push(...plan.parts);
    unpaid.push({ ...use, amount: plan.left });
  }

  return { parts, unpaid };
}

/** One part for each grant, in the order in which the grants come first. */
export function joined(parts: readonly BurnPart[]): BurnPart[] {
  const byGrant = new Map<string, BurnPart>();

  for (const part of parts) {
    const before = byGrant.get(part.grantId);
    byGrant.set(part.grantId, {
      ...part,
      amount: part.amount.plus(before?.amount ?? ZERO),
      pays: part.pays.plus(before?.pays ?? ZERO),
    });
  }

  return [...byGrant.values()];
}

/** The grants with what is left of them once these parts are taken. */
export function afterParts(grants: readonly GrantLeft[], parts: readonly BurnPart[]): GrantLeft[] {
  const taken = Map.groupBy(parts, ({ grantId }) => grantId);

  return grants.map(grant => ({
    ...grant,
    left: grant.left.minus(sum((taken.get(grant.id) ?? []).map(({ amount }) => amount))),
  }));
}

/** What a burn took of one grant, less what was given back since. */
export interface BurnedPart extends BurnPart {
  /** What one unit pays, in the currency of the burn. */
  readonly rate: Decimal;
}

/**
 * What each grant gets back when less was used by `amount`, in the currency of the burn: what burned last comes back first,
 * so that what stays burned is what the smaller use would have taken. Null when so much was not burned.
 */
export function planReversal(burned: readonly BurnedPart[], amount: Decimal): BurnPart[] | null {
  const parts: BurnPart[] = [];
  let left = amount;

  for (const { grantId, unit, amount: credits, pays, rate } of burned.toReversed()) {
    if (left.lte(0)) {
      break;
    }

    const isWhole = left.gte(pays);
    const back = isWhole ? credits : minOf(credits, divide(left, rate));

    if (pays.gt(0)) {
      parts.push({ grantId, unit, amount: back, pays: isWhole ? pays : left });
      left = isWhole ? left.minus(pays) : ZERO;
    }
  }

  return left.gt(0) ? null : parts;
}

/** What moves of one grant, in its unit. */
export interface TransferPart {
  readonly grantId: string;
  readonly amount: Decimal;
}

/**
 * What each grant gives when credits of a unit move to somebody else, in the order in which they burn; null when less than
 * that is there to be used at the instant.
 */
export function planTransfer(
  grants: readonly GrantLeft[],
  { unit, amount, at }: { readonly unit: string; readonly amount: Decimal; readonly at: Date },
): { readonly parts: readonly TransferPart[] | null; readonly available: Decimal } {
  const own = grants.filter(grant => grant.unit === unit && isLive(grant, at)).toSorted(burnOrder);
  const available = sum(own.map(({ left }) => left));
  const parts: TransferPart[] = [];
  let wanted = amount;

  for (const { id: grantId, left } of own) {
    if (wanted.gt(0) && left.gt(0)) {
      const part = minOf(wanted, left);
      parts.push({ grantId, amount: part });
      wanted = wanted.minus(part);
    }
  }

  return { parts: wanted.gt(0) ? null : parts, available };
}

/** What one unit of a grant pays in a currency; null when it does not pay in it. */
export function rateOf({ unit, worth }: Pick<GrantLeft, 'unit' | 'worth'>, currency: string): Decimal | null {
  if (unit === currency) {
    return ONE;
  }

  return worth?.currency === currency && worth.amount.gt(0) ? worth.amount : null;
}

function paysFor(grant: GrantLeft, use: BurnUse, { at, currency }: BurnTerms): boolean {
  return (
    grant.left.gt(0) &&
    isLive(grant, at) &&
    rateOf(grant, currency) !== null &&
    (grant.meterIds.length === 0 || grant.meterIds.includes(use.meterId)) &&
    (grant.models.length === 0 || grant.models.some(model => matches({ model }, use.dimensions)))
  );
}

/** The last of the digits to which a division that does not end is rounded. */
const LAST_DIGIT = ONE.shiftedBy(-36);

function takeFrom({ id: grantId, unit, left: has }: GrantLeft, wanted: Decimal, rate: Decimal): BurnPart {
  const rounded = divide(wanted, rate);
  // Down, so that a grant pays for no less in several parts than it would at once.
  const credits = rounded.times(rate).gt(wanted) ? rounded.minus(LAST_DIGIT) : rounded;

  // `minOf`: a worth that does not divide evenly must not pay the last of its 36 digits twice.
  return credits.lte(has)
    ? { grantId, unit, amount: credits, pays: wanted }
    : { grantId, unit, amount: has, pays: minOf(wanted, has.times(rate)) };
}
