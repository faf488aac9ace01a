import { record } from '../audit/index.js';
import { type Decimal, formatDecimal } from '../money/index.js';
import { asTenant, DomainError, ErrorCode, inTransaction, newId, once, query, type Scope } from '../platform/index.js';
import type { Tenant, TenantsService } from '../tenants/index.js';
import { planTransfer, type TransferPart } from './burn.rules.js';
import { type GrantRead, grantsRead, type TransactionRead, transactionRead } from './credit-reading.queries.js';
import { CreditGrant } from './credit.entity.js';
import { refuseReason } from './credits.service.js';
import { isCreditUnit, readAmount, shareOfCost } from './grant.rules.js';
import { type HeldCredits, heldOf, NOTHING_HELD } from './held-credits.js';
import { against, grantsLeft, lockCredits, newTransactionId, post, type StoredGrant } from './ledger.queries.js';
import type { LowCredits } from './low-credits.js';
import { besideHeld } from './payment.rules.js';

/** Credits that are to move. */
export interface CreditTransferDraft {
  readonly fromTenantId: string;
  readonly toTenantId: string;
  readonly unit: string;
  readonly amount: string;
  readonly reason: string | null;
}

/** Credits that moved: what took them off the one, and the grants that the other has of them. */
export interface CreditTransfer {
  readonly transaction: TransactionRead;
  readonly grants: readonly GrantRead[];
  readonly replayed: boolean;
}

/** A part of what moves, with the grant it comes from. */
interface Moving extends TransferPart {
  readonly grant: StoredGrant;
}

/** Moves credits up and down the tree. */
export class CreditTransfersService {
  constructor(
    private readonly tenants: TenantsService,
    private readonly low: LowCredits,
    private readonly held: HeldCredits = NOTHING_HELD,
  ) {}

  /**
   * Moves available credits, that no open call has set aside, between a tenant and one below it, in either direction: both
   * are the scope's own or below it, so nobody takes from those above. All or nothing. They keep their kind, expiry, priority, worth and what they may pay for,
   * and their share of what was paid for them.
   */
  async transfer(
    scope: Scope,
    input: CreditTransferDraft & { readonly idempotencyKey: string },
  ): Promise<CreditTransfer> {
    const { idempotencyKey, ...draft } = input;
    const amount = readAmount(draft.amount);
    refuseReason(draft.reason);

    if (!isCreditUnit(draft.unit)) {
      throw DomainError.invalid('unit is an ISO 4217 code, or a word of credits', ['unit']);
    }

    if (!amount?.gt(0)) {
      throw DomainError.invalid('amount is a decimal above 0', ['amount']);
    }

    return inTransaction(scope, async tx => {
      const from = await this.tenants.get(tx, draft.fromTenantId, ['fromTenantId']);
      const to = await this.tenants.get(tx, draft.toTenantId, ['toTenantId']);

      if (from.id === to.id || !(from.ancestors.includes(to.id) || to.ancestors.includes(from.id))) {
        throw DomainError.invalid('credits move between a tenant and one below it', ['toTenantId']);
      }

      const { id, replayed } = await once(tx, 'creditTransfer', idempotencyKey, draft, () =>
        this.#move(tx, { from, to, amount, unit: draft.unit, reason: draft.reason }),
      );
      const transaction = await asTenant(tx, from.id, own => transactionRead(own, id));

      if (!transaction) {
        throw new Error(`transfer ${id} is not in the ledger`);
      }

      return { transaction, grants: await asTenant(tx, to.id, own => grantsOfTransfer(own, id)), replayed };
    });
  }

  async #move(
    tx: Scope,
    {
      from,
      to,
      amount,
      unit,
      reason,
    }: { from: Tenant; to: Tenant; amount: Decimal; unit: string; reason: string | null },
  ): Promise<string> {
    for (const tenantId of [from.id, to.id].sort()) {
      await asTenant(tx, tenantId, lockCredits);
    }

    const id = newTransactionId(tx);
    const moving = await asTenant(tx, from.id, own => takeOff(own, this.held, { id, amount, unit, reason }));
    const granted = await asTenant(tx, to.id, own => putOn(own, { id, moving, reason }));
    const after = {
      fromTenantId: from.id,
      toTenantId: to.id,
      unit,
      amount: formatDecimal(amount),
      creditGrantIds: granted,
      reason,
    };

    // The chain of the lower one first, as whoever writes to two chains does.
    for (const { id: tenantId } of [from, to].sort((a, b) => b.ancestors.length - a.ancestors.length)) {
      await asTenant(tx, tenantId, async own => {
        await record(own, { action: 'credits.transferred', subjectId: id, after });
        await this.low.look(own, [unit]);
      });
    }

    return id;
  }
}

async function takeOff(
  tx: Scope,
  held: HeldCredits,
  { id, amount, unit, reason }: { id: string; amount: Decimal; unit: string; reason: string | null },
): Promise<Moving[]> {
  const grants = new Map((await grantsLeft(tx)).map(grant => [grant.id, grant]));
  const own = [...grants.values()];
  const free = besideHeld(own, await heldOf(tx, held, own));
  const { parts, available } = planTransfer(free, { unit, amount, at: tx.now });

  if (!parts) {
    throw new DomainError(
      ErrorCode.INVALID_TRANSITION,
      `${tx.tenantId} has ${formatDecimal(available)} ${unit} that can be moved: move at most that`,
      ['amount'],
    );
  }

  await post(
    tx,
    { id, kind: 'TRANSFER_OUT', at: tx.now, reference: id, reason },
    against(
      'transferred',
      parts.map(part => ({ ...part, unit, amount: part.amount.negated() })),
    ),
  );

  return parts.flatMap(part => {
    const grant = grants.get(part.grantId);

    return grant ? [{ ...part, grant }] : [];
  });
}

/** Makes a grant of each part that moves; their ids. */
async function putOn(
  tx: Scope,
  { id, moving, reason }: { id: string; moving: readonly Moving[]; reason: string | null },
): Promise<string[]> {
  const entries = moving.map(({ grant, amount }) => {
    const made = tx.em.create(CreditGrant, {
      tenantId: tx.tenantId,
      id: newId('crg', tx.now),
      kind: grant.kind,
      unit: grant.unit,
      worth: grant.worth?.amount ?? null,
      worthCurrency: grant.worth?.currency ?? null,
      amount,
      cost: shareOfCost(grant, amount),
      costCurrency: grant.costCurrency,
      priority: grant.priority,
      meterIds: [...grant.meterIds],
      models: [...grant.models],
      effectiveAt: tx.now,
      expiresAt: grant.expiresAt,
      createdAt: tx.now,
    });

    return { grantId: made.id, unit: grant.unit, amount };
  });
  await tx.em.flush();
  await post(
    tx,
    { id: newTransactionId(tx), kind: 'TRANSFER_IN', at: tx.now, reference: id, reason },
    against('transferred', entries),
  );

  return entries.map(({ grantId }) => grantId);
}

async function grantsOfTransfer(tx: Scope, reference: string): Promise<GrantRead[]> {
  const rows = await query<{ grant_id: string }>(
    tx,
    `select e.grant_id from credit_transaction t
     join credit_entry e on e.tenant_id = t.tenant_id and e.transaction_id = t.id
     where t.tenant_id = $1 and t.kind = 'TRANSFER_IN' and t.reference = $2 and e.grant_id is not null`,
    [tx.tenantId, reference],
  );

  return grantsRead(
    tx,
    rows.map(({ grant_id: id }) => id),
  );
}
