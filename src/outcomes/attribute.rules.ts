import { compareSpecificity, type DimensionPattern, matches, specificity } from '../pricing/pattern.rules.js';

/** The most specific of the patterns that the attributes satisfy; null for none. A version holds no two that tie. */
export function matchPattern<T extends { readonly pattern: DimensionPattern }>(
  items: readonly T[],
  attributes: Readonly<Record<string, string>>,
): T | null {
  let best: T | null = null;

  for (const item of items) {
    if (matches(item.pattern, attributes) && (best === null || isNarrower(item, best))) {
      best = item;
    }
  }

  return best;
}

function isNarrower(a: { readonly pattern: DimensionPattern }, b: { readonly pattern: DimensionPattern }): boolean {
  const narrowness = ({ pattern }: { readonly pattern: DimensionPattern }) => specificity({ pattern, window: null });

  return compareSpecificity(narrowness(a), narrowness(b)) > 0;
}
