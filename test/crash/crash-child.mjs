// One process of the crash test, on the built product: `node crash-child.mjs <migrate | set-up | flow> <options as JSON>`.
//
// As `flow` with `dieAt: k` it kills itself with SIGKILL at the k-th SQL statement: before the server gets it, or after the
// server has answered and before the product sees the answer. It tells each clock step on standard output and, with `trace`, each statement.
import { enableCompileCache } from 'node:module';
import { writeSync } from 'node:fs';
import pg from 'pg';

enableCompileCache();
const [mode, json] = process.argv.slice(2);
const options = JSON.parse(json);
let statements = 0;
const plant = plantedBug(options.plant);
patchClient();

const build = new URL(options.build ?? '../../dist/', import.meta.url);
const [{ createApp }, { jobsFor }, { ratingHandlers }, scenario] = await Promise.all([
  import(new URL('src/app.js', build).href),
  import(new URL('src/flow.js', build).href),
  import(new URL('src/rating/index.js', build).href),
  import('./scenario.ts'),
]);

if (mode === 'migrate') {
  const { migrate } = await import(new URL('src/platform/migrate.js', build).href);
  await migrate(options.database);
  process.exit(0);
}

// Time never goes back: a retry happens after the crash.
let now = Date.parse(options.notBefore ?? '2000-01-01T00:00:00Z');
const clock = at => {
  now = Math.max(now, Date.parse(at));
  writeSync(1, `${JSON.stringify({ at: new Date(now).toISOString() })}\n`);
};
const app = await createApp(
  {
    port: 0,
    host: '127.0.0.1',
    databaseUrl: options.database.appUrl,
    relayUrl: options.database.relayUrl,
    redisUrl: null,
    secret: 'a secret for crash tests, long enough to be one',
    logLevel: 'error',
    webhookAllowPrivate: true,
  },
  { clock: () => new Date(now), poolSize: 2 },
);

// Does the jobs that a fact asks for, as a worker would.
const work = async (fact, scope) => {
  for (const { job, payload } of jobsFor([fact])) {
    await ratingHandlers(app.services.rating)
      .find(handler => handler.job === job)
      .handle(scope, payload);
  }
};

if (mode === 'set-up') {
  const { newId } = await import(new URL('src/platform/ids.js', build).href);
  const ids = await scenario.setUp(app, newId('ten', new Date('2026-10-01T00:00:00Z')), clock, work);
  await app.close();
  writeSync(1, `${JSON.stringify({ ids })}\n`);
} else {
  await scenario.runFlow(app, options.ids, clock, work);
  writeSync(1, `${JSON.stringify({ statements })}\n`);
}

process.exit(0);

/** Counts what any client of the product sends, and dies at the chosen statement. Listening for hints is no statement. */
function patchClient() {
  const query = pg.Client.prototype.query;
  const die = () => {
    process.kill(process.pid, 'SIGKILL');
    // Nothing else may run until the signal arrives.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };

  pg.Client.prototype.query = function (config, ...rest) {
    const text = typeof config === 'string' ? config : config?.text;

    if (text?.startsWith('listen ')) {
      return query.call(this, config, ...rest);
    }

    const [planted, ...more] = plant(config, rest);
    statements++;

    if (options.trace) {
      writeSync(1, `${JSON.stringify({ sent: text?.trim().replaceAll(/\s+/g, ' ').slice(0, 100) })}\n`);
    }

    if (statements !== options.dieAt) {
      return query.call(this, planted, ...more);
    }

    if (options.when === 'before') {
      die();
    }

    const last = more.at(-1);

    if (typeof last === 'function') {
      return query.call(this, planted, ...more.slice(0, -1), die);
    }

    return query.call(this, planted, ...more).then(die, die);
  };
}

/** A bug that the campaign has to find: by its name, how a statement is changed on its way. */
function plantedBug(name) {
  switch (name) {
    case undefined:
      return (config, rest) => [config, ...rest];

    // Every statement commits by itself, as if somebody had forgotten the transaction.
    case 'autocommit':
      return (config, rest) => {
        const text = typeof config === 'string' ? config : config?.text;
        const changed = /^(begin|start transaction|commit|rollback)/i.test(text ?? '')
          ? 'select 1'
          : text?.replace(/^set local /i, 'set ');

        return [typeof config === 'string' ? changed : { ...config, text: changed }, ...rest];
      };

    default:
      throw new Error(`no bug is called ${name}`);
  }
}
