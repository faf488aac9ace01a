import { record } from '../audit/index.js';
import { decimal, formatDecimal } from '../money/index.js';
import {
  announce,
  DomainError,
  findPage,
  inTransaction,
  isId,
  newId,
  once,
  query,
  type PageArguments,
  type PubSub,
  Watches,
  type Scope,
} from '../platform/index.js';
import type { RatedPeriod, RatingService } from '../rating/index.js';
import { isCleanText } from '../tenants/index.js';
import { lockRating } from '../usage/index.js';
import type { WebhooksService } from '../webhooks/index.js';
import { AlertFiring, SpendAlert } from './alert.entity.js';
import { reached, refuseAlert, resolveThresholds, type Threshold } from './alert.rules.js';

export interface SpendAlertCreate {
  readonly name: string;
  readonly budget: string | null;
  readonly thresholds: readonly Threshold[];
  readonly idempotencyKey: string;
}

// A lost hint delays a subscriber by this at most.
const STRETCH = 100;

/** Spend alerts: who wants to be told what, and what was told. */
export class AlertsService {
  readonly #watches: Watches;

  constructor(
    private readonly webhooks: WebhooksService,
    pubSub: PubSub,
  ) {
    this.#watches = new Watches(pubSub, 'alerts');
  }

  /** Makes an alert. What its thresholds have already reached fires at once. */
  async create(
    scope: Scope,
    input: SpendAlertCreate,
    rating: RatingService,
  ): Promise<{ alert: SpendAlert; replayed: boolean }> {
    if (input.name.trim().length < 1 || input.name.length > 200 || !isCleanText(input.name)) {
      throw DomainError.invalid('name has 1 to 200 characters and no control characters', ['name']);
    }

    const [refusal] = refuseAlert(input);

    if (refusal) {
      throw DomainError.invalid(refusal.message, refusal.field);
    }

    return inTransaction(scope, async tx => {
      await lockRating(tx);
      const { idempotencyKey, ...draft } = input;
      const { id, replayed } = await once(tx, 'spendAlertCreate', idempotencyKey, draft, async () => {
        const alert = tx.em.create(SpendAlert, {
          tenantId: tx.tenantId,
          id: newId('alr', tx.now),
          name: draft.name,
          budget: draft.budget === null ? null : decimal(draft.budget),
          thresholds: draft.thresholds,
          createdAt: tx.now,
          archivedAt: null,
        });
        await record(tx, { action: 'spend_alert.created', subjectId: alert.id, after: draft });
        await this.advance(tx, await rating.openPeriods(tx));

        return alert.id;
      });

      return { alert: await tx.em.findOneOrFail(SpendAlert, { id }), replayed };
    });
  }

  /** Ends an alert. Doing it again changes nothing. */
  async archive(scope: Scope, id: string): Promise<SpendAlert> {
    return inTransaction(scope, async tx => {
      const alert = isId(id, 'alr') ? await tx.em.findOne(SpendAlert, { id }) : null;

      if (!alert) {
        throw DomainError.notFound('spend alert', id.slice(0, 40), ['spendAlertId']);
      }

      if (!alert.archivedAt) {
        alert.archivedAt = tx.now;
        await record(tx, {
          action: 'spend_alert.archived',
          subjectId: id,
          before: { archivedAt: null },
          after: { archivedAt: tx.now },
        });
      }

      return alert;
    });
  }

  /**
   * Fires what the spend of the rated periods has reached: once per alert, period and threshold, whatever is retried.
   * Runs in the rating's transaction, under its lock, so that firings are numbered in the order of their commits.
   */
  async advance(tx: Scope, rated: readonly Pick<RatedPeriod, 'start' | 'end' | 'spend' | 'currency'>[]): Promise<void> {
    const alerts = await tx.em.find(SpendAlert, { archivedAt: null }, { orderBy: { id: 'asc' } });

    for (const alert of alerts) {
      const thresholds = resolveThresholds(alert.budget ?? null, alert.thresholds);

      for (const period of rated) {
        for (const threshold of reached(period.spend, thresholds)) {
          await this.#fire(tx, alert, period, threshold);
        }
      }
    }
  }

