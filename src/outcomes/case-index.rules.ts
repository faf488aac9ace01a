import { propertyAt } from '../catalog/property.rules.js';
import type { Filter, OutcomeEvent } from './outcome.rules.js';

/** Whose events are asked for: those of one subject, or those of one customer. */
type Whose = { readonly subject: string } | { readonly customer: string };

/**
 * The events of a case, found by type and by whose they are. What is found is remembered, so that a case of many claims of one
 * subject asks a filter about an event once, and not once for every claim. Lists are in the order of the events' own times.
 */
export class CaseIndex {
  readonly #events: ReadonlyMap<string, readonly OutcomeEvent[]>;
  readonly #answers = new Map<Filter, Map<OutcomeEvent, boolean>>();
  readonly #made = new WeakMap<object, Map<string, unknown>>();

  /** `events` are in the order of their times. */
  constructor(events: readonly OutcomeEvent[]) {
    const byName = new Map<string, OutcomeEvent[]>();
    const put = (name: string, event: OutcomeEvent): void => {
      const known = byName.get(name);

      if (known) {
        known.push(event);
      } else {
        byName.set(name, [event]);
      }
    };

    for (const event of events) {
      if (event.subject !== null) {
        put(nameOf(event.type, { subject: event.subject }), event);
      }

      if (event.customer !== null) {
        put(nameOf(event.type, { customer: event.customer }), event);
      }
    }

    this.#events = byName;
  }

  /** All events of a type. */
  of(eventType: string, whose: Whose): readonly OutcomeEvent[] {
    return this.#events.get(nameOf(eventType, whose)) ?? [];
  }

  /** Those of them that a filter matches; none without a filter. */
  matching(filter: Filter | null | undefined, eventType: string, whose: Whose): readonly OutcomeEvent[] {
    return filter
      ? this.made(filter, `matching ${nameOf(eventType, whose)}`, () =>
          this.of(eventType, whose).filter(event => this.matches(filter, event)),
        )
      : [];
  }

  /** Whether a filter matches an event. */
  matches(filter: Filter, event: OutcomeEvent): boolean {
    const answers = this.#answers.get(filter) ?? new Map<OutcomeEvent, boolean>();
    const answer = answers.get(event) ?? filter.matches(event);
    answers.set(event, answer);
    this.#answers.set(filter, answers);

    return answer;
  }

  /** What `make` makes, once for an owner and a name. All that is made under one name of one owner is of one type. */
  made<T>(owner: object, name: string, make: () => T): T {
    const known = this.#made.get(owner) ?? new Map<string, unknown>();
    this.#made.set(owner, known);

    if (!known.has(name)) {
      known.set(name, make());
    }

    return known.get(name) as T;
  }
}

/** Events told apart by the claim that they name, where a rule has them name one; all in one list where it does not. */
export function byTarget<T extends { readonly event: OutcomeEvent }>(
  list: readonly T[],
  targetProperty: string | null,
): (claimId: string) => readonly T[] {
  if (targetProperty === null) {
    return () => list;
  }

  const named = Map.groupBy(list, ({ event }) => propertyAt(event.properties, targetProperty));

  return claimId => named.get(claimId) ?? [];
}

/** The place of the first in a list, sorted by time, that is not before an instant; its length where all are. */
export function placeFrom<T>(list: readonly T[], instant: Date, timeOf: (item: T) => Date): number {
  return placeBehind(list, item => timeOf(item) < instant);
}

/** The place behind those for which something holds that holds for none after them. */
export function placeBehind<T>(list: readonly T[], isBefore: (item: T) => boolean): number {
  let [low, high] = [0, list.length];

  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = list[middle];

    if (item !== undefined && isBefore(item)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }

  return low;
}

/** The place behind the last that is not after an instant. */
export function placeAfter<T>(list: readonly T[], instant: Date, timeOf: (item: T) => Date): number {
  return placeFrom(list, new Date(instant.getTime() + 1), timeOf);
}

/** For each place of a list, and for the one behind it, the first from there on that is so; its length for none. */
export function nextOf<T>(list: readonly T[], is: (item: T) => boolean): readonly number[] {
  const next: number[] = Array.from({ length: list.length + 1 }, () => list.length);

  for (let place = list.length - 1; place >= 0; place -= 1) {
    const item = list[place];
    next[place] = item !== undefined && is(item) ? place : (next[place + 1] ?? list.length);
  }

  return next;
}

function nameOf(eventType: string, whose: Whose): string {
  // Types of events hold no space.
  return 'subject' in whose ? `${eventType} s${whose.subject}` : `${eventType} c${whose.customer}`;
}
