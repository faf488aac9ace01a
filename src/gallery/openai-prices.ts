import type { GalleryModel, GalleryVersion } from './gallery.types.js';
import {
  isOutput,
  modelsOf,
  multiples,
  tokenPrices,
  tokenRows,
  versionsOf,
  type Change,
  type Citation,
  type Line,
  type ServiceTier,
  type TokenKind,
  type TokenRow,
} from './rows.js';

/** The meter of this book. */
export const OPENAI_TOKENS = 'openai_tokens';

const OPENAI = 'https://developers.openai.com/api/docs/pricing and the model pages';
const LISTS = 'Langfuse default-model-prices.json of 2026-08-20, aicostbudget data set of 2026-08-22 (CC BY 4.0)';
const PAGE: Citation = { source: `${OPENAI}, read 2026-11`, asOf: '2026-11-01' };
const LIST: Citation = { source: `${LISTS}, after ${OPENAI}`, asOf: '2026-08-20' };
const RESIDENCY = 'https://developers.openai.com/api/docs/guides/data-residency, read 2026-11';

/** More than 272,000 tokens in: the whole request at other rates. Exactly 272,000 is short. */
const LONG = [{ above: '272000', inclusive: false, name: 'long' }];

/** Every model of the book. */
export const OPENAI_MODELS: readonly GalleryModel[] = [
  ...modelsOf(
    'openai',
    [PAGE.source],
    [
      ['gpt-6.2-astra', 'gpt-6.2'],
      ['gpt-6.2-sol', 'gpt-6.2'],
      ['gpt-6.1-sol', 'gpt-6.1'],
      ['gpt-6.1-terra', 'gpt-6.1'],
      ['gpt-6-astra', 'gpt-6'],
      ['gpt-6-sol', 'gpt-6'],
      ['gpt-6-luna', 'gpt-6'],
    ],
    LONG,
  ),
  ...modelsOf(
    'openai',
    [LIST.source],
    [
      ['gpt-5.6-sol', 'gpt-5.6'],
      ['gpt-5.6-terra', 'gpt-5.6'],
      ['gpt-5.6-luna', 'gpt-5.6'],
      ['gpt-5.5', 'gpt-5.5'],
      ['gpt-5.5-pro', 'gpt-5.5'],
      ['gpt-5.4', 'gpt-5.4'],
    ],
    LONG,
  ),
  ...modelsOf(
    'openai',
    [LIST.source],
    [
      ['gpt-5.4-mini', 'gpt-5.4'],
      ['gpt-5.4-nano', 'gpt-5.4'],
      ['gpt-5.2', 'gpt-5.2'],
      ['gpt-5.1', 'gpt-5.1'],
      ['gpt-5', 'gpt-5'],
      ['gpt-5-mini', 'gpt-5'],
      ['gpt-5-nano', 'gpt-5'],
      ['gpt-4.1', 'gpt-4.1'],
      ['gpt-4o', 'gpt-4o'],
      ['o3', 'o3'],
      ['o3-pro', 'o3'],
      ['o4-mini', 'o4'],
      ['text-embedding-3-small', 'text-embedding-3', 'embedding'],
      ['text-embedding-3-large', 'text-embedding-3', 'embedding'],
      ['gpt-image-2', 'gpt-image', 'image'],
      ['gpt-image-1.5', 'gpt-image', 'image'],
      ['gpt-realtime', 'gpt-realtime', 'audio'],
      ['gpt-realtime-mini', 'gpt-realtime', 'audio'],
    ],
  ),
];

/** Released on or after 2026-03-05, so that processing in a chosen region costs more. */
const REGIONAL = /^gpt-(5\.[4-6]|6)/;

const IN_OUT: readonly TokenKind[] = ['input', 'cache_read', 'output'];
const WITH_WRITE: readonly TokenKind[] = ['input', 'cache_read', 'cache_write', 'output'];
/** A write without a lifetime is one of 30 minutes, which the usage object does not say. */
const WITH_WRITES: readonly TokenKind[] = [
  'input',
  'cache_read',
  'cache_write',
  'cache_write_30m',
  'cache_write_12h',
  'output',
];

/** Half price, where the source says ×0.5: for batches and for flex. */
function halves(rows: readonly TokenRow[], tiers: readonly ServiceTier[] = ['batch', 'flex']): TokenRow[] {
  return tiers.flatMap(tier => multiples(rows, '0.5', { tier }, '×0.5 of standard'));
}

function doubled(rows: readonly TokenRow[]): TokenRow[] {
  return multiples(rows, '2', { tier: 'fast' }, '×2 of standard');
}

