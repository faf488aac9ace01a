import { example, type Part } from './examples.js';
import type { GalleryBook } from './gallery.types.js';
import { propertyMeter, unitPrice, versionsOf } from './rows.js';

const SECONDS = 'replicate_seconds';

const PAGE = { source: 'https://replicate.com/pricing, checked 2026-03-09', asOf: '2026-03-09' };

/** Hardware and its price a second. */
const HARDWARE = [
  ['cpu', '0.000100'],
  ['t4', '0.000225'],
  ['l40s', '0.000975'],
  ['l40s-x2', '0.00195'],
  ['l40s-x4', '0.0039'],
  ['l40s-x8', '0.0078'],
  ['a40', '0.000575'],
  ['a40-large', '0.000725'],
  ['a100-80', '0.0014'],
  ['a100-80-x2', '0.0028'],
  ['a100-80-x4', '0.0056'],
  ['a100-80-x8', '0.0112'],
  ['h100', '0.001525'],
  ['h100-x8', '0.0122'],
] as const;

const PHASES = [
  ['setup', 45],
  ['idle', 300],
  ['active', 12],
] as const;

/** The three phases of one machine's life, an event each. */
function life(visibility: 'public' | 'private', hardware: string): Part[] {
  return PHASES.map(([phase, seconds], index) => ({
    event: {
      type: 'prediction.phase',
      time: `2026-10-15T08:0${index}:00Z`,
      properties: { provider: 'replicate', visibility, hardware, phase, seconds },
    },
    counts:
      visibility === 'private' || phase === 'active'
        ? [{ meter: SECONDS, dimensions: { hardware, visibility, phase }, quantity: String(seconds) }]
        : [],
  }));
}

/** Replicate by the second: of public models the active time, of private ones set-up and waiting as well. */
export const replicate: GalleryBook = {
  key: 'replicate',
  name: 'Replicate list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    propertyMeter({
      key: SECONDS,
      eventType: 'prediction.phase',
      filter:
        'properties.provider == "replicate" && (properties.visibility == "private" || properties.phase == "active")',
      valueProperty: 'seconds',
      dimensions: ['hardware', 'visibility', 'phase'],
      unit: 'second',
    }),
  ],
  models: [],
  versions: versionsOf([
    {
      effectiveAt: '2025-01-01T00:00:00Z',
      source: PAGE.source,
      prices: HARDWARE.map(([hardware, unitAmount]) =>
        unitPrice(PAGE, {
          meter: SECONDS,
          name: `${hardware}, second`,
          dimensions: { hardware },
          unitAmount,
        }),
      ),
    },
  ]),
  examples: [
    example('a private model pays for set-up, waiting and work', PAGE.source, '0.4998', life('private', 'a100-80')),
    example('the same as a public model pays for work only', PAGE.source, '0.0168', life('public', 'a100-80')),
  ],
};
