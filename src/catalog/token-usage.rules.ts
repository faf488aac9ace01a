import { type Decimal, ZERO } from '../money/index.js';
import { kindOf, type Properties, propertyAt, refusal, type ValueRefusal } from './property.rules.js';
import { TOKEN_KINDS, type TokenCount } from './token-count.rules.js';
import { type Part, sumOf, TokenSheet } from './token-sheet.rules.js';
import { readAnthropic } from './token-usage-anthropic.rules.js';
import { isGemini, readGemini } from './token-usage-gemini.rules.js';
import { isOpenTelemetry, readOpenAi, readOpenTelemetry } from './token-usage-openai.rules.js';

export { TOKEN_KINDS, type TokenCount } from './token-count.rules.js';

/** What a provider answered about one request, the same for every provider. */
export interface TokenUsage {
  /** In the order of `TOKEN_KINDS`, unknown kinds last. No token is in two of them. */
  readonly counts: readonly TokenCount[];
  /** Input, cache reads and cache writes of every modality: what the context bands of a price look at. */
  readonly promptTokens: Decimal;
  /** What the response says was served: `standard`, `fast`, `flex`, `batch`, `ultrafast`, or its own word. */
  readonly servedTier: string;
  /** Where the response says inference ran, in lower case; `null` when it does not say. */
  readonly inferenceGeo: string | null;
}

/** The longest text that can be a dimension of a price. */
const MAX_TEXT = 128;
/** The path of usage in OpenTelemetry's GenAI conventions. */
const OPEN_TELEMETRY = 'gen_ai.usage';
/** Money that gateways put beside the counts. */
const MONEY = ['cost', 'cost_details', 'cost_in_usd_ticks'];

/**
 * Turns what a provider's API answered about usage into one vector, whatever the provider includes in what. The keys of
 * the object tell the provider, never the name of the model; `properties.provider` decides only where keys do not.
 *
 * `valueProperty` is the path of the object, `usage` for most. Where nothing is at the path, the flat keys of the
 * properties that begin with it are the object (`gen_ai.usage.input_tokens`), and OpenTelemetry's path is tried last.
 *
 * Numbers nobody knows become kinds `unknown:<path>`, so that they end without a price rather than for nothing. Counts
 * that contradict each other refuse the event.
 */
export function readTokenUsage(properties: Properties, valueProperty: string): TokenUsage | ValueRefusal {
  const opened = openUsage(properties, valueProperty);

  if ('reason' in opened) {
    return opened;
  }

  const { sheet, path } = opened;
  const responses = [...new Set([path.split('.').slice(0, -1).join('.'), ''])];
  const beside = (name: string): readonly (string | null)[] =>
    responses.map(response => textOf(propertyAt(properties, response === '' ? name : `${response}.${name}`)));

  const flavour = flavourOf(sheet, path, textOf(propertyAt(properties, 'provider')));
  const inferenceGeo = [sheet.text('inference_geo'), ...beside('inference_geo')].find(isTold) ?? null;
  const tier = servedTier(flavour, sheet, beside);
  const tooLong = [tier, inferenceGeo ?? ''].find(text => text.length > MAX_TEXT);

  if (tooLong) {
    sheet.refuse('', `tells a tier or region of ${tooLong.length} characters; at most ${MAX_TEXT} are told apart`);
  }

  sheet.ignore(...MONEY);

  const promptTokens = READERS[flavour](sheet);
  const counts = sheet.finish();

  return 'reason' in counts ? counts : { counts, promptTokens, servedTier: tier, inferenceGeo };
}

/** The object at the path, or made of the flat keys that begin with it; the same under OpenTelemetry's path. */
function openUsage(
  properties: Properties,
  valueProperty: string,
): { readonly sheet: TokenSheet; readonly path: string } | ValueRefusal {
  for (const path of [valueProperty, OPEN_TELEMETRY]) {
    const value = propertyAt(properties, path) ?? null;

    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { sheet: new TokenSheet(value as Properties, path), path };
    }

    if (value !== null) {
      return refusal(path, `is ${kindOf(value)}, not an object with counts`);
    }

    const flat = Object.entries(properties).filter(([key]) => key.startsWith(`${path}.`));

    if (flat.length > 0) {
      const usage = Object.fromEntries(flat.map(([key, count]) => [key.slice(path.length + 1), count]));

      return { sheet: new TokenSheet(usage, path), path };
    }
  }

  return refusal(valueProperty, 'is missing');
}

type Flavour = 'anthropic' | 'cohere' | 'gemini' | 'normalised' | 'openAi' | 'openTelemetry' | 'unknown';

const READERS: Readonly<Record<Flavour, (sheet: TokenSheet) => Decimal>> = {
  anthropic: readAnthropic,
  cohere: readCohere,
  gemini: readGemini,
  normalised: readNormalised,
  openAi: readOpenAi,
  openTelemetry: readOpenTelemetry,
  // Everything in it ends as an unknown kind.
  unknown: () => ZERO,
};

