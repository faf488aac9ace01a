import { randomUUID } from 'node:crypto';
import { ALL_PERMISSIONS } from '../../src/access/index.js';
import { createApp } from '../../src/app.js';
import { startServer } from '../../src/server.js';
import { aKey, until } from '../support/product.js';
import { aStage, NOW } from './stage.js';

const stage = aStage();
const changed = () => stage.changes.since();

describe('keys', () => {
  const both = async (key: string | null): Promise<string[]> => [
    await stage.refused({ key, body: '[]' }),
    await stage.refused({ key, path: '/graphql', body: '{"query":"{ viewer { apiKeyId } }"}' }),
  ];
  const REFUSED = ['401 UNAUTHENTICATED', '401 UNAUTHENTICATED'];

  test('that are none, malformed, or wrong in a character are refused alike', async () => {
    const key = await aKey(stage.product.app, stage.product.scope());
    const flipped = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
    const middle = key.slice(0, 20) + (key[20] === 'a' ? 'b' : 'a') + key.slice(21);

    for (const wrong of [
      null,
      '',
      'x',
      'rb_live_',
      flipped,
      middle,
      key.toUpperCase(),
      `${key}x`,
      key.slice(0, -1),
      key.replace('live', 'test'),
      `x`.repeat(8_000),
      "' or true --",
      '__proto__',
    ]) {
      expect([wrong?.slice(0, 20), await both(wrong)]).toEqual([wrong?.slice(0, 20), REFUSED]);
    }

    for (const authorization of [`Basic ${key}`, key, `Bearer  ${key}`, `Bearer`]) {
      expect([
        authorization.slice(0, 8),
        await stage.refused({ key: null, headers: { authorization }, body: '[]' }),
      ]).toEqual([authorization.slice(0, 8), '401 UNAUTHENTICATED']);
    }
  });

  test('that have expired are refused from that second on', async () => {
    const expiresAt = new Date(stage.product.app.clock().getTime() + 3_600_000);
    const { text } = await stage.product.app.services.access.create(
      stage.product.scope(),
      {
        name: 'short',
        prefix: 'rb',
        mode: 'LIVE',
        permissions: ['usage:write'],
        expiresAt,
        idempotencyKey: randomUUID(),
      },
      new Set(ALL_PERMISSIONS),
    );
    const key = text ?? '';
    expect((await stage.send({ key, body: '[]' })).status).toBe(200);
    stage.product.setClock(new Date(expiresAt.getTime() - 500));
    expect((await stage.send({ key, body: '[]' })).status).toBe(200);
    stage.product.setClock(expiresAt);
    expect(await both(key)).toEqual(REFUSED);
    stage.product.setClock(NOW);
  });

  test('that are revoked are refused at once here and within a second in another process', async () => {
    const app = await createApp({ ...stage.product.app.config, port: 0 }, { clock: stage.product.app.clock });
    const server = await startServer(app);

    try {
      const { key, text } = await stage.product.app.services.access.create(
        stage.product.scope(),
        {
          name: 'gone',
          prefix: 'rb',
          mode: 'LIVE',
          permissions: ['usage:write'],
          expiresAt: null,
          idempotencyKey: randomUUID(),
        },
        new Set(ALL_PERMISSIONS),
      );
      const there = async (): Promise<number> => {
        const answer = await fetch(`${server.url}/v1/usage`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${text}` },
          body: '[]',
        });

        return answer.status;
      };
      expect((await stage.send({ key: text, body: '[]' })).status).toBe(200);
      expect(await there()).toBe(200);
      await stage.product.app.services.access.revoke(stage.product.scope(), key.id);
      const revokedAt = performance.now();
      expect(await both(text)).toEqual(REFUSED);
      await until(async () => (await there()) === 401, 5);
      expect(performance.now() - revokedAt).toBeLessThan(1_200);
      await new Promise(resolve => setTimeout(resolve, 50));
      expect(await there()).toBe(401);
    } finally {
      await server.close();
      await app.close();
    }
  });

  test('without the permission are told which one is missing', async () => {
    const key = await aKey(stage.product.app, stage.product.scope(), ['catalog:read']);
    await changed();
    const usage = await stage.send({ key, body: '[]' });
    expect({ status: usage.status, error: usage.body.error }).toEqual({
      status: 403,
      error: { code: 'FORBIDDEN', message: 'this key lacks the permission usage:write', requestId: expect.any(String) },
    });
    const answer = await stage.product.graphql(
      key,
      'mutation { spendAlertArchive(input: { spendAlertId: "x" }) { userErrors { message } } }',
    );
    expect({
      data: answer.data,
      errors: answer.errors?.map(({ message, extensions }) => [message, extensions.code]),
    }).toEqual({
      data: null,
      errors: [['this key lacks the permission alerts:write', 'FORBIDDEN']],
    });
    expect(await changed()).toEqual([]);
  });

  test('make no key that may do more than they', async () => {
    const key = await aKey(stage.product.app, stage.product.scope(), ['keys:write', 'usage:read']);
    await changed();
    const text =
      'mutation ($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { text userErrors { code field } } }';

    for (const [permissions, code] of [
      [['usage:write'], 'FORBIDDEN'],
      [['usage:read', 'keys:read'], 'FORBIDDEN'],
      [['*'], 'INVALID_INPUT'],
      [['__proto__'], 'INVALID_INPUT'],
      [[], 'INVALID_INPUT'],
    ] as const) {
      const answer = await stage.product.graphql(key, text, {
        input: { idempotencyKey: randomUUID(), name: 'x', permissions },
      });
      expect(answer.data.apiKeyCreate).toEqual({ text: null, userErrors: [{ code, field: ['permissions'] }] });
    }

    expect(await changed()).toEqual([]);
  });
});
