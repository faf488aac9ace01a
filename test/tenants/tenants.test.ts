import { randomUUID } from 'node:crypto';
import { newId } from '../../src/platform/index.js';
import { refuseTenant, type TenantDraft } from '../../src/tenants/tenant.rules.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const GOOD: TenantDraft = { name: 'Acme', kind: 'CUSTOMER', currency: 'EUR', timeZone: 'Europe/Berlin', region: 'eu' };

describe('refuseTenant', () => {
  const fields = (draft: Partial<TenantDraft>, parent: 'PLATFORM' | 'RESELLER' | 'CUSTOMER' = 'PLATFORM'): string[] =>
    refuseTenant({ ...GOOD, ...draft }, parent).map(({ field }) => field.join('.'));

  test.each<[string, Partial<TenantDraft>]>([
    ['a name of one character', { name: 'A' }],
    ['a name of 200 characters', { name: 'n'.repeat(200) }],
    ['a name in another script', { name: '株式会社 😀' }],
    ['a currency without decimals', { currency: 'JPY' }],
    ['UTC', { timeZone: 'UTC' }],
    ['a zone of three parts', { timeZone: 'America/Argentina/Buenos_Aires' }],
    ['a zone with a fixed offset', { timeZone: 'Etc/GMT-14' }],
    ['a region with parts', { region: 'eu-central-1' }],
  ])('takes %s', (_what, draft) => {
    expect(fields(draft)).toEqual([]);
  });

  test.each<[string, Partial<TenantDraft>, string]>([
    ['an empty name', { name: '' }, 'name'],
    ['a blank name', { name: ' \u00a0 ' }, 'name'],
    ['a name of 201 characters', { name: 'n'.repeat(201) }, 'name'],
    ['a name with a line break', { name: 'a\nb' }, 'name'],
    ['a name with NUL', { name: 'a\u0000b' }, 'name'],
    ['a name with half a surrogate pair', { name: 'a\ud83d' }, 'name'],
    ['a currency in small letters', { currency: 'usd' }, 'currency'],
    ['a currency that is none', { currency: 'XXX' }, 'currency'],
    ['a currency that is no longer used', { currency: 'BGN' }, 'currency'],
    ['an offset as a zone', { timeZone: '+02:00' }, 'timeZone'],
    ['a zone that is none', { timeZone: 'Mars/Olympus' }, 'timeZone'],
    ['an empty zone', { timeZone: '' }, 'timeZone'],
    ['a region in capitals', { region: 'EU' }, 'region'],
    ['a region of one letter', { region: 'e' }, 'region'],
  ])('refuses %s', (_what, draft, field) => {
    expect(fields(draft)).toEqual([field]);
  });

  test('refuses anything below a customer', () => {
    expect(fields({}, 'CUSTOMER')).toEqual(['parentId']);
    expect(fields({}, 'RESELLER')).toEqual([]);
  });
});

