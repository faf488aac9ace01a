import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import { type Decimal, decimal, formatDecimal } from '../money/index.js';
import {
  type Acknowledge,
  DomainError,
  ErrorCode,
  inTransaction,
  isId,
  newId,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isCleanText, type TenantsService } from '../tenants/index.js';
import { balancesOf, type CreditBalance } from './credit-balance.queries.js';
import {
  type CreditsKnown,
  creditsKnown,
  prepaidOf,
  setPrepaid,
  type StoredPrepaid,
} from './credit-prepaid.queries.js';
import {
  grantPage,
  type GrantRead,
  grantsRead,
  transactionPage,
  type TransactionRead,
  transactionRead,
} from './credit-reading.queries.js';
import { CreditGrant } from './credit.entity.js';
import { type CreditGrantDraft, readAmount, refuseGrant, shareOfCost } from './grant.rules.js';
import { type HeldCredits, heldOf, NOTHING_HELD } from './held-credits.js';
import { against, grantsById, grantsExpired, lockCredits, newTransactionId, post } from './ledger.queries.js';
import type { LowCredits, RechargeDraft } from './low-credits.js';
import { besideHeld } from './payment.rules.js';

/** What is to be taken off a grant. */
export interface CreditRefundDraft {
  readonly creditGrantId: string;
  /** All that is left when it is null. */
  readonly amount: string | null;
  readonly reason: string | null;
}

/** What was taken off a grant, and what had been paid for that. */
export interface CreditRefund extends GrantRead {
  readonly transaction: TransactionRead;
  readonly cost: Decimal;
  readonly replayed: boolean;
}

const EXPIRED_AT_A_TIME = 200;

