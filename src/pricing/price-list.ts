import { createHash } from 'node:crypto';
import { DomainError } from '../platform/index.js';
import { isCleanText } from '../tenants/index.js';
import { readLangfuse } from './import-langfuse.rules.js';
import { readLitellm } from './import-litellm.rules.js';
import { askedOnly } from './import-plan.rules.js';
import type { PriceListFormat } from './price-import.entity.js';
import type { PriceListReading } from './proposal.rules.js';

/** A price list as somebody hands it in. */
export interface PriceListInput {
  readonly format: PriceListFormat;
  /** The file as it is. */
  readonly content: string;
  /** Where it comes from. */
  readonly source: string;
  /** As of when it is: `2026-08-20`. */
  readonly sourceDate: string;
  /** Names of models, or beginnings of names followed by `*`; none for all. */
  readonly models: readonly string[];
}

/** A list that was read. */
export interface PriceList extends PriceListReading {
  /** SHA-256, in hex, of the file. */
  readonly contentHash: string;
}

const READERS = { LITELLM: readLitellm, LANGFUSE: readLangfuse } as const;
/** Characters of a file that the command line takes; what travels as GraphQL is bounded there. */
const MOST_CONTENT = 20_000_000;
const MOST_SOURCE = 200;
const MOST_MODELS = 50;
const MOST_MODEL = 128;

/** Reads a list and keeps the models that were asked for; refuses one that is no list or has nothing of them. */
export function readPriceList(input: PriceListInput): PriceList {
  const { format, content, source, sourceDate, models } = input;

  if (source.trim().length < 1 || source.length > MOST_SOURCE || !isCleanText(source)) {
    throw DomainError.invalid(`source has 1 to ${MOST_SOURCE} characters and no control characters`, ['source']);
  }

  if (!isDay(sourceDate)) {
    throw DomainError.invalid('sourceDate is a day such as 2026-08-20', ['sourceDate']);
  }

  if (models.length > MOST_MODELS || !models.every(isModelGlob)) {
    throw DomainError.invalid(
      `models has up to ${MOST_MODELS} names of models, or beginnings of names followed by *, such as gpt-6*`,
      ['models'],
    );
  }

  if (content.length > MOST_CONTENT) {
    throw DomainError.invalid(`content has at most ${MOST_CONTENT} characters`, ['content']);
  }

  const list = READERS[format](content, source, sourceDate);

  if ('refusal' in list) {
    throw DomainError.invalid(list.refusal, ['content']);
  }

  const asked = askedOnly(list, models);

  if (asked.rows.length === 0) {
    throw DomainError.invalid('the list has no price of these models; ask for others, or look at what it holds', [
      models.length > 0 ? 'models' : 'content',
    ]);
  }

  return { ...asked, contentHash: createHash('sha256').update(content).digest('hex') };
}

function isModelGlob(text: string): boolean {
  return text.length >= 1 && text.length <= MOST_MODEL && isCleanText(text) && !text.slice(0, -1).includes('*');
}

function isDay(text: string): boolean {
  if (!/^[1-9]\d{3}-\d\d-\d\d$/.test(text)) {
    return false;
  }

  const day = new Date(`${text}T00:00:00Z`);

  // A day that is none, such as the 31st of February, becomes another one or nothing.
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}
