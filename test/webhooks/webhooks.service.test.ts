import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inTransaction, query, Secrets } from '../../src/platform/index.js';
import { WebhooksService } from '../../src/webhooks/index.js';
import { RETRY_SCHEDULE_SECONDS } from '../../src/webhooks/retry.rules.js';
import { verifySignature } from '../../src/webhooks/signature.js';
import { aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');

interface Received {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface Planned {
  readonly status: number;
  readonly headers?: Record<string, string>;
  /** What happens between the request and the answer. */
  readonly after?: () => Promise<void>;
}

describe('webhooks', () => {
  let product: Product;
  let receiver: Server;
  let base: string;
  const received: Received[] = [];
  /** What the receiver answers on a path, one after another; then 200. */
  const answers = new Map<string, Planned[]>();

  beforeAll(async () => {
    product = await aProduct();
    receiver = createServer((request, response) => {
      let body = '';
      request.on('data', chunk => (body += String(chunk)));
      request.on('end', () => {
        const path = request.url ?? '';
        received.push({ path, headers: request.headers as Record<string, string>, body });
        const answer: Planned = answers.get(path)?.shift() ?? { status: 200 };
        void (answer.after?.() ?? Promise.resolve()).then(() => {
          response.writeHead(answer.status, answer.headers);
          response.end(`answer ${answer.status}`);
        });
      });
    });
    await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  });

  beforeEach(() => product.setClock(NOW));

  afterAll(async () => {
    receiver.close();
    await product.close();
  });

  const service = (): WebhooksService => product.app.services.webhooks;

  /** A tenant with an endpoint and one queued message. */
  async function aDelivery(...planned: readonly Planned[]) {
    const tenantId = await aTenant(product);
    const path = `/${randomUUID()}`;
    answers.set(path, [...planned]);
    const { endpoint, secret } = await service().createEndpoint(product.scope(tenantId), {
      url: `${base}${path}`,
      eventTypes: ['invoice.issued'],
      idempotencyKey: randomUUID(),
    });
    const messageId = `msg_${randomUUID()}`;
    await send(tenantId, messageId);
    const [row] = await rows(tenantId);

    if (!row) {
      throw new Error('nothing was queued');
    }

    return { tenantId, path, endpointId: endpoint.id, secret: secret ?? '', messageId, deliveryId: row.id };
  }

  const send = (tenantId: string, id: string) =>
    inTransaction(product.scope(tenantId), tx =>
      service().send(tx, { id, type: 'invoice.issued', data: { hello: 'wörld' } }),
    );

  const rows = (tenantId: string) =>
    asSuperuser<{ id: string; status: string; attempts: number; next_attempt_at: Date | null; body: string }>(
      product.database,
      'select id, status, attempts, next_attempt_at, body from webhook_delivery where tenant_id = $1 order by id',
      [tenantId],
    );

  const attempts = (tenantId: string) =>
    asSuperuser<{ number: number; status: number | null; error: string | null; response: string; at: Date }>(
      product.database,
      'select number, status, error, response, at from webhook_attempt where tenant_id = $1 order by number',
      [tenantId],
    );

  const actions = async (tenantId: string): Promise<string[]> =>
    (
      await asSuperuser<{ action: string }>(
        product.database,
        'select action from audit_line where tenant_id = $1 order by seq',
        [tenantId],
      )
    ).map(({ action }) => action);

  const seen = (path: string): Received[] => received.filter(({ path: at }) => at === path);

  const deliver = (tenantId: string, deliveryId: string, now = product.app.clock()) =>
    service().deliver({ ...product.scope(tenantId), now }, deliveryId);

  test('a message is queued for each endpoint that wants its type, and only once however often it is sent', async () => {
    const tenantId = await aTenant(product);

    for (const eventTypes of [
      ['invoice.issued'],
      ['invoice.issued', 'spend_alert.triggered'],
      ['spend_alert.triggered'],
    ]) {
      await service().createEndpoint(product.scope(tenantId), {
        url: `${base}/many`,
        eventTypes,
        idempotencyKey: randomUUID(),
      });
    }

    await send(tenantId, 'msg_1');
    await send(tenantId, 'msg_1');
    expect(await rows(tenantId)).toHaveLength(2);
    expect((await actions(tenantId)).filter(action => action === 'webhook_delivery.queued')).toHaveLength(2);
    expect(
      await asSuperuser(
        product.database,
        "select 1 from outbox where tenant_id = $1 and topic = 'webhook_delivery.queued'",
        [tenantId],
      ),
    ).toHaveLength(2);
  });

  test('a delivery is posted as it was written, signed, and written down', async () => {
    const { tenantId, path, secret, messageId, deliveryId } = await aDelivery();
    const now = new Date('2026-11-20T12:00:07.900Z');
    await deliver(tenantId, deliveryId, now);
    const [message] = seen(path);
    const [row] = await rows(tenantId);
    expect(message?.body).toBe(row?.body);
    expect(JSON.parse(message?.body ?? '{}')).toMatchObject({ type: 'invoice.issued', data: { hello: 'wörld' } });
    expect(message?.headers).toMatchObject({
      'webhook-id': messageId,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'Ratebook-Webhooks/1',
    });
    const check = (secrets: string[]): boolean =>
      verifySignature({
        id: messageId,
        timestamp: Number(message?.headers['webhook-timestamp']),
        body: message?.body ?? '',
        secrets,
        signature: message?.headers['webhook-signature'] ?? '',
        now: Math.floor(now.getTime() / 1_000),
      });
    expect(check([secret])).toBe(true);
    expect(check([`whsec_${Buffer.alloc(32).toString('base64')}`])).toBe(false);
    expect(row).toMatchObject({ status: 'DELIVERED', attempts: 1, next_attempt_at: null });
    expect(await attempts(tenantId)).toEqual([
      { number: 1, status: 200, error: null, response: 'answer 200', at: now },
    ]);
    expect((await actions(tenantId)).at(-1)).toBe('webhook_delivery.delivered');
  });

  test('two failures are tried again on the schedule with the same id, and the third attempt delivers', async () => {
    const { tenantId, path, deliveryId, messageId } = await aDelivery({ status: 500 }, { status: 500 });
    let now = NOW;
    product.setClock(NOW);
    await deliver(tenantId, deliveryId, new Date(now.getTime() + 1_000));
    const [first] = await rows(tenantId);
    now = new Date(NOW.getTime() + 1_000);
    const wait = (first?.next_attempt_at?.getTime() ?? 0) - now.getTime();
    expect([first?.status, first?.attempts, wait >= 4_000 && wait <= 6_000]).toEqual(['PENDING', 1, true]);
    // Not a moment before it is due.
    await deliver(tenantId, deliveryId, new Date((first?.next_attempt_at?.getTime() ?? 0) - 1));
    expect(seen(path)).toHaveLength(1);
    now = first?.next_attempt_at ?? now;
    await deliver(tenantId, deliveryId, now);
    const [second] = await rows(tenantId);
    const longer = (second?.next_attempt_at?.getTime() ?? 0) - now.getTime();
    expect([second?.attempts, longer >= 240_000 && longer <= 360_000]).toEqual([2, true]);
    await deliver(tenantId, deliveryId, second?.next_attempt_at ?? now);
    expect(await rows(tenantId)).toMatchObject([{ status: 'DELIVERED', attempts: 3, next_attempt_at: null }]);
    expect((await attempts(tenantId)).map(({ number, status, response }) => [number, status, response])).toEqual([
      [1, 500, 'answer 500'],
      [2, 500, 'answer 500'],
      [3, 200, 'answer 200'],
    ]);
    expect(seen(path).map(({ headers }) => headers['webhook-id'])).toEqual([messageId, messageId, messageId]);
    expect(new Set(seen(path).map(({ body }) => body)).size).toBe(1);
  });

  test('Retry-After is respected where it asks for longer', async () => {
    const { tenantId, deliveryId } = await aDelivery({ status: 503, headers: { 'retry-after': '3600' } });
    const now = new Date(NOW.getTime() + 1_000);
    await deliver(tenantId, deliveryId, now);
    expect((await rows(tenantId))[0]?.next_attempt_at).toEqual(new Date(now.getTime() + 3_600_000));
  });

  test('410 fails the delivery, disables its endpoint, and leaves lines in the audit chain', async () => {
    const { tenantId, path, deliveryId } = await aDelivery({ status: 410 });
    await deliver(tenantId, deliveryId, new Date(NOW.getTime() + 1_000));
    expect(await rows(tenantId)).toMatchObject([{ status: 'FAILED', attempts: 1, next_attempt_at: null }]);
    expect(
      await asSuperuser(
        product.database,
        'select disabled_at is not null as disabled, disabled_reason from webhook_endpoint where tenant_id = $1',
        [tenantId],
      ),
    ).toEqual([{ disabled: true, disabled_reason: 'the receiver answered 410 Gone' }]);
    expect((await actions(tenantId)).slice(-2).toSorted()).toEqual([
      'webhook_delivery.failed',
      'webhook_endpoint.disabled',
    ]);
    // Nothing more is queued for it.
    await send(tenantId, 'msg_later');
    expect(await rows(tenantId)).toHaveLength(1);
    expect(seen(path)).toHaveLength(1);
  });

  test('what was queued for an endpoint before it was disabled fails without being posted', async () => {
    const { tenantId, path, deliveryId } = await aDelivery({ status: 410 });
    await send(tenantId, 'msg_second');
    await deliver(tenantId, deliveryId, new Date(NOW.getTime() + 1_000));
    const second = (await rows(tenantId)).find(({ id }) => id !== deliveryId);
    await deliver(tenantId, second?.id ?? '', new Date(NOW.getTime() + 2_000));
    expect((await rows(tenantId)).map(({ status }) => status)).toEqual(['FAILED', 'FAILED']);
    expect(seen(path)).toHaveLength(1);
    expect((await actions(tenantId)).filter(action => action === 'webhook_delivery.failed')).toHaveLength(2);
  });

  test('an attempt on every place of the schedule fails it for good', async () => {
    const { tenantId, path, deliveryId } = await aDelivery(...Array.from({ length: 20 }, () => ({ status: 500 })));

    for (let attempt = 1; attempt <= RETRY_SCHEDULE_SECONDS.length; attempt++) {
      const [row] = await rows(tenantId);
      expect([attempt, row?.status]).toEqual([attempt, 'PENDING']);
      await deliver(tenantId, deliveryId, row?.next_attempt_at ?? NOW);
    }

    expect(await rows(tenantId)).toMatchObject([
      { status: 'FAILED', attempts: RETRY_SCHEDULE_SECONDS.length, next_attempt_at: null },
    ]);
    expect(seen(path)).toHaveLength(RETRY_SCHEDULE_SECONDS.length);
    expect((await actions(tenantId)).at(-1)).toBe('webhook_delivery.failed');
    await deliver(tenantId, deliveryId, new Date('2030-01-01T00:00:00Z'));
    expect(seen(path)).toHaveLength(RETRY_SCHEDULE_SECONDS.length);
  });

  test('no answer at all is an attempt with an error, and is tried again', async () => {
    const tenantId = await aTenant(product);
    await service().createEndpoint(product.scope(tenantId), {
      url: 'http://127.0.0.1:9/closed',
      eventTypes: ['invoice.issued'],
      idempotencyKey: randomUUID(),
    });
    await send(tenantId, 'msg_1');
    const [row] = await rows(tenantId);
    await deliver(tenantId, row?.id ?? '', new Date(NOW.getTime() + 1_000));
    const [attempt] = await attempts(tenantId);
    expect([attempt?.status, typeof attempt?.error]).toEqual([null, 'string']);
    expect(await rows(tenantId)).toMatchObject([{ status: 'PENDING', attempts: 1 }]);
  });

  test('a replay posts the same message under the same id once more', async () => {
    const { tenantId, path, deliveryId, messageId } = await aDelivery();
    await deliver(tenantId, deliveryId, new Date(NOW.getTime() + 1_000));
    await service().replay(product.scope(tenantId), deliveryId);
    expect(await rows(tenantId)).toMatchObject([{ status: 'PENDING', attempts: 1 }]);
    await deliver(tenantId, deliveryId, new Date(NOW.getTime() + 60_000));
    expect(await rows(tenantId)).toMatchObject([{ status: 'DELIVERED', attempts: 2, next_attempt_at: null }]);
    expect(seen(path).map(({ headers, body }) => [headers['webhook-id'], body])).toEqual(
      Array.from({ length: 2 }, () => [messageId, seen(path)[0]?.body]),
    );
    expect((await actions(tenantId)).slice(-3)).toEqual([
      'webhook_delivery.delivered',
      'webhook_delivery.replayed',
      'webhook_delivery.delivered',
    ]);
  });

  test('an attempt that was overtaken by a replay writes itself down and changes the delivery no more', async () => {
    let overtake = async (): Promise<void> => undefined;
    const { tenantId, deliveryId, path } = await aDelivery({ status: 410, after: () => overtake() }, { status: 200 });
    overtake = async () => {
      await service().replay(product.scope(tenantId), deliveryId);
      await deliver(tenantId, deliveryId);
    };
    await deliver(tenantId, deliveryId);
    expect(seen(path)).toHaveLength(2);
    expect((await attempts(tenantId)).map(({ number, status }) => [number, status])).toEqual([
      [1, 410],
      [2, 200],
    ]);
    expect(await rows(tenantId)).toMatchObject([{ status: 'DELIVERED', attempts: 2, next_attempt_at: null }]);
    expect((await actions(tenantId)).filter(action => /delivered|failed/.test(action))).toEqual([
      'webhook_delivery.delivered',
    ]);
  });

  test('a delivery of another tenant is not there, to replay or to deliver', async () => {
    const { tenantId, path, deliveryId } = await aDelivery();
    const other = await aTenant(product);
    await expect(service().replay(product.scope(other), deliveryId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await deliver(other, deliveryId, new Date(NOW.getTime() + 1_000));
    expect(seen(path)).toEqual([]);
    expect(await rows(tenantId)).toMatchObject([{ status: 'PENDING', attempts: 0 }]);
  });

  test('a worker that dies between its claim and writing down is followed by another a minute later, under the same id', async () => {
    const { tenantId, path, deliveryId, messageId } = await aDelivery();
    const now = new Date(NOW.getTime() + 1_000);
    // What `deliver` does first, as a worker that then dies leaves it.
    await inTransaction({ ...product.scope(tenantId), now }, tx =>
      query(
        tx,
        'update webhook_delivery set attempts = attempts + 1, next_attempt_at = $3 where tenant_id = $1 and id = $2',
        [tenantId, deliveryId, new Date(now.getTime() + 60_000)],
      ),
    );
    await deliver(tenantId, deliveryId, new Date(now.getTime() + 59_999));
    expect(seen(path)).toEqual([]);
    await deliver(tenantId, deliveryId, new Date(now.getTime() + 60_000));
    expect(seen(path).map(({ headers }) => headers['webhook-id'])).toEqual([messageId]);
    expect(await rows(tenantId)).toMatchObject([{ status: 'DELIVERED', attempts: 2 }]);
    expect((await attempts(tenantId)).map(({ number }) => number)).toEqual([2]);
  });

  test('many workers at once post a delivery once', async () => {
    const { tenantId, path, deliveryId } = await aDelivery();
    const now = new Date(NOW.getTime() + 1_000);
    await Promise.all(Array.from({ length: 6 }, () => deliver(tenantId, deliveryId, now)));
    expect(seen(path)).toHaveLength(1);
    expect(await attempts(tenantId)).toHaveLength(1);
  });

  test.each([
    'https://127.0.0.1/',
    'https://localhost/',
    'https://10.1.2.3/hook',
    'https://192.168.0.1/hook',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[fd00::1]/',
    'https://0x7f000001/',
    'https://2130706433/',
    'http://example.com/',
    'ftp://example.com/',
    'https://user:pass@example.com/',
    'nonsense',
  ])('the address %s is refused at save, and nothing is kept', async url => {
    const tenantId = await aTenant(product);
    const strict = new WebhooksService(new Secrets('a secret for tests, long enough to be one'), {
      allowPrivate: false,
    });
    await expect(
      strict.createEndpoint(product.scope(tenantId), {
        url,
        eventTypes: ['invoice.issued'],
        idempotencyKey: randomUUID(),
      }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: ['url'] });
    expect(
      await asSuperuser(product.database, 'select id from webhook_endpoint where tenant_id = $1', [tenantId]),
    ).toEqual([]);
    expect(await asSuperuser(product.database, 'select key from idempotency where tenant_id = $1', [tenantId])).toEqual(
      [],
    );
    expect(await actions(tenantId)).toEqual(['tenant.created']);
  });

  test('a private address that was saved when it was allowed is not dialled when it is not', async () => {
    const { tenantId, path, deliveryId } = await aDelivery();
    const strict = new WebhooksService(new Secrets('a secret for tests, long enough to be one'), {
      allowPrivate: false,
    });
    await strict.deliver({ ...product.scope(tenantId), now: new Date(NOW.getTime() + 1_000) }, deliveryId);
    expect(seen(path)).toEqual([]);
    expect((await attempts(tenantId))[0]?.status).toBeNull();
    expect(await rows(tenantId)).toMatchObject([{ status: 'PENDING', attempts: 1 }]);
  });

  test.each([[[]], [['invoice.paid']], [['invoice.issued', '*']]])(
    'the event types %j are refused',
    async eventTypes => {
      const tenantId = await aTenant(product);
      await expect(
        service().createEndpoint(product.scope(tenantId), {
          url: `${base}/x`,
          eventTypes,
          idempotencyKey: randomUUID(),
        }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT', field: ['eventTypes'] });
      expect(await actions(tenantId)).toEqual(['tenant.created']);
    },
  );

  test('the secret is shown once, and is in no row, sealed under the secret of the installation and its own ids', async () => {
    const tenantId = await aTenant(product);
    const input = { url: `${base}/x`, eventTypes: ['invoice.issued'], idempotencyKey: randomUUID() };
    const first = await service().createEndpoint(product.scope(tenantId), input);
    const again = await service().createEndpoint(product.scope(tenantId), input);
    expect(first.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect([again.endpoint.id, again.secret, again.replayed]).toEqual([first.endpoint.id, null, true]);
    const bytes = Buffer.from((first.secret ?? '').slice('whsec_'.length), 'base64');
    const tables = await asSuperuser<{ name: string }>(
      product.database,
      "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
    );
    let dump = '';

    for (const { name } of tables) {
      dump += JSON.stringify(await asSuperuser(product.database, `select to_jsonb(t) as row from "${name}" t`));
    }

    expect(dump).toContain(first.endpoint.id);
    expect(dump).not.toContain((first.secret ?? '').slice('whsec_'.length));
    expect(dump).not.toContain(bytes.toString('hex'));
    const [row] = await asSuperuser<{ sealed_secret: Buffer }>(
      product.database,
      'select sealed_secret from webhook_endpoint where tenant_id = $1',
      [tenantId],
    );
    const sealed = row?.sealed_secret ?? Buffer.alloc(0);
    const secrets = new Secrets('a secret for tests, long enough to be one');
    expect(secrets.open(sealed, `${tenantId}/${first.endpoint.id}`)).toBe(first.secret);
    expect(() => secrets.open(sealed, `${tenantId}/whe_other`)).toThrow();
    expect(() =>
      new Secrets('another secret, just as long as it').open(sealed, `${tenantId}/${first.endpoint.id}`),
    ).toThrow();
  });
});
