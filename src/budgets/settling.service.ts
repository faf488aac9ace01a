import { decimal, sum, ZERO } from '../money/index.js';
import {
  DomainError,
  ErrorCode,
  GroupCommit,
  inLineage,
  inTransaction,
  isId,
  type Scope,
  scopeFor,
} from '../platform/index.js';
import type { TenantsService } from '../tenants/index.js';
import type {
  AcceptedUsage,
  MeasuredBatch,
  MeasuredItem,
  Reckoning,
  UsageReceipt,
  UsageService,
} from '../usage/index.js';
import type { AskedBy } from './deciding.js';
import {
  type CameTo,
  dropHolds,
  type EndedHold,
  holdById,
  holdsToExpire,
  settleHolds,
  type StoredHold,
} from './hold.queries.js';
import type { LimitCounts, PricedEvent, PricedUsage } from './limit-counts.js';

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

/** What of the events that settle a hold is new. */
interface Settling extends CameTo {
  readonly events: readonly PricedEvent[];
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
    private readonly counts: LimitCounts,
  ) {}

  /**
   * Accepts what was used and ends the hold, in one transaction. What was used counts as it is, be it more than was held, or
   * after the hold has ended: it has happened. Events that were accepted before are not what the hold came to; where there
   * are no others it is not settled by them. A repeated settling changes nothing and is answered with the hold.
   */
  async settle(scope: Scope, request: SettleRequest, by: AskedBy): Promise<Settled> {
    const { holdId } = request;
    const caller = scopeFor(scope, by.tenantId);
    const batch = await this.#measure(scope, caller, request);

    return batch.rejected.length > 0
      ? { hold: null, rejected: batch.rejected }
      : {
          hold: await this.#settling.do({ scope: caller, by, tenantId: scope.tenantId, holdId, batch }),
          rejected: null,
        };
  }

  /**
   * What would be refused of a settling, which changes nothing: refuses what `settle` refuses, and answers with the events
   * that are not accepted. Of a hold of the scope's tenant.
   */
  async wouldSettle(scope: Scope, request: SettleRequest, by: AskedBy): Promise<UsageReceipt['rejected']> {
    const caller = scopeFor(scope, by.tenantId);
    const batch = await this.#measure(scope, caller, request);

    if (batch.rejected.length === 0) {
      const hold = await this.find(scope, request.holdId);
      const { accepted, conflicts } = await this.usage.store(caller, batch, { keyId: by.keyId, isDryRun: true });
      refuseConflicts(conflicts);
      refuseUnsettled(hold, accepted > 0);
    }

    return batch.rejected;
  }

  /** A hold of the scope's tenant as it stands. */
  async find(scope: Scope, holdId: string): Promise<StoredHold> {
    const hold = isId(holdId, 'hld') ? await inTransaction(scope, tx => holdById(tx, holdId)) : null;

    if (!hold) {
      throw DomainError.notFound('hold', holdId.slice(0, 40), ['holdId']);
    }

    return hold;
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

  /** Reads and measures what settles a hold of the scope's tenant, on behalf of the caller's. */
  async #measure(scope: Scope, caller: Scope, { holdId, events }: SettleRequest): Promise<MeasuredBatch> {
    if (!isId(holdId, 'hld')) {
      throw DomainError.notFound('hold', holdId.slice(0, 40), ['holdId']);
    }

    if (events.length < 1 || events.length > MOST_EVENTS) {
      throw DomainError.invalid(`events are from 1 to ${MOST_EVENTS}`, ['events']);
    }

    const { tenantId } = scope;
    const batch = await this.usage.measure(
      caller,
      events.map(event =>
        isObject(event) && (event['tenant'] ?? null) === null ? { ...event, tenant: tenantId } : event,
      ),
    );

    if ([...batch.byTenant.keys()].some(id => id !== tenantId)) {
      throw DomainError.invalid('all events are of the tenant of the hold', ['events']);
    }

    return batch;
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
      {
        ready: own => this.counts.ready(own),
        reckon: (tx, usage, keyId) =>
          this.#reckon(tx, { asks: ofTenant.get(tx.tenantId) ?? [], usage, keyId, settled }),
      },
    );
  }

  /** What it throws undoes the whole; each settling is then tried by itself, and only the one that fails is told. */
  async #reckon(
    tx: Scope,
    {
      asks,
      usage: { fresh, conflicts },
      keyId,
      settled,
    }: {
      readonly asks: readonly Ask[];
      readonly usage: AcceptedUsage;
      readonly keyId: string;
      readonly settled: Map<Ask, StoredHold>;
    },
  ): Promise<Reckoning> {
    refuseConflicts(conflicts);
    const { currency, settlings, countedAt } = await this.#settlingsOf(tx, asks, new Set(fresh));

    return {
      countedAt,
      count: async () => {
        const holds = await this.#end(tx, asks, settlings, settled);
        const calls = settlings.flatMap(({ holdId, events, isUnpriced }) => {
          const hold = holds.get(holdId);

          return hold ? [{ events, hold: { ...hold, parts: partsOf(hold), isUnpriced } }] : [];
        });
        await this.counts.countCalls(tx, { currency, calls }, keyId);
      },
    };
  }

  /** Ends the holds that are asked for: each has what settles it, now or before. */
  async #end(
    tx: Scope,
    asks: readonly Ask[],
    settlings: readonly Settling[],
    settled: Map<Ask, StoredHold>,
  ): Promise<ReadonlyMap<string, EndedHold>> {
    const holds = await settleHolds(tx, [...new Set(asks.map(({ holdId }) => holdId))], settlings);

    for (const ask of asks) {
      const hold = holds.get(ask.holdId);

      if (!hold) {
        throw DomainError.notFound('hold', ask.holdId, ['holdId']);
      }

      refuseUnsettled(hold, false);
      settled.set(ask, hold);
    }

    return holds;
  }

  /** What settles each hold, of what came for the first time: of all that is asked for it together. */
  async #settlingsOf(
    tx: Scope,
    asks: readonly Ask[],
    fresh: ReadonlySet<MeasuredItem>,
  ): Promise<Pick<PricedUsage, 'currency' | 'countedAt'> & { readonly settlings: readonly Settling[] }> {
    const items = asks.flatMap(ask =>
      itemsOf(ask).flatMap(item => (fresh.has(item) ? [{ holdId: ask.holdId, item }] : [])),
    );
    const { currency, events, countedAt } = await this.counts.price(
      tx,
      items.map(({ item }) => item),
    );
    const byHold = Map.groupBy(events, (_, place) => items[place]?.holdId ?? '');

    return {
      currency,
      countedAt,
      settlings: [...byHold].map(([holdId, own]) => {
        const amounts = own.flatMap(({ parts }) => parts.map(({ amount }) => amount));

        return {
          holdId,
          events: own,
          known: sum(amounts.map(amount => amount ?? ZERO)),
          isUnpriced: amounts.includes(null),
        };
      }),
    };
  }
}

function refuseConflicts([conflict]: AcceptedUsage['conflicts']): void {
  if (conflict) {
    throw new DomainError(
      ErrorCode.ALREADY_EXISTS,
      `event ${conflict.id} was accepted before with other content; nothing was changed`,
      ['events'],
    );
  }
}

/** Who settles a hold for the first time has to say something that nobody has said before. */
function refuseUnsettled({ id, actual }: StoredHold, isSettling: boolean): void {
  if (actual === null && !isSettling) {
    throw new DomainError(
      ErrorCode.ALREADY_EXISTS,
      `all of these events were accepted before, and none of them settled ${id}; nothing was changed: settle it with the events of its call, or void it`,
      ['events'],
    );
  }
}

function partsOf({ parts }: StoredHold) {
  return parts.map(({ windowStart, amount, ...part }) => ({
    ...part,
    windowStart: new Date(windowStart),
    amount: decimal(amount),
  }));
}

function itemsOf({ batch, tenantId }: Ask): readonly MeasuredItem[] {
  return batch.byTenant.get(tenantId) ?? [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
