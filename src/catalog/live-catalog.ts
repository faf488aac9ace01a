import { asTenant, inTransaction, Remembered, type Scope, scopeFor } from '../platform/index.js';
import { Meter } from './catalog.entity.js';
import { catalogModels } from './catalog.queries.js';
import { compileFilter, type EventFilter } from './event-filter.js';
import { definitionOf, type MeterDefinition } from './meter.rules.js';
import type { CatalogModel } from './model.rules.js';

/** A meter ready to count: its filter is compiled. */
export interface LiveMeter {
  readonly id: string;
  readonly definition: MeterDefinition;
  readonly filter: EventFilter;
}

/** Finds a model by the name that events call it by; undefined when nobody has entered it. */
export type ModelLookup = (key: string) => CatalogModel | undefined;

// Meters are immutable, so a stale answer only lacks a new one; an unknown event type looks again at once.
const FRESH_MS = 2_000;
const FRESH_AGAIN_MS = 50;

/** Remembers for each owner what `read` found. `read` acts for the owner. */
export class RememberedOfOwner<T> {
  readonly #known = new Remembered<T>(FRESH_MS);

  constructor(private readonly read: (tx: Scope) => Promise<T>) {}

  forget(ownerId: string): void {
    this.#known.forget(ownerId);
  }

  /** What `read` found for the owner less than `freshMs` ago, or finds now. */
  async of(scope: Scope, ownerId: string, freshMs: number): Promise<T> {
    const isAlone = scope.em.isInTransaction();
    const read = () =>
      isAlone ? asTenant(scope, ownerId, this.read) : inTransaction(scopeFor(scope, ownerId), this.read);

    return this.#known.of(ownerId, scope.now, isAlone, read, freshMs);
  }
}

/** The meters and models that usage is folded with, at most two seconds old. */
export class LiveCatalog {
  readonly #meters = new RememberedOfOwner(async tx => (await tx.em.find(Meter, {})).map(liveMeter));
  readonly #models = new RememberedOfOwner(
    async tx => new Map((await catalogModels(tx)).map(model => [model.key, model])),
  );

  /** Has what an owner defined read again: it has just defined something. */
  forget(ownerId: string): void {
    this.#meters.forget(ownerId);
    this.#models.forget(ownerId);
  }

  /**
   * The meters that count events of this type for a tenant: those of the tenant and of everyone above it. A type that no
   * remembered meter knows is looked up again before the answer is "none".
   */
  async metersFor(scope: Scope, ancestors: readonly string[], eventType: string): Promise<readonly LiveMeter[]> {
    const known = await this.#metersOf(scope, ancestors, eventType, FRESH_MS);

    return known.length > 0 ? known : this.#metersOf(scope, ancestors, eventType, FRESH_AGAIN_MS);
  }

  async #metersOf(
    scope: Scope,
    ancestors: readonly string[],
    eventType: string,
    freshMs: number,
  ): Promise<readonly LiveMeter[]> {
    const counting: LiveMeter[] = [];

    for (const ownerId of ancestors) {
      for (const meter of await this.#meters.of(scope, ownerId, freshMs)) {
        if (meter.definition.eventType === eventType) {
          counting.push(meter);
        }
      }
    }

    return counting;
  }

  /** The models that a tenant's events may name: its own, then those of the tenants above it; the nearest wins. */
  async modelsFor(scope: Scope, ancestors: readonly string[]): Promise<ModelLookup> {
    const nearestFirst: ReadonlyMap<string, CatalogModel>[] = [];

    for (const ownerId of ancestors) {
      nearestFirst.unshift(await this.#models.of(scope, ownerId, FRESH_MS));
    }

    return key => {
      for (const models of nearestFirst) {
        const model = models.get(key);

        if (model) {
          return model;
        }
      }

      return undefined;
    };
  }
}

function liveMeter(meter: Meter): LiveMeter {
  const compiled = compileFilter(meter.filter);

  if ('refusals' in compiled) {
    throw new Error(`meter ${meter.id} has a filter that was accepted once and no longer compiles`);
  }

  const definition = definitionOf({
    key: meter.key,
    eventType: meter.eventType,
    filter: meter.filter,
    source: meter.source,
    aggregation: meter.aggregation,
    valueProperty: meter.valueProperty ?? null,
    factorProperties: meter.factorProperties,
    conversion: meter.conversion ?? null,
    dimensions: meter.dimensions,
    unit: meter.unit,
    keepsEvents: meter.keepsEvents,
  });

  return { id: meter.id, filter: compiled.filter, definition };
}
