import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import color from 'picocolors';
import { readConfig, readEnvironment } from './config.js';

// Modules are loaded by the command that needs them: rating a file of prices loads no server.
const program = new Command('ratebook').description('AI usage and outcomes into exact, explainable money.');

program
  .command('start')
  .description('everything in one process tree: embedded Postgres (or DATABASE_URL), demo data, server and worker')
  .option('--no-demo', 'start without demo data')
  .action(async (options: { demo: boolean }) => {
    const { start } = await import('./commands/start.js');
    await start(options);
  });

program
  .command('server')
  .description('the server: /graphql, /v1/usage, /health (needs DATABASE_URL, DATABASE_RELAY_URL, RATEBOOK_SECRET)')
  .action(async () => {
    const [{ createApp }, { startServer }] = await Promise.all([import('./app.js'), import('./server.js')]);
    const app = await createApp(readConfig());
    const server = await startServer(app);
    app.log.info({ url: server.url }, 'server is up');
    onStop(async () => {
      await server.close();
      await app.close();
    });
  });

program
  .command('worker')
  .description(
    'a worker: tells facts from the outbox, looks for what is due, rates, issues invoices, moves contracts, runs simulations, delivers webhooks; any number may run',
  )
  .action(async () => {
    const [{ createApp }, { startWorker }] = await Promise.all([import('./app.js'), import('./worker.js')]);
    const app = await createApp(readConfig());
    const worker = startWorker(app);
    app.log.info('worker is up');
    onStop(() => worker.close());
  });

program
  .command('migrate')
  .description('brings the database to the newest version (needs DATABASE_ADMIN_URL besides the runtime URLs)')
  .action(async () => {
    const { migrate } = await import('./platform/migrate.js');
    const { DATABASE_ADMIN_URL: adminUrl, DATABASE_URL: appUrl, DATABASE_RELAY_URL: relayUrl } = readEnvironment();

    if (!adminUrl || !appUrl || !relayUrl) {
      throw new Error('migrate needs DATABASE_ADMIN_URL, DATABASE_URL and DATABASE_RELAY_URL; see .env.example');
    }

    const ran = await migrate({ adminUrl, appUrl, relayUrl });
    console.log(ran.length === 0 ? 'nothing to migrate' : ran.map(name => `migrated ${name}`).join('\n'));
  });

program
  .command('platform-create')
  .description('makes the root tenant of a new installation and prints its first key, once')
  .requiredOption('--name <name>', 'its name')
  .option('--currency <code>', 'ISO 4217 code', 'USD')
  .option('--time-zone <zone>', 'IANA time zone', 'UTC')
  .option('--region <region>', 'such as eu', 'eu')
  .action(async (options: { name: string; currency: string; timeZone: string; region: string }) => {
    const { createPlatform } = await import('./commands/platform-create.js');
    await createPlatform(options);
  });

program
  .command('audit-verify')
  .description('recomputes every audit chain and names the first broken line; exits 1 when there is one')
  .action(async () => {
    const { verifyAudit } = await import('./commands/audit-verify.js');
    process.exitCode = await verifyAudit();
  });

program
  .command('outcome-verify')
  .description(
    'recomputes every sealed receipt of outcomes against invoices, facts and the audit log, and names the first fault; exits 1 when there is one',
  )
  .action(async () => {
    const { verifyOutcomes } = await import('./commands/outcome-verify.js');
    process.exitCode = await verifyOutcomes();
  });

program
  .command('credits-verify')
  .description(
    'recomputes the ledger of prepaid credits of every tenant: sums, balances, grants; names the first fault of each, and exits 1 when there is one',
  )
  .action(async () => {
    const { verifyLedger } = await import('./commands/credits-verify.js');
    process.exitCode = await verifyLedger();
  });

