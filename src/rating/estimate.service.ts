import type { CatalogService } from '../catalog/index.js';
import { type Decimal, decimal, formatDecimal, maxOf, parseDecimal, sum, ZERO } from '../money/index.js';
import { DomainError, inTransaction, type Scope } from '../platform/index.js';
import { sentenceOf, worstBetween } from '../pricing/index.js';
import type { Tenant } from '../tenants/index.js';
import { measureEvent, type Measure } from '../usage/index.js';
import { relationsAt, type EstimatedRelation } from './estimate-relation.rules.js';
import { type Known, type LiveTerms, marginal, priceOf } from './live-terms.js';
import type { OutcomesRating } from './outcome-rating.js';

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

/** Prices a call before it is made, by the live book, the catalog and the engine that will bill it. */
export class EstimateService {
  constructor(
    private readonly catalog: CatalogService,
    private readonly live: LiveTerms,
    private readonly outcomes: Pick<OutcomesRating, 'rulesOf'>,
  ) {}

  /**
   * Estimates one call of the scope's tenant, by the contract, the prices and the standing of at most a second ago. Refuses an event type
   * that no meter counts, and usage that cannot be read.
   */
  async estimate(scope: Scope, request: EstimateRequest): Promise<Estimate> {
    const known = await this.live.known(scope);
    const { tenant, terms } = known;
    const [expected, worst] = await this.#measures(scope, tenant, request);
    const items: EstimateItem[] = [];

    for (const measure of expected) {
      const most = worst.find(other => other.meterId === measure.meterId && other.dimensions === measure.dimensions);
      items.push(await this.#item(scope, known, measure, most?.quantity ?? measure.quantity));
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

  /**
   * What outcome rules of the contract of at most a second ago make of usage now. Asked for beside an estimate, which knows
   * nothing of it: a hold is for the worst, and that is usage that no outcome comes of.
   */
  async relations(scope: Scope): Promise<readonly EstimatedRelation[]> {
    const { terms } = await this.live.known(scope);

    return terms
      ? relationsAt(await inTransaction(scope, tx => this.outcomes.rulesOf(tx, terms.contract)), scope.now)
      : [];
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

  async #item(scope: Scope, known: Known, measure: Measure, most: Decimal): Promise<EstimateItem> {
    const { terms } = known;
    const dimensions = JSON.parse(measure.dimensions) as Record<string, string>;
    const item = { meterId: measure.meterId, dimensions, quantity: measure.quantity, worstQuantity: most };
    const price = terms ? priceOf(terms, measure.meterId, dimensions) : null;

    if (!terms || !price) {
      return { ...item, priceId: null, priceName: null, expected: null, worst: null, explanation: null };
    }

    const position = await this.live.positionOf(scope, terms, price);
    const expected = await this.live.pricedOf(scope, known, terms, {
      measure,
      price,
      dimensions,
      quantity: measure.quantity,
    });
    const worst: (Decimal | null)[] = [];

    for (const as of alternatives(dimensions)) {
      const other = priceOf(terms, measure.meterId, as);
      const quantity =
        other &&
        (await this.live.pricedOf(scope, known, terms, { measure, price: other, dimensions: as, quantity: most }));

      if (other && quantity) {
        worst.push(worstBetween(other.terms, await this.live.positionOf(scope, terms, other), quantity));
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
