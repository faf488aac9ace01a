import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { expectedTotals, fitsTrace } from '../src/demo/replay.rules.js';
import { formatDecimal } from '../src/money/index.js';
import { aContract, aMeter, aPriceBook, aTenant, perMillion, rate } from './support/builders.js';
import { aProduct, type Product } from './support/product.js';

const TRACE = join('..', 'shared', 'data', 'azure_llm_conv_2023.csv');
const present = existsSync(TRACE);
const MODEL = 'gpt-6.2-sol';

/** A production trace of an LLM service, 11 November 2023 (Azure/AzurePublicDataset, CC-BY; Patel et al., ISCA 2024). */
(present ? describe : describe.skip)(`the real trace${present ? '' : ` (skipped: ${TRACE} is not there)`}`, () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: new Date('2026-11-20T12:00:00Z') });
  });

  afterAll(() => product.close());

  test('of 19,366 requests becomes invoices that equal a sum of its own, in three cuts of the batches', async () => {
    const rows = parse(readFileSync(TRACE), { columns: true, trim: true }) as Record<string, string>[];
    const requests = rows.map((row, index) => fitsTrace(row, index + 2));
    expect(requests).toHaveLength(19_366);
    const input = await aMeter(product, { key: 'input_tokens', valueProperty: 'input_tokens' });
    const output = await aMeter(product, { key: 'output_tokens', valueProperty: 'output_tokens' });
    const { bookId } = await aPriceBook(product, {
      prices: [
        { meterId: input, name: 'Input', pattern: { model: MODEL }, terms: perMillion('2.50') },
        { meterId: output, name: 'Output', pattern: { model: MODEL }, terms: perMillion('12.50') },
      ],
    });
    const rates = { input: { amount: '2.50', per: '1000000' }, output: { amount: '12.50', per: '1000000' } };

    for (const size of [500, 1_000, 9_999]) {
      const tenant = await aTenant(product);
      await aContract(product, { buyerId: tenant, bookId });
      let accepted = 0;

      for (let start = 0; start < requests.length; start += size) {
        const batch = requests.slice(start, start + size).map(request => ({
          id: `trace-${request.line}`,
          type: 'llm.request',
          time: request.time,
          tenant,
          properties: { model: MODEL, input_tokens: request.input, output_tokens: request.output },
        }));
        const { body } = await product.postUsage(product.platformKey, batch);
        accepted += Number(body['accepted']);
      }

      expect(accepted).toBe(19_366);
      await rate(product, tenant);
      const { invoicing } = product.app.services;
      const [draft] = await invoicing.list(product.scope(tenant), { first: 10 });
      const { invoice } = await invoicing.issue(product.scope(tenant), {
        invoiceId: draft?.id ?? '',
        acceptUnpriced: false,
        idempotencyKey: `${tenant}`,
      });
      const total = invoice.total;
      expect(total ? [formatDecimal(total)] : []).toEqual(expectedTotals(requests, rates).totals);
    }
  });
});
