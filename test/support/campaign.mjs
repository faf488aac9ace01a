// What the campaigns share: options, a Postgres of their own, and telling how far they are.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';

/**
 * Reads the options, starts a Postgres unless TEST_DATABASE_ADMIN_URL names one, which it sets, and ends the process with 1
 * when `campaign(values)` answers with anything but 0.
 */
export async function runCampaign({ name, help, options, maxConnections = 100 }, campaign) {
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } });

  if (values.help) {
    console.log(help);

    return;
  }

  const folder = mkdtempSync(join(tmpdir(), `ratebook-${name}-`));
  chmodSync(folder, 0o755);
  let postgres = null;

  try {
    if (!process.env.TEST_DATABASE_ADMIN_URL) {
      const settings = {
        fsync: 'off',
        synchronous_commit: 'off',
        full_page_writes: 'off',
        max_connections: String(maxConnections),
      };
      postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), settings });
      process.env.TEST_DATABASE_ADMIN_URL = postgres.url;
    }

    process.exitCode = (await campaign(values)) === 0 ? 0 : 1;
  } finally {
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An option as a whole number; throws for anything else, and for less than `least`. */
export function wholeNumber(values, name, least = 0) {
  const value = Number(values[name]);

  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`--${name} is a whole number from ${least}`);
  }

  return value;
}

/** A bar for people, a line now and then for a file. `unit` is what is counted; `tell(counts)` says how it goes. */
export function progressOf(total, unit, tell) {
  if (process.stdout.isTTY) {
    const bar = new SingleBar({ format: `{bar} {value}/{total} ${unit}, {told}` });

    return {
      start: counts => bar.start(total, 0, { told: tell(counts) }),
      step: (done, counts) => bar.update(done, { told: tell(counts) }),
      stop: () => bar.stop(),
    };
  }

  const every = Math.max(1, Math.ceil(total / 20));

  return {
    start: () => undefined,
    step: (done, counts) => {
      if (done % every === 0) {
        console.log(`${done}/${total} ${unit}, ${tell(counts)}`);
      }
    },
    stop: () => undefined,
  };
}
