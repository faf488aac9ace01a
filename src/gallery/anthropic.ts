import { BY_HAND, example, llmRequest, tokenCounts, type Part } from './examples.js';
import type { GalleryBook, GalleryExample, GalleryModel, GalleryPrice } from './gallery.types.js';
import {
  modelsOf,
  multiples,
  propertyMeter,
  tokenMeter,
  tokenPrices,
  tokenRows,
  unitPrice,
  versionsOf,
  type Change,
  type Citation,
  type ServiceTier,
  type TokenKind,
  type TokenRow,
} from './rows.js';

const TOKENS = 'anthropic_tokens';
const SESSIONS = 'anthropic_session_milliseconds';

const PRICING = 'https://platform.claude.com/docs/en/about-claude/pricing';
const PAGE: Citation = { source: `${PRICING}, read 2026-11`, asOf: '2026-11-01' };
/** Models of earlier years, as two open price tables have them after the page. */
const CHECKED: Citation = {
  source: `${PRICING}; claudit v1.9.2, checked 2026-10-24; synaps pricing module, verified 2026-10`,
  asOf: '2026-10-24',
};

const PLAIN = [
  ['claude-fable-5.1', 'claude-5.1'],
  ['claude-mythos-5.1', 'claude-5.1'],
  ['claude-fable-5', 'claude-5'],
  ['claude-mythos-5', 'claude-5'],
  ['claude-opus-5.5', 'claude-5.5'],
  ['claude-opus-5', 'claude-5'],
  ['claude-opus-4.8', 'claude-4.8'],
  ['claude-opus-4.7', 'claude-4.7'],
  ['claude-opus-4.6', 'claude-4.6'],
  ['claude-opus-4.5', 'claude-4.5'],
  ['claude-opus-4.1', 'claude-4.1'],
  ['claude-opus-4', 'claude-4'],
  ['claude-sonnet-5.5', 'claude-5.5'],
  ['claude-sonnet-5', 'claude-5'],
  ['claude-sonnet-4.6', 'claude-4.6'],
  ['claude-haiku-4.5', 'claude-4.5'],
  ['claude-haiku-3.5', 'claude-3.5'],
  ['claude-haiku-3', 'claude-3'],
] as const;

/** Every model of the book. The prompt that a band looks at is input, cache reads and cache writes together. */
const MODELS: readonly GalleryModel[] = [
  ...modelsOf('anthropic', [PAGE.source], PLAIN),
  ...modelsOf(
    'anthropic',
    [PAGE.source],
    [
      ['claude-sonnet-4.5', 'claude-4.5'],
      ['claude-sonnet-4', 'claude-4'],
    ],
    [{ above: '200000', inclusive: false, name: 'long' }],
  ),
  ...modelsOf(
    'anthropic',
    [PAGE.source],
    [['claude-haiku-5.5', 'claude-5.5']],
    [{ above: '100000', inclusive: false, name: 'long' }],
  ),
];

/** From Opus 4.6 on, `inference_geo: us` costs a tenth more. */
const CHOOSES_PLACE = /-(4\.[6-9]|5|5\.\d)$/;

const KINDS: readonly TokenKind[] = ['input', 'cache_write_5m', 'cache_write_1h', 'cache_read', 'output'];

/** The rows with what the page gives as multiples of them: batches at half, United States only at 1.1, both together. */
function withMultiples(rows: readonly TokenRow[]): TokenRow[] {
  const standard = rows.filter(({ tier }) => tier === 'standard');
  const all = [...rows, ...multiples(standard, '0.5', { tier: 'batch' }, 'batch ×0.5')];
  const placed = all.filter(({ model }) => CHOOSES_PLACE.test(model));

  return [...all, ...multiples(placed, '1.1', { place: { inference_geo: 'us' } }, 'inference_geo us ×1.1')];
}

function change(
  effectiveAt: string,
  source: string,
  rows: readonly TokenRow[],
  more: Pick<Partial<Change>, 'ends' | 'withdrawn'> & { readonly others?: readonly GalleryPrice[] } = {},
): Change {
  const { others = [], ...rest } = more;

  return { effectiveAt, source, prices: [...tokenPrices(TOKENS, MODELS, withMultiples(rows)), ...others], ...rest };
}

