import { randomUUID } from 'node:crypto';
import type { Move } from '../../src/contracts/index.js';
import { jobsDue } from '../../src/flow.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, aVersion, perUnit, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, until, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);
const NOW = at('2026-11-20T12:00:00Z');
const CUT = at('2026-11-10T00:00:00Z');

let product: Product;
let meterId: string;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
  meterId = await aMeter(product);
});

afterAll(() => product.close());

const migrations = () => product.app.services.contractMigrations;

const start = (move: Partial<Move> & Pick<Move, 'priceBookId' | 'toPriceBookId'>, idempotencyKey = randomUUID()) =>
  migrations().start(product.scope(), { effectiveAt: CUT, idempotencyKey, ...move });

const aBook = async (unitAmount: string, currency = 'USD') =>
  aPriceBook(product, { currency, prices: [{ meterId, terms: perUnit(unitAmount) }] });

const aBuyer = async (bookId: string, startsAt = at('2026-01-01T00:00:00Z')) => {
  const buyerId = await aTenant(product);

  return { buyerId, contractId: await aContract(product, { buyerId, bookId, startsAt, graceHours: 7 }) };
};

const items = (migrationId: string) =>
  asSuperuser<{ contract_id: string; status: string; new_contract_id: string | null; reason: string | null }>(
    product.database,
    `select contract_id, status, new_contract_id, reason from contract_migration_item
     where migration_id = $1 order by contract_id`,
    [migrationId],
  );

const contracts = (buyerId: string) =>
  asSuperuser<{
    id: string;
    price_book_id: string;
    price_book_version_id: string | null;
    starts_at: Date;
    ends_at: Date | null;
  }>(
    product.database,
    `select id, price_book_id, price_book_version_id, starts_at, ends_at, grace_hours, commitment_amount::text, currency
     from contract where tenant_id = $1 order by starts_at`,
    [buyerId],
  );

/** Moves everything that is open, as the jobs would. */
const moveAll = async (migrationId: string): Promise<void> => {
  for (const { contract_id: contractId, status } of await items(migrationId)) {
    if (status === 'OPEN') {
      await migrations().move(product.scope(), migrationId, contractId);
    }
  }
};

const left = async (): Promise<object> => ({
  contracts: await asSuperuser(product.database, 'select * from contract order by id'),
  migrations: await asSuperuser(product.database, 'select * from contract_migration order by id'),
  items: await asSuperuser(
    product.database,
    'select * from contract_migration_item order by migration_id, contract_id',
  ),
  lines: await asSuperuser(product.database, 'select tenant_id, seq from audit_head order by tenant_id'),
  keys: await asSuperuser(product.database, 'select key from idempotency order by key'),
  facts: await asSuperuser(product.database, 'select id from outbox order by id'),
});

async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
  const before = await left();
  await expect(work()).rejects.toMatchObject(expected);
  expect(await left()).toEqual(before);
}

