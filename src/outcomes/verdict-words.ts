import { formatDecimal } from '../money/index.js';
import { isId, type Scope } from '../platform/index.js';
import { factOf } from './claim.rules.js';
import { eventsNamed } from './fact-hash.js';
import type { BilledOutcome } from './outcome-billing.js';
import type { Party } from './outcome.rules.js';
import { actsOn, eventsOfCases } from './settle.queries.js';
import { wordOf, wordsOfActs } from './verification.rules.js';
import type { Word } from './word-list.rules.js';

/** A word that counted in a verdict, as its receipt tells it. */
export interface VerdictWord {
  /** The fact that says it, as the verdict names it. */
  readonly fact: string;
  /** ISO 8601 in UTC, with milliseconds. */
  readonly at: string;
  readonly passes: boolean;
  readonly verifier: string;
  readonly party: Party;
  /** A decimal; null where none was given. */
  readonly score: string | null;
  readonly reason: string | null;
}

/** An outcome with the type of the events that verify it, where there is one. */
export interface VerifiedOutcome {
  readonly outcome: BilledOutcome;
  readonly eventType: string | null;
}

/** The words that count in the verdicts on these outcomes, by the id of each, in the order of their facts. */
export async function verdictWords(
  tx: Scope,
  verified: readonly VerifiedOutcome[],
): Promise<Map<string, readonly VerdictWord[]>> {
  const acts = await actsOn(
    tx,
    verified.flatMap(({ outcome }) => (outcome.factIds.some(isAct) ? [outcome.id] : [])),
  );
  const loose = verified.flatMap(({ outcome, eventType }) =>
    eventType === null ? [] : outcome.factIds.filter(fact => !isAct(fact)).flatMap(eventsNamed),
  );
  const events = loose.length === 0 ? [] : await eventsOfCases(tx, { subjects: [], customers: [], loose });
  const told = new Map(wordsOfActs(acts).map(word => [word.fact, word]));
  const sent = new Map(
    [...Map.groupBy(events, ({ type }) => type)].map(([type, own]) => [
      type,
      new Map(own.map(wordOf).map(word => [word.fact, word])),
    ]),
  );

  return new Map(
    verified.map(({ outcome, eventType }) => {
      const claim = factOf({ id: outcome.eventId, source: outcome.source });
      const own = sent.get(eventType ?? '');
      const words = outcome.factIds.filter(fact => fact !== claim).map(fact => told.get(fact) ?? own?.get(fact));

      return [outcome.id, words.flatMap(toldOf)];
    }),
  );
}

const isAct = (fact: string): boolean => isId(fact, 'oac');

function toldOf(word: Word | undefined): VerdictWord[] {
  if (!word) {
    return [];
  }

  const { fact, at, passes, verifier, party, score, reason } = word;

  return [{ fact, at: at.toISOString(), passes, verifier, party, score: score && formatDecimal(score), reason }];
}
