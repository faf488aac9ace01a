import { BY_HAND, example, llmRequest, tokenCounts, type Part } from './examples.js';
import type { GalleryExample } from './gallery.types.js';
import { OPENAI_TOKENS } from './openai-prices.js';
import type { ServiceTier } from './rows.js';

const PAGE = 'the rates of https://developers.openai.com/api/docs/models/gpt-6.2-sol, read 2026-11';

/** What OpenAI calls the tier that served. */
const SERVED: Readonly<Record<ServiceTier, string>> = {
  standard: 'default',
  batch: 'batch',
  flex: 'flex',
  fast: 'priority',
  ultrafast: 'ultrafast',
};

interface Request {
  readonly time?: string;
  readonly model?: string;
  readonly tier?: ServiceTier;
  readonly band?: string;
  readonly region?: string;
  /** Tokens in that were neither read from the cache nor written to it. */
  readonly fresh: number;
  readonly cached?: number;
  readonly written?: number;
  readonly output: number;
}

/** An answer of the Responses API. Cached and written tokens are part of its `input_tokens`, and reasoning of its output. */
function request(given: Request): Part {
  const { model = 'gpt-6.2-sol', tier = 'standard', band = 'short', region } = given;
  const { fresh, cached = 0, written = 0, output } = given;
  const input = fresh + cached + written;
  const usage = {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached, ...(written > 0 ? { cache_write_tokens: written } : {}) },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: Math.floor(output / 4) },
    total_tokens: input + output,
  };

  return {
    event: llmRequest(given.time ?? '2026-11-18T09:30:00Z', 'openai', model, usage, {
      service_tier: SERVED[tier],
      ...(region ? { processing_region: region } : {}),
    }),
    counts: tokenCounts(
      OPENAI_TOKENS,
      { model, tier, band: band === 'none' ? undefined : band, place: region ? { region } : undefined },
      {
        input: String(fresh),
        ...(cached > 0 ? { cache_read: String(cached) } : {}),
        ...(written > 0 ? { cache_write: String(written) } : {}),
        output: String(output),
      },
    ),
  };
}

const cachedPrompt = { fresh: 15_000, cached: 80_000, written: 5_000, output: 2_000 };
const longPrompt = { band: 'long', fresh: 50_000, cached: 250_000, output: 2_000 };

/** The worked examples of this book. */
export const OPENAI_EXAMPLES: readonly GalleryExample[] = [
  example('a cached prompt with a write of 30 minutes', PAGE, '0.0705', [request(cachedPrompt)]),
  example('a long prompt is priced whole in its band', PAGE, '0.28', [request(longPrompt)]),
  example('a long prompt in the fast tier', PAGE, '0.56', [request({ ...longPrompt, tier: 'fast' })]),
  example('a long prompt in a batch', PAGE, '0.14', [request({ ...longPrompt, tier: 'batch' })]),
  example('exactly 272,000 tokens are short', PAGE, '0.554', [request({ fresh: 272_000, output: 1_000 })]),
  example('one token more is long', PAGE, '1.103004', [request({ band: 'long', fresh: 272_001, output: 1_000 })]),
  example('gpt-5.5 above its band, with little cached', 'issue 862 of tokscale, at the rates of gpt-5.5', '2.741686', [
    request({
      time: '2026-08-24T16:02:11Z',
      model: 'gpt-5.5',
      band: 'long',
      fresh: 270_540,
      cached: 7_936,
      output: 630,
    }),
  ]),
  example('o3 on the two sides of its price cut', BY_HAND, '16.8', [
    request({ time: '2025-06-09T23:59:59Z', model: 'o3', band: 'none', fresh: 1_000_000, output: 100_000 }),
    request({ time: '2025-06-10T00:00:00Z', model: 'o3', band: 'none', fresh: 1_000_000, output: 100_000 }),
  ]),
  example('gpt-5.4 flex reads its cache at the rounded price that is published', BY_HAND, '0.033', [
    request({
      time: '2026-08-24T16:05:00Z',
      model: 'gpt-5.4',
      tier: 'flex',
      fresh: 10_000,
      cached: 100_000,
      output: 1_000,
    }),
  ]),
  example('the fast tier of gpt-4o is 1.7 times its standard', BY_HAND, '0.0595', [
    request({
      time: '2026-08-24T16:06:00Z',
      model: 'gpt-4o',
      tier: 'fast',
      band: 'none',
      fresh: 10_000,
      output: 1_000,
    }),
  ]),
  example('the promotion of gpt-5.6-sol', BY_HAND, '0.06', [
    request({ time: '2026-11-20T12:00:00Z', model: 'gpt-5.6-sol', fresh: 10_000, output: 1_000 }),
  ]),
  example('processing in a chosen region costs a tenth more', BY_HAND, '0.07755', [
    request({ ...cachedPrompt, region: 'eu' }),
  ]),
  example('ultrafast was asked for in Europe: standard answered and is billed', BY_HAND, '0.15', [
    request({ time: '2026-10-02T08:00:00Z', model: 'gpt-6-astra', fresh: 10_000, output: 1_000 }),
  ]),
  example('ultrafast before and after its introductory multiple ends', BY_HAND, '2.7', [
    request({ time: '2027-02-28T23:59:59Z', tier: 'ultrafast', fresh: 100_000, output: 10_000 }),
    request({ time: '2027-03-01T00:00:00Z', tier: 'ultrafast', fresh: 100_000, output: 10_000 }),
  ]),
];
