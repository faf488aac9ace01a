import type { CatalogService } from '../catalog/index.js';
import { type Contract, type ContractsService, monthOf } from '../contracts/index.js';
import { decimal, type Decimal, divide, ZERO } from '../money/index.js';
import { inTransaction, Remembered, type Scope } from '../platform/index.js';
import { isActive, looksAtEvents, rateBetween, windowKey, type LivePrice, type LiveVersion } from '../pricing/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import type { Measure } from '../usage/index.js';
import { itemOf, keyOf } from './charge.rules.js';
import { costAt } from './cost.rules.js';
import { sellersOf } from './period-rating.js';
import { runningQuantities } from './rating.queries.js';

/** The contract and the version of its book that hold now, in the period that runs. */
export interface Terms {
  readonly contract: Contract;
  readonly version: LiveVersion;
  readonly period: { readonly start: Date; readonly end: Date };
  readonly active: ReadonlySet<string>;
}

/** What is remembered of a tenant for a moment. */
export interface Known {
  readonly tenant: Tenant;
  readonly terms: Terms | null;
  /** How far the prices of the period have come, by `keyOf`; null until somebody asks. */
  positions: ReadonlyMap<string, Decimal> | null;
}

const FRESH_MS = 1_000;

/** What prices a tenant has at the moment, and how far they have come: of at most a second ago. */
export class LiveTerms {
  readonly #remembered = new Remembered<Known>(FRESH_MS);

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly contracts: ContractsService,
  ) {}

  /** The tenant with its terms, read anew when what is known is a second old. */
  async known(scope: Scope): Promise<Known> {
    const read = () =>
      inTransaction(scope, async tx => {
        const tenant = await this.tenants.own(tx);

        return { tenant, terms: await this.#terms(tx, tenant), positions: null };
      });

    return this.#remembered.of(scope.tenantId, scope.now, scope.em.isInTransaction(), read);
  }

  /** How far the price has come in the period; asked for only where the next unit may cost something else than the last. */
  async positionOf(scope: Scope, known: Known, price: LivePrice): Promise<Decimal> {
    const { terms } = known;

    if (!terms || isSameEverywhere(price.terms)) {
      return ZERO;
    }

    // Read for the first price whose next unit may cost something else than the last one.
    known.positions ??= await this.#positions(scope, terms);

    return known.positions.get(keyOf(price)) ?? ZERO;
  }

  /** What is priced of a quantity: what it costs us where the price marks that up; null when nobody has entered a cost. */
  async pricedOf(
    scope: Scope,
    { tenant }: Known,
    terms: Terms,
    {
      measure,
      price,
      dimensions,
      quantity,
    }: {
      readonly measure: Measure;
      readonly price: LivePrice;
      readonly dimensions: Readonly<Record<string, string>>;
      readonly quantity: Decimal;
    },
  ): Promise<Decimal | null> {
    return price.terms.pricing.model === 'COST_PLUS'
      ? this.#costOf(scope, tenant, terms, measure.meterId, dimensions, quantity)
      : shareOf(measure, terms, scope.now, quantity);
  }

  /** The contract and the version that hold now; null when there is none. */
  async #terms(tx: Scope, tenant: Tenant): Promise<Terms | null> {
    const contracts = await this.contracts.all(tx);
    const contract = contracts.find(({ startsAt, endsAt }) => startsAt <= tx.now && (!endsAt || endsAt > tx.now));

    if (!contract) {
      return null;
    }

    const versions = await this.contracts.versionsOf(tx, contract, {
      start: tx.now,
      end: new Date(tx.now.getTime() + 1),
    });
    const version = versions.findLast(({ effectiveAt }) => effectiveAt <= tx.now);
    const windows = version?.prices.flatMap(({ window }) => window ?? []) ?? [];
    const month = monthOf(tx.now, tenant.timeZone);

    return version
      ? {
          contract,
          version,
          period: {
            start: maxDate(month.start, contract.startsAt),
            end: contract.endsAt && contract.endsAt < month.end ? contract.endsAt : month.end,
          },
          active: new Set(windows.filter(window => isActive(window, tx.now)).map(windowKey)),
        }
      : null;
  }

  /**
   * How far each price of the running period has come, as it was rated last, by `keyOf`: a price goes on where that of an
   * earlier version stands, or the same one that was taken over another way.
   */
  async #positions(scope: Scope, { contract, period }: Terms): Promise<Map<string, Decimal>> {
    return inTransaction(scope, async tx => {
      const reached = await runningQuantities(tx, contract.id, period.start);
      const until = new Date(tx.now.getTime() + 1);
      const versions = await this.contracts.versionsOf(tx, contract, { start: period.start, end: until });

      // Versions come by their instants: the last one that charged a price says how far it is.
      return new Map(
        versions.flatMap(({ prices }) =>
          prices.flatMap(price => {
            const quantity = reached.get(itemOf({ priceId: price.id, takenBy: price.takenBy }));

            return quantity ? [[keyOf(price), quantity] as const] : [];
          }),
        ),
      );
    });
  }

  /** What the usage costs us, for a price that marks it up; null when nobody has entered a cost. */
  async #costOf(
    scope: Scope,
    tenant: Tenant,
    { contract }: Terms,
    meterId: string,
    dimensions: Readonly<Record<string, string>>,
    quantity: Decimal,
  ): Promise<Decimal | null> {
    const sellers = sellersOf(tenant.ancestors, contract.sellerId);
    const model = dimensions['model'] ?? '';
    const { costs, meter } = await inTransaction(scope, async tx => ({
      costs: (await this.catalog.costsFor(tx, sellers, [model])).get(model) ?? [],
      meter: (await this.catalog.metersById(tx, tenant.ancestors, [meterId])).get(meterId),
    }));
    const usage = { kind: dimensions['token_kind'] ?? meter?.key ?? '', dimensions, currency: contract.currency };
    const cost = costAt(costs, usage, scope.now);

    return cost && divide(quantity.times(cost.amount), cost.per);
  }
}

