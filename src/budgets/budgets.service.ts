import type { AccessService } from '../access/index.js';
import { record } from '../audit/index.js';
import type { CatalogService } from '../catalog/index.js';
import { decimal, formatDecimal, isCurrency } from '../money/index.js';
import {
  DomainError,
  findPage,
  GroupCommit,
  inLineage,
  inTransaction,
  isId,
  newId,
  once,
  type PageArguments,
  type Scope,
} from '../platform/index.js';
import { isCleanText, type TenantsService } from '../tenants/index.js';
import { Budget, BudgetRaise, Hold } from './budget.entity.js';
import type { ExceededBudgets } from './exceeded-budgets.js';
import { type BudgetDraft, readBudgetAmount, refuseBudget, refuseRaise } from './budget.rules.js';
import { limitsNamed, lockWindows, standingsOf, windowsWaiting } from './limit.queries.js';
import type { Limit } from './limit.rules.js';
import { type Standing, windowName } from './reserve.rules.js';

/** What is asked of a temporary raise. */
export interface BudgetRaiseDraft {
  readonly budgetId: string;
  readonly amount: string;
  /** Now when it is null. */
  readonly from: Date | null;
  readonly until: Date;
  readonly reason: string;
}

/** A budget with where it stands in the window that runs. */
export interface BudgetStanding {
  readonly limit: Limit;
  readonly standing: Standing;
}

interface StandingAsked {
  readonly scope: Scope;
  readonly budgetId: string;
}

/** Windows that are locked together. */
const FOLDED_AT_A_TIME = 200;

/** Budgets: made, changed, raised for a time, ended. They hold from the commit on that makes them. */
export class BudgetsService {
  readonly #standing = new GroupCommit((asks: readonly StandingAsked[]) => this.#standings(asks));

  constructor(
    private readonly tenants: TenantsService,
    private readonly access: AccessService,
    private readonly catalog: CatalogService,
    private readonly exceeded: ExceededBudgets,
  ) {}

  /** Makes a budget of the scope's tenant. It counts what is used from now on. */
  async create(
    scope: Scope,
    input: BudgetDraft & { readonly idempotencyKey: string },
  ): Promise<{ budget: Budget; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    refuse(refuseBudget(draft));
    refuseTexts({ name: draft.name, model: draft.model });

    if (!isCurrency(draft.currency)) {
      throw DomainError.invalid('currency is an ISO 4217 code', ['currency']);
    }

    return inTransaction(scope, async tx => {
      const owner = await this.tenants.own(tx);
      await this.#refuseNames(tx, draft);
      const { id, replayed } = await once(tx, 'budgetCreate', idempotencyKey, draft, async () => {
        const budget = tx.em.create(Budget, {
          ...draft,
          tenantId: tx.tenantId,
          id: newId('bud', tx.now),
          amount: decimal(draft.amount),
          timeZone: owner.timeZone,
          createdAt: tx.now,
          endedAt: null,
        });
        await record(tx, { action: 'budget.created', subjectId: budget.id, after: draft });

        return budget.id;
      });

      return { budget: await tx.em.findOneOrFail(Budget, { id }), replayed };
    });
  }

  /** Sets another amount or mode, for the window that runs and all after it. What is not given stays. */
  async change(
    scope: Scope,
    {
      budgetId,
      amount,
      mode,
    }: { readonly budgetId: string; readonly amount: string | null; readonly mode: Budget['mode'] | null },
  ): Promise<Budget> {
    const wanted = amount === null ? null : readBudgetAmount(amount);

    if (amount !== null && !wanted) {
      throw DomainError.invalid('amount is a decimal from 0', ['amount']);
    }

    return inTransaction(scope, async tx => {
      const budget = await budgetById(tx, budgetId);

      refuseEnded(budget);

      const before = { amount: formatDecimal(budget.amount), mode: budget.mode };
      budget.amount = wanted ?? budget.amount;
      budget.mode = mode ?? budget.mode;
      const after = { amount: formatDecimal(budget.amount), mode: budget.mode };

      if (before.amount !== after.amount || before.mode !== after.mode) {
        await record(tx, { action: 'budget.changed', subjectId: budget.id, before, after });
      }

      return budget;
    });
  }

  /** Adds to a budget for a time. */
  async raise(
    scope: Scope,
    input: BudgetRaiseDraft & { readonly idempotencyKey: string },
  ): Promise<{ raise: BudgetRaise; replayed: boolean }> {
    const { idempotencyKey, ...draft } = input;
    const from = draft.from ?? scope.now;
    refuse(refuseRaise({ ...draft, from }, scope.now));
    refuseTexts({ reason: draft.reason });

    return inTransaction(scope, async tx => {
      const budget = await budgetById(tx, draft.budgetId);
      const { id, replayed } = await once(tx, 'budgetRaise', idempotencyKey, draft, async () => {
        refuseEnded(budget);
        const raise = tx.em.create(BudgetRaise, {
          tenantId: tx.tenantId,
          id: newId('bra', tx.now),
          budgetId: budget.id,
          amount: decimal(draft.amount),
          fromAt: from,
          untilAt: draft.until,
          reason: draft.reason,
          createdAt: tx.now,
        });
        await record(tx, {
          action: 'budget.raised',
          subjectId: budget.id,
          after: { ...draft, from, raiseId: raise.id },
        });

        return raise.id;
      });

      return { raise: await tx.em.findOneOrFail(BudgetRaise, { id }), replayed };
    });
  }

