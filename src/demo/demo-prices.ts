/**
 * Public list prices, typed from the providers' pages, in USD per million tokens: what the demo's platform pays.
 * Read in November 2026. They are facts for a demonstration, not a price feed.
 */
export const DEMO_MODELS = [
  {
    key: 'gpt-6.2-sol',
    provider: 'openai',
    family: 'gpt-6.2',
    input: '2',
    output: '10',
    contextBands: [{ above: '272000', name: 'long' }],
    source: 'https://developers.openai.com/api/docs/pricing, read 2026-11',
  },
  {
    key: 'gpt-6-luna',
    provider: 'openai',
    family: 'gpt-6',
    input: '0.10',
    output: '0.50',
    contextBands: [{ above: '272000', name: 'long' }],
    source: 'https://developers.openai.com/api/docs/pricing, read 2026-11',
  },
  {
    key: 'claude-opus-5.5',
    provider: 'anthropic',
    family: 'claude-5.5',
    input: '4',
    output: '20',
    contextBands: [],
    source: 'https://platform.claude.com/docs/en/about-claude/pricing, read 2026-11',
  },
  {
    key: 'claude-sonnet-5.5',
    provider: 'anthropic',
    family: 'claude-5.5',
    input: '2',
    output: '10',
    contextBands: [],
    source: 'https://platform.claude.com/docs/en/about-claude/pricing, read 2026-11',
  },
  {
    key: 'gemini-3.1-pro',
    provider: 'google',
    family: 'gemini-3.1',
    input: '2',
    output: '12',
    contextBands: [{ above: '200000', name: 'long' }],
    source: 'Langfuse price list, 2026-08',
  },
  {
    key: 'mistral-large-3',
    provider: 'mistral',
    family: 'mistral-large',
    input: '0.5',
    output: '1.5',
    contextBands: [],
    source: 'mistral.ai pricing, read 2026-07-27',
  },
] as const;

/** What the demo's platform asks its direct customers for, in USD per million tokens. */
export const PLATFORM_RATES: Readonly<Record<string, { readonly input: string; readonly output: string }>> = {
  'gpt-6.2-sol': { input: '2.50', output: '12.50' },
  'gpt-6-luna': { input: '0.125', output: '0.625' },
  'claude-opus-5.5': { input: '5', output: '25' },
  'claude-sonnet-5.5': { input: '2.50', output: '12.50' },
  'gemini-3.1-pro': { input: '2.50', output: '15' },
  'mistral-large-3': { input: '0.60', output: '1.80' },
};

/** What the demo's reseller asks its customers for: one price for every model, by volume of a month, in EUR. */
export const RESELLER_TIERS = {
  input: [
    { upTo: '10000000', amount: '3.40' },
    { upTo: null, amount: '2.90' },
  ],
  output: [
    { upTo: '2000000', amount: '16' },
    { upTo: null, amount: '13.50' },
  ],
} as const;