program
  .command('schema-emit')
  .description('writes schema/internal.graphql from the code')
  .option('--check', 'write nothing; exit 1 when the committed file is not current')
  .action(async (options: { check?: boolean }) => {
    const { printInternalSchema } = await import('./commands/emit-schema.js');
    const text = printInternalSchema(await offlineSchema());
    const file = 'schema/internal.graphql';

    if (!options.check) {
      mkdirSync('schema', { recursive: true });
      writeFileSync(file, text);
      console.log(`wrote ${file}`);
    } else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${file} is not what the code emits; run: npm run schema:emit`);
      process.exitCode = 1;
    }
  });

program
  .command('client-types')
  .description('writes client/src/types.ts from the code')
  .action(async () => {
    const { printClientTypes } = await import('./commands/emit-client-types.js');
    const file = 'client/src/types.ts';
    writeFileSync(file, printClientTypes());
    console.log(`wrote ${file}`);
  });

program
  .command('replay')
  .description(
    'sends a trace (TIMESTAMP,ContextTokens,GeneratedTokens) through the API of a running Ratebook and checks the invoices',
  )
  .argument('<file>', 'a CSV file')
  .option('--model <key>', 'the model the requests are taken to have used', 'gpt-6.2-sol')
  .option('--tenants <n>', 'spread the requests over so many new customers', wholeNumber(1, 50), 3)
  .option('--url <url>', 'where Ratebook runs', 'http://127.0.0.1:4000')
  .option('--key <key>', 'a platform key; the demo key of the quick start by default')
  .option('--run <name>', 'replay again under another name; the same name again only finds duplicates')
  .option('--no-issue', 'leave the invoices as drafts')
  .action(
    async (
      file: string,
      options: { model: string; tenants: number; url: string; key?: string; run?: string; issue: boolean },
    ) => {
      const { replay } = await import('./demo/index.js');
      process.exitCode = await replay({ file, ...options, dataDir: readEnvironment().DATA_DIR });
    },
  );

const price = program.command('price').description('price books from the command line');

price
  .command('rate')
  .description(
    'rates cases: a JSON list of {id, currency, price, usage, alreadyBilled?, period?} in, a list of {id, amount, rounded, explanation, steps} or {id, error} out; period: {start, end} is for prorated prices; the exit code is 0 when the file could be read, whatever errors its cases have',
  )
  .argument('<file>', 'a JSON file, or - for standard input')
  .addHelpText(
    'after',
    `
A price has the shape of the GraphQL PriceInput. Decimals are strings.
  model                FLAT UNIT PACKAGE GRADUATED VOLUME STAIRSTEP PERCENTAGE
                       GRADUATED_PERCENTAGE DYNAMIC COST_PLUS
  rate, discountRate   in per cent
  tierBounds           INCLUSIVE or INTEGER_STEPS
  conversion.rounding  NONE CEILING FLOOR HALF_UP HALF_EVEN
  prorated             true asks the case for period: {start, end}
A case's alreadyBilled: {quantity, amount} makes usage the cumulative total, and
amount what is still to charge. The error of a case is {code, path, message}.`,
  )
  .action(async (file: string) => {
    const { ratePriceCases } = await import('./commands/price-rate.js');
    await ratePriceCases(file);
  });

price
  .command('import')
  .description('proposes the prices of a list as changes to a price book, or to what models cost; publishes nothing')
  .argument('<file>', 'the LiteLLM map or the Langfuse list, or - for standard input')
  .requiredOption('--format <format>', 'litellm or langfuse', listFormat)
  .requiredOption('--source <text>', 'where the list is from')
  .requiredOption('--source-date <date>', 'of which day it is, such as 2026-08-20')
  .option('--book <name>', 'the price book; without it, what models cost us')
  .option('--meter <key>', 'the meter of tokens and searches that the prices are for')
  .option('--unit-meter <unit=key...>', 'meters of other units, such as image=images')
  .option('--models <names...>', 'only these models; a name may end in *')
  .option('--tenant <id>', 'the tenant; the platform by default')
  .option('--approve', 'approve every change without a flag')
  .option('--draft', 'write what is approved as a draft version of the book')
  .action(async (file: string, options: PriceImportFlags) => {
    const { importPriceFile } = await import('./commands/price-import.js');
    await importPriceFile(file, {
      format: options.format,
      source: options.source,
      sourceDate: options.sourceDate,
      book: options.book ?? null,
      meter: options.meter ?? null,
      meters: Object.fromEntries((options.unitMeter ?? []).map(pair => pair.split('=', 2))),
      models: options.models ?? [],
      tenantId: options.tenant ?? null,
      approve: options.approve ?? false,
      draft: options.draft ?? false,
    });
  });

price
  .command('simulate')
  .description(
    'what tenants would have paid under a version: asks a running Ratebook, shows how far it is, prints who loses and wins',
  )
  .argument('<version>', 'a draft or a published version of a price book (pbv_…)')
  .requiredOption('--from <instant>', 'every billing period from here, such as 2026-10-01T00:00:00Z')
  .requiredOption('--until <instant>', 'until before here')
  .option('--tenants <ids...>', 'only these tenants; all on the book by default')
  .option('--seller <id>', "whose book it is; the key's own tenant by default")
  .option(
    '--baseline <what>',
    'compare with what was charged, or with the published versions rated anew',
    baseline,
    'CHARGED',
  )
  .option('--top <n>', 'how many that lose and win most are printed', wholeNumber(1, 100), 5)
  .option('--url <url>', 'where Ratebook runs', 'http://127.0.0.1:4000')
  .option('--key <key>', 'a key that may write prices; the demo key of the quick start by default')
  .action(async (versionId: string, options: PriceSimulateFlags) => {
    const { simulatePrices } = await import('./commands/price-simulate.js');
    process.exitCode = await simulatePrices({
      versionId,
      url: options.url,
      from: options.from,
      until: options.until,
      baseline: options.baseline,
      top: options.top,
      dataDir: readEnvironment().DATA_DIR,
      ...(options.key ? { key: options.key } : {}),
      ...(options.seller ? { sellerId: options.seller } : {}),
      ...(options.tenants ? { tenantIds: options.tenants } : {}),
    });
  });

const gallery = program
  .command('gallery')
  .description('price books of AI providers, from their public price lists: to look at and to import');

gallery
  .command('list')
  .description('the books there are, with how many prices, versions, models and worked examples each has')
  .action(async () => {
    const { listGallery } = await import('./commands/gallery.js');
    listGallery();
  });

gallery
  .command('import')
  .description(
    'enters books for a tenant: meters, models with their costs, and the price book with its versions; run again, it enters what is missing',
  )
  .argument('[books...]', 'such as openai; see gallery list')
  .option('--all', 'all of them', false)
  .option('--tenant <id>', 'the tenant that gets them; the platform by default')
  .action(async (keys: string[], options: { all: boolean; tenant?: string }) => {
    const { importGallery } = await import('./commands/gallery.js');
    await importGallery({ keys, ...options });
  });

interface PriceImportFlags {
  readonly format: 'LITELLM' | 'LANGFUSE';
  readonly source: string;
  readonly sourceDate: string;
  readonly book?: string;
  readonly meter?: string;
  readonly unitMeter?: readonly string[];
  readonly models?: readonly string[];
  readonly tenant?: string;
  readonly approve?: boolean;
  readonly draft?: boolean;
}

interface PriceSimulateFlags {
  readonly url: string;
  readonly from: string;
  readonly until: string;
  readonly baseline: 'CHARGED' | 'PUBLISHED';
  readonly top: number;
  readonly key?: string;
  readonly seller?: string;
  readonly tenants?: readonly string[];
}

function baseline(text: string): 'CHARGED' | 'PUBLISHED' {
  const name = text.toUpperCase();

  if (name !== 'CHARGED' && name !== 'PUBLISHED') {
    throw new InvalidArgumentError('charged or published');
  }

  return name;
}

function listFormat(text: string): 'LITELLM' | 'LANGFUSE' {
  const name = text.toUpperCase();

  if (name !== 'LITELLM' && name !== 'LANGFUSE') {
    throw new InvalidArgumentError('litellm or langfuse');
  }

  return name;
}

/** The schema needs its services to resolve, not to be printed: it is built without any. */
async function offlineSchema() {
  const { createSchema } = await import('./schema.js');

  return createSchema({} as Parameters<typeof createSchema>[0]);
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);

    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`from ${least} to ${most}`);
    }

    return value;
  };
}

function onStop(close: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void close().then(() => process.exit(0)));
  }
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(color.red(error instanceof Error ? error.message : String(error)));
  process.exitCode = 1;
}
