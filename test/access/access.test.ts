import fc from 'fast-check';
import { randomBytes, randomUUID } from 'node:crypto';
import { AccessService, ALL_PERMISSIONS, isKey, newKey } from '../../src/access/index.js';
import { Secrets } from '../../src/platform/index.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('the text of a key', () => {
  test('is prefix, mode, 43 random characters and a checksum of six', () => {
    expect(newKey('rb', 'LIVE')).toMatch(/^rb_live_[0-9A-Za-z]{49}$/);
    expect(newKey('acme42', 'TEST')).toMatch(/^acme42_test_[0-9A-Za-z]{49}$/);
  });

  test('is recognised, whatever prefix and mode it has', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z][a-z0-9]{1,15}$/),
        fc.constantFrom('LIVE' as const, 'TEST' as const),
        (prefix, mode) => {
          expect(isKey(newKey(prefix, mode))).toBe(true);
        },
      ),
    );
  });

  test('is another one each time, and uses its characters evenly', () => {
    const counts = new Map<string, number>();
    const seen = new Set<string>();

    for (let turn = 0; turn < 5_000; turn++) {
      const text = newKey('rb', 'LIVE');
      seen.add(text);

      for (const letter of text.slice('rb_live_'.length, -6)) {
        counts.set(letter, (counts.get(letter) ?? 0) + 1);
      }
    }

    expect(seen.size).toBe(5_000);
    expect(counts.size).toBe(62);
    const expected = (5_000 * 43) / 62;

    // Some 59 either way is one standard deviation; 8 of them do not happen.
    for (const count of counts.values()) {
      expect(Math.abs(count - expected)).toBeLessThan(480);
    }
  });

  test('is not recognised with one character changed, swapped, left out or added: 100,000 near misses', () => {
    let passed = 0;

    for (let turn = 0; turn < 100_000; turn++) {
      const bytes = randomBytes(3);
      const text = turn % 100 === 0 ? newKey('rb', 'LIVE') : (near.last ?? newKey('rb', 'LIVE'));
      near.last = text;
      const at = 'rb_live_'.length + ((bytes[0] ?? 0) % 49);
      const letter = BASE62[(bytes[1] ?? 0) % 62] ?? '0';
      const variants: readonly string[] = [
        text.slice(0, at) + letter + text.slice(at + 1),
        text.slice(0, at) + (text[at + 1] ?? '') + (text[at] ?? '') + text.slice(at + 2),
        text.slice(0, at) + text.slice(at + 1) + letter,
        text.slice(0, at) + letter + text.slice(at),
      ];
      const miss = variants[(bytes[2] ?? 0) % 4] ?? '';
      passed += miss !== text && isKey(miss) ? 1 : 0;
    }

    expect(passed).toBe(0);
  });

  const near: { last: string | null } = { last: null };

  test.each([
    ['nothing', ''],
    ['another prefix', newKey('rb', 'LIVE').replace('rb_', 'xb_')],
    ['another mode', newKey('rb', 'LIVE').replace('_live_', '_test_')],
    ['capitals in its prefix', newKey('rb', 'LIVE').replace('rb_', 'RB_')],
    ['white space around it', ` ${newKey('rb', 'LIVE')}`],
    ['a line break after it', `${newKey('rb', 'LIVE')}\n`],
    ['a megabyte after it', newKey('rb', 'LIVE') + 'a'.repeat(1_000_000)],
  ])('is not recognised with %s', (_what, text) => {
    expect(isKey(text)).toBe(false);
  });
});

