/** What a pattern takes: names written out, and whether it takes others that no list can hold. */
export interface PatternNames {
  readonly names: readonly string[];
  readonly isOpen: boolean;
}

/** A beginning of a name, and whether what follows it is anything. */
interface Part {
  readonly text: string;
  readonly isOpen: boolean;
}

const MOST_NAMES = 200;
const MOST_LENGTH = 1_000;
const REPEATS = /^(?:[+*]|\{\d+(?:,\d*)?\})/;
const ESCAPED_LITERAL = /^\\[./\-:@]/;

/**
 * The names that a price list's regular expression stands for, in lower case: `^(openai/)?(gpt-4o)$` for `openai/gpt-4o`
 * and `gpt-4o`. The expression is read, never run: it is a stranger's, and could run for ever. An unescaped dot between
 * other characters is taken for a dot, which is what lists mean by it. `null` when it says more than that: only
 * groups, `|`, `?`, literals and, as parts that are open, classes and repetitions are read.
 */
export function namesOf(pattern: string): PatternNames | null {
  const text = pattern
    .replace(/^\(\?i\)/, '')
    .replace(/^\^/, '')
    .replace(/\$+$/, '');

  if (pattern.length > MOST_LENGTH) {
    return null;
  }

  const read = alternatives(text, 0);

  if (!read || read.at < text.length) {
    return null;
  }

  const closed = read.parts.filter(({ isOpen }) => !isOpen).map(part => part.text.toLowerCase());

  return { names: [...new Set(closed)], isOpen: read.parts.some(({ isOpen }) => isOpen) };
}

interface Reading {
  readonly parts: readonly Part[];
  readonly at: number;
}

function alternatives(text: string, from: number): Reading | null {
  const found: Part[] = [];
  let at = from - 1;

  do {
    const read = sequence(text, at + 1);

    if (!read || found.length + read.parts.length > MOST_NAMES) {
      return null;
    }

    found.push(...read.parts);
    at = read.at;
  } while (text.charAt(at) === '|');

  return { parts: found, at };
}

function sequence(text: string, from: number): Reading | null {
  let parts: readonly Part[] = [{ text: '', isOpen: false }];
  let at = from;

  while (at < text.length && text.charAt(at) !== '|' && text.charAt(at) !== ')') {
    const item = oneItem(text, at);

    if (!item) {
      return null;
    }

    at = item.at;

    const repeats = REPEATS.exec(text.slice(at, at + 12))?.[0] ?? '';
    const isOptional = text.charAt(at) === '?';
    const read = repeats === '' ? item.parts : [{ text: '', isOpen: true }];
    const choices = isOptional ? [{ text: '', isOpen: false }, ...read] : read;

    at += isOptional ? 1 : repeats.length;
    parts = parts.flatMap(({ text: start, isOpen }) =>
      choices.map(choice => ({ text: start + choice.text, isOpen: isOpen || choice.isOpen })),
    );

    if (parts.length > MOST_NAMES) {
      return null;
    }
  }

  return { parts, at };
}

function oneItem(text: string, at: number): Reading | null {
  const character = text.charAt(at);

  if (character === '(') {
    const read = text.charAt(at + 1) === '?' ? null : alternatives(text, at + 1);

    return read && text.charAt(read.at) === ')' ? { parts: read.parts, at: read.at + 1 } : null;
  }

  if (character === '[') {
    const end = text.indexOf(']', at);

    return end < 0 ? null : { parts: [{ text: '', isOpen: true }], at: end + 1 };
  }

  if (ESCAPED_LITERAL.test(text.slice(at, at + 2))) {
    return { parts: [{ text: text.charAt(at + 1), isOpen: false }], at: at + 2 };
  }

  if (text.startsWith('\\d', at)) {
    return { parts: [{ text: '', isOpen: true }], at: at + 2 };
  }

  return /[\w./:@-]/.test(character) ? { parts: [{ text: character, isOpen: false }], at: at + 1 } : null;
}
