import { RatebookError } from './errors.js';
import { completed, exactJson, jsonOf, newId, type NewEvent } from './events.js';
import { type Asked, checkFailMode, type FailMode, LastKnown } from './fail-mode.js';
import { FeatureModes } from './feature-modes.js';
import { Recorder, type Recorded } from './recorder.js';
import { type Reader, Sender } from './sender.js';
import type {
  AuthorizeAnswer,
  AuthorizeBody,
  CallAnswer,
  CallBody,
  SettleAnswer,
  SettleBody,
  VoidAnswer,
  VoidBody,
} from './types.js';

export interface RatebookOptions {
  /** Where Ratebook runs, such as `https://ratebook.example.com`. */
  readonly url: string;
  /** An API key with `holds:write` and, to record, `usage:write`. */
  readonly key: string;
  readonly fetch?: typeof globalThis.fetch;
  /** Tells the time of events, of questions and of the age of answers. */
  readonly clock?: () => Date;
  /** How long `check` and `authorize` may take in all before the fail mode answers; 2,000 when absent. */
  readonly timeoutMs?: number;
  /** `source` of events that name none. */
  readonly source?: string;
  /** How long one request of `record`, `settle` and `void` may take; 10,000 when absent. */
  readonly requestMs?: number;
  /** How long `settle` and `void` go on trying, and `close` waits, in all; 60,000 when absent. */
  readonly patienceMs?: number;
  /** The first wait before something is tried again, which doubles each time; 100 when absent. */
  readonly retryMs?: number;
  /** Events that are recorded in one request, at most; 500 when absent. */
  readonly batchSize?: number;
  /** How long an event waits for others of its batch; 50 when absent. */
  readonly batchMs?: number;
  /** Events that wait or are on their way, at most: `record` refuses what comes on top; 10,000 when absent. */
  readonly bufferSize?: number;
}

/** What to do with one question. */
export interface AskOptions {
  /**
   * What is answered when Ratebook cannot be reached in time. When absent, what it last said of the feature that the call
   * names, for its tenant; CLOSED where it names none, or nothing was said.
   */
  readonly failMode?: FailMode;
  /** For this question only. */
  readonly timeoutMs?: number;
}

/** What an answer has that may come of the fail mode. */
interface Told {
  /** UNREACHABLE: the server could not be asked in time, and the fail mode says no. */
  readonly code: CallAnswer['code'] | 'UNREACHABLE';
  /** The fail mode says yes, without the server: record what the call uses. */
  readonly isBlind: boolean;
}

export type Checked = Omit<CallAnswer, 'code' | 'failMode'> & Told;

export type Authorized = Omit<AuthorizeAnswer, 'code' | 'failMode'> &
  Told & {
    /** Under which it was asked. Where the server was not reached, asking with it again finds what may be held. */
    readonly idempotencyKey: string;
  };

/** The answer of the fail mode. */
type Unasked = Told & Pick<CallAnswer, 'isAllowed' | 'message' | 'limit' | 'beyond'>;

/** A call to hold for. The client makes the idempotency key, and says when it asks, where they are absent. */
export type AuthorizeCall = Omit<AuthorizeBody, 'idempotencyKey'> & Partial<Pick<AuthorizeBody, 'idempotencyKey'>>;

/** Whose hold it is; the tenant of the key when absent. */
export interface OfTenant {
  readonly tenantId?: string;
}

interface Times {
  readonly timeoutMs: number;
  readonly requestMs: number;
  readonly patienceMs: number;
}

const DEFAULTS = {
  timeoutMs: 2_000,
  requestMs: 10_000,
  patienceMs: 60_000,
  retryMs: 100,
  batchSize: 500,
  batchMs: 50,
  bufferSize: 10_000,
};
/** The server takes no more events at a time. */
const MOST_IN_BATCH = 10_000;
/** Timers know no more. */
const MOST_MS = 2 ** 31 - 1;

const UNASKED = { limit: null, beyond: [] } as const;

/** Asks Ratebook before a call, and records what it has used. Every method is safe to repeat with the same ids. */
export class RatebookClient {
  readonly #sender: Sender;
  readonly #recorder: Recorder;
  readonly #known = new LastKnown();
  readonly #features = new FeatureModes();
  readonly #clock: () => Date;
  readonly #source: string | undefined;
  readonly #times: Times;

  /** Throws a TypeError or a RangeError for options that cannot work. */
  constructor({ url, key, fetch = globalThis.fetch, clock = () => new Date(), source, ...given }: RatebookOptions) {
    const numbers = numbersOf(given);
    this.#clock = clock;
    this.#source = source;
    this.#times = numbers;
    this.#sender = new Sender(url, key, fetch, numbers.retryMs);
    this.#recorder = new Recorder(this.#sender, { ...numbers, source, clock });
  }

  /** Whether a call may go ahead. Holds nothing. Throws what the server cannot read. */
  async check(call: CallBody, options: AskOptions = {}): Promise<Checked> {
    return this.#ask<CallAnswer>('check', call, options);
  }

