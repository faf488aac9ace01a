import type { App } from '../../src/app.js';
import type { Fact, Scope } from '../../src/platform/index.js';
import { type Doors, runCalls, runCredits, runLeftovers } from './calls.js';
import { type BatchGiven, type CustomerName, type Fate, type Ids, SCENARIO } from './scenario.js';

const { BATCHES, CUSTOMERS, ISSUES } = SCENARIO;

/** Moves the app's clock to an instant, and never back. */
export type Clock = (at: string) => void;

/** Does what a fact asks for, in the scope of its tenant. */
export type Work = (fact: Fact, scope: Scope) => Promise<void>;

/** Tells every fact, and does what those ask for that stay until it is done: from one to the next, until none is left. */
export async function workOff(app: App, scope: (tenantId: string) => Scope, work: Work): Promise<void> {
  for (;;) {
    while ((await app.relay.relayOnce()) > 0) {
      // again
    }

    const { rows } = await app.relayPool.query<{ id: string; tenant_id: string } & Pick<Fact, 'topic' | 'payload'>>(
      'select id::text, tenant_id, topic, payload from outbox order by id limit 1',
    );
    const [row] = rows;

    if (!row) {
      return;
    }

    const { id, tenant_id: tenantId, topic, payload } = row;
    await work({ id, tenantId, topic, payload, handedOver: 1 }, scope(tenantId));
  }
}

/**
 * Ingest, calls that are asked for before, credits, rate and issue: the flow that is killed at every statement, and that is run again from its beginning
 * afterwards, as clients resend and jobs are repeated. Throws when an answer is not what it must be at any try.
 */
export async function runFlow(app: App, ids: Ids, clock: Clock, work: Work, doors: Doors): Promise<void> {
  const scope = (tenantId: string): Scope => app.scopeOf(tenantId, { kind: 'job', id: 'crash-test' });
  const relay = async (): Promise<void> => {
    while ((await app.relay.relayOnce()) > 0) {
      // again
    }
  };
  const ingest = async (batch: BatchGiven): Promise<void> => {
    clock(batch.at);
    const raw = batch.items.map(({ id, customer, type, time, subject, properties }) => ({
      id,
      type,
      time,
      ...(subject ? { subject } : {}),
      tenant: ids.customers[customer],
      properties,
    }));
    const receipt = await app.services.usage.accept(scope(ids.platform), raw, { keyId: 'key', isDryRun: false });
    checkReceipt(batch, receipt);
    await relay();
  };
  const settle = async (...customers: CustomerName[]): Promise<void> => {
    for (const customer of customers) {
      await app.services.outcomes.settle(scope(ids.customers[customer]));
    }

    await relay();
  };
  const rate = async (...customers: CustomerName[]): Promise<void> => {
    // Rating would judge what is due as well; jobs do it first.
    for (const customer of customers) {
      await app.services.outcomes.settle(scope(ids.customers[customer]));
    }

    for (const customer of customers) {
      await app.services.rating.rate(scope(ids.customers[customer]));
    }

    await relay();
  };
  const issue = async (index: number): Promise<void> => {
    const given = ISSUES[index];

    if (!given) {
      throw new Error(`no issue ${index}`);
    }

    clock(given.at);
    const own = (): Scope => scope(ids.customers[given.customer]);
    const start = Date.parse(CUSTOMERS[given.customer].periods[given.period][0]);
    const { invoicing } = app.services;
    const invoices = await invoicing.list(own(), { first: 100, after: null });
    const invoice = invoices.find(({ periodStart }) => periodStart.getTime() === start);

    if (!invoice) {
      throw new Error(`${given.customer} has no invoice of period ${given.period}`);
    }

    if (given.by === 'JOB') {
      await invoicing.close(own(), invoice.id);
    } else {
      await invoicing.issue(own(), { invoiceId: invoice.id, acceptUnpriced: false, idempotencyKey: `issue ${index}` });
    }

    await relay();
  };
  const [first, second, late] = BATCHES;

  await ingest(first);
  await runCalls(app, ids, clock);
  await runCredits(app, ids, clock, doors);
  await relay();
  await settle('acme', 'yeti');
  // The prices changed last: that both are rated is up to the facts.
  await workOff(app, scope, work);
  await ingest(second);
  await rate('acme', 'yeti');
  await issue(0);
  await issue(1);
  await ingest(late);
  await rate('acme');
  await issue(2);
  await issue(3);
  await runLeftovers(app, ids, clock);
  await relay();
}

/** What was stored by an earlier try counts as a duplicate; conflicts and refusals are the same at every try. */
function checkReceipt(
  batch: BatchGiven,
  receipt: {
    readonly accepted: number;
    readonly duplicates: readonly number[];
    readonly conflicts: readonly { readonly index: number }[];
    readonly rejected: readonly { readonly index: number }[];
  },
): void {
  const places = (...fates: Fate[]): string =>
    batch.items.flatMap(({ fate }, index) => (fates.includes(fate) ? [index] : [])).join();
  const told = (items: readonly { readonly index: number }[]): string => items.map(({ index }) => index).join();
  const isFirst = receipt.accepted > 0;
  const duplicates = isFirst ? places('DUPLICATE') : places('DUPLICATE', 'STORED');
  const stored = batch.items.filter(({ fate }) => fate === 'STORED').length;

  if (
    receipt.accepted !== (isFirst ? stored : 0) ||
    receipt.duplicates.join() !== duplicates ||
    told(receipt.conflicts) !== places('CONFLICT') ||
    told(receipt.rejected) !== places('REJECTED')
  ) {
    throw new Error(`the batch of ${batch.at} was answered ${JSON.stringify(receipt)}`);
  }
}
