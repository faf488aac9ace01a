import { formatDecimal, decimal } from '../../src/money/index.js';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, rate, type PriceGiven } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const at = (text: string): Date => new Date(text);

describe('the end of a period', () => {
  let product: Product;
  let meterId: string;

  beforeAll(async () => {
    product = await aProduct();
    meterId = await aMeter(product);
  });

  beforeEach(() => product.setClock(at('2026-11-20T12:00:00Z')));

  afterAll(() => product.close());

  async function aBuyer(prices: readonly PriceGiven[], startsAt = at('2026-11-01T00:00:00Z')): Promise<string> {
    const tenantId = await aTenant(product);
    const { bookId } = await aPriceBook(product, { prices });
    await aContract(product, { buyerId: tenantId, bookId, startsAt });
    await product.app.services.rating.rerate(product.scope(tenantId), startsAt);

    return tenantId;
  }

  async function use(
    tenantId: string,
    time: string,
    properties: Record<string, unknown>,
    type?: string,
  ): Promise<void> {
    const receipt = await product.app.services.usage.accept(
      product.scope(tenantId),
      [anEvent({ time, properties, ...(type ? { type } : {}) })],
      { keyId: 'test', isDryRun: false },
    );
    expect(receipt.accepted).toBe(1);
    await rate(product, tenantId);
  }

  /** The exact amounts by the month they are for. */
  async function charged(tenantId: string): Promise<readonly string[]> {
    const rows = await product.app.services.rating.charges(product.scope(tenantId), { first: 50, after: null });

    return rows
      .map(
        row => `${row.period_start.toISOString().slice(0, 7)} ${row.price_name} ${formatDecimal(decimal(row.amount))}`,
      )
      .sort();
  }

  /** What the sweep would have rated now. */
  async function due(): Promise<readonly string[]> {
    const rows = await asSuperuser<{ tenant_id: string }>(
      product.database,
      `select t.tenant_id from usage_touch t left join rating_mark m using (tenant_id, month)
       where t.n > coalesce(m.n, 0) or m.due_at <= $1`,
      [product.app.clock()],
    );

    return rows.map(row => row.tenant_id);
  }

  async function endOf(instant: string, tenantId: string): Promise<void> {
    product.setClock(at(instant));

    // A month that ends opens the next one, which is rated in its turn.
    while ((await due()).includes(tenantId)) {
      await rate(product, tenantId);
    }
  }

  test('raises to the minimum, not before', async () => {
    const tenantId = await aBuyer([
      { meterId, name: 'Tokens', terms: { model: 'UNIT', unitAmount: '10', minimum: '100' } },
    ]);
    await use(tenantId, '2026-11-10T00:00:00Z', { model: 'm', tokens: 2 });
    expect(await charged(tenantId)).toEqual(['2026-11 Tokens 20']);
    await endOf('2026-11-30T23:59:59Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-11 Tokens 20']);
    await endOf('2026-12-01T00:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-11 Tokens 100']);
  });

  test('asks for flat amounts month by month, without any usage', async () => {
    const tenantId = await aBuyer([{ meterId, name: 'Fee', terms: { model: 'FLAT', flatAmount: '99' } }]);
    expect(await charged(tenantId)).toEqual([]);
    await endOf('2026-12-01T00:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-11 Fee 99']);
    await endOf('2027-01-05T00:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-11 Fee 99', '2026-12 Fee 99']);
    const drafts = await product.app.services.invoicing.list(product.scope(tenantId), { first: 10, after: null });
    expect(drafts.map(({ periodStart }) => periodStart.toISOString().slice(0, 7)).sort()).toEqual([
      '2026-11',
      '2026-12',
    ]);
  });

  test('asks for what a contract of the past was due', async () => {
    const tenantId = await aBuyer(
      [{ meterId, name: 'Fee', terms: { model: 'FLAT', flatAmount: '5' } }],
      at('2026-08-15T00:00:00Z'),
    );
    expect(await charged(tenantId)).toEqual(['2026-08 Fee 5', '2026-09 Fee 5', '2026-10 Fee 5']);
  });

  test('asks from its first month on for what a contract that begins later is due', async () => {
    const tenantId = await aBuyer(
      [{ meterId, name: 'Fee', terms: { model: 'FLAT', flatAmount: '7' } }],
      at('2026-12-10T00:00:00Z'),
    );
    await endOf('2026-12-31T00:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual([]);
    await endOf('2027-02-01T00:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-12 Fee 7', '2027-01 Fee 7']);
  });

  test('leaves tenants without such prices alone', async () => {
    const tenantId = await aBuyer([{ meterId, name: 'Tokens', terms: { model: 'UNIT', unitAmount: '10' } }]);
    await endOf('2027-02-01T00:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual([]);
    expect(
      await asSuperuser(product.database, 'select month from usage_touch where tenant_id = $1', [tenantId]),
    ).toEqual([]);
  });

  test('follows the zone of the tenant', async () => {
    const tenantId = await aTenant(product, { timeZone: 'Pacific/Auckland' });
    const prices = [{ meterId, name: 'Tokens', terms: { model: 'UNIT' as const, unitAmount: '10', minimum: '100' } }];
    const { bookId } = await aPriceBook(product, { prices });
    await aContract(product, { buyerId: tenantId, bookId, startsAt: at('2026-10-31T11:00:00Z') });
    await use(tenantId, '2026-11-10T00:00:00Z', { model: 'm', tokens: 2 });
    await endOf('2026-11-30T10:59:59Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-10 Tokens 20']);
    await endOf('2026-11-30T11:00:00Z', tenantId);
    expect(await charged(tenantId)).toEqual(['2026-10 Tokens 100']);
  });

  test('charges a level that nobody changes, month after month', async () => {
    const levels = await aMeter(product, {
      eventType: 'storage.changed',
      aggregation: 'TIME_WEIGHTED',
      valueProperty: 'gigabytes',
    });
    const tenantId = await aBuyer([{ meterId: levels, name: 'Storage', terms: { model: 'UNIT', unitAmount: '30' } }]);
    await use(tenantId, '2026-11-16T00:00:00Z', { model: 'disk', gigabytes: '2' }, 'storage.changed');
    // Two gigabytes for half of November; then for all of December and January.
    expect(await charged(tenantId)).toEqual(['2026-11 Storage 30']);
    await endOf('2027-02-01T00:00:00Z', tenantId);
    // A level counts to the end of the running month as long as nobody changes it.
    expect(await charged(tenantId)).toEqual([
      '2026-11 Storage 30',
      '2026-12 Storage 60',
      '2027-01 Storage 60',
      '2027-02 Storage 60',
    ]);
  });
});
