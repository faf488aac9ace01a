import type { CatalogService, LiveMeter } from '../catalog/index.js';
import { ZERO } from '../money/index.js';
import { readDimensions, readQuantity } from '../catalog/index.js';
import {
  announce,
  asTenant,
  canonicalJson,
  DomainError,
  inTransaction,
  isId,
  page,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import { contentOf } from './content-hash.js';
import { foldKindOf, foldMeasures, type Measure } from './fold.rules.js';
import { readUsageItems, type ItemRejection, type UsageItem } from './usage-item.rules.js';
import {
  eventKey,
  eventsWithin,
  foldIntoBuckets,
  insertNewEvents,
  monthOf,
  storedHashes,
  touchMonths,
  type CheckedItem,
  type StoredEvent,
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

interface MeasuredItem extends CheckedItem {
  readonly measures: readonly Measure[];
}

/** The subtree check is remembered: the tree only grows, and a tenant's ancestors do not change. */
const MAX_KNOWN_TENANTS = 50_000;

/** Usage events: accepted once, never edited. */
export class UsageService {
  readonly #ancestors = new Map<string, readonly string[]>();

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
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
    const { items, rejected } = readUsageItems(raw, scope.now);
    const byTenant = await this.#measure(scope, items, rejected);
    const duplicates: number[] = [];
    const conflicts: UsageConflict[] = [];
    let accepted = 0;

    if (byTenant.size > 0) {
      // Tenants in id order: the one order in which every batch takes its locks.
      const tenantIds = [...byTenant.keys()].sort();
      const first = tenantIds[0] ?? scope.tenantId;
      await inTransaction({ ...scope, tenantId: first }, async tx => {
        for (const tenantId of tenantIds) {
          await asTenant(tx, tenantId, async own => {
            accepted += await this.#store(own, byTenant.get(tenantId) ?? [], options, duplicates, conflicts);
          });
        }
      });
    }

    return {
      accepted,
      duplicates: duplicates.sort((a, b) => a - b),
      conflicts: conflicts.sort((a, b) => a.index - b.index),
      rejected: rejected.sort((a, b) => a.index - b.index),
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
    options: { readonly keyId: string; readonly isDryRun: boolean },
    duplicates: number[],
    conflicts: UsageConflict[],
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

    if (!options.isDryRun && fresh.length > 0) {
      await foldIntoBuckets(tx, foldMeasures(fresh.flatMap(({ measures }) => measures)));
      await touchMonths(tx, [...new Set(fresh.map(({ content }) => monthOf(content.time)))]);
      await announce(tx, 'usage.accepted');
    }

    return fresh.length;
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
    const meters = new Map<string, readonly LiveMeter[]>();

    for (const item of items) {
      const tenantId = item.tenantId ?? scope.tenantId;
      const ancestors = await this.#lineage(scope, tenantId);

      if (!ancestors) {
        rejected.push(reject(item, 'UNKNOWN_TENANT', 'tenant', `tenant ${tenantId.slice(0, 40)} does not exist`));
        continue;
      }

      const meterKey = `${tenantId} ${item.type}`;
      let counting = meters.get(meterKey);

      if (!counting) {
        counting = await this.catalog.metersFor(scope, ancestors, item.type);
        meters.set(meterKey, counting);
      }

      if (counting.length === 0) {
        rejected.push(
          reject(
            item,
            'UNKNOWN_EVENT_TYPE',
            'type',
            `no meter counts events of type ${item.type}; define one, or mend the type`,
          ),
        );
        continue;
      }

      const measures = measureItem(item, counting);

      if ('code' in measures) {
        rejected.push(measures);
        continue;
      }

      const measured = { item, content: contentOf(item), measures: measures.measures };
      const group = byTenant.get(tenantId);

      if (group) {
        group.push(measured);
      } else {
        byTenant.set(tenantId, [measured]);
      }
    }

    return byTenant;
  }

  /** The tenant's ancestors when it is the scope's own or below it; null when not. */
  async #lineage(scope: Scope, tenantId: string): Promise<readonly string[] | null> {
    let ancestors = this.#ancestors.get(tenantId);

    if (!ancestors) {
      if (!isId(tenantId, 'ten')) {
        return null;
      }

      try {
        ancestors = (await this.tenants.get(scope, tenantId)).ancestors;
      } catch (error) {
        if (error instanceof DomainError) {
          return null;
        }

        throw error;
      }

      if (this.#ancestors.size >= MAX_KNOWN_TENANTS) {
        this.#ancestors.clear();
      }

      this.#ancestors.set(tenantId, ancestors);
    }

    return ancestors.includes(scope.tenantId) ? ancestors : null;
  }
}

function measureItem(item: UsageItem, meters: readonly LiveMeter[]): { measures: Measure[] } | ItemRejection {
  const measures: Measure[] = [];

  for (const { id, definition, filter } of meters) {
    if (!filter.matches(item)) {
      continue;
    }

    const quantity = readQuantity(definition, item.properties);

    if ('reason' in quantity) {
      return reject(item, 'INVALID_QUANTITY', quantity.field, `meter ${definition.key}: ${quantity.reason}`);
    }

    const read = readDimensions(definition, item.properties);

    if ('reason' in read) {
      return reject(item, 'INVALID_DIMENSION', read.field, `meter ${definition.key}: ${read.reason}`);
    }

    const dimensions = canonicalJson(read.dimensions);
    const unique = 'unique' in quantity ? quantity.unique : null;

    if (isTooLongForKey(dimensions, unique)) {
      return reject(
        item,
        'INVALID_DIMENSION',
        'properties',
        `meter ${definition.key}: its dimensions${unique === null ? '' : ' and value'} have more than ${MAX_KEY_BYTES} bytes together`,
      );
    }

    measures.push({
      meterId: id,
      kind: foldKindOf(definition.aggregation),
      dimensions,
      time: item.time,
      // U+0001 is in neither and below all that is, so ids compare before sources.
      order: item.source ? `${item.id}\u0001${item.source}` : item.id,
      quantity: 'quantity' in quantity ? quantity.quantity : ZERO,
      unique,
    });
  }

  return { measures };
}

function reject(item: UsageItem, code: ItemRejection['code'], field: string, reason: string): ItemRejection {
  return { index: item.index, id: item.id, code, field, reason };
}

// A bucket's key is one row of a B-tree, which holds some 2,700 bytes.
const MAX_KEY_BYTES = 2_000;

function isTooLongForKey(dimensions: string, unique: string | null): boolean {
  // Three bytes is the most that a UTF-16 unit takes in UTF-8, so most texts need not be counted.
  return (
    (dimensions.length + (unique?.length ?? 0)) * 3 > MAX_KEY_BYTES &&
    Buffer.byteLength(dimensions) + Buffer.byteLength(unique ?? '') > MAX_KEY_BYTES
  );
}

/** By key, and within a key in the order in which they were sent. */
function byKey({ item: a }: CheckedItem, { item: b }: CheckedItem): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : a.source < b.source ? -1 : a.source > b.source ? 1 : a.index - b.index;
}

function isSameEvent(a: CheckedItem | undefined, b: CheckedItem): boolean {
  return a?.item.id === b.item.id && a.item.source === b.item.source;
}
