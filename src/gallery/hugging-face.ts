import { BY_HAND, example, type Part } from './examples.js';
import type { GalleryBook, GalleryPrice } from './gallery.types.js';
import { propertyMeter, unitPrice, versionsOf } from './rows.js';

const ENDPOINTS = 'hf_endpoint_minutes';
const JOBS = 'hf_job_minutes';
const PORTS = 'hf_job_port_minutes';
const INFERENCE = 'hf_inference_seconds';

const DOCUMENTATION = 'huggingface/hf-endpoints-documentation@6b7307a, docs/source/support/pricing.md';
const PAGE = { source: `${DOCUMENTATION}, 2026-08-20`, asOf: '2026-08-20' };
const HUB = { source: 'Hugging Face Hub pricing of jobs and inference providers, read 2026-11', asOf: '2026-11-01' };

/** Minutes in the hour that the published prices are for. */
const HOUR = '60';

const DEPRECATED = 'deprecated December 2025';

/**
 * Vendor, instance, then its price an hour by size. The steps are not linear (four T4 cost six times one), so every size is
 * a price of its own and nothing is ever multiplied by a count of accelerators.
 */
const TABLE: readonly (readonly [string, string, Readonly<Record<string, string>>, string?])[] = [
  ['aws', 'intel-spr', { x1: '0.033', x2: '0.067', x4: '0.134', x8: '0.268', x16: '0.536' }],
  ['azure', 'intel-xeon', { x1: '0.060', x2: '0.120', x4: '0.240', x8: '0.480' }],
  ['gcp', 'intel-spr', { x1: '0.050', x2: '0.100', x4: '0.200', x8: '0.400' }],
  ['aws', 'nvidia-t4', { x1: '0.5', x4: '3' }],
  ['aws', 'nvidia-l4', { x1: '0.8', x4: '3.8' }],
  ['gcp', 'nvidia-l4', { x1: '0.7', x4: '3.8' }],
  ['aws', 'nvidia-a10g', { x1: '1', x4: '5' }],
  ['aws', 'nvidia-l40s', { x1: '1.8', x4: '8.3', x8: '23.5' }],
  ['aws', 'nvidia-a100', { x1: '2.5', x2: '5', x4: '10', x8: '20' }],
  ['gcp', 'nvidia-a100', { x1: '3.6', x2: '7.2', x4: '14.4', x8: '28.8' }],
  ['aws', 'nvidia-h200', { x1: '5', x2: '10', x4: '20', x8: '40' }],
  ['gcp', 'nvidia-h100', { x1: '10', x2: '20', x4: '40', x8: '80' }],
  ['aws', 'nvidia-h100', { x1: '4.5', x2: '9', x4: '18', x8: '36' }, DEPRECATED],
  ['aws', 'nvidia-b200', { x1: '9.25', x2: '18.5', x4: '37', x8: '74' }, DEPRECATED],
  ['aws', 'inf2', { x1: '0.75', x12: '12' }],
];

/** Jobs by hardware, an hour. The prices of processors alone are published as a range, so they are left out. */
const JOB_TABLE = [
  ['nvidia-t4', '0.40'],
  ['nvidia-l4', '0.80'],
  ['nvidia-a100', '2.50'],
  ['nvidia-h200', '5.00'],
  ['nvidia-rtx-pro-6000', '2.75'],
] as const;

const endpoints: readonly GalleryPrice[] = TABLE.flatMap(([vendor, instance, sizes, note]) =>
  Object.entries(sizes).map(([size, unitAmount]) =>
    unitPrice(PAGE, {
      meter: ENDPOINTS,
      name: `${vendor} ${instance} ${size}, hour of a replica`,
      dimensions: { vendor, instance, size },
      unitAmount,
      per: HOUR,
      ...(note ? { note } : {}),
    }),
  ),
);

const jobs: readonly GalleryPrice[] = [
  ...JOB_TABLE.map(([hardware, unitAmount]) =>
    unitPrice(HUB, { meter: JOBS, name: `job on ${hardware}, hour`, dimensions: { hardware }, unitAmount, per: HOUR }),
  ),
  unitPrice(HUB, {
    meter: PORTS,
    name: 'exposed port of a job, hour',
    dimensions: {},
    unitAmount: '0.01',
    per: HOUR,
  }),
];

/** The page's own example, of a machine that it does not name. */
const inference = unitPrice(HUB, {
  meter: INFERENCE,
  name: 'hf-inference, second of compute',
  dimensions: { provider: 'hf-inference' },
  unitAmount: '0.00012',
});

