import { record } from '../audit/index.js';
import { type Decimal, decimal, formatDecimal } from '../money/index.js';
import { announce, DomainError, newId, query, type Scope } from '../platform/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import { availableOf } from './credit-balance.queries.js';
import { isCreditUnit, readAmount } from './grant.rules.js';

/** When somebody wants to be told that credits run low, and how many to add then. Both null for never. */
export interface RechargeDraft {
  readonly unit: string;
  readonly below: string | null;
  readonly amount: string | null;
}

/** Why a recharge cannot be set so; null when it can. */
function refuseRecharge({ unit, below, amount }: RechargeDraft): DomainError | null {
  if (!isCreditUnit(unit)) {
    return DomainError.invalid('unit is an ISO 4217 code, or a word of credits', ['unit']);
  }

  if ((below === null) !== (amount === null)) {
    return DomainError.invalid('give below and amount, or neither to be told no more', ['below']);
  }

  const wrong = Object.entries({ below, amount }).find(([, text]) => text !== null && !readAmount(text)?.gt(0));

  return wrong ? DomainError.invalid(`${wrong[0]} is a decimal above 0`, [wrong[0]]) : null;
}

/** Tells when the credits of a tenant run low. Charges nobody: whoever is told adds credits. */
export class LowCredits {
  constructor(private readonly webhooks: WebhooksService) {}

  /** Writes down when to tell, and tells at once where credits are low already. The caller holds the lock of the credits. */
  async set(tx: Scope, draft: RechargeDraft): Promise<void> {
    const refusal = refuseRecharge(draft);

    if (refusal) {
      throw refusal;
    }

    await query(
      tx,
      `insert into credit_recharge (tenant_id, unit, below, amount, is_low, set_at) values ($1, $2, $3, $4, false, $5)
       on conflict (tenant_id, unit) do update set below = excluded.below, amount = excluded.amount, is_low = false,
         set_at = excluded.set_at`,
      [tx.tenantId, draft.unit, draft.below, draft.amount, tx.now],
    );
    await record(tx, { action: 'credit_recharge.set', subjectId: tx.tenantId, after: draft });
    await this.look(tx, [draft.unit]);
  }

  /**
   * Tells of the units (of all when they are left out) of which less is available than somebody wants: once, until enough is
   * there again. Called by whatever moves credits, in its transaction and under its lock.
   */
  async look(tx: Scope, units: Iterable<string> | null = null): Promise<void> {
    const rows = await query<{ unit: string; below: string; amount: string; is_low: boolean }>(
      tx,
      `select unit, below::text, amount::text, is_low from credit_recharge
       where tenant_id = $1 and ($2::text[] is null or unit = any ($2)) and below is not null order by unit`,
      [tx.tenantId, units && [...new Set(units)]],
    );

    for (const { unit, below, amount, is_low: wasLow } of rows) {
      const available = await availableOf(tx, unit);
      const isLow = available.lt(decimal(below));

      if (isLow !== wasLow) {
        await query(tx, 'update credit_recharge set is_low = $3 where tenant_id = $1 and unit = $2', [
          tx.tenantId,
          unit,
          isLow,
        ]);
      }

      if (isLow && !wasLow) {
        await this.#tell(tx, { unit, available, below: decimal(below), amount: decimal(amount) });
      }
    }
  }

  /**
   * Leaves a fact where there is something to be told of these units, for a job that looks: for a transaction that goes on to
   * other locks. To tell takes the head of the audit chain, which comes last.
   */
  async notice(tx: Scope, units: Iterable<string>): Promise<void> {
    const untold = await query(
      tx,
      `select from credit_recharge r where r.tenant_id = $1 and r.unit = any ($2) and not r.is_low and r.below > (
         select coalesce(sum(b.balance), 0) from credit_balance b
         join credit_grant g on g.tenant_id = b.tenant_id and g.id = b.grant_id
         where b.tenant_id = $1 and b.balance > 0 and g.unit = r.unit and g.effective_at <= $3
           and (g.expires_at is null or g.expires_at > $3))`,
      [tx.tenantId, [...new Set(units)], tx.now],
    );

    if (untold.length > 0) {
      await announce(tx, 'credits.burned_low');
    }
  }

  async #tell(
    tx: Scope,
    { unit, ...figures }: { unit: string; available: Decimal; below: Decimal; amount: Decimal },
  ): Promise<void> {
    const id = newId('crl', tx.now);
    const [available, below, rechargeAmount] = [figures.available, figures.below, figures.amount].map(formatDecimal);
    const data = { lowId: id, tenantId: tx.tenantId, unit, available, below, rechargeAmount };
    await this.webhooks.send(tx, { id: `msg_${id}`, type: 'credits.low', data });
    await record(tx, { action: 'credits.low', subjectId: tx.tenantId, after: data });
    await announce(tx, 'credits.low', { lowId: id });
  }
}
