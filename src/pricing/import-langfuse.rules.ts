import { proposePrices, UNKNOWN_MEMBER } from './import.rules.js';
import {
  isJsonList,
  isJsonNumber,
  isJsonObject,
  type JsonObject,
  memberOf,
  readJsonText,
  textOf,
} from './json-text.rules.js';
import { bandsOf, type ListTier, type Skipped, tiersOf, unknownMembers } from './langfuse-tiers.rules.js';
import type { ListedPrice, ListEntry, PriceFault } from './listed-price.rules.js';
import { namesOf } from './name-pattern.rules.js';
import type { PriceListReading, PriceListRefusal, ProposedBand, ServiceTier, SkippedItem } from './proposal.rules.js';

/** Many names for one count, by what they count. `total` stands for input and output alike. */
const SYNONYMS: Readonly<Partial<Record<NonNullable<ListedPrice['kind']>, readonly string[]>>> = {
  input: [
    'input',
    'input_tokens',
    'input_text',
    'input_text_tokens',
    'input_modality_1',
    'prompt_tokens',
    'prompt_token_count',
    'promptTokenCount',
    'total',
  ],
  input_audio: ['input_audio', 'input_audio_tokens'],
  input_image: ['input_image', 'input_image_tokens'],
  input_video: ['input_video', 'input_video_tokens'],
  cache_read: [
    'input_cached_tokens',
    'input_cache_read',
    'cache_read_input_tokens',
    'input_cached_text_tokens',
    'cached_content_token_count',
    'cachedContentTokenCount',
  ],
  cache_read_audio: ['input_cached_audio_tokens'],
  cache_read_image: ['input_cached_image_tokens'],
  cache_write: ['input_cache_creation', 'cache_creation_input_tokens', 'cache_write_tokens'],
  cache_write_5m: ['input_cache_creation_5m'],
  cache_write_30m: ['input_cache_creation_30m'],
  cache_write_1h: ['input_cache_creation_1h'],
  cache_write_12h: ['input_cache_creation_12h'],
  output: [
    'output',
    'output_tokens',
    'output_text',
    'output_text_tokens',
    'output_modality_1',
    'completion_tokens',
    'candidates_token_count',
    'candidatesTokenCount',
    'total',
  ],
  output_audio: ['output_audio', 'output_audio_tokens'],
  output_image: ['output_image', 'output_image_tokens'],
  reasoning: [
    'output_reasoning',
    'output_reasoning_tokens',
    'reasoning_tokens',
    'thoughtsTokenCount',
    'thoughts_token_count',
  ],
  web_search: ['web_search_queries', 'webSearchQueries', 'grounding_queries', 'groundingQueries'],
};

const KNOWN_MEMBERS: readonly string[] = [
  'id',
  'modelName',
  'matchPattern',
  'createdAt',
  'updatedAt',
  'tokenizerConfig',
  'tokenizerId',
  'pricingTiers',
];
const PROVIDERS: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'google',
  googleai: 'google',
};
const PROVIDERS_BY_TOKENIZER: Readonly<Record<string, string>> = { openai: 'openai', claude: 'anthropic' };

/**
 * Reads Langfuse's list of model prices: entries with tiers, tried in the order of their priority, of which the first
 * holds whose conditions the request meets, and else the default one. The conditions become service tier and
 * context band; each combination of the two that the tiers speak of is looked up in that order. `date` is for
 * entries that do not say when they were updated.
 */
export function readLangfuse(text: string, source: string, date: string): PriceListReading | PriceListRefusal {
  const list = readJsonText(text);

  if (!isJsonList(list)) {
    return { refusal: "Langfuse's price list is a JSON list of models with pricingTiers, and this text is not" };
  }

  const entries: ListEntry[] = [];
  const unread: SkippedItem[] = [];

  for (const [index, value] of list.entries()) {
    const name = isJsonObject(value) ? textOf(value, 'modelName') : null;
    const entry = isJsonObject(value) && name !== null ? entryOf(name, value, date) : 'it is no model with a modelName';

    if (typeof entry === 'string') {
      unread.push({ name: name ?? `entry ${index + 1}`, field: null, reason: entry });
    } else {
      entries.push(entry);
    }
  }

  return proposePrices(entries, source, unread);
}

