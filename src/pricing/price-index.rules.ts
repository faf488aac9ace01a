import { type DimensionPattern, globPrefix, type PriceBinding } from './pattern.rules.js';
import { windowKey } from './window.rules.js';

/** The prices of a book, laid out so that the one for some usage is found without trying each. */
export interface PriceIndex<P extends PriceBinding> {
  /**
   * The most specific price for the usage, or `null` when it is unpriced. `active` holds the `windowKey` of every window
   * that is active; a price with another window does not apply. Of equally specific prices, which `refusePrices` keeps out
   * of published books, the least id wins, so that even a draft is priced the same in any order.
   */
  match(
    meterId: string,
    dimensions: Readonly<Record<string, string>>,
    currency: string,
    active: ReadonlySet<string>,
  ): P | null;
}

/** The prices of one meter and currency that name the same dimensions exactly and the same ones with globs. */
interface Tree<P> {
  /** Dimensions by depth: those with exact values, then those with globs. */
  readonly names: readonly string[];
  readonly exact: number;
  readonly root: Branch<P>;
}

/** The prices that agree in the dimensions above. */
interface Branch<P> {
  /** By the exact value, or by the glob's prefix, of the dimension at this depth; null below the last. */
  children: Map<string, Branch<P>> | null;
  /** The lengths of those prefixes, longest first. */
  lengths: readonly number[];
  leaf: Leaf<P> | null;
}

/** The prices of one pattern: of each window, and of none, the one with the least id. */
interface Leaf<P> {
  plain: P | null;
  byWindow: Map<string, P> | null;
}

/** The best price so far within trees of equally many exact values and globs, and what decides among those. */
interface Candidate<P> {
  readonly price: P;
  readonly literals: number;
}

/** What stays the same while a tree is searched. */
interface Search<P> {
  readonly tree: Tree<P>;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly active: ReadonlySet<string>;
}

/**
 * Indexes the prices. A match looks at each set of dimension names that patterns use, narrowest first, and ends with the
 * first that has a price. Within one it takes a step per exact value, and tries per glob the lengths that prefixes have
 * there, of which there are at most as many as the value has characters; how many prices there are hardly matters.
 */
export function indexPrices<P extends PriceBinding>(prices: readonly P[]): PriceIndex<P> {
  const trees = new Map<string, ReadonlyMap<string, readonly Tree<P>[]>>();

  for (const [meterId, ofMeter] of Map.groupBy(prices, price => price.meterId)) {
    const byCurrency = Map.groupBy(ofMeter, price => price.currency);
    trees.set(meterId, new Map([...byCurrency].map(([currency, peers]) => [currency, treesOf(peers)])));
  }

  return {
    match: (meterId, dimensions, currency, active) =>
      narrowest(trees.get(meterId)?.get(currency) ?? [], dimensions, active),
  };
}

function narrowest<P extends PriceBinding>(
  trees: readonly Tree<P>[],
  dimensions: Readonly<Record<string, string>>,
  active: ReadonlySet<string>,
): P | null {
  let best: Candidate<P> | null = null;
  let found: Tree<P> | null = null;

  for (const tree of trees) {
    if (found && compareTrees(found, tree) < 0) {
      break;
    }

    const better: Candidate<P> | null = searched({ tree, dimensions, active }, tree.root, 0, 0, best);
    found = better === best ? found : tree;
    best = better;
  }

  return best?.price ?? null;
}

