/** Numbers that a double carries have at most this many significant digits; longer ones are looked at one by one. */
const SURE_DIGITS = 15;
/** An exponent is written out up to this many digits. */
const MOST_DIGITS = 40;

const BACKSLASH = 0x5c;
const QUOTE = 0x22;
const POINT = 0x2e;

/**
 * JSON.parse that never alters a number in silence. A number whose decimal value survives the way through a double (that
 * is: JavaScript prints the same value again) stays a number; any other becomes its plain decimal string, so
 * `12345678901234567890` is `"12345678901234567890"`. Where an exponent stands for more than 40 digits (`1e-400`) the string
 * is the text as sent, which no quantity accepts. Throws SyntaxError like JSON.parse.
 */
export function parseExactly(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const first = suspectFrom(text, 0);

  if (first < 0) {
    return value;
  }

  // The first parse has shown that the text is JSON, so every number token stands where a value may stand.
  const exact = quoteInexact(text, first);

  return exact === text ? value : JSON.parse(exact);
}

/**
 * Where the next number outside strings begins that has more than 15 digits or an exponent; -1 for none. Leading zeros
 * count as digits: this is the quick look.
 */
function suspectFrom(text: string, from: number): number {
  let at = from;

  while (at < text.length) {
    const unit = text.charCodeAt(at);

    if (unit === QUOTE) {
      at = afterString(text, at);
    } else if (unit >= 0x30 && unit <= 0x39) {
      const start = at;
      let digits = 0;
      let next = unit;

      while ((next >= 0x30 && next <= 0x39) || next === POINT) {
        digits += next === POINT ? 0 : 1;
        at += 1;
        next = text.charCodeAt(at);
      }

      if (digits > SURE_DIGITS || next === 0x65 || next === 0x45) {
        return text.charCodeAt(start - 1) === 0x2d ? start - 1 : start;
      }
    } else {
      at += 1;
    }
  }

  return -1;
}

/** The place after the string that begins at `start`; the end of the text when it does not end. */
function afterString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);

  while (quote >= 0) {
    let before = quote - 1;

    while (text.charCodeAt(before) === BACKSLASH) {
      before -= 1;
    }

    if ((quote - before) % 2 === 1) {
      return quote + 1;
    }

    quote = text.indexOf('"', quote + 1);
  }

  return text.length;
}

const NUMBER_TOKEN = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

function quoteInexact(text: string, first: number): string {
  const parts: string[] = [];
  let copied = 0;

  for (let start = first; start >= 0;) {
    NUMBER_TOKEN.lastIndex = start;

    const token = NUMBER_TOKEN.exec(text)?.[0] ?? '';
    const end = start + token.length;
    const exact = inexactText(token);

    if (exact !== null) {
      parts.push(text.slice(copied, start), `"${exact}"`);
      copied = end;
    }

    start = suspectFrom(text, end);
  }

  return copied === 0 ? text : parts.join('') + text.slice(copied);
}

/** Null when the double of the token has the same decimal value; else the plain decimal, or the token when that is too long. */
function inexactText(token: string): string | null {
  const value = Number(token);
  const sent = partsOf(token);

  if (Number.isFinite(value)) {
    const carried = partsOf(String(value));

    if (sent.digits === carried.digits && sent.power === carried.power) {
      return null;
    }
  }

  return plainText(sent) ?? token;
}

/** `digits × 10^power`, digits without zeros at either end; zero is no digits and power 0. */
interface DecimalParts {
  readonly negative: boolean;
  readonly digits: string;
  readonly power: number;
}

function partsOf(token: string): DecimalParts {
  const negative = token.startsWith('-');
  const [mantissa = '', exponent = '0'] = (negative ? token.slice(1) : token).toLowerCase().split('e');
  const [integer = '', fraction = ''] = mantissa.split('.');
  const all = integer + fraction;

  let start = 0;
  let end = all.length;

  while (all.charCodeAt(start) === 0x30) {
    start += 1;
  }

  while (end > start && all.charCodeAt(end - 1) === 0x30) {
    end -= 1;
  }

  const power = Number(exponent) - fraction.length + (all.length - end);

  return start === end ? { negative, digits: '', power: 0 } : { negative, digits: all.slice(start, end), power };
}

function plainText({ negative, digits, power }: DecimalParts): string | null {
  const length = power < 0 ? Math.max(digits.length, 1 - power) : digits.length + power;

  if (length > MOST_DIGITS) {
    return null;
  }

  const sign = negative ? '-' : '';

  if (power >= 0) {
    return sign + digits + '0'.repeat(power);
  }

  const padded = digits.padStart(1 - power, '0');

  return `${sign}${padded.slice(0, power)}.${padded.slice(power)}`;
}
