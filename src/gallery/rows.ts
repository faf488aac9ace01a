import { decimal, formatDecimal } from '../money/index.js';
import type { GalleryMeter, GalleryModel, GalleryPrice, GalleryVersion, GalleryWindow } from './gallery.types.js';

/** Where a figure was read, and when. */
export interface Citation {
  readonly source: string;
  /** YYYY-MM-DD; the first of the month where the source gives the month only. */
  readonly asOf: string;
}

/** What a token meter tells apart in a request. */
export type TokenKind =
  | 'input'
  | 'input_audio'
  | 'input_image'
  | 'cache_read'
  | 'cache_read_audio'
  | 'cache_read_image'
  | 'cache_write'
  | 'cache_write_5m'
  | 'cache_write_30m'
  | 'cache_write_1h'
  | 'cache_write_12h'
  | 'output'
  | 'output_audio'
  | 'output_image'
  | 'web_search'
  | 'search_unit';

/** The tier that served a request, whichever was asked for. */
export type ServiceTier = 'standard' | 'batch' | 'flex' | 'fast' | 'ultrafast';

/** One cell of a provider's table: an amount per million tokens. */
export interface TokenRow extends Citation {
  readonly model: string;
  readonly kind: TokenKind;
  readonly tier: ServiceTier;
  /** The context band; without one, the band below all others of the model. */
  readonly band?: string;
  /** A dimension of place and its value. */
  readonly place?: Readonly<Record<string, string>>;
  readonly window?: GalleryWindow;
  readonly amount: string;
  readonly note?: string;
}

/** A line of a table: the model, then an amount for each column; `null` where the source has none. */
export type Line = readonly [model: string, ...amounts: (string | null)[]];

const PER_TOKENS = '1000000';

/** The tables' columns as rows: one for every amount that is there. */
export function tokenRows(
  citation: Citation,
  kinds: readonly TokenKind[],
  lines: readonly Line[],
  of: Partial<Pick<TokenRow, 'tier' | 'band' | 'window' | 'note'>> = {},
): TokenRow[] {
  return lines.flatMap(([model, ...amounts]) =>
    amounts.flatMap((amount, column) => {
      const kind = kinds[column];

      return kind && amount !== null ? [{ tier: 'standard' as const, ...of, model, kind, amount, ...citation }] : [];
    }),
  );
}

/**
 * Rows that the provider publishes as a multiple of others, computed exactly. `factor` is one for all kinds, or depends on
 * the kind; `why` is the multiple as it was published.
 */
export function multiples(
  rows: readonly TokenRow[],
  factor: string | ((kind: TokenKind) => string),
  of: Partial<Pick<TokenRow, 'tier' | 'band' | 'place' | 'window'>>,
  why: string,
): TokenRow[] {
  return rows.map(row => ({
    ...row,
    ...of,
    amount: formatDecimal(decimal(row.amount).times(typeof factor === 'string' ? factor : factor(row.kind))),
    note: row.note ? `${row.note}; derived: ${why}` : `derived: ${why}`,
  }));
}

/** Whether tokens of this kind come out of the model. */
export function isOutput(kind: TokenKind): boolean {
  return kind.startsWith('output');
}

/** The rows as prices of a token meter. A model with context bands has the band in each of its prices. */
export function tokenPrices(
  meter: string,
  models: readonly GalleryModel[],
  rows: readonly TokenRow[],
  per = PER_TOKENS,
): GalleryPrice[] {
  const banded = new Set(models.filter(({ contextBands }) => contextBands.length > 0).map(({ key }) => key));

  return rows.map(({ model, kind, tier, band, place, window, amount, note, source, asOf }) => {
    const inBand = band ?? (banded.has(model) ? 'short' : null);
    const dimensions = {
      model,
      token_kind: kind,
      service_tier: tier,
      ...(inBand ? { context_band: inBand } : {}),
      ...place,
    };
    const words = [
      `${model} ${kind.replaceAll('_', ' ')}`,
      tier,
      ...(inBand ? [`${inBand} context`] : []),
      ...Object.entries(place ?? {}).map(([name, value]) => `${name} ${value}`),
      ...(window?.daily ? [`${window.daily.start}–${window.daily.end} ${window.daily.timeZone}`] : []),
    ];

    return {
      meter,
      name: words.join(', '),
      dimensions,
      ...(window ? { window } : {}),
      model: 'UNIT',
      unitAmount: amount,
      per,
      ...(note ? { note } : {}),
      source,
      asOf,
    };
  });
}

