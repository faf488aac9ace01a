import type { Decimal } from '../money/index.js';
import { nextOf } from './case-index.rules.js';
import type { FactRun } from './fact-run.rules.js';
import type { Party } from './outcome.rules.js';

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

/** What a word says on a claim: it passes it or refuses it, or counts for nothing, and why. */
export type Saying = 'PASSES' | 'REFUSES' | 'SELF_VERIFICATION' | 'EVIDENCE_MISSING';

/** What words that were heard one after the other come to. */
export interface Heard {
  /** The sides of which somebody has passed it. */
  readonly passed: ReadonlySet<Party>;
  /** The words that pass it, by name. */
  readonly runs: readonly FactRun[];
  /** Of the last of them that tells one. */
  readonly score: Decimal | null;
  /** Why the last word counts for nothing; null where it counts. */
  readonly ignored: string | null;
  /** The word that settles it: it refuses it, or is the last that was asked for; null while there is none. */
  readonly settled: Word | null;
}

/**
 * The words on the claims of a subject that one key claimed with the same evidence, in order: to all these claims a word says
 * the same. Which of them refuses or passes next is known from every place, so that a claim need not listen to ten thousand
 * words that settle nothing.
 */
export class WordList {
  readonly #sayings: readonly Saying[];
  readonly #nextRefusal: readonly number[];
  readonly #nextPass: Readonly<Record<Party, readonly number[]>>;
  /** The names of the words that pass, and before each place how many these are. */
  readonly #passes: string[] = [];
  readonly #passesBefore: number[] = [];
  /** Before each place, the place of the last one that passes and tells a score; -1 for none. */
  readonly #lastScored: number[] = [];

  constructor(
    readonly words: readonly Word[],
    sayingOf: (word: Word) => Saying,
  ) {
    this.#sayings = words.map(sayingOf);
    const places = [...words.keys()];
    const nextPass = (party: Party) =>
      nextOf(places, place => this.#sayings[place] === 'PASSES' && words[place]?.party === party);
    this.#nextRefusal = nextOf(places, place => this.#sayings[place] === 'REFUSES');
    this.#nextPass = { BUYER: nextPass('BUYER'), SELLER: nextPass('SELLER') };
    let scored = -1;

    for (const [place, word] of words.entries()) {
      this.#passesBefore.push(this.#passes.length);
      this.#lastScored.push(scored);

      if (this.#sayings[place] === 'PASSES') {
        this.#passes.push(word.fact);
        scored = word.score ? place : scored;
      }
    }

    this.#passesBefore.push(this.#passes.length);
    this.#lastScored.push(scored);
  }

  /** What the words from one place to before another come to after those that were heard before, of which none settled it. */
  heard(before: Heard, from: number, until: number, needsBoth: boolean): Heard {
    if (from >= until || before.settled) {
      return before;
    }

    const refusal = this.#nextRefusal[from] ?? until;
    const completion = this.#completion(before.passed, from, needsBoth);
    const settling = Math.min(refusal, completion);
    // The one that completes it passes it.
    const end = Math.min(until, settling === completion ? completion + 1 : refusal);
    const run = { list: this.#passes, from: this.#passesBefore[from] ?? 0, until: this.#passesBefore[end] ?? 0 };
    const scored = this.#lastScored[end] ?? -1;
    const last = this.#sayings[end - 1];
    const isHeard = (party: Party) => before.passed.has(party) || (this.#nextPass[party][from] ?? end) < end;

    return {
      passed: new Set((['BUYER', 'SELLER'] as const).filter(isHeard)),
      runs: run.from < run.until ? [...before.runs, run] : before.runs,
      score: scored >= from ? (this.words[scored]?.score ?? null) : before.score,
      ignored: last === 'SELF_VERIFICATION' || last === 'EVIDENCE_MISSING' ? last : null,
      settled: settling < until ? (this.words[settling] ?? null) : null,
    };
  }

  /** The place of the word with which as many have passed it as are asked for; beyond the last place for none. */
  #completion(passed: ReadonlySet<Party>, from: number, needsBoth: boolean): number {
    const next = (party: Party) => this.#nextPass[party][from] ?? this.words.length;
    const missing = (['BUYER', 'SELLER'] as const).filter(party => !passed.has(party)).map(next);

    return needsBoth ? Math.max(...missing) : Math.min(next('BUYER'), next('SELLER'));
  }
}
