import { Meter, type CatalogService } from '../catalog/index.js';
import { monthOf, type ContractsService } from '../contracts/index.js';
import type { OutcomesService } from '../outcomes/index.js';
import { asTenant, inTransaction, type Scope } from '../platform/index.js';
import { LivePrices, PriceBookVersion, type LiveVersion } from '../pricing/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { RunKind, Runs } from './runs.js';
import { replaceResults, totalsOf } from './simulation-result.queries.js';
import { claim, estimateEvents, type ClaimedSimulation } from './simulation.queries.js';
import { TenantReplay, type ReplayPlan, type TenantComparison } from './tenant-replay.js';

/** No billing period is longer. */
const PERIOD_MS = 32 * 86_400_000;

/** Runs simulations of versions of price books. */
export class SimulationRunner {
  readonly #live = new LivePrices();
  readonly #kind: RunKind<ClaimedSimulation, ReplayPlan, readonly TenantComparison[]>;

  constructor(
    private readonly tenants: TenantsService,
    catalog: CatalogService,
    contracts: ContractsService,
    outcomes: Pick<OutcomesService, 'rulesOf'>,
    private readonly runs: Runs,
  ) {
    const replay = new TenantReplay(tenants, catalog, contracts, outcomes);
    this.#kind = {
      table: 'simulation',
      claim,
      planOf: (scope, simulation) => this.#planOf(scope, simulation),
      estimate: (tx, plan) => this.#estimate(tx, plan),
      compare: (scope, plan, control) => replay.compare(scope, plan, control),
      keep: replaceResults,
      totals: totalsOf,
    };
  }

  /** Runs a simulation from where it stands, as `Runs` says. */
  async run(scope: Scope, id: string): Promise<void> {
    await this.runs.run(this.#kind, scope, id);
  }

  /** Stops whatever runs here, of every kind; another process goes on with it. Part of shutting down. */
  close(): void {
    this.runs.close();
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

  /** Asks the tenant's buckets how many events there are. */
  async #estimate(tx: Scope, { from, until }: ReplayPlan): Promise<number> {
    // Whole periods are replayed, and those are months, if not of this zone.
    const stretch = { from: monthOf(from, 'UTC').start, until: monthOf(new Date(until.getTime() - 1), 'UTC').end };
    const { ancestors } = await this.tenants.own(tx);

    return estimateEvents(tx, stretch, await eventTypes(tx, ancestors));
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
