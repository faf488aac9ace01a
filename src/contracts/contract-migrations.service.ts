import { record } from '../audit/index.js';
import {
  asTenant,
  DomainError,
  inTransaction,
  newId,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isQuarterHour, type PricingService } from '../pricing/index.js';
import type { TenantsService } from '../tenants/index.js';
import { ContractMigration } from './contract-migration.entity.js';
import {
  closeItem,
  countItems,
  insertItems,
  itemPage,
  openItem,
  type MigrationItem,
  type MoveStatus,
} from './contract-migration.queries.js';
import { beginContract } from './contract-start.js';
import { Contract } from './contract.entity.js';
import type { ContractsService } from './contracts.service.js';

/** Which contracts of the seller are to move, where to, and when. */
export interface Move {
  readonly priceBookId: string;
  /** Only contracts that are pinned to this version; all of the book's when absent. */
  readonly fromVersionId?: string | null;
  readonly toPriceBookId: string;
  /** The version that the new contracts are pinned to; they follow the book when absent. */
  readonly toVersionId?: string | null;
  readonly effectiveAt: Date;
  /** All buyers when absent. */
  readonly buyerIds?: readonly string[] | null;
}

/** The contracts that a move is about, each list by buyer and start. */
export interface MovingContracts {
  /** Those that run at the instant: they end there, and others begin. */
  readonly moves: readonly Contract[];
  /** Those that begin at the instant or later: nothing can begin before them, so they stay. */
  readonly stays: readonly Contract[];
}

const MAX_BUYERS = 1_000;

