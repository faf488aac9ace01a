// One process of the crash test, on the built product: `node crash-child.mjs <migrate | set-up | flow | standby> <options as JSON>`.
//
// As `flow` with `dieAt: k` it kills itself with SIGKILL at the k-th SQL statement: before the server gets it, or after the
// server has answered and before the product sees the answer. As `standby` it reads a line of options for each flow that it
// does, and tells how that ended. It tells each clock step on standard output and, with `trace`, each statement.
import { enableCompileCache } from 'node:module';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { useSources } from '../support/sources.mjs';

enableCompileCache();
const [mode, json] = process.argv.slice(2);
let options = JSON.parse(json);
let plant = plantedBug(options.plant);
let statements = 0;
patchClient();

const build = new URL(options.build ?? '../../dist/', import.meta.url);
const [{ createApp }, { jobsFor }, { ratingHandlers }, { inTransaction }, { decimal }] = await Promise.all(
  ['app', 'flow', 'rating/index', 'platform/index', 'money/index'].map(
    name => import(new URL(`src/${name}.js`, build).href),
  ),
);
useSources();

switch (mode) {
  case 'migrate': {
    const { migrate } = await import(new URL('src/platform/migrate.js', build).href);
    await migrate(options.database);
    break;
  }

  case 'set-up': {
    const { newId } = await import(new URL('src/platform/ids.js', build).href);
    const { setUp } = await import('./set-up.ts');
    const { app, clock } = await anApp();
    const ids = await setUp(app, newId('ten', new Date('2026-10-01T00:00:00Z')), clock, work(app));
    await app.close();
    tell({ ids });
    break;
  }

  case 'flow':
    await flow(await anApp());
    tell({ statements });
    break;

  case 'standby':
    for await (const line of createInterface(process.stdin)) {
      options = JSON.parse(line);
      plant = plantedBug(options.plant);
      tell({ failed: await flowOnStandby() });
    }
    break;

  default:
    throw new Error(`no child is called ${mode}`);
}

process.exit(0);

function tell(what) {
  writeSync(1, `${JSON.stringify(what)}\n`);
}

async function anApp() {
  // Time never goes back: a retry happens after the crash.
  let now = Date.parse(options.notBefore ?? '2000-01-01T00:00:00Z');
  const clock = at => {
    now = Math.max(now, Date.parse(at));
    tell({ at: new Date(now).toISOString() });
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

  return { app, clock };
}

/** Does the jobs that a fact asks for, as a worker would. */
function work(app) {
  return async (fact, scope) => {
    for (const { job, payload } of jobsFor([fact])) {
      await ratingHandlers(app.services.rating)
        .find(handler => handler.job === job)
        .handle(scope, payload);
    }
  };
}

async function flow({ app, clock }) {
  const { runFlow } = await import('./flow.ts');
  await runFlow(app, options.ids, clock, work(app), { inTransaction, decimal });
}

/** Why it failed, or null. */
async function flowOnStandby() {
  const made = await anApp();

  try {
    await flow(made);

    return null;
  } catch (error) {
    return error.stack ?? String(error);
  } finally {
    await made.app.close();
  }
}

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

    statements++;
    const [planted, ...more] = statements < (options.plantFrom ?? 0) ? [config, ...rest] : plant(config, rest);

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
        const changed = /^(start transaction|commit|rollback)/i.test(text ?? '')
          ? 'select 1'
          : text?.replace(/^begin; /, '').replaceAll('set local ', 'set ');

        return [typeof config === 'string' ? changed : { ...config, text: changed }, ...rest];
      };

    default:
      throw new Error(`no bug is called ${name}`);
  }
}
