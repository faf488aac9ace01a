import { decimal, type Decimal, ZERO } from '../money/index.js';
import { nextOf, placeAfter, placeBehind, placeFrom } from './case-index.rules.js';
import type { FactRun } from './fact-run.rules.js';
import type { OutcomeEvent } from './outcome.rules.js';

/** A fact that takes back all of an outcome, or a part of its value. */
export interface Return {
  readonly at: Date;
  readonly fact: string;
  /** Null for all; 'INVALID' where the event names an amount that is none. */
  readonly amount: Decimal | 'INVALID' | null;
}

/** One that was told by event. */
export interface SentReturn extends Return {
  readonly event: OutcomeEvent;
}

/** What returns take of an outcome, one after the other. */
export interface Taken {
  /** What takes all at once, or the part that uses the value up; null while some is left. */
  readonly ending: Pick<Return, 'at' | 'fact'> | null;
  /** The sum of the parts before. */
  readonly parts: Decimal;
  /** The facts that say these parts. */
  readonly runs: readonly FactRun[];
  /** What is to be told of the first that takes nothing. */
  readonly fault: 'PARTIAL_WITHOUT_VALUE' | 'REVERSAL_INVALID' | null;
}

/** By time; those of one instant by their names. */
export function byAt(a: Pick<Return, 'at' | 'fact'>, b: Pick<Return, 'at' | 'fact'>): number {
  return a.at.getTime() - b.at.getTime() || (a.fact < b.fact ? -1 : 1);
}

/**
 * Returns by event that may take something of many claims, with their amounts summed up from the first on: what a stretch of
 * them takes is the difference of two sums, and where a value is used up is found by halving, so that ten thousand claims and
 * as many parts taken back are not a hundred million steps.
 */
export class ReturnList {
  readonly #places: ReadonlyMap<string, number>;
  /** The names of those that take a part, and before each place how many these are. */
  readonly #parts: string[] = [];
  readonly #partsBefore: number[] = [];
  /** Where each part stands, and the sum of the parts before it; one more than there are parts. */
  readonly #placeOfPart: number[] = [];
  readonly #sums: Decimal[] = [ZERO];
  /** For each place the first from it on that takes all, and the first that is no amount. */
  readonly #nextWhole: readonly number[];
  readonly #nextInvalid: readonly number[];

  /** `all` are in order (`byAt`). */
  constructor(private readonly all: readonly SentReturn[]) {
    this.#places = new Map(all.map(({ event }, place) => [keyOf(event), place]));

    for (const [place, { amount, fact }] of all.entries()) {
      this.#partsBefore.push(this.#parts.length);

      if (amount !== null && amount !== 'INVALID') {
        this.#parts.push(fact);
        this.#placeOfPart.push(place);
        this.#sums.push(decimal((this.#sums.at(-1) ?? ZERO).plus(amount)));
      }
    }

    this.#partsBefore.push(this.#parts.length);
    this.#nextWhole = nextOf(all, ({ amount }) => amount === null);
    this.#nextInvalid = nextOf(all, ({ amount }) => amount === 'INVALID');
  }

  /**
   * What is taken of a value (null for an outcome without one) by the returns from an instant to another, both included, and
   * by those that were told of the outcome itself, which are in order and of the same time. No event takes back what it
   * claims itself.
   */
  takenOf(
    value: Decimal | null,
    claimed: Pick<OutcomeEvent, 'id' | 'source'>,
    { from, until, told }: { readonly from: Date; readonly until: Date; readonly told: readonly Return[] },
  ): Taken {
    const taking: Taking = { left: value, ending: null, parts: ZERO, runs: [], fault: null };
    const own = this.#places.get(keyOf(claimed)) ?? -1;
    const end = placeAfter(this.all, until, timeOf);
    let place = placeFrom(this.all, from, timeOf);

    for (const act of [...told, null]) {
      const stop = act
        ? Math.min(
            end,
            placeBehind(this.all, sent => byAt(sent, act) < 0),
          )
        : end;

      if (place <= own && own < stop) {
        this.#take(taking, place, own);
        place = own + 1;
      }

      this.#take(taking, place, stop);
      place = Math.max(place, stop);

      if (act) {
        takeOne(taking, act);
      }
    }

    return taking;
  }

  /** Takes what the returns from a place to before another take, but for what comes after an ending. */
  #take(taking: Taking, from: number, until: number): void {
    if (from >= until || taking.ending) {
      return;
    }

    const first = this.#partsBefore[from] ?? 0;
    const usedUp = taking.left === null ? until : this.#usedUpAt(first, taking.left);
    const stop = Math.min(this.#nextWhole[from] ?? until, usedUp, until);
    const invalid = this.#nextInvalid[from] ?? until;

    if (taking.left === null) {
      const part = this.#placeOfPart[first] ?? until;
      taking.fault ??=
        Math.min(part, invalid) < stop ? (part < invalid ? 'PARTIAL_WITHOUT_VALUE' : 'REVERSAL_INVALID') : null;
    } else {
      const next = this.#partsBefore[stop] ?? first;
      const sum = decimal((this.#sums[next] ?? ZERO).minus(this.#sums[first] ?? ZERO));
      taking.fault ??= invalid < stop ? 'REVERSAL_INVALID' : null;
      takePart(taking, sum, { list: this.#parts, from: first, until: next });
    }

    taking.ending = stop < until ? (this.all[stop] ?? null) : null;
  }

  /** Where the parts from one of them on use up what is left; beyond the last place where they do not. */
  #usedUpAt(first: number, left: Decimal): number {
    const before = this.#sums[first] ?? ZERO;
    let [low, high] = [first, this.#parts.length];

    while (low < high) {
      const middle = (low + high) >>> 1;

      if (this.#sums[middle + 1]?.minus(before).gte(left)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }

    return this.#placeOfPart[low] ?? this.all.length;
  }
}

type Taking = {
  -readonly [Member in keyof Taken]: Taken[Member] extends readonly FactRun[] ? FactRun[] : Taken[Member];
} & {
  left: Decimal | null;
};

function takeOne(taking: Taking, { at, fact, amount }: Return): void {
  if (taking.ending) {
    return;
  }

  if (amount === 'INVALID') {
    taking.fault ??= 'REVERSAL_INVALID';
  } else if (amount !== null && taking.left === null) {
    taking.fault ??= 'PARTIAL_WITHOUT_VALUE';
  } else if (amount === null || taking.left?.lte(amount)) {
    taking.ending = { at, fact };
  } else {
    takePart(taking, amount, { list: [fact], from: 0, until: 1 });
  }
}

function takePart(taking: Taking, amount: Decimal, run: FactRun): void {
  taking.left = taking.left && decimal(taking.left.minus(amount));
  taking.parts = decimal(taking.parts.plus(amount));

  if (run.from < run.until) {
    taking.runs.push(run);
  }
}

function keyOf({ id, source }: Pick<OutcomeEvent, 'id' | 'source'>): string {
  return `${id}\0${source}`;
}

function timeOf({ at }: Return): Date {
  return at;
}
