import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { expressMiddleware } from '@as-integrations/express5';
import { InMemoryLRUCache } from '@apollo/utils.keyvaluecache';
import express, { type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express';
import { GraphQLError, type DocumentNode } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Caller } from './access/index.js';
import type { FollowContext } from './alerts/index.js';
import type { App } from './app.js';
import {
  DEFAULT_LIMITS,
  formatGraphqlError,
  limitDocument,
  MAX_TOKENS,
  newId,
  readOperation,
} from './platform/index.js';
import { parseExactly, readUsageBody } from './usage/index.js';

const BODY_LIMIT = '10mb';
const GRAPHQL_BODY_LIMIT = '2mb';
// Parsed usage takes several times the memory of its bytes; this keeps a server within a few hundred MB.
const MAX_IN_FLIGHT = 24 * 2 ** 20;
const UNKNOWN_LENGTH = 2 ** 20;

export interface RunningServer {
  readonly url: string;
  readonly http: Server;
  close(): Promise<void>;
}

/** Opens `/graphql` (HTTP and WebSocket), `/v1/usage` and `/health`, and resolves when they answer. */
export async function startServer(app: App): Promise<RunningServer> {
  const web = express();
  const http = createServer(web);
  web.disable('x-powered-by');
  web.use((_request, response, next) => {
    response.locals['requestId'] = newId('req', app.clock());
    response.setHeader('x-request-id', requestIdOf(response));
    next();
  });
  web.get('/health', async (_request, response) => {
    await app.relayPool.query('select 1');
    response.json({ status: 'ok' });
  });
  web.post('/v1/usage', holdBack(), express.raw({ type: () => true, limit: BODY_LIMIT }), (request, response) =>
    acceptUsage(app, request, response),
  );

  const closeSockets = serveSockets(app, http);
  const apollo = await startApollo(app, http);
  web.use(
    '/graphql',
    express.raw({ type: 'application/json', limit: GRAPHQL_BODY_LIMIT }),
    readExactJson,
    expressMiddleware(apollo, {
      context: async ({ req, res }) => {
        const { caller, text } = await authenticate(app, req);

        return app.contextOf(caller, text, requestIdOf(res as unknown as Response));
      },
    }),
  );
  web.use((_request, response) => {
    response.status(404).json(problem(response, 'NOT_FOUND', 'there is /graphql, /v1/usage and /health'));
  });
  web.use(onError(app));

  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(app.config.port, app.config.host, resolve);
  });
  const { port } = http.address() as AddressInfo;
  const host = app.config.host === '0.0.0.0' ? '127.0.0.1' : app.config.host;

  return {
    url: `http://${host}:${port}`,
    http,
    close: async () => {
      await closeSockets();
      await apollo.stop();
      http.closeAllConnections();
    },
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

/** Bounds the bytes of usage in flight, and so the memory they take: what comes on top is told to come again. */
function holdBack(): RequestHandler {
  let inFlight = 0;

  return (request, response, next) => {
    const bytes = Math.min(Number(request.headers['content-length'] ?? UNKNOWN_LENGTH) || 0, MAX_IN_FLIGHT);

    if (inFlight > 0 && inFlight + bytes > MAX_IN_FLIGHT) {
      response.setHeader('retry-after', '1');
      response
        .status(503)
        .json(problem(response, 'OVERLOADED', 'too much usage at a time; send this batch again in a second'));

      return;
    }

    inFlight += bytes;
    response.once('close', () => {
      inFlight -= bytes;
    });
    next();
  };
}

async function acceptUsage(app: App, request: Request, response: Response): Promise<void> {
  const text = bearer(request);
  const caller = text === null ? null : await app.authenticate(text);

  if (!caller) {
    response.status(401).json(problem(response, 'UNAUTHENTICATED', 'send a key as "Authorization: Bearer …"'));

    return;
  }

  if (!caller.permissions.has('usage:write')) {
    response.status(403).json(problem(response, 'FORBIDDEN', 'this key lacks the permission usage:write'));

    return;
  }

  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const read = readUsageBody(body, request.headers['content-type'] ?? '');

  if ('refusal' in read) {
    const { status, code, message } = read.refusal;
    response.status(status).json(problem(response, code, message));

    return;
  }

  const scope = app.scopeOf(caller.tenantId, { kind: 'key', id: caller.keyId }, requestIdOf(response));
  const receipt = await app.services.usage.accept(scope, read.raw, { keyId: caller.keyId, isDryRun: caller.isTest });
  const stood = receipt.accepted + receipt.duplicates.length;
  const status = stood > 0 || read.raw.length === 0 ? 200 : receipt.conflicts.length > 0 ? 409 : 422;
  response.status(status).json({ ...receipt, ...(caller.isTest ? { isDryRun: true } : {}) });
}

async function startApollo(app: App, http: Server): Promise<ApolloServer<FollowContext>> {
  const apollo = new ApolloServer<FollowContext>({
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
      const requestId = newId('req', app.clock());
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

interface SocketExtra {
  caller: Caller;
  text: string;
}

/** The WebSocket half: the same schema, limits and masking as over HTTP. Returns what closes it. */
function serveSockets(app: App, http: Server): () => Promise<void> {
  const sockets = new WebSocketServer({ server: http, path: '/graphql', maxPayload: 65_536 });
  const extras = new WeakMap<object, SocketExtra>();
  const masked = (error: GraphQLError): GraphQLError => {
    const requestId = newId('req', app.clock());
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
      onSubscribe: async (context, id, payload) => {
        if (Object.keys(context.subscriptions).length > 50) {
          return [
            new GraphQLError('a socket has at most 50 operations at a time', { extensions: { code: 'RATE_LIMITED' } }),
          ];
        }

        const extra = extras.get(context.extra);
        const caller = extra ? await app.authenticate(extra.text) : null;

        if (!extra || !caller) {
          return [new GraphQLError('the key no longer opens the API', { extensions: { code: 'UNAUTHENTICATED' } })];
        }

        return readOperation(app.schema, payload, app.contextOf(caller, extra.text, `ws_${id}`));
      },
      onError: (_context, _id, _payload, errors) => errors.map(error => masked(error as GraphQLError)),
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors ? { ...result, errors: result.errors.map(masked) } : result,
    },
    sockets,
    15_000,
  );

  return async () => {
    await cleanup.dispose();
  };
}

async function authenticate(app: App, request: IncomingMessage): Promise<{ caller: Caller; text: string }> {
  const text = bearer(request);
  const caller = text === null ? null : await app.authenticate(text);

  if (!caller || text === null) {
    throw new GraphQLError('send a key as "Authorization: Bearer …"', {
      extensions: { code: 'UNAUTHENTICATED', http: { status: 401 } },
    });
  }

  return { caller, text };
}

function bearer(request: IncomingMessage): string | null {
  return keyOf(request.headers.authorization ?? '');
}

function keyOf(header: string): string | null {
  const [scheme, text] = header.split(' ');

  return scheme?.toLowerCase() === 'bearer' && text ? text : null;
}

function requestIdOf(response: Response): string {
  return String(response.locals['requestId']);
}

function problem(response: Response, code: string, message: string) {
  return { error: { code, message, requestId: requestIdOf(response) } };
}

/** Bodies that cannot be read are 4xx with a sentence; everything else is masked. */
function onError(app: App): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) {
      next(error);

      return;
    }

    const { status, type } = (error ?? {}) as { status?: number; type?: string };

    if (status === 413) {
      response
        .status(413)
        .json(
          problem(
            response,
            'BODY_TOO_LARGE',
            `a body has at most ${BODY_LIMIT}, GraphQL ${GRAPHQL_BODY_LIMIT}; split the batch`,
          ),
        );
    } else if (typeof status === 'number' && status >= 400 && status < 500) {
      const what = type === 'entity.parse.failed' ? 'the body is not valid JSON' : 'the request cannot be read';
      response.status(status).json(problem(response, 'BAD_REQUEST', what));
    } else {
      app.log.error({ err: error, requestId: requestIdOf(response) }, 'a request failed');
      response.status(500).json(problem(response, 'INTERNAL', 'Internal error. Quote the request id to support.'));
    }
  };
}
