import { type Decimal, formatDecimal, parseDecimal } from '../money/index.js';

/** How fast the provider served the request; `fast` is what some call priority. */
export type ServiceTier = 'standard' | 'batch' | 'flex' | 'fast' | 'ultrafast';

/** What one of the quantity is. */
export const PRICE_UNITS = ['token', 'character', 'pixel', 'image', 'second', 'query', 'request'] as const;

/** One of `PRICE_UNITS`. */
export type PriceUnit = (typeof PRICE_UNITS)[number];

/**
 * Why a person should look at a row before it is approved. ZERO_PRICE: the list says 0. MISSING_PRICE: the list has no
 * price for something that goes with this one. DUPLICATE: the list prices this more than once. SUSPICIOUS: the
 * amount is out of proportion. UNKNOWN_FIELD: the list says something about this model that is not understood.
 * UNKNOWN_PROVIDER: the list does not say whose model it is. NAME_MISMATCH: the list's own pattern does not take
 * the model's name. UNKNOWN_MODEL: the price names a context band and nobody has entered the model with its bands, so it
 * would match no usage. OTHER_BANDS: the model is entered with other bands than the list has.
 */
export type ProposalFlag =
  | 'ZERO_PRICE'
  | 'MISSING_PRICE'
  | 'DUPLICATE'
  | 'SUSPICIOUS'
  | 'UNKNOWN_FIELD'
  | 'UNKNOWN_PROVIDER'
  | 'NAME_MISMATCH'
  | 'UNKNOWN_MODEL'
  | 'OTHER_BANDS';

/** A price that a list proposes. */
export interface ProposedPrice {
  /** Unit and dimensions, see `priceKey`: the same in every list and from one import to the next. */
  readonly key: string;
  /** The AI model's key in the catalog. */
  readonly model: string;
  readonly provider: string;
  readonly modality: string;
  readonly unit: PriceUnit;
  readonly dimensions: Readonly<Record<string, string>>;
  /** US dollars per `per` units: a plain decimal string that stands for exactly what the list says. */
  readonly unitAmount: string;
  readonly per: string;
  readonly source: string;
  /** As of when the list, or this entry of it, is: `2026-08-20`. */
  readonly sourceDate: string;
  /** Where in the list's entry this amount stands; several when it stands there under several names. */
  readonly fields: readonly string[];
  readonly flags: readonly ProposalFlag[];
  /** Why it is flagged; `null` when it is not. */
  readonly note: string | null;
}

/** A band of requests by the number of their input tokens. */
export interface ProposedBand {
  /** Input tokens; requests with more are in the band. */
  readonly above: string;
  /** Whether requests with exactly so many are in it, too. */
  readonly inclusive: boolean;
  readonly name: string;
}

/** An AI model that a list has prices of. */
export interface ProposedModel {
  readonly key: string;
  readonly provider: string;
  /** No list says it. */
  readonly family: string | null;
  readonly modality: string;
  /** Ascending; requests below the first one are `short`. */
  readonly contextBands: readonly ProposedBand[];
  /** Other names that the list prices alike. */
  readonly aliases: readonly string[];
}

/** What is not proposed, and why: a whole entry, or one field of it. */
export interface SkippedItem {
  readonly name: string;
  /** `null` for the whole entry. */
  readonly field: string | null;
  readonly reason: string;
}

/** A price list as proposals. Every entry is in `rows` or in `skipped`, and every price field in it, too. */
export interface PriceListReading {
  readonly currency: 'USD';
  /** How many entries the list has. */
  readonly entries: number;
  readonly rows: readonly ProposedPrice[];
  readonly models: readonly ProposedModel[];
  readonly skipped: readonly SkippedItem[];
}

/** Why a text is not such a price list. */
export interface PriceListRefusal {
  readonly refusal: string;
}

const MILLION = '1000000';
const ONE_UNIT = '1';
/** Units of which one costs next to nothing are priced by the million, always, so that two imports compare. */
const BY_THE_MILLION: readonly PriceUnit[] = ['token', 'character', 'pixel'];
/** As wide as a price may be. */
const AMOUNT_LIMITS = { integerDigits: 15, fractionDigits: 12 };

/**
 * The identity of a price across lists and versions: `token:model=gpt-6&service_tier=standard&token_kind=input`.
 * Dimensions stand in the order of their names; `%`, `&` and `=` in them are percent-encoded.
 */
export function priceKey(unit: string, dimensions: Readonly<Record<string, string>>): string {
  const encoded = (text: string) => text.replaceAll(/[%&=]/g, character => encodeURIComponent(character));
  const pairs = Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1));

  return `${unit}:${pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&')}`;
}

/** `USD for one` as the amount and the number of units that a price carries; `null` when it is too large or too fine. */
export function unitPrice(
  each: Decimal,
  unit: PriceUnit,
): { readonly unitAmount: string; readonly per: string } | null {
  for (const per of BY_THE_MILLION.includes(unit) ? [MILLION] : [ONE_UNIT, MILLION]) {
    const unitAmount = formatDecimal(each.times(per));

    if (parseDecimal(unitAmount, AMOUNT_LIMITS)) {
      return { unitAmount, per };
    }
  }

  return null;
}
