import { parseDecimal, type Decimal } from '../money/index.js';
import { isCleanText } from '../tenants/tenant.rules.js';
import { propertiesFault } from '../usage/properties.rules.js';
import type { OutcomeTerms, Verifier } from './outcome-terms.rules.js';
import type { OutcomeState, Party } from './outcome.rules.js';

const HOUR_MS = 3_600_000;

/** How many outcomes one mutation names at most. */
const MOST_OUTCOMES = 1_000;

const REASON_LENGTH = 200;
const SCORE_DIGITS = { integerDigits: 9, fractionDigits: 9 };
const AMOUNT_DIGITS = { integerDigits: 16, fractionDigits: 12 };

/** States of outcomes that may yet be charged, or are. */
const COUNTING: readonly OutcomeState[] = ['CLAIMED', 'VERIFIED', 'MATURED', 'BILLED', 'DISPUTED'];

/** Why an act is refused; the codes are those of the API. */
export interface ActRefusal {
  readonly code: 'INVALID_INPUT' | 'INVALID_TRANSITION' | 'FORBIDDEN' | 'SELF_VERIFICATION' | 'SELF_DECISION';
  readonly message: string;
  /** Path of the input field at fault. */
  readonly field: readonly string[];
}

/** Who tells a fact. */
export interface ActBy {
  readonly keyId: string;
  readonly party: Party;
}

/** What an act looks at in an outcome. */
export interface ActSubject {
  readonly id: string;
  readonly state: OutcomeState;
  readonly occurredAt: Date;
  readonly maturesAt: Date;
  readonly value: Decimal | null;
}

/** What somebody says of claims. */
export interface VerificationDraft {
  readonly passes: boolean;
  readonly verifier: Verifier;
  readonly score: string | null;
  readonly evidence: unknown;
  readonly reason: string | null;
}

/** How outcomes are taken back. */
export interface ReversalDraft {
  /** The part of the value; null for all. */
  readonly amount: string | null;
  readonly isGuarantee: boolean;
  /** Null: now. */
  readonly at: Date | null;
  readonly reason: string | null;
}

/** A field has a value that cannot be. */
export const invalid = (message: string, ...field: string[]): ActRefusal => ({ code: 'INVALID_INPUT', message, field });

/** The outcome at this place of the list is not where this can happen. */
export const untimely = (message: string, place: number): ActRefusal => ({
  code: 'INVALID_TRANSITION',
  message,
  field: ['outcomeIds', String(place)],
});

/** This key may not do this. */
export const forbidden = (message: string, ...field: string[]): ActRefusal => ({ code: 'FORBIDDEN', message, field });

/** So many hours after an instant. */
export function after(instant: Date, hours: number): Date {
  return new Date(instant.getTime() + hours * HOUR_MS);
}

/** Why a list of outcomes cannot be what an act is about; null when it can. */
export function refuseList(ids: readonly string[], field: string): ActRefusal | null {
  if (ids.length < 1 || ids.length > MOST_OUTCOMES) {
    return invalid(`${field} names 1 to ${MOST_OUTCOMES} outcomes; send more in further calls`, field);
  }

  const twice = ids.findIndex((id, place) => ids.indexOf(id) < place);

  return twice < 0 ? null : invalid('an outcome is named once; leave the second out', field, String(twice));
}

/** Why somebody's words cannot be kept. */
export function refuseReason(reason: string | null, longest = REASON_LENGTH): ActRefusal | null {
  return reason === null || (reason.trim().length > 0 && reason.length <= longest && isCleanText(reason))
    ? null
    : invalid(`reason has 1 to ${longest} characters and no control characters`, 'reason');
}

/** Why evidence cannot be kept. */
export function refuseEvidence(evidence: unknown): ActRefusal | null {
  if (typeof evidence !== 'object' || evidence === null || Array.isArray(evidence)) {
    return invalid('evidence is a JSON object of names and what they show', 'evidence');
  }

  const fault = propertiesFault(evidence as Readonly<Record<string, unknown>>, 'evidence');

  return fault && invalid(`evidence: ${fault.reason}`, ...fault.field.split('.'));
}