/** Moves contracts from one book, or version, to another: each buyer by itself, by jobs that rows ask for. */
export class ContractMigrationsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly pricing: PricingService,
    private readonly contracts: ContractsService,
  ) {}

  /** The contracts of the scope's tenant (the seller) that a move is about. Those that are there already are in neither list. */
  async moving(seller: Scope, move: Move): Promise<MovingContracts> {
    const { priceBookId, fromVersionId, toPriceBookId, toVersionId, effectiveAt, buyerIds } = move;
    const contracts = await inTransaction(seller, tx =>
      tx.em.find(
        Contract,
        {
          sellerId: tx.tenantId,
          priceBookId,
          $or: [{ endsAt: null }, { endsAt: { $gt: effectiveAt } }],
          ...(fromVersionId === null || fromVersionId === undefined ? {} : { priceBookVersionId: fromVersionId }),
          ...(buyerIds ? { tenantId: { $in: [...buyerIds] } } : {}),
        },
        { orderBy: { tenantId: 'asc', startsAt: 'asc' } },
      ),
    );
    const isThere = (contract: Contract) =>
      contract.priceBookId === toPriceBookId && (contract.priceBookVersionId ?? null) === (toVersionId ?? null);
    const away = contracts.filter(contract => !isThere(contract));

    return {
      moves: away.filter(({ startsAt }) => startsAt < effectiveAt),
      stays: away.filter(({ startsAt }) => startsAt >= effectiveAt),
    };
  }

  /** Orders a move. The contracts move one by one, as soon as workers come to them. */
  async start(
    seller: Scope,
    input: Move & { readonly idempotencyKey: string },
  ): Promise<{ migration: ContractMigration; replayed: boolean }> {
    const { idempotencyKey, ...move } = input;
    const { effectiveAt, buyerIds } = move;

    if (!isQuarterHour(effectiveAt)) {
      throw DomainError.invalid('effectiveAt falls on a quarter hour, such as 12:00 or 12:15', ['effectiveAt']);
    }

    if (buyerIds && (buyerIds.length < 1 || buyerIds.length > MAX_BUYERS)) {
      throw DomainError.invalid(`buyerIds names 1 to ${MAX_BUYERS} tenants; leave it out for all`, ['buyerIds']);
    }

    return inTransaction(seller, async tx => {
      for (const [index, buyerId] of (buyerIds ?? []).entries()) {
        await this.tenants.get(tx, buyerId, ['buyerIds', String(index)]);
      }

      const book = await this.pricing.book(tx, move.priceBookId);
      const target = await this.pricing.book(tx, move.toPriceBookId, ['toPriceBookId']);
      const { id, replayed } = await once(tx, 'contractsMigrate', idempotencyKey, move, async () => {
        // An empty text is not "left out": it is a caller's slip, and must not move everything. Locked in the order of their
        // ids, for somebody may be moving contracts the other way.
        const named = [
          { bookId: book.id, versionId: move.fromVersionId ?? null, field: 'fromVersionId' },
          { bookId: target.id, versionId: move.toVersionId ?? null, field: 'toVersionId' },
        ].sort((a, b) => (a.bookId < b.bookId ? -1 : 1));

        for (const { bookId, versionId, field } of named) {
          if (versionId !== null) {
            await this.pricing.pinnable(tx, bookId, versionId, [field]);
          }
        }

        return this.#order(tx, move);
      });

      return { migration: await tx.em.findOneOrFail(ContractMigration, { id }), replayed };
    });
  }

  async #order(tx: Scope, move: Move): Promise<string> {
    const { moves, stays } = await this.moving(tx, move);
    const buyers = new Set([...moves, ...stays].map(({ tenantId }) => tenantId));
    const without = (move.buyerIds ?? []).findIndex(id => !buyers.has(id));

    if (without >= 0) {
      throw DomainError.invalid('this tenant has no contract to move from there at that instant', [
        'buyerIds',
        String(without),
      ]);
    }

    const migration = tx.em.create(ContractMigration, {
      tenantId: tx.tenantId,
      id: newId('cmg', tx.now),
      priceBookId: move.priceBookId,
      fromVersionId: move.fromVersionId ?? null,
      toPriceBookId: move.toPriceBookId,
      toVersionId: move.toVersionId ?? null,
      effectiveAt: move.effectiveAt,
      createdAt: tx.now,
    });
    await tx.em.flush();
    await insertItems(tx, migration.id, [
      ...moves.map(contract => ({ contract, reason: null })),
      ...stays.map(contract => ({
        contract,
        reason: `the contract begins at ${contract.startsAt.toISOString()}; nothing can begin before it`,
      })),
    ]);
    await record(tx, {
      action: 'contract_migration.created',
      subjectId: migration.id,
      after: { ...move, moves: moves.length, stays: stays.length },
    });

    return migration.id;
  }

  /**
   * Moves one contract, by the rules of a new one: its buyer's terms (grace, currency, commitment) go with it. Does nothing
   * when it was moved or refused before; a refusal is written down, with its reason.
   */
  async move(seller: Scope, migrationId: string, contractId: string): Promise<void> {
    try {
      await inTransaction(seller, tx => this.#move(tx, migrationId, contractId));
    } catch (error) {
      if (!(error instanceof DomainError)) {
        throw error;
      }

      // A transaction of its own: nothing of what was tried stays.
      await inTransaction(seller, async tx => {
        if (await openItem(tx, migrationId, contractId)) {
          await closeItem(tx, migrationId, contractId, { status: 'REFUSED', reason: error.message });
        }
      });
    }
  }

  async #move(tx: Scope, migrationId: string, contractId: string): Promise<void> {
    if (!(await openItem(tx, migrationId, contractId))) {
      return;
    }

    const { toPriceBookId, toVersionId, effectiveAt } = await tx.em.findOneOrFail(ContractMigration, {
      id: migrationId,
    });
    const contract = await tx.em.findOneOrFail(Contract, { id: contractId });
    const buyer = await this.tenants.get(tx, contract.tenantId);
    const target = await this.pricing.book(tx, toPriceBookId);
    const terms = await this.contracts.terms(tx, target, {
      versionId: toVersionId ?? null,
      currency: contract.currency,
    });
    const { graceHours } = contract;
    const commitmentAmount = contract.commitmentAmount ?? null;
    const newContractId = await asTenant(tx, buyer.id, own =>
      beginContract(
        own,
        buyer.ancestors,
        { ...terms, commitmentAmount, startsAt: effectiveAt, graceHours },
        contractId,
      ),
    );
    await closeItem(tx, migrationId, contractId, { status: 'DONE', newContractId });
  }

  /** How many contracts of a migration are open, done and refused. */
  async progress(scope: Scope, migrationId: string): Promise<Readonly<Record<MoveStatus, number>>> {
    return inTransaction(scope, tx => countItems(tx, migrationId));
  }

  /** The contracts of a migration by id: up to `first` + 1 after a place. */
  async items(scope: Scope, migrationId: string, args: PageArguments): Promise<MigrationItem[]> {
    return inTransaction(scope, tx => itemPage(tx, migrationId, args));
  }
}
