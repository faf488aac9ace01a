import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/platform/embedded-postgres.js';
import { until } from '../support/product.js';

/** The quick start as a newcomer runs it, from the build that `npm test` makes first. */
describe('npm start', () => {
  let dataDir: string;
  let port: number;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'ratebook-quick-'));
    chmodSync(dataDir, 0o755);
    port = await freePort();
  });

  afterAll(async () => {
    for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
      child.kill('SIGKILL');
    }

    await new Promise(resolve => setTimeout(resolve, 500));
    rmSync(dataDir, { recursive: true, force: true });
  });

  function run(...parameters: string[]): { child: ChildProcess; output: () => string; exit: Promise<number | null> } {
    const child = spawn(process.execPath, ['dist/src/cli.js', ...parameters], {
      env: { ...process.env, DATA_DIR: dataDir, PORT: String(port), DATABASE_URL: '', REDIS_URL: '', NO_COLOR: '1' },
    });
    let text = '';
    child.stdout.on('data', part => (text += String(part)));
    child.stderr.on('data', part => (text += String(part)));
    children.push(child);

    return { child, output: () => text, exit: new Promise(resolve => child.once('exit', code => resolve(code))) };
  }

  async function up(): Promise<ReturnType<typeof run>> {
    const started = run('start');
    await until(async () => {
      if (started.child.exitCode !== null) {
        throw new Error(`it ended: ${started.output()}`);
      }

      return started.output().includes('Ctrl-C stops it');
    }, 45);

    return started;
  }

  async function query(key: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ query: '{ viewer { tenant { name kind children { edges { node { name } } } } } }' }),
    });

    return response.json();
  }

  const keys = (): Record<string, string> =>
    JSON.parse(readFileSync(join(dataDir, 'demo-keys.json'), 'utf8')) as Record<string, string>;

  test('brings up the demo, survives SIGKILL and a second start with its data, replays a trace to issued invoices, and stops on a signal', async () => {
    const first = await up();
    const seen = keys();
    expect(Object.keys(seen)).toEqual(['platform', 'reseller', 'customer', 'gateway']);
    expect(first.output()).toContain(`curl -s http://127.0.0.1:${port}/graphql`);
    const tree = (await query(seen['platform'] ?? '')) as {
      data: { viewer: { tenant: { name: string; children: { edges: { node: { name: string } }[] } } } };
    };
    const names = tree.data.viewer.tenant.children.edges.map(({ node }) => node.name).sort();
    expect([tree.data.viewer.tenant.name, names]).toEqual([
      'Meridian AI',
      ['Alpine Cloud', 'Brightdesk', 'Kestrel Health'],
    ]);

    first.child.kill('SIGKILL');
    await first.exit;
    const second = await up();
    expect(keys()).toEqual(seen);
    expect(second.output()).not.toContain('demo data');
    expect(await query(seen['customer'] ?? '')).toMatchObject({ data: { viewer: { tenant: { name: 'Brightdesk' } } } });

    const replay = run('replay', 'examples/trace.csv', '--tenants', '2', '--url', `http://127.0.0.1:${port}`);
    expect([await replay.exit, replay.output()]).toEqual([
      0,
      expect.stringContaining('every invoice equals the independent sum'),
    ]);
    expect(replay.output()).toContain('600 accepted, 0 duplicates, 0 conflicts, 0 rejected');
    expect(replay.output().match(/^alert Replay/gm)).toHaveLength(2);
    const again = run('replay', 'examples/trace.csv', '--tenants', '2', '--url', `http://127.0.0.1:${port}`);
    expect([await again.exit, again.output()]).toEqual([0, expect.stringContaining('0 accepted, 600 duplicates')]);

    const audit = run('audit-verify');
    expect([await audit.exit, audit.output()]).toEqual([0, expect.stringMatching(/lines of unbroken chains/)]);

    // The lists behind the demo, which the killed run had begun to enter.
    await until(async () => existsSync(join(dataDir, 'demo-books.json')), 30);
    await until(async () => second.output().includes('are in, as price books of the platform'));
    const gallery = run('gallery', 'import', 'openai', 'anthropic', 'google');
    expect([await gallery.exit, gallery.output().match(/all of it was there$/gm)]).toEqual([
      0,
      Array(3).fill('all of it was there'),
    ]);

    second.child.kill('SIGINT');
    expect(await second.exit).toBe(0);
    expect(existsSync(join(dataDir, 'runtime.json'))).toBe(false);
    // Nothing is left that serves the folder: the chains can be verified on a database started for it.
    const offline = run('audit-verify');
    expect([await offline.exit, offline.output()]).toEqual([0, expect.stringMatching(/lines of unbroken chains/)]);
  }, 180_000);

  test('every command explains itself', async () => {
    for (const command of [
      'start',
      'server',
      'worker',
      'migrate',
      'platform-create',
      'audit-verify',
      'schema-emit',
      'gallery',
      'replay',
    ]) {
      const help = run(command, '--help');
      expect([await help.exit, help.output()]).toEqual([0, expect.stringContaining(`Usage: ratebook ${command}`)]);
    }
  }, 60_000);

  test('a wrong environment is one sentence for each variable, and no stack', async () => {
    const child = spawn(process.execPath, ['dist/src/cli.js', 'server'], {
      env: {
        PATH: process.env['PATH'],
        PORT: 'abc',
        DATABASE_URL: 'mysql://x',
        RATEBOOK_SECRET: 'short',
        NO_COLOR: '1',
      },
    });
    let text = '';
    child.stderr.on('data', part => (text += String(part)));
    const code = await new Promise(resolve => child.once('exit', resolve));

    expect(code).toBe(1);
    expect(text.split('\n')).toEqual([
      'the environment is not right:',
      expect.stringMatching(/^ {2}PORT: /),
      '  DATABASE_URL: is a postgres:// URL',
      '  RATEBOOK_SECRET: has at least 32 characters',
      '',
    ]);
  });
});
