import { proposePrices, UNKNOWN_MEMBER } from './import.rules.js';
import {
  isJsonNumber,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  readJsonText,
  textOf,
} from './json-text.rules.js';
import type { ListedPrice, ListEntry } from './listed-price.rules.js';
import type {
  PriceListReading,
  PriceListRefusal,
  PriceUnit,
  ProposedBand,
  ServiceTier,
  SkippedItem,
} from './proposal.rules.js';

/** What a cost field counts, before the endings that say tier and band. */
const MEASURES: Readonly<Record<string, readonly [kind: ListedPrice['kind'], unit: PriceUnit]>> = {
  input_cost_per_token: ['input', 'token'],
  input_cost_per_audio_token: ['input_audio', 'token'],
  input_cost_per_image_token: ['input_image', 'token'],
  input_cost_per_video_token: ['input_video', 'token'],
  input_cost_per_token_cache_hit: ['cache_read', 'token'],
  cache_read_input_token_cost: ['cache_read', 'token'],
  cache_read_input_audio_token_cost: ['cache_read_audio', 'token'],
  cache_read_input_image_token_cost: ['cache_read_image', 'token'],
  cache_creation_input_token_cost: ['cache_write', 'token'],
  cache_creation_input_token_cost_above_1hr: ['cache_write_1h', 'token'],
  output_cost_per_token: ['output', 'token'],
  output_cost_per_reasoning_token: ['reasoning', 'token'],
  output_cost_per_audio_token: ['output_audio', 'token'],
  output_cost_per_image_token: ['output_image', 'token'],
  input_cost_per_character: ['input', 'character'],
  output_cost_per_character: ['output', 'character'],
  input_cost_per_pixel: ['input', 'pixel'],
  output_cost_per_pixel: ['output', 'pixel'],
  input_cost_per_image: ['input_image', 'image'],
  output_cost_per_image: ['output_image', 'image'],
  input_cost_per_second: ['input', 'second'],
  output_cost_per_second: ['output', 'second'],
  input_cost_per_audio_per_second: ['input_audio', 'second'],
  input_cost_per_video_per_second: ['input_video', 'second'],
  input_cost_per_query: ['search_unit', 'query'],
  input_cost_per_request: [null, 'request'],
};

/** Endings of cost fields that name a tier. */
const TIERS: Readonly<Record<string, ServiceTier>> = {
  batches: 'batch',
  batch_requests: 'batch',
  flex: 'flex',
  priority: 'fast',
  fast: 'fast',
};

/** Cost fields that are understood and still are no price of a book in US dollars. */
const NO_PRICES: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/_dbu?_cost_per_token$/, 'counts Databricks units, not US dollars'],
  [/^cache_creation_input_audio_token_cost$/, 'no token kind is a cache write of audio'],
  [/^citation_cost_per_token$/, 'no token kind is a citation'],
  [/_above_\d+s_interval$/, 'depends on the interval between frames, which is no dimension'],
];

const FIELD = /^(.+?)(?:_above_(\d{1,6})k_tokens)?(?:_(batches|batch_requests|flex|priority|fast))?$/;
const ABOUT_MONEY = /cost|pric|dollar|usd/i;
const SEARCH_FIELD = 'search_context_cost_per_query';
const SEARCH_SIZE = /^search_context_size_(low|medium|high)$/;
/** The entry that explains the format. */
const SAMPLE = 'sample_spec';
/** Characters of a member's name that are looked at. */
const MOST_NAME = 200;
/** An entry with more cost fields than this is none: the richest has 20. */
const MOST_COSTS = 200;

const MODALITIES: Readonly<Record<string, string>> = {
  chat: 'text',
  completion: 'text',
  responses: 'text',
  image_generation: 'image',
  audio_speech: 'speech',
  audio_transcription: 'transcription',
};

/**
 * Reads LiteLLM's map of model prices: an object of entries by model name, US dollars for one token, image or second.
 * `..._above_200k_tokens` becomes a context band, `..._batches`, `_flex` and `_priority` a service tier. `date` is that
 * of the map.
 */
export function readLitellm(text: string, source: string, date: string): PriceListReading | PriceListRefusal {
  const list = readJsonText(text);

  if (!isJsonObject(list)) {
    return { refusal: "LiteLLM's map is a JSON object of entries by model name, and this text is not" };
  }

  const entries: ListEntry[] = [];
  const unread: SkippedItem[] = [];

  for (const [name, value] of list.members) {
    if (name === SAMPLE) {
      unread.push({ name, field: null, reason: 'it explains the format and is no model' });
    } else if (!isJsonObject(value)) {
      unread.push({ name, field: null, reason: 'it is no object' });
    } else if (costsOf(value).length > MOST_COSTS) {
      unread.push({ name, field: null, reason: `it has more than ${MOST_COSTS} cost fields` });
    } else {
      entries.push(entryOf(name, value, date));
    }
  }

  return proposePrices(entries, source, unread);
}

