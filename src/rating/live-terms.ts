import type { CatalogService } from '../catalog/index.js';
import { type Contract, type ContractsService, monthOf } from '../contracts/index.js';
import { decimal, type Decimal, divide, ZERO } from '../money/index.js';
import { inTransaction, Remembered, type Scope } from '../platform/index.js';
import { isActive, looksAtEvents, rateBetween, windowKey, type LivePrice, type LiveVersion } from '../pricing/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { type Measure, slotOf } from '../usage/index.js';
import { itemOf, keyOf } from './charge.rules.js';
import { costAt } from './cost.rules.js';
import { sellersOf } from './period-rating.js';
import { runningQuantities } from './rating.queries.js';

/** The contract and the version of its book that hold at an instant, in the period that holds it. */
export interface Terms {
  readonly contract: Contract;
  readonly version: LiveVersion;
  /** Since when both of them hold. */
  readonly since: Date;
  readonly period: { readonly start: Date; readonly end: Date };
  /** Those of its prices; each is open at some times only. */
  readonly windows: readonly PriceWindow[];
  readonly active: ReadonlySet<string>;
  /** How far the prices of the period have come, by `keyOf`; null until somebody asks. */
  readonly reached: { positions: ReadonlyMap<string, Decimal> | null };
}

type PriceWindow = NonNullable<LivePrice['window']>;

/** What is remembered of a tenant for a moment. */
export interface Known {
  readonly tenant: Tenant;
  /** Those of now; null when there are none. */
  readonly terms: Terms | null;
  /** Those of quarter hours that others hold in, by their beginnings in milliseconds. */
  readonly others: Map<number, Terms | null>;
}

const FRESH_MS = 1_000;
/** Quarter hours whose terms are remembered of one tenant. */
const MOST_OTHERS = 200;

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

        return { tenant, terms: await this.#terms(tx, tenant, tx.now), others: new Map() };
      });

    return this.#remembered.of(scope.tenantId, scope.now, scope.em.isInTransaction(), read);
  }

  /** The terms of the quarter hour that an event is billed in; null when there are none. */
  async termsAt(scope: Scope, { tenant, terms, others }: Known, time: Date): Promise<Terms | null> {
    const at = new Date(slotOf(time));

    if (terms && at >= terms.since && at >= terms.period.start && at < terms.period.end) {
      return terms.windows.length === 0 ? terms : { ...terms, active: activeAt(terms.windows, at) };
    }

    const known = others.get(at.getTime());

    if (known !== undefined) {
      return known;
    }

    const read = await inTransaction(scope, tx => this.#terms(tx, tenant, at));

    if (others.size < MOST_OTHERS) {
      others.set(at.getTime(), read);
    }

    return read;
  }

  /** How far the price has come in the period; asked for only where the next unit may cost something else than the last. */
  async positionOf(scope: Scope, terms: Terms, price: LivePrice): Promise<Decimal> {
    if (isSameEverywhere(price.terms)) {
      return ZERO;
    }

    // Read for the first price whose next unit may cost something else than the last one.
    terms.reached.positions ??= await this.#positions(scope, terms);

    return terms.reached.positions.get(keyOf(price)) ?? ZERO;
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
      ? this.#costOf(scope, tenant, terms, { ...measure, quantity }, dimensions)
      : shareOf(measure, terms, quantity);
  }

  /** The contract and the version that hold at an instant; null when there is none. */
  async #terms(tx: Scope, tenant: Tenant, at: Date): Promise<Terms | null> {
    const contracts = await this.contracts.all(tx);
    const contract = contracts.find(({ startsAt, endsAt }) => startsAt <= at && (!endsAt || endsAt > at));

    if (!contract) {
      return null;
    }

    const versions = await this.contracts.versionsOf(tx, contract, { start: at, end: new Date(at.getTime() + 1) });
    const version = versions.findLast(({ effectiveAt }) => effectiveAt <= at);
    const windows = version?.prices.flatMap(({ window }) => window ?? []) ?? [];
    const month = monthOf(at, tenant.timeZone);

    return version
      ? {
          contract,
          version,
          since: maxDate(version.effectiveAt, contract.startsAt),
          period: {
            start: maxDate(month.start, contract.startsAt),
            end: contract.endsAt && contract.endsAt < month.end ? contract.endsAt : month.end,
          },
          windows,
          active: activeAt(windows, at),
          reached: { positions: null },
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
    { meterId, quantity, time }: Measure,
    dimensions: Readonly<Record<string, string>>,
  ): Promise<Decimal | null> {
    const sellers = sellersOf(tenant.ancestors, contract.sellerId);
    const model = dimensions['model'] ?? '';
    const { costs, meter } = await inTransaction(scope, async tx => ({
      costs: (await this.catalog.costsFor(tx, sellers, [model])).get(model) ?? [],
      meter: (await this.catalog.metersById(tx, tenant.ancestors, [meterId])).get(meterId),
    }));
    const usage = { kind: dimensions['token_kind'] ?? meter?.key ?? '', dimensions, currency: contract.currency };
    const cost = costAt(costs, usage, time);

    return cost && divide(quantity.times(cost.amount), cost.per);
  }
}

/** Which windows of prices are open at an instant. */
function activeAt(windows: readonly PriceWindow[], at: Date): ReadonlySet<string> {
  return new Set(windows.filter(window => isActive(window, at)).map(windowKey));
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
function shareOf({ kind, time }: Measure, { period }: Terms, quantity: Decimal): Decimal {
  return kind === 'LEVEL'
    ? divide(
        quantity.times(period.end.getTime() - time.getTime()),
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
