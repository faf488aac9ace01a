import { randomBytes, randomUUID } from 'node:crypto';
import { ALL_PERMISSIONS } from '../../src/access/index.js';
import { createApp, type App } from '../../src/app.js';
import { newId, type Scope } from '../../src/platform/index.js';
import { startServer, type RunningServer } from '../../src/server.js';
import { aDatabase, type TestDatabase } from './database.js';

export interface ProductOptions {
  readonly redisUrl?: string | null;
  /** Where the product's clock stands; it goes on from there. */
  readonly now?: Date;
  readonly database?: TestDatabase;
}

/** What a mutation's payload looks like to a test. */
export interface Answer {
  readonly status: number;
  // eslint-disable-next-line typescript/no-explicit-any -- the shape is the query's; each test asserts it whole.
  readonly data: any;
  readonly errors: readonly { readonly message: string; readonly extensions: { readonly code: string } }[] | undefined;
}

/** The product as it runs, on a database of its own: server on a free port, worker when asked for. */
export interface Product {
  readonly app: App;
  readonly server: RunningServer;
  readonly database: TestDatabase;
  /** The root tenant, and a key that may do everything there. */
  readonly platformId: string;
  readonly platformKey: string;
  /** Moves the clock to an instant; it goes on from there. */
  setClock(at: Date): void;
  scope(tenantId?: string): Scope;
  graphql(key: string, query: string, variables?: object): Promise<Answer>;
  /** Posts to /v1/usage; a string or Buffer goes as it is. */
  postUsage(
    key: string,
    body: unknown,
    contentType?: string,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
  close(): Promise<void>;
}

export async function aProduct(options: ProductOptions = {}): Promise<Product> {
  const database = options.database ?? (await aDatabase());
  let offset = options.now ? options.now.getTime() - Date.now() : 0;
  const clock = (): Date => new Date(Date.now() + offset);
  const app = await createApp(
    {
      port: 0,
      host: '127.0.0.1',
      databaseUrl: database.appUrl,
      relayUrl: database.relayUrl,
      redisUrl: options.redisUrl ?? null,
      secret: 'a secret for tests, long enough to be one',
      logLevel: process.env['TEST_LOG_LEVEL'] ?? 'fatal',
      webhookAllowPrivate: true,
    },
    { clock, jobPrefix: `test-${randomBytes(6).toString('hex')}`, poolSize: 12 },
  );
  const server = await startServer(app);
  const platformId = newId('ten', clock());
  const scope = (tenantId = platformId): Scope => app.scopeOf(tenantId, { kind: 'cli', id: 'test' });
  await app.services.tenants.createPlatform(scope(), {
    name: 'Platform',
    currency: 'USD',
    timeZone: 'UTC',
    region: 'eu',
  });
  const platformKey = await aKey(app, scope(), ALL_PERMISSIONS);

  return {
    app,
    server,
    database,
    platformId,
    platformKey,
    scope,
    setClock: at => {
      offset = at.getTime() - Date.now();
    },
    graphql: async (key, query, variables = {}) => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ query, variables }),
      });
      const answer = (await response.json()) as Pick<Answer, 'data' | 'errors'>;

      return { status: response.status, data: answer.data, errors: answer.errors };
    },
    postUsage: async (key, body, contentType = 'application/json') => {
      const response = await fetch(`${server.url}/v1/usage`, {
        method: 'POST',
        headers: { 'content-type': contentType, authorization: `Bearer ${key}` },
        body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      });

      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    close: async () => {
      await server.close();
      await app.close();
      await database.drop();
    },
  };
}

/** A key of the scope's tenant with these permissions. */
export async function aKey(
  app: App,
  scope: Scope,
  permissions: readonly string[] = ALL_PERMISSIONS,
  mode: 'LIVE' | 'TEST' = 'LIVE',
): Promise<string> {
  const { text } = await app.services.access.create(
    scope,
    { name: 'a test key', prefix: 'rb', mode, permissions, expiresAt: null, idempotencyKey: randomUUID() },
    new Set(permissions),
  );

  if (text === null) {
    throw new Error('a fresh key has a text');
  }

  return text;
}

/** Waits until `look` answers something other than null, false or undefined; fails after `seconds`. */
export async function until<T>(look: () => Promise<T | null | false | undefined>, seconds = 15): Promise<T> {
  const end = Date.now() + seconds * 1_000;

  for (;;) {
    const seen = await look();

    if (seen !== null && seen !== false && seen !== undefined) {
      return seen;
    }

    if (Date.now() > end) {
      throw new Error(`nothing seen within ${seconds} s`);
    }

    await new Promise(resolve => setTimeout(resolve, 25));
  }
}
