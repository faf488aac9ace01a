import type { AlertsService } from './alerts/index.js';
import { contractsJobs } from './contracts/index.js';
import { budgetsJobs, type TrueUps } from './budgets/index.js';
import { creditsJobs } from './credits/index.js';
import { InvoicingService, invoicingJobs } from './invoicing/index.js';
import { outcomesJobs } from './outcomes/index.js';
import type { Fact, JobDefinition, JobPayload, JobRequest } from './platform/index.js';
import { ratingJobs, type SoftCapsService, type WhenRated } from './rating/index.js';
import { simulationJobs } from './simulation/index.js';
import { webhooksJobs } from './webhooks/index.js';

/*
 * What happens next, on one page.
 *
 *   usage accepted ──► rate the tenant ──► (same transaction) drafts · alerts fire · soft caps told · budgets trued up ·
 *                                                       deliveries · audit
 *   outcome received, or due ──► settle: judge its case ──► rate the tenant
 *   prices or contract changed, cost set ──► rate again
 *   contracts are to move ──► (found by the sweeps) move each ──► contract changed
 *   alert fired ──► wake subscribers        delivery queued ──► post the webhook
 *   simulation started ──► replay its tenants        (of an outcome rule: judge them once more)
 *   entries wait at windows ──► (found by the sweeps) count them in ──► budget exceeded: delivery queued
 *   usage has brought credits low ──► tell whoever wants to know, once
 *   credits expire ──► (found by the sweeps) take what is left off their grants
 *   grace over ──► close the period ──► invoice issued ──► delivery queued
 */

/** In the transaction of the rating: what must be true together with the charges. */
export function whenRated(alerts: AlertsService, softCaps: SoftCapsService, trueUps: TrueUps): WhenRated {
  return async (tx, rated, timeZone) => {
    await InvoicingService.keepDrafts(tx, rated, timeZone);
    await alerts.advance(tx, rated);
    await softCaps.tell(tx, rated);
    await trueUps.make(tx, rated);
  };
}

type Ids = Readonly<Record<string, string>>;

interface Wake {
  readonly job: JobDefinition;
  /** The ids that the job gets, out of the fact's. */
  readonly ids: (fact: Ids) => Ids;
}

const wake = <P extends JobPayload>(job: JobDefinition<P>, ids: (fact: Ids) => Ids = () => ({})): Wake => ({
  job: job as unknown as JobDefinition,
  ids,
});

/** After the commit: which fact wakes which job. */
const FLOW: Readonly<Record<string, readonly Wake[]>> = {
  'usage.accepted': [wake(ratingJobs.rateTenant)],
  'outcome.received': [wake(outcomesJobs.settle)],
  'contract.changed': [wake(ratingJobs.rerateTenant, ({ from = '' }) => ({ from }))],
  'price_book.changed': [wake(ratingJobs.repriceBook, ({ priceBookId = '', from = '' }) => ({ priceBookId, from }))],
  // Without the model: costs that an import sets are one job, which finds them by their instant.
  'model_cost.set': [wake(ratingJobs.recostBuyers, ({ from = '' }) => ({ from }))],
  'webhook_delivery.queued': [wake(webhooksJobs.deliver, ({ deliveryId = '' }) => ({ deliveryId }))],
  'simulation.queued': [wake(simulationJobs.run, ({ simulationId = '' }) => ({ simulationId }))],
  'outcome_simulation.queued': [wake(simulationJobs.runOutcomes, ({ simulationId = '' }) => ({ simulationId }))],
  'spend_alert.fired': [],
  'invoice.issued': [],
  'outcome.changed': [],
  'outcome_rule.anomaly': [],
  'outcome_rule.cap_exceeded': [],
  'credits.low': [],
  'credits.burned_low': [wake(creditsJobs.tellLow)],
  'budget.exceeded': [],
};

/**
 * Facts that stay in the outbox until the one job that they wake has done its work and deletes them: no sweep finds that work
 * in the rows. All others are deleted once they are told.
 */
export const KEPT: ReadonlySet<string> = new Set(
  Object.keys(FLOW).filter(topic => FLOW[topic]?.some(({ job }) => job.acknowledges === topic)),
);

/** After the commit: which facts wake whoever watches a tenant. */
export const WATCHED: ReadonlySet<string> = new Set(['spend_alert.fired']);

/**
 * The jobs that a batch of facts asks for. The same job with the same ids is asked for once, under the number of the last
 * fact that wanted it: so a burst is one job, and a fact told after a job began is another one, never dropped. A kept fact
 * that is told again is another one too: the job before it may be remembered as failed, or be lost.
 */
