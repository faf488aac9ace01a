// Before the run: one Postgres and, where there is one, one Redis for all test files, told through the environment.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, startEmbeddedPostgres, stopSupervised, supervise } from '../../src/platform/embedded-postgres.ts';

/** The run's data may be lost with the machine, so durability is traded for speed. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
  shared_buffers: '256MB',
};

export default async function globalSetup() {
  globalThis.ratebookTestServers = { stops: [], folder: null };
  await startPostgres(globalThis.ratebookTestServers);
  await startRedis(globalThis.ratebookTestServers);
}

async function startPostgres(servers) {
  if (process.env.TEST_DATABASE_ADMIN_URL) {
    console.error(`postgres: TEST_DATABASE_ADMIN_URL at ${new URL(process.env.TEST_DATABASE_ADMIN_URL).host}`);

    return;
  }

  const folder = mkdtempSync(join(tmpdir(), 'ratebook-test-'));
  chmodSync(folder, 0o755);
  servers.folder = folder;
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), settings: SETTINGS });
  servers.stops.push(() => postgres.stop());
  process.env.TEST_DATABASE_ADMIN_URL = postgres.url;
  console.error(`postgres: embedded at 127.0.0.1:${postgres.port}`);
}

async function startRedis(servers) {
  const url = process.env.REDIS_URL || (await spawnRedis(servers));
  process.env.TEST_REDIS_URL = url ?? '';
  console.error(
    url
      ? `redis: ${await redisVersion(url)} at ${new URL(url).host}`
      : 'redis: none found, the Redis half of the suite is SKIPPED',
  );
}

/** The URL of a Redis of our own that keeps nothing and ends with this process, or `null` where none is installed. */
export async function spawnRedis(servers) {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    return null;
  }

  const port = await freePort();
  const flags = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'];
  const redis = supervise('redis-server', ['--port', String(port), '--dir', '/tmp', ...flags]);
  redis.stderr.resume();
  servers.stops.push(() => stopSupervised(redis));

  return `redis://127.0.0.1:${port}`;
}

/** Tries for ten seconds; a Redis that was named but does not answer fails the run. */
async function redisVersion(url) {
  const redis = new Redis(url, { retryStrategy: tries => (tries < 100 ? 100 : null), maxRetriesPerRequest: null });
  redis.on('error', () => undefined);

  try {
    const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1];
    await redis.quit();

    return version ?? 'version unknown';
  } catch (error) {
    throw new Error(`Redis at ${new URL(url).host} does not answer; start it or unset REDIS_URL`, { cause: error });
  }
}
