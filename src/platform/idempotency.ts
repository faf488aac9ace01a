import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { DomainError, ErrorCode } from './errors.js';
import type { Scope } from './scope.js';
import { query } from './sql.js';

/** What a mutation with an idempotency key did: the id of the thing, and whether an earlier call made it. */
export interface Once {
  readonly id: string;
  readonly replayed: boolean;
}

/**
 * Does `work` once per (tenant, operation, key), within the caller's transaction. The same key with the same input
 * gives the first result again; with other input it is refused. Two at once: the second waits on the unique key.
 */
export async function once(
  tx: Scope,
  operation: string,
  key: string,
  input: unknown,
  work: () => Promise<string>,
): Promise<Once> {
  // Half a surrogate pair would be stored as U+FFFD, and so as the same key as any other half.
  if (key.length < 1 || key.length > 255 || /\p{Cc}/u.test(key) || !key.isWellFormed()) {
    throw DomainError.invalid('idempotencyKey has 1 to 255 characters and no control characters', ['idempotencyKey']);
  }

  const inputHash = createHash('sha256').update(canonicalJson(input)).digest('hex');
  const claimed = await query(
    tx,
    `insert into idempotency (tenant_id, operation, key, input_hash, created_at) values ($1, $2, $3, $4, $5)
     on conflict do nothing returning key`,
    [tx.tenantId, operation, key, inputHash, tx.now],
  );

  if (claimed.length === 0) {
    const [earlier] = await query<{ input_hash: string; result_id: string }>(
      tx,
      'select input_hash, result_id from idempotency where tenant_id = $1 and operation = $2 and key = $3',
      [tx.tenantId, operation, key],
    );

    if (earlier?.input_hash !== inputHash) {
      throw new DomainError(
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        `idempotency key ${key} was used for another ${operation}; use a new key for new input`,
        ['idempotencyKey'],
      );
    }

    return { id: earlier.result_id, replayed: true };
  }

  const id = await work();
  await query(tx, 'update idempotency set result_id = $4 where tenant_id = $1 and operation = $2 and key = $3', [
    tx.tenantId,
    operation,
    key,
    id,
  ]);

  return { id, replayed: false };
}
