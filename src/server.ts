import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { App } from './app.js';
import { onError, problem, requestIdOf } from './http/answers.js';
import { graphqlRoute } from './http/graphql.js';
import { authorizeRoute, checkRoute, settleRoute, voidRoute } from './http/calls.js';
import { receiptsRoute } from './http/receipts.js';
import { serveSockets } from './http/sockets.js';
import { usageRoute } from './http/usage.js';
import { newId } from './platform/index.js';

const PATHS = [
  '/graphql',
  '/v1/usage',
  '/v1/check',
  '/v1/authorize',
  '/v1/settle',
  '/v1/void',
  '/v1/invoices/{id}/receipts',
  '/health',
];

export interface RunningServer {
  readonly url: string;
  readonly http: Server;
  close(): Promise<void>;
}

/** Opens `/graphql` (HTTP and WebSocket), `/health` and what is below `/v1`, and resolves when they answer. */
export async function startServer(app: App): Promise<RunningServer> {
  const web = express();
  const http = createServer(web);
  web.disable('x-powered-by');
  // Nothing of ours is cached, and a hash of every answer would be for nothing.
  web.disable('etag');
  web.use((_request, response, next) => {
    response.locals['requestId'] = newId('req', app.clock());
    response.setHeader('x-request-id', requestIdOf(response));
    next();
  });
  web.get('/health', async (_request, response) => {
    await app.relayPool.query('select 1');
    response.json({ status: 'ok' });
  });
  web.post('/v1/usage', usageRoute(app));
  web.post('/v1/check', checkRoute(app));
  web.post('/v1/authorize', authorizeRoute(app));
  web.post('/v1/settle', settleRoute(app));
  web.post('/v1/void', voidRoute(app));
  web.get('/v1/invoices/:id/receipts', receiptsRoute(app));
  const closeSockets = serveSockets(app, http);
  const graphql = await graphqlRoute(app, http);
  web.use('/graphql', graphql.route);
  web.use((_request, response) => {
    response.status(404).json(problem(response, 'NOT_FOUND', `there is ${PATHS.join(', ')}`));
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
      await graphql.stop();
      http.closeAllConnections();
    },
  };
}
