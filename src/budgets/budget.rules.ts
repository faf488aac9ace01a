import { type Decimal, parseDecimal } from '../money/index.js';
import { globPrefix } from '../pricing/pattern.rules.js';
import type { LimitMode, LimitPer } from './limit.rules.js';

/** What somebody wants a budget to be; amounts as texts. */
export interface BudgetDraft {
  readonly name: string;
  readonly amount: string;
  readonly currency: string;
  readonly mode: LimitMode;
  readonly per: LimitPer;
  readonly countedTenantId: string | null;
  readonly keyId: string | null;
  readonly meterId: string | null;
  readonly model: string | null;
}

export interface BudgetRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

const LIMITS = { integerDigits: 16, fractionDigits: 12 };
const LONGEST_MODEL = 200;
const LONGEST_RAISE_MS = 366 * 86_400_000;

/** An amount of a budget, from 0; null for a text that is none. */
export function readBudgetAmount(text: string): Decimal | null {
  const amount = parseDecimal(text, LIMITS);

  return amount && !amount.isNegative() ? amount : null;
}

/** Why a budget cannot be made as it is wanted; null when it can. Whether what it names exists is for others to say. */
export function refuseBudget({ name, amount, model }: BudgetDraft): BudgetRefusal | null {
  if (name.trim().length < 1 || name.length > 200) {
    return { field: ['name'], message: 'name has 1 to 200 characters' };
  }

  if (!readBudgetAmount(amount)) {
    return { field: ['amount'], message: 'amount is a decimal from 0' };
  }

  if (model !== null && (model.length > LONGEST_MODEL || (globPrefix(model) ?? model).trim() === '')) {
    return { field: ['model'], message: 'model is the name of a model, or the beginning of one and *' };
  }

  return null;
}

/** Why a budget cannot be raised so; null when it can. */
export function refuseRaise(
  {
    amount,
    from,
    until,
    reason,
  }: { readonly amount: string; readonly from: Date; readonly until: Date; readonly reason: string },
  now: Date,
): BudgetRefusal | null {
  if (!readBudgetAmount(amount)?.gt(0)) {
    return { field: ['amount'], message: 'amount is a decimal above 0' };
  }

  if (!(until > from) || until <= now || until.getTime() - from.getTime() > LONGEST_RAISE_MS) {
    return { field: ['until'], message: 'until is in the future, and after from by at most 366 days' };
  }

  return reason.trim().length < 1 || reason.length > 500
    ? { field: ['reason'], message: 'reason has 1 to 500 characters' }
    : null;
}
