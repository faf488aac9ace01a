import { BY_HAND, example, llmRequest, tokenCounts, type Part } from './examples.js';
import type { GalleryBook, GalleryModel } from './gallery.types.js';
import { modelsOf, propertyMeter, tokenMeter, tokenPrices, tokenRows, unitPrice, versionsOf } from './rows.js';

const TOKENS = 'cohere_tokens';
const SEARCHES = 'cohere_search_units';

/** The page of October 2026 lists rented instances only, so these are the last prices per token that were published. */
const LAST = {
  source: 'https://cohere.com/pricing and https://docs.cohere.com, last published before 2026-10',
  asOf: '2026-10-01',
};

const RERANKERS = [
  ['rerank-3.5', '2.00'],
  ['rerank-4-fast', '2.00'],
  ['rerank-4-pro', '2.50'],
] as const;

/** Every model of the book. */
const MODELS: readonly GalleryModel[] = modelsOf(
  'cohere',
  [LAST.source],
  [
    ['command-a', 'command'],
    ['command-r-plus-08-2024', 'command'],
    ['command-r', 'command'],
    ['command-r7b', 'command'],
    ['aya-expanse', 'aya'],
    ['embed-4', 'embed', 'embedding'],
    ['rerank-3.5', 'rerank', 'rerank'],
    ['rerank-4-fast', 'rerank', 'rerank'],
    ['rerank-4-pro', 'rerank', 'rerank'],
  ],
);

const tokens = [
  ...tokenRows(
    LAST,
    ['input', 'output'],
    [
      ['command-a', '2.5', '10'],
      ['command-r-plus-08-2024', '2.5', '10'],
      ['command-r', '0.15', '0.60'],
      ['command-r7b', '0.0375', '0.15'],
      ['aya-expanse', '0.5', '1.5'],
    ],
  ),
  ...tokenRows(LAST, ['input', 'input_image'], [['embed-4', '0.12', '0.47']]),
];
const units = tokenRows(LAST, ['search_unit'], RERANKERS);

const versions = versionsOf([
  {
    effectiveAt: '2025-01-01T00:00:00Z',
    source: LAST.source,
    prices: [
      ...tokenPrices(TOKENS, MODELS, tokens),
      ...tokenPrices(TOKENS, MODELS, units, '1000'),
      ...RERANKERS.map(([model, unitAmount]) =>
        unitPrice(LAST, { meter: SEARCHES, name: `${model} searches`, dimensions: { model }, unitAmount, per: '1000' }),
      ),
    ],
  },
]);

/** A query over documents, where a document of more than 510 tokens has been cut and each of its pieces counts. */
function rerank(time: string, model: string, documents: number, searchUnits: string): Part {
  return {
    event: { type: 'rerank.request', time, properties: { provider: 'cohere', model, documents } },
    counts: [{ meter: SEARCHES, dimensions: { model }, quantity: searchUnits }],
  };
}

/**
 * Cohere's last published prices. A search is counted in one of two ways: out of the documents of a `rerank.request`, or as
 * the search units in the usage object of an `llm.request`; a gateway sends the one or the other.
 */
export const cohere: GalleryBook = {
  key: 'cohere',
  name: 'Cohere, last published prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    tokenMeter(TOKENS, 'properties.provider == "cohere"'),
    propertyMeter({
      key: SEARCHES,
      eventType: 'rerank.request',
      filter: 'properties.provider == "cohere"',
      valueProperty: 'documents',
      // A search unit is one query with up to 100 documents, so it is rounded up in every event, not over a period.
      conversion: { divideBy: '100', rounding: 'CEILING', precision: 0 },
      dimensions: ['model'],
      unit: 'search unit',
    }),
  ],
  models: MODELS,
  versions,
  examples: [
    example('one query over 250 documents is three search units', LAST.source, '0.006', [
      rerank('2026-09-15T11:00:00Z', 'rerank-3.5', 250, '3'),
    ]),
    example('three queries round up one by one', BY_HAND, '0.01', [
      rerank('2026-09-15T11:00:00Z', 'rerank-4-pro', 1, '1'),
      rerank('2026-09-15T11:01:00Z', 'rerank-4-pro', 100, '1'),
      rerank('2026-09-15T11:02:00Z', 'rerank-4-pro', 101, '2'),
    ]),
    example('search units as the provider counted them', BY_HAND, '0.006', [
      {
        event: llmRequest('2026-09-15T11:00:00Z', 'cohere', 'rerank-3.5', { billed_units: { search_units: 3 } }),
        counts: tokenCounts(TOKENS, { model: 'rerank-3.5' }, { search_unit: '3' }),
      },
    ]),
    example('a chat with Command A', BY_HAND, '0.0175', [
      {
        event: llmRequest('2026-09-15T11:00:00Z', 'cohere', 'command-a', {
          billed_units: { input_tokens: 3_000, output_tokens: 1_000 },
          tokens: { input_tokens: 3_240, output_tokens: 1_006 },
        }),
        counts: tokenCounts(TOKENS, { model: 'command-a' }, { input: '3000', output: '1000' }),
      },
    ]),
  ],
};
