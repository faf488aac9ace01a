import type { CatalogService, LiveMeter, ModelLookup } from '../catalog/index.js';
import { type Decimal, ZERO } from '../money/index.js';
import {
  announce,
  asTenant,
  DomainError,
  inLineage,
  inTransaction,
  page,
  type PageArguments,
  type Scope,
  scopeFor,
} from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { contentOf } from './content-hash.js';
import { insertValues, type KeptValue } from './event-value.queries.js';
import { foldMeasures, slotOf, type Measure } from './fold.rules.js';
import { measureEvent } from './measure.js';
import { eventsWithin, type StoredEvent } from './stored-event.queries.js';
import type { Reckoning, SentBy, UsageCounts, UsageIntake } from './usage-intake.js';
import { readUsageItems, type ItemRejection, type UsageItem } from './usage-item.rules.js';
import {
  eventKey,
  foldIntoBuckets,
  insertNewEvents,
  monthOf,
  storedHashes,
  touchMonths,
  type CheckedItem,
} from './usage.queries.js';

/** The same id came before with other content. Nothing was changed. */
export interface UsageConflict {
  readonly index: number;
  readonly id: string;
  /** SHA-256, in hex, of the content that was accepted under this id. */
  readonly storedHash: string;
  /** SHA-256, in hex, of the content that was sent now. */
  readonly givenHash: string;
}

/** What became of each item of a batch. Every item is in exactly one of the four. */
export interface UsageReceipt {
  readonly accepted: number;
  /** Indices of items that were accepted before with the same content. */
  readonly duplicates: readonly number[];
  readonly conflicts: readonly UsageConflict[];
  readonly rejected: readonly ItemRejection[];
}

/** An item that was checked and measured, and nothing more. */
export interface MeasuredItem extends CheckedItem {
  readonly measures: readonly Measure[];
  readonly counting: Counting;
}

/** Who looks at a tenant's events of one type: the meters that count them, the models these may name, and the intake. */
interface Counting {
  readonly meters: readonly LiveMeter[];
  readonly modelOf: ModelLookup;
  readonly isWatched: boolean;
}

const noModel: ModelLookup = () => undefined;

/** Of what nobody counts. */
const UNCOUNTED: Reckoning = { countedAt: () => ZERO, count: () => Promise.resolve() };
const NOTHING_COUNTED: UsageCounts = { ready: () => Promise.resolve(), reckon: () => Promise.resolve(UNCOUNTED) };

/** A batch that was read and measured; nothing of it is stored. */
export interface MeasuredBatch {
  readonly byTenant: ReadonlyMap<string, readonly MeasuredItem[]>;
  readonly rejected: readonly ItemRejection[];
}

