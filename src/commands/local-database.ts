import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { readConfig, type Config, type Environment } from '../config.js';
import { migrate } from '../platform/migrate.js';

/** What the quick start keeps beside the database: made once, readable by its owner only. */
interface Secrets {
  readonly secret: string;
  readonly appPassword: string;
  readonly relayPassword: string;
}

/**
 * The database of this folder: the one DATABASE_URL names, the embedded one of a quick start that is running, or the
 * embedded one started now; migrated. `stopDatabase` stops what this call started.
 */
export async function openDatabase(
  environment: Environment,
): Promise<{ config: Config; stopDatabase: () => Promise<void>; dataDir: string }> {
  const dataDir = resolve(environment.DATA_DIR);
  mkdirSync(dataDir, { recursive: true, mode: 0o755 });

  if (environment.DATABASE_URL) {
    const config = readConfig();

    if (environment.DATABASE_ADMIN_URL) {
      await migrate({
        adminUrl: environment.DATABASE_ADMIN_URL,
        appUrl: config.databaseUrl,
        relayUrl: config.relayUrl,
      });
    }

    return { config, stopDatabase: async () => undefined, dataDir };
  }

  const runtime = join(dataDir, 'runtime.json');
  const { startEmbeddedPostgres } = await import('../platform/embedded-postgres.js');
  const postgres = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  const secrets = keep<Secrets>(join(dataDir, 'secrets.json'), () => ({
    secret: randomBytes(32).toString('base64url'),
    appPassword: randomBytes(24).toString('base64url'),
    relayPassword: randomBytes(24).toString('base64url'),
  }));
  const admin = new URL(postgres.url);
  await ensureDatabase(admin.href, 'ratebook');
  admin.pathname = '/ratebook';
  const as = (user: string, password: string): string => {
    const url = new URL(admin.href);
    url.username = user;
    url.password = password;

    return url.href;
  };
  const databaseUrl = as('ratebook_app', secrets.appPassword);
  const relayUrl = as('ratebook_relay', secrets.relayPassword);
  await migrate({ adminUrl: admin.href, appUrl: databaseUrl, relayUrl });

  const config = embeddedConfig(environment, databaseUrl, relayUrl, secrets.secret);
  writeFileSync(runtime, JSON.stringify({ databaseUrl, relayUrl }), { mode: 0o600 });

  return {
    config,
    stopDatabase: async () => {
      rmSync(runtime, { force: true });
      await postgres.stop();
    },
    dataDir,
  };
}

/** The configuration to look into the quick start of this folder while it runs; null when it does not. */
export async function runningConfig(environment: Environment): Promise<Config | null> {
  const dataDir = resolve(environment.DATA_DIR);
  const runtime = join(dataDir, 'runtime.json');

  if (!existsSync(runtime)) {
    return null;
  }

  const { databaseUrl, relayUrl } = JSON.parse(readFileSync(runtime, 'utf8')) as {
    databaseUrl: string;
    relayUrl: string;
  };
  const { secret } = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8')) as Secrets;
  const client = new pg.Client({ connectionString: databaseUrl });

  try {
    await client.connect();

    return embeddedConfig(environment, databaseUrl, relayUrl, secret);
  } catch {
    // A killed run left the file behind.
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function embeddedConfig(environment: Environment, databaseUrl: string, relayUrl: string, secret: string): Config {
  return {
    port: environment.PORT,
    host: environment.HOST,
    databaseUrl,
    relayUrl,
    redisUrl: environment.REDIS_URL ?? null,
    secret: environment.RATEBOOK_SECRET ?? secret,
    // The quick start talks to a person: only what is wrong, unless asked for more.
    logLevel: environment.LOG_LEVEL === 'info' ? 'warn' : environment.LOG_LEVEL,
    // Its webhook receivers are on the same machine.
    webhookAllowPrivate: true,
  };
}

/** Reads a JSON file of the data folder, or makes it whole in one rename: a kill in between leaves the old or the new. */
export function keep<T extends object>(file: string, make: () => T): T {
  if (!existsSync(file)) {
    writeFileSync(`${file}.new`, `${JSON.stringify(make(), null, 2)}\n`, { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  }

  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

async function ensureDatabase(adminUrl: string, name: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();

  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);

    if (!rowCount) {
      await client.query(`create database ${name}`);
    }
  } finally {
    await client.end();
  }
}
