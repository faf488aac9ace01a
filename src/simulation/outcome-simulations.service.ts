import { record } from '../audit/index.js';
import { OutcomeRule, OutcomeRuleVersion } from '../outcomes/index.js';
import {
  announce,
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
import { OutcomeSimulation } from './outcome-simulation.entity.js';
import {
  insertOutcomeSimulation,
  outcomeItemPage,
  outcomeTotalsOf,
  type OutcomeItemRow,
  type OutcomeSimulationTotal,
} from './outcome-simulation.queries.js';
import { refuseOutcomeSimulation, type OutcomeSimulationDraft } from './outcome-simulation.rules.js';
import { cancelOpen, countOpen } from './run.queries.js';
import type { SimulationProgress } from './simulation-progress.js';
import { buyersOn } from './simulation.queries.js';
import { MOST_TENANTS } from './simulation.rules.js';
import { MOST_OPEN } from './simulations.service.js';

/** What outcomes would have come to under a version of a rule: asked, cancelled and read here, computed by `OutcomeSimulationRunner`. */
export class OutcomeSimulationsService {
  constructor(private readonly progress: SimulationProgress) {}

  /** Asks it of a version of a rule of the scope's tenant. It waits until a worker takes it up. */
  async start(
    scope: Scope,
    input: OutcomeSimulationDraft & { readonly idempotencyKey: string },
  ): Promise<{ simulation: OutcomeSimulation; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    const [refusal] = refuseOutcomeSimulation(draft, scope.now);

    if (refusal) {
      throw DomainError.invalid(refusal.message, refusal.field);
    }

    return inTransaction(scope, async tx => {
      const { id, replayed } = await once(tx, 'outcomeSimulationStart', idempotencyKey, draft, () =>
        this.#begin(tx, draft),
      );

      return { simulation: await tx.em.findOneOrFail(OutcomeSimulation, { id }), replayed };
    });
  }

  async #begin(tx: Scope, draft: OutcomeSimulationDraft): Promise<string> {
    const { outcomeRuleVersionId: versionId, from, until } = draft;

    if ((await countOpen(tx, 'outcome_simulation')) >= MOST_OPEN) {
      throw new DomainError(
        ErrorCode.FORBIDDEN,
        `${MOST_OPEN} simulations of outcome rules of this tenant wait or run; cancel one, or wait until one is done`,
        ['outcomeRuleVersionId'],
      );
    }

    const version = await versionOf(tx, versionId);
    const { id: ruleId, priceBookId } = await tx.em.findOneOrFail(OutcomeRule, { id: version.ruleId });
    const buyers = await buyersOn(tx, priceBookId, draft, MOST_TENANTS + 1);
    const subjectIds = draft.tenantIds ? named(draft.tenantIds, buyers) : buyers;

    if (subjectIds.length < 1 || subjectIds.length > MOST_TENANTS) {
      throw DomainError.invalid(
        subjectIds.length < 1
          ? 'no tenant has a contract on the book of this rule in that time'
          : `more than ${MOST_TENANTS} tenants have a contract on the book of this rule; name those that are to try it`,
        ['tenantIds'],
      );
    }

    const id = newId('osm', tx.now);
    await insertOutcomeSimulation(tx, { id, priceBookId, ruleId, versionId, from, until, subjectIds });
    await record(tx, {
      action: 'outcome_simulation.started',
      subjectId: id,
      after: { ...draft, tenantIds: null, tenants: subjectIds.length, namesTenants: draft.tenantIds !== null },
    });
    await announce(tx, 'outcome_simulation.queued', { simulationId: id });

    return id;
  }

  /** Stops a simulation; the tenants that are done keep their results. Doing it again changes nothing. */
  async cancel(scope: Scope, id: string): Promise<OutcomeSimulation> {
    const simulation = await inTransaction(scope, async tx => {
      const found = await find(tx, id, ['outcomeSimulationId']);

      if (found.status === 'CANCELLED') {
        return found;
      }

      if (!(await cancelOpen(tx, 'outcome_simulation', id))) {
        throw new DomainError(
          ErrorCode.INVALID_TRANSITION,
          `simulation ${id} has ended; only one that waits or runs is cancelled`,
          ['outcomeSimulationId'],
        );
      }

      await record(tx, {
        action: 'outcome_simulation.cancelled',
        subjectId: id,
        before: { status: found.status },
        after: { status: 'CANCELLED' },
      });

      return tx.em.refreshOrFail(found);
    });
    await this.progress.hint(scope.tenantId).catch(() => undefined);

    return simulation;
  }

  /** A simulation whenever it has come further, as `SimulationProgress` says. Refuses an unknown id. */
  follow(scope: Scope, id: string, mayGoOn: () => Promise<boolean>): AsyncGenerator<OutcomeSimulation, void> {
    return this.progress.follow(scope, tx => find(tx, id, ['id']), mayGoOn);
  }

  /** The simulations that the tenant started, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<OutcomeSimulation[]> {
    return inTransaction(scope, tx => findPage(tx.em, OutcomeSimulation, {}, args));
  }

  /** What its tenants that are done come to, by currency. */
  async totals(scope: Scope, id: string): Promise<OutcomeSimulationTotal[]> {
    return inTransaction(scope, tx => outcomeTotalsOf(tx, id));
  }

  /** The outcomes that change, of one tenant or of all that are done. */
  async items(scope: Scope, id: string, subjectId: string | null, args: PageArguments): Promise<OutcomeItemRow[]> {
    return inTransaction(scope, tx => outcomeItemPage(tx, id, subjectId, args));
  }
}

async function find(tx: Scope, id: string, field: readonly string[]): Promise<OutcomeSimulation> {
  const simulation = isId(id, 'osm') ? await tx.em.findOne(OutcomeSimulation, { id }) : null;

  if (!simulation) {
    throw DomainError.notFound('simulation', id, field);
  }

  return simulation;
}

/** The tenants that were named, each once, of those that buy on the book. Any other is not told from one that is not there. */
function named(tenantIds: readonly string[], buyers: readonly string[]): string[] {
  const known = new Set(buyers);
  const stray = tenantIds.findIndex(id => !known.has(id));

  if (stray >= 0) {
    throw DomainError.notFound('on the book of this rule, in that time, tenant', tenantIds[stray] ?? '', [
      'tenantIds',
      String(stray),
    ]);
  }

  return [...new Set(tenantIds)].sort();
}

/** A version of the scope's tenant that can be tried: a draft or a published one. */
async function versionOf(tx: Scope, id: string): Promise<OutcomeRuleVersion> {
  const field = ['outcomeRuleVersionId'];
  const version = isId(id, 'orv') ? await tx.em.findOne(OutcomeRuleVersion, { id }) : null;

  if (!version) {
    throw DomainError.notFound('outcome rule version', id, field);
  }

  if (version.status === 'WITHDRAWN') {
    throw DomainError.invalid(`version ${version.number} is withdrawn; simulate a draft or a published version`, field);
  }

  return version;
}
