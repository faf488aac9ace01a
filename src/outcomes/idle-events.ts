import { DomainError, page, type PageArguments, type Scope } from '../platform/index.js';
import { lookForUnused, outcomesOfSubjects, type EventMoment } from './idle-event.queries.js';
import {
  awaitedSince,
  customerWideTypes,
  idleOf,
  idleStateOf,
  idleTypes,
  type HeldContract,
  type Idle,
  type IdleState,
} from './idle-event.rules.js';
import type { OutcomeEvent } from './outcome.rules.js';

/** An event that bears on nothing, and what it was meant to be. */
export interface IdleEvent extends Idle {
  readonly event: OutcomeEvent;
  readonly state: IdleState;
}

/** Which idle events are asked for. */
export interface IdleEventsAsked {
  /** The event's own time is from here … */
  readonly from: Date;
  /** … until before here. */
  readonly until: Date;
  /** Null for all. */
  readonly state: IdleState | null;
}

/** A page of idle events. */
export interface IdleEventPage {
  /** The latest first: up to `first` + 1. */
  readonly events: readonly IdleEvent[];
  /** Where looking stopped although more may follow, for so much lies between; null where it did not. */
  readonly reached: EventMoment | null;
}

const DAY_MS = 86_400_000;
const MOST_DAYS = 31;
const AT_A_TIME = 1_000;
/** So many events are looked at for one page, whatever comes of it. A tenth of a second and more. */
const MOST_LOOKED_AT = 20_000;

/** Refuses what is no stretch of time of up to 31 days. */
export function insistIdleStretch({ from, until }: IdleEventsAsked): void {
  if (!(until > from) || until.getTime() - from.getTime() > MOST_DAYS * DAY_MS) {
    throw DomainError.invalid(`until is after from, by at most ${MOST_DAYS} days`, ['until']);
  }
}

/** The place of an event in a list of idle ones; no part of it holds a line break. */
export function placeOf({ time, id, source }: EventMoment): string {
  return [time.toISOString(), id, source].join('\n');
}

/**
 * A tenant's accepted events that outcome rules look at and that bear on no outcome, the latest first. Looks at `most` events
 * at most: where that is not enough, the page says where to go on, and may be short, or empty.
 */
export async function idleEventsOf(
  tx: Scope,
  contracts: readonly HeldContract[],
  { from, until, state }: IdleEventsAsked,
  args: PageArguments,
  most = MOST_LOOKED_AT,
): Promise<IdleEventPage> {
  const { limit, after } = page(args);
  const kinds = {
    types: idleTypes(contracts, state),
    customerWide: customerWideTypes(contracts),
    ruleIds: contracts.flatMap(({ offered }) => offered.map(({ id }) => id)),
  };
  const since = state === 'PENDING' ? latest(from, awaitedSince(contracts, tx.now)) : from;
  const found: IdleEvent[] = [];
  let before = placeBefore(until, after);
  let left = kinds.types.length > 0 ? most : 0;
  let isMore = left > 0;

  while (isMore && left > 0 && found.length < limit) {
    const lot = Math.min(left, AT_A_TIME);
    const { unused, looked, last } = await lookForUnused(tx, kinds, { since, before, limit: lot });
    found.push(...(await judged(tx, contracts, unused)).filter(idle => state === null || idle.state === state));
    before = last ?? before;
    left -= looked;
    isMore = looked === lot;
  }

  return { events: found.slice(0, limit), reached: isMore && found.length < limit ? before : null };
}

function placeBefore(until: Date, after: string | null): EventMoment {
  const end = { time: until, id: '', source: '' };

  if (after === null) {
    return end;
  }

  const [time = '', id, source] = after.split('\n');
  const place = { time: new Date(time), id: id ?? '', source: source ?? '' };

  if (source === undefined || Number.isNaN(place.time.getTime())) {
    throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
  }

  return place.time < until ? place : end;
}

/** What these events were meant to be; those that have none of the roles are left out. */
async function judged(
  tx: Scope,
  contracts: readonly HeldContract[],
  events: readonly OutcomeEvent[],
): Promise<IdleEvent[]> {
  const subjects = new Set(events.flatMap(({ subject }) => subject ?? []));
  const outcomes = Map.groupBy(await outcomesOfSubjects(tx, [...subjects]), ({ subject }) => subject);

  return events.flatMap(event => {
    const idle = idleOf(event, contracts, outcomes.get(event.subject) ?? []);

    return idle ? [{ ...idle, event, state: idleStateOf(idle, tx.now) }] : [];
  });
}

function latest(a: Date, b: Date): Date {
  return a > b ? a : b;
}