/** A stretch of an endpoint's life with as many replicas all along. */
function uptime(
  time: string,
  instance: readonly [vendor: string, type: string, size: string],
  stretch: { readonly seconds: number; readonly replicas: number; readonly state?: string },
  minutes: string | null,
): Part {
  const [vendor, type, size] = instance;
  const dimensions = { vendor, instance: type, size };

  return {
    event: { type: 'endpoint.uptime', time, properties: { ...dimensions, state: 'running', ...stretch } },
    counts: minutes === null ? [] : [{ meter: ENDPOINTS, dimensions, quantity: minutes }],
  };
}

const T4 = ['aws', 'nvidia-t4', 'x1'] as const;

/** Hugging Face Inference Endpoints, billed by the minute while they initialise and run; jobs; hf-inference. */
export const huggingFace: GalleryBook = {
  key: 'hugging-face',
  name: 'Hugging Face list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    propertyMeter({
      key: ENDPOINTS,
      eventType: 'endpoint.uptime',
      filter: 'properties.state in ["initializing", "running"]',
      valueProperty: 'seconds',
      factorProperties: ['replicas'],
      conversion: { divideBy: '60', rounding: 'CEILING', precision: 0 },
      dimensions: ['vendor', 'instance', 'size'],
      unit: 'minute',
    }),
    propertyMeter({
      key: JOBS,
      eventType: 'job.run',
      filter: '',
      valueProperty: 'seconds',
      conversion: { divideBy: '60', rounding: 'CEILING', precision: 0 },
      dimensions: ['hardware'],
      unit: 'minute',
    }),
    propertyMeter({
      key: PORTS,
      eventType: 'job.run',
      filter: 'has(properties.exposed_ports)',
      valueProperty: 'seconds',
      factorProperties: ['exposed_ports'],
      conversion: { divideBy: '60', rounding: 'CEILING', precision: 0 },
      dimensions: [],
      unit: 'minute',
    }),
    propertyMeter({
      key: INFERENCE,
      eventType: 'inference.compute',
      filter: '',
      valueProperty: 'seconds',
      dimensions: ['provider'],
      unit: 'second',
    }),
  ],
  models: [],
  versions: versionsOf([
    {
      effectiveAt: '2025-01-01T00:00:00Z',
      source: `${PAGE.source}; ${HUB.source}`,
      prices: [...endpoints, ...jobs, inference],
    },
  ]),
  examples: [
    example('a month of one T4 that scales up by two for a quarter of the time', PAGE.source, '547.5', [
      uptime('2026-10-15T00:00:00Z', T4, { seconds: 2_628_000, replicas: 1 }, '43800'),
      uptime('2026-10-15T00:00:00Z', T4, { seconds: 657_000, replicas: 2 }, '21900'),
    ]),
    example(
      'a month of two Intel cores at the listed price, where the page reckons with another',
      PAGE.source,
      '48.91',
      [uptime('2026-10-15T00:00:00Z', ['aws', 'intel-spr', 'x2'], { seconds: 2_628_000, replicas: 1 }, '43800')],
    ),
    example('a begun minute counts, a pause does not', BY_HAND, '0.15', [
      uptime('2026-10-15T08:00:00Z', T4, { seconds: 61, replicas: 1, state: 'initializing' }, '2'),
      uptime('2026-10-15T08:10:00Z', T4, { seconds: 479, replicas: 2 }, '16'),
      uptime('2026-10-15T08:20:00Z', T4, { seconds: 600, replicas: 1, state: 'paused' }, null),
    ]),
    example('ten seconds of hf-inference', HUB.source, '0.0012', [
      {
        event: {
          type: 'inference.compute',
          time: '2026-10-15T09:00:00Z',
          properties: { provider: 'hf-inference', seconds: 10 },
        },
        counts: [{ meter: INFERENCE, dimensions: { provider: 'hf-inference' }, quantity: '10' }],
      },
    ]),
    example('a job of an hour and a second on an L4, with one port open', BY_HAND, '0.8235', [
      {
        event: {
          type: 'job.run',
          time: '2026-10-15T10:00:00Z',
          properties: { hardware: 'nvidia-l4', seconds: 3_601, exposed_ports: 1 },
        },
        counts: [
          { meter: JOBS, dimensions: { hardware: 'nvidia-l4' }, quantity: '61' },
          { meter: PORTS, dimensions: {}, quantity: '61' },
        ],
      },
    ]),
  ],
};