/** Prepaid credits: granted, refunded, expired, and what there is of them. */
export class CreditsService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly catalog: CatalogService,
    private readonly low: LowCredits,
    private readonly held: HeldCredits = NOTHING_HELD,
  ) {}

  /** Gives credits to the scope's tenant. */
  async grant(
    scope: Scope,
    input: CreditGrantDraft & { readonly idempotencyKey: string },
  ): Promise<GrantRead & { readonly replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    const refusal = refuseGrant(draft, scope.now);

    if (refusal) {
      throw DomainError.invalid(refusal.message, refusal.field);
    }

    if (!draft.models.every(isCleanText)) {
      throw DomainError.invalid('models have no control characters', ['models']);
    }

    return inTransaction(scope, async tx => {
      const { id, replayed } = await once(tx, 'creditGrantCreate', idempotencyKey, draft, async () => {
        await this.#refuseMeters(tx, draft.meterIds);
        await lockCredits(tx);
        const grant = tx.em.create(CreditGrant, {
          tenantId: tx.tenantId,
          id: newId('crg', tx.now),
          kind: draft.kind,
          unit: draft.unit,
          worth: draft.unitWorth ? decimal(draft.unitWorth.amount) : null,
          worthCurrency: draft.unitWorth?.currency ?? null,
          amount: decimal(draft.amount),
          cost: decimal(draft.costBasis.amount),
          costCurrency: draft.costBasis.currency,
          priority: draft.priority,
          meterIds: [...new Set(draft.meterIds)].sort(),
          models: [...new Set(draft.models)].sort(),
          effectiveAt: draft.effectiveAt ?? tx.now,
          expiresAt: draft.expiresAt,
          createdAt: tx.now,
        });
        await tx.em.flush();
        await post(
          tx,
          { id: newTransactionId(tx), kind: 'GRANT', at: tx.now, reference: grant.id },
          against('issued', [{ grantId: grant.id, unit: grant.unit, amount: grant.amount }]),
        );
        await record(tx, { action: 'credit_grant.created', subjectId: grant.id, after: draft });
        await this.low.look(tx, [grant.unit]);

        return grant.id;
      });

      return { ...(await grantRead(tx, id)), replayed };
    });
  }

  /** Refuses meters that count nothing of the scope's tenant, as if they were not there: credits for them would pay for nothing. */
  async #refuseMeters(tx: Scope, meterIds: readonly string[]): Promise<void> {
    if (meterIds.length === 0) {
      return;
    }

    const known = await this.catalog.metersById(tx, (await this.tenants.own(tx)).ancestors, meterIds);
    const unknown = meterIds.find(id => !known.has(id));

    if (unknown !== undefined) {
      throw DomainError.notFound('meter', unknown.slice(0, 40), ['meterIds']);
    }
  }

  /** Refuses a grant that the scope's tenant does not have. */
  async refuseUnknown(scope: Scope, creditGrantId: string): Promise<void> {
    await inTransaction(scope, tx => grantRead(tx, creditGrantId));
  }

  /**
   * Takes credits that are left off a grant, and that no open call has set aside: of a paid one that is a refund, whose cost
   * the seller pays back elsewhere; of a promotional one they are void. Nobody is paid here.
   */
  async refund(scope: Scope, input: CreditRefundDraft & { readonly idempotencyKey: string }): Promise<CreditRefund> {
    const { idempotencyKey, ...draft } = input;
    refuseReason(draft.reason);
    const wanted = draft.amount === null ? null : readAmount(draft.amount);

    if (draft.amount !== null && !wanted?.gt(0)) {
      throw DomainError.invalid('amount is a decimal above 0', ['amount']);
    }

    return inTransaction(scope, async tx => {
      const before = await grantRead(tx, draft.creditGrantId);
      const { id, replayed } = await once(tx, 'creditGrantRefund', idempotencyKey, draft, () =>
        this.#refund(tx, before.grant, wanted, draft.reason),
      );
      const transaction = await transactionRead(tx, id);
      const read = await grantRead(tx, draft.creditGrantId);

      if (!transaction) {
        throw new Error(`refund ${id} is not in the ledger`);
      }

      const amount = transaction.entries[0]?.amount.abs() ?? decimal(0);

      return { ...read, transaction, cost: shareOfCost(read.grant, amount), replayed };
    });
  }

  async #refund(
    tx: Scope,
    { id: grantId }: CreditGrant,
    wanted: Decimal | null,
    reason: string | null,
  ): Promise<string> {
    await lockCredits(tx);
    const grants = [...(await grantsById(tx, [grantId])).values()];
    const [grant] = grants;
    const [free] = besideHeld(grants, await heldOf(tx, this.held, grants));
    const amount = wanted ?? free?.left;

    if (!grant || !free || !amount || amount.isZero() || amount.gt(free.left)) {
      const calls = free && grant?.left.gt(free.left) ? ' beside what open calls have set aside' : '';

      throw new DomainError(
        ErrorCode.INVALID_TRANSITION,
        `${grantId} has ${formatDecimal(free?.left ?? decimal(0))} ${grant?.unit ?? ''} left${calls}: take off at most that`,
        ['amount'],
      );
    }

    const id = newTransactionId(tx);
    const kind = grant.kind === 'PAID' ? 'REFUND' : 'VOID';
    await post(
      tx,
      { id, kind, at: tx.now, reference: `${grantId} ${id}`, reason },
      against('issued', [{ grantId, unit: grant.unit, amount: amount.negated() }]),
    );
    await record(tx, {
      action: kind === 'REFUND' ? 'credit_grant.refunded' : 'credit_grant.voided',
      subjectId: grantId,
      before: { left: formatDecimal(grant.left) },
      after: {
        left: formatDecimal(grant.left.minus(amount)),
        cost: formatDecimal(shareOfCost(grant, amount)),
        costCurrency: grant.costCurrency,
        reason,
      },
    });
    await this.low.look(tx, [grant.unit]);

    return id;
  }

  /**
   * Takes what is left of the scope's tenant's expired grants off them, also what was given back to them since. Runs twice: a
   * grant with nothing left is not looked at again.
   */
  async expire(scope: Scope): Promise<void> {
    for (let isLeft = true; isLeft;) {
      isLeft = await inTransaction(scope, async tx => {
        await lockCredits(tx);
        const grants = await grantsExpired(tx, EXPIRED_AT_A_TIME);

        for (const { id: grantId, unit, left, expiresAt } of grants) {
          const id = newTransactionId(tx);
          await post(
            tx,
            { id, kind: 'EXPIRE', at: expiresAt ?? tx.now, reference: `${grantId} ${id}` },
            against('expired', [{ grantId, unit, amount: left.negated() }]),
          );
          await record(tx, {
            action: 'credit_grant.expired',
            subjectId: grantId,
            before: { left: formatDecimal(left) },
            after: { left: '0' },
          });
        }

        await this.low.look(
          tx,
          grants.map(({ unit }) => unit),
        );

        return grants.length === EXPIRED_AT_A_TIME;
      });
    }
  }

  /** Tells of the units of which usage has left less than the scope's tenant wants. */
  async tellLow(scope: Scope, acknowledge: Acknowledge): Promise<void> {
    await inTransaction(scope, async tx => {
      if (await acknowledge(tx)) {
        await lockCredits(tx);
        await this.low.look(tx);
      }
    });
  }

  /** Says when the scope's tenant wants to be told that credits of a unit run low; neither amount ends it. */
  async setRecharge(
    scope: Scope,
    input: RechargeDraft & { readonly idempotencyKey: string },
  ): Promise<{ balance: CreditBalance | null; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;

    return inTransaction(scope, async tx => {
      const { replayed } = await once(tx, 'creditRechargeSet', idempotencyKey, draft, async () => {
        await lockCredits(tx);
        await this.low.set(tx, draft);

        return tx.tenantId;
      });
      const [balance] = await balancesOf(tx, { unit: draft.unit });

      return { balance: balance ?? null, replayed };
    });
  }

  /**
   * Says whether calls of the scope's tenant go ahead only as far as its credits reach. Known to every process within a
   * second.
   */
  async setPrepaid(
    scope: Scope,
    input: { readonly isPrepaid: boolean; readonly idempotencyKey: string },
  ): Promise<{ readonly prepaid: StoredPrepaid; readonly replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;

    return inTransaction(scope, async tx => {
      const { replayed } = await once(tx, 'creditPrepaidSet', idempotencyKey, draft, async () => {
        await lockCredits(tx);
        const { isPrepaid } = await prepaidOf(tx);
        await setPrepaid(tx, draft.isPrepaid);
        await record(tx, { action: 'credit_prepaid.set', subjectId: tx.tenantId, before: { isPrepaid }, after: draft });

        return tx.tenantId;
      });

      return { prepaid: await prepaidOf(tx), replayed };
    });
  }

  /** Whether calls of the scope's tenant go ahead only as far as its credits reach. */
  async prepaid(scope: Scope): Promise<StoredPrepaid> {
    return inTransaction(scope, prepaidOf);
  }

  /** What calls of the scope's tenant have to know of its credits. */
  async known(scope: Scope): Promise<CreditsKnown> {
    return inTransaction(scope, creditsKnown);
  }

  /** What the scope's tenant has of one unit; null when it never had any. */
  async balance(scope: Scope, unit: string): Promise<CreditBalance | null> {
    const [balance] = await inTransaction(scope, tx => balancesOf(tx, { unit }));

    return balance ?? null;
  }

  /** What the scope's tenant has of each unit that it was ever granted, by the names of the units. */
  async balances(scope: Scope, args: PageArguments): Promise<CreditBalance[]> {
    return inTransaction(scope, tx => balancesOf(tx, args));
  }

  /** The grants of the scope's tenant, newest first. */
  async grants(scope: Scope, args: PageArguments): Promise<GrantRead[]> {
    return inTransaction(scope, tx => grantPage(tx, args));
  }

  /** The ledger of the scope's tenant, newest first. */
  async transactions(scope: Scope, args: PageArguments): Promise<TransactionRead[]> {
    return inTransaction(scope, tx => transactionPage(tx, args));
  }
}

/** A reason is clean and short, where there is one. */
export function refuseReason(reason: string | null): void {
  if (reason !== null && (reason.trim().length < 1 || reason.length > 500 || !isCleanText(reason))) {
    throw DomainError.invalid('reason has 1 to 500 characters and no control characters', ['reason']);
  }
}

async function grantRead(tx: Scope, id: string): Promise<GrantRead> {
  const [read] = isId(id, 'crg') ? await grantsRead(tx, [id]) : [];

  if (!read) {
    throw DomainError.notFound('credit grant', id.slice(0, 40), ['creditGrantId']);
  }

  return read;
}
