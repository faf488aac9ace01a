import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, defineEntity, p } from '@mikro-orm/postgresql';
import { runMigrations } from 'bullmq';
import pg from 'pg';
import { JOB_SCHEMA } from './jobs.js';
import { migrations } from '../../migrations/index.js';

export interface MigrateOptions {
  /** A superuser or owner that may create roles. */
  readonly adminUrl: string;
  /** The runtime role's URL: user `ratebook_app` and its password. */
  readonly appUrl: string;
  /** The relay role's URL: user `ratebook_relay` and its password. */
  readonly relayUrl: string;
}

// Durations that end a stuck statement before it holds up others.
const ROLE_SETTINGS = {
  statement_timeout: '30s',
  lock_timeout: '10s',
  idle_in_transaction_session_timeout: '30s',
} as const;

/**
 * Brings roles, tables and the job store to the newest version; safe to run again and from several machines at once.
 * Returns the names of the migrations that ran.
 */
export async function migrate(options: MigrateOptions): Promise<string[]> {
  await inSession(options.adminUrl, async client => {
    await unrivalled(() => ensureRole(client, options.appUrl, 'ratebook_app'));
    await unrivalled(() => ensureRole(client, options.relayUrl, 'ratebook_relay'));
  });

  const ran = await inSession(options.adminUrl, async client => {
    await client.query("select pg_advisory_lock(hashtext('ratebook migrations'))");
    const names = await runTables(options.adminUrl);
    await client.query(`create schema if not exists ${JOB_SCHEMA}`);
    await client.query(`set search_path = ${JOB_SCHEMA}`);
    await runMigrations(client as never, JOB_SCHEMA);
    // BullMQ makes a sequence per queue as it goes, so the worker's role may create there, and only there.
    await client.query(`grant usage, create on schema ${JOB_SCHEMA} to ratebook_relay`);
    await client.query(`grant select, insert, update, delete on all tables in schema ${JOB_SCHEMA} to ratebook_relay`);
    await client.query(`grant usage, select, update on all sequences in schema ${JOB_SCHEMA} to ratebook_relay`);
    await client.query(`grant execute on all functions in schema ${JOB_SCHEMA} to ratebook_relay`);

    return names;
  });

  return ran;
}

async function runTables(adminUrl: string): Promise<string[]> {
  // The migrator needs an ORM and an ORM needs an entity; this one has no table.
  const entity = defineEntity({
    name: 'MigrationAnchor',
    virtual: true,
    expression: 'select 1 as id',
    properties: { id: p.integer() },
  });
  const orm = new MikroORM({
    clientUrl: adminUrl,
    entities: [entity],
    extensions: [Migrator],
    logger: () => undefined,
    migrations: {
      migrationsList: migrations.map(migration => ({ name: migration.name, class: migration })),
      snapshot: false,
      tableName: 'migration',
    },
  });

  try {
    const ran = await orm.migrator.up();

    return ran.map(({ name }) => name);
  } finally {
    await orm.close(true);
  }
}

const MOST_TRIES = 50;

/**
 * Roles belong to the whole server and an advisory lock to one database, so nothing keeps the migrations of two databases
 * from changing a role at once. Postgres then refuses one of them, and that one tries again.
 */
async function unrivalled(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const { code, message } = error as { readonly code?: string; readonly message?: string };
      const isRivalry = message === 'tuple concurrently updated' || code === '23505';

      if (!isRivalry || tries === MOST_TRIES) {
        throw error;
      }

      await new Promise(resolve => setTimeout(resolve, 20 + 30 * Math.random()));
    }
  }
}

async function ensureRole(client: pg.Client, url: string, role: string): Promise<void> {
  const { username, password } = new URL(url);

  if (username !== role) {
    throw new Error(
      `the runtime URL must log in as ${role}, not ${username || 'nobody'}; row-level security is granted to that role`,
    );
  }

  await client.query(`do $$ begin create role ${role} login; exception when duplicate_object then null; end $$`);

  if (password) {
    await client.query(`alter role ${role} password ${pg.escapeLiteral(decodeURIComponent(password))}`);
  }

  await client.query(`alter role ${role} nosuperuser nobypassrls nocreatedb nocreaterole`);

  for (const [setting, value] of Object.entries(ROLE_SETTINGS)) {
    await client.query(`alter role ${role} set ${setting} = '${value}'`);
  }
}

async function inSession<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();

  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
