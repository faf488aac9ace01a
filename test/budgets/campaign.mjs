// Beats many callers against budgets on both backends and recounts every window from its holds and events:
//   npm run campaign:budgets [-- --help]
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

const HELP = `Storms of callers (2, 16 and 200) against one budget and three over one another, from two processes: authorize,
settle (also above what was held), void, expire and plain recording. A trigger of the campaign's own refuses any step in
which more is held than there is room for; afterwards every window is recounted from its holds and events.

  --operations <n>  operations of all storms together on one backend (10000)
  --seed <n>        (1)
  --redis <url>     does it all again with jobs and hints on this Redis
  --help

Starts a Postgres of its own unless TEST_DATABASE_ADMIN_URL names one. Ends with 1 when anything was wrong.`;

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    redis: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  useSources();
  const folder = mkdtempSync(join(tmpdir(), 'ratebook-budgets-'));
  chmodSync(folder, 0o755);
  let postgres = null;

  try {
    if (!process.env.TEST_DATABASE_ADMIN_URL) {
      const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' };
      postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), settings });
      process.env.TEST_DATABASE_ADMIN_URL = postgres.url;
    }

    let faults = await campaign(null);

    if (values.redis) {
      faults += await campaign(values.redis);
    }

    process.exitCode = faults === 0 ? 0 : 1;
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The tests' sources as they are, the product's as it is built: Node reads no decorators. */
function useSources() {
  const root = new URL('../../', import.meta.url).href;
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

async function campaign(redisUrl) {
  const [{ aProduct }, { createApp }, { storm, watchWindows }] = await Promise.all([
    import('../support/product.ts'),
    import('../../dist/src/app.js'),
    import('./storm.ts'),
  ]);
  const began = performance.now();
  const storms = [2, 16, 200].flatMap(callers => [1, 3].map(levels => ({ callers, levels })));
  const operations = Math.ceil(number('operations') / storms.length);
  const product = await aProduct({ redisUrl });
  const other = await createApp(
    { ...product.app.config },
    { clock: product.app.clock, jobPrefix: product.app.jobPrefix, poolSize: 12 },
  );
  await watchWindows(product);
  const bar = process.stdout.isTTY ? new SingleBar({ format: '{bar} {value}/{total} storms' }) : null;
  const total = {};
  let faults = 0;
  bar?.start(storms.length, 0);

  try {
    for (const [place, { callers, levels }] of storms.entries()) {
      const told = await storm(product, [product.app, other], {
        callers,
        levels,
        operations,
        seed: number('seed') + place,
      });
      faults += told.faults.length;
      told.faults.slice(0, 10).forEach(fault => console.error(fault));
      Object.entries(told.done).forEach(([what, count]) => (total[what] = (total[what] ?? 0) + count));
      bar?.update(place + 1);

      if (!bar) {
        console.log(
          `${callers} callers, ${levels} budgets over one another: ${operations} operations, ${told.faults.length} faults`,
        );
      }
    }
  } finally {
    bar?.stop();
    await other.close();
    await product.close();
  }

  for (const [what, count] of Object.entries(total).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`  ${what}: ${count}`);
  }

  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(
    `budgets campaign on ${redisUrl ? 'Redis' : 'Postgres alone'}: ${operations * storms.length} operations, ${faults} faults, ${seconds} s`,
  );

  return faults;
}

function number(name) {
  const value = Number(values[name]);

  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`--${name} is a whole number above 0`);
  }

  return value;
}
