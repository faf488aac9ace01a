import { after, versionFor } from './claim.rules.js';
import { isAimedAt } from './ending.rules.js';
import type { Senders } from './outcome-terms.rules.js';
import type { LiveRule, LiveRuleVersion, OutcomeEvent } from './outcome.rules.js';
import { mayJudge, meeting, takenOf, timeOf, type HeldContract, type Stretch } from './reign.rules.js';
import { isHeard } from './verification.rules.js';

export type { HeldContract } from './reign.rules.js';

/** What an event would be to an outcome. Those that exclude, rate or are touched are facts of a subject, meant for no claim. */
export type IdleRole = 'CLAIM' | 'REVERSAL' | 'GUARANTEE' | 'VERIFICATION';

/** Why an event bears on nothing, in the order of the checks that it fails. */
const REASONS = [
  'NO_CONTRACT',
  'NO_RULE_VERSION',
  'NO_SUBJECT',
  'NOT_MATCHED',
  'NO_OUTCOME',
  'TOO_LATE',
  'NO_EFFECT',
] as const;
export type IdleReason = (typeof REASONS)[number];

/** PENDING while a claim that it would bear on may yet come in time. */
export type IdleState = 'PENDING' | 'EXPIRED';

/** What an event that bears on nothing was meant to be. */
export interface Idle {
  readonly role: IdleRole;
  readonly ruleId: string;
  readonly reason: IdleReason;
  /** Until when it is awaited; null where it never is. */
  readonly pendingUntil: Date | null;
}

/** An outcome, as far as what bears on it looks at its claim. */
export interface ClaimedOutcome {
  readonly ruleId: string;
  readonly eventId: string;
  readonly source: string;
  readonly subject: string | null;
  readonly occurredAt: Date;
}

/** A role of an event under one rule; without a reason where it has it. */
type Found = Omit<Idle, 'reason'> & { readonly reason: IdleReason | null };

/** Where a role is looked for. */
interface Ground {
  readonly contracts: readonly HeldContract[];
  /** One of them … */
  readonly contract: HeldContract;
  /** … and a rule of its book, with all its versions. */
  readonly rule: LiveRule;
}

/** What comes after claims and bears on them, as a version asks for it. */
interface Sequel {
  readonly role: Exclude<IdleRole, 'CLAIM'>;
  readonly version: LiveRuleVersion;
  readonly eventType: string;
  readonly filter: { matches(event: OutcomeEvent): boolean } | null;
  /** How long after the claim at most. */
  readonly hours: number;
  readonly targetProperty: string | null;
  /** Whose events it hears. */
  readonly sentBy: Senders;
}

/**
 * What an event that no outcome rests on was meant to be, by the tenant's contracts and the outcomes of its subject. Null
 * where it has no such role, and where it claims by these rules: then it is only not judged yet.
 *
 * An event that has several roles has the one by which it is awaited longest; among those, the one in which it passes most
 * checks; among those, the first in the order of rules, of the contract that holds at its time before others.
 */
export function idleOf(
  event: OutcomeEvent,
  contracts: readonly HeldContract[],
  outcomes: readonly ClaimedOutcome[],
): Idle | null {
  const found = nearestFirst(contracts, event.time).flatMap(contract =>
    contract.offered.flatMap(rule => {
      const ground = { contracts, contract, rule };

      return [...asClaim(event, ground), ...asSequel(event, ground, outcomes)];
    }),
  );
  const idle = found.flatMap(({ reason, ...role }) => (reason === null ? [] : [{ ...role, reason }]));
  const [first = null] = idle.sort(
    (a, b) => untilOf(b) - untilOf(a) || REASONS.indexOf(b.reason) - REASONS.indexOf(a.reason),
  );

  return idle.length === found.length ? first : null;
}

/** Whether it is still awaited at an instant. */
export function idleStateOf({ pendingUntil }: Idle, now: Date): IdleState {
  return pendingUntil !== null && now < pendingUntil ? 'PENDING' : 'EXPIRED';
}

/** The types of events that may be idle in a state, by all that the books of these contracts publish. Claims are never PENDING. */
export function idleTypes(contracts: readonly HeldContract[], state: IdleState | null): string[] {
  return distinct(
    versionsOf(contracts).flatMap(version => [
      ...(state === 'PENDING' ? [] : [version.terms.claim.eventType]),
      ...sequelsOf(version).map(({ eventType }) => eventType),
    ]),
  );
}

/** The types of events that outcomes of other subjects may rest on: those that exclude a customer's. */
export function customerWideTypes(contracts: readonly HeldContract[]): string[] {
  return distinct(
    versionsOf(contracts).flatMap(({ terms }) =>
      terms.exclusions.flatMap(({ eventType, scope }) => (scope === 'CUSTOMER' && eventType !== null ? eventType : [])),
    ),
  );
}

/** The instant at or before which nothing is awaited any more. */
export function awaitedSince(contracts: readonly HeldContract[], now: Date): Date {
  const hours = versionsOf(contracts).flatMap(version => sequelsOf(version).map(sequel => sequel.hours));

  return after(now, -Math.max(0, ...hours));
}

