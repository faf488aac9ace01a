import { propertyAt } from '../catalog/property.rules.js';
import { type Decimal, ZERO } from '../money/index.js';
import { byTarget, placeFrom } from './case-index.rules.js';
import { after, type Case, type Claim, factOf, isSame, numberOf } from './claim.rules.js';
import { type Facts, factsOfKind, joinedFacts, namedFacts } from './fact-run.rules.js';
import type { OutcomeEvent } from './outcome.rules.js';
import type { Qualified } from './qualification.rules.js';
import { byAt, type Return, ReturnList, type SentReturn, type Taken } from './return-list.rules.js';
import { isHeard } from './verification.rules.js';

/** What came after a claim that counts: what was taken back of it, and what is held. */
export interface Aftermath {
  /** What took it back; null while it stands. */
  readonly ending: Ending | null;
  /** The part of the value that was taken back before. */
  readonly takenBack: Decimal;
  /** What is to be told of a reversal that changed nothing, or of one that took a part; null for nothing. */
  readonly note: 'PARTIAL_WITHOUT_VALUE' | 'REVERSAL_INVALID' | 'PARTLY_REVERSED' | null;
  /** Until when a dispute holds it; null when none does. */
  readonly heldUntil: Date | null;
  /** The facts that say so. */
  readonly facts: Facts;
}

/** What takes an outcome back. */
export interface Ending {
  readonly at: Date;
  readonly reason: 'REVERSED' | 'GUARANTEE' | 'DISPUTE_ACCEPTED' | 'DISPUTE_UNANSWERED';
  readonly fact: string;
}

interface Held {
  readonly endings: readonly Ending[];
  readonly heldUntil: Date | null;
  readonly facts: readonly string[];
}

/** In this order where several endings are of one instant. */
const RANK = ['REVERSED', 'GUARANTEE', 'DISPUTE_ACCEPTED', 'DISPUTE_UNANSWERED'] as const;

/** What the facts after a claim do to it. */
export function aftermathOf(all: Case, qualified: Qualified): Aftermath {
  const { claim, worth } = qualified;
  const disputes = qualified.standing === 'PASSED' ? disputesOf(all, qualified) : noDispute;
  const [other = null] = [...guaranteesOf(all, claim), ...disputes.endings].sort(byRank);
  const taken = takenOf(all, claim, worth.value, other?.at ?? null);
  const [ending = null] = [
    ...(taken.ending ? [{ ...taken.ending, reason: 'REVERSED' as const }] : []),
    ...(other ? [other] : []),
  ].sort(byRank);

  return {
    ending,
    takenBack: taken.parts,
    note: taken.fault ?? (taken.runs.length > 0 ? 'PARTLY_REVERSED' : null),
    heldUntil: ending ? null : disputes.heldUntil,
    facts: joinedFacts(factsOfKind(taken.runs), namedFacts(...disputes.facts, ...(ending ? [ending.fact] : []))),
  };
}

function byRank(a: Ending, b: Ending): number {
  return a.at.getTime() - b.at.getTime() || RANK.indexOf(a.reason) - RANK.indexOf(b.reason);
}

const noDispute: Held = { endings: [], heldUntil: null, facts: [] };
const nothingTaken: Taken = { ending: null, parts: ZERO, runs: [], fault: null };

/**
 * What reversals by event and by mutation take, within the window that the rule leaves for them and until something else
 * takes the outcome back.
 */
function takenOf({ index }: Case, { event, version, acts }: Claim, value: Decimal | null, endsAt: Date | null): Taken {
  const { reversal } = version.terms;

  if (!reversal) {
    return nothingTaken;
  }

  const closesAt = after(event.time, reversal.windowHours);
  const until = endsAt && endsAt < closesAt ? endsAt : closesAt;
  const { clause, amountProperty, targetProperty, sentBy } = reversal;
  const { subject } = event;
  const aimed =
    clause === null || subject === null
      ? []
      : index.made(reversal, `returns ${subject}`, () =>
          byTarget(
            index
              .matching(version.filters.reversal, clause.eventType, { subject })
              .filter(isHeard(sentBy))
              .map((other): SentReturn => ({
                event: other,
                at: other.time,
                fact: factOf(other),
                amount: amountOf(other, amountProperty),
              }))
              .sort(byAt),
            targetProperty,
          ),
        )(event.id);
  const told = acts
    .flatMap(act =>
      act.kind === 'REVERSAL' && !act.isGuarantee && act.at >= event.time && act.at <= until
        ? [{ at: act.at, fact: act.id, amount: act.amount }]
        : [],
    )
    .sort(byAt);
  const list = index.made(aimed, 'returns', () => new ReturnList(aimed));

  return list.takenOf(value, event, { from: event.time, until, told });
}

