import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/platform/embedded-postgres.js';

const CHILD = join(process.cwd(), 'test/support/embedded-postgres-child.mjs');
const settings = { fsync: 'off', shared_buffers: '16MB' };

let base: string;
let dataDir: string;
let cleanups: (() => Promise<unknown> | void)[];

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'ratebook-postgres-')));
  chmodSync(base, 0o755);
  dataDir = join(base, 'ratebook/postgres');
  cleanups = [
    async () => {
      await serverGone();
      rmSync(base, { recursive: true, force: true });
    },
  ];
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) {
    await cleanup();
  }
});

test('a fresh start makes a UTF-8 cluster that asks for its password and listens on TCP only', async () => {
  const postgres = await start();

  expect(
    await row(postgres.url, 'select pg_encoding_to_char(encoding) as e, datlocale as l from pg_database limit 1'),
  ).toEqual({
    e: 'UTF8',
    l: 'C.UTF-8',
  });
  expect(
    await row(postgres.url, "select current_setting('listen_addresses') as l, current_setting('fsync') as f"),
  ).toEqual({
    l: '127.0.0.1',
    f: 'off',
  });
  expect(await row(postgres.url, "select current_setting('unix_socket_directories') as u")).toEqual({ u: '' });
  expect(statSync(join(dataDir, 'superuser.password')).mode & 0o777).toBe(0o600);
  await expect(row(postgres.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow('password authentication');
});

test('a second start finds the data and the password of the first', async () => {
  const first = await start();
  await row(first.url, 'create table kept as select 42 as n');
  await first.stop();
  expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(false);

  const second = await start();

  expect(await row(second.url, 'select n from kept')).toEqual({ n: 42 });
  expect(new URL(second.url).password).toBe(new URL(first.url).password);
});

test('stop cuts open connections, may be called twice, and the process is gone when it resolves', async () => {
  const postgres = await start();
  const pid = serverPid();
  const client = new Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();

  await Promise.all([postgres.stop(), postgres.stop()]);
  await postgres.stop();

  expect(isAlive(pid)).toBe(false);
});

test('the server stops when its parent is killed, and the next start needs no help', async () => {
  const child = await startChild();
  expect(child.answer).toMatch(/^ready /);
  const url = child.answer.slice('ready '.length);
  await row(url, 'create table kept as select 42 as n');
  const pid = serverPid();

  await child.kill();
  const next = await start();

  expect(isAlive(pid)).toBe(false);
  expect(await row(next.url, 'select n from kept')).toEqual({ n: 42 });
});

test('a parent killed while the server starts leaves no server behind', async () => {
  await (await start()).stop();

  for (const delay of [120, 180, 240, 300]) {
    const child = spawnChild();
    await sleep(delay);
    await child.kill();
  }

  const next = await start();
  expect(await row(next.url, 'select 1 as n')).toEqual({ n: 1 });
});

test('a lock file left by a dead machine does not stop the start, even if its number is in use again', async () => {
  await (await start()).stop();

  for (const pid of [2_000_000_000, process.pid, 1]) {
    const lines = [pid, dataDir, 1_700_000_000, 5432, '', '127.0.0.1', '  1234567    12345', 'ready   ', ''];
    writeFileSync(join(dataDir, 'postmaster.pid'), lines.join('\n'));
    const { uid, gid } = statSync(dataDir);
    chownSync(join(dataDir, 'postmaster.pid'), uid, gid);

    const postgres = await start();
    expect(await row(postgres.url, 'select 1 as n')).toEqual({ n: 1 });
    await postgres.stop();
  }
});

test('an interrupted first start is done again, and nothing of it remains', async () => {
  mkdirSync(join(`${dataDir}.making-2000000000-00000000`, 'cluster'), { recursive: true });
  writeFileSync(join(`${dataDir}.making-2000000000-00000000`, 'cluster/PG_VERSION'), '18\n');
  const child = spawnChild();
  await sleep(400);
  await child.kill();

  const postgres = await start();

  expect(await row(postgres.url, 'select 1 as n')).toEqual({ n: 1 });
  expect(readdirSync(dirname(dataDir))).toEqual(['postgres']);
});

test('a half-made cluster in the place is kept under another name and a new one is made', async () => {
  mkdirSync(join(dataDir, 'base'), { recursive: true });
  writeFileSync(join(dataDir, 'PG_VERSION'), '18\n');

  const postgres = await start();

  expect(await row(postgres.url, 'select 1 as n')).toEqual({ n: 1 });
  const [aside] = readdirSync(dirname(dataDir)).filter(name => name.startsWith('postgres.incomplete-'));
  expect(readdirSync(join(dirname(dataDir), aside ?? '')).sort()).toEqual(['PG_VERSION', 'base']);
});

test('a whole cluster that we did not make is left alone, with a sentence', async () => {
  await (await start()).stop();
  rmSync(join(dataDir, 'superuser.password'));

  await expect(start()).rejects.toThrow(
    `The data folder ${dataDir} holds a cluster that Ratebook did not make: set another DATA_DIR.`,
  );
  expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(true);
});

test('a second Ratebook on the same folder is refused with a sentence and the first goes on', async () => {
  const first = await start();
  const sentence =
    `The data folder ${dataDir} is in use by another Ratebook: stop that one first ` +
    '(postmaster.pid there names its process), or set another DATA_DIR.';

  await expect(start()).rejects.toThrow(sentence);
  expect((await startChild()).answer).toBe(`refused ${sentence}`);
  expect(await row(first.url, 'select 1 as n')).toEqual({ n: 1 });
});

test('of two first starts at the same moment one serves and the other is refused', async () => {
  const answers = (await Promise.all([startChild(), startChild()])).map(child => child.answer.split(' ')[0]);

  expect(new Set(answers)).toEqual(new Set(['ready', 'refused']));
  expect(readdirSync(dirname(dataDir))).toEqual(['postgres']);
});

test('a taken port is named in the refusal', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  cleanups.push(() => void other.close());
  const { port } = other.address() as AddressInfo;

  await expect(startEmbeddedPostgres({ dataDir, port, settings })).rejects.toThrow(
    new RegExp(`did not start on the data folder ${dataDir}[^]*Address already in use[^]*port ${port}`),
  );
});

const testAsRoot = process.getuid?.() === 0 ? test : test.skip;

testAsRoot('as root, a folder that the unprivileged account cannot reach becomes a link to one it can', async () => {
  chmodSync(base, 0o700);
  const notes: string[] = [];
  const postgres = await start(line => notes.push(line));
  cleanups.splice(1, 0, () => rmSync(dirname(postgres.dataDir), { recursive: true }));

  expect(lstatSync(dataDir).isSymbolicLink()).toBe(true);
  expect(postgres.dataDir).toMatch(/^\/var\/lib\/ratebook\/data-[0-9a-f]{12}\/postgres$/);
  expect(notes[0]).toContain(`the data is in ${postgres.dataDir}`);
  await postgres.stop();

  const second = await start();
  expect(second.dataDir).toBe(postgres.dataDir);
  expect(await row(second.url, 'select 1 as n')).toEqual({ n: 1 });
});

async function start(onLog?: (line: string) => void): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, settings, ...(onLog ? { onLog } : {}) });
  cleanups.push(() => postgres.stop());

  return postgres;
}

async function row(url: string, text: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  await client.connect();

  try {
    return (await client.query(text)).rows[0];
  } finally {
    await client.end();
  }
}

function spawnChild() {
  const child = spawn(process.execPath, [CHILD, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  cleanups.push(kill);

  return { child, kill };
}

async function startChild(): Promise<{ readonly answer: string; readonly kill: () => Promise<void> }> {
  const { child, kill } = spawnChild();
  const [answer] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];

  return { answer, kill };
}

function serverPid(): number {
  return Number.parseInt(readFileSync(join(dataDir, 'postmaster.pid'), 'utf8'), 10);
}

async function serverGone(): Promise<void> {
  for (let waited = 0; waited < 10_000 && existsSync(join(dataDir, 'postmaster.pid')); waited += 50) {
    await sleep(50);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
