import type { CreditPaymentsService } from '../credits/index.js';
import type { Decimal } from '../money/index.js';
import { asTenant, type Scope } from '../platform/index.js';
import { paysWithCredits, type PlanLimits } from './plan-limits.js';
import type { Funds } from './prepaid.rules.js';

/** Usage that is accepted, as it is priced when it comes in. */
export interface UsageToCover {
  /** Of the tenant's contract; null or empty without one. */
  readonly currency: string | null;
  readonly events: readonly {
    /** When it happened: credits pay by that. */
    readonly at: Date;
    readonly parts: readonly {
      readonly meterId: string;
      readonly dimensions: Readonly<Record<string, string>>;
      /** Null or 0 of what has no price: it burns nothing. */
      readonly amount: Decimal | null;
    }[];
  }[];
}

/** A call that is asked about, by the tenant whose it is. */
interface CallOfTenant {
  readonly scope: Scope;
  /** Whether it may go ahead only as far as the tenant's credits reach. */
  readonly isPrepaid: boolean;
}

/** What credits have to do with calls: they pay for what was used, and bound what prepaid tenants may use. */
export class CreditCover {
  constructor(
    private readonly plans: PlanLimits,
    private readonly payments: CreditPaymentsService,
  ) {}

  /**
   * Pays for newly accepted usage with the credits of its tenant, for which `tx` acts, in the transaction that accepts it: it
   * is accepted once, and so burned once. Comes after the holds that the same transaction settles have been ended, so that
   * what they had set aside is there to pay. Asks nothing of the database where the tenant has no credits.
   */
  async burn(tx: Scope, { currency, events }: UsageToCover): Promise<void> {
    const uses = events.flatMap(({ at, parts }) =>
      parts.flatMap(({ meterId, dimensions, amount }) => (amount ? [{ at, meterId, dimensions, amount }] : [])),
    );

    if (currency && uses.some(({ amount }) => amount.gt(0)) && paysWithCredits(await this.plans.of(tx))) {
      await this.payments.pay(tx, { currency, uses });
    }
  }

  /** What the prepaid tenants among those who ask have to pay with at this moment. */
  async look(tx: Scope, asks: readonly CallOfTenant[]): Promise<Funds> {
    return this.#ofEach(tx, asks, own => this.payments.grants(own));
  }

  /**
   * The same, until the commit: nobody moves credits of theirs meanwhile, nor sets any aside. Comes before the windows are
   * locked: whoever burns may wait for usage of other tenants with the lock of credits in hand, and nobody shall wait for
   * that with the windows of a budget in hand.
   */
  async lock(tx: Scope, asks: readonly CallOfTenant[]): Promise<Funds> {
    return this.#ofEach(tx, asks, own => this.payments.lockGrants(own));
  }

  /** One tenant after the other, in the order of their ids, as everybody who locks credits of several. */
  async #ofEach(
    tx: Scope,
    asks: readonly CallOfTenant[],
    read: (own: Scope) => ReturnType<CreditPaymentsService['grants']>,
  ): Promise<Funds> {
    const tenantIds = new Set(asks.flatMap(({ isPrepaid, scope }) => (isPrepaid ? [scope.tenantId] : [])));
    const funds = new Map<string, Awaited<ReturnType<typeof read>>>();

    for (const tenantId of [...tenantIds].sort()) {
      funds.set(tenantId, await asTenant(tx, tenantId, read));
    }

    return funds;
  }
}
