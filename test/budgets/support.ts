import { randomUUID } from 'node:crypto';
import { aContract, aMeter, aPriceBook, aTenant, perUnit } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import type { Product } from '../support/product.js';

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
