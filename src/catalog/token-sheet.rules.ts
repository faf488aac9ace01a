import { type Decimal, decimal, formatDecimal, minOf, parseDecimal, sum, ZERO } from '../money/index.js';
import { type Properties, readNumber, refusal, scalarText, type ValueRefusal } from './property.rules.js';
import { TOKEN_KINDS, type TokenCount } from './token-count.rules.js';

/** A count of the usage object and where it stands in it. */
export interface Part {
  readonly quantity: Decimal;
  readonly path: string;
}

const UNKNOWN = 'unknown:';
const MAX_UNKNOWN_PATH = 100;
/** Senders choose these names, and each is a row of its own per quarter hour. */
const MAX_UNKNOWN_KINDS = 20;
const MAX_QUANTITY = decimal('1000000000000000');
const MAX_FRACTION_DIGITS = 12;
const LEAST_FRACTION = decimal('0.000000000001');
const ANY_DECIMAL = { integerDigits: 400, fractionDigits: 400 };

/**
 * The kind of a count that is not known: its path without the positions in lists, in printable ASCII, cut to 100
 * characters. The kind of a count that already is one stays as it is.
 */
export function unknownKind(path: string): string {
  const parts = path.split('.').filter(part => !/^\d+$/.test(part));
  const name = parts.join('.').replace(/[^\x21-\x7e]/gu, '_');

  return `${UNKNOWN}${(name.startsWith(UNKNOWN) ? name.slice(UNKNOWN.length) : name).slice(0, MAX_UNKNOWN_PATH)}`;
}

/**
 * A usage object laid out by dot paths, so that flat keys (`cache_read.input_tokens`) and nested ones are the same. A
 * flavour reads the counts it knows and adds them to the vector; `finish` turns the numbers nobody has read into unknown
 * kinds. The first fault is kept and refuses the whole; until then a faulty count reads as zero.
 */
export class TokenSheet {
  readonly #base: string;
  readonly #leaves = new Map<string, unknown>();
  readonly #branches = new Set<string>();
  readonly #unread = new Set<string>();
  readonly #counts = new Map<string, Decimal>();
  #told = false;
  #fault: ValueRefusal | null = null;

  /** `base` is the path of the object inside the properties. */
  constructor(usage: Properties, base: string) {
    this.#base = base;
    this.#open(usage, '');
  }

