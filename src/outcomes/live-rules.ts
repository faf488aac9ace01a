import { compileFilter, type EventFilter, RememberedOfOwner } from '../catalog/index.js';
import type { FieldRefusal } from '../money/index.js';
import { query, type Scope } from '../platform/index.js';
import { eventTypesOf } from './event-types.rules.js';
import { indexOutcomePrices, listAmountOf } from './outcome-price.rules.js';
import { OutcomeRule, OutcomeRuleVersion } from './outcome-rule.entity.js';
import { readOutcomeTerms } from './outcome-terms-reading.rules.js';
import type { OutcomeTerms } from './outcome-terms.rules.js';
import type { LiveRule, LiveRuleVersion, VersionFilters } from './outcome.rules.js';

/** What of a version never changes, whenever it takes effect. */
type Compiled = Omit<LiveRuleVersion, 'effectiveAt'>;

const MAX_CACHED = 1_000;

// As for meters: a stale answer only lacks what was published just now, and an unknown type is looked up again at once.
const FRESH_MS = 2_000;
const FRESH_AGAIN_MS = 50;

/** What a version has had taken for facts since it was published. */
export interface NewlyWatched {
  readonly types: readonly string[];
  readonly effectiveAt: Date;
  readonly publishedAt: Date;
}

/** The published rules of price books, compiled. */
export class LiveRules {
  // The terms of a published version never change, so a version is compiled once a process.
  readonly #compiled = new Map<string, Compiled>();

  /**
   * The rules of a book that have a published version, in the order of their ids, each with all of those by effective
   * instant. `sellerTx` acts for the book's owner.
   */
  async ofBook(sellerTx: Scope, priceBookId: string): Promise<readonly LiveRule[]> {
    const published = await query<{
      readonly id: string;
      readonly ruleId: string;
      readonly key: string;
      readonly effectiveAt: Date;
    }>(
      sellerTx,
      `select v.id, r.id as "ruleId", r.key, v.effective_at as "effectiveAt"
       from outcome_rule r join outcome_rule_version v on v.tenant_id = r.tenant_id and v.rule_id = r.id
       where r.tenant_id = $1 and r.price_book_id = $2 and v.status = 'PUBLISHED'
       order by r.id, v.effective_at`,
      [sellerTx.tenantId, priceBookId],
    );
    const compiled = await this.#versions(
      sellerTx,
      published.map(({ id }) => id),
    );

