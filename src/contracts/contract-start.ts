import { record } from '../audit/index.js';
import type { Decimal } from '../money/index.js';
import { formatDecimal } from '../money/index.js';
import { announce, DomainError, ErrorCode, newId, query, type Scope } from '../platform/index.js';
import { Contract } from './contract.entity.js';

/** What a contract says, apart from who buys. */
export interface ContractTerms {
  readonly sellerId: string;
  readonly priceBookId: string;
  readonly priceBookVersionId: string | null;
  readonly currency: string;
  readonly commitmentAmount: Decimal | null;
  readonly startsAt: Date;
  readonly graceHours: number;
}

/**
 * Begins a contract of the scope's tenant, the buyer, whose ancestors are `lineage`; the one that runs at that instant ends
 * there. Where `instead` names a contract, refuses unless that is the one. Returns the new one's id. Refuses before it
 * writes.
 */
export async function beginContract(
  tx: Scope,
  lineage: readonly string[],
  terms: ContractTerms,
  instead: string | null = null,
): Promise<string> {
  const { sellerId, startsAt } = terms;
  // One at a time per buyer; the exclusion constraint is what holds if this lock were ever forgotten.
  await query(tx, 'select pg_advisory_xact_lock(hashtextextended($1, 1))', [tx.tenantId]);
  const later = await tx.em.findOne(Contract, { tenantId: tx.tenantId, startsAt: { $gte: startsAt } });

  if (later) {
    throw new DomainError(
      ErrorCode.ALREADY_EXISTS,
      `tenant ${tx.tenantId} has a contract from ${later.startsAt.toISOString()}; a new one starts after it`,
      ['startsAt'],
    );
  }

  const running = await tx.em.findOne(Contract, {
    tenantId: tx.tenantId,
    $or: [{ endsAt: null }, { endsAt: { $gt: startsAt } }],
  });

  if (instead !== null && running?.id !== instead) {
    throw new DomainError(
      ErrorCode.INVALID_TRANSITION,
      `contract ${instead} no longer runs at ${startsAt.toISOString()}`,
      ['startsAt'],
    );
  }

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
    running.endsAt = startsAt;
    await record(tx, {
      action: 'contract.ended',
      subjectId: running.id,
      before,
      after: { endsAt: startsAt },
    });
  }

  const contract = tx.em.create(Contract, {
    ...terms,
    tenantId: tx.tenantId,
    id: newId('con', tx.now),
    endsAt: null,
    createdAt: tx.now,
  });
  await record(tx, {
    action: 'contract.created',
    subjectId: contract.id,
    after: {
      ...terms,
      buyerId: tx.tenantId,
      commitmentAmount: terms.commitmentAmount && formatDecimal(terms.commitmentAmount),
    },
  });
  await announce(tx, 'contract.changed', { from: startsAt.toISOString() });

  return contract.id;
}