/** The narrowest price of the terms for usage of a meter with these dimensions; null for none. */
export function priceOf(
  { version, contract, active }: Terms,
  meterId: string,
  dimensions: Readonly<Record<string, string>>,
): LivePrice | null {
  return version.index.match(meterId, dimensions, contract.currency, active);
}

/** What the quantity adds to the period: of a level, only the part of the period that is left. */
function shareOf(measure: Measure, { period }: Terms, now: Date, quantity: Decimal): Decimal {
  return measure.kind === 'LEVEL'
    ? divide(
        quantity.times(period.end.getTime() - now.getTime()),
        decimal(period.end.getTime() - period.start.getTime()),
      )
    : quantity;
}

/** Whether a unit costs the same wherever the period stands. */
function isSameEverywhere({ pricing, conversion, freeUnits, maximum }: LivePrice['terms']): boolean {
  return (
    ['UNIT', 'DYNAMIC', 'COST_PLUS'].includes(pricing.model) &&
    conversion === null &&
    freeUnits.isZero() &&
    maximum === null
  );
}

/** What the usage adds where the price stands. A price that looks at single events takes this one for a paid one. */
export function marginal({ terms }: LivePrice, position: Decimal, quantity: Decimal) {
  const { pricing } = terms;
  const open = { ...terms, minimum: null, prorated: false };

  return looksAtEvents(terms) && pricing.model === 'PERCENTAGE'
    ? rateBetween(
        { ...open, pricing: { ...pricing, freeEvents: null, freeAmount: null } },
        { quantity: ZERO, events: [] },
        { quantity, events: [{ amount: quantity }] },
      )
    : rateBetween(open, { quantity: position }, { quantity: position.plus(quantity) });
}

function maxDate(a: Date, b: Date): Date {
  return a > b ? a : b;
}