const undated = [
  ...tokenRows(CHECKED, KINDS, [
    ['claude-fable-5', '10', '12.50', '20', '1.00', '50'],
    ['claude-mythos-5', '10', '12.50', '20', '1.00', '50'],
    ['claude-opus-5', '5', '6.25', '10', '0.50', '25'],
    ['claude-opus-4.8', '5', '6.25', '10', '0.50', '25'],
    ['claude-opus-4.7', '5', '6.25', '10', '0.50', '25'],
    ['claude-opus-4.5', '5', '6.25', '10', '0.50', '25'],
    ['claude-sonnet-5', '2', '2.50', '4', '0.20', '10'],
    ['claude-sonnet-4.5', '3', '3.75', '6', '0.30', '15'],
    ['claude-sonnet-4', '3', '3.75', '6', '0.30', '15'],
    ['claude-haiku-4.5', '1', '1.25', '2', '0.10', '5'],
    ['claude-haiku-3.5', '0.80', '1', '1.6', '0.08', '4'],
    ['claude-haiku-3', '0.25', '0.30', '0.50', '0.03', '1.25'],
  ]),
  ...tokenRows(
    CHECKED,
    KINDS,
    [
      ['claude-opus-4.1', '15', '18.75', '30', '1.50', '75'],
      ['claude-opus-4', '15', '18.75', '30', '1.50', '75'],
    ],
    { note: 'retired on the own API of the provider' },
  ),
  // Cache prices above the band are not published, so a long prompt that uses the cache has no price in this book.
  ...tokenRows(CHECKED, ['input', 'output'], [['claude-sonnet-4.5', '6', '22.5']], { band: 'long' }),
  ...tokenRows(
    CHECKED,
    KINDS,
    [
      ['claude-opus-5', '10', '12.5', '20', '1', '50'],
      ['claude-opus-4.8', '10', '12.5', '20', '1', '50'],
    ],
    { tier: 'fast' },
  ),
];

const others = [
  // No price of a search in another tier is published.
  unitPrice(PAGE, {
    meter: TOKENS,
    name: 'web search, standard',
    dimensions: { token_kind: 'web_search', service_tier: 'standard' },
    unitAmount: '10',
    per: '1000',
  }),
  unitPrice(PAGE, {
    meter: SESSIONS,
    name: 'managed agent, session-hour while running',
    dimensions: {},
    unitAmount: '0.08',
    per: '3600000',
  }),
];

/** What they cost while they had a band was not found, so the book has them from the day on which it was removed. */
const generation46 = tokenRows(CHECKED, KINDS, [
  ['claude-opus-4.6', '5', '6.25', '10', '0.50', '25'],
  ['claude-sonnet-4.6', '3', '3.75', '6', '0.30', '15'],
]);
const opus46 = generation46.filter(({ model }) => model === 'claude-opus-4.6');

const opus55 = tokenRows(PAGE, KINDS, [['claude-opus-5.5', '4', '5', '8', '0.20', '20']]);
const opus55Fast = [
  ...tokenRows(PAGE, ['input', 'output'], [['claude-opus-5.5', '8', '40']], { tier: 'fast' }),
  ...multiples(
    opus55.filter(({ kind }) => kind.startsWith('cache')),
    '2',
    { tier: 'fast' },
    'fast ×2',
  ),
];

const haiku55 = [
  ...tokenRows(PAGE, KINDS, [['claude-haiku-5.5', '0.10', '0.125', '0.20', '0.01', '0.50']]),
  ...tokenRows(PAGE, KINDS, [['claude-haiku-5.5', '0.50', '0.625', '1.00', '0.05', '2.50']], { band: 'long' }),
];

const versions = versionsOf([
  change('2025-01-01T00:00:00Z', `${CHECKED.source}: models whose first day is not given`, undated, { others }),
  change('2026-03-13T00:00:00Z', `${CHECKED.source}: from 4.6 on no long-context band`, [
    ...generation46,
    ...multiples(opus46, '6', { tier: 'fast' }, 'fast ×6'),
  ]),
  // Announced, scheduled by price tools, and taken back. What its cache would have cost was never published.
  change(
    '2026-09-01T00:00:00Z',
    `${PRICING}: announced rise of Sonnet 5 to 3/15, cancelled on 2026-08-10`,
    tokenRows({ source: PRICING, asOf: '2026-08-10' }, ['input', 'output'], [['claude-sonnet-5', '3', '15']], {
      note: 'announced and cancelled on 2026-08-10; never held',
    }),
    { withdrawn: true, ends: ({ dimensions }) => dimensions['model'] === 'claude-sonnet-5' },
  ),
  change(
    '2026-09-01T00:00:00Z',
    `${PAGE.source}: Fable 5.1 and Mythos 5.1`,
    tokenRows(PAGE, KINDS, [
      ['claude-fable-5.1', '10', '12.50', '20', '0.25', '50'],
      ['claude-mythos-5.1', '10', '12.50', '20', '0.25', '50'],
    ]),
  ),
  change('2026-09-22T00:00:00Z', `${PAGE.source}: Opus 5.5`, [...opus55, ...opus55Fast]),
  change(
    '2026-09-28T00:00:00Z',
    `${PAGE.source}: Sonnet 5.5`,
    tokenRows(PAGE, KINDS, [['claude-sonnet-5.5', '2', '2.50', '4', '0.20', '10']]),
  ),
  change('2026-10-07T00:00:00Z', `${PAGE.source}: Haiku 5.5; Sonnet 5.5 reads its cache at half`, [
    ...haiku55,
    ...tokenRows(PAGE, ['cache_read'], [['claude-sonnet-5.5', '0.10']]),
  ]),
]);