/** Above 272,000 tokens, where the source gives the multiple and no figures: input and cache ×2, output ×1.5. */
function long(rows: readonly TokenRow[]): TokenRow[] {
  return multiples(
    rows,
    kind => (isOutput(kind) ? '1.5' : '2'),
    { band: 'long' },
    'above 272,000 tokens in and cache ×2, out ×1.5',
  );
}

/** A cell of the column "Flex/Batch" that has figures of its own. */
function flexAndBatch(citation: Citation, kinds: readonly TokenKind[], lines: readonly Line[], band?: string) {
  return (['flex', 'batch'] as const).flatMap(tier =>
    tokenRows(citation, kinds, lines, { tier, ...(band ? { band } : {}) }),
  );
}

function fast(citation: Citation, kinds: readonly TokenKind[], lines: readonly Line[], band?: string): TokenRow[] {
  return tokenRows(citation, kinds, lines, { tier: 'fast', ...(band ? { band } : {}) });
}

/** A change with the regional price beside each price of a model that has one. */
function change(effectiveAt: string, source: string, rows: readonly TokenRow[], ends?: Change['ends']): Change {
  const regional = rows
    .filter(({ model }) => REGIONAL.test(model))
    .map(row => ({ ...row, source: `${row.source}; ${RESIDENCY}` }));
  const all = [...rows, ...multiples(regional, '1.1', { place: { region: '*' } }, 'regional processing +10 %')];

  return { effectiveAt, source, prices: tokenPrices(OPENAI_TOKENS, OPENAI_MODELS, all), ...(ends ? { ends } : {}) };
}

const undated = [
  ...tokenRows(LIST, IN_OUT, [
    ['gpt-5.5', '5', '0.5', '30'],
    ['gpt-5.5-pro', '30', null, '180'],
    ['gpt-5.4', '2.5', '0.25', '15'],
    ['gpt-5.4-mini', '0.75', '0.075', '4.5'],
    ['gpt-5.4-nano', '0.20', '0.02', '1.25'],
    ['gpt-5.2', '1.75', '0.175', '14'],
    ['gpt-5.1', '1.25', '0.125', '10'],
    ['gpt-5', '1.25', '0.125', '10'],
    ['gpt-5-mini', '0.25', '0.025', '2'],
    ['gpt-5-nano', '0.05', '0.005', '0.4'],
    ['gpt-4.1', '2', '0.5', '8'],
    ['gpt-4o', '2.5', '1.25', '10'],
    ['o3', '10', null, '40'],
    ['o3-pro', '20', null, '80'],
    ['o4-mini', '1.1', '0.275', '4.4'],
    ['text-embedding-3-small', '0.02'],
    ['text-embedding-3-large', '0.13'],
  ]),
  ...tokenRows(
    LIST,
    IN_OUT,
    [
      ['gpt-5.5', '10', '1', '45'],
      ['gpt-5.5-pro', '60', null, '270'],
      ['gpt-5.4', '5', '0.5', '22.5'],
    ],
    { band: 'long' },
  ),
  ...tokenRows(
    LIST,
    ['input', 'input_image', 'cache_read', 'cache_read_image', 'output', 'output_image'],
    [
      ['gpt-image-2', '5', '8', '1.25', '2', null, '30'],
      ['gpt-image-1.5', null, null, null, null, '10', '32'],
    ],
  ),
  ...tokenRows(
    LIST,
    ['input', 'input_audio', 'cache_read', 'cache_read_audio', 'output', 'output_audio'],
    [
      ['gpt-realtime', '4', '32', '0.4', '0.4', '16', '64'],
      ['gpt-realtime-mini', '0.6', '10', '0.06', '0.3', '2.4', '20'],
    ],
  ),
  // Older models have multiples of their own in the fast tier: ×2.5, ×2, ×1.8, ×1.75, ×1.7, ×1.82.
  ...fast(LIST, IN_OUT, [
    ['gpt-5.5', '12.5', '1.25', '75'],
    ['gpt-5.4', '5', '0.5', '30'],
    ['gpt-5.4-mini', '1.5', '0.15', '9'],
    ['gpt-5.2', '3.5', '0.35', '28'],
    ['gpt-5.1', '2.5', '0.25', '20'],
    ['gpt-5', '2.5', '0.25', '20'],
    ['gpt-5-mini', '0.45', '0.045', '3.6'],
    ['gpt-4.1', '3.5', '0.875', '14'],
    ['gpt-4o', '4.25', '2.125', '17'],
    ['o4-mini', '2', '0.5', '8'],
  ]),
  // The cached price of gpt-5.4 is published rounded, 0.13, and half of 0.25 is not what anybody pays.
  ...flexAndBatch(LIST, IN_OUT, [
    ['gpt-5.4', '1.25', '0.13', '7.5'],
    ['gpt-5.2', '0.875', '0.0875', '7'],
    ['gpt-5.1', '0.625', '0.0625', '5'],
    ['gpt-5', '0.625', '0.0625', '5'],
    ['o4-mini', '0.55', '0.138', '2.2'],
  ]),
  ...flexAndBatch(LIST, IN_OUT, [['gpt-5.4', '2.5', '0.25', '11.25']], 'long'),
];
const HALVED = ['gpt-5.5', 'gpt-5.4-mini', 'gpt-5.4-nano', 'gpt-5-mini', 'gpt-5-nano', 'gpt-4.1', 'gpt-4o'];
const undatedHalves = halves(undated.filter(({ model, tier }) => tier === 'standard' && HALVED.includes(model)));

