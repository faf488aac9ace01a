const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Seconds from the end of one attempt to the next; the first is how long the first attempt waits (Standard Webhooks 1.0). */
export const RETRY_SCHEDULE_SECONDS: readonly number[] = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

const JITTER_SHARE = 0.2;
const MAX_RETRY_AFTER_SECONDS = 24 * HOUR;

/** What one attempt means for its delivery. */
export type AttemptVerdict = 'DELIVERED' | 'RETRY' | 'ENDPOINT_GONE';

/**
 * Whole seconds until the next attempt, or null when the attempt that just failed was the last.
 * The schedule's delay moves by up to 20 % either way with `jitter` (0 to 1, drawn by the caller; 0.5 leaves it as it is).
 * A longer Retry-After wins, up to 24 h. Throws on an attempt below 1 or a jitter outside 0 to 1.
 */
export function nextAttemptAfter(failed: {
  /** The number of the attempt that just failed, counted from 1. */
  readonly attempt: number;
  /** What the receiver asked for, as `retryAfterSeconds` reads it. */
  readonly retryAfterSeconds: number | null;
  readonly jitter: number;
}): number | null {
  if (!Number.isInteger(failed.attempt) || failed.attempt < 1) {
    throw new RangeError(`Attempt ${failed.attempt} is not counted from 1.`);
  }

  if (!(failed.jitter >= 0 && failed.jitter <= 1)) {
    throw new RangeError(`Jitter ${failed.jitter} is outside 0 to 1.`);
  }

  const delay = RETRY_SCHEDULE_SECONDS[failed.attempt];

  if (delay === undefined) {
    return null;
  }

  const moved = delay * (1 - JITTER_SHARE + 2 * JITTER_SHARE * failed.jitter);
  const asked = Math.min(failed.retryAfterSeconds ?? 0, MAX_RETRY_AFTER_SECONDS);

  return Math.max(Math.round(moved), Math.ceil(asked));
}

/**
 * Judges one attempt: any 2xx that arrived whole is a delivery, 410 says that the endpoint is gone for good, all else
 * (3xx too, since redirects are not followed; no answer; an answer that broke off) is tried again.
 */
export function judgeResponse(response: {
  /** The HTTP status, or null when none arrived. */
  readonly status: number | null;
  /** Any code for what went wrong below HTTP, or null. */
  readonly error: string | null;
}): AttemptVerdict {
  if (response.error !== null || response.status === null) {
    return 'RETRY';
  }

  if (response.status === 410) {
    return 'ENDPOINT_GONE';
  }

  return response.status >= 200 && response.status <= 299 ? 'DELIVERED' : 'RETRY';
}

/**
 * Reads a Retry-After header (RFC 9110 section 10.2.3: seconds, or an HTTP date) as seconds from `now`, at least 0;
 * null when it is absent or malformed.
 */
export function retryAfterSeconds(header: string | null, now: Date): number | null {
  const text = header?.trim() ?? '';

  if (/^\d{1,9}$/.test(text)) {
    return Number(text);
  }

  // Date.parse takes nearly anything ("5 apples", "-3"); an HTTP date starts with the name of a day.
  const time = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /.test(text) ? Date.parse(text) : Number.NaN;

  return Number.isNaN(time) ? null : Math.max(0, Math.ceil((time - now.getTime()) / 1000));
}
