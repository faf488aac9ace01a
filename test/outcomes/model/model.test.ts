import pg from 'pg';
import { aProduct, type Product } from '../../support/product.js';
import { aTally } from './commands.js';
import { run } from './run.js';
import { watchEverything } from './world.js';

// A few of the campaign's runs (`npm run campaign:outcomes` does as many as one likes); another seed draws others.
const SEED = 20261123;
const RUNS = 4;
const COMMANDS = 25;

describe('outcomes, told in whichever order, on either side, at every moment', () => {
  let product: Product;
  let database: pg.Client;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-10-01T00:00:00Z') });
    database = new pg.Client({ connectionString: product.database.adminUrl });
    await database.connect();
    await watchEverything(product);
  });

  afterAll(async () => {
    await database.end();
    await product.close();
  });

  test.each(Array.from({ length: RUNS }, (_, place) => SEED + place))(
    'are, and come to, what an independent reading of all facts says after every command (seed %i)',
    async seed => {
      const tally = aTally();

      expect(await run(product, database, { seed, commands: COMMANDS }, tally)).toEqual({ failure: null });
      expect(tally.comparisons).toBeGreaterThan(0);
    },
    120_000,
  );
});
