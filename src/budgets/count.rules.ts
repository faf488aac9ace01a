import { type Decimal, decimal, ONE, sum, ZERO } from '../money/index.js';
import { type Limit, shareOf, type Use, type UsePart } from './limit.rules.js';
import type { HeldPart } from './reserve.rules.js';

/** What a call has used, as it is priced: an event by itself, or all that settles a hold at once. */
export interface UsedCall extends Pick<Use, 'lineage' | 'keyId' | 'currency'> {
  readonly events: readonly {
    readonly at: Date;
    readonly models: readonly string[];
    readonly parts: readonly UsePart[];
  }[];
  /** Null for usage that nobody has asked for before. */
  readonly hold: CallHeld | null;
}

/** The hold that a call settles. */
export interface CallHeld {
  /** The key that has asked for it. */
  readonly keyId: string;
  /** When it was held, give or take the calls that were decided on together with it. */
  readonly heldAt: Date;
  readonly parts: readonly HeldPart[];
  /** What it had come to before; null when nothing had settled it. */
  readonly before: Decimal | null;
  /** Whether a part of what was used has no price. */
  readonly isUnpriced: boolean;
}

/** What a limit's window gets of a call. */
export interface Counted {
  readonly windowStart: Date;
  readonly used: Decimal;
}

/**
 * What a call adds to a limit. Where it was held in the limit it counts in the window in which it was held, whenever it
 * happened: what was held there makes room for it, so no window has more than its limit but by what is recorded as overrun.
 * Elsewhere each event counts in the window of its own time. What settles a hold is one call, however many events it has, and
 * also when more of them come later. Where it has no price it counts in money as what was held, beyond what of it has one.
 */
export function countedOf(limit: Limit, call: UsedCall): readonly Counted[] {
  if (limit.measure === 'OPEN_HOLDS' || (limit.measure === 'MONEY' && limit.currency !== call.currency)) {
    return [];
  }

  const held = partIn(limit, call);
  // What the key of the hold has asked for is its own, whoever tells what became of it.
  const keyId = held && limit.keyId === call.hold?.keyId ? call.hold.keyId : call.keyId;
  const shares = call.events.flatMap(({ at, models, parts }) => {
    const share = shareOf(limit, { ...call, keyId, models, parts });

    return share ? [{ windowStart: held?.windowStart ?? limit.windowAt(at), used: share }] : [];
  });

  if (limit.measure === 'CALLS') {
    const [place] = held ? [held] : shares;
    const isCounted = call.hold !== null && call.hold.before !== null;

    return place && !isCounted ? [{ windowStart: place.windowStart, used: ONE }] : [];
  }

  return limit.measure === 'MONEY' && held ? [...shares, ...unpricedIn(held, call, shares)] : shares;
}

/** How far apart calls are asked that are decided on together, at most. */
const TOGETHER_MS = 60_000;

/** The part of the hold in this limit, unless the limit counts by other windows than when it was held. */
function partIn({ ownerId, id, windowAt }: Limit, { hold }: UsedCall): HeldPart | null {
  const part = hold?.parts.find(({ tenantId, limitId }) => tenantId === ownerId && limitId === id);

  if (!hold || !part) {
    return null;
  }

  const start = part.windowStart.getTime();
  const isWindow = windowAt(part.windowStart).getTime() === start;
  const earliest = windowAt(new Date(hold.heldAt.getTime() - TOGETHER_MS)).getTime();

  return isWindow && start >= earliest ? part : null;
}

function unpricedIn({ windowStart, amount }: HeldPart, { hold }: UsedCall, shares: readonly Counted[]): Counted[] {
  if (!hold?.isUnpriced) {
    return [];
  }

  const missing = decimal(amount.minus(hold.before ?? ZERO).minus(sum(shares.map(({ used }) => used))));

  return missing.gt(0) ? [{ windowStart, used: missing }] : [];
}
