import { randomUUID } from 'node:crypto';
import { aContract, aMeter, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aKey, aProduct, type Product } from '../support/product.js';

/** A platform, a reseller below it and customers below that one, who pay $1 for each token. */
export interface Chain {
  readonly product: Product;
  readonly meterId: string;
  readonly eventType: string;
  readonly bookId: string;
  readonly resellerId: string;
  readonly customerIds: readonly string[];
}

export async function aChain(product: Product, customers = 1): Promise<Chain> {
  const eventType = `llm.${randomUUID()}`;
  const meterId = await aMeter(product, { eventType });
  const resellerId = await aTenant(product, { kind: 'RESELLER' });
  const { bookId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
  const customerIds: string[] = [];

  for (let n = 0; n < customers; n++) {
    const buyerId = await aTenant(product, { parentId: resellerId });
    await aContract(product, { buyerId, bookId });
    customerIds.push(buyerId);
  }

  return { product, meterId, eventType, bookId, resellerId, customerIds };
}

/** Where windows stand, with what waits to be counted into them: `used+held` by limit. */
export async function windowsOf(product: Product): Promise<Record<string, string>> {
  const rows = await asSuperuser<{ id: string; used: string; held: string }>(
    product.database,
    `select id, trim_scale(sum(used))::text as used, trim_scale(sum(held))::text as held from (
       select limit_id as id, used, held from limit_window
       union all select limit_id, used, held from limit_entry
     ) total group by id`,
    [],
  );

  return Object.fromEntries(rows.map(({ id, used, held }) => [id, `${used}+${held}`]));
}

/** A customer with a key of its own. */
export interface Customer {
  readonly product: Product;
  readonly chain: Chain;
  readonly customerId: string;
  readonly key: string;
}

/** A product with a chain of one customer, who asks before it calls. */
export async function aCustomer(now: Date, permissions = ['holds:write', 'usage:write']): Promise<Customer> {
  const product = await aProduct({ now });
  const chain = await aChain(product);
  const customerId = chain.customerIds[0] ?? '';

  return { product, chain, customerId, key: await aKey(product.app, product.scope(customerId), permissions) };
}

/**
 * Asks over HTTP: as whom, `current` says each time. A call uses so many tokens of the chain's type; what is told of it
 * beside that is `more`.
 */
export function asking(current: () => Pick<Customer, 'product' | 'chain' | 'key'>) {
  const post = async (path: string, body: unknown, by = current().key) => {
    const response = await fetch(`${current().product.server.url}/v1/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${by}`, 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

    // eslint-disable-next-line typescript/no-explicit-any -- each test asserts what it needs.
    return { status: response.status, body: (await response.json()) as any };
  };
  const call = (tokens: unknown, model = 'm') => ({
    eventType: current().chain.eventType,
    properties: { tokens, model },
  });
  const used = (tokens: unknown, more: object = {}) => {
    const { product, chain } = current();

    return {
      id: randomUUID(),
      type: chain.eventType,
      time: product.app.clock().toISOString(),
      properties: { tokens, model: 'm' },
      ...more,
    };
  };

  return {
    post,
    call,
    used,
    authorize: (tokens: unknown, more: object = {}, by = current().key) =>
      post('authorize', { ...call(tokens), idempotencyKey: randomUUID(), ...more }, by),
    settle: (holdId: string, events: readonly object[], by = current().key) => post('settle', { holdId, events }, by),
    record: (...events: readonly object[]) => current().product.postUsage(current().key, events),
  };
}
