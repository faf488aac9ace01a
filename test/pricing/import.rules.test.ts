import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { readLangfuse } from '../../src/pricing/import-langfuse.rules.js';
import { readLitellm } from '../../src/pricing/import-litellm.rules.js';
import {
  isJsonList,
  isJsonNumber,
  isJsonObject,
  type JsonValue,
  readJsonText,
} from '../../src/pricing/json-text.rules.js';
import { namesOf } from '../../src/pricing/name-pattern.rules.js';
import {
  priceKey,
  type PriceListReading,
  type PriceListRefusal,
  type ProposedPrice,
} from '../../src/pricing/proposal.rules.js';

const SOURCE = 'a list';
const DATE = '2026-11-01';

const reading = (result: PriceListReading | PriceListRefusal): PriceListReading => {
  if ('refusal' in result) {
    throw new Error(result.refusal);
  }

  return result;
};

/** A row in a line: dimensions but the model, amount, unit. */
const line = ({ dimensions, unitAmount, per, unit }: ProposedPrice) => {
  const { model: _, ...others } = dimensions;

  return `${Object.values(others).join(' ') || '-'}: ${unitAmount} per ${per} ${unit}`;
};

const flagsOf = (rows: readonly ProposedPrice[]) =>
  Object.fromEntries(rows.filter(({ flags }) => flags.length > 0).map(row => [line(row), row.flags.join()]));

/** JSON text that keeps numbers as they are typed here, which JSON.stringify would not. */
const litellm = (fields: string, name = 'gpt-x') =>
  reading(readLitellm(`{"${name}": {"litellm_provider": "openai", "mode": "chat", ${fields}}}`, SOURCE, DATE));

