import { randomUUID } from 'node:crypto';
import { Meter, type CatalogService } from '../catalog/index.js';
import { monthOf, type ContractsService } from '../contracts/index.js';
import { asTenant, DomainError, inTransaction, scopeFor, type Scope } from '../platform/index.js';
import { LivePrices, PriceBookVersion, type LiveVersion } from '../pricing/index.js';
import type { TenantsService } from '../tenants/index.js';
import { replaceResults, totalsOf } from './simulation-result.queries.js';
import {
  claim,
  doneSubjects,
  dropClaim,
  estimateEvents,
  finish,
  holdClaim,
  noteEventsTotal,
  noteFailure,
  renewClaim,
  type ClaimedSimulation,
} from './simulation.queries.js';
import type { SimulationsService } from './simulations.service.js';
import { Slots } from './slots.js';
import { TenantReplay, type ReplayPlan } from './tenant-replay.js';

/** One replays while the other waits for its next page. */
const LANES = 2;
const BEAT_MS = 1_000;
const MOST_FAILURES = 5;
/** With more tenants, progress is told by tenants: asking each how much it holds would take as long as a small replay. */
const MOST_ESTIMATED = 500;
/** No billing period is longer. */
const PERIOD_MS = 32 * 86_400_000;

/** A claimed simulation while it is run here. */
interface Run {
  readonly scope: Scope;
  readonly simulation: ClaimedSimulation;
  readonly lease: string;
  readonly stop: AbortController;
  eventsDone: number;
}

/** Runs simulations, a few tenants at a time in one process. */
export class SimulationRunner {
  readonly #replay: TenantReplay;
  readonly #slots = new Slots(LANES);
  readonly #live = new LivePrices();
  readonly #running = new Set<Run>();

  constructor(
    private readonly tenants: TenantsService,
    catalog: CatalogService,
    contracts: ContractsService,
    private readonly simulations: SimulationsService,
    private readonly clock: () => Date,
  ) {
    this.#replay = new TenantReplay(tenants, catalog, contracts);
  }

