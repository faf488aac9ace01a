import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { budgetsHandlers, budgetsJobs } from '../src/budgets/index.js';
import { contractsHandlers, contractsJobs } from '../src/contracts/index.js';
import { creditsHandlers, creditsJobs } from '../src/credits/index.js';
import { jobsFor, KEPT } from '../src/flow.js';
import { invoicingHandlers, invoicingJobs } from '../src/invoicing/index.js';
import { outcomesHandlers, outcomesJobs } from '../src/outcomes/index.js';
import type { Fact, JobDefinition, JobHandler, JobPayload, Scope } from '../src/platform/index.js';
import type { PriceTermsJson } from '../src/pricing/price.rules.js';
import { ratingHandlers, ratingJobs } from '../src/rating/index.js';
import { simulationHandlers, simulationJobs } from '../src/simulation/index.js';
import { webhooksHandlers, webhooksJobs } from '../src/webhooks/index.js';
import { KEEP_SET_UP, RESTORE_SET_UP } from './crash/harness.js';
import {
  aBudget,
  aContract,
  aMeter,
  anEvent,
  anOutcomeRule,
  aPriceBook,
  aTenant,
  aVersion,
  perMillion,
} from './support/builders.js';
import { asSuperuser } from './support/database.js';
import { aProduct, until, type Product } from './support/product.js';

/** Columns that count how often something was looked at, or how long it took, and say nothing of what is true. */
const UNTOLD: readonly string[] = [
  'usage_touch.n',
  'limit_entry.n',
  'rating_mark.n',
  'webhook_attempt.latency_ms',
  'simulation.finished_at',
  'outcome_simulation.finished_at',
];

const NOW = new Date('2026-12-10T12:00:00Z');

interface Place {
  readonly tenantId: string;
  readonly bookId: string;
  readonly meterId: string;
  /** Its own, so that no other place's meter counts its events. */
  readonly eventType: string;
}

interface Case {
  /** Brings the place to where the job has something to do. */
  readonly prepare: (place: Place) => Promise<void>;
  readonly payload: (place: Place) => Promise<JobPayload>;
}

