// Tells outcomes in every order on both sides and compares with an independent reading of the facts after every command:
//   npm run campaign:outcomes [-- --help]
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import pg from 'pg';
import { startEmbeddedPostgres } from '../../../src/platform/embedded-postgres.ts';

const HELP = `Draws runs of commands on outcomes (claims, verifications, reversals, disputes, late, repeated and disordered
events, changes of rules, moves of the clock, invoices) and compares every outcome and every amount with an independent
oracle after every command; then tells a second tenant the same facts in another order, and takes everything back.

  --runs <n>      how many runs (300)
  --commands <n>  so many commands in a run (60), those that find nothing to speak about not counted
  --seed <n>      seed of the first run; the others count on from it (1)
  --help

Starts a Postgres of its own unless TEST_DATABASE_ADMIN_URL names one. Ends with 1 when anything diverged.`;

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '300' },
    commands: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  useSources();
  const folder = mkdtempSync(join(tmpdir(), 'ratebook-outcomes-'));
  chmodSync(folder, 0o755);
  let postgres = null;

  try {
    if (!process.env.TEST_DATABASE_ADMIN_URL) {
      const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' };
      postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), settings });
      process.env.TEST_DATABASE_ADMIN_URL = postgres.url;
    }

    process.exitCode = await campaign();
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tests' sources as they are, the product's as it is built: Node reads no decorators. */
function useSources() {
  const root = new URL('../../../', import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.startsWith('.') || !specifier.endsWith('.js') || !context.parentURL?.startsWith(`${root}test/`)) {
        return next(specifier, context);
      }

      const url = new URL(specifier, context.parentURL).href;
      const source = url.replace(/\.js$/, '.ts');

      return next(
        url.startsWith(`${root}src/`)
          ? url.replace(`${root}src/`, `${root}dist/src/`)
          : existsSync(fileURLToPath(source))
            ? source
            : specifier,
        context,
      );
    },
  });
}

async function campaign() {
  const [{ aProduct }, { aTally }, { run }, { watchEverything }] = await Promise.all([
    import('../../support/product.ts'),
    import('./commands.ts'),
    import('./run.ts'),
    import('./world.ts'),
  ]);
  const began = performance.now();
  const [runs, commands, seed] = [number('runs'), number('commands'), number('seed')];
  const product = await aProduct({ now: new Date('2026-10-01T00:00:00Z') });
  const database = new pg.Client({ connectionString: product.database.adminUrl });
  await database.connect();
  await watchEverything(product);
  const tally = aTally();
  const progress = progressOf(runs);
  let divergences = 0;
  progress.start();

  try {
    for (let place = 0; place < runs; place++) {
      const { failure } = await run(product, database, { seed: seed + place, commands }, tally);

      if (failure !== null) {
        divergences++;
        console.error(`\n${failure}\n`);
      }

      progress.step({ runs: place + 1, commands: countOf(tally), divergences });
    }
  } finally {
    progress.stop();
    await database.end();
    await product.close();
  }

  for (const [kind, count] of Object.entries(tally.commands).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`  ${kind}: ${count}`);
  }

  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `outcomes campaign: ${runs} runs, ${countOf(tally)} commands, ${tally.comparisons} comparisons of ${tally.outcomes} outcomes and ${tally.amounts} amounts, ${divergences} divergences, ${seconds} s`,
  );

  return divergences === 0 ? 0 : 1;
}

function countOf({ commands }) {
  return Object.values(commands).reduce((sum, count) => sum + count, 0);
}

/** A bar for people, a line now and then for a file. */
function progressOf(total) {
  if (process.stdout.isTTY) {
    const bar = new SingleBar({ format: '{bar} {value}/{total} runs, {commands} commands, {divergences} divergences' });

    return {
      start: () => bar.start(total, 0, { commands: 0, divergences: 0 }),
      step: counts => bar.update(counts.runs, counts),
      stop: () => bar.stop(),
    };
  }

  const every = Math.max(1, Math.ceil(total / 20));

  return {
    start: () => undefined,
    step: ({ runs, commands, divergences }) => {
      if (runs % every === 0) {
        console.log(`${runs}/${total} runs, ${commands} commands, ${divergences} divergences`);
      }
    },
    stop: () => undefined,
  };
}

function number(name) {
  const value = Number(values[name]);

  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`--${name} is a whole number above 0`);
  }

  return value;
}
