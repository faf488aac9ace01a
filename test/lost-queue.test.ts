import { Redis } from 'ioredis';
import { z } from 'zod';
import { creditsJobs } from '../src/credits/index.js';
import { jobsFor, KEPT } from '../src/flow.js';
import { announce, defineJob, handler, inTransaction, newId, type JobDefinition } from '../src/platform/index.js';
import type { PriceTermsJson } from '../src/pricing/price.rules.js';
import { ratingHandlers, ratingJobs } from '../src/rating/index.js';
import { windowsOf } from './budgets/support.js';
import {
  aBudget,
  aContract,
  aMeter,
  anEvent,
  aPriceBook,
  aTenant,
  aVersion,
  perMillion,
  rate,
} from './support/builders.js';
import { asSuperuser } from './support/database.js';
import { aProduct, until, type Product } from './support/product.js';
import { describeOnBothBackends } from './support/redis.js';

const NOW = new Date('2026-11-23T12:00:00Z');

interface Place {
  readonly tenantId: string;
  readonly meterId: string;
  readonly bookId: string;
}

describeOnBothBackends('a job store that loses everything', backend => {
  let product: Product;

  beforeEach(async () => {
    product = await aProduct({ redisUrl: backend.redisUrl, now: NOW });
  });

  afterEach(() => product.close());

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

  /** Tells every fact and has its jobs asked for, which nobody does yet; then takes the jobs away. */
  async function tellAndLose(): Promise<void> {
    while ((await product.app.relay.relayOnce()) > 0) {
      // until nothing is left to tell
    }

    expect(await lose()).toBeGreaterThan(0);
  }

  const told = (): Promise<{ topic: string; handed_over: number }[]> =>
    asSuperuser(product.database, 'select topic, handed_over from outbox order by id');

  /** Half a minute or more passes for the relay, until every kept fact is due again. */
  const waitOut = (): Promise<unknown> => asSuperuser(product.database, 'update outbox set due_at = now()');

  const charged = async (): Promise<string[]> =>
    (
      await asSuperuser<{ amount: string }>(
        product.database,
        'select trim_scale(sum(amount))::text as amount from charge group by tenant_id order by 1',
      )
    ).map(({ amount }) => amount);

  /** A buyer with three million tokens that are rated as they can be by now, and a fresh outbox. */
  async function aBuyer(given: { readonly pricing: 'NONE' | 'TWO' | 'COST' }): Promise<Place> {
    const tenantId = await aTenant(product);
    const meterId = await aMeter(product, { key: 'tokens' });
    const { bookId } = await aPriceBook(product, {
      prices: [{ meterId, terms: given.pricing === 'COST' ? { model: 'COST_PLUS', markup: '2' } : perMillion('2') }],
    });

    if (given.pricing !== 'NONE') {
      await aContract(product, { buyerId: tenantId, bookId });
    }

    await product.app.services.usage.accept(
      product.scope(tenantId),
      [anEvent({ time: '2026-11-20T11:00:00Z', properties: { model: 'm', tokens: 3_000_000 } })],
      { keyId: 'key', isDryRun: false },
    );
    await rate(product, tenantId);
    await asSuperuser(product.database, 'delete from outbox');

    return { tenantId, meterId, bookId };
  }

  const changes = {
    'contract.changed': {
      pricing: 'NONE',
      change: ({ tenantId, bookId }: Place) => aContract(product, { buyerId: tenantId, bookId }),
      amounts: { before: [], after: ['6'] },
    },
    'price_book.changed': {
      pricing: 'TWO',
      change: ({ bookId, meterId }: Place) =>
        aVersion(product, {
          bookId,
          prices: [{ meterId, terms: perMillion('5') }],
          effectiveAt: new Date('2026-11-01T00:00:00Z'),
        }),
      amounts: { before: ['6'], after: ['15'] },
    },
    'model_cost.set': {
      pricing: 'COST',
      change: () => setCost(product, '7'),
      amounts: { before: [], after: ['42'] },
    },
  } as const;

  test('loses no rating: the sweeps find what was touched in the rows', async () => {
    const { tenantId, bookId } = await aBuyer({ pricing: 'NONE' });
    await aContract(product, { buyerId: tenantId, bookId });
    await asSuperuser(product.database, 'delete from outbox');
    const sent = await product.postUsage(product.platformKey, [
      anEvent({ tenant: tenantId, time: '2026-11-20T11:00:00Z', properties: { model: 'm', tokens: 1_000_000 } }),
    ]);
    expect(sent.body).toMatchObject({ accepted: 1 });

    // The facts are told, the jobs asked for, the outbox is empty; then the jobs are gone.
    await tellAndLose();
    expect(await told()).toEqual([]);
    expect(await charged()).toEqual([]);

    product.app.work();
    await until(async () => (await charged()).length > 0);
    expect(await charged()).toEqual(['8']);
  });

  test('keeps no hold whose time is over: it is given back, and counted in, although the queue was lost', async () => {
    const { tenantId } = await aBuyer({ pricing: 'TWO' });
    const budgetId = await aBudget(product, { tenantId, amount: '10' });
    const properties = { model: 'm', tokens: 3_000_000 };
    const { holdId } = await product.app.services.holds.authorize(
      product.scope(tenantId),
      {
        estimate: { eventType: 'llm.request', model: null, serviceTier: null, tokens: [], properties },
        feature: null,
        region: null,
        idempotencyKey: 'hold',
        expiresInSeconds: 60,
      },
      { tenantId, keyId: 'key' },
    );
    const holds = () => asSuperuser(product.database, 'select id, state from hold');
    const waiting = async (): Promise<number> =>
      (await asSuperuser(product.database, 'select from limit_entry')).length;
    await asSuperuser(product.database, 'delete from outbox');
    product.setClock(new Date(NOW.getTime() + 30_000));
    expect(await product.app.sweeps.sweepOnce()).toBe(0);
    product.setClock(new Date(NOW.getTime() + 90_000));
    expect(await product.app.sweeps.sweepOnce()).toBe(1);
    expect(await lose()).toBeGreaterThan(0);
    expect([await holds(), await windowsOf(product)]).toEqual([[{ id: holdId, state: 'HELD' }], { [budgetId]: '0+6' }]);

    product.app.work();
    await until(async () => (await waiting()) > 0);
    expect([await holds(), await windowsOf(product)]).toEqual([
      [{ id: holdId, state: 'EXPIRED' }],
      { [budgetId]: '0+0' },
    ]);

    // Nobody asks about the window for a while.
    product.setClock(new Date(NOW.getTime() + 120_000));
    await until(async () => (await waiting()) === 0);
    expect(await windowsOf(product)).toEqual({ [budgetId]: '0+0' });
  });

  test.each(Object.entries(changes))(
    'loses no rating anew after %s: the fact stays until the work is done, and is told again',
    async (topic, { pricing, change, amounts }) => {
      const place = await aBuyer({ pricing });
      await change(place);
      await tellAndLose();
      expect(await told()).toEqual([{ topic, handed_over: 1 }]);
      expect(await charged()).toEqual(amounts.before);

      // Nobody but the fact knows of it: the sweeps find nothing, and it is not told before its time.
      expect(await product.app.sweeps.sweepOnce()).toBe(0);
      expect(await product.app.relay.relayOnce()).toBe(0);

      await waitOut();
      product.app.work();
      await until(async () => (await told()).length === 0);
      await until(async () => (await charged()).join() === amounts.after.join());
    },
  );

  test('loses no buyer of a book: those who are to be rated anew are told again as well', async () => {
    const place = await aBuyer({ pricing: 'TWO' });
    await changes['price_book.changed'].change(place);
    await product.app.services.rating.reprice(product.scope(), place.bookId, new Date('2026-11-01T00:00:00Z'));
    expect(await told()).toEqual(['price_book.changed', 'contract.changed'].map(topic => ({ topic, handed_over: 0 })));
    await asSuperuser(product.database, `delete from outbox where topic = 'price_book.changed'`);
    await tellAndLose();
    expect(await told()).toEqual([{ topic: 'contract.changed', handed_over: 1 }]);

    await waitOut();
    product.app.work();
    await until(async () => (await told()).length === 0);
    expect(await charged()).toEqual(['15']);
  });

  test('is asked again for what fails for ever, each time after twice as long, up to an hour', async () => {
    // A tenant that is none: the job is refused at once, and stays known as failed.
    const tenantId = newId('ten', NOW);
    await asSuperuser(
      product.database,
      `insert into outbox (tenant_id, topic, payload, created_at)
       values ($1, 'contract.changed', '{"from": "2026-11-01T00:00:00.000Z"}', now())`,
      [tenantId],
    );
    product.app.work();
    const waits: string[] = [];

    for (let turn = 1; turn <= 9; turn++) {
      // The relay at work takes the fact when it is due, and not before.
      const seen = await until(async () => {
        const rows = await asSuperuser<{ handed_over: number; wait: string }>(
          product.database,
          `select handed_over, (extract(epoch from due_at - now()) / 30)::numeric(9, 1)::text as wait from outbox`,
        );

        return rows[0]?.handed_over === turn ? rows[0] : null;
      });
      waits.push(seen.wait);
      await waitOut();
    }

    expect(waits.map(wait => Math.ceil(Number(wait)))).toEqual([1, 2, 4, 8, 16, 32, 64, 120, 120]);
  });
});