describe('a job', () => {
  let product: Product;
  let superuser: pg.Client;
  let receiver: Server;
  let handlers: readonly JobHandler[];
  const received: string[] = [];

  beforeAll(async () => {
    product = await aProduct({ now: NOW });
    superuser = new pg.Client({ connectionString: product.database.adminUrl });
    await superuser.connect();
    receiver = await aReceiver(received);
    const { webhooks, contractMigrations, outcomes, rating, invoicing, simulationRunner, outcomeSimulationRunner } =
      product.app.services;
    handlers = [
      ...webhooksHandlers(webhooks),
      ...contractsHandlers(contractMigrations),
      ...outcomesHandlers(outcomes),
      ...ratingHandlers(rating),
      ...creditsHandlers(product.app.services.credits),
      ...invoicingHandlers(invoicing),
      ...budgetsHandlers(product.app.services.budgets, product.app.services.settling),
      ...simulationHandlers(simulationRunner, outcomeSimulationRunner),
    ];
  });

  afterAll(async () => {
    receiver.close();
    await superuser.end();
    await product.close();
  });

  const own = (tenantId: string): Scope => ({ ...product.scope(tenantId), now: NOW, requestId: 'a job' });

  const run = async (job: JobDefinition, payload: JobPayload): Promise<void> => {
    const found = handlers.find(handler => handler.job === job);

    if (!found) {
      throw new Error(`no handler for ${job.name}`);
    }

    await found.handle(own(payload.tenantId), payload);
  };

  /** Tells every fact as the relay does, and does what it asks for when told to, until there is none. */
  const settle = async (act: boolean): Promise<void> => {
    for (;;) {
      const { rows } = await superuser.query<{
        id: string;
        tenant_id: string;
        topic: string;
        payload: Fact['payload'];
      }>('select id::text, tenant_id, topic, payload from outbox order by id');

      if (rows.length === 0) {
        return;
      }

      const facts = rows.map(row => ({
        id: row.id,
        tenantId: row.tenant_id,
        topic: row.topic,
        payload: row.payload,
        handedOver: 1,
      }));
      const told = facts.filter(({ topic }) => !act || !KEPT.has(topic));
      await forget(told);

      for (const { job, payload } of act ? jobsFor(facts) : []) {
        await run(job, payload);
      }

      // What is kept is deleted by its job.
      expect(await forget(facts)).toBe(0);
    }
  };

  const forget = async (facts: readonly Fact[]): Promise<number> =>
    (await superuser.query('delete from outbox where id = any ($1::bigint[])', [facts.map(({ id }) => id)])).rowCount ??
    0;

  /** Tells of the change that a job acts on and acknowledges, where it is one that does. */
  const changed = async ({ acknowledges }: JobDefinition, payload: JobPayload): Promise<void> => {
    if (acknowledges) {
      await superuser.query(
        `insert into outbox (tenant_id, topic, payload, created_at) values ($1, $2, $3::jsonb - 'v' - 'tenantId', $4)`,
        [payload.tenantId, acknowledges, JSON.stringify(payload), NOW],
      );
    }
  };

  const aPlace = async (): Promise<Place> => {
    const tenantId = await aTenant(product, { timeZone: 'Europe/Berlin' });
    const eventType = `llm.${randomUUID()}`;
    const meterId = await aMeter(product, { eventType });
    const { bookId } = await aPriceBook(product, {
      prices: [{ meterId, terms: graduated('2.5') }],
    });
    await aContract(product, { buyerId: tenantId, bookId, graceHours: 0 });
    const { port } = receiver.address() as AddressInfo;
    await product.app.services.webhooks.createEndpoint(own(tenantId), {
      url: `http://127.0.0.1:${port}/hook`,
      eventTypes: ['spend_alert.triggered', 'invoice.issued', 'credits.low', 'budget.exceeded'],
      idempotencyKey: 'endpoint',
    });
    await product.app.services.alerts.create(
      own(tenantId),
      { name: 'Spend', budget: '10', thresholds: [{ percent: '10' }, { amount: '4' }], idempotencyKey: 'alert' },
      product.app.services.rating,
    );
    const place = { tenantId, bookId, meterId, eventType };
    await use(place, [
      ['a', '2026-11-02T08:00:00Z', '1000000.000000000001'],
      ['b', '2026-11-20T08:00:00Z', '700000.5'],
      ['c', '2026-12-02T08:00:00Z', '300'],
    ]);

    return place;
  };

  const use = async (
    { tenantId, eventType: type }: Place,
    events: readonly (readonly [string, string, string])[],
  ): Promise<void> => {
    await product.app.services.usage.accept(
      own(tenantId),
      events.map(([id, time, tokens]) => anEvent({ id, type, time, properties: { model: 'm', tokens } })),
      { keyId: 'key', isDryRun: false },
    );
  };

  const rated = async ({ tenantId }: Place): Promise<void> => run(ratingJobs.rateTenant, { v: 1, tenantId });

  /** Three claims under a rule of the place's book: two have matured, of which one is of a closed month; one waits. */
  const claimed = async (place: Place): Promise<{ versionId: string }> => {
    const rule = await anOutcomeRule(product, {
      bookId: place.bookId,
      terms: { maturationHours: 24 },
      publishedAt: new Date('2026-11-01T00:00:00Z'),
    });
    product.setClock(NOW);
    await product.app.services.usage.accept(
      own(place.tenantId),
      ['2026-11-20T08:00:00Z', '2026-12-05T08:00:00Z', '2026-12-10T08:00:00Z'].map(time =>
        anEvent({ id: `at ${time}`, type: 'conversation.resolved', time, subject: time }),
      ),
      { keyId: 'key', isDryRun: false },
    );

    return rule;
  };

  /** A budget of the place and one above it, in which much is held until a time that is over. */
  const held = async ({ tenantId, eventType }: Place): Promise<void> => {
    await aBudget(product, { amount: '100' });
    await aBudget(product, { tenantId, amount: '100' });
    await product.app.services.holds.authorize(
      { ...own(tenantId), now: new Date(NOW.getTime() - 120_000) },
      {
        estimate: {
          eventType,
          model: null,
          serviceTier: null,
          tokens: [],
          properties: { model: 'm', tokens: '2000000.5' },
        },
        feature: null,
        region: null,
        idempotencyKey: 'hold',
        expiresInSeconds: 60,
      },
      { tenantId, keyId: 'key' },
    );
  };

  const repriced = async (place: Place): Promise<void> => {
    await rated(place);
    await aVersion(product, {
      bookId: place.bookId,
      prices: [{ meterId: place.meterId, terms: graduated('3.5') }],
      effectiveAt: new Date('2026-11-16T00:00:00Z'),
    });
  };

  /** What a unit of the place's meter costs with the model that it is used with, from an instant on. */
  const costSet = async ({ meterId }: Place, effectiveAt: string): Promise<void> => {
    const { catalog } = product.app.services;
    const { model } = await catalog.createModel(own(product.platformId), {
      key: 'm',
      provider: 'p',
      family: 'f',
      modality: 'text',
      contextBands: [],
      idempotencyKey: 'm',
    });
    const { rows } = await superuser.query<{ key: string }>('select key from meter where id = $1', [meterId]);
    await catalog.setCost(own(product.platformId), {
      modelId: model.id,
      effectiveAt: new Date(effectiveAt),
      currency: 'USD',
      rates: [{ kind: only(rows).key, amount: '0.001', per: '1' }],
      source: 'an invoice',
      idempotencyKey: meterId,
    });
  };

  const cases: ReadonlyMap<JobDefinition, Case> = new Map<JobDefinition, Case>([
    [
      erased(ratingJobs.rateTenant),
      { prepare: async () => undefined, payload: async ({ tenantId }) => ({ v: 1, tenantId }) },
    ],
    [
      erased(ratingJobs.rerateTenant),
      {
        prepare: repriced,
        payload: async ({ tenantId }) => ({ v: 1, tenantId, from: '2026-11-16T00:00:00.000Z' }),
      },
    ],
    [
      erased(ratingJobs.repriceBook),
      {
        prepare: repriced,
        payload: async ({ bookId }) => ({
          v: 1,
          tenantId: product.platformId,
          priceBookId: bookId,
          from: '2026-11-16T00:00:00.000Z',
        }),
      },
    ],
    [
      erased(ratingJobs.recostBuyers),
      {
        prepare: async place => {
          await rated(place);
          await aVersion(product, {
            bookId: place.bookId,
            prices: [{ meterId: place.meterId, terms: { model: 'COST_PLUS', markup: '1.2' } }],
            effectiveAt: new Date('2026-11-16T00:00:00Z'),
          });
          // Unpriced, until what the model costs is set.
          await settle(true);
          await costSet(place, '2026-11-18T00:00:00Z');
        },
        payload: async () => ({ v: 1, tenantId: product.platformId, from: '2026-11-18T00:00:00.000Z' }),
      },
    ],
    [
      erased(invoicingJobs.closePeriod),
      {
        prepare: async place => {
          await rated(place);
          // What came last is rated in the transaction that issues.
          await use(place, [['late', '2026-11-30T22:59:59Z', '41.5']]);
        },
        payload: async ({ tenantId }) => {
          const { rows } = await superuser.query<{ id: string }>(
            'select id from invoice where tenant_id = $1 and due_at <= $2',
            [tenantId, NOW],
          );

          return { v: 1, tenantId, invoiceId: only(rows).id };
        },
      },
    ],
    [
      erased(budgetsJobs.expire),
      {
        prepare: async place => {
          await rated(place);
          await held(place);
        },
        payload: async ({ tenantId }) => ({ v: 1, tenantId }),
      },
    ],
    [
      erased(budgetsJobs.fold),
      {
        prepare: async place => {
          await held(place);
          await use(place, [
            ['d', '2026-12-03T08:00:00Z', '100.5'],
            ['e', '2026-11-03T08:00:00Z', '7'],
          ]);
          await rated(place);
        },
        payload: async ({ tenantId }) => ({ v: 1, tenantId }),
      },
    ],
    [
      erased(budgetsJobs.tell),
      {
        prepare: async place => {
          await rated(place);
          await aBudget(product, { tenantId: place.tenantId, amount: '0', mode: 'SOFT', per: null });
          await use(place, [['d', '2026-12-03T08:00:00Z', '7000000']]);
          // Who holds counts it in, and leaves to others to tell.
          await held(place);
        },
        payload: async ({ tenantId }) => ({ v: 1, tenantId }),
      },
    ],
    [
      erased(contractsJobs.moveContract),
      {
        prepare: async place => {
          await rated(place);
          const { bookId } = await aPriceBook(product, {
            prices: [{ meterId: place.meterId, terms: graduated('4.5') }],
          });
          await product.app.services.contractMigrations.start(own(product.platformId), {
            priceBookId: place.bookId,
            toPriceBookId: bookId,
            effectiveAt: new Date('2026-11-16T00:00:00Z'),
            idempotencyKey: place.bookId,
          });
        },
        payload: async ({ tenantId }) => {
          const { rows } = await superuser.query<{ migration_id: string; contract_id: string }>(
            'select migration_id, contract_id from contract_migration_item where buyer_id = $1',
            [tenantId],
          );
          const { migration_id: migrationId, contract_id: contractId } = only(rows);

          return { v: 1, tenantId: product.platformId, migrationId, contractId };
        },
      },
    ],
    [
      erased(simulationJobs.run),
      {
        prepare: async place => {
          await rated(place);
          const { rows } = await superuser.query<{ id: string }>(
            'select id from price_book_version where price_book_id = $1',
            [place.bookId],
          );
          await product.app.services.simulations.start(own(product.platformId), own(product.platformId), {
            priceBookVersionId: only(rows).id,
            from: new Date('2026-11-01T00:00:00Z'),
            until: NOW,
            tenantIds: [place.tenantId],
            baseline: 'PUBLISHED',
            modelContexts: [],
            idempotencyKey: 'simulation',
          });
        },
        payload: async () => {
          const { rows } = await superuser.query<{ id: string }>(`select id from simulation where status = 'QUEUED'`);

          return { v: 1, tenantId: product.platformId, simulationId: only(rows).id };
        },
      },
    ],
    [
      erased(simulationJobs.runOutcomes),
      {
        prepare: async place => {
          const { versionId } = await claimed(place);
          await product.app.services.outcomes.settle(own(place.tenantId));
          await rated(place);
          await product.app.services.outcomeSimulations.start(own(product.platformId), {
            outcomeRuleVersionId: versionId,
            from: new Date('2026-12-01T00:00:00Z'),
            until: NOW,
            tenantIds: null,
            idempotencyKey: place.bookId,
          });
        },
        payload: async () => {
          const { rows } = await superuser.query<{ id: string }>(
            `select id from outcome_simulation where status = 'QUEUED'`,
          );

          return { v: 1, tenantId: product.platformId, simulationId: only(rows).id };
        },
      },
    ],
    [
      erased(outcomesJobs.settle),
      {
        prepare: async place => {
          await rated(place);
          await claimed(place);
        },
        payload: async ({ tenantId }) => ({ v: 1, tenantId }),
      },
    ],
    [
      erased(creditsJobs.expire),
      {
        prepare: async ({ tenantId }) => {
          const before = { ...own(tenantId), now: new Date('2026-12-01T00:00:00Z') };

          for (const amount of ['10.000000000001', '5']) {
            await product.app.services.credits.grant(before, {
              kind: 'PAID',
              unit: 'USD',
              unitWorth: null,
              amount,
              costBasis: { amount, currency: 'USD' },
              priority: 0,
              meterIds: [],
              models: [],
              effectiveAt: null,
              expiresAt: NOW,
              idempotencyKey: amount,
            });
          }

          await product.app.services.credits.setRecharge(before, {
            unit: 'USD',
            below: '10',
            amount: '100',
            idempotencyKey: 'recharge',
          });
        },
        payload: async ({ tenantId }) => ({ v: 1, tenantId }),
      },
    ],
    [
      erased(creditsJobs.tellLow),
      {
        prepare: async place => {
          const { tenantId, eventType: type } = place;
          const { credits, usage } = product.app.services;
          const costBasis = { amount: '10', currency: 'USD' };
          await credits.grant(own(tenantId), {
            kind: 'PAID',
            unit: 'USD',
            unitWorth: null,
            amount: '10',
            costBasis,
            priority: 0,
            meterIds: [],
            models: [],
            effectiveAt: new Date('2026-12-01T00:00:00Z'),
            expiresAt: null,
            idempotencyKey: 'grant',
          });
          const recharge = { unit: 'USD', below: '9', amount: '100', idempotencyKey: 'recharge' };
          await credits.setRecharge(own(tenantId), recharge);
          await rated(place);
          // Past what is remembered of the tenant's credits for a second.
          const later = { ...own(tenantId), now: new Date(NOW.getTime() + 2_000) };
          const time = '2026-12-09T08:00:00Z';
          await usage.accept(later, [anEvent({ type, time, properties: { model: 'm', tokens: '2000000.5' } })], {
            keyId: 'key',
            isDryRun: false,
          });
        },
        payload: async ({ tenantId }) => ({ v: 1, tenantId }),
      },
    ],
    [
      erased(webhooksJobs.deliver),
      {
        prepare: rated,
        payload: async ({ tenantId }) => {
          const { rows } = await superuser.query<{ id: string }>(
            `select d.id from webhook_delivery d join alert_firing f on d.message_id = 'msg_' || f.id
             where d.tenant_id = $1 and f.threshold = 'amount:4'`,
            [tenantId],
          );

          return { v: 1, tenantId, deliveryId: only(rows).id };
        },
      },
    ],
  ]);

  test('of every catalog is among those that are run twice here', async () => {
    const rooms = readdirSync('src', { withFileTypes: true }).filter(entry => entry.isDirectory());
    const files = rooms.flatMap(({ name }) =>
      readdirSync(`src/${name}`).flatMap(file => (file.endsWith('.jobs.ts') ? [`../src/${name}/${file}`] : [])),
    );
    const catalogs = await Promise.all(
      files.map(async file => (await import(file.replace('.ts', '.js'))) as Readonly<Record<string, unknown>>),
    );
    const names = catalogs
      .flatMap(catalog => Object.values(catalog))
      .flatMap(part => (typeof part === 'object' && part !== null ? Object.values(part) : []))
      .map(job => (job as JobDefinition).name);

    expect([...cases.keys()].map(({ name }) => name).sort()).toEqual(names.sort());
    expect(handlers.map(({ job }) => job.name).sort()).toEqual(names);
  });

  test.each([...cases].map(([job, given]) => [job.name, job, given] as const))(
    '%s changes nothing when it runs again, or twice at once',
    async (_name, job, given) => {
      const place = await aPlace();
      await given.prepare(place);
      await settle(false);
      const payload = await given.payload(place);
      await changed(job, payload);
      await superuser.query(KEEP_SET_UP);
      const before = await dump(superuser);
      const after = async (work: () => Promise<unknown>): Promise<{ rows: Dump; posts: readonly string[] }> => {
        await superuser.query(RESTORE_SET_UP);
        received.length = 0;
        await work();
        await settle(true);

        return {
          rows: normalized(await dump(superuser), before),
          posts: received.map(id => masked(id, JSON.stringify(before))).sort(),
        };
      };

      const once = await after(() => run(job, payload));
      const again = await after(async () => {
        await run(job, payload);
        await run(job, payload);
      });
      const atOnce = await after(() => Promise.all([run(job, payload), run(job, payload)]));
      const muchLater = await after(async () => {
        await run(job, payload);
        await settle(true);
        // The same is told once more, so that the job has its work to do again.
        await changed(job, payload);
        await run(job, payload);
      });

      expect(once.rows).not.toEqual(normalized(before, before));
      expect(again).toEqual(once);
      expect(atOnce).toEqual(once);
      expect(muchLater).toEqual(once);
    },
  );
});