/** Usage events: accepted once, never edited. What the rooms above want to know of them goes to `intake`. */
export class UsageService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly intake: UsageIntake,
    private readonly counts: UsageCounts = NOTHING_COUNTED,
  ) {}

  /**
   * Accepts a batch. What can be accepted is stored, deduplicated and folded into the buckets in one transaction; what
   * cannot is answered one by one. After it returns nothing accepted can be lost. A dry run checks and stores nothing.
   */
  async accept(
    scope: Scope,
    raw: readonly unknown[],
    options: { readonly keyId: string; readonly isDryRun: boolean },
  ): Promise<UsageReceipt> {
    return this.store(scope, await this.measure(scope, raw), options);
  }

  /** Reads and measures a batch: what `store` takes. Changes nothing. */
  async measure(scope: Scope, raw: readonly unknown[]): Promise<MeasuredBatch> {
    const { items, rejected } = readUsageItems(raw, scope.now);

    return { byTenant: await this.#measure(scope, items, rejected), rejected };
  }

  /** Accepts what was measured. `counts` counts it, tenant by tenant: somebody else than usual where it settles calls. */
  async store(
    scope: Scope,
    { byTenant, rejected }: MeasuredBatch,
    options: { readonly keyId: string; readonly isDryRun: boolean },
    counts: UsageCounts = this.counts,
  ): Promise<UsageReceipt> {
    const duplicates: number[] = [];
    const conflicts: UsageConflict[] = [];
    let accepted = 0;

    if (byTenant.size > 0) {
      // Tenants in id order: the one order in which every batch takes its locks.
      const tenantIds = [...byTenant.keys()].sort();
      const first = tenantIds[0] ?? scope.tenantId;
      const lineages: string[] = [];

      for (const tenantId of tenantIds) {
        lineages.push(...((await this.tenants.lineage(scope, tenantId)) ?? []));

        if (!options.isDryRun) {
          await counts.ready(scopeFor(scope, tenantId));
        }
      }

      await inLineage(scopeFor(scope, first), lineages, async tx => {
        for (const tenantId of tenantIds) {
          await asTenant(tx, tenantId, async own => {
            const items = byTenant.get(tenantId) ?? [];
            const batch = { ...options, party: tenantId === scope.tenantId ? ('BUYER' as const) : ('SELLER' as const) };
            accepted += await this.#store(own, items, { ...batch, counts }, { duplicates, conflicts });
          });
        }
      });
    }

    return {
      accepted,
      duplicates: duplicates.sort((a, b) => a - b),
      conflicts: conflicts.sort((a, b) => a.index - b.index),
      rejected: [...rejected].sort((a, b) => a.index - b.index),
    };
  }

  /** Events of a window of at most 92 days, latest first. */
  async events(
    scope: Scope,
    window: { readonly from: Date; readonly until: Date },
    args: PageArguments,
  ): Promise<StoredEvent[]> {
    if (!(window.until > window.from) || window.until.getTime() - window.from.getTime() > 92 * 86_400_000) {
      throw DomainError.invalid('until is after from, by at most 92 days', ['until']);
    }

    const { limit, after } = page(args);
    // No part of a place holds a line break.
    const [time = '', id, source] = after?.split('\n') ?? [];
    const place = id !== undefined && source !== undefined ? { time: new Date(time), id, source } : null;

    if (after !== null && (!place || Number.isNaN(place.time.getTime()))) {
      throw DomainError.invalid('after is a cursor that a page of this list gave', ['after']);
    }

    return inTransaction(scope, tx => eventsWithin(tx, window, place, limit));
  }

  async #store(
    tx: Scope,
    items: readonly MeasuredItem[],
    options: {
      readonly keyId: string;
      readonly isDryRun: boolean;
      readonly party: SentBy;
      readonly counts: UsageCounts;
    },
    { duplicates, conflicts }: { duplicates: number[]; conflicts: UsageConflict[] },
  ): Promise<number> {
    const ordered = [...items].sort(byKey);
    const firsts = ordered.filter((measured, place) => !isSameEvent(ordered[place - 1], measured));
    const known = options.isDryRun
      ? new Set((await storedHashes(tx, firsts)).keys())
      : await insertNewEvents(tx, firsts, options.keyId);
    const fresh = known.size === 0 ? firsts : firsts.filter(({ item }) => !known.has(eventKey(item.id, item.source)));

    if (fresh.length < items.length) {
      await this.#judgeRepeats(tx, ordered, known, duplicates, conflicts);
    }

    if (!options.isDryRun) {
      const { countedAt, count } = await options.counts.reckon(tx, { fresh, conflicts }, options.keyId);
      await this.#fold(
        tx,
        fresh.filter(({ counting }) => counting.meters.length > 0),
        countedAt,
      );
      await count();
      const watched = fresh.filter(({ counting }) => counting.isWatched).map(({ item }) => item);

      if (watched.length > 0) {
        await this.intake.take(tx, watched, options.keyId, options.party);
      }
    }

    return fresh.length;
  }

  /** Folds new events into the buckets. Those that no meter counts change nothing that is rated, and are not among them. */
  async #fold(tx: Scope, fresh: readonly MeasuredItem[], countedAt: (measure: Measure) => Decimal): Promise<void> {
    if (fresh.length === 0) {
      return;
    }

    const measures = fresh.flatMap(measured => measured.measures);
    await foldIntoBuckets(tx, foldMeasures(measures, countedAt));
    await insertValues(tx, measures.some(({ isKept }) => isKept) ? keptValues(fresh) : []);
    await touchMonths(tx, [...new Set(fresh.map(({ content }) => monthOf(content.time)))], levelsFrom(measures));
    await announce(tx, 'usage.accepted');
  }

  /** Tells what came before, in this batch or an earlier one: a duplicate or a conflict. The items are in key order. */
  async #judgeRepeats(
    tx: Scope,
    ordered: readonly MeasuredItem[],
    known: ReadonlySet<string>,
    duplicates: number[],
    conflicts: UsageConflict[],
  ): Promise<void> {
    const keyOf = ({ item }: MeasuredItem): string => eventKey(item.id, item.source);
    const stored = await storedHashes(
      tx,
      ordered.filter(measured => known.has(keyOf(measured))),
    );
    let accepted = '';

    for (const [place, measured] of ordered.entries()) {
      const { item, content } = measured;
      const before = stored.get(keyOf(measured));

      if (!isSameEvent(ordered[place - 1], measured)) {
        accepted = before ?? content.hash;

        if (before === undefined) {
          continue;
        }
      }

      if (accepted === content.hash) {
        duplicates.push(item.index);
      } else {
        conflicts.push({ index: item.index, id: item.id, storedHash: accepted, givenHash: content.hash });
      }
    }
  }

  /** Finds each item's tenant and meters, and reads quantities and dimensions. What fails is added to `rejected`. */
  async #measure(
    scope: Scope,
    items: readonly UsageItem[],
    rejected: ItemRejection[],
  ): Promise<Map<string, MeasuredItem[]>> {
    const byTenant = new Map<string, MeasuredItem[]>();
    const known = new Map<string, Counting>();

    for (const item of items) {
      const tenantId = item.tenantId ?? scope.tenantId;
      const ancestors = await this.tenants.lineage(scope, tenantId);

      if (!ancestors) {
        rejected.push(reject(item, 'UNKNOWN_TENANT', 'tenant', `tenant ${tenantId.slice(0, 40)} does not exist`));
        continue;
      }

      const meterKey = `${tenantId} ${item.type}`;
      let counting = known.get(meterKey);

      if (!counting) {
        counting = await this.#countingFor(scope, ancestors, item.type);
        known.set(meterKey, counting);
      }

      if (counting.meters.length === 0 && !counting.isWatched) {
        rejected.push(
          reject(
            item,
            'UNKNOWN_EVENT_TYPE',
            'type',
            `no meter counts events of type ${item.type}, and no outcome rule looks at them; define one, or mend the type`,
          ),
        );
        continue;
      }

      const result = measureEvent(item, counting.meters, counting.modelOf);

      if ('code' in result) {
        rejected.push(reject(item, result.code, result.field, result.reason));
        continue;
      }

      const measured = { item, content: contentOf(item), measures: result.measures, counting };
      const group = byTenant.get(tenantId);

      if (group) {
        group.push(measured);
      } else {
        byTenant.set(tenantId, [measured]);
      }
    }

    return byTenant;
  }

  /** Who looks at a tenant's events of one type. Models are looked for where a token meter asks for them. */
  async #countingFor(scope: Scope, ancestors: readonly string[], eventType: string): Promise<Counting> {
    const meters = await this.catalog.metersFor(scope, ancestors, eventType);
    const hasTokens = meters.some(({ definition }) => definition.source === 'TOKEN_USAGE');

    return {
      meters,
      modelOf: hasTokens ? await this.catalog.modelsFor(scope, ancestors) : noModel,
      isWatched: await this.intake.watches(scope, ancestors, eventType, meters.length > 0),
    };
  }
}

