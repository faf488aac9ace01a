/** Why a request was refused. Part of the public API: codes are added, never renamed or removed. */
export enum ErrorCode {
  NOT_FOUND = 'NOT_FOUND',
  INVALID_INPUT = 'INVALID_INPUT',
  FORBIDDEN = 'FORBIDDEN',
  ALREADY_EXISTS = 'ALREADY_EXISTS',
  IDEMPOTENCY_KEY_REUSED = 'IDEMPOTENCY_KEY_REUSED',
  INVALID_TRANSITION = 'INVALID_TRANSITION',
  PRICES_AMBIGUOUS = 'PRICES_AMBIGUOUS',
  PERIOD_OPEN = 'PERIOD_OPEN',
  UNPRICED_USAGE = 'UNPRICED_USAGE',
  SELF_VERIFICATION = 'SELF_VERIFICATION',
  SELF_DECISION = 'SELF_DECISION',
  CLOCK_SKEW = 'CLOCK_SKEW',
}

/** A refusal the caller can act on. Anything else that is thrown is a bug or an outage. */
export class DomainError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** Path of the input field at fault, outermost first. */
    readonly field: readonly string[] = [],
  ) {
    super(message);
    this.name = 'DomainError';
  }

  /** The same sentence for a foreign id and a random one, so that an answer never tells which exist. */
  static notFound(what: string, id: string, field: readonly string[] = ['id']): DomainError {
    return new DomainError(ErrorCode.NOT_FOUND, `${what} ${id.slice(0, 40)} does not exist`, field);
  }

  static invalid(message: string, field: readonly string[]): DomainError {
    return new DomainError(ErrorCode.INVALID_INPUT, message, field);
  }
}
