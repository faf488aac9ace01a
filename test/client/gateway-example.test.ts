import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway } from '../../examples/gateway/gateway.js';
import { aChain, windowsOf } from '../budgets/support.js';
import { aBudget, aContract, aMeter, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { aClient, aProxy, type Proxy } from './support.js';

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));

  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
const shut = (server: Server) => new Promise(resolve => server.close(resolve));

describe('the gateway of the examples', () => {
  let product: Product;
  let proxy: Proxy;
  let customerId: string;
  let budgetId: string;
  let gateway: Server;
  let model: Server;
  let url: string;
  let client: Awaited<ReturnType<typeof aClient>>;
  /** What reached the model, and whether it works. */
  let sent: { readonly max_completion_tokens?: number }[];
  let isUp: boolean;

  beforeEach(async () => {
    product = await aProduct({ now: new Date('2026-11-10T12:00:00Z') });
    const { resellerId } = await aChain(product);
    const meterId = await aMeter(product, {
      eventType: 'llm.request',
      valueProperty: 'output_tokens',
      dimensions: [],
    });
    const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('0.01') }] });
    customerId = await aTenant(product, { parentId: resellerId });
    await aContract(product, { buyerId: customerId, bookId });
    budgetId = await aBudget(product, { tenantId: customerId, amount: '20' });
    [sent, isUp] = [[], true];
    model = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        sent.push(JSON.parse(Buffer.concat(parts).toString()) as object);
        response.writeHead(isUp ? 200 : 500, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({ id: `chat-${sent.length}`, usage: { prompt_tokens: 9, completion_tokens: 100 } }),
        );
      });
    });
    proxy = await aProxy(product.server.url);
    client = await aClient(product, resellerId, { url: proxy.url, timeoutMs: 200 });
    gateway = createGateway(client, { url: await listen(model), key: 'upstream' });
    url = await listen(gateway);
  });

  afterEach(async () => {
    proxy.always = null;
    await client.close();
    await shut(gateway);
    await shut(model);
    await proxy.close();
    await product.close();
  });

  const complete = async (body: object | string, customer: string | null = customerId) => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: customer === null ? {} : { 'x-customer': customer },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

    return { status: response.status, body: (await response.json()) as unknown };
  };
  const ofModel = (more: object = {}) => ({ model: 'm', messages: [], ...more });
  const events = async () =>
    asSuperuser<{ id: string; tenant_id: string }>(product.database, 'select id, tenant_id from usage_event', []);

  test('sends a call on, and settles what it has used', async () => {
    expect(await complete(ofModel())).toEqual({
      status: 200,
      body: { id: 'chat-1', usage: { prompt_tokens: 9, completion_tokens: 100 } },
    });
    expect(sent).toEqual([{ model: 'm', messages: [], max_completion_tokens: 1_024 }]);
    expect((await windowsOf(product))[budgetId]).toBe('1+0');
    expect(await events()).toEqual([{ id: 'chat-1', tenant_id: customerId }]);
  });

  test('sends on nothing that there is no room for', async () => {
    const refused = { code: 'LIMIT_EXCEEDED', message: expect.any(String) };
    expect(await complete(ofModel({ max_completion_tokens: 2_001 }))).toEqual({
      status: 402,
      body: { error: refused },
    });
    expect([sent, await events()]).toEqual([[], []]);
  });

  test('gives back what is held when the model fails', async () => {
    isUp = false;
    expect((await complete(ofModel())).status).toBe(502);
    expect([(await windowsOf(product))[budgetId], await events()]).toEqual(['0+0', []]);
  });

  test('goes on for a while where Ratebook cannot be reached, and records it afterwards', async () => {
    await complete(ofModel({ max_completion_tokens: 200 }));
    proxy.always = 'CUT';
    const blind = complete(ofModel({ max_completion_tokens: 200 }));
    await new Promise(resolve => setTimeout(resolve, 600));
    proxy.always = null;
    expect((await blind).status).toBe(200);
    expect((await windowsOf(product))[budgetId]).toBe('2+0');
  });

  test.each([
    ['without a customer', { model: 'm' }, null],
    ['that is no JSON', '{', undefined],
    ['without a model', { messages: [] }, undefined],
    ['that streams', { model: 'm', stream: true }, undefined],
    ['of more than a megabyte', { model: 'm', messages: ['x'.repeat(1_000_000)] }, undefined],
  ])('refuses what comes %s', async (_, body, customer) => {
    expect((await complete(body, customer)).status).toBe(400);
    expect(sent).toEqual([]);
  });
});
