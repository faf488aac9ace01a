import { type ChildProcess, spawnSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { freePort, stopSupervised, supervise } from '../../src/platform/embedded-postgres.js';

/** What a test of both backends runs against. `redisUrl` is null on Postgres. */
export interface Backend {
  readonly kind: 'postgres' | 'redis';
  readonly redisUrl: string | null;
}

/** The run's Redis (see global-setup.mjs), or null where there is none. */
function redisUrl(): string | null {
  return process.env['TEST_REDIS_URL'] || null;
}

/**
 * Describes the same behaviour for Postgres alone and for Redis; without a Redis that half is skipped by name, and so it is
 * where tests start one of their own (`startsRedis`) and none is installed.
 */
export function describeOnBothBackends(
  name: string,
  fn: (backend: Backend) => void,
  { startsRedis = false }: { readonly startsRedis?: boolean } = {},
): void {
  const url = startsRedis && spawnSync('redis-server', ['--version']).status !== 0 ? null : redisUrl();
  describe(`${name} (on Postgres)`, () => fn({ kind: 'postgres', redisUrl: null }));

  if (url) {
    describe(`${name} (on Redis)`, () => fn({ kind: 'redis', redisUrl: url }));
  } else {
    describe.skip(`${name} (on Redis: skipped, no redis-server on PATH and no REDIS_URL)`, () => {
      fn({ kind: 'redis', redisUrl: 'redis://skipped.invalid' });
    });
  }
}

/** A Redis server of a test's own, which may be lost. */
export interface OwnRedis {
  readonly url: string;
  /** Empties it and breaks every connection to it. */
  empty(): Promise<void>;
  /** How many wait at it for a job. */
  waiting(): Promise<number>;
  /** Kills it, at once and with all that it knows. */
  kill(): Promise<void>;
  /** Starts it again, empty, where it was. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts one; needs redis-server on PATH. */
export async function anOwnRedis(): Promise<OwnRedis> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const ask = async <T>(work: (redis: Redis) => Promise<T>): Promise<T> => {
    const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: tries => (tries < 100 ? 50 : null) });
    redis.on('error', () => undefined);

    try {
      return await work(redis);
    } finally {
      redis.disconnect();
    }
  };
  let running: ChildProcess | null = null;
  const own: OwnRedis = {
    url,
    empty: () =>
      ask(async redis => {
        await redis.flushall();
        await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes');
      }),
    waiting: () => ask(async redis => Number(/blocked_clients:(\d+)/.exec(await redis.info('clients'))?.[1])),
    kill: async () => {
      const pid = await ask(async redis => Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]));
      process.kill(pid, 'SIGKILL');
      await (running && stopSupervised(running));
    },
    start: async () => {
      const flags = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', '/tmp'];
      running = supervise('redis-server', ['--port', String(port), ...flags]);
      running.stderr?.resume();
      await ask(redis => redis.ping());
    },
    stop: async () => {
      await (running && stopSupervised(running));
    },
  };
  await own.start();

  return own;
}
