import type { Scope } from '../platform/index.js';
import { type BasisJson, MAX_DEPTH, readAdjustments } from './basis.rules.js';
import { type Discount, discountOf } from './discount-terms.rules.js';
import { FxSnapshot } from './fx-snapshot.entity.js';
import { derivePrices, type FxRate, indexLivePrices, type LivePrice } from './live-price.rules.js';
import { Price, PriceBookVersion } from './price-book.entity.js';
import { livePrice } from './price-draft.js';
import type { PriceIndex } from './price-index.rules.js';

/** A half-open stretch of time; `end` is null where there is none. */
export interface Stretch {
  readonly start: Date;
  readonly end: Date | null;
}

/**
 * A published version as it prices from an instant until the next one in its list. One that follows another book is there
 * once for each set of prices that it takes over.
 */
export interface LiveVersion {
  readonly id: string;
  readonly number: number;
  readonly effectiveAt: Date;
  /** Names the version and those whose prices it takes over. The same key has the same prices. */
  readonly key: string;
  /** Its own prices and those it takes over, adjusted. */
  readonly prices: readonly LivePrice[];
  readonly index: PriceIndex<LivePrice>;
  readonly discounts: readonly Discount[];
}

type PriceList = Pick<LiveVersion, 'prices' | 'index'>;

const MAX_CACHED = 200;
const EVER: Stretch = { start: new Date(0), end: null };

/** What the books of a tenant ask for over time. `tx` acts for the tenant. */
export class LivePrices {
  // Published prices, what they are derived by and exchange rates never change, so a list is made once a process.
  readonly #lists = new Map<string, PriceList>();

  /** What a book asks for in a stretch of time (ever, unless told), by effective instant; what holds at its start included. */
  async ofBook(tx: Scope, priceBookId: string, within: Stretch = EVER): Promise<LiveVersion[]> {
    return this.#ofBook(tx, priceBookId, within, 1);
  }

  /** What one published version asks for from its effective instant on, whatever its book publishes after it. */
  async ofVersion(tx: Scope, versionId: string, within: Stretch = EVER): Promise<LiveVersion[]> {
    return this.#ofVersion(tx, versionId, within, 1);
  }

  /** What a version would ask for, or does, in a stretch of time, whatever its status. */
  async ofDraft(tx: Scope, version: PriceBookVersion, within: Stretch): Promise<LiveVersion[]> {
    return this.#slices(tx, version, within, 1);
  }

  /** What a version asks for at an instant, whatever its status; at its effective instant where that is later. */
  async at(tx: Scope, version: PriceBookVersion, at: Date): Promise<LiveVersion> {
    const start = version.effectiveAt && version.effectiveAt > at ? version.effectiveAt : at;
    const [slice] = await this.ofDraft(tx, version, { start, end: new Date(start.getTime() + 1) });

    if (!slice) {
      throw new Error(`version ${version.id} has no prices at ${start.toISOString()}`);
    }

    return slice;
  }

  async #ofBook(tx: Scope, priceBookId: string, within: Stretch, depth: number): Promise<LiveVersion[]> {
    const versions = await tx.em.find(
      PriceBookVersion,
      { priceBookId, status: 'PUBLISHED' },
      { orderBy: { effectiveAt: 'asc' } },
    );
    const live: LiveVersion[] = [];

    for (const [index, version] of versions.entries()) {
      const holds = overlap({ start: effectiveAt(version), end: versions[index + 1]?.effectiveAt ?? null }, within);

      if (holds) {
        live.push(...(await this.#slices(tx, version, holds, depth)));
      }
    }

    return live;
  }

  async #ofVersion(tx: Scope, versionId: string, within: Stretch, depth: number): Promise<LiveVersion[]> {
    const version = await tx.em.findOneOrFail(PriceBookVersion, { id: versionId });
    const holds = version.status === 'PUBLISHED' ? overlap({ start: effectiveAt(version), end: null }, within) : null;

    return holds ? this.#slices(tx, version, holds, depth) : [];
  }

