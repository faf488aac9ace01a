import { RatebookError } from './errors.js';
import type { UsageEvent } from './types.js';

/** A usage event; the client makes the id, and takes the time of its clock, where they are absent. */
export type NewEvent = Omit<UsageEvent, 'id' | 'time'> & Partial<Pick<UsageEvent, 'id' | 'time'>>;

/** 128 bits of chance, in hex. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));

  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}

/** The event as it is sent, each time the same. */
export function completed(event: NewEvent, source: string | undefined, now: Date): UsageEvent {
  const own = event.source ?? source;

  return {
    ...event,
    id: event.id ?? newId(),
    time: event.time ?? now.toISOString(),
    ...(own === undefined ? {} : { source: own }),
  };
}

/** JSON in which a BigInt is its decimal digits. Throws a RangeError for a number that JSON would make null of in silence. */
export function exactJson(value: unknown): string {
  return JSON.stringify(value, (name, part: unknown) => {
    if (typeof part === 'number' && !Number.isFinite(part)) {
      throw new RangeError(`${name} is ${part}, which is no number of JSON`);
    }

    return typeof part === 'bigint' ? String(part) : part;
  });
}

/** JSON of an event; throws INVALID_EVENT when there is none. */
export function jsonOf(event: UsageEvent): string {
  try {
    return exactJson(event);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RatebookError('INVALID_EVENT', `the event cannot be sent: ${why}`, { event, cause });
  }
}
