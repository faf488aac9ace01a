import { BY_HAND, example, llmRequest, tokenCounts } from './examples.js';
import type { GalleryBook, GalleryModel } from './gallery.types.js';
import {
  modelsOf,
  multiples,
  propertyMeter,
  tokenMeter,
  tokenPrices,
  tokenRows,
  unitPrice,
  versionsOf,
  type Citation,
  type TokenKind,
} from './rows.js';

const TOKENS = 'other_provider_tokens';
const TOOLS = 'perplexity_tool_calls';

const XAI: Citation = { source: 'xAI prices in open price lists, 2026-08-15', asOf: '2026-08-15' };
const MISTRAL: Citation = { source: 'Mistral prices in open price lists, 2026-07-27', asOf: '2026-07-27' };
const DEEPSEEK: Citation = { source: 'DeepSeek prices in open price lists, 2026-08-08', asOf: '2026-08-08' };
const PERPLEXITY: Citation = { source: 'https://docs.perplexity.ai, read 2026-11', asOf: '2026-11-01' };

/** Every model of the book. Of all models in this gallery only xAI's have a band that begins at its bound, not above it. */
const MODELS: readonly GalleryModel[] = [
  ...modelsOf(
    'xai',
    [XAI.source],
    [
      ['grok-4.3', 'grok-4'],
      ['grok-4.5', 'grok-4'],
    ],
    [{ above: '200000', inclusive: true, name: 'long' }],
  ),
  ...modelsOf('mistral', [MISTRAL.source], [['mistral-large-3', 'mistral-large']]),
  ...modelsOf(
    'deepseek',
    [DEEPSEEK.source],
    [
      ['deepseek-v4-flash', 'deepseek-v4'],
      ['deepseek-v4-pro', 'deepseek-v4'],
    ],
  ),
];

const KINDS: readonly TokenKind[] = ['input', 'cache_read', 'output'];

const grokShort = tokenRows(XAI, KINDS, [
  ['grok-4.3', '1.25', '0.2', '2.5'],
  ['grok-4.5', '2', '0.3', '6'],
]);
const grok = [...grokShort, ...multiples(grokShort, '2', { band: 'long' }, '×2 from 200,000 tokens on')];
const mistral = tokenRows(MISTRAL, KINDS, [['mistral-large-3', '0.5', '0.05', '1.5']]);
const deepseek = tokenRows(DEEPSEEK, KINDS, [
  ['deepseek-v4-flash', '0.14', '0.0028', '0.28'],
  ['deepseek-v4-pro', '0.435', '0.003625', '0.87'],
]);

const tools = [
  ['web_search', '0.005', '1'],
  ['fetch_url', '0.0005', '1'],
  ['search_api', '5', '1000'],
] as const;

/** xAI, Mistral and DeepSeek by the token, Perplexity's tools by the call. */
export const otherProviders: GalleryBook = {
  key: 'other-providers',
  name: 'xAI, Mistral, DeepSeek, Perplexity list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    tokenMeter(TOKENS, 'properties.provider in ["xai", "mistral", "deepseek"]'),
    propertyMeter({
      key: TOOLS,
      eventType: 'tool.call',
      filter: 'properties.provider == "perplexity"',
      valueProperty: null,
      dimensions: ['tool'],
      unit: 'call',
    }),
  ],
  models: MODELS,
  versions: versionsOf([
    {
      effectiveAt: '2025-01-01T00:00:00Z',
      source: [XAI, MISTRAL, DEEPSEEK, PERPLEXITY].map(({ source }) => source).join('; '),
      prices: [
        ...tokenPrices(TOKENS, MODELS, [
          ...grok,
          ...multiples(grok, '0.8', { tier: 'batch' }, 'batch −20 %'),
          ...mistral,
          ...multiples(mistral, '0.5', { tier: 'batch' }, 'batch −50 %'),
          ...deepseek,
        ]),
        ...tools.map(([tool, unitAmount, per]) =>
          unitPrice(PERPLEXITY, { meter: TOOLS, name: `Perplexity ${tool}`, dimensions: { tool }, unitAmount, per }),
        ),
      ],
    },
  ]),
  examples: [
    example('one token below 200,000 is short, 200,000 are long', BY_HAND, '1.199998', [
      {
        event: llmRequest('2026-10-15T08:00:00Z', 'xai', 'grok-4.5', {
          prompt_tokens: 199_999,
          completion_tokens: 0,
          total_tokens: 199_999,
        }),
        counts: tokenCounts(TOKENS, { model: 'grok-4.5', band: 'short' }, { input: '199999' }),
      },
      {
        event: llmRequest('2026-10-15T08:01:00Z', 'xai', 'grok-4.5', {
          prompt_tokens: 200_000,
          completion_tokens: 0,
          total_tokens: 200_000,
        }),
        counts: tokenCounts(TOKENS, { model: 'grok-4.5', band: 'long' }, { input: '200000' }),
      },
    ]),
    example('two kinds of tool calls', BY_HAND, '0.0055', [
      {
        event: {
          type: 'tool.call',
          time: '2026-10-15T08:00:00Z',
          properties: { provider: 'perplexity', tool: 'web_search' },
        },
        counts: [{ meter: TOOLS, dimensions: { tool: 'web_search' }, quantity: '1' }],
      },
      {
        event: {
          type: 'tool.call',
          time: '2026-10-15T08:00:30Z',
          properties: { provider: 'perplexity', tool: 'fetch_url' },
        },
        counts: [{ meter: TOOLS, dimensions: { tool: 'fetch_url' }, quantity: '1' }],
      },
    ]),
  ],
};
