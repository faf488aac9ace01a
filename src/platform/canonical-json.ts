/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * One text per JSON value: keys sorted by code unit, no white space, JSON.stringify's escapes
 * (the shape of RFC 8785 for values without exponent numbers). Two values have the same text exactly when they are equal,
 * so a hash of it is a hash of the value. Members that are `undefined` are left out, as JSON does.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value);

    case 'number':
      // The same text as JSON.stringify's (ECMA-262 Number::toString; -0 prints as 0), without the call.
      return Number.isFinite(value) ? `${value}` : 'null';

    case 'boolean':
      return value ? 'true' : 'false';

    case 'object':
      break;

    default:
      return JSON.stringify(value ?? null);
  }

  if (value === null) {
    return 'null';
  }

  if (Array.isArray(value)) {
    let text = '';

    for (let i = 0; i < value.length; i += 1) {
      text += i > 0 ? `,${canonicalJson(value[i])}` : canonicalJson(value[i]);
    }

    return `[${text}]`;
  }

  return value instanceof Date ? JSON.stringify(value) : canonicalObject(value as Record<string, unknown>);
}

function canonicalObject(members: Readonly<Record<string, unknown>>): string {
  let text = '';

  for (const key of sortedKeys(members)) {
    const member = members[key];

    if (member !== undefined) {
      text += text ? `,${quoted(key)}:${canonicalJson(member)}` : `${quoted(key)}:${canonicalJson(member)}`;
    }
  }

  return `{${text}}`;
}

/** Usage properties have a handful of keys: inserting beats the sort of the engine there. */
const FEW = 12;

function sortedKeys(members: object): readonly string[] {
  const keys = Object.keys(members);

  if (keys.length > FEW) {
    return keys.sort();
  }

  for (let i = 1; i < keys.length; i += 1) {
    const key = keys[i] ?? '';
    let at = i;

    while (at > 0 && (keys[at - 1] ?? '') > key) {
      keys[at] = keys[at - 1] ?? '';
      at -= 1;
    }

    keys[at] = key;
  }

  return keys;
}

/** Past this length a walk in JavaScript is slower than the call into JSON.stringify. */
const SHORT = 64;

/** JSON.stringify of a string; short ones without anything to escape skip the call. */
function quoted(text: string): string {
  if (text.length > SHORT) {
    return JSON.stringify(text);
  }

  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);

    // Control characters, the quote, the backslash and (lone) surrogates are the ones JSON.stringify escapes.
    if (unit < 0x20 || unit === 0x22 || unit === 0x5c || (unit >= 0xd800 && unit <= 0xdfff)) {
      return JSON.stringify(text);
    }
  }

  return `"${text}"`;
}