describe('a fact that stays until its work is done', () => {
  const FROM = '2026-11-01T00:00:00.000Z';
  const tenantId = newId('ten', NOW);
  const fact = (topic: string) => ({
    id: '7',
    tenantId,
    topic,
    payload: { from: FROM },
    handedOver: 1,
  });

  test('is each that a job says it acknowledges, and wakes that job alone', () => {
    const jobs: readonly JobDefinition[] = [...Object.values(ratingJobs), ...Object.values(creditsJobs)].map(
      job => job as unknown as JobDefinition,
    );
    const acknowledged = jobs.flatMap(({ acknowledges }) => acknowledges ?? []).sort();

    expect([...KEPT].sort()).toEqual(acknowledged);
    expect(acknowledged).toEqual(['contract.changed', 'credits.burned_low', 'model_cost.set', 'price_book.changed']);
    expect(acknowledged.map(topic => jobsFor([fact(topic)]).map(({ job }) => job.acknowledges))).toEqual(
      acknowledged.map(topic => [topic]),
    );
  });

  test('is another job each time that it is told, for the one before may be remembered as failed', () => {
    const keys = (topic: string): string[] =>
      [1, 1, 2].flatMap(handedOver => jobsFor([{ ...fact(topic), handedOver }]).map(({ key }) => key));
    const [first, again, later] = keys('contract.changed');

    expect(again).toBe(first);
    expect(later).not.toBe(first);
    expect(new Set(keys('usage.accepted')).size).toBe(1);
  });

  describe('in rows', () => {
    let product: Product;

    beforeEach(async () => {
      product = await aProduct({ now: NOW });
    });

    afterEach(() => product.close());

    const topics = async (): Promise<string[]> =>
      (
        await asSuperuser<{ text: string }>(
          product.database,
          `select concat_ws(' ', topic, payload ->> 'from', payload ->> 'mark') as text from outbox order by id`,
        )
      ).map(({ text }) => text);

    /** Does the work of a job that the platform's fact asks for. */
    const work = async (job: { readonly name: string }, ids: object): Promise<void> =>
      ratingHandlers(product.app.services.rating)
        .find(entry => entry.job.name === job.name)
        ?.handle(product.scope(), { v: 1, tenantId: product.platformId, ...ids });

    /** Three buyers by id, each with usage that is rated, on a book of one price; the outbox is empty. */
    async function buyersOn(terms: PriceTermsJson): Promise<{ bookId: string; buyers: readonly string[] }> {
      const meterId = await aMeter(product, { key: 'tokens' });
      const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms }] });
      const buyers = [await aTenant(product), await aTenant(product), await aTenant(product)].sort();

      for (const buyerId of buyers) {
        await aContract(product, { buyerId, bookId });
        await product.app.services.usage.accept(
          product.scope(buyerId),
          [anEvent({ time: '2026-11-20T11:00:00Z', properties: { model: 'm', tokens: 1 } })],
          { keyId: 'key', isDryRun: false },
        );
      }

      await asSuperuser(product.database, 'delete from outbox');

      return { bookId, buyers };
    }

    /** Has every fact of a tenant refused while something is tried. */
    async function refusing(tenantId: string | undefined, attempt: () => Promise<void>): Promise<void> {
      await asSuperuser(
        product.database,
        `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'out of order'; end $$`,
      );
      await asSuperuser(
        product.database,
        `create trigger refuse before insert on outbox for each row when (new.tenant_id = '${tenantId}') execute function refuse()`,
      );
      await expect(attempt()).rejects.toThrow('out of order');
      await asSuperuser(product.database, 'drop trigger refuse on outbox');
    }

    test('is gone only if every buyer on the book is told', async () => {
      const { bookId, buyers } = await buyersOn(perMillion('2'));
      await inTransaction(product.scope(), tx =>
        announce(tx, 'price_book.changed', { priceBookId: bookId, from: FROM }),
      );
      const reprice = (): Promise<void> => work(ratingJobs.repriceBook, { priceBookId: bookId, from: FROM });
      await refusing(buyers.at(-1), reprice);
      expect(await topics()).toEqual([`price_book.changed ${FROM}`]);

      await reprice();
      expect(await topics()).toEqual(buyers.map(() => `contract.changed ${FROM}`));
      // Asked for again when it is gone, as by a job that waited for long, nothing is to be done.
      await reprice();
      expect(await topics()).toEqual(buyers.map(() => `contract.changed ${FROM}`));
    });

    test('is gone only if the usage of every buyer whom a cost concerns is to be rated', async () => {
      const { buyers } = await buyersOn({ model: 'COST_PLUS', markup: '2' });
      await inTransaction(product.scope(), tx => announce(tx, 'model_cost.set', { from: FROM }));
      const recost = (): Promise<void> => work(ratingJobs.recostBuyers, { from: FROM });
      await setCost(product, '7');
      await asSuperuser(product.database, `delete from outbox where payload ? 'modelId'`);
      await refusing(buyers.at(-1), recost);
      expect(await topics()).toEqual([`model_cost.set ${FROM}`, 'usage.accepted', 'usage.accepted']);

      await recost();
      expect(await topics()).toEqual(Array.from({ length: 5 }, () => 'usage.accepted'));
      await recost();
      expect(await topics()).toHaveLength(5);
    });

    test('goes with all that ask for the same, but not with one that came when the work had begun', async () => {
      const tell = (from: string, mark: string): Promise<void> =>
        inTransaction(product.scope(), tx => announce(tx, 'contract.changed', { from, mark }));
      const job = defineJob({
        name: 'test.work',
        payload: z.object({ v: z.literal(1), tenantId: z.string(), from: z.string() }),
        acknowledges: 'contract.changed',
      });
      const acknowledged: boolean[] = [];
      const { handle } = handler(job, async (scope, _, acknowledge) => {
        await tell(FROM, 'late');
        acknowledged.push(await inTransaction(scope, acknowledge));
        acknowledged.push(await inTransaction(scope, acknowledge));
      });
      await tell(FROM, 'one');
      await tell('2026-11-02T00:00:00.000Z', 'other');
      await tell(FROM, 'two');
      await handle(product.scope(), { v: 1, tenantId: product.platformId, from: FROM });

      expect(acknowledged).toEqual([true, false]);
      expect(await topics()).toEqual([
        'contract.changed 2026-11-02T00:00:00.000Z other',
        `contract.changed ${FROM} late`,
      ]);
    });

    test('is left alone by the relay while its work is under way', async () => {
      await inTransaction(product.scope(), tx => announce(tx, 'contract.changed', { from: FROM }));
      const tellings: number[] = [];
      const job = defineJob({
        name: 'test.work',
        payload: z.object({ v: z.literal(1), tenantId: z.string(), from: z.string() }),
        acknowledges: 'contract.changed',
      });
      const { handle } = handler(job, async (scope, _, acknowledge) => {
        await inTransaction(scope, async tx => {
          await acknowledge(tx);
          tellings.push(await product.app.relay.relayOnce());
        });
      });
      await handle(product.scope(), { v: 1, tenantId: product.platformId, from: FROM });

      expect(tellings).toEqual([0]);
      expect(await topics()).toEqual([]);
    });
  });
});

/** What a million tokens of the model "m" cost, from the beginning of November on. */
async function setCost(product: Product, amount: string): Promise<void> {
  const { catalog } = product.app.services;
  const { model } = await catalog.createModel(product.scope(), {
    key: 'm',
    provider: 'p',
    family: 'f',
    modality: 'text',
    contextBands: [],
    idempotencyKey: 'model',
  });
  await catalog.setCost(product.scope(), {
    modelId: model.id,
    effectiveAt: new Date('2026-11-01T00:00:00Z'),
    currency: 'USD',
    rates: [{ kind: 'tokens', amount, per: '1000000' }],
    source: 'an invoice',
    idempotencyKey: 'cost',
  });
}
