interface Waiting<Ask, Answer> {
  readonly ask: Ask;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Does what is asked while it is busy together, in the next go: so many callers of one hot row wait for one transaction
 * instead of for each other's. Alone, a caller waits for nobody. Nothing is remembered between two goes, so the guarantee
 * stays with the transaction. When a go fails, each of its asks is tried once by itself, so that none fails for another.
 */
export class GroupCommit<Ask, Answer> {
  /** What waits in the lanes that are busy: one go of each lane at a time. */
  readonly #lanes = new Map<string, Waiting<Ask, Answer>[]>();

  /**
   * `work` answers every ask, in their order. Asks of different lanes go at the same time, by themselves: those that need
   * not wait for the same rows.
   */
  constructor(
    private readonly work: (asks: readonly Ask[]) => Promise<readonly Answer[]>,
    private readonly laneOf: (ask: Ask) => string = () => '',
    private readonly most = 256,
  ) {}

  /** The answer to one ask, from a go that it may share with others. */
  async do(ask: Ask): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const name = this.laneOf(ask);
      const lane = this.#lanes.get(name);

      if (lane) {
        lane.push({ ask, resolve, reject });
      } else {
        const waiting = [{ ask, resolve, reject }];
        this.#lanes.set(name, waiting);
        void this.#go(name, waiting);
      }
    });
  }

  async #go(name: string, waiting: Waiting<Ask, Answer>[]): Promise<void> {
    while (waiting.length > 0) {
      await this.#doTogether(waiting.splice(0, this.most));
    }

    this.#lanes.delete(name);
  }

  async #doTogether(together: readonly Waiting<Ask, Answer>[]): Promise<void> {
    try {
      const answers = await this.work(together.map(({ ask }) => ask));
      together.forEach(({ resolve }, place) => resolve(answers[place] as Answer));
    } catch (error) {
      if (together.length === 1) {
        together.forEach(({ reject }) => reject(error));
      } else {
        for (const alone of together) {
          await this.#doTogether([alone]);
        }
      }
    }
  }
}

/** Names so many lanes, one after the other, for asks that may go in any. */
export function inTurn(lanes: number): () => string {
  let asked = 0;

  return () => String(asked++ % lanes);
}
