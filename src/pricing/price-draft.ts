import { dimensionNames, type Meter } from '../catalog/index.js';
import { isCurrency } from '../money/index.js';
import { DomainError } from '../platform/index.js';
import { isCleanText } from '../tenants/index.js';
import type { LivePrice } from './live-price.rules.js';
import type { DimensionPattern } from './pattern.rules.js';
import type { Price } from './price-book.entity.js';
import { closedTier, looksAtEvents, priceTermsJson } from './price.rules.js';
import { readPriceTerms } from './price-reading.rules.js';
import { priceWindowJson, readPriceWindow } from './window.rules.js';

/** A price as it is given. */
export interface PriceDraft {
  readonly meterId: string;
  readonly name: string;
  /** That of the book when absent. */
  readonly currency?: string | null;
  readonly pattern: DimensionPattern;
  /** JSON form, `PriceWindowJson`; checked here. */
  readonly window?: unknown;
  /** Where the price was read, and when. */
  readonly source?: string | null;
  /** JSON form with decimal strings, `PriceTermsJson`; checked here. */
  readonly terms: unknown;
}

export type { LivePrice };

/** The row of a price as the rate engine takes it. What was accepted once can be read again. */
export function livePrice({ id, meterId, name, currency, pattern, window, terms }: Price): LivePrice {
  const read = readPriceTerms(terms);
  const when = window ? readPriceWindow(window, []) : null;

  if ('refusals' in read || (when && 'refusals' in when)) {
    throw new Error(`price ${id} was accepted once and can no longer be read`);
  }

  return {
    id,
    meterId,
    name,
    currency,
    pattern,
    window: when?.window ?? null,
    terms: read.terms,
    inheritedFrom: null,
    takenBy: [],
    costCurrency: null,
  };
}

/** The row of a price on a meter, every part of it checked; `field` is the path of the price in the input. */
export function readPriceDraft(price: PriceDraft, meter: Meter, bookCurrency: string, field: readonly string[]) {
  const { name, pattern, source = null } = price;
  const currency = price.currency ?? bookCurrency;

  if (name.trim().length < 1 || name.length > 200 || !isCleanText(name)) {
    throw DomainError.invalid('name has 1 to 200 characters and no control characters', [...field, 'name']);
  }

  if (!isCurrency(currency)) {
    throw DomainError.invalid('currency is an ISO 4217 currency in use', [...field, 'currency']);
  }

  if (source !== null && (source.length > 500 || !isCleanText(source))) {
    throw DomainError.invalid('source has at most 500 characters and no control characters', [...field, 'source']);
  }

  refusePattern(pattern, meter, [...field, 'dimensions']);
  const terms = readPriceTerms(price.terms);

  if ('refusals' in terms) {
    const [refusal] = terms.refusals;
    throw DomainError.invalid(refusal.message, [...field, ...refusal.field]);
  }

  const closed = closedTier(terms.terms);

  if (closed !== null) {
    throw DomainError.invalid('the last tier of a price book is open (upTo null), or usage above it has no price', [
      ...field,
      'tiers',
      String(closed),
      'upTo',
    ]);
  }

  if (looksAtEvents(terms.terms) && !meter.keepsEvents) {
    throw DomainError.invalid(
      `this price looks at single events, and meter ${meter.key} keeps none; define a meter with keepsEvents`,
      [...field, 'meterId'],
    );
  }

  if (terms.terms.prorated && meter.aggregation !== 'TIME_WEIGHTED') {
    throw DomainError.invalid(
      `a prorated price charges a level for the time it was there, and meter ${meter.key} follows none; define one that is TIME_WEIGHTED`,
      [...field, 'prorated'],
    );
  }

  const window = price.window === null || price.window === undefined ? null : readPriceWindow(price.window, ['window']);

  if (window && 'refusals' in window) {
    const [refusal] = window.refusals;
    throw DomainError.invalid(refusal?.message ?? 'the window cannot be read', [...field, ...(refusal?.field ?? [])]);
  }

  if (window && terms.terms.prorated) {
    throw DomainError.invalid('a prorated price holds for whole periods and has no window', [...field, 'window']);
  }

  return {
    meterId: meter.id,
    name,
    currency,
    pattern,
    window: window ? priceWindowJson(window.window) : null,
    source,
    terms: priceTermsJson(terms.terms),
  };
}

function refusePattern(pattern: DimensionPattern, meter: Meter, field: readonly string[]): void {
  const names = dimensionNames(meter);

  for (const [name, value] of Object.entries(pattern)) {
    if (!names.includes(name)) {
      throw DomainError.invalid(`meter ${meter.key} has no dimension ${name.slice(0, 40)}`, field);
    }

    if (value.length < 1 || value.length > 128 || !isCleanText(value) || value.slice(0, -1).includes('*')) {
      throw DomainError.invalid(
        `the value of dimension ${name} has 1 to 128 characters, and a * only at its end`,
        field,
      );
    }
  }

  // A price for every kind would also be one for kinds nobody has heard of yet; those stay unpriced until somebody decides.
  if (meter.source === 'TOKEN_USAGE' && (!pattern['token_kind'] || pattern['token_kind'] === '*')) {
    throw DomainError.invalid(`a price of meter ${meter.key} names the token_kind it is for`, field);
  }
}