interface Request {
  readonly time?: string;
  readonly model: string;
  readonly tier?: ServiceTier;
  readonly band?: string;
  readonly geo?: string;
  readonly input: number;
  readonly read?: number;
  readonly written5m?: number;
  readonly written1h?: number;
  readonly output: number;
  readonly searches?: number;
}

/** An answer of the Messages API. Its `input_tokens` are those beside cache reads and writes. */
function request(given: Request): Part {
  const { model, tier = 'standard', band, geo, input, output } = given;
  const { read = 0, written5m = 0, written1h = 0, searches = 0 } = given;
  const usage = {
    input_tokens: input,
    cache_creation_input_tokens: written5m + written1h,
    cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: written5m, ephemeral_1h_input_tokens: written1h },
    output_tokens: output,
    ...(searches > 0 ? { server_tool_use: { web_search_requests: searches } } : {}),
    service_tier: tier === 'batch' ? 'batch' : 'standard',
    ...(tier === 'fast' ? { speed: 'fast' } : {}),
    ...(geo ? { inference_geo: geo } : {}),
  };
  const place = geo ? { inference_geo: geo } : undefined;

  return {
    event: llmRequest(given.time ?? '2026-11-18T14:00:00Z', 'anthropic', model, usage),
    counts: tokenCounts(
      TOKENS,
      { model, tier, band, place },
      {
        input: String(input),
        ...(read > 0 ? { cache_read: String(read) } : {}),
        ...(written5m > 0 ? { cache_write_5m: String(written5m) } : {}),
        ...(written1h > 0 ? { cache_write_1h: String(written1h) } : {}),
        output: String(output),
        ...(searches > 0 ? { web_search: String(searches) } : {}),
      },
    ),
  };
}

const opusRequest = {
  model: 'claude-opus-5.5',
  input: 20_000,
  read: 180_000,
  written5m: 10_000,
  written1h: 5_000,
  output: 3_000,
};

const examples: readonly GalleryExample[] = [
  example('Opus 5.5 with reads and writes of two lifetimes', PAGE.source, '0.266', [request(opusRequest)]),
  example('the same request in a batch', PAGE.source, '0.133', [request({ ...opusRequest, tier: 'batch' })]),
  example('Haiku 5.5: reads and writes count towards the band', PAGE.source, '0.012875', [
    request({
      model: 'claude-haiku-5.5',
      band: 'long',
      input: 8_000,
      read: 90_000,
      written5m: 3_000,
      output: 1_000,
    }),
  ]),
  example('Opus 4.8 in the United States only', PAGE.source, '0.0825', [
    request({ model: 'claude-opus-4.8', geo: 'us', input: 10_000, output: 1_000 }),
  ]),
  example('Sonnet 5.5 on the two sides of its cache price cut', BY_HAND, '0.1', [
    request({ time: '2026-10-06T23:59:59Z', model: 'claude-sonnet-5.5', input: 5_000, read: 200_000, output: 1_000 }),
    request({ time: '2026-10-07T00:00:00Z', model: 'claude-sonnet-5.5', input: 5_000, read: 200_000, output: 1_000 }),
  ]),
  example('Sonnet 5 after the rise that was cancelled', BY_HAND, '0.03', [
    request({ time: '2026-09-15T10:00:00Z', model: 'claude-sonnet-5', input: 10_000, output: 1_000 }),
  ]),
  example('Opus 5 in the fast tier', BY_HAND, '0.15', [
    request({ model: 'claude-opus-5', tier: 'fast', input: 10_000, output: 1_000 }),
  ]),
  example('web searches beside the tokens', BY_HAND, '0.065', [
    request({ model: 'claude-sonnet-5.5', input: 10_000, output: 1_500, searches: 3 }),
  ]),
  example('an agent session is metered to the millisecond, while it runs', BY_HAND, '0.1', [
    {
      event: {
        type: 'agent.session',
        time: '2026-11-18T15:00:00Z',
        properties: { provider: 'anthropic', state: 'running', milliseconds: 4_500_000 },
      },
      counts: [{ meter: SESSIONS, dimensions: {}, quantity: '4500000' }],
    },
    {
      event: {
        type: 'agent.session',
        time: '2026-11-18T15:10:00Z',
        properties: { provider: 'anthropic', state: 'idle', milliseconds: 600_000 },
      },
      counts: [],
    },
  ]),
];

/** Anthropic's token prices, web search and managed agents. */
export const anthropic: GalleryBook = {
  key: 'anthropic',
  name: 'Anthropic list prices',
  currency: 'USD',
  readOn: '2026-11',
  meters: [
    tokenMeter(TOKENS, 'properties.provider == "anthropic"'),
    propertyMeter({
      key: SESSIONS,
      eventType: 'agent.session',
      filter: 'properties.provider == "anthropic" && properties.state == "running"',
      valueProperty: 'milliseconds',
      dimensions: [],
      unit: 'ms',
    }),
  ],
  models: MODELS,
  versions,
  examples,
};
