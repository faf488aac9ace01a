import { type Decimal, parseDecimal } from '../money/index.js';
import {
  asTenant,
  DomainError,
  findPage,
  inTransaction,
  once,
  scopeFor,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import {
  isQuarterHour,
  type LivePrice,
  type LiveVersion,
  type PriceBook,
  type PricingService,
} from '../pricing/index.js';
import { Tenant, type TenantsService } from '../tenants/index.js';
import { beginContract, type ContractTerms } from './contract-start.js';
import { Contract } from './contract.entity.js';

export interface ContractCreate {
  readonly buyerId: string;
  readonly priceBookId: string;
  /** A published version that prices the whole contract; the book as it publishes when absent. */
  readonly priceBookVersionId?: string | null;
  /** That of the book when absent. */
  readonly currency?: string | null;
  /** What the buyer commits to spend; a decimal string above 0. */
  readonly commitmentAmount?: string | null;
  readonly startsAt: Date;
  readonly graceHours: number;
  readonly idempotencyKey: string;
}

/** The currencies in which more than usage is priced on a book of the scope's tenant (wired in `app.ts`). */
export type AlsoPricedIn = (seller: Scope, priceBookId: string) => Promise<readonly string[]>;

/** A half-open stretch of time; without an end it goes on for ever. */
interface Stretch {
  readonly start: Date;
  readonly end: Date | null;
}

const AMOUNT_DIGITS = { integerDigits: 16, fractionDigits: 12 };

/** Which tenant is on which price book from when. */
export class ContractsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly pricing: PricingService,
    private readonly alsoPricedIn: AlsoPricedIn = () => Promise.resolve([]),
  ) {}

  /**
   * Puts a tenant below the scope's (the seller) on one of the seller's books from an instant. The buyer's contract that
   * runs at that instant ends there.
   */
  async create(seller: Scope, input: ContractCreate): Promise<{ contract: Contract; replayed: boolean }> {
    if (!isQuarterHour(input.startsAt)) {
      throw DomainError.invalid('startsAt falls on a quarter hour, such as 12:00 or 12:15', ['startsAt']);
    }

    if (!Number.isInteger(input.graceHours) || input.graceHours < 0 || input.graceHours > 2_160) {
      throw DomainError.invalid('graceHours is from 0 to 2160 (90 days)', ['graceHours']);
    }

    if (input.buyerId === seller.tenantId) {
      throw DomainError.invalid('the buyer is a tenant below the seller', ['buyerId']);
    }

    const commitmentAmount = readCommitment(input.commitmentAmount ?? null);

    return inTransaction(seller, async tx => {
      const buyer = await this.tenants.get(tx, input.buyerId, ['buyerId']);
      const book = await this.pricing.book(tx, input.priceBookId);
      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'contractCreate', idempotencyKey, draft, async () => {
        const terms = await this.terms(tx, book, {
          versionId: draft.priceBookVersionId ?? null,
          currency: draft.currency ?? null,
        });

        return asTenant(tx, buyer.id, own =>
          beginContract(own, buyer.ancestors, {
            ...terms,
            commitmentAmount,
            startsAt: draft.startsAt,
            graceHours: draft.graceHours,
          }),
        );
      });

      return { contract: await tx.em.findOneOrFail(Contract, { id }), replayed };
    });
  }

  /**
   * What a contract on a book, or pinned to a version of it, can say: refuses a version that is not published, and a
   * currency in which there is no price, for all usage would be unpriced. `tx` acts for the seller.
   */
  async terms(
    tx: Scope,
    book: Pick<PriceBook, 'id' | 'name' | 'currency'>,
    asked: { readonly versionId: string | null; readonly currency: string | null },
  ): Promise<Pick<ContractTerms, 'sellerId' | 'priceBookId' | 'priceBookVersionId' | 'currency'>> {
    const { versionId } = asked;

    if (versionId !== null) {
      await this.pricing.pinnable(tx, book.id, versionId, ['priceBookVersionId']);
    }

    const currency = asked.currency ?? book.currency;
    const usage = await this.pricing.currenciesOf(tx, book.id, versionId);
    const found = new Set([...usage, ...(await this.alsoPricedIn(tx, book.id))]);
    // A book without any price yet is taken at its word.
    const known = found.size > 0 ? [...found].sort() : [book.currency];

    if (!known.includes(currency)) {
      throw DomainError.invalid(
        `${book.name} has no price in ${currency.slice(0, 20)}, and nothing is converted: choose a currency it has (${known.join(', ')})`,
        ['currency'],
      );
    }

    return { sellerId: tx.tenantId, priceBookId: book.id, priceBookVersionId: versionId, currency };
  }

  /**
   * What prices a contract, by effective instant: its book as it publishes, or the version it is pinned to. In a stretch of
   * time, ever unless told. `tx` acts for the buyer.
   */
  async versionsOf(tx: Scope, contract: Contract, within?: Stretch): Promise<LiveVersion[]> {
    const { sellerId, priceBookId, priceBookVersionId = null } = contract;

    return asTenant(tx, sellerId, seller =>
      this.pricing.published(seller, priceBookId, {
        versionId: priceBookVersionId,
        ...(within ? { within } : {}),
      }),
    );
  }

  /** The contracts under which a tenant buys, newest first. */
  async bought(scope: Scope, args: PageArguments): Promise<Contract[]> {
    return inTransaction(scope, tx => findPage(tx.em, Contract, { tenantId: tx.tenantId }, args));
  }

  /** All contracts under which the scope's tenant buys, by start. */
  async all(tx: Scope): Promise<Contract[]> {
    return tx.em.find(Contract, { tenantId: tx.tenantId }, { orderBy: { startsAt: 'asc' } });
  }

  /**
   * The buyers that the scope's tenant (the seller) has, at or after an instant, on one of its books or on one that takes
   * prices over from it.
   */
  async buyersOf(scope: Scope, priceBookId: string, from: Date): Promise<string[]> {
    // Not kept in the identity map: whoever goes through ten thousand buyers would have them compared at each step.
    const contracts = await inTransaction(scope, async tx =>
      tx.em.find(
        Contract,
        {
          sellerId: tx.tenantId,
          priceBookId: { $in: await this.pricing.booksOn(tx, priceBookId) },
          $or: [{ endsAt: null }, { endsAt: { $gt: from } }],
        },
        { disableIdentityMap: true },
      ),
    );

    return [...new Set(contracts.map(contract => contract.tenantId))].sort();
  }

  /**
   * The buyers whose usage in a stretch of time is priced by what models cost the scope's tenant: those that it, or a seller
   * below it, has then on a book, or pinned to a version, in which some price follows costs.
   */
  async buyersByCost(scope: Scope, within: Stretch): Promise<string[]> {
    const buyers = new Set<string>();

    for (const sellerId of await sellersFrom(scope)) {
      await inTransaction(scopeFor(scope, sellerId), async tx => {
        const { start, end } = within;
        const contracts = await tx.em.find(Contract, {
          sellerId,
          $or: [{ endsAt: null }, { endsAt: { $gt: start } }],
          ...(end ? { startsAt: { $lt: end } } : {}),
        });
        const byPrices = Map.groupBy(contracts, ({ priceBookId, priceBookVersionId }) =>
          [priceBookId, priceBookVersionId ?? ''].join(' '),
        );

        for (const [first, ...others] of byPrices.values()) {
          const versions = first ? await this.versionsOf(tx, first, within) : [];

          if (first && versions.some(({ prices }) => prices.some(followsCosts))) {
            [first, ...others].forEach(({ tenantId }) => buyers.add(tenantId));
          }
        }
      });
    }

    return [...buyers].sort();
  }
}

/** The scope's tenant and those below it that may sell. */
async function sellersFrom(scope: Scope): Promise<string[]> {
  const sellers = await inTransaction(scope, tx => tx.em.find(Tenant, { kind: { $ne: 'CUSTOMER' } }));

  return sellers.map(({ id }) => id).sort();
}

function followsCosts({ terms }: LivePrice): boolean {
  return terms.pricing.model === 'COST_PLUS';
}

function readCommitment(text: string | null): Decimal | null {
  const amount = text === null ? null : parseDecimal(text, AMOUNT_DIGITS);

  if (text !== null && !amount?.gt(0)) {
    throw DomainError.invalid('commitmentAmount is a decimal string above 0, such as "10000"', ['commitmentAmount']);
  }

  return amount;
}
