import type { Decimal } from '../money/index.js';
import type { Measure } from './limit.rules.js';
import type { Beyond } from './reserve.rules.js';

/** Why a call may not go ahead. */
export type DecisionCode =
  | 'LIMIT_EXCEEDED'
  | 'CREDITS_EXHAUSTED'
  | 'UNPRICED'
  | 'NO_CONTRACT'
  | 'CURRENCY_MISMATCH'
  | 'HOLD_ENDED'
  | 'NOT_ENTITLED'
  | 'MODEL_DENIED';

/** A limit as it is told to whoever asks. */
export interface LimitShown {
  /** Null, as everything below, where the limit is of a tenant above the one that asks: that there is one is all it is told. */
  readonly limitId: string | null;
  readonly ownerId: string | null;
  readonly measure: Measure | null;
  readonly currency: string | null;
  readonly most: Decimal | null;
  readonly used: Decimal | null;
  readonly held: Decimal | null;
  readonly remaining: Decimal | null;
  readonly resetsAt: Date | null;
}

/** Whether a call may go ahead, and if not why. */
export interface Decision {
  readonly isAllowed: boolean;
  readonly code: DecisionCode | null;
  /** What to do about it; null when it is allowed. */
  readonly message: string | null;
  /** The limit that refuses it. */
  readonly limit: LimitShown | null;
  /** SOFT limits that the call goes beyond, and SOFT budgets in another currency, which count nothing of it. */
  readonly beyond: readonly LimitShown[];
}

export const ALLOWED: Decision = { isAllowed: true, code: null, message: null, limit: null, beyond: [] };

const HIDDEN: LimitShown = {
  limitId: null,
  ownerId: null,
  measure: null,
  currency: null,
  most: null,
  used: null,
  held: null,
  remaining: null,
  resetsAt: null,
};

/** A limit that a use is beyond, as a tenant of the lineage may see it: its own and those of tenants below it. */
export function shownTo(
  viewerId: string,
  lineage: readonly string[],
  { limit, used, held, remaining }: Beyond,
): LimitShown {
  const { id, entitlementId = id, ownerId, measure, currency, most, resetsAt } = limit;

  return lineage.indexOf(ownerId) < lineage.indexOf(viewerId)
    ? HIDDEN
    : { limitId: entitlementId, ownerId, measure, currency, most, used, held, remaining, resetsAt };
}

/** A refusal without a limit. */
export function refusal(code: DecisionCode, message: string): Decision {
  return { isAllowed: false, code, message, limit: null, beyond: [] };
}
