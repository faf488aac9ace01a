import { Redis } from 'ioredis';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, perMillion } from './support/builders.js';
import { asSuperuser } from './support/database.js';
import { aProduct, until, type Product } from './support/product.js';
import { describeOnBothBackends } from './support/redis.js';

describeOnBothBackends('a job store that loses everything', backend => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ redisUrl: backend.redisUrl });
  });

  afterAll(() => product.close());

  /** Takes away every job of this product, as an emptied Redis or a dropped schema would. */
  async function lose(): Promise<number> {
    if (!backend.redisUrl) {
      return (await asSuperuser(product.database, 'delete from bullmq.job returning 1')).length;
    }

    const redis = new Redis(backend.redisUrl);

    try {
      const keys = await redis.keys(`${product.app.jobPrefix}:*`);

      return keys.length === 0 ? 0 : await redis.del(keys);
    } finally {
      redis.disconnect();
    }
  }

  test('loses no rating: the sweeps find what was touched in the rows', async () => {
    const tenantId = await aTenant(product);
    const meterId = await aMeter(product);
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('2') }] });
    await aContract(product, { buyerId: tenantId, bookId });
    const sent = await product.postUsage(product.platformKey, [
      anEvent({ tenant: tenantId, time: '2026-11-20T11:00:00Z', properties: { model: 'm', tokens: 3_000_000 } }),
    ]);
    expect(sent.body).toMatchObject({ accepted: 1 });

    // The facts are told, the jobs asked for, the outbox is empty; then the jobs are gone.
    while ((await product.app.relay.relayOnce()) > 0) {
      // until nothing is left to tell
    }

    expect(await asSuperuser(product.database, 'select id from outbox')).toEqual([]);
    expect(await lose()).toBeGreaterThan(0);
    expect(await asSuperuser(product.database, 'select id from charge')).toEqual([]);

    product.app.work();
    const [charge] = await until(async () => {
      const rows = await asSuperuser<{ amount: string }>(product.database, 'select amount::text from charge');

      return rows.length > 0 ? rows : null;
    });
    expect(charge).toEqual({ amount: '6' });
  });
});
