import { type Decimal, formatDecimal, minOf, ZERO } from '../money/index.js';
import { TOKEN_KINDS, type TokenKind } from './token-count.rules.js';
import { type Part, sumOf, type TokenSheet, unknownKind } from './token-sheet.rules.js';

/** The cache write that a name tells the lifetime of (`ephemeral_1h_input_tokens`), or `null`. */
function writeKind(name: string): TokenKind | null {
  const lifetime = /(?:^|[._])(5m|30m|1h|12h)(?:[._]|$)/.exec(name)?.[1];

  return lifetime ? (TOKEN_KINDS.find(kind => kind === `cache_write_${lifetime}`) ?? null) : null;
}

/**
 * Adds the tokens written to a cache by the lifetimes that the names of the fitting paths tell, the rest of the total as
 * `untold`. Without a total the lifetimes are the total. Returns the total.
 */
export function addCacheWrites(
  sheet: TokenSheet,
  told: Part,
  fits: (path: string) => boolean,
  untold: TokenKind,
): Part {
  const parts = sheet.unread(fits).flatMap(path => {
    const kind = writeKind(path);

    return kind ? [{ ...sheet.count(path), kind }] : [];
  });

  for (const { kind, quantity } of parts) {
    sheet.add(kind, quantity);
  }

  if (!sheet.tells(told.path)) {
    return { ...told, quantity: sumOf(parts) };
  }

  sheet.within(told, parts);
  sheet.add(untold, sheet.claim(fits, told.quantity.minus(sumOf(parts))));

  return told;
}

/** Tokens of one modality in a prompt, those read from a cache among them. */
export interface Medium {
  readonly all: Part;
  readonly cached: Part;
  /** The kind of those that are fresh; `input` for text. */
  readonly inputKind: string;
  readonly cacheKind: string;
}

/** A prompt as most providers count it: the total holds everything, and everything may overlap. */
export interface InclusivePrompt {
  readonly total: Part;
  readonly cached: Part;
  /** Already added by its lifetimes. */
  readonly written: Part;
  /** Text first. */
  readonly media: readonly Medium[];
}

/**
 * Adds an inclusive prompt to the vector, each token once, and returns the plain input that is left for the caller to
 * add. Where media and cache overlap without a word on how, the tokens from the cache are text as far as there is text,
 * then media in their order.
 */
export function splitPrompt(sheet: TokenSheet, prompt: InclusivePrompt): Decimal {
  const { total, cached, written } = prompt;
  const media = prompt.media.filter(medium => !medium.all.quantity.isZero() || !medium.cached.quantity.isZero());
  const all = media.map(medium => medium.all);
  const cachedMedia = media.map(medium => medium.cached);

  sheet.within(total, [cached, written]);
  sheet.within(total, all);
  sheet.within(cached, cachedMedia);

  for (const medium of media) {
    sheet.within(medium.all, [medium.cached]);
  }

  let rest = total.quantity.minus(cached.quantity).minus(written.quantity).minus(sumOf(all)).plus(sumOf(cachedMedia));
  let overlap = rest.isNegative() ? rest.negated() : ZERO;
  let cachedUntold = cached.quantity.minus(sumOf(cachedMedia));

  rest = rest.plus(overlap);

  for (const medium of media) {
    const fresh = medium.all.quantity.minus(medium.cached.quantity);
    const taken = minOf(fresh, overlap);
    // What is not from the cache is written to it, and `written` has it.
    const moved = minOf(taken, cachedUntold);

    overlap = overlap.minus(taken);
    cachedUntold = cachedUntold.minus(moved);
    sheet.add(medium.cacheKind, medium.cached.quantity.plus(moved));

    if (medium.inputKind === 'input') {
      rest = rest.plus(fresh.minus(taken));
    } else {
      sheet.add(medium.inputKind, fresh.minus(taken));
    }
  }

  sheet.add('cache_read', cachedUntold);

  return rest;
}

/** Tokens that a total has beyond its parts are of no known kind; a total smaller than its parts is a fault. */
export function checkTotal(sheet: TokenSheet, total: Part, parts: Decimal): void {
  if (total.quantity.isZero()) {
    return;
  }

  if (total.quantity.lt(parts)) {
    sheet.refuse(total.path, `is ${formatDecimal(total.quantity)}, less than its parts with ${formatDecimal(parts)}`);
  }

  sheet.add(unknownKind(total.path), total.quantity.minus(parts));
}