  /**
   * Runs a simulation to its end, beginning with the tenants that are not done. Does nothing when somebody else runs it or
   * it has ended. Stops between pages when it is cancelled, when its claim is lost, and when this process shuts down.
   */
  async run(scope: Scope, id: string): Promise<void> {
    const lease = randomUUID();
    const simulation = await inTransaction(scope, tx => claim(tx, id, lease));

    if (!simulation) {
      return;
    }

    const run: Run = { scope, simulation, lease, stop: new AbortController(), eventsDone: 0 };
    const beat = setInterval(() => void this.#beat(run), BEAT_MS);
    this.#running.add(run);

    try {
      await this.#work(run);
    } catch (error) {
      await this.#fail(run, error);
    } finally {
      clearInterval(beat);
      this.#running.delete(run);
      await inTransaction(scope, tx => dropClaim(tx, id, lease));
      await this.#hint(scope);
    }
  }

  /** Stops what runs here; another process goes on with it. Part of shutting down. */
  close(): void {
    for (const { stop } of this.#running) {
      stop.abort();
    }
  }

  async #work(run: Run): Promise<void> {
    const { scope, simulation, stop } = run;
    const plan = await this.#planOf(scope, simulation);
    const done = await inTransaction(scope, tx => doneSubjects(tx, simulation.id));
    run.eventsDone = done.reduce((total, { events }) => total + events, 0);
    await this.#estimate(run);
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
  async #replayOne(run: Run, plan: ReplayPlan, subjectId: string): Promise<void> {
    const { scope, simulation, lease, stop } = run;

    if (stop.signal.aborted) {
      return;
    }

    const comparisons = await this.#replay.compare(scopeFor(scope, subjectId), plan, {
      signal: stop.signal,
      onEvents: count => (run.eventsDone += count),
    });

    if (!comparisons) {
      return;
    }

    const isOurs = await inTransaction(scope, async tx => {
      if (!(await holdClaim(tx, simulation.id, lease))) {
        return false;
      }

      await replaceResults(tx, simulation.id, subjectId, comparisons);

      return true;
    });

    if (!isOurs) {
      stop.abort();
    }
  }

  async #finish({ scope, simulation: { id }, lease, eventsDone }: Run): Promise<void> {
    await inTransaction(scope, async tx => {
      if (await holdClaim(tx, id, lease)) {
        await finish(tx, id, { totals: await totalsOf(tx, id), events: eventsDone, at: this.clock() });
      }
    });
  }

  /** Keeps the claim, and tells how far the run is. Without the claim it stops. */
  async #beat({ scope, simulation: { id }, lease, stop, eventsDone }: Run): Promise<void> {
    try {
      if (await inTransaction(scope, tx => renewClaim(tx, id, lease, eventsDone))) {
        await this.#hint(scope);
      } else {
        stop.abort();
      }
    } catch {
      // The next beat tries again; a claim that lapses meanwhile is seen by whoever writes.
    }
  }

  /** A refusal ends the simulation; anything else does so when it happens again and again, and is thrown on. */
  async #fail({ scope, simulation: { id }, lease }: Run, error: unknown): Promise<void> {
    const isRefusal = error instanceof DomainError;
    await inTransaction(scope, tx =>
      noteFailure(tx, id, lease, {
        error: isRefusal ? error.message : 'it broke off again and again; the log of the worker says why',
        mostFailures: isRefusal ? 0 : MOST_FAILURES,
        at: this.clock(),
      }),
    );

    if (!isRefusal) {
      throw error;
    }
  }

  async #planOf(scope: Scope, simulation: ClaimedSimulation): Promise<ReplayPlan> {
    const { sellerId, versionId, from, until, baseline, modelContexts, namesTenants, priceBookId } = simulation;

    return {
      sellerId,
      candidates: await inTransaction(scope, tx =>
        asTenant(tx, sellerId, own => this.#onTrial(own, versionId, from, until)),
      ),
      from,
      until,
      priceBookId: namesTenants ? null : priceBookId,
      baseline,
      contexts: new Map(modelContexts.map(({ modelKey, bands }) => [modelKey, bands])),
    };
  }

  /**
   * The version on trial, as if it had held all the time; there once for each set of prices that it takes over from other
   * books meanwhile.
   */
  async #onTrial(seller: Scope, versionId: string, from: Date, until: Date): Promise<LiveVersion[]> {
    const version = await seller.em.findOneOrFail(PriceBookVersion, { id: versionId });
    const start = new Date(from.getTime() - PERIOD_MS);
    const slices = await this.#live.ofDraft(seller, version, { start, end: new Date(until.getTime() + PERIOD_MS) });

    return slices.map((slice, index) => (index === 0 ? { ...slice, effectiveAt: start } : slice));
  }

  /** Asks the tenants' buckets how many events there are, so that progress can be told. */
  async #estimate({ scope, simulation, stop }: Run): Promise<void> {
    const { id, subjectIds, from, until, eventsTotal } = simulation;

    if (eventsTotal !== null || subjectIds.length > MOST_ESTIMATED) {
      return;
    }

    // Whole periods are replayed, and those are months, if not of this zone.
    const stretch = { from: monthOf(from, 'UTC').start, until: monthOf(new Date(until.getTime() - 1), 'UTC').end };
    let total = 0;

    for (const subjectId of stop.signal.aborted ? [] : subjectIds) {
      total += await inTransaction(scopeFor(scope, subjectId), async tx => {
        const { ancestors } = await this.tenants.own(tx);

        return estimateEvents(tx, stretch, await eventTypes(tx, ancestors));
      });
    }

    await inTransaction(scope, tx => noteEventsTotal(tx, id, total));
  }

  async #hint(scope: Scope): Promise<void> {
    await this.simulations.hint(scope.tenantId).catch(() => undefined);
  }
}

/** Which events each meter of these owners counts. */
async function eventTypes(tx: Scope, ownerIds: readonly string[]): Promise<(meterId: string) => string> {
  const types = new Map<string, string>();

  for (const ownerId of ownerIds) {
    for (const { id, eventType } of await asTenant(tx, ownerId, own => own.em.find(Meter, {}))) {
      types.set(id, eventType);
    }
  }

  return meterId => types.get(meterId) ?? '';
}
