import { BY_HAND, example, llmRequest, tokenCounts, type Part } from './examples.js';
import type { GalleryBook, GalleryModel } from './gallery.types.js';
import { modelsOf, tokenMeter, tokenPrices, tokenRows, versionsOf, type Line, type TokenKind } from './rows.js';

const TOKENS = 'tidewater_tokens';
const MODEL = 'tidewater-chat';

/** The prices are real, the provider is not: nobody sells by the hour of the day any more. */
const MODELLED = {
  source: 'invented provider, on the time windows of DeepSeek Chat in 2025 as genai-prices has them, read 2026-11',
  asOf: '2026-11-01',
};

const MODELS: readonly GalleryModel[] = modelsOf('tidewater', [MODELLED.source], [[MODEL, 'tidewater']]);

const KINDS: readonly TokenKind[] = ['input', 'cache_read', 'output'];
const DAY: readonly Line[] = [[MODEL, '0.27', '0.07', '1.10']];
const NIGHT: readonly Line[] = [[MODEL, '0.135', '0.035', '0.55']];

const rows = [
  ...tokenRows(MODELLED, KINDS, DAY, { window: { daily: { start: '00:30', end: '16:30', timeZone: 'UTC' } } }),
  ...tokenRows(MODELLED, KINDS, NIGHT, { window: { daily: { start: '16:30', end: '00:30', timeZone: 'UTC' } } }),
];

/** An answer in the form of OpenAI's Chat Completions, with a million tokens fresh, a million cached, a million out. */
function request(time: string): Part {
  return {
    event: llmRequest(time, 'tidewater', MODEL, {
      prompt_tokens: 2_000_000,
      prompt_tokens_details: { cached_tokens: 1_000_000 },
      completion_tokens: 1_000_000,
      total_tokens: 3_000_000,
    }),
    counts: tokenCounts(TOKENS, { model: MODEL }, { input: '1000000', cache_read: '1000000', output: '1000000' }),
  };
}

/** A book by time of day, in UTC: the whole price from 00:30 until 16:30, half of it for the rest. */
export const tidewater: GalleryBook = {
  key: 'tidewater',
  name: 'Tidewater (invented), by time of day',
  currency: 'USD',
  readOn: '2026-11',
  meters: [tokenMeter(TOKENS, 'properties.provider == "tidewater"')],
  models: MODELS,
  versions: versionsOf([
    {
      effectiveAt: '2025-01-01T00:00:00Z',
      source: MODELLED.source,
      prices: tokenPrices(TOKENS, MODELS, rows),
    },
  ]),
  examples: [
    example('by day', BY_HAND, '1.44', [request('2026-10-15T12:00:00Z')]),
    example('by night', BY_HAND, '0.72', [request('2026-10-15T20:00:00Z')]),
    example('the night goes on over midnight', BY_HAND, '0.72', [request('2026-10-16T00:10:00Z')]),
    example('both edges of both windows', BY_HAND, '4.32', [
      request('2026-10-15T00:29:59Z'),
      request('2026-10-15T00:30:00Z'),
      request('2026-10-15T16:29:59Z'),
      request('2026-10-15T16:30:00Z'),
    ]),
  ],
};
