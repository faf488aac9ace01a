import color from 'picocolors';
import { createApp } from '../app.js';
import { verifyChain } from '../audit/index.js';
import { readConfig, readEnvironment } from '../config.js';
import { openDatabase, runningConfig } from './local-database.js';
import { inTransaction } from '../platform/index.js';

/** Verifies the audit chain of every tenant and prints one line each. Returns 0 when all hold and 1 when one is broken. */
export async function verifyAudit(): Promise<number> {
  const environment = readEnvironment();
  const running = environment.DATABASE_URL ? readConfig() : await runningConfig(environment);
  const opened = running ? { config: running, stopDatabase: async () => undefined } : await openDatabase(environment);
  const app = await createApp({ ...opened.config, logLevel: 'error' });
  let broken = 0;
  let total = 0;

  try {
    const { rows } = await app.relayPool.query<{ id: string }>('select id from tenant order by id');

    for (const { id } of rows) {
      const scope = app.scopeOf(id, { kind: 'cli', id: 'audit-verify' });
      const result = await inTransaction(scope, verifyChain);
      total += result.lines;

      if (result.broken) {
        broken++;
        console.log(`${color.red('BROKEN')}  ${id}  at line ${result.broken.seq}: ${result.broken.reason}`);
      } else {
        console.log(`${color.green('ok')}      ${id}  ${result.lines} lines`);
      }
    }
  } finally {
    await app.close();
    await opened.stopDatabase();
  }

  console.log(`${total} lines of ${broken === 0 ? 'unbroken chains' : `chains, ${broken} of them broken`}`);

  return broken === 0 ? 0 : 1;
}
