const LITERAL = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const WORD = /[A-Za-z0-9_+.-]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/**
 * Says where a text that JSON.parse refused stops being JSON: `unexpected "NaN" at position 1 (line 1, column 2)`. The
 * engine's own message has no position for some faults and repeats the text for others. Runs on refusals only.
 */
export function jsonFault(text: string): string {
  const at = faultPosition(text);

  if (at >= text.length) {
    return `it ends too early, at position ${text.length}`;
  }

  const lines = text.slice(0, at).split('\n');
  const word = wordAt(text, at).slice(0, 20) || text.slice(at, at + 1);
  const column = (lines.at(-1) ?? '').length + 1;

  return `unexpected ${JSON.stringify(word)} at position ${at} (line ${lines.length}, column ${column})`;
}

function wordAt(text: string, at: number): string {
  WORD.lastIndex = at;

  return WORD.exec(text)?.[0] ?? '';
}

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end';

/** The place of the first character that cannot be part of JSON; the length when all of it could. No recursion. */
function faultPosition(text: string): number {
  const open: ('[' | '{')[] = [];
  let expected: Expected = 'value';
  let at = 0;

  for (;;) {
    while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) {
      at += 1;
    }

    if (at >= text.length) {
      return text.length;
    }

    const sign = text.charAt(at);
    const inside = open.at(-1);

    if (expected === ', or end') {
      if (sign === ',' && inside) {
        expected = inside === '[' ? 'value' : 'key';
      } else if ((sign === ']' && inside === '[') || (sign === '}' && inside === '{')) {
        open.pop();
      } else {
        return at;
      }

      at += 1;
    } else if (expected === ':') {
      if (sign !== ':') {
        return at;
      }

      expected = 'value';
      at += 1;
    } else if (expected.endsWith(` or ${sign}`)) {
      open.pop();
      expected = ', or end';
      at += 1;
    } else if (sign === '"') {
      const [end, isWhole] = readString(text, at);

      if (!isWhole) {
        return end;
      }

      expected = expected.startsWith('key') ? ':' : ', or end';
      at = end;
    } else if (expected.startsWith('key')) {
      return at;
    } else if (sign === '[' || sign === '{') {
      open.push(sign);
      expected = sign === '[' ? 'value or ]' : 'key or }';
      at += 1;
    } else {
      const word = wordAt(text, at);

      if (!LITERAL.test(word)) {
        return at;
      }

      expected = ', or end';
      at += word.length;
    }
  }
}

/** The place after the string that begins at `start`, or the place of its fault and `false`. */
function readString(text: string, start: number): [number, boolean] {
  let at = start + 1;

  while (at < text.length) {
    const unit = text.charCodeAt(at);

    if (unit === 0x22) {
      return [at + 1, true];
    }

    if (unit < 0x20) {
      return [at, false];
    }

    if (unit === 0x5c) {
      ESCAPE.lastIndex = at;

      const escape = ESCAPE.exec(text)?.[0];

      if (!escape) {
        return [at, false];
      }

      at += escape.length;
    } else {
      at += 1;
    }
  }

  return [text.length, false];
}
