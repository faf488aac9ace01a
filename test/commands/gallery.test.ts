import { spawn } from 'node:child_process';
import { GALLERY } from '../../src/gallery/index.js';
import { aTenant } from '../support/builders.js';
import { aDatabase, asSuperuser, type TestDatabase } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const KEYS = GALLERY.map(({ key }) => key).join(', ');

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** The command from the build that `npm test` makes first, in an environment that has these variables only. */
async function run(environment: Readonly<Record<string, string>>, ...parameters: string[]): Promise<Ran> {
  const child = spawn(process.execPath, ['dist/src/cli.js', 'gallery', ...parameters], {
    env: { PATH: process.env['PATH'], ...environment },
  });
  let output = '';
  child.stdout.on('data', part => (output += String(part)));
  child.stderr.on('data', part => (output += String(part)));

  return { code: await new Promise(resolve => child.once('exit', resolve)), output };
}

function on({ appUrl, relayUrl }: TestDatabase): Record<string, string> {
  return {
    NO_COLOR: '1',
    DATABASE_URL: appUrl,
    DATABASE_RELAY_URL: relayUrl,
    RATEBOOK_SECRET: 'a secret for tests, long enough to be one',
    LOG_LEVEL: 'fatal',
  };
}

/** Everything that an import can write, by the number of its rows. */
async function rowsOf(database: TestDatabase): Promise<Record<string, number>> {
  const tables = ['meter', 'model', 'model_cost', 'price_book', 'price_book_version', 'price', 'audit_line'];
  const [counts] = await asSuperuser<Record<string, number>>(
    database,
    `select ${tables.map(table => `(select count(*)::int from ${table}) as ${table}`).join(', ')}`,
  );

  return counts ?? {};
}

describe('gallery list', () => {
  test('is a table of the books, plain where it is piped, and needs no database', async () => {
    const { code, output } = await run({}, 'list');

    expect(code).toBe(0);
    expect(output.split('\n')).toEqual([
      'book             name                                            prices  versions  models  examples',
      'openai           OpenAI list prices                                 786        10      31        14',
      'anthropic        Anthropic list prices                              406         6      21         9',
      'google           Google Gemini list prices                           28         2       6         3',
      'cohere           Cohere, last published prices                       18         1       9         4',
      'hugging-face     Hugging Face list prices                            57         1       0         5',
      'stability        Stability AI list prices                             6         1       0         2',
      'replicate        Replicate list prices                               14         1       0         2',
      'tidewater        Tidewater (invented), by time of day                 6         1       1         4',
      'other-providers  xAI, Mistral, DeepSeek, Perplexity list prices      39         1       5         2',
      '',
    ]);
  });

  test('is in colour where colours are wanted', async () => {
    const { output } = await run({ FORCE_COLOR: '1' }, 'list');

    expect(output).toContain('\u001b[36mopenai         \u001b[39m  OpenAI list prices');
  });
});

describe('gallery import', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
  });

  afterAll(() => product.close());

  test('says what it made, and run again that all of it was there', async () => {
    const made = await run(on(product.database), 'import', 'tidewater', 'cohere');

    expect(made.output).toMatch(
      new RegExp(
        `^for Platform \\(${product.platformId}\\)\n` +
          'tidewater {2}Tidewater \\(invented\\), by time of day {2}pb_[0-9A-Z]{26}\n' +
          ' {2}1 meter, 1 model, 0 costs, 1 version, 6 prices: 4 entered\n' +
          'cohere {2}Cohere, last published prices {2}pb_[0-9A-Z]{26}\n' +
          ' {2}2 meters, 9 models, 9 costs, 1 version, 18 prices: 22 entered\n$',
      ),
    );
    expect(made.code).toBe(0);
    const before = await rowsOf(product.database);

    const again = await run(on(product.database), 'import', 'cohere');

    expect(again).toEqual({
      code: 0,
      output: expect.stringContaining('2 meters, 9 models, 9 costs, 1 version, 18 prices: all of it was there\n'),
    });
    expect(await rowsOf(product.database)).toEqual(before);
  });

  test('enters all books for the tenant that is named', async () => {
    const resellerId = await aTenant(product, { kind: 'RESELLER', name: 'Alpine Cloud' });

    const { code, output } = await run(on(product.database), 'import', '--all', '--tenant', resellerId);

    expect([code, output.split('\n')[0]]).toEqual([0, `for Alpine Cloud (${resellerId})`]);
    const books = await asSuperuser<{ name: string }>(
      product.database,
      'select name from price_book where tenant_id = $1 order by id',
      [resellerId],
    );
    expect(books.map(({ name }) => name)).toEqual(GALLERY.map(({ name }) => name));
  }, 120_000);

  test.each([
    ['an unknown tenant', ['openai', '--tenant', 'ten_nobody'], 'tenant ten_nobody does not exist\n'],
    ['an unknown book', ['openai', 'acme'], `there is no book acme in the gallery; it has ${KEYS}\n`],
    ['no book', [], `name books (${KEYS}), or say --all for all of them\n`],
    ['all books and one', ['openai', '--all'], `name books (${KEYS}), or say --all for all of them\n`],
  ])('refuses %s and enters nothing', async (_what, parameters, sentence) => {
    const before = await rowsOf(product.database);

    expect(await run(on(product.database), 'import', ...parameters)).toEqual({ code: 1, output: sentence });
    expect(await rowsOf(product.database)).toEqual(before);
  });

  test('refuses an installation without a platform', async () => {
    const database = await aDatabase();

    try {
      expect(await run(on(database), 'import', 'tidewater')).toEqual({
        code: 1,
        output: 'this installation has no platform tenant yet; run npm start, or platform-create\n',
      });
    } finally {
      await database.drop();
    }
  });
});

test.each([[[]], [['list']], [['import']]])('gallery %j explains itself', async parameters => {
  expect(await run({ NO_COLOR: '1' }, ...parameters, '--help')).toEqual({
    code: 0,
    output: expect.stringContaining(`Usage: ratebook ${['gallery', ...parameters].join(' ')}`),
  });
});
