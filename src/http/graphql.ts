import { AsyncLocalStorage } from 'node:async_hooks';
import type { Server } from 'node:http';
import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { InMemoryLRUCache } from '@apollo/utils.keyvaluecache';
import { expressMiddleware } from '@as-integrations/express5';
import express, { type RequestHandler, type Response } from 'express';
import { GraphQLError, type DocumentNode } from 'graphql';
import type { FollowContext } from '../alerts/index.js';
import type { App } from '../app.js';
import { DEFAULT_LIMITS, formatGraphqlError, limitDocument, MAX_TOKENS, newId } from '../platform/index.js';
import { parseExactly } from '../usage/index.js';
import { GRAPHQL_BODY_LIMIT, problem, requestIdOf } from './answers.js';
import { callerOf, KEY_WANTED } from './keys.js';

/** The id of the request in which an error is formatted: Apollo's `formatError` is not told of its request. */
const requests = new AsyncLocalStorage<string>();

/** `/graphql` over HTTP. `stop` drains it. */
export async function graphqlRoute(
  app: App,
  http: Server,
): Promise<{ route: RequestHandler[]; stop(): Promise<void> }> {
  const apollo = await startApollo(app, http);
  const execute = expressMiddleware(apollo, {
    context: async ({ req, res }) => {
      const known = await callerOf(app, req);

      if (!known) {
        throw new GraphQLError(KEY_WANTED, { extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } } });
      }

      return app.contextOf(known.caller, known.text, requestIdOf(res as unknown as Response));
    },
  });

  return {
    route: [
      express.raw({ type: 'application/json', limit: GRAPHQL_BODY_LIMIT }),
      readExactJson,
      (request, response, next) => requests.run(requestIdOf(response), () => execute(request, response, next)),
    ],
    stop: () => apollo.stop(),
  };
}

/** Parses a GraphQL body without altering numbers that a double cannot carry: quantities of usage may be in its variables. */
const readExactJson: RequestHandler = (request, response, next) => {
  if (!Buffer.isBuffer(request.body)) {
    next();

    return;
  }

  try {
    const body: unknown = parseExactly(new TextDecoder('utf-8', { fatal: true }).decode(request.body));
    request.body = typeof body === 'object' && body !== null ? body : {};
    next();
  } catch {
    response.status(400).json(problem(response, 'BAD_REQUEST', 'the body is not valid JSON'));
  }
};

/** Makes the Apollo server: limits, masking, no batching, no persisted queries. */
async function startApollo(app: App, http: Server): Promise<ApolloServer<FollowContext>> {
  const apollo = new ApolloServer<FollowContext>({
    // Who started the server stops it; Apollo's own handlers would end the process before the rest is closed.
    stopOnTerminationSignals: false,
    schema: app.schema,
    introspection: true,
    csrfPrevention: true,
    persistedQueries: false,
    parseOptions: { maxTokens: MAX_TOKENS },
    hideSchemaDetailsFromClientErrors: false,
    includeStacktraceInErrorResponses: false,
    documentStore: new InMemoryLRUCache<DocumentNode>({
      maxSize: 2 ** 20,
      sizeCalculation: value => JSON.stringify(value).length,
    }),
    formatError: (formatted, error) => {
      const requestId = requests.getStore() ?? newId('req', app.clock());
      const masked = formatGraphqlError(formatted, error, requestId);

      if (masked.extensions?.['code'] === 'INTERNAL') {
        app.log.error({ err: error, requestId }, 'a GraphQL operation failed');
      }

      return masked;
    },
    plugins: [
      ApolloServerPluginDrainHttpServer({ httpServer: http }),
      ApolloServerPluginLandingPageDisabled(),
      limitPlugin(app),
    ],
  });
  await apollo.start();

  return apollo;
}

function limitPlugin(app: App): ApolloServerPlugin<FollowContext> {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ document, operation, request }) => {
        if (operation?.operation === 'subscription') {
          throw new GraphQLError('a subscription goes over WebSocket (graphql-transport-ws), not over POST', {
            extensions: { code: 'BAD_REQUEST', http: { status: 400 } },
          });
        }

        const [error] = limitDocument(app.schema, document, request.variables ?? {}, DEFAULT_LIMITS);

        if (error) {
          throw error;
        }
      },
    }),
  };
}