describe('what is told or asked several times', () => {
  let product: Product;

  beforeEach(async () => {
    product = await aProduct({ now: NOW });
  });

  afterEach(async () => {
    await product.close();
  });

  const own = (tenantId: string): Scope => product.scope(tenantId);

  const aBuyer = async (bookId: string): Promise<string> => {
    const tenantId = await aTenant(product);
    await aContract(product, { buyerId: tenantId, bookId });

    return tenantId;
  };

  const aBook = async (): Promise<string> => {
    const meterId = await aMeter(product);

    return (await aPriceBook(product, { prices: [{ meterId, terms: perMillion('2.5') }] })).bookId;
  };

  const usage = (count: number): Record<string, unknown>[] =>
    Array.from({ length: count }, (_, index) =>
      anEvent({
        id: `event ${index}`,
        time: '2026-11-20T11:00:00Z',
        properties: { model: `m${index % 3}`, tokens: '1000000.5' },
      }),
    );

  const accept = (tenantId: string, events: readonly unknown[]) =>
    product.app.services.usage.accept(own(tenantId), events, { keyId: 'key', isDryRun: false });

  const draftOf = async (tenantId: string): Promise<string> => {
    const rows = await asSuperuser<{ id: string }>(
      product.database,
      `select id from invoice where tenant_id = $1 and status = 'DRAFT'`,
      [tenantId],
    );

    return only(rows).id;
  };

  test('facts told twice are charged, fired and posted once', async () => {
    const received: string[] = [];
    const receiver = await aReceiver(received);
    const tenantId = await aBuyer(await aBook());
    await product.app.services.webhooks.createEndpoint(own(tenantId), {
      url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
      eventTypes: ['spend_alert.triggered'],
      idempotencyKey: 'endpoint',
    });
    await product.app.services.alerts.create(
      own(tenantId),
      { name: 'Spend', budget: null, thresholds: [{ amount: '1' }], idempotencyKey: 'alert' },
      product.app.services.rating,
    );
    await accept(tenantId, usage(2));
    const facts = await asSuperuser<{ topic: string }>(product.database, 'select topic from outbox order by id');
    expect(facts.map(({ topic }) => topic)).toEqual(['price_book.changed', 'contract.changed', 'usage.accepted']);

    // Every fact is told, and comes back as one does whose relay died before it could say so: three times in all.
    await asSuperuser(product.database, 'create table outbox_again as table outbox');
    const tellAgain = async (): Promise<void> => {
      await asSuperuser(product.database, 'update outbox_again set handed_over = handed_over + 1');
      await asSuperuser(
        product.database,
        `insert into outbox overriding system value select * from outbox_again on conflict (tenant_id, id) do nothing`,
      );
    };
    await product.app.relay.relayOnce();
    await tellAgain();
    product.app.work();
    await until(async () => received.length > 0);
    await tellAgain();
    await until(async () => (await asSuperuser(product.database, 'select from outbox')).length === 0);
    await until(
      async () =>
        (
          await asSuperuser(
            product.database,
            `select from bullmq.job where state not in ('completed', 'failed') or state = 'failed'`,
          )
        ).length === 0,
    );

    expect(received).toHaveLength(1);
    expect(
      await asSuperuser(
        product.database,
        `select count(*)::int as charges, trim_scale(sum(amount))::text as amount, trim_scale(sum(quantity))::text as quantity,
           (select count(*)::int from alert_firing) as firings, (select count(*)::int from webhook_attempt) as attempts from charge`,
      ),
    ).toEqual([{ charges: 1, amount: '5.0000025', quantity: '2000001', firings: 1, attempts: 1 }]);
    receiver.close();
  });

  test('eight identical batches at once accept each event once', async () => {
    const tenantId = await aBuyer(await aBook());
    const receipts = await Promise.all(Array.from({ length: 8 }, () => accept(tenantId, usage(50))));

    expect(receipts.reduce((total, { accepted }) => total + accepted, 0)).toBe(50);
    expect(receipts.reduce((total, { duplicates }) => total + duplicates.length, 0)).toBe(7 * 50);
    expect(receipts.flatMap(({ conflicts, rejected }) => [...conflicts, ...rejected])).toEqual([]);
    expect(
      await asSuperuser(
        product.database,
        `select count(*)::int as buckets, sum(event_count)::int as events, trim_scale(sum(quantity))::text as quantity,
           (select count(*)::int from usage_event) as stored from usage_bucket`,
      ),
    ).toEqual([{ buckets: 3, events: 50, quantity: '50000025', stored: 50 }]);
  });

  test('eight batches at once with the same events in different orders accept each event once and do not deadlock', async () => {
    const bookId = await aBook();
    const buyers = [await aBuyer(bookId), await aBuyer(bookId)];
    const events = buyers.flatMap(tenant => usage(30).map(event => ({ ...event, tenant })));
    const receipts = await Promise.all(
      Array.from({ length: 8 }, (_, turn) => {
        const rotated = [...events.slice(turn * 7), ...events.slice(0, turn * 7)];

        return accept(product.platformId, turn % 2 === 0 ? rotated : rotated.reverse());
      }),
    );

    expect(receipts.reduce((total, { accepted }) => total + accepted, 0)).toBe(60);
    expect(
      await asSuperuser(
        product.database,
        'select sum(event_count)::int as events, trim_scale(sum(quantity))::text as quantity from usage_bucket',
      ),
    ).toEqual([{ events: 60, quantity: '60000030' }]);
  });

  test('one draft issued eight times at once is issued once; the other seven are refused by name', async () => {
    const tenantId = await aBuyer(await aBook());
    await accept(tenantId, usage(2));
    await product.app.services.rating.rate(own(tenantId));
    const invoiceId = await draftOf(tenantId);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        product.app.services.invoicing.issue(own(tenantId), {
          invoiceId,
          acceptUnpriced: false,
          idempotencyKey: `try ${index}`,
        }),
      ),
    );

    expect(outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value.invoice.number] : []))).toEqual(
      ['INV-000001'],
    );
    expect(
      outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [(outcome.reason as { code: string }).code] : [])),
    ).toEqual(Array.from({ length: 7 }, () => 'INVALID_TRANSITION'));
    expect(await numbers()).toEqual(['1']);
    expect(await asSuperuser(product.database, 'select next_number from invoice_series')).toEqual([
      { next_number: '2' },
    ]);
    expect(await asSuperuser(product.database, `select from audit_line where action = 'invoice.issued'`)).toHaveLength(
      1,
    );
  });

  test('one request to issue sent eight times at once is answered eight times with the same invoice', async () => {
    const tenantId = await aBuyer(await aBook());
    await accept(tenantId, usage(2));
    await product.app.services.rating.rate(own(tenantId));
    const input = { invoiceId: await draftOf(tenantId), acceptUnpriced: false, idempotencyKey: 'the same' };
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => product.app.services.invoicing.issue(own(tenantId), input)),
    );

    expect(answers.map(({ invoice }) => invoice.number)).toEqual(Array.from({ length: 8 }, () => 'INV-000001'));
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await numbers()).toEqual(['1']);
  });

  test('eight tenants issuing at once under one issuer get the numbers 1 to 8', async () => {
    const bookId = await aBook();
    const tenants: string[] = [];

    for (let index = 0; index < 8; index++) {
      const tenantId = await aBuyer(bookId);
      await accept(tenantId, usage(2));
      await product.app.services.rating.rate(own(tenantId));
      tenants.push(tenantId);
    }

    const drafts = await Promise.all(tenants.map(async tenantId => ({ tenantId, invoiceId: await draftOf(tenantId) })));
    // Each with usage that nobody has rated, so that rating, alerts and numbers meet in one transaction.
    await Promise.all(
      tenants.map(tenantId => accept(tenantId, [anEvent({ id: 'last', time: '2026-11-21T11:00:00Z' })])),
    );
    const issued = await Promise.all(
      drafts.map(({ tenantId, invoiceId }, index) =>
        product.app.services.invoicing.issue(own(tenantId), {
          invoiceId,
          acceptUnpriced: true,
          idempotencyKey: `issue ${index}`,
        }),
      ),
    );

    expect(issued.map(({ invoice }) => invoice.number ?? '').sort()).toEqual(
      Array.from({ length: 8 }, (_, index) => `INV-00000${index + 1}`),
    );
    expect(await numbers()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  });

  test('eight tenants whose issue is refused take no number', async () => {
    const bookId = await aBook();
    const tenants = await Promise.all(Array.from({ length: 8 }, () => aBuyer(bookId)));

    for (const tenantId of tenants) {
      await accept(tenantId, [anEvent({ id: 'december', time: '2026-12-10T11:00:00Z' })]);
      await product.app.services.rating.rate(own(tenantId));
    }

    const outcomes = await Promise.allSettled(
      tenants.map(async tenantId =>
        product.app.services.invoicing.issue(own(tenantId), {
          invoiceId: await draftOf(tenantId),
          acceptUnpriced: false,
          idempotencyKey: 'early',
        }),
      ),
    );

    expect(
      outcomes.map(outcome => (outcome.status === 'rejected' ? (outcome.reason as { code: string }).code : 'issued')),
    ).toEqual(Array.from({ length: 8 }, () => 'PERIOD_OPEN'));
    expect(await numbers()).toEqual([]);
    expect(await asSuperuser(product.database, 'select from invoice_series')).toEqual([]);
  });

  async function numbers(): Promise<string[]> {
    const rows = await asSuperuser<{ number: string }>(
      product.database,
      `select n.number from invoice_number n join invoice i on i.id = n.invoice_id and i.status = 'ISSUED' order by n.number`,
    );

    return rows.map(({ number }) => number);
  }
});

