import type { Server } from 'node:http';
import { GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { Caller } from '../access/index.js';
import type { App } from '../app.js';
import { formatGraphqlError, newId, readOperation, type GraphqlContext } from '../platform/index.js';
import { parseExactly } from '../usage/index.js';
import { keyOf } from './keys.js';

interface SocketExtra {
  caller: Caller;
  text: string;
}

/** The WebSocket half: the same schema, limits and masking as over HTTP. Returns what closes it. */
export function serveSockets(app: App, http: Server): () => Promise<void> {
  const sockets = new WebSocketServer({ server: http, path: '/graphql', maxPayload: 65_536 });
  const extras = new WeakMap<object, SocketExtra>();
  const masked = (error: GraphQLError, requestId: string): GraphQLError => {
    const { message, extensions, locations, path } = formatGraphqlError(error.toJSON(), error, requestId);

    if (extensions?.['code'] === 'INTERNAL') {
      app.log.error({ err: error.originalError ?? error, requestId }, 'a subscription failed');
    }

    return {
      message,
      extensions,
      locations,
      path,
      toJSON: () => ({ message, extensions, locations, path }),
    } as unknown as GraphQLError;
  };
  const cleanup = useServer<Record<string, unknown>, Record<PropertyKey, unknown>>(
    {
      connectionInitWaitTimeout: 3_000,
      // Otherwise a socket that is closed over an error is told its message.
      isProd: true,
      // As in `readExactJson`: quantities of usage may be in the variables of an operation.
      jsonMessageReviver: (_key: string, value: unknown, context?: { readonly source?: string }) =>
        typeof value === 'number' && context?.source ? parseExactly(context.source) : value,
      onConnect: async context => {
        const given = context.connectionParams?.['authorization'];
        const text = typeof given === 'string' ? keyOf(given) : null;
        const caller = text === null ? null : await app.authenticate(text);

        if (!caller || text === null) {
          return false;
        }

        extras.set(context.extra, { caller, text });

        return true;
      },
      onSubscribe: async (context, _id, payload) => {
        if (Object.keys(context.subscriptions).length > 50) {
          return [
            new GraphQLError('a socket has at most 50 operations at a time', { extensions: { code: 'RATE_LIMITED' } }),
          ];
        }

        try {
          const extra = extras.get(context.extra);
          const caller = extra ? await app.authenticate(extra.text) : null;

          if (!extra || !caller) {
            return [new GraphQLError('the key no longer opens the API', { extensions: { code: 'UNAUTHENTICATED' } })];
          }

          return readOperation(app.schema, payload, app.contextOf(caller, extra.text, newId('req', app.clock())));
        } catch (error) {
          // An outage ends this operation and not the others of the socket; `onError` masks it.
          return [new GraphQLError('the operation could not be read', { originalError: error as Error })];
        }
      },
      onError: (_context, _id, _payload, errors) =>
        errors.map(error => masked(error as GraphQLError, newId('req', app.clock()))),
      onNext: (_context, _id, _payload, { contextValue }, result) => {
        const { requestId } = (contextValue as GraphqlContext).scope;

        return result.errors ? { ...result, errors: result.errors.map(error => masked(error, requestId)) } : result;
      },
    },
    sockets,
    15_000,
  );

  return async () => {
    await cleanup.dispose();
  };
}