const o3 = [
  ...tokenRows(LIST, IN_OUT, [['o3', '2', '0.5', '8']]),
  ...fast(LIST, IN_OUT, [['o3', '3.5', '0.875', '14']]),
  ...flexAndBatch(LIST, IN_OUT, [['o3', '1', '0.25', '4']]),
];

const gpt56 = [
  ...tokenRows(LIST, WITH_WRITE, [
    ['gpt-5.6-sol', '5', '0.5', '6.25', '30'],
    ['gpt-5.6-terra', '2.5', null, null, '15'],
    ['gpt-5.6-luna', '1', null, null, '6'],
  ]),
  ...tokenRows(LIST, WITH_WRITE, [['gpt-5.6-sol', '10', '1', '12.5', '45']], { band: 'long' }),
  ...fast(LIST, WITH_WRITE, [['gpt-5.6-sol', '10', '1', '12.5', '60']]),
  ...fast(LIST, WITH_WRITE, [['gpt-5.6-sol', '20', '2', '25', '90']], 'long'),
  ...flexAndBatch(LIST, WITH_WRITE, [['gpt-5.6-sol', '2.5', '0.25', '3.125', '15']]),
  ...flexAndBatch(LIST, WITH_WRITE, [['gpt-5.6-sol', '5', '0.5', '6.25', '22.5']], 'long'),
];

const gpt56Cut = [
  ...tokenRows(LIST, WITH_WRITE, [
    ['gpt-5.6-terra', '2', '0.2', '2.5', '12'],
    ['gpt-5.6-luna', '0.2', '0.02', '0.25', '1.2'],
  ]),
  ...tokenRows(
    LIST,
    WITH_WRITE,
    [
      ['gpt-5.6-terra', '4', '0.4', '5', '18'],
      ['gpt-5.6-luna', '0.4', '0.04', '0.5', '1.8'],
    ],
    { band: 'long' },
  ),
  ...fast(LIST, WITH_WRITE, [
    ['gpt-5.6-terra', '4', '0.4', '5', '24'],
    ['gpt-5.6-luna', '0.4', '0.04', '0.5', '2.4'],
  ]),
  ...fast(
    LIST,
    WITH_WRITE,
    [
      ['gpt-5.6-terra', '8', '0.8', '10', '36'],
      ['gpt-5.6-luna', '0.8', '0.08', '1', '3.6'],
    ],
    'long',
  ),
  ...flexAndBatch(LIST, WITH_WRITE, [
    ['gpt-5.6-terra', '1', '0.1', '1.25', '6'],
    ['gpt-5.6-luna', '0.1', '0.01', '0.125', '0.6'],
  ]),
];

/** "At least until 2026-11-21", that day included; what is asked afterwards is not confirmed, so nothing stands there. */
const gpt56Promotion = tokenRows(LIST, WITH_WRITE, [['gpt-5.6-sol', '4', '0.4', '5', '20']], {
  window: { until: '2026-11-22T00:00:00Z' },
  note: 'promotion, announced to last at least until 2026-11-21',
});

const gpt6Astra = [
  ...tokenRows(PAGE, WITH_WRITE, [['gpt-6-astra', '10', '1.00', '12.50', '50']]),
  ...tokenRows(PAGE, WITH_WRITE, [['gpt-6-astra', '20', '2', '25', '75']], { band: 'long' }),
];
const gpt6AstraTiers = [...fast(PAGE, IN_OUT, [['gpt-6-astra', '20', null, '100']]), ...halves(gpt6Astra)];
const gpt6AstraUltrafast = tokenRows(PAGE, WITH_WRITE, [['gpt-6-astra', '60', '6', '75', '300']], {
  tier: 'ultrafast',
});

