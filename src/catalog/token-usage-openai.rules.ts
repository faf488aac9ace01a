import type { Decimal } from '../money/index.js';
import { addCacheWrites, checkTotal, type Medium, splitPrompt } from './token-prompt.rules.js';
import type { Part, TokenSheet } from './token-sheet.rules.js';

/** What Chat Completions, Responses and Realtime call the details of the prompt and of the answer. */
const INPUT_DETAILS = ['prompt_tokens_details', 'input_tokens_details', 'input_token_details'];
const OUTPUT_DETAILS = ['completion_tokens_details', 'output_tokens_details', 'output_token_details'];

const CACHE_WRITE = /cache_(?:write|creation)/;

/** Durations that gateways put beside the counts, and what DeepSeek tells of the prompt that the total tells already. */
const NO_COUNTS = ['queue_time', 'prompt_time', 'completion_time', 'total_time', 'prompt_cache_miss_tokens'];

const isInputDetail = (path: string): boolean => /^(?:prompt|input)_tokens?_details\./.test(path);
const isOutputDetail = (path: string): boolean => /^(?:completion|output)_tokens?_details\./.test(path);
const isWriteDetail = (path: string): boolean =>
  (isInputDetail(path) && CACHE_WRITE.test(path)) || path.startsWith('cache_creation.');

/** The paths of a detail in those of the objects that are there. */
function pathsUnder(sheet: TokenSheet, objects: readonly string[]): (name: string) => readonly string[] {
  const there = objects.filter(object => sheet.has(object));

  return name => there.map(object => `${object}.${name}`);
}

/**
 * Reads what OpenAI and those who imitate it answer: the prompt holds reads from and writes to the cache, the answer its
 * reasoning. Returns the tokens of the prompt.
 *
 * Whether the answer holds its reasoning differs between providers of the same names (xAI's chat leaves it out), and the
 * total is the judge: where only prompt, answer and reasoning together make it, reasoning is added.
 */
export function readOpenAi(sheet: TokenSheet): Decimal {
  sheet.ignore(...NO_COUNTS);

  const total = sheet.count('prompt_tokens', 'input_tokens');
  const named = pathsUnder(sheet, INPUT_DETAILS);
  const detail = (name: string): Part => sheet.count(...named(name));
  const cached = sheet.count(
    ...named('cached_tokens'),
    'prompt_cache_hit_tokens',
    'cached_tokens',
    'cache_read_input_tokens',
  );
  const told = sheet.count(
    ...['cache_write_tokens', 'cache_creation_tokens', 'cache_creation_input_tokens'].flatMap(named),
    'cache_creation_input_tokens',
    'cache_write_input_tokens',
  );
  const written = addCacheWrites(sheet, told, isWriteDetail, 'cache_write');
  const medium = (name: string, inputKind: string, cacheKind: string): Medium => {
    const [all, fromCache] = [detail(`${name}_tokens`), detail(`cached_tokens_details.${name}_tokens`)];

    return { all: sheet.tells(all.path) ? all : fromCache, cached: fromCache, inputKind, cacheKind };
  };
  const plain = splitPrompt(sheet, {
    total,
    cached,
    written,
    media: [
      medium('text', 'input', 'cache_read'),
      medium('file', 'input', 'cache_read'),
      medium('audio', 'input_audio', 'cache_read_audio'),
      medium('image', 'input_image', 'cache_read_image'),
      medium('video', 'input_video', 'cache_read'),
    ],
  });

  sheet.add('input', sheet.claim(isInputDetail, plain));
  sheet.add('web_search', sheet.count('server_tool_use.web_search_requests').quantity);
  readAnswer(sheet, total.quantity);

  return total.quantity;
}

function readAnswer(sheet: TokenSheet, prompt: Decimal): void {
  const named = pathsUnder(sheet, OUTPUT_DETAILS);
  const detail = (name: string): Part => sheet.count(...named(name));
  const told = sheet.count('completion_tokens', 'output_tokens');
  const total = sheet.count('total_tokens');
  const reasoning = detail('reasoning_tokens');
  const isApart = total.quantity.eq(prompt.plus(told.quantity).plus(reasoning.quantity));
  const answer = isApart ? { ...told, quantity: told.quantity.plus(reasoning.quantity) } : told;
  const [text, audio, image] = [detail('text_tokens'), detail('audio_tokens'), detail('image_tokens')];
  const predicted = [detail('accepted_prediction_tokens'), detail('rejected_prediction_tokens')];

  sheet.within(answer, [reasoning]);
  sheet.within(answer, predicted);
  sheet.within(answer, [audio, image, text]);

  const plain = answer.quantity.minus(audio.quantity).minus(image.quantity);

  sheet.add('output_audio', audio.quantity);
  sheet.add('output_image', image.quantity);
  sheet.add('output', sheet.claim(isOutputDetail, plain));
  checkTotal(sheet, total, prompt.plus(answer.quantity));
}

const OTEL = 'gen_ai.usage';
/** Names that only OpenTelemetry's conventions have, without `gen_ai.usage.`. */
const OTEL_ONLY = [
  'cache_read.input_tokens',
  'cache_creation.input_tokens',
  'cache_write.input_tokens',
  'reasoning.output_tokens',
];

/** Whether the names are those of OpenTelemetry's GenAI conventions, with `gen_ai.usage.` before them or without. */
export function isOpenTelemetry(sheet: TokenSheet): boolean {
  return sheet.has(OTEL) || OTEL_ONLY.some(name => sheet.tells(name));
}

/**
 * Reads the attributes of an OpenTelemetry GenAI span, with their older names and spellings. The conventions include
 * everything cached in the input and reasoning in the output. Returns the tokens of the prompt.
 */
export function readOpenTelemetry(sheet: TokenSheet): Decimal {
  const prefix = sheet.has(OTEL) ? `${OTEL}.` : '';
  const count = (...names: readonly string[]): Part => sheet.count(...names.map(name => `${prefix}${name}`));
  const total = count('input_tokens', 'prompt_tokens');
  const cached = count('cache_read.input_tokens', 'cache_read_input_tokens', 'input_tokens.cached');
  const written = count(
    'cache_creation.input_tokens',
    'cache_write.input_tokens',
    'cache_creation_input_tokens',
    'cache_write_input_tokens',
    'input_tokens.cache_write',
  );
  const answer = count('output_tokens', 'completion_tokens');

  sheet.within(answer, [count('reasoning.output_tokens', 'reasoning_tokens', 'output_tokens.reasoning')]);
  sheet.add('input', splitPrompt(sheet, { total, cached, written, media: [] }));
  sheet.add('cache_write', written.quantity);
  sheet.add('output', answer.quantity);
  checkTotal(sheet, count('total_tokens'), total.quantity.plus(answer.quantity));
  // A span has many more attributes, numbers among them, and only these are usage.
  sheet.ignore(...sheet.unread(path => !path.startsWith(prefix)));

  return total.quantity;
}
