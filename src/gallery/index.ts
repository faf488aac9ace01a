export { GALLERY } from './books.js';
export type {
  GalleryBook,
  GalleryEvent,
  GalleryExample,
  GalleryKey,
  GalleryMeter,
  GalleryModel,
  GalleryPrice,
  GalleryVersion,
} from './gallery.types.js';
export { importGalleryBook, type ImportedBook, type ImportProgress } from './import-book.js';
export { importGalleryCatalog, type ImportedCatalog } from './import-catalog.js';
