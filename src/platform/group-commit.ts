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
  #waiting: Waiting<Ask, Answer>[] = [];
  #isBusy = false;

  /** `work` answers every ask, in their order. */
  constructor(
    private readonly work: (asks: readonly Ask[]) => Promise<readonly Answer[]>,
    private readonly most = 256,
  ) {}

  /** The answer to one ask, from a go that it may share with others. */
  async do(ask: Ask): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ ask, resolve, reject });
    });

    if (!this.#isBusy) {
      void this.#go();
    }

    return answer;
  }

  async #go(): Promise<void> {
    this.#isBusy = true;

    while (this.#waiting.length > 0) {
      const together = this.#waiting.slice(0, this.most);
      this.#waiting = this.#waiting.slice(this.most);
      await this.#doTogether(together);
    }

    this.#isBusy = false;
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
