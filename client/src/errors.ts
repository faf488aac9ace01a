import type { Rejection, UsageEvent } from './types.js';

/** What else is known of a failure. */
export interface ErrorDetails {
  /** The HTTP status; null where the client says no by itself, or got no answer. */
  readonly status?: number | null;
  /** Path of the field at fault. */
  readonly field?: readonly string[];
  /** What support wants to know. */
  readonly requestId?: string | null;
  /** The events that were not taken. */
  readonly rejected?: readonly Rejection[];
  /** The event that was not recorded, with the id and time that it was sent with. */
  readonly event?: UsageEvent | null;
  readonly cause?: unknown;
}

/**
 * What the server refuses, under its own code; or the client: `UNREACHABLE` (no answer in time: nobody knows whether it was
 * done; send the same again), `BUFFER_FULL`, `CLOSED` and `INVALID_EVENT` (not sent), `HTTP_nnn` (refused by something else
 * on the way).
 */
export class RatebookError extends Error {
  override readonly name = 'RatebookError';
  readonly status: number | null;
  readonly field: readonly string[];
  readonly requestId: string | null;
  readonly rejected: readonly Rejection[];
  readonly event: UsageEvent | null;

  constructor(
    readonly code: string,
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message, { cause: details.cause });
    this.status = details.status ?? null;
    this.field = details.field ?? [];
    this.requestId = details.requestId ?? null;
    this.rejected = details.rejected ?? [];
    this.event = details.event ?? null;
  }

  /** The same failure, told of one event. */
  of(event: UsageEvent): RatebookError {
    return new RatebookError(this.code, this.message, { ...this.details, event });
  }
}
