import { type Decimal, sum } from '../money/index.js';
import { DomainError, ErrorCode, GroupCommit, inTransaction, isId, type Scope, scopeFor } from '../platform/index.js';
import type { UsagePricer } from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { MeasuredBatch, MeasuredItem, UsageReceipt, UsageService } from '../usage/index.js';
import type { AskedBy } from './deciding.js';
import { endHolds, type HoldEnd, holdsToExpire, lockHolds, type StoredHold } from './hold.queries.js';

/** What a call has used in the end. */
export interface SettleRequest {
  readonly holdId: string;
  /** Usage events as `/v1/usage` takes them, from 1 to 100, all of the hold's tenant. */
  readonly events: readonly unknown[];
}

/** A hold that was settled, or why its events were not accepted: then nothing has changed. */
export type Settled =
  | { readonly hold: StoredHold; readonly rejected: null }
  | { readonly hold: null; readonly rejected: UsageReceipt['rejected'] };

interface Ask {
  /** Of the tenant of the key that settles. */
  readonly scope: Scope;
  readonly by: AskedBy;
  readonly tenantId: string;
  readonly holdId: string;
  readonly batch: MeasuredBatch;
}

const MOST_EVENTS = 100;
const EXPIRED_AT_A_TIME = 500;

/** Ends holds: with what was used, with nothing, or by their time. */
export class SettlingService {
  readonly #settling = new GroupCommit((asks: readonly Ask[]) => this.#settleTogether(asks));

  constructor(
    private readonly tenants: TenantsService,
    private readonly usage: UsageService,
    private readonly pricer: UsagePricer,
  ) {}

  /**
   * Accepts what was used and ends the hold, in one transaction. What was used counts as it is, be it more than was held, or
   * after the hold has ended: it has happened. A repeated settling changes nothing and is answered with the hold.
   */
  async settle(scope: Scope, { holdId, events }: SettleRequest, by: AskedBy): Promise<Settled> {
    if (!isId(holdId, 'hld')) {
      throw DomainError.notFound('hold', holdId.slice(0, 40), ['holdId']);
    }

    if (events.length < 1 || events.length > MOST_EVENTS) {
      throw DomainError.invalid(`events are from 1 to ${MOST_EVENTS}`, ['events']);
    }

    const { tenantId } = scope;
    const caller = scopeFor(scope, by.tenantId);
    const batch = await this.usage.measure(
      caller,
      events.map(event => (isObject(event) && event['tenant'] === undefined ? { ...event, tenant: tenantId } : event)),
    );
    const elsewhere = [...batch.byTenant.keys()].some(id => id !== tenantId);

    if (elsewhere) {
      throw DomainError.invalid('all events are of the tenant of the hold', ['events']);
    }

    return batch.rejected.length > 0
      ? { hold: null, rejected: batch.rejected }
      : { hold: await this.#settling.do({ scope: caller, by, tenantId, holdId, batch }), rejected: null };
  }

  /** Gives everything back. A hold that has ended stays as it is. */
  async void(scope: Scope, holdId: string): Promise<StoredHold> {
    return inTransaction(scope, async tx => {
      const hold = isId(holdId, 'hld') ? (await lockHolds(tx, [holdId])).get(holdId) : null;

      if (!hold) {
        throw DomainError.notFound('hold', holdId.slice(0, 40), ['holdId']);
      }

      const [ended] =
        hold.state === 'HELD'
          ? await this.#end(tx, [{ hold, state: 'VOIDED', actual: null, isUnpriced: false }])
          : [hold];

      return ended ?? hold;
    });
  }

  /** Ends the holds of the scope's tenant whose time is over. Runs twice: what has ended stays as it is. */
  async expire(scope: Scope): Promise<void> {
    for (let isLeft = true; isLeft;) {
      isLeft = await inTransaction(scope, async tx => {
        const ids = await holdsToExpire(tx, EXPIRED_AT_A_TIME);
        const holds = [...(await lockHolds(tx, ids)).values()].filter(({ state }) => state === 'HELD');
        await this.#end(
          tx,
          holds.map(hold => ({ hold, state: 'EXPIRED', actual: null, isUnpriced: false })),
        );

        return ids.length === EXPIRED_AT_A_TIME;
      });
    }
  }

