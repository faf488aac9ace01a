/** So many pieces of work at a time in this process; the others wait their turn. */
export class Slots {
  readonly #waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) {
      this.free -= 1;
    } else {
      // Whoever leaves hands the slot over without freeing it.
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }

    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();

      if (next) {
        next();
      } else {
        this.free += 1;
      }
    }
  }
}
