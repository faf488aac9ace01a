import { record } from '../audit/index.js';
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
import { Meter, Model, ModelCost } from './catalog.entity.js';
import {
  bandsInForce,
  contextsOf,
  costsByKey,
  costsEnd,
  insertContext,
  meterIds,
  type CostInForce,
} from './catalog.queries.js';
import { compileFilter } from './event-filter.js';
import { LiveCatalog, type LiveMeter, type ModelLookup } from './live-catalog.js';
import { meterJson, readMeter, type Aggregation, type MeterDraft } from './meter.rules.js';
import {
  refuseBands,
  refuseCost,
  refuseModel,
  type ContextBand,
  type CostDraft,
  type ModelContext,
  type ModelDraft,
  type Refusal,
} from './model.rules.js';

export interface ModelCostSet extends CostDraft {
  readonly modelId: string;
  readonly effectiveAt: Date;
}

/** The bands a model has from an instant on. */
export interface ModelContextSet extends ModelContext {
  readonly modelId: string;
}

/** How many entries of a model's history are shown. */
const MOST_SHOWN = 100;

/** Models with what they cost us, and meters. */
export class CatalogService {
  readonly #aggregations = new Map<string, Aggregation>();
  readonly #live = new LiveCatalog();

  /** Enters a model. */
  async createModel(scope: Scope, input: ModelDraft & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...draft } = input;
    refuseFirst(refuseModel(draft));

    const created = await inTransaction(scope, async tx => {
      const { id, replayed } = await once(tx, 'modelCreate', idempotencyKey, draft, async () => {
        if (await tx.em.findOne(Model, { key: draft.key })) {
          throw new DomainError(ErrorCode.ALREADY_EXISTS, `a model ${draft.key} is in the catalog`, ['key']);
        }

        const model = tx.em.create(Model, {
          tenantId: tx.tenantId,
          id: newId('mdl', tx.now),
          ...draft,
          createdAt: tx.now,
        });
        await record(tx, { action: 'model.created', subjectId: model.id, after: draft });

        return model.id;
      });

      return { model: await tx.em.findOneOrFail(Model, { id }), replayed };
    });
    this.#live.forget(scope.tenantId);