  #open(value: unknown, path: string): void {
    if (typeof value === 'object' && value !== null) {
      this.#branches.add(path);

      for (const [key, member] of Object.entries(value)) {
        const inner = path === '' ? key : `${path}.${key}`;

        // A flat key stands inside the objects it names.
        for (let dot = inner.indexOf('.', path.length + 1); dot > 0; dot = inner.indexOf('.', dot + 1)) {
          this.#branches.add(inner.slice(0, dot));
        }

        this.#open(member, inner);
      }
    } else if (this.#leaves.has(path)) {
      this.refuse(path, 'is there twice, once as a flat key');
    } else {
      this.#leaves.set(path, value);
      this.#unread.add(path);
    }
  }

  /** Whether there is anything at the path, be it null or an object. */
  has(path: string): boolean {
    return this.#leaves.has(path) || this.#branches.has(path);
  }

  /** Whether there is a value at the path; null tells nothing. */
  tells(path: string): boolean {
    return (this.#leaves.get(path) ?? null) !== null;
  }

  /** The paths that nobody has read yet and that fit, in the order of their characters. */
  unread(fits: (path: string) => boolean): readonly string[] {
    return this.#unread.size === 0 ? [] : [...this.#unread].filter(fits).toSorted();
  }

  /** Says that a value is no count of its own: a sum, a breakdown, money, a duration. Takes objects whole. */
  ignore(...paths: readonly string[]): void {
    for (const ignored of paths) {
      this.#unread.delete(ignored);

      if (this.#branches.has(ignored)) {
        for (const path of this.unread(unread => unread.startsWith(`${ignored}.`))) {
          this.#unread.delete(path);
        }
      }
    }
  }

  /** The text at the path in lower case, which is no count from then on; `null` when there is none. */
  text(path: string): string | null {
    const value = this.#leaves.get(path);

    if (typeof value !== 'string') {
      return null;
    }

    this.#unread.delete(path);

    return value.trim().toLowerCase();
  }

  /**
   * The whole number at any of the paths, which are names for the same count. Null and absence are zero, and so is the
   * zero with which gateways fill the names they do not use; two names with different counts are a fault.
   */
  count(...paths: readonly string[]): Part {
    let found: Part | null = null;

    for (const path of paths) {
      const quantity = this.has(path) ? this.#read(path) : null;

      if (quantity === null) {
        continue;
      }

      if (found === null || found.quantity.isZero()) {
        found = { quantity, path };
      } else if (!quantity.isZero() && !found.quantity.eq(quantity)) {
        const [one, other] = [quantity, found.quantity].map(formatDecimal);

        this.refuse(path, `is ${one}, but ${found.path}, which counts the same, is ${other}`);
      }
    }

    return found ?? { quantity: ZERO, path: paths[0] ?? '' };
  }

  /** A whole number, zero after a fault; `null` for null. */
  #read(path: string): Decimal | null {
    const value = this.#leaves.get(path) ?? null;

    this.#unread.delete(path);

    if (value === null) {
      if (this.#branches.has(path)) {
        this.refuse(path, 'is an object or an array, not a number or a decimal string');
      }

      return null;
    }

    const read = readNumber(value, this.#field(path));

    if ('field' in read) {
      this.#fault ??= read;

      return ZERO;
    }

    this.#told = true;

    if (!read.quantity.isInteger()) {
      this.refuse(path, `is ${formatDecimal(read.quantity)}, not a whole number`);

      return ZERO;
    }

    return read.quantity;
  }

  /** Refuses at the first part that makes the parts larger than the whole that holds them. */
  within(whole: Part, parts: readonly Part[]): void {
    let held = ZERO;

    for (const { quantity, path } of parts) {
      held = held.plus(quantity);

      if (held.gt(whole.quantity)) {
        const [part, all, most] = [quantity, held, whole.quantity].map(formatDecimal);

        this.refuse(path, `is ${part}, which brings the parts of ${whole.path} to ${all}, more than its ${most}`);

        return;
      }
    }
  }

  /** Keeps the fault unless there is one already. */
  refuse(path: string, fault: string): void {
    this.#fault ??= refusal(this.#field(path), fault);
  }

  #field(path: string): string {
    return path === '' ? this.#base : `${this.#base}.${path}`;
  }

  /** Adds to the vector. */
  add(kind: string, quantity: Decimal): void {
    if (quantity.gt(ZERO)) {
      this.#counts.set(kind, (this.#counts.get(kind) ?? ZERO).plus(quantity));
    }
  }

  /** Adds the number at the path, if it is one, as the unknown kind of that name. */
  addUnknown(path: string, name: string): void {
    this.add(unknownKind(name), this.#readLoosely(path));
  }

  /**
   * Details nobody knows are a part of the whole they detail: they take their tokens out of those that are nothing else,
   * as far as these reach, so that none is counted twice. Returns what is left of them.
   */
  claim(fits: (path: string) => boolean, rest: Decimal): Decimal {
    let left = rest;

    for (const path of this.unread(fits)) {
      const quantity = this.#readLoosely(path);
      const taken = quantity.isInteger() ? minOf(quantity, left) : ZERO;

      this.add(unknownKind(path), quantity.isInteger() ? taken : quantity);
      left = left.minus(taken);
    }

    return left;
  }

  /** A number of unknown meaning, no text: fractions are cut to 12 digits, but never to nothing. */
  #readLoosely(path: string): Decimal {
    const text = scalarText(this.#leaves.get(path));
    const quantity = typeof this.#leaves.get(path) === 'boolean' ? null : parseDecimal(text, ANY_DECIMAL);

    this.#unread.delete(path);

    if (quantity === null) {
      return ZERO;
    }

    this.#told = true;

    if (quantity.isNegative() || quantity.gt(MAX_QUANTITY)) {
      this.refuse(path, `is ${text?.slice(0, 40)}; a quantity is from 0 to 10^15`);

      return ZERO;
    }

    const cut = decimal(quantity.decimalPlaces(MAX_FRACTION_DIGITS));

    return cut.isZero() && !quantity.isZero() ? LEAST_FRACTION : cut;
  }

  /** The vector in the order of the vocabulary, unknown kinds last and in the order of their characters; or the fault. */
  finish(): readonly TokenCount[] | ValueRefusal {
    for (const path of this.unread(() => true)) {
      this.addUnknown(path, path);
    }

    if (!this.#told) {
      this.refuse('', 'tells no count');
    }

    const known: readonly string[] = TOKEN_KINDS;
    const unknown = [...this.#counts.keys()].filter(kind => !known.includes(kind)).toSorted();

    if (unknown.length > MAX_UNKNOWN_KINDS) {
      this.refuse('', `has ${unknown.length} counts that are not known, more than ${MAX_UNKNOWN_KINDS}`);
    }

    const counts = [...known, ...unknown].flatMap(kind => {
      const quantity = this.#counts.get(kind);

      return quantity ? [{ kind, quantity }] : [];
    });
    const large = counts.find(({ quantity }) => quantity.gt(MAX_QUANTITY));

    if (large) {
      this.refuse('', `has ${formatDecimal(large.quantity)} of ${large.kind}, more than 10^15`);
    }

    return this.#fault ?? counts;
  }
}

/** The sum of the parts. */
export function sumOf(parts: readonly Part[]): Decimal {
  return sum(parts.map(({ quantity }) => quantity));
}
