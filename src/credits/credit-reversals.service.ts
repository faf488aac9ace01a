import { record } from '../audit/index.js';
import { formatDecimal } from '../money/index.js';
import { DomainError, ErrorCode, inTransaction, isId, newId, once, type Scope } from '../platform/index.js';
import type { CreditBurnsService } from './credit-burns.service.js';
import { type TransactionRead, transactionRead } from './credit-reading.queries.js';
import { refuseReason } from './credits.service.js';
import { readAmount } from './grant.rules.js';

/** What is to be given back of a burn. */
export interface CreditReversalDraft {
  /** The burn. */
  readonly creditTransactionId: string;
  /** In the currency of the burn; all that is still burned when it is null. */
  readonly amount: string | null;
  readonly reason: string | null;
}

/** Gives back what usage has burned, where somebody says so. */
export class CreditReversalsService {
  constructor(private readonly burns: CreditBurnsService) {}

  /** Refuses a burn that the scope's tenant does not have. */
  async refuseUnknown(scope: Scope, creditTransactionId: string): Promise<void> {
    await inTransaction(scope, tx => burnRead(tx, creditTransactionId));
  }

  /**
   * Gives back to the grants that paid for a burn of the scope's tenant, the last first, at most what is still burned of it.
   * One that has expired since gets it too, and loses it to the next run of the expiry.
   */
  async reverse(
    scope: Scope,
    input: CreditReversalDraft & { readonly idempotencyKey: string },
  ): Promise<{ readonly transaction: TransactionRead; readonly replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    refuseReason(draft.reason);
    const amount = draft.amount === null ? null : readAmount(draft.amount);

    if (draft.amount !== null && !amount?.gt(0)) {
      throw DomainError.invalid('amount is a decimal above 0', ['amount']);
    }

    return inTransaction(scope, async tx => {
      const { transaction: burn } = await burnRead(tx, draft.creditTransactionId);
      const { id, replayed } = await once(tx, 'creditBurnReverse', idempotencyKey, draft, async () => {
        const { transactionId, covered } = await this.burns.reverse(tx, {
          reference: `${burn.id} ${newId('crt', tx.now)}`,
          burnReference: burn.reference,
          amount,
          at: tx.now,
          reason: draft.reason,
        });

        if (covered.isZero()) {
          throw new DomainError(ErrorCode.INVALID_TRANSITION, `nothing of ${burn.id} is burned any more`, [
            'creditTransactionId',
          ]);
        }

        await record(tx, {
          action: 'credit_burn.reversed',
          subjectId: burn.id,
          after: {
            creditTransactionId: transactionId,
            amount: formatDecimal(covered),
            currency: burn.currency,
            reason: draft.reason,
          },
        });

        return transactionId;
      });
      const transaction = await transactionRead(tx, id);

      if (!transaction) {
        throw new Error(`reversal ${id} is not in the ledger`);
      }

      return { transaction, replayed };
    });
  }
}

async function burnRead(tx: Scope, id: string): Promise<TransactionRead> {
  const read = isId(id, 'crt') ? await transactionRead(tx, id) : null;

  if (read?.transaction.kind !== 'BURN') {
    throw DomainError.notFound('burn', id.slice(0, 40), ['creditTransactionId']);
  }

  return read;
}
