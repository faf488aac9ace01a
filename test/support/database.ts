import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../src/platform/migrate.js';

/** A database of one test file's own, migrated, with nothing in it. */
export interface TestDatabase {
  readonly adminUrl: string;
  readonly appUrl: string;
  readonly relayUrl: string;
  drop(): Promise<void>;
}

const PASSWORDS = { app: 'test-app', relay: 'test-relay' } as const;

/** Clones the migrated template: about 50 ms instead of a full migration. The first caller of a run makes it. */
export async function aDatabase(): Promise<TestDatabase> {
  const template = `ratebook_template_${fingerprint()}`;
  const name = `ratebook_test_${randomBytes(6).toString('hex')}`;
  await withAdmin(async client => {
    await client.query("select pg_advisory_lock(hashtext('ratebook test template'))");

    try {
      const { rowCount } = await client.query('select from pg_database where datname = $1', [template]);

      if (!rowCount) {
        await client.query(`create database ${template}_new`);
        await migrate(urls(`${template}_new`));
        await client.query(`alter database ${template}_new rename to ${template}`);
      }

      await client.query(`create database ${name} template ${template}`);
    } finally {
      await client.query("select pg_advisory_unlock(hashtext('ratebook test template'))");
    }
  });

  return {
    ...urls(name),
    drop: () => withAdmin(client => client.query(`drop database if exists ${name} with (force)`).then(() => undefined)),
  };
}

/** An empty database, for tests of the migrations themselves. */
export async function anEmptyDatabase(): Promise<TestDatabase> {
  const name = `ratebook_empty_${randomBytes(6).toString('hex')}`;
  await withAdmin(client => client.query(`create database ${name}`).then(() => undefined));

  return {
    ...urls(name),
    drop: () => withAdmin(client => client.query(`drop database if exists ${name} with (force)`).then(() => undefined)),
  };
}

/** Rows of one statement, as the superuser: what is really there, past every policy. */
export async function asSuperuser<Row extends pg.QueryResultRow>(
  database: { readonly adminUrl: string },
  text: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  await client.connect();

  try {
    return (await client.query<Row>(text, [...parameters])).rows;
  } finally {
    await client.end();
  }
}

function urls(name: string): { adminUrl: string; appUrl: string; relayUrl: string } {
  const as = (user: string, password: string): string => {
    const url = new URL(adminUrl());
    url.pathname = `/${name}`;
    url.username = user;
    url.password = password;

    return url.href;
  };
  const admin = new URL(adminUrl());
  admin.pathname = `/${name}`;

  return {
    adminUrl: admin.href,
    appUrl: as('ratebook_app', PASSWORDS.app),
    relayUrl: as('ratebook_relay', PASSWORDS.relay),
  };
}

function adminUrl(): string {
  const url = process.env['TEST_DATABASE_ADMIN_URL'];

  if (!url) {
    throw new Error('TEST_DATABASE_ADMIN_URL is not set; run the tests through npm test');
  }

  return url;
}

async function withAdmin(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl() });
  await client.connect();

  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** Another template for other migrations, for servers that outlive a run. */
function fingerprint(): string {
  const hash = createHash('sha256');

  for (const file of readdirSync('migrations').sort()) {
    hash.update(readFileSync(join('migrations', file)));
  }

  return hash.update(readFileSync('src/platform/migrate.ts')).digest('hex').slice(0, 12);
}
