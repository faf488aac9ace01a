import { lexicographicSortSchema, printSchema, type GraphQLSchema } from 'graphql';

const HEADER = '# Emitted from the code by "npm run schema:emit". Read it, diff it, never edit it.\n\n';

/** The text of `schema/internal.graphql`: sorted, so that a diff shows what changed and not where. */
export function printInternalSchema(schema: GraphQLSchema): string {
  return `${HEADER}${printSchema(lexicographicSortSchema(schema))}\n`;
}
