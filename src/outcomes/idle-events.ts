import { DomainError, page, type PageArguments, type Scope } from '../platform/index.js';
import { outcomesOfSubjects, unusedEvents, type EventMoment } from './idle-event.queries.js';
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

const DAY_MS = 86_400_000;
const MOST_DAYS = 31;
const FIRST_STRETCH_MS = 900_000;
const MOST_AT_A_TIME = 5_000;

/** Refuses what is no stretch of time of up to 31 days. */
export function insistIdleStretch({ from, until }: IdleEventsAsked): void {
  if (!(until > from) || until.getTime() - from.getTime() > MOST_DAYS * DAY_MS) {
    throw DomainError.invalid(`until is after from, by at most ${MOST_DAYS} days`, ['until']);
  }
}

/** The place of an idle event in its list; no part of it holds a line break. */
export function placeOf({ event: { time, id, source } }: IdleEvent): string {
  return [time.toISOString(), id, source].join('\n');
}

/**
 * A tenant's accepted events that outcome rules look at and that bear on no outcome, the latest first: up to `first` + 1.
 *
 * Events lie nearly in the order of time and are found by block ranges, so they are looked for stretch by stretch, each twice
 * as long as the one before: a page reads little more than it answers, and next to nothing is asked for where there is none.
 */
export async function idleEventsOf(
  tx: Scope,
  contracts: readonly HeldContract[],
  { from, until, state }: IdleEventsAsked,
  args: PageArguments,
): Promise<IdleEvent[]> {
  const { limit, after } = page(args);
  const kinds = {
    types: idleTypes(contracts, state),
    customerWide: customerWideTypes(contracts),
    ruleIds: contracts.flatMap(({ offered }) => offered.map(({ id }) => id)),
  };
  const earliest = state === 'PENDING' ? latest(from, awaitedSince(contracts, tx.now)) : from;
  const found: IdleEvent[] = [];
  let before = placeBefore(until, after);
  let stretch = FIRST_STRETCH_MS;
  let lot = limit;

  while (kinds.types.length > 0 && found.length < limit && isAfter(before, earliest)) {
    const since = latest(new Date(before.time.getTime() - stretch), earliest);
    const events = await unusedEvents(tx, kinds, { since, before, limit: lot });
    found.push(...(await judged(tx, contracts, events)).filter(idle => state === null || idle.state === state));

    if (events.length < lot) {
      // No id is empty, so that lies before every event of that instant.
      before = { time: since, id: '', source: '' };
      stretch *= 2;
    } else {
      before = events.at(-1) ?? before;
      // Most of what lies there is not what is asked for.
      lot = Math.min(lot * 2, MOST_AT_A_TIME);
    }
  }

  return found.slice(0, limit);
}

/** Whether events of an instant or later may lie before a place. */
function isAfter({ time, id }: EventMoment, instant: Date): boolean {
  return time > instant || (id !== '' && time.getTime() === instant.getTime());
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