  async #fire(
    tx: Scope,
    alert: SpendAlert,
    period: Pick<RatedPeriod, 'start' | 'end' | 'spend' | 'currency'>,
    threshold: { readonly name: string; readonly amount: ReturnType<typeof decimal> },
  ): Promise<void> {
    const id = newId('fir', tx.now);
    const fired = await query(
      tx,
      `insert into alert_firing (tenant_id, id, seq, alert_id, period_start, period_end, threshold, threshold_amount, spend, currency, fired_at)
       select $1, $2, coalesce((select max(seq) from alert_firing where tenant_id = $1), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10
       on conflict on constraint alert_firing_once do nothing returning id`,
      [
        tx.tenantId,
        id,
        alert.id,
        period.start,
        period.end,
        threshold.name,
        formatDecimal(threshold.amount),
        formatDecimal(period.spend),
        period.currency,
        tx.now,
      ],
    );

    if (fired.length === 0) {
      return;
    }

    const data = {
      firingId: id,
      alertId: alert.id,
      alertName: alert.name,
      tenantId: tx.tenantId,
      threshold: threshold.name,
      thresholdAmount: { amount: formatDecimal(threshold.amount), currency: period.currency },
      spend: { amount: formatDecimal(period.spend), currency: period.currency },
      period: { start: period.start.toISOString(), end: period.end.toISOString() },
    };
    await this.webhooks.send(tx, { id: `msg_${id}`, type: 'spend_alert.triggered', data });
    await record(tx, { action: 'spend_alert.fired', subjectId: alert.id, after: data });
    await announce(tx, 'spend_alert.fired', { firingId: id });
  }

  async list(scope: Scope, args: PageArguments): Promise<SpendAlert[]> {
    return inTransaction(scope, tx => findPage(tx.em, SpendAlert, {}, args));
  }

  async firings(scope: Scope, args: PageArguments): Promise<AlertFiring[]> {
    return inTransaction(scope, tx => findPage(tx.em, AlertFiring, {}, args));
  }

  /** Tells this tenant's subscribers, in every process, to look for new firings. */
  async hint(tenantId: string): Promise<void> {
    await this.#watches.tell(tenantId);
  }

  /**
   * Every firing of the scope's tenant after a place (`seq`, or null for only new ones), in order, none twice, as long as
   * `mayGoOn` says so. Reads rows from the cursor; hints only wake it, so a lost one delays and never loses a firing.
   */
  async *follow(
    scope: Scope,
    after: string | null,
    clock: () => Date,
    mayGoOn: () => Promise<boolean>,
  ): AsyncGenerator<AlertFiring, void> {
    const watch = this.#watches.open(scope.tenantId);

    try {
      let cursor = after ?? (await this.#lastSeq(scope));

      while (!this.#watches.isClosed && (await mayGoOn())) {
        watch.look();
        const place = cursor;
        const firings = await inTransaction({ ...scope, now: clock() }, tx =>
          tx.em.find(AlertFiring, { seq: { $gt: place } }, { orderBy: { seq: 'asc' }, limit: STRETCH }),
        );

        for (const firing of firings) {
          if (this.#watches.isClosed || !(await mayGoOn())) {
            return;
          }

          yield firing;
          cursor = String(firing.seq);
        }

        if (firings.length === 0) {
          await watch.rest();
        }
      }
    } finally {
      watch.close();
    }
  }

  /** Ends every stream; part of shutting down. */
  close(): void {
    this.#watches.close();
  }

  async #lastSeq(scope: Scope): Promise<string> {
    const [row] = await inTransaction(scope, tx =>
      query<{ seq: string }>(tx, 'select coalesce(max(seq), 0)::text as seq from alert_firing where tenant_id = $1', [
        tx.tenantId,
      ]),
    );

    return row?.seq ?? '0';
  }
}
