import { aMeter, anEvent, aTenant } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';

const TIME = '2026-11-10T10:07:00Z';

describe('the latest value of a quarter hour', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
    await aMeter(product, { eventType: 'seats', aggregation: 'LATEST', valueProperty: 'seats', dimensions: [] });
  });

  afterAll(() => product.close());

  type Sent = { readonly id: string; readonly seats: number; readonly time?: string; readonly source?: string };

  const send = (tenantId: string, events: readonly Sent[]) =>
    product.app.services.usage.accept(
      product.scope(tenantId),
      events.map(({ id, seats, time, source }) => ({
        ...anEvent({ id, type: 'seats', time: time ?? TIME, properties: { seats } }),
        ...(source ? { source } : {}),
      })),
      { keyId: 'test', isDryRun: false },
    );

  const latest = async (tenantId: string): Promise<string[]> =>
    (
      await asSuperuser<{ quantity: string }>(
        product.database,
        'select quantity::text from usage_bucket where tenant_id = $1 order by slot',
        [tenantId],
      )
    ).map(({ quantity }) => quantity);

  const winner = async (batches: readonly (readonly Sent[])[]): Promise<string[]> => {
    const tenantId = await aTenant(product);

    for (const batch of batches) {
      expect(await send(tenantId, batch)).toMatchObject({ accepted: batch.length });
    }

    return latest(tenantId);
  };

  /** One batch, one by one, and one by one backwards. */
  const everyWay = async (events: readonly Sent[]): Promise<string[][]> => [
    await winner([events]),
    await winner([events.toReversed()]),
    await winner(events.map(event => [event])),
    await winner(events.toReversed().map(event => [event])),
  ];

  test('is that of the greatest time, whatever the order of arrival', async () => {
    expect(
      await everyWay([
        { id: 'z', seats: 1, time: '2026-11-10T10:01:00Z' },
        { id: 'a', seats: 3, time: '2026-11-10T10:14:59.999Z' },
        { id: 'm', seats: 2, time: '2026-11-10T10:14:59.998Z' },
      ]),
    ).toEqual([['3'], ['3'], ['3'], ['3']]);
  });

  test('is that of the greatest id where times are equal', async () => {
    expect(
      await everyWay([
        { id: 'b', seats: 2 },
        { id: 'c', seats: 3 },
        { id: 'a', seats: 1 },
      ]),
    ).toEqual([['3'], ['3'], ['3'], ['3']]);
  });

  test('compares ids by code point, not by the language of the database', async () => {
    expect(
      await everyWay([
        { id: 'B', seats: 1 },
        { id: 'a', seats: 2 },
      ]),
    ).toEqual([['2'], ['2'], ['2'], ['2']]);
    expect(
      await everyWay([
        { id: 'a-b', seats: 1 },
        { id: 'aa', seats: 2 },
      ]),
    ).toEqual([['2'], ['2'], ['2'], ['2']]);
  });

  test('compares ids with characters beyond the basic plane by code point as well', async () => {
    expect(
      await everyWay([
        { id: '\uff5e', seats: 1 },
        { id: '😀', seats: 2 },
      ]),
    ).toEqual([['2'], ['2'], ['2'], ['2']]);
  });

  test('is that of the greatest source where time and id are equal', async () => {
    expect(
      await everyWay([
        { id: 'same', seats: 2, source: 'gateway/b' },
        { id: 'same', seats: 1, source: 'gateway/a' },
        { id: 'same', seats: 0 },
      ]),
    ).toEqual([['2'], ['2'], ['2'], ['2']]);
  });

  test('compares ids before sources', async () => {
    expect(
      await everyWay([
        { id: 'ab', seats: 2, source: 'a' },
        { id: 'a', seats: 1, source: 'z' },
      ]),
    ).toEqual([['2'], ['2'], ['2'], ['2']]);
  });
});
