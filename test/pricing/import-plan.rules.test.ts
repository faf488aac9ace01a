import { rateInForce, withRates } from '../../src/pricing/cost-import.rules.js';
import { readLitellm } from '../../src/pricing/import-litellm.rules.js';
import {
  askedOnly,
  isAsked,
  planImport,
  unitOf,
  type InForce,
  type KnownBands,
  type PlanMeter,
  type PlannedRow,
} from '../../src/pricing/import-plan.rules.js';
import type { PriceTermsJson } from '../../src/pricing/price.rules.js';
import { priceKey, type PriceListReading, type PriceUnit } from '../../src/pricing/proposal.rules.js';

const TOKENS: PlanMeter = {
  id: 'mtr_t',
  key: 'tokens',
  dimensions: ['model', 'token_kind', 'service_tier', 'context_band'],
};
const IMAGES: PlanMeter = { id: 'mtr_i', key: 'images', dimensions: ['model'] };
const METERS = new Map<PriceUnit, PlanMeter>([
  ['token', TOKENS],
  ['query', TOKENS],
]);
const LONG = [{ above: '200000', inclusive: false, name: 'long' }];

const listOf = (fields: string, model = 'gpt-x'): PriceListReading => {
  const list = readLitellm(
    `{"${model}": {"litellm_provider": "openai", "mode": "chat", ${fields}}}`,
    'a list',
    '2026-11-01',
  );

  if ('refusal' in list) {
    throw new Error(list.refusal);
  }

  return list;
};

const SOUND = '"input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06';

const inForce = (kind: string, terms: PriceTermsJson, model = 'gpt-x'): InForce => {
  const dimensions = { model, token_kind: kind, service_tier: 'standard' };
  const now = {
    name: `${kind} by hand`,
    unit: 'token',
    meterId: 'mtr_t',
    source: null,
    fields: [],
    priceId: `prc_${kind}`,
  };

  return { key: priceKey('token', dimensions), model, now: { ...now, unit: 'token', dimensions, terms } };
};

const unitPrice = (unitAmount: string, per = '1000000', more: Partial<PriceTermsJson> = {}): PriceTermsJson => ({
  model: 'UNIT',
  unitAmount,
  per,
  ...more,
});

const plan = (
  list: PriceListReading,
  now: readonly InForce[] = [],
  meters: ReadonlyMap<PriceUnit, PlanMeter> = METERS,
  bands: KnownBands = () => null,
) => planImport(list, meters, now, bands);

const inAWord = ({ change, proposed, before, flags }: PlannedRow): string =>
  [
    change,
    proposed?.name ?? before?.name,
    proposed ? `${proposed.terms.unitAmount}/${proposed.terms.per}` : 'nothing',
    ...flags,
  ].join(' ');