describe('tenants', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
  });

  afterAll(() => product.close());

  const create = (parent: string, draft: Partial<TenantDraft> & { parentId?: string; idempotencyKey?: string } = {}) =>
    product.app.services.tenants.create(product.scope(parent), {
      ...GOOD,
      parentId: null,
      idempotencyKey: randomUUID(),
      ...draft,
    });

  const all = async (): Promise<object[]> => [
    ...(await asSuperuser(product.database, 'select * from tenant order by id')),
    ...(await asSuperuser(product.database, 'select tenant_id, seq from audit_line order by tenant_id, seq')),
    ...(await asSuperuser(product.database, 'select tenant_id, key from idempotency order by tenant_id, key')),
  ];

  async function refused(work: () => Promise<unknown>, expected: object): Promise<void> {
    const before = await all();
    await expect(work()).rejects.toMatchObject(expected);
    expect(await all()).toEqual(before);
  }

  test('a tenant knows the way from the root to itself', async () => {
    const { tenant: reseller } = await create(product.platformId, { kind: 'RESELLER' });
    const { tenant: below } = await create(product.platformId, { kind: 'RESELLER', parentId: reseller.id });
    const { tenant: customer } = await create(below.id);
    expect(customer.ancestors).toEqual([product.platformId, reseller.id, below.id, customer.id]);
    expect(customer.parentId).toBe(below.id);
  });

  test('a tenant’s own audit chain begins with its making', async () => {
    const { tenant } = await create(product.platformId);
    expect(
      await asSuperuser(
        product.database,
        'select seq::text, action, subject_id, after from audit_line where tenant_id = $1',
        [tenant.id],
      ),
    ).toEqual([{ seq: '1', action: 'tenant.created', subject_id: tenant.id, after: { ...GOOD, parentId: null } }]);
  });

  test('the same idempotency key and input gives the first tenant again, and other input is refused', async () => {
    const idempotencyKey = randomUUID();
    const first = await create(product.platformId, { idempotencyKey });
    const again = await create(product.platformId, { idempotencyKey });
    expect([again.tenant.id, again.replayed]).toEqual([first.tenant.id, true]);
    await refused(() => create(product.platformId, { idempotencyKey, name: 'Other' }), {
      code: 'IDEMPOTENCY_KEY_REUSED',
      field: ['idempotencyKey'],
    });
  });

  test('the same creation many times at once makes one tenant', async () => {
    const idempotencyKey = randomUUID();
    const made = await Promise.all(Array.from({ length: 6 }, () => create(product.platformId, { idempotencyKey })));
    expect(new Set(made.map(({ tenant }) => tenant.id)).size).toBe(1);
    expect(made.filter(({ replayed }) => !replayed)).toHaveLength(1);
  });

  test('a refused draft leaves nothing behind, and its key can be used again', async () => {
    const idempotencyKey = randomUUID();
    await refused(() => create(product.platformId, { idempotencyKey, currency: 'nope' }), {
      code: 'INVALID_INPUT',
      field: ['currency'],
    });
    expect((await create(product.platformId, { idempotencyKey })).replayed).toBe(false);
  });

  test('nothing is made below a customer', async () => {
    const customer = await aTenant(product);
    await refused(() => create(customer), { code: 'INVALID_INPUT', field: ['parentId'] });
    await refused(() => create(product.platformId, { parentId: customer }), {
      code: 'INVALID_INPUT',
      field: ['parentId'],
    });
  });

  test('a parent beside, above or nowhere gets one and the same answer', async () => {
    const [reseller, beside] = [
      await aTenant(product, { kind: 'RESELLER' }),
      await aTenant(product, { kind: 'RESELLER' }),
    ];

    for (const parentId of [beside, product.platformId, newId('ten', new Date()), 'nonsense']) {
      await refused(() => create(reseller, { parentId }), {
        code: 'NOT_FOUND',
        field: ['parentId'],
        message: `tenant ${parentId} does not exist`,
      });
    }
  });

  test('a second platform of the same id is refused', async () => {
    await refused(
      () =>
        product.app.services.tenants.createPlatform(product.scope(), {
          name: 'Again',
          currency: 'USD',
          timeZone: 'UTC',
          region: 'eu',
        }),
      { code: 'ALREADY_EXISTS' },
    );
  });

  test('a second root of another id is refused', async () => {
    const other = product.scope(newId('ten', product.app.clock()));
    await refused(
      () =>
        product.app.services.tenants.createPlatform(other, {
          name: 'Other',
          currency: 'USD',
          timeZone: 'UTC',
          region: 'eu',
        }),
      { code: 'ALREADY_EXISTS' },
    );
  });

  test('a tenant sees itself and what is below it, and nothing beside or above', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const [mine, other] = [
      await aTenant(product, { parentId: reseller }),
      await aTenant(product, { kind: 'RESELLER' }),
    ];
    const theirs = await aTenant(product, { parentId: other });
    const { tenants } = product.app.services;
    const sees = async (who: string, whom: string): Promise<boolean> =>
      tenants.get(product.scope(who), whom).then(
        () => true,
        () => false,
      );
    expect(await Promise.all([reseller, mine].map(id => sees(reseller, id)))).toEqual([true, true]);
    expect(await Promise.all([product.platformId, other, theirs].map(id => sees(reseller, id)))).toEqual([
      false,
      false,
      false,
    ]);
    expect(await Promise.all([reseller, product.platformId, theirs].map(id => sees(mine, id)))).toEqual([
      false,
      false,
      false,
    ]);
    expect(await Promise.all([reseller, mine, other, theirs].map(id => sees(product.platformId, id)))).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  test('a foreign tenant and one that is not there are null alike through the API', async () => {
    const [mine, beside] = [await aTenant(product), await aTenant(product)];
    const key = await aKey(product.app, product.scope(mine), ['tenants:read']);

    for (const id of [beside, product.platformId, newId('ten', new Date()), 'nonsense', '']) {
      const answer = await product.graphql(key, 'query ($id: ID) { tenant(id: $id) { id } }', { id });
      expect([id, answer.data, answer.errors]).toEqual([id, { tenant: null }, undefined]);
    }

    expect((await product.graphql(key, '{ tenant { id } }')).data.tenant.id).toBe(mine);
  });

  test('the children of a tenant are those directly below it, newest first, page by page', async () => {
    const reseller = await aTenant(product, { kind: 'RESELLER' });
    const children: string[] = [];

    for (let count = 0; count < 5; count++) {
      children.push(await aTenant(product, { parentId: reseller, kind: 'RESELLER' }));
      await new Promise(resolve => setTimeout(resolve, 2));
    }

    await aTenant(product, { parentId: children[0] ?? '' });
    const seen: string[] = [];
    let after: string | null = null;

    do {
      const answer: Awaited<ReturnType<Product['graphql']>> = await product.graphql(
        product.platformKey,
        `query ($id: ID, $after: String) { tenant(id: $id) { children(first: 2, after: $after) {
          edges { node { id } } pageInfo { hasNextPage endCursor } } } }`,
        { id: reseller, after },
      );
      const { edges, pageInfo } = answer.data.tenant.children;
      seen.push(...edges.map((edge: { node: { id: string } }) => edge.node.id));
      after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
    } while (after !== null);

    expect(seen).toEqual(children.toReversed());
  });

  test('another platform is refused through the API', async () => {
    const before = await all();
    const answer = await product.graphql(
      product.platformKey,
      `mutation ($input: TenantCreateInput!) { tenantCreate(input: $input) { tenant { id } userErrors { code field } } }`,
      { input: { ...GOOD, kind: 'PLATFORM', idempotencyKey: randomUUID() } },
    );
    expect(answer.data.tenantCreate).toEqual({
      tenant: null,
      userErrors: [{ code: 'INVALID_INPUT', field: ['kind'] }],
    });
    expect(await all()).toEqual(before);
  });

  test('a tenant’s row cannot be read or written by the runtime role as another tenant', async () => {
    const [mine, beside] = [await aTenant(product), await aTenant(product)];
    const { em } = product.scope(mine);
    await em.fork().transactional(async fork => {
      await fork.execute(`set local app.tenant = '${mine}'`);
      const seen: { id: string }[] = await fork.execute('select id from tenant');
      expect(seen.map(({ id }) => id)).toEqual([mine]);
    });
    const before = await asSuperuser(product.database, 'select id from tenant order by id');

    // Below another, honestly or by a forged way through one's own.
    for (const way of [`'${beside}', 'ten_X'`, `'${beside}', '${mine}', 'ten_X'`, `'${mine}', 'ten_X'`]) {
      await expect(
        em.fork().transactional(async fork => {
          await fork.execute(`set local app.tenant = '${mine}'`);
          await fork.execute(
            `insert into tenant select 'ten_X', '${beside}', 'CUSTOMER', 'x', 'USD', 'UTC', 'eu', array[${way}], now()`,
          );
        }),
      ).rejects.toThrow('ancestors run from the root over the parent to the tenant');
    }

    expect(await asSuperuser(product.database, 'select id from tenant order by id')).toEqual(before);
  });

  test('without a tenant the runtime role sees no tenant at all', async () => {
    const { em } = product.scope();
    await em.fork().transactional(async fork => {
      expect(await fork.execute('select id from tenant')).toEqual([]);
    });
  });
});
