import { record } from '../audit/index.js';
import {
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
import { compileFilter, type EventFilter } from './event-filter.js';
import { refuseMeter, type Aggregation, type MeterDefinition } from './meter.rules.js';
import { refuseCost, refuseModel, type CostDraft, type ModelDraft } from './model.rules.js';

export interface ModelCostSet extends CostDraft {
  readonly modelId: string;
  readonly effectiveAt: Date;
}

/** A meter ready to count: its filter is compiled. */
export interface LiveMeter {
  readonly id: string;
  readonly definition: MeterDefinition;
  readonly filter: EventFilter;
}

// Meters are immutable, so a stale answer only lacks a new one; an unknown event type looks again at once.
const FRESH_MS = 2_000;

/** Models with what they cost us, and meters. */
export class CatalogService {
  readonly #aggregations = new Map<string, Aggregation>();
  readonly #meters = new Map<string, { readonly meters: readonly LiveMeter[]; readonly readAt: number }>();

  /** Enters a model. */
  async createModel(scope: Scope, input: ModelDraft & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...draft } = input;
    refuseFirst(refuseModel(draft));

    return inTransaction(scope, async tx => {
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
  }

  /** Says what a model costs us from an instant on. An instant is set once; a correction takes another instant. */
  async setCost(scope: Scope, input: ModelCostSet & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...draft } = input;
    refuseFirst(refuseCost(draft));

    return inTransaction(scope, async tx => {
      const model = isId(draft.modelId, 'mdl') ? await tx.em.findOne(Model, { id: draft.modelId }) : null;

      if (!model) {
        throw DomainError.notFound('model', draft.modelId.slice(0, 40), ['modelId']);
      }

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

        return cost.id;
      });

      return { model, replayed };
    });
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

  /** Defines a meter; its filter is compiled and checked first. */
  async createMeter(scope: Scope, input: MeterDefinition & { readonly idempotencyKey: string }) {
    const { idempotencyKey, ...definition } = input;
    refuseFirst(refuseMeter(definition));
    const compiled = compileFilter(definition.filter);

    if ('refusals' in compiled) {
      refuseFirst(compiled.refusals);
    }

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
    this.#meters.delete(scope.tenantId);

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

  /**
   * The meters that count events of this type for a tenant: those of the tenant and of everyone above it. Cached for two
   * seconds; a type that no cached meter knows is looked up again before the answer is "none".
   */
  async metersFor(scope: Scope, ancestors: readonly string[], eventType: string): Promise<readonly LiveMeter[]> {
    const cached = await this.#read(scope, ancestors, false);
    const known = cached.filter(meter => meter.definition.eventType === eventType);

    if (known.length > 0) {
      return known;
    }

    const fresh = await this.#read(scope, ancestors, true);

    return fresh.filter(meter => meter.definition.eventType === eventType);
  }

  async #read(scope: Scope, ancestors: readonly string[], again: boolean): Promise<LiveMeter[]> {
    const all: LiveMeter[] = [];

    for (const ownerId of ancestors) {
      const known = this.#meters.get(ownerId);
      const age = known ? scope.now.getTime() - known.readAt : Infinity;

      if (known && age >= 0 && age < (again ? 50 : FRESH_MS)) {
        all.push(...known.meters);
        continue;
      }

      const rows = await inTransaction({ ...scope, tenantId: ownerId }, tx => tx.em.find(Meter, {}));
      const meters = rows.map(liveMeter);
      this.#meters.set(ownerId, { meters, readAt: scope.now.getTime() });
      all.push(...meters);
    }

    return all;
  }
}

function liveMeter(meter: Meter): LiveMeter {
  const compiled = compileFilter(meter.filter);

  if ('refusals' in compiled) {
    throw new Error(`meter ${meter.id} has a filter that was accepted once and no longer compiles`);
  }

  return {
    id: meter.id,
    filter: compiled.filter,
    definition: {
      key: meter.key,
      eventType: meter.eventType,
      filter: meter.filter,
      aggregation: meter.aggregation,
      valueProperty: meter.valueProperty ?? null,
      dimensions: meter.dimensions,
      unit: meter.unit,
    },
  };
}

function refuseFirst(refusals: readonly { readonly field: readonly string[]; readonly message: string }[]): void {
  const [refusal] = refusals;

  if (refusal) {
    throw DomainError.invalid(refusal.message, refusal.field);
  }
}
