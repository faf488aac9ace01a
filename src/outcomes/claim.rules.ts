import { propertyAt, readNumber } from '../catalog/property.rules.js';
import type { Decimal } from '../money/index.js';
import { readEventTime } from '../usage/event-time.rules.js';
import { CaseIndex } from './case-index.rules.js';
import type { CaseFacts, ContractRules, LiveRule, LiveRuleVersion, OutcomeAct, OutcomeEvent } from './outcome.rules.js';

const HOUR_MS = 3_600_000;

/** Everything of a case, ready to be asked: events by (time, id, source), acts by (at, id). */
export interface Case {
  readonly now: Date;
  readonly events: readonly OutcomeEvent[];
  /** The same events, to be found without looking at all. */
  readonly index: CaseIndex;
  readonly acts: ReadonlyMap<string, readonly OutcomeAct[]>;
}

/** An event that says that something was achieved, under one rule. */
export interface Claim {
  readonly outcomeId: string;
  readonly event: OutcomeEvent;
  readonly contract: ContractRules;
  readonly rule: LiveRule;
  /** The version that the anchor chose. */
  readonly version: LiveRuleVersion;
  readonly startedAt: Date;
  /** Whether the event tells no instant, or one after its own, where its subject is to have started. */
  readonly hasBadStart: boolean;
  readonly acts: readonly OutcomeAct[];
}

/** Puts the facts in the order of their own times, whatever the order in which they arrived. */
export function caseOf({ events, acts, now }: Pick<CaseFacts, 'events' | 'acts' | 'now'>): Case {
  const inOrder = [...events].sort(byTime);

  return {
    now,
    events: inOrder,
    index: new CaseIndex(inOrder),
    acts: Map.groupBy(
      [...acts].sort((a, b) => a.at.getTime() - b.at.getTime() || compareText(a.id, b.id)),
      ({ outcomeId }) => outcomeId,
    ),
  };
}

/** The claims of a case, in the order in which they occurred. */
export function claimsOf(facts: CaseFacts, { events, acts }: Case): Claim[] {
  return events.flatMap(event => {
    const contract = facts.rulesAt(event.time);

    return (contract?.rules ?? []).flatMap((rule): Claim[] => {
      const found = contract && versionFor(rule, event);

      if (!contract || !found || !isClaim(found.version, event)) {
        return [];
      }

      const outcomeId = facts.outcomeId(rule.id, event);

      return [{ ...found, outcomeId, event, contract, rule, acts: acts.get(outcomeId) ?? [] }];
    });
  });
}

/**
 * The version that judges an event: the version in force when it occurred says which instant is the anchor, and the one
 * in force at the anchor is it. Null where none was in force at one of the two.
 */
export function versionFor(
  { versions }: LiveRule,
  event: OutcomeEvent,
): Pick<Claim, 'version' | 'startedAt' | 'hasBadStart'> | null {
  const first = versionAt(versions, event.time);

  if (!first) {
    return null;
  }

  const { startedProperty, versionAnchor, maturationHours } = first.terms;
  const given = startedProperty === null ? undefined : propertyAt(event.properties, startedProperty);
  const isGiven = given !== undefined && given !== null;
  const read = isGiven ? readEventTime(given, event.time.getTime()) : event.time.getTime();
  const hasBadStart = typeof read === 'string' || read > event.time.getTime();
  const startedAt = hasBadStart ? event.time : new Date(read);
  const anchor = {
    STARTED: startedAt,
    OCCURRED: event.time,
    MATURED: after(event.time, maturationHours),
  }[versionAnchor];
  const version = versionAt(versions, anchor);

  return version && { version, startedAt, hasBadStart };
}

function versionAt(versions: readonly LiveRuleVersion[], instant: Date): LiveRuleVersion | null {
  return versions.findLast(({ effectiveAt }) => effectiveAt <= instant) ?? null;
}

function isClaim({ terms, filters }: LiveRuleVersion, event: OutcomeEvent): boolean {
  return event.type === terms.claim.eventType && filters.claim.matches(event);
}

/** So many hours after an instant. */
export function after(instant: Date, hours: number): Date {
  return new Date(instant.getTime() + hours * HOUR_MS);
}

/** Whether two events are the same one. */
export function isSame(a: OutcomeEvent, b: OutcomeEvent): boolean {
  return a.id === b.id && a.source === b.source;
}

/** What an event is called among the facts of a verdict. */
export function factOf({ id, source }: Pick<OutcomeEvent, 'id' | 'source'>): string {
  return source === '' ? id : `${id} @ ${source}`;
}

/** A number from 0, as meters read quantities; null for anything else. */
export function numberOf(value: unknown): Decimal | null {
  const read = readNumber(value, '');

  return 'quantity' in read ? read.quantity : null;
}

/** By own time; events of one instant by id and source, so that the order is one whatever arrived first. */
function byTime(a: OutcomeEvent, b: OutcomeEvent): number {
  return a.time.getTime() - b.time.getTime() || compareText(a.id, b.id) || compareText(a.source, b.source);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