describe('a migration of contracts', () => {
  test('ends each contract at the instant and begins the new one there, with the terms that the buyer has', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    const { contracts: service } = product.app.services;
    const buyerId = await aTenant(product);
    const { contract } = await service.create(product.scope(), {
      buyerId,
      priceBookId: from.bookId,
      commitmentAmount: '1000.50',
      startsAt: at('2026-01-01T00:00:00Z'),
      graceHours: 7,
      idempotencyKey: randomUUID(),
    });
    await product.app.services.usage.accept(
      product.scope(buyerId),
      ['2026-11-09T10:00:00Z', '2026-11-10T10:00:00Z'].map(time =>
        anEvent({ time, properties: { model: 'm', tokens: 10 } }),
      ),
      { keyId: 'test', isDryRun: false },
    );
    await rate(product, buyerId);
    const { migration, replayed } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId });
    expect(replayed).toBe(false);
    expect(await items(migration.id)).toMatchObject([{ contract_id: contract.id, status: 'OPEN' }]);
    await moveAll(migration.id);
    const [old, fresh] = await contracts(buyerId);
    expect(old).toMatchObject({ id: contract.id, ends_at: CUT });
    expect(fresh).toMatchObject({
      price_book_id: to.bookId,
      price_book_version_id: null,
      starts_at: CUT,
      ends_at: null,
      grace_hours: 7,
      commitment_amount: '1000.5',
      currency: 'USD',
    });
    expect(await items(migration.id)).toEqual([
      { contract_id: contract.id, status: 'DONE', new_contract_id: fresh?.id, reason: null },
    ]);
    // And the usage is priced so.
    await product.app.services.rating.rerate(product.scope(buyerId), CUT);
    expect(
      await asSuperuser(
        product.database,
        'select contract_id, trim_scale(amount)::text as amount from charge where tenant_id = $1 order by period_start',
        [buyerId],
      ),
    ).toEqual([
      { contract_id: contract.id, amount: '10' },
      { contract_id: fresh?.id, amount: '30' },
    ]);
  });

  test('leaves a line in the seller’s log for the order and for each contract, and lines and a fact with the buyer', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    const { buyerId, contractId } = await aBuyer(from.bookId);
    await asSuperuser(product.database, 'delete from outbox');
    const { migration } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId });
    await moveAll(migration.id);
    const [, fresh] = await contracts(buyerId);
    expect(
      await asSuperuser(product.database, 'select action, after from audit_line where subject_id = $1 order by seq', [
        migration.id,
      ]),
    ).toEqual([
      {
        action: 'contract_migration.created',
        after: {
          priceBookId: from.bookId,
          toPriceBookId: to.bookId,
          effectiveAt: CUT.toISOString(),
          moves: 1,
          stays: 0,
        },
      },
      { action: 'contract_migration.moved', after: { contractId, status: 'DONE', newContractId: fresh?.id } },
    ]);
    const lines = await asSuperuser<{ action: string }>(
      product.database,
      'select action from audit_line where tenant_id = $1 order by seq',
      [buyerId],
    );
    expect(lines.map(({ action }) => action)).toEqual([
      'tenant.created',
      'contract.created',
      'contract.ended',
      'contract.created',
    ]);
    expect(await asSuperuser(product.database, 'select tenant_id, topic, payload from outbox')).toEqual([
      { tenant_id: buyerId, topic: 'contract.changed', payload: { from: CUT.toISOString() } },
    ]);
  });

  test('moves a contract once, however often and however many at once come to it', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    const { buyerId, contractId } = await aBuyer(from.bookId);
    const { migration } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId });
    await Promise.all(Array.from({ length: 4 }, () => migrations().move(product.scope(), migration.id, contractId)));
    const once = await left();
    expect(await contracts(buyerId)).toHaveLength(2);
    await migrations().move(product.scope(), migration.id, contractId);
    expect(await left()).toEqual(once);
  });

  test('is found by the sweeps and done by the workers, each contract by itself', async () => {
    const own = await aProduct({ now: NOW });

    try {
      const meter = await aMeter(own);
      const { bookId } = await aPriceBook(own, { prices: [{ meterId: meter, terms: perUnit('1') }] });
      const { bookId: to } = await aPriceBook(own, { prices: [{ meterId: meter, terms: perUnit('2') }] });
      const buyers = await Promise.all(Array.from({ length: 5 }, () => aTenant(own)));

      for (const buyerId of buyers) {
        await aContract(own, { buyerId, bookId });
      }

      const { services } = own.app;
      const { migration } = await services.contractMigrations.start(own.scope(), {
        priceBookId: bookId,
        toPriceBookId: to,
        effectiveAt: CUT,
        idempotencyKey: randomUUID(),
      });
      expect(await services.contractMigrations.progress(own.scope(), migration.id)).toEqual({
        OPEN: 5,
        DONE: 0,
        REFUSED: 0,
      });
      own.app.work();
      await until(async () => (await services.contractMigrations.progress(own.scope(), migration.id)).DONE === 5);

      for (const buyerId of buyers) {
        const rows = await asSuperuser<{ price_book_id: string }>(
          own.database,
          'select price_book_id from contract where tenant_id = $1 order by starts_at',
          [buyerId],
        );
        expect(rows.map(row => row.price_book_id)).toEqual([bookId, to]);
      }

      // Each done by one job, under the job's name.
      expect(
        await asSuperuser(
          own.database,
          `select count(*)::int as n, actor_id from audit_line where action = 'contract_migration.moved' group by actor_id`,
        ),
      ).toEqual([{ n: 5, actor_id: 'contracts.move-contract' }]);
    } finally {
      await own.close();
    }
  });

  test('asks for a job for every open contract, and again a minute later', () => {
    const moves = [{ tenantId: 'ten_1', migrationId: 'cmg_1', contractId: 'con_1' }];
    const due = (now: Date) =>
      jobsDue({
        unrated: [],
        unsettled: [],
        deliveries: [],
        invoices: [],
        simulations: [],
        outcomeSimulations: [],
        expiredHolds: [],
        waitingEntries: [],
        exceededBudgets: [],
        expiredCredits: [],
        moves,
        now,
      }).map(({ job, payload, key }) => [job.name, payload, key]);
    const minute = Math.floor(NOW.getTime() / 60_000);
    expect(due(NOW)).toEqual([
      [
        'contracts.move-contract',
        { v: 1, tenantId: 'ten_1', migrationId: 'cmg_1', contractId: 'con_1' },
        `contracts.move-contract_cmg_1_con_1_sweep${minute}`,
      ],
    ]);
    expect(due(new Date(NOW.getTime() + 60_000))[0]?.[2]).toBe(
      `contracts.move-contract_cmg_1_con_1_sweep${minute + 1}`,
    );
  });

  test('takes those of the book that run at the instant, or only some of the buyers, or only those pinned to a version', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    const { contracts: service } = product.app.services;
    const pinnedTo = await aVersion(product, {
      bookId: from.bookId,
      prices: [{ meterId, terms: perUnit('2') }],
      effectiveAt: at('2026-06-01T00:00:00Z'),
    });
    const [running, other, later, ended] = [
      await aBuyer(from.bookId),
      await aBuyer(from.bookId),
      await aBuyer(from.bookId, at('2026-11-15T00:00:00Z')),
      await aBuyer(from.bookId),
    ];
    await aContract(product, { buyerId: ended.buyerId, bookId: to.bookId, startsAt: at('2026-11-01T00:00:00Z') });
    const pinned = await aTenant(product);
    const { contract } = await service.create(product.scope(), {
      buyerId: pinned,
      priceBookId: from.bookId,
      priceBookVersionId: pinnedTo,
      startsAt: at('2026-01-01T00:00:00Z'),
      graceHours: 24,
      idempotencyKey: randomUUID(),
    });
    const moving = async (move: Partial<Move>) => {
      const { moves, stays } = await migrations().moving(product.scope(), {
        priceBookId: from.bookId,
        toPriceBookId: to.bookId,
        effectiveAt: CUT,
        ...move,
      });

      return [moves.map(({ id }) => id).sort(), stays.map(({ id }) => id)];
    };
    expect(await moving({})).toEqual([[running.contractId, other.contractId, contract.id].sort(), [later.contractId]]);
    expect(await moving({ buyerIds: [other.buyerId, later.buyerId] })).toEqual([
      [other.contractId],
      [later.contractId],
    ]);
    expect(await moving({ fromVersionId: pinnedTo })).toEqual([[contract.id], []]);
    // What is there already does not move: here all that follow the book, or the one that is pinned.
    expect(await moving({ toPriceBookId: from.bookId })).toEqual([[contract.id], []]);
    expect(await moving({ toPriceBookId: from.bookId, toVersionId: pinnedTo })).toEqual([
      [running.contractId, other.contractId].sort(),
      [later.contractId],
    ]);
  });

  test('pins the new contracts to the version it names', async () => {
    const from = await aBook('1');
    const { buyerId } = await aBuyer(from.bookId);
    const { migration } = await start({
      priceBookId: from.bookId,
      toPriceBookId: from.bookId,
      toVersionId: from.versionId,
    });
    await moveAll(migration.id);
    expect((await contracts(buyerId)).map(row => row.price_book_version_id)).toEqual([null, from.versionId]);
  });

  test('refuses one by one what cannot move, says why, and moves the others', async () => {
    const [from, to] = [await aBook('1'), await aBook('3', 'EUR')];
    const [fine, late, later, moved] = [
      await aBuyer(from.bookId),
      await aBuyer(from.bookId, at('2026-11-15T00:00:00Z')),
      await aBuyer(from.bookId),
      await aBuyer(from.bookId),
    ];
    await aContract(product, { buyerId: later.buyerId, bookId: from.bookId, startsAt: at('2026-12-01T00:00:00Z') });
    await aVersion(product, {
      bookId: to.bookId,
      prices: [
        { meterId, terms: perUnit('1') },
        { meterId, currency: 'USD', terms: perUnit('1') },
      ],
      effectiveAt: at('2026-06-01T00:00:00Z'),
    });
    const { migration } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId });
    // Somebody else is quicker with one of them.
    await aContract(product, { buyerId: moved.buyerId, bookId: to.bookId, startsAt: at('2026-11-05T00:00:00Z') });
    await moveAll(migration.id);
    const told = new Map((await items(migration.id)).map(item => [item.contract_id, [item.status, item.reason]]));
    expect(told.get(fine.contractId)).toEqual(['DONE', null]);
    expect(told.get(late.contractId)).toEqual([
      'REFUSED',
      'the contract begins at 2026-11-15T00:00:00.000Z; nothing can begin before it',
    ]);
    expect(told.get(later.contractId)).toEqual([
      'REFUSED',
      `tenant ${later.buyerId} has a contract from 2026-12-01T00:00:00.000Z; a new one starts after it`,
    ]);
    expect(told.get(moved.contractId)).toEqual([
      'REFUSED',
      `contract ${moved.contractId} no longer runs at 2026-11-10T00:00:00.000Z`,
    ]);
    expect(await migrations().progress(product.scope(), migration.id)).toEqual({ OPEN: 0, DONE: 1, REFUSED: 4 });
    expect(await contracts(late.buyerId)).toHaveLength(1);
    expect(await contracts(later.buyerId)).toHaveLength(2);
    expect(await contracts(moved.buyerId)).toHaveLength(2);
    // What was refused stays refused.
    const before = await left();
    await migrations().move(product.scope(), migration.id, moved.contractId);
    expect(await left()).toEqual(before);
  });

  test('refuses contracts whose currency the new book does not have', async () => {
    const [from, to] = [await aBook('1'), await aBook('3', 'EUR')];
    const { buyerId, contractId } = await aBuyer(from.bookId);
    const { migration } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId });
    await moveAll(migration.id);
    expect(await items(migration.id)).toEqual([
      {
        contract_id: contractId,
        status: 'REFUSED',
        new_contract_id: null,
        reason: expect.stringContaining('has no price in USD'),
      },
    ]);
    expect(await contracts(buyerId)).toHaveLength(1);
  });

  test('is ordered once by its idempotency key', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    await aBuyer(from.bookId);
    const key = randomUUID();
    const { migration } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId }, key);
    await moveAll(migration.id);
    expect(await start({ priceBookId: from.bookId, toPriceBookId: to.bookId }, key)).toMatchObject({
      migration: { id: migration.id },
      replayed: true,
    });
    await refused(() => start({ priceBookId: to.bookId, toPriceBookId: from.bookId }, key), {
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
  });

  test('is refused off a quarter hour, from or to what is not there, and for buyers who have nothing to move', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    const { buyerId } = await aBuyer(from.bookId);
    const stranger = await aTenant(product);
    const move = { priceBookId: from.bookId, toPriceBookId: to.bookId };
    const none = (prefix: string) => `${prefix}_${'0'.repeat(26)}`;
    const unpublished = (
      await product.app.services.pricing.createVersion(product.scope(), {
        priceBookId: to.bookId,
        prices: [{ meterId, name: 'x', pattern: {}, terms: perUnit('1') }],
        idempotencyKey: randomUUID(),
      })
    ).version.id;

    for (const [given, code, field] of [
      [{ effectiveAt: at('2026-11-10T00:05:00Z') }, 'INVALID_INPUT', ['effectiveAt']],
      [{ priceBookId: none('pb') }, 'NOT_FOUND', ['priceBookId']],
      [{ toPriceBookId: none('pb') }, 'NOT_FOUND', ['toPriceBookId']],
      [{ fromVersionId: to.versionId }, 'NOT_FOUND', ['fromVersionId']],
      [{ toVersionId: from.versionId }, 'NOT_FOUND', ['toVersionId']],
      [{ toVersionId: unpublished }, 'INVALID_TRANSITION', ['toVersionId']],
      [{ buyerIds: [] }, 'INVALID_INPUT', ['buyerIds']],
      [{ buyerIds: [buyerId, none('ten')] }, 'NOT_FOUND', ['buyerIds', '1']],
      [{ buyerIds: [buyerId, stranger] }, 'INVALID_INPUT', ['buyerIds', '1']],
      [{ buyerIds: Array.from({ length: 1_001 }, () => buyerId) }, 'INVALID_INPUT', ['buyerIds']],
    ] as const) {
      await refused(() => start({ ...move, ...given }), { code, field });
    }
  });

  test('keeps what became of a contract for ever', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    await aBuyer(from.bookId);
    const { migration } = await start({ priceBookId: from.bookId, toPriceBookId: to.bookId });
    await moveAll(migration.id);
    await expect(
      asSuperuser(
        product.database,
        `update contract_migration_item set status = 'OPEN', new_contract_id = null where migration_id = $1`,
        [migration.id],
      ),
    ).rejects.toThrow('never changed');
    await expect(
      asSuperuser(product.database, 'update contract_migration set effective_at = now() where id = $1', [migration.id]),
    ).rejects.toThrow('never changed or deleted');
  });

  test('is asked for, looked at and read page by page through the API', async () => {
    const [from, to] = [await aBook('1'), await aBook('3')];
    const buyers = [await aBuyer(from.bookId), await aBuyer(from.bookId), await aBuyer(from.bookId)];
    const { data, errors } = await product.graphql(
      product.platformKey,
      `mutation ($input: ContractsMigrateInput!) { contractsMigrate(input: $input) {
        contractMigration { id priceBookId toPriceBookId effectiveAt progress { open done refused } } replayed userErrors { code } } }`,
      {
        input: {
          idempotencyKey: randomUUID(),
          priceBookId: from.bookId,
          toPriceBookId: to.bookId,
          effectiveAt: CUT.toISOString(),
        },
      },
    );
    expect(errors).toBeUndefined();
    const { contractMigration, userErrors } = data.contractsMigrate;
    expect(userErrors).toEqual([]);
    expect(contractMigration).toMatchObject({
      priceBookId: from.bookId,
      toPriceBookId: to.bookId,
      effectiveAt: '2026-11-10T00:00:00.000Z',
      progress: { open: 3, done: 0, refused: 0 },
    });
    await moveAll(contractMigration.id);
    const page = (after: string | null) =>
      product.graphql(
        product.platformKey,
        `query ($id: ID!, $after: String) { node(id: $id) { ... on ContractMigration { progress { open done refused }
          moves(first: 2, after: $after) { edges { node { contractId buyerId status newContractId reason } } pageInfo { hasNextPage endCursor } } } } }`,
        { id: contractMigration.id, after },
      );
    const first = (await page(null)).data.node;
    const second = (await page(first.moves.pageInfo.endCursor)).data.node;
    expect(first.progress).toEqual({ open: 0, done: 3, refused: 0 });
    const read = [...first.moves.edges, ...second.moves.edges].map(
      ({ node }: { node: { contractId: string } }) => node,
    );
    expect(read.map(({ contractId }) => contractId)).toEqual(buyers.map(({ contractId }) => contractId).sort());
    expect(read).toMatchObject(Array.from({ length: 3 }, () => ({ status: 'DONE', reason: null })));
    expect([first.moves.pageInfo.hasNextPage, second.moves.pageInfo.hasNextPage]).toEqual([true, false]);
  });
});
