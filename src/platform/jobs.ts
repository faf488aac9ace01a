import { randomUUID } from 'node:crypto';
import { createPostgresBackend, createRedisBackend, UnrecoverableError, withBackend, type Job } from 'bullmq';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { DomainError } from './errors.js';
import type { Logger } from './log.js';
import { acknowledgeOf, UNASKED, type Acknowledge } from './outbox.js';
import type { Scope } from './scope.js';

/** Every payload: a version, the tenant whose scope the job runs in, and ids. Never money, never an entity. */
export type JobPayload = { readonly v: 1; readonly tenantId: string } & Readonly<Record<string, string | number>>;

export interface JobDefinition<P extends JobPayload = JobPayload> {
  /** `room.verb-noun`; the room is the queue. */
  readonly name: `${string}.${string}`;
  readonly payload: z.ZodType<P>;
  /** At most one start in so many milliseconds for the same tenant; the first is at once, what follows waits its turn. */
  readonly debounceMs?: number;
  /**
   * The topic of the facts that this job alone acts on and deletes when its work commits, for work that no sweep finds in the
   * rows. They are those of the payload's tenant that hold the payload's ids; without any the job has nothing to do.
   */
  readonly acknowledges?: string;
}

export function defineJob<P extends JobPayload>(definition: JobDefinition<P>): JobDefinition<P> {
  return definition;
}

/** A job and what does it. Erased to `JobPayload` here; the payload is parsed again when it is taken. */
export interface JobHandler {
  readonly job: JobDefinition;
  readonly handle: (scope: Scope, payload: JobPayload) => Promise<void>;
}

/** `acknowledge` is called in the transaction that does the work of a job that `acknowledges` facts, or in the last of several. */
export function handler<P extends JobPayload>(
  job: JobDefinition<P>,
  handle: (scope: Scope, payload: P, acknowledge: Acknowledge) => Promise<void>,
): JobHandler {
  return {
    job: job as unknown as JobDefinition,
    handle: async (scope, given) => {
      const payload = job.payload.parse(given);
      const acknowledge = job.acknowledges ? await acknowledgeOf(scope, job.acknowledges, idsOf(payload)) : UNASKED;

      if (acknowledge) {
        await handle(scope, payload, acknowledge);
      }
    },
  };
}

function idsOf(payload: JobPayload): Readonly<Record<string, string | number>> {
  return Object.fromEntries(Object.entries(payload).filter(([name]) => name !== 'v' && name !== 'tenantId'));
}

/** The namespace of BullMQ's tables when jobs wait in Postgres. */
export const JOB_SCHEMA = 'bullmq';

/** Where jobs wait: BullMQ on Redis or on Postgres. Either may lose every job; the sweeps derive them again. */
export type JobStore =
  | { readonly kind: 'redis'; readonly url: string; readonly prefix: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly schema: string };

interface QueueLike {
  add(name: string, data: unknown, options: object): Promise<unknown>;
  addBulk(jobs: { name: string; data: unknown; opts: object }[]): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

interface WorkerLike {
  on(event: string, listener: (...parts: never[]) => void): unknown;
  close(): Promise<void>;
}

/** A job to be done, with the key under which a second one like it is dropped while the first is still known. */
export interface JobRequest {
  readonly job: JobDefinition;
  readonly payload: JobPayload;
  readonly key: string;
}

const MAX_TURNS = 50_000;

const OPTIONS = {
  attempts: 8,
  backoff: { type: 'exponential', delay: 500, jitter: 0.5 },
  removeOnComplete: { age: 600, count: 1_000 },
  removeOnFail: { age: 86_400 * 7 },
} as const;

/** The queues of every room, one each, and their workers. */
export class Jobs {
  readonly #queues = new Map<string, QueueLike>();
  readonly #workers: WorkerLike[] = [];
  readonly #redis: Redis[] = [];
  readonly #turns = new Map<string, number>();
  readonly #id = randomUUID().slice(0, 8);

  constructor(
    private readonly store: JobStore,
    private readonly log: Logger,
  ) {}

  /** Asks for jobs. A hint only: losing it delays the work until the next sweep. */
  async enqueue(requests: readonly JobRequest[]): Promise<void> {
    const byQueue = Map.groupBy(requests, request => roomOf(request.job));

    for (const [room, group] of byQueue) {
      await this.#queue(room).addBulk(
        group.map(request => ({
          name: request.job.name,
          data: request.job.payload.parse(request.payload),
          opts: { ...OPTIONS, ...this.#turnOf(request) },
        })),
      );
    }
  }

