interface Entry<Value> {
  /** Of the scope that read it. */
  readonly readAt: number;
  readonly reading: Promise<Value>;
  /** Set once it is read. */
  value: { readonly read: Value } | null;
  /** Whoever asks when it is this old has it read anew meanwhile; the first of them does. */
  agesAfterMs: number;
}

/**
 * Values that are read anew when they are a while old, and by one for all who ask at the same time: however many wait, the
 * database is asked once. What is asked for all the time is read anew before it is too old, so that nobody waits for it, and
 * each at a moment of its own, so that not all are at once. Who asks from within a transaction waits for nobody, for what it
 * would wait for may be waiting for its connection.
 */
export class Remembered<Value> {
  readonly #entries = new Map<string, Entry<Value>>();

  constructor(
    private readonly freshMs: number,
    private readonly most = 10_000,
  ) {}

  /** Has what is known of a key, or of all, read again. */
  forget(key?: string): void {
    if (key === undefined) {
      this.#entries.clear();
    } else {
      this.#entries.delete(key);
    }
  }

  /** The value of a key, of at most so long before `now`, or of `freshMs` where told; `read` when there is none. */
  async of(
    key: string,
    now: Date,
    isAlone: boolean,
    read: () => Promise<Value>,
    freshMs = this.freshMs,
  ): Promise<Value> {
    const known = this.#entries.get(key);
    // A clock that was set back is no reason to remember for ever.
    const age = known ? Math.abs(now.getTime() - known.readAt) : freshMs;

    if (known && age < freshMs) {
      if (known.value) {
        if (!isAlone && age >= known.agesAfterMs) {
          known.agesAfterMs = this.freshMs;
          void this.#readAnew(key, known, now, read);
        }

        return known.value.read;
      }

      if (!isAlone) {
        return known.reading.catch(read);
      }
    }

    return this.#read(key, now, read);
  }

  async #read(key: string, now: Date, read: () => Promise<Value>): Promise<Value> {
    const entry = this.#keep(key, now, read());

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

  /** For the next who ask. When it fails, what is known is used as long as it may be, and whoever reads then is told. */
  async #readAnew(key: string, known: Entry<Value>, now: Date, read: () => Promise<Value>): Promise<void> {
    const value = await read().then(
      got => ({ read: got }),
      () => null,
    );

    if (value && this.#entries.get(key) === known) {
      this.#keep(key, now, known.reading).value = value;
    }
  }

  #keep(key: string, now: Date, reading: Promise<Value>): Entry<Value> {
    const agesAfterMs = this.freshMs * (0.7 + Math.random() * 0.25);
    const entry: Entry<Value> = { readAt: now.getTime(), reading, value: null, agesAfterMs };

    if (this.#entries.size >= this.most) {
      this.#entries.clear();
    }

    this.#entries.set(key, entry);

    return entry;
  }
}
