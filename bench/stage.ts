import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ALL_PERMISSIONS } from '../src/access/index.js';
import { createApp, type App } from '../src/app.js';
import type { Config } from '../src/config.js';
import { newId } from '../src/platform/index.js';
import { freePort, startEmbeddedPostgres } from '../src/platform/embedded-postgres.js';
import { migrate } from '../src/platform/migrate.js';

/** As `npm run start:server` has them. */
const FLAGS = ['--max-semi-space-size=64', '--max-old-space-size=384'];

/** A Postgres of its own with default durability, migrated, and the product's processes on it. */
export interface Stage {
  readonly app: App;
  readonly adminUrl: string;
  readonly url: string;
  readonly platformId: string;
  readonly key: string;
  readonly server: ChildProcess;
  close(): Promise<void>;
}

/** Starts Postgres, the server and, when asked for, a worker, each as the process it is in production. */
export async function aStage(options: { readonly worker: boolean }): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'ratebook-bench-'));
  await chmod(folder, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  await admin.query('create database bench');
  await admin.end();
  const as = (user: string): string => {
    const url = new URL(postgres.url);
    url.pathname = '/bench';

    if (user) {
      url.username = user;
      url.password = 'bench';
    }

    return url.href;
  };
  const config: Config = {
    port: await freePort(),
    host: '127.0.0.1',
    databaseUrl: as('ratebook_app'),
    relayUrl: as('ratebook_relay'),
    redisUrl: null,
    secret: 'a secret for benchmarks, long enough to be one',
    logLevel: 'error',
    webhookAllowPrivate: true,
  };
  await migrate({ adminUrl: as(''), appUrl: config.databaseUrl, relayUrl: config.relayUrl });
  const app = await createApp(config);
  const platformId = newId('ten', app.clock());
  const scope = app.scopeOf(platformId, { kind: 'cli', id: 'bench' });
  await app.services.tenants.createPlatform(scope, { name: 'Bench', currency: 'USD', timeZone: 'UTC', region: 'eu' });
  const { text } = await app.services.access.create(
    scope,
    {
      name: 'bench',
      prefix: 'rb',
      mode: 'LIVE',
      permissions: ALL_PERMISSIONS,
      expiresAt: null,
      idempotencyKey: randomUUID(),
    },
    new Set(ALL_PERMISSIONS),
  );
  const environment = {
    ...process.env,
    PORT: String(config.port),
    DATABASE_URL: config.databaseUrl,
    DATABASE_RELAY_URL: config.relayUrl,
    RATEBOOK_SECRET: config.secret,
    REDIS_URL: '',
    LOG_LEVEL: 'error',
    WEBHOOK_ALLOW_PRIVATE: 'true',
    NODE_ENV: 'production',
  };
  const run = (command: string): ChildProcess =>
    spawn(process.execPath, [...FLAGS, 'dist/src/cli.js', command], {
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
  const server = run('server');
  const worker = options.worker ? run('worker') : null;
  const url = `http://127.0.0.1:${config.port}`;
  await answers(`${url}/health`);

  return {
    app,
    adminUrl: as(''),
    url,
    platformId,
    key: text ?? '',
    server,
    close: async () => {
      await Promise.all([end(server), worker ? end(worker) : undefined]);
      await app.close();
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until an address answers 2xx. */
export async function answers(url: string, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1_000; ;) {
    const ok = await fetch(url).then(
      response => response.ok,
      () => false,
    );

    if (ok) {
      return;
    }

    if (Date.now() > end) {
      throw new Error(`${url} does not answer`);
    }

    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** The most memory a process has held, in MB, as Linux counts it; null elsewhere. */
export function peakMemory(pid: number | undefined): number | null {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid ?? 0}/status`, 'utf8'));

    return line ? Math.round(Number(line[1]) / 1_024) : null;
  } catch {
    return null;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);

  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);

  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function end(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null) {
      resolve();

      return;
    }

    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
