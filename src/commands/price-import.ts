import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { createApp, type App } from '../app.js';
import { Meter } from '../catalog/index.js';
import { readConfig, readEnvironment } from '../config.js';
import { asTenant, inTransaction, type Scope } from '../platform/index.js';
import { type ImportRow, PriceBook, type PriceImport } from '../pricing/index.js';
import { openDatabase, runningConfig } from './local-database.js';

/** What is to become of a file of prices. */
export interface PriceImportOptions {
  readonly format: 'LITELLM' | 'LANGFUSE';
  /** The name of the price book; null to lay the list beside what models cost us. */
  readonly book: string | null;
  /** The key of the meter of tokens; for a book only. */
  readonly meter: string | null;
  /** Keys of the meters of other units, such as `image`. */
  readonly meters: Readonly<Record<string, string>>;
  readonly source: string;
  readonly sourceDate: string;
  /** Names of models, or beginnings of names followed by `*`; none for all. */
  readonly models: readonly string[];
  /** The tenant; null for the platform. */
  readonly tenantId: string | null;
  /** Whether all lines without a flag are approved. */
  readonly approve: boolean;
  /** Whether what is approved is written as a draft of the book. */
  readonly draft: boolean;
}

type Unit = 'character' | 'pixel' | 'image' | 'second' | 'query' | 'request';

const UNITS: readonly string[] = ['character', 'pixel', 'image', 'second', 'query', 'request'] satisfies Unit[];
const MOST_SHOWN = 50;

/**
 * Reads a file of prices (`-` for standard input), proposes it to the database that DATABASE_URL names, that of the running
 * quick start, or the embedded one started for it, and prints what would change and what to look at.
 */
export async function importPriceFile(file: string, options: PriceImportOptions): Promise<void> {
  const content = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  const environment = readEnvironment();
  const running = environment.DATABASE_URL ? readConfig() : await runningConfig(environment);
  const opened = running ? { config: running, stopDatabase: async () => undefined } : await openDatabase(environment);
  const app = await createApp({ ...opened.config, logLevel: 'error' });

  try {
    for (const line of await importPriceList(app, content, options)) {
      console.log(line);
    }
  } finally {
    await app.close();
    await opened.stopDatabase();
  }
}

/** Proposes a list and does what else the options say. Publishes nothing. Returns what to print: of each change the first 50. */
export async function importPriceList(app: App, content: string, options: PriceImportOptions): Promise<string[]> {
  const { priceImports } = app.services;
  const tenantId = options.tenantId ?? (await platformId(app));
  const scope = (): Scope => app.scopeOf(tenantId, { kind: 'cli', id: 'price-import' });
  const target = options.book === null ? 'COSTS' : 'BOOK';
  const priceImport = await propose(app, scope(), content, options);
  const { added, changed, removed, same, flagged, skipped, entries } = priceImport.counts;
  const lines = [
    `import   ${priceImport.id} (${entries} entries)`,
    `changes  ${added} added, ${changed} changed, ${removed} removed; ${same} the same, ${skipped} left out`,
    `to look at one by one: ${flagged} flagged, ${removed} removed`,
  ];

  for (const change of ['CHANGED', 'REMOVED', 'ADDED'] as const) {
    for (const row of await priceImports.rows(scope(), priceImport.id, { change }, { first: MOST_SHOWN })) {
      const [from, to] = [amountOf(row.before), amountOf(row.proposed)];
      lines.push(`${change.padEnd(8)} ${row.key}  ${from} → ${to}${row.note === null ? '' : `  (${row.note})`}`);
    }
  }

  if (options.approve) {
    const asked = { importId: priceImport.id, keys: [], allUnflagged: true, decision: 'APPROVED' } as const;
    const { decided } = await priceImports.decide(scope(), target, asked);
    lines.push(`approved ${decided} changes without a flag`);
  }

  if (options.draft && target === 'BOOK') {
    const { version } = await priceImports.draft(scope(), priceImport.id);
    lines.push(`draft    version ${version.number} (${version.id}); publish it when it is right`);
  }

  return lines;
}

/** `2.5 per 1000000`, or what kind of price it is. */
function amountOf(side: ImportRow['before']): string {
  const { model, unitAmount, per = '1' } = side?.terms ?? {};

  return unitAmount === undefined ? (model ?? 'nothing') : `${unitAmount} per ${per}`;
}

async function propose(app: App, scope: Scope, content: string, options: PriceImportOptions): Promise<PriceImport> {
  const { format, book, meter, source, sourceDate, models } = options;
  const { priceImports, costImports, tenants } = app.services;
  const { ancestors } = await tenants.own(scope);
  const meters = [];

  for (const [unit, key] of Object.entries(options.meters)) {
    if (!isUnit(unit)) {
      throw new Error(`${unit} is no unit of a price list; units are ${UNITS.join(', ')}`);
    }

    meters.push({ unit, meterId: await meterId(scope, ancestors, key) });
  }

  // Each run lays the list beside what is in force by then.
  const asked = { format, content, source, sourceDate, models, meters, idempotencyKey: randomUUID() };

  if (book === null) {
    return (await costImports.propose(scope, asked)).priceImport;
  }

  if (meter === null) {
    throw new Error('a price book needs the meter of tokens: --meter KEY');
  }

  const priceBook = await inTransaction(scope, tx => tx.em.findOne(PriceBook, { name: book }));

  if (!priceBook) {
    throw new Error(`there is no price book ${book}`);
  }

  const found = await meterId(scope, ancestors, meter);
  const { priceImport } = await priceImports.propose(scope, {
    ...asked,
    priceBookId: priceBook.id,
    meterId: found,
  });

  return priceImport;
}

function isUnit(unit: string): unit is Unit {
  return UNITS.includes(unit);
}

/** The meter with this key: the tenant's own, or that of the nearest tenant above it. */
async function meterId(scope: Scope, ancestors: readonly string[], key: string): Promise<string> {
  const id = await inTransaction(scope, async tx => {
    for (const ownerId of ancestors.toReversed()) {
      const found = await asTenant(tx, ownerId, async own => (await own.em.findOne(Meter, { key }))?.id);

      if (found) {
        return found;
      }
    }

    return null;
  });

  if (!id) {
    throw new Error(`there is no meter ${key}`);
  }

  return id;
}

async function platformId(app: App): Promise<string> {
  const { rows } = await app.relayPool.query<{ id: string }>("select id from tenant where kind = 'PLATFORM'");

  if (!rows[0]) {
    throw new Error('this installation has no platform tenant yet: run platform-create first');
  }

  return rows[0].id;
}