/** A price of so much per so many units. */
export function unitPrice(
  citation: Citation,
  price: Pick<GalleryPrice, 'meter' | 'name' | 'dimensions' | 'conversion' | 'note'> & {
    readonly unitAmount: string;
    readonly per?: string;
  },
): GalleryPrice {
  return { per: '1', ...price, model: 'UNIT', ...citation };
}

/** What changes in a book at an instant. */
export interface Change extends Omit<GalleryVersion, 'prices'> {
  /** New prices; each takes the place of all that the book had for the same dimensions. */
  readonly prices: readonly GalleryPrice[];
  /** Which of the prices before end without a successor. */
  readonly ends?: (price: GalleryPrice) => boolean;
}

/** The versions of a book: each holds what the one before held, with its own changes. A withdrawn one leaves no trace. */
export function versionsOf(changes: readonly Change[]): GalleryVersion[] {
  let held: readonly GalleryPrice[] = [];

  return changes.map(({ effectiveAt, source, prices, ends, withdrawn }) => {
    const replaced = new Set(prices.map(usageOf));
    const all = [...held.filter(price => !replaced.has(usageOf(price)) && !ends?.(price)), ...prices];

    if (withdrawn) {
      return { effectiveAt, source, prices: all, withdrawn };
    }

    held = all;

    return { effectiveAt, source, prices: all };
  });
}

/** Equal for prices that are for the same usage, whenever they hold. */
function usageOf({ meter, dimensions }: GalleryPrice): string {
  return JSON.stringify([meter, ...Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/**
 * A meter that reads the usage object of one provider's answers, as a gateway passes them on in `llm.request` events. Two
 * gallery books stand side by side because each meter asks for its own provider.
 */
export function tokenMeter(
  key: string,
  filter: string,
  dimensions: readonly { readonly name: string; readonly property: string }[] = [],
): GalleryMeter {
  return {
    key,
    eventType: 'llm.request',
    filter,
    source: 'TOKEN_USAGE',
    aggregation: 'SUM',
    valueProperty: 'usage',
    factorProperties: [],
    conversion: null,
    keepsEvents: false,
    dimensions: [{ name: 'model', property: 'model' }, ...dimensions],
    unit: 'token',
  };
}

/** A meter over a number in the event, or over the events themselves when it has no value property. */
export function propertyMeter(
  meter: Pick<GalleryMeter, 'key' | 'eventType' | 'filter' | 'unit'> & {
    readonly valueProperty: string | null;
    readonly dimensions: readonly string[];
  } & Partial<Pick<GalleryMeter, 'factorProperties' | 'conversion'>>,
): GalleryMeter {
  return {
    factorProperties: [],
    conversion: null,
    ...meter,
    source: 'PROPERTY',
    aggregation: meter.valueProperty === null ? 'COUNT' : 'SUM',
    keepsEvents: false,
    dimensions: meter.dimensions.map(name => ({ name, property: name })),
  };
}

/** Models of one provider from lines of key, family and modality. */
export function modelsOf(
  provider: string,
  sources: readonly string[],
  lines: readonly (readonly [key: string, family: string, modality?: string])[],
  contextBands: GalleryModel['contextBands'] = [],
): GalleryModel[] {
  return lines.map(([key, family, modality = 'text']) => ({ key, provider, family, modality, contextBands, sources }));
}
