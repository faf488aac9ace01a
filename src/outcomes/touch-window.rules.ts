import { type Decimal, decimal, divide, ONE, ZERO } from '../money/index.js';
import type { AgentShare } from './outcome.rules.js';

/** What one touch says of whose work it was. */
export interface Touch {
  readonly agent: string;
  /** From 0. */
  readonly weight: Decimal;
}

interface Part {
  weight: Decimal;
  /** The places of its touches in the window, in order; those before `first` have left it. */
  readonly places: number[];
  first: number;
}

/**
 * Who has which share in a stretch of the touches of a subject. Claims are asked about in the order in which they occurred,
 * so the stretch moves on, and each touch comes in and goes out once: thousands of claims that share thousands of touches
 * cost what there is of both, and not of one for each of the other. Asked for a stretch before the last one, it begins anew.
 */
export class TouchWindow {
  #parts = new Map<string, Part>();
  #total: Decimal = ZERO;
  #from = 0;
  #until = 0;
  #shares: readonly AgentShare[] = [];

  /** `touches` are in the order of their times. */
  constructor(private readonly touches: readonly Touch[]) {}

  /** The shares of the agents of a stretch, in the order in which they first touched in it. Half open. */
  sharesIn(from: number, until: number): readonly AgentShare[] {
    if (from === this.#from && until === this.#until) {
      return this.#shares;
    }

    if (from < this.#from || until < this.#until) {
      this.#parts = new Map();
      this.#total = ZERO;
      [this.#from, this.#until] = [from, from];
    }

    this.touches.slice(Math.max(this.#until, from), until).forEach((touch, index) => {
      this.#enter(touch, Math.max(this.#until, from) + index);
    });
    this.touches.slice(this.#from, Math.min(from, this.#until)).forEach(touch => {
      this.#leave(touch);
    });
    [this.#from, this.#until] = [from, until];
    this.#shares = this.#reckoned();

    return this.#shares;
  }

  #enter({ agent, weight }: Touch, place: number): void {
    const part = this.#parts.get(agent) ?? { weight: ZERO, places: [], first: 0 };
    part.weight = decimal(part.weight.plus(weight));
    part.places.push(place);
    this.#parts.set(agent, part);
    this.#total = decimal(this.#total.plus(weight));
  }

  #leave({ agent, weight }: Touch): void {
    const part = this.#parts.get(agent);

    if (!part) {
      return;
    }

    part.weight = decimal(part.weight.minus(weight));
    part.first += 1;
    this.#total = decimal(this.#total.minus(weight));

    if (part.first === part.places.length) {
      this.#parts.delete(agent);
    }
  }

  #reckoned(): AgentShare[] {
    const firstOf = ({ places, first }: Part): number => places[first] ?? 0;

    return [...this.#parts]
      .sort(([, a], [, b]) => firstOf(a) - firstOf(b))
      .map(([agent, { weight }]) => ({
        agent,
        // Weights that all are nothing are equal ones.
        share: this.#total.isZero() ? divide(ONE, decimal(this.#parts.size)) : divide(weight, this.#total),
      }));
  }
}