describe('a plan', () => {
  test('adds what nothing in force is, with a name, its meter and where it was read', () => {
    const { rows, models, skipped } = plan(
      listOf(`${SOUND}, "input_cost_per_token_batches": 1e-06, "output_cost_per_token_batches": 4e-06`),
    );
    expect(rows.map(inAWord)).toEqual([
      'ADDED gpt-x input 2/1000000',
      'ADDED gpt-x input batch 1/1000000',
      'ADDED gpt-x output 8/1000000',
      'ADDED gpt-x output batch 4/1000000',
    ]);
    expect(rows[0]).toEqual({
      key: 'token:model=gpt-x&service_tier=standard&token_kind=input',
      model: 'gpt-x',
      change: 'ADDED',
      flags: [],
      note: null,
      ratio: null,
      before: null,
      proposed: {
        name: 'gpt-x input',
        unit: 'token',
        dimensions: { model: 'gpt-x', service_tier: 'standard', token_kind: 'input' },
        meterId: 'mtr_t',
        terms: { model: 'UNIT', unitAmount: '2', per: '1000000' },
        source: 'a list, 2026-11-01',
        fields: ['input_cost_per_token'],
        priceId: null,
      },
    });
    expect([models.map(({ key }) => key), skipped]).toEqual([['gpt-x'], []]);
  });

  test('keeps the rest of what a price says, and knows the same rate per something else', () => {
    const { rows } = plan(listOf(SOUND), [
      inForce('input', unitPrice('0.002', '1000', { freeUnits: '5' })),
      inForce('output', unitPrice('4', '1000000', { minimum: '10' })),
    ]);
    expect(rows.map(row => [inAWord(row), row.ratio])).toEqual([
      ['CHANGED gpt-x output 8/1000000', '2'],
      ['SAME gpt-x input 2/1000000', null],
    ]);
    expect(rows[0]?.proposed?.terms).toEqual({ model: 'UNIT', unitAmount: '8', per: '1000000', minimum: '10' });
    expect(rows[0]?.before?.priceId).toBe('prc_output');
  });

  test('removes only of models that the list knows', () => {
    const { rows } = plan(listOf(SOUND), [
      inForce('cache_read', unitPrice('0.2')),
      inForce('input', unitPrice('1'), 'house-model'),
    ]);
    expect(rows.map(inAWord)).toEqual([
      'ADDED gpt-x input 2/1000000',
      'ADDED gpt-x output 8/1000000',
      'REMOVED cache_read by hand nothing',
    ]);
  });

  test.each([
    ['19.9', '8', []],
    ['20', '10', ['SUSPICIOUS']],
    ['0.21', '8', []],
    ['0.2', '8', ['SUSPICIOUS']],
  ])('an input price that goes from %s has to be looked at when it is tenfold', (amount, _, flags) => {
    const { rows } = plan(listOf(SOUND), [inForce('input', unitPrice(amount))]);
    expect(rows.find(({ change }) => change === 'CHANGED')?.flags).toEqual(flags);
  });

  test('a price of another kind is not replaced unseen', () => {
    const { rows } = plan(listOf(SOUND), [inForce('input', { model: 'FLAT', flatAmount: '5' })]);
    expect(rows.find(({ change }) => change === 'CHANGED')).toMatchObject({
      flags: ['SUSPICIOUS'],
      note: 'it takes the place of a price by FLAT',
      ratio: null,
      proposed: { terms: { model: 'UNIT', unitAmount: '2', per: '1000000' } },
    });
  });

  test('flags of the list stay, and lines that are the same have none', () => {
    const zero = listOf('"input_cost_per_token": 0.0, "output_cost_per_token": 8e-06');
    expect(plan(zero, [inForce('input', unitPrice('0', '1'))]).rows.map(inAWord)).toEqual([
      'ADDED gpt-x output 8/1000000',
      'SAME gpt-x input 0/1000000',
    ]);
    expect(plan(zero).rows.map(inAWord)).toEqual([
      'ADDED gpt-x input 0/1000000 ZERO_PRICE',
      'ADDED gpt-x output 8/1000000',
    ]);
  });

  test('a price of a band needs the model with these bands', () => {
    const banded = listOf(
      '"input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "input_cost_per_token_above_200k_tokens": 4e-06, "output_cost_per_token_above_200k_tokens": 12e-06',
    );
    const flags = (bands: KnownBands) => new Set(plan(banded, [], METERS, bands).rows.map(row => row.flags.join()));
    expect(flags(() => null)).toEqual(new Set(['UNKNOWN_MODEL']));
    expect(flags(() => [])).toEqual(new Set(['OTHER_BANDS']));
    expect(flags(() => [{ above: '272000', name: 'long' }])).toEqual(new Set(['OTHER_BANDS']));
    expect(flags(() => [{ above: '200000', inclusive: true, name: 'long' }])).toEqual(new Set(['OTHER_BANDS']));
    expect(flags(() => LONG)).toEqual(new Set(['']));
    expect(flags(() => [{ above: '200000', name: 'long' }])).toEqual(new Set(['']));
  });

  test('a meter without tiers holds standard prices only, and one without bands none of those', () => {
    const bare = new Map<PriceUnit, PlanMeter>([['token', { ...TOKENS, dimensions: ['model', 'token_kind'] }]]);
    const tiers = plan(
      listOf(`${SOUND}, "input_cost_per_token_flex": 1e-06, "output_cost_per_token_flex": 4e-06`),
      [],
      bare,
    );
    expect(tiers.rows.map(inAWord)).toEqual(['ADDED gpt-x input 2/1000000', 'ADDED gpt-x output 8/1000000']);
    expect(tiers.rows[0]?.key).toBe('token:model=gpt-x&token_kind=input');
    expect(tiers.skipped).toEqual([
      { name: 'gpt-x', field: 'input_cost_per_token_flex', reason: 'meter tokens has no dimension service_tier' },
      { name: 'gpt-x', field: 'output_cost_per_token_flex', reason: 'meter tokens has no dimension service_tier' },
    ]);

    const bands = plan(
      listOf('"input_cost_per_token": 2e-06, "input_cost_per_token_above_200k_tokens": 4e-06'),
      [],
      bare,
    );
    expect(bands.rows).toEqual([]);
    expect(bands.skipped.map(({ reason }) => reason)).toEqual([
      'meter tokens has no dimension context_band',
      'meter tokens has no dimension context_band',
    ]);
  });

  test('units without a meter are left out; a meter of images needs no kind where there is one', () => {
    const list = listOf(`${SOUND}, "output_cost_per_image": 0.04`);
    const without = plan(list);
    expect(without.rows).toHaveLength(2);
    expect(without.skipped).toEqual([
      {
        name: 'gpt-x',
        field: 'output_cost_per_image',
        reason: 'no meter counts it by the image: name one for the unit',
      },
    ]);

    const withImages = plan(list, [], new Map([...METERS, ['image', IMAGES]]));
    expect(withImages.rows.at(-1)).toMatchObject({
      key: 'image:model=gpt-x',
      proposed: { meterId: 'mtr_i', dimensions: { model: 'gpt-x' }, terms: { unitAmount: '0.04', per: '1' } },
    });

    const two = plan(
      listOf(`${SOUND}, "output_cost_per_image": 0.04, "input_cost_per_image": 0.01`),
      [],
      new Map([...METERS, ['image', IMAGES]]),
    );
    expect(two.rows).toHaveLength(2);
    expect(two.skipped.map(({ field, reason }) => [field, reason])).toEqual([
      ['output_cost_per_image', 'the meter does not tell it from another price of the model'],
      ['input_cost_per_image', 'the meter does not tell it from another price of the model'],
    ]);
  });

  test('searches go on the meter of tokens with their kind, and never without', () => {
    const search = `${SOUND}, "search_context_cost_per_query": {"search_context_size_low": 0.01,
      "search_context_size_medium": 0.01, "search_context_size_high": 0.01}`;
    expect(plan(listOf(search)).rows.at(-1)).toMatchObject({
      key: 'query:model=gpt-x&token_kind=web_search',
      proposed: { meterId: 'mtr_t', terms: { unitAmount: '0.01', per: '1' } },
    });

    const kindless: PlanMeter = { ...TOKENS, dimensions: ['model'] };
    const { rows, skipped } = plan(listOf(search), [], new Map([...METERS.keys()].map(unit => [unit, kindless])));
    expect(rows).toEqual([]);
    expect(new Set(skipped.map(({ reason }) => reason))).toEqual(new Set(['meter tokens has no dimension token_kind']));
  });

  test('the unit of a price in force is that of its meter', () => {
    const meters = new Map<PriceUnit, PlanMeter>([...METERS, ['image', IMAGES]]);
    expect(unitOf(meters, 'mtr_t', { token_kind: 'input' })).toBe('token');
    expect(unitOf(meters, 'mtr_t', { token_kind: 'web_search' })).toBe('query');
    expect(unitOf(meters, 'mtr_i', { model: 'x' })).toBe('image');
    expect(unitOf(meters, 'mtr_x', {})).toBeNull();
  });
});