/**
 * Whether a reversal means the claim: it is of the same subject, and names the claim's event where the rule asks for that. No
 * event takes back what it claims itself.
 */
export function isAimedAt(
  claimed: Pick<OutcomeEvent, 'id' | 'source' | 'subject'>,
  other: OutcomeEvent,
  targetProperty: string | null,
): boolean {
  return (
    claimed.subject !== null &&
    other.subject === claimed.subject &&
    (other.id !== claimed.id || other.source !== claimed.source) &&
    (targetProperty === null || propertyAt(other.properties, targetProperty) === claimed.id)
  );
}

function amountOf({ properties }: OutcomeEvent, amountProperty: string | null): Return['amount'] {
  const given = amountProperty === null ? null : (propertyAt(properties, amountProperty) ?? null);

  if (given === null) {
    return null;
  }

  const amount = numberOf(given);

  return amount?.gt(0) ? amount : 'INVALID';
}

/** What calls on the guarantee first, by event and by mutation. */
function guaranteesOf({ index }: Case, { event, version, acts }: Claim): Ending[] {
  const { guarantee, reversal } = version.terms;
  const { subject } = event;

  if (!guarantee) {
    return [];
  }

  const until = after(event.time, guarantee.windowHours);
  const { clause, sentBy } = guarantee;
  const aimed =
    subject === null
      ? []
      : index.made(guarantee, `calls ${subject}`, () =>
          byTarget(
            index
              .matching(version.filters.guarantee, clause.eventType, { subject })
              .filter(isHeard(sentBy))
              .map(other => ({ event: other })),
            reversal?.targetProperty ?? null,
          ),
        )(event.id);
  const first = placeFrom(aimed, event.time, other => other.event.time);
  // No event guarantees what it claims itself.
  const sent = aimed.slice(first, first + 2).find(other => !isSame(other.event, event))?.event;
  const told = acts.find(act => act.kind === 'REVERSAL' && act.isGuarantee && act.at >= event.time && act.at <= until);

  return [
    ...(sent && sent.time <= until ? [{ at: sent.time, reason: 'GUARANTEE' as const, fact: factOf(sent) }] : []),
    ...(told ? [{ at: told.at, reason: 'GUARANTEE' as const, fact: told.id }] : []),
  ];
}

/** Disputes one after the other: what they end, and until when one that is open holds the outcome. */
function disputesOf({ now }: Case, { claim, maturesAt }: Qualified): Held {
  const { dispute } = claim.version.terms;

  if (!dispute) {
    return noDispute;
  }

  const endings: Ending[] = [];
  const facts: string[] = [];
  let heldUntil: Date | null = null;

  for (const opened of claim.acts) {
    if (opened.kind !== 'DISPUTE' || opened.at < maturesAt || opened.at > after(maturesAt, dispute.windowHours)) {
      continue;
    }

    const deadline = after(opened.at, dispute.responseHours);
    const decision = claim.acts.find(
      act => act.kind === 'DECISION' && act.disputeId === opened.disputeId && act.at <= deadline,
    );
    facts.push(opened.id);

    if (decision?.kind === 'DECISION') {
      facts.push(decision.id);

      if (decision.accepts) {
        endings.push({ at: decision.at, reason: 'DISPUTE_ACCEPTED', fact: decision.id });
      }
    } else if (now < deadline) {
      heldUntil = deadline;
    } else if (dispute.whenSilent === 'CREDIT') {
      endings.push({ at: deadline, reason: 'DISPUTE_UNANSWERED', fact: opened.id });
    }
  }

  return { endings, heldUntil, facts };
}
