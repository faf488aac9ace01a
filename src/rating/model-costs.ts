import type { CatalogService } from '../catalog/index.js';
import type { Scope } from '../platform/index.js';
import { costAt, type CostAt } from './cost.rules.js';
import type { CostOf } from './facts.rules.js';
import type { Stretch } from './piece.rules.js';

/** Whose costs count, and in which currency unless a price says another. */
export interface CostsAsked {
  /** Whose catalogs count: from the root down to the buyer. */
  readonly ancestors: readonly string[];
  /** Whose costs count: from the root down to the seller. */
  readonly sellers: readonly string[];
  readonly currency: string;
}

/** What the models cost that some usage names. */
export interface ModelCosts {
  readonly costOf: CostOf;
  /** The instants within a stretch of time at which one of the costs changes. */
  instantsWithin(stretch: Stretch): readonly Date[];
}

/** Looks up what the models cost that usage names by its dimension `model`. The caller acts for the buyer. */
export async function modelCosts(
  tx: Scope,
  catalog: CatalogService,
  { ancestors, sellers, currency }: CostsAsked,
  used: readonly { readonly meterId: string; readonly dimensions: string }[],
): Promise<ModelCosts> {
  const modelOf = (dimensions: Readonly<Record<string, string>>) => dimensions['model'] ?? '';
  const models = used.map(({ dimensions }) => modelOf(JSON.parse(dimensions) as Record<string, string>));
  const known: ReadonlyMap<string, readonly CostAt[]> = await catalog.costsFor(tx, sellers, [...new Set(models)]);
  const meters = await catalog.metersById(tx, ancestors, [...new Set(used.map(({ meterId }) => meterId))]);

  return {
    costOf: (meterId, dimensions, at, costCurrency) =>
      costAt(
        known.get(modelOf(dimensions)) ?? [],
        {
          kind: dimensions['token_kind'] ?? meters.get(meterId)?.key ?? '',
          dimensions,
          currency: costCurrency ?? currency,
        },
        at,
      ),
    instantsWithin: ({ start, end }) =>
      [...known.values()]
        .flatMap(list => list.map(({ effectiveAt }) => effectiveAt))
        .filter(at => at > start && at < end),
  };
}