  async #end(tx: Scope, ends: readonly HoldEnd[]): Promise<StoredHold[]> {
    return ends.length === 0 ? [] : endHolds(tx, (await this.tenants.lineage(tx, tx.tenantId)) ?? [], ends);
  }

  async #settleTogether(asks: readonly Ask[]): Promise<readonly StoredHold[]> {
    const settled = new Map<Ask, StoredHold>();
    const groups = Map.groupBy(asks, ({ by }) => `${by.tenantId} ${by.keyId}`);

    for (const [first, ...others] of groups.values()) {
      if (first) {
        await this.#settleOfKey(first, [first, ...others], settled);
      }
    }

    return asks.map(ask => settled.get(ask) as StoredHold);
  }

  async #settleOfKey({ scope, by }: Ask, asks: readonly Ask[], settled: Map<Ask, StoredHold>): Promise<void> {
    const ofTenant = Map.groupBy(asks, ({ tenantId }) => tenantId);
    const byTenant = new Map(
      [...ofTenant].map(([tenantId, own]) => [tenantId, own.flatMap(ask => itemsOf(ask))] as const),
    );
    await this.usage.store(
      scope,
      { byTenant, rejected: [] },
      { keyId: by.keyId, isDryRun: false },
      async (tx, _, conflicts) => {
        const [conflict] = conflicts;

        // Undoes the whole; each settling is then tried by itself, and only this one is told.
        if (conflict) {
          throw new DomainError(
            ErrorCode.ALREADY_EXISTS,
            `event ${conflict.id} was accepted before with other content; nothing was changed`,
            ['events'],
          );
        }

        await this.#settleOfTenant(tx, ofTenant.get(tx.tenantId) ?? [], settled);
      },
    );
  }

  async #settleOfTenant(tx: Scope, asks: readonly Ask[], settled: Map<Ask, StoredHold>): Promise<void> {
    const holds = await lockHolds(
      tx,
      asks.map(({ holdId }) => holdId),
    );
    const ends = new Map<string, HoldEnd>();

    for (const ask of asks) {
      const hold = holds.get(ask.holdId);

      if (!hold) {
        throw DomainError.notFound('hold', ask.holdId, ['holdId']);
      }

      // The first that settles a hold says what it came to.
      if (hold.actual === null && !ends.has(hold.id)) {
        const { actual, isUnpriced } = await this.#actualOf(tx, hold, itemsOf(ask));
        ends.set(hold.id, { hold, state: hold.state === 'HELD' ? 'SETTLED' : hold.state, actual, isUnpriced });
      }
    }

    const ended = new Map((await this.#end(tx, [...ends.values()])).map(hold => [hold.id, hold]));

    for (const ask of asks) {
      const hold = ended.get(ask.holdId) ?? holds.get(ask.holdId);

      if (hold) {
        settled.set(ask, hold);
      }
    }
  }

  /** What the events come to; where one has no price, at least what was held. */
  async #actualOf(
    tx: Scope,
    hold: StoredHold,
    items: readonly MeasuredItem[],
  ): Promise<{ readonly actual: Decimal; readonly isUnpriced: boolean }> {
    const { parts } = await this.pricer.price(
      tx,
      items.flatMap(({ measures }) => measures),
    );
    const isUnpriced = parts.some(({ amount }) => amount === null);
    const known = sum(parts.flatMap(({ amount }) => amount ?? []));

    return { isUnpriced, actual: isUnpriced && known.lt(hold.amount) ? hold.amount : known };
  }
}

function itemsOf({ batch, tenantId }: Ask): readonly MeasuredItem[] {
  return batch.byTenant.get(tenantId) ?? [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
