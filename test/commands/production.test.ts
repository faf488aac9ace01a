import { spawn } from 'node:child_process';
import { anEmptyDatabase, asSuperuser, type TestDatabase } from '../support/database.js';

/** The commands of an installation on servers of its own, from the build that `npm test` makes first. */
describe('a new installation', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await anEmptyDatabase();
  });

  afterAll(() => database.drop());

  async function run(...parameters: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, ['dist/src/cli.js', ...parameters], {
      env: {
        PATH: process.env['PATH'],
        NO_COLOR: '1',
        DATABASE_ADMIN_URL: database.adminUrl,
        DATABASE_URL: database.appUrl,
        DATABASE_RELAY_URL: database.relayUrl,
        RATEBOOK_SECRET: 'a secret for tests, long enough to be one',
        LOG_LEVEL: 'fatal',
      },
    });
    let output = '';
    child.stdout.on('data', part => (output += String(part)));
    child.stderr.on('data', part => (output += String(part)));

    return { code: await new Promise(resolve => child.once('exit', resolve)), output };
  }

  test('is migrated once, gets its platform and first key together or not at all, and only one', async () => {
    expect(await run('migrate')).toMatchObject({ code: 0, output: expect.stringContaining('migrated Migration') });
    expect(await run('migrate')).toEqual({ code: 0, output: 'nothing to migrate\n' });

    // The key cannot be written: then there must be no platform either.
    await asSuperuser(database, 'revoke insert on api_key from ratebook_app');
    expect(await run('platform-create', '--name', 'You')).toMatchObject({ code: 1 });
    expect(await asSuperuser(database, 'select id from tenant')).toEqual([]);
    await asSuperuser(database, 'grant insert on api_key to ratebook_app');

    const made = await run('platform-create', '--name', 'You', '--time-zone', 'Europe/Berlin');
    expect(made.output).toMatch(
      /^tenant {2}ten_[0-9A-Z]{26}\nkey {5}rb_live_[0-9A-Za-z]{49} {3}\(shown this once\)\n$/,
    );
    const again = await run('platform-create', '--name', 'You');
    expect(again).toEqual({ code: 1, output: 'this installation has its platform tenant already\n' });
    expect(await asSuperuser(database, 'select name, time_zone from tenant')).toEqual([
      { name: 'You', time_zone: 'Europe/Berlin' },
    ]);
    expect(await run('audit-verify')).toMatchObject({
      code: 0,
      output: expect.stringContaining('2 lines of unbroken chains'),
    });
  }, 60_000);
});
