import { type Decimal, decimal } from '../money/index.js';

/** A number as it is written, `2.5e-06` say, never read through a double. */
export interface JsonNumber {
  readonly number: string;
}

/** The members in the order of the text, a name that stands there twice included. */
export interface JsonObject {
  readonly members: readonly (readonly [name: string, value: JsonValue])[];
}

/** A JSON text with nothing lost: neither digits of numbers nor repeated names. */
export type JsonValue = null | boolean | string | JsonNumber | readonly JsonValue[] | JsonObject;

/** A list or object that is being read. */
interface Open {
  readonly items: JsonValue[];
  readonly members: (readonly [string, JsonValue])[];
  /** Of the member whose value comes next. */
  name: string | null;
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
const WORD = /[^\s,:\]}]+/y;

/** More digits or a larger exponent than this is no price. */
const MOST_DIGITS = 60;
const MOST_EXPONENT = 60;

/**
 * Reads a JSON text and keeps what JSON.parse drops. `null` (for a JSON null too) when the text is no JSON. Takes
 * any depth.
 */
export function readJsonText(text: string): JsonValue {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }

  // From here on the text is known to be JSON: what stands where needs no checking.
  const open: Open[] = [{ items: [], members: [], name: null }];
  const put = (value: JsonValue): void => {
    const top = open.at(-1);

    if (top?.name === null) {
      top.items.push(value);
    } else if (top) {
      top.members.push([top.name, value]);
      top.name = null;
    }
  };
  let at = 0;

  while (at < text.length) {
    const character = text.charAt(at);

    if (character === '{' || character === '[') {
      open.push({ items: [], members: [], name: null });
      at += 1;
    } else if (character === '}' || character === ']') {
      const { items, members } = open.pop() ?? { items: [], members: [] };
      put(character === ']' ? items : { members });
      at += 1;
    } else if (character === '"') {
      const end = afterString(text, at);
      const value = JSON.parse(text.slice(at, end)) as string;
      const next = afterSpace(text, end);
      const top = open.at(-1);

      if (top && text.charAt(next) === ':') {
        top.name = value;
        at = next + 1;
      } else {
        put(value);
        at = end;
      }
    } else if (character === ',' || isSpace(character)) {
      at += 1;
    } else {
      WORD.lastIndex = at;

      const word = WORD.exec(text)?.[0] ?? '';
      put(word === 'null' ? null : word === 'true' || word === 'false' ? word === 'true' : { number: word });
      at += word.length;
    }
  }

  return open[0]?.items[0] ?? null;
}

/** The place after the string that begins at `start`. */
function afterString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);

  for (;;) {
    let before = quote - 1;

    while (text.charAt(before) === '\\') {
      before -= 1;
    }

    if ((quote - before) % 2 === 1) {
      return quote + 1;
    }

    quote = text.indexOf('"', quote + 1);
  }
}

function afterSpace(text: string, start: number): number {
  let at = start;

  while (isSpace(text.charAt(at))) {
    at += 1;
  }

  return at;
}

function isSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}

/** The exact decimal of a JSON number as written; `null` when it has more digits or a larger exponent than any price. */
export function exactNumber({ number }: JsonNumber): Decimal | null {
  const [, sign = '', integer = '', fraction = '', exponent = '0'] = NUMBER.exec(number) ?? [];

  if (number.length > MOST_DIGITS || integer === '' || !/^[+-]?0*\d{1,2}$/.test(exponent)) {
    return null;
  }

  const shift = Number(exponent);

  return Math.abs(shift) > MOST_EXPONENT
    ? null
    : decimal(BigInt(`${sign}${integer}${fraction}`)).shiftedBy(shift - fraction.length);
}

/** Whether the value is a number. */
export function isJsonNumber(value: JsonValue | undefined): value is JsonNumber {
  return typeof value === 'object' && value !== null && 'number' in value;
}

/** Whether the value is an object. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && 'members' in value;
}

/** Whether the value is a list. */
export function isJsonList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** The member of a name; of several the last, as JSON.parse has it. */
export function memberOf({ members }: JsonObject, name: string): JsonValue | undefined {
  return members.findLast(([other]) => other === name)?.[1];
}

/** The text of a member that is one. */
export function textOf(object: JsonObject, name: string): string | null {
  const value = memberOf(object, name);

  return typeof value === 'string' ? value : null;
}
