import { record } from '../audit/index.js';
import { type Decimal, decimal, formatDecimal, sum, ZERO } from '../money/index.js';
import { announce, inTransaction, query, type Scope } from '../platform/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import { Budget, BudgetRaise } from './budget.entity.js';
import { standingsOf } from './limit.queries.js';
import { windowName } from './reserve.rules.js';
import { type LimitWindow, windowAt } from './window.rules.js';

/** A window that was written down by the database when more was used in it than the amount of its budget. */
interface Excess {
  readonly budgetId: string;
  readonly windowStart: Date;
}

/** A window of a budget in which more was used than there is. */
interface Exceeded {
  readonly budget: Budget;
  readonly window: LimitWindow;
  /** How much there is, with what was added for a time. */
  readonly most: Decimal;
  readonly used: Decimal;
}

const LOOKED_AT_TOGETHER = 100;

/** Tells the owners of budgets when more was used than there is: once for each window. */
export class ExceededBudgets {
  constructor(private readonly webhooks: WebhooksService) {}

  /**
   * Tells of the windows of the scope's tenant that nobody was told of yet. One that is raised for now is told of when it comes
   * to more than that, or the raise is over. Runs twice: a window is told of in the transaction that marks it as told.
   */
  async tell(scope: Scope): Promise<void> {
    let last: Excess | null = null;

    do {
      const after: Excess | null = last;
      const looked: readonly Excess[] = await inTransaction(scope, tx => this.#tellSome(tx, after));
      last = looked[LOOKED_AT_TOGETHER - 1] ?? null;
    } while (last);
  }

  async #tellSome(tx: Scope, after: Excess | null): Promise<readonly Excess[]> {
    const rows = await query<Excess>(
      tx,
      `select budget_id as "budgetId", window_start as "windowStart" from budget_excess
       where tenant_id = $1 and told_at is null and ($2::text is null or (budget_id, window_start) > ($2, $3))
       order by budget_id, window_start limit $4 for update`,
      [tx.tenantId, after?.budgetId ?? null, after?.windowStart ?? null, LOOKED_AT_TOGETHER],
    );

    if (rows.length === 0) {
      return rows;
    }

    const { exceeded, over } = await this.#judge(tx, rows);

    for (const one of exceeded) {
      await this.#tellOf(tx, one);
    }

    // Nothing more comes of these unless more is used there, and then they are written down again.
    await query(
      tx,
      `delete from budget_excess where tenant_id = $1
         and (budget_id, window_start) in (select * from unnest($2::text[], $3::timestamptz[]))`,
      [tx.tenantId, over.map(({ budgetId }) => budgetId), over.map(({ windowStart }) => windowStart)],
    );

    return rows;
  }

  /** Those in which more was used than there is, and those that are over without. */
  async #judge(
    tx: Scope,
    rows: readonly Excess[],
  ): Promise<{ readonly exceeded: readonly Exceeded[]; readonly over: readonly Excess[] }> {
    const ids = [...new Set(rows.map(({ budgetId }) => budgetId))];
    const budgets = new Map((await tx.em.find(Budget, { id: { $in: ids } })).map(budget => [budget.id, budget]));
    const raises = await tx.em.find(BudgetRaise, { budgetId: { $in: ids } });
    const standings = await standingsOf(
      tx,
      rows.map(({ budgetId, windowStart }) => ({ tenantId: tx.tenantId, limitId: budgetId, windowStart })),
    );
    const exceeded: Exceeded[] = [];
    const over: Excess[] = [];

    for (const row of rows) {
      const { budgetId, windowStart } = row;
      const budget = budgets.get(budgetId);

      if (!budget || budget.endedAt) {
        over.push(row);
        continue;
      }

      const { end } = windowAt(budget.per ?? null, windowStart, budget.timeZone);
      const isOver = end !== null && end <= tx.now;
      // Usage that comes late is measured by what there was when its window ended.
      const at = isOver ? new Date(end.getTime() - 1) : tx.now;
      const added = raises.filter(raise => raise.budgetId === budgetId && raise.fromAt <= at && raise.untilAt > at);
      const most = decimal(budget.amount.plus(sum(added.map(({ amount }) => amount))));
      const { used } = standings.get(windowName(tx.tenantId, budgetId, windowStart)) ?? { used: ZERO };

      if (used.gt(most)) {
        exceeded.push({ budget, window: { start: windowStart, end }, most, used });
      } else if (isOver) {
        over.push(row);
      }
    }

    return { exceeded, over };
  }

  async #tellOf(tx: Scope, { budget, window: { start, end }, most, used }: Exceeded): Promise<void> {
    const { id: budgetId, name, mode, currency } = budget;
    const money = (amount: Decimal) => ({ amount: formatDecimal(amount), currency });
    const data = {
      budgetId,
      tenantId: tx.tenantId,
      name,
      mode,
      amount: money(most),
      used: money(used),
      window: { start: start.toISOString(), end: end?.toISOString() ?? null },
    };
    await query(
      tx,
      'update budget_excess set told_at = $4, used = $5 where tenant_id = $1 and budget_id = $2 and window_start = $3',
      [tx.tenantId, budgetId, start, tx.now, formatDecimal(used)],
    );
    await this.webhooks.send(tx, { id: `msg_${budgetId}_${start.getTime()}`, type: 'budget.exceeded', data });
    await record(tx, { action: 'budget.exceeded', subjectId: budgetId, after: data });
    await announce(tx, 'budget.exceeded', { budgetId, windowStart: data.window.start });
  }
}