/** The better one of `best` and what the branch has for the usage. */
function searched<P extends PriceBinding>(
  search: Search<P>,
  branch: Branch<P>,
  depth: number,
  literals: number,
  best: Candidate<P> | null,
): Candidate<P> | null {
  const { tree, dimensions, active } = search;
  const name = tree.names[depth];

  if (name === undefined) {
    const price = branch.leaf && applicable(branch.leaf, active);

    return price && (!best || isBetter(price, literals, best)) ? { price, literals } : best;
  }

  const value = Object.hasOwn(dimensions, name) ? dimensions[name] : undefined;

  if (value === undefined) {
    return best;
  }

  if (depth < tree.exact) {
    const child = branch.children?.get(value);

    return child ? searched(search, child, depth + 1, literals, best) : best;
  }

  let better = best;

  for (const length of branch.lengths) {
    const child = length <= value.length ? branch.children?.get(value.slice(0, length)) : undefined;
    better = child ? searched(search, child, depth + 1, literals + length, better) : better;

    // In the last dimension all that follow are shorter, and so wider.
    if (better !== best && depth === tree.names.length - 1) {
      break;
    }
  }

  return better;
}

function isBetter(price: PriceBinding, literals: number, best: Candidate<PriceBinding>): boolean {
  const windows = Number(price.window !== null) - Number(best.price.window !== null);
  const margin = literals - best.literals || windows;

  return margin > 0 || (margin === 0 && price.id < best.price.id);
}

function applicable<P extends PriceBinding>({ plain, byWindow }: Leaf<P>, active: ReadonlySet<string>): P | null {
  if (!byWindow) {
    return plain;
  }

  let promoted: P | null = null;

  // A pattern may have many windows of which few are active, or few where many are.
  for (const key of byWindow.size < active.size ? byWindow.keys() : active) {
    const price = active.has(key) ? byWindow.get(key) : undefined;
    promoted = price ? leastId(price, promoted) : promoted;
  }

  return promoted ?? plain;
}

/** One for all branches without globs, which most are. */
const NO_LENGTHS: readonly number[] = [];

/** Trees with the narrowest first. */
function treesOf<P extends PriceBinding>(prices: readonly P[]): readonly Tree<P>[] {
  const trees = new Map<string, Tree<P>>();

  for (const price of prices) {
    const names = Object.keys(price.pattern).sort();
    const exact = names.filter(name => globPrefix(textOf(price.pattern, name)) === null);
    const globs = names.filter(name => !exact.includes(name));
    const key = JSON.stringify([exact, globs]);
    const tree = trees.get(key) ?? { names: [...exact, ...globs], exact: exact.length, root: newBranch<P>() };
    trees.set(key, tree);
    plant(tree, price);
  }

  return [...trees.values()].sort(compareTrees);
}

/** Below zero when the prices of `a` are narrower than those of `b` by how many exact values and globs they have. */
function compareTrees(a: Tree<unknown>, b: Tree<unknown>): number {
  return b.exact - a.exact || b.names.length - a.names.length;
}

function plant<P extends PriceBinding>({ names, root }: Tree<P>, price: P): void {
  let branch = root;

  for (const name of names) {
    const text = textOf(price.pattern, name);
    const prefix = globPrefix(text);
    const key = prefix ?? text;
    const children: Map<string, Branch<P>> = (branch.children ??= new Map());
    const child = children.get(key) ?? newBranch<P>();
    children.set(key, child);

    if (prefix !== null && !branch.lengths.includes(prefix.length)) {
      branch.lengths = [...branch.lengths, prefix.length].sort((a, b) => b - a);
    }

    branch = child;
  }

  const leaf: Leaf<P> = (branch.leaf ??= { plain: null, byWindow: null });

  if (price.window) {
    const key = windowKey(price.window);
    const byWindow: Map<string, P> = (leaf.byWindow ??= new Map());
    byWindow.set(key, leastId(price, byWindow.get(key) ?? null));
  } else {
    leaf.plain = leastId(price, leaf.plain);
  }
}

function newBranch<P>(): Branch<P> {
  return { children: null, lengths: NO_LENGTHS, leaf: null };
}

function leastId<P extends PriceBinding>(price: P, other: P | null): P {
  return other && other.id < price.id ? other : price;
}

function textOf(pattern: DimensionPattern, name: string): string {
  return pattern[name] ?? '';
}
