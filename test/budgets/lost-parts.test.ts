import type pg from 'pg';
import { aBudget } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product, until } from '../support/product.js';
import { anOwnRedis, type Backend, describeOnBothBackends, type OwnRedis } from '../support/redis.js';
import { aServerProcess, type ServerProcess } from '../support/server-process.js';
import { aChain, asking, type Chain, windowsOf } from './support.js';

// Parts of the product are lost while calls go on: a server, its queue, its Redis.
const describeCalls = (backend: Backend): void => {
  let redis: OwnRedis | null = null;
  let product: Product;
  let chain: Chain;
  let customerId: string;
  let key: string;
  let budgetIds: readonly string[];

  beforeAll(async () => {
    redis = backend.redisUrl ? await anOwnRedis() : null;
  });

  beforeEach(async () => {
    product = await aProduct({ redisUrl: redis?.url ?? null });
    chain = await aChain(product);
    customerId = chain.customerIds[0] ?? '';
    key = await aKey(product.app, product.scope(customerId), ['holds:write', 'usage:write']);
    budgetIds = [
      await aBudget(product, { tenantId: customerId, amount: '10', per: null }),
      await aBudget(product, { amount: '100', per: null }),
    ];
  });

  afterEach(() => product.close());
  afterAll(() => redis?.stop());

  const { call, used, authorize, settle, post, record } = asking(() => ({ product, chain, key }));
  const allowed = async (tokens: number): Promise<boolean> => (await post('check', call(tokens))).body.isAllowed;
  const states = async (): Promise<Record<string, number>> => {
    const rows = await asSuperuser<{ state: string; n: number }>(
      product.database,
      'select state, count(*)::int as n from hold group by state',
    );

    return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
  };
  /** What both budgets have come to, which is the same. */
  const standing = async (): Promise<string | undefined> => {
    const windows = await windowsOf(product);
    const [own, all] = budgetIds.map(id => windows[id]);
    expect(own).toBe(all);

    return own;
  };
  const later = (seconds: number): void => product.setClock(new Date(product.app.clock().getTime() + seconds * 1_000));

  describe('a server that is killed', () => {
    let server: ServerProcess;

    beforeEach(async () => {
      server = await aServerProcess(product);
    });

    afterEach(() => server.kill());

    /** Kills it, and waits until Postgres has done with what it was asked for by then. */
    const kill = async (): Promise<void> => {
      await server.kill();
      await until(async () => {
        const busy = await asSuperuser(
          product.database,
          `select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
             and state in ('active', 'idle in transaction', 'idle in transaction (aborted)')`,
        );

        return busy.length === 0;
      });
    };

    /** Asks the server process, of which nobody knows whether it will answer. */
    const there = async (path: string, body: object): Promise<{ readonly hold: { readonly id: string } } | null> => {
      try {
        const response = await fetch(`${server.url}/v1/${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });

        return response.status === 200 ? ((await response.json()) as { hold: { id: string } }) : null;
      } catch {
        return null;
      }
    };

    test('between authorize and settle: what it held is given back by another when its time is over, and nothing leaks', async () => {
      const asked = { ...call(1), expiresInSeconds: 60 };
      // It is killed in the midst: of some calls nobody knows whether they are held.
      const first = await there('authorize', { ...asked, idempotencyKey: 'first' });
      const answers = Array.from({ length: 30 }, (_, n) => there('authorize', { ...asked, idempotencyKey: `${n}` }));
      await Promise.race(answers);
      await kill();
      const heard = (await Promise.all(answers)).filter(answer => answer?.hold).length;
      const held = (await states())['HELD'] ?? 0;
      expect(held).toBeGreaterThanOrEqual(heard + 1);
      expect(held).toBeLessThanOrEqual(10);
      expect(await standing()).toBe(`0+${held}`);
      // Who was not answered asks another server, and is given the same: never more than there is.
      const again = await Promise.all(
        Array.from({ length: 30 }, (_, n) => authorize(1, { ...asked, idempotencyKey: `${n}` })),
      );
      expect(again.filter(({ body }) => body.isAllowed)).toHaveLength(9);
      expect(await standing()).toBe('0+10');

      later(61);
      expect(await allowed(1)).toBe(false);
      product.app.work();
      await until(async () => (await states())['HELD'] === undefined);
      expect(await states()).toEqual({ EXPIRED: 10 });
      expect(await standing()).toBe('0+0');
      expect(await allowed(10)).toBe(true);

      // What was used all the same is told of late, and counts once.
      const events = [used(4)];
      const settled = await settle(first?.hold.id ?? '', events);
      expect(settled.body.hold).toMatchObject({ state: 'EXPIRED', actual: '4', overrun: '4' });
      expect(await settle(first?.hold.id ?? '', events)).toEqual(settled);
      expect(await standing()).toBe('4+0');
      expect([await allowed(6), await allowed(7)]).toEqual([true, false]);
    }, 60_000);

    test('while it settles: the hold has ended with its usage, or neither; told again it has, once', async () => {
      const holds = await Promise.all(Array.from({ length: 5 }, () => authorize(2)));
      const told = holds.map(({ body }) => ({ holdId: body.hold.id as string, events: [used(1)] }));
      const answers = told.map(one => there('settle', one));
      await Promise.race(answers);
      await kill();
      await Promise.all(answers);
      const ended = (await states())['SETTLED'] ?? 0;
      expect(ended).toBeGreaterThan(0);
      expect(await standing()).toBe(`${ended}+${10 - 2 * ended}`);

      const again = await Promise.all(told.map(({ holdId, events }) => settle(holdId, events)));
      expect(again.map(({ body }) => [body.hold.state, body.hold.actual])).toEqual(told.map(() => ['SETTLED', '1']));
      expect(await states()).toEqual({ SETTLED: 5 });
      expect(await standing()).toBe('5+0');
    }, 60_000);
  });

  describe('a queue that is lost', () => {
    const lostQueue = aQueue();
    let workers: number;

    beforeEach(() => {
      workers = 0;
    });

    /** Starts to work, and counts the workers that wait for jobs. */
    const work = async (): Promise<void> => {
      product.app.work();

      for (let before = -1; redis && (workers === 0 || workers !== before);) {
        before = workers;
        await new Promise(resolve => setTimeout(resolve, 300));
        workers = await redis.waiting();
      }
    };
    /** A worker that has not come back to its queue yet does not end when it is told to. */
    const allWaitAgain = () => until(async () => !redis || (await redis.waiting()) === workers, 30);

    test('and emptied: decisions stay as they are, and holds expire by their rows', async () => {
      await work();
      const { body } = await authorize(6, { expiresInSeconds: 60 });
      expect((await authorize(2, { expiresInSeconds: 60 })).body.isAllowed).toBe(true);
      await lostQueue.empty();
      expect((await authorize(3)).body.code).toBe('LIMIT_EXCEEDED');
      expect((await settle(body.hold.id, [used(5)])).body.hold).toMatchObject({ state: 'SETTLED', actual: '5' });
      expect(await standing()).toBe('5+2');
      expect([await allowed(3), await allowed(4)]).toEqual([true, false]);

      later(61);
      await lostQueue.empty();
      await until(async () => (await states())['EXPIRED'] === 1);
      expect(await standing()).toBe('5+0');
      expect([await allowed(5), await allowed(6)]).toEqual([true, false]);
      await allWaitAgain();
    }, 60_000);

    test('for a while: decisions stay right without it, and what fell due is done when it is back', async () => {
      await work();
      const { body } = await authorize(6, { expiresInSeconds: 60 });
      expect((await authorize(2, { expiresInSeconds: 60 })).body.isAllowed).toBe(true);
      await lostQueue.stop();

      try {
        // As much as there is, and not a bit more, whatever is asked.
        expect((await settle(body.hold.id, [used(5)])).body.hold).toMatchObject({ state: 'SETTLED', actual: '5' });
        const asked = await Promise.all(Array.from({ length: 8 }, () => authorize(1, { expiresInSeconds: 60 })));
        expect(asked.filter(answer => answer.body.isAllowed)).toHaveLength(3);
        expect((await post('void', { holdId: asked.find(a => a.body.hold)?.body.hold.id })).body.hold.state).toBe(
          'VOIDED',
        );
        expect((await record(used('0.5'))).status).toBe(200);
        expect(await standing()).toBe('5.5+4');
        expect([await allowed(0.5), await allowed(0.6)]).toEqual([true, false]);

        // Their time is over, but nobody is there to end them: no yes before that.
        later(61);
        await new Promise(resolve => setTimeout(resolve, 2_500));
        expect((await authorize(1)).body.code).toBe('LIMIT_EXCEEDED');
        expect(await states()).toEqual({ SETTLED: 1, VOIDED: 1, HELD: 3 });
      } finally {
        await lostQueue.start();
      }

      await until(async () => (await states())['EXPIRED'] === 3, 30);
      expect(await states()).toEqual({ SETTLED: 1, VOIDED: 1, EXPIRED: 3 });
      expect(await standing()).toBe('5.5+0');
      expect([await allowed(4.5), await allowed(4.6)]).toEqual([true, false]);
      await allWaitAgain();
    }, 90_000);

    /** The store of the product's jobs and hints, with the way to it. */
    function aQueue() {
      const database = (): string => new URL(product.database.adminUrl).pathname.slice(1);
      const relay = async (grant: string): Promise<void> => {
        // The role is that of every database of the run, the right to connect is of this one.
        await asSuperuser(
          product.database,
          `${grant} connect on database ${database()} ${grant === 'grant' ? 'to' : 'from'} public`,
        );
        await asSuperuser(product.database, `grant connect on database ${database()} to ratebook_app`);
        await breakOff();
      };
      const breakOff = (): Promise<pg.QueryResultRow[]> =>
        asSuperuser(
          product.database,
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and usename = 'ratebook_relay'`,
        );

      return {
        empty: async (): Promise<void> => {
          await redis?.empty();

          if (!redis) {
            await asSuperuser(product.database, 'delete from bullmq.job');
            await breakOff();
          }
        },
        stop: (): Promise<void> => redis?.kill() ?? relay('revoke'),
        start: (): Promise<void> => redis?.start() ?? relay('grant'),
      };
    }
  });
};

describeOnBothBackends('a part is lost while calls go on', describeCalls, { startsRedis: true });
