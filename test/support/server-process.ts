import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Product } from './product.js';

/** A server that runs as a process of its own, on a product's database. */
export interface ServerProcess {
  readonly url: string;
  /** Kills it at once, whatever it is doing. */
  kill(): Promise<void>;
}

/** Starts the product as it is built (`npm test` builds first); it has the clock of the machine. */
export async function aServerProcess(product: Product): Promise<ServerProcess> {
  const { config } = product.app;
  const child = spawn(process.execPath, ['dist/src/cli.js', 'server'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATABASE_URL: config.databaseUrl,
      DATABASE_RELAY_URL: config.relayUrl,
      ...(config.redisUrl ? { REDIS_URL: config.redisUrl } : {}),
      RATEBOOK_SECRET: config.secret,
      LOG_LEVEL: 'info',
    },
  });

  return { url: await urlOf(child), kill: () => kill(child) };
}

/** What it says when it is up. */
function urlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk: unknown): void => {
      said += String(chunk);
      const url = /"url":"(http:[^"]+)"/.exec(said)?.[1];

      if (url) {
        resolve(url);
      }
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', code => reject(new Error(`the server ended with ${code}: ${said.slice(-2_000)}`)));
  });
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
