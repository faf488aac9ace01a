/**
 * Which usage a price is for: dimension name → an exact value, or a prefix that ends in `*`. A star elsewhere is
 * itself; so an exact value that ends in a star cannot be written. A dimension that is not named is free.
 */
export type DimensionPattern = Readonly<Record<string, string>>;

/** How narrow a pattern is. Compared field by field in this order; more is narrower. */
export interface Specificity {
  /** Dimensions with an exact value. */
  readonly exact: number;
  /** Dimensions with a glob. */
  readonly globs: number;
  /** Length of all glob prefixes together, in UTF-16 units. */
  readonly literals: number;
}

/** What matching needs to know of a price. */
export interface PriceBinding {
  readonly id: string;
  readonly meterId: string;
  readonly pattern: DimensionPattern;
}

/** Whether the dimensions satisfy the pattern. One that is missing satisfies nothing, not even `*`, which any value does. */
export function matches(pattern: DimensionPattern, dimensions: Readonly<Record<string, string>>): boolean {
  for (const name of Object.keys(pattern)) {
    const wanted = valueOf(pattern, name);
    const value = Object.hasOwn(dimensions, name) ? dimensions[name] : undefined;

    if (value === undefined || !(isGlob(wanted) ? value.startsWith(prefixOf(wanted)) : value === wanted)) {
      return false;
    }
  }

  return true;
}

/** How narrow the pattern is. */
export function specificity(pattern: DimensionPattern): Specificity {
  const globs = Object.values(pattern).filter(isGlob);
  const literals = globs.reduce((length, glob) => length + prefixOf(glob).length, 0);

  return { exact: Object.keys(pattern).length - globs.length, globs: globs.length, literals };
}

/** Above zero when `a` is narrower than `b`, below when it is wider, zero when they are equally specific. */
export function compareSpecificity(a: Specificity, b: Specificity): number {
  return a.exact - b.exact || a.globs - b.globs || a.literals - b.literals;
}

/** Whether some dimensions satisfy both patterns. A dimension that only one of them names can always be had. */
export function overlaps(a: DimensionPattern, b: DimensionPattern): boolean {
  return Object.keys(a).every(name => !Object.hasOwn(b, name) || valuesOverlap(valueOf(a, name), valueOf(b, name)));
}

function valuesOverlap(a: string, b: string): boolean {
  if (isGlob(a) && isGlob(b)) {
    const [one, other] = [prefixOf(a), prefixOf(b)];

    return one.startsWith(other) || other.startsWith(one);
  }

  if (isGlob(a)) {
    return b.startsWith(prefixOf(a));
  }

  return isGlob(b) ? a.startsWith(prefixOf(b)) : a === b;
}

function isGlob(value: string): boolean {
  return value.endsWith('*');
}

function prefixOf(glob: string): string {
  return glob.slice(0, -1);
}

/** The pattern's value of a dimension that it names. */
function valueOf(pattern: DimensionPattern, name: string): string {
  return pattern[name] ?? '';
}

/**
 * The pairs of prices on one meter that some usage would match equally well, each pair in the order given. A price
 * book with such a pair is not published: which of the two applies would be a matter of luck.
 */
export function refusePrices<P extends PriceBinding>(prices: readonly P[]): readonly (readonly [P, P])[] {
  const pairs: (readonly [number, number])[] = [];

  for (const peers of groupBy([...prices.entries()], ([, price]) => peerKey(price)).values()) {
    // Prices of one shape mostly differ in an exact value, so they are joined on those, not compared one by one.
    const shapes = [...groupBy(peers, ([, price]) => shapeKey(price.pattern)).values()];

    for (const [position, shape] of shapes.entries()) {
      for (const other of shapes.slice(position)) {
        pairs.push(...overlapsBetween(shape, other));
      }
    }
  }

  return pairs
    .sort(([a, b], [c, d]) => a - c || b - d)
    .flatMap(([a, b]) => {
      const [first, second] = [prices[a], prices[b]];

      return first && second ? [[first, second] as const] : [];
    });
}

type Numbered = readonly [index: number, price: PriceBinding];

/** Overlapping pairs of one price from each side, lower index first; when both sides are one list, each pair once. */
function overlapsBetween(one: readonly Numbered[], other: readonly Numbered[]): (readonly [number, number])[] {
  const [a, b] = [exactNames(one[0]?.[1].pattern ?? {}), exactNames(other[0]?.[1].pattern ?? {})];
  const shared = a.filter(name => b.includes(name));
  const joinKey = ([, { pattern }]: Numbered) => JSON.stringify(shared.map(name => pattern[name]));
  const others = groupBy(other, joinKey);

  return one.flatMap(item =>
    (others.get(joinKey(item)) ?? [])
      .filter(peer => (one === other ? item[0] < peer[0] : true) && overlaps(item[1].pattern, peer[1].pattern))
      .map(peer => (item[0] < peer[0] ? ([item[0], peer[0]] as const) : ([peer[0], item[0]] as const))),
  );
}

/** Equal for the prices of one meter that are equally specific. */
function peerKey({ meterId, pattern }: PriceBinding): string {
  const { exact, globs, literals } = specificity(pattern);

  return JSON.stringify([meterId, exact, globs, literals]);
}

/** Equal for patterns that name the same dimensions exactly. */
function shapeKey(pattern: DimensionPattern): string {
  return JSON.stringify(exactNames(pattern));
}

function exactNames(pattern: DimensionPattern): readonly string[] {
  return Object.keys(pattern)
    .filter(name => !isGlob(valueOf(pattern, name)))
    .sort();
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();

  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);

    if (group) {
      group.push(item);
    } else {
      groups.set(key, [item]);
    }
  }

  return groups;
}

/**
 * The most specific price for the usage, or `null` when it is unpriced. Of equally specific ones, which `refusePrices`
 * keeps out of published books, the least id wins, so that even a draft is priced the same in any order.
 */
export function matchPrice<P extends PriceBinding>(
  prices: readonly P[],
  meterId: string,
  dimensions: Readonly<Record<string, string>>,
): P | null {
  let winner: P | null = null;

  for (const price of prices) {
    if (price.meterId !== meterId || !matches(price.pattern, dimensions)) {
      continue;
    }

    const margin = winner ? compareSpecificity(specificity(price.pattern), specificity(winner.pattern)) : 1;

    if (margin > 0 || (margin === 0 && winner && price.id < winner.id)) {
      winner = price;
    }
  }

  return winner;
}
