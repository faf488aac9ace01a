import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import color from 'picocolors';
import { createApp, type App } from '../app.js';
import { readEnvironment } from '../config.js';
import type { DemoKeys } from '../demo/index.js';
import { keep, openDatabase } from './local-database.js';
import { newId } from '../platform/index.js';
import { startServer } from '../server.js';

/**
 * Everything in one process tree: embedded Postgres (or the one that DATABASE_URL names), migrations, demo data, server
 * and worker. Runs until it is told to stop.
 */
export async function start(options: { readonly demo: boolean }): Promise<void> {
  const environment = readEnvironment();
  const say = (line: string): void => console.log(line);
  say(color.dim('Ratebook is starting …'));
  const { config, stopDatabase, dataDir } = await openDatabase(environment);
  const app = await createApp(config);
  const server = await startServer(app).catch(async (error: unknown) => {
    await app.close();
    await stopDatabase();

    throw isPortTaken(error)
      ? new Error(`port ${config.port} is taken; stop what uses it, or run: PORT=4001 npm start`)
      : error;
  });
  const stopping = new AbortController();
  let books = Promise.resolve();
  const stop = async (): Promise<void> => {
    if (stopping.signal.aborted) {
      return;
    }

    stopping.abort();
    say(color.dim('\nRatebook is stopping …'));
    await books;
    await server.close();
    await app.close();
    await stopDatabase();
    process.exit(0);
  };

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stop());
  }

  const keys = options.demo ? await demo(app, dataDir, say) : null;
  app.work();
  banner(server.url, keys, say);

  if (keys && !stopping.signal.aborted) {
    books = demoBooks(app, dataDir, stopping.signal, say);
  }
}

/** Seeds the demo, once for a data folder. Null when the database has a platform that is not the demo's. */
async function demo(app: App, dataDir: string, say: (line: string) => void): Promise<DemoKeys | null> {
  const file = join(dataDir, 'demo-keys.json');

  if (existsSync(file)) {
    return JSON.parse(readFileSync(file, 'utf8')) as DemoKeys;
  }

  const [root] = (await app.relayPool.query<{ id: string }>("select id from tenant where kind = 'PLATFORM'")).rows;
  const platform = keep<{ readonly id: string }>(join(dataDir, 'platform.json'), () => ({
    id: root?.id ?? newId('ten', app.clock()),
  }));

  if (root && root.id !== platform.id) {
    return null;
  }

  // The demo and its price lists are loaded when there is something to enter: other starts are quicker without.
  const { seedDemo } = await import('../demo/index.js');
  const keys = await seedDemo(app, platform.id, step => say(color.dim(`  demo data: ${step}`)));
  keep(file, () => keys);

  return keys;
}

/** The whole price lists behind the demo, entered while it runs; a run that is stopped goes on at the next start. */
async function demoBooks(app: App, dataDir: string, signal: AbortSignal, say: (line: string) => void): Promise<void> {
  const file = join(dataDir, 'demo-books.json');

  if (existsSync(file)) {
    return;
  }

  try {
    const { id } = JSON.parse(readFileSync(join(dataDir, 'platform.json'), 'utf8')) as { id: string };
    const { importDemoBooks } = await import('../demo/index.js');
    await importDemoBooks(app, id, () => signal.throwIfAborted());
    keep(file, () => ({ importedAt: app.clock() }));
    say(color.dim('  The list prices of OpenAI, Anthropic and Google are in, as price books of the platform.'));
  } catch (error) {
    if (!signal.aborted) {
      say(
        color.yellow(`  the list prices are not in: ${error instanceof Error ? error.message : String(error)}`) +
          '; try: npm run gallery -- import openai anthropic google',
      );
    }
  }
}

function banner(url: string, keys: DemoKeys | null, say: (line: string) => void): void {
  say('');
  say(`  ${color.bold('Ratebook')} is up.`);
  say(`  GraphQL    ${color.cyan(`${url}/graphql`)}   (HTTP and WebSocket)`);
  say(`  Usage      ${color.cyan(`${url}/v1/usage`)}`);

  if (keys) {
    say('');

    for (const role of ['platform', 'reseller', 'customer', 'gateway'] as const) {
      say(`  ${role.padEnd(10)} ${color.yellow(keys[role])}`);
    }

    say('');
    say('  Try:');
    say(
      `  curl -s ${url}/graphql -H 'content-type: application/json' -H 'authorization: Bearer ${keys.platform}' \\\n` +
        `    -d '{"query":"{ tenant { name children { edges { node { name invoices { edges { node { status total { amount currency } } } } } } } } }"}'`,
    );
  }

  say('');
  say(color.dim('  Ctrl-C stops it; the data stays.'));
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
