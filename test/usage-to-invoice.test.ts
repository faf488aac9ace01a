import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { verifySignature } from '../src/webhooks/signature.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, perMillion } from './support/builders.js';
import { aKey, aProduct, until, type Product } from './support/product.js';
import { describeOnBothBackends } from './support/redis.js';

interface Received {
  readonly headers: Record<string, string>;
  readonly body: string;
}

describeOnBothBackends('from usage event to invoice', backend => {
  let product: Product;
  let receiver: Server;
  const received: Received[] = [];

  beforeAll(async () => {
    product = await aProduct({ redisUrl: backend.redisUrl, now: new Date('2026-11-20T12:00:00Z') });
    product.app.work();
    receiver = createServer((request, response) => {
      let body = '';
      request.on('data', chunk => (body += String(chunk)));
      request.on('end', () => {
        received.push({ headers: request.headers as Record<string, string>, body });
        response.end('thank you');
      });
    });
    await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    receiver.close();
    await product.close();
  });

  test('usage is rated, fires an alert by subscription and webhook, is invoiced, and a late event adjusts the next invoice', async () => {
    const { graphql, platformKey } = product;
    const tenantId = await aTenant(product, { name: 'Acme', timeZone: 'Europe/Berlin' });
    const meterId = await aMeter(product);
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perMillion('2.50') }] });
    await aContract(product, { buyerId: tenantId, bookId, graceHours: 1 });
    const gateway = await aKey(product.app, product.scope(tenantId), ['usage:write']);

    const endpoint = await graphql(
      platformKey,
      `
        mutation ($input: WebhookEndpointCreateInput!) {
          webhookEndpointCreate(input: $input) {
            secret
            userErrors {
              message
            }
          }
        }
      `,
      {
        input: {
          idempotencyKey: randomUUID(),
          tenantId,
          url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
          eventTypes: ['spend_alert.triggered', 'invoice.issued'],
        },
      },
    );
    expect(endpoint.data.webhookEndpointCreate.userErrors).toEqual([]);
    const alert = await graphql(
      platformKey,
      `
        mutation ($input: SpendAlertCreateInput!) {
          spendAlertCreate(input: $input) {
            spendAlert {
              id
            }
            userErrors {
              message
            }
          }
        }
      `,
      {
        input: { idempotencyKey: randomUUID(), tenantId, name: 'half', budget: '10', thresholds: [{ percent: '50' }] },
      },
    );
    expect(alert.data.spendAlertCreate.userErrors).toEqual([]);

    const socket = createClient({
      url: `${product.server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${platformKey}` },
    });
    const told: unknown[] = [];
    const stop = socket.subscribe(
      {
        query: `subscription ($tenantId: ID) { spendAlertTriggered(tenantId: $tenantId, after: "0") { cursor threshold spend { amount currency } } }`,
        variables: { tenantId },
      },
      {
        next: message => told.push(message.data?.['spendAlertTriggered']),
        error: () => undefined,
        complete: () => undefined,
      },
    );

    const sent = await product.postUsage(gateway, [
      anEvent({ id: 'a', time: '2026-11-20T11:00:00Z', properties: { model: 'm', tokens: 1_000_000 } }),
      anEvent({ id: 'b', time: '2026-11-20T11:20:00Z', properties: { model: 'm', tokens: 1_000_001 } }),
    ]);
    expect(sent).toEqual({ status: 200, body: { accepted: 2, duplicates: [], conflicts: [], rejected: [] } });

    await until(async () => told.length === 1 && received.length === 1);
    expect(told).toEqual([{ cursor: '1', threshold: 'percent:50', spend: { amount: '5.0000025', currency: 'USD' } }]);
    const [message] = received;
    const headers = message?.headers ?? {};
    expect(
      verifySignature({
        id: headers['webhook-id'] ?? '',
        timestamp: Number(headers['webhook-timestamp']),
        body: message?.body ?? '',
        secrets: [endpoint.data.webhookEndpointCreate.secret],
        signature: headers['webhook-signature'] ?? '',
        now: Math.floor(product.app.clock().getTime() / 1_000),
      }),
    ).toBe(true);
    expect(JSON.parse(message?.body ?? '')).toMatchObject({
      type: 'spend_alert.triggered',
      data: { tenantId, threshold: 'percent:50', spend: { amount: '5.0000025', currency: 'USD' } },
    });

    const invoices = `query ($id: ID) { tenant(id: $id) { invoices { edges { node {
      id status number periodStart periodEnd total { amount } lines { edges { node { quantity amount { amount } exactAmount { amount } isAdjustment } } } } } } } }`;
    const draft = await graphql(platformKey, invoices, { id: tenantId });
    expect(draft.data.tenant.invoices.edges.map((edge: { node: object }) => edge.node)).toEqual([
      {
        id: expect.stringMatching(/^inv_/),
        status: 'DRAFT',
        number: null,
        periodStart: '2026-10-31T23:00:00.000Z',
        periodEnd: '2026-11-30T23:00:00.000Z',
        total: { amount: '5' },
        lines: {
          edges: [
            {
              node: {
                quantity: '2000001',
                amount: { amount: '5' },
                exactAmount: { amount: '5.0000025' },
                isAdjustment: false,
              },
            },
          ],
        },
      },
    ]);

    // The month ends, the grace passes: the sweep closes the period by itself.
    product.setClock(new Date('2026-12-01T00:30:00Z'));
    const issued = await until(async () => {
      const now = await graphql(platformKey, invoices, { id: tenantId });
      const [edge] = now.data.tenant.invoices.edges;

      return edge.node.status === 'ISSUED' ? edge.node : null;
    });
    expect(issued).toMatchObject({ number: 'INV-000001', total: { amount: '5' } });
    await until(async () => received.length === 2);

    // A late event of November adjusts December's invoice, at November's running quantity.
    const late = await product.postUsage(gateway, [
      anEvent({ id: 'c', time: '2026-11-30T22:59:59Z', properties: { model: 'm', tokens: 1_000_000 } }),
    ]);
    expect(late.body).toMatchObject({ accepted: 1 });
    const adjusted = await until(async () => {
      const now = await graphql(platformKey, invoices, { id: tenantId });
      const [edge] = now.data.tenant.invoices.edges;

      return edge.node.status === 'DRAFT' && edge.node.lines.edges.length > 0 ? edge.node : null;
    });
    expect(adjusted).toEqual({
      id: expect.stringMatching(/^inv_/),
      status: 'DRAFT',
      number: null,
      periodStart: '2026-11-30T23:00:00.000Z',
      periodEnd: '2026-12-31T23:00:00.000Z',
      total: { amount: '2.5' },
      lines: {
        edges: [
          {
            node: {
              quantity: '1000000',
              amount: { amount: '2.5' },
              exactAmount: { amount: '2.5' },
              isAdjustment: true,
            },
          },
        ],
      },
    });
    stop();
    await socket.dispose();
  });
});
