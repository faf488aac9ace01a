import { aBudget } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aCustomer, asking, type Customer, windowsOf } from './support.js';

const NOW = new Date('2026-11-10T12:00:00Z');
const END = new Date('2026-11-11T00:00:00Z');

describe('a contract that has ended', () => {
  let customer: Customer;
  const { call, used, authorize, settle, post } = asking(() => customer);

  beforeEach(async () => {
    customer = await aCustomer(NOW);
    await asSuperuser(customer.product.database, 'update contract set ends_at = $2 where tenant_id = $1', [
      customer.customerId,
      END,
    ]);
  });

  afterEach(() => customer.product.close());

  test('lets calls go ahead until before its end, and refuses them with a code from it on', async () => {
    const { product, customerId } = customer;
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    product.setClock(new Date(END.getTime() - 5_000));
    expect((await authorize(4)).body).toMatchObject({ isAllowed: true, code: null });
    product.setClock(END);
    const before = await windowsOf(product);
    expect((await authorize(1)).body).toMatchObject({ isAllowed: false, code: 'NO_CONTRACT', hold: null });
    expect((await post('check', call(1))).body).toMatchObject({ isAllowed: false, code: 'NO_CONTRACT' });
    expect(await windowsOf(product)).toEqual(before);
    expect(before).toEqual({ [budgetId]: '0+4' });
  });

  test('leaves what was held before to be settled: nothing stays held', async () => {
    const { product, customerId } = customer;
    const budgetId = await aBudget(product, { tenantId: customerId, amount: '10' });
    const { hold } = (await authorize(4)).body;
    product.setClock(new Date(END.getTime() + 60_000));
    expect(await settle(hold.id, [used(3, { time: '2026-11-10T23:59:59Z' })])).toMatchObject({
      status: 200,
      body: { hold: { id: hold.id, state: 'SETTLED' } },
    });
    expect((await windowsOf(product))[budgetId]).toMatch(/\+0$/);
  });
});
