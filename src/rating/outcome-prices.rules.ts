import { type Decimal, ZERO } from '../money/index.js';
import type { BillableOutcome } from '../outcomes/billable.rules.js';
import type { OutcomePrice, OutcomeTerms } from '../outcomes/outcome-terms.rules.js';
import { looksAtEvents } from '../pricing/price.rules.js';
import { indexPrices } from '../pricing/price-index.rules.js';
import type { RatedPrice, RatedVersion } from './facts.rules.js';
import type { Stretch } from './piece.rules.js';

/** A version of an outcome rule, as far as money goes. */
export interface RuleVersionToRate {
  readonly id: string;
  readonly number: number;
  readonly effectiveAt: Date;
  readonly terms: Pick<OutcomeTerms, 'measure' | 'prices' | 'minimum' | 'caps'>;
}

/** A finished sample audit: of so many outcomes that were looked at, so many were none. */
export interface SampleFound {
  readonly sample: number;
  readonly wrong: number;
  /** Per cent that may be wrong without consequence. */
  readonly tolerance: Decimal;
}

/** One outcome rule in one period of a contract, as it is to be rated. */
export interface RuleToRate {
  readonly id: string;
  readonly key: string;
  readonly versions: readonly RuleVersionToRate[];
  readonly period: Stretch;
  readonly currency: string;
  /** Whether the period is over: then it is raised to the rule's minimum. */
  readonly isOver: boolean;
  /** How long the calendar month of the period is, in milliseconds: a contract may hold for a part of it only. */
  readonly monthMs: number;
  readonly audit: SampleFound | null;
}

/** Prices of outcomes hold at all times. */
const ALWAYS: ReadonlySet<string> = new Set();

/** Finds what an outcome costs: the version that it was judged by, and the price for its attributes. */
export class RulePrices {
  /** By effective instant. */
  readonly versions: readonly RuleVersionToRate[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #rated: ReadonlyMap<string, RatedVersion>;
  /** By version and attributes. */
  readonly #found = new Map<string, Map<string, RatedPrice | null>>();

  constructor(readonly rule: RuleToRate) {
    this.versions = rule.versions.toSorted(
      (a, b) => a.effectiveAt.getTime() - b.effectiveAt.getTime() || a.number - b.number,
    );
    this.#places = new Map(this.versions.map(({ id }, place) => [id, place]));
    this.#rated = new Map(this.versions.map(version => [version.id, ratedVersion(rule, version)]));
  }

  /** Where a version stands among all; before the first one when nobody knows it. */
  placeOf(versionId: string): number {
    return this.#places.get(versionId) ?? -1;
  }

  /** The version with its prices as the engine takes them; null when nobody knows it. */
  rated(versionId: string): RatedVersion | null {
    return this.#rated.get(versionId) ?? null;
  }

  /** The price of a version for attributes, given as canonical JSON; null where it has none in the currency. */
  priceOf(versionId: string, attributes: string): RatedPrice | null {
    const found = this.#found.get(versionId) ?? new Map<string, RatedPrice | null>();
    let price = found.get(attributes);

    if (price === undefined) {
      const { id, currency } = this.rule;
      price = this.rated(versionId)?.index.match(id, attributesOf(attributes), currency, ALWAYS) ?? null;
      found.set(attributes, price);
      this.#found.set(versionId, found);
    }

    return price;
  }

  /** What a version prices of an outcome, or of a group of them: units or value. */
  quantityOf({ versionId, units, value }: Pick<BillableOutcome, 'versionId' | 'units' | 'value'>): Decimal {
    return this.versions[this.placeOf(versionId)]?.terms.measure === 'VALUE' ? (value ?? ZERO) : units;
  }

  /** Whether a price in the currency looks at single outcomes. */
  get looksAtSingles(): boolean {
    return this.#pricesInCurrency.some(({ terms }) => looksAtEvents(terms));
  }

  /** Whether some version has a cap that keeps outcomes from being charged. */
  get hasBindingCap(): boolean {
    return this.versions.some(({ terms }) =>
      terms.caps.some(({ mode, amount }) => mode !== 'SOFT' && (!amount || amount.currency === this.rule.currency)),
    );
  }

  /**
   * Outcomes in the order in which they are priced: those of earlier versions first, as the running quantity goes on from
   * version to version; within one as they occurred.
   */
  inOrder<T extends Placed & Pick<BillableOutcome, 'versionId'>>(outcomes: readonly T[]): T[] {
    return outcomes.toSorted(
      (a, b) =>
        (a.versionId === b.versionId ? 0 : this.placeOf(a.versionId) - this.placeOf(b.versionId)) || byOccurrence(a, b),
    );
  }

  get #pricesInCurrency(): readonly OutcomePrice[] {
    return this.versions.flatMap(({ terms }) => terms.prices.filter(({ currency }) => currency === this.rule.currency));
  }
}

type Placed = Pick<BillableOutcome, 'id' | 'occurredAt'>;

/** Outcomes by when they occurred, then by id. */
export function asOccurred<T extends Placed>(outcomes: readonly T[]): T[] {
  return outcomes.toSorted(byOccurrence);
}

function byOccurrence(a: Placed, b: Placed): number {
  return a.occurredAt.getTime() - b.occurredAt.getTime() || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** The attributes in canonical JSON. */
export function attributesOf(text: string): Readonly<Record<string, string>> {
  return JSON.parse(text) as Readonly<Record<string, string>>;
}

function ratedVersion(rule: RuleToRate, { id, number, effectiveAt, terms }: RuleVersionToRate): RatedVersion {
  const prices = terms.prices.map(({ name, currency, pattern, terms: priceTerms }): RatedPrice => ({
    id: `${rule.id}:${name}`,
    meterId: rule.id,
    name: `${rule.key}: ${name}`,
    currency,
    pattern,
    window: null,
    terms: priceTerms,
    // Versions of a rule keep the names of their prices: each is charged by itself, as each version of a book is.
    takenBy: [id],
  }));

  return { id, number, effectiveAt, prices, index: indexPrices(prices) };
}