/** OpenAI's Responses and Anthropic both say `input_tokens`, and one includes what the other leaves out. */
function flavourOf(sheet: TokenSheet, path: string, provider: string | null): Flavour {
  const has = (...keys: readonly string[]): boolean => keys.some(key => sheet.has(key));

  if (`.${path}`.endsWith(`.${OPEN_TELEMETRY}`) || isOpenTelemetry(sheet)) {
    return 'openTelemetry';
  }

  if (isGemini(sheet)) {
    return 'gemini';
  }

  if (isCohere(sheet)) {
    return 'cohere';
  }

  if (has('prompt_tokens', 'completion_tokens', 'prompt_tokens_details')) {
    return 'openAi';
  }

  if (has('cache_read_input_tokens', 'cache_creation_input_tokens', 'cache_creation')) {
    return 'anthropic';
  }

  // Gateways tell server tools in OpenAI's shape as well, but Anthropic details no input.
  if (has('input_tokens_details', 'input_token_details')) {
    return 'openAi';
  }

  if (has('input_tokens', 'output_tokens', 'server_tool_use')) {
    return has('server_tool_use') || provider === 'anthropic' ? 'anthropic' : 'openAi';
  }

  return has(...TOKEN_KINDS) ? 'normalised' : 'unknown';
}

/** Cohere's usage (or meta) with billed_units in it, or billed_units themselves. */
function isCohere(sheet: TokenSheet): boolean {
  return ['billed_units', 'search_units', 'classifications', 'image_tokens'].some(key => sheet.has(key));
}

/** Cohere tells what it bills, and beside it what it computed, which costs nothing. Returns the tokens of the prompt. */
function readCohere(sheet: TokenSheet): Decimal {
  const prefix = sheet.has('billed_units') ? 'billed_units.' : '';
  const count = (name: string): Part => sheet.count(`${prefix}${name}`);
  const [input, image] = [count('input_tokens'), count('image_tokens')];

  sheet.add('input', input.quantity);
  sheet.add('input_image', image.quantity);
  sheet.add('output', count('output_tokens').quantity);
  sheet.add('search_unit', count('search_units').quantity);

  if (!image.quantity.isZero()) {
    // The pictures that the image tokens are of.
    sheet.ignore(`${prefix}images`);
  }

  sheet.ignore(...sheet.unread(path => !path.startsWith(prefix)));

  return sumOf([input, image]);
}

/** An object whose keys are kinds already. Returns the tokens of the prompt. */
function readNormalised(sheet: TokenSheet): Decimal {
  const counts = TOKEN_KINDS.map(kind => sheet.count(kind));

  for (const { path, quantity } of counts) {
    sheet.add(path, quantity);
  }

  sheet.ignore('total', 'total_tokens');

  return sumOf(counts.filter(({ path }) => /^(?:input|cache_)/.test(path)));
}

/** Tiers by the words of the providers. OpenAI renamed priority to fast; Vertex says on_demand with a suffix. */
const TIERS: ReadonlyMap<string, string> = new Map([
  ['default', 'standard'],
  ['standard_only', 'standard'],
  ['on_demand', 'standard'],
  ['priority', 'fast'],
  ['on_demand_priority', 'fast'],
  ['on_demand_flex', 'flex'],
]);

/** Words with which a response says nothing: `auto` is what is asked for, and never what is served. */
const UNTOLD: ReadonlySet<string> = new Set(['', 'auto', 'not_available', 'traffic_type_unspecified']);

function isTold(text: string | null): text is string {
  return text !== null && !UNTOLD.has(text);
}

/**
 * What was served, not what was asked for: the usage object's own word first, then the one beside it in the response.
 * A word nobody knows stays, so that it finds no price, as do two tiers at once (`batch+fast`).
 */
function servedTier(flavour: Flavour, sheet: TokenSheet, beside: (name: string) => readonly (string | null)[]): string {
  const words = [
    ...['service_tier', 'serviceTier', 'trafficType', 'traffic_type'].map(name => sheet.text(name)),
    ...beside('service_tier'),
    sheet.text('openai.response.service_tier'),
    ...beside('openai.response.service_tier'),
  ];
  const word = words.find(isTold) ?? 'standard';
  // Anthropic's priority tier is capacity that was paid for in advance; its fast mode is the speed below.
  const tier = flavour === 'anthropic' && word === 'priority' ? word : (TIERS.get(word) ?? word);
  const speeds = [sheet.text('speed'), ...beside('speed').filter(speed => speed === 'fast' || speed === 'ultrafast')];
  const speed = speeds.find(isTold) ?? 'standard';
  const tiers = [...new Set([tier, speed])].filter(name => name !== 'standard');

  return tiers.length === 0 ? 'standard' : tiers.join('+');
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value.trim().toLowerCase() : null;
}
