import { GALLERY, type GalleryKey } from '../gallery/index.js';
import { decimal, formatDecimal } from '../money/index.js';

/** The books of the gallery that the demo's platform buys by, with the meter that counts each provider's tokens. */
export const DEMO_BOOKS = [
  { key: 'openai', provider: 'OpenAI', meter: 'openai_tokens' },
  { key: 'anthropic', provider: 'Anthropic', meter: 'anthropic_tokens' },
  { key: 'google', provider: 'Google', meter: 'google_tokens' },
] as const satisfies readonly { readonly key: GalleryKey; readonly provider: string; readonly meter: string }[];

const PER_MILLION = '1000000';

/** One of `DEMO_BOOKS`. */
export type DemoBook = (typeof DEMO_BOOKS)[number]['key'];

/** A model that the demo's customers use. */
export interface DemoModel {
  readonly book: DemoBook;
  readonly key: string;
}

/** The models that the demo's customers use, each from its first day on the list. */
export const DEMO_MODELS: readonly DemoModel[] = [
  { book: 'openai', key: 'gpt-6.2-sol' },
  { book: 'openai', key: 'gpt-6-luna' },
  { book: 'openai', key: 'gpt-5-mini' },
  { book: 'anthropic', key: 'claude-opus-5.5' },
  { book: 'anthropic', key: 'claude-sonnet-5.5' },
  { book: 'anthropic', key: 'claude-haiku-4.5' },
  { book: 'google', key: 'gemini-3.1-pro' },
  { book: 'google', key: 'gemini-2.5-flash' },
];

/** What the demo's platform asks its direct customers for, as a multiple of what the usage costs it: 25 % on top. */
export const PLATFORM_MARKUP = '1.25';

/** What the list has for a model: only such usage may the demo's traffic have of it. */
export interface Listing {
  /** Its first day. */
  readonly since: Date;
  readonly hasCacheWrites: boolean;
  readonly hasBatches: boolean;
  /** Whether long prompts are priced in a band of their own. */
  readonly hasLongPrompts: boolean;
  /** What the platform asks for plain counts of tokens, per million: the price of a short standard request, marked up. */
  readonly retail: { readonly input: string; readonly output: string };
}

/** Reads a model's prices in the gallery. */
export function listingOf({ book, key }: DemoModel): Listing {
  const versions = (GALLERY.find(candidate => candidate.key === book)?.versions ?? [])
    .filter(({ withdrawn }) => !withdrawn)
    .map(({ effectiveAt, prices }) => ({
      effectiveAt,
      prices: prices.filter(({ dimensions }) => dimensions['model'] === key),
    }));
  const [first, last] = [versions.find(({ prices }) => prices.length > 0), versions.at(-1)];
  const all = last?.prices ?? [];
  const retail = (kind: string): string => {
    const price = all.find(
      ({ dimensions: { model: _model, token_kind, service_tier, context_band = 'short', ...place } }) =>
        token_kind === kind &&
        service_tier === 'standard' &&
        context_band === 'short' &&
        Object.keys(place).length === 0,
    );

    if (!price?.unitAmount || price.per !== PER_MILLION) {
      throw new Error(`the gallery has no ${kind} price of ${key} per million tokens`);
    }

    return formatDecimal(decimal(price.unitAmount).times(PLATFORM_MARKUP));
  };

  return {
    since: new Date(first?.effectiveAt ?? NaN),
    hasCacheWrites: all.some(({ dimensions }) => dimensions['token_kind']?.startsWith('cache_write')),
    hasBatches: all.some(({ dimensions }) => dimensions['service_tier'] === 'batch'),
    hasLongPrompts: all.some(({ dimensions }) => dimensions['context_band'] === 'long'),
    retail: { input: retail('input'), output: retail('output') },
  };
}

/** What the demo's reseller asks its customers for, in EUR: the same for every model, input and output by volume of a month. */
export const RESELLER_TERMS = {
  input: {
    model: 'GRADUATED',
    per: PER_MILLION,
    tiers: [
      { upTo: '10000000', unitAmount: '3.40' },
      { upTo: null, unitAmount: '2.90' },
    ],
  },
  output: {
    model: 'GRADUATED',
    per: PER_MILLION,
    tiers: [
      { upTo: '2000000', unitAmount: '16' },
      { upTo: null, unitAmount: '13.50' },
    ],
  },
  cacheRead: { model: 'UNIT', unitAmount: '0.40', per: PER_MILLION },
  cacheWrite: { model: 'UNIT', unitAmount: '3.80', per: PER_MILLION },
} as const;

/** The kinds of tokens that the demo's books price, and the terms of the reseller for each; kinds nobody knows stay unpriced. */
export const TOKEN_KINDS = [
  { kind: 'input*', words: 'input tokens', terms: 'input' },
  { kind: 'cache_read*', words: 'tokens from the cache', terms: 'cacheRead' },
  { kind: 'cache_write*', words: 'tokens into the cache', terms: 'cacheWrite' },
  { kind: 'output*', words: 'output tokens', terms: 'output' },
] as const;
