import { decimal, sum, ZERO } from '../money/index.js';
import { DomainError, ErrorCode, GroupCommit, inLineage, isId, type Scope, scopeFor } from '../platform/index.js';
import type { UsagePricer } from '../rating/index.js';
import type { TenantsService } from '../tenants/index.js';
import type { MeasuredBatch, MeasuredItem, UsageReceipt, UsageService } from '../usage/index.js';
import type { AskedBy } from './deciding.js';
import { type CameTo, dropHolds, type EndedHold, holdsToExpire, settleHolds, type StoredHold } from './hold.queries.js';
import { leaveEntries, limitsNamed } from './limit.queries.js';
import { shareOf, type Use } from './limit.rules.js';

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
  /** Those of one tenant go together: they wait for the same buckets. */
  readonly #settling = new GroupCommit(
    (asks: readonly Ask[]) => this.#settleTogether(asks),
    ({ tenantId }) => tenantId,
  );

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
    const lineage = await this.tenants.lineage(scope, scope.tenantId);
    const known = isId(holdId, 'hld')
      ? await inLineage(scope, lineage ?? [], tx => dropHolds(tx, 'VOIDED', [holdId]))
      : null;
    const hold = known?.get(holdId);

    if (!hold) {
      throw DomainError.notFound('hold', holdId.slice(0, 40), ['holdId']);
    }

    return hold;
  }

  /** Ends the holds of the scope's tenant whose time is over. Runs twice: what has ended stays as it is. */
  async expire(scope: Scope): Promise<void> {
    const lineage = await this.tenants.lineage(scope, scope.tenantId);

    for (let isLeft = true; isLeft;) {
      isLeft = await inLineage(scope, lineage ?? [], async tx => {
        const ids = await holdsToExpire(tx, EXPIRED_AT_A_TIME);
        await dropHolds(tx, 'EXPIRED', ids);

        return ids.length === EXPIRED_AT_A_TIME;
      });
    }
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
    const settlings: (CameTo & { readonly use: Use })[] = [];
    const lineage = (await this.tenants.lineage(tx, tx.tenantId)) ?? [];

    for (const ask of asks) {
      settlings.push(await this.#cameTo(tx, lineage, ask));
    }

    const holds = await settleHolds(tx, settlings);
    await this.#countUnpriced(
      tx,
      settlings.filter(({ isUnpriced }) => isUnpriced),
      holds,
    );

    for (const ask of asks) {
      const hold = holds.get(ask.holdId);

      if (!hold) {
        throw DomainError.notFound('hold', ask.holdId, ['holdId']);
      }

      settled.set(ask, hold);
    }
  }

  async #cameTo(tx: Scope, lineage: readonly string[], ask: Ask): Promise<CameTo & { readonly use: Use }> {
    const { currency, parts } = await this.pricer.price(
      tx,
      itemsOf(ask).flatMap(({ measures }) => measures),
    );
    const priced = parts.map(part => ({ ...part, amount: part.amount ?? ZERO }));

    return {
      holdId: ask.holdId,
      known: sum(priced.map(({ amount }) => amount)),
      isUnpriced: parts.some(({ amount }) => amount === null),
      use: { lineage, keyId: ask.by.keyId, currency: currency ?? '', parts: priced },
    };
  }

  /** Where usage has no price it counts as what was held for it, beyond what of it is counted by its price. */
  async #countUnpriced(
    tx: Scope,
    settlings: readonly (CameTo & { readonly use: Use })[],
    holds: ReadonlyMap<string, EndedHold>,
  ): Promise<void> {
    const counted = new Set<string>();
    const held = settlings.flatMap(({ holdId, use }) => {
      const hold = holds.get(holdId);

      if (!hold?.isNew || counted.has(holdId)) {
        return [];
      }

      counted.add(holdId);

      return hold.parts.map(part => ({ use, part }));
    });

    if (held.length === 0) {
      return;
    }

    // Of the parts of holds, those of budgets are in money.
    const budgets = await limitsNamed(
      tx,
      held.map(({ part: { tenantId, limitId } }) => ({ tenantId, id: limitId })),
    );
    const byName = new Map(budgets.map(limit => [`${limit.ownerId} ${limit.id}`, limit]));
    await leaveEntries(
      tx,
      held.flatMap(({ use, part: { tenantId, limitId, windowStart, amount } }) => {
        const limit = byName.get(`${tenantId} ${limitId}`);
        const share = limit?.currency === use.currency ? shareOf(limit, use) : null;
        const used = limit ? decimal(decimal(amount).minus(share ?? ZERO)) : ZERO;

        return used.gt(0) ? [{ tenantId, limitId, windowStart: new Date(windowStart), used, held: ZERO }] : [];
      }),
    );
  }
}

function itemsOf({ batch, tenantId }: Ask): readonly MeasuredItem[] {
  return batch.byTenant.get(tenantId) ?? [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
