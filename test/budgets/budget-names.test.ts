import { randomUUID } from 'node:crypto';
import { newId } from '../../src/platform/index.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-10T12:00:00Z');

describe('a budget names a key or a meter', () => {
  let product: Product;
  let resellerId: string;
  let customerId: string;
  let otherId: string;

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    resellerId = await aTenant(product, { kind: 'RESELLER' });
    customerId = await aTenant(product, { parentId: resellerId });
    otherId = await aTenant(product, { kind: 'RESELLER' });
  });

  afterAll(() => product.close());

  const keyOf = async (tenantId: string): Promise<string> => {
    const text = await aKey(product.app, product.scope(tenantId), ['holds:write']);
    const [row] = await asSuperuser<{ id: string }>(product.database, 'select id from api_key where start = $1', [
      text.slice(0, 12),
    ]);

    return row?.id ?? '';
  };
  const meterOf = async (tenantId: string): Promise<string> => {
    const { meter } = await product.app.services.catalog.createMeter(product.scope(tenantId), {
      key: `meter_${randomUUID().replaceAll('-', '')}`,
      eventType: 'x',
      filter: '',
      aggregation: 'COUNT',
      valueProperty: null,
      dimensions: [],
      unit: 'call',
      keepsEvents: false,
      idempotencyKey: randomUUID(),
    });

    return meter.id;
  };
  const rows = async (): Promise<unknown> =>
    asSuperuser(
      product.database,
      `select (select count(*) from budget) || ' ' || (select count(*) from idempotency) || ' '
         || (select count(*) from audit_line) as n`,
    );
  /** Makes a budget of the reseller by GraphQL; answers with it, or with the refusal when nothing has changed. */
  const made = async (names: object, idempotencyKey = randomUUID()) => {
    const before = await rows();
    const { data } = await product.graphql(
      await aKeyOfReseller(),
      `mutation ($input: BudgetCreateInput!) { budgetCreate(input: $input) {
        budget { keyId meterId countedTenantId } replayed userErrors { code field message } } }`,
      { input: { idempotencyKey, name: 'x', amount: '1', currency: 'USD', ...names } },
    );
    const { budget, userErrors, replayed } = data.budgetCreate;

    if (!budget) {
      expect(await rows()).toEqual(before);
    }

    return budget ? { ...budget, replayed } : userErrors;
  };
  let resellerKey = '';
  const aKeyOfReseller = async (): Promise<string> =>
    (resellerKey ||= await aKey(product.app, product.scope(resellerId), ['budgets:write']));
  const NAMES = { keyId: null, meterId: null, countedTenantId: null, replayed: false };

  test('of its own, of a tenant below, and a meter that counts for it', async () => {
    await aKeyOfReseller();

    for (const names of [
      { keyId: await keyOf(resellerId) },
      { keyId: await keyOf(customerId) },
      { meterId: await meterOf(resellerId) },
      { meterId: await meterOf(product.platformId) },
      { meterId: await meterOf(customerId), countedTenantId: customerId },
    ]) {
      expect(await made(names)).toEqual({ ...NAMES, ...names });
    }
  });

  test('is made again by its key after the key that it names was revoked', async () => {
    const keyId = await keyOf(customerId);
    const idempotencyKey = randomUUID();
    await made({ keyId }, idempotencyKey);
    await product.app.services.access.revoke(product.scope(customerId), keyId);
    expect(await made({ keyId }, idempotencyKey)).toEqual({ ...NAMES, keyId, replayed: true });
  });

  test('is refused with those of others and those above as with ids that nobody has, and by its field', async () => {
    await aKeyOfReseller();
    const refusal = (what: string, field: string, id: string) => [
      { code: 'NOT_FOUND', field: [field], message: `${what} ${id} does not exist` },
    ];

    for (const keyId of [
      await keyOf(otherId),
      await keyOf(product.platformId),
      newId('key', NOW),
      await meterOf(resellerId),
      'nonsense',
      '',
    ]) {
      expect(await made({ keyId })).toEqual(refusal('API key', 'keyId', keyId));
    }

    // A meter of one tenant below counts nothing for another.
    for (const meterId of [
      await meterOf(otherId),
      await meterOf(customerId),
      newId('mtr', NOW),
      await keyOf(resellerId),
      '',
    ]) {
      expect(await made({ meterId })).toEqual(refusal('meter', 'meterId', meterId));
    }
  });

  test('opens one key and no more, and only for the work that names it', async () => {
    const [here, there] = [await keyOf(customerId), await keyOf(otherId)];
    const { access } = product.app.services;
    expect([
      await access.isHereOrBelow(product.scope(resellerId), here),
      await access.isHereOrBelow(product.scope(resellerId), there),
      await access.isHereOrBelow(product.scope(customerId), there),
      await access.isHereOrBelow(product.scope(resellerId), "' or ''='"),
    ]).toEqual([true, false, false, false]);
    const { rows: seen } = await asApp(`set local app.tenant = '${resellerId}'; set local app.key_id = '${here}'`);
    expect(seen).toEqual([here, ...(await ownKeys())].sort());
    // Neither without a tenant, nor of a tenant that is not below.
    expect((await asApp(`set local app.key_id = '${here}'`)).rows).toEqual([]);
    const { rows: foreign } = await asApp(`set local app.tenant = '${resellerId}'; set local app.key_id = '${there}'`);
    expect(foreign).toEqual((await ownKeys()).sort());
  });

  const ownKeys = async (): Promise<string[]> =>
    (
      await asSuperuser<{ id: string }>(product.database, 'select id from api_key where tenant_id = $1', [resellerId])
    ).map(({ id }) => id);
  /** The keys that the role of the app sees under these settings. */
  const asApp = async (settings: string): Promise<{ rows: string[] }> => {
    const em = product.app.orm.em.fork();
    const found = await em.transactional(async tx => {
      for (const setting of settings.split('; ')) {
        await tx.execute(setting);
      }

      return tx.execute<{ id: string }[]>('select id from api_key');
    });

    return { rows: found.map(({ id }) => id).sort() };
  };
});
