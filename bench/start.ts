import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import color from 'picocolors';
import { freePort, startEmbeddedPostgres } from '../src/platform/embedded-postgres.js';
import { median } from './stage.js';

const HELP = `From "npm start" to the first answered GraphQL query, on the second start and after.

  npm run bench:start -- [--runs 5]

The baseline is the embedded Postgres alone, on the same data.`;

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, help: { type: 'boolean', default: false } },
});

/** Seconds until a query with the demo's platform key is answered; then ends the process it started, by a signal to it. */
async function startOnce(dataDir: string, port: number): Promise<number> {
  const started = performance.now();
  const child = spawn('npm', ['start'], {
    env: { ...process.env, DATA_DIR: dataDir, PORT: String(port), DATABASE_URL: '', REDIS_URL: '' },
    stdio: 'ignore',
    detached: true,
  });

  try {
    for (const end = performance.now() + 120_000; ;) {
      if (await query(dataDir, port)) {
        return (performance.now() - started) / 1_000;
      }

      if (performance.now() > end || child.exitCode !== null) {
        throw new Error('npm start did not come up');
      }

      await new Promise(resolve => setTimeout(resolve, 25));
    }
  } finally {
    // The group that this process made: npm and the product below it.
    process.kill(-(child.pid ?? 0), 'SIGTERM');
    await new Promise(resolve => child.once('exit', resolve));
    await new Promise(resolve => setTimeout(resolve, 1_000));
  }
}

async function query(dataDir: string, port: number): Promise<boolean> {
  try {
    const { platform } = JSON.parse(readFileSync(join(dataDir, 'demo-keys.json'), 'utf8')) as { platform: string };
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${platform}` },
      body: JSON.stringify({ query: '{ viewer { tenant { name } } }' }),
    });

    return response.ok;
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP);

    return;
  }

  const dataDir = mkdtempSync(join(tmpdir(), 'ratebook-start-'));
  chmodSync(dataDir, 0o755);
  const port = await freePort();

  try {
    const first = await startOnce(dataDir, port);
    const again: number[] = [];
    const bare: number[] = [];

    for (let run = 0; run < Number(values.runs); run++) {
      again.push(await startOnce(dataDir, port));
      const started = performance.now();
      const postgres = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
      bare.push((performance.now() - started) / 1_000);
      await postgres.stop();
    }

    console.log(
      `${color.bold('start')}   first ${first.toFixed(1)} s with demo data; second ${median(again).toFixed(1)} s (median of ${again.length}; target ≤ 15 s), ` +
        `${(median(again) / median(bare)).toFixed(0)} × Postgres alone (${median(bare).toFixed(2)} s)`,
    );
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await main();
