import { propertyAt } from '../catalog/property.rules.js';
import { decimal, type Decimal, ZERO } from '../money/index.js';
import { byTarget, placeFrom } from './case-index.rules.js';
import { after, type Case, type Claim, factOf, isSame, numberOf } from './claim.rules.js';
import type { OutcomeEvent } from './outcome.rules.js';
import type { Qualified } from './qualification.rules.js';
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
  /** When it changes by itself other than by maturing; null when never. */
  readonly factIds: readonly string[];
}

/** What takes an outcome back. */
export interface Ending {
  readonly at: Date;
  readonly reason: 'REVERSED' | 'GUARANTEE' | 'DISPUTE_ACCEPTED' | 'DISPUTE_UNANSWERED';
  readonly fact: string;
}

/** A fact that takes back all of an outcome, or a part of its value. */
interface Return {
  readonly at: Date;
  readonly fact: string;
  /** Null for all; 'INVALID' where the event names an amount that is none. */
  readonly amount: Decimal | 'INVALID' | null;
}

/** One that was told by event. */
interface SentReturn extends Return {
  readonly event: OutcomeEvent;
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
  const returns = returnsOf(all, claim);
  const parts = partsOf(returns, worth.value);
  const disputes = qualified.standing === 'PASSED' ? disputesOf(all, qualified) : noDispute;
  const [ending = null] = [...parts.endings, ...guaranteesOf(all, claim), ...disputes.endings].sort(
    (a, b) => a.at.getTime() - b.at.getTime() || RANK.indexOf(a.reason) - RANK.indexOf(b.reason),
  );
  const taken = parts.parts.filter(({ at }) => !ending || at <= ending.at);
  const takenBack = taken.reduce((total, { amount }) => total.plus(amount), ZERO);

  return {
    ending,
    takenBack,
    note: parts.fault ?? (taken.length > 0 ? 'PARTLY_REVERSED' : null),
    heldUntil: ending ? null : disputes.heldUntil,
    factIds: [...taken.map(({ fact }) => fact), ...disputes.facts, ...(ending ? [ending.fact] : [])],
  };
}

const noDispute: Held = { endings: [], heldUntil: null, facts: [] };

/** Reversals by event and by mutation, within the window that the rule leaves for them, in order, one by one. */
function* returnsOf({ index }: Case, { event, version, acts }: Claim): Generator<Return> {
  const { reversal } = version.terms;

  if (!reversal) {
    return;
  }

  const until = after(event.time, reversal.windowHours);
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
  let next = 0;

  for (let place = placeFrom(aimed, event.time, ({ at }) => at); place < aimed.length; place += 1) {
    const sent = aimed[place];

    if (!sent || sent.at > until) {
      break;
    }

    for (let act = told[next]; act && byAt(act, sent) < 0; act = told[next]) {
      yield act;
      next += 1;
    }

    if (!isSame(sent.event, event)) {
      yield sent;
    }
  }

  yield* told.slice(next);
}

function byAt(a: Pick<Return, 'at' | 'fact'>, b: Pick<Return, 'at' | 'fact'>): number {
  return a.at.getTime() - b.at.getTime() || (a.fact < b.fact ? -1 : 1);
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

/** Tells parts of the value from endings: all at once, or the part that uses the value up. */
function partsOf(
  returns: Iterable<Return>,
  value: Decimal | null,
): {
  readonly endings: readonly Ending[];
  readonly parts: readonly { readonly at: Date; readonly fact: string; readonly amount: Decimal }[];
  readonly fault: 'PARTIAL_WITHOUT_VALUE' | 'REVERSAL_INVALID' | null;
} {
  const parts: { at: Date; fact: string; amount: Decimal }[] = [];
  let left = value;
  let fault: 'PARTIAL_WITHOUT_VALUE' | 'REVERSAL_INVALID' | null = null;

  for (const { at, fact, amount } of returns) {
    if (amount === 'INVALID') {
      fault ??= 'REVERSAL_INVALID';
    } else if (amount !== null && left === null) {
      fault ??= 'PARTIAL_WITHOUT_VALUE';
    } else if (amount === null || left?.lte(amount)) {
      return { endings: [{ at, reason: 'REVERSED', fact }], parts, fault };
    } else {
      left = decimal((left ?? ZERO).minus(amount));
      parts.push({ at, fact, amount });
    }
  }

  return { endings: [], parts, fault };
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
