import type { CatalogService } from '../catalog/index.js';
import { monthOf, type Contract, type ContractsService } from '../contracts/index.js';
import { type Decimal, decimal, divide, formatDecimal, maxOf, parseDecimal, sum, ZERO } from '../money/index.js';
import { DomainError, inTransaction, type Scope } from '../platform/index.js';
import {
  isActive,
  looksAtEvents,
  rateBetween,
  sentenceOf,
  windowKey,
  worstBetween,
  type LivePrice,
  type LiveVersion,
} from '../pricing/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { measureEvent, type Measure } from '../usage/index.js';
import { itemOf, keyOf } from './charge.rules.js';
import { costAt } from './cost.rules.js';
import { sellersOf } from './period-rating.js';
import { runningQuantities } from './rating.queries.js';

/** What a call is expected to use. */
export interface EstimateRequest {
  /** The type of the event that the call will send. */
  readonly eventType: string;
  /** Its other properties, as the event will carry them. */
  readonly properties: Readonly<Record<string, unknown>>;
  readonly model: string | null;
  readonly serviceTier: string | null;
  /** Tokens by kind; `most` bounds what the call may use and is `expected` when absent. */
  readonly tokens: readonly { readonly kind: string; readonly expected: string; readonly most: string | null }[];
}

/** One price's part of an estimate. Amounts are null where there is no price (or no cost to mark up). */
export interface EstimateItem {
  readonly meterId: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly quantity: Decimal;
  readonly worstQuantity: Decimal;
  readonly priceId: string | null;
  readonly priceName: string | null;
  readonly expected: Decimal | null;
  readonly worst: Decimal | null;
  readonly explanation: string | null;
}

/** What a call will cost: expected, and at most. Null when a part of it has no price: unpriced is never zero. */
export interface Estimate {
  readonly currency: string | null;
  readonly contractId: string | null;
  readonly versionId: string | null;
  readonly expected: Decimal | null;
  readonly worst: Decimal | null;
  readonly items: readonly EstimateItem[];
}

/** Kinds that a cached token becomes when the cache does not have it. */
const MISSES: readonly string[] = ['input', 'cache_write', 'cache_write_5m', 'cache_write_30m', 'cache_write_1h'];

interface Terms {
  readonly contract: Contract;
  readonly version: LiveVersion;
  readonly period: { readonly start: Date; readonly end: Date };
  readonly active: ReadonlySet<string>;
}

/** What is remembered of a tenant for a moment. */
interface Known {
  readonly tenant: Tenant;
  readonly terms: Terms | null;
  readonly readAt: number;
  /** How far the prices of the period have come, by `keyOf`; null until somebody asks. */
  positions: ReadonlyMap<string, Decimal> | null;
}

const FRESH_MS = 1_000;
const MAX_REMEMBERED = 10_000;

