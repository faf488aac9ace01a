import { DomainError, type Scope } from '../platform/index.js';

/** How many outcomes the figures of one request may look at. */
export interface Most {
  /** Added up by the database, a million in three seconds. */
  readonly counted: number;
  /** Reckoned with one by one in this process, where each takes some ten microseconds of everybody's. */
  readonly single: number;
}

const MOST: Most = { counted: 500_000, single: 100_000 };

/** What one request has left to look at: however many figures it asks for, all of them draw on this. */
export class FiguresAllowance {
  #counted = 0;
  #single = 0;

  constructor(private readonly most: Most = MOST) {}

  /** How many may yet be counted. */
  get countable(): number {
    return Math.max(0, this.most.counted - this.#counted);
  }

  /** How many may yet be reckoned with one by one. */
  get reckonable(): number {
    return Math.max(0, this.most.single - this.#single);
  }

  /** Draws on what may be counted; refuses what is more than there is. */
  count(outcomes: number): void {
    this.#counted += outcomes;

    if (this.#counted > this.most.counted) {
      throw DomainError.invalid(
        `more than ${this.most.counted} outcomes would be counted for one request: ask for a shorter time, or for less at once`,
        [],
      );
    }
  }

  /** Draws on what may be reckoned with one by one, likewise. */
  reckon(outcomes: number): void {
    this.#single += outcomes;

    if (this.#single > this.most.single) {
      throw DomainError.invalid(
        `more than ${this.most.single} outcomes would be reckoned with one by one for one request: ask for a shorter time or for less at once; of a period with more, the receipts of its invoice say what each outcome comes to`,
        [],
      );
    }
  }
}

const allowances = new WeakMap<Scope, FiguresAllowance>();

/** The allowance of a caller's request. */
export function allowanceOf(caller: Scope): FiguresAllowance {
  const allowance = allowances.get(caller) ?? new FiguresAllowance();
  allowances.set(caller, allowance);

  return allowance;
}
