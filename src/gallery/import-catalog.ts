import type { CatalogService, Model } from '../catalog/index.js';
import { DomainError, ErrorCode, type Scope } from '../platform/index.js';
import { GALLERY } from './books.js';
import type { GalleryBook, GalleryModel } from './gallery.types.js';
import { costsOf } from './model-costs.js';

/** The meters, models and costs of a book that an import found or made. */
export interface ImportedCatalog {
  /** The ids of the book's meters by key. */
  readonly meters: ReadonlyMap<string, string>;
  readonly models: number;
  readonly costs: number;
  /** How many of them this run entered; zero when all was there. */
  readonly entered: number;
}

const PAGE = 100;

/** The book with this key; refused with all keys there are otherwise. */
export function galleryBook(key: string): GalleryBook {
  const book = GALLERY.find(candidate => candidate.key === key);

  if (!book) {
    throw DomainError.invalid(`the gallery has ${GALLERY.map(({ key: known }) => known).join(', ')}`, ['key']);
  }

  return book;
}

/**
 * Enters what a book needs of the catalog for the scope's tenant: its meters, and its models (or only those with these keys)
 * with the list prices as their costs. May run again, as `importGalleryBook` may. `step` hears of each meter and each model;
 * what it throws stops the run there.
 */
export async function importGalleryCatalog(
  catalog: CatalogService,
  scope: Scope,
  bookKey: string,
  options: { readonly modelKeys?: readonly string[]; readonly step?: () => void } = {},
): Promise<ImportedCatalog> {
  const book = galleryBook(bookKey);
  const { modelKeys, step = () => undefined } = options;
  const models = book.models.filter(({ key }) => modelKeys?.includes(key) ?? true);
  const known = await modelsByKey(catalog, scope);
  await refuseOtherBands(catalog, scope, models, known);
  const meters = new Map<string, string>();
  let [costs, entered] = [0, 0];

  for (const meter of book.meters) {
    const made = await catalog.createMeter(scope, {
      ...meter,
      idempotencyKey: `gallery-${book.key}-meter-${meter.key}`,
    });
    meters.set(meter.key, made.meter.id);
    entered += made.replayed ? 0 : 1;
    step();
  }

  for (const model of models) {
    const made = await enterModel(catalog, scope, book, model, known.get(model.key));
    costs += made.costs;
    entered += made.entered;
    step();
  }

  return { meters, models: models.length, costs, entered };
}

/** Enters a model that is missing, and the costs that it has not; returns how many costs there are and what is new. */
async function enterModel(
  catalog: CatalogService,
  scope: Scope,
  book: GalleryBook,
  { sources: _sources, ...model }: GalleryModel,
  found: Model | undefined,
): Promise<{ costs: number; entered: number }> {
  const made = found
    ? { model: found, replayed: true }
    : await catalog.createModel(scope, { ...model, idempotencyKey: `gallery-${book.key}-model-${model.key}` });
  const dates = new Set(found ? (await catalog.costs(scope, found.id)).map(cost => cost.effectiveAt.getTime()) : []);
  const costs = costsOf(book, model.key);
  let entered = made.replayed ? 0 : 1;

  for (const { effectiveAt, rates, source } of costs) {
    // Somebody has said what it costs from that instant on, perhaps this import of another day.
    if (!dates.has(effectiveAt.getTime())) {
      const { replayed } = await catalog.setCost(scope, {
        modelId: made.model.id,
        effectiveAt,
        currency: book.currency,
        rates,
        source,
        idempotencyKey: `gallery-${book.key}-cost-${model.key}-${effectiveAt.toISOString()}`,
      });
      entered += replayed ? 0 : 1;
    }
  }

  return { costs: costs.length, entered };
}

async function modelsByKey(catalog: CatalogService, scope: Scope): Promise<Map<string, Model>> {
  const models = new Map<string, Model>();
  let after: string | undefined;

  for (;;) {
    const page = await catalog.models(scope, { first: PAGE, ...(after ? { after } : {}) });
    page.forEach(model => models.set(model.key, model));
    const last = page.at(-1)?.id;
    after = page.length > PAGE && last ? Buffer.from(last).toString('base64url') : undefined;

    if (!after) {
      return models;
    }
  }
}

/** Prices name context bands, so a model with other bands than the book's would be priced wrong. */
async function refuseOtherBands(
  catalog: CatalogService,
  scope: Scope,
  models: readonly GalleryModel[],
  known: ReadonlyMap<string, Model>,
): Promise<void> {
  for (const { key, contextBands } of models) {
    const found = known.get(key);

    if (found && bandsText(await catalog.contextBands(scope, found)) !== bandsText(contextBands)) {
      throw new DomainError(
        ErrorCode.ALREADY_EXISTS,
        `model ${key} is in the catalog with other context bands than the gallery's, which its prices name; set its bands first`,
        ['key'],
      );
    }
  }
}

function bandsText(bands: readonly { readonly above: string; readonly inclusive?: boolean; readonly name: string }[]) {
  return JSON.stringify(bands.map(({ above, inclusive = false, name }) => [above, inclusive, name]));
}
