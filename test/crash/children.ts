// The processes of the crash test: one for each life that ends at a point, and some that do one flow after the other.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Ids } from './scenario.js';

export interface WorldOptions {
  /** A bug to plant in the transaction in which a process dies, by its name in `crash-child.mjs`. */
  readonly plant?: string;
  /** Folder of another build of the product, as a URL that ends with a slash; `dist/` when left out. */
  readonly build?: string;
  /** How long one process may take; a minute when left out. */
  readonly patienceMs?: number;
}

/** A line of a child: where its clock is, what it sends, what its set-up made, or how many statements it sent. */
interface Told {
  readonly at?: string;
  readonly sent?: string;
  readonly ids?: Ids;
  readonly statements?: number;
  /** Of a flow on a standby that came to its end: why it failed, or null. */
  readonly failed?: string | null;
}

/** What a child is told, beside its database; see `crash-child.mjs`. */
export interface ChildOptions extends WorldOptions {
  readonly [name: string]: unknown;
}

export interface ChildEnd {
  readonly signal: string | null;
  readonly status: number | null;
  /** The JSON lines that the child wrote. */
  readonly told: readonly Told[];
  readonly errors: string;
  /** Whether it was ended because it took too long. */
  readonly isLate: boolean;
}

// The suite's own passwords: the roles are shared by every database of the server.
const PASSWORDS = { ratebook_app: 'test-app', ratebook_relay: 'test-relay' } as const;
const CHILD = fileURLToPath(new URL('./crash-child.mjs', import.meta.url));
const PATIENCE_MS = 60_000;

/** After so many flows a standby is replaced: a leak of the product's would make it slow. */
const FLOWS_OF_A_STANDBY = 50;

/** Runs one process of the product to its end, whatever that is. */
export function runChild(mode: string, adminUrl: string, name: string, options: ChildOptions): Promise<ChildEnd> {
  return endOf(start(mode, { ...options, database: urlsOf(adminUrl, name) }), options);
}

/** A process that runs flows, one after the other, each with an app of its own. */
export class Standby {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #flows = 0;

  /** `build` as in `WorldOptions`. */
  constructor(build?: string) {
    this.#child = start('standby', { ...(build && { build }) });
    this.#closed = new Promise(resolve => this.#child.once('close', resolve));
  }

  /** Whether it can run another flow. */
  get isFit(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#flows < FLOWS_OF_A_STANDBY;
  }

  async run(adminUrl: string, name: string, options: ChildOptions): Promise<ChildEnd> {
    this.#flows += 1;
    const ended = endOf(this.#child, options);
    this.#child.stdin?.write(`${JSON.stringify({ ...options, database: urlsOf(adminUrl, name) })}\n`);
    const end = await ended;

    // A standby that is gone has not done its flow.
    return end.told.at(-1)?.failed === undefined ? { ...end, status: end.status || 1 } : end;
  }

  async end(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#closed;
  }
}

/** Throws when the process failed. */
export async function wellEnded(running: Promise<ChildEnd>): Promise<ChildEnd['told']> {
  const { status, signal, errors, told } = await running;

  if (status !== 0) {
    throw new Error(`a child of the crash test ended with ${status ?? signal}: ${errors}`);
  }

  return told;
}

function start(mode: string, options: object): ChildProcess {
  return spawn(process.execPath, ['--no-warnings', CHILD, mode, JSON.stringify(options)], {
    stdio: [mode === 'standby' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
}

/** Listens to a process until it is gone, or says that it has done a flow. */
function endOf(child: ChildProcess, { patienceMs = PATIENCE_MS }: WorldOptions): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const told: Told[] = [];
    let [rest, errors, isLate] = ['', '', false];
    const patience = setTimeout(() => {
      isLate = true;
      child.kill('SIGTERM');
    }, patienceMs);
    const finish = (status: number | null, signal: string | null): void => {
      clearTimeout(patience);
      child.off('error', reject).off('close', finish);
      child.stdout?.off('data', hear);
      child.stderr?.off('data', hearError);
      resolve({
        status,
        signal,
        told,
        errors: isLate ? `no end within ${patienceMs / 1_000} s; ${errors}` : errors,
        isLate,
      });
    };
    const hear = (chunk: unknown): void => {
      const lines = `${rest}${String(chunk)}`.split('\n');
      rest = lines.pop() ?? '';
      told.push(...lines.filter(line => line !== '').map(line => JSON.parse(line) as Told));
      const failed = told.at(-1)?.failed;

      if (failed !== undefined) {
        errors += failed ?? '';
        finish(failed === null ? 0 : 1, null);
      }
    };
    const hearError = (chunk: unknown): void => {
      errors += String(chunk);
    };
    child.once('error', reject).once('close', finish);
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hearError);
  });
}

/** The ways into one database of the server. */
function urlsOf(adminUrl: string, name: string): { adminUrl: string; appUrl: string; relayUrl: string } {
  const url = (role: keyof typeof PASSWORDS | null): string => {
    const made = new URL(adminUrl);
    made.pathname = `/${name}`;

    if (role) {
      made.username = role;
      made.password = PASSWORDS[role];
    }

    return made.href;
  };

  return { adminUrl: url(null), appUrl: url('ratebook_app'), relayUrl: url('ratebook_relay') };
}