export function jobsFor(facts: readonly Fact[]): JobRequest[] {
  const requests = new Map<string, JobRequest>();

  for (const fact of facts) {
    const wanted = FLOW[fact.topic];

    if (!wanted) {
      throw new Error(`no route for the fact ${fact.topic}; name it in flow.ts`);
    }

    for (const { job, ids: idsOf } of wanted) {
      const ids: JobPayload = { v: 1, tenantId: fact.tenantId, ...idsOf(fact.payload) };
      const same = `${job.name} ${JSON.stringify(ids)}`;
      requests.delete(same);
      requests.set(same, {
        job,
        payload: ids,
        key: [job.name, fact.tenantId, fact.id, ...(KEPT.has(fact.topic) ? [fact.handedOver] : [])].join('_'),
      });
    }
  }

  return [...requests.values()];
}

/**
 * Work that rows say is due, whatever became of its hint: found by the sweeps. The key holds the round, a minute or so, so
 * that what waits is not doubled and what failed for good is asked for again.
 */
export function jobsDue(due: {
  readonly unrated: readonly { readonly tenantId: string; readonly n: string }[];
  readonly unsettled: readonly { readonly tenantId: string; readonly place: string }[];
  readonly deliveries: readonly {
    readonly tenantId: string;
    readonly deliveryId: string;
    readonly attempts: number;
    readonly due: string;
  }[];
  readonly invoices: readonly { readonly tenantId: string; readonly invoiceId: string }[];
  readonly moves: readonly { readonly tenantId: string; readonly migrationId: string; readonly contractId: string }[];
  readonly simulations: readonly { readonly tenantId: string; readonly simulationId: string }[];
  readonly outcomeSimulations: readonly { readonly tenantId: string; readonly simulationId: string }[];
  readonly expiredHolds: readonly { readonly tenantId: string; readonly place: string }[];
  readonly waitingEntries: readonly { readonly tenantId: string; readonly place: string }[];
  readonly exceededBudgets: readonly { readonly tenantId: string; readonly place: string }[];
  readonly expiredCredits: readonly { readonly tenantId: string; readonly place: string }[];
  readonly now: Date;
}): JobRequest[] {
  const minute = Math.floor(due.now.getTime() / 60_000);
  // A draft that cannot be issued yet (unpriced usage) is tried again every ten minutes.
  const tenMinutes = Math.floor(minute / 10);
  const request = <P extends JobPayload>(job: JobDefinition<P>, payload: JobPayload, key: string): JobRequest => ({
    job: job as unknown as JobDefinition,
    payload,
    key: `${job.name}_${key}`,
  });

  return [
    ...due.unrated.map(({ tenantId, n }) =>
      request(ratingJobs.rateTenant, { v: 1, tenantId }, `${tenantId}_sweep${n}_${minute}`),
    ),
    ...due.unsettled.map(({ tenantId, place }) =>
      request(outcomesJobs.settle, { v: 1, tenantId }, `${tenantId}_sweep${place}_${minute}`),
    ),
    ...due.deliveries.map(({ tenantId, deliveryId, attempts, due: at }) =>
      request(webhooksJobs.deliver, { v: 1, tenantId, deliveryId }, `${deliveryId}_sweep${attempts}_${at}_${minute}`),
    ),
    ...due.invoices.map(({ tenantId, invoiceId }) =>
      request(invoicingJobs.closePeriod, { v: 1, tenantId, invoiceId }, `${invoiceId}_sweep${tenMinutes}`),
    ),
    ...due.expiredHolds.map(({ tenantId, place }) =>
      request(budgetsJobs.expire, { v: 1, tenantId }, `${tenantId}_sweep${place}_${minute}`),
    ),
    ...due.waitingEntries.map(({ tenantId, place }) =>
      request(budgetsJobs.fold, { v: 1, tenantId }, `${tenantId}_sweep${place}_${minute}`),
    ),
    ...due.exceededBudgets.map(({ tenantId, place }) =>
      request(budgetsJobs.tell, { v: 1, tenantId }, `${tenantId}_sweep${place}_${minute}`),
    ),
    ...due.expiredCredits.map(({ tenantId, place }) =>
      request(creditsJobs.expire, { v: 1, tenantId }, `${tenantId}_sweep${place}_${minute}`),
    ),
    ...due.moves.map(({ tenantId, migrationId, contractId }) =>
      request(
        contractsJobs.moveContract,
        { v: 1, tenantId, migrationId, contractId },
        `${migrationId}_${contractId}_sweep${minute}`,
      ),
    ),
    ...due.simulations.map(({ tenantId, simulationId }) =>
      request(simulationJobs.run, { v: 1, tenantId, simulationId }, `${simulationId}_sweep${minute}`),
    ),
    ...due.outcomeSimulations.map(({ tenantId, simulationId }) =>
      request(simulationJobs.runOutcomes, { v: 1, tenantId, simulationId }, `${simulationId}_sweep${minute}`),
    ),
  ];
}
