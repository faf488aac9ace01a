import { addDecimals, compareDecimals, isDecimal } from './decimals.js';
/** What is answered when Ratebook cannot be reached in time. */
export type FailMode =
  /** No: the call may not go ahead. */
  | 'CLOSED'
  /** Yes, blindly. */
  | 'OPEN'
  /** Yes, blindly, as long as the last answer said there was room, and up to a cap. */
  | { readonly lastKnown: LastKnownMode };

export interface LastKnownMode {
  /** The most that goes ahead blindly since the last answer for the same tenant and event type: a decimal. */
  readonly cap: string;
  /** What this call may cost, a decimal; when absent the most that was held for the same tenant and event type. */
  readonly amount?: string;
  /** How long an answer is known, in milliseconds; a minute when absent. */
  readonly lifeMs?: number;
}

/** A question that is on its way. */
export interface Asked {
  /** What is remembered together: a tenant and an event type, or a tenant and a feature. */
  readonly pair: string;
  /** What else an answer may hang on. */
  readonly what: string;
  readonly turn: number;
  /** In milliseconds since 1970. */
  readonly at: number;
}

/** What tells calls apart. */
type Parts = readonly (string | null | undefined)[];

interface Known {
  /** Of the question of the last answer. */
  readonly turn: number;
  readonly at: number;
  readonly isAllowed: boolean;
  /** The most that one call took, or was held for one; null while nothing was. */
  readonly mostTaken: string | null;
  /** What was let through blindly, and after which question the last of it was. */
  readonly blind: string;
  readonly blindTurn: number;
  /** What was refused when it was asked last. */
  readonly refused: Set<string>;
}

const LIFE_MS = 60_000;
/** Pairs that are remembered; who is forgotten is not let through blindly. */
export const MOST_PAIRS = 10_000;
/** Refusals that are remembered of each. */
const MOST_REFUSED = 100;

/** Throws a TypeError for a fail mode that cannot be read: an outage is too late to learn of it. */
export function checkFailMode(mode: FailMode): void {
  if (mode === 'CLOSED' || mode === 'OPEN') {
    return;
  }

  const { cap, amount = '0', lifeMs = LIFE_MS } = mode.lastKnown;

  for (const [name, value] of Object.entries({ cap, amount })) {
    if (typeof value !== 'string' || !isDecimal(value) || value.startsWith('-')) {
      throw new TypeError(`failMode.lastKnown.${name} is a decimal from 0, as a string`);
    }
  }

  if (!(lifeMs > 0)) {
    throw new TypeError('failMode.lastKnown.lifeMs is a number of milliseconds above 0');
  }
}

/** The last answers, and what was let through without one since. */
export class LastKnown {
  readonly #known = new Map<string, Known>();
  #turn = 0;

  asking(pair: Parts, what: Parts, now: Date): Asked {
    this.#turn += 1;

    return { pair: textOf(pair), what: textOf(what), turn: this.#turn, at: now.getTime() };
  }

  /** Remembers an answer, and what its call takes, a decimal; false where a later question was answered before. */
  answered({ pair, what, turn, at }: Asked, isAllowed: boolean, taken: string | null): boolean {
    const before = this.#known.get(pair);

    if (before && before.turn > turn) {
      return false;
    }

    // An answer to a question of before the last blind call says nothing of that call.
    const blind = before && before.blindTurn > turn ? before.blind : '0';
    const mostTaken = mostOf(before?.mostTaken ?? null, taken);
    const refused = before?.refused ?? new Set();
    refused.delete(what);

    if (!isAllowed) {
      refused.add(what);
    }

    forgetOldest(refused, MOST_REFUSED);
    this.#known.delete(pair);
    this.#known.set(pair, { turn, at, isAllowed, mostTaken, blind, blindTurn: before?.blindTurn ?? 0, refused });
    forgetOldest(this.#known, MOST_PAIRS);

    return true;
  }

  /** Counts a call that goes ahead blindly, and answers null; or says why it may not. */
  letThrough({ pair, what }: Asked, { cap, amount, lifeMs = LIFE_MS }: LastKnownMode, now: Date): string | null {
    const known = this.#known.get(pair);
    const age = known ? now.getTime() - known.at : Number.NaN;

    // A clock that was set back says nothing of an age.
    if (!known || !(age >= 0 && age <= lifeMs)) {
      return 'no answer to such a call is known, or it is too old';
    }

    if (!known.isAllowed || known.refused.has(what)) {
      return 'the last answer said no';
    }

    const cost = amount ?? known.mostTaken;

    if (cost === null) {
      return 'nobody knows what it costs: give failMode.lastKnown.amount';
    }

    const blind = addDecimals(known.blind, cost);

    if (compareDecimals(blind, cap) > 0) {
      return `${known.blind} went ahead blindly already, and the cap is ${cap}`;
    }

    this.#known.set(pair, { ...known, blind, blindTurn: this.#turn });

    return null;
  }
}

function textOf(parts: Parts): string {
  return JSON.stringify(parts.map(part => part ?? null));
}

/** Forgets what was remembered first, beyond so many. */
export function forgetOldest(known: Map<string, unknown> | Set<string>, most: number): void {
  for (const oldest of known.keys()) {
    if (known.size <= most) {
      return;
    }

    known.delete(oldest);
  }
}

function mostOf(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && compareDecimals(b, a) > 0) ? b : a;
}
