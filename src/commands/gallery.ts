import { SingleBar } from 'cli-progress';
import color from 'picocolors';
import { readConfig, readEnvironment } from '../config.js';
import { GALLERY } from '../gallery/books.js';
import type { ImportedBook, ImportProgress } from '../gallery/index.js';

/** What `gallery import` is asked for. */
export interface GalleryImport {
  readonly keys: readonly string[];
  readonly all: boolean;
  /** The tenant that gets the books; the platform when absent. */
  readonly tenant?: string;
}

interface Column {
  readonly title: string;
  readonly cells: readonly string[];
  readonly isNumber?: boolean;
  readonly paint?: (text: string) => string;
}

/** Prints the books of the gallery as a table, in colour on a terminal. Prices are those of a book's newest version. */
export function listGallery(): void {
  const versions = GALLERY.map(book => book.versions.filter(({ withdrawn }) => !withdrawn));
  const counts = (title: string, cells: readonly number[]): Column => ({
    title,
    cells: cells.map(String),
    isNumber: true,
  });

  console.log(
    table([
      { title: 'book', cells: GALLERY.map(({ key }) => key), paint: color.cyan },
      { title: 'name', cells: GALLERY.map(({ name }) => name) },
      counts(
        'prices',
        versions.map(list => list.at(-1)?.prices.length ?? 0),
      ),
      counts(
        'versions',
        versions.map(({ length }) => length),
      ),
      counts(
        'models',
        GALLERY.map(({ models }) => models.length),
      ),
      counts(
        'examples',
        GALLERY.map(({ examples }) => examples.length),
      ),
    ]),
  );
}

/** Columns as text with aligned edges, no spaces at the ends of lines. */
function table(columns: readonly Column[]): string {
  const widths = columns.map(({ title, cells }) => Math.max(title.length, ...cells.map(({ length }) => length)));
  const padded = ({ isNumber = false }: Column, text: string, width: number): string =>
    isNumber ? text.padStart(width) : text.padEnd(width);
  const line = (textOf: (column: Column, width: number) => string): string =>
    columns.map((column, index) => textOf(column, widths[index] ?? 0)).join('  ');
  const rows = (columns[0]?.cells ?? []).map((_, row) =>
    line((column, width) => {
      const text = padded(column, column.cells[row] ?? '', width);

      return column.paint ? column.paint(text) : text;
    }),
  );

  return [color.bold(line((column, width) => padded(column, column.title, width))), ...rows].join('\n');
}

/**
 * Imports books of the gallery into the database that DATABASE_URL names, that of the running quick start, or the embedded
 * one started for it, and prints what each holds and how much of it is new. May run again at any time.
 */
export async function importGallery({ keys, all, tenant }: GalleryImport): Promise<void> {
  const books = booksToImport(keys, all);
  // Only here, so that a look at the list loads no server.
  const [{ createApp }, { openDatabase, runningConfig }, { importGalleryBook }] = await Promise.all([
    import('../app.js'),
    import('./local-database.js'),
    import('../gallery/import-book.js'),
  ]);
  const environment = readEnvironment();
  const running = environment.DATABASE_URL ? readConfig() : await runningConfig(environment);
  const opened = running ? { config: running, stopDatabase: async () => undefined } : await openDatabase(environment);
  const app = await createApp({ ...opened.config, logLevel: 'error' });

  try {
    // The one look past the tenants' isolation: who is there.
    const { rows } = await app.relayPool.query<{ id: string }>(
      "select id from tenant where case when $1::text is null then kind = 'PLATFORM' else id = $1 end",
      [tenant ?? null],
    );
    const [owner] = rows;

    if (!owner) {
      throw new Error(
        tenant === undefined
          ? 'this installation has no platform tenant yet; run npm start, or platform-create'
          : `tenant ${tenant.slice(0, 40)} does not exist`,
      );
    }

    const scope = () => app.scopeOf(owner.id, { kind: 'cli', id: 'gallery' });
    const { name } = await app.services.tenants.own(scope());
    console.log(`for ${color.bold(name)} (${owner.id})`);

    for (const key of books) {
      const imported = await withProgress(key, progress => importGalleryBook(app.services, scope(), key, progress));
      console.log(summary(key, imported));
    }
  } finally {
    await app.close();
    await opened.stopDatabase();
  }
}

/** The books that were asked for, checked before any database is opened. */
function booksToImport(keys: readonly string[], all: boolean): readonly string[] {
  const known: readonly string[] = GALLERY.map(({ key }) => key);
  const unknown = keys.find(key => !known.includes(key));

  if (unknown !== undefined) {
    throw new Error(`there is no book ${unknown.slice(0, 40)} in the gallery; it has ${known.join(', ')}`);
  }

  if (all === keys.length > 0) {
    throw new Error(`name books (${known.join(', ')}), or say --all for all of them`);
  }

  return all ? known : [...new Set(keys)];
}

/** Runs an import with a progress line, on a terminal only. */
async function withProgress<T>(key: string, work: (progress: ImportProgress) => Promise<T>): Promise<T> {
  const bar = new SingleBar({
    format: `${key} {bar} {value}/{total}`,
    hideCursor: true,
    noTTYOutput: false,
    clearOnComplete: true,
  });
  bar.start(1, 0);

  try {
    return await work((done, all) => {
      bar.setTotal(all);
      bar.update(done);
    });
  } finally {
    bar.stop();
  }
}

function summary(key: string, imported: ImportedBook): string {
  const { name, priceBookId, meters, models, costs, prices, published, withdrawn, entered } = imported;
  const parts = [
    counted(meters, 'meter'),
    counted(models, 'model'),
    counted(costs, 'cost'),
    counted(published, 'version'),
    ...(withdrawn > 0 ? [`${withdrawn} withdrawn`] : []),
    counted(prices, 'price'),
  ];
  const news = entered === 0 ? color.dim('all of it was there') : color.green(`${entered} entered`);

  return `${color.cyan(key)}  ${name}  ${priceBookId}\n  ${parts.join(', ')}: ${news}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
