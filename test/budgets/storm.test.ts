import { createApp, type App } from '../../src/app.js';
import { aProduct, type Product } from '../support/product.js';
import { describeOnBothBackends } from '../support/redis.js';
import { storm, watchWindows } from './storm.js';

// A sample of `npm run campaign:budgets`, which does ten thousand operations of each kind.
describeOnBothBackends('budgets under many callers at once', ({ redisUrl }) => {
  let product: Product;
  let other: App;

  beforeAll(async () => {
    product = await aProduct({ redisUrl });
    // A second process on the same database.
    other = await createApp({ ...product.app.config }, { clock: product.app.clock, jobPrefix: product.app.jobPrefix });
    await watchWindows(product);
  });

  afterAll(async () => {
    await other.close();
    await product.close();
  });

  test.each([
    [2, 1, 100],
    [2, 3, 100],
    [16, 1, 300],
    [16, 3, 300],
    [200, 1, 600],
    [200, 3, 600],
  ] as const)(
    '%i callers, %i budgets over one another: never more is held than there is, and every window is what its holds and events say',
    async (callers, levels, operations) => {
      const { done, faults } = await storm(product, [product.app, other], {
        callers,
        levels,
        operations,
        seed: callers + levels,
      });

      expect(faults).toEqual([]);
      // It has beaten against the limits: which other operations came about is for the dice and the scheduler.
      expect(done['held']).toBeGreaterThan(0);
      expect(done['refused']).toBeGreaterThan(0);
    },
    120_000,
  );
});
