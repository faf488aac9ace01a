import { decimal, type Decimal } from '../money/index.js';
import {
  after,
  forbidden,
  invalid,
  refuseEvidence,
  refuseList,
  refuseReason,
  untimely,
  type ActBy,
  type ActRefusal,
  type ActSubject,
} from './act.rules.js';
import type { OutcomeTerms } from './outcome-terms.rules.js';
import type { OutcomeState } from './outcome.rules.js';

const DISPUTE_REASON_LENGTH = 2_000;
const DISPUTABLE: readonly OutcomeState[] = ['MATURED', 'BILLED'];

/** How many outcomes a sample holds at most. */
export const LARGEST_SAMPLE = 1_000;

/** Why nothing can be disputed so; null when something can. */
export function refuseDispute(draft: { readonly reason: string; readonly evidence: unknown }): ActRefusal | null {
  return refuseReason(draft.reason, DISPUTE_REASON_LENGTH) ?? refuseEvidence(draft.evidence);
}

/** Why one outcome cannot be disputed now. `earlier` is the dispute of it that the same side opened before: each has one. */
export function refuseDisputing(
  outcome: ActSubject,
  place: number,
  { dispute }: Pick<OutcomeTerms, 'dispute'>,
  earlier: string | null,
  now: Date,
): ActRefusal | null {
  if (!dispute) {
    return untimely(`the rule of outcome ${outcome.id} takes no disputes; leave it out`, place);
  }

  if (earlier !== null) {
    return untimely(
      `outcome ${outcome.id} is in dispute ${earlier} of this side already; each side disputes an outcome once`,
      place,
    );
  }

  const until = after(outcome.maturesAt, dispute.windowHours);

  if (now > until) {
    return untimely(`outcome ${outcome.id} could be disputed until ${until.toISOString()}; leave it out`, place);
  }

  // One that another call has seen mature, whose clock is ahead of this one's, is disputed after that instant too.
  return DISPUTABLE.includes(outcome.state) && now >= outcome.maturesAt
    ? null
    : untimely(
        `outcome ${outcome.id} is ${outcome.state}; it can be disputed while it is ${DISPUTABLE.join(' or ')}, until ${until.toISOString()}`,
        place,
      );
}

/** What becomes of the outcomes of a dispute. */
export interface DecisionDraft {
  readonly acceptedOutcomeIds: readonly string[];
  readonly rejectedOutcomeIds: readonly string[];
  readonly reason: string | null;
}

/** Why a dispute cannot be decided so, or not by this key. `openedBy` is the key that opened it. */
export function refuseDecision(
  { acceptedOutcomeIds, rejectedOutcomeIds, reason }: DecisionDraft,
  by: ActBy,
  openedBy: string,
): ActRefusal | null {
  if (by.party !== 'SELLER') {
    return forbidden("only the seller's side decides a dispute; wait until it does", 'outcomeDisputeId');
  }

  if (by.keyId === openedBy) {
    return {
      code: 'SELF_DECISION',
      message: 'the key that opened the dispute does not decide it; use another key',
      field: ['outcomeDisputeId'],
    };
  }

  const isAccepting = acceptedOutcomeIds.length > 0;

  return (
    (isAccepting ? refuseList(acceptedOutcomeIds, 'acceptedOutcomeIds') : null) ??
    (rejectedOutcomeIds.length > 0 || !isAccepting ? refuseList(rejectedOutcomeIds, 'rejectedOutcomeIds') : null) ??
    refuseBoth(acceptedOutcomeIds, rejectedOutcomeIds) ??
    refuseReason(reason)
  );
}

/** Both lists have been bounded before. */
function refuseBoth(acceptedIds: readonly string[], rejectedIds: readonly string[]): ActRefusal | null {
  const accepted = new Set(acceptedIds);
  const both = rejectedIds.findIndex(id => accepted.has(id));

  return both < 0 ? null : invalid('an outcome is accepted or rejected, not both', 'rejectedOutcomeIds', String(both));
}

/** Why one outcome of a dispute cannot be decided any more: somebody did, silence did, or it was taken back meanwhile. */
export function refuseDeciding(
  { id, state }: Pick<ActSubject, 'id' | 'state'>,
  field: readonly string[],
): ActRefusal | null {
  return state === 'DISPUTED'
    ? null
    : {
        code: 'INVALID_TRANSITION',
        message: `outcome ${id} is ${state}; only a DISPUTED one is decided, so leave it out`,
        field,
      };
}

/** Why no sample of any period has this size; null when one may. */
export function refuseSampleSize(size: number): ActRefusal | null {
  return Number.isInteger(size) && size >= 1 && size <= LARGEST_SAMPLE
    ? null
    : invalid(`sampleSize is from 1 to ${LARGEST_SAMPLE}`, 'sampleSize');
}

/** Why a sample of this size cannot be drawn from so many outcomes; null when it can. The size is one of a sample. */
export function refuseSample(size: number, population: number, leastSample: number): ActRefusal | null {
  if (population < 1) {
    return {
      code: 'INVALID_TRANSITION',
      message: 'the period holds no outcome of the rule that is charged; there is nothing to audit',
      field: ['at'],
    };
  }

  const [least, most] = [Math.min(population, leastSample), Math.min(population, LARGEST_SAMPLE)];

  return size >= least && size <= most
    ? null
    : invalid(
        `sampleSize is from ${least} to ${most}: the period holds ${population} outcomes of the rule that are charged, and its terms ask for a sample of ${leastSample} or of all`,
        'sampleSize',
      );
}

/** Why the result of a sample audit is none; null when it is one. */
export function refuseFindings(
  wrongIds: readonly string[],
  sampleIds: readonly string[],
  by: Pick<ActBy, 'party'>,
): ActRefusal | null {
  // What it finds is taken off the seller's money.
  if (by.party !== 'SELLER') {
    return forbidden(
      "only the seller's side finishes a sample audit; dispute outcomes instead",
      'outcomeSampleAuditId',
    );
  }

  const known = new Set(sampleIds);
  const odd = wrongIds.findIndex(id => !known.has(id));
  const stray =
    odd < 0
      ? null
      : invalid(
          `outcome ${wrongIds[odd]?.slice(0, 40) ?? ''} is not in the sample; leave it out`,
          'wrongOutcomeIds',
          String(odd),
        );

  return wrongIds.length > 0 ? (refuseList(wrongIds, 'wrongOutcomeIds') ?? stray) : null;
}

/** Whether more of a sample is wrong than the tolerance, in per cent, lets pass: then it counts for all. */
export function isBeyond(tolerance: Decimal, sample: number, wrong: number): boolean {
  return decimal(wrong).times(100).gt(tolerance.times(sample));
}
