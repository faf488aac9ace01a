import { stripVTControlCharacters } from 'node:util';
import { simulatePrices } from '../../src/commands/price-simulate.js';
import { accept, aMeterLike } from '../usage/meters.js';
import { aContract, anEvent, aPriceBook, aTenant, perUnit, rate } from '../support/builders.js';
import { aProduct, type Product } from '../support/product.js';

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: new Date('2026-12-05T12:00:00Z') });
  product.app.work();
});

afterAll(() => product.close());

test('a simulation from the command line prints the totals and who would lose and win most', async () => {
  const { meterId, eventType } = await aMeterLike(product, { dimensions: [{ name: 'model', property: 'model' }] });
  const { bookId } = await aPriceBook(product, { prices: [{ meterId, name: 'Use', terms: perUnit('1') }] });
  const { version } = await product.app.services.pricing.createVersion(product.scope(), {
    priceBookId: bookId,
    prices: [
      { meterId, name: 'A', pattern: { model: 'a' }, terms: perUnit('3') },
      { meterId, name: 'B', pattern: { model: 'b' }, terms: perUnit('0.5') },
    ],
    idempotencyKey: 'draft',
  });

  for (const [name, model, value] of [
    ['Loser', 'a', 10],
    ['Winner', 'b', 7],
    ['Forgotten', 'c', 1],
  ] as const) {
    const tenantId = await aTenant(product, { name });
    await aContract(product, { buyerId: tenantId, bookId });
    await accept(product, tenantId, [
      anEvent({ type: eventType, time: '2026-11-10T00:00:00Z', properties: { model, value } }),
    ]);
    await rate(product, tenantId);
  }

  const lines: string[] = [];
  const print = console.log;
  console.log = (line: string): void => void lines.push(stripVTControlCharacters(line));

  try {
    const code = await simulatePrices({
      url: product.server.url,
      key: product.platformKey,
      dataDir: '',
      versionId: version.id,
      from: '2026-11-01T00:00:00Z',
      until: '2026-12-01T00:00:00Z',
      baseline: 'CHARGED',
      top: 5,
    });
    expect(code).toBe(0);
  } finally {
    console.log = print;
  }

  expect(lines.map(line => line.replace(/sim_\w+/, '<id>').replaceAll(/ +/g, ' '))).toEqual([
    'DONE <id>: 3 of 3 tenants, 3 events',
    'USD was 18, would be 33.5: +15.5 USD (3 tenants)',
    ' 1 combinations of meter and dimensions would have no price',
    'would pay most more',
    ' Loser 10 30 +20 USD',
    'would pay most less',
    ' Winner 7 3.5 -3.5 USD',
    ' Forgotten 1 0 -1 USD',
  ]);
});

test('a refusal is its sentence', async () => {
  await expect(
    simulatePrices({
      url: product.server.url,
      key: product.platformKey,
      dataDir: '',
      versionId: 'pbv_0123456789ABCDEFGHJKMNPQRS',
      from: '2026-11-01T00:00:00Z',
      until: '2026-12-01T00:00:00Z',
      baseline: 'CHARGED',
      top: 5,
    }),
  ).rejects.toThrow('simulationStart: price book version pbv_0123456789ABCDEFGHJKMNPQRS does not exist');
});