/** As what claims an outcome of a rule. */
function asClaim(event: OutcomeEvent, { contracts, contract, rule }: Ground): Found[] {
  if (!rule.versions.some(({ terms }) => terms.claim.eventType === event.type)) {
    return [];
  }

  const instant = { from: event.time.getTime(), until: event.time.getTime() };
  const reason = meeting(instant, timeOf(contract))
    ? refusalOf(event, takenOf(contract, rule))
    : absence(contracts, instant);

  return [{ role: 'CLAIM', ruleId: rule.id, reason, pendingUntil: null }];
}

/** Why it claims nothing under a rule; null where it does. */
function refusalOf(event: OutcomeEvent, rule: LiveRule): 'NO_RULE_VERSION' | 'NOT_MATCHED' | null {
  const version = versionFor(rule, event)?.version;

  if (version?.terms.claim.eventType !== event.type) {
    return 'NO_RULE_VERSION';
  }

  return version.filters.claim.matches(event) ? null : 'NOT_MATCHED';
}

/** As what bears on earlier claims under a rule, by each of its versions. */
function asSequel(
  event: OutcomeEvent,
  { contracts, contract, rule }: Ground,
  outcomes: readonly ClaimedOutcome[],
): Found[] {
  const taken = takenOf(contract, rule);

  return rule.versions
    .flatMap(version => sequelsOf(version))
    .filter(({ eventType }) => eventType === event.type)
    .map(sequel => {
      // Those that it could bear on: they occurred so long before it at most, under the contract.
      const claims = { from: after(event.time, -sequel.hours).getTime(), until: event.time.getTime() };
      const reach = meeting(claims, timeOf(contract));
      const reason = !reach
        ? absence(contracts, claims)
        : !mayJudge(taken, sequel.version, reach)
          ? 'NO_RULE_VERSION'
          : missOf(event, rule.id, sequel, outcomes);
      const isAwaited = REASONS.indexOf(reason) >= REASONS.indexOf('NO_OUTCOME');

      return {
        role: sequel.role,
        ruleId: rule.id,
        reason,
        pendingUntil: isAwaited ? after(event.time, sequel.hours) : null,
      };
    });
}

/** What is missing for it to bear on an outcome of the rule, where there could be one. */
function missOf(
  event: OutcomeEvent,
  ruleId: string,
  { filter, hours, targetProperty, sentBy }: Sequel,
  outcomes: readonly ClaimedOutcome[],
): IdleReason {
  if (event.subject === null) {
    return 'NO_SUBJECT';
  }

  if (!isHeard(sentBy)(event) || filter?.matches(event) === false) {
    return 'NOT_MATCHED';
  }

  const meant = outcomes.filter(
    outcome =>
      outcome.ruleId === ruleId &&
      outcome.occurredAt <= event.time &&
      isAimedAt({ ...outcome, id: outcome.eventId }, event, targetProperty),
  );

  if (meant.length === 0) {
    return 'NO_OUTCOME';
  }

  return meant.every(({ occurredAt }) => event.time > after(occurredAt, hours)) ? 'TOO_LATE' : 'NO_EFFECT';
}

function sequelsOf(version: LiveRuleVersion): Sequel[] {
  const { terms, filters } = version;
  const { reversal, guarantee, verification } = terms;
  const targetProperty = reversal?.targetProperty ?? null;
  const asked = [
    reversal?.clause && {
      role: 'REVERSAL' as const,
      eventType: reversal.clause.eventType,
      filter: filters.reversal,
      hours: reversal.windowHours,
      targetProperty,
      sentBy: reversal.sentBy,
    },
    guarantee && {
      role: 'GUARANTEE' as const,
      eventType: guarantee.clause.eventType,
      filter: filters.guarantee,
      hours: guarantee.windowHours,
      targetProperty,
      sentBy: guarantee.sentBy,
    },
    verification?.eventType && {
      role: 'VERIFICATION' as const,
      eventType: verification.eventType,
      // Whatever it says, it is a word on every claim of its subject.
      filter: null,
      hours: verification.expiresAfterHours,
      targetProperty: null,
      sentBy: verification.sentBy,
    },
  ];

  return asked.flatMap(sequel => (sequel ? [{ ...sequel, version }] : []));
}

/** Why nothing could have judged a claim of a stretch that a contract does not reach into. */
function absence(contracts: readonly HeldContract[], stretch: Stretch): 'NO_CONTRACT' | 'NO_RULE_VERSION' {
  return contracts.some(contract => meeting(stretch, timeOf(contract))) ? 'NO_RULE_VERSION' : 'NO_CONTRACT';
}

function nearestFirst(contracts: readonly HeldContract[], time: Date): HeldContract[] {
  const instant = { from: time.getTime(), until: time.getTime() };
  const isElsewhere = (contract: HeldContract): number => Number(meeting(instant, timeOf(contract)) === null);

  return [...contracts].sort((a, b) => isElsewhere(a) - isElsewhere(b) || b.startsAt.getTime() - a.startsAt.getTime());
}

function untilOf({ pendingUntil }: Pick<Idle, 'pendingUntil'>): number {
  return pendingUntil?.getTime() ?? 0;
}

function versionsOf(contracts: readonly HeldContract[]): LiveRuleVersion[] {
  return contracts.flatMap(({ offered }) => offered.flatMap(({ versions }) => versions));
}

function distinct(types: readonly string[]): string[] {
  return [...new Set(types)];
}
