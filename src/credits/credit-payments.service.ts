import { sum } from '../money/index.js';
import type { Scope } from '../platform/index.js';
import type { GrantLeft } from './burn.rules.js';
import { type HeldCredits, heldOf, NOTHING_HELD } from './held-credits.js';
import {
  burnEntries,
  grantsLeft,
  lockCredits,
  newTransactionId,
  openTransactions,
  writeEntries,
} from './ledger.queries.js';
import type { LowCredits } from './low-credits.js';
import { planInTurn, stretchesOf, type TimedUse } from './payment.rules.js';

/** Usage that is accepted, to be paid with credits as far as they go. */
export interface Payment {
  /** An ISO 4217 code, or the unit of credits itself. */
  readonly currency: string;
  readonly uses: readonly TimedUse[];
}

/** Credits in calls: what a tenant has to pay with before a call is made, and what its usage burns. */
export class CreditPaymentsService {
  constructor(
    private readonly low: LowCredits,
    private readonly held: HeldCredits = NOTHING_HELD,
  ) {}

  /** What the scope's tenant has left at this moment, whether or not calls have set some of it aside. */
  async grants(tx: Scope): Promise<readonly GrantLeft[]> {
    return grantsLeft(tx);
  }

  /** The same, and until the commit: nobody moves credits of the tenant meanwhile, nor sets any aside. */
  async lockGrants(tx: Scope): Promise<readonly GrantLeft[]> {
    await lockCredits(tx);

    return grantsLeft(tx);
  }

  /**
   * Pays for usage in the transaction that accepts it, which is once: in one burn, or one for each stretch of time in which
   * other grants pay. Takes what no open call has set aside first, and that only then: the usage has happened. What credits
   * pay nothing of leaves no trace. That they run low is told by a job: this transaction may go on to other tenants.
   */
  async pay(tx: Scope, { currency, uses }: Payment): Promise<void> {
    const grants = await this.lockGrants(tx);
    const stretches = stretchesOf(grants, uses, currency);

    if (grants.length === 0 || stretches.length === 0) {
      return;
    }

    const burns = planInTurn(
      grants,
      await heldOf(tx, this.held, grants),
      stretches.map(stretch => ({ ...stretch, currency, id: newTransactionId(tx) })),
    ).filter(({ parts }) => parts.length > 0);

    if (burns.length === 0) {
      return;
    }

    await openTransactions(
      tx,
      // Each is a cause of its own: an event is accepted once, so there is no other to be told apart from.
      burns.map(({ id, at, uses: own }) => ({
        id,
        kind: 'BURN',
        at,
        reference: id,
        asked: { amount: sum(own.map(({ amount }) => amount)), currency },
      })),
    );
    await writeEntries(
      tx,
      burns.map(({ id, parts }) => ({ transactionId: id, entries: burnEntries(parts) })),
    );
    await this.low.notice(
      tx,
      burns.flatMap(({ parts }) => parts.map(({ unit }) => unit)),
    );
  }
}