  /** The version in a stretch of time, cut wherever the prices that it takes over change. */
  async #slices(tx: Scope, version: PriceBookVersion, holds: Stretch, depth: number): Promise<LiveVersion[]> {
    const { id, number, basis } = version;
    const slice = { id, number, discounts: version.discounts.map(discountOf) };

    if (!basis) {
      const list = await this.#list(version, id, () => this.#own(tx, version));

      return [{ ...slice, key: id, effectiveAt: version.effectiveAt ?? holds.start, ...list }];
    }

    const parents = await this.#parents(tx, basis, holds, depth);
    const derivation = await derivationOf(tx, version, basis);
    const first = parents.findLast(parent => parent.effectiveAt <= holds.start) ?? null;
    const live: LiveVersion[] = [];

    for (const parent of [first, ...parents.filter(later => later.effectiveAt > holds.start)]) {
      const key = `${id}(${parent?.key ?? ''})`;
      const list = await this.#list(version, key, async () => {
        const own = await this.#own(tx, version);

        return parent ? derivePrices(own, parent.prices, { ...derivation, parentVersionId: parent.id }) : own;
      });
      live.push({
        ...slice,
        key,
        effectiveAt: parent === first ? holds.start : (parent?.effectiveAt ?? holds.start),
        ...list,
      });
    }

    return live;
  }

  async #parents(tx: Scope, basis: BasisJson, holds: Stretch, depth: number): Promise<LiveVersion[]> {
    if (depth >= MAX_DEPTH) {
      throw new Error(`more than ${MAX_DEPTH} books stand above each other at ${basis.priceBookId}`);
    }

    return basis.versionId === null
      ? this.#ofBook(tx, basis.priceBookId, holds, depth + 1)
      : this.#ofVersion(tx, basis.versionId, holds, depth + 1);
  }

  async #own(tx: Scope, version: PriceBookVersion): Promise<readonly LivePrice[]> {
    const list = await this.#list(version, version.id, async () => {
      const rows = await tx.em.find(Price, { versionId: version.id }, { orderBy: { id: 'asc' } });

      return rows.map(livePrice);
    });

    return list.prices;
  }

  async #list(version: PriceBookVersion, key: string, read: () => Promise<readonly LivePrice[]>): Promise<PriceList> {
    const known = this.#lists.get(key);

    if (known) {
      return known;
    }

    const prices = await read();
    const list = { prices, index: indexLivePrices(prices) };

    if (version.status === 'PUBLISHED') {
      if (this.#lists.size >= MAX_CACHED) {
        this.#lists.clear();
      }

      this.#lists.set(key, list);
    }

    return list;
  }
}

async function derivationOf(tx: Scope, version: PriceBookVersion, { adjustments, fxSnapshotId }: BasisJson) {
  const read = readAdjustments(adjustments);

  if ('refusals' in read) {
    throw new Error(`the basis of ${version.id} was accepted once and can no longer be read`);
  }

  const snapshot = fxSnapshotId === null ? null : await tx.em.findOneOrFail(FxSnapshot, { id: fxSnapshotId });
  const fx: FxRate | null = snapshot && {
    fxSnapshotId: snapshot.id,
    base: snapshot.base,
    quote: snapshot.quote,
    rate: snapshot.rate,
  };

  return { versionId: version.id, adjustments: read.adjustments, fx };
}

function effectiveAt(version: PriceBookVersion): Date {
  if (!version.effectiveAt) {
    throw new Error(`version ${version.id} is published and has no effective instant`);
  }

  return version.effectiveAt;
}

function overlap(one: Stretch, other: Stretch): Stretch | null {
  const start = one.start > other.start ? one.start : other.start;
  const end = !one.end || (other.end && other.end < one.end) ? other.end : one.end;

  return end && end <= start ? null : { start, end };
}
