import { randomUUID } from 'node:crypto';
import { DomainError, inTransaction, scopeFor, type Scope } from '../platform/index.js';
import type { ReplayControl } from './event-replay.js';
import {
  doneSubjects,
  dropClaim,
  finish,
  holdClaim,
  isHeld,
  noteEventsTotal,
  noteFailure,
  renewClaim,
  type RunTable,
} from './run.queries.js';
import { Slots } from './slots.js';

/** One replays while the other waits for its next page. */
const LANES = 2;
const BEAT_MS = 1_000;
const MOST_FAILURES = 5;
/** With more tenants, progress is told by tenants: asking each how much it holds would take as long as a small replay. */
const MOST_ESTIMATED = 500;

/** What every simulation that is taken up has. */
export interface ClaimedRun {
  readonly id: string;
  readonly subjectIds: readonly string[];
  readonly eventsTotal: string | null;
}

/** One kind of simulation: where it is kept, and what is done for each of its tenants. */
export interface RunKind<S extends ClaimedRun, P, R> {
  readonly table: RunTable;
  /** Takes a simulation that nobody holds; null when somebody holds it or it has ended. */
  claim(tx: Scope, id: string, lease: string): Promise<S | null>;
  /** What is tried, the same for all tenants. */
  planOf(scope: Scope, simulation: S): Promise<P>;
  /** How many events the scope's tenant has to be replayed, about. */
  estimate(tx: Scope, plan: P): Promise<number>;
  /** Compares the scope's tenant; null when the signal stopped it. */
  compare(scope: Scope, plan: P, control: ReplayControl): Promise<R | null>;
  /** Puts a tenant's results in the place of those that it may have. The simulation is locked. */
  keep(tx: Scope, id: string, subjectId: string, results: R): Promise<void>;
  /** What the tenants that are done come to, as the row keeps it. */
  totals(tx: Scope, id: string): Promise<readonly object[]>;
}

/** A claimed simulation while it is run here. */
interface Run<S extends ClaimedRun, P, R> {
  readonly kind: RunKind<S, P, R>;
  readonly scope: Scope;
  readonly simulation: S;
  readonly lease: string;
  readonly stop: AbortController;
  eventsDone: number;
}

/** Runs simulations of every kind, a few tenants at a time in one process. */
export class Runs {
  readonly #slots = new Slots(LANES);
  readonly #running = new Set<AbortController>();

  constructor(
    /** Tells whoever follows a tenant's simulations to look again. */
    private readonly hint: (tenantId: string) => Promise<void>,
    private readonly clock: () => Date,
  ) {}

  /**
   * Runs a simulation to its end, beginning with the tenants that are not done. Does nothing when somebody else runs it or
   * it has ended. Stops between pages when it is cancelled, when its claim is lost, and when this process shuts down.
   */
  async run<S extends ClaimedRun, P, R>(kind: RunKind<S, P, R>, scope: Scope, id: string): Promise<void> {
    const lease = randomUUID();
    const simulation = await inTransaction(scope, tx => kind.claim(tx, id, lease));

    if (!simulation) {
      return;
    }

    const run: Run<S, P, R> = { kind, scope, simulation, lease, stop: new AbortController(), eventsDone: 0 };
    const beat = setInterval(() => void this.#beat(run), BEAT_MS);
    this.#running.add(run.stop);

    try {
      await this.#work(run);
    } catch (error) {
      await this.#fail(run, error);
    } finally {
      clearInterval(beat);
      this.#running.delete(run.stop);
      await inTransaction(scope, tx => dropClaim(tx, kind.table, id, lease));
      await this.#tell(scope);
    }
  }

  /** Stops what runs here; another process goes on with it. Part of shutting down. */
  close(): void {
    for (const stop of this.#running) {
      stop.abort();
    }
  }

  async #work<S extends ClaimedRun, P, R>(run: Run<S, P, R>): Promise<void> {
    const { kind, scope, simulation, stop } = run;
    const plan = await kind.planOf(scope, simulation);
    const done = await inTransaction(scope, tx => doneSubjects(tx, kind.table, simulation.id));
    run.eventsDone = done.reduce((total, { events }) => total + events, 0);
    await this.#estimate(run, plan);
    const known = new Set(done.map(({ subjectId }) => subjectId));
    const open = simulation.subjectIds.filter(subjectId => !known.has(subjectId));
    const lane = async (): Promise<void> => {
      for (let subjectId = open.shift(); subjectId !== undefined && !stop.signal.aborted; subjectId = open.shift()) {
        const next = subjectId;
        await this.#slots.use(() => this.#replayOne(run, plan, next));
      }
    };
    const lanes = await Promise.allSettled(
      Array.from({ length: LANES }, () =>
        lane().catch((error: unknown) => {
          stop.abort();
          throw error;
        }),
      ),
    );
    const failed = lanes.find(({ status }) => status === 'rejected');

    if (failed) {
      throw (failed as PromiseRejectedResult).reason;
    }

    if (!stop.signal.aborted) {
      await this.#finish(run);
    }
  }

