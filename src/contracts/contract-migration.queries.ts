import { record } from '../audit/index.js';
import { page, query, type PageArguments, type Scope } from '../platform/index.js';
import type { Contract } from './contract.entity.js';

/** How far the move of one contract is. */
export type MoveStatus = 'OPEN' | 'DONE' | 'REFUSED';

/** What becomes of one contract in a migration. */
export interface MigrationItem {
  readonly contractId: string;
  readonly buyerId: string;
  readonly status: MoveStatus;
  readonly newContractId: string | null;
  /** Why it was refused. */
  readonly reason: string | null;
}

/** Writes the items of a new migration: open, or refused where there is a reason. */
export async function insertItems(
  tx: Scope,
  migrationId: string,
  items: readonly { readonly contract: Contract; readonly reason: string | null }[],
): Promise<void> {
  await query(
    tx,
    `insert into contract_migration_item (tenant_id, migration_id, contract_id, buyer_id, status, reason)
     select $1, $2, i.contract_id, i.buyer_id, case when i.reason is null then 'OPEN' else 'REFUSED' end, i.reason
     from unnest($3::text[], $4::text[], $5::text[]) as i (contract_id, buyer_id, reason)`,
    [
      tx.tenantId,
      migrationId,
      items.map(({ contract }) => contract.id),
      items.map(({ contract }) => contract.tenantId),
      items.map(({ reason }) => reason),
    ],
  );
}

/** Counts the items of a migration by status. */
export async function countItems(tx: Scope, migrationId: string): Promise<Readonly<Record<MoveStatus, number>>> {
  const [row] = await query<Record<MoveStatus, number>>(
    tx,
    `select count(*) filter (where status = 'OPEN')::int as "OPEN", count(*) filter (where status = 'DONE')::int as "DONE",
       count(*) filter (where status = 'REFUSED')::int as "REFUSED"
     from contract_migration_item where tenant_id = $1 and migration_id = $2`,
    [tx.tenantId, migrationId],
  );

  return row ?? { OPEN: 0, DONE: 0, REFUSED: 0 };
}

/** Items of a migration by contract: up to `first` + 1 after a place. */
export async function itemPage(tx: Scope, migrationId: string, args: PageArguments): Promise<MigrationItem[]> {
  const { limit, after } = page(args);

  return query<MigrationItem>(
    tx,
    `select contract_id as "contractId", buyer_id as "buyerId", status, new_contract_id as "newContractId", reason
     from contract_migration_item
     where tenant_id = $1 and migration_id = $2 and ($3::text is null or contract_id > $3) order by contract_id limit $4`,
    [tx.tenantId, migrationId, after, limit],
  );
}

/** Locks an item until the commit; whether there is still something to do. */
export async function openItem(tx: Scope, migrationId: string, contractId: string): Promise<boolean> {
  const [item] = await query<{ status: MoveStatus }>(
    tx,
    `select status from contract_migration_item
     where tenant_id = $1 and migration_id = $2 and contract_id = $3 for update`,
    [tx.tenantId, migrationId, contractId],
  );

  return item?.status === 'OPEN';
}

/** Writes down what became of an item, with a line in the seller's log. */
export async function closeItem(
  tx: Scope,
  migrationId: string,
  contractId: string,
  became:
    | { readonly status: 'DONE'; readonly newContractId: string }
    | { readonly status: 'REFUSED'; readonly reason: string },
): Promise<void> {
  await query(
    tx,
    `update contract_migration_item set status = $4, new_contract_id = $5, reason = $6
     where tenant_id = $1 and migration_id = $2 and contract_id = $3`,
    [
      tx.tenantId,
      migrationId,
      contractId,
      became.status,
      'newContractId' in became ? became.newContractId : null,
      'reason' in became ? became.reason : null,
    ],
  );
  await record(tx, {
    action: became.status === 'DONE' ? 'contract_migration.moved' : 'contract_migration.refused',
    subjectId: migrationId,
    after: { contractId, ...became },
  });
}
