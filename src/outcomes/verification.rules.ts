import { propertyAt } from '../catalog/property.rules.js';
import type { Decimal } from '../money/index.js';
import { placeAfter, placeBehind, placeFrom } from './case-index.rules.js';
import { after, type Case, type Claim, factOf, numberOf } from './claim.rules.js';
import { type Facts, factsOfKind, joinedFacts, namedFacts } from './fact-run.rules.js';
import type { OutcomeAct, OutcomeEvent, Party } from './outcome.rules.js';
import { BUILT_IN_REASONS } from './reason.rules.js';
import type { Senders, VerificationTerms } from './outcome-terms.rules.js';
import { type Heard, type Saying, type Word, WordList } from './word-list.rules.js';

/** What the words on a claim come to. */
export interface Verified {
  readonly standing: 'PASSED' | 'CLAIMED' | 'REJECTED' | 'EXPIRED';
  readonly reason: string | null;
  readonly verifiedAt: Date | null;
  readonly expiresAt: Date | null;
  /** Of the last word that passed it and tells one. */
  readonly score: Decimal | null;
  /** The words that counted. */
  readonly facts: Facts;
}

const REASON = /^[A-Z][A-Z0-9_]{0,63}$/;
const NOTHING_HEARD: Heard = { passed: new Set<Party>(), runs: [], score: null, ignored: null, settled: null };

/**
 * Takes the words on a claim in the order of their times, until one refuses it or as many as the rule asks for pass it. No
 * word counts of the key that claimed, of a kind that the rule does not know, or after the claim has expired; none passes a
 * claim for which evidence is missing.
 */
export function verificationOf(all: Case, claim: Claim): Verified {
  const { event, version } = claim;
  const { verification, evidence } = version.terms;
  const missing = evidence.filter(name => (propertyAt(event.properties, name) ?? null) === null);
  const open = { expiresAt: null, score: null };

  if (!verification) {
    return missing.length > 0
      ? { ...open, standing: 'REJECTED', reason: 'EVIDENCE_MISSING', verifiedAt: null, facts: namedFacts() }
      : { ...open, standing: 'PASSED', reason: null, verifiedAt: event.time, facts: namedFacts() };
  }

  const expiresAt = after(event.time, verification.expiresAfterHours);
  const { runs, score, ignored, settled } = heardOn(all, claim, verification, { missing, expiresAt });
  const facts = factsOfKind(runs);

  if (settled) {
    return settled.passes
      ? { standing: 'PASSED', reason: null, verifiedAt: settled.at, expiresAt: null, score, facts }
      : {
          ...open,
          standing: 'REJECTED',
          reason: codeOf(settled),
          verifiedAt: null,
          facts: joinedFacts(facts, namedFacts(settled.fact)),
        };
  }

  return all.now >= expiresAt
    ? { ...open, standing: 'EXPIRED', reason: 'UNVERIFIED', verifiedAt: null, facts }
    : { ...open, standing: 'CLAIMED', reason: ignored, verifiedAt: null, expiresAt, facts };
}

/** What the words on a claim until it expires come to, in the order of their times. */
function heardOn(
  { index }: Case,
  { event: { subject, time, keyId }, acts }: Claim,
  verification: VerificationTerms,
  { missing, expiresAt }: { readonly missing: readonly string[]; readonly expiresAt: Date },
): Heard {
  const { eventType, sentBy, verifiers, parties } = verification;
  const isKnown = ({ verifier }: Word) => verifiers.some(known => known === verifier);
  const saying = (word: Word) => sayingOf(word, keyId, missing);
  const sent =
    eventType === null || subject === null
      ? new WordList([], saying)
      : index.made(
          verification,
          JSON.stringify(['words', subject, keyId, missing]),
          () =>
            new WordList(
              index.of(eventType, { subject }).filter(isHeard(sentBy)).map(wordOf).filter(isKnown).sort(byAt),
              saying,
            ),
        );
  const end = placeAfter(sent.words, expiresAt, timeOf);
  const needsBoth = parties === 'BOTH';
  let heard = NOTHING_HEARD;
  let place = placeFrom(sent.words, time, timeOf);

  for (const told of wordsOfActs(acts).filter(isKnown).sort(byAt)) {
    if (told.at > expiresAt) {
      break;
    }

    const until = Math.min(
      end,
      placeBehind(sent.words, word => byAt(word, told) < 0),
    );
    heard = sent.heard(heard, place, until, needsBoth);
    heard = new WordList([told], saying).heard(heard, 0, 1, needsBoth);
    place = Math.max(place, until);
  }

  return sent.heard(heard, place, end, needsBoth);
}

/** What a word says on a claim of a key for which such evidence is missing. */
function sayingOf(word: Word, keyId: string, missing: readonly string[]): Saying {
  if (word.keyId === keyId) {
    return 'SELF_VERIFICATION';
  }

  if (!word.passes) {
    return 'REFUSES';
  }

  return missing.some(name => (propertyAt(word.evidence, name) ?? null) === null) ? 'EVIDENCE_MISSING' : 'PASSES';
}

function timeOf({ at }: Word): Date {
  return at;
}

/** Whether an event is heard where a rule hears those of one side, or of both. */
export function isHeard(sentBy: Senders): (event: Pick<OutcomeEvent, 'party'>) => boolean {
  return ({ party }) => sentBy === 'ANY' || party === sentBy;
}

function byAt(a: Word, b: Word): number {
  return a.at.getTime() - b.at.getTime() || (a.fact < b.fact ? -1 : a.fact > b.fact ? 1 : 0);
}

/** What was said by mutation. */
export function wordsOfActs(acts: readonly OutcomeAct[]): Word[] {
  return acts.flatMap(act => (act.kind === 'VERIFICATION' ? [{ ...act, fact: act.id }] : []));
}

/** What an event of the rule's type of verifications says; one that says no verifier is no word of any. */
export function wordOf(event: OutcomeEvent): Word {
  const { properties } = event;
  const evidence = properties['evidence'];

  return {
    fact: factOf(event),
    at: event.time,
    passes: properties['passes'] === true,
    verifier: typeof properties['verifier'] === 'string' ? properties['verifier'] : '',
    score: numberOf(properties['score']),
    evidence:
      typeof evidence === 'object' && evidence !== null && !Array.isArray(evidence)
        ? (evidence as Record<string, unknown>)
        : {},
    reason: typeof properties['reason'] === 'string' ? properties['reason'] : null,
    keyId: event.keyId,
    party: event.party,
  };
}

/** A reason that is a code is shown as it is, but for those that judging gives itself; any other text is the verifier's own. */
function codeOf({ reason }: Word): string {
  return reason !== null && REASON.test(reason) && !BUILT_IN_REASONS.has(reason) ? reason : 'VERIFICATION_FAILED';
}
