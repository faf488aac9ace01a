import type { GalleryBook, GalleryPrice, GalleryWindow } from './gallery.types.js';

/** A rate of a model's cost, as `modelCostSet` takes it. */
export interface GalleryCostRate {
  readonly kind: string;
  readonly amount: string;
  readonly per: string;
  readonly dimensions: readonly { readonly name: string; readonly value: string }[];
}

/** What a model costs those who buy at list price, from an instant on. */
export interface GalleryCost {
  readonly effectiveAt: Date;
  readonly rates: readonly GalleryCostRate[];
  readonly source: string;
}

/**
 * The list prices of a model as its costs over time, each complete. Costs know no hours of the day, and none can end without
 * another: a model with such prices has no costs.
 */
export function costsOf(book: GalleryBook, model: string): readonly GalleryCost[] {
  const versions = book.versions
    .filter(({ withdrawn }) => !withdrawn)
    .map(({ effectiveAt, prices }) => ({
      from: Date.parse(effectiveAt),
      prices: prices.filter(({ dimensions }) => dimensions['model'] === model),
    }));
  const all = versions.flatMap(({ prices }) => prices);

  if (all.some(({ window }) => window?.daily)) {
    return [];
  }

  const turns = all.flatMap(({ window }) => [window?.from, window?.until].flatMap(at => (at ? [Date.parse(at)] : [])));
  const instants = [...new Set([...versions.map(({ from }) => from), ...turns])].sort((a, b) => a - b);
  const costs: GalleryCost[] = [];
  let last = '[]';

  for (const instant of instants) {
    const held = versions.findLast(({ from }) => from <= instant)?.prices ?? [];
    const prices = held.filter(({ window }) => !window || isIn(window, instant));
    const rates = prices.map(rateOf);
    const text = JSON.stringify(rates);

    if (text === last) {
      continue;
    }

    if (rates.length === 0) {
      return [];
    }

    const sources = [...new Set(prices.map(({ source }) => source))].join('; ');
    costs.push({ effectiveAt: new Date(instant), rates, source: sources.slice(0, 500) });
    last = text;
  }

  return costs;
}

function isIn({ from, until }: GalleryWindow, instant: number): boolean {
  return (!from || Date.parse(from) <= instant) && (!until || instant < Date.parse(until));
}

/** A cost names a token by its kind and anything else by its meter. */
function rateOf({ meter, dimensions, unitAmount = '0', per = '1' }: GalleryPrice): GalleryCostRate {
  const { model: _model, token_kind: kind, ...others } = dimensions;

  return {
    kind: kind ?? meter,
    amount: unitAmount,
    per,
    dimensions: Object.entries(others).map(([name, value]) => ({ name, value })),
  };
}