describe('the models asked for', () => {
  test.each([
    ['gpt-6', [], true],
    ['gpt-6', ['gpt-6'], true],
    ['gpt-6', ['GPT-6'], true],
    ['gpt-6-mini', ['gpt-6'], false],
    ['gpt-6-mini', ['claude*', 'gpt-6*'], true],
    ['gpt-6', ['*'], true],
    ['gpt-6', ['GPT*'], true],
    ['gpt-6', ['claude*'], false],
  ])('%s is among %j: %s', (model, globs, expected) => {
    expect(isAsked(model, globs)).toBe(expected);
  });

  test('cut the list, and what is left out of it', () => {
    const list = { ...listOf(SOUND), skipped: [{ name: 'GPT-Y', field: null, reason: 'x' }] };
    expect(askedOnly(list, ['gpt-y'])).toMatchObject({ rows: [], models: [], skipped: list.skipped });
    expect(askedOnly(list, ['gpt-x'])).toMatchObject({ rows: list.rows, models: list.models, skipped: [] });
  });
});

describe('rates of a cost', () => {
  const rate = (kind: string, amount: string, per = '1000000', dimensions: Readonly<Record<string, string>> = {}) => ({
    kind,
    amount,
    per,
    dimensions: Object.entries(dimensions).map(([name, value]) => ({ name, value })),
  });
  const standard = { service_tier: 'standard' };
  const before = (kind: string, amount: string) =>
    rateInForce('gpt-x', rate(kind, amount, '1000000', standard), {}, null);
  const change = (kind: string, from: string | null, to: string | null) => ({
    key: `token:model=gpt-x&service_tier=standard&token_kind=${kind}`,
    before: from === null ? null : (before(kind, from)?.now ?? null),
    proposed: to === null ? null : (before(kind, to)?.now ?? null),
  });

  test('are known by kind and dimensions; kinds that no list speaks of stay out of it', () => {
    expect(rateInForce('m', rate('input', '2'), {}, null)?.key).toBe('token:model=m&token_kind=input');
    expect(rateInForce('m', rate('web_search', '2'), {}, null)?.key).toBe('query:model=m&token_kind=web_search');
    expect(rateInForce('m', rate('images', '2'), { image: 'images' }, null)?.key).toBe('image:model=m');
    expect(rateInForce('m', rate('images', '2'), {}, null)).toBeNull();
    expect(rateInForce('m', rate('tokens', '2'), { token: 'tokens' }, null)).toBeNull();
  });

  test('take the changes and keep the rest', () => {
    const rates = [
      rate('input', '2', '1000000', standard),
      rate('seats', '9', '1'),
      rate('output', '8', '1000000', standard),
    ];
    expect(
      withRates(
        'gpt-x',
        rates,
        [change('input', '2', '3'), change('output', '8', null), change('cache_read', null, '0.1')],
        {},
      ),
    ).toEqual([
      rate('input', '3', '1000000', standard),
      rate('seats', '9', '1'),
      rate('cache_read', '0.1', '1000000', standard),
    ]);
  });

  test('are refused when they are no longer what the list was laid beside', () => {
    const rates = [rate('input', '2', '1000000', standard)];
    expect(withRates('gpt-x', rates, [change('input', '1', '3')], {})).toBeNull();
    expect(withRates('gpt-x', rates, [change('input', null, '3')], {})).toBeNull();
    expect(withRates('gpt-x', [], [change('input', '2', '3')], {})).toBeNull();
    expect(withRates('gpt-x', [], [change('input', null, '3')], {})).toEqual([rate('input', '3', '1000000', standard)]);
  });

  test('of what is not counted in tokens are called by their meter', () => {
    const now = rateInForce('gpt-x', rate('images', '2', '1'), { image: 'images' }, null);
    const changes = [{ key: 'image:model=gpt-x', before: null, proposed: now?.now ?? null }];
    expect(withRates('gpt-x', [], changes, { image: 'images' })).toEqual([rate('images', '2', '1')]);
  });
});
