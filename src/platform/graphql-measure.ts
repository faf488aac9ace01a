export const ENOUGH = 1_000_000_000;

/** What a selection set asks for. Sizes stop at ENOUGH: fan-out doubles them with every fragment. */
export interface Measure {
  readonly depth: number;
  readonly introspectionDepth: number;
  readonly introspectionLists: number;
  readonly fields: number;
  readonly aliases: number;
  readonly directives: number;
  /** The cost is `fixed + n × perItem`, n being the page size of the connection around it, or 1. */
  readonly fixed: number;
  readonly perItem: number;
}

export function add(...terms: readonly number[]): number {
  return Math.min(
    ENOUGH,
    terms.reduce((total, term) => total + term, 0),
  );
}

export function times(count: number, each: number): number {
  return Math.min(ENOUGH, count * each);
}

export function sum(a: Measure, b: Measure): Measure {
  return {
    depth: Math.min(ENOUGH, Math.max(a.depth, b.depth)),
    introspectionDepth: Math.max(a.introspectionDepth, b.introspectionDepth),
    introspectionLists: Math.max(a.introspectionLists, b.introspectionLists),
    fields: add(a.fields, b.fields),
    aliases: add(a.aliases, b.aliases),
    directives: add(a.directives, b.directives),
    fixed: add(a.fixed, b.fixed),
    perItem: add(a.perItem, b.perItem),
  };
}

export function largestOf(a: Measure, b: Measure): Measure {
  return {
    depth: Math.max(a.depth, b.depth),
    introspectionDepth: Math.max(a.introspectionDepth, b.introspectionDepth),
    introspectionLists: Math.max(a.introspectionLists, b.introspectionLists),
    fields: Math.max(a.fields, b.fields),
    aliases: Math.max(a.aliases, b.aliases),
    directives: Math.max(a.directives, b.directives),
    fixed: Math.max(add(a.fixed, a.perItem), add(b.fixed, b.perItem)),
    perItem: 0,
  };
}