const gpt6Short = tokenRows(PAGE, WITH_WRITE, [
  ['gpt-6-sol', '2', '0.20', '2.50', '10'],
  ['gpt-6-luna', '0.10', '0.01', '0.125', '0.50'],
]);
const gpt6 = [...gpt6Short, ...long(gpt6Short)];

const gpt61Sol = [
  ...tokenRows(PAGE, WITH_WRITE, [['gpt-6.1-sol', '2', '0.10', '2.50', '10']]),
  ...tokenRows(PAGE, IN_OUT, [['gpt-6.1-sol', '4', '0.20', '15']], { band: 'long' }),
];
const gpt61SolFast = [
  ...fast(PAGE, IN_OUT, [['gpt-6.1-sol', '4', '0.20', '20']]),
  ...fast(PAGE, IN_OUT, [['gpt-6.1-sol', '8', '0.40', '30']], 'long'),
];

const gpt61Terra = tokenRows(PAGE, WITH_WRITES, [['gpt-6.1-terra', '1', '0.05', '1.25', '1.25', null, '5']]);

const gpt62AstraShort = [
  ...tokenRows(PAGE, IN_OUT, [['gpt-6.2-astra', '8', null, '40']]),
  ...tokenRows(PAGE, ['cache_read'], [['gpt-6.2-astra', '0.40']], {
    note: 'derived: published as 60 % below the 1.00 of gpt-6-astra',
  }),
];
const gpt62Astra = [...gpt62AstraShort, ...long(gpt62AstraShort)];
const gpt62SolShort = tokenRows(PAGE, WITH_WRITES, [['gpt-6.2-sol', '2', '0.10', '2.50', '2.50', '5.00', '10']]);
const gpt62SolLong = [
  ...tokenRows(
    PAGE,
    ['input', 'cache_read', 'cache_write', 'cache_write_30m', 'output'],
    [['gpt-6.2-sol', '4', '0.20', '5', '5', '15']],
    { band: 'long' },
  ),
  ...long(gpt62SolShort.filter(({ kind }) => kind === 'cache_write_12h')),
];
const gpt62Sol = [...gpt62SolShort, ...gpt62SolLong];
const gpt62SolUltrafast = [
  ...multiples(
    gpt62Sol,
    '3',
    { tier: 'ultrafast', window: { until: '2027-03-01T00:00:00Z' } },
    '×3 of standard until 2027-02-28',
  ),
  ...multiples(
    gpt62Sol,
    '6',
    { tier: 'ultrafast', window: { from: '2027-03-01T00:00:00Z' } },
    '×6 of standard after 2027-02-28',
  ),
];

/** The book's versions, from the models that no source dates to the newest. */
export const OPENAI_VERSIONS: readonly GalleryVersion[] = versionsOf([
  change('2025-01-01T00:00:00Z', `${LISTS}: models whose first day is not given`, [...undated, ...undatedHalves]),
  change('2025-06-10T00:00:00Z', `${LISTS}: o3 from 10/40 to 2/8`, o3),
  change('2026-07-09T00:00:00Z', `${LISTS}: gpt-5.6`, gpt56),
  change('2026-07-30T00:00:00Z', `${LISTS}: gpt-5.6-terra from 2.5/15 to 2/12, luna from 1/6 to 0.2/1.2`, gpt56Cut),
  change(
    '2026-08-21T00:00:00Z',
    `${LISTS}: promotion of gpt-5.6-sol; its other tiers and the long band have no published promotional price`,
    gpt56Promotion,
    ({ dimensions }) => dimensions['model'] === 'gpt-5.6-sol',
  ),
  change('2026-09-03T00:00:00Z', `${PAGE.source}: gpt-6-astra`, [...gpt6Astra, ...gpt6AstraTiers]),
  change('2026-09-22T00:00:00Z', `${PAGE.source}: gpt-6-sol and gpt-6-luna`, [
    ...gpt6,
    ...doubled(gpt6),
    ...halves(gpt6),
  ]),
  change('2026-09-29T00:00:00Z', `${PAGE.source}: gpt-6.1-sol; gpt-6-astra ultrafast`, [
    ...gpt61Sol,
    ...gpt61SolFast,
    ...halves(gpt61Sol),
    ...gpt6AstraUltrafast,
  ]),
  change('2026-10-26T00:00:00Z', `${PAGE.source}: gpt-6.1-terra`, gpt61Terra),
  change('2026-11-17T00:00:00Z', `${PAGE.source}: gpt-6.2`, [
    ...gpt62Astra,
    ...doubled(gpt62Astra),
    ...halves(gpt62Astra),
    ...gpt62Sol,
    ...doubled(gpt62Sol),
    ...halves(gpt62Sol, ['batch']),
    ...gpt62SolUltrafast,
  ]),
]);
