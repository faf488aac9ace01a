import { randomUUID } from 'node:crypto';
import {
  aContract,
  aMeter,
  anEvent,
  anOutcomeRule,
  anOutcomeVersion,
  aPriceBook,
  aTenant,
  perUnit,
  rate,
} from '../support/builders.js';
import { asSuperuser } from '../support/database.js';
import { aProduct, type Product } from '../support/product.js';
import { amounts, simulate } from './simulate.js';

const START = new Date('2026-10-01T00:00:00Z');
const NOW = new Date('2026-12-10T12:00:00Z');

describe('a simulation of a price book of which outcomes are charged', () => {
  let product: Product;

  beforeAll(async () => {
    product = await aProduct({ now: START });
  });

  afterAll(() => product.close());

  /** A buyer of tokens at a dollar, and a rule that says how outcomes stand to them. */
  async function aBuyer(relation: 'REPLACE' | 'FALLBACK', ...changes: readonly object[]) {
    product.setClock(START);
    const eventType = `chat.${randomUUID()}`;
    const meterId = await aMeter(product, { eventType, keepsEvents: true, dimensions: [] });
    const { bookId, versionId } = await aPriceBook(product, { prices: [{ meterId, terms: perUnit('1') }] });
    const buyerId = await aTenant(product);
    await aContract(product, { buyerId, bookId });
    const { ruleId } = await anOutcomeRule(product, {
      bookId,
      publishedAt: START,
      terms: { usage: { relation, meterIds: [meterId] } },
    });

    for (const terms of changes) {
      // In the middle of a quarter hour.
      await anOutcomeVersion(product, { ruleId, terms, effectiveAt: new Date('2026-11-15T10:07:00Z') });
    }

    product.setClock(NOW);
    const talk = (time: string, subject: string) =>
      anEvent({ type: eventType, time, subject, properties: { tokens: 1 } });
    await product.app.services.usage.accept(
      product.scope(buyerId),
      [
        ...['2026-11-05T10:00:00Z', '2026-11-15T10:10:00Z', '2026-11-15T10:20:00Z'].flatMap(time => [
          talk(time, 'solved'),
          talk(time, 'open'),
        ]),
        anEvent({ type: 'conversation.resolved', time: '2026-11-06T10:00:00Z', subject: 'solved', properties: {} }),
      ],
      { keyId: 'key_of_a_test', isDryRun: false },
    );
    await rate(product, buyerId);
    const charges = await asSuperuser<{ text: string }>(
      product.database,
      `select left(price_version_id, 3) || ' ' || trim_scale(sum(amount)) as text from charge where tenant_id = $1
       group by left(price_version_id, 3) order by 1`,
      [buyerId],
    );

    return { buyerId, versionId, charges: charges.map(({ text }) => text) };
  }

  test.each(['CHARGED', 'PUBLISHED'] as const)(
    'compares usage alone, without what outcomes replace, with what is %s',
    async baseline => {
      const { buyerId, versionId, charges } = await aBuyer('REPLACE', { usage: null });
      // The quarter hour in which the rule ceases to replace usage is replaced whole.
      expect(charges).toEqual(['orv 0.99', 'pbv 2']);
      const { tenants } = await simulate(product, { priceBookVersionId: versionId, tenantIds: [buyerId], baseline });
      expect(tenants.map(amounts)).toEqual([['2', '2', '2', '2']]);
    },
  );

  test.each(['CHARGED', 'PUBLISHED'] as const)(
    'compares usage alone, without that of subjects with an outcome, with what is %s',
    async baseline => {
      const { buyerId, versionId, charges } = await aBuyer('FALLBACK');
      expect(charges).toEqual(['orv 0.99', 'pbv 3']);
      const { tenants } = await simulate(product, { priceBookVersionId: versionId, tenantIds: [buyerId], baseline });
      expect(tenants.map(amounts)).toEqual([['3', '3', '3', '3']]);
    },
  );
});
