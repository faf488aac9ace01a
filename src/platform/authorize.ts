import { GraphQLError } from 'graphql';
import type { ResolverData } from 'type-graphql';
import type { GraphqlContext } from './graphql.js';

/** Lets a field through when the key has the permission it names, and a test key through where nothing changes. */
// An arrow, because type-graphql takes anything with a prototype for a class.
export const authorize = ({ context, info }: ResolverData<GraphqlContext>, needed: string[]): boolean => {
  const missing = needed.find(permission => !context.permissions.has(permission));

  if (missing !== undefined) {
    throw new GraphQLError(`this key lacks the permission ${missing}`, { extensions: { code: 'FORBIDDEN' } });
  }

  if (context.isTest && info.parentType.name === 'Mutation' && info.fieldName !== 'usageRecord') {
    throw new GraphQLError('a test key changes nothing; use a live key', { extensions: { code: 'FORBIDDEN' } });
  }

  return true;
};
