import type { Decimal } from '../money/index.js';

/**
 * The kinds a token may have. Every token of a request has exactly one, so the quantities of a vector may be added and
 * each priced by itself. Whatever a provider counts beyond these is a kind `unknown:<path>`, for which nobody has a price.
 */
export const TOKEN_KINDS = [
  /** Text of the prompt, or what has no modality, that was neither read from nor written to a cache. */
  'input',
  /** Audio of the prompt, not from a cache. */
  'input_audio',
  /** Images of the prompt, not from a cache. */
  'input_image',
  /** Video of the prompt, not from a cache. */
  'input_video',
  /** Prompt tokens read from a cache: text, video, and what has no modality. */
  'cache_read',
  /** Audio of the prompt read from a cache. */
  'cache_read_audio',
  /** Images of the prompt read from a cache. */
  'cache_read_image',
  /** Prompt tokens written to a cache whose lifetime the provider does not tell. */
  'cache_write',
  /** Prompt tokens written to a cache for 5 minutes. */
  'cache_write_5m',
  /** Prompt tokens written to a cache for 30 minutes. */
  'cache_write_30m',
  /** Prompt tokens written to a cache for 1 hour. */
  'cache_write_1h',
  /** Prompt tokens written to a cache for 12 hours. */
  'cache_write_12h',
  /** Tokens generated as text, reasoning among them. */
  'output',
  /** Tokens generated as audio. */
  'output_audio',
  /** Tokens generated as images. */
  'output_image',
  /** Requests to the provider's web search; no tokens. */
  'web_search',
  /** Search units of a rerank, a query with up to 100 documents each; no tokens. */
  'search_unit',
] as const;

/** One of `TOKEN_KINDS`. */
export type TokenKind = (typeof TOKEN_KINDS)[number];

/** How many tokens of one kind: one of `TOKEN_KINDS`, or `unknown:<path>`. More than zero. */
export interface TokenCount {
  readonly kind: string;
  readonly quantity: Decimal;
}
