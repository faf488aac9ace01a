import { BY_HAND, example, type Part } from './examples.js';
import type { GalleryBook } from './gallery.types.js';
import { propertyMeter, unitPrice, versionsOf } from './rows.js';

const GENERATIONS = 'stability_generations';

const TUTORIAL = {
  source: 'https://developer.puter.com/tutorials/stability-ai-api-pricing/, read 2026-06',
  asOf: '2026-06-01',
};

/** Money for one credit. */
const CREDIT = '0.01';

/** Product and credits for each successful generation. SDXL goes by steps and resolution and has no price here. */
const CREDITS = [
  ['stable-image-ultra', '8'],
  ['sd-3.5-large', '6.5'],
  ['sd-3.5-large-turbo', '4'],
  ['sd-3.5-medium', '3.5'],
  ['stable-image-core', '3'],
  ['stable-audio-2.5', '20'],
] as const;

function generation(time: string, product: string, outcome: 'success' | 'failed'): Part {
  return {
    event: { type: 'image.generation', time, properties: { provider: 'stability', product, outcome } },
    counts: outcome === 'success' ? [{ meter: GENERATIONS, dimensions: { product }, quantity: '1' }] : [],
  };
}

/** A hundred requests within an hour and forty minutes, seven of which fail. */
const hundred = Array.from({ length: 100 }, (_, index) =>
  generation(
    `2026-10-15T${index < 60 ? '08' : '09'}:${String(index % 60).padStart(2, '0')}:00Z`,
    'sd-3.5-large',
    index % 14 === 13 ? 'failed' : 'success',
  ),
);

/** Stability AI: credits for each successful generation. The 25 free credits are given once and are no price. */
export const stability: GalleryBook = {
  key: 'stability',
  name: 'Stability AI list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    propertyMeter({
      key: GENERATIONS,
      eventType: 'image.generation',
      filter: 'properties.provider == "stability" && properties.outcome == "success"',
      valueProperty: null,
      dimensions: ['product'],
      unit: 'generation',
    }),
  ],
  models: [],
  versions: versionsOf([
    {
      effectiveAt: '2025-01-01T00:00:00Z',
      source: TUTORIAL.source,
      prices: CREDITS.map(([product, credits]) =>
        unitPrice(TUTORIAL, {
          meter: GENERATIONS,
          name: `${product}, ${credits} credits a generation`,
          dimensions: { product },
          conversion: { multiplyBy: credits, rounding: 'NONE', precision: 0 },
          unitAmount: CREDIT,
        }),
      ),
    },
  ]),
  examples: [
    example('a hundred requests, of which seven fail', TUTORIAL.source, '6.045', hundred),
    example('an image and a piece of music', BY_HAND, '0.28', [
      generation('2026-10-15T08:00:00Z', 'stable-image-ultra', 'success'),
      generation('2026-10-15T08:01:00Z', 'stable-audio-2.5', 'success'),
    ]),
  ],
};
