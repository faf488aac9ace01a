import type { CatalogService } from '../catalog/index.js';
import type { Contract } from '../contracts/index.js';
import type { Decimal } from '../money/index.js';
import type { Scope } from '../platform/index.js';
import { looksAtEvents, type LiveVersion } from '../pricing/index.js';
import { duesOf, type Due } from './charge.rules.js';
import { type CountedGroup, countedGroups } from './counted.rules.js';
import type { CostOf, RatedVersion, Unpriced } from './facts.rules.js';
import { modelCosts } from './model-costs.js';
import { piecesOf, segmentsOf, type Piece, type Stretch } from './piece.rules.js';
import { seriesOf, type Aggregation, type EventValue, type Level, type Used } from './series.rules.js';
import { isReplaced, type Replacement } from './usage-relation.rules.js';

/** Where the usage of a period comes from: the buckets, or events that are replayed. */
export interface UsageSource {
  /** The folds of the period by meter, dimensions and piece. */
  used(pieces: readonly Piece[]): Promise<readonly Used[]>;
  /** The levels of TIME_WEIGHTED meters at the start of the period. */
  levels(): Promise<readonly Level[]>;
  /** The single events of some meters within the period, by time. */
  events(meterIds: readonly string[]): Promise<readonly EventValue[]>;
}

/** One period of one contract, as it is to be rated. */
export interface PeriodToRate {
  readonly period: Stretch;
  readonly currency: string;
  readonly versions: readonly LiveVersion[];
  /** Whose catalogs count: from the root down to the buyer. */
  readonly ancestors: readonly string[];
  /** Whose costs count: from the root down to the seller. */
  readonly sellers: readonly string[];
  readonly isOver: boolean;
  /** What the contract commits to spend; nothing when absent. */
  readonly commitment?: Decimal | null;
  /** Usage that is not charged, for outcomes are charged in its place; none when absent. */
  readonly replaced?: readonly Replacement[];
}

/**
 * A period of a contract as it is to be rated now, by the seller's versions. `sellerId` is whose costs count: that of the
 * contract unless told otherwise.
 */
export function periodToRate(
  contract: Contract,
  period: Stretch,
  { now, ancestors, versions, sellerId = contract.sellerId, replaced = [] }: PeriodTerms,
): PeriodToRate {
  return {
    period,
    versions,
    ancestors,
    replaced,
    currency: contract.currency,
    sellers: sellersOf(ancestors, sellerId),
    isOver: period.end <= now,
    commitment: contract.commitmentAmount ?? null,
  };
}

/** What a period is rated by, beside its contract. */
interface PeriodTerms extends Pick<PeriodToRate, 'ancestors' | 'versions' | 'replaced'> {
  readonly now: Date;
  readonly sellerId?: string;
}

/** Of a buyer's ancestors, those whose costs count: from the root down to the seller. */
export function sellersOf(ancestors: readonly string[], sellerId: string): readonly string[] {
  return ancestors.slice(0, ancestors.indexOf(sellerId) + 1);
}

/** Rates one period: the one way from usage to amounts, for charges and simulations alike. */
export class PeriodRating {
  constructor(private readonly catalog: CatalogService) {}

  /** What the period costs. Reads catalogs in the caller's transaction; writes nothing. */
  async rate(
    tx: Scope,
    asked: PeriodToRate,
    source: UsageSource,
  ): Promise<{
    readonly dues: readonly Due[];
    readonly unpriced: readonly Unpriced[];
    readonly counted: readonly CountedGroup[];
  }> {
    const segments = segmentsOf<RatedVersion>(asked.period, asked.versions);
    const prices = segments.flatMap(({ version }) => version?.prices ?? []);
    const windows = prices.flatMap(({ window }) => window ?? []);
    const replaced = asked.replaced ?? [];
    const cuts = replaced.flatMap(({ start, end }) => [start, end]);
    let pieces = piecesOf(segments, windows, cuts);
    let used = await source.used(pieces);
    let costOf: CostOf = () => null;

    if (prices.some(({ terms }) => terms.pricing.model === 'COST_PLUS')) {
      const known = await modelCosts(tx, this.catalog, asked, used);
      costOf = known.costOf;
      pieces = piecesOf(segments, windows, [...cuts, ...known.instantsWithin(asked.period)]);
      used = await source.used(pieces);
    }

    const meters = [...new Set(prices.filter(({ terms }) => looksAtEvents(terms)).map(({ meterId }) => meterId))];
    const levels = await source.levels();
    const series = seriesOf(pieces, {
      used,
      levels,
      events: meters.length > 0 ? await source.events(meters) : [],
      aggregationOf: await this.#aggregations(tx, asked.ancestors, [...used, ...levels]),
      isReplaced: (meterId, piece) => isReplaced(replaced, meterId, piece),
    });

    const rated = duesOf({ ...asked, segments, pieces, series, costOf });

    return { ...rated, counted: countedGroups(rated.dues, used) };
  }

  async #aggregations(
    tx: Scope,
    ancestors: readonly string[],
    rows: readonly { readonly meterId: string }[],
  ): Promise<(meterId: string) => Aggregation> {
    const known = await this.catalog.aggregationsOf(tx, ancestors, [...new Set(rows.map(row => row.meterId))]);

    return meterId => {
      const aggregation = known.get(meterId);

      if (!aggregation) {
        throw new Error(`bucket of unknown meter ${meterId}`);
      }

      return aggregation;
    };
  }
}