  /** Ends a budget: it refuses nothing any more. Doing it again changes nothing. */
  async end(scope: Scope, budgetId: string): Promise<Budget> {
    return inTransaction(scope, async tx => {
      const budget = await budgetById(tx, budgetId);

      if (!budget.endedAt) {
        budget.endedAt = tx.now;
        await record(tx, {
          action: 'budget.ended',
          subjectId: budgetId,
          before: { endedAt: null },
          after: { endedAt: tx.now },
        });
      }

      return budget;
    });
  }

  /** The budgets of the scope's tenant, newest first. */
  async list(scope: Scope, args: PageArguments): Promise<Budget[]> {
    return inTransaction(scope, tx => findPage(tx.em, Budget, {}, args));
  }

  /** The raises of a budget, newest first. */
  async raises(scope: Scope, budgetId: string, args: PageArguments): Promise<BudgetRaise[]> {
    return inTransaction(scope, tx => findPage(tx.em, BudgetRaise, { budgetId }, args));
  }

  /** The holds for calls of the scope's tenant, newest first. */
  async holds(scope: Scope, args: PageArguments): Promise<Hold[]> {
    return inTransaction(scope, tx => findPage(tx.em, Hold, {}, args));
  }

  /** Where a live budget of the scope's tenant stands; null for one that has ended. Many are read together. */
  async standing(scope: Scope, budgetId: string): Promise<BudgetStanding | null> {
    return this.#standing.do({ scope, budgetId });
  }

  /** Refuses what the owner cannot see, as if it were not there: a tenant, a key, or a meter that does not count there. */
  async #refuseNames(tx: Scope, { countedTenantId, keyId, meterId }: BudgetDraft): Promise<void> {
    const counted =
      countedTenantId === null
        ? await this.tenants.own(tx)
        : await this.tenants.get(tx, countedTenantId, ['countedTenantId']);

    if (keyId !== null && !(await this.access.isHereOrBelow(tx, keyId))) {
      throw DomainError.notFound('API key', keyId.slice(0, 40), ['keyId']);
    }

    if (meterId !== null && !(await this.catalog.metersById(tx, counted.ancestors, [meterId])).has(meterId)) {
      throw DomainError.notFound('meter', meterId.slice(0, 40), ['meterId']);
    }
  }

  async #standings(asks: readonly StandingAsked[]): Promise<readonly (BudgetStanding | null)[]> {
    const [{ scope } = { scope: null }] = asks;

    if (!scope) {
      return [];
    }

    return inLineage(
      scope,
      asks.map(ask => ask.scope.tenantId),
      async tx => {
        const limits = await limitsNamed(
          tx,
          asks.map(ask => ({ tenantId: ask.scope.tenantId, id: ask.budgetId })),
        );
        const standings = await standingsOf(
          tx,
          limits.map(({ ownerId, id, windowStart }) => ({ tenantId: ownerId, limitId: id, windowStart })),
        );

        return asks.map(({ scope: { tenantId }, budgetId }) => {
          const limit = limits.find(one => one.ownerId === tenantId && one.id === budgetId);
          const standing = limit && standings.get(windowName(tenantId, budgetId, limit.windowStart));

          return limit && standing ? { limit, standing } : null;
        });
      },
    );
  }

  /** Tells of the budgets of the scope's tenant in which more was used than there is, once for each window. */
  async tellExceeded(scope: Scope): Promise<void> {
    await this.exceeded.tell(scope);
  }

  /** Counts into the windows of the scope's tenant what waits there, and tells what comes of it. */
  async fold(scope: Scope): Promise<void> {
    for (let isLeft = true; isLeft;) {
      isLeft = await inTransaction(scope, async tx => {
        const places = await windowsWaiting(tx, FOLDED_AT_A_TIME);
        await lockWindows(tx, places);

        return places.length === FOLDED_AT_A_TIME;
      });
    }

    await this.tellExceeded(scope);
  }
}

async function budgetById(tx: Scope, id: string): Promise<Budget> {
  const budget = isId(id, 'bud') ? await tx.em.findOne(Budget, { id }) : null;

  if (!budget) {
    throw DomainError.notFound('budget', id.slice(0, 40), ['budgetId']);
  }

  return budget;
}

function refuseEnded({ endedAt }: Budget): void {
  if (endedAt) {
    throw DomainError.invalid('the budget has ended: make another one', ['budgetId']);
  }
}

function refuse(refusal: { readonly field: readonly string[]; readonly message: string } | null): void {
  if (refusal) {
    throw DomainError.invalid(refusal.message, refusal.field);
  }
}

function refuseTexts(texts: Readonly<Record<string, string | null>>): void {
  for (const [field, text] of Object.entries(texts)) {
    if (text !== null && !isCleanText(text)) {
      throw DomainError.invalid(`${field} has no control characters`, [field]);
    }
  }
}
