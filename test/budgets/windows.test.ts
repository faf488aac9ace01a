import { lockWindows } from '../../src/budgets/limit.queries.js';
import { inLineage } from '../../src/platform/index.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aChain, type Chain } from './support.js';

const ROUNDS = 150;

describe('windows that are not there yet', () => {
  let product: Product;
  let chain: Chain;

  beforeAll(async () => {
    product = await aProduct();
    chain = await aChain(product, 3);
  });

  afterAll(() => product.close());

  test('are made by several at once, who also want others, and nobody waits for whoever waits for them', async () => {
    const { platformId } = product;
    const [one = '', two = '', three = ''] = chain.customerIds;
    const lineage = [platformId, one, two, three];
    const asked = [[one], [two], [one, two], [three, two], [one, two, three]];

    for (let minute = 0; minute < ROUNDS; minute++) {
      const windowStart = new Date(minute * 60_000);
      const locked = await Promise.all(
        asked.map(ids =>
          inLineage(product.scope(one), lineage, tx =>
            lockWindows(
              tx,
              [platformId, ...ids].map(tenantId => ({ tenantId, limitId: 'lim_new', windowStart })),
            ),
          ),
        ),
      );
      expect(locked.map(({ size }) => size)).toEqual([2, 2, 3, 3, 4]);
    }

    expect(await asSuperuser(product.database, 'select count(*)::int as n from limit_window')).toEqual([
      { n: ROUNDS * 4 },
    ]);
  }, 120_000);
});