/** The entry, or why it is not read at all. */
function entryOf(name: string, model: JsonObject, date: string): ListEntry | string {
  const skipped: Skipped = unknownMembers(model, KNOWN_MEMBERS, '');
  const tiers = tiersOf(memberOf(model, 'pricingTiers'), skipped);

  if (typeof tiers === 'string') {
    return tiers;
  }

  const contextBands = bandsOf(tiers);
  const prices = pricesOf(tiers, contextBands, skipped);
  const [doubted, known] = [
    tiers.filter(({ condition }) => typeof condition === 'string'),
    namesOf(textOf(model, 'matchPattern') ?? ''),
  ];
  const isNamed = known === null || known.names.includes(name.toLowerCase());
  const provider = providerOf(known?.names ?? [], textOf(model, 'tokenizerId'));
  const faults: PriceFault[] = [];

  if (skipped.some(({ reason }) => reason === UNKNOWN_MEMBER)) {
    faults.push({ flag: 'UNKNOWN_FIELD', message: 'the list says something else about what it costs' });
  }

  if (doubted.length > 0) {
    const message = `the list has other prices on a condition that no dimension holds (${doubted.map(tier => tier.name).join(', ')})`;
    faults.push({ flag: 'SUSPICIOUS', message });
  }

  if (provider === null) {
    faults.push({ flag: 'UNKNOWN_PROVIDER', message: 'the list does not name the provider' });
  }

  if (!isNamed) {
    const names = known.names.length > 0 ? known.names.slice(0, 3).join(', ') : 'longer names';
    faults.push({ flag: 'NAME_MISMATCH', message: `the list's pattern does not take this name, but ${names}` });
  }

  return {
    name,
    provider: provider ?? 'unknown',
    modality: prices.some(({ kind }) => kind !== null && /_(audio|image|video)$/.test(kind)) ? 'multimodal' : 'text',
    contextBands,
    aliases: known?.names ?? [],
    sourceDate: /^\d{4}-\d\d-\d\d(?=T)/.exec(textOf(model, 'updatedAt') ?? '')?.[0] ?? date,
    prices,
    skipped,
    faults,
  };
}

/** The prices of every tier and band that the list speaks of: those of the first of its tiers that takes them. */
function pricesOf(
  tiers: readonly ListTier[],
  bands: readonly ProposedBand[],
  skipped: Skipped,
): readonly ListedPrice[] {
  const readable = tiers.flatMap(tier =>
    typeof tier.condition === 'string' ? [] : [{ ...tier, condition: tier.condition }],
  );
  const services = new Set<ServiceTier>(['standard', ...readable.flatMap(({ condition }) => condition.tiers ?? [])]);
  const cells = [...services].flatMap(service =>
    [null, ...bands].map((band, index) => ({ service, band, reached: bands.slice(0, index) })),
  );
  const prices = new Map(readable.map(tier => [tier, tierPrices(tier, skipped)]));

  for (const { name, condition } of tiers) {
    if (typeof condition === 'string') {
      skipped.push({ field: name, reason: condition });
    }
  }

  const used = new Set<(typeof readable)[number]>();
  const found = cells.flatMap(({ service, band, reached }) => {
    const tier = readable.find(
      ({ condition: { tiers: asked, above } }) =>
        (asked === null || asked.includes(service)) &&
        (above === null || reached.some(other => other.above === above.above && other.inclusive === above.inclusive)),
    );

    if (tier) {
      used.add(tier);
    }

    const name = bands.length === 0 ? null : (band?.name ?? 'short');

    return (tier && prices.get(tier)?.map(price => ({ ...price, tier: service, band: name }))) ?? [];
  });

  for (const tier of readable.filter(other => !used.has(other))) {
    skipped.push({ field: tier.name, reason: 'tiers of a higher priority take every request that it asks for' });
  }

  return found;
}

type TierPrice = Pick<ListedPrice, 'field' | 'kind' | 'unit' | 'number'>;

function tierPrices({ name, prices }: ListTier, skipped: Skipped): readonly TierPrice[] {
  return prices.members.flatMap(([usage, number]): readonly TierPrice[] => {
    const field = `${name}.${usage}`;
    const kinds = Object.entries(SYNONYMS).flatMap(([kind, names]) =>
      names.includes(usage) ? [kind] : [],
    ) as NonNullable<ListedPrice['kind']>[];

    if (kinds.length === 0 || !isJsonNumber(number)) {
      skipped.push({ field, reason: kinds.length === 0 ? UNKNOWN_MEMBER : 'is no number' });

      return [];
    }

    return kinds.map(kind => ({ field, kind, unit: kind === 'web_search' ? 'query' : 'token', number }));
  });
}

/** Whose model it is, by the names it goes by (`openai/gpt-4o`) or how its tokens are counted. */
function providerOf(names: readonly string[], tokenizer: string | null): string | null {
  const named = new Set(
    names.flatMap(name => {
      const prefix = /^([a-z]+)\//.exec(name)?.[1] ?? '';

      return Object.hasOwn(PROVIDERS, prefix) ? (PROVIDERS[prefix] ?? []) : [];
    }),
  );
  const [only] = named.size === 1 ? named : [];
  const byTokenizer =
    tokenizer !== null && Object.hasOwn(PROVIDERS_BY_TOKENIZER, tokenizer) ? PROVIDERS_BY_TOKENIZER[tokenizer] : null;

  return only ?? byTokenizer ?? null;
}