/** Rows by table, each as sorted JSON. */
type Dump = Readonly<Record<string, readonly string[]>>;

/** Everything the product keeps, but for the columns of `UNTOLD`. */
async function dump(client: pg.Client): Promise<Dump> {
  const { rows } = await client.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migration' order by 1`,
  );
  const tables: Record<string, readonly string[]> = {};

  for (const { name } of rows) {
    const untold = UNTOLD.filter(column => column.startsWith(`${name}.`)).map(column => column.split('.')[1]);
    const found = await client.query<{ row: string }>(
      `select (to_jsonb(t) - $1::text[])::text as row from ${name} t order by 1`,
      [untold],
    );
    tables[name] = found.rows.map(({ row }) => row);
  }

  return tables;
}

/** The same dump with a mask over every id and hash that was not there before: two runs make different ones. */
function normalized(rows: Dump, before: Dump): Dump {
  const known = JSON.stringify(before);

  return Object.fromEntries(
    Object.entries(rows).map(([table, lines]) => [table, lines.map(line => masked(line, known)).sort()]),
  );
}

function masked(text: string, known: string): string {
  return text.replaceAll(/([a-z]{2,4})_[0-9A-Z]{26}|\b[0-9a-f]{64}\b/g, (found, prefix: string | undefined) =>
    known.includes(found) ? found : `<${prefix ?? 'hash'}>`,
  );
}

/** Answers 200 to everything and writes down the `webhook-id` of each post. */
async function aReceiver(received: string[]): Promise<Server> {
  const receiver = createServer((request, response) => {
    request.resume().on('end', () => {
      received.push(String(request.headers['webhook-id']));
      response.end('thank you');
    });
  });
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve));

  return receiver;
}

function graduated(unitAmount: string): PriceTermsJson {
  return {
    model: 'GRADUATED',
    per: '1000000',
    tiers: [
      { upTo: '1500000', unitAmount },
      { upTo: null, unitAmount: '1.25', flatAmount: '0.5' },
    ],
  };
}

function erased<P extends JobPayload>(job: JobDefinition<P>): JobDefinition {
  return job as unknown as JobDefinition;
}

function only<T>(rows: readonly T[]): T {
  const [row, ...more] = rows;

  if (!row || more.length > 0) {
    throw new Error(`one row was expected, not ${rows.length}`);
  }

  return row;
}
