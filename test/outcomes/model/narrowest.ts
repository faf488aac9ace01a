/** The candidate whose pattern says most about the attributes: exact values first, then globs, then their length. */
export function narrowest<T extends { readonly pattern: Readonly<Record<string, string>> }>(
  candidates: readonly T[],
  attributes: Readonly<Record<string, string>>,
): T | null {
  const weightOf = ({ pattern }: T): number => {
    const globs = Object.values(pattern).filter(value => value.endsWith('*'));

    return (
      (Object.keys(pattern).length - globs.length) * 1_000_000 +
      globs.length * 1_000 +
      globs.reduce((length, glob) => length + glob.length - 1, 0)
    );
  };
  const fitting = candidates.filter(({ pattern }) =>
    Object.entries(pattern).every(([name, wanted]) => {
      const value = attributes[name];

      return value !== undefined && (wanted.endsWith('*') ? value.startsWith(wanted.slice(0, -1)) : value === wanted);
    }),
  );

  return fitting.toSorted((a, b) => weightOf(b) - weightOf(a))[0] ?? null;
}