describe('a LiteLLM map', () => {
  test('becomes prices by the million, with tiers', () => {
    const { rows, models, skipped, currency, entries } = litellm(`
      "max_tokens": 4096,
      "supports_vision": true,
      "input_cost_per_token": 3e-06,
      "input_cost_per_token_batches": 1.5E-6,
      "input_cost_per_token_flex": 0.0000015,
      "input_cost_per_token_priority": 6e-06,
      "output_cost_per_token": 1.2e-05,
      "output_cost_per_token_batches": 6e-06,
      "output_cost_per_token_flex": 6e-06,
      "output_cost_per_token_priority": 24e-06,
      "cache_read_input_token_cost": 3e-07,
      "input_cost_per_token_cache_hit": 0.30e-6,
      "cache_creation_input_token_cost": 3.75e-06,
      "cache_creation_input_token_cost_above_1hr": 6e-06`);
    expect(rows.map(line)).toEqual([
      'input standard: 3 per 1000000 token',
      'input batch: 1.5 per 1000000 token',
      'input flex: 1.5 per 1000000 token',
      'input fast: 6 per 1000000 token',
      'output standard: 12 per 1000000 token',
      'output batch: 6 per 1000000 token',
      'output flex: 6 per 1000000 token',
      'output fast: 24 per 1000000 token',
      'cache_read standard: 0.3 per 1000000 token',
      'cache_write standard: 3.75 per 1000000 token',
      'cache_write_1h standard: 6 per 1000000 token',
    ]);
    expect(rows[8]).toEqual({
      key: 'token:model=gpt-x&service_tier=standard&token_kind=cache_read',
      model: 'gpt-x',
      provider: 'openai',
      modality: 'text',
      unit: 'token',
      dimensions: { model: 'gpt-x', token_kind: 'cache_read', service_tier: 'standard' },
      unitAmount: '0.3',
      per: '1000000',
      source: SOURCE,
      sourceDate: DATE,
      fields: ['cache_read_input_token_cost', 'input_cost_per_token_cache_hit'],
      flags: [],
      note: null,
    });
    expect(flagsOf(rows)).toEqual({});
    expect(models).toEqual([
      { key: 'gpt-x', provider: 'openai', family: null, modality: 'text', contextBands: [], aliases: [] },
    ]);
    expect([skipped, currency, entries]).toEqual([[], 'USD', 1]);
  });

  test.each([
    ['2.5e-06', '2.5'],
    ['25E-7', '2.5'],
    ['0.00000250', '2.5'],
    ['0.0', '0'],
    ['-0.0', '0'],
    ['123.456789012345678e-6', null],
    ['123456789.123456789e-6', '123456789.123456789'],
    ['1e-18', '0.000000000001'],
    ['1e-19', null],
    ['1e9', null],
    ['1e+8', '100000000000000'],
    ['1e400', null],
    ['1e-99999999999', null],
    [`1${'0'.repeat(70)}`, null],
    ['-1e-06', null],
    ['null', null],
    ['"2.5e-06"', null],
    ['[]', null],
  ])('%s for a token is %s for a million, or no price', (number, amount) => {
    const { rows, skipped } = litellm(`"input_cost_per_token": ${number}`);
    expect(rows.map(({ unitAmount, per }) => [unitAmount, per])).toEqual(amount === null ? [] : [[amount, '1000000']]);
    expect(skipped.map(({ name, field }) => [name, field])).toEqual(
      amount === null ? [['gpt-x', 'input_cost_per_token']] : [],
    );
  });

  test('keeps the exact value of any number it proposes', () => {
    const digits = fc.stringMatching(/^(?:0|[1-9]\d{0,3})(?:\.\d{1,6})?$/);
    fc.assert(
      fc.property(digits, fc.integer({ min: -12, max: 2 }), fc.constantFrom('e', 'E'), (number, exponent, e) => {
        const written = `${number}${e}${exponent}`;
        const [row] = litellm(`"input_cost_per_token": ${written}`).rows;
        expect(row && isSame(written, row)).toBe(true);
      }),
    );
  });

  test('above so many tokens is a band, and with bands every price of tokens names one', () => {
    const { rows, models } = litellm(`
      "input_cost_per_token": 1e-06, "input_cost_per_token_above_200k_tokens": 2e-06,
      "output_cost_per_token": 4e-06, "output_cost_per_token_above_200k_tokens": 6e-06,
      "cache_read_input_token_cost": 1e-07,
      "input_cost_per_image": 0.001, "input_cost_per_image_above_200k_tokens": 0.002,
      "output_cost_per_image": 0.04`);
    expect(rows.map(line)).toEqual([
      'input standard short: 1 per 1000000 token',
      'input standard long: 2 per 1000000 token',
      'output standard short: 4 per 1000000 token',
      'output standard long: 6 per 1000000 token',
      'cache_read standard short: 0.1 per 1000000 token',
      'input_image short: 0.001 per 1 image',
      'input_image long: 0.002 per 1 image',
      'output_image: 0.04 per 1 image',
    ]);
    expect(flagsOf(rows)).toEqual({ 'cache_read standard short: 0.1 per 1000000 token': 'MISSING_PRICE' });
    expect(models[0]?.contextBands).toEqual([{ above: '200000', inclusive: false, name: 'long' }]);
  });

  test('two bands are named by where they begin', () => {
    const { rows, models } = litellm(`
      "output_cost_per_token": 1e-06,
      "output_cost_per_token_above_256k_tokens": 3e-06, "output_cost_per_token_above_32k_tokens": 2e-06,
      "input_cost_per_token": 1e-06,
      "input_cost_per_token_above_256k_tokens": 3e-06, "input_cost_per_token_above_32k_tokens": 2e-06`);
    expect(rows.slice(0, 3).map(line)).toEqual([
      'output standard short: 1 per 1000000 token',
      'output standard above_256000: 3 per 1000000 token',
      'output standard above_32000: 2 per 1000000 token',
    ]);
    expect(models[0]?.contextBands).toEqual([
      { above: '32000', inclusive: false, name: 'above_32000' },
      { above: '256000', inclusive: false, name: 'above_256000' },
    ]);
    expect(flagsOf(rows)).toEqual({});
  });

  test('reasoning is output: the same price joins it, another one is a doubt', () => {
    const base = '"input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06';
    const alike = litellm(`${base}, "output_cost_per_reasoning_token": 0.000004`);
    expect(alike.rows[1]?.fields).toEqual(['output_cost_per_token', 'output_cost_per_reasoning_token']);
    expect([flagsOf(alike.rows), alike.skipped]).toEqual([{}, []]);

    const other = litellm(`${base}, "output_cost_per_reasoning_token": 9e-06`);
    expect(other.rows.map(line)).toEqual([
      'input standard: 1 per 1000000 token',
      'output standard: 4 per 1000000 token',
    ]);
    expect(other.rows[1]).toMatchObject({
      flags: ['SUSPICIOUS'],
      note: 'the list has reasoning tokens at 9 per 1000000',
    });
    expect(other.skipped).toEqual([
      {
        name: 'gpt-x',
        field: 'output_cost_per_reasoning_token',
        reason: 'reasoning tokens are output tokens, which are 4 per 1000000 here, not 9 per 1000000',
      },
    ]);
  });

  test('what is not counted in tokens keeps its unit', () => {
    const { rows } = litellm(`
      "input_cost_per_character": 2.5e-07, "output_cost_per_character": 5e-07,
      "input_cost_per_pixel": 1.59263611e-07,
      "input_cost_per_second": 0.0001,
      "input_cost_per_audio_per_second": 3.125e-05,
      "input_cost_per_video_per_second": 0.002,
      "input_cost_per_query": 0.002,
      "input_cost_per_request": 0.005,
      "search_context_cost_per_query": {
        "search_context_size_low": 0.01, "search_context_size_medium": 0.01, "search_context_size_high": 0.01}`);
    expect(rows.map(line)).toEqual([
      'input: 0.25 per 1000000 character',
      'output: 0.5 per 1000000 character',
      'input: 0.159263611 per 1000000 pixel',
      'input: 0.0001 per 1 second',
      'input_audio: 0.00003125 per 1 second',
      'input_video: 0.002 per 1 second',
      'search_unit: 0.002 per 1 query',
      '-: 0.005 per 1 request',
      'web_search: 0.01 per 1 query',
    ]);
    expect(rows.at(-1)?.fields).toHaveLength(3);
    expect(flagsOf(rows)).toEqual({});
    expect(new Set(rows.map(({ modality }) => modality))).toEqual(new Set(['multimodal']));
  });

  test('a search that costs by the size of its context says so', () => {
    const { rows, skipped } = litellm(`"search_context_cost_per_query": {
      "search_context_size_low": 0.005, "search_context_size_high": 0.012, "search_context_size_vast": 1}`);
    expect(rows.map(line)).toEqual(['web_search low: 0.005 per 1 query', 'web_search high: 0.012 per 1 query']);
    expect(skipped.map(({ field }) => field)).toEqual(['search_context_cost_per_query.search_context_size_vast']);
  });

  test('a cost that nobody has told us of is said, and makes the model one for a person', () => {
    const { rows, skipped } = litellm(
      '"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "input_cost_per_dream": 1, "tiered_pricing": []',
    );
    expect(flagsOf(rows)).toEqual({
      'input standard: 1 per 1000000 token': 'UNKNOWN_FIELD',
      'output standard: 2 per 1000000 token': 'UNKNOWN_FIELD',
    });
    expect(skipped.map(({ field, reason }) => [field, reason])).toEqual([
      ['input_cost_per_dream', 'a field that this import does not know'],
      ['tiered_pricing', 'a field that this import does not know'],
    ]);
  });

  test('another currency and counts without a kind are left out, with the reason', () => {
    const { rows, skipped } = litellm(
      '"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "input_dbu_cost_per_token": 1e-05, "citation_cost_per_token": 1e-06',
    );
    expect(flagsOf(rows)).toEqual({});
    expect(skipped.map(({ reason }) => reason)).toEqual([
      'counts Databricks units, not US dollars',
      'no token kind is a citation',
    ]);
  });

  const fault = (fields: string) => flagsOf(litellm(fields).rows);
  const sound = '"input_cost_per_token": 4e-06, "output_cost_per_token": 8e-06';
  const input = 'input standard: 4 per 1000000 token';

  test.each<[string, string, Record<string, string>]>([
    ['sound', sound, {}],
    ['sound, at every bound', `${sound}, "cache_read_input_token_cost": 2e-06`, {}],
    ['sound, at the other bound', `${sound}, "cache_read_input_token_cost": 4e-08`, {}],
    ['output at half of input', '"input_cost_per_token": 4e-06, "output_cost_per_token": 2e-06', {}],
    [
      'zeros',
      '"input_cost_per_token": 0.0, "output_cost_per_token": 0',
      {
        'input standard: 0 per 1000000 token': 'ZERO_PRICE',
        'output standard: 0 per 1000000 token': 'ZERO_PRICE',
      },
    ],
    ['no output', '"input_cost_per_token": 4e-06', { [input]: 'MISSING_PRICE' }],
    [
      'no batch output',
      `${sound}, "input_cost_per_token_batches": 2e-06`,
      { 'input batch: 2 per 1000000 token': 'MISSING_PRICE' },
    ],
    [
      'output a digit short',
      '"input_cost_per_token": 4e-06, "output_cost_per_token": 1.9e-06',
      { [input]: 'SUSPICIOUS', 'output standard: 1.9 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'reads dearer than input',
      `${sound}, "cache_read_input_token_cost": 4.1e-06`,
      { [input]: 'SUSPICIOUS', 'cache_read standard: 4.1 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'reads at an odd ratio',
      `${sound}, "cache_read_input_token_cost": 3e-06`,
      { 'cache_read standard: 3 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'reads that cost next to nothing',
      `${sound}, "cache_read_input_token_cost": 3e-08`,
      { 'cache_read standard: 0.03 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'writes ten times input',
      `${sound}, "cache_creation_input_token_cost": 4e-05`,
      { 'cache_write standard: 40 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'a batch dearer than standard',
      `${sound}, "input_cost_per_token_batches": 5e-06, "output_cost_per_token_batches": 8e-06`,
      { 'input batch: 5 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'fast that is cheaper',
      `${sound}, "input_cost_per_token_priority": 3e-06, "output_cost_per_token_priority": 16e-06`,
      { 'input fast: 3 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'a long band that is cheaper',
      '"input_cost_per_token": 4e-06, "input_cost_per_token_above_128k_tokens": 3e-06, "output_cost_per_token": 8e-06, "output_cost_per_token_above_128k_tokens": 8e-06',
      { 'input standard long: 3 per 1000000 token': 'SUSPICIOUS' },
    ],
    [
      'a price per thousand taken for one per token',
      '"input_cost_per_token": 0.002, "output_cost_per_token": 0.004',
      {
        'input standard: 2000 per 1000000 token': 'SUSPICIOUS',
        'output standard: 4000 per 1000000 token': 'SUSPICIOUS',
      },
    ],
    [
      'a price per million taken for one per trillion',
      '"input_cost_per_token": 9e-11, "output_cost_per_token": 9e-11',
      {
        'input standard: 0.00009 per 1000000 token': 'SUSPICIOUS',
        'output standard: 0.00009 per 1000000 token': 'SUSPICIOUS',
      },
    ],
    ['the least price', '"input_cost_per_token": 1e-10, "output_cost_per_token": 1e-3', {}],
    [
      'a second said twice',
      '"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001',
      { 'input: 0.0001 per 1 second': 'SUSPICIOUS', 'output: 0.0001 per 1 second': 'SUSPICIOUS' },
    ],
    [
      'the price of a token for an image',
      '"input_cost_per_image": 4.7e-07',
      { 'input_image: 0.00000047 per 1 image': 'SUSPICIOUS' },
    ],
    [
      'two names of one thing that disagree',
      `${sound}, "cache_read_input_token_cost": 4e-07, "input_cost_per_token_cache_hit": 4e-08`,
      { 'cache_read standard: 0.4 per 1000000 token': 'DUPLICATE,SUSPICIOUS' },
    ],
    [
      'one field twice, with two prices',
      `${sound}, "input_cost_per_token": 4e-07`,
      { [input]: 'DUPLICATE,SUSPICIOUS' },
    ],
    ['one field twice, with one price', `${sound}, "input_cost_per_token": 0.000004`, {}],
  ])('%s', (_, fields, flags) => {
    expect(fault(fields)).toEqual(flags);
  });

  test('an embedding needs no output', () => {
    const text = `{"embed-x": {"litellm_provider": "voyage", "mode": "embedding",
      "input_cost_per_token": 1e-07, "input_cost_per_token_batch_requests": 5e-08}}`;
    const { rows, models } = reading(readLitellm(text, SOURCE, DATE));
    expect(rows.map(line)).toEqual(['input standard: 0.1 per 1000000 token', 'input batch: 0.05 per 1000000 token']);
    expect(rows.map(({ flags, note }) => [flags, note])).toEqual([
      [[], null],
      [[], null],
    ]);
    expect(models[0]?.modality).toBe('embedding');
  });

  test('entries of one model are one, and for a person', () => {
    const entry = (cost: string) =>
      `{"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": ${cost}}`;
    const { rows, models, entries } = reading(
      readLitellm(`{"GPT-X": ${entry('1e-06')}, "gpt-y": ${entry('3e-06')}, "gpt-x": ${entry('2e-06')}}`, SOURCE, DATE),
    );
    expect(rows.map(({ model, unitAmount, flags }) => [model, unitAmount, flags])).toEqual([
      ['gpt-x', '1', ['DUPLICATE', 'SUSPICIOUS']],
      ['gpt-y', '3', []],
    ]);
    expect(rows[0]?.note).toBe(
      'the list disagrees with itself: input_cost_per_token says 0.000001, input_cost_per_token says 0.000002; the list has 2 entries of this model',
    );
    expect([models.map(({ key }) => key), entries]).toEqual([['gpt-x', 'gpt-y'], 3]);
  });

  test('what is no model of a catalog is left out, each with its reason', () => {
    const cost = '{"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06}';
    const text = `{"sample_spec": ${cost}, "bison#001": ${cost}, "x/*/y": ${cost}, "a": 5, "b": {"litellm_provider": "x"},
      "__proto__": ${cost}, "": ${cost}, "c": {"litellm_provider": "no provider!", "input_cost_per_token": 1e-06},
      "\\u0000\\ud800": null}`;
    const { rows, models, skipped, entries } = reading(readLitellm(text, SOURCE, DATE));
    expect([rows, models, entries]).toEqual([[], [], 9]);
    expect(skipped.map(({ name, field }) => [name, field])).toEqual(
      ['sample_spec', 'a', '��', 'bison#001', 'x/*/y', 'b', '__proto__', '', 'c'].map(name => [name, null]),
    );
    expect(skipped.find(({ name }) => name === 'b')?.reason).toBe('it has no price');
  });

  test.each(['', 'no json', '[]', 'null', '5', '{"a": 1,}', '{"a": NaN}', '"text"'])('refuses %j', text => {
    expect(readLitellm(text, SOURCE, DATE)).toEqual({
      refusal: "LiteLLM's map is a JSON object of entries by model name, and this text is not",
    });
  });

  test('an empty map has nothing, and a bottomless one does no harm', () => {
    expect(reading(readLitellm('{}', SOURCE, DATE))).toMatchObject({ entries: 0, rows: [], models: [], skipped: [] });

    const deep = `{"a": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect(reading(readLitellm(deep, SOURCE, DATE)).skipped).toEqual([
      { name: 'a', field: null, reason: 'it is no object' },
    ]);
  });
});

type Tier = Readonly<Record<string, unknown>>;

const standard = (prices: Tier): Tier => ({ name: 'Standard', isDefault: true, priority: 0, conditions: [], prices });
const tier = (priority: number, prices: Tier, ...conditions: readonly Tier[]): Tier => ({
  name: `tier ${priority}`,
  isDefault: false,
  priority,
  conditions,
  prices,
});
const served = (...values: readonly string[]): Tier => ({
  source: 'model_parameters',
  key: 'service_tier',
  operator: 'in',
  values,
});
const longer = (value: number, usageDetailPattern = '(input)', operator = 'gt'): Tier => ({
  usageDetailPattern,
  operator,
  value,
  caseSensitive: false,
});

const langfuse = (pricingTiers: readonly Tier[], more: Tier = {}) =>
  reading(
    readLangfuse(
      JSON.stringify([
        { modelName: 'gpt-x', matchPattern: '(?i)^(openai/)?(gpt-x)$', tokenizerId: 'openai', ...more, pricingTiers },
      ]),
      SOURCE,
      DATE,
    ),
  );

describe('a Langfuse list', () => {
  test('many names of one count are one price', () => {
    const { rows, models, skipped } = langfuse(
      [
        standard({
          input: 2e-6,
          prompt_tokens: 2e-6,
          promptTokenCount: 0.000002,
          input_cached_tokens: 2e-7,
          cache_read_input_tokens: 0.2e-6,
          input_cache_creation: 2.5e-6,
          input_cache_creation_5m: 2.5e-6,
          input_cache_creation_1h: 4e-6,
          output: 8e-6,
          output_reasoning_tokens: 8e-6,
          input_audio: 32e-6,
          output_audio_tokens: 64e-6,
          input_cached_audio_tokens: 0.4e-6,
          web_search_queries: 14e-3,
          groundingQueries: 0.014,
        }),
      ],
      { updatedAt: '2026-10-31T08:00:00.000Z' },
    );
    expect(rows.map(line)).toEqual([
      'input standard: 2 per 1000000 token',
      'cache_read standard: 0.2 per 1000000 token',
      'cache_write standard: 2.5 per 1000000 token',
      'cache_write_5m standard: 2.5 per 1000000 token',
      'cache_write_1h standard: 4 per 1000000 token',
      'output standard: 8 per 1000000 token',
      'input_audio standard: 32 per 1000000 token',
      'output_audio standard: 64 per 1000000 token',
      'cache_read_audio standard: 0.4 per 1000000 token',
      'web_search: 0.014 per 1 query',
    ]);
    expect([flagsOf(rows), skipped]).toEqual([{}, []]);
    expect(rows[0]).toMatchObject({
      provider: 'openai',
      modality: 'multimodal',
      source: SOURCE,
      sourceDate: '2026-10-31',
      fields: ['Standard.input', 'Standard.prompt_tokens', 'Standard.promptTokenCount'],
    });
    expect(models).toEqual([
      {
        key: 'gpt-x',
        provider: 'openai',
        family: null,
        modality: 'multimodal',
        contextBands: [],
        aliases: ['openai/gpt-x'],
      },
    ]);
  });

  test('the date is the caller’s where the entry has none', () => {
    expect(langfuse([standard({ input: 1e-6, output: 1e-6 })]).rows[0]?.sourceDate).toBe(DATE);
  });

  test('the first tier that takes a request prices it, whatever else it is', () => {
    const { rows, models, skipped } = langfuse([
      standard({ input: 2e-6, output: 8e-6 }),
      tier(4, { input: 4e-6, output: 12e-6 }, longer(272_000)),
      tier(1, { input: 2e-6, output: 6e-6 }, served('flex'), longer(272_000)),
      tier(2, { input: 5e-6, output: 20e-6 }, served('fast', 'priority')),
      tier(3, { input: 1e-6, output: 4e-6 }, served('flex')),
    ]);
    expect(rows.map(line)).toEqual([
      'input standard short: 2 per 1000000 token',
      'input standard long: 4 per 1000000 token',
      'input flex short: 1 per 1000000 token',
      'input flex long: 2 per 1000000 token',
      'input fast short: 5 per 1000000 token',
      'input fast long: 5 per 1000000 token',
      'output standard short: 8 per 1000000 token',
      'output standard long: 12 per 1000000 token',
      'output flex short: 4 per 1000000 token',
      'output flex long: 6 per 1000000 token',
      'output fast short: 20 per 1000000 token',
      'output fast long: 20 per 1000000 token',
    ]);
    expect([flagsOf(rows), skipped]).toEqual([{}, []]);
    expect(models[0]?.contextBands).toEqual([{ above: '272000', inclusive: false, name: 'long' }]);
  });

  test('a tier that never gets its turn is said', () => {
    const { rows, skipped } = langfuse([
      standard({ input: 2e-6, output: 8e-6 }),
      tier(1, { input: 4e-6, output: 16e-6 }, served('fast')),
      tier(2, { input: 9e-6, output: 36e-6 }, served('priority')),
    ]);
    expect(rows.map(line)).toEqual([
      'input standard: 2 per 1000000 token',
      'input fast: 4 per 1000000 token',
      'output standard: 8 per 1000000 token',
      'output fast: 16 per 1000000 token',
    ]);
    expect(skipped).toEqual([
      { name: 'gpt-x', field: 'tier 2', reason: 'tiers of a higher priority take every request that it asks for' },
    ]);
  });

  test('bands may include where they begin, and be several', () => {
    const { rows, models } = langfuse([
      standard({ input: 1e-6, output: 1e-6 }),
      tier(1, { input: 3e-6, output: 3e-6 }, longer(1_000_000, '(input|prompt|cached)')),
      tier(2, { input: 2e-6, output: 2e-6 }, longer(200_000, '(input|cache_write)', 'gte')),
    ]);
    expect(rows.slice(0, 3).map(line)).toEqual([
      'input standard short: 1 per 1000000 token',
      'input standard above_200000: 2 per 1000000 token',
      'input standard above_1000000: 3 per 1000000 token',
    ]);
    expect(models[0]?.contextBands).toEqual([
      { above: '200000', inclusive: true, name: 'above_200000' },
      { above: '1000000', inclusive: false, name: 'above_1000000' },
    ]);
  });

  test('speed is a service tier, and a price that is the same in every tier and band names none', () => {
    const search = { web_search_queries: 0.01 };
    const { rows } = langfuse([
      standard({ input: 5e-6, output: 25e-6, ...search }),
      tier(
        1,
        { input: 10e-6, output: 50e-6, ...search },
        { source: 'model_parameters', key: 'speed', operator: 'in', values: ['fast'] },
      ),
    ]);
    expect(rows.map(line)).toEqual([
      'input standard: 5 per 1000000 token',
      'input fast: 10 per 1000000 token',
      'output standard: 25 per 1000000 token',
      'output fast: 50 per 1000000 token',
      'web_search: 0.01 per 1 query',
    ]);
  });

  test('synonyms that disagree are one row for a person, with the first amount', () => {
    const { rows } = langfuse([
      standard({ input: 2e-6, output: 8e-6, input_cached_tokens: 2e-7, input_cache_read: 2e-6 }),
    ]);
    expect(rows.at(-1)).toMatchObject({
      unitAmount: '0.2',
      flags: ['DUPLICATE', 'SUSPICIOUS'],
      note: 'the list disagrees with itself: Standard.input_cached_tokens says 0.0000002, Standard.input_cache_read says 0.000002',
    });
  });

  test.each<[string, Tier]>([
    ['another parameter', { source: 'model_parameters', key: 'region', operator: 'in', values: ['eu'] }],
    ['an unknown tier', served('fast', 'hyper')],
    ['no tier', served()],
    ['what is not said', { ...served('fast'), operator: 'not in' }],
    ['something beside the tier', { ...served('fast'), unless: 'weekend' }],
    ['output', longer(1000, '(output)')],
    ['anything', longer(1000, '.*')],
    ['less', longer(1000, '(input)', 'lt')],
    ['above nothing', longer(0)],
    ['half a token', longer(0.5)],
    ['nothing at all', {}],
  ])('a tier on %s is left out, and all prices are for a person', (_, condition) => {
    const { rows, models, skipped } = langfuse([
      standard({ input: 2e-6, output: 8e-6 }),
      tier(1, { input: 4e-6, output: 16e-6 }, condition),
    ]);
    expect(rows.map(line)).toEqual(['input standard: 2 per 1000000 token', 'output standard: 8 per 1000000 token']);
    expect(rows.map(({ flags }) => flags)).toEqual([['SUSPICIOUS'], ['SUSPICIOUS']]);
    expect(models[0]?.contextBands).toEqual([]);
    expect(skipped).toEqual([
      {
        name: 'gpt-x',
        field: 'tier 1',
        reason: 'asks for something that neither service tier nor context band says',
      },
    ]);
  });

  test('one price for all tokens is that of input and of output', () => {
    expect(langfuse([standard({ total: 4e-7 })]).rows.map(line)).toEqual([
      'input standard: 0.4 per 1000000 token',
      'output standard: 0.4 per 1000000 token',
    ]);
  });

  test('what the list says beside is said, and makes the model one for a person', () => {
    const { rows, skipped } = langfuse(
      [{ ...standard({ input: 1e-6, output: 1e-6, dreams: 1, output_text: null }), multiplier: 2 }],
      { unit: 'CHARACTERS', startDate: null },
    );
    expect(rows.map(({ flags }) => flags)).toEqual([['UNKNOWN_FIELD'], ['UNKNOWN_FIELD']]);
    expect(skipped.map(({ field, reason }) => [field, reason])).toEqual([
      ['unit', 'a field that this import does not know'],
      ['Standard.multiplier', 'a field that this import does not know'],
      ['Standard.dreams', 'a field that this import does not know'],
      ['Standard.output_text', 'is no number'],
    ]);
  });

  test('a name that its own pattern does not take, and a model of nobody, are for a person', () => {
    const prices = [standard({ input: 1e-6, output: 1e-6 })];
    const mistaken = langfuse(prices, { modelName: 'gpt.x' });
    expect(mistaken.rows[0]).toMatchObject({
      model: 'gpt.x',
      flags: ['NAME_MISMATCH'],
      note: "the list's pattern does not take this name, but gpt-x, openai/gpt-x",
    });
    expect(mistaken.models[0]?.aliases).toEqual(['gpt-x', 'openai/gpt-x']);

    const nobodys = langfuse(prices, { tokenizerId: null, matchPattern: '^gpt-x$' });
    expect(nobodys.rows[0]).toMatchObject({ provider: 'unknown', flags: ['UNKNOWN_PROVIDER'] });
  });

  test.each<[string, readonly Tier[] | null]>([
    ['it has no list of pricingTiers', null],
    ['it has not one default tier without conditions', []],
    ['it has not one default tier without conditions', [standard({ input: 1 }), standard({ input: 2 })]],
    ['it has not one default tier without conditions', [{ ...standard({ input: 1 }), conditions: [served('fast')] }]],
    [
      'two of its tiers have the same priority',
      [standard({ input: 1 }), tier(1, {}, served('fast')), tier(1, {}, served('flex'))],
    ],
    ['its tier Standard has no priority, no prices or no conditions', [{ ...standard({}), prices: [] }]],
    ['it has no price', [standard({})]],
  ])('an entry is left out: %s', (reason, tiers) => {
    const text = JSON.stringify([{ modelName: 'gpt-x', matchPattern: '^gpt-x$', pricingTiers: tiers }]);
    const { rows, models, skipped } = reading(readLangfuse(text, SOURCE, DATE));
    expect([rows, models, skipped]).toEqual([[], [], [{ name: 'gpt-x', field: null, reason }]]);
  });

  test('entries without a name are counted', () => {
    expect(reading(readLangfuse('[5, {"modelName": 7}]', SOURCE, DATE))).toMatchObject({
      entries: 2,
      skipped: [
        { name: 'entry 1', field: null, reason: 'it is no model with a modelName' },
        { name: 'entry 2', field: null, reason: 'it is no model with a modelName' },
      ],
    });
  });

  test('refuses what is no list', () => {
    expect(readLangfuse('{}', SOURCE, DATE)).toEqual({
      refusal: "Langfuse's price list is a JSON list of models with pricingTiers, and this text is not",
    });
  });
});

describe('names of a pattern', () => {
  test.each<[string, readonly string[], boolean]>([
    ['(?i)^(openai/)?(gpt-4o)$', ['gpt-4o', 'openai/gpt-4o'], false],
    ['^(a(-b)?|c\\.d)$', ['a', 'a-b', 'c.d'], false],
    ['(?i)^(gpt-)(35|3.5)(-turbo)$', ['gpt-35-turbo', 'gpt-3.5-turbo'], false],
    ['(?i)^(bison)(@[a-zA-Z0-9]+)?$', ['bison'], true],
    ['^(ft:)(x:)(.+)(:)(.*)$$', [], true],
    ['^gpt-4(-\\d{4})?-V$', ['gpt-4-v'], true],
    ['', [''], false],
  ])('%s', (pattern, names, isOpen) => {
    expect(namesOf(pattern)).toEqual({ names, isOpen });
  });

  test.each(['(', 'a)', '(?:a)', '[a', '\\w+', 'a b', '(a|b)?'.repeat(9), 'a'.repeat(1001), '('.repeat(1000)])(
    'are not read from %j',
    pattern => {
      expect(namesOf(pattern)).toBeNull();
    },
  );
});

describe('a key', () => {
  test('is the same however the dimensions are ordered, and never that of another price', () => {
    expect(priceKey('token', { token_kind: 'input', model: 'a' })).toBe('token:model=a&token_kind=input');
    expect(priceKey('token', { model: 'a', token_kind: 'input' })).toBe('token:model=a&token_kind=input');
    expect(priceKey('token', { model: 'a&token_kind=input' })).toBe('token:model=a%26token_kind%3Dinput');
    expect(priceKey('token', { model: 'a%26' })).toBe('token:model=a%2526');
  });
});

describe('reading JSON', () => {
  /** What JSON.parse makes of it. */
  const plain = (value: JsonValue): unknown => {
    if (isJsonList(value)) {
      return value.map(plain);
    }

    if (isJsonObject(value)) {
      return Object.fromEntries(value.members.map(([name, member]) => [name, plain(member)]));
    }

    return isJsonNumber(value) ? Number(value.number) : value;
  };

  test('finds what JSON.parse finds', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 1, 3), (text, indent) => {
        const spaced = JSON.stringify(JSON.parse(text), null, indent);
        expect(plain(readJsonText(spaced))).toEqual(JSON.parse(spaced));
      }),
      { numRuns: 500 },
    );
  });

  test('finds strings full of quotes, backslashes and brackets', () => {
    const text = String.raw`{"a\\": "\\\"}", "b\"": ["\\", "]", "\u0041,:"], "": -0.10E+2}`;
    expect(plain(readJsonText(text))).toEqual(JSON.parse(text));
  });

  test('keeps numbers as written and names that stand twice', () => {
    expect(readJsonText('{"a": 1.50E-06, "a": 12345678901234567890}')).toEqual({
      members: [
        ['a', { number: '1.50E-06' }],
        ['a', { number: '12345678901234567890' }],
      ],
    });
  });
});

/** `digits × 10^power`, of integers: nothing in common with the library under test but the strings. */
const scaled = (number: string): readonly [digits: bigint, power: number] => {
  const [mantissa = '', exponent = '0'] = number.toLowerCase().split('e');
  const [integer = '', fraction = ''] = mantissa.split('.');

  return [BigInt(integer + fraction), Number(exponent) - fraction.length];
};

/** Whether amount / per is the number, to the last digit. */
const isSame = (
  number: string,
  { unitAmount, per }: { readonly unitAmount: string; readonly per: string },
): boolean => {
  const [digits, power] = scaled(number);
  const [amount, scale] = scaled(unitAmount);
  const shift = 10n ** BigInt(Math.abs(power - scale));

  return power >= scale ? digits * shift * BigInt(per) === amount : digits * BigInt(per) === amount * shift;
};

/** Lists as published, read from the requirements when they are there. */
describe('whole lists', () => {
  const FILES = {
    litellm: '/work/shared/data/litellm_model_prices_2025-09.json',
    langfuse: '/work/shared/data/langfuse_model_prices_2026-08.json',
  };

  if (!Object.values(FILES).every(file => existsSync(file))) {
    test.skip(`${Object.values(FILES).join(' and ')} are absent`, () => undefined);

    return;
  }

  const MONEY = /cost|pric/;

  /** Numbers as the text has them, by entry and path: through JSON.parse alone, not through the reader under test. */
  const figures = (text: string): unknown =>
    JSON.parse(text, (_, value: unknown, context?: { source?: string }) =>
      typeof value === 'number' ? `number ${context?.source ?? ''}` : value,
    );
  const numberIn = (value: unknown): string | null =>
    typeof value === 'string' && value.startsWith('number ') ? value.slice(7) : null;

  type Figures = ReadonlyMap<string, ReadonlyMap<string, string>>;

  /** Every entry and every figure is in rows or skipped; every amount is a figure, to the last digit. */
  const expectAll = (list: PriceListReading, found: Figures) => {
    expect(list.entries).toBe(found.size);

    const whole = new Set(list.skipped.filter(({ field }) => field === null).map(({ name }) => name));
    const accounted = new Set(list.skipped.map(({ name, field }) => `${name} ${field ?? ''}`));
    const rowsByModel = Map.groupBy(list.rows, ({ model }) => model);
    let compared = 0;

    for (const [name, numbers] of found) {
      const rows = rowsByModel.get(name.toLowerCase()) ?? [];
      expect([name, rows.length > 0 !== whole.has(name)]).toEqual([name, true]);

      for (const [field, number] of whole.has(name) ? [] : numbers) {
        const own = rows.filter(({ fields }) => fields.includes(field));
        expect([name, field, own.length > 0 || accounted.has(`${name} ${field}`)]).toEqual([name, field, true]);
        compared += own.length;

        for (const row of own.filter(({ flags }) => !flags.includes('DUPLICATE'))) {
          expect([name, field, row.unitAmount, isSame(number, row)]).toEqual([name, field, row.unitAmount, true]);
        }
      }
    }

    expect(compared).toBe(list.rows.flatMap(({ fields }) => fields).length);
    expect(new Set(list.rows.map(({ key }) => key)).size).toBe(list.rows.length);

    return `${found.size} entries: ${list.models.length} models with ${list.rows.length} prices, ${whole.size} left out; ${compared} figures`;
  };

  test('every entry of LiteLLM’s map is proposed or left out with a reason, and every amount is exact', () => {
    const text = readFileSync(FILES.litellm, 'utf8');
    const list = reading(readLitellm(text, 'LiteLLM map', '2025-09-01'));
    const found = new Map(
      Object.entries(figures(text) as Record<string, Record<string, unknown>>).map(([name, entry]) => [
        name,
        new Map(
          Object.entries(entry)
            .filter(([field]) => MONEY.test(field))
            .flatMap(([field, value]) =>
              typeof value === 'object' && value !== null
                ? Object.entries(value).map(([inner, number]) => [`${field}.${inner}`, numberIn(number) ?? ''] as const)
                : [[field, numberIn(value) ?? ''] as const],
            ),
        ),
      ]),
    );
    expect(expectAll(list, found)).toBe('1701 entries: 1654 models with 4356 prices, 47 left out; 4467 figures');

    const gpt4o = list.rows.filter(({ model }) => model === 'gpt-4o');
    expect(gpt4o.map(line)).toEqual([
      'input standard: 2.5 per 1000000 token',
      'input batch: 1.25 per 1000000 token',
      'output standard: 10 per 1000000 token',
      'output batch: 5 per 1000000 token',
      'cache_read standard: 1.25 per 1000000 token',
    ]);
    expect(flagsOf(gpt4o)).toEqual({});
    expect(flagsOf(list.rows.filter(({ model }) => model === 'azure_ai/jais-30b-chat'))).toEqual({
      'input standard: 3200 per 1000000 token': 'SUSPICIOUS',
      'output standard: 9710 per 1000000 token': 'SUSPICIOUS',
    });
  });

  test('every entry of Langfuse’s list is proposed, and every amount is exact', () => {
    const text = readFileSync(FILES.langfuse, 'utf8');
    const list = reading(readLangfuse(text, 'Langfuse', '2026-08-20'));
    const models = figures(text) as { modelName: string; pricingTiers: { name: string; prices: object }[] }[];
    const found = new Map(
      models.map(({ modelName, pricingTiers }) => [
        modelName,
        new Map(
          pricingTiers.flatMap(({ name, prices }) =>
            Object.entries(prices).map(([usage, number]) => [`${name}.${usage}`, numberIn(number) ?? ''] as const),
          ),
        ),
      ]),
    );
    expect(expectAll(list, found)).toBe('167 entries: 167 models with 791 prices, 0 left out; 1714 figures');

    expect(list.rows.filter(({ model }) => model === 'gpt-4o').map(line)).toEqual([
      'input standard: 2.5 per 1000000 token',
      'input fast: 4.25 per 1000000 token',
      'cache_read standard: 1.25 per 1000000 token',
      'cache_read fast: 2.125 per 1000000 token',
      'output standard: 10 per 1000000 token',
      'output fast: 17 per 1000000 token',
    ]);
    // Published so, and not 0.125: a list price, no multiple of another one.
    expect(list.rows.filter(({ model }) => model === 'gpt-5.4').map(line)).toContain(
      'cache_read flex short: 0.13 per 1000000 token',
    );
  });
});
