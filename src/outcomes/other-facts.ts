import { createHash, hash } from 'node:crypto';
import { query, type Scope } from '../platform/index.js';
import { byPlace } from './access-path.js';
import { factOf } from './claim.rules.js';
import type { FactRun } from './fact-run.rules.js';
import type { Verdict } from './outcome.rules.js';
import type { CaseMembers, EventPlace } from './settle.queries.js';

/** Long enough that nobody finds another set of names with the same sum, however many names may be chosen. */
const SUM_BYTES = 256;
const MODULUS = 1n << BigInt(SUM_BYTES * 8);

/** For each list the sums over the names before each of its places, the last one over all. */
const sumsOf = new WeakMap<readonly string[], readonly bigint[]>();

/**
 * One hash for all facts of some runs: SHA-256, in hex, over the sum modulo 2^2048 (256 bytes, the highest first) of what
 * SHAKE256 makes of each name (UTF-8; 256 bytes, read likewise). A sum, so that the hash of any run of a list is the difference
 * of two sums: ten thousand verdicts that rest on ten thousand facts each hash every name once (Bellare and Micciancio, "A
 * New Paradigm for Collision-Free Hashing", 1997: AdHash).
 */
export function factsHash(runs: readonly FactRun[]): string {
  const total = runs.reduce((sum, { list, from, until }) => {
    const sums = sumsOf.get(list) ?? summed(list);
    sumsOf.set(list, sums);

    return sum + (sums[until] ?? 0n) - (sums[from] ?? 0n);
  }, 0n);
  const text = (((total % MODULUS) + MODULUS) % MODULUS).toString(16).padStart(SUM_BYTES * 2, '0');

  return hash('sha256', Buffer.from(text, 'hex'), 'hex');
}

function summed(list: readonly string[]): readonly bigint[] {
  let sum = 0n;

  return [
    0n,
    ...list.map(name => {
      const own = createHash('shake256', { outputLength: SUM_BYTES }).update(name).digest('hex');
      sum = (sum + BigInt(`0x${own}`)) % MODULUS;

      return sum;
    }),
  ];
}

/** What stands among the facts of a receipt for those that it does not name. No name of a fact holds a line break. */
export function othersNote(count: number, factsHashed: string): string {
  return `and ${count} more\n${factsHashed}`;
}

/** The hash in such a note; null for the name of a fact. */
export function hashInNote(fact: string): string | null {
  return /^and \d+ more\n([0-9a-f]{64})$/.exec(fact)?.[1] ?? null;
}

/**
 * Marks exactly those events of whole cases on which a verdict rests and that none names: whoever asks whether an event bears
 * on anything finds it neither idle nor by name. `verdicts` are all of these cases. The caller holds the rating lock.
 */
export async function markUnnamed(
  tx: Scope,
  { subjects, customers }: Pick<CaseMembers, 'subjects' | 'customers'>,
  verdicts: readonly Pick<Verdict, 'factIds' | 'otherFacts'>[],
): Promise<void> {
  const unnamed = unnamedIn(verdicts);
  const events = await query<EventPlace & { readonly row: string; readonly isUnnamed: boolean }>(
    tx,
    `select ctid::text as row, id, source, is_unnamed as "isUnnamed" from outcome_event
       where tenant_id = $1 and subject = any ($2::text[])
     union all
     select ctid::text, id, source, is_unnamed from outcome_event
       where tenant_id = $1 and subject is null and customer = any ($3::text[])`,
    [tx.tenantId, subjects, customers],
  );
  const changed = events.filter(event => event.isUnnamed !== unnamed.has(factOf(event))).map(({ row }) => row);

  if (changed.length > 0) {
    await byPlace(tx, () =>
      query(
        tx,
        `update outcome_event set is_unnamed = not is_unnamed
         where tenant_id = $1 and ctid = any ($2::text[]::tid[])`,
        [tx.tenantId, changed],
      ),
    );
  }
}

/** The names of the facts on which one of these verdicts rests and that none of them names. */
function unnamedIn(verdicts: readonly Pick<Verdict, 'factIds' | 'otherFacts'>[]): ReadonlySet<string> {
  const named = new Set(verdicts.flatMap(({ factIds }) => factIds));
  const unnamed = new Set<string>();

  for (const [list, runs] of Map.groupBy(
    verdicts.flatMap(({ otherFacts }) => otherFacts),
    run => run.list,
  )) {
    let done = 0;

    for (const { from, until } of runs.sort((a, b) => a.from - b.from)) {
      list.slice(Math.max(done, from), until).forEach(name => named.has(name) || unnamed.add(name));
      done = Math.max(done, until);
    }
  }

  return unnamed;
}