describe('access', () => {
  let product: Product;
  const SECRET = 'a secret for tests, long enough to be one';

  beforeAll(async () => {
    product = await aProduct();
  });

  beforeEach(() => product.setClock(new Date('2026-11-20T12:00:00Z')));

  afterAll(() => product.close());

  const create = (
    tenantId: string,
    input: {
      permissions?: readonly string[];
      expiresAt?: Date | null;
      name?: string;
      prefix?: string;
      idempotencyKey?: string;
    } = {},
    makers: readonly string[] = ALL_PERMISSIONS,
  ) =>
    product.app.services.access.create(
      product.scope(tenantId),
      {
        name: 'a key',
        prefix: 'rb',
        mode: 'LIVE',
        permissions: ['usage:write'],
        expiresAt: null,
        idempotencyKey: randomUUID(),
        ...input,
      },
      new Set(makers),
    );

  const at = (now: string, text: string, access = product.app.services.access) =>
    access.authenticate({ em: product.app.orm.em.fork(), now: new Date(now), requestId: '' }, text);

  const keys = (tenantId: string) =>
    asSuperuser(product.database, 'select * from api_key where tenant_id = $1 order by id', [tenantId]);

  async function refused(
    tenantId: string,
    input: Parameters<typeof create>[1],
    makers: readonly string[],
    expected: object,
  ): Promise<void> {
    const before = await keys(tenantId);
    await expect(create(tenantId, input, makers)).rejects.toMatchObject(expected);
    expect(await keys(tenantId)).toEqual(before);
    expect(await asSuperuser(product.database, 'select 1 from idempotency where tenant_id = $1', [tenantId])).toEqual(
      [],
    );
  }

  test('a key says who it is', async () => {
    const tenantId = await aTenant(product);
    const { key, text } = await create(tenantId, { permissions: ['usage:write', 'catalog:read', 'usage:write'] });
    expect(await at('2026-11-20T12:00:00Z', text ?? '')).toEqual({
      keyId: key.id,
      tenantId,
      permissions: new Set(['usage:write', 'catalog:read']),
      isTest: false,
      expiresAt: null,
    });
  });

  test('a well-formed key that nobody made is nobody', async () => {
    expect(await at('2026-11-20T12:00:00Z', newKey('rb', 'LIVE'))).toBeNull();
  });

  test('a key opens nothing under another secret of the installation', async () => {
    const { text } = await create(await aTenant(product));
    const other = new AccessService(new Secrets('another secret, just as long as the first'));
    expect(await at('2026-11-20T12:00:00Z', text ?? '', other)).toBeNull();
  });

  test('a key’s text is shown once, and a replay has none', async () => {
    const tenantId = await aTenant(product);
    const input = { idempotencyKey: randomUUID() };
    const first = await create(tenantId, input);
    const again = await create(tenantId, input);
    expect(isKey(first.text ?? '')).toBe(true);
    expect([again.key.id, again.text, again.replayed]).toEqual([first.key.id, null, true]);
    expect(await keys(tenantId)).toHaveLength(1);
    await expect(create(tenantId, { ...input, name: 'other' })).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect(await keys(tenantId)).toHaveLength(1);
  });

  test('a key’s text is stored nowhere, in no table and in no form that opens anything', async () => {
    const tenantId = await aTenant(product);
    const { text, key } = await create(tenantId);
    const whole = text ?? '';
    await at('2026-11-20T12:00:00Z', whole);
    const tables = await asSuperuser<{ schema: string; name: string }>(
      product.database,
      `select table_schema as schema, table_name as name from information_schema.tables
       where table_schema not in ('pg_catalog', 'information_schema') and table_type = 'BASE TABLE'`,
    );
    let dump = '';

    for (const { schema, name } of tables) {
      dump += JSON.stringify(
        await asSuperuser(product.database, `select to_jsonb(t) as row from "${schema}"."${name}" t`),
      );
    }

    expect(dump).toContain(key.id);
    expect(dump).not.toContain(whole);
    expect(dump).not.toContain(whole.slice('rb_live_'.length + 4));
    expect(dump).not.toContain(Buffer.from(whole).toString('hex'));
    expect(key.start).toBe(whole.slice(0, 'rb_live_'.length + 4));
    const [row] = await asSuperuser<{ digest: Buffer }>(product.database, 'select digest from api_key where id = $1', [
      key.id,
    ]);
    expect(row?.digest).toEqual(new Secrets(SECRET).digest(whole));
  });

  test('a key makes only keys that may do no more than itself', async () => {
    const tenantId = await aTenant(product);
    await refused(tenantId, { permissions: ['usage:write', 'keys:write'] }, ['usage:write'], {
      code: 'FORBIDDEN',
      field: ['permissions'],
    });
    const { key } = await create(tenantId, { permissions: ['usage:write'] }, ['usage:write', 'keys:write']);
    expect(key.permissions).toEqual(['usage:write']);
  });

  test('a key makes only narrower keys through the API too', async () => {
    const tenantId = await aTenant(product);
    const maker = await aKey(product.app, product.scope(tenantId), ['keys:write', 'usage:write']);
    const make = async (permissions: string[]) =>
      (
        await product.graphql(
          maker,
          `mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { text userErrors { code field } } }`,
          { input: { name: 'k', prefix: 'rb', mode: 'LIVE', permissions, idempotencyKey: randomUUID() } },
        )
      ).data.apiKeyCreate;
    expect(await make(['usage:read'])).toEqual({
      text: null,
      userErrors: [{ code: 'FORBIDDEN', field: ['permissions'] }],
    });
    expect((await make(['usage:write'])).userErrors).toEqual([]);
    expect(await keys(tenantId)).toHaveLength(2);
  });

  test.each<[string, Parameters<typeof create>[1], string]>([
    ['no permissions', { permissions: [] }, 'permissions'],
    ['an unknown permission', { permissions: ['usage:write', 'everything'] }, 'permissions'],
    ['a name of Object’s prototype as a permission', { permissions: ['toString'] }, 'permissions'],
    ['an empty name', { name: '  ' }, 'name'],
    ['a name that is too long', { name: 'n'.repeat(201) }, 'name'],
    ['a name with a control character', { name: 'a\u0007' }, 'name'],
    ['a prefix in capitals', { prefix: 'RB' }, 'prefix'],
    ['a prefix that is too short', { prefix: 'r' }, 'prefix'],
    ['a prefix with an underscore', { prefix: 'r_b' }, 'prefix'],
    ['an expiry in the past', { expiresAt: new Date('2026-11-20T11:59:59Z') }, 'expiresAt'],
  ])('a key with %s is refused', async (_what, input, field) => {
    await refused(await aTenant(product), input, ALL_PERMISSIONS, { code: 'INVALID_INPUT', field: [field] });
  });

  test('a revoked key is refused at once here, and within a second in another process', async () => {
    const tenantId = await aTenant(product);
    const { key, text } = await create(tenantId);
    const elsewhere = new AccessService(new Secrets(SECRET));
    expect(await at('2026-11-20T12:00:00.000Z', text ?? '', elsewhere)).not.toBeNull();
    expect(await at('2026-11-20T12:00:00.000Z', text ?? '')).not.toBeNull();
    await product.app.services.access.revoke(product.scope(tenantId), key.id);
    expect(await at('2026-11-20T12:00:00.001Z', text ?? '')).toBeNull();
    expect(await at('2026-11-20T12:00:01.000Z', text ?? '', elsewhere)).toBeNull();
    expect(await at('2026-11-20T13:00:00.000Z', text ?? '', elsewhere)).toBeNull();
  });

  test('a revoked key is refused over HTTP', async () => {
    const tenantId = await aTenant(product);
    const { key, text } = await create(tenantId);
    expect((await product.postUsage(text ?? '', [])).status).toBe(200);
    await product.app.services.access.revoke(product.scope(tenantId), key.id);
    expect((await product.postUsage(text ?? '', [])).status).toBe(401);
  });

  test('revoking a key again changes nothing', async () => {
    const tenantId = await aTenant(product);
    const { key } = await create(tenantId);
    await product.app.services.access.revoke(product.scope(tenantId), key.id);
    const before = await keys(tenantId);
    product.setClock(new Date('2026-11-21T12:00:00Z'));
    await product.app.services.access.revoke(product.scope(tenantId), key.id);
    expect(await keys(tenantId)).toEqual(before);
    expect(
      await asSuperuser(
        product.database,
        "select 1 from audit_line where tenant_id = $1 and action = 'api_key.revoked'",
        [tenantId],
      ),
    ).toHaveLength(1);
  });

  test('a key of another tenant cannot be revoked and is not there', async () => {
    const [tenantId, other] = [await aTenant(product), await aTenant(product)];
    const { key, text } = await create(tenantId);
    await expect(product.app.services.access.revoke(product.scope(other), key.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `API key ${key.id} does not exist`,
    });
    expect(await at('2026-11-20T12:00:02Z', text ?? '')).not.toBeNull();
  });

  test('a key expires to the millisecond, though its answer is remembered', async () => {
    const { text } = await create(await aTenant(product), { expiresAt: new Date('2026-11-20T12:00:10Z') });
    expect(await at('2026-11-20T12:00:09.500Z', text ?? '')).not.toBeNull();
    expect(await at('2026-11-20T12:00:09.999Z', text ?? '')).not.toBeNull();
    expect(await at('2026-11-20T12:00:10.000Z', text ?? '')).toBeNull();
    expect(await at('2026-11-20T12:00:10.000Z', text ?? '', new AccessService(new Secrets(SECRET)))).toBeNull();
  });

  test('the last use of a key is noted to the minute', async () => {
    const tenantId = await aTenant(product);
    const { text } = await create(tenantId);
    const used = async (): Promise<unknown> => {
      const [row] = await asSuperuser<{ last_used_at: Date | null }>(
        product.database,
        'select last_used_at from api_key where tenant_id = $1',
        [tenantId],
      );

      return row?.last_used_at?.toISOString() ?? null;
    };
    expect(await used()).toBeNull();
    await at('2026-11-20T12:00:00Z', text ?? '');
    expect(await used()).toBe('2026-11-20T12:00:00.000Z');
    await at('2026-11-20T12:00:59.999Z', text ?? '');
    expect(await used()).toBe('2026-11-20T12:00:00.000Z');
    await at('2026-11-20T12:01:01Z', text ?? '');
    expect(await used()).toBe('2026-11-20T12:01:01.000Z');
  });

  test('a test key changes nothing and may read', async () => {
    const tenantId = await aTenant(product);
    const key = await aKey(product.app, product.scope(tenantId), ALL_PERMISSIONS, 'TEST');
    const before = await asSuperuser(product.database, 'select * from audit_line where tenant_id = $1 order by seq', [
      tenantId,
    ]);
    const made = await product.graphql(
      key,
      `mutation ($input: PriceBookCreateInput!) { priceBookCreate(input: $input) { priceBook { id } } }`,
      { input: { name: 'x', currency: 'USD', idempotencyKey: randomUUID() } },
    );
    expect(made.errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect(
      await asSuperuser(product.database, 'select * from audit_line where tenant_id = $1 order by seq', [tenantId]),
    ).toEqual(before);
    expect((await product.graphql(key, '{ tenant { id } }')).data.tenant.id).toBe(tenantId);
  });
});