  /** Holds what a call may cost at its worst, or says why not. Throws what the server cannot read. */
  async authorize(call: AuthorizeCall, options: AskOptions = {}): Promise<Authorized> {
    const idempotencyKey = call.idempotencyKey ?? newId();
    const body: AuthorizeBody = { ...call, idempotencyKey, sentAt: call.sentAt ?? this.#clock().toISOString() };

    return { hold: null, ...(await this.#ask<AuthorizeAnswer>('authorize', body, options)), idempotencyKey };
  }

  /** Records what a call has used, and gives the rest of its hold back. Throws when an event is refused: nothing has changed. */
  async settle(holdId: string, events: readonly NewEvent[], { tenantId }: OfTenant = {}): Promise<SettleAnswer> {
    const now = this.#clock();
    const told = events.map(event => jsonOf(completed(event, this.#source, now)));
    const head: Omit<SettleBody, 'events'> = { ...(tenantId === undefined ? {} : { tenantId }), holdId };
    const body = `${JSON.stringify(head).slice(0, -1)},"events":[${told.join(',')}]}`;
    const answer = await this.#post<SettleAnswer>('settle', body);

    // A test key is told so in an answer of its own.
    if (answer.rejected && answer.rejected.length > 0) {
      const { rejected } = answer;
      throw new RatebookError('EVENTS_REJECTED', 'nothing was changed: mend the events, and settle again', {
        rejected,
      });
    }

    return answer;
  }

  /** Gives a hold back whole. */
  async void(holdId: string, { tenantId }: OfTenant = {}): Promise<VoidAnswer> {
    const body: VoidBody = { ...(tenantId === undefined ? {} : { tenantId }), holdId };

    return this.#post<VoidAnswer>('void', JSON.stringify(body));
  }

  /**
   * Records a usage event, with others in one request. Resolves when the server has accepted it, however long that takes;
   * throws the server's reason when it was refused, BUFFER_FULL when too many wait already.
   */
  async record(event: NewEvent): Promise<Recorded> {
    return this.#recorder.record(event);
  }

  /** Sends what waits, and resolves when the server has said of all of it what became of it. */
  async flush(): Promise<void> {
    return this.#recorder.flush();
  }

  /** Takes no more events and flushes. What the server could not be told of in time is thrown to whoever recorded it. */
  async close(): Promise<void> {
    return this.#recorder.close(this.#times.patienceMs);
  }

  async #ask<Answer extends CallAnswer & Partial<Pick<AuthorizeAnswer, 'hold'>>>(
    path: 'check' | 'authorize',
    call: CallBody,
    { failMode, timeoutMs = this.#times.timeoutMs }: AskOptions,
  ): Promise<(Omit<Answer, 'failMode'> & { readonly isBlind: false }) | Unasked> {
    checkFailMode(failMode ?? 'CLOSED');
    const { tenantId, eventType, model, serviceTier, region, feature } = call;
    const asked = this.#known.asking([tenantId, eventType], [model, serviceTier, region, feature], this.#clock());
    const ofFeature = this.#features.asking(call, this.#clock());
    const read: Reader<Answer> = body => (typeof body['isAllowed'] === 'boolean' ? (body as unknown as Answer) : null);
    const forMs = checkMs('timeoutMs', timeoutMs);

    try {
      const { failMode: told, ...answer } = await this.#sender.post(path, exactJson(call), read, {
        forMs,
        tryMs: forMs,
      });

      // A hold that has ended says no to its own key, and nothing of the room there is.
      if (answer.code !== 'HOLD_ENDED') {
        this.#known.answered(asked, answer.isAllowed, answer.hold?.amount ?? null);

        if (ofFeature) {
          this.#features.answered(ofFeature, answer.isAllowed, told);
        }
      }

      return { ...answer, isBlind: false };
    } catch (error) {
      if (!(error instanceof RatebookError) || error.code !== 'UNREACHABLE') {
        throw error;
      }

      const no = failMode ? this.#whyNot(asked, failMode) : this.#features.letThrough(ofFeature, this.#clock());

      return no === null
        ? { ...UNASKED, isAllowed: true, code: null, message: null, isBlind: true }
        : { ...UNASKED, isAllowed: false, code: 'UNREACHABLE', message: `${error.message}; ${no}`, isBlind: false };
    }
  }

  #whyNot(asked: Asked, failMode: FailMode): string | null {
    if (typeof failMode === 'object') {
      return this.#known.letThrough(asked, failMode.lastKnown, this.#clock());
    }

    return failMode === 'OPEN' ? null : 'ask again';
  }

  async #post<Answer extends VoidAnswer | SettleAnswer>(path: 'settle' | 'void', body: string): Promise<Answer> {
    const read: Reader<Answer> = answer => ('hold' in answer ? (answer as unknown as Answer) : null);

    return this.#sender.post(path, body, read, { forMs: this.#times.patienceMs, tryMs: this.#times.requestMs });
  }
}

function numbersOf(given: Partial<typeof DEFAULTS>): typeof DEFAULTS {
  const numbers = { ...DEFAULTS };

  for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
    const value = given[name] ?? DEFAULTS[name];
    const isCount = name === 'batchSize' || name === 'bufferSize';
    numbers[name] = isCount ? checkCount(name, value) : checkMs(name, value);
  }

  return numbers;
}

function checkMs(name: string, value: number): number {
  if (!(value > 0 && value <= MOST_MS)) {
    throw new RangeError(`${name} is a number of milliseconds above 0, up to ${MOST_MS}`);
  }

  return value;
}

function checkCount(name: string, value: number): number {
  const most = name === 'batchSize' ? MOST_IN_BATCH : Number.MAX_SAFE_INTEGER;

  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new RangeError(`${name} is a whole number from 1 to ${most}`);
  }

  return value;
}
