import { formatDecimal } from '../money/index.js';
import { canonicalJson } from '../platform/index.js';
import { monthOf } from '../usage/index.js';
import { factCount } from './fact-run.rules.js';
import { factsHash } from './other-facts.js';
import type { OutcomeState, Verdict } from './outcome.rules.js';

/** What a verdict says, in the forms in which it is stored: plain decimals, ISO instants, canonical JSON. */
export interface Standing {
  readonly id: string;
  readonly ruleId: string;
  readonly versionId: string;
  readonly versionNumber: number;
  readonly contractId: string;
  readonly currency: string;
  readonly eventId: string;
  readonly source: string;
  readonly subject: string | null;
  readonly customer: string | null;
  readonly startedAt: string;
  readonly occurredAt: string;
  readonly verifiedAt: string | null;
  readonly maturesAt: string;
  readonly periodAt: string;
  readonly dueAt: string | null;
  readonly judgedState: Verdict['state'];
  readonly judgedReason: string | null;
  readonly instead: string | null;
  readonly isLive: boolean;
  readonly dedupeKey: string | null;
  readonly dedupeUntil: string | null;
  readonly isFree: boolean;
  readonly units: string;
  readonly value: string | null;
  readonly reimbursement: string;
  readonly attributes: string;
  /** Agents in their order, with their shares. */
  readonly agents: string;
  readonly factIds: readonly string[];
  /** How many facts it rests on besides, and one hash for all of them; null for none. */
  readonly otherFacts: number;
  readonly otherFactsHash: string | null;
}

/** An outcome as it stands. */
export interface StoredOutcome {
  readonly standing: Standing;
  /** As people see it: with what a cap and an invoice made of the verdict. */
  readonly shown: OutcomeState;
  /** How many transitions it has gone through. */
  readonly n: number;
  /** The instant that it was last judged differently at. */
  readonly changedAt: Date;
}

/** How an outcome has to be written. */
export interface OutcomeChange {
  readonly standing: Standing;
  /** Null for a new one. */
  readonly from: OutcomeState | null;
  /** The number of its last transition, after this change. */
  readonly n: number;
  /** Whether the change is a transition: another state, another reason, or another amount in the same state. */
  readonly isStep: boolean;
  /** Whether it gives up a place that another outcome may take in the same change. */
  readonly isYielding: boolean;
  /** Whether what is charged may differ. */
  readonly isCharged: boolean;
  /** The instants whose periods are charged differently, as months. */
  readonly months: readonly string[];
}

/** Why an outcome is none any more whose rule knows the event no longer: another contract, or none, holds at its time. */
const NO_RULE = 'NO_RULE';

/** What of an outcome its money depends on, besides whether it has matured. */
const PRICED = ['versionId', 'contractId', 'currency', 'periodAt', 'isFree', 'units', 'value', 'attributes'] as const;

/** What a verdict says, as it is stored. */
function standingOf(verdict: Verdict): Standing {
  const { outcomeId, state, reason, agents, ...rest } = verdict;

  return {
    id: outcomeId,
    ruleId: rest.ruleId,
    versionId: rest.versionId,
    versionNumber: rest.versionNumber,
    contractId: rest.contractId,
    currency: rest.currency,
    eventId: rest.eventId,
    source: rest.source,
    subject: rest.subject,
    customer: rest.customer,
    startedAt: rest.startedAt.toISOString(),
    occurredAt: rest.occurredAt.toISOString(),
    verifiedAt: rest.verifiedAt?.toISOString() ?? null,
    maturesAt: rest.maturesAt.toISOString(),
    periodAt: rest.periodAt.toISOString(),
    dueAt: rest.dueAt?.toISOString() ?? null,
    judgedState: state,
    judgedReason: reason,
    instead: rest.instead,
    isLive: rest.isLive,
    dedupeKey: rest.dedupeKey,
    dedupeUntil: rest.dedupeUntil?.toISOString() ?? null,
    isFree: rest.isFree,
    units: formatDecimal(rest.units),
    value: rest.value && formatDecimal(rest.value),
    reimbursement: formatDecimal(rest.reimbursement),
    attributes: canonicalJson(rest.attributes),
    agents: canonicalJson(agents.map(({ agent, share }) => ({ agent, share: formatDecimal(share) }))),
    factIds: rest.factIds,
    otherFacts: factCount(rest.otherFacts),
    otherFactsHash: rest.otherFacts.length > 0 ? factsHash(rest.otherFacts) : null,
  };
}

/**
 * The difference between the verdicts on whole cases and the outcomes that these cases have now. An outcome without a
 * verdict is rejected: no rule claims it any more. The same verdicts again are no difference.
 */
export function changesTo(verdicts: readonly Verdict[], stored: readonly StoredOutcome[]): OutcomeChange[] {
  const before = new Map(stored.map(outcome => [outcome.standing.id, outcome]));
  const judged = verdicts.map(standingOf);
  const claimed = new Set(judged.map(({ id }) => id));
  const dropped = stored
    .filter(({ standing }) => !claimed.has(standing.id))
    .map(({ standing }) => rejectedOf(standing));

  return [...judged, ...dropped].flatMap(standing => changeTo(standing, before.get(standing.id)) ?? []);
}

function rejectedOf(standing: Standing): Standing {
  return {
    ...standing,
    judgedState: 'REJECTED',
    judgedReason: NO_RULE,
    instead: null,
    dueAt: null,
    isLive: false,
    reimbursement: '0',
  };
}

function changeTo(standing: Standing, stored: StoredOutcome | undefined): OutcomeChange | null {
  if (!stored) {
    const isCharged = isChargeable(standing);

    return {
      standing,
      from: null,
      n: 1,
      isStep: true,
      isYielding: false,
      isCharged,
      months: isCharged ? [monthOf(standing.periodAt)] : [],
    };
  }

  const { standing: old } = stored;

  if (isSame(old, standing)) {
    return null;
  }

  const isRepriced = PRICED.some(member => old[member] !== standing[member]);
  const isPaidBack = old.reimbursement !== standing.reimbursement;
  const isStep =
    old.judgedState !== standing.judgedState || old.judgedReason !== standing.judgedReason || isRepriced || isPaidBack;
  const charged = [old, standing].filter(isChargeable);
  const isCharged = isPaidBack || (charged.length > 0 && (isRepriced || old.judgedState !== standing.judgedState));

  return {
    standing,
    from: stored.shown,
    n: stored.n + (isStep ? 1 : 0),
    isStep,
    isYielding:
      old.isLive &&
      (!standing.isLive || old.dedupeKey !== standing.dedupeKey || old.dedupeUntil !== standing.dedupeUntil),
    isCharged,
    months: isCharged ? [...new Set(charged.map(({ periodAt }) => monthOf(periodAt)))] : [],
  };
}

/** Whether anything is asked for, or paid back, for it. */
function isChargeable({ judgedState, reimbursement }: Standing): boolean {
  return judgedState === 'MATURED' || reimbursement !== '0';
}

function isSame(a: Standing, b: Standing): boolean {
  const members = Object.keys(b) as (keyof Standing)[];

  return members.every(member =>
    member === 'factIds' ? a.factIds.join('\n') === b.factIds.join('\n') : a[member] === b[member],
  );
}

/** A transition, as its batch's audit line hashes it. */
export function transitionLine(
  outcomeId: string,
  n: number,
  step: { readonly from: string | null; readonly to: string; readonly reason: string | null },
): string {
  return `${outcomeId} ${n} ${step.from ?? '-'} ${step.to} ${step.reason ?? '-'}`;
}
