import { anthropic } from './anthropic.js';
import { cohere } from './cohere.js';
import type { GalleryBook } from './gallery.types.js';
import { google } from './google.js';
import { huggingFace } from './hugging-face.js';
import { openai } from './openai.js';
import { otherProviders } from './other-providers.js';
import { replicate } from './replicate.js';
import { stability } from './stability.js';
import { tidewater } from './tidewater.js';

/** Every book of the gallery. */
export const GALLERY: readonly GalleryBook[] = [
  openai,
  anthropic,
  google,
  cohere,
  huggingFace,
  stability,
  replicate,
  tidewater,
  otherProviders,
];