    return created;
  }

  /**
   * Says what a model costs us from an instant on. An instant is set once; a correction takes another instant. Tells it, for
   * usage of that instant or later may be rated already: at the cost before, or as unpriced. That is so of usage until now,
   * and of usage dated ahead of now, as its senders' clocks may be. Nothing has to happen when a cost set ahead takes effect:
   * whatever comes in from now on is rated with the cost of its own time.
   */
  async setCost(scope: Scope, input: ModelCostSet & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...draft } = input;
    refuseFirst(refuseCost(draft));

    return inTransaction(scope, async tx => {
      const model = await modelById(tx, draft.modelId);
      const { replayed } = await once(tx, 'modelCostSet', idempotencyKey, draft, async () => {
        if (await tx.em.findOne(ModelCost, { modelId: model.id, effectiveAt: draft.effectiveAt })) {
          throw new DomainError(ErrorCode.ALREADY_EXISTS, `model ${model.key} has a cost from that instant`, [
            'effectiveAt',
          ]);
        }

        const cost = tx.em.create(ModelCost, {
          tenantId: tx.tenantId,
          id: newId('mco', tx.now),
          ...draft,
          createdAt: tx.now,
        });
        await record(tx, { action: 'model_cost.set', subjectId: model.id, after: { ...draft, costId: cost.id } });
        await announce(tx, 'model_cost.set', { modelId: model.id, from: draft.effectiveAt.toISOString() });

        return cost.id;
      });

      return { model, replayed };
    });
  }

  /**
   * Says which context bands a model has from an instant on; none is an answer too. Not for the past: usage is folded with
   * the bands in force at its time, and what was folded is never folded again.
   */
  async setContext(scope: Scope, input: ModelContextSet & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...draft } = input;
    const { effectiveAt, bands } = draft;
    refuseFirst(refuseBands(bands, 'bands'));

    const set = await inTransaction(scope, async tx => {
      const model = await modelById(tx, draft.modelId);
      const { replayed } = await once(tx, 'modelContextSet', idempotencyKey, draft, async () => {
        if (effectiveAt < tx.now) {
          throw DomainError.invalid(
            'effectiveAt is not before now: usage is folded with the bands in force at its time and never folded again; choose now or later',
            ['effectiveAt'],
          );
        }

        if (!(await insertContext(tx, model.id, { effectiveAt, bands }))) {
          throw new DomainError(ErrorCode.ALREADY_EXISTS, `model ${model.key} has context bands from that instant`, [
            'effectiveAt',
          ]);
        }

        await record(tx, { action: 'model_context.set', subjectId: model.id, after: draft });

        return model.id;
      });

      return { model, replayed };
    });
    this.#live.forget(scope.tenantId);

    return set;
  }

  async models(scope: Scope, args: PageArguments): Promise<Model[]> {
    return inTransaction(scope, tx => findPage(tx.em, Model, {}, args));
  }

  /** What a model costs us, the newest instant first; at most 100. */
  async costs(scope: Scope, modelId: string): Promise<ModelCost[]> {
    return inTransaction(scope, tx =>
      tx.em.find(ModelCost, { modelId }, { orderBy: { effectiveAt: 'desc' }, limit: 100 }),
    );
  }

  /**
   * Until when the costs hold that the scope's tenant has set from an instant on, those of all models together: null when
   * one of them holds for ever, the instant itself when there are none.
   */
  async costsEnd(scope: Scope, from: Date): Promise<Date | null> {
    return inTransaction(scope, tx => costsEnd(tx, from));
  }

  /** The context bands of a model that are in force now. */
  async contextBands(scope: Scope, model: Pick<Model, 'id' | 'contextBands'>): Promise<readonly ContextBand[]> {
    return (await inTransaction(scope, tx => bandsInForce(tx, model.id, tx.now))) ?? model.contextBands;
  }

  /**
   * The context bands of a model over time, the newest instant first; at most 100. Those that it was entered with come last
   * and have no instant: they hold from the beginning.
   */
  async contexts(
    scope: Scope,
    model: Pick<Model, 'id' | 'contextBands'>,
  ): Promise<{ readonly effectiveAt: Date | null; readonly bands: readonly ContextBand[] }[]> {
    const set = await inTransaction(scope, tx => contextsOf(tx, model.id, MOST_SHOWN));

    return [...set, { effectiveAt: null, bands: model.contextBands }].slice(0, MOST_SHOWN);
  }

  /**
   * What models cost over time, ascending, by the names that usage calls them by. `ownerIds` run from the root down, as a
   * tenant's ancestors do; of several that know a model, the nearest one that has a cost for it counts.
   */
  async costsFor(
    tx: Scope,
    ownerIds: readonly string[],
    modelKeys: readonly string[],
  ): Promise<ReadonlyMap<string, readonly CostInForce[]>> {
    const found = new Map<string, readonly CostInForce[]>();

    for (const ownerId of ownerIds) {
      for (const [key, costs] of await asTenant(tx, ownerId, own => costsByKey(own, modelKeys))) {
        found.set(key, costs);
      }
    }

    return found;
  }

  /** Defines a meter; its filter is compiled and checked first. */
  async createMeter(scope: Scope, input: MeterDraft & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...draft } = input;
    const definition = meterJson(accepted(readMeter(draft)).definition);
    accepted(compileFilter(definition.filter));

    const created = await inTransaction(scope, async tx => {
      const { id, replayed } = await once(tx, 'meterCreate', idempotencyKey, definition, async () => {
        if (await tx.em.findOne(Meter, { key: definition.key })) {
          throw new DomainError(ErrorCode.ALREADY_EXISTS, `a meter ${definition.key} is in the catalog`, ['key']);
        }

        const meter = tx.em.create(Meter, {
          tenantId: tx.tenantId,
          id: newId('mtr', tx.now),
          ...definition,
          createdAt: tx.now,
        });
        await record(tx, { action: 'meter.created', subjectId: meter.id, after: definition });

        return meter.id;
      });

      return { meter: await tx.em.findOneOrFail(Meter, { id }), replayed };
    });
    this.#live.forget(scope.tenantId);

    return created;
  }

  async meters(scope: Scope, args: PageArguments): Promise<Meter[]> {
    return inTransaction(scope, tx => findPage(tx.em, Meter, {}, args));
  }

  /** The meters of one tenant among these ids; the caller acts for the tenant that defined them or one below it. */
  async metersById(tx: Scope, ownerIds: readonly string[], ids: readonly string[]): Promise<Map<string, Meter>> {
    const found = new Map<string, Meter>();
    const asked = ids.filter(id => isId(id, 'mtr'));

    for (const ownerId of ownerIds) {
      for (const meter of await asTenant(tx, ownerId, own => own.em.find(Meter, { id: { $in: asked } }))) {
        found.set(meter.id, meter);
      }
    }

    return found;
  }

  /** How each of these meters aggregates. Meters are immutable, so what is known is not read again. */
  async aggregationsOf(
    tx: Scope,
    ownerIds: readonly string[],
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, Aggregation>> {
    const unknown = ids.filter(id => !this.#aggregations.has(id));

    if (unknown.length > 0) {
      for (const meter of (await this.metersById(tx, ownerIds, unknown)).values()) {
        this.#aggregations.set(meter.id, meter.aggregation);
      }
    }

    return this.#aggregations;
  }

  /** The ids of the meters of these owners that fold in one way. Read anew: a meter may have been defined elsewhere just now. */
  async meterIdsOf(tx: Scope, ownerIds: readonly string[], aggregation: Aggregation): Promise<string[]> {
    const ids: string[] = [];

    for (const ownerId of ownerIds) {
      ids.push(...(await asTenant(tx, ownerId, own => meterIds(own, aggregation))));
    }

    return ids;
  }

  /**
   * The meters that count events of this type for a tenant: those of the tenant and of everyone above it. At most two
   * seconds old; a type that no remembered meter knows is looked up again before the answer is "none".
   */
  async metersFor(scope: Scope, ancestors: readonly string[], eventType: string): Promise<readonly LiveMeter[]> {
    return this.#live.metersFor(scope, ancestors, eventType);
  }

  /** The models that a tenant's events may name: the tenant's own, then those above it. At most two seconds old. */
  async modelsFor(scope: Scope, ancestors: readonly string[]): Promise<ModelLookup> {
    return this.#live.modelsFor(scope, ancestors);
  }
}

async function modelById(tx: Scope, id: string): Promise<Model> {
  const model = isId(id, 'mdl') ? await tx.em.findOne(Model, { id }) : null;

  if (!model) {
    throw DomainError.notFound('model', id.slice(0, 40), ['modelId']);
  }

  return model;
}

/** What was read, unless it was refused. */
function accepted<T extends object>(read: T | { readonly refusals: readonly Refusal[] }): T {
  if ('refusals' in read) {
    refuseFirst(read.refusals);
    throw new Error('a refusal names what is wrong');
  }

  return read;
}

function refuseFirst(refusals: readonly { readonly field: readonly string[]; readonly message: string }[]): void {
  const [refusal] = refusals;

  if (refusal) {
    throw DomainError.invalid(refusal.message, refusal.field);
  }
}
