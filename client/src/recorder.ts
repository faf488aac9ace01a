import { RatebookError } from './errors.js';
import { completed, jsonOf, type NewEvent } from './events.js';
import type { Sender } from './sender.js';
import type { UsageEvent, UsageReceipt } from './types.js';

/** An event that was accepted. */
export interface Recorded {
  readonly id: string;
  /** It was accepted before, with the same content. */
  readonly isDuplicate: boolean;
  /** By a test key: it was checked, and nothing was kept. */
  readonly isDryRun: boolean;
}

export interface RecorderOptions {
  /** Events of one request, at most. */
  readonly batchSize: number;
  /** How long an event waits for others, in milliseconds. */
  readonly batchMs: number;
  /** Events that wait or are on their way, at most. */
  readonly bufferSize: number;
  /** For one request, in milliseconds. */
  readonly requestMs: number;
  readonly source: string | undefined;
  readonly clock: () => Date;
}

interface Entry {
  readonly event: UsageEvent;
  readonly text: string;
  readonly resolve: (recorded: Recorded) => void;
  readonly reject: (error: RatebookError) => void;
}

/** Batches on their way at a time. One that the server cannot take holds up no other. */
const LANES = 4;
/** Characters of a batch: far below the 10 MB that a body may have. */
const BATCH_LENGTH = 1_000_000;
/** Characters of all events that wait or are on their way. */
const BUFFER_LENGTH = 64_000_000;

/** Sends events in batches, each until the server has said what became of it. */
export class Recorder {
  readonly #waiting: Entry[] = [];
  readonly #pending = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();
  #length = 0;
  #lanes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What waits has waited long enough. */
  #isDue = false;
  #lastFailure: RatebookError | null = null;
  #closing: Promise<void> | null = null;

  constructor(
    private readonly sender: Sender,
    private readonly options: RecorderOptions,
  ) {}

  async record(event: NewEvent): Promise<Recorded> {
    const whole = completed(event, this.options.source, this.options.clock());

    if (this.#closing) {
      throw new RatebookError('CLOSED', 'the client is closed: nothing was sent', { event: whole });
    }

    const text = jsonOf(whole);
    const { bufferSize } = this.options;

    if (this.#pending.size >= bufferSize || this.#length + text.length > BUFFER_LENGTH) {
      const failure = this.#lastFailure ? ` (${this.#lastFailure.message})` : '';
      throw new RatebookError(
        'BUFFER_FULL',
        `${this.#pending.size} events wait to be sent already${failure}: this one was not taken; record it again later`,
        { event: whole, cause: this.#lastFailure },
      );
    }

    this.#length += text.length;
    const told = new Promise<Recorded>((resolve, reject) => {
      this.#waiting.push({ event: whole, text, resolve, reject });
    });
    this.#pending.add(told);

    this.#pump();

    try {
      return await told;
    } finally {
      this.#pending.delete(told);
      this.#length -= text.length;
    }
  }

  /** Sends what waits, and resolves when the server has said of all of it what became of it. */
  async flush(): Promise<void> {
    this.#pumpAll();
    await Promise.allSettled(this.#pending);
  }

  /** Takes no more events and flushes; what is not told of by then is refused as UNREACHABLE. */
  close(withinMs: number): Promise<void> {
    this.#closing ??= this.#close(withinMs);

    return this.#closing;
  }

  async #close(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), withinMs);

    try {
      await this.flush();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends full batches, and what is due; what is left has its time to wait for others. */
  #pump(): void {
    const { batchSize, batchMs } = this.options;

    while (this.#lanes < LANES && this.#waiting.length >= (this.#isDue ? 1 : batchSize)) {
      this.#lanes += 1;
      void this.#send(this.#take()).finally(() => {
        this.#lanes -= 1;
        this.#pump();
      });
    }

    if (this.#waiting.length === 0 || this.#isDue) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#isDue &&= this.#waiting.length > 0;
    } else {
      this.#timer ??= setTimeout(() => this.#pumpAll(), batchMs);
    }
  }

  #pumpAll(): void {
    this.#isDue = true;
    this.#pump();
  }

  #take(): Entry[] {
    let count = 0;
    let length = 0;

    for (const { text } of this.#waiting) {
      length += text.length;

      if (count > 0 && (count >= this.options.batchSize || length > BATCH_LENGTH)) {
        break;
      }

      count += 1;
    }

    return this.#waiting.splice(0, count);
  }

  async #send(entries: readonly Entry[]): Promise<void> {
    try {
      const body = `[${entries.map(({ text }) => text).join(',')}]`;
      const receipt = await this.sender.post('usage', body, answer => receiptOf(answer, entries.length), {
        forMs: Number.POSITIVE_INFINITY,
        tryMs: this.options.requestMs,
        signal: this.#stop.signal,
        onFailure: failure => {
          this.#lastFailure = failure;
        },
      });
      this.#lastFailure = null;
      tell(entries, receipt);
    } catch (thrown) {
      const error = asError(thrown);

      if (error.status === 413 && entries.length > 1) {
        const half = Math.ceil(entries.length / 2);
        await this.#send(entries.slice(0, half));
        await this.#send(entries.slice(half));
      } else {
        entries.forEach(({ event, reject }) => reject(error.of(event)));
      }
    }
  }
}

/** Null unless it tells of every event of the batch. */
function receiptOf(answer: Readonly<Record<string, unknown>>, count: number): UsageReceipt | null {
  const { accepted, duplicates, conflicts, rejected } = answer as unknown as UsageReceipt;

  return [duplicates, conflicts, rejected].every(Array.isArray) &&
    accepted + duplicates.length + conflicts.length + rejected.length === count
    ? (answer as unknown as UsageReceipt)
    : null;
}

function tell(entries: readonly Entry[], { duplicates, conflicts, rejected, isDryRun }: UsageReceipt): void {
  for (const { index, id } of conflicts) {
    const message = `event ${id} was accepted before with other content; nothing was changed`;
    const entry = entries[index];
    entry?.reject(new RatebookError('ALREADY_EXISTS', message, { event: entry.event, field: ['id'] }));
  }

  for (const rejection of rejected) {
    const { index, code, reason, field } = rejection;
    const entry = entries[index];
    entry?.reject(
      new RatebookError(code, reason, { event: entry.event, field: field ? [field] : [], rejected: [rejection] }),
    );
  }

  const repeated = new Set(duplicates);
  // Those that were refused above stay refused.
  entries.forEach(({ event, resolve }, index) =>
    resolve({ id: event.id, isDuplicate: repeated.has(index), isDryRun: isDryRun === true }),
  );
}

function asError(thrown: unknown): RatebookError {
  return thrown instanceof RatebookError
    ? thrown
    : new RatebookError('UNREACHABLE', 'the events could not be sent', { cause: thrown });
}
