/** What `properties` may hold. */
const LIMITS = {
  /** Keys of one object. */
  keys: 64,
  keyLength: 128,
  /** Objects and arrays inside one another, `properties` itself included. */
  depth: 6,
  /** Of the UTF-8 JSON text without white space. */
  bytes: 16_384,
} as const;

/** Names that reach an object's prototype or constructor in JavaScript; the filter library reads `constructor` of a value. */
const RESERVED: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Why properties are refused, and at which path. */
export interface PropertiesFault {
  readonly field: string;
  readonly reason: string;
}

type Members = Readonly<Record<string, unknown>>;

/**
 * Checks the properties of an event: at most 64 keys an object of 1 to 128 characters, 6 levels, 16 kB of JSON, no NUL and
 * no lone surrogate anywhere, finite numbers, no reserved name. `field` is the name that paths in the refusal begin with.
 */
export function propertiesFault(properties: Members, field: string): PropertiesFault | null {
  // Nearly every event passes the first look, which only adds up; the second one knows where and why.
  return isPlainlyFine(properties) ? null : findFault(properties, field);
}

function isPlainlyFine(properties: Members): boolean {
  return weigh(properties, 1) <= LIMITS.bytes;
}

/** An upper bound of the JSON bytes; NaN for whatever needs the second look. */
function weigh(value: unknown, depth: number): number {
  switch (typeof value) {
    case 'string':
      return isText(value) ? value.length * 6 + 3 : NaN;

    case 'number':
      return Number.isFinite(value) ? 26 : NaN;

    case 'boolean':
      return 6;

    case 'object':
      break;

    default:
      return NaN;
  }

  if (value === null) {
    return 5;
  }

  if (depth > LIMITS.depth) {
    return NaN;
  }

  let total = 3;

  if (Array.isArray(value)) {
    if (value.length > LIMITS.bytes) {
      return NaN;
    }

    for (const element of value) {
      total += weigh(element, depth + 1);
    }

    return total;
  }

  let keys = 0;

  for (const key in value) {
    keys += 1;

    if (keys > LIMITS.keys || key.length === 0 || key.length > LIMITS.keyLength || RESERVED.has(key) || !isText(key)) {
      return NaN;
    }

    total += key.length * 6 + 3 + weigh((value as Members)[key], depth + 1);
  }

  return total;
}

/** Past this length the engine's own search is faster than a walk. */
const SHORT = 48;

/** True for a string that Postgres stores and UTF-8 carries: no NUL, no lone surrogate. */
function isText(text: string): boolean {
  if (text.length > SHORT) {
    return !text.includes('\0') && text.isWellFormed();
  }

  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);

    if (unit === 0) {
      return false;
    }

    if (unit >= 0xd800 && unit <= 0xdfff) {
      return !text.includes('\0') && text.isWellFormed();
    }
  }

  return true;
}

function findFault(properties: Members, field: string): PropertiesFault | null {
  const size = { bytes: 0 };
  const found = look(properties, field, 1, size);

  if (found) {
    return found;
  }

  return size.bytes > LIMITS.bytes ? tooLarge(field) : null;
}

function tooLarge(field: string): PropertiesFault {
  return { field, reason: `${field} is larger than ${LIMITS.bytes} bytes of JSON` };
}

/** Adds the exact bytes of `value` to `size` and names the first fault; stops early once the size is exceeded. */
function look(value: unknown, path: string, depth: number, size: { bytes: number }): PropertiesFault | null {
  if (size.bytes > LIMITS.bytes) {
    return null;
  }

  switch (typeof value) {
    case 'string':
      size.bytes += value.length > LIMITS.bytes ? value.length : jsonBytes(value);

      return isText(value) ? null : { field: path, reason: `${path} has a NUL character or half a surrogate pair` };

    case 'number':
      size.bytes += String(value).length;

      return Number.isFinite(value) ? null : { field: path, reason: `${path} is not a finite number` };

    case 'boolean':
      size.bytes += value ? 4 : 5;

      return null;

    case 'object':
      break;

    default:
      return { field: path, reason: `${path} is a ${typeof value}, which JSON does not have` };
  }

  if (value === null) {
    size.bytes += 4;

    return null;
  }

  if (depth > LIMITS.depth) {
    return { field: path, reason: `${path} is nested deeper than ${LIMITS.depth} levels` };
  }

  return Array.isArray(value)
    ? lookAtElements(value, path, depth, size)
    : lookAtMembers(value as Members, path, depth, size);
}

function lookAtElements(
  elements: readonly unknown[],
  path: string,
  depth: number,
  size: { bytes: number },
): PropertiesFault | null {
  size.bytes += 2 + Math.max(elements.length - 1, 0);

  for (let i = 0; i < elements.length; i += 1) {
    const found = look(elements[i], `${path}[${i}]`, depth + 1, size);

    if (found) {
      return found;
    }

    if (size.bytes > LIMITS.bytes) {
      return null;
    }
  }

  return null;
}

function lookAtMembers(members: Members, path: string, depth: number, size: { bytes: number }): PropertiesFault | null {
  const keys = Object.keys(members);

  if (keys.length > LIMITS.keys) {
    return { field: path, reason: `${path} has ${keys.length} keys; at most ${LIMITS.keys} are allowed` };
  }

  size.bytes += 2 + Math.max(keys.length - 1, 0);

  for (const key of keys) {
    if (key.length === 0 || key.length > LIMITS.keyLength) {
      return {
        field: path,
        reason: `${path} has a key of ${key.length} characters; 1 to ${LIMITS.keyLength} are allowed`,
      };
    }

    if (!isText(key)) {
      return { field: path, reason: `${path} has a key with a NUL character or half a surrogate pair` };
    }

    if (RESERVED.has(key)) {
      return { field: `${path}.${key}`, reason: `${key} is a reserved name and no key` };
    }

    size.bytes += jsonBytes(key) + 1;

    const found = look(members[key], `${path}.${key}`, depth + 1, size);

    if (found) {
      return found;
    }
  }

  return null;
}

/** The bytes of a string in JSON and UTF-8, quotes and escapes included. */
function jsonBytes(text: string): number {
  let bytes = 2;

  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);

    if (unit >= 0x80) {
      // Half of a pair is two of its four bytes.
      bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
    } else if (unit < 0x20) {
      bytes += unit >= 8 && unit <= 13 && unit !== 11 ? 2 : 6;
    } else {
      bytes += unit === 0x22 || unit === 0x5c ? 2 : 1;
    }
  }

  return bytes;
}
