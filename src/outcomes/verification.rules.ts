import { propertyAt } from '../catalog/property.rules.js';
import type { Decimal } from '../money/index.js';
import { placeFrom } from './case-index.rules.js';
import { after, type Case, type Claim, factOf, numberOf } from './claim.rules.js';
import type { OutcomeAct, OutcomeEvent, Party } from './outcome.rules.js';
import { BUILT_IN_REASONS } from './reason.rules.js';
import type { Senders, VerificationTerms } from './outcome-terms.rules.js';

/** What the words on a claim come to. */
export interface Verified {
  readonly standing: 'PASSED' | 'CLAIMED' | 'REJECTED' | 'EXPIRED';
  readonly reason: string | null;
  readonly verifiedAt: Date | null;
  readonly expiresAt: Date | null;
  /** Of the last word that passed it and tells one. */
  readonly score: Decimal | null;
  /** The words that counted. */
  readonly facts: readonly string[];
}

/** Somebody's word on a claim, told by event or by mutation. */
export interface Word {
  readonly fact: string;
  readonly at: Date;
  readonly passes: boolean;
  readonly verifier: string;
  readonly score: Decimal | null;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly reason: string | null;
  readonly keyId: string;
  readonly party: Party;
}

const REASON = /^[A-Z][A-Z0-9_]{0,63}$/;

/**
 * Takes the words on a claim in the order of their times, until one refuses it or as many as the rule asks for pass it. No
 * word counts of the key that claimed, of a kind that the rule does not know, or after the claim has expired; none passes a
 * claim for which evidence is missing.
 */
export function verificationOf(all: Case, claim: Claim): Verified {
  const { event, version } = claim;
  const { verification, evidence } = version.terms;
  const missing = evidence.filter(name => (propertyAt(event.properties, name) ?? null) === null);
  const lacks = (more: Readonly<Record<string, unknown>>) =>
    missing.some(name => (propertyAt(more, name) ?? null) === null);
  const open = { expiresAt: null, score: null, facts: [] };

  if (!verification) {
    return lacks({})
      ? { ...open, standing: 'REJECTED', reason: 'EVIDENCE_MISSING', verifiedAt: null }
      : { ...open, standing: 'PASSED', reason: null, verifiedAt: event.time };
  }

  const expiresAt = after(event.time, verification.expiresAfterHours);
  const passed = new Set<Party>();
  const facts: string[] = [];
  let score: Decimal | null = null;
  let ignored: string | null = null;

  for (const word of wordsOn(all, claim, verification, expiresAt)) {
    if (!verification.verifiers.some(verifier => verifier === word.verifier)) {
      continue;
    }

    if (word.keyId === event.keyId) {
      ignored = 'SELF_VERIFICATION';
      continue;
    }

    if (!word.passes) {
      return { ...open, standing: 'REJECTED', reason: codeOf(word), verifiedAt: null, facts: [...facts, word.fact] };
    }

    if (lacks(word.evidence)) {
      ignored = 'EVIDENCE_MISSING';
      continue;
    }

    ignored = null;
    passed.add(word.party);
    facts.push(word.fact);
    score = word.score ?? score;

    if (verification.parties === 'ANY' || passed.size === 2) {
      return { standing: 'PASSED', reason: null, verifiedAt: word.at, expiresAt: null, score, facts };
    }
  }

  return all.now >= expiresAt
    ? { ...open, standing: 'EXPIRED', reason: 'UNVERIFIED', verifiedAt: null, facts }
    : { ...open, standing: 'CLAIMED', reason: ignored, verifiedAt: null, expiresAt, facts };
}

/** The words on a claim until it expires, in the order of their times, one by one: the first may be the last that is asked for. */
function* wordsOn(
  { index }: Case,
  { event: { subject, time }, acts }: Claim,
  verification: VerificationTerms,
  expiresAt: Date,
): Generator<Word> {
  const { eventType, sentBy } = verification;
  const sent =
    eventType === null || subject === null
      ? []
      : index.made(verification, `words ${subject}`, () =>
          index.of(eventType, { subject }).filter(isHeard(sentBy)).map(wordOf).sort(byAt),
        );
  const told = wordsOfActs(acts).sort(byAt);
  let place = placeFrom(sent, time, ({ at }) => at);

  for (const word of told) {
    for (let other = sent[place]; other && byAt(other, word) < 0; other = sent[place]) {
      if (other.at > expiresAt) {
        return;
      }

      yield other;
      place += 1;
    }

    if (word.at > expiresAt) {
      return;
    }

    yield word;
  }

  for (let other = sent[place]; other && other.at <= expiresAt; other = sent[place]) {
    yield other;
    place += 1;
  }
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
