import { RatebookError } from './errors.js';

/** How long to try. */
export interface Patience {
  /** In all, in milliseconds; Infinity for as long as it takes. */
  readonly forMs: number;
  /** For one request, in milliseconds. */
  readonly tryMs: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /** Told of each failure that is tried again. */
  readonly onFailure?: (failure: RatebookError) => void;
}

/** Finds the answer in a body; null when it is none. */
export type Reader<T> = (body: Readonly<Record<string, unknown>>) => T | null;

/** Something that may go better next time, and when that is. */
class Again {
  constructor(
    readonly failure: RatebookError,
    readonly afterMs: number,
  ) {}
}

const LONGEST_WAIT_MS = 30_000;
/** A server that asks for more patience than this is asked again all the same. */
const LONGEST_RETRY_AFTER_MS = 300_000;

/** Posts bodies to /v1, again and again as they are, until there is an answer, a refusal, or no time left. */
export class Sender {
  readonly #url: string;
  readonly #headers: Headers;

  constructor(
    url: string,
    key: string,
    private readonly fetch: typeof globalThis.fetch,
    private readonly retryMs: number,
  ) {
    const base = new URL(url);

    if (!/^https?:$/.test(base.protocol) || base.username || base.password || base.search || base.hash) {
      throw new TypeError('url is the http(s) address of Ratebook, without user, query and fragment');
    }

    this.#url = `${base.origin}${base.pathname.replace(/\/+$/, '')}/v1/`;
    this.#headers = new Headers({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });
  }

  /** Throws what the server refuses, and UNREACHABLE when the time is over. */
  async post<T>(path: string, body: string, read: Reader<T>, patience: Patience): Promise<T> {
    const endsAt = performance.now() + patience.forMs;

    for (let tries = 0; ; tries += 1) {
      const tryMs = Math.min(patience.tryMs, endsAt - performance.now());
      const told = await this.#try(path, body, read, tryMs, patience.signal);

      if (!(told instanceof Again)) {
        return told;
      }

      patience.onFailure?.(told.failure);

      // Half of it is chance, so that those who failed together do not come again together.
      const longest = Math.min(LONGEST_WAIT_MS, this.retryMs * 2 ** Math.min(tries, 30));
      const waitMs = told.afterMs + (longest * (1 + Math.random())) / 2;

      if (patience.signal?.aborted || performance.now() + waitMs >= endsAt) {
        throw told.failure;
      }

      await sleep(waitMs, patience.signal);

      if (patience.signal?.aborted) {
        throw told.failure;
      }
    }
  }

  async #try<T>(path: string, body: string, read: Reader<T>, tryMs: number, signal?: AbortSignal): Promise<T | Again> {
    let response: Response;
    let text: string;

    try {
      const ask = async (stop: AbortSignal) => {
        const { fetch } = this;
        const got = await fetch(this.#url + path, {
          method: 'POST',
          headers: this.#headers,
          body,
          redirect: 'error',
          signal: stop,
        });

        return [got, await got.text()] as const;
      };
      [response, text] = await within(tryMs, signal, ask);
    } catch (cause) {
      return new Again(unreachable(`Ratebook cannot be reached: ${whyOf(cause)}`, { cause }), 0);
    }

    const { status } = response;
    const parsed = membersOf(text);

    if (status >= 500 || status === 408 || status === 425 || status === 429) {
      const { code, message } = problemOf(parsed) ?? { code: `HTTP_${status}`, message: 'no reason was given' };

      return new Again(
        unreachable(`Ratebook cannot answer now: ${code}, ${message}`, { status }),
        retryAfter(response.headers.get('retry-after')),
      );
    }

    const answer = parsed && read(parsed);

    if (answer !== null) {
      return answer;
    }

    const problem = problemOf(parsed);

    if (problem) {
      const { code, message, ...details } = problem;
      throw new RatebookError(code, message, { ...details, status });
    }

    if (status >= 400) {
      throw new RatebookError(`HTTP_${status}`, `the address of Ratebook answers ${status}`, { status });
    }

    return new Again(unreachable('what answers there is no Ratebook', { status }), 0);
  }
}

function unreachable(message: string, details: { readonly status?: number; readonly cause?: unknown }): RatebookError {
  return new RatebookError('UNREACHABLE', message, details);
}

/** What Node says is wrong with a connection stands below `fetch failed`. */
function whyOf(cause: unknown): string {
  const below = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : '';

  return below || (cause instanceof Error ? cause.message : String(cause));
}

async function within<T>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let end: (why: Error) => void = () => undefined;
  const over = new Promise<never>((_resolve, reject) => {
    end = why => {
      reject(why);
      stop.abort(why);
    };
  });
  const onStop = () => end(new Error('the client was closed'));
  const timer = setTimeout(() => end(new Error(`no answer within ${Math.round(ms)} ms`)), Math.max(0, ms));
  signal?.addEventListener('abort', onStop);

  if (signal?.aborted) {
    onStop();
  }

  try {
    // Raced and not only aborted: a `fetch` of the caller's may know no signal.
    return await Promise.race([over, work(stop.signal)]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onStop);
  }
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise(resolve => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener('abort', wake);
  });
}

/** Milliseconds, from a number of seconds or a date. */
function retryAfter(header: string | null): number {
  const text = header?.trim() ?? '';
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();

  return Number.isNaN(ms) ? 0 : Math.min(Math.max(0, ms), LONGEST_RETRY_AFTER_MS);
}

function membersOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);

    return isMembers(value) ? value : null;
  } catch {
    return null;
  }
}

function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function problemOf(body: Readonly<Record<string, unknown>> | null) {
  const error = body?.['error'];

  if (!body || !isMembers(error) || typeof error['code'] !== 'string') {
    return null;
  }

  const { code, message, field, requestId } = error;

  return {
    code,
    message: typeof message === 'string' ? message : code,
    field: Array.isArray(field) ? field.map(String) : [],
    requestId: typeof requestId === 'string' ? requestId : null,
    rejected: Array.isArray(body['rejected']) ? body['rejected'] : [],
  };
}
