import color from 'picocolors';
import { createApp, type App } from '../app.js';
import { readConfig, readEnvironment } from '../config.js';
import { verifyCredits, type VerifiedCredits } from '../credits/index.js';
import { formatDecimal, type Decimal, ZERO } from '../money/index.js';
import { openDatabase, runningConfig } from './local-database.js';

/** Verifies the credits of every tenant of the installation's database; see `verifyTenantCredits`. */
export async function verifyLedger(): Promise<number> {
  const environment = readEnvironment();
  const running = environment.DATABASE_URL ? readConfig() : await runningConfig(environment);
  const opened = running ? { config: running, stopDatabase: async () => undefined } : await openDatabase(environment);
  const app = await createApp({ ...opened.config, logLevel: 'error' });

  try {
    return await verifyTenantCredits(app, line => console.log(line));
  } finally {
    await app.close();
    await opened.stopDatabase();
  }
}

/**
 * Recomputes the ledger of every tenant's credits and prints one line for each tenant that has any, with the first thing that
 * does not hold. What went from tenant to tenant comes to 0 over all, where nothing moves meanwhile. Returns 0 when all
 * holds and 1 when something does not.
 */
export async function verifyTenantCredits(
  app: Pick<App, 'relayPool' | 'scopeOf'>,
  print: (line: string) => void,
): Promise<number> {
  const { rows } = await app.relayPool.query<{ id: string }>('select id from tenant order by id');
  const moved = new Map<string, Decimal>();
  let [transactions, broken] = [0, 0];

  for (const { id } of rows) {
    const verified = await verifyCredits(app.scopeOf(id, { kind: 'cli', id: 'credits-verify' }));
    transactions += verified.transactions;
    broken += verified.fault ? 1 : 0;
    tell(id, verified, print);

    for (const [unit, amount] of verified.moved) {
      moved.set(unit, (moved.get(unit) ?? ZERO).plus(amount));
    }
  }

  const lost = [...moved].filter(([, amount]) => !amount.isZero());

  for (const [unit, amount] of lost) {
    print(
      `${color.red('BROKEN')}  what went from tenant to tenant comes to ${formatDecimal(amount)} ${unit} and not to 0`,
    );
  }

  print(
    broken + lost.length === 0
      ? `${transactions} transactions of credits, all sums and balances hold`
      : `${transactions} transactions of credits read; ${broken} ledgers are broken`,
  );

  return broken + lost.length === 0 ? 0 : 1;
}

function tell(tenantId: string, { transactions, grants, fault }: VerifiedCredits, print: (line: string) => void): void {
  if (fault) {
    print(`${color.red('BROKEN')}  ${tenantId}  ${fault.place}: ${fault.reason}`);
  } else if (grants > 0) {
    print(`${color.green('ok')}      ${tenantId}  ${transactions} transactions, ${grants} grants`);
  }
}
