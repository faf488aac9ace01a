import { hash } from 'node:crypto';
import { hashInNote } from './other-facts.js';
import { canonicalJson, isId, query, type Scope } from '../platform/index.js';

/** What tells the source of an event from its id in the name of a fact (`factOf`). */
const SEPARATOR = ' @ ';

/**
 * What facts say, hashed, by the names that verdicts give them: of an event the hash of its content, of an act SHA-256, in
 * hex, over the canonical JSON of all that it says. A name that fits several facts, for ids and sources may hold anything,
 * stands for all of them, in order. A note of facts that are not named says their hash itself (`othersNote`).
 */
export async function factHashes(tx: Scope, facts: Iterable<string>): Promise<Map<string, readonly string[]>> {
  const names = [...new Set(facts)];
  const found = new Map<string, string[]>(
    names.map(name => {
      const noted = hashInNote(name);

      return [name, noted === null ? [] : [noted]];
    }),
  );
  const rows = [
    ...(await eventHashes(tx, names)),
    ...(await actHashes(
      tx,
      names.filter(name => isId(name, 'oac')),
    )),
  ];
  rows.forEach(row => found.get(row.fact)?.push(row.hash));

  return found;
}

/** What a verdict rests on: SHA-256, in hex, over the canonical JSON of the hashes of its facts, in their order. */
export function inputsHash(facts: readonly string[], hashes: ReadonlyMap<string, readonly string[]>): string {
  return hash('sha256', canonicalJson(facts.flatMap(fact => hashes.get(fact) ?? [])), 'hex');
}

interface FactHash {
  readonly fact: string;
  readonly hash: string;
}

async function eventHashes(tx: Scope, names: readonly string[]): Promise<FactHash[]> {
  const places = names.flatMap(eventsNamed);

  return query<FactHash>(
    tx,
    `select w.fact, u.hash from unnest($2::text[], $3::text[], $4::text[]) with ordinality as w (fact, id, source, place)
     cross join lateral (
       select encode(content_hash, 'hex') as hash from usage_event
       where tenant_id = $1 and id = w.id and source = w.source offset 0
     ) u order by w.place`,
    [tx.tenantId, places.map(({ fact }) => fact), places.map(({ id }) => id), places.map(({ source }) => source)],
  );
}

/** The events that a name may mean: ids and sources may hold anything. */
export function eventsNamed(fact: string): { readonly fact: string; readonly id: string; readonly source: string }[] {
  const events = [{ fact, id: fact, source: '' }];

  for (let at = fact.indexOf(SEPARATOR); at >= 0; at = fact.indexOf(SEPARATOR, at + 1)) {
    events.push({ fact, id: fact.slice(0, at), source: fact.slice(at + SEPARATOR.length) });
  }

  return events;
}

async function actHashes(tx: Scope, ids: readonly string[]): Promise<FactHash[]> {
  if (ids.length === 0) {
    return [];
  }

  const acts = await query<{ readonly id: string }>(
    tx,
    `select id, outcome_id as "outcomeId", kind, dispute_id as "disputeId", at, body, reason, key_id as "keyId", party,
       created_at as "createdAt"
     from outcome_act where tenant_id = $1 and id = any ($2::text[])`,
    [tx.tenantId, ids],
  );

  return acts.map(act => ({ fact: act.id, hash: hash('sha256', canonicalJson(act), 'hex') }));
}
