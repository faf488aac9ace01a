interface Entry<Value> {
  /** Of the scope that read it. */
  readonly readAt: number;
  readonly reading: Promise<Value>;
  /** Set once it is read. */
  value: { readonly read: Value } | null;
}

/**
 * Values that are read anew when they are a while old, and by one for all who ask at the same time: however many wait, the
 * database is asked once. Who asks from within a transaction waits for nobody, for what it would wait for may be waiting for
 * its connection.
 */
export class Remembered<Value> {
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(
    private readonly freshMs: number,
    private readonly most = 10_000,
  ) {}

  /** The value of a key, of at most so long before `now`; `read` when there is none. */
  async of(key: string, now: Date, isAlone: boolean, read: () => Promise<Value>): Promise<Value> {
    const known = this.#entries.get(key);

    // A clock that was set back is no reason to remember for ever.
    if (known && Math.abs(now.getTime() - known.readAt) < this.freshMs) {
      if (known.value) {
        return known.value.read;
      }

      if (!isAlone) {
        return known.reading.catch(read);
      }
    }

    return this.#read(key, now, read);
  }

  async #read(key: string, now: Date, read: () => Promise<Value>): Promise<Value> {
    const entry: Entry<Value> = { readAt: now.getTime(), reading: read(), value: null };

    if (this.#entries.size >= this.most) {
      this.#entries.clear();
    }

    this.#entries.set(key, entry);

    try {
      const value = await entry.reading;
      entry.value = { read: value };

      return value;
    } catch (error) {
      if (this.#entries.get(key) === entry) {
        this.#entries.delete(key);
      }

      throw error;
    }
  }
}
