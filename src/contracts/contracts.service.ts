import { record } from '../audit/index.js';
import {
  announce,
  asTenant,
  DomainError,
  ErrorCode,
  findPage,
  inTransaction,
  newId,
  once,
  query,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isQuarterHour, type PricingService } from '../pricing/index.js';
import type { TenantsService } from '../tenants/index.js';
import { Contract } from './contract.entity.js';

export interface ContractCreate {
  readonly buyerId: string;
  readonly priceBookId: string;
  readonly startsAt: Date;
  readonly graceHours: number;
  readonly idempotencyKey: string;
}

/** Which tenant is on which price book from when. */
export class ContractsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly pricing: PricingService,
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

    return inTransaction(seller, async tx => {
      const buyer = await this.tenants.get(tx, input.buyerId, ['buyerId']);
      const book = await this.pricing.book(tx, input.priceBookId);
      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'contractCreate', idempotencyKey, draft, () =>
        asTenant(tx, buyer.id, own => this.#begin(own, buyer.ancestors, seller.tenantId, book.currency, draft)),
      );

      return { contract: await tx.em.findOneOrFail(Contract, { id }), replayed };
    });
  }

  async #begin(
    tx: Scope,
    lineage: readonly string[],
    sellerId: string,
    currency: string,
    draft: Omit<ContractCreate, 'idempotencyKey'>,
  ): Promise<string> {
    // One at a time per buyer; the exclusion constraint is what holds if this lock were ever forgotten.
    await query(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 1))', [tx.tenantId]);
    const later = await tx.em.findOne(Contract, { tenantId: tx.tenantId, startsAt: { $gte: draft.startsAt } });

    if (later) {
      throw new DomainError(
        ErrorCode.ALREADY_EXISTS,
        `tenant ${tx.tenantId} has a contract from ${later.startsAt.toISOString()}; a new one starts after it`,
        ['startsAt'],
      );
    }

    const running = await tx.em.findOne(Contract, {
      tenantId: tx.tenantId,
      $or: [{ endsAt: null }, { endsAt: { $gt: draft.startsAt } }],
    });

    // Both sellers are above the buyer; one further down does not end what one further up has sold.
    if (running && lineage.indexOf(running.sellerId) < lineage.indexOf(sellerId)) {
      throw new DomainError(
        ErrorCode.FORBIDDEN,
        `tenant ${tx.tenantId} has a contract with a seller further up, and only that seller or one above it can replace it`,
        ['buyerId'],
      );
    }

    if (running) {
      const before = { endsAt: running.endsAt ?? null };
      running.endsAt = draft.startsAt;
      await record(tx, {
        action: 'contract.ended',
        subjectId: running.id,
        before,
        after: { endsAt: draft.startsAt },
      });
    }

    const contract = tx.em.create(Contract, {
      tenantId: tx.tenantId,
      id: newId('con', tx.now),
      sellerId,
      priceBookId: draft.priceBookId,
      currency,
      startsAt: draft.startsAt,
      endsAt: null,
      graceHours: draft.graceHours,
      createdAt: tx.now,
    });
    await record(tx, { action: 'contract.created', subjectId: contract.id, after: { sellerId, ...draft } });
    await announce(tx, 'contract.changed', { from: draft.startsAt.toISOString() });

    return contract.id;
  }

  /** The contracts under which a tenant buys, newest first. */
  async bought(scope: Scope, args: PageArguments): Promise<Contract[]> {
    return inTransaction(scope, tx => findPage(tx.em, Contract, { tenantId: tx.tenantId }, args));
  }

  /** All contracts under which the scope's tenant buys, by start. */
  async all(tx: Scope): Promise<Contract[]> {
    return tx.em.find(Contract, { tenantId: tx.tenantId }, { orderBy: { startsAt: 'asc' } });
  }

  /** The buyers that the scope's tenant (the seller) has on one of its books at or after an instant. */
  async buyersOf(scope: Scope, priceBookId: string, from: Date): Promise<string[]> {
    const contracts = await inTransaction(scope, tx =>
      tx.em.find(Contract, {
        sellerId: tx.tenantId,
        priceBookId,
        $or: [{ endsAt: null }, { endsAt: { $gt: from } }],
      }),
    );

    return [...new Set(contracts.map(contract => contract.tenantId))].sort();
  }
}