  /** Compares one tenant and writes its results, all of them in one transaction. */
  async #replayOne<S extends ClaimedRun, P, R>(run: Run<S, P, R>, plan: P, subjectId: string): Promise<void> {
    const { kind, scope, simulation, lease, stop } = run;

    if (stop.signal.aborted) {
      return;
    }

    const results = await kind.compare(scopeFor(scope, subjectId), plan, {
      signal: stop.signal,
      mayGoOn: () => this.#mayGoOn(run),
      onEvents: count => (run.eventsDone += count),
    });

    if (!results) {
      return;
    }

    const isOurs = await inTransaction(scope, async tx => {
      if (!(await holdClaim(tx, kind.table, simulation.id, lease))) {
        return false;
      }

      await kind.keep(tx, simulation.id, subjectId, results);

      return true;
    });

    if (!isOurs) {
      stop.abort();
    }
  }

  async #finish<S extends ClaimedRun, P, R>(run: Run<S, P, R>): Promise<void> {
    const { kind, scope, simulation, lease, eventsDone } = run;
    const { id } = simulation;
    await inTransaction(scope, async tx => {
      if (await holdClaim(tx, kind.table, id, lease)) {
        const totals = await kind.totals(tx, id);
        await finish(tx, kind.table, id, { totals, events: eventsDone, at: this.clock() });
      }
    });
  }

  /** Whether the simulation is still this run's: not cancelled, lost or shut down. */
  async #mayGoOn<S extends ClaimedRun, P, R>({ kind, scope, simulation, lease, stop }: Run<S, P, R>): Promise<boolean> {
    if (!stop.signal.aborted && !(await inTransaction(scope, tx => isHeld(tx, kind.table, simulation.id, lease)))) {
      stop.abort();
    }

    return !stop.signal.aborted;
  }

  /** Keeps the claim, and tells how far the run is. Without the claim it stops. */
  async #beat<S extends ClaimedRun, P, R>(run: Run<S, P, R>): Promise<void> {
    const { kind, scope, simulation, lease, stop, eventsDone } = run;

    try {
      if (await inTransaction(scope, tx => renewClaim(tx, kind.table, simulation.id, lease, eventsDone))) {
        await this.#tell(scope);
      } else {
        stop.abort();
      }
    } catch {
      // The next beat tries again; a claim that lapses meanwhile is seen by whoever writes.
    }
  }

  /** A refusal ends the simulation; anything else does so when it happens again and again, and is thrown on. */
  async #fail<S extends ClaimedRun, P, R>(run: Run<S, P, R>, error: unknown): Promise<void> {
    const { kind, scope, simulation, lease } = run;
    const isRefusal = error instanceof DomainError;
    await inTransaction(scope, tx =>
      noteFailure(tx, kind.table, simulation.id, lease, {
        error: isRefusal ? error.message : 'it broke off again and again; the log of the worker says why',
        mostFailures: isRefusal ? 0 : MOST_FAILURES,
        at: this.clock(),
      }),
    );

    if (!isRefusal) {
      throw error;
    }
  }

  /** Asks how many events the tenants have, so that progress can be told. */
  async #estimate<S extends ClaimedRun, P, R>(run: Run<S, P, R>, plan: P): Promise<void> {
    const { kind, scope, simulation, lease, stop } = run;
    const { id, subjectIds, eventsTotal } = simulation;

    if (eventsTotal !== null || subjectIds.length > MOST_ESTIMATED) {
      return;
    }

    let total = 0;

    for (const subjectId of subjectIds) {
      // A total that leaves tenants out is none.
      if (stop.signal.aborted) {
        return;
      }

      total += await inTransaction(scopeFor(scope, subjectId), tx => kind.estimate(tx, plan));
    }

    await inTransaction(scope, tx => noteEventsTotal(tx, kind.table, id, lease, total));
  }

  async #tell(scope: Scope): Promise<void> {
    await this.hint(scope.tenantId).catch(() => undefined);
  }
}
