import { type Decimal, divide, isCurrency, parseDecimal } from '../money/index.js';
import { globPrefix } from '../pricing/pattern.rules.js';

/** Whether somebody paid for the credits. */
export type CreditKind = 'PAID' | 'PROMOTIONAL';

/** An amount as a text, in a currency. */
export interface AmountText {
  readonly amount: string;
  readonly currency: string;
}

/** What somebody wants a grant of credits to be; amounts as texts. */
export interface CreditGrantDraft {
  readonly kind: CreditKind;
  /** An ISO 4217 code, or a word of the seller's own. */
  readonly unit: string;
  /** What one unit pays for; for words only. */
  readonly unitWorth: AmountText | null;
  readonly amount: string;
  /** What was paid for all of it. */
  readonly costBasis: AmountText;
  readonly priority: number;
  readonly meterIds: readonly string[];
  readonly models: readonly string[];
  /** Now when it is null. */
  readonly effectiveAt: Date | null;
  readonly expiresAt: Date | null;
}

export interface CreditRefusal {
  readonly field: readonly string[];
  readonly message: string;
}

const LIMITS = { integerDigits: 16, fractionDigits: 12 };
const UNIT = /^[a-z][a-z0-9_]{0,39}$/;
const MOST_NAMES = 100;
const LONGEST_MODEL = 200;
const MOST_PRIORITY = 1_000_000;

/** An amount of credits or of money, from 0; null for a text that is none. */
export function readAmount(text: string): Decimal | null {
  const amount = parseDecimal(text, LIMITS);

  return amount && !amount.isNegative() ? amount : null;
}

/** Whether a text names what credits can be counted in. */
export function isCreditUnit(unit: string): boolean {
  return isCurrency(unit) || UNIT.test(unit);
}

/** Why a grant cannot be made as it is wanted; null when it can. */
export function refuseGrant(draft: CreditGrantDraft, now: Date): CreditRefusal | null {
  return refuseWorth(draft) ?? refuseCost(draft) ?? refuseUse(draft) ?? refuseTimes(draft, now);
}

/** What was paid for a part of a grant: its share of the cost basis, exact or to 36 digits (`divide`). */
export function shareOfCost(grant: { readonly amount: Decimal; readonly cost: Decimal }, part: Decimal): Decimal {
  return divide(grant.cost.times(part), grant.amount);
}

function refuseWorth({ kind, unit, unitWorth, amount }: CreditGrantDraft): CreditRefusal | null {
  if (!isCreditUnit(unit)) {
    return {
      field: ['unit'],
      message: 'unit is an ISO 4217 code such as USD, or a word of lower-case letters, digits and _ such as credit',
    };
  }

  if (isCurrency(unit) !== (unitWorth === null)) {
    return {
      field: ['unitWorth'],
      message: 'unitWorth is what one unit pays for; a word has one, and a currency has none, for it pays for itself',
    };
  }

  const worth = unitWorth && readAmount(unitWorth.amount);

  if (unitWorth && !(worth && isCurrency(unitWorth.currency) && (kind === 'PROMOTIONAL' || worth.gt(0)))) {
    return {
      field: ['unitWorth'],
      message: 'unitWorth is an amount above 0 (of promotional credits from 0) in an ISO 4217 currency',
    };
  }

  return readAmount(amount)?.gt(0) ? null : { field: ['amount'], message: 'amount is a decimal above 0' };
}

function refuseCost({ kind, costBasis }: CreditGrantDraft): CreditRefusal | null {
  const cost = readAmount(costBasis.amount);

  if (!cost || !isCurrency(costBasis.currency)) {
    return { field: ['costBasis'], message: 'costBasis is an amount from 0 in an ISO 4217 currency' };
  }

  return kind === 'PROMOTIONAL' && !cost.isZero()
    ? { field: ['costBasis'], message: 'nobody pays for promotional credits: costBasis is 0, or the kind is PAID' }
    : null;
}

function refuseUse({ priority, meterIds, models }: CreditGrantDraft): CreditRefusal | null {
  if (!Number.isInteger(priority) || Math.abs(priority) > MOST_PRIORITY) {
    return { field: ['priority'], message: 'priority is a whole number from -1000000 to 1000000' };
  }

  if (meterIds.length > MOST_NAMES) {
    return { field: ['meterIds'], message: `meterIds are at most ${MOST_NAMES}` };
  }

  const isModel = (model: string): boolean =>
    model.length <= LONGEST_MODEL && (globPrefix(model) ?? model).trim() !== '';

  return models.length > MOST_NAMES || !models.every(isModel)
    ? {
        field: ['models'],
        message: `models are at most ${MOST_NAMES}, each the name of a model, or the beginning of one and *`,
      }
    : null;
}

function refuseTimes({ effectiveAt, expiresAt }: CreditGrantDraft, now: Date): CreditRefusal | null {
  return expiresAt && (expiresAt <= now || expiresAt <= (effectiveAt ?? now))
    ? { field: ['expiresAt'], message: 'expiresAt is in the future, and after effectiveAt' }
    : null;
}
