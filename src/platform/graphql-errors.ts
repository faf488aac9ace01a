import { GraphQLError, Kind, type GraphQLFormattedError } from 'graphql';
import { DomainError } from './errors.js';

/** Codes whose errors were written for the caller. */
const PUBLIC_CODES = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'NOT_FOUND',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'QUERY_TOO_COMPLEX',
  'RATE_LIMITED',
]);

/** Members of `extensions` that may leave with a public error. */
const PUBLIC_EXTENSIONS: readonly string[] = [
  'field',
  'fields',
  'path',
  'limit',
  'found',
  'retryAfter',
  'retryAfterSeconds',
];

const MAX_MESSAGE_LENGTH = 500;

/**
 * The error as a caller may see it, on every transport: `formatted` is its wire form so far, `error` what was thrown.
 * A public code passes with its message and the request id; all else becomes INTERNAL without a trace of what happened.
 * Errors of graphql-js itself have no code outside Apollo, and get the one Apollo gives them. When a scalar threw something
 * not meant for callers, the message ends before its words.
 */
export function formatGraphqlError(
  formatted: GraphQLFormattedError,
  error: unknown,
  requestId: string,
): GraphQLFormattedError {
  const { locations, path } = formatted;
  const place = { ...(locations && { locations }), ...(path && { path }) };
  const cause = causeOf(error);
  const code = publicCodeOf(formatted, error, cause);

  if (code === null) {
    const message = 'Internal error. Quote the request id to support.';

    return { message, ...place, extensions: { code: 'INTERNAL', requestId } };
  }

  const extensions: Record<string, unknown> = { code, requestId };

  for (const name of PUBLIC_EXTENSIONS) {
    if (formatted.extensions?.[name] !== undefined) {
      extensions[name] = formatted.extensions[name];
    }
  }

  if (cause instanceof DomainError && cause.field.length > 0) {
    extensions['field'] = cause.field;
  }

  return { message: safeMessage(formatted.message, cause), ...place, extensions };
}

function publicCodeOf(formatted: GraphQLFormattedError, error: unknown, cause: unknown): string | null {
  const code = formatted.extensions?.['code'];

  // Apollo calls all that a validation rule reports GRAPHQL_VALIDATION_FAILED; the rule's own code says more.
  if (code === 'GRAPHQL_VALIDATION_FAILED' && error instanceof GraphQLError) {
    const own = error.originalError instanceof GraphQLError ? error.originalError.extensions['code'] : undefined;

    return typeof own === 'string' && PUBLIC_CODES.has(own) ? own : code;
  }

  if (typeof code === 'string' && PUBLIC_CODES.has(code)) {
    return code;
  }

  // A refusal keeps its own code. A scalar's refusal is about input: it points at the document, and has no path in the answer.
  const isAboutInput = error instanceof GraphQLError && error.path === undefined && error.nodes !== undefined;

  if (cause instanceof DomainError && !isAboutInput) {
    return cause.code;
  }

  const isUncoded = code === undefined || code === 'INTERNAL_SERVER_ERROR';

  return isUncoded && error instanceof GraphQLError ? codeOfGraphqlJs(error) : null;
}

/** The code of an error that graphql-js made itself, told by where it points; null when it came out of a resolver. */
function codeOfGraphqlJs(error: GraphQLError): string | null {
  const node = error.nodes?.[0];

  if (node?.kind === Kind.VARIABLE_DEFINITION && error.path === undefined) {
    return 'BAD_USER_INPUT';
  }

  // Errors of resolvers point at fields; these point at the value of an argument.
  if (node !== undefined && node.kind !== Kind.FIELD && /^Argument "\w+" (of|has) /.test(error.message)) {
    return 'BAD_USER_INPUT';
  }

  if (error.path !== undefined || error.locations === undefined) {
    return null;
  }

  return error.message.startsWith('Syntax Error: ') ? 'GRAPHQL_PARSE_FAILED' : 'GRAPHQL_VALIDATION_FAILED';
}

/** Leaves out the words of an error that was not written for callers, and what makes a message long: the caller's own values. */
function safeMessage(message: string, cause: unknown): string {
  const words = String(member(cause, 'message'));
  const isForeign = cause !== null && words !== '' && !isWrittenForCallers(cause);
  const at = isForeign ? message.lastIndexOf(words) : -1;
  const kept = at === -1 ? message : message.slice(0, at).replace(/[;\s]+$/, '');

  return kept === '' ? 'Invalid input.' : kept.slice(0, MAX_MESSAGE_LENGTH);
}

function isWrittenForCallers(cause: unknown): boolean {
  const code = member(member(cause, 'extensions'), 'code');

  return cause instanceof DomainError || (typeof code === 'string' && PUBLIC_CODES.has(code));
}

/** What was thrown below graphql-js's own errors, which need not be an Error; null when there is nothing below them. */
function causeOf(error: unknown): unknown {
  let cause = error;

  while (cause instanceof GraphQLError) {
    cause = cause.originalError ?? null;
  }

  return cause;
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
