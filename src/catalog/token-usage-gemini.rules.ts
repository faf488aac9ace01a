import { type Decimal, ZERO } from '../money/index.js';
import { checkTotal, type Medium, splitPrompt } from './token-prompt.rules.js';
import { type Part, sumOf, unknownKind, type TokenSheet } from './token-sheet.rules.js';

/** Modalities that are priced like text. */
const TEXT: ReadonlySet<string> = new Set(['TEXT', 'DOCUMENT', 'MODALITY_UNSPECIFIED']);
const INPUT_KINDS: ReadonlyMap<string, string> = new Map([
  ['AUDIO', 'input_audio'],
  ['IMAGE', 'input_image'],
  ['VIDEO', 'input_video'],
]);
const CACHE_KINDS: ReadonlyMap<string, string> = new Map([
  ['AUDIO', 'cache_read_audio'],
  ['IMAGE', 'cache_read_image'],
  ['VIDEO', 'cache_read'],
]);
const OUTPUT_KINDS: ReadonlyMap<string, string> = new Map([
  ['AUDIO', 'output_audio'],
  ['IMAGE', 'output_image'],
]);

/** Tokens of one modality and where they are told. */
interface Modality extends Part {
  readonly modality: string;
  readonly list: string;
}

/** REST writes `promptTokenCount`, the Python library `prompt_token_count`. */
const spellings = (name: string): readonly string[] => [
  name,
  name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
];

// Asked of every event there is, so spelt out once.
const COUNTS = ['promptTokenCount', 'candidatesTokenCount', 'responseTokenCount', 'totalTokenCount'].flatMap(spellings);

/** Whether the usage object is Gemini's usageMetadata. */
export function isGemini(sheet: TokenSheet): boolean {
  return COUNTS.some(name => sheet.has(name));
}

/**
 * Reads Gemini's usageMetadata: the prompt holds what came from the cache; thoughts stand beside the candidates and are
 * output; prompts of tools stand beside the prompt and are input. Returns the tokens of both prompts.
 */
export function readGemini(sheet: TokenSheet): Decimal {
  const count = (...names: readonly string[]): Part => sheet.count(...names.flatMap(spellings));
  const modalities = (...names: readonly string[]): readonly Modality[] =>
    names.flatMap(spellings).flatMap(list => modalitiesOf(sheet, list));

  const prompt = count('promptTokenCount');
  const tool = count('toolUsePromptTokenCount');
  const answer = count('candidatesTokenCount', 'responseTokenCount');
  const thoughts = count('thoughtsTokenCount');
  const parts = [prompt, tool, answer, thoughts];

  const plain = splitPrompt(sheet, {
    total: prompt,
    cached: count('cachedContentTokenCount'),
    written: { ...prompt, quantity: ZERO },
    media: media(modalities('promptTokensDetails'), modalities('cacheTokensDetails')),
  });
  const toolPlain = addModalities(sheet, tool, modalities('toolUsePromptTokensDetails'), INPUT_KINDS);
  const answered = modalities('candidatesTokensDetails', 'responseTokensDetails');

  sheet.add('input', plain.plus(toolPlain));
  sheet.add('output', addModalities(sheet, answer, answered, OUTPUT_KINDS).plus(thoughts.quantity));
  checkTotal(sheet, count('totalTokenCount'), sumOf(parts));

  return prompt.quantity.plus(tool.quantity);
}

function modalitiesOf(sheet: TokenSheet, list: string): readonly Modality[] {
  const found: Modality[] = [];

  for (let at = 0; sheet.has(`${list}.${at}`); at += 1) {
    const modality = sheet.text(`${list}.${at}.modality`)?.toUpperCase() ?? 'MODALITY_UNSPECIFIED';
    const counted = sheet.count(`${list}.${at}.tokenCount`, `${list}.${at}.token_count`);

    found.push({ ...counted, modality, list });
  }

  return found;
}

/** Text first; a modality that only the cache tells of is in the prompt as well. */
function media(prompted: readonly Modality[], fromCache: readonly Modality[]): readonly Medium[] {
  const all = [...prompted, ...fromCache];
  const names = [...new Set(all.map(({ modality }) => modality))];
  const texts = names.filter(name => TEXT.has(name));
  const others = names.filter(name => !TEXT.has(name));
  const kindOf = (kinds: ReadonlyMap<string, string>, name: string): string =>
    kinds.get(name) ?? unknownKind(`${all.find(({ modality }) => modality === name)?.list}.${name}`);

  return [
    ...texts.map(name => ({ ...partsOf(prompted, fromCache, name), inputKind: 'input', cacheKind: 'cache_read' })),
    ...others.map(name => ({
      ...partsOf(prompted, fromCache, name),
      inputKind: kindOf(INPUT_KINDS, name),
      cacheKind: kindOf(CACHE_KINDS, name),
    })),
  ];
}

function partsOf(
  prompted: readonly Modality[],
  fromCache: readonly Modality[],
  name: string,
): Pick<Medium, 'all' | 'cached'> {
  const isNamed = ({ modality }: Modality): boolean => modality === name;
  const partOf = (told: readonly Modality[]): Part => ({
    quantity: sumOf(told),
    path: told[0]?.path ?? '',
  });
  const cached = partOf(fromCache.filter(isNamed));
  const all = prompted.some(isNamed) ? partOf(prompted.filter(isNamed)) : cached;

  return { all, cached };
}

/** Adds what the modalities have kinds for and returns the rest of the whole, which is text. */
function addModalities(
  sheet: TokenSheet,
  whole: Part,
  told: readonly Modality[],
  kinds: ReadonlyMap<string, string>,
): Decimal {
  const others = told.filter(({ modality }) => !TEXT.has(modality));

  sheet.within(whole, told);

  for (const { modality, list, quantity } of others) {
    sheet.add(kinds.get(modality) ?? unknownKind(`${list}.${modality}`), quantity);
  }

  return whole.quantity.minus(sumOf(others));
}
