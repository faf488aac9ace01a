import pg from 'pg';
import { migrations } from '../../migrations/index.js';
import { migrate } from '../../src/platform/migrate.js';
import { anEmptyDatabase, asSuperuser, type TestDatabase } from '../support/database.js';

describe('migrate', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await anEmptyDatabase();
  });

  afterEach(() => database.drop());

  test('runs every migration once, and nothing the second time', async () => {
    expect(await migrate(database)).toEqual(migrations.map(({ name }) => name));
    expect(await migrate(database)).toEqual([]);
  });

  test('two at once leave one set of tables', async () => {
    const [first, second] = await Promise.all([migrate(database), migrate(database)]);

    expect([first, second].sort((a, b) => b.length - a.length)).toEqual([migrations.map(({ name }) => name), []]);
    const applied = await asSuperuser(database, 'select name from migration order by id');
    expect(applied.map(row => row['name'])).toEqual(migrations.map(({ name }) => name));
  });

  test('refuses a runtime URL of another role before it changes anything', async () => {
    const postgres = new URL(database.appUrl);
    postgres.username = 'postgres';

    await expect(migrate({ ...database, appUrl: postgres.href })).rejects.toThrow(
      'must log in as ratebook_app, not postgres',
    );
    expect(await asSuperuser(database, "select tablename from pg_tables where schemaname = 'public'")).toEqual([]);
  });

  test('the runtime role cannot change the tables', async () => {
    await migrate(database);
    const client = new pg.Client({ connectionString: database.appUrl });
    await client.connect();

    try {
      await expect(client.query('alter table usage_event add column x text')).rejects.toThrow('must be owner');
      await expect(client.query('create table x (id text)')).rejects.toThrow('permission denied');
      await expect(client.query('truncate usage_event')).rejects.toThrow('permission denied');
    } finally {
      await client.end();
    }
  });
});
