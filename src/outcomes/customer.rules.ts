import { propertyAt, scalarText } from '../catalog/property.rules.js';

/** As long as a subject may be. */
const MAX_LENGTH = 255;

/**
 * The customer that an event names at a path: a text or a number. Null where no path is given, and where there is nothing
 * at it that could be a name: no value, an empty text, another kind of value, more than 255 characters.
 */
export function customerOf(properties: Readonly<Record<string, unknown>>, path: string | null): string | null {
  const value = path === null ? undefined : propertyAt(properties, path);
  const text = typeof value === 'string' || typeof value === 'number' ? scalarText(value) : null;

  return text !== null && text !== '' && text.length <= MAX_LENGTH ? text : null;
}
