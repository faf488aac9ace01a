import { Contract } from '../contracts/index.js';
import { asTenant, inTransaction, isId, page, scopeFor, type PageArguments, type Scope } from '../platform/index.js';
import { agreedTerms } from './agreed-terms.rules.js';
import { OutcomeRule, OutcomeRuleVersion } from './outcome-rule.entity.js';
import { OutcomeRuleType, OutcomeRuleVersionType } from './outcome-rule.types.js';
import type { OutcomesService } from './outcomes.service.js';
import { bearsOn } from './reign.rules.js';

/** The versions among these that the scope's tenant has been charged by under these contracts (wired in `services.ts`). */
export type ChargedBy = (
  tx: Scope,
  contractIds: readonly string[],
  versionIds: readonly string[],
) => Promise<readonly string[]>;

/** A version that a buyer may read, and why. */
interface Agreed {
  readonly versionId: string;
  readonly ruleId: string;
  readonly sellerId: string;
  /** Of the contracts under which it judges. */
  readonly currencies: ReadonlySet<string>;
}

/** A published version, and a contract that is or was on its book. */
interface Offered extends Omit<Agreed, 'currencies'> {
  readonly contractId: string;
  readonly currency: string;
  /** Whether it judges, or may yet judge, what occurs under the contract. */
  readonly bears: boolean;
}

/**
 * The outcome rules that a tenant buys under, as it reads them, so that both sides accept a bill by the same words: the
 * published versions that judge under its contracts, or that it was charged by. They are the seller's rows: read as the
 * seller, chosen as the buyer. Drafts, what was withdrawn, and versions for other times than those of its contracts are told
 * to nobody but the seller, nor that there are any.
 */
export class AgreedRules {
  /** What was found in one request, of which a list asks for the same version again and again. */
  readonly #found = new WeakMap<Scope, Map<string, Promise<OutcomeRuleVersionType | null>>>();

  constructor(
    private readonly outcomes: Pick<OutcomesService, 'heldContracts'>,
    private readonly chargedBy: ChargedBy,
  ) {}

  /** A rule of which some version is agreed with the transaction's tenant; null for any other. */
  async rule(tx: Scope, id: string): Promise<OutcomeRuleType | null> {
    const [agreed] = isId(id, 'orl') ? await this.#agreed(tx, ({ ruleId }) => ruleId === id) : [];

    return agreed
      ? asTenant(tx, agreed.sellerId, async seller =>
          OutcomeRuleType.from(await seller.em.findOneOrFail(OutcomeRule, { id }), tx.tenantId),
        )
      : null;
  }

  /** A version that is agreed with the transaction's tenant; null for any other. */
  async version(tx: Scope, id: string): Promise<OutcomeRuleVersionType | null> {
    const agreed = isId(id, 'orv') ? await this.#agreed(tx, ({ versionId }) => versionId === id) : [];
    const [version = null] = await read(tx, agreed);

    return version;
  }

  /** The same for a tenant that the caller may see, whose request asks once for each version. */
  async versionOf(caller: Scope, tenantId: string, id: string): Promise<OutcomeRuleVersionType | null> {
    const known = this.#found.get(caller) ?? new Map<string, Promise<OutcomeRuleVersionType | null>>();
    this.#found.set(caller, known);
    const key = `${tenantId} ${id}`;
    const found = known.get(key) ?? inTransaction(scopeFor(caller, tenantId), tx => this.version(tx, id));
    known.set(key, found);

    return found;
  }

  /** The versions of a rule that are agreed with the scope's tenant, newest first: up to `first` + 1. */
  async versions(scope: Scope, ruleId: string, args: PageArguments): Promise<OutcomeRuleVersionType[]> {
    const { limit, after } = page(args);

    return inTransaction(scope, async tx => {
      const agreed = await this.#agreed(tx, offered => offered.ruleId === ruleId);
      const shown = agreed
        .filter(({ versionId }) => after === null || versionId < after)
        .sort((a, b) => (a.versionId < b.versionId ? 1 : -1));

      return read(tx, shown.slice(0, limit));
    });
  }

  /** Those of the versions asked for that the transaction's tenant may read. */
  async #agreed(tx: Scope, isAsked: (offered: Offered) => boolean): Promise<Agreed[]> {
    const offered = (await this.#offered(tx)).filter(isAsked);
    const others = offered.filter(({ bears }) => !bears);
    // A contract that begins in the past takes time off the one before it, and leaves what is on its invoices.
    const charged = new Set(
      others.length === 0
        ? []
        : await this.chargedBy(
            tx,
            others.map(({ contractId }) => contractId),
            others.map(({ versionId }) => versionId),
          ),
    );
    const agreed = offered.filter(({ bears, versionId }) => bears || charged.has(versionId));

    return [...Map.groupBy(agreed, ({ versionId }) => versionId)].flatMap(([versionId, [first, ...more]]) =>
      first
        ? {
            versionId,
            ruleId: first.ruleId,
            sellerId: first.sellerId,
            currencies: new Set([first, ...more].map(({ currency }) => currency)),
          }
        : [],
    );
  }

  /** Every published version of the books that the tenant buys by, contract by contract. */
  async #offered(tx: Scope): Promise<Offered[]> {
    const sellers = new Map(
      (await tx.em.find(Contract, { tenantId: tx.tenantId })).map(({ id, sellerId }) => [id, sellerId]),
    );

    return (await this.outcomes.heldContracts(tx)).flatMap(contract =>
      contract.offered.flatMap(rule =>
        rule.versions.map(version => ({
          versionId: version.id,
          ruleId: rule.id,
          sellerId: sellers.get(contract.contractId) ?? tx.tenantId,
          contractId: contract.contractId,
          currency: contract.currency,
          bears: bearsOn(contract, rule, version),
        })),
      ),
    );
  }
}

/** Reads versions as their seller, in the order given. */
async function read(tx: Scope, agreed: readonly Agreed[]): Promise<OutcomeRuleVersionType[]> {
  const found = new Map<string, OutcomeRuleVersionType>();

  for (const [sellerId, own] of Map.groupBy(agreed, one => one.sellerId)) {
    const rows = await asTenant(tx, sellerId, seller =>
      seller.em.find(OutcomeRuleVersion, { id: { $in: own.map(({ versionId }) => versionId) }, status: 'PUBLISHED' }),
    );

    for (const row of rows) {
      const { currencies = new Set<string>() } = own.find(({ versionId }) => versionId === row.id) ?? {};
      found.set(
        row.id,
        OutcomeRuleVersionType.from(row, { buyerId: tx.tenantId, terms: agreedTerms(row.terms, currencies) }),
      );
    }
  }

  return agreed.flatMap(({ versionId }) => found.get(versionId) ?? []);
}
