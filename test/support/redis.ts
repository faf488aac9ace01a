/** What a test of both backends runs against. `redisUrl` is null on Postgres. */
export interface Backend {
  readonly kind: 'postgres' | 'redis';
  readonly redisUrl: string | null;
}

/** The run's Redis (see global-setup.mjs), or null where there is none. */
function redisUrl(): string | null {
  return process.env['TEST_REDIS_URL'] || null;
}

/** Describes the same behaviour for Postgres alone and for Redis; without a Redis that half is skipped by name. */
export function describeOnBothBackends(name: string, fn: (backend: Backend) => void): void {
  const url = redisUrl();
  describe(`${name} (on Postgres)`, () => fn({ kind: 'postgres', redisUrl: null }));

  if (url) {
    describe(`${name} (on Redis)`, () => fn({ kind: 'redis', redisUrl: url }));
  } else {
    describe.skip(`${name} (on Redis: skipped, no redis-server on PATH and no REDIS_URL)`, () => {
      fn({ kind: 'redis', redisUrl: 'redis://skipped.invalid' });
    });
  }
}
