import { type PriceWindow, windowsOverlap } from './window.rules.js';

/**
 * Which usage a price is for: dimension name → an exact value, or a prefix that ends in `*`. A star elsewhere is
 * itself; so an exact value that ends in a star cannot be written. A dimension that is not named is free.
 */
export type DimensionPattern = Readonly<Record<string, string>>;

/** How narrow a price is. Compared field by field in this order; more is narrower. */
export interface Specificity {
  /** Dimensions with an exact value. */
  readonly exact: number;
  /** Dimensions with a glob. */
  readonly globs: number;
  /** Length of all glob prefixes together, in UTF-16 units. */
  readonly literals: number;
  /** 1 when it applies in a window only. Last of all, so that a promotional price never beats a narrower pattern. */
  readonly windows: 0 | 1;
}

/** What matching needs to know of a price. */
export interface PriceBinding {
  readonly id: string;
  readonly meterId: string;
  readonly currency: string;
  readonly pattern: DimensionPattern;
  /** When it applies; null for always. */
  readonly window: PriceWindow | null;
}

/** Whether the dimensions satisfy the pattern. One that is missing satisfies nothing, not even `*`, which any value does. */
export function matches(pattern: DimensionPattern, dimensions: Readonly<Record<string, string>>): boolean {
  for (const name of Object.keys(pattern)) {
    const wanted = pattern[name] ?? '';
    const prefix = globPrefix(wanted);
    const value = Object.hasOwn(dimensions, name) ? dimensions[name] : undefined;

    if (value === undefined || !(prefix === null ? value === wanted : value.startsWith(prefix))) {
      return false;
    }
  }

  return true;
}

/** What a value must begin with when the pattern's text is a glob; null when the text is an exact value. */
export function globPrefix(text: string): string | null {
  return text.endsWith('*') ? text.slice(0, -1) : null;
}

/** How narrow the price is. */
export function specificity({ pattern, window }: Pick<PriceBinding, 'pattern' | 'window'>): Specificity {
  const lengths = shapeOf(pattern).flatMap(({ prefixLength }) => prefixLength ?? []);
  const literals = lengths.reduce((sum, length) => sum + length, 0);

  return {
    exact: Object.keys(pattern).length - lengths.length,
    globs: lengths.length,
    literals,
    windows: window ? 1 : 0,
  };
}

/** Above zero when `a` is narrower than `b`, below when it is wider, zero when they are equally specific. */
export function compareSpecificity(a: Specificity, b: Specificity): number {
  return a.exact - b.exact || a.globs - b.globs || a.literals - b.literals || a.windows - b.windows;
}

/** What two patterns may have in common without sharing a value. */
type Shape = readonly {
  readonly name: string;
  /** Of a glob; null for an exact value. */
  readonly prefixLength: number | null;
}[];

function shapeOf(pattern: DimensionPattern): Shape {
  return Object.keys(pattern)
    .sort()
    .map(name => ({ name, prefixLength: globPrefix(pattern[name] ?? '')?.length ?? null }));
}

/** More pairs than anybody reads, yet few enough to hold: ten thousand equal prices make fifty million. */
const MAX_PAIRS = 1_000;

/**
 * Pairs of prices of one meter and currency that some usage would match equally well at some instant, each pair in the
 * order given; a thousand of them at most, and none only when there is none. A price book with such a pair is not
 * published: which of the two applies would be a matter of luck.
 */
export function refusePrices<P extends PriceBinding>(prices: readonly P[]): readonly (readonly [P, P])[] {
  const pairs: (readonly [Numbered<P>, Numbered<P>])[] = [];

  for (const pair of ambiguousPairs(prices)) {
    pairs.push(pair);

    if (pairs.length === MAX_PAIRS) {
      break;
    }
  }

  return pairs
    .sort(([a, b], [c, d]) => a.index - c.index || b.index - d.index)
    .map(([a, b]) => [a.price, b.price] as const);
}

interface Numbered<P> {
  readonly index: number;
  readonly price: P;
}

function* ambiguousPairs<P extends PriceBinding>(prices: readonly P[]): Generator<readonly [Numbered<P>, Numbered<P>]> {
  const numbered = prices.map((price, index) => ({ index, price }));

  for (const peers of Map.groupBy(numbered, ({ price }) => peerKey(price)).values()) {
    const shapes = [...Map.groupBy(peers, ({ price }) => JSON.stringify(shapeOf(price.pattern))).values()];

    for (const [position, shape] of shapes.entries()) {
      for (const other of shapes.slice(position)) {
        for (const [a, b] of overlapsBetween(shape, other)) {
          if (!a.price.window || !b.price.window || windowsOverlap(a.price.window, b.price.window)) {
            yield a.index < b.index ? [a, b] : [b, a];
          }
        }
      }
    }
  }
}

/** Equal for the prices of one meter and currency that are equally specific. */
function peerKey(price: PriceBinding): string {
  return JSON.stringify([price.meterId, price.currency, specificity(price)]);
}

/**
 * The pairs of one price from each side whose patterns some usage satisfies; when both sides are one list, each pair
 * once. All of a side have one shape. So two patterns overlap just when they are equal in every dimension that both
 * name, read up to the end of the shorter prefix, and prices are joined on that instead of compared one by one.
 */
function* overlapsBetween<P extends PriceBinding>(
  one: readonly Numbered<P>[],
  other: readonly Numbered<P>[],
): Generator<readonly [Numbered<P>, Numbered<P>]> {
  const [first, second] = [one[0], other[0]];

  if (!first || !second) {
    return;
  }

  const cuts = sharedCuts(shapeOf(first.price.pattern), shapeOf(second.price.pattern));
  const others = Map.groupBy(other, ({ price }) => joinKey(price.pattern, cuts));

  for (const item of one) {
    for (const peer of others.get(joinKey(item.price.pattern, cuts)) ?? []) {
      if (one !== other || item.index < peer.index) {
        yield [item, peer];
      }
    }
  }
}

/** The dimensions that both shapes name, and how many units of their texts count: all where both are exact values. */
function sharedCuts(one: Shape, other: Shape): readonly { readonly name: string; readonly length: number }[] {
  return one.flatMap(({ name, prefixLength }) => {
    const twin = other.find(dimension => dimension.name === name);
    const lengths = [prefixLength, twin?.prefixLength].map(length => length ?? Number.POSITIVE_INFINITY);

    return twin ? [{ name, length: Math.min(...lengths) }] : [];
  });
}

function joinKey(pattern: DimensionPattern, cuts: readonly { readonly name: string; readonly length: number }[]) {
  return JSON.stringify(
    cuts.map(({ name, length }) => {
      const text = pattern[name] ?? '';

      return (globPrefix(text) ?? text).slice(0, length);
    }),
  );
}
