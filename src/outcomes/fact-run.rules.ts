/** Facts that lie side by side in a list of names, which many verdicts may share. Half open. */
export interface FactRun {
  readonly list: readonly string[];
  readonly from: number;
  readonly until: number;
}

/** What a verdict rests on: the facts that it names, in order, and the others, of kinds of which there are very many. */
export interface Facts {
  readonly named: readonly string[];
  readonly others: readonly FactRun[];
}

/**
 * So many facts of one kind are named: the first, and the last, which tell how it began and what decided. A case of ten
 * thousand claims and as many parts taken back would name a hundred million otherwise.
 */
const FIRST_NAMED = 40;
const LAST_NAMED = 10;

/** Nothing. */
export const NO_FACTS: Facts = { named: [], others: [] };

/** Facts that are few, all of them named. */
export function namedFacts(...named: readonly string[]): Facts {
  return { named, others: [] };
}

/** Facts of one kind, in order: the first and the last are named where there are many. */
export function factsOfKind(runs: readonly FactRun[]): Facts {
  const total = factCount(runs);

  if (total <= FIRST_NAMED + LAST_NAMED) {
    return { named: namesIn(runs), others: [] };
  }

  const last = total - LAST_NAMED;

  return {
    named: [...namesIn(cut(runs, 0, FIRST_NAMED)), ...namesIn(cut(runs, last, total))],
    others: cut(runs, FIRST_NAMED, last),
  };
}

/** Facts of several kinds, one kind after the other. */
export function joinedFacts(...parts: readonly Facts[]): Facts {
  return { named: parts.flatMap(({ named }) => named), others: parts.flatMap(({ others }) => others) };
}

/** How many facts there are in runs. */
export function factCount(runs: readonly FactRun[]): number {
  return runs.reduce((total, { from, until }) => total + until - from, 0);
}

/** All their names, in order. */
export function namesIn(runs: readonly FactRun[]): string[] {
  return runs.flatMap(({ list, from, until }) => list.slice(from, until));
}

/** Those from one place, counted over all runs, to another. */
function cut(runs: readonly FactRun[], first: number, end: number): FactRun[] {
  let before = 0;

  return runs.flatMap(({ list, from, until }) => {
    const start = from - before;
    before += until - from;
    const part = { list, from: Math.max(from, start + first), until: Math.min(until, start + end) };

    return part.from < part.until ? [part] : [];
  });
}