/** Prices a call before it is made, by the live book, the catalog and the engine that will bill it. */
export class EstimateService {
  readonly #remembered = new Map<string, Known>();

  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly contracts: ContractsService,
  ) {}

  /**
   * Estimates one call of the scope's tenant, by the contract, the prices and the standing of at most a second ago. Refuses an event type
   * that no meter counts, and usage that cannot be read.
   */
  async estimate(scope: Scope, request: EstimateRequest): Promise<Estimate> {
    const known = await this.#known(scope);
    const { tenant, terms } = known;
    const [expected, worst] = await this.#measures(scope, tenant, request);
    const positionOf = async (price: LivePrice): Promise<Decimal> => {
      if (!terms || isSameEverywhere(price.terms)) {
        return ZERO;
      }

      // Read for the first price whose next unit may cost something else than the last one.
      known.positions ??= await this.#positions(scope, terms);

      return known.positions.get(keyOf(price)) ?? ZERO;
    };
    const items: EstimateItem[] = [];

    for (const measure of expected) {
      const most = worst.find(other => other.meterId === measure.meterId && other.dimensions === measure.dimensions);
      items.push(await this.#item(scope, tenant, terms, positionOf, measure, most?.quantity ?? measure.quantity));
    }

    const isPriced = items.every(item => item.expected !== null && item.worst !== null);

    return {
      currency: terms?.contract.currency ?? null,
      contractId: terms?.contract.id ?? null,
      versionId: terms?.version.id ?? null,
      expected: isPriced ? sum(items.map(item => item.expected ?? ZERO)) : null,
      worst: isPriced ? sum(items.map(item => item.worst ?? ZERO)) : null,
      items,
    };
  }

  /** The tenant with its terms, read anew when what is known is a second old. */
  async #known(scope: Scope): Promise<Known> {
    const known = this.#remembered.get(scope.tenantId);
    const age = known ? scope.now.getTime() - known.readAt : Infinity;

    if (known && age >= 0 && age < FRESH_MS) {
      return known;
    }

    const read = await inTransaction(scope, async tx => {
      const tenant = await this.tenants.own(tx);

      return { tenant, terms: await this.#terms(tx, tenant), readAt: scope.now.getTime(), positions: null };
    });

    if (this.#remembered.size >= MAX_REMEMBERED) {
      this.#remembered.clear();
    }

    this.#remembered.set(scope.tenantId, read);

    return read;
  }

  /** The measures of the expected event and of the largest one. */
  async #measures(scope: Scope, tenant: Tenant, request: EstimateRequest): Promise<readonly [Measure[], Measure[]]> {
    const meters = await this.catalog.metersFor(scope, tenant.ancestors, request.eventType);
    const modelOf = await this.catalog.modelsFor(scope, tenant.ancestors);

    if (meters.length === 0) {
      const text = `no meter counts events of type ${request.eventType.slice(0, 60)}; define one, or mend the type`;
      throw DomainError.invalid(text, ['eventType']);
    }

    const measured = (isMost: boolean) => {
      const properties: Record<string, unknown> = { ...request.properties };

      for (const { definition } of meters) {
        if (definition.source === 'TOKEN_USAGE' && definition.valueProperty !== null) {
          properties[definition.valueProperty] = vectorOf(request, isMost);
          const model = definition.dimensions.find(({ name }) => name === 'model');

          if (model && request.model !== null) {
            properties[model.property] = request.model;
          }
        }
      }

      const event = {
        id: 'estimate',
        source: '',
        type: request.eventType,
        time: scope.now,
        subject: null,
        properties: request.serviceTier === null ? properties : { ...properties, service_tier: request.serviceTier },
      };
      const result = measureEvent(event, meters, modelOf);

      if ('reason' in result) {
        throw DomainError.invalid(`the event could not be counted: ${result.reason}`, [result.field]);
      }

      return result.measures;
    };

    return [measured(false), measured(true)];
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

  async #item(
    scope: Scope,
    tenant: Tenant,
    terms: Terms | null,
    positionOf: (price: LivePrice) => Promise<Decimal>,
    measure: Measure,
    most: Decimal,
  ): Promise<EstimateItem> {
    const dimensions = JSON.parse(measure.dimensions) as Record<string, string>;
    const item = { meterId: measure.meterId, dimensions, quantity: measure.quantity, worstQuantity: most };
    const price = terms ? priceOf(terms, measure.meterId, dimensions) : null;

    if (!terms || !price) {
      return { ...item, priceId: null, priceName: null, expected: null, worst: null, explanation: null };
    }

    const value = async (quantity: Decimal, of: LivePrice, as: Readonly<Record<string, string>>) =>
      of.terms.pricing.model === 'COST_PLUS'
        ? this.#costOf(scope, tenant, terms, measure.meterId, as, quantity)
        : shareOf(measure, terms, scope.now, quantity);
    const position = await positionOf(price);
    const expected = await value(measure.quantity, price, dimensions);
    const worst: (Decimal | null)[] = [];

    for (const as of alternatives(dimensions)) {
      const other = priceOf(terms, measure.meterId, as);
      const quantity = other ? await value(most, other, as) : null;

      if (other && quantity) {
        worst.push(worstBetween(other.terms, await positionOf(other), quantity));
      }
    }

    const rated = expected && marginal(price, position, expected);

    return {
      ...item,
      priceId: price.id,
      priceName: price.name,
      expected: rated?.amount ?? null,
      worst: rated && worst.length > 0 ? maxOf(rated.amount, ...worst.flatMap(amount => amount ?? [])) : null,
      explanation:
        rated && sentenceOf(price.terms, rated, { measured: measure.quantity, currency: terms.contract.currency }),
    };
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

/** The tokens as a normalised usage object. */
function vectorOf({ tokens }: EstimateRequest, isMost: boolean): Record<string, string> {
  const vector: Record<string, string> = {};

  for (const [index, { kind, expected, most }] of tokens.entries()) {
    const text = isMost ? (most ?? expected) : expected;
    const quantity = parseDecimal(text);

    if (!quantity || quantity.isNegative()) {
      throw DomainError.invalid('a number of tokens is a decimal string from 0', ['tokens', String(index)]);
    }

    vector[kind] = formatDecimal(decimal(vector[kind] ?? '0').plus(quantity));
  }

  return vector;
}

/** The dimensions, and for what a cache is expected to hold, those of the same tokens when it does not. */
function alternatives(dimensions: Readonly<Record<string, string>>): readonly Readonly<Record<string, string>>[] {
  return dimensions['token_kind'] === 'cache_read'
    ? [dimensions, ...MISSES.map(kind => ({ ...dimensions, token_kind: kind }))]
    : [dimensions];
}

function priceOf(
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
function marginal({ terms }: LivePrice, position: Decimal, quantity: Decimal) {
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
