import { asTenant, inLineage, inTransaction, query, scopeFor } from '../../src/platform/index.js';
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

  test('sees a lineage while it is asked to, within another one too, and never what is no tenant', async () => {
    const tenantId = await aTenant(product);
    const otherId = await aTenant(product);
    const { platformId } = product;
    const both = [platformId, tenantId].sort().join(' ');
    const lineage = async (scope: Parameters<typeof query>[0]) =>
      (
        await query<{ lineage: string }>(scope, "select coalesce(current_setting('app.lineage', true), '') as lineage")
      )[0]?.lineage;

    await inLineage(product.scope(), [tenantId, platformId], async tx => {
      expect(await lineage(tx)).toBe(both);
      expect(await current(tx)).toBe(platformId);
      expect(await inLineage(tx, [platformId, tenantId, platformId], lineage)).toBe(both);
      expect(await inLineage(tx, [tenantId], lineage)).toBe(both);
      expect(await inLineage(tx, [otherId], lineage)).toBe(otherId);
      expect(await lineage(tx)).toBe(both);
      await expect(inLineage(tx, [otherId], () => Promise.reject(new Error('refused')))).rejects.toThrow('refused');
      expect(await lineage(tx)).toBe(both);
      expect(await asTenant(tx, tenantId, own => inLineage(own, [platformId, tenantId], lineage))).toBe(both);
      await expect(inLineage(scopeFor(tx, tenantId), [tenantId], lineage)).rejects.toThrow(
        'a transaction of another tenant',
      );
    });
    await inTransaction(product.scope(), async tx => {
      expect(await lineage(tx)).toBe('');
      await inLineage(tx, [tenantId], lineage);
      expect(await lineage(tx)).toBe('');
    });
    await expect(inLineage(product.scope(), ["ten_'; drop"], lineage)).rejects.toThrow('not a tenant id');
  });
});
