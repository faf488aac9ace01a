import { inTransaction, preparedQuery, preparedTexts, query } from '../../src/platform/index.js';
import { aProduct, type Product } from '../support/product.js';

describe('what is sent to Postgres', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
  });

  afterAll(() => product.close());

  const twice = 'select $1::int * 2 as n';

  test('is planned once for each connection where it is prepared, under a name of its own', async () => {
    await inTransaction(product.scope(), async tx => {
      expect(await preparedQuery(tx, twice, [2])).toEqual([{ n: 4 }]);
      expect(await preparedQuery(tx, twice, [3])).toEqual([{ n: 6 }]);
      expect(await query(tx, twice, [4])).toEqual([{ n: 8 }]);
      expect(
        await query(
          tx,
          "select statement from pg_prepared_statements where name like 'ratebook_%' and statement = $1",
          [twice],
        ),
      ).toEqual([{ statement: twice }]);
    });
    expect(preparedTexts()).toContain(twice);
  });

  test('begins a transaction with its first statement, whatever that is, and ends one in which nothing was sent', async () => {
    const { orm } = product.app;
    const inOne = 'select now() as at, pg_current_xact_id() as id';
    const { em } = product.scope();
    await em.fork().transactional(async own => {
      const [first] = await own.execute<object[]>(inOne);
      expect(await own.execute<object[]>(inOne)).toEqual([first]);
    });
    await em.fork().transactional(async own => {
      const tx = { ...product.scope(), em: own as typeof em };
      const [first] = await query(tx, `${inOne}, $1::int as n`, [1]);
      expect(await preparedQuery(tx, `${inOne}, $1::int as n`, [1])).toEqual([first]);
    });
    await em.fork().transactional(() => Promise.resolve());
    await expect(em.fork().transactional(() => Promise.reject(new Error('of our own')))).rejects.toThrow('of our own');
    await expect(em.fork().transactional(own => own.execute('select nothing'))).rejects.toThrow('nothing');
    await expect(
      em.fork().transactional(async own => {
        await query({ ...product.scope(), em: own as typeof em }, 'select $1::int / 0', [1]);
      }),
    ).rejects.toThrow('division by zero');
    // Every connection is free again, and in no transaction.
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => orm.em.fork().execute<{ id: string }[]>('select pg_current_xact_id() as id')),
    );
    expect(new Set(ids.map(([row]) => row?.id)).size).toBe(20);
  });
});