    return [...Map.groupBy(published, ({ ruleId }) => ruleId)].map(([id, versions]) => ({
      id,
      key: versions[0]?.key ?? '',
      versions: versions.map(version => ({ ...found(compiled, version.id), effectiveAt: version.effectiveAt })),
    }));
  }

  /** What the versions of a book's rules watch that were published since an instant. `sellerTx` acts for its owner. */
  async publishedSince(sellerTx: Scope, priceBookId: string, since: Date): Promise<readonly NewlyWatched[]> {
    const rows = await query<{ readonly id: string; readonly effectiveAt: Date; readonly publishedAt: Date }>(
      sellerTx,
      `select v.id, v.effective_at as "effectiveAt", v.published_at as "publishedAt"
       from outcome_rule r join outcome_rule_version v on v.tenant_id = r.tenant_id and v.rule_id = r.id
       where r.tenant_id = $1 and r.price_book_id = $2 and v.status = 'PUBLISHED' and v.published_at >= $3 order by v.id`,
      [sellerTx.tenantId, priceBookId, since],
    );
    const compiled = await this.#versions(
      sellerTx,
      rows.map(({ id }) => id),
    );

    return rows.map(({ id, ...at }) => ({ ...at, types: [...eventTypesOf(found(compiled, id).terms)] }));
  }

  /**
   * The rules of the book of a version as they would be had it been published, or published again, to hold from
   * `effectiveAt`. What its rule publishes for that very instant gives way to it; what takes effect later still does.
   */
  async ofDraft(sellerTx: Scope, versionId: string, effectiveAt: Date): Promise<readonly LiveRule[]> {
    const draft = await sellerTx.em.findOneOrFail(OutcomeRuleVersion, { id: versionId });
    const rule = await sellerTx.em.findOneOrFail(OutcomeRule, { id: draft.ruleId });
    const others = await this.ofBook(sellerTx, rule.priceBookId);
    const versions = others
      .filter(({ id }) => id === rule.id)
      .flatMap(other => other.versions)
      .filter(({ id, effectiveAt: at }) => id !== draft.id && at.getTime() !== effectiveAt.getTime());
    const changed: LiveRule = {
      id: rule.id,
      key: rule.key,
      versions: [...versions, { ...compiledOf(draft), effectiveAt }].sort(
        (a, b) => a.effectiveAt.getTime() - b.effectiveAt.getTime(),
      ),
    };

    return [...others.filter(({ id }) => id !== rule.id), changed].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async #versions(sellerTx: Scope, ids: readonly string[]): Promise<ReadonlyMap<string, Compiled>> {
    const known = new Map(ids.flatMap(id => this.#compiled.get(id) ?? []).map(version => [version.id, version]));
    const unknown = ids.filter(id => !known.has(id));

    if (unknown.length > 0) {
      for (const row of await sellerTx.em.find(OutcomeRuleVersion, { id: { $in: unknown } })) {
        const compiled = compiledOf(row);
        known.set(row.id, compiled);
        this.#compiled.set(row.id, compiled);
      }
    }

    // The one that has been there longest goes; a map keeps the order in which they came.
    for (const id of [...this.#compiled.keys()].slice(0, Math.max(0, this.#compiled.size - MAX_CACHED))) {
      this.#compiled.delete(id);
    }

    return known;
  }
}

/** Which types of events published versions name, at most two seconds old. */
export class WatchedTypes {
  // A version names the same types for ever, so that its terms are read once a process.
  readonly #typesOf = new Map<string, ReadonlySet<string>>();
  readonly #types = new RememberedOfOwner(tx => this.#publishedBy(tx));

  /**
   * Whether a published version of a rule of one of these tenants names the type, be it to be in force yet or again no
   * more. A type that is not remembered is looked up again before the answer is no, unless `isAtHand` is enough.
   */
  async knows(scope: Scope, ancestors: readonly string[], eventType: string, isAtHand = false): Promise<boolean> {
    return (
      (await this.#isNamed(scope, ancestors, eventType, FRESH_MS)) ||
      (!isAtHand && (await this.#isNamed(scope, ancestors, eventType, FRESH_AGAIN_MS)))
    );
  }

  /** Has what an owner published read again: it has just published something. */
  forget(ownerId: string): void {
    this.#types.forget(ownerId);
  }

  async #isNamed(scope: Scope, ancestors: readonly string[], eventType: string, freshMs: number): Promise<boolean> {
    for (const ownerId of ancestors) {
      if ((await this.#types.of(scope, ownerId, freshMs)).has(eventType)) {
        return true;
      }
    }

    return false;
  }

  async #publishedBy(tx: Scope): Promise<ReadonlySet<string>> {
    const ids = (
      await query<{ id: string }>(
        tx,
        "select id from outcome_rule_version where tenant_id = $1 and status = 'PUBLISHED'",
        [tx.tenantId],
      )
    ).map(({ id }) => id);
    const unknown = ids.filter(id => !this.#typesOf.has(id));

    if (unknown.length > 0) {
      for (const row of await tx.em.find(OutcomeRuleVersion, { id: { $in: unknown } })) {
        this.#typesOf.set(row.id, eventTypesOf(termsOf(row)));
      }
    }

    return new Set(ids.flatMap(id => [...(this.#typesOf.get(id) ?? [])]));
  }
}

/** The filters of terms, compiled; or those that cannot be, each with the path of its text. */
export function compileTerms(
  terms: OutcomeTerms,
): { readonly filters: VersionFilters } | { readonly refusals: readonly [FieldRefusal, ...FieldRefusal[]] } {
  const refusals: FieldRefusal[] = [];
  const compiled = (text: string, ...path: string[]): EventFilter => {
    const reading = compileFilter(text);

    if ('filter' in reading) {
      return reading.filter;
    }

    refusals.push(...reading.refusals.map(({ message }) => ({ field: [...path, 'filter'], message })));

    return NOTHING;
  };
  const { claim, exclusions, environment, attribution, reversal, guarantee } = terms;
  const filters: VersionFilters = {
    claim: compiled(claim.filter, 'claim'),
    exclusions: exclusions.map(({ filter }, index) => compiled(filter, 'exclusions', String(index))),
    environment: environment && compiled(environment.filter, 'environment'),
    touch: attribution && compiled(attribution.touch.filter, 'attribution', 'touch'),
    reversal: reversal?.clause ? compiled(reversal.clause.filter, 'reversal', 'clause') : null,
    guarantee: guarantee && compiled(guarantee.clause.filter, 'guarantee', 'clause'),
  };
  const [first, ...others] = refusals;

  return first ? { refusals: [first, ...others] } : { filters };
}

/** Stands for a filter that was refused, so that the others are looked at too. */
const NOTHING: EventFilter = { text: '', matches: () => false };

function compiledOf(row: OutcomeRuleVersion): Compiled {
  const terms = termsOf(row);
  const compiled = compileTerms(terms);

  if ('refusals' in compiled) {
    throw new Error(`outcome rule version ${row.id} has a filter that was accepted once and no longer compiles`);
  }

  const prices = indexOutcomePrices(terms.prices);

  return {
    id: row.id,
    number: row.number,
    terms,
    filters: compiled.filters,
    listAmount: (outcome, currency) => listAmountOf(terms, prices, outcome, currency),
  };
}

function termsOf(row: OutcomeRuleVersion): OutcomeTerms {
  const read = readOutcomeTerms(row.terms, true);

  if ('refusals' in read) {
    throw new Error(`outcome rule version ${row.id} was accepted once and can no longer be read`);
  }

  return read.terms;
}

function found(compiled: ReadonlyMap<string, Compiled>, id: string): Compiled {
  const version = compiled.get(id);

  if (!version) {
    throw new Error(`outcome rule version ${id} is published and cannot be read`);
  }

  return version;
}

/** The currencies in which the outcomes of a book have prices, drafted or published. `sellerTx` acts for its owner. */
export async function outcomeCurrencies(sellerTx: Scope, priceBookId: string): Promise<readonly string[]> {
  const rows = await query<{ readonly currency: string }>(
    sellerTx,
    `select distinct price ->> 'currency' as currency
     from outcome_rule r join outcome_rule_version v on v.tenant_id = r.tenant_id and v.rule_id = r.id,
       jsonb_array_elements(v.terms -> 'prices') as price
     where r.tenant_id = $1 and r.price_book_id = $2 and v.status <> 'WITHDRAWN'`,
    [sellerTx.tenantId, priceBookId],
  );

  return rows.map(({ currency }) => currency);
}
