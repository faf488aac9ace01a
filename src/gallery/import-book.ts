import type { CatalogService } from '../catalog/index.js';
import { inTransaction, type Scope } from '../platform/index.js';
import type { PricingService } from '../pricing/index.js';
import type { GalleryKey, GalleryPrice, GalleryVersion } from './gallery.types.js';
import { galleryBook, importGalleryCatalog } from './import-catalog.js';

/** The services that an import goes through. */
export interface GalleryServices {
  readonly catalog: CatalogService;
  readonly pricing: PricingService;
}

/** What an import found or made. */
export interface ImportedBook {
  readonly priceBookId: string;
  readonly name: string;
  readonly meters: number;
  readonly models: number;
  readonly costs: number;
  readonly prices: number;
  /** Versions in force or scheduled. */
  readonly published: number;
  /** Versions that were announced and cancelled, which only an import before their day can enter and withdraw. */
  readonly withdrawn: number;
  /** How many of the meters, models, costs, versions and the book this run entered; zero when all was there. */
  readonly entered: number;
}

/**
 * Hears how far an import is: so many of all the meters, models and versions of the book. What it throws stops the import
 * there.
 */
export type ImportProgress = (done: number, all: number) => void;

/**
 * Enters a book of the gallery for the scope's tenant: its meters, models with costs, and the price book with its versions,
 * each by the services and with an idempotency key of its own. So a run that was killed is run again, and a second run
 * changes nothing. A model that is in the catalog already stays as it is, if its context bands are the book's; otherwise
 * nothing is entered.
 */
export async function importGalleryBook(
  { catalog, pricing }: GalleryServices,
  scope: Scope,
  bookKey: string,
  progress: ImportProgress = () => undefined,
): Promise<ImportedBook> {
  const book = galleryBook(bookKey);
  const { key } = book;
  const all = book.meters.length + book.models.length + book.versions.length;
  let done = 0;
  const step = (): void => progress(++done, all);

  const { meters, models, costs, entered } = await importGalleryCatalog(catalog, scope, key, { step });
  const made = await pricing.createBook(scope, {
    name: book.name,
    currency: book.currency,
    idempotencyKey: `gallery-${key}-book`,
  });
  const counts = { prices: 0, published: 0, withdrawn: 0, entered: entered + (made.replayed ? 0 : 1) };

  for (const [index, version] of book.versions.entries()) {
    // Lists are in the order of ids, which begin with their millisecond: one each, or a book's history is shuffled.
    const at = { ...scope, now: new Date(scope.now.getTime() + index) };
    const state = await enterVersion(pricing, at, { key, priceBookId: made.book.id, meters }, version);

    if (state !== 'TOO_LATE') {
      counts.prices += version.prices.length;
      counts.published += version.withdrawn ? 0 : 1;
      counts.withdrawn += version.withdrawn ? 1 : 0;
      counts.entered += state === 'NEW' ? 1 : 0;
    }

    step();
  }

  return { priceBookId: made.book.id, name: book.name, meters: meters.size, models, costs, ...counts };
}

/** Drafts and publishes a version that is not there yet. It is too late for a cancelled one that can no longer be withdrawn. */
async function enterVersion(
  pricing: PricingService,
  scope: Scope,
  of: { readonly key: GalleryKey; readonly priceBookId: string; readonly meters: ReadonlyMap<string, string> },
  version: GalleryVersion,
): Promise<'NEW' | 'KNOWN' | 'TOO_LATE'> {
  const effectiveAt = new Date(version.effectiveAt);

  if (version.withdrawn && effectiveAt <= scope.now) {
    return 'TOO_LATE';
  }

  return inTransaction(scope, async tx => {
    const { version: entered } = await pricing.createVersion(tx, {
      priceBookId: of.priceBookId,
      prices: version.prices.map(price => priceDraft(price, of.meters)),
      idempotencyKey: `gallery-${of.key}-version-${version.effectiveAt}${version.withdrawn ? '-withdrawn' : ''}`,
    });

    if (entered.status !== 'DRAFT') {
      return 'KNOWN';
    }

    await pricing.publish(tx, { versionId: entered.id, effectiveAt });

    if (version.withdrawn) {
      await pricing.withdraw(tx, entered.id);
    }

    return 'NEW';
  });
}

function priceDraft(price: GalleryPrice, meters: ReadonlyMap<string, string>) {
  const { meter, name, dimensions, window, note, source, asOf, ...terms } = price;
  const words = [source, `as of ${asOf}`, ...(note ? [note] : [])].join('; ');

  return {
    meterId: meters.get(meter) ?? meter,
    name,
    pattern: dimensions,
    ...(window ? { window } : {}),
    source: words.slice(0, 500),
    terms,
  };
}
