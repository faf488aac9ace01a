import { BY_HAND, example, llmRequest, tokenCounts, type Part } from './examples.js';
import type { GalleryBook, GalleryModel } from './gallery.types.js';
import {
  modelsOf,
  tokenMeter,
  tokenPrices,
  tokenRows,
  unitPrice,
  versionsOf,
  type Citation,
  type TokenKind,
} from './rows.js';

const TOKENS = 'google_tokens';

const LANGFUSE: Citation = { source: 'Langfuse default-model-prices.json of 2026-07-14', asOf: '2026-07-14' };
const LLM_KIT: Citation = { source: 'llm-kit release of 2026-09-07', asOf: '2026-09-07' };
const BUDGET: Citation = { source: 'aicostbudget data set of 2026-08-22 (CC BY 4.0)', asOf: '2026-08-22' };

/** Every model of the book. Two are priced by the length of the prompt: more than 200,000 tokens is long. */
const MODELS: readonly GalleryModel[] = [
  ...modelsOf(
    'google',
    [LANGFUSE.source],
    [
      ['gemini-2.5-pro', 'gemini-2.5'],
      ['gemini-3.1-pro', 'gemini-3.1'],
    ],
    [{ above: '200000', inclusive: false, name: 'long' }],
  ),
  ...modelsOf('google', [LLM_KIT.source], [['gemini-3.6-flash', 'gemini-3.6']]),
  ...modelsOf(
    'google',
    [BUDGET.source],
    [
      ['gemini-3.5-flash', 'gemini-3.5'],
      ['gemini-2.5-flash', 'gemini-2.5'],
      ['gemini-3.1-flash-lite', 'gemini-3.1'],
    ],
  ),
];

const KINDS: readonly TokenKind[] = ['input', 'cache_read', 'output'];

const undated = [
  ...tokenRows(LANGFUSE, KINDS, [
    ['gemini-2.5-pro', '1.25', '0.125', '10'],
    ['gemini-3.1-pro', '2', '0.2', '12'],
  ]),
  ...tokenRows(
    LANGFUSE,
    KINDS,
    [
      ['gemini-2.5-pro', '2.5', '0.25', '15'],
      ['gemini-3.1-pro', '4', '0.4', '18'],
    ],
    { band: 'long' },
  ),
  ...tokenRows(BUDGET, KINDS, [
    ['gemini-3.5-flash', '1.5', '0.15', '9'],
    ['gemini-2.5-flash', '0.30', '0.03', '2.5'],
    ['gemini-3.1-flash-lite', '0.25', '0.025', '1.5'],
  ]),
];

const grounding = unitPrice(
  { source: 'price of grounding with Google search in open price lists, read 2026-11', asOf: '2026-11-01' },
  {
    meter: TOKENS,
    name: 'grounding with web search, standard',
    dimensions: { token_kind: 'web_search', service_tier: 'standard' },
    unitAmount: '14',
    per: '1000',
  },
);

/** Half price for the rest of the year, 2026-12-31 included. */
const flash36 = [
  ...tokenRows(LLM_KIT, KINDS, [['gemini-3.6-flash', '0.75', '0.075', '3.75']], {
    window: { until: '2027-01-01T00:00:00Z' },
    note: 'promotion until 2026-12-31',
  }),
  ...tokenRows(LLM_KIT, KINDS, [['gemini-3.6-flash', '1.5', '0.15', '7.5']], {
    window: { from: '2027-01-01T00:00:00Z' },
  }),
];

const versions = versionsOf([
  {
    effectiveAt: '2025-01-01T00:00:00Z',
    source: `${LANGFUSE.source}; ${BUDGET.source}: models whose first day is not given`,
    prices: [...tokenPrices(TOKENS, MODELS, undated), grounding],
  },
  {
    effectiveAt: '2026-09-07T00:00:00Z',
    source: `${LLM_KIT.source}: gemini-3.6-flash at half price until 2026-12-31`,
    prices: tokenPrices(TOKENS, MODELS, flash36),
  },
]);

/** An answer of the Gemini API: cached tokens are part of the prompt's, thoughts stand beside the candidates'. */
function request(given: {
  readonly time: string;
  readonly model: string;
  readonly band?: string;
  readonly fresh: number;
  readonly cached?: number;
  readonly thoughts?: number;
  readonly candidates: number;
}): Part {
  const { time, model, band, fresh, cached = 0, thoughts = 0, candidates } = given;
  const usage = {
    promptTokenCount: fresh + cached,
    ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
    candidatesTokenCount: candidates,
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
    totalTokenCount: fresh + cached + thoughts + candidates,
  };

  return {
    event: llmRequest(time, 'google', model, usage),
    counts: tokenCounts(
      TOKENS,
      { model, band },
      {
        input: String(fresh),
        ...(cached > 0 ? { cache_read: String(cached) } : {}),
        output: String(thoughts + candidates),
      },
    ),
  };
}

/** Google's token prices of the Gemini models. */
export const google: GalleryBook = {
  key: 'google',
  name: 'Google Gemini list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [tokenMeter(TOKENS, 'properties.provider == "google"')],
  models: MODELS,
  versions,
  examples: [
    example('exactly 200,000 tokens are short', BY_HAND, '0.412', [
      request({
        time: '2026-11-18T10:00:00Z',
        model: 'gemini-3.1-pro',
        band: 'short',
        fresh: 200_000,
        candidates: 1_000,
      }),
    ]),
    example('one token more is long, and thoughts are output', BY_HAND, '0.458004', [
      request({
        time: '2026-11-18T10:00:00Z',
        model: 'gemini-3.1-pro',
        band: 'long',
        fresh: 100_001,
        cached: 100_000,
        thoughts: 600,
        candidates: 400,
      }),
    ]),
    example('gemini-3.6-flash on the two sides of its promotion', BY_HAND, '0.3375', [
      request({
        time: '2026-12-31T23:59:59Z',
        model: 'gemini-3.6-flash',
        fresh: 100_000,
        candidates: 10_000,
      }),
      request({
        time: '2027-01-01T00:00:00Z',
        model: 'gemini-3.6-flash',
        fresh: 100_000,
        candidates: 10_000,
      }),
    ]),
  ],
};