/** A cost field, taken apart. */
interface CostField {
  readonly name: string;
  readonly measure: (typeof MEASURES)[string] | null;
  readonly tier: ServiceTier;
  /** Input tokens above which it holds; `null` for the shortest band. */
  readonly above: string | null;
  readonly value: JsonValue;
}

function entryOf(name: string, entry: JsonObject, sourceDate: string): ListEntry {
  const costs = costsOf(entry).map(([field, value]) => costField(field, value));
  const contextBands = bandsOf(costs);
  const skipped: { field: string; reason: string }[] = [];
  const prices: ListedPrice[] = [];
  let isUnderstood = true;

  for (const cost of costs) {
    const { measure, value } = cost;
    const known = NO_PRICES.find(([pattern]) => pattern.test(cost.name.slice(0, MOST_NAME)));

    if (cost.name === SEARCH_FIELD && isJsonObject(value)) {
      prices.push(...searchPrices(value, skipped));
    } else if (measure && isJsonNumber(value)) {
      const [kind, unit] = measure;
      prices.push({
        field: cost.name,
        kind,
        unit,
        tier: cost.tier,
        band: bandOf(cost, costs, contextBands),
        number: value,
      });
    } else {
      skipped.push({ field: cost.name, reason: known?.[1] ?? (measure ? 'is no number' : UNKNOWN_MEMBER) });
      isUnderstood &&= measure !== null || known !== undefined;
    }
  }

  const hasIntervals = skipped.some(({ field }) => field.endsWith('_interval'));
  const unknown = { flag: 'UNKNOWN_FIELD', message: `the list says something else about what it costs` } as const;

  return {
    name,
    provider: (textOf(entry, 'litellm_provider') ?? 'unknown').toLowerCase(),
    modality: modalityOf(textOf(entry, 'mode'), prices),
    contextBands,
    aliases: [],
    sourceDate,
    prices,
    skipped,
    faults: [
      ...(isUnderstood && !hasIntervals ? [] : [unknown]),
      ...(textOf(entry, 'litellm_provider') === null
        ? [{ flag: 'UNKNOWN_PROVIDER', message: 'the list does not name the provider' } as const]
        : []),
    ],
  };
}

function costsOf({ members }: JsonObject): JsonObject['members'] {
  return members.filter(([field]) => ABOUT_MONEY.test(field.slice(0, MOST_NAME)));
}

function costField(name: string, value: JsonValue): CostField {
  const [, stem = '', thousands, ending] = FIELD.exec(name.slice(0, MOST_NAME)) ?? [];
  const measure = Object.hasOwn(MEASURES, stem) ? (MEASURES[stem] ?? null) : null;

  return {
    name,
    measure,
    tier: (ending === undefined ? null : TIERS[ending]) ?? 'standard',
    above: thousands === undefined ? null : String(BigInt(thousands) * 1000n),
    value,
  };
}

/** Prices of a web search by the size of its context: one price where the sizes cost the same. */
function searchPrices(sizes: JsonObject, skipped: { field: string; reason: string }[]): readonly ListedPrice[] {
  const prices = sizes.members.flatMap(([name, number]) => {
    const size = SEARCH_SIZE.exec(name.slice(0, MOST_NAME))?.[1];
    const field = `${SEARCH_FIELD}.${name}`;

    if (size === undefined || !isJsonNumber(number)) {
      skipped.push({ field, reason: size === undefined ? UNKNOWN_MEMBER : 'is no number' });

      return [];
    }

    return [{ field, size, number }];
  });
  const isOne = prices.length === 3 && prices.every(({ number }) => number.number === prices[0]?.number.number);

  return prices.map(({ field, size, number }) => ({
    field,
    kind: 'web_search',
    unit: 'query',
    tier: 'standard',
    band: null,
    ...(isOne ? {} : { more: { search_context_size: size } }),
    number,
  }));
}

/** The bands that any field of the entry names: one is `long`; several are named by where they begin. */
function bandsOf(costs: readonly CostField[]): readonly ProposedBand[] {
  const starts = [...new Set(costs.flatMap(({ above, measure }) => (measure ? (above ?? []) : [])))];

  return starts
    .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    .map(above => ({ above, inclusive: false, name: starts.length === 1 ? 'long' : `above_${above}` }));
}

/** Tokens of a model with bands name their band always; what is counted otherwise only where it has prices by band. */
function bandOf(cost: CostField, costs: readonly CostField[], bands: readonly ProposedBand[]): string | null {
  if (cost.above !== null) {
    return bands.find(({ above }) => above === cost.above)?.name ?? null;
  }

  const isBanded = bands.length > 0 && cost.measure?.[1] === 'token';

  return isBanded || costs.some(({ above, measure }) => above !== null && measure === cost.measure) ? 'short' : null;
}

function modalityOf(mode: string | null, prices: readonly ListedPrice[]): string {
  const modality = mode === null ? 'unknown' : Object.hasOwn(MODALITIES, mode) ? (MODALITIES[mode] ?? mode) : mode;
  const isMixed = prices.some(({ kind }) => kind !== null && /_(audio|image|video)$/.test(kind));

  return modality === 'text' && isMixed ? 'multimodal' : modality;
}