  /** Starts one worker a room. `scopeFor` makes the same scope for a job that a request would have. */
  startWorkers(handlers: readonly JobHandler[], scopeFor: (payload: JobPayload, job: string) => Scope): void {
    for (const [room, group] of Map.groupBy(handlers, entry => roomOf(entry.job))) {
      const byName = new Map(group.map(entry => [entry.job.name as string, entry]));
      const worker = this.#makeWorker(room, async job => {
        const entry = byName.get(job.name);

        if (!entry) {
          throw new UnrecoverableError(`no handler for ${job.name}`);
        }

        try {
          const payload = entry.job.payload.parse(job.data);
          await entry.handle(scopeFor(payload, job.name), payload);
        } catch (error) {
          // A refusal or a malformed payload will not mend itself; an outage might.
          if (error instanceof DomainError || error instanceof z.ZodError) {
            throw new UnrecoverableError(error.message);
          }

          throw error;
        }
      });
      worker.on('error', (error: Error) => this.log.error({ err: error, queue: room }, 'worker error'));
      worker.on('failed', (job: Job | undefined, error: Error) =>
        this.log.error(
          { err: error, queue: room, job: job?.name, jobId: job?.id, attempt: job?.attemptsMade },
          'job failed',
        ),
      );
      this.#workers.push(worker);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker.close()));
    await Promise.all([...this.#queues.values()].map(queue => queue.close()));

    for (const redis of this.#redis) {
      redis.disconnect();
    }
  }

  /**
   * When a request runs and under which key. A debounced one that follows another closely is put at the end of the running
   * window, under the window's key: it starts after everything asked for within the window, so dropping the others loses
   * nothing (where clocks disagree, a sweep finds what was dropped). The key names this process, because another one's clock
   * may put its windows elsewhere.
   */
  #turnOf({ job, payload, key }: JobRequest): { jobId: string; delay?: number } {
    if (!job.debounceMs) {
      return { jobId: key };
    }

    const who = `${job.name}_${payload.tenantId}`;
    const now = performance.now();
    const last = this.#turns.get(who) ?? -Infinity;

    if (this.#turns.size > MAX_TURNS) {
      this.#turns.clear();
    }

    if (now >= last + job.debounceMs) {
      this.#turns.set(who, now);

      return { jobId: key };
    }

    // A turn in the future is one that waits already: asking for it again is dropped by its key.
    const turn = last > now ? last : last + job.debounceMs;
    this.#turns.set(who, turn);

    return { jobId: `${who}_${this.#id}_${Math.round(turn)}`, delay: Math.max(1, Math.ceil(turn - now)) };
  }

  #queue(room: string): QueueLike {
    const known = this.#queues.get(room);

    if (known) {
      return known;
    }

    const queue = this.#makeQueue(room);
    queue.on('error', error => this.log.error({ err: error, queue: room }, 'queue error'));
    this.#queues.set(room, queue);

    return queue;
  }

  #makeQueue(room: string): QueueLike {
    if (this.store.kind === 'redis') {
      const { Queue } = withBackend(createRedisBackend);

      return new Queue(room, {
        connection: this.#connect({ enableOfflineQueue: true, maxRetriesPerRequest: 1 }),
        prefix: this.store.prefix,
      });
    }

    const { Queue } = withBackend(createPostgresBackend);

    return new Queue(room, { connection: this.#postgres(4) });
  }

  #makeWorker(room: string, process: (job: Job) => Promise<void>): WorkerLike {
    // Stalled more often than once is a busy or killed worker, not a poisoned job: attempts bound that (bullmq's
    // default of 1 loses a job whose worker is killed twice).
    const options = { concurrency: 8, maxStalledCount: 1_000, lockDuration: 60_000, stalledInterval: 15_000 };

    if (this.store.kind === 'redis') {
      const { Worker } = withBackend(createRedisBackend);

      return new Worker(room, process, {
        ...options,
        connection: this.#connect({ maxRetriesPerRequest: null }),
        prefix: this.store.prefix,
      });
    }

    const { Worker } = withBackend(createPostgresBackend);

    return new Worker(room, process, { ...options, connection: this.#postgres(6) });
  }

  #postgres(max: number): { connectionString: string; schema: string; max: number; options: string } {
    if (this.store.kind !== 'postgres') {
      throw new TypeError('not a Postgres job store');
    }

    // A job is a hint, so its own rows need not wait for the disk.
    return { connectionString: this.store.url, schema: this.store.schema, max, options: '-c synchronous_commit=off' };
  }

  #connect(options: { enableOfflineQueue?: boolean; maxRetriesPerRequest: number | null }): Redis {
    if (this.store.kind !== 'redis') {
      throw new TypeError('not a Redis job store');
    }

    const redis = new Redis(this.store.url, options);
    redis.on('error', (error: Error) => this.log.warn({ err: error }, 'redis connection error'));
    this.#redis.push(redis);

    return redis;
  }
}

function roomOf(job: JobDefinition): string {
  return job.name.slice(0, job.name.indexOf('.'));
}