/** Why nobody can say this of any claim; null when somebody can. */
export function refuseVerification({ score, evidence, reason }: VerificationDraft): ActRefusal | null {
  if (score !== null && parseDecimal(score, SCORE_DIGITS) === null) {
    return invalid('score is a decimal string of up to 9 digits before and 9 after the point, such as "4.5"', 'score');
  }

  return refuseEvidence(evidence) ?? refuseReason(reason);
}

/** Why one claim cannot be verified so. `claimedBy` is the key that told the claim's event. */
export function refuseVerifying(
  outcome: ActSubject,
  place: number,
  { verification }: Pick<OutcomeTerms, 'verification'>,
  { verifier }: Pick<VerificationDraft, 'verifier'>,
  facts: { readonly by: ActBy; readonly claimedBy: string },
): ActRefusal | null {
  if (facts.by.keyId === facts.claimedBy) {
    return {
      code: 'SELF_VERIFICATION',
      message: `the key that claimed outcome ${outcome.id} does not verify it; use another key`,
      field: ['outcomeIds', String(place)],
    };
  }

  if (outcome.state !== 'CLAIMED' || !verification) {
    return untimely(
      `outcome ${outcome.id} is ${outcome.state}; only a CLAIMED one is verified, so leave it out`,
      place,
    );
  }

  return verification.verifiers.includes(verifier)
    ? null
    : invalid(
        `the rule of outcome ${outcome.id} is verified by ${verification.verifiers.join(' or ')}, not by ${verifier}`,
        'verifier',
      );
}

/** Why nothing can be taken back so; null when something can. `now` bounds the instant that is told. */
export function refuseReversal(
  { amount, isGuarantee, at, reason }: ReversalDraft,
  { party }: Pick<ActBy, 'party'>,
  now: Date,
): ActRefusal | null {
  if (amount !== null && !parseDecimal(amount, AMOUNT_DIGITS)?.gt(0)) {
    return invalid('amount is a decimal string above 0, of up to 16 digits before and 12 after the point', 'amount');
  }

  if (amount !== null && isGuarantee) {
    return invalid('the guarantee pays the whole value back; leave amount out', 'amount');
  }

  // What it pays back is the seller's money.
  if (isGuarantee && party === 'BUYER') {
    return forbidden("only the seller's side grants the guarantee; open a dispute instead", 'isGuarantee');
  }

  // Otherwise the buyer's window would never end.
  if (at !== null && party === 'BUYER') {
    return forbidden("only the seller's side names the instant of a reversal; leave at out for now", 'at');
  }

  if (at !== null && at > now) {
    return invalid('at is not in the future; leave it out for now', 'at');
  }

  return refuseReason(reason);
}

/** Why one outcome cannot be taken back so. */
export function refuseReversing(
  outcome: ActSubject,
  place: number,
  { reversal, guarantee }: Pick<OutcomeTerms, 'reversal' | 'guarantee'>,
  { amount, isGuarantee }: Pick<ReversalDraft, 'amount' | 'isGuarantee'>,
  at: Date,
): ActRefusal | null {
  if (!COUNTING.includes(outcome.state)) {
    return untimely(
      `outcome ${outcome.id} is ${outcome.state}; only one that is ${COUNTING.join(', ')} is taken back, so leave it out`,
      place,
    );
  }

  const terms = isGuarantee ? guarantee : reversal;

  if (!terms) {
    return untimely(
      `the rule of outcome ${outcome.id} knows no ${isGuarantee ? 'guarantee; leave isGuarantee out' : 'reversal; open a dispute instead'}`,
      place,
    );
  }

  if (at < outcome.occurredAt) {
    return untimely(
      `outcome ${outcome.id} occurred at ${outcome.occurredAt.toISOString()}; it is taken back then or later`,
      place,
    );
  }

  const until = after(outcome.occurredAt, terms.windowHours);

  if (at > until) {
    return untimely(`outcome ${outcome.id} could be taken back until ${until.toISOString()}; leave it out`, place);
  }

  return amount !== null && outcome.value === null
    ? untimely(`outcome ${outcome.id} has no value to take a part of; leave amount out`, place)
    : null;
}
