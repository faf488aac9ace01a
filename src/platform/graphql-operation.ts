import { getOperationAST, GraphQLError, parse, validate } from 'graphql';
import type { DocumentNode, ExecutionArgs, GraphQLSchema } from 'graphql';
import { DEFAULT_LIMITS, limitDocument, MAX_TOKENS } from './graphql-limits.js';

/** An operation as a socket brings it. */
export interface SentOperation {
  readonly query: string;
  readonly operationName?: string | null;
  readonly variables?: Record<string, unknown> | null;
}

/** Parses, validates and limits an operation that came over a socket, as Apollo does for one over HTTP, with its codes. */
export function readOperation(
  schema: GraphQLSchema,
  sent: SentOperation,
  contextValue: object,
): ExecutionArgs | GraphQLError[] {
  let document: DocumentNode;

  try {
    document = parse(sent.query, { maxTokens: MAX_TOKENS });
  } catch (error) {
    return [
      error instanceof GraphQLError
        ? withCode(error, 'GRAPHQL_PARSE_FAILED')
        : new GraphQLError('cannot be parsed', { extensions: { code: 'GRAPHQL_PARSE_FAILED' } }),
    ];
  }

  const invalid = validate(schema, document);

  if (invalid.length > 0) {
    return invalid.map(error => withCode(error, 'GRAPHQL_VALIDATION_FAILED'));
  }

  const operationName = sent.operationName ?? null;

  if (!getOperationAST(document, operationName)) {
    const message = 'operationName names one operation of the document; it may be left out when there is only one';

    return [new GraphQLError(message, { extensions: { code: 'OPERATION_RESOLUTION_FAILURE' } })];
  }

  const variableValues = sent.variables ?? {};
  const limited = limitDocument(schema, document, variableValues, DEFAULT_LIMITS);

  return limited.length > 0 ? [...limited] : { schema, document, variableValues, operationName, contextValue };
}

function withCode(error: GraphQLError, code: string): GraphQLError {
  return new GraphQLError(error.message, {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    extensions: { code },
  });
}
