import { asTenant, inTransaction, query, scopeFor } from '../../src/platform/index.js';
import { aTenant } from '../support/builders.js';
import { aProduct, type Product } from '../support/product.js';

describe('a scope', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct();
  });

  afterAll(() => product.close());

  const current = async (scope: Parameters<typeof query>[0]) =>
    (await query<{ tenant: string }>(scope, "select current_setting('app.tenant', true) as tenant"))[0]?.tenant;

  test('acts as another tenant within a transaction and comes back, also after a refusal', async () => {
    const tenantId = await aTenant(product);
    await inTransaction(product.scope(), async tx => {
      expect(await asTenant(tx, tenantId, current)).toBe(tenantId);
      expect(await current(tx)).toBe(product.platformId);
      await expect(asTenant(tx, tenantId, () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
      expect(await current(tx)).toBe(product.platformId);
    });
  });

  test('joins a transaction of the same tenant and refuses that of another', async () => {
    const tenantId = await aTenant(product);
    await inTransaction(product.scope(), async tx => {
      expect(await inTransaction(tx, current)).toBe(product.platformId);
      await expect(inTransaction(scopeFor(tx, tenantId), current)).rejects.toThrow('a transaction of another tenant');
    });
  });
});
