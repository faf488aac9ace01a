import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import {
  announce,
  asTenant,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { PriceBookVersion } from '../pricing/index.js';
import { Tenant, type TenantsService } from '../tenants/index.js';
import { itemPage, tenantPage, totalsOf } from './simulation-result.queries.js';
import type { SimulationItemRow, SimulationTenantRow, TenantOrder } from './simulation-result.queries.js';
import { Simulation, type SimulationTotal } from './simulation.entity.js';
import { cancelOpen, countOpen } from './run.queries.js';
import type { SimulationProgress } from './simulation-progress.js';
import { buyersOn, insertSimulation } from './simulation.queries.js';
import { MOST_TENANTS, refuseSimulation, type ModelBands, type SimulationDraft } from './simulation.rules.js';

/** The most simulations of one tenant that wait or run. */
export const MOST_OPEN = 10;

/** What tenants would have paid: asked, cancelled and read here, computed by `SimulationRunner`. */
export class SimulationsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly progress: SimulationProgress,
  ) {}

  /**
   * Asks what tenants would have paid under a version of a book of `seller`, which is the scope's tenant or below it. The
   * simulation belongs to the scope's tenant, and waits until a worker takes it up.
   */
  async start(
    scope: Scope,
    seller: Scope,
    input: SimulationDraft & { readonly idempotencyKey: string },
  ): Promise<{ simulation: Simulation; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    const [refusal] = refuseSimulation(draft, scope.now);

    if (refusal) {
      throw DomainError.invalid(refusal.message, refusal.field);
    }

    return inTransaction(scope, async tx => {
      const asked = { sellerId: seller.tenantId, ...draft };
      const { id, replayed } = await once(tx, 'simulationStart', idempotencyKey, asked, () =>
        this.#begin(tx, seller.tenantId, draft),
      );

      return { simulation: await tx.em.findOneOrFail(Simulation, { id }), replayed };
    });
  }

  async #begin(tx: Scope, sellerId: string, draft: SimulationDraft): Promise<string> {
    if ((await countOpen(tx, 'simulation')) >= MOST_OPEN) {
      throw new DomainError(
        ErrorCode.FORBIDDEN,
        `${MOST_OPEN} simulations of this tenant wait or run; cancel one, or wait until one is done`,
        ['priceBookVersionId'],
      );
    }

    const { priceBookId, tenants } = await asTenant(tx, sellerId, async own => {
      const version = await versionOf(own, draft.priceBookVersionId);
      await this.#checkModels(own, draft.modelContexts);

      return {
        priceBookId: version.priceBookId,
        tenants: draft.tenantIds ? null : await buyersOn(own, version.priceBookId, draft, MOST_TENANTS + 1),
      };
    });
    const subjectIds = tenants ?? (await this.#named(tx, sellerId, draft.tenantIds ?? []));

    if (subjectIds.length < 1 || subjectIds.length > MOST_TENANTS) {
      throw DomainError.invalid(
        subjectIds.length < 1
          ? 'no tenant has a contract on this book in that time; name the tenants that are to try it'
          : `more than ${MOST_TENANTS} tenants have a contract on this book; name those that are to try it`,
        ['tenantIds'],
      );
    }

    const { priceBookVersionId: versionId, from, until, baseline, modelContexts } = draft;
    const id = newId('sim', tx.now);
    const namesTenants = draft.tenantIds !== null;
    await insertSimulation(tx, {
      id,
      sellerId,
      priceBookId,
      versionId,
      from,
      until,
      baseline,
      modelContexts,
      namesTenants,
      subjectIds,
    });
    await record(tx, {
      action: 'simulation.started',
      subjectId: id,
      after: { sellerId, ...draft, tenantIds: null, tenants: subjectIds.length, namesTenants },
    });
    await announce(tx, 'simulation.queued', { simulationId: id });

    return id;
  }

  /** The tenants that were named, each once. All are the caller's or below it, and the seller's or below it. */
  async #named(tx: Scope, sellerId: string, tenantIds: readonly string[]): Promise<string[]> {
    const asked = tenantIds.filter(id => isId(id, 'ten'));
    const found = new Map((await tx.em.find(Tenant, { id: { $in: asked } })).map(tenant => [tenant.id, tenant]));

    for (const [index, id] of tenantIds.entries()) {
      const tenant = found.get(id);

      if (!tenant) {
        throw DomainError.notFound('tenant', id, ['tenantIds', String(index)]);
      }

      if (!tenant.ancestors.includes(sellerId)) {
        throw DomainError.invalid(`tenant ${id} is not below ${sellerId}, whose book it is`, [
          'tenantIds',
          String(index),
        ]);
      }
    }

    return [...found.keys()].sort();
  }

  async #checkModels(seller: Scope, contexts: readonly ModelBands[]): Promise<void> {
    if (contexts.length === 0) {
      return;
    }

    const { ancestors } = await this.tenants.own(seller);
    const modelOf = await this.catalog.modelsFor(seller, ancestors);

    for (const [index, { modelKey }] of contexts.entries()) {
      if (!modelOf(modelKey)) {
        throw DomainError.notFound('model', modelKey, ['modelContexts', String(index), 'modelKey']);
      }
    }
  }

  /** Stops a simulation; the tenants that are done keep their results. Doing it again changes nothing. */
  async cancel(scope: Scope, id: string): Promise<Simulation> {
    const simulation = await inTransaction(scope, async tx => {
      const found = await find(tx, id, ['simulationId']);

      if (found.status === 'CANCELLED') {
        return found;
      }

      if (!(await cancelOpen(tx, 'simulation', id))) {
        throw new DomainError(
          ErrorCode.INVALID_TRANSITION,
          `simulation ${id} has ended; only one that waits or runs is cancelled`,
          ['simulationId'],
        );
      }

      await record(tx, {
        action: 'simulation.cancelled',
        subjectId: id,
        before: { status: found.status },
        after: { status: 'CANCELLED' },
      });

      return tx.em.refreshOrFail(found);
    });
    await this.progress.hint(scope.tenantId).catch(() => undefined);

    return simulation;
  }

  async list(scope: Scope, args: PageArguments): Promise<Simulation[]> {
    return inTransaction(scope, tx => findPage(tx.em, Simulation, {}, args));
  }

  /** What its tenants that are done come to, by currency. */
  async totals(scope: Scope, id: string): Promise<SimulationTotal[]> {
    return inTransaction(scope, tx => totalsOf(tx, id));
  }

  async tenantsOf(scope: Scope, id: string, order: TenantOrder, args: PageArguments): Promise<SimulationTenantRow[]> {
    return inTransaction(scope, tx => tenantPage(tx, id, order, args));
  }

  async items(scope: Scope, id: string, subjectId: string, args: PageArguments): Promise<SimulationItemRow[]> {
    return inTransaction(scope, tx => itemPage(tx, id, subjectId, args));
  }

  /** A simulation whenever it has come further, as `SimulationProgress` says. Refuses an unknown id. */
  follow(scope: Scope, id: string, mayGoOn: () => Promise<boolean>): AsyncGenerator<Simulation, void> {
    return this.progress.follow(scope, tx => find(tx, id, ['id']), mayGoOn);
  }
}

/** A version of the scope's tenant that can be tried: a draft or a published one. */
async function versionOf(seller: Scope, id: string): Promise<PriceBookVersion> {
  const field = ['priceBookVersionId'];
  const version = isId(id, 'pbv') ? await seller.em.findOne(PriceBookVersion, { id }) : null;

  if (!version) {
    throw DomainError.notFound('price book version', id, field);
  }

  if (version.status === 'WITHDRAWN') {
    throw DomainError.invalid(`version ${version.number} is withdrawn; simulate a draft or a published version`, field);
  }

  return version;
}

async function find(tx: Scope, id: string, field: readonly string[]): Promise<Simulation> {
  const simulation = isId(id, 'sim') ? await tx.em.findOne(Simulation, { id }) : null;

  if (!simulation) {
    throw DomainError.notFound('simulation', id, field);
  }

  return simulation;
}
