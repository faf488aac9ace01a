import type { GalleryBook } from './gallery.types.js';
import { OPENAI_EXAMPLES } from './openai-examples.js';
import { OPENAI_MODELS, OPENAI_TOKENS, OPENAI_VERSIONS } from './openai-prices.js';
import { tokenMeter } from './rows.js';

/** OpenAI's token prices. Tools (web search, file search, containers) are left out: no confirmed price was found. */
export const openai: GalleryBook = {
  key: 'openai',
  name: 'OpenAI list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    // The region stands in a gateway's event when it called a regional host (eu.api.openai.com), and only then.
    tokenMeter(OPENAI_TOKENS, 'properties.provider == "openai"', [{ name: 'region', property: 'processing_region' }]),
  ],
  models: OPENAI_MODELS,
  versions: OPENAI_VERSIONS,
  examples: OPENAI_EXAMPLES,
};
