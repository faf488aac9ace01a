import { SingleBar } from 'cli-progress';
import color from 'picocolors';
import { createApp, type App } from '../app.js';
import { readConfig, readEnvironment } from '../config.js';
import { countSealed, verifyReceipts, type Verified } from '../invoicing/index.js';
import { inTransaction } from '../platform/index.js';
import { openDatabase, runningConfig } from './local-database.js';

/** Verifies the sealed receipts of every tenant of the installation's database; see `verifyTenants`. */
export async function verifyOutcomes(): Promise<number> {
  const environment = readEnvironment();
  const running = environment.DATABASE_URL ? readConfig() : await runningConfig(environment);
  const opened = running ? { config: running, stopDatabase: async () => undefined } : await openDatabase(environment);
  const app = await createApp({ ...opened.config, logLevel: 'error' });

  try {
    return await verifyTenants(app, line => console.log(line));
  } finally {
    await app.close();
    await opened.stopDatabase();
  }
}

/**
 * Verifies the sealed receipts of every tenant, with a bar on a terminal, and prints one line for each tenant that has any.
 * Returns 0 when all hold and 1 when some do not; the first fault of each is told with its place.
 */
export async function verifyTenants(
  app: Pick<App, 'relayPool' | 'scopeOf'>,
  print: (line: string) => void,
): Promise<number> {
  const { rows } = await app.relayPool.query<{ id: string }>('select id from tenant order by id');
  const scopeOf = (id: string) => app.scopeOf(id, { kind: 'cli', id: 'outcome-verify' });
  const results: Result[] = [];
  let sealed = 0;

  for (const { id } of rows) {
    sealed += await inTransaction(scopeOf(id), countSealed);
  }

  const bar = progressBar();
  bar.start(sealed, 0);

  try {
    for (const { id } of rows) {
      results.push({ tenantId: id, verified: await verifyReceipts(scopeOf(id), read => bar.increment(read)) });
    }
  } finally {
    bar.stop();
  }

  return report(results, print);
}

interface Result {
  readonly tenantId: string;
  readonly verified: Verified;
}

/** Says nothing where the output is no terminal. */
function progressBar(): SingleBar {
  return new SingleBar({
    format: 'verifying {bar} {percentage}% {value}/{total} receipts',
    hideCursor: true,
    noTTYOutput: false,
    clearOnComplete: true,
  });
}

function report(results: readonly Result[], print: (line: string) => void): number {
  const faults = results.filter(({ verified }) => verified.fault !== null).length;
  let receipts = 0;

  for (const { tenantId, verified } of results) {
    receipts += verified.receipts;

    if (verified.fault) {
      print(`${color.red('BROKEN')}  ${tenantId}  ${verified.fault.place}: ${verified.fault.reason}`);
    } else if (verified.seals + verified.batches > 0) {
      const counts = `${verified.receipts} receipts, ${verified.seals} seals, ${verified.batches} batches of transitions`;
      print(`${color.green('ok')}      ${tenantId}  ${counts}`);
    }
  }

  print(
    faults === 0
      ? `${receipts} receipts, all as they were sealed`
      : `${receipts} receipts read; the receipts of ${faults} tenants are broken`,
  );

  return faults === 0 ? 0 : 1;
}
