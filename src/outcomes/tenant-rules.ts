import type { Contract } from '../contracts/index.js';
import type { ContractRules, LiveRule, LiveRuleVersion } from './outcome.rules.js';

const HOUR_MS = 3_600_000;

/** The rules that a tenant's outcomes are judged by, contract by contract. */
export class TenantRules {
  readonly #contracts: readonly (ContractRules & { readonly startsAt: Date })[];
  /** Every version that any of the contracts knows, with its rule's id. */
  readonly #versions: ReadonlyMap<string, readonly LiveRuleVersion[]>;

  /** `contracts` are all of the tenant's, by start; the rules of each are those of its book, in `rules`, in its place. */
  constructor(contracts: readonly Contract[], rules: readonly (readonly LiveRule[])[]) {
    this.#contracts = contracts.map(({ id, currency, startsAt, endsAt }, place) => ({
      contractId: id,
      currency,
      startsAt,
      endsAt: endsAt ?? null,
      rules: rules[place] ?? [],
    }));
    const all = new Map<string, LiveRuleVersion[]>();

    for (const rule of rules.flat()) {
      const known = all.get(rule.id) ?? [];
      all.set(rule.id, [...known, ...rule.versions.filter(({ id }) => !known.some(other => other.id === id))]);
    }

    this.#versions = all;
  }

  /** Whether the tenant has ever bought anything. Until then nobody knows what an event means to it. */
  get isEmpty(): boolean {
    return this.#contracts.length === 0;
  }

  get ruleIds(): readonly string[] {
    return [...this.#versions.keys()];
  }

  /** Every rule once, as the contract that begins last knows it: claims may come in late under a contract that has ended. */
  get all(): readonly LiveRule[] {
    return [...new Map(this.#contracts.flatMap(({ rules }) => rules.map(rule => [rule.id, rule]))).values()];
  }

  /**
   * Whether a claim may depend on events of other subjects of its customer. Where none does, cases are kept apart by subject
   * alone: a name that thousands of subjects share ties nothing together.
   */
  get linksCustomers(): boolean {
    return this.#some(
      ({ dedupe, exclusions }) =>
        dedupe.scope === 'CUSTOMER' ||
        exclusions.some(({ eventType, scope }) => eventType !== null && scope === 'CUSTOMER'),
    );
  }

  /**
   * The rules whose verified outcomes mature by the passing of time alone. Where ratings come as events, whether one came in
   * time is known at the maturation only, so those are judged one by one.
   */
  get maturedByTime(): readonly string[] {
    return [...this.#versions].flatMap(([id, versions]) =>
      versions.some(({ terms }) => (terms.quality?.eventType ?? null) !== null) ? [] : [id],
    );
  }

  /** The longest time in which a claim that occurred may still wait for its verification or its maturation. */
  get longestWaitMs(): number {
    const hours = [...this.#versions.values()]
      .flat()
      .map(({ terms }) => Math.max(terms.maturationHours, terms.verification?.expiresAfterHours ?? 0));

    return Math.max(0, ...hours) * HOUR_MS;
  }

  /** The meters whose usage outcomes of these rules take off what is charged, in whichever month that was. */
  metersStoodFor(ruleIds: readonly string[]): readonly string[] {
    const meters = new Set<string>();

    for (const id of new Set(ruleIds)) {
      for (const { terms } of this.#versions.get(id) ?? []) {
        if (terms.usage?.relation === 'FALLBACK') {
          terms.usage.meterIds.forEach(meterId => meters.add(meterId));
        }
      }
    }

    return [...meters];
  }

  /** The contract that holds at an instant, with the rules of its book; null for none. */
  at(instant: Date): ContractRules | null {
    return (
      this.#contracts.findLast(
        ({ startsAt, endsAt }) => startsAt <= instant && (endsAt === null || instant < endsAt),
      ) ?? null
    );
  }

  /** Whether any rule says where an event names its customer. */
  get namesCustomers(): boolean {
    return this.#some(({ customerProperty }) => customerProperty !== null);
  }

  /** All that `customerPropertyAt` knows, as JSON: where this is the same, so are the customers of the same events. */
  get customerPaths(): string {
    return JSON.stringify(
      this.#contracts.map(contract => [contract.startsAt, contract.endsAt, customerPropertyOf(contract)]),
    );
  }

  /**
   * The path of the customer in an event of this instant: by the contract that holds then; where none does, by the one that
   * follows, or else the last one, for a contract may begin later than what it is to judge.
   */
  customerPropertyAt(instant: Date): string | null {
    const contract =
      this.at(instant) ?? this.#contracts.find(({ startsAt }) => startsAt > instant) ?? this.#contracts.at(-1);

    return contract ? customerPropertyOf(contract) : null;
  }

  #some(is: (terms: LiveRuleVersion['terms']) => boolean): boolean {
    return [...this.#versions.values()].flat().some(({ terms }) => is(terms));
  }
}

/** The path by which a contract's rules find the customer of an event: those of one book name no other. */
function customerPropertyOf({ rules }: ContractRules): string | null {
  const version = rules.flatMap(({ versions }) => versions).find(({ terms }) => terms.customerProperty !== null);

  return version?.terms.customerProperty ?? null;
}
