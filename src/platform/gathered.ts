import type { Scope } from './scope.js';

interface Gathering<Asked, Found> {
  readonly asked: Asked[];
  readonly reading: Promise<ReadonlyMap<Asked, Found>>;
}

/** Reads together what one request asks at the same time: a field of every row of a page is one reading. */
export class Gathered<Asked extends object, Found> {
  readonly #gatherings = new WeakMap<Scope, Gathering<Asked, Found>>();

  constructor(private readonly read: (scope: Scope, asked: readonly Asked[]) => Promise<ReadonlyMap<Asked, Found>>) {}

  /** What is found of what is asked; null for nothing. */
  async of(scope: Scope, asked: Asked): Promise<Found | null> {
    let gathering = this.#gatherings.get(scope);

    if (!gathering) {
      const all: Asked[] = [];
      // The rows of a page are asked for in one turn of the event loop.
      const reading = new Promise(resolve => setImmediate(resolve)).then(async () => {
        this.#gatherings.delete(scope);

        return this.read(scope, all);
      });
      gathering = { asked: all, reading };
      this.#gatherings.set(scope, gathering);
    }

    gathering.asked.push(asked);

    return (await gathering.reading).get(asked) ?? null;
  }
}
