import { createApp, type App } from '../../src/app.js';
import { aProduct, type Product } from '../support/product.js';
import { describeOnBothBackends } from '../support/redis.js';
import { storm, watchWindows, type StormTold } from './storm.js';

// A sample of `npm run campaign:budgets`, which does ten thousand operations on each backend.
const STORMS = [
  [100, 2, 1],
  [100, 2, 3],
  [300, 16, 1],
  [300, 16, 3],
  [600, 200, 1],
  [600, 200, 3],
] as const;
const KINDS = ['held', 'refused', 'settled', 'settled above', 'settled late', 'voided', 'expired', 'recorded'];

describeOnBothBackends('budgets under many callers at once', ({ redisUrl }) => {
  let product: Product;
  let other: App;
  const told = new Map<string, Promise<StormTold>>();

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

  /** Each storm once, whoever looks at it. */
  const run = (operations: number, callers: number, levels: 1 | 3): Promise<StormTold> => {
    const name = `${callers} ${levels}`;
    const running =
      told.get(name) ?? storm(product, [product.app, other], { callers, levels, operations, seed: callers + levels });
    told.set(name, running);

    return running;
  };

  test.each(STORMS)(
    '%i operations of %i callers, %i budgets over one another: never more is held than there is, every window is what its holds and events say, and nothing stays held',
    async (operations, callers, levels) => {
      const { done, faults } = await run(operations, callers, levels);

      expect(faults).toEqual([]);
      expect(sumOf(done)).toBe(operations);
      // It has beaten against the limits: which other operations came about is for the dice and the scheduler.
      expect(done['held']).toBeGreaterThan(0);
      expect(done['refused']).toBeGreaterThan(0);
    },
    120_000,
  );

  test('together they did 2,000 operations, of every kind, and a part of each told twice at once', async () => {
    const done: Record<string, number> = {};

    for (const [operations, callers, levels] of STORMS) {
      for (const [kind, count] of Object.entries((await run(operations, callers, levels)).done)) {
        done[kind] = (done[kind] ?? 0) + count;
      }
    }

    expect(sumOf(done)).toBe(2_000);
    expect(KINDS.filter(kind => !done[kind])).toEqual([]);
    expect(['held again', 'settled again'].filter(kind => !done[kind])).toEqual([]);
  }, 240_000);
});

function sumOf(done: Readonly<Record<string, number>>): number {
  return Object.values(done).reduce((total, count) => total + count, 0);
}
