import { randomUUID } from 'node:crypto';
import { aContract, aMeter, anEvent, aPriceBook, aTenant, rate } from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, until, type Product } from '../support/product.js';

const NOW = new Date('2026-11-20T12:00:00Z');

let product: Product;

beforeAll(async () => {
  product = await aProduct({ now: NOW });
});

afterAll(() => product.close());

/** A price list of these models as LiteLLM's map has it, all approved, as what they cost from an instant on. */
async function importCosts(models: Readonly<Record<string, readonly [input: string, output: string]>>, at: Date) {
  const { costImports, priceImports } = product.app.services;
  const lines = Object.entries(models).map(
    ([name, [input, output]]) =>
      `"${name}": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": ${input}, "output_cost_per_token": ${output}}`,
  );
  const { priceImport } = await costImports.propose(product.scope(), {
    format: 'LITELLM',
    content: `{${lines.join(', ')}}`,
    source: 'the map',
    sourceDate: '2026-11-01',
    models: [],
    meters: [],
    idempotencyKey: randomUUID(),
  });
  const rows = await priceImports.rows(product.scope(), priceImport.id, {}, { first: 100 });
  await priceImports.decide(product.scope(), 'COSTS', {
    importId: priceImport.id,
    keys: rows.filter(({ change }) => change !== 'SAME').map(({ key }) => key),
    allUnflagged: false,
    decision: 'APPROVED',
  });

  return costImports.apply(product.scope(), { importId: priceImport.id, effectiveAt: at, enterModels: true });
}

test('costs that are imported late price what was unpriced, and charge the difference to the costs before, by one job', async () => {
  const meterId = await aMeter(product, {
    eventType: 'llm.tokens',
    valueProperty: 'tokens',
    dimensions: ['model', 'token_kind', 'service_tier'].map(name => ({ name, property: name })),
  });
  const buyerId = await aTenant(product);
  const { bookId } = await aPriceBook(product, {
    prices: [{ meterId, name: 'Plus', terms: { model: 'COST_PLUS', markup: '2' } }],
  });
  await aContract(product, { buyerId, bookId });
  await importCosts({ known: ['1e-06', '4e-06'] }, new Date('2026-01-01T00:00:00Z'));
  await asSuperuser(product.database, 'delete from outbox');
  const used = (model: string, kind: string, tokens: string, time: string) =>
    anEvent({ type: 'llm.tokens', time, properties: { model, token_kind: kind, service_tier: 'standard', tokens } });
  await product.app.services.usage.accept(
    product.scope(buyerId),
    [
      used('known', 'input', '1000000', '2026-11-01T00:00:00Z'),
      used('known', 'input', '2000000', '2026-11-10T00:00:00Z'),
      used('new', 'input', '3000000', '2026-11-12T00:00:00Z'),
      used('new', 'output', '500000', '2026-11-12T00:00:00Z'),
      used('newer', 'output', '100000', '2026-11-09T23:45:00Z'),
    ],
    { keyId: 'test', isDryRun: false },
  );
  await rate(product, buyerId);
  const rows = async () => ({
    charges: await asSuperuser(
      product.database,
      'select trim_scale(quantity)::text as cost, trim_scale(amount)::text as amount from charge where tenant_id = $1',
      [buyerId],
    ),
    unpriced: await asSuperuser(
      product.database,
      `select reason, dimensions::json ->> 'model' as model, trim_scale(quantity)::text as quantity
       from unpriced_usage where tenant_id = $1 order by 2, 3`,
      [buyerId],
    ),
  });
  // 3 million at a dollar for a million, doubled.
  expect(await rows()).toEqual({
    charges: [{ cost: '3', amount: '6' }],
    unpriced: [
      { reason: 'NO_COST', model: 'new', quantity: '3000000' },
      { reason: 'NO_COST', model: 'new', quantity: '500000' },
      { reason: 'NO_COST', model: 'newer', quantity: '100000' },
    ],
  });

  await importCosts(
    { known: ['3e-06', '4e-06'], new: ['2e-06', '10e-06'], newer: ['1e-06', '1e-06'] },
    new Date('2026-11-10T00:00:00Z'),
  );
  const facts = await asSuperuser<{ payload: { from: string } }>(
    product.database,
    `select payload from outbox where topic = 'model_cost.set'`,
  );
  expect(facts.map(({ payload }) => payload.from)).toEqual(Array.from({ length: 3 }, () => '2026-11-10T00:00:00.000Z'));
  product.app.work();
  await until(async () => (await rows()).unpriced.length < 3);
  // 1 and 2 × 3; 3 × 2 and 0.5 × 10; what was used before costs were known stays unpriced.
  expect(await rows()).toEqual({
    charges: [{ cost: '18', amount: '36' }],
    unpriced: [{ reason: 'NO_COST', model: 'newer', quantity: '100000' }],
  });
  expect(
    await asSuperuser(product.database, `select 1 from bullmq.job where name = 'rating.recost-buyers'`),
  ).toHaveLength(1);
});