function reject(item: UsageItem, code: ItemRejection['code'], field: string, reason: string): ItemRejection {
  return { index: item.index, id: item.id, code, field, reason };
}

/** By key, and within a key in the order in which they were sent. */
function byKey({ item: a }: CheckedItem, { item: b }: CheckedItem): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : a.source < b.source ? -1 : a.source > b.source ? 1 : a.index - b.index;
}

function isSameEvent(a: CheckedItem | undefined, b: CheckedItem): boolean {
  return a?.item.id === b.item.id && a.item.source === b.item.source;
}

/** The values that are kept one by one. `part` tells apart those that one event adds to one meter. */
function keptValues(fresh: readonly MeasuredItem[]): KeptValue[] {
  const values: KeptValue[] = [];

  for (const { item, measures } of fresh) {
    for (const [place, measure] of measures.entries()) {
      if (measure.isKept) {
        const { meterId, dimensions, time, quantity } = measure;
        const part = place - measures.findIndex(first => first.meterId === meterId);
        values.push({
          meterId,
          part,
          slot: slotOf(time),
          dimensions,
          time,
          id: item.id,
          source: item.source,
          subject: item.subject,
          quantity,
        });
      }
    }
  }

  return values;
}

/** The earliest month in which a level changed, as `yyyy-mm-01`: the level reaches into every later one. Null for none. */
function levelsFrom(measures: readonly Measure[]): string | null {
  let earliest: Date | null = null;

  for (const { kind, time } of measures) {
    if (kind === 'LEVEL' && (earliest === null || time < earliest)) {
      earliest = time;
    }
  }

  return earliest && monthOf(earliest.toISOString());
}
